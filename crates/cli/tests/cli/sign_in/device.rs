//! The device code flow.

use super::{Login, SignIn, submit};

/// Starts `drivedal login`, and returns the page and the code that it prints.
async fn start(user: &SignIn, arguments: &[&str]) -> (Login, String, String) {
    let line = |line: &str| line.contains("enter the code").then(|| line.to_owned());
    let (login, line) = Login::start_until(user.command(arguments), line).await;
    let page = line.split(' ').nth(1).expect("a page").to_owned();
    let code = line.rsplit(' ').next().expect("a code").to_owned();
    (login, page, code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_entered_on_another_device() {
    let user = SignIn::new().await;
    let (login, page, code) = start(&user, &["login", "od", "--device"]).await;
    let fields = [("user_code", &*code), ("account", "anna"), ("decision", "allow")];
    let last = submit(&page, &fields).await;
    assert!(last.contains("signed in"), "{last}");
    let ran = login.end().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("signed in to od as "), "{ran:?}");
    user.out(&["ls", "od:"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_browser_the_device_code_is_the_default_and_can_be_denied() {
    let user = SignIn::new().await;
    let (login, page, code) = start(&user, &["login", "od"]).await;
    submit(&page, &[("user_code", &code), ("decision", "deny")]).await;
    let ran = login.end().await;
    ran.fails(4, "cannot sign in to od").fails(4, "denied");
    assert!(!user.shell.path(".config/drivedal").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_without_device_codes_is_an_error() {
    let user = SignIn::new().await;
    let ran = user.run(&["login", "sky", "--service", "skydrive", "--device"]).await;
    ran.fails(8, "skydrive has no device codes (use --paste)");
}
