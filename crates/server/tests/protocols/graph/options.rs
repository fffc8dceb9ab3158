//! Query options and body members: their effect, or the error that names them. A test next to the
//! route table checks every route.

use drivedal_server::{AccountKind, FixtureItem};
use serde_json::{Value, json};

use crate::graph::{
    harness::{Drive, GraphServer, id, names},
    media,
};

async fn refused(drive: &Drive<'_>, method: &str, path: &str, body: Value, named: &str) {
    let request = drive.request(method, path);
    let request = if body.is_null() { request } else { request.json(body) };
    let error = request.refused(501, "notSupported").await;
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains(named), "{path}: {message}");
}

#[tokio::test]
async fn options_that_are_not_implemented_are_refused_by_name() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("d/f.docx", "text").await;
    for (path, named) in [
        ("/me/drive/root:/d/f.docx:/content?format=pdf", "format"),
        ("/me/drive/root:/d:/children?$search=x", "$search"),
        ("/me/drive/root/delta?$filter=name+eq+'x'", "$filter"),
        ("/me/drive/root:/d:/children?$format=xml", "$format"),
        ("/me/drive?$expand=root", "$expand"),
        ("/me?$select=jobTitle,department", "department"),
        ("/me/drive/root:/d?$expand=children($orderby=name)", "$orderby"),
        ("/me/drive/root:/d?$expand=children($expand=children)", "children"),
    ] {
        refused(&drive, "GET", path, Value::Null, named).await;
    }
    for path in [
        "/me/drive/root:/d:/children?$colour=red",
        "/me/drive/root:/d:/children?$top=1&top=2",
        "/me/drive/root:/d:/children?$skip=1",
        "/me/drive/root:/d:/children?$count=perhaps",
        "/me?$select=colour",
    ] {
        assert_eq!(drive.request("GET", path).await.status, 400, "{path}");
    }
    let plain = drive.get("/me/drive/root:/d:/children?$select=name").await;
    let same = drive.get("/me/drive/root:/d:/children?$select=name&colour=red").await;
    assert_eq!(plain["value"], same["value"]);
    let shared =
        drive.request("GET", "/me/drive/root/delta").header("prefer", "hierarchicalsharing");
    let error = shared.refused(501, "notSupported").await;
    assert!(error["error"]["message"].as_str().unwrap().contains("hierarchicalsharing"));
}

#[tokio::test]
async fn body_members_that_are_not_implemented_are_refused_by_name_and_without_effect() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let before = drive.put("d/f", "text").await;
    let invite = |member: &str, value: Value| {
        let mut body = json!({"recipients": [{"email": "a@example.org"}], "roles": ["read"]});
        body[member] = value;
        body
    };
    let link = |member: &str, value: Value| {
        let mut body = json!({"type": "view", "scope": "anonymous"});
        body[member] = value;
        body
    };
    for (method, action, body, named) in [
        ("POST", ":/createLink", link("sendNotification", json!(true)), "sendNotification"),
        ("POST", ":/invite", invite("message", json!("m")), "message"),
        ("POST", ":/invite", invite("sendInvitation", json!(true)), "sendInvitation"),
        ("POST", ":/preview", json!({"viewer": "onedrive"}), "viewer"),
        ("PATCH", "", json!({"name": "g", "children": []}), "children"),
        ("PATCH", "", json!({"name": "g", "retentionLabel": {"name": "l"}}), "retentionLabel"),
    ] {
        refused(&drive, method, &format!("/me/drive/root:/d/f{action}"), body, named).await;
    }
    for (action, body) in [
        ("createLink", link("colour", json!("red"))),
        ("copy", json!({"name": "g", "colour": "red"})),
        ("createUploadSession", json!({"item": {"colour": "red"}})),
    ] {
        let request = drive.request("POST", &format!("/me/drive/root:/d/f:/{action}")).json(body);
        request.refused(400, "invalidRequest").await;
    }
    let after = drive.get("/me/drive/root:/d/f").await;
    assert_eq!(after["eTag"], before["eTag"]);
    assert_eq!(names(&drive.get("/me/drive/root:/d:/children").await), ["f"]);
    let permissions = drive.get("/me/drive/root:/d/f:/permissions").await;
    assert_eq!(permissions["value"], json!([]));
}

