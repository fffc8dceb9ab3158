//! Calendars (live-connect#calendar-object).

use drivedal_server::{LiveObject, LiveObjectType};
use serde_json::{Value, json};

use super::{
    annas_cid, as_anna, as_scoped, each, lacks_scope, own_cid, plant, plant_all, without_times,
};
use crate::server::{refused, rig::Rig};

/// Creates a calendar by a request, and returns its object.
async fn add(rig: &Rig, members: Value) -> Value {
    let added = rig.live("POST", "/me/calendars").json(&members).send().await;
    assert_eq!(added.status, 201, "{added:?}");
    let calendar = added.json();
    let id = calendar["id"].as_str().expect("an id");
    assert_eq!(added.header("location"), rig.url(&format!("/v5.0/{id}")));
    assert_eq!(rig.object(id).await, calendar);
    calendar
}

fn path(calendar: &Value) -> String {
    format!("/{}", calendar["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn the_calendar_of_the_reference_has_all_its_structures() {
    let rig = Rig::new().await;
    let expected = json!({
        "id": "calendar.42d4dbc866f94c83849c88c6eb9985bc",
        "name": "Birthday calendar",
        "description": "If you have birthdays listed for your contacts, they'll appear on this calendar. You can add more birthdays, but you can't add other types of events.",
        "created_time": "2011-08-05T19:41:04+0000",
        "updated_time": "2011-08-05T19:41:04+0000",
        "from": { "name": null, "id": null },
        "is_default": false,
        "subscription_location": null,
        "permissions": "read",
    });
    let mut members = expected.clone();
    members.as_object_mut().expect("an object").remove("id");
    let planted = LiveObject::new(LiveObjectType::Calendar, members)
        .with_id("calendar.42d4dbc866f94c83849c88c6eb9985bc");
    plant_all(&rig, [planted]).await;
    assert_eq!(rig.object("calendar.42d4dbc866f94c83849c88c6eb9985bc").await, expected);
    let listed = rig.live("GET", "/me/calendars").send().await.json();
    assert_eq!(listed["data"][0], expected);
    // The user may only read this calendar.
    for method in ["PUT", "DELETE"] {
        let refused = rig.live(method, &path(&expected)).json(json!({ "name": "a" })).send().await;
        refused!(refused, 403, "request_token_unauthorized");
    }
}

#[tokio::test]
async fn a_calendar_is_created_changed_and_deleted() {
    let rig = Rig::new().await;
    let cid = own_cid(&rig).await;
    let members = json!({ "name": "Summer Events", "summary": "Things we are doing this summer." });
    let calendar = add(&rig, members).await;
    assert_eq!(
        without_times(&calendar),
        json!({
            "id": calendar["id"], "name": "Summer Events",
            "description": "Things we are doing this summer.",
            "from": { "name": "Drivedal Developer", "id": cid },
            "is_default": false, "subscription_location": null, "permissions": "owner",
        })
    );
    let change = rig.live("PUT", &path(&calendar)).json(json!({ "name": "Fall Happenings" }));
    let changed = change.send().await;
    assert_eq!((changed.status, changed.member("name")), (200, "Fall Happenings".to_owned()));
    assert_eq!(changed.json()["description"], calendar["description"]);
    let emptied =
        rig.live("PUT", &path(&calendar)).json(json!({ "description": null })).send().await;
    assert_eq!(emptied.json()["description"], Value::Null);
    assert_eq!(rig.object(&path(&calendar)[1..]).await, emptied.json());

    assert_eq!(rig.live("DELETE", &path(&calendar)).send().await.status, 204);
    for method in ["GET", "DELETE"] {
        refused!(rig.live(method, &path(&calendar)).send().await, 404, "resource_not_found");
    }
    for (members, code) in [
        (json!({ "summary": "a" }), "request_parameter_missing"),
        (json!({ "name": "a", "summary": "b", "description": "c" }), "request_parameter_invalid"),
        (json!({ "name": "a", "is_default": true }), "request_parameter_invalid"),
        (json!({ "name": "a", "permissions": "owner" }), "request_parameter_invalid"),
        (json!({ "name": 5 }), "request_parameter_invalid"),
    ] {
        let refused = rig.live("POST", "/me/calendars").json(&members).send().await;
        refused!(refused, 400, code);
    }
}

#[tokio::test]
async fn a_subscription_needs_a_name_and_the_url_of_a_calendar() {
    let rig = Rig::new().await;
    let members = json!({
        "name": "Soccer League", "subscription_location": "ical.sharedcalendars.com/98754auv",
    });
    let calendar = add(&rig, members.clone()).await;
    assert_eq!(calendar["subscription_location"], members["subscription_location"]);
    assert_eq!(calendar["permissions"], "read");
    for (members, code) in [
        (json!({ "subscription_location": "a.example/b" }), "request_parameter_missing"),
        (json!({ "name": "a", "subscription_location": "b" }), "request_parameter_invalid"),
        (json!({ "name": "a", "subscription_location": "" }), "request_parameter_invalid"),
    ] {
        let refused = rig.live("POST", "/me/calendars").json(&members).send().await;
        refused!(refused, 400, code);
    }
    // Only the subscription can be changed, and not the events.
    let renamed = rig.live("PUT", &path(&calendar)).json(json!({ "name": "League" })).send().await;
    assert_eq!(renamed.member("name"), "League");
    let event = json!({ "name": "a", "description": "b", "start_time": "2011-04-20T01:00:00Z" });
    let refused =
        rig.live("POST", &format!("{}/events", path(&calendar))).json(&event).send().await;
    refused!(refused, 403, "request_token_unauthorized");
    let own = add(&rig, json!({ "name": "Own" })).await;
    let subscribe = json!({ "subscription_location": "ical.sharedcalendars.com/98754auv" });
    let refused = rig.live("PUT", &path(&own)).json(&subscribe).send().await;
    refused!(refused, 400, "request_parameter_invalid");
    assert_eq!(rig.live("DELETE", &path(&calendar)).send().await.status, 204);
}

#[tokio::test]
async fn every_user_has_one_default_calendar() {
    let rig = Rig::new().await;
    add(&rig, json!({ "name": "Second" })).await;
    let listed = rig.live("GET", "/me/calendars").send().await.json();
    let again = rig.live("GET", "/me/calendars").send().await.json();
    assert_eq!(listed, again);
    let data = listed["data"].as_array().expect("a list");
    let defaults: Vec<_> = data.iter().filter(|calendar| calendar["is_default"] == true).collect();
    // With the birthday calendar.
    assert_eq!((data.len(), defaults.len()), (3, 1));
    let refused = rig.live("DELETE", &path(defaults[0])).send().await;
    refused!(refused, 400, "request_url_invalid");
    let page = rig.live("GET", "/me/calendars?limit=1&offset=1").send().await.json();
    assert_eq!(each(&page, "id"), [data[1]["id"].as_str().expect("an id")]);
}

#[tokio::test]
async fn a_shared_calendar_grants_its_role() {
    let rig = Rig::new().await;
    let (own, anna) = (own_cid(&rig).await, annas_cid(&rig).await);
    assert_ne!(own, anna);
    let shared = |name: &str, role: &str| {
        let shares = json!([{ "account": "anna", "permissions": role }]);
        LiveObject::new(LiveObjectType::Calendar, json!({ "name": name, "shared_with": shares }))
    };
    let ids = plant_all(&rig, [shared("Team", "read_write"), shared("Plan", "read")]).await;
    add(&rig, json!({ "name": "Secret" })).await;
    let listed = as_anna(&rig, "GET", &format!("/{own}/calendars")).send().await.json();
    assert_eq!(each(&listed, "name"), ["Team", "Plan"]);
    assert_eq!(each(&listed, "permissions"), ["read_write", "read"]);
    assert_eq!(listed["data"][0]["from"]["id"], json!(own));
    assert!(listed["data"][0].get("shared_with").is_none());
    // The own list has only own calendars.
    let mine = as_anna(&rig, "GET", "/me/calendars").send().await.json();
    assert_eq!(each(&mine, "permissions"), ["owner", "read"]);
    assert_eq!(each(&mine, "name")[1], "Birthday calendar");
    let got = as_anna(&rig, "GET", &format!("/{}", ids[1])).send().await;
    assert_eq!((got.status, got.member("permissions")), (200, "read".to_owned()));
    for method in ["PUT", "DELETE"] {
        let request = as_anna(&rig, method, &format!("/{}", ids[0]));
        let refused = request.json(json!({ "name": "a" })).send().await;
        refused!(refused, 403, "request_token_unauthorized");
    }
    refused!(
        as_anna(&rig, "GET", "/0123456789abcdef/calendars").send().await,
        404,
        "resource_not_found"
    );
    // Without shared calendars, the list is empty.
    let nothing = rig.live("GET", &format!("/{anna}/calendars")).send().await.json();
    assert_eq!(nothing, json!({ "data": [] }));
}

#[tokio::test]
async fn own_and_shared_calendars_need_different_scopes() {
    let rig = Rig::new().await;
    let anna = annas_cid(&rig).await;
    let others = format!("/{anna}/calendars");
    let shared = json!([{ "account": "", "permissions": "read" }]);
    let members = json!({ "name": "Annas", "shared_with": shared });
    let annas = LiveObject::new(LiveObjectType::Calendar, members).on_account("anna");
    let annas = plant_all(&rig, [annas]).await.remove(0);
    let own = plant(&rig, LiveObjectType::Calendar, json!({ "name": "Own" })).await;
    let get =
        async |scope: &str, path: &str| as_scoped(&rig, scope, "GET", path).await.send().await;
    for path in ["/me/calendars".to_owned(), format!("/{own}")] {
        assert_eq!(get("wl.calendars", &path).await.status, 200, "{path}");
        // The scope to write includes the one to read.
        assert_eq!(get("wl.calendars_update", &path).await.status, 200, "{path}");
        lacks_scope(&get("wl.contacts_calendars", &path).await, &["wl.calendars"]);
    }
    for path in [others, format!("/{annas}")] {
        assert_eq!(get("wl.contacts_calendars", &path).await.status, 200, "{path}");
        lacks_scope(&get("wl.calendars", &path).await, &["wl.contacts_calendars"]);
    }
}
