use futures::TryStreamExt;

use super::{super::download::NodeDownload, *};
use crate::drive::{
    ByteRange, Conditions, Download, DownloadRequest, Drive, Error, ErrorKind, IfExists, Result,
    WriteOptions,
};

async fn upload(
    drive: &NodeDrive,
    transport: &Scripted,
    to: &Target,
    body: Body,
    if_exists: IfExists,
) -> Result<Item> {
    let options = WriteOptions { if_exists, ..WriteOptions::default() };
    drive.upload(&transport.context(), to, body, &options).await
}

async fn replace(transport: &Scripted, to: &Target, body: Body) -> Result<Item> {
    upload(&drive(), transport, to, body, IfExists::Replace).await
}

const POST: &str = "POST @nodes?suppress=deduplication";

#[tokio::test]
async fn damaged_uploads_are_errors() {
    for (body, has) in [(memory(b"hello"), &b"hallo"[..]), (in_file(b"hello"), b"hell")] {
        let answer = json_answer(201, file_node("F", "x", &["P"], has));
        let transport = expecting([(POST, answer)]);
        let error = replace(&transport, &target("x"), body).await.unwrap_err();
        assert!(error.is_temporary() && error.to_string().contains("damaged"), "{error:?}");
    }
}

#[tokio::test]
async fn the_name_of_a_large_file_is_searched_before_the_upload() {
    let large = vec![7; (1 << 20) + 1];
    let look = "GET nodes?filters=parents%3A%22P%22%20AND%20name%3A%22x%22";
    let transport = expecting([
        (look, json_answer(200, list(&[node("N", "x", "FILE", &["P"])]))),
        (
            "PUT @nodes/N/content?suppress=deduplication",
            json_answer(200, file_node("N", "x", &["P"], &large)),
        ),
    ]);
    replace(&transport, &target("x"), memory(&large)).await.unwrap();
    assert_all_sent(&transport, 2);

    let folder = json_answer(200, list(&[node("N", "x", "FOLDER", &["P"])]));
    let transport = expecting([(look, folder)]);
    let error = replace(&transport, &target("x"), memory(&large)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsAFolder);

    // Where nothing may be replaced, the bytes need not be sent to find that out.
    let taken = json_answer(200, list(&[node("N", "x", "FILE", &["P"])]));
    let transport = expecting([(look, taken)]);
    let (drive, body) = (drive(), memory(&large));
    let error = upload(&drive, &transport, &target("x"), body, IfExists::Fail).await.unwrap_err();
    assert_eq!((error.kind(), error.existing().unwrap().as_str()), (ErrorKind::AlreadyExists, "N"));
    assert_all_sent(&transport, 1);
}

