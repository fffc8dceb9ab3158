//! Creating folders, in every form of request.

use serde_json::json;

use crate::graph::harness::{GraphServer, id, names};

#[tokio::test]
async fn a_folder_is_created_in_a_folder_by_id_or_path() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let body = json!({"name": "a", "folder": {"childCount": 0}, "@name.conflictBehavior": "fail"});
    let made = drive.request("POST", "/me/drive/root/children").json(body).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(made["folder"]["childCount"], 0);
    let path = format!("/me/drive/items/{}/children", id(&made));
    drive.request("POST", &path).json(json!({"name": "b", "folder": {}})).ok().await;
    let deep = drive.request("POST", "/me/drive/root:/a/b/c/d:/children");
    deep.json(json!({"name": "e", "folder": {}})).ok().await;
    let e = drive.get("/me/drive/root:/a/b/c/d/e").await;
    assert_eq!(e["parentReference"]["path"], "/drive/root:/a/b/c/d");
}

#[tokio::test]
async fn creating_a_folder_applies_the_conflict_behavior() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let first = drive.mkdir("a").await;
    drive.put("a/f", "x").await;
    let post = |behavior: Option<&str>| {
        let mut body = json!({"name": "A", "folder": {}});
        if let Some(behavior) = behavior {
            body["@microsoft.graph.conflictBehavior"] = behavior.into();
        }
        drive.request("POST", "/me/drive/root/children").json(body)
    };
    post(None).refused(409, "nameAlreadyExists").await;
    post(Some("fail")).refused(409, "nameAlreadyExists").await;
    let kept = post(Some("replace")).await;
    assert_eq!((kept.status, id(&kept.json())), (200, id(&first)));
    assert_eq!(drive.read("a/f").await, "x");
    let renamed = post(Some("rename")).await;
    assert_eq!((renamed.status, &renamed.json()["name"]), (201, &"A 1".into()));
    drive.put("file", "x").await;
    let onto_file =
        json!({"name": "file", "folder": {}, "@microsoft.graph.conflictBehavior": "replace"});
    let onto_file = drive.request("POST", "/me/drive/root/children").json(onto_file);
    onto_file.refused(409, "nameAlreadyExists").await;
}

#[tokio::test]
async fn a_folder_at_a_path_is_created_or_returned() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    for method in ["PATCH", "PUT"] {
        let path = format!("/me/drive/root:/{method}/b/c");
        let request = || drive.request(method, &path).json(json!({"folder": {}}));
        let made = request().await;
        assert_eq!(made.status, 201, "{method}");
        let again = request().await;
        assert_eq!(again.status, 200, "{method}");
        assert_eq!(id(&again.json()), id(&made.json()));
    }
}

#[tokio::test]
async fn only_folders_can_be_created() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let post = || drive.request("POST", "/me/drive/root/children");
    post().json(json!({"name": "a"})).refused(400, "invalidRequest").await;
    post().json(json!({"folder": {}})).refused(400, "invalidRequest").await;
    post().body("{").refused(400, "BadRequest").await;
    drive.put("f", "x").await;
    let below = drive.request("POST", "/me/drive/root:/f:/children");
    below.json(json!({"name": "a", "folder": {}})).refused(400, "invalidRequest").await;
    let none = drive.request("POST", "/me/drive/items/none/children");
    none.json(json!({"name": "a", "folder": {}})).refused(404, "itemNotFound").await;
}

#[tokio::test]
async fn times_of_a_new_folder_are_ignored() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let body = json!({"name": "a", "folder": {}, "fileSystemInfo": {"lastModifiedDateTime": "2001-01-01T00:00:00Z"}});
    let made = drive.request("POST", "/me/drive/root/children").json(body).ok().await.json();
    assert!(made["fileSystemInfo"]["lastModifiedDateTime"].as_str().unwrap() > "2025");
}

#[tokio::test]
async fn a_refused_request_creates_no_parent_folders() {
    let cloud = GraphServer::with(|builder| builder.quota(1_000)).await;
    let drive = cloud.drive();
    drive.put("file", "x").await;
    let deep = "d/".repeat(199);
    let (long, content) = (format!("{deep}{deep}f"), "x".repeat(2_000));
    let at = |path: &str| format!("/me/drive/root:/{path}:");
    let put = |path: &str| drive.request("PUT", &format!("{}/content", at(path)));
    put(&long).body("x").refused(400, "invalidRequest").await;
    put("a/b/CON").body("x").refused(400, "invalidRequest").await;
    put("a/CON/c").body("x").refused(400, "invalidRequest").await;
    put("a/b/c").body(content).refused(507, "quotaLimitReached").await;
    put("file/b/c").body("x").await;
    let whole = put("a/b/c").header("content-length", "10");
    let broken = reqwest::Body::wrap_stream(futures::stream::iter([
        Ok("half"),
        Err(std::io::Error::other("the client gave up")),
    ]));
    assert!(whole.stream(broken).broken().await);
    let session = |path: &str, body| {
        drive.request("POST", &format!("{}/createUploadSession", at(path))).json(body)
    };
    let large = json!({"item": {"fileSize": 2_000}});
    session("a/b/c", large).refused(507, "quotaLimitReached").await;
    session(&long, json!({})).refused(400, "invalidRequest").await;
    session("a/b/c", json!({"item": {"fileSize": 0}})).refused(400, "invalidRequest").await;
    let child = |path: &str, name: &str| {
        let body = json!({"name": name, "folder": {}});
        drive.request("POST", &format!("{}/children", at(path))).json(body)
    };
    child(&long, "a").refused(400, "invalidRequest").await;
    child("a/b", "CON").refused(400, "invalidRequest").await;
    let patch = drive.request("PATCH", "/me/drive/root:/a/b/CON").json(json!({"folder": {}}));
    patch.refused(400, "invalidRequest").await;

    let listed = drive.get("/me/drive/root/delta").await;
    assert_eq!(names(&listed), ["root", "file"]);
    // The same path without the invalid name is created.
    put("a/b/c").body("x").ok().await;
    session("a/d/e", json!({})).ok().await;
    child("a/f", "g").ok().await;
    let mut found = names(&drive.get("/me/drive/root/delta").await);
    found.sort();
    assert_eq!(found, ["a", "b", "c", "d", "f", "file", "g", "root"]);
}
