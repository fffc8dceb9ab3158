use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::amazon::cloud::AmazonServer;

/// Returns the lines of the stream without the last one, which marks the end.
async fn changes(cloud: &AmazonServer, question: Value) -> Vec<Value> {
    let response = cloud.call("POST", "changes", Some(question)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let mut lines: Vec<Value> =
        response.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.pop(), Some(json!({"end": true})));
    for line in &lines {
        assert_eq!(line["statusCode"], 200);
        assert!(line["checkpoint"].as_str().unwrap().starts_with("CPX"), "{line}");
    }
    lines
}

/// Applies all lines to a client's copy: names by id.
fn told(lines: &[Value]) -> BTreeMap<String, Value> {
    let nodes = lines.iter().flat_map(|line| line["nodes"].as_array().unwrap());
    nodes.map(|node| (node["id"].as_str().unwrap().to_owned(), node.clone())).collect()
}

fn checkpoint(lines: &[Value]) -> Value {
    lines.last().unwrap()["checkpoint"].clone()
}

#[tokio::test]
async fn the_first_change_list_has_everything_including_the_trash() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let folder = cloud.folder("d", &root).await;
    let file = cloud.file("f", &folder, "x").await;
    cloud.call("PUT", &format!("trash/{folder}"), None).await.json_with_status(200);
    let lines = changes(&cloud, json!({})).await;
    assert_eq!(lines[0]["reset"], true);
    let nodes = told(&lines);
    assert_eq!(nodes.len(), 3);
    assert!(nodes[&root].get("name").is_none());
    assert_eq!(
        (&nodes[&folder]["status"], &nodes[&file]["status"]),
        (&json!("TRASH"), &json!("AVAILABLE"))
    );
}

#[tokio::test]
async fn a_checkpoint_returns_only_later_changes() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let old = cloud.folder("old", &root).await;
    let first = checkpoint(&changes(&cloud, json!({})).await);
    assert_eq!(changes(&cloud, json!({"checkpoint": first})).await, Vec::<Value>::new());
    let new = cloud.file("new", &root, "x").await;
    let lines = changes(&cloud, json!({"checkpoint": first, "includePurged": "true"})).await;
    assert_eq!(lines[0]["reset"], false);
    let nodes = told(&lines);
    assert!(nodes.contains_key(&new) && !nodes.contains_key(&old), "{nodes:?}");
    let second = checkpoint(&lines);
    assert_eq!(changes(&cloud, json!({"checkpoint": second})).await, Vec::<Value>::new());
}

#[tokio::test]
async fn change_sets_have_the_requested_size() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    for n in 0..7 {
        cloud.folder(&format!("f{n}"), &root).await;
    }
    let lines = changes(&cloud, json!({"chunkSize": 3})).await;
    assert_eq!(told(&lines).len(), 8);
    assert!(
        lines.len() >= 3 && lines.iter().all(|line| line["nodes"].as_array().unwrap().len() <= 3)
    );
    let resets: Vec<_> = lines.iter().map(|line| line["reset"].as_bool().unwrap()).collect();
    assert_eq!(resets.iter().filter(|reset| **reset).count(), 1);

    // A client that requests small chunks gets everything in the end.
    let mut known = BTreeMap::new();
    let mut question = json!({"maxNodes": "3"});
    loop {
        let lines = changes(&cloud, question).await;
        let Some(last) = lines.last() else { break };
        known.extend(told(&lines));
        question = json!({"maxNodes": "3", "checkpoint": last["checkpoint"]});
    }
    assert_eq!(known.len(), 8);
    cloud.call("POST", "changes", Some(json!({"chunkSize": "x"}))).await.amazon_error(400);
}

#[tokio::test]
async fn a_checkpoint_of_another_time_starts_over() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    for n in 0..3 {
        cloud.folder(&format!("f{n}"), &root).await;
    }
    let old = checkpoint(&changes(&cloud, json!({})).await);
    cloud.server.control().reset_state().await.unwrap();
    for question in [json!({"checkpoint": old}), json!({"checkpoint": "CPXnonsense"})] {
        let lines = changes(&cloud, question).await;
        assert_eq!(lines[0]["reset"], true);
        assert_eq!(told(&lines).len(), 1, "the root alone");
    }
}
