//! Copies and their monitors.

use drivedal_server::AccountKind;
use serde_json::{Value, json};

use crate::graph::harness::{GraphServer, TestRequest, id, names};

/// Returns the response of a copy's monitor.
async fn outcome(cloud: &GraphServer, copy: TestRequest) -> Value {
    let accepted = copy.await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    assert!(accepted.body.is_empty());
    cloud.send("GET", &accepted.location()).ok().await.json()
}

#[tokio::test]
async fn a_copy_is_followed_by_a_monitor_without_a_token() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("a/f.txt", "hello").await;
    let target = drive.mkdir("b").await;
    let body = json!({"parentReference": {"id": id(&target)}, "name": "g.txt"});
    let copy = drive.request("POST", "/me/drive/root:/a/f.txt:/copy").json(body);
    let done = outcome(&cloud, copy).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["percentageComplete"], 100.0);
    let made =
        drive.get(&format!("/me/drive/items/{}", done["resourceId"].as_str().unwrap())).await;
    assert_eq!(made["name"], "g.txt");
    assert_eq!(drive.read("b/g.txt").await, "hello");
    assert_eq!(drive.read("a/f.txt").await, "hello");
    let body = json!({"parentReference": {"path": "/drive/root:/b"}});
    let folder = drive.request("POST", "/me/drive/root:/a:/copy").json(body);
    assert_eq!(outcome(&cloud, folder).await["status"], "completed");
    assert_eq!(drive.read("b/a/f.txt").await, "hello");
    drive.put("a/f.txt", "changed").await;
    assert_eq!(drive.read("b/a/f.txt").await, "hello", "a copy goes its own way");
}

#[tokio::test]
async fn a_copy_onto_a_taken_name_fails_through_its_monitor() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f", "f").await;
    drive.put("g", "g").await;
    let copy = |behavior: &str| {
        let path = format!("/me/drive/root:/f:/copy?@microsoft.graph.conflictBehavior={behavior}");
        drive.request("POST", &path).json(json!({"name": "g"}))
    };
    for behavior in ["fail", "replace", "rename"] {
        let failed = outcome(&cloud, copy(behavior)).await;
        assert_eq!(failed["status"], "failed", "consumers' copies know no {behavior}");
        assert_eq!(failed["error"]["code"], "nameAlreadyExists");
    }
    assert_eq!(drive.read("g").await, "g");
}

#[tokio::test]
async fn a_business_copy_applies_the_conflict_behavior() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("f", "f").await;
    drive.put("g", "g").await;
    let copy = |from: &str, behavior: &str| {
        let path =
            format!("/me/drive/root:/{from}:/copy?@microsoft.graph.conflictBehavior={behavior}");
        drive.request("POST", &path).json(json!({"name": "g"}))
    };
    assert_eq!(outcome(&cloud, copy("f", "rename")).await["status"], "completed");
    assert_eq!(names(&drive.get("/me/drive/root/children").await), ["f", "g", "g 1"]);
    assert_eq!(outcome(&cloud, copy("f", "replace")).await["status"], "completed");
    assert_eq!(drive.read("g").await, "f");
    drive.mkdir("folder").await;
    let failed = outcome(&cloud, copy("folder", "replace")).await;
    assert_eq!(failed["error"]["code"], "nameAlreadyExists");
}

#[tokio::test]
async fn a_copy_without_source_or_target_is_refused_at_once() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f", "f").await;
    let copy = |path: &str, body: Value| {
        drive.request("POST", &format!("/me/drive/{path}/copy")).json(body)
    };
    copy("root:/none:", json!({"name": "g"})).refused(404, "itemNotFound").await;
    let nowhere = json!({"parentReference": {"path": "/drive/root:/none"}});
    copy("root:/f:", nowhere).refused(404, "itemNotFound").await;
    copy("root:/f:", json!({"name": "a*"})).refused(400, "invalidRequest").await;
    copy("root", json!({"name": "g"})).refused(400, "invalidRequest").await;
    cloud.send("GET", &cloud.url("/monitor/nonsense")).refused(404, "itemNotFound").await;
}

#[tokio::test]
async fn a_folder_can_be_copied_into_itself() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("a/f", "x").await;
    let body = json!({"parentReference": {"path": "/drive/root:/a"}});
    let copy = drive.request("POST", "/me/drive/root:/a:/copy").json(body);
    assert_eq!(outcome(&cloud, copy).await["status"], "completed");
    assert_eq!(names(&drive.get("/me/drive/root:/a/a:/children").await), ["f"]);
}