#[tokio::test]
async fn a_patch_may_send_back_the_whole_item() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        let mut item = drive.put("d/f", "text").await;
        let path = format!("/me/drive/items/{}", id(&item));
        item["name"] = "g".into();
        item["size"] = 9.into();
        item["colour"] = "red".into();
        let changed = drive.request("PATCH", &path).json(item.clone()).ok().await.json();
        assert_eq!((&changed["name"], &changed["size"]), (&json!("g"), &json!(4)), "{kind}");
        assert_eq!(changed["parentReference"]["id"], item["parentReference"]["id"]);
        // Office365-REST and other clients send empty members instead of omitting them.
        let link = json!({"type": "view", "scope": "anonymous", "password": "",
            "expirationDateTime": null, "retainInheritedPermissions": true});
        drive.request("POST", &format!("{path}/createLink")).json(link).ok().await;
    }
}

#[tokio::test]
async fn a_star_selects_all_properties() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("d/f", "text").await;
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    for path in ["/me", "/me/drive", "/me/drive/root:/d/f"] {
        let plain = drive.get(path).await;
        let all = drive.get(&format!("{path}?$select=*")).await;
        assert_eq!(keys(&plain), keys(&all), "{path}");
    }
    let me = drive.get("/me?$select=displayName,jobTitle").await;
    assert_eq!(keys(&me), ["@odata.context", "displayName", "jobTitle"]);
    let permission = json!({"type": "view", "scope": "anonymous"});
    drive.request("POST", "/me/drive/root:/d/f:/createLink").json(permission).ok().await;
    let some = drive.get("/me/drive/root:/d/f:/permissions?$select=roles").await;
    assert_eq!(some["value"], json!([{"roles": ["read"]}]));
    let some = drive.get("/me/drive/root:/d/f:/versions?$select=size").await;
    assert_eq!(some["value"], json!([{"size": 4}]));
}

#[tokio::test]
async fn expanded_children_are_one_page_with_a_link_to_the_next() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    for name in ["1", "2", "3", "4", "5"] {
        drive.put(&format!("d/{name}"), name).await;
    }
    let item =
        drive.get("/me/drive/root:/d?$select=id&$expand=children($select=name;$top=2)").await;
    let mut found: Vec<String> = names(&json!({"value": item["children"]}));
    let mut next = item["children@odata.nextLink"].as_str().map(str::to_owned);
    assert_eq!(found.len(), 2, "{item}");
    while let Some(url) = next {
        let page = drive.get(&url).await;
        assert!(page["value"].as_array().unwrap().len() <= 2, "{page}");
        assert!(page["value"][0].get("id").is_none(), "{page}");
        found.extend(names(&page));
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(found, ["1", "2", "3", "4", "5"]);
    let whole = drive.get("/me/drive/root:/d?$expand=children").await;
    assert_eq!(whole["children"].as_array().unwrap().len(), 5);
    assert!(whole.get("children@odata.nextLink").is_none());
}

#[tokio::test]
async fn relations_are_expanded_in_every_response_with_items() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let expand = "$select=name&$expand=thumbnails($select=c40x40_crop)";
    let put = format!("/me/drive/root:/d/p.jpg:/content?{expand}");
    let made = drive.request("PUT", &put).body(media::photo(320, 200)).ok().await.json();
    let of_size = |item: &Value| {
        let thumbnail = &item["thumbnails"][0]["c40x40_crop"];
        assert_eq!((&thumbnail["width"], &thumbnail["height"]), (&json!(40), &json!(40)), "{item}");
        thumbnail["url"].as_str().expect("a URL").to_owned()
    };
    let picture = cloud.send("GET", &of_size(&made)).ok().await;
    let image = image::load_from_memory(&picture.body).expect("a picture");
    assert_eq!((image.width(), image.height()), (40, 40));
    for path in [
        "/me/drive/root:/d:/children",
        "/me/drive/root/search(q='p.jpg')",
        "/me/drive/recent",
        "/me/drive/root/delta",
    ] {
        let listing = drive.get(&format!("{path}?{expand}")).await;
        let all = listing["value"].as_array().unwrap();
        let photo = all.iter().find(|item| item["name"] == "p.jpg");
        of_size(photo.unwrap_or_else(|| panic!("{path}: {listing}")));
    }
    let nested = drive
        .get("/me/drive/root:/d?$expand=children($expand=thumbnails($select=c40x40_crop))")
        .await;
    of_size(&nested["children"][0]);
    let patch = drive.request("PATCH", &format!("/me/drive/root:/d/p.jpg?{expand}"));
    of_size(&patch.json(json!({"description": "d"})).ok().await.json());
}

