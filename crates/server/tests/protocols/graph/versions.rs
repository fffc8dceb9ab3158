//! The versions of files (onedrive-graph#versions).

use std::num::NonZeroU32;

use drivedal_server::{AccountKind, CloudBehavior};
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, id};

/// Returns ids and sizes of a file's versions, in the order of the response.
async fn listed(drive: &Drive<'_>, path: &str) -> Vec<(String, u64)> {
    let versions = drive.get(&format!("/me/drive/root:/{path}:/versions")).await;
    let all = versions["value"].as_array().expect("a list").iter();
    let text = |version: &Value| version["id"].as_str().expect("an id").to_owned();
    all.map(|version| (text(version), version["size"].as_u64().expect("a size"))).collect()
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(id, size)| ((*id).to_owned(), *size)).collect()
}

async fn used(drive: &Drive<'_>) -> u64 {
    drive.get("/me/drive?select=quota").await["quota"]["used"].as_u64().expect("a number")
}

#[tokio::test]
async fn an_overwrite_keeps_the_version_before() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        drive.put("f", "one").await;
        let file = drive.put("f", "three").await;
        assert_eq!(listed(&drive, "f").await, pairs(&[("2.0", 5), ("1.0", 3)]));
        assert_eq!(used(&drive).await, 8, "{kind}: versions count in the quota");
        let path = format!("/me/drive/items/{}/versions", id(&file));
        let versions = drive.get(&path).await;
        let [current, old] = [&versions["value"][0], &versions["value"][1]];
        assert!(current.get("@microsoft.graph.downloadUrl").is_none());
        let url = old["@microsoft.graph.downloadUrl"].as_str().expect("a URL");
        assert_eq!(cloud.send("GET", url).ok().await.text(), "one");
        assert_eq!(&drive.get(&format!("{path}/1.0")).await["size"], 3);
        let content = drive.request("GET", &format!("{path}/1.0/content")).await;
        assert_eq!(content.status, 302);
        let part = cloud.send("GET", &content.location()).header("range", "bytes=1-");
        assert_eq!(part.await.text(), "ne");
        let current = drive.request("GET", &format!("{path}/2.0/content"));
        current.refused(400, "invalidRequest").await;
        for unknown in ["3.0", "0.0", "-1.0", "1", "01.0", "x"] {
            let refused = drive.request("GET", &format!("{path}/{unknown}"));
            refused.refused(404, "itemNotFound").await;
        }
    }
}

#[tokio::test]
async fn a_session_and_an_overwrite_by_id_keep_versions_too() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    let file = drive.put("f", "1").await;
    let path = format!("/me/drive/items/{}", id(&file));
    drive.request("PUT", &format!("{path}/content")).body("22").ok().await;
    let session = drive.request("POST", &format!("{path}/createUploadSession")).ok().await;
    let url = session.member("uploadUrl");
    let range = "bytes 0-2/3";
    cloud.send("PUT", &url).header("content-range", range).body("333").ok().await;
    let expected = pairs(&[("3.0", 3), ("2.0", 2), ("1.0", 1)]);
    assert_eq!(listed(&drive, "f").await, expected);
    let expanded = drive.get(&format!("{path}?$expand=versions($select=id)")).await;
    let ids: Vec<_> = expanded["versions"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids, ["3.0", "2.0", "1.0"]);
    let mut page = drive.get(&format!("{path}/versions?$top=2")).await;
    assert_eq!(page["value"].as_array().unwrap().len(), 2);
    page = drive.get(page["@odata.nextLink"].as_str().expect("a link")).await;
    assert_eq!(page["value"][0]["id"], "1.0");
    assert!(page.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn a_version_is_restored_with_all_others_kept() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        drive.put("f", "one").await;
        let before = drive.put("f", "three").await;
        let path = format!("/me/drive/items/{}/versions", id(&before));
        let restored = drive.request("POST", &format!("{path}/1.0/restoreVersion")).await;
        assert_eq!((restored.status, restored.body.len()), (204, 0));
        assert_eq!(drive.read("f").await, "one");
        assert_eq!(listed(&drive, "f").await, pairs(&[("3.0", 3), ("2.0", 5), ("1.0", 3)]));
        let after = drive.get("/me/drive/root:/f").await;
        assert_ne!((&after["eTag"], &after["cTag"]), (&before["eTag"], &before["cTag"]));
        let current = drive.request("POST", &format!("{path}/3.0/restoreVersion"));
        current.refused(400, "invalidRequest").await;
    }
}

