//! Tenants without pre-authenticated URLs (onedrive-graph#pre-auth-retirement).

use std::sync::Arc;

use opendal::{Buffer, HttpTransporter, OperationContext, Operator};

use super::*;
use crate::{
    adapter::{DriveService, ServiceSettings},
    announce,
    drive::{
        ByteRange, CopyRequest, CopyStatus, Drive, Error, ErrorKind, IfExists, Result,
        SessionProgress, UploadSession, WriteOptions,
    },
    transport::scripted::{Scripted, Sent},
};

const HOST: &str = "https://contoso-my.sharepoint.com";
const SCOPE: &str = "scope=https%3A%2F%2Fcontoso-my.sharepoint.com%2F.default";
const CONTENT: &[u8] = b"0123456789";

fn session_url() -> String {
    format!("{HOST}/_api/v2.0/drives/D/items/F/uploadSession?guid=1")
}

fn monitor_url() -> String {
    format!("{HOST}/_api/v2.0/monitor/1")
}

/// A tenant without pre-authenticated URLs, with the file `F` and the copy of it.
fn tenant(sent: &Sent) -> Outcome {
    let url = sent.url.as_str();
    let path = url.strip_prefix(API).unwrap_or(url).split('?').next().unwrap_or_default();
    let token = sent.header("authorization").unwrap_or_default();
    if url.starts_with(HOST) && token != "Bearer sharepoint" {
        return error_response(401, "unauthenticated");
    }
    match (sent.method.as_str(), path) {
        ("POST", "https://login/token") if sent.text().contains(SCOPE) => tokens("sharepoint"),
        ("POST", "https://login/token") => tokens("graph"),
        _ if url.starts_with(API) && !matches!(token, "Bearer graph" | "Bearer token") => {
            error_response(401, "InvalidAuthenticationToken")
        }
        ("GET", "/drives/D/items/F/contentStream") => answer(200, CONTENT),
        ("POST", path) if path.ends_with(":/createUploadSession") => {
            ok(json!({"uploadUrl": session_url(), "nextExpectedRanges": ["0-"]}))
        }
        ("PUT", path) if path.ends_with("uploadSession") => {
            answer(201, file("F", "f.bin", CONTENT).to_string())
        }
        ("GET", path) if path.ends_with("uploadSession") => {
            ok(json!({"nextExpectedRanges": ["0-"]}))
        }
        ("PUT", path) if path.ends_with(":/content") => {
            answer(201, file("F", "f.bin", CONTENT).to_string())
        }
        ("PATCH", "/me/drive/items/F") => ok(file("F", "f.bin", CONTENT)),
        ("POST", path) if path.ends_with(":/copy") => {
            answer(202, "").header("location", monitor_url())
        }
        ("GET", path) if path.ends_with("/monitor/1") => {
            ok(json!({"status": "completed", "resourceId": "G"}))
        }
        ("GET", "/me/drive/root:/a/x.txt") => ok(file("F", "x.txt", CONTENT)),
        ("GET", "/me/drive/items/G") => ok(file("G", "y.txt", CONTENT)),
        _ => error_response(404, "itemNotFound"),
    }
}

/// A drive whose tokens are refreshed.
fn refreshed() -> GraphDrive {
    drive_over(renewing_client())
}

async fn open(drive: &GraphDrive, transport: &Scripted) -> Result<UploadSession> {
    let options = WriteOptions::default();
    drive.open_session(&transport.context(), &target("a", "f.bin"), 10, &options).await
}

async fn send(
    drive: &GraphDrive,
    transport: &Scripted,
    session: &mut UploadSession,
) -> Result<SessionProgress> {
    let bytes = Buffer::from(CONTENT.to_vec());
    drive.send_fragment(&transport.context(), session, 0, bytes).await
}

/// Returns the requests to SharePoint and to the sign-in, with their tokens.
fn direct_requests(transport: &Scripted) -> Vec<String> {
    let sent = transport.sent();
    let direct = sent.iter().filter(|sent| !sent.url.starts_with(API));
    direct
        .map(|sent| {
            let token = sent.header("authorization").unwrap_or("-");
            let url = sent.url.trim_start_matches(HOST).split('?').next().unwrap_or_default();
            format!("{} {url} {token}", sent.method)
        })
        .collect()
}

