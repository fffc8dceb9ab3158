//! Uploads from a URL (onedrive-graph#upload-from-url).

use drivedal_server::AccountKind;
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, TestRequest};

fn create(drive: &Drive<'_>, url: &str) -> TestRequest {
    let body = json!({"@microsoft.graph.sourceUrl": url, "name": "copy.txt", "file": {}});
    drive
        .request("POST", "/me/drive/root:/d:/children")
        .header("prefer", "respond-async")
        .json(body)
}

async fn outcome(cloud: &GraphServer, request: TestRequest) -> Value {
    let accepted = request.await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let outcome = cloud.send("GET", &accepted.location()).ok().await.json();
    assert_eq!(outcome["operation"], "DownloadUrl");
    outcome
}

#[tokio::test]
async fn a_personal_drive_downloads_a_file_from_a_url_of_this_machine() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Personal);
    drive.put("f.txt", "the bytes").await;
    let url = drive.request("GET", "/me/drive/root:/f.txt:/content").await.location();
    let done = outcome(&cloud, create(&drive, &url)).await;
    assert_eq!(done["status"], "completed");
    let path = format!("/me/drive/items/{}", done["resourceId"].as_str().unwrap());
    assert_eq!(drive.get(&path).await["name"], "copy.txt");
    assert_eq!(drive.read("d/copy.txt").await, "the bytes");
    let taken = outcome(&cloud, create(&drive, &url)).await;
    assert_eq!(taken["error"]["code"], "nameAlreadyExists");
}

#[tokio::test]
async fn a_failed_download_is_reported_by_the_monitor() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Personal);
    for url in [cloud.url("/s1pnonsense/f"), "http://127.0.0.1:9/f".into()] {
        let failed = outcome(&cloud, create(&drive, &url)).await;
        assert_eq!(failed["status"], "failed", "{url}");
        let message = failed["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("cannot upload from the URL: "), "{message}");
        assert!(!message.contains("nonsense"), "a URL may have a secret: {message}");
    }
    drive.request("GET", "/me/drive/root:/d/copy.txt").refused(404, "itemNotFound").await;
}

#[tokio::test]
async fn other_hosts_and_business_drives_are_refused() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Personal);
    for url in ["http://example.org/f", "http://10.0.0.1/f", "file:///etc/passwd", "f"] {
        create(&drive, url).refused(400, "invalidRequest").await;
    }
    let business = cloud.of(AccountKind::Business);
    create(&business, "http://127.0.0.1/f").refused(501, "notSupported").await;
}
