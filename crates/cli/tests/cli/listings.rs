//! Listings that fail in part: they must not look like complete ones.

use drivedal_server::{Fault, FixtureItem};
use serde_json::json;

use crate::{
    rig::{Cloud, Rig},
    shell::tree,
};

const CLOUDS: [Cloud; 3] = [Cloud::SkyDrive, Cloud::OneDrive, Cloud::Amazon];

/// The operation that lists a folder.
fn listing(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::SkyDrive => "live.files.list",
        Cloud::OneDrive => "graph.children.list",
        Cloud::Amazon => "amazon.child.list",
    }
}

async fn planted(cloud: Cloud, paths: &[&str]) -> Rig {
    let rig = Rig::new(cloud).await;
    let plants = paths.iter().map(|path| match path.strip_suffix('/') {
        Some(folder) => FixtureItem::folder(folder),
        None => FixtureItem::file(*path, path),
    });
    rig.server.control().add_fixtures(plants).await.expect("planted");
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drive_that_does_not_exist_is_an_error_that_names_it() {
    let rig = planted(Cloud::OneDrive, &["a/x"]).await;
    let host = rig.server.address().expect("a port").to_string().replace(':', "%3A");
    for (option, name) in [
        ("drive_id=nowhere".to_owned(), "nowhere"),
        (format!("site={host}%2Fsites%2Fnowhere"), "nowhere"),
        ("library=Nowhere".to_owned(), "Nowhere"),
    ] {
        let rig =
            Rig { uri: format!("{}&{option}", rig.uri), ..planted(Cloud::OneDrive, &[]).await };
        for arguments in [
            vec!["ls", "it:"],
            vec!["ls", "it:a"],
            vec!["ls", "-R", "it:"],
            vec!["tree", "it:"],
            vec!["tree", "it:a"],
            vec!["stat", "it:a"],
            vec!["rm", "-rf", "it:a"],
            vec!["get", "-r", "it:a", "OUT"],
        ] {
            let ran = rig.run(&arguments).await;
            assert_ne!(ran.code, 0, "{option} {arguments:?}: {ran:?}");
            assert_ne!(ran.code, 3, "{option} {arguments:?}: {ran:?}");
            assert!(ran.err.contains(name), "{option} {arguments:?}: {ran:?}");
        }
        assert!(!rig.shell.path("OUT").exists(), "{option}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_listed_is_reported_and_the_others_are_done() {
    for cloud in CLOUDS {
        for status in [404, 410, 403] {
            let rig = planted(cloud, &["top/a/x", "top/b/y", "top/c/d/z", "top/f"]).await;
            let control = rig.server.control();
            assert_eq!(rig.run(&["ls", "-R", "it:top"]).await.code, 0);
            // Folders below `top` are listed last. Each of them has one file.
            let requests = control.requests();
            let is_listing = |operation: &str| operation == listing(cloud);
            let last = requests.iter().rfind(|request| is_listing(&request.operation));
            let path = last.expect("a listing").path.split('?').next().expect("a path").to_owned();
            for arguments in
                [&["get", "-r", "it:top", "OUT"][..], &["ls", "-R", "it:top"], &["tree", "it:top"]]
            {
                control.clear_faults();
                let fault = Fault::on(listing(cloud)).path(&*path).status(status);
                control.add_faults([fault]).expect("a rule");
                let ran = rig.run(arguments).await;
                assert_eq!(ran.code, 6, "{cloud:?} {status} {arguments:?}: {ran:?}");
                assert!(
                    ran.err.contains("cannot list"),
                    "{cloud:?} {status} {arguments:?}: {ran:?}"
                );
                assert!(ran.err.contains("\"top/"), "{cloud:?} {status} {arguments:?}: {ran:?}");
                if arguments[0] != "get" {
                    let shown = ["x", "y", "z", "f"]
                        .iter()
                        .filter(|name| ran.out.lines().any(|line| line.ends_with(*name)));
                    assert!(shown.count() == 3, "{cloud:?} {arguments:?}: {ran:?}");
                }
            }
            let files = tree(&rig.shell.path("OUT"));
            let files = files.iter().filter(|(_, bytes)| bytes.is_some()).count();
            assert_eq!(files, 3, "{cloud:?} {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_found_once_is_listed_again() {
    for cloud in CLOUDS {
        let rig = planted(cloud, &["top/a/x", "top/b/y"]).await;
        // SkyDrive lists the root and the parent folder first.
        let skip = if cloud == Cloud::SkyDrive { 3 } else { 2 };
        let fault = Fault::on(listing(cloud)).skip(skip).times(1).status(404);
        rig.server.control().add_faults([fault]).expect("a rule");
        let ran = rig.run(&["get", "-r", "it:top", "OUT"]).await;
        assert_eq!(ran.code, 0, "{cloud:?}: {ran:?}");
        let requests = rig.server.control().requests();
        assert_eq!(requests.iter().filter(|request| request.fault.is_some()).count(), 1);
        let files = tree(&rig.shell.path("OUT"));
        assert_eq!(files.iter().filter(|(_, bytes)| bytes.is_some()).count(), 2, "{cloud:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_listed_at_all_is_no_empty_folder() {
    for cloud in CLOUDS {
        let rig = planted(cloud, &["top/a/x"]).await;
        for arguments in [
            &["ls", "it:top"][..],
            &["ls", "-R", "it:top"],
            &["tree", "it:top"],
            &["get", "-r", "it:top", "OUT"],
            &["ls", "it:"],
            &["tree", "it:"],
        ] {
            for status in [404, 410] {
                let control = rig.server.control();
                control.clear_faults();
                let skip =
                    if cloud == Cloud::SkyDrive && arguments.contains(&"it:top") { 1 } else { 0 };
                let rules =
                    [listing(cloud), "graph.delta.list", "amazon.node.list"].map(|operation| {
                        Fault::on(operation)
                            .skip(if operation == "amazon.node.list" { 1 } else { skip })
                            .status(status)
                    });
                control.add_faults(rules).expect("rules");
                let ran = rig.run(arguments).await;
                assert!(
                    ran.code != 0 && ran.code != 3,
                    "{cloud:?} {status} {arguments:?}: {ran:?}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_not_taken_for_a_folder() {
    for cloud in CLOUDS {
        let rig = planted(cloud, &["dir/file.txt", "dir/empty/"]).await;
        let got = rig.run(&["get", "-r", "it:dir/file.txt", "OUT"]).await;
        assert_eq!(got.code, 0, "{cloud:?}: {got:?}");
        assert_eq!(rig.shell.read("OUT"), b"dir/file.txt", "{cloud:?}");
        for arguments in [&["ls", "it:dir/file.txt"][..], &["ls", "-R", "it:dir/file.txt"]] {
            let ran = rig.run(arguments).await;
            assert_eq!(
                (ran.code, &*ran.out),
                (0, "file.txt\n"),
                "{cloud:?} {arguments:?}: {ran:?}"
            );
        }
        rig.run(&["tree", "it:dir/file.txt"]).await.fails(1, "is not a folder");
        let empty = rig.run(&["ls", "-R", "it:dir/empty"]).await;
        assert_eq!((empty.code, &*empty.out), (0, ""), "{cloud:?}: {empty:?}");
        rig.run(&["ls", "it:dir/missing"]).await.fails(3, "not found");
        let ran = rig.run(&["tree", "it:missing/below"]).await;
        let is_named =
            ["not found", "cannot find \"missing\""].iter().any(|it| ran.err.contains(it));
        assert!(ran.code == 3 && is_named, "{cloud:?}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_enumeration_of_the_drive_continues_folder_by_folder() {
    let rig = Rig::new(Cloud::OneDrive).await;
    let plants = (0..1500).map(|n| FixtureItem::file(format!("d{}/f{n}", n % 3), "x"));
    rig.server.control().add_fixtures(plants).await.expect("planted");
    for times in [1, 100] {
        let gone = Fault::on("graph.delta.list").skip(1).times(times).status(404);
        rig.server.control().clear_faults();
        rig.server.control().add_faults([gone]).expect("a rule");
        let ran = rig.run(&["ls", "-R", "it:"]).await;
        assert_eq!((ran.code, ran.out.lines().count()), (0, 1503), "{}", ran.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_no_path_can_have_is_reported_and_the_others_are_shown() {
    let item = |id: &str, name: &str| json!({"id": id, "name": name, "size": 1, "file": {}});
    let page = json!({"value": [
        item("1", ".."), item("2", "."), item("3", "a/b"), item("4", "nul\0"), item("5", "good"),
        item("6", "twice"), item("7", "twice"), item("8", ""),
        {"id": "9", "name": "..", "folder": {"childCount": 1}},
    ]});
    let rig = planted(Cloud::OneDrive, &["top/x"]).await;
    let hostile = Fault::on("graph.children.list").status(200).body(page.to_string());
    rig.server.control().add_faults([hostile]).expect("a rule");
    for arguments in [["ls", "it:top"], ["tree", "it:top"]] {
        let ran = rig.run(&arguments).await;
        assert_eq!(ran.code, 6, "{ran:?}");
        assert!(ran.out.contains("good") && ran.out.contains("twice"), "{ran:?}");
        assert_eq!(ran.err.matches("left out: ").count(), 7, "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_items_of_one_name_are_reported() {
    let rig = planted(Cloud::SkyDrive, &["top/x"]).await;
    let file = |n: u32, time: &str| {
        json!({"id": format!("file.c.C!{n}"), "name": "twice", "type": "file", "size": 1,
            "updated_time": time})
    };
    let page = json!({"data": [
        file(1, "2014-01-01T00:00:00+0000"), file(2, "2014-01-02T00:00:00+0000"),
    ]});
    let twins = Fault::on("live.files.list").skip(1).status(200).body(page.to_string());
    rig.server.control().add_faults([twins]).expect("a rule");
    let ran = rig.run(&["ls", "it:top"]).await;
    assert_eq!((ran.code, &*ran.out), (6, "twice\n"), "{ran:?}");
    assert!(ran.err.contains("file.c.C!1") && ran.err.contains("left out"), "{ran:?}");
}

/// The names that [`with_twins`] gives to the items of `top`.
const TWINS: [(&str, &str); 5] = [
    ("top/1", "twice"),
    ("top/2", "twice"),
    ("top/3", "TWICE"),
    ("top/4/", "album"),
    ("top/5/", "album"),
];

/// A rig whose next listing of `top` shows items that share their names ([`TWINS`]) beside a folder
/// `sub`. Returns it with the ids of the former, in that order.
async fn with_twins(cloud: Cloud) -> (Rig, Vec<String>) {
    let rig = planted(cloud, &["top/1", "top/2", "top/3", "top/4/x", "top/5/x", "top/sub/x"]).await;
    let (mut items, mut ids) = (Vec::new(), Vec::new());
    for (path, name) in TWINS.into_iter().chain([("top/sub/", "sub")]) {
        let at = format!("it:{}", path.trim_end_matches('/'));
        let id = rig.run(&["stat", "--json", &at]).await.json().remove(0)["id"].clone();
        ids.push(id.as_str().expect("an id").to_owned());
        items.push(match (cloud, path.ends_with('/')) {
            (Cloud::OneDrive, true) => json!({"id": id, "name": name, "folder": {"childCount": 1}}),
            (Cloud::OneDrive, false) => json!({"id": id, "name": name, "size": 5, "file": {}}),
            (_, true) => json!({"id": id, "name": name, "type": "folder", "count": 1}),
            (_, false) => json!({"id": id, "name": name, "type": "file", "size": 5}),
        });
    }
    ids.pop();
    let page = match cloud {
        Cloud::OneDrive => json!({ "value": items }),
        _ => json!({ "data": items }),
    };
    // SkyDrive lists the root first.
    let skip = if cloud == Cloud::SkyDrive { 1 } else { 0 };
    let twins = Fault::on(listing(cloud)).skip(skip).times(1).status(200).body(page.to_string());
    rig.server.control().add_faults([twins]).expect("a rule");
    (rig, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_items_that_share_a_name_none_is_fetched_and_each_is_named() {
    for cloud in [Cloud::SkyDrive, Cloud::OneDrive] {
        let (rig, ids) = with_twins(cloud).await;
        let ran = rig.run(&["get", "-r", "it:top", "OUT"]).await;
        assert_eq!(ran.code, 6, "{cloud:?}: {ran:?}");
        for ((_, name), id) in TWINS.iter().zip(&ids) {
            let line = format!("it:top/{name} (id {id}): ");
            assert_eq!(ran.err.matches(&line).count(), 1, "{line}: {ran:?}");
        }
        assert!(ran.err.contains("5 failed"), "{cloud:?}: {ran:?}");
        let got = tree(&rig.shell.path("OUT"));
        let x = ("sub/x".to_owned(), Some(b"top/sub/x".to_vec()));
        assert_eq!(got, [("sub".to_owned(), None), x], "{cloud:?}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_of_a_listing_drops_an_item_that_shares_its_name_in_silence() {
    // Output in the form of the old client, which prints a SkyDrive's objects.
    for arguments in [
        &["tree", "-o", "yaml", "it:top"][..],
        &["tree", "-o", "yaml", "--objects", "it:top"],
        &["ls", "-o", "yaml", "it:top"],
        &["ls", "-o", "yaml", "--objects", "it:top"],
    ] {
        let (rig, ids) = with_twins(Cloud::SkyDrive).await;
        let ran = rig.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        let read: serde_json::Value =
            serde_yaml_ng::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        if arguments[0] == "ls" {
            assert_eq!(read.as_array().map(Vec::len), Some(6), "{arguments:?}: {ran:?}");
            continue;
        }
        let shown = read["top"].as_object().expect("a folder");
        assert_eq!(shown.len(), 6, "{arguments:?}: {ran:?}");
        for ((path, name), id) in TWINS.iter().zip(&ids) {
            // A name in another case is another key.
            let key = if *name == "TWICE" { (*name).to_owned() } else { format!("{name} ({id})") };
            let item = &shown[&key];
            assert_eq!(item.get("x").is_some(), path.ends_with('/'), "{key}: {ran:?}");
        }
    }
    // A path can lead to only one of them. The others are reported.
    for cloud in [Cloud::SkyDrive, Cloud::OneDrive] {
        for arguments in [
            &["tree", "-o", "json", "it:top"][..],
            &["ls", "-o", "json", "it:top"],
            &["tree", "it:top"],
        ] {
            let (rig, ids) = with_twins(cloud).await;
            let ran = rig.run(arguments).await;
            assert_eq!(ran.code, 6, "{cloud:?} {arguments:?}: {ran:?}");
            assert_eq!(ran.err.matches("left out: ").count(), 3, "{arguments:?}: {ran:?}");
            for id in &ids {
                assert!(ran.err.contains(id), "{cloud:?} {arguments:?}: {ran:?}");
            }
        }
    }
}