#[tokio::test]
async fn a_download_url_below_the_endpoint_gets_the_token_of_graph_and_a_refreshed_one() {
    let transport = Scripted::by(tenant);
    let url = format!("{API}/drives/D/items/F/contentStream");
    let download = renewing_client()
        .download(&transport.context(), &DownloadUrl::new(url.as_str()), &ByteRange::Full, None)
        .await
        .unwrap();
    assert_eq!(download.total, 10);
    let sent = transport.sent();
    assert_eq!(
        transport.lines(),
        [format!("GET {url}"), "POST https://login/token".to_owned(), format!("GET {url}")]
    );
    let used: Vec<_> = sent.iter().map(|sent| sent.header("authorization")).collect();
    assert_eq!(used, [Some("Bearer stale"), None, Some("Bearer graph")]);
}

#[tokio::test]
async fn no_other_download_url_gets_a_token() {
    for url in [
        "https://contoso-my.sharepoint.com/_api/v2.0/drives/D/items/F/contentStream",
        "https://graph.microsoft.com.evil.test/v1.0/drives/D/items/F/contentStream",
        "https://graph.microsoft.com/download/F",
        "https://evil.test/v1.0/contentStream",
    ] {
        let transport = Scripted::by(|_| answer(200, CONTENT));
        let drive = refreshed();
        let known = known("F", url);
        let file = ItemRef::from_id(&known.id);
        let request = crate::drive::DownloadRequest::new(&file).with_known(&known);
        drive.download(&transport.context(), request).await.unwrap();
        assert_eq!(transport.lines(), [format!("GET {url}")]);
        assert_eq!(transport.sent()[0].header("authorization"), None, "{url}");
    }
}

#[tokio::test]
async fn a_session_gets_a_token_for_its_host_after_one_rejected_request() {
    let transport = Scripted::by(tenant);
    let drive = refreshed();
    let mut session = open(&drive, &transport).await.unwrap();
    assert!(matches!(
        send(&drive, &transport, &mut session).await.unwrap(),
        SessionProgress::Done(_)
    ));
    let path = "/_api/v2.0/drives/D/items/F/uploadSession";
    assert_eq!(
        direct_requests(&transport),
        [
            // The token of Graph was stale.
            "POST https://login/token -".to_owned(),
            format!("GET {path} -"),
            "POST https://login/token -".to_owned(),
            format!("GET {path} Bearer sharepoint"),
            format!("PUT {path} Bearer sharepoint"),
        ]
    );
    // The mode is remembered for the next session, also by clones of the drive.
    let transport = Scripted::by(tenant);
    let mut session = open(&drive.clone(), &transport).await.unwrap();
    send(&drive, &transport, &mut session).await.unwrap();
    assert_eq!(direct_requests(&transport), [format!("PUT {path} Bearer sharepoint")]);
}

#[tokio::test]
async fn a_saved_session_is_resumed_with_a_token() {
    let transport = Scripted::by(tenant);
    let session = open(&refreshed(), &transport).await.unwrap();
    let transport = Scripted::by(tenant);
    let drive = refreshed();
    let status = drive.session_status(&transport.context(), &session).await.unwrap();
    assert!(matches!(status, SessionProgress::Next(0)), "{status:?}");
    drive.cancel_session(&transport.context(), &session).await.unwrap();
    let last = direct_requests(&transport).pop().unwrap();
    assert_eq!(last, "DELETE /_api/v2.0/drives/D/items/F/uploadSession Bearer sharepoint");
}

#[tokio::test]
async fn an_expired_token_for_sharepoint_is_refreshed_once() {
    let mut issued = 0;
    let transport = Scripted::by(move |sent| {
        let token = sent.header("authorization").unwrap_or_default();
        match sent.url.as_str() {
            "https://login/token" if sent.text().contains(SCOPE) => {
                issued += 1;
                tokens(&format!("sharepoint-{issued}"))
            }
            url if url.starts_with(HOST) && token != "Bearer sharepoint-2" => {
                error_response(401, "unauthenticated")
            }
            _ => tenant(&Sent { url: sent.url.replace(HOST, "https://x"), ..sent.clone() }),
        }
    });
    let drive = refreshed();
    let mut session = open(&drive, &transport).await.unwrap();
    send(&drive, &transport, &mut session).await.unwrap();
    let used: Vec<_> = direct_requests(&transport)
        .iter()
        .filter_map(|line| Some(line.split_once("Bearer ")?.1.to_owned()))
        .collect();
    assert_eq!(used, ["sharepoint-1", "sharepoint-2", "sharepoint-2"]);
}

