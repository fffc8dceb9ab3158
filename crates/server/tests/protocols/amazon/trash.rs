use serde_json::{Value, json};

use crate::amazon::cloud::{AmazonServer, names};

#[tokio::test]
async fn trashed_nodes_are_listed_and_can_be_restored() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let folder = cloud.folder("d", &root).await;
    let file = cloud.file("f", &folder, "x").await;
    let body = json!({"kind": "FILE", "name": "renameFileTest"});
    let trashed =
        cloud.call("PUT", &format!("trash/{folder}"), Some(body)).await.json_with_status(200);
    assert_eq!(trashed["status"], "TRASH");
    assert_eq!(names(&cloud.get("trash").await), ["d"]);
    assert_eq!(names(&cloud.get(&format!("nodes/{root}/children")).await), Vec::<&str>::new());
    assert_eq!(cloud.get(&format!("nodes/{folder}")).await["status"], "TRASH");
    // Descendants keep their status, and are listed as before.
    assert_eq!(cloud.get(&format!("nodes/{file}")).await["status"], "AVAILABLE");
    assert_eq!(names(&cloud.get("nodes?filters=kind:FILE").await), ["f"]);
    let below = cloud.get(&format!("nodes?filters=parents:{folder}%20AND%20name:f")).await;
    assert_eq!(names(&below), ["f"]);
    assert_eq!(names(&cloud.get("nodes?filters=kind:FOLDER").await), Vec::<&str>::new());
    let both = cloud.get("nodes?filters=status:TRASH%20AND%20kind:FOLDER").await;
    assert_eq!(names(&both), ["d"]);

    let back =
        cloud.call("POST", &format!("trash/{folder}/restore"), None).await.json_with_status(200);
    assert_eq!(back["status"], "AVAILABLE");
    assert_eq!(names(&cloud.get("trash").await), Vec::<&str>::new());
    cloud.call("POST", &format!("trash/{folder}/restore"), None).await.amazon_error(400);
}

#[tokio::test]
async fn a_name_that_is_taken_meanwhile_keeps_a_node_in_the_trash() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let old = cloud.file("f", &root, "old").await;
    cloud.call("PUT", &format!("trash/{old}"), None).await.json_with_status(200);
    let new = cloud.file("F", &root, "new").await;
    let taken =
        cloud.call("POST", &format!("trash/{old}/restore"), None).await.json_with_status(409);
    assert_eq!(taken["info"]["nodeId"], new);
    let patch = json!({"status": "AVAILABLE"});
    cloud.call("PATCH", &format!("nodes/{old}"), Some(patch.clone())).await.json_with_status(409);
    cloud.call("PUT", &format!("trash/{new}"), None).await.json_with_status(200);
    let back =
        cloud.call("PATCH", &format!("nodes/{old}"), Some(patch)).await.json_with_status(200);
    assert_eq!(back["status"], "AVAILABLE");
}

#[tokio::test]
async fn the_root_stays() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    cloud.call("PUT", &format!("trash/{root}"), None).await.amazon_error(403);
}

#[tokio::test]
async fn the_trash_is_paged() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    for n in 0..5 {
        let id = cloud.file(&format!("f{n}"), &root, "x").await;
        cloud.call("PUT", &format!("trash/{id}"), None).await.json_with_status(200);
    }
    let first = cloud.get("trash?limit=3").await;
    assert_eq!((names(&first).len(), &first["count"]), (3, &json!(5)));
    let token = first["nextToken"].as_str().unwrap();
    let second = cloud.get(&format!("trash?limit=3&startToken={token}")).await;
    assert_eq!((names(&second).len(), second.get("nextToken")), (2, None::<&Value>));
    let mut all = [names(&first), names(&second)].concat();
    all.sort_unstable();
    assert_eq!(all, ["f0", "f1", "f2", "f3", "f4"]);
}
