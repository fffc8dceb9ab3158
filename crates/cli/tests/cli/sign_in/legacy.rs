//! The sign-in of the clouds that were shut down, on the drive server.

use drivedal_server::{Directory, Server};

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

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_cloud_lets_the_user_choose_an_account() {
    let directory = br#"{
        "users": [{"name": "anna", "kind": "personal"}, {"name": "bea", "kind": "personal"}],
        "applications": [
            {"id": "desktop", "redirect_uris": ["http://localhost"], "public_client": true}
        ]
    }"#;
    let directory = Directory::from_json(directory).expect("a directory");
    let user = SignIn::on(Server::builder().ephemeral().directory(directory)).await;
    user.shell.write("a", "1");
    for (service, end) in
        [("skydrive", "/oauth20_desktop.srf?code="), ("amazon-drive", "http://localhost/?code=")]
    {
        let mut command = user.command(&["login", service, "--service", service, "--paste"]);
        command.args(["--client-id", "desktop"]);
        let (mut login, page) = Login::start(command).await;
        let sent = drivedal_test_support::http::client()
            .post(&page)
            .header("content-type", "application/x-www-form-urlencoded")
            .body("account=bea%40drivedal.example&decision=allow")
            .send();
        let response = sent.await.expect("a response");
        let address = response.headers()["location"].to_str().expect("text").to_owned();
        assert!(address.contains(end), "{address}");
        login.enter(&address);
        let ran = login.end().await;
        assert_eq!(ran.code, 0, "{service}: {ran:?}");
        let file = format!("{service}:a-{service}");
        user.out(&["put", "a", &file]).await;
        user.out(&["token", service]).await;
    }
    // Both remotes open the drive of the same account.
    assert_eq!(user.out(&["ls", "skydrive:"]).await, "a-amazon-drive\na-skydrive\n");
}