#[tokio::test]
async fn no_other_session_gets_a_token() {
    for url in [
        // Pre-authenticated: 401 means that the session is lost.
        "https://contoso-my.sharepoint.com/_api/v2.0/uploadSession?guid=1&tempauth=x",
        "https://api.onedrive.com/rup/1",
        "https://my.microsoftpersonalcontent.com/personal/1/uploadSession?guid=1",
        "https://contoso.sharepoint.com.evil.test/uploadSession?guid=1",
        "https://contoso.sharepoint.com:8443/uploadSession?guid=1",
        "https://graph.microsoft.com/uploadSession?guid=1",
    ] {
        let transport = Scripted::by(move |sent| match sent.url.as_str() {
            "https://login/token" => tokens("graph"),
            _ if sent.method == "POST" => ok(json!({"uploadUrl": url})),
            _ => error_response(401, "unauthenticated"),
        });
        let drive = refreshed();
        let mut session = open(&drive, &transport).await.unwrap();
        let before = transport.sent().len();
        let error = send(&drive, &transport, &mut session).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{url}: {error}");
        let sent = &transport.sent()[before..];
        assert_eq!(sent.len(), 1, "{url}");
        assert_eq!(sent[0].header("authorization"), None, "{url}");
    }
}

#[tokio::test]
async fn the_configured_audience_is_for_the_host_of_the_endpoint() {
    let transport = Scripted::by(|sent| {
        let token = sent.header("authorization").unwrap_or_default();
        match (sent.url.as_str(), sent.method.as_str()) {
            ("https://login/token", _) if sent.text().contains(SCOPE) => tokens("sharepoint"),
            ("https://login/token", _) => tokens("graph"),
            ("https://graph.microsoft.com/rup/1", _) if token != "Bearer sharepoint" => {
                error_response(401, "unauthenticated")
            }
            ("https://graph.microsoft.com/rup/1", "PUT") => {
                answer(201, file("F", "f.bin", CONTENT).to_string())
            }
            ("https://graph.microsoft.com/rup/1", _) => ok(json!({"nextExpectedRanges": ["0-"]})),
            _ => ok(json!({"uploadUrl": "https://graph.microsoft.com/rup/1"})),
        }
    });
    let client = renewing_client().with_sharepoint_audience(Some(format!("{HOST}/")));
    let drive = drive_over(client);
    let mut session = open(&drive, &transport).await.unwrap();
    let progress = send(&drive, &transport, &mut session).await.unwrap();
    assert!(matches!(progress, SessionProgress::Done(_)));
}

fn check_refusal(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::SessionsUnavailable, "{error}");
    let text = error.to_string();
    for part in ["contoso-my.sharepoint.com", "AllSites.Write", "Sites.ReadWrite.All", "sign in"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("guid"), "{text}");
}

#[tokio::test]
async fn without_a_token_sessions_are_unavailable_and_the_next_one_is_not_opened() {
    // A token that cannot be refreshed, and a consent that is missing.
    let refusing = |sent: &Sent| match sent.text().contains(SCOPE) {
        true => answer(
            400,
            r#"{"error":"invalid_grant","error_description":"AADSTS65001: no consent"}"#,
        ),
        false => tenant(sent),
    };
    for drive in [drive(), refreshed()] {
        let transport = Scripted::by(refusing);
        let mut session = open(&drive, &transport).await.unwrap();
        check_refusal(&send(&drive, &transport, &mut session).await.unwrap_err());
        check_refusal(&drive.session_status(&transport.context(), &session).await.unwrap_err());
        let before = transport.sent().len();
        check_refusal(&open(&drive, &transport).await.unwrap_err());
        assert_eq!(transport.sent().len(), before);
    }
}