#[tokio::test]
async fn a_name_in_use_fails_and_a_folder_is_never_overwritten() {
    let transport = expecting([(POST, name_taken("N"))]);
    let error =
        upload(&drive(), &transport, &target("x"), memory(b"a"), IfExists::Fail).await.unwrap_err();
    assert_eq!((error.kind(), error.existing().unwrap().as_str()), (ErrorKind::AlreadyExists, "N"));

    let transport = expecting([
        (POST, name_taken("N")),
        (
            "PUT @nodes/N/content?suppress=deduplication",
            json_answer(400, json!({"message": "not a file"})),
        ),
        ("GET nodes/N", json_answer(200, node("N", "x", "FOLDER", &["P"]))),
    ]);
    let error = replace(&transport, &target("x"), memory(b"a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsAFolder);
}

#[tokio::test]
async fn a_missing_occupant_leads_to_a_new_file() {
    let transport = expecting([
        (
            "PUT @nodes/N/content?suppress=deduplication",
            json_answer(404, json!({"message": "gone"})),
        ),
        (POST, json_answer(201, file_node("F", "x", &["P"], b"a"))),
    ]);
    let to = Target { occupant: Some("N".into()), ..target("x") };
    assert_eq!(replace(&transport, &to, memory(b"a")).await.unwrap().id.as_str(), "F");
}

#[tokio::test]
async fn an_occupant_that_was_moved_meanwhile_is_a_conflict() {
    let answer = json_answer(200, file_node("N", "y", &["P"], b"a"));
    let transport = expecting([("PUT @nodes/N/content?suppress=deduplication", answer)]);
    let to = Target { occupant: Some("N".into()), ..target("x") };
    let error = replace(&transport, &to, memory(b"a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("\"y\""), "{error}");
}

/// The search for a file by its name.
const LOOK: &str = "GET nodes?filters=parents%3A%22P%22%20AND%20name%3A%22x%22";

fn timed_out(status: u16) -> Outcome {
    json_answer(status, json!({"message": "timeout"}))
}

fn patient(wait: u64) -> NodeDrive {
    drive().with_upload_wait(Some(std::time::Duration::from_secs(wait)))
}

#[tokio::test]
async fn an_overwrite_that_timed_out_is_found_by_the_id_of_the_file() {
    let transport = expecting([
        ("PUT @nodes/N/content?suppress=deduplication", timed_out(504)),
        ("GET nodes/N", json_answer(200, file_node("N", "x", &["P"], b"new"))),
    ]);
    let to = Target { occupant: Some("N".into()), ..target("x") };
    upload(&patient(0), &transport, &to, memory(b"new"), IfExists::Replace).await.unwrap();
}

#[tokio::test]
async fn a_late_file_is_found_and_another_file_is_not_accepted() {
    let listed = |bytes| json_answer(200, list(&[file_node("N", "x", &["P"], bytes)]));
    let transport =
        expecting([(POST, timed_out(504)), (LOOK, listed(b"old")), (LOOK, listed(b"new"))]);
    let to = target("x");
    let found = upload(&patient(1), &transport, &to, memory(b"new"), IfExists::Replace).await;
    assert_eq!(found.unwrap().id.as_str(), "N");
    for other in [listed(b"old"), json_answer(200, list(&[])), timed_out(503)] {
        let transport = expecting([(POST, timed_out(408)), (LOOK, other)]);
        let error = upload(&patient(0), &transport, &to, memory(b"new"), IfExists::Replace).await;
        let error = error.unwrap_err();
        assert!(error.is_temporary(), "{error:?}");
        assert!(error.to_string().contains("did not find it"), "{error}");
    }
}

/// A cloud with one file. It supports ranges, except those of an empty file.
fn serving(bytes: &'static [u8], claims: &'static [u8]) -> Scripted {
    Scripted::by(move |sent| {
        let path = sent.url.as_str();
        if path.ends_with("account/endpoint") {
            return endpoints();
        }
        if !path.ends_with("/content") {
            return json_answer(200, file_node("F", "x", &["P"], claims));
        }
        let Some(range) = sent.header("range") else { return answer(200, bytes) };
        let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let first: usize = first.parse().unwrap();
        let last: usize = last.parse().map_or(usize::MAX, |last: usize| last + 1);
        if first >= bytes.len() {
            return json_answer(416, json!({"message": "range"}));
        }
        let end = last.min(bytes.len());
        answer(206, &bytes[first..end])
            .header("content-range", format!("bytes {first}-{}/{}", end - 1, bytes.len()))
    })
}

fn known(bytes: &[u8]) -> Item {
    let node = serde_json::from_value(file_node("F", "x", &["P"], bytes)).unwrap();
    super::super::item::from_node(node)
}

async fn open(
    transport: &Scripted,
    most: u64,
    known: Option<&Item>,
    range: ByteRange,
    conditions: Conditions,
) -> Result<Download> {
    let client = Arc::new(client());
    let cx = transport.context();
    let file = NodeDownload::new(&client, &cx, &"F".into(), true).with_range_max(most);
    file.start(known, range, &conditions).await
}

async fn read(download: Download) -> Result<Vec<u8>, Error> {
    let pieces: Vec<Buffer> = download.bytes.try_collect().await?;
    if let Some(mut check) = download.check {
        pieces.iter().for_each(|piece| check.update(piece));
        check.finish().await?;
    }
    Ok(pieces.into_iter().flat_map(|piece| piece.to_vec()).collect())
}

fn requests(transport: &Scripted) -> Vec<String> {
    let content = |sent: &Sent| sent.url.ends_with("/content");
    let range = |sent: &Sent| sent.header("range").unwrap_or("all").to_owned();
    transport.sent().iter().filter(|sent| content(sent)).map(range).collect()
}

const FILE: &[u8] = b"0123456789abcdefghij";

#[tokio::test]
async fn a_long_read_sends_several_requests() {
    let file = known(FILE);
    for (range, expected, asked) in [
        (ByteRange::Full, FILE, vec!["bytes=0-7", "bytes=8-15", "bytes=16-19"]),
        (ByteRange::From(5), &FILE[5..], vec!["bytes=5-12", "bytes=13-19"]),
        (ByteRange::Span(2..19), &FILE[2..19], vec!["bytes=2-9", "bytes=10-17", "bytes=18-18"]),
        (ByteRange::Span(2..10), &FILE[2..10], vec!["bytes=2-9"]),
        (ByteRange::Span(2..90), &FILE[2..], vec!["bytes=2-9", "bytes=10-17", "bytes=18-19"]),
        (ByteRange::Last(10), &FILE[10..], vec!["bytes=10-17", "bytes=18-19"]),
        (ByteRange::Last(3), &FILE[17..], vec!["bytes=17-19"]),
    ] {
        let transport = serving(FILE, FILE);
        let download =
            open(&transport, 8, Some(&file), range.clone(), Conditions::default()).await.unwrap();
        assert_eq!(download.total, 20);
        assert_eq!(download.range.end - download.range.start, expected.len() as u64, "{range:?}");
        assert_eq!(read(download).await.unwrap(), expected, "{range:?}");
        assert_eq!(requests(&transport), asked, "{range:?}");
    }
}

#[tokio::test]
async fn a_read_without_a_known_item_returns_the_same_bytes() {
    for (bytes, range, expected) in [
        (FILE, ByteRange::Full, FILE),
        (FILE, ByteRange::Last(4), &FILE[16..]),
        (FILE, ByteRange::From(20), &b""[..]),
        (b"", ByteRange::Full, b""),
        (b"", ByteRange::Last(4), b""),
    ] {
        let transport = serving(bytes, bytes);
        match open(&transport, 8, None, range.clone(), Conditions::default()).await {
            Ok(download) => assert_eq!(read(download).await.unwrap(), expected, "{range:?}"),
            Err(error) => {
                assert_eq!(
                    (error.kind(), &range),
                    (ErrorKind::RangeNotSatisfied, &ByteRange::From(20))
                );
            }
        }
    }
}

#[tokio::test]
async fn the_last_bytes_are_those_of_the_current_file() {
    let before = known(b"0123456789");
    let transport = serving(FILE, FILE);
    let download =
        open(&transport, 8, Some(&before), ByteRange::Last(4), Conditions::default()).await;
    assert_eq!(read(download.unwrap()).await.unwrap(), &FILE[16..]);
}

#[tokio::test]
async fn a_whole_file_is_checked_by_its_hash() {
    // The known item is older than the content, so the drive requests the current one.
    let before = known(b"0123456789ABCDEFGHIJ");
    let transport = serving(FILE, FILE);
    let download =
        open(&transport, 8, Some(&before), ByteRange::Full, Conditions::default()).await.unwrap();
    assert_eq!(read(download).await.unwrap(), FILE);

    let transport = serving(FILE, b"0123456789ABCDEFGHIJ");
    let download =
        open(&transport, 500, Some(&before), ByteRange::Full, Conditions::default()).await.unwrap();
    let error = read(download).await.unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("MD5"), "{error:?}");

    // The file was replaced twice meanwhile: one response is a complete version, several responses
    // may be a mixture.
    for (most, is_whole) in [(500, true), (8, false)] {
        let transport = serving(FILE, b"another one by now..");
        let download =
            open(&transport, most, Some(&before), ByteRange::Full, Conditions::default()).await;
        assert_eq!(read(download.unwrap()).await.is_ok(), is_whole);
    }
}

#[tokio::test]
async fn unchecked_reads_are_not_hashed() {
    for unchecked in [false, true] {
        let transport = serving(FILE, b"0123456789ABCDEFGHIJ");
        let before = known(b"0123456789ABCDEFGHIJ");
        let drive = drive().with_unchecked_reads(unchecked);
        let (cx, at) = (transport.context(), ItemRef::from_id(&"F".into()));
        let conditions = Conditions::default();
        let download = drive
            .download(
                &cx,
                DownloadRequest::new(&at).with_known(&before).with_conditions(&conditions),
            )
            .await;
        let bytes = read(download.unwrap()).await;
        assert_eq!(bytes.ok(), unchecked.then(|| FILE.to_vec()));
    }
}

#[tokio::test]
async fn a_conditional_download_requests_the_item_first() {
    let transport = serving(FILE, FILE);
    let etag = known(FILE).etag.unwrap();
    let wanted = Conditions { if_match: Some(etag.clone()), ..Conditions::default() };
    let download = open(&transport, 500, None, ByteRange::Span(0..3), wanted).await.unwrap();
    assert_eq!(download.etag, Some(etag.clone()));
    let unwanted = Conditions { if_none_match: Some(etag), ..Conditions::default() };
    let error = open(&transport, 500, None, ByteRange::Full, unwanted).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConditionNotMatch);
}

#[tokio::test]
async fn a_change_of_size_during_a_read_is_an_error() {
    let mut asked = 0;
    let transport = Scripted::by(move |sent| {
        if sent.url.ends_with("account/endpoint") {
            return endpoints();
        }
        asked += 1;
        let (span, total) = if asked == 1 { ("0-7", 20) } else { ("8-15", 17) };
        answer(206, "01234567").header("content-range", format!("bytes {span}/{total}"))
    });
    let download = open(&transport, 8, None, ByteRange::Full, Conditions::default()).await.unwrap();
    let error = read(download).await.unwrap_err();
    assert!(error.to_string().contains("changed during the download"), "{error}");
}
