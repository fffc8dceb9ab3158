//! `skydrive contacts`, `calendars`, `events`, `share` and `apps`.

use drivedal_server::LiveObjectType;

use crate::rig::{Cloud, Rig};

/// Runs a command that prints JSON, and returns its first value.
async fn json(rig: &Rig, arguments: &[&str]) -> serde_json::Value {
    let arguments = [&["--json", "skydrive"], arguments].concat();
    rig.run(&arguments).await.json().remove(0)
}

#[tokio::test]
async fn contacts_are_added_listed_and_shown() {
    let rig = Rig::new(Cloud::SkyDrive).await;
    let add = ["contacts", "add", "it:", "--first-name", "Henrik", "--last-name", "Jensen"];
    let contact = json(&rig, &add).await;
    assert_eq!(contact["name"], "Henrik Jensen");
    let id = format!("it:{}", contact["id"].as_str().expect("an id"));
    assert_eq!(json(&rig, &["contacts", "show", &id]).await, contact);
    let listed = rig.run(&["skydrive", "contacts", "list", "it:"]).await;
    assert!(listed.out.contains("Henrik Jensen"), "{listed:?}");
    rig.run(&["skydrive", "contacts", "add", "it:"]).await.fails(8, "first_name");
    rig.run(&["skydrive", "contacts", "show", "it:folder.1"])
        .await
        .fails(2, "not of the type contact");
}

#[tokio::test]
async fn calendars_and_events_are_added_and_removed() {
    let rig = Rig::new(Cloud::SkyDrive).await;
    let calendar = json(&rig, &["calendars", "add", "it:", "Summer Events"]).await;
    let calendar = format!("it:{}", calendar["id"].as_str().expect("an id"));
    let add = ["events", "add", &calendar, "Meeting", "Assess risks", "2011-04-20T01:00:00-07:00"];
    let event = json(&rig, &add).await;
    assert_eq!(event["end_time"], "2011-04-20T08:30:00+0000");
    let from = ["--from", "2011-04-01T00:00:00Z", "--to", "2011-05-01T00:00:00Z"];
    let list = [&["skydrive", "events", "list", &calendar][..], &from].concat();
    let listed = rig.run(&list).await;
    assert!(listed.out.contains("Meeting"), "{listed:?}");
    let id = format!("it:{}", event["id"].as_str().expect("an id"));
    rig.run(&["skydrive", "events", "remove", &calendar]).await.fails(2, "not of the type event");
    assert_eq!(rig.run(&["skydrive", "events", "remove", &id]).await.code, 0);
    rig.run(&["skydrive", "events", "show", &id]).await.fails(3, "not found");
    assert_eq!(rig.run(&["skydrive", "calendars", "remove", &calendar]).await.code, 0);
    rig.run(&["skydrive", "calendars", "show", &calendar]).await.fails(3, "not found");
}

#[tokio::test]
async fn activities_are_shared_and_applications_registered() {
    let rig = Rig::new(Cloud::SkyDrive).await;
    let link = "http://explore.live.com";
    let share = ["skydrive", "share", "it:", "Explore", "--link", link];
    assert_eq!(rig.run(&share).await.code, 0);
    let control = rig.server.control();
    let shared = control.live_objects("", Some(LiveObjectType::Activity)).await.expect("a list");
    assert_eq!(shared[0].members["link"], link);
    let application = json(&rig, &["apps", "add", "it:", "Pilot", "http://www.contoso.com"]).await;
    let id = format!("it:{}", application["id"].as_str().expect("an id"));
    let listed = rig.run(&["skydrive", "apps", "list", "it:"]).await;
    assert!(listed.out.contains("Pilot"), "{listed:?}");
    assert_eq!(rig.run(&["skydrive", "apps", "remove", &id]).await.code, 0);
    rig.run(&["skydrive", "apps", "show", &id]).await.fails(3, "not found");
    let other = Rig::new(Cloud::OneDrive).await;
    other.run(&["skydrive", "apps", "list", "it:"]).await.fails(8, "skydrive remotes only");
}
