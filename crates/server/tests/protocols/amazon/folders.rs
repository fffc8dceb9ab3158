use serde_json::json;

use crate::amazon::cloud::{AmazonServer, names, parents};

#[tokio::test]
async fn a_node_can_be_in_several_folders_under_its_one_name() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let (a, b) = (cloud.folder("a", &root).await, cloud.folder("b", &root).await);
    let file = cloud.file("f.txt", &a, "x").await;
    let added =
        cloud.call("PUT", &format!("nodes/{b}/children/{file}"), None).await.json_with_status(200);
    assert_eq!(parents(&added), [a.as_str(), &b]);
    for folder in [&a, &b] {
        let children = cloud.get(&format!("nodes/{folder}/children")).await;
        assert_eq!(names(&children), ["f.txt"]);
    }
    cloud
        .call("PATCH", &format!("nodes/{file}"), Some(json!({"name": "g.txt"})))
        .await
        .json_with_status(200);
    let children = cloud.get(&format!("nodes/{b}/children")).await;
    assert_eq!(names(&children), ["g.txt"]);

    let removed = cloud
        .call("DELETE", &format!("nodes/{a}/children/{file}"), None)
        .await
        .json_with_status(200);
    assert_eq!(parents(&removed), [b.as_str()]);
    let last = cloud
        .call("DELETE", &format!("nodes/{b}/children/{file}"), None)
        .await
        .json_with_status(200);
    assert_eq!(parents(&last), [root.as_str()], "out of the last one, into the root");
    cloud.call("DELETE", &format!("nodes/{b}/children/{file}"), None).await.amazon_error(404);
}

#[tokio::test]
async fn a_child_is_moved_from_one_folder_to_another_and_keeps_its_others() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let mut folders = Vec::new();
    for name in ["a", "b", "c"] {
        folders.push(cloud.folder(name, &root).await);
    }
    let [a, b, c] = [&folders[0], &folders[1], &folders[2]];
    let file = cloud.file("f", a, "x").await;
    cloud.call("PUT", &format!("nodes/{b}/children/{file}"), None).await.json_with_status(200);
    let path = format!("nodes/{c}/children");
    let body = |from: &str| Some(json!({"fromParent": from, "childId": file}));
    let moved = cloud.call("POST", &path, body(a)).await.json_with_status(200);
    let mut now = parents(&moved);
    now.sort_unstable();
    let mut expected = [b.as_str(), c];
    expected.sort_unstable();
    assert_eq!(now, expected);
    cloud.call("POST", &path, body(a)).await.amazon_error(400);

    cloud.file("f", a, "other").await;
    let path = format!("nodes/{a}/children");
    let taken = cloud.call("POST", &path, body(b)).await.json_with_status(409);
    assert_eq!(taken["code"], "NAME_ALREADY_EXISTS");
    cloud.call("PUT", &format!("trash/{file}"), None).await.json_with_status(200);
    cloud.call("POST", &path, body(b)).await.amazon_error(403);
}

#[tokio::test]
async fn a_folder_only_below_itself_is_refused() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let a = cloud.folder("a", &root).await;
    let b = cloud.folder("b", &a).await;
    let patch = json!({"parents": [b]});
    cloud.call("PATCH", &format!("nodes/{a}"), Some(patch)).await.amazon_error(409);
    let body = json!({"fromParent": root, "childId": a});
    let moved = cloud.call("POST", &format!("nodes/{b}/children"), Some(body)).await;
    moved.amazon_error(409);
    assert_eq!(parents(&cloud.get(&format!("nodes/{a}")).await), [root.as_str()]);
    // The root has no parents.
    cloud.call("PUT", &format!("nodes/{a}/children/{root}"), None).await.amazon_error(403);
    let patch = json!({"parents": [b]});
    cloud.call("PATCH", &format!("nodes/{root}"), Some(patch)).await.amazon_error(403);
}

/// Creates `/a/b` and adds `a` to `b`. Returns the server and the ids of the root, `a` and `b`.
async fn circle() -> (AmazonServer, String, String, String) {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let a = cloud.folder("a", &root).await;
    let b = cloud.folder("b", &a).await;
    let added = cloud.call("PUT", &format!("nodes/{b}/children/{a}"), None).await;
    assert_eq!(parents(&added.json_with_status(200)), [root.as_str(), &b]);
    (cloud, root, a, b)
}

