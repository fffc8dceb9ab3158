//! The commands in a tenant without pre-authenticated URLs.

use drivedal_server::{AccountKind, CloudBehavior, Server};

use crate::{rig::Rig, shell::Shell};

/// Returns a Business drive. With `audience`, its sign-in also gives tokens for SharePoint.
async fn tenant(audience: bool) -> Rig {
    let server = Server::builder()
        .ephemeral()
        .kind(AccountKind::Business)
        .behavior(CloudBehavior::default().without_pre_authenticated_urls())
        .start()
        .await
        .expect("a server");
    let encoded = |text: &str| text.replace(':', "%3A").replace('/', "%2F");
    let endpoint = encoded(&format!("{}v1.0", server.url()));
    let sign_in = match audience {
        true => format!(
            "client_id=app&refresh_token=drivedal-dev-anna-refresh&oauth_endpoint={}",
            encoded(server.url().as_str()),
        ),
        // A fixed token is for Graph only.
        false => "access_token=drivedal-dev-anna".to_owned(),
    };
    let sharepoint = encoded("https://drivedal-my.sharepoint.com");
    let uri = format!(
        "it=onedrive://?endpoint={endpoint}&{sign_in}&sharepoint_audience={sharepoint}\
         &upload_fragment=327680"
    );
    Rig { server, shell: Shell::new(), uri }
}

async fn succeeds(rig: &Rig, arguments: &[&str]) {
    let ran = rig.run(arguments).await;
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sent_copied_and_read() {
    for audience in [true, false] {
        let rig = tenant(audience).await;
        let large: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
        rig.shell.write_old("src/small", "1");
        rig.shell.write_old("src/large", &large);
        rig.shell.write_old("src/empty", "");
        succeeds(&rig, &["put", "-r", "src", "it:d"]).await;
        succeeds(&rig, &["cp", "it:d/large", "it:copy"]).await;
        succeeds(&rig, &["cp", "-r", "it:d", "it:e"]).await;
        // The times arrived, so nothing is sent again.
        succeeds(&rig, &["check", "src", "it:d"]).await;
        let ran = rig.run(&["sync", "--error-on-no-transfer", "src", "it:d"]).await;
        assert_eq!(ran.code, 9, "{ran:?}");
        succeeds(&rig, &["get", "it:copy", "copy"]).await;
        assert!(rig.shell.read("copy") == large, "the copy differs");
        for folder in ["d", "e"] {
            succeeds(&rig, &["get", "-r", &format!("it:{folder}"), folder]).await;
            assert!(rig.shell.read(&format!("{folder}/large")) == large, "{folder} differs");
            assert_eq!(rig.shell.read(&format!("{folder}/small")), b"1");
            assert_eq!(rig.shell.read(&format!("{folder}/empty")), b"");
        }
        rig.settled().await;
        let fragments = rig.server.control().counters().count("graph.session.fragment");
        let refused = rig.server.control().requests();
        let refused = refused.iter().filter(|record| record.status == Some(401)).count();
        match audience {
            true => assert!(fragments >= 3, "{fragments}"),
            // A process tries a session once, and sends files in one request from then on.
            false => assert!(refused <= 4 && fragments <= 4, "{refused} {fragments}"),
        }
    }
}
