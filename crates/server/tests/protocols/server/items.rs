//! Objects: get, create, change, delete.

use drivedal_server::FixtureItem;
use serde_json::{Value, json};

use crate::server::{refused, rig::Rig};

/// The names of an object's structures, and of their members.
fn structures(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == "2011-10-12T23:18:23+0000".len()
        && text.ends_with("+0000")
        && &text[10..11] == "T"
}

#[tokio::test]
async fn the_root_is_a_folder_called_skydrive_under_each_of_its_names() {
    let rig = Rig::new().await;
    let root = rig.object("me/skydrive").await;
    let cid = root["from"]["id"].as_str().expect("a cid");
    assert_eq!(root["id"], format!("folder.{cid}"));
    assert_eq!(root["name"], "SkyDrive");
    assert_eq!(root["parent_id"], Value::Null);
    assert_eq!(root["type"], "folder");
    assert_eq!(root["count"], 0);
    for same in [format!("{cid}/skydrive"), format!("folder.{cid}")] {
        assert_eq!(rig.object(&same).await, root, "{same}");
    }
}

#[tokio::test]
async fn a_folder_has_every_structure_of_the_reference() {
    let rig = Rig::new().await;
    let made = rig.folder("me/skydrive", "Documents").await;
    let id = made["id"].as_str().expect("an id");
    rig.file(id, "a", "12345").await;
    rig.folder(id, "b").await;
    let folder = rig.object(id).await;
    assert_eq!(
        structures(&folder),
        [
            "client_updated_time",
            "comments_count",
            "comments_enabled",
            "count",
            "created_time",
            "description",
            "from",
            "id",
            "is_embeddable",
            "link",
            "name",
            "parent_id",
            "shared_with",
            "size",
            "type",
            "updated_time",
            "upload_location",
        ]
    );
    let root = rig.object("me/skydrive").await;
    assert_eq!(folder["parent_id"], root["id"]);
    assert_eq!(folder["from"], root["from"]);
    assert_eq!(folder["name"], "Documents");
    assert_eq!(folder["description"], Value::Null);
    assert_eq!((&folder["count"], &folder["size"]), (&json!(2), &json!(5)));
    assert_eq!(folder["shared_with"], json!({ "access": "Just me" }));
    assert_eq!(folder["upload_location"], rig.url(&format!("/v5.0/{id}/files/")));
    assert!(folder["link"].as_str().expect("a URL").starts_with(rig.server.url().as_str()));
    for name in ["created_time", "updated_time", "client_updated_time"] {
        assert!(is_time(&folder[name]), "{name}: {}", folder[name]);
    }
}

#[tokio::test]
async fn a_file_has_every_structure_of_the_reference() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a.docx", "12345").await;
    assert_eq!(
        structures(&file),
        [
            "client_updated_time",
            "comments_count",
            "comments_enabled",
            "created_time",
            "description",
            "from",
            "id",
            "is_embeddable",
            "link",
            "name",
            "parent_id",
            "shared_with",
            "size",
            "source",
            "type",
            "updated_time",
            "upload_location",
        ]
    );
    let id = file["id"].as_str().expect("an id");
    assert_eq!((&file["name"], &file["size"]), (&json!("a.docx"), &json!(5)));
    assert_eq!(file["type"], "file");
    assert_eq!(file["comments_count"], 0);
    assert_eq!(file["upload_location"], rig.url(&format!("/v5.0/{id}/content/")));
    assert_eq!(structures(&file["from"]), ["id", "name"]);
    assert!(is_time(&file["client_updated_time"]));
}

