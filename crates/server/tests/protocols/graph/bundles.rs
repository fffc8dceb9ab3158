//! Bundles and albums of personal drives.

use drivedal_server::AccountKind;
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, id, names};

async fn create(drive: &Drive<'_>, body: Value) -> Value {
    drive.request("POST", "/drive/bundles").json(body).await.json_with_status(201)
}

#[tokio::test]
async fn a_bundle_has_items_that_stay_in_their_folders() {
    let cloud = GraphServer::new().await;
    for kind in [AccountKind::Personal, AccountKind::PersonalLegacy] {
        let drive = cloud.of(kind);
        let (a, b) = (drive.put("d/a.txt", "aaa").await, drive.put("b.txt", "bb").await);
        let body = json!({"name": "files", "bundle": {}, "children": [{"id": id(&a)}]});
        let bundle = create(&drive, body).await;
        assert_eq!(bundle["bundle"], json!({"childCount": 1}), "{kind}");
        assert_eq!((&bundle["name"], &bundle["size"]), (&json!("files"), &json!(3)));
        assert!(bundle.get("folder").is_none() && bundle.get("file").is_none());
        let path = format!("/drive/items/{}", id(&bundle));
        let children = format!("/drive/bundles/{}/children", id(&bundle));
        let add = drive.request("POST", &children).json(json!({"id": id(&b)}));
        assert_eq!(add.await.status, 204);
        let again = drive.request("POST", &children).json(json!({"id": id(&b)}));
        assert_eq!(again.await.status, 204, "it has the item already");
        assert_eq!(names(&drive.get(&children).await), ["a.txt", "b.txt"]);
        let expanded = drive.get(&format!("{path}?$expand=children($select=name;$top=1)")).await;
        assert_eq!(expanded["children"].as_array().unwrap().len(), 1);
        let next = expanded["children@odata.nextLink"].as_str().expect("a second page");
        assert_eq!(names(&drive.get(next).await), ["b.txt"]);
        let first = drive.get(&format!("{children}?$top=1")).await;
        let next = first["@odata.nextLink"].as_str().expect("a second page");
        assert_eq!(names(&drive.get(next).await), ["b.txt"]);
        let remove = drive.request("DELETE", &format!("{children}/{}", id(&a)));
        assert_eq!(remove.await.status, 204);
        drive
            .request("DELETE", &format!("{children}/{}", id(&a)))
            .refused(404, "itemNotFound")
            .await;
        assert_eq!(drive.read("d/a.txt").await, "aaa");
        drive.request("DELETE", "/me/drive/root:/b.txt").ok().await;
        assert_eq!(drive.get(&path).await["bundle"]["childCount"], 0);
        let root = names(&drive.get("/me/drive/root/children").await);
        assert_eq!(root, ["d"], "a bundle is in no folder");
        assert_eq!(drive.request("DELETE", &path).await.status, 204);
        drive.request("GET", &path).refused(404, "itemNotFound").await;
        assert_eq!(drive.read("d/a.txt").await, "aaa");
    }
}

