//! `MOVE` and `COPY`.

use serde_json::{Value, json};

use crate::server::{refused, rig::Rig};

fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

/// Creates two folders, and a file in the first one.
async fn folders(rig: &Rig) -> (Value, Value, Value) {
    let a = rig.folder("me/skydrive", "a").await;
    let b = rig.folder("me/skydrive", "b").await;
    let file = rig.file(id(&a), "file.txt", "bytes").await;
    (a, b, file)
}

#[tokio::test]
async fn a_moved_item_stays_the_same_item_in_another_folder() {
    let rig = Rig::new().await;
    let (a, b, file) = folders(&rig).await;
    let body = json!({ "destination": b["id"] });
    let moved = rig.live("MOVE", &format!("/{}", id(&file))).json(&body).send().await;
    assert_eq!(moved.status, 201);
    assert_eq!(moved.header("location"), rig.url(&format!("/v5.0/{}", id(&file))));
    assert_eq!((moved.member("id"), moved.member("parent_id")), (id(&file).into(), id(&b).into()));
    assert_eq!(rig.names(id(&a), "").await, [""; 0]);
    assert_eq!(rig.names(id(&b), "").await, ["file.txt"]);
    assert_eq!(rig.content(id(&file)).await, "bytes");
}

#[tokio::test]
async fn a_folder_moves_with_its_contents() {
    let rig = Rig::new().await;
    let (a, b, file) = folders(&rig).await;
    let body = json!({ "destination": b["id"] });
    let moved = rig.live("MOVE", &format!("/{}", id(&a))).json(&body).send().await;
    assert_eq!(moved.status, 201);
    assert_eq!(rig.object(id(&file)).await["parent_id"], a["id"]);
    assert_eq!(rig.object(id(&b)).await["size"], 5);
}

#[tokio::test]
async fn the_query_can_name_another_method() {
    let rig = Rig::new().await;
    let (a, b, file) = folders(&rig).await;
    let path = format!("/{}", id(&file));
    let by_get = format!("{path}?method=MOVE&destination={}", id(&b).replace('!', "%21"));
    assert_eq!(rig.live("GET", &by_get).send().await.status, 201);
    assert_eq!(rig.object(id(&file)).await["parent_id"], b["id"]);
    let by_post = format!("{path}?method=move");
    let body = json!({ "destination": a["id"] });
    assert_eq!(rig.live("POST", &by_post).json(&body).send().await.status, 201);
    assert_eq!(rig.object(id(&file)).await["parent_id"], a["id"]);
    assert_eq!(rig.live("GET", &format!("{path}?method=DELETE")).send().await.status, 204);
    refused!(rig.live("GET", &path).send().await, 404, "resource_not_found");
}

#[tokio::test]
async fn a_copy_is_another_file_with_the_same_bytes() {
    let rig = Rig::new().await;
    let (_, b, file) = folders(&rig).await;
    let body = json!({ "destination": b["id"] });
    let copied = rig.live("COPY", &format!("/{}", id(&file))).json(&body).send().await;
    assert_eq!(copied.status, 201);
    let copy = copied.member("id");
    assert_ne!(copy, id(&file));
    assert_eq!(
        (copied.member("name"), copied.member("parent_id")),
        ("file.txt".into(), id(&b).into())
    );
    assert_eq!(copied.header("location"), rig.url(&format!("/v5.0/{copy}")));
    rig.live("PUT", &format!("/{}/content", id(&file))).body("other").send().await;
    assert_eq!(rig.content(&copy).await, "bytes");
}

#[tokio::test]
async fn nothing_is_overwritten_by_moving_and_copying() {
    let rig = Rig::new().await;
    let (a, b, file) = folders(&rig).await;
    rig.file(id(&b), "FILE.TXT", "kept").await;
    let path = format!("/{}?overwrite=true", id(&file));
    for method in ["MOVE", "COPY"] {
        let body = json!({ "destination": b["id"] });
        let reply = rig.live(method, &path).json(&body).send().await;
        refused!(reply, 409, "resource_already_exists");
    }
    let body = json!({ "destination": a["id"] });
    let reply = rig.live("COPY", &path).json(&body).send().await;
    refused!(reply, 409, "resource_already_exists");
    assert_eq!(rig.names(id(&b), "").await, ["FILE.TXT"]);
}

#[tokio::test]
async fn a_destination_is_the_id_of_a_folder_of_the_same_user() {
    let rig = Rig::new().await;
    let (a, b, file) = folders(&rig).await;
    let other = Rig { token: "drivedal-dev-other", ..Rig::new().await };
    let theirs = other.object("me/skydrive").await;
    for method in ["MOVE", "COPY"] {
        let to = |body: Value| rig.live(method, &format!("/{}", id(&file))).json(&body).send();
        refused!(to(json!({})).await, 400, "request_parameter_missing");
        for no_folder in ["me/skydrive", "nothing", id(&file)] {
            let reply = to(json!({ "destination": no_folder })).await;
            refused!(reply, 400, "request_parameter_invalid");
        }
        let missing = id(&b).replace("!10", "!99");
        for gone in [missing.as_str(), id(&theirs)] {
            let reply = to(json!({ "destination": gone })).await;
            refused!(reply, 404, "resource_not_found");
        }
        // The number of a folder, followed by a file's.
        let disguised = id(&file).replacen("file", "folder", 1);
        let reply = to(json!({ "destination": disguised })).await;
        refused!(reply, 404, "resource_not_found");
    }
    let into_itself = json!({ "destination": a["id"] });
    let reply = rig.live("MOVE", &format!("/{}", id(&a))).json(&into_itself).send().await;
    refused!(reply, 400, "request_parameter_invalid");
}

#[tokio::test]
async fn folders_are_not_copied_and_the_root_is_not_moved() {
    let rig = Rig::new().await;
    let (a, b, _) = folders(&rig).await;
    let body = json!({ "destination": b["id"] });
    let reply = rig.live("COPY", &format!("/{}", id(&a))).json(&body).send().await;
    refused!(reply, 400, "request_url_invalid");
    let reply = rig.live("MOVE", "/me/skydrive").json(&body).send().await;
    refused!(reply, 400, "request_url_invalid");
}
