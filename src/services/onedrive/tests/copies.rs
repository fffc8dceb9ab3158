//! Copies within the cloud.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::*;
use crate::{
    drive::{CopyJob, CopyRequest, CopyStatus, Drive, ErrorKind, HashKind, IfExists, Result},
    transport::scripted::{Scripted, Sent},
};

const MONITOR: &str = "https://monitor.example/4A3407B5-88FC?x=%2F";

fn copy_line(behavior: Option<&str>) -> String {
    let query = behavior
        .map_or(String::new(), |behavior| format!("?@microsoft.graph.conflictBehavior={behavior}"));
    format!("POST {API}/me/drive/root:/a/x.txt:/copy{query}")
}

fn accepted() -> Outcome {
    answer(202, "").header("location", MONITOR)
}

fn status(status: &str) -> Outcome {
    answer(
        202,
        json!({"operation": "ItemCopy", "percentageComplete": 27.8, "status": status}).to_string(),
    )
}

fn failed(code: &str) -> Outcome {
    ok(json!({"status": "failed", "error": {"code": code, "message": "about it"}}))
}

async fn begin(
    drive: &GraphDrive,
    transport: &Scripted,
    if_exists: IfExists,
) -> Result<CopyStatus> {
    let to = target("b c", "y.txt");
    drive
        .copy(&transport.context(), CopyRequest::new(&at("a/x.txt"), &to).with_if_exists(if_exists))
        .await
}

fn job(copying: CopyStatus) -> (CopyJob, Duration) {
    match copying {
        CopyStatus::Running { job, poll_after } => (job, poll_after),
        CopyStatus::Done(item) => panic!("{item:?}"),
    }
}

/// Polls a copy to its end.
async fn follow(
    drive: &GraphDrive,
    transport: &Scripted,
    begun: CopyStatus,
) -> Result<Option<Item>> {
    let (mut job, _) = job(begun);
    loop {
        match drive.copy_status(&transport.context(), &job).await? {
            CopyStatus::Running { job: next, .. } => job = next,
            CopyStatus::Done(item) => return Ok(item.map(|item| *item)),
        }
    }
}

fn body(sent: &Sent) -> Value {
    serde_json::from_str(sent.text()).unwrap()
}

