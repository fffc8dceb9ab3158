//! Sensitivity and retention labels of business drives.

use drivedal_server::AccountKind;
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, TestRequest, id};

const SECRET: &str = "5feba255-812e-446a-ac59-a7044ef827b5";

fn action(drive: &Drive<'_>, path: &str, name: &str) -> TestRequest {
    drive.request("POST", &format!("/me/drive/root:/{path}:/{name}"))
}

fn label(drive: &Drive<'_>, method: &str, path: &str) -> TestRequest {
    drive.request(method, &format!("/me/drive/root:/{path}:/retentionLabel"))
}

#[tokio::test]
async fn a_sensitivity_label_is_assigned_extracted_and_removed() {
    let cloud = GraphServer::new().await;
    for kind in [AccountKind::Business, AccountKind::Library] {
        let drive = cloud.of(kind);
        drive.put("f.docx", "x").await;
        let labels = async || {
            let extracted = action(&drive, "f.docx", "extractSensitivityLabels").ok().await;
            extracted.json_with_status(200)["labels"].clone()
        };
        assert_eq!(labels().await, json!([]), "{kind}");
        let body = json!({"sensitivityLabelId": SECRET, "assignmentMethod": "privileged"});
        let assigned = action(&drive, "f.docx", "assignSensitivityLabel").json(body).ok().await;
        assert_eq!(assigned.status, 202);
        let monitor = cloud.send("GET", &assigned.location()).ok().await.json();
        assert_eq!(monitor["operation"], "AssignSensitivityLabel");
        assert_eq!(monitor["status"], "completed");
        let all = labels().await;
        assert_eq!(all[0]["sensitivityLabelId"], SECRET);
        assert_eq!(all[0]["assignmentMethod"], "privileged");
        assert_eq!(all[0]["tenantId"].as_str().map(str::len), Some(36));
        assert!(drive.get("/me/drive/root:/f.docx").await.get("sensitivityLabel").is_none());
        let remove = |body: Value| action(&drive, "f.docx", "assignSensitivityLabel").json(body);
        let without_reason = json!({"sensitivityLabelId": ""});
        remove(without_reason).refused(400, "invalidRequest").await;
        let body = json!({"sensitivityLabelId": "", "justificationText": "public now"});
        assert_eq!(remove(body).await.status, 202);
        assert_eq!(labels().await, json!([]));
    }
}

#[tokio::test]
async fn wrong_sensitivity_labels_are_refused() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("f.docx", "x").await;
    drive.put("f.txt", "x").await;
    let assign =
        |path: &str, body: Value| action(&drive, path, "assignSensitivityLabel").json(body);
    for body in [json!({}), json!({"sensitivityLabelId": "secret"})] {
        assign("f.docx", body).refused(400, "invalidRequest").await;
    }
    assign("f.txt", json!({"sensitivityLabelId": SECRET})).refused(400, "notSupported").await;
    action(&drive, "f.txt", "extractSensitivityLabels").refused(400, "notSupported").await;
    action(&drive, "f.docx", "checkout").ok().await;
    let personal = cloud.of(AccountKind::Personal);
    personal.put("f.docx", "x").await;
    let assign = action(&personal, "f.docx", "assignSensitivityLabel");
    assign.json(json!({"sensitivityLabelId": SECRET})).refused(501, "notSupported").await;
}

#[tokio::test]
async fn a_retention_label_of_a_folder_is_that_of_its_items() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Library);
    drive.put("d/e/f.txt", "x").await;
    label(&drive, "GET", "d/e/f.txt").refused(404, "itemNotFound").await;
    let set = label(&drive, "PATCH", "d").json(json!({"name": "Contracts"})).await;
    let applied = set.json_with_status(201);
    assert_eq!(applied["name"], "Contracts");
    assert_eq!(applied["isLabelAppliedExplicitly"], true);
    assert!(applied["labelAppliedBy"]["user"].is_object());
    let inherited = label(&drive, "GET", "d/e/f.txt").ok().await.json();
    assert_eq!(inherited["name"], "Contracts");
    assert_eq!(inherited["isLabelAppliedExplicitly"], false);
    let other = label(&drive, "PATCH", "d/e/f.txt").json(json!({"name": "Taxes"}));
    other.await.json_with_status(201);
    let again = label(&drive, "PATCH", "d/e/f.txt").json(json!({"name": "Taxes"}));
    again.await.json_with_status(200);
    let expanded =
        drive.get("/me/drive/root:/d/e/f.txt?$expand=retentionLabel($select=name)").await;
    assert_eq!(expanded["retentionLabel"], json!({"name": "Taxes"}));
    assert_eq!(label(&drive, "DELETE", "d/e/f.txt").await.status, 204);
    assert_eq!(label(&drive, "GET", "d/e/f.txt").ok().await.member("name"), "Contracts");
    label(&drive, "DELETE", "d/e/f.txt").refused(404, "itemNotFound").await;
    assert_eq!(label(&drive, "DELETE", "d").await.status, 204);
    let unlabelled = drive.get("/me/drive/root:/d?$expand=retentionLabel").await;
    assert_eq!(unlabelled["retentionLabel"], Value::Null);
}

#[tokio::test]
async fn a_locked_record_refuses_changes() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    let file = drive.put("f.txt", "one").await;
    let lock = |is_locked: bool| {
        let body = json!({"retentionSettings": {"isRecordLocked": is_locked}});
        label(&drive, "PATCH", "f.txt").json(body)
    };
    lock(true).refused(400, "invalidRequest").await;
    label(&drive, "PATCH", "f.txt").json(json!({"name": "Records"})).ok().await;
    let locked = lock(true).await.json_with_status(200);
    assert_eq!(locked["retentionSettings"]["isRecordLocked"], true);
    assert_eq!(locked["retentionSettings"]["isDeleteAllowed"], false);
    let item = format!("/me/drive/items/{}", id(&file));
    let change = |method: &str, path: &str| drive.request(method, &format!("{item}{path}"));
    change("PUT", "/content").body("two").refused(423, "resourceLocked").await;
    change("PATCH", "").json(json!({"name": "g.txt"})).refused(423, "resourceLocked").await;
    change("DELETE", "").refused(423, "resourceLocked").await;
    label(&drive, "DELETE", "f.txt").refused(423, "resourceLocked").await;
    let other = label(&drive, "PATCH", "f.txt").json(json!({"name": "Taxes"}));
    other.refused(423, "resourceLocked").await;
    assert_eq!(drive.read("f.txt").await, "one");
    lock(false).ok().await;
    change("PUT", "/content").body("two").ok().await;
    assert_eq!(label(&drive, "DELETE", "f.txt").await.status, 204);
    label(&drive, "PATCH", "f.txt").json(json!({})).refused(400, "invalidRequest").await;
    let personal = cloud.of(AccountKind::Personal);
    personal.put("f.txt", "x").await;
    label(&personal, "GET", "f.txt").refused(501, "notSupported").await;
}
