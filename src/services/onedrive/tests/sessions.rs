//! Upload sessions.

use opendal::Buffer;

use super::*;
use crate::{
    drive::{
        Conditions, Drive, Error, ErrorKind, IfExists, Result, SessionProgress, UploadSession,
        WriteOptions,
    },
    transport::scripted::{Scripted, Sent},
};

const UPLOAD: &str = "https://up.example/up/x?tempauth=a%2Fb%3D&n=1";
const LINE: &str = "PUT https://up.example/up/x?tempauth=a%2Fb%3D&n=1";
const WHOLE: &[u8] = b"0123456789";

fn create() -> String {
    format!("POST {API}/me/drive/root:/a/b.bin:/createUploadSession")
}

fn opened() -> Outcome {
    ok(json!({"uploadUrl": UPLOAD, "expirationDateTime": "2030-01-29T09:21:55.523Z",
        "nextExpectedRanges": ["0-"]}))
}

fn more(from: u64) -> Outcome {
    answer(202, json!({"nextExpectedRanges": [format!("{from}-")]}).to_string())
}

fn done(status: u16) -> Outcome {
    answer(status, file("F", "b.bin", WHOLE).to_string())
}

async fn open(transport: &Scripted, options: &WriteOptions) -> Result<UploadSession> {
    drive().open_session(&transport.context(), &target("a", "b.bin"), 10, options).await
}