#[tokio::test]
async fn a_thumbnail_has_the_size_that_is_named() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let put = drive.request("PUT", "/me/drive/root:/p.jpg:/content").body(media::photo(320, 200));
    put.ok().await;
    let path = "/me/drive/root:/p.jpg:/thumbnails";
    for (size, width, height) in [
        ("c300x400", 300, 188),
        ("c90x90_crop", 90, 90),
        ("smallSquare", 96, 96),
        ("c2000x2000", 320, 200),
    ] {
        let sets = drive.get(&format!("{path}?select={size}")).await;
        assert_eq!(sets["value"][0].as_object().unwrap().len(), 1, "{sets}");
        let one = drive.get(&format!("{path}/0/{size}")).await;
        let from_set = &sets["value"][0][size];
        for thumbnail in [from_set, &one] {
            assert_eq!(thumbnail["width"], width, "{size}: {thumbnail}");
            assert_eq!(thumbnail["height"], height, "{size}: {thumbnail}");
        }
        let content = drive.request("GET", &format!("{path}/0/{size}/content")).await;
        let picture = cloud.send("GET", &content.location()).ok().await;
        let image = image::load_from_memory(&picture.body).expect("a picture");
        assert_eq!((image.width(), image.height()), (width, height), "{size}");
    }
    for size in ["c0x9", "c9999x9", "huge"] {
        drive.request("GET", &format!("{path}/0/{size}")).refused(400, "invalidRequest").await;
    }
}

#[tokio::test]
async fn children_only_copies_the_contents_of_a_folder() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("a/1", "one").await;
    drive.put("a/d/2", "two").await;
    let target = drive.mkdir("b").await;
    let body = json!({"parentReference": {"id": id(&target)}, "childrenOnly": true});
    let copy = |path: &str, body: &Value| {
        drive.request("POST", &format!("/me/drive/root:/{path}:/copy")).json(body.clone())
    };
    let accepted = copy("a", &body).ok().await;
    assert_eq!(accepted.status, 202);
    let done = cloud.send("GET", &accepted.location()).ok().await.json();
    assert_eq!((&done["status"], &done["resourceId"]), (&json!("completed"), &target["id"]));
    assert_eq!(drive.read("b/1").await, "one");
    assert_eq!(drive.read("b/d/2").await, "two");
    let again = copy("a", &body).ok().await;
    let failed = cloud.send("GET", &again.location()).ok().await.json();
    assert_eq!(failed["error"]["code"], "nameAlreadyExists");
    copy("a/1", &body).refused(400, "invalidRequest").await;
    let named = json!({"name": "n", "childrenOnly": true});
    copy("a", &named).refused(400, "invalidRequest").await;
    let root = drive.request("POST", "/me/drive/root/copy").json(json!({
        "parentReference": {"id": id(&target)},
    }));
    root.refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn deleted_items_are_included_when_requested_by_id() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        let item = drive.put("d/f", "text").await;
        drive.request("DELETE", "/me/drive/root:/d/f").ok().await;
        let path = format!("/me/drive/items/{}", id(&item));
        drive.request("GET", &path).refused(404, "itemNotFound").await;
        let included = drive.request("GET", &format!("{path}?includeDeletedItems=true"));
        if matches!(kind, AccountKind::Personal | AccountKind::PersonalLegacy) {
            let found = included.ok().await.json();
            assert_eq!(
                (&found["name"], &found["deleted"]["state"]),
                (&json!("f"), &json!("deleted"))
            );
            assert!(found.get("@microsoft.graph.downloadUrl").is_none());
        } else {
            included.refused(404, "itemNotFound").await;
        }
        let by_path = drive.request("GET", "/me/drive/root:/d/f?includeDeletedItems=true");
        by_path.refused(404, "itemNotFound").await;
    }
}

#[tokio::test]
async fn an_infected_file_is_returned_on_explicit_request() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let mut plant = FixtureItem::file("f", "x");
    plant.facets.insert("graph".into(), json!({"malware": {}}));
    cloud.server.control().add_fixtures([plant]).await.unwrap();
    let path = "/me/drive/root:/f:/content";
    drive.request("GET", path).refused(403, "malwareDetected").await;
    let insists = drive.request("GET", path).header("prefer", "forceInfectedDownload").await;
    assert_eq!(insists.status, 302);
    assert_eq!(drive.request("GET", &format!("{path}?AVOverride=1")).await.status, 302);
}
