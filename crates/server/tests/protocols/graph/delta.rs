//! The change feed.

use std::collections::BTreeMap;

use drivedal_server::AccountKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, TestRequest, id};

/// Follows a feed from a link to its end. Returns all items and the next delta link.
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
async fn a_feed_requested_by_id_has_paths() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        drive.put("a/b c/f", "x").await;
        let root = id(&drive.get("/me/drive/root").await).to_owned();
        let paths = |items: &[Value]| -> Vec<Option<String>> {
            let path = |item: &Value| Some(item["parentReference"]["path"].as_str()?.to_owned());
            items.iter().map(path).map(|path| Some(path?.split_once(':')?.1.to_owned())).collect()
        };
        let all =
            [None, Some(""), Some("/a"), Some("/a/b%20c")].map(|path| path.map(str::to_owned));
        // Each page looks up the folders above its items separately.
        for top in [1000, 2] {
            let url = format!("/me/drive/items/{root}/delta?$top={top}");
            let (items, link) = follow(&drive, &url).await;
            assert_eq!(paths(&items), all);
            drive.put("a/b c/f", &top.to_string()).await;
            let (changed, _) = follow(&drive, &link).await;
            assert_eq!(paths(&changed), all);
        }
    }
}

#[tokio::test]
async fn a_feed_enumerates_parents_first_and_then_reports_changes() {
    let cloud = GraphServer::new().await;
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
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let (_, link) = follow(&drive, "/me/drive/root/delta?token=latest").await;
    drive.put("a/b/f", "z").await;
    let (_, second) = follow(&drive, &link).await;
    drive.put("a/b/f", "zz").await;
    let page = drive.request("GET", &second).header("deltaExcludeParent", "true").ok().await.json();
    assert_eq!(named(page["value"].as_array().unwrap()), ["f"]);
}

#[tokio::test]
async fn the_latest_token_skips_the_enumeration() {
    let cloud = GraphServer::new().await;
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
async fn deleted_items_have_the_form_of_the_account_kind() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        let folder = drive.mkdir("a").await;
        let file = drive.put("a/f", "x").await;
        let (_, link) = follow(&drive, "/me/drive/root/delta").await;
        drive.request("DELETE", "/me/drive/root:/a").ok().await;
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
async fn pages_with_deleted_items_are_short() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    for n in 0..20 {
        drive.put(&format!("f{n}"), "x").await;
    }
    let (_, link) = follow(&drive, "/me/drive/root/delta").await;
    for n in 0..20 {
        drive.request("DELETE", &format!("/me/drive/root:/f{n}")).ok().await;
    }
    let (pages, _) = pages(&drive, &link).await;
    let removed = |page: &Vec<Value>| page.iter().filter(|item| !item["deleted"].is_null()).count();
    assert_eq!(pages.iter().map(removed).collect::<Vec<_>>(), [7, 7, 6]);
}

