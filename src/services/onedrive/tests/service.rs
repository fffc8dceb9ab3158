//! The service as an operator's user sees it, and how many requests it takes
//! (onedrive-graph#requests-per-operation).

use std::time::Duration;

use futures::TryStreamExt;
use opendal::{ErrorKind, HttpTransporter, OperationContext, Operator, OperatorRegistry};

use super::*;
use crate::{
    announce,
    services::onedrive::{ONEDRIVE_SCHEME, OneDrive, register_onedrive_service},
    transport::scripted::{Scripted, Sent},
};

const CONTENT: &[u8] = b"hello";

/// A drive with a file `a/f.txt` and what a test makes of it.
fn cloud(sent: &Sent) -> Outcome {
    let url = sent.url.as_str();
    let path = url.strip_prefix(API).unwrap_or(url).split('?').next().unwrap_or_default();
    let there = || file("F", "f.txt", CONTENT);
    match (sent.method.as_str(), path) {
        ("GET", "/me/drive/root:/a:/children") => ok(json!({"value": [there()]})),
        ("GET", "/me/drive/root/delta") => ok(json!({
            "value": [
                {"id": "R", "name": "root", "root": {}},
                folder("A", "a", "R"),
                {"id": "F", "name": "f.txt", "file": {}, "size": 5, "parentReference": {"id": "A"}},
            ],
            "@odata.deltaLink": format!("{API}/x"),
        })),
        ("GET", "/me/drive/root:/a/f.txt") => ok(there()),
        ("GET", "https://t/F") => answer(200, CONTENT),
        ("PUT", "/me/drive/root:/a/f.txt:/content") => answer(201, there().to_string()),
        ("POST", "/me/drive/root:/a/f.txt:/createUploadSession") => {
            ok(json!({"uploadUrl": "https://up/1"}))
        }
        ("PUT", "https://up/1") => answer(201, there().to_string()),
        ("POST", "/me/drive/root:/a/b:/children") => answer(201, folder("C", "c", "B").to_string()),
        ("PATCH", "/me/drive/root:/a/f.txt") => ok(there()),
        ("DELETE", "/me/drive/root:/a/f.txt" | "/me/drive/root:/a") => answer(204, ""),
        ("POST", "/me/drive/root:/a/f.txt:/copy") => {
            answer(202, "").header("location", "https://m/1")
        }
        ("GET", "https://m/1") => ok(json!({"status": "completed"})),
        _ => refusal(404, "itemNotFound"),
    }
}

fn operator(transport: &Scripted) -> Operator {
    let context =
        OperationContext::new().with_http_transport(HttpTransporter::new(transport.clone()));
    Operator::new(OneDrive::default().access_token("token")).unwrap().with_context(context)
}

/// How many requests an operation takes.
macro_rules! requests {
    ($transport:ident, $operation:expr) => {{
        let before = $transport.sent().len();
        let result = $operation.await.unwrap();
        (result, $transport.sent().len() - before)
    }};
}

#[tokio::test]
async fn every_operation_takes_the_fewest_requests_that_graph_allows() {
    let transport = Scripted::by(cloud);
    let op = operator(&transport);
    let (metadata, count) = requests!(transport, op.stat("a/f.txt"));
    assert_eq!(count, 1);
    assert_eq!(metadata.content_length(), 5);
    let mtime = metadata.user_metadata().unwrap().into_iter().find(|(key, _)| *key == "mtime");
    assert_eq!(mtime.map(|(_, time)| time), Some("2014-03-02T01:00:00Z"));
    // The look has told the download URL.
    let (bytes, count) = requests!(transport, op.read("a/f.txt"));
    assert_eq!((bytes.to_vec(), count), (CONTENT.to_vec(), 1));
    let cold = operator(&transport);
    assert_eq!(requests!(transport, cold.read("a/f.txt")).1, 2);
    assert_eq!(requests!(transport, cold.read_with("a/f.txt").range(1..3)).1, 1);
    assert_eq!(requests!(transport, op.list("a/")).1, 1);
    assert_eq!(requests!(transport, op.write("a/f.txt", CONTENT)).1, 1);
    assert_eq!(requests!(transport, op.create_dir("a/b/c/")).1, 1);
    assert_eq!(requests!(transport, op.rename("a/f.txt", "n/g.txt")).1, 1);
    let (_, count) = requests!(transport, op.copy("a/f.txt", "a/g.txt"));
    assert_eq!(count, 3, "the length, the copy, how it is doing");
    requests!(transport, op.list("a/"));
    assert_eq!(
        requests!(transport, op.delete("a/f.txt")).1,
        1,
        "the listing told that it is a file"
    );
    assert_eq!(requests!(transport, op.delete_with("a/").recursive(true)).1, 1);
    let (tree, count) = requests!(transport, op.list_with("/").recursive(true));
    let mut paths: Vec<_> = tree.iter().map(|entry| entry.path()).collect();
    paths.sort_unstable();
    assert_eq!((paths, count), (vec!["/", "a/", "a/f.txt"], 1));
}

