//! Uploads of large files over interrupted connections.

use std::sync::{Arc, Mutex};

use drivedal::{
    adapter::{FileUpload, SavedUpload},
    drive::UploadProgress,
};
use drivedal_server::{Fault, Server, When};

use crate::uploads::rig::{ALL, Cloud, Drive, WITH_SESSIONS, bytes, local, no_sessions};

const MIB: usize = 1 << 20;

async fn server() -> Server {
    Server::builder().ephemeral().start().await.expect("a server")
}

#[tokio::test]
async fn forty_mebibytes_arrive_over_an_interrupted_connection() {
    let server = server().await;
    let written = bytes(1, 40 * MIB);
    let file = local(&written);
    for cloud in WITH_SESSIONS {
        let account = format!("{cloud:?}");
        let drive = Drive::new(cloud, &server, &account, &[]);
        let on = |skip| Fault::on(cloud.fragments()).drive(&*account).skip(skip).times(1);
        let faults = [on(1).reset(When::Before), on(1).reset(When::After), on(2).status(503)];
        server.control().add_faults(faults).expect("rules");
        let (sent, failures) = drive.send_patiently(&file, "a/large").await.expect("an upload");
        server.control().clear_faults();
        assert_eq!(failures, 3, "{cloud:?}");
        // The last call reports it.
        assert!(sent.resumed_at.is_some_and(|at| at >= 10 << 20), "{cloud:?}: {sent:?}");
        assert!(drive.read("a/large").await.as_deref() == Some(&*written), "other bytes");
        no_sessions(&server, &account).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_session_is_replaced_and_the_file_arrives() {
    let server = server().await;
    let written = bytes(2, 30 * MIB);
    let file = local(&written);
    for cloud in WITH_SESSIONS {
        let account = format!("{cloud:?}");
        let drive = Drive::new(cloud, &server, &account, &[]);
        let lost = cloud.loses(Fault::on(cloud.fragments()).drive(&*account).skip(1).times(1));
        server.control().add_faults([lost]).expect("a rule");
        let mut saved = None;
        let sent = drive.send(&file, "large", &mut saved).await.expect("an upload");
        assert_eq!(sent.sent_again, sent.sent - written.len() as u64);
        assert!(sent.sent_again > 0, "{cloud:?}: it began anew");
        server.control().clear_faults();
        assert!(drive.read("large").await.as_deref() == Some(&*written), "other bytes");
    }
}

#[tokio::test]
async fn names_that_urls_would_break_at_arrive_as_they_are() {
    let server = server().await;
    let file = local(&bytes(3, 20 * MIB));
    for cloud in WITH_SESSIONS {
        let drive = Drive::new(cloud, &server, &format!("{cloud:?}"), &[]);
        for path in ["50% #1 & co+.bin", "Üb er/100%25#.bin"] {
            let mut saved = None;
            let sent = drive.send(&file, path, &mut saved).await.expect("an upload");
            assert_eq!(Some(&*sent.item.name), path.rsplit('/').next(), "{cloud:?}");
            assert!(drive.read(path).await.is_some_and(|read| read.len() == 20 * MIB));
        }
    }
}

#[tokio::test]
async fn a_large_file_that_may_not_replace_another_does_not() {
    let server = server().await;
    let (first, second) = (bytes(4, 20 * MIB), bytes(5, 20 * MIB));
    for cloud in WITH_SESSIONS {
        let account = format!("{cloud:?}");
        let drive = Drive::new(cloud, &server, &account, &[]);
        let write = async |bytes: &[u8]| {
            let announced = drivedal::announce().size(bytes.len() as u64);
            let op = &drive.operator;
            op.write_with("file", bytes.to_vec()).user_metadata(announced).if_not_exists(true).await
        };
        write(&first).await.expect("a new file");
        let error = write(&second).await.expect_err("the name is taken");
        assert_eq!(error.kind(), opendal::ErrorKind::ConditionNotMatch, "{cloud:?}");
        assert!(drive.read("file").await.as_deref() == Some(&*first), "other bytes");
        let entries = drive.operator.list("/").await.expect("a listing");
        let paths: Vec<_> = entries.iter().map(|entry| entry.path()).collect();
        assert_eq!(paths, ["/", "file"], "{cloud:?}");
        no_sessions(&server, &account).await.unwrap();
    }
}

#[tokio::test]
async fn a_deferred_file_exists_only_after_its_commit() {
    let server = server().await;
    let written = bytes(6, 12 * MIB);
    for kind in ["personal", "business"] {
        let options = [("defer_commit", "true"), ("account_kind", kind)];
        let drive = Drive::new(Cloud::OneDrive, &server, kind, &options);
        server.control().reset_counters();
        let mut saved = None;
        drive.send(&local(&written), "a/file", &mut saved).await.expect("an upload");
        let counters = server.control().counters();
        assert_eq!(counters.total, 4, "session, two fragments, commit: {counters:?}");
        assert!(drive.read("a/file").await.as_deref() == Some(&*written), "other bytes");
    }
}

#[tokio::test]
async fn an_upload_that_timed_out_after_its_effect_is_found() {
    let server = server().await;
    let written = bytes(7, 100_000);
    let drive = Drive::new(Cloud::Amazon, &server, "amazon", &[]);
    for (path, status) in [("new", 504), ("new", 408), ("other", 408)] {
        let lost = Fault::on("amazon.content.*").times(1).status(status).after_the_effect();
        server.control().add_faults([lost]).expect("a rule");
        let mut saved = None;
        drive.send(&local(&written), path, &mut saved).await.expect("it is there");
        server.control().clear_faults();
        assert!(drive.read(path).await.as_deref() == Some(&*written), "other bytes");
    }
}

#[tokio::test]
async fn small_files_of_the_users_own_go_in_one_request_everywhere() {
    let server = server().await;
    for cloud in ALL {
        let drive = Drive::new(cloud, &server, &format!("{cloud:?}"), &[]);
        for len in [0, 1, 100_000] {
            let written = bytes(8, len);
            let mut saved = None;
            let sent = drive.send(&local(&written), "a/small", &mut saved).await.expect("sent");
            assert_eq!((sent.size, sent.sent_again), (len as u64, 0));
            assert!(sent.requests >= 1 && saved.is_none());
            assert!(drive.read("a/small").await.as_deref() == Some(&*written), "{cloud:?}");
        }
    }
}

#[tokio::test]
async fn progress_of_an_upload_in_one_request_is_reported() {
    let server = server().await;
    for cloud in ALL {
        let drive = Drive::new(cloud, &server, &format!("{cloud:?}"), &[]);
        let written = bytes(9, 3_000_000);
        let told = Arc::new(Mutex::new(Vec::new()));
        let progress = UploadProgress::new({
            let told = Arc::clone(&told);
            move |far| told.lock().expect("no panic").push(far)
        });
        let options = FileUpload::new().with_progress(progress);
        let file = local(&written).reopen().expect("the file");
        let mut keep = |_: &SavedUpload| panic!("it is no file for fragments");
        let sent =
            drive.handle.upload_file(&drive.operator, "a/file", file, &options, None, &mut keep);
        sent.await.expect("sent");
        let told = std::mem::take(&mut *told.lock().expect("no panic"));
        assert!(told.len() > 10 && told.is_sorted(), "{cloud:?}: {told:?}");
        assert_eq!(told.last(), Some(&3_000_000), "{cloud:?}");
        assert!(drive.read("a/file").await == Some(written), "{cloud:?}");
    }
}
