use serde_json::{Value, json};

use crate::amazon::cloud::{AmazonServer, parents};

#[tokio::test]
async fn the_root_is_a_nameless_folder_without_parents() {
    let cloud = AmazonServer::start().await;
    let list = cloud.get("nodes?filters=isRoot:true").await;
    assert_eq!(list["count"], 1);
    let root = &list["data"][0];
    assert_eq!((&root["kind"], &root["isRoot"]), (&json!("FOLDER"), &json!(true)));
    assert!(root.get("name").is_none() && parents(root).is_empty());
    let id = root["id"].as_str().unwrap();
    assert!(id.len() == 22 && id.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c)));
    assert_eq!(cloud.get(&format!("nodes/{id}?tempLink=false&asset=NONE")).await, *root);
}

#[tokio::test]
async fn a_node_has_the_documented_fields() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let response = cloud.upload("empty.txt", &root, "", "").await;
    let node = response.json_with_status(201);
    let id = node["id"].as_str().unwrap();
    assert_eq!(response.headers["location"], cloud.url(&format!("drive/v1/nodes/{id}")));
    assert_eq!(
        node["contentProperties"],
        json!({
            "contentType": "text/plain", "extension": "txt", "size": 0, "version": 1,
            "md5": "d41d8cd98f00b204e9800998ecf8427e",
        })
    );
    for (field, value) in [
        ("kind", json!("FILE")),
        ("name", json!("empty.txt")),
        ("status", json!("AVAILABLE")),
        ("parents", json!([root])),
        ("labels", json!([])),
        ("restricted", json!(false)),
        ("isShared", json!(false)),
        ("version", json!(1)),
    ] {
        assert_eq!(node[field], value, "{field}");
    }
    let by = node["createdBy"].as_str().unwrap();
    assert!(by.split_once('-').is_some(), "{by}");
    assert_eq!(node["eTagResponse"].as_str().unwrap().len(), 11);
    for time in ["createdDate", "modifiedDate"] {
        let time = node[time].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    }
    assert!(node.get("isRoot").is_none());
}

#[tokio::test]
async fn a_patch_changes_only_its_members_and_increments_the_version() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let folder = cloud.folder("d", &root).await;
    let id = cloud.file("a.txt", &root, "x").await;
    let before = cloud.get(&format!("nodes/{id}")).await;
    let path = format!("nodes/{id}");
    let patch = json!({"name": "b.txt", "parents": [folder], "labels": ["l"], "description": "d"});
    let after = cloud.call("PATCH", &path, Some(patch)).await.json_with_status(200);
    assert_eq!((&after["name"], &after["description"]), (&json!("b.txt"), &json!("d")));
    assert_eq!((parents(&after), &after["labels"]), (vec![folder.as_str()], &json!(["l"])));
    assert_eq!(after["version"], 2);
    assert_ne!(after["eTagResponse"], before["eTagResponse"]);
    assert_eq!(after["contentProperties"]["version"], 1);

    let forbidden = json!({"contentProperties": {"contentType": "x"}});
    cloud.call("PATCH", &path, Some(forbidden)).await.amazon_error(403);
    let long = json!({"name": "x".repeat(257)});
    cloud.call("PATCH", &path, Some(long)).await.amazon_error(400);
    let rootname = json!({"name": "root"});
    cloud.call("PATCH", &format!("nodes/{root}"), Some(rootname)).await.amazon_error(403);
}

#[tokio::test]
async fn a_name_conflict_names_the_existing_node() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let folder = cloud.folder("Photos", &root).await;
    let file = cloud.file("other", &root, "x").await;
    let body = json!({"kind": "FOLDER", "name": "PHOTOS", "parents": [root]});
    let patch = json!({"name": "pHotos"});
    for response in [
        cloud.call("POST", "nodes", Some(body)).await,
        cloud.upload("photoS", &root, "x", "?suppress=deduplication").await,
        cloud.call("PATCH", &format!("nodes/{file}"), Some(patch)).await,
    ] {
        let error = response.json_with_status(409);
        assert_eq!(error["code"], "NAME_ALREADY_EXISTS");
        assert_eq!(error["info"], json!({"nodeId": folder}));
        assert_eq!(
            error["message"],
            format!(
                "Node with the name photos already exists under parentId {root} \
                 conflicting NodeId: {folder}"
            )
        );
    }
}

