//! `remotes import`: configurations of other programs.

use serde_json::{Value, json};

use super::SignIn;
use crate::shell::Shell;

/// The refresh token of the default account at a drive server.
const REFRESH: &str = "drivedal-dev-refresh";

#[tokio::test(flavor = "multi_thread")]
async fn the_sections_of_rclone_become_remotes_that_work() {
    let user = SignIn::new().await;
    let url = user.url();
    let token =
        json!({"access_token": "x", "refresh_token": REFRESH, "expiry": "2020-01-01T00:00:00Z"});
    let section = |name: &str, more: &str| {
        format!("[{name}]\ntype = onedrive\nclient_id = id\ntoken = {token}\n{more}\n")
    };
    let urls = format!("token_url = {url}/common/oauth2/v2.0/token\nchunk_size = 10M\n");
    let file = format!(
        "{}{}[b2]\ntype = b2\n{}",
        section("od", &urls),
        section("My Drive", &urls),
        section("disk", "")
    );
    user.shell.write(".config/rclone/rclone.conf", &file);
    let ran = user.run(&["remotes", "import", "rclone"]).await;
    // `My Drive` is not a name for a remote, and `disk` exists.
    ran.fails(6, "cannot import My Drive: ").fails(6, "cannot import disk: a remote of this name");
    assert_eq!(ran.out, "imported od (onedrive)\n", "{ran:?}");
    let arguments = ["remotes", "import", "rclone", "--section", "My Drive", "--name", "mine"];
    assert_eq!(user.out(&arguments).await, "imported mine (onedrive)\n");
    assert!(!user.config().contains(REFRESH), "{}", user.config());
    for name in ["od", "mine"] {
        let variable = format!("DRIVEDAL_REMOTE_{}_ENDPOINT", name.to_uppercase());
        let mut command = user.command(&["remotes", "test", name]);
        command.env(variable, format!("{url}/v1.0"));
        let ended = tokio::task::spawn_blocking(move || command.output()).await;
        let ran = crate::shell::Ran::new(ended.expect("no panic").expect("it runs"));
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
    }
    user.run(&["remotes", "import", "rclone", "--section", "none"])
        .await
        .fails(3, "no such remote");
    user.run(&["remotes", "import", "rclone", "--name", "x1"]).await.fails(2, "use --section");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_of_acd_cli_becomes_a_remote_that_works() {
    let user = SignIn::new().await;
    let url = user.url();
    let tokens: Value = json!({"access_token": "x", "refresh_token": REFRESH, "expires_in": 3600,
        "token_type": "bearer", "exp_time": 1_000_000_000.5});
    let folder = ".cache/acd_cli";
    user.shell.write(&format!("{folder}/oauth_data"), tokens.to_string());
    let client = json!({"CLIENT_ID": "id", "CLIENT_SECRET": "hunter2"});
    user.shell.write(&format!("{folder}/client_data"), client.to_string());
    let endpoint = format!("{url}/drive/v1/");
    let endpoints = json!({"metadataUrl": endpoint, "contentUrl": endpoint});
    user.shell.write(&format!("{folder}/endpoint_data"), endpoints.to_string());
    assert_eq!(
        user.out(&["remotes", "import", "acd_cli"]).await,
        "imported amazon-drive (amazon-drive)\n"
    );
    let mut command = user.command(&["ls", "amazon-drive:"]);
    command.env("DRIVEDAL_REMOTE_AMAZON_DRIVE_OAUTH_ENDPOINT", &url);
    let ended = tokio::task::spawn_blocking(move || command.output()).await;
    let ran = crate::shell::Ran::new(ended.expect("no panic").expect("it runs"));
    assert_eq!(ran.code, 0, "{ran:?}");
    user.run(&["remotes", "import", "acd_cli"]).await.fails(5, "use --name");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_the_old_client_and_the_variables_of_opendal_become_remotes() {
    let user = SignIn::new().await;
    let lcrc = format!("client:\n  id: '1'\nauth:\n  refresh_token: {REFRESH}\n");
    user.shell.write(".lcrc", &lcrc);
    let ran = user.run(&["remotes", "import", "--json", "lcrc", "--name", "old"]).await;
    let record = &ran.json()[0];
    assert_eq!((&record["service"], &record["signed_in"]), (&json!("skydrive"), &json!(true)));
    assert_eq!(user.shell.read(".lcrc"), lcrc.as_bytes());

    let mut command = user.command(&["remotes", "import", "env"]);
    command.env("OPENDAL_ONEDRIVE_CLIENT_ID", "id");
    command.env("OPENDAL_ONEDRIVE_REFRESH_TOKEN", REFRESH).env("OPENDAL_ONEDRIVE_ROOT", "/a");
    let ended = tokio::task::spawn_blocking(move || command.output()).await;
    let ran = crate::shell::Ran::new(ended.expect("no panic").expect("it runs"));
    assert_eq!((ran.code, &*ran.out), (0, "imported onedrive (onedrive)\n"), "{ran:?}");
    assert!(user.config().contains("root = \"/a\""), "{}", user.config());
    assert!(user.token_path("onedrive").exists() && user.token_path("old").exists());
}

#[test]
fn a_configuration_that_is_missing_or_invalid_is_named_without_its_contents() {
    let shell = Shell::new();
    let import = |arguments: &[&str]| shell.run(&[&["remotes", "import"], arguments].concat());
    import(&["rclone"]).fails(3, "rclone.conf");
    import(&["lcrc"]).fails(3, ".lcrc");
    import(&["acd_cli", "nowhere"]).fails(3, "oauth_data");
    import(&["env"]).fails(3, "cannot import the environment: it has no such remote");
    import(&["env", "x"]).fails(2, "the environment has no path");
    import(&["lcrc", "--section", "x"]).fails(2, "only rclone's file has sections");
    shell
        .write("encrypted", "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nSECRET=");
    let ran = import(&["rclone", "encrypted"]);
    ran.fails(2, "it is encrypted");
    assert!(!ran.err.contains("SECRET"), "{ran:?}");
    shell.write("broken", "[od]\ntype = onedrive\ntoken = {\"access_token\": SECRET}\n");
    let ran = import(&["rclone", "broken"]);
    ran.fails(2, "[od]");
    assert!(!ran.err.contains("SECRET"), "{ran:?}");
    shell.write("empty", "[b2]\ntype = b2\n");
    import(&["rclone", "empty"]).fails(3, "cannot import empty: it has no such remote");
}