#[tokio::test]
async fn the_feed_of_a_folder_reports_its_descendants() {
    let cloud = GraphServer::new().await;
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

/// Returns the ids of live items and those of deleted items in a feed.
fn ids(items: &[Value]) -> (Vec<String>, Vec<String>) {
    let (gone, there): (Vec<_>, Vec<_>) =
        items.iter().partition(|item| item.get("deleted").is_some());
    let ids = |items: Vec<&Value>| {
        let mut ids: Vec<String> = items.into_iter().map(|item| id(item).to_owned()).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    (ids(there), ids(gone))
}

fn sorted<const N: usize>(items: [&Value; N]) -> Vec<String> {
    let mut ids = items.map(|item| id(item).to_owned()).to_vec();
    ids.sort();
    ids
}

#[tokio::test]
async fn the_feed_of_a_folder_reports_items_that_left() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        for top in [1000, 1, 2] {
            let drive = cloud.named(&format!("left{top}.{kind}"));
            let file = drive.put("a/f", "x").await;
            let stays = drive.put("a/stays", "x").await;
            let inner = drive.put("a/sub/deep/g", "x").await;
            let loose = drive.put("a/sub/loose", "x").await;
            let sub = drive.get("/me/drive/root:/a/sub").await;
            let deep = drive.get("/me/drive/root:/a/sub/deep").await;
            let folder = drive.get("/me/drive/root:/a").await;
            let to = drive.mkdir("b").await;
            let feed = format!("/me/drive/items/{}/delta?$top={top}", id(&folder));
            let (_, link) = follow(&drive, &feed).await;
            let move_to = |item: &Value, to: &Value| {
                let body = json!({"parentReference": {"id": id(to)}});
                drive.request("PATCH", &format!("/me/drive/items/{}", id(item))).json(body).ok()
            };
            move_to(&file, &to).await;
            move_to(&sub, &to).await;
            // Items that leave the folder which left, and changes inside of it.
            move_to(&loose, &drive.get("/me/drive/root").await).await;
            drive.put("b/sub/deep/g", "changed").await;
            let (items, link) = follow(&drive, &link).await;
            let (there, gone) = ids(&items);
            assert_eq!(gone, sorted([&file, &sub, &deep, &inner, &loose]), "{kind} {top}");
            assert!(!there.contains(&id(&stays).to_owned()));
            let (items, link) = follow(&drive, &link).await;
            assert_eq!(ids(&items).1, Vec::<String>::new(), "it is told once");

            // The folder returns with its contents.
            move_to(&sub, &folder).await;
            let (items, link) = follow(&drive, &link).await;
            let (there, gone) = ids(&items);
            for item in [&sub, &deep, &inner] {
                assert!(there.contains(&id(item).to_owned()), "{kind} {top} {item} {there:?}");
            }
            assert_eq!(gone, Vec::<String>::new());

            // A rename is not a move; deletions are reported as always.
            let body = json!({"name": "renamed"});
            drive.request("PATCH", &format!("/me/drive/items/{}", id(&sub))).json(body).ok().await;
            drive.request("DELETE", &format!("/me/drive/items/{}", id(&deep))).ok().await;
            let (items, _) = follow(&drive, &link).await;
            let (there, gone) = ids(&items);
            assert!(
                there.contains(&id(&sub).to_owned()) && !there.contains(&id(&loose).to_owned())
            );
            assert_eq!(gone, sorted([&deep, &inner]));
        }
    }
}

#[tokio::test]
async fn an_item_restored_elsewhere_has_left_its_folder() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let file = drive.put("a/sub/f", "x").await;
    let sub = drive.get("/me/drive/root:/a/sub").await;
    let (_, link) = follow(&drive, "/me/drive/root:/a:/delta").await;
    drive.request("DELETE", "/me/drive/root:/a/sub").ok().await;
    let root = drive.get("/me/drive/root").await;
    let restore = format!("/me/drive/items/{}/restore", id(&sub));
    let body = json!({"parentReference": {"id": id(&root)}});
    drive.request("POST", &restore).json(body).ok().await;
    let (items, link) = follow(&drive, &link).await;
    assert_eq!(ids(&items).1, sorted([&file, &sub]));
    drive.request("DELETE", "/me/drive/root:/sub").ok().await;
    let (items, _) = follow(&drive, &link).await;
    assert_eq!(ids(&items), (vec![], vec![]));
}

#[tokio::test]
async fn a_token_that_is_not_known_any_more_asks_for_a_fresh_start() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let (_, link) = follow(&drive, "/me/drive/root/delta").await;
    let gone = |request: TestRequest| async {
        let refusal = request.await;
        assert_eq!(refusal.status, 410);
        assert_eq!(refusal.json()["error"]["code"], "resyncRequired");
        assert_eq!(refusal.json()["error"]["innerError"]["code"], "resyncApplyDifferences");
        let (items, _) = follow(&drive, &refusal.location()).await;
        assert_eq!(items[0]["name"], "root");
    };
    gone(drive.request("GET", "/me/drive/root/delta?token=nonsense")).await;
    drive.mkdir("a").await;
    let (_, of_folder) = follow(&drive, "/me/drive/root:/a:/delta").await;
    let token = of_folder.split("token=").nth(1).unwrap();
    gone(drive.request("GET", &format!("/me/drive/root/delta?token={token}"))).await;
    cloud.server.control().reset_state().await.unwrap();
    gone(drive.request("GET", &link)).await;
}