#[tokio::test]
async fn a_notebook_has_no_bytes_and_no_way_to_them() {
    let rig = Rig::new().await;
    let planted =
        rig.server.control().add_fixtures([FixtureItem::notebook("Notes")]).await.expect("planted");
    let notebook = rig.object(&planted[0].live_id).await;
    assert_eq!(notebook["type"], "notebook");
    assert!(notebook["id"].as_str().expect("an id").starts_with("file."));
    assert_eq!((notebook.get("source"), notebook.get("upload_location")), (None, None));
    let path = format!("/{}/content", planted[0].live_id);
    for method in ["GET", "PUT"] {
        refused!(rig.live(method, &path).send().await, 400, "request_url_invalid");
    }
}

#[tokio::test]
async fn an_item_of_another_user_has_its_owner() {
    let rig = Rig::new().await;
    let item = FixtureItem::file("theirs.txt", "x").owned_by("anna");
    let planted = rig.server.control().add_fixtures([item]).await.expect("planted");
    let from = &rig.object(&planted[0].live_id).await["from"];
    let anna = rig
        .bare("GET", "/v5.0/me")
        .header("authorization", "bearer drivedal-dev-anna")
        .send()
        .await;
    assert_eq!((&from["id"], &from["name"]), (&anna.json()["id"], &json!("anna")));
}

#[tokio::test]
async fn a_folder_is_created_by_json_and_by_form() {
    let rig = Rig::new().await;
    let json = json!({ "name": "d e", "description": "näher" });
    let json = rig.live("POST", "/me/skydrive").json(&json).send().await;
    let form = "name=d+f&description=n%C3%A4her";
    let form = rig.live("POST", "/me/skydrive").form(form).send().await;
    for (made, name) in [(json, "d e"), (form, "d f")] {
        assert_eq!(made.status, 201);
        assert_eq!(
            (made.member("name"), made.member("description")),
            (name.into(), "näher".into())
        );
        let location = made.header("location").to_owned();
        assert_eq!(location, rig.url(&format!("/v5.0/{}", made.member("id"))));
        let again = rig.bare("GET", &format!("{location}?access_token=drivedal-dev")).send().await;
        assert_eq!(again.json(), made.json());
    }
}

#[tokio::test]
async fn a_folder_is_not_created_beside_one_of_its_name_in_any_case() {
    let rig = Rig::new().await;
    rig.folder("me/skydrive", "Straße").await;
    rig.file("me/skydrive", "file", "x").await;
    for name in ["Straße", "STRAßE", "File"] {
        let made = rig.live("POST", "/me/skydrive").json(json!({ "name": name })).send().await;
        refused!(made, 409, "resource_already_exists");
    }
}

#[tokio::test]
async fn bodies_that_make_no_folder_say_why() {
    let rig = Rig::new().await;
    let post = |body: &'static str| {
        rig.live("POST", "/me/skydrive").header("content-type", "application/json").body(body)
    };
    refused!(post("").send().await, 400, "request_parameter_missing");
    refused!(post("{}").send().await, 400, "request_parameter_missing");
    refused!(post("{").send().await, 400, "request_body_invalid");
    refused!(post("[1]").send().await, 400, "request_body_invalid");
    refused!(post(r#"{"name": 1}"#).send().await, 400, "request_body_invalid");
    for name in ["a/b", "a.", " a", "CON", ".."] {
        let made = rig.live("POST", "/me/skydrive").json(json!({ "name": name })).send().await;
        refused!(made, 400, "request_parameter_invalid");
    }
    let large = json!({ "name": "a", "description": "x".repeat(2 << 20) });
    let large = rig.live("POST", "/me/skydrive").json(&large).send().await;
    refused!(large, 413, "request_body_invalid");
}

#[tokio::test]
async fn a_folder_is_created_only_in_a_folder() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a", "x").await;
    let path = format!("/{}", file["id"].as_str().expect("an id"));
    let made = rig.live("POST", &path).json(json!({ "name": "b" })).send().await;
    refused!(made, 400, "request_url_invalid");
}