#[tokio::test]
async fn a_copy_is_polled_without_a_token_at_growing_intervals() {
    let transport = Scripted::expecting([(&*copy_line(Some("replace")), accepted())]);
    let (mut job, pause) = job(begin(&drive(), &transport, IfExists::Replace).await.unwrap());
    assert_eq!((job.url.expose(), pause), (MONITOR, Duration::from_millis(50)));
    let sent = &transport.sent()[0];
    assert_eq!(
        body(sent),
        json!({"name": "y.txt", "parentReference": {"path": "/drive/root:/b%20c"}})
    );
    assert_eq!(sent.header("prefer"), Some("respond-async"));
    let mut pauses = Vec::new();
    for told in ["notStarted", "inProgress", "waiting", "updating", "inProgress", "x", "y"] {
        let transport = Scripted::expecting([(&*format!("GET {MONITOR}"), status(told))]);
        let asked = drive().copy_status(&transport.context(), &job).await.unwrap();
        let (next, pause) = super::copies::job(asked);
        pauses.push(pause.as_millis());
        assert_eq!(transport.sent()[0].header("authorization"), None);
        job = next;
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
}

#[tokio::test]
async fn a_copy_is_complete_by_its_status_or_by_a_redirect() {
    for end in [
        ok(json!({"percentageComplete": 100.0, "resourceId": "N", "status": "completed"})),
        answer(202, json!({"status": "completed"}).to_string()),
        answer(303, "").header("location", "https://graph.microsoft.com/v1.0/x"),
    ] {
        let copied = ok(file("N", "y.txt", b"x"));
        let mut left = vec![copied, end, status("inProgress"), answer(202, ""), accepted()];
        let transport = Scripted::by(move |_| left.pop().unwrap());
        let begun = begin(&drive(), &transport, IfExists::Replace).await.unwrap();
        let item = follow(&drive(), &transport, begun).await.unwrap().unwrap();
        assert_eq!((item.id.as_str(), transport.sent().len()), ("N", 5));
    }
}

#[tokio::test]
async fn a_copy_that_is_reported_as_complete_is_compared_with_its_source() {
    let hash = file("X", "x.txt", b"new")["file"]["hashes"]["quickXorHash"].clone();
    let hash = BASE64_STANDARD.decode(hash.as_str().unwrap()).unwrap();
    let mut source = Item::new("X", "x.txt", ItemKind::File);
    source.hashes = vec![(HashKind::QuickXor, hash.into())];
    for (found, kind) in [
        (ok(file("N", "y.txt", b"new")), None),
        // The response to the monitor was any page, and the copy fails later.
        (ok(file("OLD", "y.txt", b"old")), Some(ErrorKind::Unexpected)),
        (error_response(404, "itemNotFound"), Some(ErrorKind::NotFound)),
    ] {
        let mut left = vec![found, ok(json!({"status": "completed"})), accepted()];
        let transport = Scripted::by(move |_| left.pop().unwrap());
        let (from, to) = (at("a/x.txt"), target("b c", "y.txt"));
        let request = CopyRequest::new(&from, &to).with_known(&source);
        let begun = drive().copy(&transport.context(), request).await.unwrap();
        let followed = follow(&drive(), &transport, begun).await;
        assert_eq!(followed.err().map(|error| error.kind()), kind);
    }
}

/// The connection can break after the cloud has renamed the copy, whose id is the target's then.
#[tokio::test]
async fn a_rename_without_a_usable_response_does_not_delete_the_target() {
    let transport = Scripted::by(|sent| match sent.method.as_str() {
        "PATCH" => answer(204, ""),
        "DELETE" => error_response(404, "itemNotFound"),
        _ => personal(sent),
    });
    let drive = drive_of_kind(AccountKind::Personal);
    let begun = begin(&drive, &transport, IfExists::Replace).await.unwrap();
    assert!(follow(&drive, &transport, begun).await.is_err());
    assert!(
        !transport.lines().iter().any(|line| line.contains("/items/N") && line.starts_with("D"))
    );
}

#[tokio::test]
async fn a_failed_copy_is_an_error_of_its_kind() {
    for (end, kind) in [
        (failed("quotaLimitReached"), ErrorKind::QuotaExceeded),
        (
            ok(json!({"status": "failed", "errorCode": "AccessDenied_Blocked"})),
            ErrorKind::PermissionDenied,
        ),
        (ok(json!({"status": "cancelled"})), ErrorKind::Unexpected),
        (error_response(404, "itemNotFound"), ErrorKind::NotFound),
    ] {
        let mut left = vec![end, accepted()];
        let transport = Scripted::by(move |_| left.pop().unwrap());
        let begun = begin(&drive(), &transport, IfExists::Replace).await.unwrap();
        assert_eq!(follow(&drive(), &transport, begun).await.unwrap_err().kind(), kind);
    }
    let refused = Scripted::by(|_| error_response(404, "itemNotFound"));
    let error = begin(&drive(), &refused, IfExists::Replace).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let silent = Scripted::by(|_| answer(202, ""));
    assert!(begin(&drive(), &silent, IfExists::Replace).await.is_err());
}

#[tokio::test]
async fn a_copy_that_replaces_nothing_fails_if_the_name_is_in_use() {
    let target = item_request("/me/drive/root:/b%20c/y.txt");
    let transport = Scripted::expecting([
        (&*target, error_response(404, "itemNotFound")),
        (&*copy_line(Some("fail")), accepted()),
        (&*format!("GET {MONITOR}"), failed("nameAlreadyExists")),
    ]);
    let begun = begin(&drive(), &transport, IfExists::Fail).await.unwrap();
    let error = follow(&drive(), &transport, begun).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let transport = Scripted::expecting([(&*target, ok(file("Y", "y.txt", b"old")))]);
    let error = begin(&drive(), &transport, IfExists::Fail).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "before the copy is started");
}

/// A personal drive: it rejects a conflict behaviour, and `y.txt` exists.
fn personal(sent: &Sent) -> Outcome {
    let name = match sent.method.as_str() {
        "POST" => body(sent)["name"].as_str().unwrap().to_owned(),
        _ => String::new(),
    };
    match (sent.method.as_str(), &*name) {
        ("POST", "y.txt") => answer(202, "").header("location", "https://m/taken"),
        ("POST", _) => answer(202, "").header("location", "https://m/beside"),
        ("GET", _) if sent.url == "https://m/taken" => failed("nameAlreadyExists"),
        ("GET", _) if sent.url.starts_with(API) => ok(file("OLD", "y.txt", b"old")),
        ("GET", _) => ok(json!({"status": "completed", "resourceId": "N"})),
        ("PATCH", _) => ok(file("N", "y.txt", b"x")),
        _ => answer(599, sent.line()),
    }
}

