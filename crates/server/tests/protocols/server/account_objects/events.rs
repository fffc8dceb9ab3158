//! Events (live-connect#event-object, live-connect#event-rules).

use drivedal_server::{LiveObject, LiveObjectType};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{as_anna, as_scoped, each, lacks_scope, own_cid, plant, plant_all, without_times};
use crate::server::{refused, rig::Rig};

/// The request of the reference.
fn meeting() -> Value {
    json!({
        "name": "Global Project Risk Management Meeting",
        "description": "Generate and assess risks for the project",
        "start_time": "2011-04-20T01:00:00-07:00",
        "end_time": "2011-04-20T02:00:00-07:00",
        "location": "Building 81, Room 9981, 123 Anywhere St., Redmond WA 19599",
        "is_all_day_event": false,
        "availability": "busy",
        "visibility": "public",
    })
}

/// A period that contains [`meeting`].
const APRIL: &str = "start_time=2011-04-01T00:00:00Z&end_time=2011-05-01T00:00:00Z";

/// Creates an event by a request, and returns its object.
async fn add(rig: &Rig, path: &str, members: Value) -> Value {
    let added = rig.live("POST", path).json(&members).send().await;
    assert_eq!(added.status, 201, "{added:?}");
    let event = added.json();
    let id = event["id"].as_str().expect("an id");
    assert_eq!(added.header("location"), rig.url(&format!("/v5.0/{id}")));
    assert_eq!(rig.object(id).await, event);
    event
}

fn path(event: &Value) -> String {
    format!("/{}", event["id"].as_str().expect("an id"))
}

