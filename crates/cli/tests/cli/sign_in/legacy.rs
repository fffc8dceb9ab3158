//! The sign-in of the clouds that were shut down, on the drive server.

use super::{Login, SignIn};

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_to_skydrive_is_a_pasted_address() {
    let user = SignIn::new().await;
    let command = user.command(&["login", "sky", "--service", "skydrive", "--no-browser"]);
    let (mut login, page) = Login::start(command).await;
    let response = drivedal_test_support::http::client().get(&page).send().await;
    let response = response.expect("a response");
    let address = response.headers()["location"].to_str().expect("text").to_owned();
    assert!(address.contains("/oauth20_desktop.srf?code="), "{address}");
    login.enter(&address);
    let ran = login.end().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    user.shell.write("a", "1");
    user.out(&["put", "a", "sky:a"]).await;
    user.out(&["token", "sky"]).await;
    assert_eq!(user.out(&["ls", "sky:"]).await, "a\n");
    user.run(&["drives", "sky"]).await.fails(8, "cannot list the drives of sky");
}