#[tokio::test]
async fn name_and_description_are_changed_by_json_and_by_form() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a", "x").await;
    let path = format!("/{}", file["id"].as_str().expect("an id"));
    let body = json!({ "name": "b.txt", "description": "one" });
    let changed = rig.live("PUT", &path).json(&body).send().await;
    assert_eq!(changed.status, 200);
    assert_eq!(
        (changed.member("name"), changed.member("description")),
        ("b.txt".into(), "one".into())
    );
    assert_eq!(changed.json()["id"], file["id"]);
    let changed = rig.live("PUT", &path).form("description=d+e&name=Sub.md").send().await;
    assert_eq!(
        (changed.member("name"), changed.member("description")),
        ("Sub.md".into(), "d e".into())
    );
    let changed = rig.live("PUT", &path).json(json!({ "description": null })).send().await;
    assert_eq!(changed.json()["description"], Value::Null);
    assert_eq!(changed.member("name"), "Sub.md");
}

#[tokio::test]
async fn only_the_case_of_a_name_may_be_changed_too() {
    let rig = Rig::new().await;
    let folder = rig.folder("me/skydrive", "photos").await;
    let path = format!("/{}", folder["id"].as_str().expect("an id"));
    let changed = rig.live("PUT", &path).json(json!({ "name": "Photos" })).send().await;
    assert_eq!((changed.status, changed.member("name")), (200, "Photos".into()));
}

#[tokio::test]
async fn changes_that_cannot_be_say_why() {
    let rig = Rig::new().await;
    rig.file("me/skydrive", "taken", "x").await;
    let file = rig.file("me/skydrive", "a", "x").await;
    let path = format!("/{}", file["id"].as_str().expect("an id"));
    let change = |path: &str, body| rig.live("PUT", path).json(&body).send();
    let reply = change(&path, json!({ "name": "TAKEN" })).await;
    refused!(reply, 409, "resource_already_exists");
    refused!(change(&path, json!({ "name": "a*" })).await, 400, "request_parameter_invalid");
    refused!(change(&path, json!({})).await, 400, "request_parameter_missing");
    refused!(change("/me/skydrive", json!({ "name": "x" })).await, 400, "request_url_invalid");
    let missing = path.replace("!10", "!99");
    refused!(change(&missing, json!({ "name": "x" })).await, 404, "resource_not_found");
}

#[tokio::test]
async fn an_item_is_removed_with_everything_below_it() {
    let rig = Rig::new().await;
    let folder = rig.folder("me/skydrive", "a").await;
    let folder = folder["id"].as_str().expect("an id");
    let file = rig.file(folder, "b", "x").await;
    let file = file["id"].as_str().expect("an id");
    let removed = rig.live("DELETE", &format!("/{folder}")).send().await;
    assert_eq!((removed.status, removed.body.len()), (204, 0));
    for id in [folder, file] {
        for method in ["GET", "DELETE"] {
            let reply = rig.live(method, &format!("/{id}")).send().await;
            refused!(reply, 404, "resource_not_found");
        }
    }
    assert_eq!(rig.object("me/skydrive").await["count"], 0);
    refused!(rig.live("DELETE", "/me/skydrive").send().await, 400, "request_url_invalid");
}

#[tokio::test]
async fn an_id_may_be_percent_encoded_and_must_be_of_the_right_kind() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a", "x").await;
    let id = file["id"].as_str().expect("an id");
    assert_eq!(rig.object(&id.replace('!', "%21")).await["id"], id);
    let folder = id.replacen("file", "folder", 1);
    for (method, path) in [
        ("GET", format!("/{folder}")),
        ("DELETE", format!("/{folder}")),
        ("GET", format!("/{}", id.replace("!10", "!99"))),
    ] {
        refused!(rig.live(method, &path).send().await, 404, "resource_not_found");
    }
    assert_eq!(rig.object(id).await["name"], "a");
}

