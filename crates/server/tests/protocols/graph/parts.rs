//! Uploads of metadata and bytes in one request, `multipart/related`.

use drivedal_server::AccountKind;

use crate::graph::harness::{Drive, GraphServer, TestRequest};

/// Returns a request with two parts.
fn create(drive: &Drive<'_>, metadata: &str, id: &str, end: &str) -> TestRequest {
    let body = format!(
        "--b\r\nContent-ID: <metadata>\r\nContent-Type: application/json\r\n\r\n{metadata}\
         \r\n--b\r\nContent-ID: <{id}>\r\nContent-Type: text/plain\r\n\r\nthe bytes\r\n--b{end}"
    );
    let request = drive.request("POST", "/me/drive/root/children").body(body);
    request.header("content-type", "multipart/related; boundary=\"b\"")
}

const METADATA: &str = r#"{"name": "f.txt", "file": {}, "@content.sourceUrl": "cid:content", "@name.conflictBehavior": "rename"}"#;

#[tokio::test]
async fn a_file_is_created_from_two_parts() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Personal);
    let created = create(&drive, METADATA, "content", "--\r\n").await;
    assert_eq!(created.status, 201);
    assert_eq!(created.json()["name"], "f.txt");
    assert_eq!(drive.read("f.txt").await, "the bytes");
    let renamed = create(&drive, METADATA, "content", "--").ok().await.json();
    assert_eq!(renamed["name"], "f 1.txt");
    let taken = METADATA.replace("rename", "fail");
    create(&drive, &taken, "content", "--").refused(409, "nameAlreadyExists").await;
}

#[tokio::test]
async fn malformed_parts_are_refused_without_effect() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Personal);
    create(&drive, METADATA, "other", "--").refused(400, "invalidRequest").await;
    create(&drive, METADATA, "content", "").refused(400, "invalidRequest").await;
    create(&drive, "{", "content", "--").refused(400, "BadRequest").await;
    let folder = r#"{"name": "f", "folder": {}, "@content.sourceUrl": "cid:content"}"#;
    create(&drive, folder, "content", "--").refused(400, "invalidRequest").await;
    let package = METADATA.replace("\"file\": {}", "\"package\": {}");
    create(&drive, &package, "content", "--").refused(501, "notSupported").await;
    let without = drive.request("POST", "/me/drive/root/children").body("x");
    let without = without.header("content-type", "multipart/related");
    without.refused(400, "invalidRequest").await;
    assert_eq!(drive.get("/me/drive/root").await["folder"]["childCount"], 0);
    let business = cloud.of(AccountKind::Business);
    create(&business, METADATA, "content", "--").refused(501, "notSupported").await;
}
