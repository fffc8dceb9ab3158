//! Bytes in and out.

use futures::TryStreamExt;
use opendal::Buffer;

use super::*;
use crate::{
    drive::{
        Body, ByteRange, Conditions, Download, DownloadRequest, DownloadUrl, Drive, ErrorKind,
        IfExists, WriteOptions,
    },
    transport::scripted::Scripted,
};

const CONTENT: &str = "GET https://apis.live.net/v5.0/file.8c8ce076ca27823f.8C8CE076CA27823F%21128/content?suppress_redirects=true";

fn with_ticket(url: &str) -> Item {
    Item {
        size: Some(10),
        download_url: Some(DownloadUrl { url: url.into(), expires: None }),
        ..known(FILE, "a", FOLDER, ItemKind::File)
    }
}

async fn download(
    transport: &Scripted,
    known: Option<&Item>,
    range: ByteRange,
) -> crate::drive::Result<Download> {
    let cx = transport.context();
    drive()
        .download(&cx, DownloadRequest::new(&place(FILE)).with_known(known).with_range(range))
        .await
}

async fn text(download: Download) -> String {
    let pieces: Vec<Buffer> = download.bytes.try_collect().await.unwrap();
    String::from_utf8(pieces.iter().flat_map(|piece| piece.to_vec()).collect()).unwrap()
}