/// Returns a new session.
async fn session(options: &WriteOptions) -> UploadSession {
    open(&Scripted::by(|_| opened()), options).await.unwrap()
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

fn next(progress: Result<SessionProgress>) -> u64 {
    match progress.unwrap() {
        SessionProgress::Next(next) => next,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_session_is_created_with_size_time_and_conflict_behavior() {
    for (if_exists, behavior) in [(IfExists::Replace, "replace"), (IfExists::Fail, "fail")] {
        let transport = Scripted::expecting([(&*create(), opened())]);
        let modified = Some("2014-03-02T01:00:00.25Z".parse().unwrap());
        let options = WriteOptions { if_exists, modified, ..WriteOptions::default() };
        let session = open(&transport, &options).await.unwrap();
        assert_eq!((session.url.expose(), session.total), (UPLOAD, 10));
        assert_eq!(session.expires.unwrap().to_string(), "2030-01-29T09:21:55.523Z");
        let sent: Value = serde_json::from_str(transport.sent()[0].text()).unwrap();
        let item = json!({"@microsoft.graph.conflictBehavior": behavior, "fileSize": 10,
            "fileSystemInfo": {"lastModifiedDateTime": "2014-03-02T01:00:00.25Z"}});
        assert_eq!(sent, json!({"item": item}));
    }
}

#[tokio::test]
async fn a_session_with_if_match_is_created_for_the_items_id() {
    let by_id = format!("POST {API}/me/drive/items/F/createUploadSession");
    let line = item_request("/me/drive/root:/a/b.bin");
    let transport =
        Scripted::expecting([(&*line, ok(file("F", "b.bin", b"old"))), (&*by_id, opened())]);
    let conditions = Conditions { if_match: Some("\"{F},1\"".to_owned()), ..Conditions::default() };
    open(&transport, &WriteOptions { conditions, ..WriteOptions::default() }).await.unwrap();
    assert_eq!(transport.sent()[1].header("if-match"), Some("\"{F},1\""));
}

#[tokio::test]
async fn fragments_have_no_token_and_200_or_201_completes_the_file() {
    for end in [200, 201] {
        let mut left = vec![done(end), more(8), more(4)];
        let transport = Scripted::by(move |_| left.pop().unwrap());
        let mut session = session(&WriteOptions::default()).await;
        assert_eq!(next(send(&transport, &mut session, 0, 4).await), 4);
        assert_eq!(next(send(&transport, &mut session, 4, 8).await), 8);
        let SessionProgress::Done(item) = send(&transport, &mut session, 8, 10).await.unwrap()
        else {
            panic!("the file is there")
        };
        assert_eq!(item.id.as_str(), "F");
        let ranges: Vec<_> = transport
            .sent()
            .iter()
            .map(|sent| {
                assert_eq!((sent.line().as_str(), sent.header("authorization")), (LINE, None));
                (sent.header("content-range").unwrap().to_owned(), sent.text().to_owned())
            })
            .collect();
        let expected = [("bytes 0-3/10", "0123"), ("bytes 4-7/10", "4567"), ("bytes 8-9/10", "89")];
        assert_eq!(ranges, expected.map(|(range, text)| (range.to_owned(), text.to_owned())));
    }
}

#[tokio::test]
async fn the_hash_covers_the_file_although_the_cloud_takes_fragments_in_part() {
    let damaged = || answer(200, file("F", "b.bin", b"012345678X").to_string());
    for (end, is_whole) in [(done(200), true), (damaged(), false)] {
        let mut left = vec![end, more(6), more(8), more(2), more(6)];
        let transport = Scripted::by(move |_| left.pop().unwrap());
        let mut session = session(&WriteOptions::default()).await;
        assert_eq!(next(send(&transport, &mut session, 0, 6).await), 6);
        assert_eq!(next(send(&transport, &mut session, 6, 10).await), 2, "it forgot some");
        assert_eq!(next(send(&transport, &mut session, 2, 9).await), 8, "it took not all");
        assert_eq!(next(send(&transport, &mut session, 6, 9).await), 6);
        let end = send(&transport, &mut session, 6, 10).await;
        assert_eq!(end.is_ok(), is_whole, "{end:?}");
    }
}

#[tokio::test]
async fn the_state_of_a_session_resumes_its_hash() {
    let mut one = session(&WriteOptions::default()).await;
    let transport = Scripted::by(|_| more(4));
    send(&transport, &mut one, 0, 4).await.unwrap();
    let mut other =
        UploadSession { url: one.url.expose().into(), state: one.state.clone(), ..one.clone() };
    let transport = Scripted::by(|_| answer(200, file("F", "b.bin", b"9876543210").to_string()));
    let error = send(&transport, &mut other, 4, 10).await.unwrap_err();
    assert!(error.to_string().contains("quickXorHash"), "{error}");
    let mut strange = UploadSession { state: "{}".to_owned(), ..one };
    let error = send(&transport, &mut strange, 4, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn unexpected_bytes_are_a_range_error() {
    let overlap = Scripted::by(|_| {
        answer(
            416,
            json!({"error": {"code": "invalidRange", "message": "overlaps",
            "innererror": {"code": "fragmentOverlap"}}})
            .to_string(),
        )
    });
    let mut session = session(&WriteOptions::default()).await;
    let error = send(&overlap, &mut session, 4, 8).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RangeNotSatisfied);
    assert_eq!(overlap.lines(), [LINE]);
}

#[tokio::test]
async fn acknowledged_bytes_are_part_of_the_hash() {
    let damaged = || answer(200, file("F", "b.bin", b"0123456X89").to_string());
    for (end, is_whole) in [(done(200), true), (damaged(), false)] {
        let mut session = session(&WriteOptions::default()).await;
        send(&Scripted::by(|_| more(4)), &mut session, 0, 4).await.unwrap();
        send(&Scripted::by(|_| Outcome::Reset), &mut session, 4, 8).await.unwrap_err();
        let arrived = Buffer::from(WHOLE[4..8].to_vec());
        drive().acknowledge(&mut session, 4, arrived).await.unwrap();
        let transport = Scripted::by(move |_| end.clone());
        assert_eq!(send(&transport, &mut session, 8, 10).await.is_ok(), is_whole);
    }
}

#[tokio::test]
async fn a_name_in_use_at_the_last_fragment_is_resolved() {
    let taken = || error_response(409, "nameAlreadyExists");
    // The session keeps the bytes, and a commit replaces the file.
    let mut one = session(&WriteOptions::default()).await;
    let put = format!("PUT {API}/me/drive/root:/a/b.bin");
    let transport = Scripted::expecting([(LINE, taken()), (&*put, done(200))]);
    let progress = send(&transport, &mut one, 0, 10).await.unwrap();
    assert!(matches!(progress, SessionProgress::Done(_)), "{progress:?}");
    let sent: Value = serde_json::from_str(transport.sent()[1].text()).unwrap();
    assert_eq!(
        sent,
        json!({"name": "b.bin", "@microsoft.graph.conflictBehavior": "replace",
            "@microsoft.graph.sourceUrl": UPLOAD})
    );
    // The file of an earlier attempt is accepted, a file of another client is not.
    let options = WriteOptions { if_exists: IfExists::Fail, ..WriteOptions::default() };
    for (before, ours) in [(true, true), (false, false)] {
        let mut one = session(&options).await;
        if before {
            send(&Scripted::by(|_| Outcome::Reset), &mut one, 0, 10).await.unwrap_err();
        }
        let transport = Scripted::by(move |sent: &Sent| match sent.method == "PUT" {
            true => taken(),
            false => ok(file("F", "b.bin", WHOLE)),
        });
        assert_eq!(send(&transport, &mut one, 0, 10).await.is_ok(), ours);
    }
}

#[tokio::test]
async fn a_deferred_commit_depends_on_the_account_kind() {
    let put = format!("PUT {API}/me/drive/root:/a/b.bin");
    let post = format!("POST {UPLOAD}");
    let lines = async |kind, refuses_post: bool| {
        let drive = match kind {
            Some(kind) => drive_of_kind(kind),
            None => drive(),
        };
        let drive = drive.with_sessions(None, true);
        let transport = Scripted::by(move |sent: &Sent| match sent.line() {
            line if line == create() => opened(),
            line if line == LINE => answer(202, r#"{"nextExpectedRanges":[]}"#),
            line if line.starts_with("POST") && refuses_post => {
                error_response(400, "invalidRequest")
            }
            _ => done(201),
        });
        let (cx, options) = (transport.context(), WriteOptions::default());
        let mut session =
            drive.open_session(&cx, &target("a", "b.bin"), 10, &options).await.unwrap();
        let sent: Value = serde_json::from_str(transport.sent()[0].text()).unwrap();
        assert_eq!(sent["deferCommit"], true);
        let bytes = Buffer::from(WHOLE.to_vec());
        let progress = drive.send_fragment(&cx, &mut session, 0, bytes).await.unwrap();
        assert!(matches!(progress, SessionProgress::Complete), "{progress:?}");
        drive.commit_session(&cx, &session).await.unwrap();
        transport.lines()[2..].to_vec()
    };
    assert_eq!(lines(Some(AccountKind::Business), false).await, [&*post]);
    assert_eq!(lines(Some(AccountKind::Personal), false).await, [&*put]);
    assert_eq!(lines(None, true).await, [&*post, &*put]);
}

#[tokio::test]
async fn a_lost_session_is_not_found_with_each_status() {
    let mut session = session(&WriteOptions::default()).await;
    for status in [401, 404, 410] {
        let transport = Scripted::by(move |_| answer(status, ""));
        let sent = send(&transport, &mut session, 0, 4).await.unwrap_err();
        assert_eq!(sent.kind(), ErrorKind::NotFound);
        let asked = drive().session_status(&transport.context(), &session).await.unwrap_err();
        assert_eq!(asked.kind(), ErrorKind::NotFound);
        drive().cancel_session(&transport.context(), &session).await.unwrap();
    }
    let transport = Scripted::by(|_| answer(503, ""));
    assert!(send(&transport, &mut session, 0, 4).await.unwrap_err().is_temporary());
    assert!(drive().cancel_session(&transport.context(), &session).await.is_err());
}

#[tokio::test]
async fn a_completed_file_is_found_after_a_lost_response() {
    let modified = Some("2014-03-02T01:00:00.9Z".parse().unwrap());
    let options = WriteOptions { modified, ..WriteOptions::default() };
    let lost = async |there: Value| {
        let mut session = session(&options).await;
        send(&Scripted::by(|_| more(4)), &mut session, 0, 4).await.unwrap();
        let reset = Scripted::by(|_| Outcome::Reset);
        assert!(send(&reset, &mut session, 4, 10).await.unwrap_err().is_temporary());
        let line = item_request("/me/drive/root:/a/b.bin");
        let status = format!("GET {UPLOAD}");
        let transport = Scripted::expecting([
            (&*status, error_response(404, "itemNotFound")),
            (&*line, ok(there)),
        ]);
        drive().session_status(&transport.context(), &session).await
    };
    let progress = lost(file("F", "b.bin", WHOLE)).await.unwrap();
    assert!(matches!(progress, SessionProgress::Done(item) if item.id.as_str() == "F"));
    // A file with other content, or without a hash, is not the sent one.
    for other in [
        file("F", "b.bin", b"0123456780"),
        file("F", "b.bin", b"012345678"),
        json!({"id": "F", "name": "b.bin", "size": 10, "file": {}}),
        {
            let mut same_bytes = file("F", "b.bin", WHOLE);
            same_bytes["fileSystemInfo"] = json!({"lastModifiedDateTime": "2013-01-01T00:00:00Z"});
            same_bytes
        },
    ] {
        assert_eq!(lost(other).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_complete_session_is_committed_or_reports_a_name_in_use() {
    let mut one = session(&WriteOptions::default()).await;
    let all = Scripted::by(|_| answer(202, r#"{"nextExpectedRanges":[]}"#));
    let progress = send(&all, &mut one, 0, 10).await.unwrap();
    assert!(matches!(progress, SessionProgress::Complete));
    let status = Scripted::by(|_| ok(json!({"nextExpectedRanges": []})));
    let asked = drive().session_status(&status.context(), &one).await.unwrap();
    assert!(matches!(asked, SessionProgress::Complete));
    let transport = Scripted::by(|_| done(201));
    let item = drive().commit_session(&transport.context(), &one).await.unwrap();
    assert_eq!(item.size, Some(10));
    assert_eq!(transport.lines(), [format!("POST {UPLOAD}")]);
    assert_eq!(transport.sent()[0].header("authorization"), None);
    let damaged = Scripted::by(|_| answer(200, file("F", "b.bin", b"012345678X").to_string()));
    assert!(drive().commit_session(&damaged.context(), &one).await.is_err());

    let taken = || error_response(409, "nameAlreadyExists");
    let refused = async |if_exists, there: Outcome| -> Error {
        let mut session = session(&WriteOptions { if_exists, ..WriteOptions::default() }).await;
        let transport = Scripted::by(move |sent: &Sent| match sent.method == "PUT" {
            true => taken(),
            false => there.clone(),
        });
        send(&transport, &mut session, 0, 10).await.unwrap_err()
    };
    assert_eq!(refused(IfExists::Fail, answer(599, "")).await.kind(), ErrorKind::AlreadyExists);
    let folder = refused(IfExists::Replace, ok(folder("1", "b.bin", "P"))).await;
    assert_eq!(folder.kind(), ErrorKind::IsAFolder);
}

#[tokio::test]
async fn errors_of_a_session_have_their_kinds_at_its_start_and_end() {
    for (status, code, kind) in [
        (412, "resourceModified", ErrorKind::ConditionNotMatch),
        (507, "quotaLimitReached", ErrorKind::QuotaExceeded),
        (423, "resourceLocked", ErrorKind::Conflict),
    ] {
        let refuses = Scripted::by(move |_| error_response(status, code));
        let error = open(&refuses, &WriteOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let mut session = session(&WriteOptions::default()).await;
        assert_eq!(send(&refuses, &mut session, 0, 10).await.unwrap_err().kind(), kind);
    }
    let empty = Scripted::by(|_| opened());
    let refused =
        drive().open_session(&empty.context(), &target("", "e"), 0, &WriteOptions::default()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    let without_url = Scripted::by(|_| ok(json!({"nextExpectedRanges": ["0-"]})));
    let error = open(&without_url, &WriteOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("no URL for the fragments"), "{error}");
}
