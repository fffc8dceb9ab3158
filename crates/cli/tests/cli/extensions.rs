//! The commands for the optional features of drives: `find`, `search`, `du`, `hash`, `info`, `link`,
//! `share`, `versions`, `trash`, `thumb` and `usage`.

use std::fs;

use drivedal_server::{AccountKind, Fault, FixtureItem, Server};
use serde_json::{Value, json};

use crate::{
    rig::{Cloud, Rig},
    shell::{Ran, Shell},
};

/// The clouds, each with the kind of account that its remote has.
const CLOUDS: [Cloud; 3] = [Cloud::OneDrive, Cloud::SkyDrive, Cloud::Amazon];

/// Returns a drive with these files.
pub async fn drive_with(cloud: Cloud, files: &[(&str, &str)]) -> Rig {
    let rig = Rig::new(cloud).await;
    let fixtures = files.iter().map(|(path, content)| FixtureItem::file(*path, *content));
    rig.server.control().add_fixtures(fixtures).await.expect("fixtures");
    rig
}

/// Returns a business OneDrive on a server with the users ann@example.com and bob@example.com, if the
/// kind of account is known to the remote.
async fn business() -> Rig {
    let builder = Server::builder().ephemeral().kind(AccountKind::Business);
    let server = builder.start().await.expect("a server");
    let uri = format!("{}&account_kind=business", Cloud::OneDrive.uri(&server));
    Rig { server, shell: Shell::new(), uri }
}

async fn out(rig: &Rig, arguments: &[&str]) -> String {
    let ran = rig.run(arguments).await;
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    ran.out
}

