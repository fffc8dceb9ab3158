//! Activities (live-connect#activity-object, live-connect#activity-types).

use drivedal_server::LiveObjectType;
use serde_json::{Value, json};

use super::{annas_cid, own_cid};
use crate::server::{
    refused,
    rig::{Rig, TestResponse},
};

async fn share(rig: &Rig, members: Value) -> TestResponse {
    rig.live("POST", "/me/share").json(&members).send().await
}

/// Returns the activities that the account shared.
async fn shared(rig: &Rig) -> Vec<Value> {
    let control = rig.server.control();
    let listed = control.live_objects("", Some(LiveObjectType::Activity)).await;
    listed.expect("a list").into_iter().map(|object| object.members.into()).collect()
}

#[tokio::test]
async fn the_activity_of_the_reference_is_shared() {
    let rig = Rig::new().await;
    let members = json!({
        "message": "Explore Windows Live Hotmail",
        "link": "http://explore.live.com/windows-live-hotmail",
        "description": "Give us 15 seconds...we'll show you the new Hotmail!",
        "picture": "http://res2.explore.live.com/fd39.jpg",
        "name": "Windows Live Hotmail Home",
    });
    let response = share(&rig, members.clone()).await;
    let cid = own_cid(&rig).await;
    let mut expected = members.clone();
    expected["from"] = json!({ "name": "Drivedal Developer", "id": cid });
    expected["source"] = Value::Null;
    assert_eq!((response.status, response.json()), (201, expected));
    assert_eq!(response.header("location"), rig.url(&format!("/v5.0/{cid}/share")));
    assert_eq!(shared(&rig).await, [members]);
    let own = rig.live("POST", &format!("/{cid}/share")).json(json!({ "message": "a" }));
    assert_eq!(own.send().await.status, 201);
}

#[tokio::test]
async fn each_type_has_required_and_allowed_structures() {
    let rig = Rig::new().await;
    let good = [
        json!({ "message": "a" }),
        json!({ "message": "a", "link": "b" }),
        json!({ "message": "a", "link": "b", "description": "c", "picture": "d", "name": "e" }),
        json!({ "message": "a", "link": "b", "source": "f" }),
        json!({ "message": "a", "link": "b", "source": "f", "description": "c", "picture": "d", "name": "e" }),
    ];
    for members in &good {
        let response = share(&rig, members.clone()).await;
        assert_eq!(response.status, 201, "{members}");
        for name in ["message", "link", "description", "picture", "name", "source"] {
            assert_eq!(response.json()[name], members[name], "{name} of {members}");
        }
    }
    for (members, code) in [
        (json!({}), "request_parameter_missing"),
        (json!({ "link": "b" }), "request_parameter_missing"),
        (json!({ "message": "", "link": "b" }), "request_parameter_missing"),
        (json!({ "message": "a", "source": "f" }), "request_parameter_missing"),
        (json!({ "message": "a", "description": "c" }), "request_parameter_invalid"),
        (json!({ "message": "a", "picture": "d" }), "request_parameter_invalid"),
        (json!({ "message": "a", "name": "e" }), "request_parameter_invalid"),
        (json!({ "message": "a", "from": { "name": "b" } }), "request_parameter_invalid"),
    ] {
        refused!(share(&rig, members).await, 400, code);
    }
    assert_eq!(shared(&rig).await.len(), good.len());
}

#[tokio::test]
async fn long_texts_are_truncated_and_long_urls_are_refused() {
    let rig = Rig::new().await;
    let whole = |name: &str, length: usize| {
        let mut members = json!({ "message": "a", "link": "b", "source": "c" });
        members[name] = json!("ä".repeat(length));
        members
    };
    for name in ["message", "description", "picture", "name"] {
        let response = share(&rig, whole(name, 513)).await;
        assert_eq!(response.json()[name], json!("ä".repeat(512)), "{name}");
    }
    for (name, most) in [("link", 512), ("source", 487)] {
        let response = share(&rig, whole(name, most)).await;
        assert_eq!(response.json()[name], json!("ä".repeat(most)), "{name}");
        refused!(share(&rig, whole(name, most + 1)).await, 400, "request_parameter_invalid");
    }
}

#[tokio::test]
async fn nothing_is_shared_for_another_user() {
    let rig = Rig::new().await;
    let anna = annas_cid(&rig).await;
    let request = rig.live("POST", &format!("/{anna}/share")).json(json!({ "message": "a" }));
    refused!(request.send().await, 404, "resource_not_found");
}