#[tokio::test]
async fn unknown_requests_are_refused_with_the_reference_errors() {
    let rig = Rig::new().await;
    for path in
        ["", "/nothing", "/me/skydrive/nothing", "/me/skydrive/files/a/b", "/file.x/content"]
    {
        refused!(rig.live("GET", path).send().await, 400, "request_url_invalid");
    }
    for (method, path) in
        [("PUT", "/me"), ("DELETE", "/me/skydrive/files"), ("PATCH", "/me/skydrive")]
    {
        refused!(rig.live(method, path).send().await, 405, "request_method_invalid");
    }
    let elsewhere = rig.bare("GET", "/favicon.ico").send().await;
    assert_eq!(elsewhere.status, 404);
    assert!(String::from_utf8_lossy(&elsewhere.body).contains("/v5.0/"));
}

#[tokio::test]
async fn the_quota_counts_stored_bytes() {
    let rig = Rig::with(|builder| builder.quota(1000)).await;
    rig.file("me/skydrive", "a", vec![0; 400]).await;
    let quota = rig.live("GET", "/me/skydrive/quota").send().await.json();
    assert_eq!(quota, json!({ "quota": 1000, "available": 600 }));
}

#[tokio::test]
async fn responses_are_indented_by_default() {
    let rig = Rig::new().await;
    let pretty = rig.live("GET", "/me/skydrive/quota").send().await;
    assert!(pretty.body.starts_with(b"{\n  \"available\""), "{pretty:?}");
    assert_eq!(pretty.header("content-type"), "application/json; charset=UTF-8");
    let compact = rig.live("GET", "/me/skydrive/quota?pretty=false").send().await;
    assert!(!compact.body.contains(&b'\n'));
    assert_eq!(compact.json(), pretty.json());
    let neither = rig.live("GET", "/me/skydrive/quota?pretty=maybe").send().await;
    refused!(neither, 400, "request_parameter_invalid");
}

#[tokio::test]
async fn a_callback_wraps_responses_and_errors_in_a_script() {
    let rig = Rig::new().await;
    for (path, status) in [("/me?callback=app.f", 200), ("/nothing?callback=app.f", 200)] {
        let script = rig.live("GET", path).send().await;
        assert_eq!(script.status, status);
        assert!(script.header("content-type").starts_with("text/javascript"));
        assert!(script.body.starts_with(b"app.f({") && script.body.ends_with(b"});"), "{script:?}");
    }
    let list = rig.live("GET", "/me/skydrive/files?callback=f").send().await;
    assert!(list.body.starts_with(b"f({") && list.body.ends_with(b"});"), "{list:?}");
    let injected = rig.live("GET", "/me?callback=alert(1)").send().await;
    refused!(injected, 400, "request_parameter_invalid");
}

#[tokio::test]
async fn errors_can_have_status_200() {
    let rig = Rig::new().await;
    let quiet = rig.live("GET", "/nothing?suppress_response_codes=true").send().await;
    refused!(quiet, 200, "request_url_invalid");
}

#[tokio::test]
async fn a_file_keeps_its_extension_when_it_is_renamed() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a.txt", "x").await;
    let id = format!("/{}", file["id"].as_str().expect("id"));
    let rename = |name: &str| rig.live("PUT", &id).json(json!({ "name": name })).send();
    for name in ["b", "txt", ".txt"] {
        assert_eq!(
            rename(name).await.refusal(),
            (400, "request_parameter_invalid".into()),
            "{name}"
        );
    }
    assert_eq!(rename("b.md").await.status, 200, "another extension is one");
    let plain = rig.file("me/skydrive", "plain", "x").await;
    let plain = format!("/{}", plain["id"].as_str().expect("id"));
    let renamed = rig.live("PUT", &plain).json(json!({ "name": "other" })).send().await;
    assert_eq!(renamed.status, 200, "there was none");
    let folder = rig.folder("me/skydrive", "v1.0").await;
    let folder = format!("/{}", folder["id"].as_str().expect("id"));
    let renamed = rig.live("PUT", &folder).json(json!({ "name": "v1" })).send().await;
    assert_eq!(renamed.status, 200, "a folder has no extension");
}
