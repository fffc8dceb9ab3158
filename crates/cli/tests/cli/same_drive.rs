//! Transfers between two remotes that lead to one drive or store.

use serde_json::json;

use crate::{
    rig::{Cloud, Rig},
    shell::Shell,
};

/// Returns the argument for a remote on the drive of a rig, with further options.
fn view(rig: &Rig, name: &str, options: &str) -> String {
    let (_, uri) = rig.uri.split_once('=').expect("a name and a URI");
    format!("{name}={uri}{options}")
}

/// Returns the files of the drive: all paths, sorted.
async fn files(rig: &Rig) -> Vec<String> {
    let ran = rig.run(&["find", "it:", "--type", "f", "--json"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let path = |document: serde_json::Value| document["path"].as_str().expect("a path").to_owned();
    let mut paths: Vec<_> = ran.json().into_iter().map(path).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn overlapping_views_of_one_drive_are_refused() {
    for cloud in [Cloud::OneDrive, Cloud::SkyDrive, Cloud::Amazon] {
        let rig = Rig::new(cloud).await;
        for path in ["a", "sub/b"] {
            rig.shell.write_old(&format!("src/{path}"), path);
        }
        let up = rig.run(&["copy", "src", "it:Documents"]).await;
        assert_eq!(up.code, 0, "{cloud:?} {up:?}");
        let before = files(&rig).await;
        let docs = view(&rig, "docs", "&root=%2FDocuments");
        for arguments in [
            ["move", "it:Documents", "docs:"],
            ["move", "docs:", "it:Documents"],
            ["sync", "docs:sub", "it:Documents"],
            ["sync", "it:", "docs:sub/new"],
            ["copy", "it:Documents/a", "docs:a"],
        ] {
            let ran = rig.run(&[&["--remote", &docs], &arguments[..]].concat()).await;
            ran.fails(2, "one is inside the other");
        }
        let ran = rig.run(&["--remote", &docs, "cp", "-f", "it:Documents/a", "docs:a"]).await;
        ran.fails(2, "one is inside the other");
        let check = rig.run(&["--remote", &docs, "check", "it:Documents", "docs:"]).await;
        assert_eq!(check.code, 0, "{cloud:?} {check:?}");
        assert_eq!(files(&rig).await, before, "{cloud:?}");
    }
}

#[tokio::test]
async fn a_special_folder_and_other_options_are_views_of_one_drive() {
    let rig = Rig::new(Cloud::OneDrive).await;
    rig.shell.write_old("src/sub/b", "b");
    let up = rig.run(&["copy", "src", "it:Documents"]).await;
    assert_eq!(up.code, 0, "{up:?}");
    let found = rig.run(&["--json", "stat", "it:Documents"]).await.json().pop().expect("an item");
    let (drive, _) = found["id"].as_str().expect("an id").split_once('!').expect("a drive's id");
    for options in [
        "&special=documents".to_owned(),
        "&special=documents&root=%2Fsub".to_owned(),
        format!("&root=%2Fdocuments&drive_id={drive}"),
    ] {
        let other = view(&rig, "other", &options);
        for arguments in [["sync", "other:", "it:Documents"], ["sync", "it:", "other:x/y"]] {
            let ran = rig.run(&[&["--remote", &other], &arguments[..]].concat()).await;
            ran.fails(2, "one is inside the other");
        }
    }
    let special = view(&rig, "special", "&special=documents");
    let copied = rig.run(&["--remote", &special, "copy", "special:", "it:copy"]).await;
    assert_eq!(copied.code, 0, "{copied:?}");
    assert_eq!(files(&rig).await, ["Documents/sub/b", "copy/sub/b"]);
}

#[tokio::test]
async fn the_drive_itself_copies_and_moves_between_views_of_one_account() {
    let rig = Rig::new(Cloud::OneDrive).await;
    rig.shell.write_old("src/a", "a");
    rig.shell.write_old("src/sub/b", "b");
    let up = rig.run(&["copy", "src", "it:Documents"]).await;
    assert_eq!(up.code, 0, "{up:?}");
    let docs = view(&rig, "docs", "&root=%2FDocuments");
    let new = view(&rig, "new", "&root=%2Fnew");
    for arguments in [["copy", "docs:", "it:copy"], ["move", "it:copy", "docs:below/x"]] {
        let arguments = [&["--remote", &docs, "--json"], &arguments[..]].concat();
        let ran = rig.run(&arguments).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let summary = &ran.json().pop().expect("a summary")["summary"];
        assert_eq!((&summary["bytes"], &summary["failed"]), (&json!(0), &json!(0)), "{summary}");
    }
    // No root is inside the other, so that no operator reaches both.
    let ran = rig.run(&["--remote", &docs, "--remote", &new, "move", "docs:below", "new:"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(files(&rig).await, ["Documents/a", "Documents/sub/b", "new/x/a", "new/x/sub/b"]);
}

#[test]
fn overlapping_views_of_a_bucket_or_web_server_are_refused() {
    // The refusal needs no request, so that no server is needed.
    let shell = Shell::new();
    let url = |path: &str| format!("http%3A%2F%2F127.0.0.1%3A9%2F{path}");
    let s3 = |root: &str, options: &str| {
        let endpoint = url("");
        format!("s3://bucket?endpoint={endpoint}&region=us-east-1&root={root}{options}")
    };
    let web = |path: &str, root: &str| format!("webdav://?endpoint={}&root={root}", url(path));
    let keys = "&access_key_id=a&secret_access_key=b";
    for (one, two) in [
        (s3("", ""), s3("a%2Fb", "")),
        (s3("a", ""), s3("a%2Fb", keys)),
        (web("dav%2Fdocs", "sub"), web("dav", "docs")),
        (web("dav", "docs"), web("dav", "")),
    ] {
        let (one, two) = (format!("one={one}"), format!("two={two}"));
        for (from, to) in [("one:", "two:"), ("two:", "one:")] {
            let ran = shell.run(&["--remote", &one, "--remote", &two, "move", from, to]);
            ran.fails(2, "one is inside the other");
        }
    }
}
