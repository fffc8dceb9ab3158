//! SharePoint rewrites uploaded Office files.

use drivedal_server::{AccountKind, CloudBehavior};
use serde_json::Value;

use crate::graph::harness::{Drive, GraphServer};

fn hash(item: &Value) -> &Value {
    &item["file"]["hashes"]["quickXorHash"]
}

async fn upload_in_session(drive: &Drive<'_>, cloud: &GraphServer, path: &str) -> Value {
    let create = format!("/me/drive/root:/{path}:/createUploadSession");
    let url = drive.request("POST", &create).ok().await.member("uploadUrl");
    let fragment = cloud.send("PUT", &url).header("content-range", "bytes 0-3/4");
    fragment.body("text").ok().await.json()
}

#[tokio::test]
async fn office_files_of_business_drives_differ_from_their_upload() {
    let behavior = CloudBehavior::default().rewrite_office_files();
    let cloud = GraphServer::with(|builder| builder.behavior(behavior)).await;
    for (kind, is_rewritten) in [
        (AccountKind::Business, true),
        (AccountKind::Library, true),
        (AccountKind::Personal, false),
    ] {
        let drive = cloud.of(kind);
        let plain = drive.put("a.txt", "text").await;
        assert_eq!(plain["size"], 4);
        let office = drive.put("a.docx", "text").await;
        let in_session = upload_in_session(&drive, &cloud, "b.xlsx").await;
        for item in [&office, &in_session] {
            assert_eq!(item["size"].as_u64().unwrap() > 4, is_rewritten, "{kind}: {item}");
            assert_eq!(hash(item) != hash(&plain), is_rewritten, "{kind}: {item}");
        }
        let again = drive.put("a.docx", "text").await;
        assert_eq!(hash(&again) != hash(&office), is_rewritten, "{kind}");
        let read = drive.read("a.txt").await;
        assert_eq!(read, "text");
    }
}

#[tokio::test]
async fn office_files_are_stored_unchanged_by_default() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    assert_eq!(drive.put("a.docx", "text").await["size"], 4);
}
