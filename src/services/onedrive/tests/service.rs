//! The service behind an OpenDAL operator.

use std::time::Duration;

use futures::TryStreamExt;
use opendal::{HttpTransporter, OperationContext, Operator, OperatorRegistry};

use super::*;
use crate::{
    services::onedrive::{ONEDRIVE_SCHEME, OneDrive, register_onedrive_service},
    transport::scripted::{Scripted, Sent},
};

const CONTENT: &[u8] = b"hello";

/// A drive with a file `a/f.txt`.
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
        ("GET", "https://m/1") => ok(json!({"status": "completed", "resourceId": "G"})),
        ("GET", "/me/drive/items/G") => ok(file("G", "g.txt", CONTENT)),
        _ => error_response(404, "itemNotFound"),
    }
}

fn operator(transport: &Scripted) -> Operator {
    let context =
        OperationContext::new().with_http_transport(HttpTransporter::new(transport.clone()));
    Operator::new(OneDrive::default().access_token("token")).unwrap().with_context(context)
}

/// Runs an operation, and counts its requests.
macro_rules! requests {
    ($transport:ident, $operation:expr) => {{
        let before = $transport.sent().len();
        let result = $operation.await.unwrap();
        (result, $transport.sent().len() - before)
    }};
}

#[tokio::test]
async fn a_copy_takes_four_requests() {
    let transport = Scripted::by(cloud);
    let op = operator(&transport);
    let (_, count) = requests!(transport, op.copy("a/f.txt", "a/g.txt"));
    assert_eq!(count, 4, "the source, the copy, its progress, its result");
}

#[tokio::test]
async fn a_move_or_copy_creates_the_missing_target_folder() {
    let made = |sent: &Sent, seen: &[String]| {
        let folder_made = seen.iter().any(|line| line.contains("root/children"));
        match (sent.method.as_str(), folder_made) {
            ("PATCH", false) => error_response(404, "itemNotFound"),
            ("POST", false) if sent.url.contains("/copy") => error_response(404, "itemNotFound"),
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
async fn the_registry_builds_the_service_by_uri_and_by_options() {
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
async fn a_handle_returns_quota_and_account_and_download_urls_expire_with_the_index() {
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
async fn a_cycle_of_pages_is_an_error() {
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
async fn a_copy_that_never_completes_times_out() {
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
