//! Users, drives, sites and quota of each account kind.

use drivedal_server::AccountKind;
use serde_json::json;

use crate::graph::harness::{GraphServer, names};

#[tokio::test]
async fn each_kind_of_account_has_ids_of_its_own_form() {
    let cloud = GraphServer::new().await;
    for (kind, drive_type) in [
        (AccountKind::Personal, "personal"),
        (AccountKind::PersonalLegacy, "personal"),
        (AccountKind::Business, "business"),
        (AccountKind::Library, "documentLibrary"),
    ] {
        let drive = cloud.of(kind);
        let about = drive.get("/me/drive").await;
        assert_eq!(about["driveType"], drive_type);
        let id = about["id"].as_str().unwrap();
        let root = drive.get("/me/drive/root").await;
        let root_id = root["id"].as_str().unwrap();
        let file = drive.put("f.txt", "x").await;
        let file_id = file["id"].as_str().unwrap();
        match kind {
            AccountKind::Personal => {
                assert_eq!(id.len(), 16);
                assert_eq!(root_id, format!("{id}!sea8cc6beffdb43d7976fbc7da445c639"));
                assert!(file_id.starts_with(&format!("{id}!s")));
            }
            AccountKind::PersonalLegacy => {
                assert_eq!(root_id, format!("{id}!101"));
                assert_eq!(file_id, format!("{id}!102"));
            }
            AccountKind::Business | AccountKind::Library => {
                assert!(id.starts_with("b!"), "{id}");
                for id in [root_id, file_id] {
                    assert!(id.starts_with("01") && id.len() == 34, "{id}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_kind_shows_its_own_etags_hashes_and_times() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        let file = drive.put("a/f.txt", "hello world").await;
        let etag = file["eTag"].as_str().unwrap();
        let ctag = file["cTag"].as_str().unwrap();
        if kind == AccountKind::PersonalLegacy {
            assert!(etag.starts_with('a') && !etag.contains('"'), "{etag}");
        } else {
            assert!(etag.starts_with("\"{") && etag.ends_with("},1\""), "{etag}");
            assert!(ctag.starts_with("\"c:{"), "{ctag}");
        }
        let hashes = &file["file"]["hashes"];
        assert_eq!(hashes["quickXorHash"], "aCgDG9jwBhDc4Q1yawMZAAAAAAA=");
        let personal = file["parentReference"]["driveType"] == "personal";
        if personal {
            assert_eq!(hashes["sha1Hash"], "2AAE6C35C94FCFB415DBE95F408B9CE91EE846ED");
            assert!(hashes["sha256Hash"].as_str().unwrap().starts_with("B94D27B9934D3E08"));
        } else {
            assert_eq!(hashes.as_object().unwrap().len(), 1);
        }
        let folder = drive.get("/me/drive/root:/a").await;
        assert_eq!(folder["cTag"].is_string(), personal, "cTag of a folder, {kind}");
        let stamped =
            json!({"fileSystemInfo": {"lastModifiedDateTime": "2020-01-02T03:04:05.6789Z"}});
        let item =
            drive.request("PATCH", "/me/drive/root:/a/f.txt").json(stamped).ok().await.json();
        let expected = if personal { "2020-01-02T03:04:05.678Z" } else { "2020-01-02T03:04:05Z" };
        assert_eq!(item["fileSystemInfo"]["lastModifiedDateTime"], expected);
    }
}

#[tokio::test]
async fn a_drive_is_known_by_all_its_names() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Personal);
    let id = drive.id().await;
    let user = drive.get("/me").await["id"].as_str().unwrap().to_owned();
    for path in [
        format!("/drives/{id}"),
        format!("/drives/{}", id.to_lowercase()),
        format!("/drives/{}", id.trim_start_matches('0')),
        format!("/users/{user}/drive"),
        "/drive".into(),
        "/drives/me".into(),
    ] {
        assert_eq!(drive.get(&path).await["id"], id, "{path}");
    }
    drive.request("GET", "/drives/0123456789ABCDEF").refused(404, "itemNotFound").await;
    drive.request("GET", "/users/nobody/drive").refused(404, "Request_ResourceNotFound").await;
    for path in ["/me/drives", "/drives"] {
        assert_eq!(drive.get(path).await["value"][0]["id"], id, "{path}");
    }
    let root = drive.get("/drives/me/items/root").await;
    assert_eq!(root["parentReference"]["driveId"], id);
    assert!(drive.get("/drive/shared").await["value"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_business_account_has_a_site() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Library);
    let site = drive.get("/sites/root:/sites/test.library").await;
    let site_id = site["id"].as_str().unwrap();
    assert_eq!(site_id.split(',').count(), 3, "{site_id}");
    let id = drive.id().await;
    for path in [
        format!("/sites/{site_id}/drive"),
        format!("/sites/{site_id}/drives/{id}"),
        "/sites/root/drive".into(),
        "/sites/127.0.0.1:/sites/test.library:/drive".into(),
    ] {
        assert_eq!(drive.get(&path).await["id"], id, "{path}");
    }
    let group = drive.get("/me/drive").await["owner"]["group"]["id"].as_str().unwrap().to_owned();
    assert_eq!(drive.get(&format!("/groups/{group}/drive")).await["id"], id);
    assert_eq!(names(&drive.get("/sites?search=*").await), ["test.library"]);
    drive.request("GET", "/sites/root:/sites/other").refused(404, "Request_ResourceNotFound").await;
    let personal = cloud.of(AccountKind::Personal);
    personal.request("GET", "/sites/root").refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn the_quota_counts_live_and_deleted_items() {
    let cloud = GraphServer::with(|builder| builder.quota(1000)).await;
    let drive = cloud.drive();
    drive.put("kept", &"k".repeat(100)).await;
    drive.put("removed", &"r".repeat(10)).await;
    drive.request("DELETE", "/me/drive/root:/removed").ok().await;
    let quota = drive.get("/me/drive?$select=quota").await["quota"].clone();
    assert_eq!(quota["total"], 1000);
    assert_eq!(quota["used"], 100);
    assert_eq!(quota["remaining"], 900);
    assert_eq!(quota["deleted"], 10);
    assert_eq!(quota["state"], "normal");
    let too_much = drive.request("PUT", "/me/drive/root:/big:/content").body("b".repeat(901));
    too_much.refused(507, "quotaLimitReached").await;
    drive.request("GET", "/me/drive/root:/big").refused(404, "itemNotFound").await;
}

#[tokio::test]
async fn the_account_name_overrides_the_servers_account_kind() {
    let cloud = GraphServer::with(|builder| builder.kind(AccountKind::Business)).await;
    assert_eq!(cloud.drive().get("/me/drive").await["driveType"], "business");
    assert_eq!(cloud.named("a").get("/me/drive").await["driveType"], "business");
    assert_eq!(cloud.named("a.personal").get("/me/drive").await["driveType"], "personal");
}

#[tokio::test]
async fn drives_are_sorted_and_have_expanded_relations() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Library);
    let listed = drive.get("/me/drives?$expand=root,list&$orderby=name desc&$select=id").await;
    let one = &listed["value"][0];
    assert_eq!(one["id"], drive.id().await);
    assert_eq!(one["root"]["name"], "root");
    assert_eq!(one["list"]["list"]["template"], "documentLibrary");
    assert!(one.get("name").is_none(), "not selected: {one}");
    drive.request("GET", "/me/drives?$orderby=colour").refused(400, "BadRequest").await;
    drive.request("GET", "/me/drives?$expand=bundles").refused(501, "notSupported").await;
    let personal = cloud.of(AccountKind::Personal);
    let listed = personal.get("/me/drives?$expand=root,list").await;
    assert_eq!(listed["value"][0]["root"]["folder"]["childCount"], 0);
    assert!(listed["value"][0].get("list").is_none(), "a personal drive has no list");
}