async fn json_of(rig: &Rig, arguments: &[&str]) -> Vec<Value> {
    let mut all = vec!["--json"];
    all.extend(arguments);
    let ran: Ran = rig.run(&all).await;
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    ran.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn find_combines_conditions_on_every_drive() {
    let files = [("a/one.JPG", "12345"), ("a/b/two.jpg", "1"), ("c/three.txt", "123")];
    for cloud in CLOUDS {
        let rig = drive_with(cloud, &files).await;
        assert_eq!(out(&rig, &["find", "it:", "--name", "*.jpg"]).await, "a/b/two.jpg\n");
        let both = out(&rig, &["find", "it:", "--name", "*.jpg", "--ignore-case"]).await;
        assert_eq!(both, "a/b/two.jpg\na/one.JPG\n", "{cloud:?}");
        let large = out(&rig, &["find", "it:", "--min-size", "2", "--max-size", "4"]).await;
        assert_eq!(large, "c/three.txt\n");
        assert_eq!(out(&rig, &["find", "it:a", "--type", "folder"]).await, "a/b/\n");
        assert_eq!(out(&rig, &["find", "it:", "--type", "file", "--min-age", "1h"]).await, "");
        let young = out(&rig, &["find", "it:c", "--max-age", "1h"]).await;
        assert_eq!(young, "c/three.txt\n");
        rig.run(&["find", "it:", "--name", "["]).await.fails(2, "the pattern \"[\" is invalid");
        rig.run(&["find", "it:nowhere"]).await.fails(3, "cannot search it:nowhere: not found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn du_adds_up_folders() {
    let files = [("a/1", "12345"), ("a/b/2", "123"), ("c/3", "1")];
    for cloud in CLOUDS {
        let rig = drive_with(cloud, &files).await;
        let sizes = json_of(&rig, &["du", "it:"]).await;
        let size = |path: &str| sizes.iter().find(|size| size["path"] == path).expect("a folder");
        assert_eq!(size("")["bytes"], 9, "{cloud:?}: {sizes:?}");
        assert_eq!((&size("a")["bytes"], &size("a")["files"]), (&json!(8), &json!(2)));
        assert_eq!((&size("a/b")["bytes"], &size("a")["folders"]), (&json!(3), &json!(1)));
        let total = json_of(&rig, &["du", "-s", "it:a"]).await;
        assert_eq!(total.len(), 1, "{total:?}");
        assert_eq!((&total[0]["path"], &total[0]["bytes"]), (&json!("a"), &json!(8)));
        assert_eq!(json_of(&rig, &["du", "-d", "1", "it:"]).await.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn du_prints_no_total_of_an_incomplete_listing() {
    let rig = drive_with(Cloud::SkyDrive, &[("a/1", "12345"), ("b/1", "1")]).await;
    let busy = Fault::on("live.files.list").skip(1).times(1).status(503);
    rig.server.control().add_faults([busy]).expect("a rule");
    let ran = rig.run(&["--retries=0", "du", "it:"]).await;
    ran.fails(7, "the listing is incomplete").fails(7, "503");
    assert_eq!(ran.out, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn hash_prints_the_listed_hash_or_computes_one() {
    let md5 = "900150983cd24fb0d6963f7d28e17f72";
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for cloud in CLOUDS {
        let rig = drive_with(cloud, &[("d/a", "abc"), ("d/e/b", "abc")]).await;
        let computed = out(&rig, &["hash", "--download", "it:d"]).await;
        assert_eq!(computed, format!("{sha256}  a\n{sha256}  e/b\n"), "{cloud:?}");
        let md5_line = format!("{md5}  a\n");
        assert_eq!(out(&rig, &["hash", "--download", "--hash", "md5", "it:d/a"]).await, md5_line);
        rig.server.control().reset_counters();
        let listed = rig.run(&["hash", "it:d/a"]).await;
        match cloud {
            Cloud::Amazon => assert_eq!(listed.out, md5_line),
            Cloud::OneDrive => {
                assert!(listed.out.ends_with("  a\n") && listed.out.len() == 44, "{listed:?}");
                let mut hash = drivedal::services::onedrive::QuickXor::new();
                hash.update(b"abc");
                let base64 = out(&rig, &["hash", "--base64", "it:d/a"]).await;
                assert_eq!(base64, format!("{}  a\n", hash.to_base64()));
            }
            Cloud::SkyDrive => {
                listed.fails(8, "cannot hash it:d/a: the drive lists no hash of it");
            }
        }
        let contents = rig.server.control().counters();
        let read = ["graph.content.get", "amazon.content.get", "live.content.get"];
        assert_eq!(read.iter().map(|name| contents.count(name)).sum::<u64>(), 0, "{contents:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_items_with_their_paths() {
    for cloud in CLOUDS {
        let rig = drive_with(cloud, &[("a/b/budget.txt", "1"), ("a/other", "1")]).await;
        assert_eq!(out(&rig, &["search", "it:", "budget"]).await, "a/b/budget.txt\n", "{cloud:?}");
        let found = json_of(&rig, &["search", "it:", "budget"]).await;
        assert_eq!(found[0]["path"], "a/b/budget.txt");
        assert!(found[0]["id"].is_string(), "{found:?}");
        assert_eq!(out(&rig, &["search", "it:", "nothing"]).await, "");
        assert_eq!(out(&rig, &["search", "--limit", "0", "it:", "budget"]).await, "");
        match cloud {
            Cloud::Amazon => {
                let ran = rig.run(&["search", "it:a", "budget"]).await;
                ran.fails(8, "it searches the whole drive");
            }
            _ => assert_eq!(out(&rig, &["search", "it:a", "budget"]).await, "a/b/budget.txt\n"),
        }
    }
    let rig = business().await;
    rig.shell.write("x", "1");
    out(&rig, &["put", "x", "it:a/budget"]).await;
    // Business drives do not return the parents of found items.
    assert_eq!(out(&rig, &["search", "it:", "budget"]).await, "a/budget\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn info_prints_the_object_of_the_cloud_or_the_drive() {
    for (cloud, member) in
        [(Cloud::OneDrive, "webUrl"), (Cloud::SkyDrive, "updated_time"), (Cloud::Amazon, "kind")]
    {
        let rig = drive_with(cloud, &[("a/b", "123")]).await;
        let item = json_of(&rig, &["info", "it:a/b"]).await.remove(0);
        assert!(item["name"] == "b" && item.get(member).is_some(), "{cloud:?}: {item}");
        let drive = json_of(&rig, &["info", "it:"]).await.remove(0);
        assert!(drive["account"]["id"].is_string(), "{drive}");
        assert!(drive["quota"]["total"].as_u64() > Some(0), "{drive}");
        assert!(drive["limits"]["max_file_size"].as_u64() > Some(0), "{drive}");
        let has_feed = cloud != Cloud::SkyDrive;
        assert_eq!(drive["capabilities"]["change_feed"], has_feed, "{drive}");
        let extensions = drive["extensions"].as_array().expect("a list");
        assert_eq!(extensions.contains(&json!("permissions")), cloud == Cloud::OneDrive);
        rig.run(&["info", "it:nothing"]).await.fails(3, "cannot read it:nothing: not found");
    }
    let shell = Shell::new();
    shell.write("disk/a", "1");
    let item = shell.run(&["--json", "info", "disk:a"]).json().remove(0);
    assert_eq!((&item["name"], &item["size"]), (&json!("a"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_prints_the_figures_of_the_cloud() {
    for cloud in CLOUDS {
        let rig = drive_with(cloud, &[("a", "12345")]).await;
        let usage = json_of(&rig, &["usage", "it:"]).await.remove(0);
        assert_eq!(usage["used"], 5, "{cloud:?}: {usage}");
        assert_eq!(usage["total"], 5 + usage["available"].as_u64().expect("a number"));
        assert_eq!(usage.get("categories").is_some(), cloud == Cloud::Amazon);
        let text = out(&rig, &["usage", "-h", "it:"]).await;
        assert!(text.contains("used: 5 B\n") && text.contains("percent: 0"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_created_listed_and_removed() {
    let rig = drive_with(Cloud::OneDrive, &[("a/b", "123")]).await;
    let url = out(&rig, &["link", "it:a/b"]).await;
    assert!(url.starts_with("http"), "{url}");
    assert_eq!(out(&rig, &["link", "it:a/b"]).await, url, "the same link again");
    let edit =
        json_of(&rig, &["link", "-t", "edit", "--scope", "anonymous", "--expires", "7d", "it:a/b"]);
    let edit = edit.await.remove(0);
    assert_eq!((&edit["type"], &edit["scope"]), (&json!("edit"), &json!("anonymous")));
    assert!(edit["expires"].is_string() && edit["has_password"] == false, "{edit}");
    let secret = rig.shell.write("password", "hunter2\n");
    let secret = secret.to_str().expect("a path");
    let guarded = ["link", "-t", "embed", "--password-file", secret, "it:a/b"];
    let guarded = json_of(&rig, &guarded).await.remove(0);
    assert!(guarded["has_password"] == true && guarded["embed_html"].is_string(), "{guarded}");

    let listed = json_of(&rig, &["share", "list", "it:a/b"]).await;
    let links: Vec<_> = listed.iter().filter(|one| one.get("link").is_some()).collect();
    assert_eq!(links.len(), 3, "{listed:?}");
    assert!(links.iter().any(|one| one["link"]["link"] == url.trim_end()), "{links:?}");
    for link in &links {
        out(&rig, &["share", "remove", "it:a/b", link["id"].as_str().expect("an id")]).await;
    }
    // The owner's permission stays. A permission that does not exist is no failure.
    let left = json_of(&rig, &["share", "list", "it:a/b"]).await;
    assert!(left.iter().all(|one| one.get("link").is_none()), "{left:?}");
    out(&rig, &["share", "remove", "it:a/b", "nothing"]).await;
    rig.run(&["share", "remove", "it:a/c", "nothing"]).await.fails(3, "it:a/c: not found");
    rig.run(&["link", "it:a/c"]).await.fails(3, "cannot create a link to it:a/c: not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_skydrive_have_fewer_properties_and_amazon_has_none() {
    let rig = drive_with(Cloud::SkyDrive, &[("a", "123")]).await;
    let url = out(&rig, &["link", "it:a"]).await;
    assert!(url.starts_with("http"), "{url}");
    assert_eq!(out(&rig, &["-o", "yaml", "link", "it:a"]).await, format!("link: {url}"));
    assert!(out(&rig, &["link", "-t", "embed", "it:a"]).await.starts_with("<iframe"));
    let expires = rig.run(&["link", "--expires", "7d", "it:a"]).await;
    expires.fails(8, "cannot create a link to it:a").fails(8, "links with an expiry");
    let scope = rig.run(&["link", "--scope", "organization", "it:a"]).await;
    scope.fails(8, "links that do not work for everyone");
    let listed = rig.run(&["share", "list", "it:a"]).await;
    listed.fails(8, "cannot list the permissions of it:a").fails(8, "permissions");

    let rig = drive_with(Cloud::Amazon, &[("a", "123")]).await;
    rig.run(&["link", "it:a"]).await.fails(8, "this drive does not support links");
    let shell = Shell::new();
    shell.write("disk/a", "1");
    shell.run(&["link", "disk:a"]).fails(8, "cannot create a link to disk:a: it is a fs remote");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sharing_url_is_opened_with_the_sign_in_of_a_remote() {
    let rig = drive_with(Cloud::OneDrive, &[("plans/2030/a", "123"), ("secret", "1")]).await;
    let url = out(&rig, &["link", "-t", "edit", "it:plans"]).await;
    let shared = format!("it:{}", url.trim_end());
    let mut bea = Rig { uri: rig.uri.replace("drivedal-dev", "drivedal-dev-bea"), ..rig };
    assert_eq!(out(&bea, &["ls", "-R", &shared]).await, "2030/\n2030/a\n");
    out(&bea, &["get", "-r", &shared, "copy"]).await;
    assert_eq!(bea.shell.read("copy/2030/a"), b"123");
    bea.shell.write("new", "new");
    out(&bea, &["put", "new", &shared]).await;
    let ran = bea.run(&["ls", "it:https://example.com/SECRET"]).await;
    assert!(ran.code != 0 && ran.err.starts_with("drivedal: cannot list it: "), "{ran:?}");
    assert!(!ran.err.contains("SECRET"), "{ran:?}");
    let uri = Cloud::SkyDrive.uri(&bea.server);
    bea.uri = uri;
    bea.run(&["ls", &shared]).await.fails(2, "only onedrive remotes open sharing URLs");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_is_shared_with_users() {
    let rig = business().await;
    rig.shell.write("x", "1");
    out(&rig, &["put", "x", "it:plans/x"]).await;
    let user = "ann@example.com";
    let granted = json_of(&rig, &["share", "add", "it:plans", user]).await.remove(0);
    assert_eq!(granted["access"], "read", "{granted}");
    let id = granted["id"].as_str().expect("an id");
    let updated = ["share", "update", "it:plans", id, "--access", "write"];
    assert_eq!(json_of(&rig, &updated).await[0]["access"], "write");
    let listed = json_of(&rig, &["share", "list", "it:plans"]).await;
    let permission = listed.iter().find(|one| one["id"] == id).expect("the permission");
    assert_eq!(permission["access"], "write");
    assert!(permission["users"].to_string().contains(user), "{permission}");
    let text = out(&rig, &["share", "list", "it:plans"]).await;
    assert!(text.contains("write") && text.contains(user), "{text}");
    // An item below it inherits the permission.
    let inherited = json_of(&rig, &["share", "list", "it:plans/x"]).await;
    assert!(inherited.iter().any(|one| one["id"] == id), "{inherited:?}");
    out(&rig, &["share", "remove", "it:plans", id]).await;
    let left = json_of(&rig, &["share", "list", "it:plans"]).await;
    assert!(left.iter().all(|one| one["id"] != id), "{left:?}");
    let update = rig.run(&["share", "update", "it:plans", "none", "--access", "read"]).await;
    update.fails(3, "cannot change a permission of it:plans");
    rig.run(&["share", "add", "it:plans"]).await.fails(2, "<ADDRESS>");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_read_restored_and_pruned() {
    let rig = business().await;
    for content in ["1", "22", "333"] {
        rig.shell.write("x", content);
        out(&rig, &["put", "x", "it:d/x"]).await;
    }
    let listed = json_of(&rig, &["versions", "list", "it:d/x"]).await;
    let sizes: Vec<_> = listed.iter().map(|version| &version["size"]).collect();
    assert_eq!(sizes, [&json!(3), &json!(2), &json!(1)], "{listed:?}");
    assert!(listed[0]["current"] == true && listed[1]["current"] == false);
    let oldest = listed[2]["id"].as_str().expect("an id");
    assert_eq!(out(&rig, &["versions", "get", "it:d/x", oldest]).await, "1");
    let current = listed[0]["id"].as_str().expect("an id");
    let file = rig.shell.path("old");
    let to = file.to_str().expect("a path");
    out(&rig, &["versions", "get", "it:d/x", current, "--file", to]).await;
    assert_eq!(fs::read_to_string(&file).expect("written"), "333");
    out(&rig, &["versions", "restore", "it:d/x", oldest]).await;
    assert_eq!(out(&rig, &["cat", "it:d/x"]).await, "1");
    assert_eq!(json_of(&rig, &["versions", "list", "it:d/x"]).await.len(), 4);

    let planned = ["versions", "prune", "-r", "--keep", "1", "--dry-run", "it:"];
    assert_eq!(json_of(&rig, &planned).await.len(), 2);
    assert_eq!(json_of(&rig, &["versions", "list", "it:d/x"]).await.len(), 4);
    let young = ["versions", "prune", "--older-than", "1d", "it:d/x"];
    assert_eq!(json_of(&rig, &young).await.len(), 0);
    let pruned = json_of(&rig, &["versions", "prune", "--keep", "1", "it:d/x"]).await;
    assert_eq!(pruned.len(), 2, "{pruned:?}");
    assert_eq!(pruned[0]["result"], "removed");
    assert_eq!(json_of(&rig, &["versions", "list", "it:d/x"]).await.len(), 2);
    assert_eq!(out(&rig, &["cat", "it:d/x"]).await, "1");
    rig.run(&["versions", "get", "it:d/x", "99.0"]).await.fails(3, "a version of it:d/x");
}

#[tokio::test(flavor = "multi_thread")]
async fn drives_without_versions_or_a_recycle_bin_say_so() {
    let rig = drive_with(Cloud::SkyDrive, &[("a", "123")]).await;
    let versions = rig.run(&["versions", "list", "it:a"]).await;
    versions.fails(8, "cannot list the versions of it:a").fails(8, "versions");
    rig.run(&["trash", "list", "it:"]).await.fails(8, "cannot list the recycle bin of it");
    rig.run(&["watch", "it:"]).await.fails(8, "cannot watch it: skydrive remotes have no change");
    let rig = drive_with(Cloud::OneDrive, &[("a", "123")]).await;
    rig.run(&["trash", "list", "it:"]).await.fails(8, "a list of the recycle bin");
    let prune = rig.run(&["versions", "prune", "it:a"]).await;
    assert_eq!(prune.code, 0, "a file without earlier versions: {prune:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_restored_from_the_trash_of_amazon_and_purged() {
    let builder = Server::builder().ephemeral().allow_purge(true);
    let server = builder.start().await.expect("a server");
    let uri = Cloud::Amazon.uri(&server);
    let rig = Rig { server, shell: Shell::new(), uri };
    let files = [("a/one", "1"), ("a/two", "2"), ("three", "3")];
    let fixtures = files.map(|(path, content)| FixtureItem::file(path, content));
    rig.server.control().add_fixtures(fixtures).await.expect("fixtures");
    out(&rig, &["rm", "it:a/one", "it:three"]).await;
    let listed = json_of(&rig, &["trash", "list", "it:"]).await;
    let find = |path: &str| listed.iter().find(|item| item["path"] == path).expect("deleted");
    assert_eq!((listed.len(), &find("a/one")["name"]), (2, &json!("one")));
    let id = find("a/one")["id"].as_str().expect("an id");
    out(&rig, &["trash", "restore", "it:", id]).await;
    assert_eq!(out(&rig, &["cat", "it:a/one"]).await, "1");
    let elsewhere = rig.run(&["trash", "restore", "--to", "x", "it:", id]).await;
    elsewhere.fails(8, "a restore to another place");
    let planned = out(&rig, &["trash", "empty", "--dry-run", "it:"]).await;
    assert!(planned.ends_with("  three\n"), "{planned}");
    let purged = json_of(&rig, &["trash", "empty", "it:"]).await;
    assert_eq!((purged.len(), &purged[0]["result"]), (1, &json!("removed")));
    assert_eq!(out(&rig, &["trash", "list", "it:"]).await, "");
    assert_eq!(out(&rig, &["ls", "-R", "it:"]).await, "a/\na/one\na/two\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_item_of_a_personal_onedrive_is_restored_by_its_id() {
    let rig = drive_with(Cloud::OneDrive, &[("a/one", "1")]).await;
    let id = json_of(&rig, &["stat", "it:a/one"]).await[0]["id"].clone();
    let id = id.as_str().expect("an id");
    out(&rig, &["rm", "it:a/one"]).await;
    out(&rig, &["trash", "restore", "it:", id]).await;
    assert_eq!(out(&rig, &["cat", "it:a/one"]).await, "1");
    out(&rig, &["rm", "it:a/one"]).await;
    out(&rig, &["trash", "restore", "--to", "a/two", "it:", id]).await;
    assert_eq!(out(&rig, &["ls", "-R", "it:"]).await, "a/\na/two\n");
    rig.run(&["trash", "restore", "it:", "nothing"]).await.fails(3, "cannot restore it:nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thumbnail_is_downloaded_from_every_cloud() {
    let mut picture = Vec::new();
    let image = image::RgbImage::from_fn(640, 320, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let encoder = image::codecs::png::PngEncoder::new(&mut picture);
    image.write_with_encoder(encoder).expect("encoded");
    for cloud in CLOUDS {
        let rig = Rig::new(cloud).await;
        let fixtures = [
            FixtureItem::file("a.png", picture.clone()),
            FixtureItem::file("b.txt", "not a picture"),
        ];
        rig.server.control().add_fixtures(fixtures).await.expect("fixtures");
        let file = rig.shell.path("small");
        let to = file.to_str().expect("a path");
        out(&rig, &["thumb", "--size", "176", "it:a.png", "--file", to]).await;
        let bytes = fs::read(&file).expect("written");
        let small = image::load_from_memory(&bytes).expect("a picture");
        assert_eq!((small.width(), small.height()), (176, 88), "{cloud:?}");
        let none = rig.run(&["thumb", "it:b.txt", "--file", to]).await;
        assert_ne!(none.code, 0, "{cloud:?}: {none:?}");
        assert!(none.err.contains("cannot download a thumbnail of it:b.txt"), "{none:?}");
        assert_eq!(fs::read(&file).expect("kept"), bytes, "a failure keeps the file");
        rig.run(&["thumb", "--size", "0", "it:a.png"]).await.fails(2, "0 is not in 1..");
    }
}