/// Returns the id of the default calendar.
async fn default_calendar(rig: &Rig) -> String {
    let listed = rig.live("GET", "/me/calendars").send().await.json();
    let data = listed["data"].as_array().expect("a list");
    let default = data.iter().find(|calendar| calendar["is_default"] == true);
    default.expect("a default calendar")["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn the_event_of_the_reference_has_all_its_structures() {
    let rig = Rig::new().await;
    let expected = json!({
        "id": "event.611afb17fa9448f28cdb8277e8ffeb77.e9f015000d0249ce847c5306a25d7d75",
        "name": "Global Project Risk Management Meeting",
        "description": "Generate and assess risks for the project",
        "calendar_id": "calendar.611afb17fa9448f28cdb8277e8ffeb77",
        "from": { "name": "William Flash", "id": "de57f4126ed7e411" },
        "start_time": "2011-04-20T01:00:00+0000",
        "end_time": "2011-04-20T02:00:00+0000",
        "location": "Building 81, Room 9981, 123 Anywhere St., Redmond WA 19599",
        "is_all_day_event": false,
        "is_recurrent": false,
        "recurrence": null,
        "reminder_time": null,
        "availability": "busy",
        "visibility": "public",
        "created_time": "2011-03-14T23:01:31+0000",
        "updated_time": "2011-04-19T20:23:03+0000",
    });
    let mut members = expected.clone();
    members.as_object_mut().expect("an object").remove("id");
    let calendar = LiveObject::new(LiveObjectType::Calendar, json!({ "name": "Work" }))
        .with_id("calendar.611afb17fa9448f28cdb8277e8ffeb77");
    let event = LiveObject::new(LiveObjectType::Event, members)
        .with_id("event.611afb17fa9448f28cdb8277e8ffeb77.e9f015000d0249ce847c5306a25d7d75");
    let ids = plant_all(&rig, [calendar, event]).await;
    assert_eq!(rig.object(&ids[1]).await, expected);
    for list in [format!("/{}/events", ids[0]), "/me/events".to_owned()] {
        let listed = rig.live("GET", &format!("{list}?{APRIL}")).send().await.json();
        assert_eq!(listed, json!({ "data": [expected] }), "{list}");
    }
}

#[tokio::test]
async fn an_event_is_created_in_the_default_calendar() {
    let rig = Rig::new().await;
    let event = add(&rig, "/me/events", meeting()).await;
    let cid = own_cid(&rig).await;
    let mut expected = meeting();
    expected["start_time"] = json!("2011-04-20T08:00:00+0000");
    expected["end_time"] = json!("2011-04-20T09:00:00+0000");
    expected["id"] = event["id"].clone();
    expected["calendar_id"] = json!(default_calendar(&rig).await);
    expected["from"] = json!({ "name": "Drivedal Developer", "id": cid });
    expected["is_recurrent"] = json!(false);
    expected["recurrence"] = Value::Null;
    expected["reminder_time"] = Value::Null;
    assert_eq!(without_times(&event), expected);
}

#[tokio::test]
async fn times_are_the_local_time_of_the_user() {
    let rig = Rig::new().await;
    plant(&rig, LiveObjectType::User, json!({ "time_zone": "America/Los_Angeles" })).await;
    let event = add(&rig, "/me/events", meeting()).await;
    assert_eq!(event["start_time"], "2011-04-20T01:00:00-0700");
    assert_eq!(event["end_time"], "2011-04-20T02:00:00-0700");
    // A time without an offset is a local time.
    let mut members = meeting();
    members["start_time"] = json!("2011-12-20T01:00:00");
    members.as_object_mut().expect("an object").remove("end_time");
    let event = add(&rig, "/me/events", members).await;
    assert_eq!(event["start_time"], "2011-12-20T01:00:00-0800");
    assert_eq!(event["end_time"], "2011-12-20T01:30:00-0800");
}

#[tokio::test]
async fn missing_structures_have_their_defaults() {
    let rig = Rig::new().await;
    let members =
        json!({ "name": "a", "description": "b", "start_time": "2011-04-20T01:00:00+0000" });
    let event = add(&rig, "/me/events", members).await;
    for (name, value) in [
        ("end_time", json!("2011-04-20T01:30:00+0000")),
        ("location", Value::Null),
        ("is_all_day_event", json!(false)),
        ("is_recurrent", json!(false)),
        ("recurrence", Value::Null),
        ("reminder_time", Value::Null),
        ("availability", json!("free")),
        ("visibility", json!("public")),
    ] {
        assert_eq!(event[name], value, "{name}");
    }
}

#[tokio::test]
async fn required_structures_and_limits_are_checked() {
    let rig = Rig::new().await;
    for name in ["name", "description", "start_time"] {
        let mut members = meeting();
        members.as_object_mut().expect("an object").remove(name);
        let refused = rig.live("POST", "/me/events").json(&members).send().await;
        refused!(refused, 400, "request_parameter_missing");
        let message = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
        assert!(message.ends_with(&format!("'{name}'.")), "{message}");
    }
    for (name, most) in [("name", 255), ("description", 32_768), ("location", 1_000)] {
        let mut members = meeting();
        members[name] = json!("ä".repeat(most));
        assert_eq!(add(&rig, "/me/events", members.clone()).await[name], members[name]);
        members[name] = json!("ä".repeat(most + 1));
        let refused = rig.live("POST", "/me/events").json(&members).send().await;
        refused!(refused, 400, "request_parameter_invalid");
    }
    for (name, value) in [
        ("start_time", json!("next week")),
        ("end_time", json!("2011-04-20T00:59:59-07:00")),
        ("availability", json!("away")),
        ("visibility", json!("secret")),
        ("reminder_time", json!(-1)),
        ("is_all_day_event", json!("no")),
        ("is_recurrent", json!(true)),
        ("recurrence", json!("Occurs every week on Tuesday")),
        ("repeat", json!({ "unit": "week", "count": 2 })),
        ("calendar_id", json!("calendar.611afb17fa9448f28cdb8277e8ffeb77")),
    ] {
        let mut members = meeting();
        members[name] = value;
        let refused = rig.live("POST", "/me/events").json(&members).send().await;
        refused!(refused, 400, "request_parameter_invalid");
    }
}

#[tokio::test]
async fn a_list_has_the_next_30_days() {
    let rig = Rig::new().await;
    let now = Timestamp::now();
    for (name, start, minutes) in [
        ("past", SignedDuration::from_hours(-2), 60),
        ("later", SignedDuration::from_hours(29 * 24), 30),
        ("soon", SignedDuration::from_hours(1), 30),
        ("running", SignedDuration::from_hours(-1), 120),
        ("next month", SignedDuration::from_hours(31 * 24), 30),
    ] {
        let start = now.checked_add(start).expect("a time");
        let end = start.checked_add(SignedDuration::from_mins(minutes)).expect("a time");
        let (start, end) = (start.to_string(), end.to_string());
        let members =
            json!({ "name": name, "description": "d", "start_time": start, "end_time": end });
        add(&rig, "/me/events", members).await;
    }
    let calendar = default_calendar(&rig).await;
    for list in ["/me/events".to_owned(), format!("/{calendar}/events")] {
        let listed = rig.live("GET", &list).send().await.json();
        assert_eq!(each(&listed, "name"), ["running", "soon", "later"], "{list}");
        let page = rig.live("GET", &format!("{list}?limit=1&offset=1")).send().await.json();
        assert_eq!(each(&page, "name"), ["soon"]);
        assert!(page["paging"]["next"].is_string() && page["paging"]["previous"].is_string());
    }
    let wrong = "start_time=2011-05-01T00:00:00Z&end_time=2011-04-01T00:00:00Z";
    for query in [wrong, "start_time=now"] {
        let refused = rig.live("GET", &format!("/me/events?{query}")).send().await;
        refused!(refused, 400, "request_parameter_invalid");
    }
}

#[tokio::test]
async fn an_event_is_changed_and_deleted() {
    let rig = Rig::new().await;
    let event = add(&rig, "/me/events", meeting()).await;
    let put = async |members: Value| rig.live("PUT", &path(&event)).json(&members).send().await;
    let renamed = put(json!({ "name": "Meeting", "location": null, "reminder_time": 15 })).await;
    assert_eq!(renamed.status, 200);
    assert_eq!(renamed.json()["name"], "Meeting");
    assert_eq!(renamed.json()["location"], Value::Null);
    assert_eq!(renamed.json()["reminder_time"], 15);
    // With another start, it keeps its duration.
    let moved = put(json!({ "start_time": "2011-04-21T08:00:00Z" })).await.json();
    assert_eq!(moved["end_time"], "2011-04-21T09:00:00+0000");
    assert_eq!(rig.object(&path(&event)[1..]).await, moved);
    let refused = put(json!({ "end_time": "2011-04-21T07:00:00Z" })).await;
    refused!(refused, 400, "request_parameter_invalid");
    refused!(put(json!({ "name": "" })).await, 400, "request_parameter_missing");
    refused!(put(json!({ "id": "a" })).await, 400, "request_parameter_invalid");
    assert_eq!(rig.object(&path(&event)[1..]).await, moved);

    assert_eq!(rig.live("DELETE", &path(&event)).send().await.status, 204);
    refused!(rig.live("GET", &path(&event)).send().await, 404, "resource_not_found");
    let listed = rig.live("GET", &format!("/me/events?{APRIL}")).send().await.json();
    assert_eq!(listed, json!({ "data": [] }));
}

#[tokio::test]
async fn a_recurring_event_is_one_series() {
    let rig = Rig::new().await;
    let mut members = meeting();
    members["repeat"] = json!({ "unit": "week", "count": 4 });
    let id = plant(&rig, LiveObjectType::Event, members).await;
    let list = "/me/events?start_time=2011-04-27T00:00:00Z&end_time=2011-12-31T00:00:00Z";
    let listed = rig.live("GET", list).send().await.json();
    assert_eq!(
        each(&listed, "start_time"),
        ["2011-04-27T08:00:00+0000", "2011-05-04T08:00:00+0000", "2011-05-11T08:00:00+0000"]
    );
    assert_eq!(each(&listed, "id"), [&id; 3]);
    let event = rig.object(&id).await;
    assert_eq!((&event["is_recurrent"], event.get("repeat")), (&json!(true), None));
    assert_eq!(event["recurrence"], "Occurs every week on Wednesday");
    assert_eq!(event["start_time"], "2011-04-20T08:00:00+0000");
    let refused = rig.live("PUT", &format!("/{id}")).json(json!({ "name": "a" })).send().await;
    refused!(refused, 400, "request_url_invalid");
    assert_eq!(rig.live("DELETE", &format!("/{id}")).send().await.status, 204);
    assert_eq!(rig.live("GET", list).send().await.json(), json!({ "data": [] }));
}

#[tokio::test]
async fn a_deleted_calendar_takes_its_events_with_it() {
    let rig = Rig::new().await;
    let calendar = plant(&rig, LiveObjectType::Calendar, json!({ "name": "Work" })).await;
    let event = add(&rig, &format!("/{calendar}/events"), meeting()).await;
    assert_eq!(event["calendar_id"], json!(calendar));
    let other = add(&rig, "/me/events", meeting()).await;
    assert_eq!(rig.live("DELETE", &format!("/{calendar}")).send().await.status, 204);
    refused!(rig.live("GET", &path(&event)).send().await, 404, "resource_not_found");
    assert_eq!(rig.object(&path(&other)[1..]).await, other);
}

#[tokio::test]
async fn events_create_is_for_the_default_calendar_only() {
    let rig = Rig::new().await;
    let default = default_calendar(&rig).await;
    let second = plant(&rig, LiveObjectType::Calendar, json!({ "name": "Second" })).await;
    let post = async |scope: &str, path: &str| {
        as_scoped(&rig, scope, "POST", path).await.json(meeting()).send().await
    };
    for path in ["/me/events".to_owned(), format!("/{default}/events")] {
        for scope in ["wl.events_create", "wl.calendars_update"] {
            assert_eq!(post(scope, &path).await.status, 201, "{scope} {path}");
        }
        lacks_scope(
            &post("wl.calendars", &path).await,
            &["wl.events_create", "wl.calendars_update"],
        );
    }
    let path = format!("/{second}/events");
    assert_eq!(post("wl.calendars_update", &path).await.status, 201);
    lacks_scope(&post("wl.events_create", &path).await, &["wl.calendars_update"]);
}

#[tokio::test]
async fn a_shared_calendar_shows_as_much_as_its_role_allows() {
    let rig = Rig::new().await;
    let share = |role: &str| {
        let shares = json!([{ "account": "anna", "permissions": role }]);
        let members = json!({ "name": role, "shared_with": shares });
        LiveObject::new(LiveObjectType::Calendar, members)
    };
    let roles = ["free_busy", "limited_details", "read", "read_write"];
    let calendars = plant_all(&rig, roles.map(share)).await;
    for (role, calendar) in roles.iter().zip(&calendars) {
        let list = format!("/{calendar}/events");
        add(&rig, &list, meeting()).await;
        let mut private = meeting();
        private["visibility"] = json!("private");
        add(&rig, &list, private).await;
        let listed = as_anna(&rig, "GET", &format!("{list}?{APRIL}")).send().await.json();
        let [public, private] = [0, 1].map(|index| listed["data"][index].clone());
        let is_shown = |event: &Value, name: &str| event[name] != Value::Null;
        assert_eq!(public["start_time"], "2011-04-20T08:00:00+0000");
        assert_eq!(is_shown(&public, "name"), *role != "free_busy", "{role}");
        assert_eq!(is_shown(&public, "location"), *role != "free_busy", "{role}");
        let all = ["read", "read_write"].contains(role);
        assert_eq!(is_shown(&public, "description"), all, "{role}");
        assert_eq!(is_shown(&private, "name"), *role == "read_write", "{role}");
        let added = as_anna(&rig, "POST", &list).json(meeting()).send().await;
        assert_eq!(added.status, if *role == "read_write" { 201 } else { 403 }, "{role}");
    }
    let cid = own_cid(&rig).await;
    let all = as_anna(&rig, "GET", &format!("/{cid}/events?{APRIL}")).send().await.json();
    assert_eq!(all["data"].as_array().expect("a list").len(), 9);
}