#[tokio::test]
async fn a_business_drive_deletes_earlier_versions() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("f", "one").await;
    let file = drive.put("f", "three").await;
    let path = format!("/me/drive/items/{}/versions", id(&file));
    drive.request("DELETE", &format!("{path}/2.0")).refused(400, "invalidRequest").await;
    assert_eq!(drive.request("DELETE", &format!("{path}/1.0")).await.status, 204);
    drive.request("DELETE", &format!("{path}/1.0")).refused(404, "itemNotFound").await;
    assert_eq!(listed(&drive, "f").await, pairs(&[("2.0", 5)]));
    assert_eq!(used(&drive).await, 5);
    let personal = cloud.of(AccountKind::Personal);
    personal.put("f", "one").await;
    let file = personal.put("f", "two").await;
    let path = format!("/me/drive/items/{}/versions/1.0", id(&file));
    personal.request("DELETE", &path).refused(501, "notSupported").await;
}

#[tokio::test]
async fn times_alone_make_a_version_on_business_drives_only() {
    let cloud = GraphServer::new().await;
    for (kind, versions) in [(AccountKind::Business, 2), (AccountKind::Personal, 1)] {
        let drive = cloud.of(kind);
        let file = drive.put("f", "four").await;
        let times = json!({"fileSystemInfo": {"lastModifiedDateTime": "2019-03-04T05:06:07Z"}});
        let path = "/me/drive/root:/f";
        let patched = drive.request("PATCH", path).json(times).ok().await.json();
        assert_eq!(patched["cTag"], file["cTag"], "the content is the same");
        assert_eq!(listed(&drive, "f").await.len(), versions, "{kind}");
        assert_eq!(used(&drive).await, 4 * versions as u64, "{kind}");
        let renamed = drive.request("PATCH", path).json(json!({"name": "g"}));
        renamed.ok().await;
        assert_eq!(listed(&drive, "g").await.len(), versions, "{kind}");
    }
}

#[tokio::test]
async fn a_drive_keeps_a_limited_number_of_versions() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Personal);
    for number in 0..30 {
        drive.put("f", &format!("{number}")).await;
    }
    let versions = listed(&drive, "f").await;
    assert_eq!((versions.len(), versions[24].0.as_str()), (25, "6.0"));
    let one = NonZeroU32::new(1).expect("a number");
    let cloud = GraphServer::with(|builder| builder.max_versions(one)).await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("f", "a").await;
    drive.put("f", "b").await;
    assert_eq!(listed(&drive, "f").await, pairs(&[("2.0", 1)]));
}

#[tokio::test]
async fn a_version_that_does_not_fit_into_the_quota_is_refused() {
    let cloud = GraphServer::with(|builder| builder.quota(10)).await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("f", "123456").await;
    let put = |bytes: &'static str| drive.request("PUT", "/me/drive/root:/f:/content").body(bytes);
    put("12345").refused(507, "quotaLimitReached").await;
    assert_eq!(drive.read("f").await, "123456");
    assert_eq!(put("1234").await.status, 200);
    assert_eq!(used(&drive).await, 10);
}

#[tokio::test]
async fn the_url_of_a_version_ends_with_the_version() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("f", "one").await;
    drive.put("f", "two").await;
    let path = "/me/drive/root:/f:/versions/1.0";
    let url = drive.request("GET", &format!("{path}/content")).await.location();
    drive.request("DELETE", path).ok().await;
    assert_eq!(cloud.send("GET", &url).await.status, 404);
}

#[tokio::test]
async fn versions_without_pre_authenticated_urls_are_on_the_host_of_graph() {
    let behavior = CloudBehavior::default().without_pre_authenticated_urls();
    let cloud = GraphServer::with(|builder| builder.behavior(behavior)).await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("f", "one").await;
    drive.put("f", "two").await;
    let version = drive.get("/me/drive/root:/f:/versions/1.0").await;
    let url = version["@microsoft.graph.downloadUrl"].as_str().expect("a URL");
    assert!(url.ends_with("/versions/1.0/content"), "{url}");
    assert_eq!(cloud.send("GET", url).await.status, 401);
    let content = drive.request("GET", url).header("range", "bytes=0-1").await;
    assert_eq!((content.status, content.text()), (206, "on"));
}

#[tokio::test]
async fn a_list_item_has_the_versions_of_its_file() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Library);
    drive.put("f", "one").await;
    drive.put("f", "two").await;
    let list_item = drive.get("/me/drive/root:/f:/listItem").await;
    let path = format!("/sites/root/lists/Documents/items/{}/versions", id(&list_item));
    let listed = drive.get(&path).await;
    let ids: Vec<&str> = listed["value"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids, ["2.0", "1.0"]);
    let first = drive.get(&format!("{path}/1.0")).await;
    assert!(first["lastModifiedDateTime"].is_string() && first.get("size").is_none(), "{first}");
    drive.request("GET", &format!("{path}/9.0")).refused(404, "itemNotFound").await;
    let restore = drive.request("POST", &format!("{path}/1.0/restoreVersion"));
    assert_eq!(restore.await.status, 204);
    assert_eq!(drive.read("f").await, "one");
    let current = drive.request("POST", &format!("{path}/3.0/restoreVersion"));
    current.refused(400, "invalidRequest").await;
}