#[tokio::test]
async fn an_announced_time_goes_with_a_session_and_large_files_in_fragments() {
    let transport = Scripted::by(cloud);
    let op = operator(&transport);
    let modified = "2014-03-02T01:00:00Z".parse().unwrap();
    let announced = announce().size(5).modified(modified);
    let write = op.write_with("a/f.txt", CONTENT).user_metadata(announced);
    assert_eq!(requests!(transport, write).1, 2);
    let create = &transport.sent()[0];
    assert!(create.text().contains("\"lastModifiedDateTime\":\"2014-03-02T01:00:00Z\""));

    // 25 MiB: the second fragment may be twice as large as the first, of 10 MiB.
    let large: Vec<u8> = (0..25 << 20).map(|i: u32| (i % 251) as u8).collect();
    let wire = file("F", "f.txt", &large);
    let transport = Scripted::by(move |sent| match sent.header("content-range") {
        Some("bytes 0-10485759/26214400") => answer(202, r#"{"nextExpectedRanges":["10485760-"]}"#),
        Some("bytes 10485760-26214399/26214400") => ok(wire.clone()),
        Some(range) => answer(599, range),
        None => cloud(sent),
    });
    let op = operator(&transport);
    assert_eq!(requests!(transport, op.write("a/f.txt", large)).1, 3);
}

#[tokio::test]
async fn refusals_are_what_an_operators_user_expects() {
    let refusing = |status, code: &'static str| {
        operator(&Scripted::by(move |_| refusal(status, code).header("retry-after", "7")))
    };
    for (status, code, kind, temporary) in [
        (429, "activityLimitReached", ErrorKind::RateLimited, true),
        (503, "serviceNotAvailable", ErrorKind::RateLimited, true),
        (404, "itemNotFound", ErrorKind::NotFound, false),
        (403, "accessDenied", ErrorKind::PermissionDenied, false),
        (423, "resourceLocked", ErrorKind::Conflict, false),
    ] {
        let error = refusing(status, code).stat("a").await.unwrap_err();
        assert_eq!((error.kind(), error.is_temporary()), (kind, temporary), "{error}");
    }
    let full = refusing(507, "quotaLimitReached").write("a", "x").await.unwrap_err();
    assert!(full.to_string().contains("quotaLimitReached"), "{full}");
    let taken = refusing(409, "nameAlreadyExists");
    let taken = taken.write_with("a", "x").if_not_exists(true).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::ConditionNotMatch);
    let unchanged = operator(&Scripted::by(|_| answer(304, "")));
    let unchanged = unchanged.stat_with("a").if_none_match("\"e\"").await.unwrap_err();
    assert_eq!(unchanged.kind(), ErrorKind::ConditionNotMatch);
}

#[tokio::test]
async fn a_move_or_copy_to_a_folder_that_is_missing_makes_it() {
    let made = |sent: &Sent, seen: &[String]| {
        let folder_made = seen.iter().any(|line| line.contains("root/children"));
        match (sent.method.as_str(), folder_made) {
            ("PATCH", false) => refusal(404, "itemNotFound"),
            ("POST", false) if sent.url.contains("/copy") => refusal(404, "itemNotFound"),
            ("POST", _) if sent.url.contains("root/children") => {
                answer(201, folder("N", "n", "R").to_string())
            }
            _ => cloud(sent),
        }
    };
    for copies in [false, true] {
        let mut seen = Vec::new();
        let transport = Scripted::by(move |sent| {
            seen.push(sent.line());
            made(sent, &seen)
        });
        let op = operator(&transport);
        match copies {
            true => drop(op.copy("a/f.txt", "n/f.txt").await.unwrap()),
            false => op.rename("a/f.txt", "n/f.txt").await.unwrap(),
        }
        let sent = transport.sent();
        assert_eq!(sent.iter().filter(|sent| sent.url.contains("root/children")).count(), 1);
    }
}

