//! Contacts and friends (live-connect#contact-object, live-connect#friend-object).

use drivedal_server::LiveObjectType;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{CLIENT, as_scoped, each, own_cid, plant, without_times};
use crate::server::{refused, rig::Rig};

/// Creates a contact by a request, and returns its object.
async fn add(rig: &Rig, members: Value) -> Value {
    let added = rig.live("POST", "/me/contacts").json(&members).send().await;
    assert_eq!(added.status, 201, "{added:?}");
    let contact = added.json();
    let id = contact["id"].as_str().expect("an id");
    assert_eq!(added.header("location"), rig.url(&format!("/v5.0/{id}")));
    assert_eq!(rig.object(id).await, contact);
    contact
}

#[tokio::test]
async fn the_contact_of_the_reference_has_all_its_structures() {
    let rig = Rig::new().await;
    let expected = json!({
        "id": "contact.b4466224b2ca42798c3d4ea90c75aa56",
        "first_name": "Henrik",
        "last_name": "Jensen",
        "name": "Henrik Jensen",
        "gender": null,
        "is_friend": false,
        "is_favorite": false,
        "user_id": null,
        "email_hashes": [
            "9ecdb19f4eb8e04304c5d1280368c42e85b6e4fe39f08b0c837ec592b905a620",
            "fc05492f50da6488aa14dcf221d395bcb29a4e43b43b250d60c68df4f831cad3",
        ],
        "updated_time": "2011-04-22T00:11:13+0000",
        "birth_day": 29,
        "birth_month": 3,
    });
    let mut members = expected.clone();
    members.as_object_mut().expect("an object").retain(|name, _| name != "name" && name != "id");
    let planted = drivedal_server::LiveObject::new(LiveObjectType::Contact, members)
        .with_id("contact.b4466224b2ca42798c3d4ea90c75aa56");
    super::plant_all(&rig, [planted]).await;
    let listed = rig.live("GET", "/me/contacts").send().await.json();
    assert_eq!(listed, json!({ "data": [expected] }));
}

#[tokio::test]
async fn a_contact_is_created_with_one_of_seven_members() {
    let rig = Rig::new().await;
    for (members, name) in [
        (json!({ "first_name": "Henrik" }), "Henrik"),
        (json!({ "last_name": "Jensen" }), "Jensen"),
        (json!({ "emails": { "preferred": "a@contoso.com" } }), "a@contoso.com"),
        (json!({ "emails": { "personal": "b@contoso.com" } }), "b@contoso.com"),
        (json!({ "emails": { "business": "c@contoso.com" } }), "c@contoso.com"),
        (json!({ "emails": { "other": "d@contoso.com" } }), "d@contoso.com"),
        (json!({ "work": [{ "employer": { "name": "Contoso" } }] }), "Contoso"),
    ] {
        let contact = add(&rig, members.clone()).await;
        assert_eq!(contact["name"], name, "{members}");
        for hidden in ["emails", "work"] {
            assert!(contact.get(hidden).is_none(), "{members}");
        }
    }
    // The guide of the reference has all members, with empty texts.
    let guide = json!({
        "first_name": "", "last_name": "",
        "emails": { "preferred": "", "personal": "", "business": "", "other": "" },
        "work": [{ "employer": { "name": "" } }],
    });
    for members in [guide, json!({}), json!({ "gender": "male" })] {
        let refused = rig.live("POST", "/me/contacts").json(&members).send().await;
        refused!(refused, 400, "request_parameter_missing");
    }
}

#[tokio::test]
async fn writable_structures_are_set_and_read_only_ones_are_refused() {
    let rig = Rig::new().await;
    let members = json!({ "first_name": "Anna", "gender": "female", "is_favorite": true });
    let contact = without_times(&add(&rig, members).await);
    let id = contact["id"].clone();
    assert_eq!(
        contact,
        json!({
            "id": id, "first_name": "Anna", "last_name": null, "name": "Anna", "gender": "female",
            "is_friend": false, "is_favorite": true, "user_id": null, "email_hashes": [],
            "birth_day": null, "birth_month": null,
        })
    );
    for (name, value) in [
        ("id", json!("contact.b4466224b2ca42798c3d4ea90c75aa56")),
        ("name", json!("Anna")),
        ("is_friend", json!(true)),
        ("user_id", json!("d09ea18fafc39a0c")),
        ("email_hashes", json!(["00"])),
        ("birth_day", json!(1)),
        ("birth_month", json!(1)),
    ] {
        let members = json!({ "first_name": "A", name: value });
        let refused = rig.live("POST", "/me/contacts").json(&members).send().await;
        refused!(refused, 400, "request_parameter_invalid");
        let message = &refused.json()["error"]["message"];
        assert_eq!(*message, format!("The parameter '{name}' is read-only."));
    }
    let wrong = json!({ "first_name": "A", "gender": "other" });
    let refused = rig.live("POST", "/me/contacts").json(&wrong).send().await;
    refused!(refused, 400, "request_parameter_invalid");
    // A form has only texts.
    let form = rig.live("POST", "/me/contacts").form("first_name=F&is_favorite=true").send().await;
    assert_eq!((form.status, &form.json()["is_favorite"]), (201, &json!(true)));
}

