//! A single item: get, change, move, delete, restore.

use drivedal_server::AccountKind;
use serde_json::{Value, json};

use crate::graph::harness::{GraphServer, id, names};

#[tokio::test]
async fn an_item_has_all_or_the_selected_properties() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let made = drive.put("a/f.txt", "hello").await;
    for property in
        ["id", "eTag", "cTag", "createdBy", "lastModifiedBy", "webUrl", "@odata.context"]
    {
        assert!(!made[property].is_null(), "{property}");
    }
    assert_eq!(made["name"], "f.txt");
    assert_eq!(made["size"], 5);
    assert_eq!(made["file"]["mimeType"], "text/plain");
    assert_eq!(drive.get("/me/drive/root:/a").await["folder"]["childCount"], 1);
    let some = drive.get("/me/drive/root:/a/f.txt?$select=id,name").await;
    let mut keys: Vec<_> = some.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["@odata.context", "@odata.etag", "id", "name"]);
    let path = "/me/drive/root:/a/f.txt?$select=id,@microsoft.graph.downloadUrl";
    let ticket = drive.get(path).await["@microsoft.graph.downloadUrl"].as_str().unwrap().to_owned();
    assert_eq!(cloud.send("GET", &ticket).ok().await.text(), "hello");
    let some = drive.get("/me/drive/root?select=id,driveId,siteId,title").await;
    assert!(some.get("id").is_some() && some.get("name").is_none(), "unknown names tell nothing");
    let unknown =
        drive.request("GET", "/me/drive/root?expand=colour").refused(400, "BadRequest").await;
    assert!(unknown["error"]["message"].as_str().unwrap().contains("colour"));
    drive.request("GET", "/me/drive/root?expand=analytics").refused(501, "notSupported").await;
    let root = drive.get("/me/drive/root:/a?$expand=children($select=name)").await;
    assert_eq!(root["children"][0]["name"], "f.txt");
    assert!(root["children"][0].get("size").is_none());
}

#[tokio::test]
async fn an_unchanged_item_is_304() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let file = drive.put("f", "x").await;
    for tag in [&file["eTag"], &file["cTag"], &json!("*"), &json!("\"other\", *")] {
        let tag = tag.as_str().unwrap();
        let response = drive.request("GET", "/me/drive/root:/f").header("if-none-match", tag).await;
        assert_eq!(response.status, 304, "{tag}");
        assert!(response.body.is_empty());
    }
    drive.put("f", "y").await;
    let etag = file["eTag"].as_str().unwrap();
    let response = drive.request("GET", "/me/drive/root:/f").header("if-none-match", etag).await;
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn a_look_by_head_has_no_body() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f", "x").await;
    let response = drive.request("HEAD", "/me/drive/root:/f").await;
    assert_eq!(response.status, 200);
    assert!(response.body.is_empty());
}

#[tokio::test]
async fn the_etag_follows_everything_and_the_ctag_the_bytes() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let first = drive.put("a/f", "x").await;
    let stamped = json!({"fileSystemInfo": {"lastModifiedDateTime": "2001-02-03T04:05:06Z"}});
    let second = drive.request("PATCH", "/me/drive/root:/a/f").json(stamped).ok().await.json();
    assert_ne!(first["eTag"], second["eTag"]);
    assert_eq!(first["cTag"], second["cTag"]);
    let folder = drive.get("/me/drive/root:/a").await;
    let third = drive.put("a/f", "y").await;
    assert_ne!(second["cTag"], third["cTag"]);
    let later = drive.get("/me/drive/root:/a").await;
    assert_eq!(folder["eTag"], later["eTag"]);
    assert_ne!(folder["cTag"], later["cTag"]);
}

#[tokio::test]
async fn times_are_kept_until_the_bytes_change() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f", "x").await;
    let info = json!({"fileSystemInfo": {
        "createdDateTime": "2000-01-01T00:00:00Z",
        "lastModifiedDateTime": "2001-01-01T00:00:00.5Z",
    }});
    drive.request("PATCH", "/me/drive/root:/f").json(info).ok().await;
    let item = drive.get("/me/drive/root:/f").await;
    assert_eq!(item["fileSystemInfo"]["createdDateTime"], "2000-01-01T00:00:00Z");
    assert_eq!(item["fileSystemInfo"]["lastModifiedDateTime"], "2001-01-01T00:00:00.5Z");
    assert!(item["lastModifiedDateTime"].as_str().unwrap() > "2025");
    let item = drive.put("f", "y").await;
    assert_eq!(item["fileSystemInfo"]["createdDateTime"], "2000-01-01T00:00:00Z");
    assert!(item["fileSystemInfo"]["lastModifiedDateTime"].as_str().unwrap() > "2025");
    let bad = json!({"fileSystemInfo": {"lastModifiedDateTime": "soon"}});
    drive.request("PATCH", "/me/drive/root:/f").json(bad).refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn a_rename_keeps_the_item_and_may_change_only_the_case() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let file = drive.put("f", "x").await;
    let renamed = json!({"name": "F"});
    let item = drive.request("PATCH", "/me/drive/root:/f").json(renamed).ok().await.json();
    assert_eq!((id(&item), &item["name"]), (id(&file), &json!("F")));
    let renamed = json!({"name": "g"});
    let path = format!("/me/drive/items/{}", id(&file));
    assert_eq!(drive.request("PATCH", &path).json(renamed).ok().await.json()["name"], "g");
    drive.request("GET", "/me/drive/root:/F").refused(404, "itemNotFound").await;
}

