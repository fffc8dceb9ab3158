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
async fn a_folder_below_itself_is_refused() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let a = cloud.folder("a", &root).await;
    let b = cloud.folder("b", &a).await;
    cloud.call("PUT", &format!("nodes/{b}/children/{a}"), None).await.amazon_error(409);
    let patch = json!({"parents": [b]});
    cloud.call("PATCH", &format!("nodes/{a}"), Some(patch)).await.amazon_error(409);
}

#[tokio::test]
async fn a_node_is_made_in_several_folders_or_in_none() {
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