#[tokio::test]
async fn a_folder_can_contain_itself_and_every_walk_ends() {
    let (cloud, root, a, b) = circle().await;
    cloud.file("f.txt", &b, "12345").await;
    for query in [
        format!("nodes/{b}/children"),
        format!("nodes/{b}/children?sort=%5B%22name%20ASC%22%5D"),
        format!("nodes?filters=parents:{b}"),
    ] {
        let list = cloud.get(&query).await;
        assert_eq!((names(&list), &list["count"]), (vec!["a", "f.txt"], &json!(2)), "{query}");
    }
    let named = cloud.get(&format!("nodes?filters=parents:{b}%20AND%20name:A")).await;
    assert_eq!(named["data"][0]["id"], a);
    // One node per page: none is skipped or repeated.
    let first = cloud.get(&format!("nodes/{b}/children?limit=1")).await;
    let token = first["nextToken"].as_str().unwrap();
    let second = cloud.get(&format!("nodes/{b}/children?limit=1&startToken={token}")).await;
    assert_eq!([names(&first), names(&second)].concat(), ["a", "f.txt"]);
    assert!(second.get("nextToken").is_none());
    assert_eq!(cloud.get("nodes?filters=kind:FOLDER").await["count"], 3);
    let changes = cloud.call("POST", "changes", Some(json!({}))).await;
    assert_eq!(changes.text().matches("\"name\":\"a\"").count(), 1);
    let quota = cloud.get("account/quota").await;
    assert_eq!(
        quota["quota"].as_u64().unwrap() - quota["available"].as_u64().unwrap(),
        5,
        "a file counts once"
    );
    // A walk through the tree of the other protocols ends too.
    let everything = cloud.request("GET", "v1.0/me/drive/root/delta");
    let everything = cloud.send(everything).await.json_with_status(200);
    assert_eq!(everything["value"].as_array().unwrap().len(), 4);
    // In the trash and out of it again.
    cloud.call("PUT", &format!("trash/{a}"), None).await.json_with_status(200);
    assert_eq!(names(&cloud.get(&format!("nodes/{root}/children")).await), Vec::<&str>::new());
    let restored = cloud.call("POST", &format!("trash/{a}/restore"), None).await;
    assert_eq!(parents(&restored.json_with_status(200)), [root.as_str(), &b]);
    assert_eq!(names(&cloud.get(&format!("nodes/{b}/children")).await), ["a", "f.txt"]);
}

#[tokio::test]
async fn a_link_to_a_folder_is_removed_like_any_other_parent() {
    let (cloud, root, a, b) = circle().await;
    let removed = cloud.call("DELETE", &format!("nodes/{b}/children/{a}"), None).await;
    assert_eq!(parents(&removed.json_with_status(200)), [root.as_str()]);
    assert_eq!(cloud.get(&format!("nodes/{b}/children")).await["count"], 0);
    cloud.call("DELETE", &format!("nodes/{b}/children/{a}"), None).await.amazon_error(404);

    // A folder that only folders below it contain moves to the root.
    let shelf = cloud.folder("shelf", &root).await;
    let body = json!({"fromParent": root, "childId": a});
    cloud.call("POST", &format!("nodes/{shelf}/children"), Some(body)).await.json_with_status(200);
    cloud.call("PUT", &format!("nodes/{b}/children/{a}"), None).await.json_with_status(200);
    let left = cloud.call("DELETE", &format!("nodes/{shelf}/children/{a}"), None).await;
    assert_eq!(parents(&left.json_with_status(200)), [root.as_str(), &b]);

    // A link moves like any other edge, and a folder that is no longer below is a real parent.
    let body = json!({"fromParent": b, "childId": a});
    let moved = cloud.call("POST", &format!("nodes/{shelf}/children"), Some(body)).await;
    assert_eq!(parents(&moved.json_with_status(200)), [root.as_str(), &shelf]);
    cloud.call("PUT", &format!("nodes/{a}/children/{a}"), None).await.json_with_status(200);
    assert_eq!(names(&cloud.get(&format!("nodes/{a}/children")).await), ["a", "b"]);
    cloud.call("DELETE", &format!("nodes/{a}/children/{a}"), None).await.json_with_status(200);
    assert_eq!(names(&cloud.get(&format!("nodes/{a}/children")).await), ["b"]);
}

#[tokio::test]
async fn a_name_of_a_linked_folder_is_in_use() {
    let (cloud, root, a, b) = circle().await;
    let body = json!({"kind": "FOLDER", "name": "A", "parents": [b]});
    let taken = cloud.call("POST", "nodes", Some(body)).await.json_with_status(409);
    assert_eq!(taken["info"]["nodeId"], a);
    cloud.upload("a", &b, "x", "").await.json_with_status(409);
    let other = cloud.folder("other", &b).await;
    let patch = |name: &str| Some(json!({"name": name}));
    cloud.call("PATCH", &format!("nodes/{other}"), patch("a")).await.json_with_status(409);
    cloud.call("PATCH", &format!("nodes/{a}"), patch("OTHER")).await.json_with_status(409);
    cloud.call("PATCH", &format!("nodes/{a}"), patch("a2")).await.json_with_status(200);
    cloud.call("PATCH", &format!("nodes/{other}"), patch("a")).await.json_with_status(200);
    assert_eq!(parents(&cloud.get(&format!("nodes/{a}")).await), [root.as_str(), &b]);
}

#[tokio::test]
async fn a_node_is_created_in_several_folders_or_in_none() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let (a, b) = (cloud.folder("a", &root).await, cloud.folder("b", &root).await);
    let body = json!({"kind": "FOLDER", "name": "both", "parents": [a, b]});
    let both = cloud.call("POST", "nodes", Some(body)).await.json_with_status(201);
    assert_eq!(parents(&both), [a.as_str(), &b]);
    cloud.folder("taken", &b).await;
    let body = json!({"kind": "FOLDER", "name": "taken", "parents": [a, b]});
    cloud.call("POST", "nodes", Some(body)).await.json_with_status(409);
    let children = cloud.get(&format!("nodes/{a}/children")).await;
    assert_eq!(names(&children), ["both"]);
}