#[tokio::test]
async fn the_registry_opens_it_by_uri_and_by_options_below_its_root() {
    let registry = OperatorRegistry::get();
    register_onedrive_service(registry);
    let transport = Scripted::by(|sent| match &*sent.line() {
        line if line.starts_with("GET http://127.0.0.1:8/v1.0/drives/b%21x/root:/base/dir/a?") => {
            ok(file("F", "a", b"x"))
        }
        line => answer(599, line),
    });
    let context =
        OperationContext::new().with_http_transport(HttpTransporter::new(transport.clone()));
    let uri = "onedrive://work/base/dir?endpoint=http%3A%2F%2F127.0.0.1%3A8%2Fv1.0\
               &access_token=t&drive_id=b!x&header.x-one=1";
    let pairs = [
        ("endpoint", "http://127.0.0.1:8/v1.0"),
        ("access_token", "t"),
        ("drive_id", "b!x"),
        ("root", "/base/dir/"),
        ("header.x-one", "1"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    for operator in
        [Operator::from_uri(uri).unwrap(), Operator::via_iter(ONEDRIVE_SCHEME, pairs).unwrap()]
    {
        let operator = operator.with_context(context.clone());
        assert_eq!(
            (operator.info().scheme(), operator.info().root()),
            ("onedrive", "/base/dir/".into())
        );
        operator.stat("a").await.unwrap();
        assert_eq!(transport.sent().last().unwrap().header("x-one"), Some("1"));
    }
}

#[tokio::test]
async fn a_handle_tells_quota_and_owner_and_tickets_do_not_outlive_the_index() {
    let transport = Scripted::by(|sent| match sent.url.ends_with("quota") {
        true => ok(json!({"id": "D", "quota": {"total": 10, "remaining": 4}})),
        false => cloud(sent),
    });
    let builder = OneDrive::default().access_token("token").index_ttl(Duration::ZERO);
    let (service, handle) = builder.build_with_handle().unwrap();
    let context =
        OperationContext::new().with_http_transport(HttpTransporter::new(transport.clone()));
    let op = Operator::from_parts(context, std::sync::Arc::new(service));
    assert_eq!(handle.quota(&op).await.unwrap().available, 4);
    assert_eq!(handle.account(&op).await.unwrap().id, "D");
    op.stat("a/f.txt").await.unwrap();
    assert_eq!(requests!(transport, op.read("a/f.txt")).1, 2);
    let bytes: Vec<_> = op
        .reader("a/f.txt")
        .await
        .unwrap()
        .into_bytes_stream(..)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(bytes.concat(), CONTENT);
}

#[tokio::test]
async fn pages_in_a_circle_end_the_listing_with_an_error() {
    let transport = Scripted::by(|sent| {
        let next = if sent.url.ends_with("/next1") { "next2" } else { "next1" };
        let names = json!([file("1", "one", b"1")]);
        ok(json!({"value": names, "@odata.nextLink": format!("{API}/{next}")}))
    });
    for recursive in [false, true] {
        let operator = operator(&transport);
        let listing = operator.list_with("a/").recursive(recursive).into_future();
        let listed = tokio::time::timeout(Duration::from_secs(60), listing).await;
        let error = listed.expect("an end").expect_err("not the whole folder");
        assert!(error.to_string().contains("repeats a page"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_never_complete_is_given_up() {
    let transport = Scripted::by(|sent| match sent.url.as_str() {
        "https://m/1" => answer(202, json!({"status": "inProgress"}).to_string()),
        _ => cloud(sent),
    });
    let operator = operator(&transport);
    let copied = operator.copy("a/f.txt", "a/g.txt");
    let copied = tokio::time::timeout(Duration::from_secs(24 * 3600), copied).await;
    let error = copied.expect("an end").expect_err("never complete");
    assert!(error.to_string().contains("not complete after 6 hours"), "{error}");
}
