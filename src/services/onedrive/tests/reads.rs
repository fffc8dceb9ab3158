//! Downloads.

use futures::TryStreamExt;
use opendal::Buffer;

use super::*;
use crate::{
    drive::{ByteRange, Conditions, Download, DownloadRequest, Drive, ErrorKind, HashKind, Result},
    transport::scripted::Scripted,
};

const ITEM_URL: &str = "/me/drive/root:/a";
const TEN: &[u8] = b"0123456789";

async fn read(
    transport: &Scripted,
    known: Option<&Item>,
    range: ByteRange,
    conditions: &Conditions,
) -> Result<Download> {
    drive()
        .download(
            &transport.context(),
            DownloadRequest::new(&at("a"))
                .with_known(known)
                .with_range(range)
                .with_conditions(conditions),
        )
        .await
}

async fn plain(transport: &Scripted, known: Option<&Item>, range: ByteRange) -> Result<Download> {
    read(transport, known, range, &Conditions::default()).await
}

async fn text(download: Download) -> String {
    let pieces: Vec<Buffer> = download.bytes.try_collect().await.unwrap();
    String::from_utf8(pieces.iter().flat_map(|piece| piece.to_vec()).collect()).unwrap()
}

#[tokio::test]
async fn a_valid_download_url_costs_one_request_without_a_token() {
    let part = answer(206, "34").header("content-range", "bytes 3-4/10");
    let transport = Scripted::expecting([("GET https://t/good?tempauth=x%2F", part)]);
    let item = known("F", "https://t/good?tempauth=x%2F");
    let got = plain(&transport, Some(&item), ByteRange::Span(3..5)).await.unwrap();
    assert_eq!((got.total, got.range.clone()), (10, 3..5));
    assert_eq!(got.etag, None, "the host does not say that the bytes are still those");
    assert_eq!(got.download_url.as_ref().unwrap().url.expose(), "https://t/good?tempauth=x%2F");
    assert_eq!(text(got).await, "34");
    let sent = &transport.sent()[0];
    assert_eq!((sent.header("authorization"), sent.header("range")), (None, Some("bytes=3-4")));
}

#[tokio::test]
async fn the_hosts_etag_is_used_only_if_it_is_the_items() {
    let host = |etag: &'static str| Scripted::by(move |_| answer(200, TEN).header("etag", etag));
    let item = known("F", "https://t/F");
    let same = plain(&host("\"{F},1\""), Some(&item), ByteRange::Full).await.unwrap();
    assert_eq!(same.etag.as_deref(), Some("\"{F},1\""));
    let other = plain(&host("\"blob-7\""), Some(&item), ByteRange::Full).await.unwrap();
    assert_eq!(other.etag, None);
}

#[tokio::test]
async fn an_unknown_item_is_requested_for_its_download_url_and_etag() {
    let line = item_request(ITEM_URL);
    let transport = Scripted::expecting([
        (&*line, ok(file("F", "a", TEN))),
        ("GET https://t/F", answer(200, TEN)),
    ]);
    let got = plain(&transport, None, ByteRange::From(8)).await.unwrap();
    assert_eq!(got.etag.as_deref(), Some("\"{F},1\""));
    assert_eq!(got.download_url.as_ref().unwrap().url.expose(), "https://t/F");
    assert_eq!(got.item.as_ref().unwrap().id.as_str(), "F", "what was asked is told");
    assert_eq!(text(got).await, "89", "a host that ignores ranges is cut");
    let sent = transport.sent();
    assert_eq!(sent[0].header("authorization"), Some("Bearer token"));
    assert_eq!(sent[1].header("authorization"), None);
}

#[tokio::test]
async fn an_expired_download_url_is_refreshed_once() {
    let line = item_request(ITEM_URL);
    for status in [401, 403, 404, 410] {
        let transport = Scripted::expecting([
            ("GET https://t/old", answer(status, "<html>")),
            (&*line, ok(file("F", "a", TEN))),
            ("GET https://t/F", answer(200, TEN)),
        ]);
        let got = plain(&transport, Some(&known("F", "https://t/old")), ByteRange::Full).await;
        assert_eq!(text(got.unwrap()).await, "0123456789");
    }
    let refused = Scripted::by(|sent| match sent.url.starts_with(API) {
        true => ok(file("F", "a", TEN)),
        false => answer(403, ""),
    });
    let error = plain(&refused, Some(&known("F", "https://t/old")), ByteRange::Full).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(refused.sent().len(), 3);
}

#[tokio::test]
async fn a_file_that_is_replaced_during_the_open_is_a_temporary_error() {
    for status in [404, 410] {
        let transport = Scripted::by(move |sent| match sent.url.starts_with(API) {
            true => ok(file("F", "a", TEN)),
            false => answer(status, ""),
        });
        let error = plain(&transport, None, ByteRange::Full).await.unwrap_err();
        assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Conflict, true));
    }
}

#[tokio::test]
async fn other_failures_of_a_download_url_are_returned() {
    for outcome in [answer(503, ""), Outcome::Reset] {
        let transport = Scripted::expecting([("GET https://t/F", outcome)]);
        let error = plain(&transport, Some(&known("F", "https://t/F")), ByteRange::Full).await;
        assert!(error.unwrap_err().is_temporary());
        assert_eq!(transport.sent().len(), 1);
    }
}