#[tokio::test]
async fn a_temporary_failure_of_the_sign_in_is_not_a_refusal() {
    let transport = Scripted::by(|sent| match sent.text().contains(SCOPE) {
        true => answer(503, ""),
        false => tenant(sent),
    });
    let drive = refreshed();
    let mut session = open(&drive, &transport).await.unwrap();
    let error = send(&drive, &transport, &mut session).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    assert_ne!(error.kind(), ErrorKind::SessionsUnavailable);
    open(&drive, &transport).await.unwrap();
}

#[tokio::test]
async fn a_token_that_may_only_read_makes_sessions_unavailable() {
    let transport = Scripted::by(|sent| match sent.method.as_str() {
        "PUT" if sent.url.starts_with(HOST) => error_response(403, "accessDenied"),
        _ => tenant(sent),
    });
    let drive = refreshed();
    let mut session = open(&drive, &transport).await.unwrap();
    let error = send(&drive, &transport, &mut session).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionsUnavailable, "{error}");
    assert!(error.to_string().contains("AllSites.Write"), "{error}");
}

#[tokio::test]
async fn an_error_contains_neither_the_token_nor_the_url() {
    let transport = Scripted::by(|sent| match sent.method.as_str() {
        "PUT" if sent.url.starts_with(HOST) => answer(
            400,
            json!({"error": {"code": "invalidRequest",
                "message": "Bearer sharepoint-token-1 at uploadSession?guid=12345678"}})
            .to_string(),
        ),
        _ if sent.text().contains(SCOPE) => tokens("sharepoint-token-1"),
        _ => tenant(&Sent { url: sent.url.replace(HOST, "https://x"), ..sent.clone() }),
    });
    let mut session = UploadSession {
        url: session_url().replace("guid=1", "guid=12345678").into(),
        ..open(&refreshed(), &transport).await.unwrap()
    };
    let drive = refreshed();
    // The host requires a token.
    let first = std::sync::atomic::AtomicBool::new(true);
    let transport = Scripted::by({
        let transport = transport.clone();
        move |sent| match first.swap(false, std::sync::atomic::Ordering::Relaxed) {
            true => error_response(401, "unauthenticated"),
            false => transport.outcome(sent),
        }
    });
    let error = send(&drive, &transport, &mut session).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains("sharepoint-token-1") && !text.contains("12345678"), "{text}");
}

fn operator(transport: &Scripted, drive: GraphDrive) -> Operator {
    let context =
        OperationContext::new().with_http_transport(HttpTransporter::new(transport.clone()));
    let service = DriveService::new(Arc::new(drive), ServiceSettings::new("onedrive", ""));
    Operator::from_parts(context, Arc::new(service))
}

#[tokio::test]
async fn a_small_file_is_then_sent_in_one_request_and_its_time_is_set_by_a_second_one() {
    let transport = Scripted::by(tenant);
    let op = operator(&transport, drive());
    let modified = "2014-03-02T01:00:00Z".parse().unwrap();
    for (round, expected) in [(1, 4), (2, 2)] {
        let before = transport.sent().len();
        let metadata = announce().size(10).modified(modified);
        let mut writer = op.writer_with("a/f.bin").user_metadata(metadata).await.unwrap();
        for piece in CONTENT.chunks(3) {
            writer.write(piece.to_vec()).await.unwrap();
        }
        assert_eq!(writer.close().await.unwrap().content_length(), 10);
        let sent = &transport.sent()[before..];
        assert_eq!(sent.len(), expected, "{round}: {:?}", transport.lines());
        let [.., put, patch] = sent else { panic!("two requests") };
        assert_eq!((put.method.as_str(), &*put.body), ("PUT", CONTENT));
        let times = json!({"fileSystemInfo": {"lastModifiedDateTime": "2014-03-02T01:00:00Z"}});
        assert_eq!(serde_json::from_str::<Value>(patch.text()).unwrap(), times);
    }
}

