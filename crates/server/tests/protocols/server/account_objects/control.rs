//! Fixtures of objects outside the drive: over HTTP, from seed files, and after a reset.

use drivedal_server::{LiveObject, LiveObjectType, Server};
use serde_json::{Value, json};

use super::{each, plant};
use crate::server::rig::Rig;

#[tokio::test]
async fn objects_are_created_and_listed_over_http() {
    let rig = Rig::new().await;
    let objects = json!([
        { "account": "anna", "type": "contact", "last_name": "Jensen" },
        { "type": "activity", "message": "a" },
    ]);
    let added = rig.bare("POST", "/_control/live-objects").json(&objects).send().await;
    assert_eq!(added.status, 201, "{added:?}");
    let id = added.json()[0]["id"].as_str().expect("an id").to_owned();
    let listed = rig.bare("GET", "/_control/live-objects?account=anna&type=contact").send().await;
    let contact = json!({ "account": "anna", "type": "contact", "id": id, "last_name": "Jensen" });
    assert_eq!(listed.json(), json!([contact]));
    let own = rig.bare("GET", "/_control/live-objects").send().await.json();
    assert_eq!(own, json!([{ "account": "", "type": "activity", "message": "a" }]));

    for (objects, reason) in [
        (json!({ "type": "friend" }), "unknown variant `friend`"),
        (json!({ "account": "a b", "type": "contact" }), "`a b` is no account name"),
        (json!([{ "type": "contact", "first_name": "a" }, { "type": "contact" }]), "object 2"),
        (
            json!({ "type": "contact", "id": "calendar.1", "first_name": "a" }),
            "'calendar.1' of 'id'",
        ),
        (json!({ "type": "activity", "id": "1", "message": "a" }), "'id'"),
        (json!({ "type": "contact", "first_name": "a", "email_hashes": 5 }), "'email_hashes'"),
        (
            json!({ "type": "event", "name": "a", "description": "b", "start_time": "x" }),
            "ISO 8601",
        ),
    ] {
        let refused = rig.bare("POST", "/_control/live-objects").json(&objects).send().await;
        let message = String::from_utf8_lossy(&refused.body).into_owned();
        assert_eq!(refused.status, 400, "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[tokio::test]
async fn an_object_with_the_same_id_is_replaced() {
    let rig = Rig::new().await;
    let id =
        plant(&rig, LiveObjectType::Contact, json!({ "first_name": "a", "gender": "male" })).await;
    let second =
        LiveObject::new(LiveObjectType::Contact, json!({ "first_name": "b" })).with_id(&*id);
    rig.server.control().add_live_objects([second]).await.expect("a good object");
    let listed = rig.live("GET", "/me/contacts").send().await.json();
    assert_eq!(each(&listed, "name"), ["b"]);
    assert_eq!(listed["data"][0]["gender"], Value::Null);
}

#[tokio::test]
async fn seed_files_are_read_at_the_start_and_after_a_reset() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("people.json");
    let objects = json!([{ "type": "contact", "first_name": "Henrik" }]);
    std::fs::write(&file, objects.to_string()).expect("written");
    let rig = Rig::with(|builder| builder.seed_live_objects(&file)).await;
    assert_eq!(rig.server.seeded().expect("a report").objects, 1);
    plant(&rig, LiveObjectType::Contact, json!({ "first_name": "Other" })).await;
    rig.server.control().reset_state().await.expect("reset");
    let listed = rig.live("GET", "/me/contacts").send().await.json();
    assert_eq!(each(&listed, "name"), ["Henrik"]);

    std::fs::write(&file, r#"{"type": "contact"}"#).expect("written");
    let error = Server::builder().seed_live_objects(&file).start().await.expect_err("no name");
    let error = error.to_string();
    assert!(error.contains("people.json: cannot create object 1 (Contact):"), "{error}");
}

#[tokio::test]
async fn objects_outlive_the_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = async || Rig::with(|builder| builder.data(folder.path())).await;
    let rig = start().await;
    let user = json!({ "first_name": "Roberto", "last_name": "Tamburello" });
    plant(&rig, LiveObjectType::User, user).await;
    let contact = plant(&rig, LiveObjectType::Contact, json!({ "first_name": "Henrik" })).await;
    let before = rig.object(&contact).await;
    rig.server.stop().await;
    let rig = start().await;
    assert_eq!(rig.object(&contact).await, before);
    assert_eq!(rig.live("GET", "/me").send().await.member("name"), "Roberto Tamburello");
}
