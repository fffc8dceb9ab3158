use drivedal_server::Server;
use futures::stream;
use serde_json::json;

use crate::amazon::cloud::{AmazonServer, form};

#[tokio::test]
async fn a_stream_with_a_stray_epilogue_is_an_upload_like_any_other() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let metadata = json!({"kind": "FILE", "name": "streamed", "parents": [root]});
    let body = form(Some(&metadata), "hello") + "multipart/form-data; boundary=b0undary";
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        body.into_bytes().chunks(11).map(|piece| Ok(piece.to_vec())).collect();
    let body = reqwest::Body::wrap_stream(stream::iter(pieces));
    let node =
        cloud.send(cloud.posted("?suppress=deduplication", body)).await.json_with_status(201);
    assert_eq!(node["contentProperties"]["size"], 5);
    assert_eq!(cloud.read(node["id"].as_str().unwrap(), None).await.text(), "hello");
}

#[tokio::test]
async fn an_overwrite_keeps_the_node_and_raises_both_versions() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let id = cloud.file("f", &root, "old").await;
    let node = cloud.overwrite(&id, "newer", "").await.json_with_status(200);
    assert_eq!(node["id"], id);
    assert_eq!((&node["version"], &node["contentProperties"]["version"]), (&json!(2), &json!(2)));
    assert_eq!(cloud.read(&id, None).await.text(), "newer");
    let folder = cloud.folder("d", &root).await;
    cloud.overwrite(&folder, "x", "").await.amazon_error(400);
}

#[tokio::test]
async fn ranges_return_partial_content() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let id = cloud.file("f", &root, "0123456789").await;
    for (range, bytes, told) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=4-", "456789", "bytes 4-9/10"),
    ] {
        let response = cloud.read(&id, Some(range)).await;
        assert_eq!((response.status, response.text()), (206, bytes), "{range}");
        assert_eq!(response.headers["content-range"], told);
    }
    assert_eq!(cloud.read(&id, Some("bytes=10-12")).await.status, 416);
    assert_eq!(cloud.read(&id, None).await.status, 200);
    cloud.read(&cloud.folder("d", &root).await, None).await.amazon_error(400);
}

#[tokio::test]
async fn a_temporary_link_needs_no_token() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let id = cloud.file("f", &root, "hello").await;
    let node = cloud.get(&format!("nodes/{id}?tempLink=true&asset=ALL")).await;
    assert_eq!(node["assets"], json!([]));
    let link = node["tempLink"].as_str().unwrap();
    let response = cloud.send(cloud.anonymous("GET", link).header("range", "bytes=1-2")).await;
    assert_eq!((response.status, response.text()), (206, "el"));
    assert!(cloud.get(&format!("nodes/{id}?tempLink=false")).await.get("tempLink").is_none());
}

#[tokio::test]
async fn bytes_that_are_there_are_refused_unless_that_is_suppressed() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let twin = cloud.file("twin", &root, "same").await;
    let other = cloud.file("other", &root, "different").await;
    let refused = cloud.upload("new", &root, "same", "").await.json_with_status(409);
    assert_eq!(
        (&refused["info"]["nodeId"], &refused["code"]),
        (&json!(twin), &json!("MD5_DUPLICATE"))
    );
    cloud.overwrite(&other, "same", "").await.json_with_status(409);
    cloud.overwrite(&twin, "same", "").await.json_with_status(200);
    cloud.upload("new", &root, "same", "?suppress=deduplication").await.json_with_status(201);
    cloud.upload("empty 1", &root, "", "").await.json_with_status(201);
    cloud.upload("empty 2", &root, "", "").await.json_with_status(201);
}

#[tokio::test]
async fn a_form_that_is_none_leaves_nothing() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let metadata = json!({"kind": "FILE", "name": "x", "parents": [root]});
    let whole = form(Some(&metadata), "hello");
    let folder = json!({"kind": "FOLDER", "name": "x", "parents": [root]});
    for (body, said) in [
        (whole[..whole.len() - 20].to_owned(), "Cannot read from request."),
        ("no boundary".to_owned(), "Cannot read from request."),
        (form(None, "hello"), "metadata is missing"),
        (form(Some(&json!({"kind": "FILE"})), "hello"), "name is missing"),
        (form(Some(&folder), "hello"), "kind must be FILE"),
        (form(Some(&json!("x")), "hello"), "is not valid JSON"),
        (whole.replace("name=\"content\"", "name=\"bytes\""), "Unknown part 'bytes'"),
    ] {
        let error = cloud.send(cloud.posted("", body.clone())).await.amazon_error(400);
        assert!(error.contains(said), "{body}: {error}");
    }
    let plain = cloud.request("POST", "cdproxy/nodes").body("hello");
    assert!(cloud.send(plain).await.amazon_error(400).contains("multipart"));
    assert_eq!(cloud.get(&format!("nodes/{root}/children")).await["count"], 0);
}

#[tokio::test]
async fn a_full_drive_is_reported() {
    let cloud = AmazonServer::of(Server::builder().quota(100)).await;
    let root = cloud.root().await;
    let full = cloud.upload("f", &root, &"x".repeat(101), "").await.json_with_status(403);
    assert_eq!(full["code"], "NO_ACTIVE_SUBSCRIPTION_FOUND");
    let id = cloud.file("f", &root, &"x".repeat(100)).await;
    cloud.overwrite(&id, &"y".repeat(100), "").await.json_with_status(200);
    let large = cloud.upload("g", &root, &"x".repeat(200_000), "").await;
    assert_eq!(large.json_with_status(403)["message"], "File size exceeds account allowance.");
}

#[tokio::test]
async fn faults_are_worded_as_amazon_would() {
    let cloud = AmazonServer::start().await;
    let fault = drivedal_server::Fault::on("amazon.account.info").times(1).status(429);
    cloud.server.control().add_faults([fault]).unwrap();
    assert_eq!(cloud.call("GET", "account/info", None).await.amazon_error(429), "Rate exceeded");
    cloud.get("account/info").await;
    assert_eq!(cloud.server.control().counters().count("amazon.account.info"), 2);
}