#[tokio::test]
async fn albums_have_a_cover_and_are_filtered() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Personal);
    let photo = drive.put("p.jpg", "x").await;
    create(&drive, json!({"name": "files", "bundle": {}})).await;
    let album = json!({"name": "Beach", "bundle": {"album": {}}, "children": [{"id": id(&photo)}]});
    let album = create(&drive, album).await;
    assert_eq!(album["bundle"], json!({"childCount": 1, "album": {}}));
    assert_eq!(names(&drive.get("/drive/bundles").await), ["files", "Beach"]);
    let filter = "/drive/bundles?filter=bundle/album%20ne%20null";
    assert_eq!(names(&drive.get(filter).await), ["Beach"]);
    let page = drive.get("/drive/bundles?$top=1&$select=name").await;
    assert_eq!(names(&page), ["files"]);
    let next = page["@odata.nextLink"].as_str().expect("a second page");
    assert_eq!(names(&drive.get(next).await), ["Beach"]);
    let path = format!("/drive/items/{}", id(&album));
    let cover = json!({"name": "Sea", "bundle": {"album": {"coverImageItemId": id(&photo)}}});
    let changed = drive.request("PATCH", &path).json(cover).await.json_with_status(200);
    assert_eq!(changed["name"], "Sea");
    assert_eq!(changed["bundle"]["album"]["coverImageItemId"], id(&photo));
    let request = drive.request("GET", &path);
    let unchanged = request.header("if-none-match", changed["eTag"].as_str().unwrap());
    assert_eq!(unchanged.await.status, 304);
    for method in ["PATCH", "DELETE"] {
        let request = drive.request(method, &path).json(json!({"name": "x"}));
        let stale = request.header("if-match", album["eTag"].as_str().unwrap());
        stale.refused(412, "resourceModified").await;
    }
    let twice = json!({"name": "SEA", "bundle": {}});
    let request = drive.request("POST", "/drive/bundles").json(&twice);
    request.refused(409, "nameAlreadyExists").await;
    let mut renamed = twice.clone();
    renamed["@microsoft.graph.conflictBehavior"] = "rename".into();
    assert_eq!(create(&drive, renamed).await["name"], "SEA 1");
    let rename = drive.request("PATCH", &path).json(json!({"name": "files"}));
    rename.refused(409, "nameAlreadyExists").await;
}

#[tokio::test]
async fn concurrent_additions_to_a_bundle_are_all_kept() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Personal);
    let bundle = create(&drive, json!({"name": "files", "bundle": {}})).await;
    let children = format!("/drive/bundles/{}/children", id(&bundle));
    let mut files = Vec::new();
    for number in 0..10 {
        files.push(drive.put(&format!("{number}.txt"), "x").await);
    }
    let add = |file: &Value| drive.request("POST", &children).json(json!({"id": id(file)})).ok();
    futures::future::join_all(files.iter().map(add)).await;
    assert_eq!(names(&drive.get(&children).await).len(), 10);
}

#[tokio::test]
async fn wrong_requests_to_bundles_are_refused() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Personal);
    let file = drive.put("f", "x").await;
    let root = drive.get("/me/drive/root").await;
    let bundle = create(&drive, json!({"name": "b", "bundle": {}})).await;
    let path = format!("/drive/items/{}", id(&bundle));
    for (body, status) in [
        (json!({"bundle": {}}), 400),
        (json!({"name": "x"}), 400),
        (json!({"name": "a:b", "bundle": {}}), 400),
        (json!({"name": "x", "bundle": {}, "children": [{"id": id(&root)}]}), 400),
        (json!({"name": "x", "bundle": {}, "children": [{"id": "0!s1"}]}), 404),
        (json!({"name": "b", "bundle": {}, "@microsoft.graph.conflictBehavior": "replace"}), 400),
    ] {
        let response = drive.request("POST", "/drive/bundles").json(&body).await;
        assert_eq!(response.status, status, "{body} {response:?}");
    }
    let cover = json!({"bundle": {"album": {"coverImageItemId": id(&file)}}});
    drive.request("PATCH", &path).json(&cover).refused(400, "invalidRequest").await;
    let file = format!("/drive/items/{}", id(&file));
    drive.request("PATCH", &file).json(&cover).refused(400, "invalidRequest").await;
    let link = drive.request("POST", &format!("{path}/createLink")).json(json!({"type": "view"}));
    link.refused(501, "notSupported").await;
    drive.request("GET", "/drive/bundles?$expand=children").refused(400, "BadRequest").await;
    drive.request("PUT", "/drive/bundles").refused(405, "Request_BadRequest").await;
    let other = cloud.named("other.personal");
    let shared = format!("/drives/{}/items/{}", drive.id().await, id(&bundle));
    other.request("GET", &shared).refused(404, "itemNotFound").await;
    let business = cloud.of(AccountKind::Business);
    business.request("GET", "/drive/bundles").refused(501, "notSupported").await;
}
