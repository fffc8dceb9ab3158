//! The change feed.

use drivedal::server::AccountKind;
use serde_json::{Value, json};

use crate::harness::{Ask, Cloud, Drive, id};

/// All items of a feed from a link on, and the link for the next time.
async fn follow(drive: &Drive<'_>, from: &str) -> (Vec<Value>, String) {
    let (pages, link) = pages(drive, from).await;
    (pages.concat(), link)
}

async fn pages(drive: &Drive<'_>, from: &str) -> (Vec<Vec<Value>>, String) {
    let mut pages = Vec::new();
    let mut link = from.to_owned();
    loop {
        let page = drive.get(&link).await;
        pages.push(page["value"].as_array().unwrap().clone());
        match (page["@odata.nextLink"].as_str(), page["@odata.deltaLink"].as_str()) {
            (Some(next), None) => link = next.to_owned(),
            (None, Some(last)) => return (pages, last.to_owned()),
            other => panic!("exactly one link: {other:?}"),
        }
    }
}

fn named(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["name"].as_str().unwrap_or("")).collect()
}

#[tokio::test]
async fn everything_is_told_once_parents_first_and_then_only_changes() {
    let cloud = Cloud::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        drive.put("a/b/f", "x").await;
        drive.put("c/g", "y").await;
        let (items, link) = follow(&drive, "/me/drive/root/delta?%24top=2").await;
        assert_eq!(items.len(), 6);
        assert_eq!(items[0]["name"], "root");
        for item in &items {
            assert!(item["parentReference"].get("path").is_none(), "{item}");
            assert_eq!(item["cTag"].is_string(), drive_is_personal(item), "{item}");
            let parent = item["parentReference"]["id"].as_str();
            let before = items.iter().take_while(|other| id(other) != id(item));
            assert!(parent.is_none_or(|parent| before.map(id).any(|id| id == parent)));
        }
        let token = reqwest::Url::parse(&link).unwrap();
        assert!(token.query_pairs().any(|(name, _)| name == "token"), "{link}");
        let (nothing, link) = follow(&drive, &link).await;
        assert!(nothing.is_empty());
        drive.put("a/b/f", "z").await;
        let (changed, _) = follow(&drive, &link).await;
        assert_eq!(named(&changed), ["root", "a", "b", "f"], "with the folders above");
    }
}

fn drive_is_personal(item: &Value) -> bool {
    item["parentReference"]["driveType"] == "personal"
}

#[tokio::test]
async fn folders_above_are_left_out_on_demand() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    let (_, link) = follow(&drive, "/me/drive/root/delta?token=latest").await;
    drive.put("a/b/f", "z").await;
    let (_, second) = follow(&drive, &link).await;
    drive.put("a/b/f", "zz").await;
    let page = drive.ask("GET", &second).header("deltaExcludeParent", "true").ok().await.json();
    assert_eq!(named(page["value"].as_array().unwrap()), ["f"]);
}

#[tokio::test]
async fn the_latest_token_tells_nothing_of_what_was() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    drive.put("old", "x").await;
    for path in [
        "root/delta?token=latest",
        "root/delta(token='latest')",
        "items/root/microsoft.graph.delta(token=latest)",
    ] {
        let (items, link) = follow(&drive, &format!("/me/drive/{path}")).await;
        assert!(items.is_empty(), "{path}");
        drive.put("new", path).await;
        let (items, _) = follow(&drive, &link).await;
        assert_eq!(named(&items), ["root", "new"], "{path}");
    }
}

#[tokio::test]
async fn removed_items_are_told_as_their_kind_of_account_tells_them() {
    let cloud = Cloud::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        let folder = drive.mkdir("a").await;
        let file = drive.put("a/f", "x").await;
        let (_, link) = follow(&drive, "/me/drive/root/delta").await;
        drive.ask("DELETE", "/me/drive/root:/a").ok().await;
        let (items, _) = follow(&drive, &link).await;
        let removed: Vec<_> = items.iter().filter(|item| !item["deleted"].is_null()).collect();
        assert_eq!(
            removed.iter().map(|item| id(item)).collect::<Vec<_>>(),
            [id(&folder), id(&file)]
        );
        for item in removed {
            assert_eq!(item["deleted"]["state"], "deleted");
            assert!(item["parentReference"]["id"].is_string());
            assert!(item.get("cTag").is_none());
            let personal = drive_is_personal(item);
            assert_eq!(item.get("name").is_some(), personal, "{item}");
            assert_eq!(item.get("size").is_none(), personal, "{item}");
        }
    }
}