#[tokio::test]
async fn email_hashes_are_those_of_the_application() {
    let rig = Rig::new().await;
    let emails = json!({
        "preferred": "Someone@Example.org ", "personal": "other@example.org",
        "other": "someone@example.org",
    });
    add(&rig, json!({ "first_name": "Someone", "emails": emails })).await;
    let hash = |text: &str| hex::encode(Sha256::digest(text.to_lowercase()));
    let contacts = as_scoped(&rig, "wl.basic", "GET", "/me/contacts").await.send().await.json();
    assert_eq!(
        contacts["data"][0]["email_hashes"],
        json!([
            hash(&format!("someone@example.org{CLIENT}")),
            hash(&format!("other@example.org{CLIENT}")),
        ])
    );
    // A development token belongs to no application.
    let contacts = rig.live("GET", "/me/contacts").send().await.json();
    assert_eq!(contacts["data"][0]["email_hashes"][0], hash("someone@example.org"));
}

#[tokio::test]
async fn birthdays_need_a_scope_of_their_own() {
    let rig = Rig::new().await;
    let members = json!({ "first_name": "Henrik", "birth_day": 29, "birth_month": 3 });
    let id = plant(&rig, LiveObjectType::Contact, members).await;
    let path = format!("/{id}");
    let basic = as_scoped(&rig, "wl.basic", "GET", &path).await.send().await.json();
    assert!(basic.get("birth_day").is_none() && basic.get("birth_month").is_none());
    let scopes = "wl.basic wl.contacts_birthday";
    let both = as_scoped(&rig, scopes, "GET", &path).await.send().await.json();
    assert_eq!((&both["birth_day"], &both["birth_month"]), (&json!(29), &json!(3)));
}

#[tokio::test]
async fn friends_are_contacts_with_the_ids_of_users() {
    let rig = Rig::new().await;
    add(&rig, json!({ "first_name": "Nobody" })).await;
    let friend = json!({
        "first_name": "Henrik", "last_name": "Jensen", "is_friend": true,
        "user_id": "d09ea18fafc39a0c",
    });
    let id = plant(&rig, LiveObjectType::Contact, friend).await;
    let expected = json!({ "data": [{ "id": "d09ea18fafc39a0c", "name": "Henrik Jensen" }] });
    assert_eq!(rig.live("GET", "/me/friends").send().await.json(), expected);
    let cid = own_cid(&rig).await;
    assert_eq!(rig.live("GET", &format!("/{cid}/friends")).send().await.json(), expected);
    assert_eq!(rig.object(&id).await["is_friend"], true);
    let hungarian = rig.live("GET", "/me/friends?locale=hu-HU").send().await.json();
    assert_eq!(each(&hungarian, "name"), ["Jensen Henrik"]);
    let without_user = drivedal_server::LiveObject::new(
        LiveObjectType::Contact,
        json!({ "first_name": "A", "is_friend": true }),
    );
    assert!(rig.server.control().add_live_objects([without_user]).await.is_err());
}

#[tokio::test]
async fn lists_have_pages() {
    let rig = Rig::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        add(&rig, json!({ "first_name": name })).await;
    }
    let page = rig.live("GET", "/me/contacts?limit=2&offset=1&pretty=false").send().await.json();
    assert_eq!(each(&page, "name"), ["b", "c"]);
    let next = page["paging"]["next"].as_str().expect("a next page");
    let next = rig.bare("GET", next).token(rig.token).send().await.json();
    assert_eq!(each(&next, "name"), ["d", "e"]);
    assert!(next["paging"].get("next").is_none());
    let previous = next["paging"]["previous"].as_str().expect("a previous page");
    let previous = rig.bare("GET", previous).token(rig.token).send().await.json();
    assert_eq!(each(&previous, "name"), ["b", "c"]);
    let whole = rig.live("GET", "/me/contacts").send().await.json();
    assert_eq!(each(&whole, "name"), ["a", "b", "c", "d", "e"]);
    assert!(whole.get("paging").is_none());
    refused!(
        rig.live("GET", "/me/contacts?limit=x").send().await,
        400,
        "request_parameter_invalid"
    );
}

#[tokio::test]
async fn the_contacts_of_another_user_do_not_exist() {
    let rig = Rig::new().await;
    let contact = add(&rig, json!({ "first_name": "Henrik" })).await;
    let cid = own_cid(&rig).await;
    let id = contact["id"].as_str().expect("an id");
    for path in [format!("/{cid}/contacts"), format!("/{cid}/friends"), format!("/{id}")] {
        refused!(super::as_anna(&rig, "GET", &path).send().await, 404, "resource_not_found");
    }
}
