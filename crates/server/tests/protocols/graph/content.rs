//! Content in one request: downloads by URL, simple uploads.

use std::time::Duration;

use drivedal_server::AccountKind;
use serde_json::json;

use crate::graph::harness::{Drive, GraphServer, id, names};

#[tokio::test]
async fn content_is_a_redirect_to_bytes_that_need_no_token() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let file = drive.put("f.txt", "0123456789").await;
    let path = format!("/me/drive/items/{}/content", id(&file));
    let redirect = drive.request("GET", &path).header("range", "bytes=2-4").await;
    assert_eq!(redirect.status, 302);
    assert!(redirect.body.is_empty());
    let ticket = redirect.location();
    assert!(ticket.starts_with(cloud.server.url().as_str()), "{ticket}");
    let whole = cloud.send("GET", &ticket).ok().await;
    assert_eq!((whole.status, whole.text()), (200, "0123456789"));
    assert_eq!(whole.header("content-type"), "text/plain");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let part = cloud.send("GET", &ticket).header("range", "bytes=2-4").await;
    assert_eq!((part.status, part.text()), (206, "234"));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    let beyond = cloud.send("GET", &ticket).header("range", "bytes=10-").await;
    assert_eq!(beyond.status, 416);
    let head = cloud.send("HEAD", &ticket).await;
    assert_eq!((head.status, head.header("content-length")), (200, "10"));
    let with_token = cloud.send("GET", &ticket).header("authorization", "Bearer nonsense").await;
    assert_eq!(with_token.status, 200, "old clients send their token along");
}

#[tokio::test]
async fn a_ticket_dies_with_its_time_its_item_and_its_bytes() {
    let cloud = GraphServer::with(|builder| builder.download_url_life(Duration::ZERO)).await;
    let drive = cloud.drive();
    drive.put("f", "x").await;
    let ticket = drive.request("GET", "/me/drive/root:/f:/content").await.location();
    assert_eq!(cloud.send("GET", &ticket).await.status, 401);
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f", "x").await;
    let ticket = drive.request("GET", "/me/drive/root:/f:/content").await.location();
    drive.put("f", "y").await;
    assert_eq!(cloud.send("GET", &ticket).await.status, 404);
    let ticket = drive.request("GET", "/me/drive/root:/f:/content").await.location();
    drive.request("DELETE", "/me/drive/root:/f").ok().await;
    assert_eq!(cloud.send("GET", &ticket).await.status, 404);
}

#[tokio::test]
async fn unchanged_content_is_not_sent_and_a_folder_has_none() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let file = drive.put("a/f", "x").await;
    let request = drive.request("GET", "/me/drive/root:/a/f:/content");
    let response = request.header("if-none-match", file["eTag"].as_str().unwrap()).await;
    assert_eq!(response.status, 304);
    drive.request("GET", "/me/drive/root:/a:/content").refused(400, "invalidRequest").await;
    drive.request("GET", "/me/drive/root:/none:/content").refused(404, "itemNotFound").await;
}

#[tokio::test]
async fn a_put_makes_a_file_with_the_folders_above_it_or_replaces_its_bytes() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let put = |path: &str| drive.request("PUT", &format!("/me/drive/{path}/content"));
    let made = put("root:/a/b/f.bin:").header("content-type", "text/plain").body("one").await;
    assert_eq!(made.status, 201);
    assert!(made.location().ends_with(id(&made.json())));
    let made = made.json();
    assert_eq!(made["file"]["mimeType"], "application/octet-stream", "the name says the type");
    let replaced = put("root:/A/b/F.bin:").body("two").await;
    assert_eq!(replaced.status, 200);
    assert_eq!(id(&replaced.json()), id(&made));
    let by_id = put(&format!("items/{}", id(&made))).body("three").await;
    assert_eq!(by_id.status, 200);
    assert_eq!(drive.read("a/b/f.bin").await, "three");
    let folder = drive.get("/me/drive/root:/a").await;
    let empty = put(&format!("items/{}:/c/g:", id(&folder))).header("content-length", "0");
    empty.body("").ok().await;
    assert_eq!(drive.get("/me/drive/root:/a/c/g").await["size"], 0);
    assert_eq!(drive.read("a/c/g").await, "");
}