#[tokio::test]
async fn a_selection_applies_to_the_whole_feed() {
    let cloud = GraphServer::new().await;
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
async fn changes_by_another_protocol_are_in_the_feed() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let (_, link) = follow(&drive, "/me/drive/root/delta?token=latest").await;
    let url = cloud.url("/v5.0/me/skydrive/files/live.txt?access_token=drivedal-dev");
    cloud.send("PUT", &url).body("from live").ok().await;
    let (items, _) = follow(&drive, &link).await;
    assert_eq!(named(&items), ["root", "live.txt"]);
    assert_eq!(drive.read("live.txt").await, "from live");
    let body = json!({"name": "renamed.txt"});
    drive.request("PATCH", "/me/drive/root:/live.txt").json(body).ok().await;
    let url = cloud.url("/v5.0/me/skydrive/files?access_token=drivedal-dev");
    let listing = cloud.send("GET", &url).ok().await.json();
    assert_eq!(listing["data"][0]["name"], "renamed.txt");
}

/// Changes to a drive between two requests of the feed.
#[derive(Clone, Debug)]
enum Step {
    Make(usize, usize),
    Put(usize, usize),
    Move(usize, usize, usize),
    Delete(usize),
    Restore,
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = prop_oneof![
        3 => (0..9_usize, 0..4_usize).prop_map(|(folder, name)| Step::Make(folder, name)),
        3 => (0..9_usize, 0..4_usize).prop_map(|(folder, name)| Step::Put(folder, name)),
        2 => (0..9_usize, 0..9_usize, 0..4_usize).prop_map(|(item, to, name)| Step::Move(item, to, name)),
        2 => (0..9_usize).prop_map(Step::Delete),
        1 => Just(Step::Restore),
    ];
    prop::collection::vec(prop::collection::vec(step, 1..8), 1..4)
}

/// A client's copy of the drive: parent and name of each item.
type Known = BTreeMap<String, (String, String)>;

fn note(known: &mut Known, items: &[Value]) {
    for item in items {
        if item["deleted"].is_null() {
            let parent = item["parentReference"]["id"].as_str().unwrap_or_default();
            let name = item["name"].as_str().unwrap();
            known.insert(id(item).into(), (parent.into(), name.into()));
        } else {
            known.remove(id(item));
        }
    }
}

/// Performs one change, which may fail. `removed` is the item that was deleted last.
async fn step(drive: &Drive<'_>, known: &Known, step: &Step, removed: &mut Option<String>) {
    let pick = |n: usize| known.keys().nth(n % known.len()).cloned().unwrap_or_default();
    let path = |n: usize| format!("/me/drive/items/{}", pick(n));
    let name = |n: usize| ["a", "b", "C", "d e"][n];
    let encoded = |n: usize| name(n).replace(' ', "%20");
    let done = match step {
        Step::Make(folder, to) => {
            let body = json!({"name": name(*to), "folder": {}});
            drive.request("POST", &format!("{}/children", path(*folder))).json(body).await
        }
        Step::Put(folder, to) => {
            let path = format!("{}:/{}:/content", path(*folder), encoded(*to));
            drive.request("PUT", &path).body("x").await
        }
        Step::Move(item, to, new) => {
            let body = json!({"name": name(*new), "parentReference": {"id": pick(*to)}});
            drive.request("PATCH", &path(*item)).json(body).await
        }
        Step::Delete(item) => {
            *removed = Some(pick(*item));
            drive.request("DELETE", &path(*item)).await
        }
        Step::Restore => {
            let Some(item) = removed.take() else { return };
            drive.request("POST", &format!("/me/drive/items/{item}/restore")).await
        }
    };
    assert!(done.status < 500, "{step:?}: {done:?}");
}