#[tokio::test]
async fn an_item_moves_to_a_folder_named_by_id_or_path() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let own = drive.id().await;
    let file = drive.put("f", "x").await;
    let folder = drive.mkdir("a/b c").await;
    let root = drive.get("/me/drive/root").await;
    let path = format!("/drives/{own}/items/{}", id(&file));
    for (reference, expected) in [
        (json!({"id": id(&folder)}), "/a/b%20c"),
        (json!({"path": "/drive/root:"}), ""),
        (json!({"path": "/drive/root:/a/b%20c:"}), "/a/b%20c"),
        (json!({"id": id(&root), "driveId": own, "path": "", "driveType": ""}), ""),
        (json!({"path": format!("/drives/{own}/root:/a")}), "/a"),
    ] {
        let body = json!({"parentReference": reference, "name": "moved"});
        let item = drive.request("PATCH", &path).json(body).ok().await.json();
        assert_eq!(item["parentReference"]["path"], format!("/drives/{own}/root:{expected}"));
        assert_eq!(id(&item), id(&file));
    }
    assert_eq!(drive.read("a/moved").await, "x");
}

#[tokio::test]
async fn a_move_that_cannot_be_is_refused() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("a/b/f", "x").await;
    let inner = drive.get("/me/drive/root:/a/b").await;
    let patch =
        |path: &str, body: Value| drive.request("PATCH", &format!("/me/drive/{path}")).json(body);
    let into_itself = json!({"parentReference": {"id": id(&inner)}});
    patch("root:/a", into_itself).refused(400, "invalidRequest").await;
    let alias = json!({"parentReference": {"id": "root"}});
    patch("root:/a/b", alias).refused(400, "invalidRequest").await;
    let elsewhere = json!({"parentReference": {"driveId": "0123456789ABCDEF", "id": "x"}});
    patch("root:/a/b", elsewhere).refused(400, "notSupported").await;
    let elsewhere = json!({"parentReference": {"path": "/drives/0123456789ABCDEF/root:"}});
    patch("root:/a/b", elsewhere).refused(400, "notSupported").await;
    let missing = json!({"parentReference": {"path": "/drive/root:/none"}});
    patch("root:/a/b", missing).refused(404, "itemNotFound").await;
    patch("root", json!({"name": "r"})).refused(400, "invalidRequest").await;
    patch("root:/none", json!({"name": "r"})).refused(404, "itemNotFound").await;
    let into_file = json!({"parentReference": {"path": "/drive/root:/a/b/f"}});
    patch("root:/a/b", into_file).refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn a_move_applies_the_conflict_behavior() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f.txt", "f").await;
    drive.put("g.txt", "g").await;
    let to_g = json!({"name": "g.txt"});
    drive
        .request("PATCH", "/me/drive/root:/f.txt")
        .json(to_g.clone())
        .refused(409, "nameAlreadyExists")
        .await;
    let path = "/me/drive/root:/f.txt?@microsoft.graph.conflictBehavior=rename";
    assert_eq!(
        drive.request("PATCH", path).json(to_g.clone()).ok().await.json()["name"],
        "g 1.txt"
    );
    let replacing = json!({"name": "g.txt", "@name.conflictBehavior": "replace"});
    drive.request("PATCH", "/me/drive/root:/g%201.txt").json(replacing).ok().await;
    assert_eq!(names(&drive.get("/me/drive/root/children").await), ["g.txt"]);
    assert_eq!(drive.read("g.txt").await, "f");
    drive.mkdir("folder").await;
    let onto_folder = json!({"name": "folder", "@microsoft.graph.conflictBehavior": "replace"});
    let refused = drive.request("PATCH", "/me/drive/root:/g.txt").json(onto_folder);
    refused.refused(409, "nameAlreadyExists").await;
    let nonsense = json!({"name": "h", "@microsoft.graph.conflictBehavior": "maybe"});
    drive
        .request("PATCH", "/me/drive/root:/g.txt")
        .json(nonsense)
        .refused(400, "invalidRequest")
        .await;
}

#[tokio::test]
async fn a_change_of_another_version_is_refused() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        let old = drive.put("f", "x").await;
        let new = drive.put("f", "y").await;
        let old = old["eTag"].as_str().unwrap();
        let request = |method: &str, tag: &str| {
            drive.request(method, "/me/drive/root:/f").header("if-match", tag)
        };
        request("PATCH", old).json(json!({"name": "g"})).refused(412, "resourceModified").await;
        request("DELETE", old).refused(412, "resourceModified").await;
        let ctag = new["cTag"].as_str().unwrap();
        request("PATCH", ctag).json(json!({"description": "d"})).ok().await;
        let now = drive.get("/me/drive/root:/f").await;
        request("DELETE", now["eTag"].as_str().unwrap()).ok().await;
    }
}

