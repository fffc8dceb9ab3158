//! Check-out, check-in and discarded check-outs of business drives.

use drivedal_server::AccountKind;
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, TestRequest, id};

fn post(drive: &Drive<'_>, action: &str) -> TestRequest {
    drive.request("POST", &format!("/me/drive/root:/f:/{action}"))
}

async fn publication(drive: &Drive<'_>) -> Value {
    drive.get("/me/drive/root:/f?$select=publication").await["publication"].clone()
}

async fn versions(drive: &Drive<'_>) -> Vec<String> {
    let listed = drive.get("/me/drive/root:/f:/versions").await;
    listed["value"].as_array().unwrap().iter().map(|one| id(one).to_owned()).collect()
}

#[tokio::test]
async fn a_file_is_checked_out_changed_and_checked_in_with_a_comment() {
    let cloud = GraphServer::new().await;
    for kind in [AccountKind::Business, AccountKind::Library] {
        let drive = cloud.of(kind);
        drive.put("f", "one").await;
        assert_eq!(publication(&drive).await, json!({"level": "published", "versionId": "1.0"}));
        assert_eq!(post(&drive, "checkout").await.status, 204);
        let out = publication(&drive).await;
        assert_eq!((&out["level"], &out["versionId"]), (&json!("checkout"), &json!("1.0")));
        assert!(out["checkedOutBy"]["user"]["displayName"].is_string());
        post(&drive, "checkout").refused(423, "resourceLocked").await;
        drive.put("f", "two").await;
        let body = json!({"comment": "second", "checkInAs": "published"});
        assert_eq!(post(&drive, "checkin").json(body).await.status, 204);
        assert_eq!(publication(&drive).await["level"], "published");
        let version = drive.get("/me/drive/root:/f:/versions/2.0").await;
        assert_eq!(version["publication"]["checkinComment"], "second");
        drive.put("f", "three").await;
        let version = drive.get("/me/drive/root:/f:/versions/2.0").await;
        assert_eq!(version["publication"]["checkinComment"], "second", "it stays with its version");
        let current = drive.get("/me/drive/root:/f:/versions/3.0").await;
        assert!(current.get("publication").is_none());
        assert!(drive.get("/me/drive/root:/f").await.get("publication").is_none());
        post(&drive, "checkin").refused(400, "invalidRequest").await;
    }
}

#[tokio::test]
async fn a_discarded_check_out_restores_the_bytes_before() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("f", "zero").await;
    drive.put("f", "one").await;
    post(&drive, "checkout").ok().await;
    drive.put("f", "two").await;
    drive.put("f", "three").await;
    assert_eq!(post(&drive, "discardCheckout").await.status, 204);
    assert_eq!(drive.read("f").await, "one");
    assert_eq!(versions(&drive).await, ["5.0", "1.0"]);
    assert_eq!(publication(&drive).await["level"], "published");
    let quota = drive.get("/me/drive").await["quota"]["used"].clone();
    assert_eq!(quota, 7, "the discarded bytes do not count");
    post(&drive, "discardCheckout").refused(400, "invalidRequest").await;
    post(&drive, "checkout").ok().await;
    assert_eq!(post(&drive, "discardCheckout").await.status, 204, "without a change");
    assert_eq!(versions(&drive).await, ["5.0", "1.0"]);
}

