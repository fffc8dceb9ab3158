//! Uploads that another process resumes.

use drivedal_server::{Fault, Server, When};

use crate::uploads::rig::{Cloud, Drive, WITH_SESSIONS, bytes, local, no_sessions};

const MIB: usize = 1 << 20;

/// Returns options with small fragments, so that there are many.
fn options(cloud: Cloud) -> [(&'static str, &'static str); 1] {
    match cloud {
        Cloud::SkyDrive => [("bits_fragment", "1000000")],
        Cloud::OneDrive => [("upload_fragment", "983040")],
        Cloud::Amazon => [("name", "x")],
    }
}

#[tokio::test]
async fn an_upload_survives_the_death_of_client_and_server() {
    for cloud in WITH_SESSIONS {
        let folder = tempfile::tempdir().expect("a folder");
        let start = async || {
            Server::builder()
                .data(folder.path())
                .durability(drivedal_server::Durability::Relaxed)
                .start()
                .await
                .expect("a server")
        };
        let written = bytes(1, 20 * MIB);
        let (file, mut saved) = (local(&written), None);
        let server = start().await;
        let drive = Drive::new(cloud, &server, "a", &options(cloud));
        let broken = Fault::on(cloud.fragments()).skip(3).reset(When::Before);
        server.control().add_faults([broken]).expect("a rule");
        drive.send(&file, "b/large", &mut saved).await.expect_err("the line is broken");
        server.stop().await;
        let server = start().await;
        let drive = Drive::new(cloud, &server, "a", &options(cloud));
        // The URL of a session contains the old port.
        let mut moved =
            saved.map(|saved| with_port(&saved, server.address().expect("a port").port()));
        let sent = drive.send(&file, "b/large", &mut moved).await.expect("an upload");
        // 1, 2 and 4 fragments had arrived; three were acknowledged.
        assert!(sent.resumed_at.is_some_and(|at| at >= 6_000_000), "{cloud:?}: {sent:?}");
        assert_eq!(sent.sent_again, 0);
        assert!(drive.read("b/large").await.as_deref() == Some(&*written), "other bytes");
        no_sessions(&server, "a").await.unwrap();
        server.stop().await;
    }
}

/// Replaces the port in a saved session, because the server has a new one.
fn with_port(saved: &str, port: u16) -> String {
    let Some((before, rest)) = saved.split_once("127.0.0.1:") else { return saved.to_owned() };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    format!("{before}127.0.0.1:{port}{}", &rest[end..])
}

#[tokio::test]
async fn a_completed_upload_with_a_lost_response_is_detected() {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    for cloud in WITH_SESSIONS {
        let account = format!("{cloud:?}");
        let written = bytes(2, 17 * MIB);
        let (file, mut saved) = (local(&written), None);
        let drive = Drive::new(cloud, &server, &account, &[]);
        // The last response is lost, and the process ends.
        let last = match cloud {
            Cloud::SkyDrive => Fault::on("live.bits.close"),
            _ => Fault::on("graph.session.fragment").skip(1),
        };
        let last = last.drive(&*account).times(1).reset(When::After);
        server.control().add_faults([last]).expect("a rule");
        drive.send(&file, "large", &mut saved).await.expect_err("the answer is lost");
        server.control().clear_faults();
        let drive = Drive::new(cloud, &server, &account, &[]);
        let sent = drive.send(&file, "large", &mut saved).await.expect("it is there");
        assert_eq!((sent.sent, sent.resumed_at), (0, Some(17 << 20)), "{cloud:?}");
        assert!(drive.read("large").await.as_deref() == Some(&*written), "other bytes");
    }
}

#[tokio::test]
async fn another_file_of_that_name_and_size_is_not_taken_for_the_one_that_was_sent() {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    for cloud in WITH_SESSIONS {
        let account = format!("{cloud:?}");
        let (old, new) = (bytes(3, 17 * MIB), bytes(4, 17 * MIB));
        let drive = Drive::new(cloud, &server, &account, &[]);
        drive.send(&local(&old), "large", &mut None).await.expect("an upload");
        let (file, mut saved) = (local(&new), None);
        // All fragments but the last arrive; then the session is lost.
        let fault = |rule: Fault| rule.drive(&*account).skip(1).times(1).reset(When::Before);
        server.control().add_faults([fault(Fault::on(cloud.fragments()))]).expect("a rule");
        drive.send(&file, "large", &mut saved).await.expect_err("the line is broken");
        server.control().clear_faults();
        let lost = match cloud {
            Cloud::SkyDrive => Fault::on("live.bits.fragment").times(2),
            _ => Fault::on("graph.session.status").times(2),
        };
        server.control().add_faults([cloud.loses(lost.drive(&*account))]).expect("a rule");
        let sent = drive.send(&file, "large", &mut saved).await.expect("an upload");
        server.control().clear_faults();
        assert_eq!((sent.sent, sent.resumed_at), (17 << 20, None), "{cloud:?}");
        assert!(drive.read("large").await.as_deref() == Some(&*new), "other bytes");
    }
}

#[tokio::test]
async fn an_acknowledged_fragment_is_not_sent_again_by_the_next_process() {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    for cloud in WITH_SESSIONS {
        let account = format!("{cloud:?}");
        let written = bytes(5, 17 * MIB);
        let (file, mut saved) = (local(&written), None);
        let drive = Drive::new(cloud, &server, &account, &[]);
        let lost = Fault::on(cloud.fragments()).drive(&*account).times(1).reset(When::After);
        server.control().add_faults([lost]).expect("a rule");
        drive.send(&file, "large", &mut saved).await.expect_err("the answer is lost");
        server.control().clear_faults();
        let drive = Drive::new(cloud, &server, &account, &[]);
        let sent = drive.send(&file, "large", &mut saved).await.expect("an upload");
        assert_eq!((sent.sent_again, sent.resumed_at), (0, Some(10 << 20)), "{cloud:?}");
        assert!(drive.read("large").await.as_deref() == Some(&*written), "other bytes");
    }
}