#[tokio::test]
async fn names_that_no_item_may_have_are_refused_with_the_reason() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f", "x").await;
    for (name, inner) in [
        ("a*b", Some("nameContainsInvalidCharacters")),
        ("a\\b", Some("nameContainsInvalidCharacters")),
        (&"n".repeat(256) as &str, Some("pathIsTooLong")),
        ("CON", None),
        ("end.", None),
    ] {
        let renamed = json!({"name": name});
        let patch = drive.request("PATCH", "/me/drive/root:/f").json(renamed);
        let refusal = patch.refused(400, "invalidRequest").await;
        assert_eq!(refusal["error"]["innerError"]["code"].as_str(), inner, "{name}");
        let made = json!({"name": name, "folder": {}});
        let post = drive.request("POST", "/me/drive/root/children").json(made);
        post.refused(400, "invalidRequest").await;
    }
    let put = drive.request("PUT", "/me/drive/root:/a%3Fb:/content").body("x");
    let refusal = put.refused(400, "invalidRequest").await;
    assert_eq!(refusal["error"]["innerError"]["code"], "nameContainsInvalidCharacters");
}

#[tokio::test]
async fn a_deleted_tree_is_not_found_and_its_names_are_free() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let file = drive.put("a/b/f", "x").await;
    let response = drive.request("DELETE", "/me/drive/root:/a").await;
    assert_eq!(response.status, 204);
    drive.request("GET", "/me/drive/root:/a/b").refused(404, "itemNotFound").await;
    let path = format!("/me/drive/items/{}", id(&file));
    drive.request("GET", &path).refused(404, "itemNotFound").await;
    drive.request("DELETE", &path).refused(404, "itemNotFound").await;
    drive.put("a/b/f", "new").await;
    assert_eq!(drive.read("a/b/f").await, "new");
    drive.request("DELETE", "/me/drive/root").refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn a_personal_drive_restores_deleted_items() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let folder = drive.mkdir("a/b").await;
    drive.put("a/b/f", "x").await;
    drive.request("DELETE", "/me/drive/root:/a/b").ok().await;
    let restore = format!("/me/drive/items/{}/restore", id(&folder));
    let item = drive.request("POST", &restore).ok().await.json();
    assert_eq!(item["parentReference"]["path"], "/drive/root:/a");
    assert_eq!(drive.read("a/b/f").await, "x");
    drive.request("DELETE", "/me/drive/root:/a/b").ok().await;
    let root = drive.get("/me/drive/root").await;
    let elsewhere = json!({"parentReference": {"id": id(&root)}, "name": "back"});
    let item = drive.request("POST", &restore).json(elsewhere).ok().await.json();
    assert_eq!(item["name"], "back");
    assert_eq!(drive.read("back/f").await, "x");
}

#[tokio::test]
async fn every_account_kind_deletes_permanently() {
    for kind in [AccountKind::Personal, AccountKind::Business, AccountKind::Library] {
        removes_for_good(kind).await;
    }
}

async fn removes_for_good(kind: AccountKind) {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(kind);
    let file = drive.put("a/f", "x").await;
    let purge = format!("/me/drive/items/{}/permanentDelete", id(&file));
    assert_eq!(drive.request("POST", &purge).await.status, 204);
    drive.request("POST", &purge).refused(404, "itemNotFound").await;
    let folder = drive.get("/me/drive/root:/a").await;
    drive.request("DELETE", "/me/drive/root:/a").ok().await;
    let purge = format!("/me/drive/items/{}/permanentDelete", id(&folder));
    assert_eq!(drive.request("POST", &purge).await.status, 204, "out of the recycle bin");
    let trashed = drive.get("/me/drive").await["quota"]["deleted"].clone();
    assert_eq!(trashed, 0, "nothing is left in the recycle bin");
    let restore = format!("/me/drive/items/{}/restore", id(&folder));
    let refusal = match kind {
        AccountKind::Personal => (404, "itemNotFound"),
        _ => (501, "notSupported"),
    };
    drive.request("POST", &restore).refused(refusal.0, refusal.1).await;
}

#[tokio::test]
async fn a_method_may_be_tunnelled_through_post() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f", "x").await;
    let tunnelled =
        drive.request("POST", "/me/drive/root:/f").header("x-http-method-override", "DELETE");
    assert_eq!(tunnelled.await.status, 204);
    assert_eq!(cloud.server.control().counters().count("graph.item.delete"), 1);
}

#[tokio::test]
async fn an_account_sees_nothing_of_another() {
    let cloud = GraphServer::new().await;
    let (anna, bert) = (cloud.named("anna"), cloud.named("bert"));
    let file = anna.put("f", "x").await;
    bert.request("GET", "/me/drive/root:/f").refused(404, "itemNotFound").await;
    let path = format!("/me/drive/items/{}", id(&file));
    bert.request("GET", &path).refused(404, "itemNotFound").await;
}