#[tokio::test]
async fn an_application_cannot_change_a_file_that_a_user_has_checked_out() {
    let cloud = GraphServer::with(|builder| builder.kind(AccountKind::Business)).await;
    let drive = cloud.drive();
    let file = drive.put("f", "one").await;
    post(&drive, "checkout").ok().await;
    let tenant = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let form = "client_id=c&client_secret=s&grant_type=client_credentials\
                &scope=https://graph.microsoft.com/.default";
    let url = cloud.url(&format!("/{tenant}/oauth2/v2.0/token"));
    let token = cloud.send("POST", &url).form(form).ok().await.member("access_token");
    let path = format!("/v1.0/drives/{}/items/{}", drive.id().await, id(&file));
    let call = |method: &str, relation: &str| {
        cloud.send(method, &cloud.url(&format!("{path}{relation}"))).token(&token)
    };
    call("PUT", "/content").body("x").refused(423, "resourceLocked").await;
    call("PATCH", "").json(json!({"name": "g"})).refused(423, "resourceLocked").await;
    call("DELETE", "").refused(423, "resourceLocked").await;
    call("POST", "/createUploadSession").refused(423, "resourceLocked").await;
    call("POST", "/checkin").json(json!({})).refused(423, "resourceLocked").await;
    call("GET", "").ok().await;
    post(&drive, "checkin").json(json!({})).ok().await;
    call("PUT", "/content").body("x").ok().await;
    post(&drive, "checkout").ok().await;
    drive.put("f", "draft").await;
    assert_eq!(call("POST", "/discardCheckout").await.status, 204, "an application may discard");
    assert_eq!(drive.read("f").await, "x");
    call("DELETE", "").ok().await;
}

#[tokio::test]
async fn personal_drives_and_folders_have_no_check_out() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Personal);
    drive.put("f", "x").await;
    for action in ["checkout", "checkin", "discardCheckout"] {
        post(&drive, action).refused(501, "notSupported").await;
    }
    let drive = cloud.of(AccountKind::Business);
    drive.mkdir("f").await;
    post(&drive, "checkout").refused(400, "invalidRequest").await;
    drive.request("DELETE", "/me/drive/root:/f").ok().await;
    drive.put("f", "x").await;
    post(&drive, "checkout").ok().await;
    let body = json!({"checkInAs": "draft"});
    post(&drive, "checkin").json(body).refused(400, "invalidRequest").await;
    post(&drive, "checkin").json(json!({"colour": 1})).refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn others_see_the_version_of_the_check_out_until_the_check_in() {
    let cloud = GraphServer::with(|builder| builder.kind(AccountKind::Business)).await;
    let owner = cloud.named("owner");
    let file = owner.put("f", "one").await;
    let other = cloud.named("other");
    let address = other.get("/me").await["userPrincipalName"].clone();
    let invite = json!({"recipients": [{"email": address}], "roles": ["write"]});
    owner.request("POST", "/me/drive/root:/f:/invite").json(invite).ok().await;
    let link = post(&owner, "createLink").json(json!({"type": "view", "scope": "anonymous"}));
    let link = link.ok().await.json()["link"]["webUrl"].as_str().expect("a URL").to_owned();
    post(&owner, "checkout").ok().await;
    owner.put("f", "two!").await;
    let item = format!("/drives/{}/items/{}", owner.id().await, id(&file));
    let read = async |drive: &Drive<'_>| {
        let content = drive.request("GET", &format!("{item}/content")).await;
        cloud.send("GET", &content.location()).ok().await.text().to_owned()
    };
    let opened = async || {
        let opened = cloud.send("GET", &link).await;
        cloud.send("GET", &opened.location()).ok().await.text().to_owned()
    };
    let shown = async |drive: &Drive<'_>| {
        let shown = drive.get(&item).await;
        let url = shown["@microsoft.graph.downloadUrl"].as_str().expect("a URL").to_owned();
        let listed = drive.get(&format!("{item}/versions")).await;
        let versions = listed["value"].as_array().expect("versions").len();
        let bytes = cloud.send("GET", &url).ok().await.text().to_owned();
        (shown["size"].clone(), bytes, versions)
    };
    assert_eq!(shown(&other).await, (json!(3), "one".to_owned(), 1));
    assert_eq!((read(&other).await, opened().await), ("one".into(), "one".into()));
    assert_eq!(shown(&owner).await, (json!(4), "two!".to_owned(), 2));
    assert_eq!(read(&owner).await, "two!");
    other.request("GET", &format!("{item}/versions/2.0")).refused(404, "itemNotFound").await;
    other.request("PUT", &format!("{item}/content")).body("x").refused(423, "resourceLocked").await;
    post(&owner, "checkin").json(json!({})).ok().await;
    assert_eq!(shown(&other).await, (json!(4), "two!".to_owned(), 2));
    assert_eq!((read(&other).await, opened().await), ("two!".into(), "two!".into()));
}
