//! `token`, `logout`, and sign-ins that have ended.

use std::fs;

use serde_json::{Value, json};

use super::SignIn;

fn stored(user: &SignIn) -> Value {
    let text = fs::read_to_string(user.token_path("od")).expect("stored");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_refreshed_and_shown_only_on_demand() {
    let user = SignIn::new().await;
    assert_eq!(user.log_in("od", "").await.code, 0);
    let before = stored(&user);
    user.server.control().reset_counters();
    let shown = user.out(&["token", "od"]).await;
    assert_eq!(user.server.control().counters().count("entra.token"), 1);
    let after = stored(&user);
    let access = |tokens: &Value| tokens["access_token"].as_str().expect("a token").to_owned();
    assert_ne!(access(&before), access(&after));
    assert!(shown.contains("account: Drivedal Developer"), "{shown}");
    assert!(shown.contains("expires: 20") && !shown.contains(&access(&after)), "{shown}");

    let token = user.out(&["token", "-q", "--show", "od"]).await;
    assert_eq!(token, format!("{}\n", access(&stored(&user))));
    let record = &user.run(&["token", "--json", "--show", "od"]).await.json()[0];
    assert_eq!(record["access_token"], json!(access(&stored(&user))));
    assert!(record["expires_at"].is_string() && record["account"]["id"].is_string(), "{record}");
    user.run(&["token", "disk"]).await.fails(8, "it is a fs remote");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_removes_the_tokens_and_every_command_names_the_login() {
    let user = SignIn::new().await;
    assert_eq!(user.log_in("od", "").await.code, 0);
    let ran = user.run(&["logout", "od"]).await;
    assert_eq!((ran.code, &*ran.out), (0, "removed the tokens of od\n"));
    assert!(ran.err.contains("https://account.live.com/consent/Manage"), "{ran:?}");
    assert!(!user.token_path("od").exists());
    user.shell.write("a", "1");
    for command in [
        &["ls", "od:"][..],
        &["put", "a", "od:a"],
        &["get", "od:a", "b"],
        &["stat", "od:a"],
        &["quota", "od:"],
        &["user", "od:"],
        &["mkdir", "od:x"],
        &["rm", "od:a"],
        &["remotes", "test", "od"],
        &["drives", "od"],
        &["token", "od"],
    ] {
        let ran = user.run(command).await;
        assert!(ran.err.contains("(run `drivedal login od`)"), "{command:?}: {ran:?}");
        assert_eq!(ran.code, 4, "{command:?}: {ran:?}");
    }
    let record = user.run(&["--json", "ls", "od:"]).await.json().remove(0);
    assert_eq!(record["error"]["hint"], json!("run `drivedal login od`"));
    let shown = user.out(&["remotes", "show", "od"]).await;
    assert!(shown.contains("signed in: no (run `drivedal login od`)"), "{shown}");
    assert_eq!(user.out(&["logout", "od"]).await, "od has no tokens\n");
    assert_eq!(user.log_in("od", "").await.code, 0);
    user.out(&["ls", "od:"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_sign_in_names_the_login() {
    let user = SignIn::new().await;
    assert_eq!(user.log_in("od", "").await.code, 0);
    let tokens = json!({ "refresh_token": "revoked" }).to_string();
    fs::write(user.token_path("od"), tokens).expect("written");
    let ran = user.run(&["ls", "od:"]).await;
    ran.fails(4, "AADSTS70000").fails(4, "(run `drivedal login od`)");
    assert!(!ran.err.contains("revoked token"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_among_the_options_are_replaced_by_a_file() {
    let user = SignIn::new().await;
    let url = user.url();
    let remote = format!(
        "[remotes.od]\ntype = 'onedrive'\nclient_id = 'drivedal'\nendpoint = '{url}/v1.0'\n\
         oauth_endpoint = '{url}'\nrefresh_token = 'old'\n"
    );
    user.shell.write(".config/drivedal/config.toml", &remote);
    user.run(&["ls", "od:"]).await.fails(4, "(run `drivedal login od`)");
    assert_eq!(user.log_in("od", "").await.code, 0);
    assert!(!user.config().contains("refresh_token"), "{}", user.config());
    user.out(&["ls", "od:"]).await;

    let uri = format!("od=onedrive://?refresh_token=old&client_id=drivedal&oauth_endpoint={url}");
    let ran = user.run(&["login", "od", "--remote", &uri, "--no-browser"]).await;
    ran.fails(5, "the remote has another");
    let uri = format!("{uri}&endpoint={url}/v1.0");
    let ran = user.run(&["login", "od", "--remote", &uri, "--no-browser"]).await;
    ran.fails(2, "its option refresh_token would override the new tokens");
}

#[test]
fn a_remote_without_a_sign_in_names_the_login() {
    let shell = crate::shell::Shell::new();
    for service in ["onedrive", "skydrive", "amazon-drive"] {
        let remote = format!("[remotes.cloud]\ntype = '{service}'\nclient_id = 'x'\n");
        shell.write(".config/drivedal/config.toml", remote);
        shell.run(&["ls", "cloud:"]).fails(2, "(run `drivedal login cloud`)");
    }
    shell.run(&["ls", "onedrive://"]).fails(2, "sign in: `drivedal login NAME`");
}