/// Reads the actual state of the drive.
async fn listed(drive: &Drive<'_>) -> Known {
    let root = drive.get("/me/drive/root").await;
    let mut all = Known::from([(id(&root).to_owned(), (String::new(), "root".into()))]);
    let mut open = vec![id(&root).to_owned()];
    while let Some(folder) = open.pop() {
        let children = drive.get(&format!("/me/drive/items/{folder}/children?$top=1000")).await;
        for child in children["value"].as_array().unwrap() {
            let name = child["name"].as_str().unwrap().to_owned();
            all.insert(id(child).into(), (folder.clone(), name));
            if child["folder"].is_object() {
                open.push(id(child).into());
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whoever_follows_the_feed_knows_the_drive(rounds in steps()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let cloud = GraphServer::new().await;
            let drive = cloud.drive();
            let mut known = Known::new();
            let mut removed = None;
            let (items, mut link) = follow(&drive, "/me/drive/root/delta?$top=3").await;
            note(&mut known, &items);
            for round in rounds {
                for one in &round {
                    step(&drive, &known, one, &mut removed).await;
                }
                let (items, next) = follow(&drive, &link).await;
                link = next;
                note(&mut known, &items);
                assert_eq!(known, listed(&drive).await, "after {round:?}");
            }
            let (items, _) = follow(&drive, "/me/drive/root/delta?$top=3").await;
            let mut fresh = Known::new();
            note(&mut fresh, &items);
            assert_eq!(fresh, known, "told from the start");
        });
    }
}

#[tokio::test]
async fn a_time_is_a_token_of_business_drives() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("old", "x").await;
    let deleted = drive.put("deleted", "x").await;
    let time = jiff::Timestamp::now();
    drive.put("d/new", "x").await;
    drive.request("DELETE", "/me/drive/root:/deleted").ok().await;
    let path = format!("/me/drive/root/delta?token={time}");
    let page = drive.get(&path).await;
    let entries = page["value"].as_array().unwrap();
    let names: Vec<_> = entries.iter().filter_map(|item| item["name"].as_str()).collect();
    assert!(names.contains(&"new") && names.contains(&"d"), "{names:?}");
    assert!(!names.contains(&"old"), "{names:?}");
    let gone: Vec<_> = entries.iter().filter(|item| item.get("deleted").is_some()).collect();
    assert_eq!((gone.len(), &gone[0]["id"]), (1, &deleted["id"]));
    let link = page["@odata.deltaLink"].as_str().expect("a link");
    assert_eq!(drive.get(link).await["value"], serde_json::json!([]));
    let later = "/me/drive/root/delta?token=2099-09-29T12%3A00%3A00%2B8%3A00";
    assert_eq!(drive.get(later).await["value"], serde_json::json!([]));
    let personal = cloud.of(AccountKind::Personal);
    personal.request("GET", &path).refused(410, "resyncRequired").await;
}

#[tokio::test]
async fn a_feed_may_lag() {
    let lag = std::time::Duration::from_secs(3600);
    let behavior = drivedal_server::CloudBehavior::default().feed_lag(lag);
    let cloud = GraphServer::with(|builder| builder.behavior(behavior)).await;
    let drive = cloud.drive();
    let before = drive.get("/me/drive/root/delta?token=latest").await;
    drive.put("d/f", "x").await;
    let link = before["@odata.deltaLink"].as_str().expect("a link");
    let page = drive.get(link).await;
    assert_eq!(page["value"], serde_json::json!([]));
    assert!(page["@odata.deltaLink"].is_string());
    let enumerated = drive.get("/me/drive/root/delta").await;
    assert_eq!(enumerated["value"].as_array().unwrap().len(), 1, "the root");
}