#[tokio::test]
async fn a_put_applies_the_conflict_behavior() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f.txt", "old").await;
    let put = |behavior: &str| {
        let path = "/me/drive/root:/f.txt:/content?@microsoft.graph.conflictBehavior";
        drive.request("PUT", &format!("{path}={behavior}")).body("new")
    };
    put("fail").refused(409, "nameAlreadyExists").await;
    assert_eq!(drive.read("f.txt").await, "old");
    let renamed = put("rename").await;
    assert_eq!((renamed.status, &renamed.json()["name"]), (201, &"f 1.txt".into()));
    assert_eq!(put("replace").await.status, 200);
    assert_eq!(drive.read("f.txt").await, "new");
    drive.mkdir("folder").await;
    let onto_folder = drive.request("PUT", "/me/drive/root:/folder:/content").body("x");
    onto_folder.refused(409, "nameAlreadyExists").await;
    let below_file = drive.request("PUT", "/me/drive/root:/f.txt/g:/content").body("x");
    below_file.refused(400, "invalidRequest").await;
    put("perhaps").refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn a_put_may_insist_on_a_version() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let put = |tag: &str| {
        drive.request("PUT", "/me/drive/root:/f:/content").header("if-match", tag).body("new")
    };
    assert_eq!(put("\"{nothing},1\"").await.status, 201, "no effect on what is not there");
    let file = drive.put("f", "x").await;
    put("\"{nothing},1\"").refused(412, "resourceModified").await;
    assert_eq!(put(file["eTag"].as_str().unwrap()).await.status, 200);
    put(file["eTag"].as_str().unwrap()).refused(412, "resourceModified").await;
}

#[tokio::test]
async fn a_put_needs_a_length_that_one_request_may_have() {
    let cloud = GraphServer::new().await;
    let chunked = |drive: &Drive<'_>| {
        let endless = futures::stream::iter(["x", "y"].map(Ok::<_, std::io::Error>));
        let body = reqwest::Body::wrap_stream(endless);
        drive.request("PUT", "/me/drive/root:/f:/content").stream(body)
    };
    for kind in [AccountKind::Business, AccountKind::Library] {
        chunked(&cloud.of(kind)).refused(411, "invalidRequest").await;
    }
    for kind in [AccountKind::Personal, AccountKind::PersonalLegacy] {
        let drive = cloud.of(kind);
        assert_eq!(chunked(&drive).await.json()["size"], 2, "consumers' storage takes it, {kind}");
        assert_eq!(drive.read("f").await, "xy");
    }
    let drive = cloud.drive();
    let large = drive.request("PUT", "/me/drive/root:/f:/content");
    let large = large.header("expect", "100-continue").header("content-length", "262144001");
    let refusal = large.stream(reqwest::Body::from("")).status_only().await;
    assert_eq!(refusal, 413);
    assert!(names(&drive.get("/me/drive/root/children").await).is_empty());
}

#[tokio::test]
async fn a_preview_is_a_url_that_shows_the_file_without_a_token() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f.txt", "look").await;
    let preview = drive.request("POST", "/me/drive/root:/f.txt:/preview").json(json!({"page": 1}));
    let preview = preview.ok().await.json();
    let shown = cloud.send("GET", preview["getUrl"].as_str().expect("a URL")).ok().await;
    assert_eq!(shown.text(), "look");
    assert!(!shown.header("content-disposition").starts_with("attachment"));
    drive.request("POST", "/me/drive/root/preview").refused(400, "invalidRequest").await;
    let preview = drive.request("POST", "/me/drive/root:/f.txt:/preview");
    let preview = preview.json(json!({"page": "2 b", "zoom": 1.5})).ok().await;
    assert!(preview.member("getUrl").ends_with("#page=2%20b&zoom=1.5"), "{preview:?}");
    for wrong in [json!({"page": []}), json!({"zoom": 0}), json!({"zoom": "big"})] {
        let preview = drive.request("POST", "/me/drive/root:/f.txt:/preview").json(wrong);
        assert_eq!(preview.await.status, 400);
    }
}