#[tokio::test]
async fn a_large_file_fails_with_the_missing_permission() {
    let transport = Scripted::by(tenant);
    let op = operator(&transport, drive());
    let metadata = announce().size(300_000_000);
    let mut writer = op.writer_with("a/f.bin").user_metadata(metadata).await.unwrap();
    let piece = Buffer::from(vec![0; 11 << 20]);
    let error = loop {
        if let Err(error) = writer.write(piece.clone()).await {
            break error;
        }
    };
    assert_eq!(error.kind(), opendal::ErrorKind::PermissionDenied, "{error}");
    let text = error.to_string();
    assert!(text.contains("AllSites.Write") && text.contains("250000000 bytes"), "{text}");
}

async fn copy(drive: &GraphDrive, transport: &Scripted, if_exists: IfExists) -> Result<CopyStatus> {
    let (from, to) = (at("a/x.txt"), target("b", "y.txt"));
    let cx = transport.context();
    let request = CopyRequest::new(&from, &to).with_if_exists(if_exists);
    let mut status = drive.copy(&cx, request).await?;
    for _ in 0..5 {
        let CopyStatus::Running { job, .. } = &status else { break };
        status = drive.copy_status(&cx, job).await?;
    }
    Ok(status)
}

#[tokio::test]
async fn the_monitor_of_a_copy_gets_a_token_of_sharepoint() {
    let transport = Scripted::by(tenant);
    let status = copy(&refreshed(), &transport, IfExists::Replace).await.unwrap();
    assert!(matches!(status, CopyStatus::Done(Some(_))), "{status:?}");
    let polls: Vec<_> =
        direct_requests(&transport).into_iter().filter(|line| line.contains("monitor")).collect();
    let path = "/_api/v2.0/monitor/1";
    assert_eq!(polls, [format!("GET {path} -"), format!("GET {path} Bearer sharepoint")]);
}

/// A tenant in which the copy is complete after `polls` requests for its target. Before, the target
/// has the content `old`; `None` if it does not exist.
fn copying(polls: usize, old: Option<&'static [u8]>) -> Scripted {
    let (mut started, mut left) = (false, polls);
    Scripted::by(move |sent| match sent.url.split('?').next().unwrap_or_default() {
        url if url.ends_with(":/copy") => {
            started = true;
            tenant(sent)
        }
        url if url.ends_with("/b/y.txt") => {
            let is_done = started && left == 0;
            left = if started { left.saturating_sub(1) } else { left };
            match (is_done, old) {
                (true, _) => ok(file("N", "y.txt", CONTENT)),
                (false, Some(old)) => ok(file("O", "y.txt", old)),
                (false, None) => error_response(404, "itemNotFound"),
            }
        }
        _ => tenant(sent),
    })
}

#[tokio::test]
async fn without_a_token_the_target_of_the_copy_is_polled() {
    for (if_exists, old) in [
        (IfExists::Replace, None),
        (IfExists::Replace, Some(&b"other text"[..])),
        (IfExists::Fail, None),
    ] {
        let transport = copying(2, old);
        let status = copy(&drive(), &transport, if_exists).await.unwrap();
        let CopyStatus::Done(Some(item)) = status else { panic!("{status:?}") };
        assert_eq!(item.id.as_str(), "N");
    }
}

/// The cloud reports such a failure by the monitor only.
#[tokio::test]
async fn a_copy_below_a_file_or_a_missing_folder_ends_without_its_monitor() {
    for (parent, kind) in [
        (ok(file("B", "b", CONTENT)), ErrorKind::NotAFolder),
        (error_response(404, "itemNotFound"), ErrorKind::NotFound),
    ] {
        let transport = Scripted::by(move |sent| match sent.url.split('?').next() {
            Some(url) if url.ends_with("/b/y.txt") => error_response(404, "itemNotFound"),
            Some(url) if sent.method == "GET" && url.ends_with("root:/b") => parent.clone(),
            _ => tenant(sent),
        });
        let error = copy(&drive(), &transport, IfExists::Replace).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn a_copy_that_cannot_be_recognized_is_no_success() {
    let error = copy(&drive(), &copying(0, Some(b"old")), IfExists::Fail).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "before the copy: {error}");
    let error = copy(&drive(), &copying(0, None), IfExists::Rename).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("chooses the name"), "{error}");
    let status = copy(&drive(), &copying(9, Some(b"old")), IfExists::Replace).await.unwrap();
    assert!(matches!(status, CopyStatus::Running { .. }), "the old file is not the copy");
}
