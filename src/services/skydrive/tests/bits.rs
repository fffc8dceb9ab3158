//! Large files in fragments.

use std::sync::Mutex;

use opendal::Buffer;

use super::*;
use crate::{
    drive::{
        Body, Drive, Error, ErrorKind, IfExists, Result, SessionProgress, UploadSession,
        WriteOptions,
    },
    services::skydrive::{BitsOptions, BitsProgress, BitsSource, BitsTarget},
    transport::scripted::{Scripted, Sent},
};

const HOST: &str = "https://cid-8c8ce076ca27823f.users.storage.live.com";
const WHOLE: &[u8] = b"0123456789";
const DATE: &str = "Sun, 02 Mar 2014 01:00:00 GMT";

fn url() -> String {
    format!("{HOST}/items/8C8CE076CA27823F%21142/a%20%23b%3F%25.bin")
}

fn packet(sent: &Sent) -> &str {
    assert_eq!(
        (sent.method.as_str(), sent.header("x-http-method-override")),
        ("POST", Some("BITS_POST"))
    );
    sent.header("bits-packet-type").unwrap()
}

fn opened() -> Outcome {
    answer(201, "").header("bits-session-id", "S E1").header("date", DATE)
}

fn received(next: u64) -> Outcome {
    answer(200, "").header("bits-received-content-range", next.to_string())
}

fn elsewhere(next: u64) -> Outcome {
    answer(416, "")
        .header("bits-error", "0x0")
        .header("bits-received-content-range", next.to_string())
}

fn closed() -> Outcome {
    answer(200, "").header("x-resource-id", "8C8CE076CA27823F!128")
}

fn lost() -> Outcome {
    answer(500, "").header("bits-error", "0x8020001F")
}

fn replacing() -> WriteOptions {
    WriteOptions::default()
}

async fn open_with(transport: &Scripted, options: &WriteOptions) -> Result<UploadSession> {
    let to = target(FOLDER, "a #b?%.bin");
    drive().open_session(&transport.context(), &to, 10, options).await
}

async fn session() -> UploadSession {
    open_with(&Scripted::by(|_| opened()), &replacing()).await.unwrap()
}

async fn send(
    transport: &Scripted,
    session: &mut UploadSession,
    from: usize,
    to: usize,
) -> Result<SessionProgress> {
    let bytes = Buffer::from(WHOLE[from..to].to_vec());
    drive().send_fragment(&transport.context(), session, from as u64, bytes).await
}

/// A session with all bytes.
async fn complete() -> UploadSession {
    let mut one = session().await;
    let progress = send(&Scripted::by(|_| received(10)), &mut one, 0, 10).await.unwrap();
    assert!(matches!(progress, SessionProgress::Complete));
    one
}

/// A listing with the file in it.
fn listing(name: &str, size: usize, updated: &str) -> Outcome {
    answer(
        200,
        format!(
            r#"{{"data":[{{"id":"{FILE}","name":"{name}","type":"file","size":{size},
            "parent_id":"{FOLDER}","source":"https://t/file","updated_time":"{updated}"}}]}}"#
        ),
    )
}

#[tokio::test]
async fn a_session_is_opened_by_the_folders_id_with_an_encoded_name() {
    let transport = Scripted::by(|_| opened());
    let session = open_with(&transport, &replacing()).await.unwrap();
    let sent = &transport.sent()[0];
    assert_eq!((sent.url.clone(), packet(sent)), (url(), "Create-Session"));
    assert_eq!(sent.header("authorization"), Some("Bearer token"));
    assert_eq!(sent.header("content-length"), Some("0"));
    let guid = "{7df0354d-249b-430f-820d-3d2a9bef4931}";
    assert_eq!(sent.header("bits-supported-protocols"), Some(guid));
    assert!(!format!("{session:?}").contains("S E1"), "{session:?}");
}

