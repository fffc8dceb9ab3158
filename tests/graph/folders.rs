//! Folders made, in every spelling.

use serde_json::json;

use crate::harness::{Cloud, id};

#[tokio::test]
async fn a_folder_is_made_in_a_folder_by_id_or_path() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    let body = json!({"name": "a", "folder": {"childCount": 0}, "@name.conflictBehavior": "fail"});
    let made = drive.ask("POST", "/me/drive/root/children").json(body).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(made["folder"]["childCount"], 0);
    let path = format!("/me/drive/items/{}/children", id(&made));
    drive.ask("POST", &path).json(json!({"name": "b", "folder": {}})).ok().await;
    let deep = drive.ask("POST", "/me/drive/root:/a/b/c/d:/children");
    deep.json(json!({"name": "e", "folder": {}})).ok().await;
    let e = drive.get("/me/drive/root:/a/b/c/d/e").await;
    assert_eq!(e["parentReference"]["path"], "/drive/root:/a/b/c/d");
}

#[tokio::test]
async fn a_taken_name_is_refused_kept_or_made_another_as_asked() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    let first = drive.mkdir("a").await;
    drive.put("a/f", "x").await;
    let post = |behavior: Option<&str>| {
        let mut body = json!({"name": "A", "folder": {}});
        if let Some(behavior) = behavior {
            body["@microsoft.graph.conflictBehavior"] = behavior.into();
        }
        drive.ask("POST", "/me/drive/root/children").json(body)
    };
    post(None).refused(409, "nameAlreadyExists").await;
    post(Some("fail")).refused(409, "nameAlreadyExists").await;
    let kept = post(Some("replace")).await;
    assert_eq!((kept.status.as_u16(), id(&kept.json())), (200, id(&first)));
    assert_eq!(drive.read("a/f").await, "x");
    let renamed = post(Some("rename")).await;
    assert_eq!((renamed.status.as_u16(), &renamed.json()["name"]), (201, &"A 1".into()));
    drive.put("file", "x").await;
    let onto_file =
        json!({"name": "file", "folder": {}, "@microsoft.graph.conflictBehavior": "replace"});
    let onto_file = drive.ask("POST", "/me/drive/root/children").json(onto_file);
    onto_file.refused(409, "nameAlreadyExists").await;
}

#[tokio::test]
async fn a_folder_at_a_path_is_made_or_taken_as_it_is() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    for method in ["PATCH", "PUT"] {
        let path = format!("/me/drive/root:/{method}/b/c");
        let ask = || drive.ask(method, &path).json(json!({"folder": {}}));
        let made = ask().await;
        assert_eq!(made.status, 201, "{method}");
        let again = ask().await;
        assert_eq!(again.status, 200, "{method}");
        assert_eq!(id(&again.json()), id(&made.json()));
    }
}

#[tokio::test]
async fn what_is_no_folder_is_not_made() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    let post = || drive.ask("POST", "/me/drive/root/children");
    post().json(json!({"name": "a"})).refused(400, "invalidRequest").await;
    post().json(json!({"folder": {}})).refused(400, "invalidRequest").await;
    post().body("{").refused(400, "BadRequest").await;
    drive.put("f", "x").await;
    let below = drive.ask("POST", "/me/drive/root:/f:/children");
    below.json(json!({"name": "a", "folder": {}})).refused(400, "invalidRequest").await;
    let none = drive.ask("POST", "/me/drive/items/none/children");
    none.json(json!({"name": "a", "folder": {}})).refused(404, "itemNotFound").await;
}

#[tokio::test]
async fn times_given_when_a_folder_is_made_are_ignored() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    let body = json!({"name": "a", "folder": {}, "fileSystemInfo": {"lastModifiedDateTime": "2001-01-01T00:00:00Z"}});
    let made = drive.ask("POST", "/me/drive/root/children").json(body).ok().await.json();
    assert!(made["fileSystemInfo"]["lastModifiedDateTime"].as_str().unwrap() > "2025");
}