fn location(url: &str) -> Outcome {
    answer(200, format!(r#"{{"location":"{url}"}}"#))
}

#[tokio::test]
async fn a_ticket_given_just_now_is_not_replaced_again() {
    for (status, kind, again) in [
        (401, ErrorKind::PermissionDenied, false),
        (403, ErrorKind::PermissionDenied, false),
        // Another client has replaced the file between the two requests.
        (404, ErrorKind::Conflict, true),
        (410, ErrorKind::Conflict, true),
    ] {
        let transport = Scripted::by(move |sent| match sent.url.contains("/content") {
            true => location("https://t/new"),
            false => answer(status, ""),
        });
        let old = with_ticket("https://t/old");
        let error = download(&transport, Some(&old), ByteRange::Full).await.unwrap_err();
        assert_eq!((error.kind(), error.is_temporary()), (kind, again), "{status}");
        assert_eq!(transport.sent().len(), 3);
    }
}

#[tokio::test]
async fn any_other_failure_of_a_ticket_is_an_error() {
    let transport = Scripted::expecting([("GET https://t/x", answer(503, ""))]);
    let refused = download(&transport, Some(&with_ticket("https://t/x")), ByteRange::Full).await;
    assert!(refused.unwrap_err().is_temporary());
    let transport = Scripted::expecting([("GET https://t/x", Outcome::Reset)]);
    let refused = download(&transport, Some(&with_ticket("https://t/x")), ByteRange::Full).await;
    assert!(refused.unwrap_err().is_temporary());
}

#[tokio::test]
async fn a_deleted_file_is_not_found_despite_its_ticket() {
    let transport = Scripted::expecting([
        ("GET https://t/old", answer(404, "")),
        (CONTENT, refusal(404, "resource_not_found", "Gone.")),
    ]);
    let gone = download(&transport, Some(&with_ticket("https://t/old")), ByteRange::Full).await;
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn ranges_hold_on_a_host_that_ignores_them_or_sends_no_size() {
    let whole = || answer(200, "0123456789");
    let transport =
        Scripted::expecting([(CONTENT, location("https://t/x")), ("GET https://t/x", whole())]);
    let read = download(&transport, None, ByteRange::Span(3..6)).await.unwrap();
    assert_eq!((read.range.clone(), text(read).await.as_str()), (3..6, "345"));

    let silent = whole().header("content-length", "");
    let transport = Scripted::expecting([("GET https://t/x", silent)]);
    let read = download(&transport, Some(&with_ticket("https://t/x")), ByteRange::Last(99)).await;
    assert_eq!(text(read.unwrap()).await, "0123456789");

    let short = answer(416, "").header("content-range", "bytes */10");
    let transport = Scripted::expecting([("GET https://t/x", short), ("GET https://t/x", whole())]);
    let read = download(&transport, Some(&with_ticket("https://t/x")), ByteRange::Last(99)).await;
    assert_eq!(text(read.unwrap()).await, "0123456789", "the host refuses it, the file is shorter");

    let past = answer(416, "").header("content-range", "bytes */10");
    let transport = Scripted::expecting([("GET https://t/x", past)]);
    let read = download(&transport, Some(&with_ticket("https://t/x")), ByteRange::From(11)).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::RangeNotSatisfied);
}

#[tokio::test]
async fn folders_notebooks_and_conditions_are_refused_without_a_request() {
    let transport = Scripted::expecting([]);
    let (drive, cx) = (drive(), transport.context());
    let none = Conditions::default();
    let folder =
        drive.download(&cx, DownloadRequest::new(&place(FOLDER)).with_conditions(&none)).await;
    assert_eq!(folder.unwrap_err().kind(), ErrorKind::IsAFolder);
    let notebook = known(FILE, "n", FOLDER, ItemKind::Opaque);
    let notebook = download(&transport, Some(&notebook), ByteRange::Full).await;
    assert_eq!(notebook.unwrap_err().kind(), ErrorKind::Unsupported);
    let condition = Conditions { if_match: Some("x".into()), if_none_match: None };
    let read =
        drive.download(&cx, DownloadRequest::new(&place(FILE)).with_conditions(&condition)).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::Unsupported);
    let options = WriteOptions { conditions: condition, ..WriteOptions::default() };
    let body = Body::Memory(Buffer::from("x"));
    let written = drive.upload(&cx, &target(FOLDER, "a"), body, &options).await;
    assert_eq!(written.unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(transport.sent().is_empty());
}

#[tokio::test]
async fn an_upload_asks_for_what_was_meant_and_claims_no_size() {
    let transport = Scripted::by(|sent| match sent.url.contains("overwrite=false") {
        true => refusal(409, "resource_already_exists", "Taken."),
        false => {
            answer(201, format!(r#"{{"id":"{FILE}","name":"a 1.txt","source":"https://t/a"}}"#))
        }
    });
    let (drive, cx) = (drive(), transport.context());
    let write = async |if_exists| {
        let options = WriteOptions { if_exists, ..WriteOptions::default() };
        let body = Body::Memory(Buffer::from("bytes"));
        drive.upload(&cx, &target(FOLDER, "a.txt"), body, &options).await
    };
    let item = write(IfExists::Rename).await.unwrap();
    assert_eq!((&*item.name, item.size, item.kind), ("a 1.txt", None, ItemKind::File));
    assert_eq!(item.parents, [ItemId::from(FOLDER)]);
    assert_eq!(item.download_url.unwrap().url.expose(), "https://t/a");
    write(IfExists::Replace).await.unwrap();
    assert_eq!(write(IfExists::Fail).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let asked: Vec<_> = transport.lines();
    let query = |overwrite| format!("?overwrite={overwrite}&downsize_photo_uploads=false");
    for (line, overwrite) in asked.iter().zip(["ChooseNewName", "true", "false"]) {
        assert!(line.ends_with(&query(overwrite)), "{line}");
    }
}

#[tokio::test]
async fn a_file_too_large_for_the_cloud_is_refused_before_it_is_sent() {
    let transport = Scripted::expecting([]);
    let file = std::sync::Arc::new(tempfile::tempfile().unwrap());
    let body = Body::File { file, len: 100_000_001 };
    let cx = transport.context();
    let refused = drive().upload(&cx, &target(FOLDER, "a"), body, &WriteOptions::default()).await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("100000000"), "{error}");

    let taken = crate::drive::Target { occupant: Some(FOLDER.into()), ..target(FOLDER, "a") };
    let body = Body::Memory(Buffer::from("x"));
    let refused = drive().upload(&cx, &taken, body, &WriteOptions::default()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::IsAFolder);
}
