//! The browser flow: authorization code with PKCE, on a loopback redirect.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::json;

use super::{Login, SignIn, browser, submit};
use crate::stops::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_in_a_browser_writes_a_remote_that_works() {
    let user = SignIn::new().await;
    let (login, page) =
        Login::start(user.command(&["login", "od", "--no-browser", "--json"])).await;
    assert!(page.starts_with(&format!("{}/common/oauth2/v2.0/authorize?", user.url())), "{page}");
    let last = submit(&page, &[("account", "anna"), ("decision", "allow")]).await;
    assert!(last.contains("You may close this window"), "{last}");
    let ran = login.end().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let record = &ran.json()[0];
    assert_eq!((&record["name"], &record["service"]), (&json!("od"), &json!("onedrive")));
    assert_eq!(record["drive"]["type"], json!("personal"));

    let config = user.config();
    let token_file = user.token_path("od");
    for line in ["[remotes.od]", "type = \"onedrive\"", &token_file.display().to_string()] {
        assert!(config.contains(line), "{line} is not in {config}");
    }
    let tokens = fs::read_to_string(&token_file).expect("stored");
    assert!(tokens.contains("refresh_token") && !config.contains("refresh_token"), "{config}");
    for path in [token_file, user.shell.path(".config/drivedal/config.toml")] {
        let mode = fs::metadata(&path).expect("exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    user.shell.write("a", "hello");
    user.out(&["put", "a", "od:b"]).await;
    assert_eq!(user.out(&["cat", "od:b"]).await, "hello");
    // It is the drive of the account that was chosen on the page.
    let uri = format!("onedrive://?endpoint={}/v1.0&access_token=drivedal-dev-anna", user.url());
    assert_eq!(user.out(&["ls", &uri]).await, "b\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_of_the_variable_is_opened() {
    let user = SignIn::new().await;
    let opened = user.shell.path("opened");
    let script =
        format!("#!/bin/sh\nprintf %s \"$1\" > {0}.new && mv {0}.new {0}\n", opened.display());
    let script = user.shell.write("browser", script);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("changed");
    let mut command = user.command(&["login", "od"]);
    command.env("BROWSER", &script).env("PATH", std::env::var_os("PATH").expect("is set"));
    let (login, page) = Login::start(command).await;
    let path = opened.clone();
    let seen = tokio::task::spawn_blocking(move || {
        until("the browser is opened", || path.exists());
        fs::read_to_string(path).expect("a URL")
    });
    assert_eq!(seen.await.expect("no panic"), page);
    submit(&page, &[("decision", "allow")]).await;
    assert_eq!(login.end().await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_sign_in_writes_nothing() {
    let user = SignIn::new().await;
    let (login, page) = Login::start(user.command(&["login", "od", "--no-browser"])).await;
    let last = submit(&page, &[("decision", "deny")]).await;
    assert!(last.contains("AADSTS65004"), "{last}");
    let ran = login.end().await;
    ran.fails(4, "cannot sign in to od: ").fails(4, "AADSTS65004");
    assert!(!user.shell.path(".config/drivedal").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_of_another_sign_in_is_ignored() {
    let user = SignIn::new().await;
    let (login, page) = Login::start(user.command(&["login", "od", "--no-browser"])).await;
    let url = url::Url::parse(&page).expect("a URL");
    let (_, redirect) =
        url.query_pairs().find(|(name, _)| name == "redirect_uri").expect("a redirect URI");
    let forged = format!("{redirect}/?code=M.R3_forged&state=forged");
    let response = browser().get(forged).send().await.expect("a response");
    assert!(!response.status().is_success(), "{response:?}");
    submit(&page, &[("decision", "allow")]).await;
    assert_eq!(login.end().await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_the_last_page_can_be_pasted() {
    let user = SignIn::new().await;
    let (mut login, page) = Login::start(user.command(&["login", "od", "--paste"])).await;
    let client = drivedal_test_support::http::client();
    let sent = client
        .post(&page)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("decision=allow")
        .send();
    let response = sent.await.expect("a response");
    let address = response.headers()["location"].to_str().expect("text").to_owned();
    assert!(address.starts_with("http://localhost/?code="), "{address}");
    login.enter(&address);
    let ran = login.end().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.err.contains("M.R3_"), "{ran:?}");
    user.out(&["ls", "od:"]).await;

    let (mut login, _) = Login::start(user.command(&["login", "other", "--paste"])).await;
    login.enter("http://localhost/?code=M.R3_x&state=other");
    login.end().await.fails(8, "cannot sign in to other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_replaces_only_the_tokens() {
    let user = SignIn::new().await;
    assert_eq!(user.log_in("od", "anna").await.code, 0);
    let config = user.config().replace("[remotes.od]", "# mine\n[remotes.od] # my own");
    user.shell.write(".config/drivedal/config.toml", &config);
    let tokens = fs::read_to_string(user.token_path("od")).expect("stored");
    assert_eq!(user.log_in("od", "anna").await.code, 0);
    assert_eq!(user.config(), config);
    let new = fs::read_to_string(user.token_path("od")).expect("stored");
    assert_ne!(new, tokens);

    user.log_in("od", "berta").await.fails(5, "the remote belongs to");
    assert_eq!(fs::read_to_string(user.token_path("od")).expect("stored"), new);
    let ran = user.run(&["login", "od", "--client-id", "another"]).await;
    ran.fails(5, "the remote has another client_id").fails(5, "drivedal remotes remove od");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_sign_in_ends_at_once() {
    let user = SignIn::new().await;
    let (login, _) = Login::start(user.command(&["login", "od", "--no-browser"])).await;
    crate::stops::signal(&login.child, "INT");
    login.end().await.fails(130, "interrupted");
    assert!(!user.shell.path(".config/drivedal").exists());
}