#[tokio::test]
async fn unknown_ids_are_404() {
    let cloud = AmazonServer::start().await;
    let none = "AbCdEfGhIjKlMnOpQr0123";
    cloud.call("GET", &format!("nodes/{none}"), None).await.amazon_error(404);
    cloud.call("PUT", &format!("trash/{none}"), None).await.amazon_error(404);
    cloud.read(none, None).await.amazon_error(404);
    let body = json!({"kind": "FOLDER", "name": "x", "parents": [none]});
    cloud.call("POST", "nodes", Some(body)).await.amazon_error(404);
    cloud.upload("x", none, "x", "").await.amazon_error(404);
}

#[tokio::test]
async fn a_local_id_makes_one_node() {
    let cloud = AmazonServer::start().await;
    let body = |name: &str| Some(json!({"kind": "FOLDER", "name": name}));
    let first = cloud.call("POST", "nodes?localId=me-1", body("a")).await.json_with_status(201);
    let again = cloud.call("POST", "nodes?localId=me-1", body("b")).await.amazon_error(409);
    assert!(again.contains(first["id"].as_str().unwrap()), "{again}");
    cloud.call("POST", "nodes?localId=me-2", body("b")).await.json_with_status(201);
}

#[tokio::test]
async fn a_property_can_be_set_over_a_malformed_facet() {
    let cloud = AmazonServer::start().await;
    let mut plant = drivedal_server::FixtureItem::file("odd", "x");
    plant.facets.insert("amazon".into(), json!({"properties": 5, "labels": ["kept"]}));
    cloud.server.control().add_fixtures([plant]).await.expect("planted");
    let listed = cloud.get("nodes?filters=name:odd").await;
    let id = listed["data"][0]["id"].as_str().expect("an id");
    let owner = listed["data"][0]["createdBy"].as_str().expect("an owner");
    let put = format!("nodes/{id}/properties/{owner}/color");
    cloud.call("PUT", &put, Some(json!({"value": "red"}))).await.json_with_status(201);
    let node = cloud.get(&format!("nodes/{id}")).await;
    assert_eq!(
        (&node["properties"][owner]["color"], &node["labels"]),
        (&json!("red"), &json!(["kept"]))
    );
}

#[tokio::test]
async fn properties_are_kept_by_owner_and_key() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let id = cloud.file("a", &root, "x").await;
    let node = cloud.get(&format!("nodes/{id}")).await;
    let owner = node["createdBy"].as_str().unwrap();
    let base = format!("nodes/{id}/properties/{owner}");
    let value = |value: &str| Some(json!({ "value": value }));
    let put = cloud.call("PUT", &format!("{base}/color"), value("red")).await.json_with_status(201);
    let location = cloud.url(&format!("drive/v1/{base}/color"));
    assert_eq!(put, json!({"key": "color", "location": location, "value": "red"}));
    assert_eq!(cloud.get(&base).await, json!({"count": 1, "data": {"color": "red"}}));
    assert_eq!(cloud.get(&format!("{base}/color")).await["value"], "red");
    assert_eq!(cloud.get(&format!("nodes/{id}")).await["properties"][owner]["color"], "red");

    for n in 0..9 {
        cloud.call("PUT", &format!("{base}/k{n}"), value("v")).await.json_with_status(201);
    }
    cloud.call("PUT", &format!("{base}/eleven"), value("v")).await.amazon_error(400);
    cloud.call("PUT", &format!("{base}/color"), value(&"x".repeat(501))).await.amazon_error(400);

    let other = format!("nodes/{id}/properties/somebody");
    assert_eq!(cloud.get(&other).await, json!({"count": 0, "data": {}}));
    cloud.call("PUT", &format!("{other}/k"), value("v")).await.amazon_error(403);

    let gone = cloud.call("DELETE", &format!("/{base}/color"), None).await;
    assert_eq!((gone.status, gone.text()), (204, ""));
    cloud.call("DELETE", &format!("{base}/color"), None).await.amazon_error(404);
    cloud.call("GET", &format!("{base}/color"), None).await.amazon_error(404);
}

#[tokio::test]
async fn accounts_do_not_see_each_others_nodes() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let url = cloud.url("drive/v1/nodes?filters=isRoot:true");
    let other = cloud.anonymous("GET", &url).bearer_auth("drivedal-dev-anna");
    let theirs: Value = cloud.send(other).await.json_with_status(200);
    assert_ne!(theirs["data"][0]["id"], root);
    let url = cloud.url(&format!("drive/v1/nodes/{root}"));
    let asked = cloud.anonymous("GET", &url).bearer_auth("drivedal-dev-anna");
    cloud.send(asked).await.amazon_error(404);
}
