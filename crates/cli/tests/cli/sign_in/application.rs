//! Applications that sign in for themselves, and their secrets.

use drivedal_server::AccountKind;

use super::{Login, SignIn};

/// Returns the id of the default account's drive.
async fn drive_id(user: &SignIn) -> String {
    let uri = format!("it=onedrive://?endpoint={}/v1.0&access_token=drivedal-dev", user.url());
    let ran = user.run(&["--remote", &uri, "remotes", "test", "--json", "it"]).await;
    ran.json()[0]["drive"]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_signs_in_with_a_secret_from_standard_input() {
    let user = SignIn::of_kind(AccountKind::Business).await;
    let id = drive_id(&user).await;
    let mut login = user.command(&["login", "ci", "--app-only", "--tenant", "contoso.example"]);
    login.args(["--client-secret-file", "-", "--drive", &id]);
    let login = tokio::task::spawn_blocking(move || {
        let mut child = login.stdin(std::process::Stdio::piped()).spawn().expect("it runs");
        let mut input = child.stdin.take().expect("is piped");
        std::io::Write::write_all(&mut input, b"hunter2\n").expect("is read");
        drop(input);
        crate::shell::Ran::new(child.wait_with_output().expect("it ends"))
    });
    let ran = login.await.expect("no panic");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
    let config = user.config();
    assert!(config.contains("client_secret = \"hunter2\"") && config.contains(&id), "{config}");
    assert!(!user.token_path("ci").exists());
    user.shell.write("a", "1");
    user.out(&["put", "a", "ci:a"]).await;
    assert_eq!(user.out(&["ls", "ci:"]).await, "a\n");
    let shown = user.out(&["remotes", "show", "ci"]).await;
    assert!(shown.contains("client_secret: (set)") && !shown.contains("hunter2"), "{shown}");
    // An application has no `/me`: the drives are those of the owner of its drive.
    let drives = user.run(&["drives", "--json", "ci"]).await;
    assert_eq!((drives.code, &drives.json()[0]["id"]), (0, &id.as_str().into()), "{drives:?}");
    // A new secret replaces the old one.
    user.shell.write("secret", "hunter3\n");
    user.out(&["login", "ci", "--app-only", "--client-secret-file", "secret"]).await;
    assert!(user.config().contains("client_secret = \"hunter3\""), "{}", user.config());
    user.run(&["logout", "ci"]).await.fails(2, "cannot sign out of ci: it has no tokens of a user");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_without_a_user_needs_a_drive_a_tenant_and_a_secret() {
    let user = SignIn::of_kind(AccountKind::Business).await;
    let app = ["login", "ci", "--app-only"];
    let run = async |more: &[&str]| user.run(&[&app[..], more].concat()).await;
    run(&[]).await.fails(2, "use --drive, --site, --find-site, --user or --group");
    run(&["--drive", "x"]).await.fails(2, "neither a secret nor a certificate");
    user.shell.write("secret", "hunter2");
    let ran = run(&["--drive", "x", "--client-secret-file", "secret"]).await;
    ran.fails(8, "AADSTS50059").fails(8, "check the tenant");
    let ran = run(&["--drive", "x", "--tenant", "t.example", "--certificate", "none.pem"]).await;
    ran.fails(2, "none.pem");
    user.shell.write("empty", "\n");
    run(&["--drive", "x", "--client-secret-file", "empty"]).await.fails(2, "it has no secret");
    assert!(!user.shell.path(".config/drivedal").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_refused_as_an_argument() {
    let user = SignIn::new().await;
    let ran = user.run(&["login", "ci", "--client-secret", "hunter2"]).await;
    ran.fails(2, "other users can see the arguments of a process");
    let help = user.out(&["login", "--help"]).await;
    assert!(!help.contains("--client-secret "), "{help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_application_is_an_error_before_any_request() {
    let user = SignIn::new().await;
    let authority = user.url();
    let login = ["login", "od", "--authority", &authority];
    user.run(&login).await.fails(2, "the id of an application is missing (use --client-id");
    // The environment has it.
    let mut command = user.command(&login);
    command.arg("--no-browser").env("DRIVEDAL_REMOTE_OD_CLIENT_ID", "from-environment");
    let (login, page) = Login::start(command).await;
    assert!(page.contains("client_id=from-environment"), "{page}");
    crate::stops::signal(&login.child, "TERM");
    login.end().await;
}