#[tokio::test]
async fn pages_that_tell_of_removed_items_are_short() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    for n in 0..20 {
        drive.put(&format!("f{n}"), "x").await;
    }
    let (_, link) = follow(&drive, "/me/drive/root/delta").await;
    for n in 0..20 {
        drive.ask("DELETE", &format!("/me/drive/root:/f{n}")).ok().await;
    }
    let (pages, _) = pages(&drive, &link).await;
    let removed = |page: &Vec<Value>| page.iter().filter(|item| !item["deleted"].is_null()).count();
    assert_eq!(pages.iter().map(removed).collect::<Vec<_>>(), [7, 7, 6]);
}

#[tokio::test]
async fn the_feed_of_a_folder_tells_what_is_below_it() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    drive.put("a/f", "x").await;
    drive.put("b/g", "x").await;
    let (items, link) = follow(&drive, "/me/drive/root:/a:/delta").await;
    assert_eq!(named(&items), ["a", "f"]);
    drive.put("b/h", "x").await;
    drive.put("a/c/h", "x").await;
    let (items, _) = follow(&drive, &link).await;
    assert_eq!(items.iter().filter(|item| item["name"] == "h").count(), 1);
}

#[tokio::test]
async fn a_token_that_is_not_known_any_more_asks_for_a_fresh_start() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    let (_, link) = follow(&drive, "/me/drive/root/delta").await;
    let gone = |ask: Ask| async {
        let refusal = ask.await;
        assert_eq!(refusal.status, 410);
        assert_eq!(refusal.json()["error"]["code"], "resyncRequired");
        assert_eq!(refusal.json()["error"]["innerError"]["code"], "resyncApplyDifferences");
        let (items, _) = follow(&drive, &refusal.location()).await;
        assert_eq!(items[0]["name"], "root");
    };
    gone(drive.ask("GET", "/me/drive/root/delta?token=nonsense")).await;
    drive.mkdir("a").await;
    let (_, of_folder) = follow(&drive, "/me/drive/root:/a:/delta").await;
    let token = of_folder.split("token=").nth(1).unwrap();
    gone(drive.ask("GET", &format!("/me/drive/root/delta?token={token}"))).await;
    cloud.server.control().reset_state().await.unwrap();
    gone(drive.ask("GET", &link)).await;
}

#[tokio::test]
async fn a_selection_holds_for_the_whole_feed() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    drive.put("f", "x").await;
    let (items, link) = follow(&drive, "/me/drive/root/delta?$select=id,name&$top=1").await;
    assert!(items.iter().all(|item| item.get("size").is_none()));
    drive.put("g", "x").await;
    let (items, _) = follow(&drive, &link).await;
    assert_eq!(named(&items), ["root", "g"]);
    assert!(items.iter().all(|item| item.get("size").is_none()));
}

#[tokio::test]
async fn what_another_protocol_changed_is_in_the_feed() {
    let cloud = Cloud::new().await;
    let drive = cloud.drive();
    let (_, link) = follow(&drive, "/me/drive/root/delta?token=latest").await;
    let url = cloud.url("/v5.0/me/skydrive/files/live.txt?access_token=drivedal-dev");
    cloud.send("PUT", &url).body("from live").ok().await;
    let (items, _) = follow(&drive, &link).await;
    assert_eq!(named(&items), ["root", "live.txt"]);
    assert_eq!(drive.read("live.txt").await, "from live");
    let body = json!({"name": "renamed.txt"});
    drive.ask("PATCH", "/me/drive/root:/live.txt").json(body).ok().await;
    let url = cloud.url("/v5.0/me/skydrive/files?access_token=drivedal-dev");
    let listing = cloud.send("GET", &url).ok().await.json();
    assert_eq!(listing["data"][0]["name"], "renamed.txt");
}
