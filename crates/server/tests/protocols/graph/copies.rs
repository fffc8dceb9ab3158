//! Copies and their monitors.

use drivedal_server::{AccountKind, CloudBehavior};
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

#[tokio::test]
async fn a_copy_may_take_time() {
    let duration = std::time::Duration::from_secs(3600);
    let behavior = CloudBehavior::default().copy_duration(duration);
    let cloud = GraphServer::with(|builder| builder.behavior(behavior)).await;
    let drive = cloud.drive();
    drive.put("f", "x").await;
    let copy = drive.request("POST", "/me/drive/root:/f:/copy").json(json!({"name": "g"}));
    let monitor = copy.ok().await.location();
    let progress = cloud.send("GET", &monitor).await.json_with_status(202);
    assert_eq!(progress["status"], "inProgress");
    assert_eq!(progress["percentageComplete"], 0.0);
    assert_eq!(names(&drive.get("/me/drive/root/children").await), ["f"]);
    let behavior = CloudBehavior::default().copy_duration(std::time::Duration::from_millis(20));
    let cloud = GraphServer::with(|builder| builder.behavior(behavior)).await;
    let drive = cloud.drive();
    drive.put("f", "x").await;
    let copy = drive.request("POST", "/me/drive/root:/f:/copy").json(json!({"name": "g"}));
    let monitor = copy.ok().await.location();
    let done = loop {
        let response = cloud.send("GET", &monitor).ok().await;
        if response.status == 200 {
            break response.json();
        }
    };
    assert_eq!(done["status"], "completed");
    assert_eq!(names(&drive.get("/me/drive/root/children").await), ["f", "g"]);
}

#[tokio::test]
async fn a_copy_has_the_version_history_only_if_the_client_wants_it() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("a/f", "one").await;
    drive.put("a/f", "three").await;
    for (target, history, expected) in
        [("b", json!(true), &["2.0", "1.0"][..]), ("c", json!(false), &["1.0"])]
    {
        let folder = drive.mkdir(target).await;
        let body =
            json!({"parentReference": {"id": id(&folder)}, "includeAllVersionHistory": history});
        let copy = drive.request("POST", "/me/drive/root:/a:/copy").json(body);
        assert_eq!(outcome(&cloud, copy).await["status"], "completed");
        let versions = drive.get(&format!("/me/drive/root:/{target}/a/f:/versions")).await;
        let ids: Vec<_> = versions["value"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids, expected, "{target}");
    }
    assert_eq!(drive.get("/me/drive").await["quota"]["used"], 8 + 8 + 5);
    let url = drive.request("GET", "/me/drive/root:/b/a/f:/versions/1.0/content").await.location();
    assert_eq!(cloud.send("GET", &url).ok().await.text(), "one");
}

#[tokio::test]
async fn a_copy_to_another_drive_needs_a_token_that_opens_it() {
    let cloud = GraphServer::with(|builder| builder.kind(AccountKind::Business)).await;
    let (anna, bert) = (cloud.named("anna"), cloud.named("bert"));
    anna.put("a/b/f", "hello").await;
    let target = bert.mkdir("in").await;
    let reference = json!({"driveId": bert.id().await, "id": id(&target)});
    let body = json!({"parentReference": reference});
    let copy = anna.request("POST", "/me/drive/root:/a:/copy").json(&body);
    copy.refused(403, "accessDenied").await;
    let tenant = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let form = "client_id=c&client_secret=s&grant_type=client_credentials\
                &scope=https://graph.microsoft.com/.default";
    let url = cloud.url(&format!("/{tenant}/oauth2/v2.0/token"));
    let token = cloud.send("POST", &url).form(form).ok().await.member("access_token");
    let path = format!("/v1.0/drives/{}/root:/a:/copy", anna.id().await);
    let copy = cloud.send("POST", &cloud.url(&path)).token(&token).json(&body);
    let done = outcome(&cloud, copy).await;
    assert_eq!(done["status"], "completed");
    let made = bert.get(&format!("/me/drive/items/{}", done["resourceId"].as_str().unwrap())).await;
    assert_eq!((&made["name"], &made["size"]), (&json!("a"), &json!(5)));
    assert_eq!(bert.read("in/a/b/f").await, "hello");
    assert_eq!(names(&bert.get("/me/drive/root/search(q='f')").await), ["f"]);
    anna.put("a/b/f", "changed").await;
    assert_eq!(bert.read("in/a/b/f").await, "hello");
}