#[tokio::test]
async fn a_copy_that_cannot_replace_gets_a_temporary_name_and_is_renamed() {
    for drive in [drive_of_kind(AccountKind::Personal), drive()] {
        let transport = Scripted::by(personal);
        let begun = begin(&drive, &transport, IfExists::Replace).await.unwrap();
        let item = follow(&drive, &transport, begun).await.unwrap().unwrap();
        assert_eq!(item.id.as_str(), "N");
        let sent = transport.sent();
        assert_eq!(sent.len(), 6, "two copies and how they are doing, who is there, one rename");
        let beside = body(&sent[3])["name"].as_str().unwrap().to_owned();
        assert!(beside.starts_with("drivedal-") && beside.ends_with(".tmp"), "{beside}");
        assert_eq!(
            sent[5].line(),
            format!("PATCH {API}/me/drive/items/N?@microsoft.graph.conflictBehavior=replace")
        );
        assert_eq!(body(&sent[5]), json!({"name": "y.txt"}));
        let is_personal = drive.kind.is_some();
        assert_eq!(sent[0].url.contains("conflictBehavior"), !is_personal);
    }
}

#[tokio::test]
async fn a_known_target_saves_the_first_attempt() {
    let transport = Scripted::by(personal);
    let drive = drive_of_kind(AccountKind::PersonalLegacy);
    let mut to = target("b", "y.txt");
    to.occupant = Some("OLD".into());
    let begun =
        drive.copy(&transport.context(), CopyRequest::new(&at("a/x.txt"), &to)).await.unwrap();
    follow(&drive, &transport, begun).await.unwrap();
    assert_eq!(transport.sent().len(), 3);
}

#[tokio::test]
async fn a_folder_is_not_replaced_and_no_temporary_copy_remains() {
    let told_late = Scripted::by(|sent| match sent.url.starts_with(API) && sent.method == "GET" {
        true => ok(folder("Y", "y.txt", "B")),
        false => personal(sent),
    });
    let begun = begin(&drive(), &told_late, IfExists::Replace).await.unwrap();
    let error = follow(&drive(), &told_late, begun).await.unwrap_err();
    assert_eq!((error.kind(), told_late.sent().len()), (ErrorKind::IsAFolder, 3));

    // The folder appeared during the copy.
    let too_late = Scripted::by(|sent| match sent.method.as_str() {
        "PATCH" => error_response(409, "nameAlreadyExists"),
        "DELETE" => answer(204, ""),
        _ => personal(sent),
    });
    let begun = begin(&drive(), &too_late, IfExists::Replace).await.unwrap();
    assert!(follow(&drive(), &too_late, begun).await.is_err());
    let last = too_late.lines().pop().unwrap();
    let temporary = format!("DELETE {API}/me/drive/root:/b%20c/drivedal-");
    assert!(last.starts_with(&temporary), "{last}");
}

#[tokio::test]
async fn a_temporary_copy_that_was_requested_twice_is_renamed_by_its_path() {
    let transport = Scripted::by(|sent| match sent.method.as_str() {
        "POST" => accepted(),
        "GET" => failed("nameAlreadyExists"),
        _ => ok(file("N", "y.txt", b"x")),
    });
    let drive = drive_of_kind(AccountKind::Personal);
    let begun = begin(&drive, &transport, IfExists::Replace).await.unwrap();
    follow(&drive, &transport, begun).await.unwrap();
    let last = transport.lines().pop().unwrap();
    assert!(last.starts_with(&format!("PATCH {API}/me/drive/root:/b%20c/drivedal-")), "{last}");
}

#[tokio::test]
async fn a_name_in_use_in_the_first_response_leads_to_a_temporary_copy() {
    let transport = Scripted::by(|sent| match sent.method == "GET" {
        true => ok(file("OLD", "y.txt", b"old")),
        false if sent.url.contains("=replace") => error_response(409, "nameAlreadyExists"),
        false => accepted(),
    });
    begin(&drive(), &transport, IfExists::Replace).await.unwrap();
    assert_eq!(transport.sent().len(), 3);
    let strange = CopyJob { url: MONITOR.into(), state: "?".to_owned() };
    let error = drive().copy_status(&transport.context(), &strange).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