#[tokio::test]
async fn the_root_is_addressed_by_path_and_its_id_requested_once() {
    let drive = drive();
    let transport = Scripted::by(|sent| match sent.method.as_str() {
        "GET" => answer(200, r#"{"id":"folder.8c8ce076ca27823f","type":"folder"}"#),
        _ => opened(),
    });
    let cx = transport.context();
    for name in ["a", "b"] {
        drive.open_session(&cx, &target("me/skydrive", name), 10, &replacing()).await.unwrap();
    }
    let path = |name| format!("POST {HOST}/users/0x8c8ce076ca27823f/LiveFolders/{name}");
    assert_eq!(transport.lines(), [format!("GET {API}/me/skydrive"), path("a"), path("b")]);
    assert!(BitsTarget::new("me/skydrive", "a").is_err());
    assert!(BitsTarget::new(FILE, "a").is_err());
}

#[tokio::test]
async fn fragments_have_no_token_and_the_response_has_the_next_offset() {
    let mut one = session().await;
    let mut answers = vec![received(10), elsewhere(6), elsewhere(2), received(4)];
    let transport = Scripted::by(move |_| answers.pop().unwrap());
    for (from, to, next) in [(0, 4, 4), (4, 8, 2), (2, 8, 6)] {
        let progress = send(&transport, &mut one, from, to).await.unwrap();
        assert!(matches!(progress, SessionProgress::Next(at) if at == next), "{progress:?}");
    }
    let progress = send(&transport, &mut one, 6, 10).await.unwrap();
    assert!(matches!(progress, SessionProgress::Complete), "{progress:?}");
    let sent = &transport.sent()[0];
    assert_eq!((packet(sent), sent.header("bits-session-id")), ("Fragment", Some("S E1")));
    assert_eq!(sent.header("content-range"), Some("bytes 0-3/10"));
    assert_eq!((sent.text(), sent.header("authorization")), ("0123", None));
}

#[tokio::test]
async fn the_first_byte_requests_the_state_of_a_session() {
    let mut one = session().await;
    let nothing = Scripted::by(|_| lost());
    let asked = drive().session_status(&nothing.context(), &one).await.unwrap();
    assert!(matches!(asked, SessionProgress::Next(0)) && nothing.sent().is_empty());
    send(&Scripted::by(|_| Outcome::Reset), &mut one, 0, 4).await.unwrap_err();
    for (said, expected) in [(elsewhere(4), 4), (received(1), 1), (elsewhere(9), 9)] {
        let transport = Scripted::by(move |_| said.clone());
        let asked = drive().session_status(&transport.context(), &one).await.unwrap();
        assert!(matches!(asked, SessionProgress::Next(at) if at == expected), "{asked:?}");
        let sent = &transport.sent()[0];
        assert_eq!((sent.header("content-range"), sent.text()), (Some("bytes 0-0/10"), "0"));
    }
    let all = Scripted::by(|_| elsewhere(10));
    let asked = drive().session_status(&all.context(), &one).await.unwrap();
    assert!(matches!(asked, SessionProgress::Complete));
}

#[tokio::test]
async fn each_error_code_has_its_kind() {
    let refused = async |said: Outcome| {
        let mut one = session().await;
        send(&Scripted::by(move |_| said.clone()), &mut one, 0, 4).await.unwrap_err()
    };
    for (status, name, code, kind) in [
        (500, "bits-error", "0x8020001f", ErrorKind::NotFound),
        (500, "bits-error-code", "0x8020001F", ErrorKind::NotFound),
        (500, "x-clienterrorcode", "UploadSessionNotFound", ErrorKind::NotFound),
        (403, "bits-error", "0x80070005", ErrorKind::PermissionDenied),
        (501, "bits-error", "0x80070005", ErrorKind::PermissionDenied),
        (400, "bits-error", "0x80070057", ErrorKind::InvalidInput),
        (500, "bits-error", "0x80200020", ErrorKind::InvalidInput),
        (500, "bits-error", "0x80070112", ErrorKind::QuotaExceeded),
        (413, "bits-packet-type", "Ack", ErrorKind::InvalidInput),
    ] {
        let error = refused(answer(status, "").header(name, code)).await;
        assert_eq!((error.kind(), error.is_temporary()), (kind, false), "{name} {code}: {error}");
    }
    assert!(refused(answer(500, "")).await.is_temporary());
    assert!(refused(answer(503, "")).await.is_temporary());
}

#[tokio::test]
async fn a_committed_file_has_no_size() {
    let one = complete().await;
    let transport = Scripted::by(|_| closed());
    let item = drive().commit_session(&transport.context(), &one).await.unwrap();
    assert_eq!((item.id.as_str(), &*item.name, item.size), (FILE, "a #b?%.bin", None));
    let sent = &transport.sent()[0];
    assert_eq!((packet(sent), sent.header("bits-session-id")), ("Close-Session", Some("S E1")));
}

#[tokio::test]
async fn a_token_that_expires_before_the_commit_is_refreshed_once() {
    let one = complete().await;
    for status in [401, 500] {
        let drive = LiveDrive::new(renewing_client(), false);
        let transport = Scripted::by(move |sent| match sent.header("authorization") {
            None => tokens("fresh"),
            Some("Bearer stale") => answer(status, "")
                .header("www-authenticate", r#"Bearer realm="OneDriveAPI", error="expired_token""#),
            Some(_) => closed(),
        });
        drive.commit_session(&transport.context(), &one).await.unwrap();
        assert_eq!(transport.sent().len(), 3, "{status}");
    }
    // One that cannot be renewed.
    let expired = Scripted::by(|_| {
        answer(500, "").header("www-authenticate", r#"Bearer error="expired_token""#)
    });
    let error = drive().commit_session(&expired.context(), &one).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::PermissionDenied, false));
}

#[tokio::test]
async fn the_file_of_a_closed_session_is_found_by_size_time_and_last_bytes() {
    let one = complete().await;
    let found = async |listing: Outcome, tail: &'static str| {
        let transport = Scripted::by(move |sent: &Sent| match sent.method.as_str() {
            "POST" => lost(),
            _ if sent.url == "https://t/file" => answer(200, tail),
            _ => listing.clone(),
        });
        drive().commit_session(&transport.context(), &one).await
    };
    let there = || listing("A #B?%.BIN", 10, "2014-03-02T01:00:00+0000");
    let item = found(there(), "0123456789").await.unwrap();
    assert_eq!((item.id.as_str(), item.size), (FILE, Some(10)));
    for (listing, tail) in [
        (there(), "012345678X"),
        (listing("a #b?%.bin", 11, "2014-03-02T01:00:00+0000"), "01234567890"),
        (listing("a #b?%.bin", 10, "2014-03-02T00:59:59+0000"), "0123456789"),
        (listing("other", 10, "2014-03-02T01:00:00+0000"), "0123456789"),
    ] {
        assert_eq!(found(listing, tail).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_file_that_must_not_replace_another_has_a_temporary_name_first() {
    let options = WriteOptions { if_exists: IfExists::Fail, ..replacing() };
    let taken = Scripted::by(|_| listing("A #B?%.bin", 1, "2014-03-02T01:00:00+0000"));
    let refused = open_with(&taken, &options).await.unwrap_err();
    assert_eq!((refused.kind(), taken.sent().len()), (ErrorKind::AlreadyExists, 1));
    let steps = Scripted::by(|sent| match sent.method.as_str() {
        "GET" => answer(200, r#"{"data":[]}"#),
        _ => opened(),
    });
    let mut one = open_with(&steps, &options).await.unwrap();
    let staged = steps.sent()[1].url.clone();
    assert!(staged.contains("/drivedal-") && staged.ends_with(".bin"), "{staged}");
    send(&Scripted::by(|_| received(10)), &mut one, 0, 10).await.unwrap();
    for taken in [false, true] {
        let transport = Scripted::by(move |sent| match sent.method.as_str() {
            "POST" => closed(),
            "PUT" if taken => refusal(409, "resource_already_exists", "taken"),
            "PUT" => answer(200, format!(r#"{{"id":"{FILE}","name":"a","type":"file"}}"#)),
            _ => answer(204, ""),
        });
        let committed = drive().commit_session(&transport.context(), &one).await;
        assert_eq!(transport.sent()[1].text(), r#"{"name":"a #b?%.bin"}"#);
        match taken {
            false => assert_eq!(&*committed.unwrap().name, "a #b?%.bin"),
            true => {
                assert_eq!(committed.unwrap_err().kind(), ErrorKind::AlreadyExists);
                assert!(transport.lines()[2].starts_with("DELETE"), "{:?}", transport.lines());
            }
        }
    }
}

#[tokio::test]
async fn a_missing_session_can_be_cancelled() {
    let one = session().await;
    for said in [answer(200, ""), lost()] {
        let transport = Scripted::by(move |_| said.clone());
        drive().cancel_session(&transport.context(), &one).await.unwrap();
        assert_eq!(packet(&transport.sent()[0]), "Cancel-Session");
    }
    let broken = Scripted::by(|_| Outcome::Reset);
    assert!(drive().cancel_session(&broken.context(), &one).await.is_err());
}

#[tokio::test]
async fn a_folder_with_the_name_and_foreign_sessions_are_errors() {
    let transport = Scripted::by(|sent| match sent.method.as_str() {
        "POST" => answer(400, "").header("bits-error", "0x80070057"),
        _ => answer(
            200,
            format!(r#"{{"data":[{{"id":"{FOLDER}","name":"a #b?%.bin","type":"folder"}}]}}"#),
        ),
    });
    let error: Error = open_with(&transport, &replacing()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsAFolder);
    let strange = UploadSession { url: "https://evil.example/".into(), ..session().await };
    let error = drive().commit_session(&transport.context(), &strange).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// A cloud that stores one file. Its responses may be lost.
fn keeping(kept: &'static Mutex<Vec<u8>>, mut faults: Vec<(usize, Outcome)>) -> Scripted {
    let mut count = 0;
    Scripted::by(move |sent| {
        count += 1;
        if let Some(at) = faults.iter().position(|(nth, _)| *nth == count) {
            return faults.remove(at).1;
        }
        match packet(sent) {
            "Create-Session" => opened(),
            "Close-Session" => closed(),
            _ => {
                let mut kept = kept.lock().unwrap();
                let range = sent.header("content-range").unwrap();
                let first = range["bytes ".len()..].split('-').next().unwrap();
                match first.parse() == Ok(kept.len()) {
                    true => {
                        kept.extend(&sent.body);
                        received(kept.len() as u64)
                    }
                    false => elsewhere(kept.len() as u64),
                }
            }
        }
    })
}

#[tokio::test]
async fn put_bits_sends_any_source_in_fragments_and_reports_progress() {
    static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let pieces = || {
        let pieces = WHOLE.chunks(4).map(|piece| Ok(Buffer::from(piece.to_vec())));
        futures::stream::iter(pieces.collect::<Vec<_>>())
    };
    let memory = Body::Memory(Buffer::from(WHOLE.to_vec()));
    for source in [
        BitsSource::from_body(memory),
        BitsSource::from_stream(10, Box::pin(pieces())),
        BitsSource::from_reader(10, futures::io::Cursor::new(WHOLE.to_vec())),
    ] {
        KEPT.lock().unwrap().clear();
        let transport = keeping(&KEPT, Vec::new());
        let (mut told, cx) = (Vec::new(), transport.context());
        let options = BitsOptions { fragment: Some(3), resume: None };
        let mut tell = |at: &BitsProgress| told.push((at.received, at.total));
        let id = client().put_bits(&cx, FOLDER, "a", source, options, &mut tell).await.unwrap();
        assert_eq!(id, FILE);
        assert_eq!(*KEPT.lock().unwrap(), WHOLE);
        assert_eq!(told, [(0, 10), (3, 10), (6, 10), (9, 10), (10, 10)]);
        assert_eq!(transport.sent().len(), 6);
    }
    KEPT.lock().unwrap().clear();
    let (transport, source) =
        (keeping(&KEPT, Vec::new()), BitsSource::from_body(Body::Memory(Buffer::new())));
    let (cx, options) = (transport.context(), BitsOptions::default());
    client().put_bits(&cx, FOLDER, "a", source, options, &mut |_| ()).await.unwrap();
    assert_eq!(transport.sent().len(), 2, "an empty file has no fragment");
}

#[tokio::test]
async fn put_bits_resumes_an_interrupted_upload() {
    static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap().clear();
    let transport = keeping(&KEPT, vec![(3, Outcome::Reset)]);
    let (mut last, cx) = (None, transport.context());
    let memory = || BitsSource::from_body(Body::Memory(Buffer::from(WHOLE.to_vec())));
    let options = BitsOptions { fragment: Some(4), resume: None };
    let mut tell = |at: &BitsProgress| last = Some(at.clone());
    let broken = client().put_bits(&cx, FOLDER, "a", memory(), options.clone(), &mut tell).await;
    assert!(broken.unwrap_err().is_temporary());
    // Half of the interrupted fragment was received.
    KEPT.lock().unwrap().extend(b"45");
    let resume = last.clone();
    assert_eq!(resume.as_ref().unwrap().received, 4);
    let again = BitsOptions { resume: resume.clone(), ..options.clone() };
    client().put_bits(&cx, FOLDER, "a", memory(), again, &mut |_| ()).await.unwrap();
    assert_eq!(*KEPT.lock().unwrap(), WHOLE);
    let other = BitsOptions { resume, ..options };
    let refused = client().put_bits(&cx, FOLDER, "b", memory(), other, &mut |_| ()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(!format!("{last:?}").contains("S E1"));
}

#[tokio::test]
async fn an_upload_without_progress_ends() {
    let transport = Scripted::by(|sent| match packet(sent) {
        "Create-Session" => opened(),
        _ => received(if sent.header("content-range") == Some("bytes 0-2/10") { 3 } else { 0 }),
    });
    let (cx, options) = (transport.context(), BitsOptions { fragment: Some(3), resume: None });
    let source = BitsSource::from_body(Body::Memory(Buffer::from(WHOLE.to_vec())));
    let (client, mut untold) = (client(), |_: &BitsProgress| ());
    let put = client.put_bits(&cx, FOLDER, "a", source, options, &mut untold);
    let put = tokio::time::timeout(std::time::Duration::from_secs(60), put).await;
    assert_eq!(put.expect("an end").unwrap_err().kind(), ErrorKind::RangeNotSatisfied);
}

#[test]
fn an_accounts_id_cannot_name_another_host() {
    for cid in ["x@evil", "evil/x", "evil?x", "evil#x", "x@127.0.0.1:8/", "a:b", "", "é"] {
        for id in [format!("folder.{cid}"), format!("folder.{cid}.A!1")] {
            BitsTarget::new(&id, "a").expect_err(&id);
        }
    }
}
