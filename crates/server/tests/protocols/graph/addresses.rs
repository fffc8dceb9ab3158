//! The addressing grammar, over real URLs.

use serde_json::json;

use crate::graph::harness::{GraphServer, id, names};

#[tokio::test]
async fn every_spelling_of_an_address_names_the_same_item() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let file = drive.put("sub/b file.txt", "x").await;
    let folder = drive.get("/me/drive/root:/sub").await;
    let (file, folder) = (id(&file), id(&folder));
    let own = drive.id().await;
    for path in [
        "/me/drive/root:/sub/b%20file.txt".to_owned(),
        "/me/drive/root:/sub/b%20file.txt:".into(),
        "/me/drive/root:/sub/b%20file.txt:/".into(),
        "/me/drive/root:/SUB/B%20FILE.TXT".into(),
        "/me/drive/root:/.%2Fsub%2Fb%20file.txt".into(),
        "/me/drive/items/root%3A%2Fsub%2Fb%20file.txt%3A".into(),
        "/me/drive/root/children/sub/children/b%20file.txt".into(),
        "/me/drive/root/children('sub')/children('b%20file.txt')".into(),
        "/me/drive/root/children('@a1')?@a1='sub%2Fb+file.txt'".into(),
        format!("/drives/{own}/items/{folder}:/b%20file.txt:"),
        format!("/drives/{own}/items/{}", file.replace('!', "%21")),
        format!("/me/drive/items('{file}')"),
        format!("/drives/{own}/items/{file}:/"),
    ] {
        assert_eq!(id(&drive.get(&path).await), file, "{path}");
    }
}

#[tokio::test]
async fn the_item_called_children_is_no_collection() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.request("GET", "/me/drive/root:/children").refused(404, "itemNotFound").await;
    drive.mkdir("children/inner").await;
    assert_eq!(drive.get("/me/drive/root:/children").await["name"], "children");
    assert_eq!(names(&drive.get("/me/drive/root:/children:/children").await), ["inner"]);
    assert_eq!(names(&drive.get("/me/drive/root/children").await), ["children"]);
}

#[tokio::test]
async fn a_post_to_the_item_called_children_makes_a_folder_in_the_root() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let body = json!({"name": "new", "folder": {}});
    let made = drive.request("POST", "/me/drive/root:/children").json(body).await;
    assert_eq!(made.status, 201);
    assert_eq!(names(&drive.get("/me/drive/root/children").await), ["new"]);
}

#[tokio::test]
async fn special_folders_are_created_on_first_use() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let missing = drive.request("HEAD", "/me/drive/special/approot").await;
    assert_eq!(missing.status, 404);
    assert!(missing.body.is_empty());
    let approot = drive.get("/me/drive/special/approot").await;
    assert_eq!(approot["specialFolder"]["name"], "approot");
    drive.request("PUT", "/me/drive/special/approot:/a/b:/content").body("x").ok().await;
    assert_eq!(drive.get("/me/drive/special/approot:/a/b").await["size"], 1);
    assert_eq!(id(&drive.get("/me/drive/special/approot").await), id(&approot));
    drive.request("GET", "/me/drive/special/nothing").refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn paths_in_responses_begin_like_the_address_and_are_encoded() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let file = drive.put("a b/ü#1/f", "x").await;
    assert_eq!(file["parentReference"]["path"], "/drive/root:/a%20b/%C3%BC%231");
    let own = drive.id().await;
    let same = drive.get(&format!("/drives/{own}/items/{}", id(&file))).await;
    let expected = format!("/drives/{own}/root:/a%20b/%C3%BC%231");
    assert_eq!(same["parentReference"]["path"], expected);
}

#[tokio::test]
async fn only_the_root_of_ones_own_drive_has_a_parent_path() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let own = drive.id().await;
    let root = drive.get("/me/drive/root").await;
    assert_eq!(root["name"], "root");
    assert_eq!(root["parentReference"]["path"], "/drive/root:");
    assert_eq!(root["parentReference"]["driveType"], "personal");
    assert!(root["root"].is_object() && root["folder"].is_object());
    for path in [
        format!("/drives/{own}/root"),
        format!("/drives/{own}/items/{}", id(&root)),
        format!("/me/drive/items/{}", id(&root)),
    ] {
        let reference = drive.get(&path).await["parentReference"].clone();
        assert_eq!(reference["driveId"], own, "{path}");
        assert!(reference.get("path").is_none() && reference.get("id").is_none(), "{path}");
    }
}

#[tokio::test]
async fn the_drives_own_hosts_speak_a_dialect() {
    let cloud = GraphServer::new().await;
    let graph = cloud.drive();
    graph.put("f", "x").await;
    let direct = cloud.drive().at("/_api/v2.0");
    let item = direct.get("/drive/root:/f").await;
    assert!(item["@content.downloadUrl"].is_string());
    assert!(item.get("@microsoft.graph.downloadUrl").is_none());
    let refusal = direct.request("GET", "/drive/root:/g").refused(404, "itemNotFound").await;
    assert!(refusal["error"]["innererror"]["request-id"].is_string());
    let refusal = graph.request("GET", "/me/drive/root:/g").refused(404, "itemNotFound").await;
    assert!(refusal["error"]["innerError"]["request-id"].is_string());
    let body = json!({"name": "F", "folder": {}, "@name.conflictBehavior": "rename"});
    let made = direct.request("POST", "/drive/root/oneDrive.children").json(body).ok().await.json();
    assert_eq!(made["name"], "F 1");
    assert_eq!(id(&cloud.drive().at("/beta").get("/me/drive/root:/f").await), id(&item));
}

#[tokio::test]
async fn responses_repeat_the_request_ids() {
    let cloud = GraphServer::new().await;
    let response =
        cloud.drive().request("GET", "/me/drive").header("client-request-id", "mine").await;
    assert_eq!(response.header("client-request-id"), "mine");
    assert_eq!(response.header("request-id").len(), 36);
    assert!(response.header("content-type").starts_with("application/json;odata.metadata=minimal"));
}