#[tokio::test]
async fn a_condition_needs_an_item_request() {
    let conditions =
        Conditions { if_none_match: Some("\"{F},1\"".to_owned()), ..Conditions::default() };
    let line = item_request(ITEM_URL);
    let transport = Scripted::expecting([(&*line, answer(304, ""))]);
    let item = known("F", "https://t/F");
    let error = read(&transport, Some(&item), ByteRange::Full, &conditions).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConditionNotMatch);
    assert_eq!(transport.sent()[0].header("if-none-match"), Some("\"{F},1\""));
}

#[tokio::test]
async fn items_without_content_are_errors_of_their_kind() {
    let read = async |wire: Value| {
        let transport = Scripted::by(move |_| ok(wire.clone()));
        plain(&transport, None, ByteRange::Full).await.unwrap_err()
    };
    assert_eq!(read(folder("1", "a", "P")).await.kind(), ErrorKind::IsAFolder);
    let notebook = read(json!({"id": "1", "name": "a", "package": {"type": "oneNote"}})).await;
    assert_eq!(notebook.kind(), ErrorKind::Unsupported);
    assert!(notebook.to_string().contains("OneNote"), "{notebook}");
}

#[tokio::test]
async fn a_range_past_the_end_is_an_error_except_in_an_empty_file() {
    let past = || Scripted::by(|_| answer(416, "").header("content-range", "bytes */10"));
    let item = known("F", "https://t/F");
    let error = plain(&past(), Some(&item), ByteRange::From(11)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RangeNotSatisfied);
    let empty = Scripted::by(|_| answer(416, "").header("content-range", "bytes */0"));
    assert_eq!(text(plain(&empty, Some(&item), ByteRange::Last(4)).await.unwrap()).await, "");
}

#[tokio::test]
async fn malware_is_rejected_with_the_clouds_error() {
    let mut wire = file("F", "a", TEN);
    wire["malware"] = json!({});
    wire.as_object_mut().unwrap().remove("@microsoft.graph.downloadUrl");
    let transport = Scripted::by(move |sent| match sent.url.contains("/content") {
        true => error_response(403, "malwareDetected"),
        false => ok(wire.clone()),
    });
    let error = plain(&transport, None, ByteRange::Full).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::PermissionDenied, Some("malwareDetected"))
    );
    assert_eq!(transport.lines()[1], format!("GET {API}/me/drive/root:/a:/content"));
    let blocked = Scripted::by(|sent| match sent.url.starts_with(API) {
        true => ok(file("F", "a", TEN)),
        false => answer(403, "").header("x-virus-infected", "EICAR"),
    });
    let error = plain(&blocked, None, ByteRange::Full).await.unwrap_err();
    assert!(error.to_string().contains("malware"), "{error}");
}

#[tokio::test]
async fn a_shortcut_addressed_by_path_is_read_from_its_target() {
    let lines = (item_request(ITEM_URL), item_request("/drives/D2/items/X"));
    let shortcut = json!({"id": "3", "name": "a", "remoteItem": {"id": "X", "size": 10, "file": {},
        "parentReference": {"driveId": "D2"}}});
    let transport = Scripted::expecting([
        (&*lines.0, ok(shortcut)),
        (&*lines.1, ok(file("X", "a", TEN))),
        ("GET https://t/X", answer(200, TEN)),
    ]);
    let got = plain(&transport, None, ByteRange::Full).await.unwrap();
    let item = got.item.as_ref().unwrap();
    assert_eq!((item.id.as_str(), item.download_url.is_some()), ("3~D2#X", true));
    assert_eq!(text(got).await, "0123456789");
}

#[tokio::test]
async fn a_shortcut_addressed_by_id_is_read_from_its_target() {
    let line = item_request("/drives/D2/items/X");
    let transport = Scripted::expecting([
        (&*line, ok(file("X", "a", TEN))),
        ("GET https://t/X", answer(200, TEN)),
    ]);
    let place = ItemRef::from_id(&"3~D2#X".into());
    let conditions = Conditions::default();
    let got = drive()
        .download(&transport.context(), DownloadRequest::new(&place).with_conditions(&conditions))
        .await
        .unwrap();
    assert!(got.item.is_none(), "that is another item than the shortcut");
    assert_eq!(text(got).await, "0123456789");
}

#[tokio::test]
async fn bytes_between_the_known_and_the_current_version_are_no_damage() {
    // The etags of the known item, of the bytes and of the current item.
    for (received, current, is_damage) in [
        ("\"{F},2\"", "\"{F},3\"", false),
        ("\"{F},1\"", "\"{F},3\"", true),
        ("\"{F},3\"", "\"{F},3\"", true),
        ("\"{F},2\"", "\"{F},1\"", true),
    ] {
        let transport = Scripted::by(move |sent| match sent.url.starts_with(API) {
            true => {
                let mut item = file("F", "a", b"other text");
                item["eTag"] = current.into();
                ok(item)
            }
            false => answer(200, TEN).header("etag", received),
        });
        let mut hash = super::super::QuickXor::new();
        hash.update(b"old bytes!");
        let hashes = vec![(HashKind::QuickXor, hash.finish().into())];
        let item = Item { hashes, ..known("F", "https://t/F") };
        let got = plain(&transport, Some(&item), ByteRange::Full).await.unwrap();
        let mut check = got.check.expect("the item has a hash");
        check.update(&Buffer::from(TEN.to_vec()));
        assert_eq!(check.finish().await.is_err(), is_damage, "{received} {current}");
    }
}
