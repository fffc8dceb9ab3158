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
    // A name, an address or a company is required.
    let nameless = rig.run(&["skydrive", "contacts", "add", "it:"]).await;
    assert_eq!(nameless.code, 2, "{nameless:?}");
    assert!(nameless.err.contains("--first-name"), "{nameless:?}");
    assert_eq!(rig.server.control().counters().count("live.contact.create"), 1);
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

#[tokio::test]
async fn calendars_and_events_are_changed() {
    let rig = Rig::new(Cloud::SkyDrive).await;
    let calendar = json(&rig, &["calendars", "add", "it:", "Summer Events"]).await;
    let at = format!("it:{}", calendar["id"].as_str().expect("an id"));
    let update = ["calendars", "update", &at, "--name", "Fall", "--description", "Leaves"];
    let changed = json(&rig, &update).await;
    assert_eq!((&changed["name"], &changed["description"]), (&"Fall".into(), &"Leaves".into()));
    let unchanged = rig.run(&["skydrive", "calendars", "update", &at]).await;
    assert_eq!(unchanged.code, 2, "{unchanged:?}");

    let add =
        ["events", "add", &at, "Meeting", "Risks", "2011-04-20T01:00:00Z", "--reminder", "15"];
    let event = json(&rig, &add).await;
    assert_eq!(event["reminder_time"], 15);
    let at = format!("it:{}", event["id"].as_str().expect("an id"));
    let update = ["events", "update", &at, "--start", "2011-04-21T01:00:00Z"];
    let changed = json(&rig, &[&update[..], &["--availability", "busy"]].concat()).await;
    assert_eq!(
        (&changed["end_time"], &changed["availability"], &changed["name"]),
        (&"2011-04-21T01:30:00+0000".into(), &"busy".into(), &"Meeting".into())
    );
    let unknown = rig.run(&["skydrive", "events", "update", &at, "--availability", "maybe"]).await;
    assert_eq!(unknown.code, 2, "{unknown:?}");
}

#[tokio::test]
async fn applications_are_changed_and_get_a_logo() {
    let rig = Rig::new(Cloud::SkyDrive).await;
    let add =
        ["apps", "add", "it:", "Pilot", "http://www.contoso.com", "--terms", "http://c.com/t"];
    let application = json(&rig, &add).await;
    assert_eq!(application["terms_of_service_link"], "http://c.com/t");
    let at = format!("it:{}", application["id"].as_str().expect("an id"));
    let update = ["apps", "update", &at, "--name", "Copilot", "--privacy", "http://c.com/p"];
    let changed = json(&rig, &update).await;
    assert_eq!(
        (&changed["name"], &changed["privacy_link"], &changed["terms_of_service_link"]),
        (&"Copilot".into(), &"http://c.com/p".into(), &"http://c.com/t".into())
    );
    let picture = |side| {
        let mut png = std::io::Cursor::new(Vec::new());
        let image = image::RgbImage::new(side, side);
        image.write_to(&mut png, image::ImageFormat::Png).expect("a picture");
        png.into_inner()
    };
    rig.shell.write("logo.png", picture(48));
    rig.shell.write("large.png", picture(49));
    let logo = ["skydrive", "apps", "logo", &at];
    assert_eq!(rig.run(&[&logo[..], &["logo.png"]].concat()).await.code, 0);
    assert!(json(&rig, &["apps", "show", &at]).await["picture"].is_string());
    rig.run(&[&logo[..], &["large.png"]].concat()).await.fails(8, "48 x 48");
    rig.run(&[&logo[..], &["missing.png"]].concat()).await.fails(3, "missing.png");
}
