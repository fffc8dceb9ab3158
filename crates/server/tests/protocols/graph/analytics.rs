//! Analytics: the numbers of actions on items, list items and sites.

use drivedal_server::AccountKind;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::graph::harness::{GraphServer, id};

/// Returns the count of actions and of actors.
fn count(actions: u64, actors: u64) -> Value {
    json!({"actionCount": actions, "actorCount": actors})
}

#[tokio::test]
async fn downloads_and_changes_are_counted_by_item_and_site() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Library);
    let file = drive.put("f.txt", "x").await;
    drive.put("f.txt", "y").await;
    drive.read("f.txt").await;
    drive.read("f.txt").await;
    let rename = drive.request("PATCH", "/me/drive/root:/f.txt").json(json!({"name": "g.txt"}));
    rename.ok().await;
    let item = format!("/drives/{}/items/{}", drive.id().await, id(&file));
    let list_item = drive.get(&format!("{item}/listItem")).await;
    let guid = &list_item["eTag"].as_str().expect("an etag")[2..38];
    let in_list = format!("/sites/root/lists/Documents/items/{}", id(&list_item));
    let by_guid = format!("/sites/root/lists/Documents/items/{guid}");
    for of in [item.as_str(), &in_list, &by_guid, "/sites/root"] {
        for time in ["allTime", "lastSevenDays"] {
            let stat = drive.get(&format!("{of}/analytics/{time}")).await;
            assert_eq!(stat["access"], count(2, 1), "{of} {time}: {stat}");
            assert_eq!(stat["create"], count(1, 1), "{of}: {stat}");
            assert_eq!(stat["edit"], count(1, 1), "{of}: {stat}");
            assert_eq!(stat["move"], count(1, 1), "{of}: {stat}");
            assert_eq!(stat["delete"], Value::Null, "{of}: {stat}");
            assert!(stat["incompleteData"]["missingDataBeforeDateTime"].is_string());
        }
        let both = drive.get(&format!("{of}/analytics")).await;
        assert_eq!(both["allTime"]["access"], count(2, 1), "{of}");
    }
    let other = drive.put("other.txt", "x").await;
    drive.request("DELETE", "/me/drive/root:/other.txt").ok().await;
    let path = format!("/drives/{}/items/{}/analytics/allTime", drive.id().await, id(&other));
    drive.request("GET", &path).refused(404, "itemNotFound").await;
    let stat = drive.get("/sites/root/analytics/allTime").await;
    assert_eq!((&stat["create"], &stat["delete"]), (&count(2, 1), &count(1, 1)));
    cloud.server.control().reset_account("test.library").await.expect("a reset");
    let stat = drive.get("/sites/root/analytics/allTime").await;
    assert_eq!(stat["create"], Value::Null, "a reset removes the counts: {stat}");
}

#[tokio::test]
async fn actions_are_listed_by_interval() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    let control = cloud.server.control();
    let time = |text: &str| text.parse::<Timestamp>().expect("a time");
    let now = time("2024-05-06T12:00:00Z");
    control.set_clock("test.business", Some(now), true).await.expect("a clock");
    drive.put("f.txt", "x").await;
    let later = now.checked_add(49.hours()).expect("a time");
    control.set_clock("test.business", Some(later), true).await.expect("a clock");
    drive.read("f.txt").await;
    let item = format!("/me/drive/items/{}", id(&drive.get("/me/drive/root:/f.txt").await));
    let query = |start: &str, end: &str, interval: &str| {
        let arguments =
            format!("startDateTime='{start}',endDateTime='{end}',interval='{interval}'");
        format!("{item}/getActivitiesByInterval({arguments})")
    };
    let days = drive.get(&query("2024-05-01", "2024-05-20", "day")).await;
    let days = days["value"].as_array().expect("intervals");
    assert_eq!(days.len(), 2, "days without actions are left out: {days:?}");
    assert!(days[0]["startDateTime"].as_str().unwrap().starts_with("2024-05-06T00:00:00"));
    assert_eq!((&days[0]["create"], &days[0]["access"]), (&count(1, 1), &Value::Null));
    assert!(days[1]["endDateTime"].as_str().unwrap().starts_with("2024-05-09T00:00:00"));
    assert_eq!(days[1]["access"], count(1, 1));
    let month = drive.get(&query("2024-05-01T00:00:00Z", "2024-06-01", "month")).await;
    assert_eq!(month["value"].as_array().map(Vec::len), Some(1));
    for (start, end, interval) in [
        ("2024-05-01", "2024-08-01", "day"),
        ("2024-05-02", "2024-05-01", "week"),
        ("May", "2024-05-01", "week"),
        ("2024-05-01", "2024-05-02", "year"),
    ] {
        drive.request("GET", &query(start, end, interval)).refused(400, "BadRequest").await;
    }
    drive.request("GET", &format!("{item}/versions/analytics")).refused(501, "notSupported").await;
    let personal = cloud.of(AccountKind::Personal);
    personal.put("f.txt", "x").await;
    let path = "/me/drive/root:/f.txt:/analytics/allTime";
    personal.request("GET", path).refused(501, "notSupported").await;
}
