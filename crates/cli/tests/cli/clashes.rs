//! Two sources with one target name: neither is transferred, both are reported, and other items are
//! transferred.

use std::fs;

use drivedal_server::FixtureItem;

use crate::{
    rig::{
        Cloud::{Amazon, OneDrive, SkyDrive},
        Rig,
    },
    shell::{Ran, Shell},
};

/// Lists the names of everything below a remote folder.
fn listed(shell: &Shell, uri: &str, folder: &str) -> Vec<String> {
    let names = shell.out(&["--remote", uri, "ls", "-R", folder]);
    names.lines().map(str::to_owned).collect()
}

fn counts(ran: &Ran, files: u64, failed: u64) {
    let summary = &ran.json().pop().expect("a summary")["summary"];
    assert_eq!(summary["files"], files, "{ran:?}");
    assert_eq!(summary["failed"], failed, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_equal_on_the_drive_are_detected_before_the_upload() {
    for cloud in [OneDrive, SkyDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        let twins = [
            "README",
            "readme",
            "Docs/a.txt",
            "docs/b.txt",
            "U\u{308}ber.txt",
            "Über.txt",
            "sub/x",
            "sub/X",
        ];
        for name in twins.into_iter().chain(["rest.txt", "sub/y"]) {
            rig.shell.write(&format!("src/{name}"), name);
        }
        let ran = rig.run(&["--json", "put", "-r", "src", "it:dir"]).await;
        assert_eq!(ran.code, 6, "{cloud:?}: {ran:?}");
        counts(&ran, 2, 8);
        assert_eq!(
            listed(&rig.shell, &rig.uri, "it:dir"),
            ["rest.txt", "sub/", "sub/y"],
            "{cloud:?}: {ran:?}"
        );
        for (one, other, folder) in [
            ("README", "readme", "it:dir"),
            ("Docs", "docs", "it:dir"),
            ("U\u{308}ber.txt", "Über.txt", "it:dir"),
            ("sub/x", "sub/X", "it:dir/sub"),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                let said = format!("src/{one}: src/{other} would have the same name in {folder}");
                assert!(ran.err.contains(&said), "{said:?} is not in {ran:?}");
            }
        }
        let first = ran.json().remove(0);
        assert!(first.get("error").is_some(), "the clashes come first: {first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_sharepoint_takes_for_two_are_one_name_where_the_account_may_be_there() {
    let rig = Rig::new(OneDrive).await;
    for name in ["Mærsk.txt", "Maersk.txt", "rest"] {
        rig.shell.write(&format!("src/{name}"), name);
    }
    let ran = rig.run(&["put", "-r", "src", "it:unknown"]).await;
    ran.fails(6, "src/Mærsk.txt: src/Maersk.txt would have the same name");
    let personal = format!("{}&account_kind=personal", rig.uri);
    let mut command =
        rig.shell.command(&["--remote", &personal, "put", "-r", "src", "it:personal"]);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    let ran = Ran::new(ran.expect("the binary runs"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let names = listed(&rig.shell, &rig.uri, "it:personal");
    assert_eq!(names, ["Maersk.txt", "Mærsk.txt", "rest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_of_one_name_are_not_sent_over_each_other() {
    for cloud in [OneDrive, SkyDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        for name in ["da/x", "db/X", "dc/y", "da/d/1", "db/d/2"] {
            rig.shell.write(name, name);
        }
        let ran = rig.run(&["--json", "put", "da/x", "db/X", "dc/y", "it:dir/"]).await;
        ran.fails(6, "da/x: db/X would have the same name in it:dir");
        ran.fails(6, "db/X: da/x would have the same name in it:dir");
        counts(&ran, 1, 2);
        assert_eq!(listed(&rig.shell, &rig.uri, "it:dir"), ["y"], "{cloud:?}");

        let ran = rig.run(&["put", "-r", "da/d", "db/d", "dc/y", "it:folders/"]).await;
        ran.fails(6, "da/d: db/d would have the same name in it:folders (the folder was left out");
        assert_eq!(listed(&rig.shell, &rig.uri, "it:folders"), ["y"], "{cloud:?}");

        // The contents of a source without a name are siblings of the other sources.
        let mut command = rig.command(&["put", "-r", ".", "../db/X", "it:here/"]);
        command.current_dir(rig.shell.path("da"));
        let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
        Ran::new(ran.expect("it runs")).fails(6, "../db/X: ./x would have the same");
        assert_eq!(listed(&rig.shell, &rig.uri, "it:here"), ["d/", "d/1"], "{cloud:?}");

        // A file that is named twice is one file.
        let ran = rig.run(&["put", "dc/y", "dc/y", "it:twice/"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

#[test]
fn name_rules_differ_between_an_embedded_drive_and_memory() {
    let shell = Shell::new();
    for name in ["README", "readme", "rest"] {
        shell.write(&format!("src/{name}"), name);
    }
    for drive in ["local-onedrive", "local-skydrive", "local-amazon"] {
        let target = format!("{drive}:{drive}");
        shell.run(&["put", "-r", "src", &target]).fails(6, "cannot put src/README");
        assert_eq!(shell.out(&["ls", &target]), "rest\n");
    }
    let ran = shell.run(&["--remote", "mem=memory://", "put", "-r", "src", "mem:x"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // Most file systems of Linux allow all of these names.
    #[cfg(target_os = "linux")]
    assert_eq!(shell.run(&["put", "-r", "src", "disk:x"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_the_way_of_a_file_or_a_file_in_the_way_of_a_folder_stays() {
    for cloud in [OneDrive, SkyDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        let control = rig.server.control();
        for plant in
            [FixtureItem::file("x/Name", b"old"), FixtureItem::file("x/Dir/inside", b"old")]
        {
            control.add_fixtures([plant]).await.expect("planted");
        }
        rig.shell.write("src/name/new", "new");
        rig.shell.write("src/dir", "new");
        rig.shell.write("src/rest", "new");
        let ran = rig.run(&["--json", "put", "-r", "src", "it:x"]).await;
        assert_eq!(ran.code, 6, "{cloud:?}: {ran:?}");
        counts(&ran, 1, 2);
        assert_eq!(
            listed(&rig.shell, &rig.uri, "it:x"),
            ["Dir/", "Dir/inside", "Name", "rest"],
            "{cloud:?}: {ran:?}"
        );
        let old = rig.run(&["cat", "it:x/Name", "it:x/Dir/inside"]).await;
        assert_eq!(old.out, "oldold", "{cloud:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_case_is_kept_where_nothing_is_to_be_replaced() {
    for cloud in [OneDrive, SkyDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        rig.server
            .control()
            .add_fixtures([FixtureItem::file("x/README", b"old")])
            .await
            .expect("planted");
        rig.shell.write("src/readme", "new");
        rig.shell.write("src/rest", "new");
        let ran = rig.run(&["--json", "put", "-r", "-n", "src", "it:x"]).await;
        assert_eq!(ran.code, 0, "{cloud:?}: {ran:?}");
        let summary = &ran.json().pop().expect("a summary")["summary"];
        assert_eq!((&summary["kept"], &summary["files"]), (&1.into(), &1.into()), "{ran:?}");
        assert_eq!(rig.run(&["cat", "it:x/README"]).await.out, "old");
    }
}

#[test]
fn items_of_several_remotes_are_not_fetched_over_each_other() {
    let shell = Shell::new();
    for name in ["a/x", "b/x", "b/y", "a/d/1", "b/d/2"] {
        shell.write(&format!("disk/{name}"), name);
    }
    let ran = shell.run(&["--json", "get", "disk:a/x", "disk:b/x", "disk:b/y", "out/"]);
    ran.fails(6, "disk:a/x: disk:b/x would have the same name in out");
    counts(&ran, 1, 2);
    assert_eq!(crate::shell::tree(&shell.path("out")).len(), 1);

    let ran = shell.run(&["get", "-r", "disk:a/d", "disk:b/d", "disk:b/y", "folders/"]);
    ran.fails(6, "disk:b/d: disk:a/d would have the same name in folders");
    assert_eq!(crate::shell::tree(&shell.path("folders")).len(), 1);

    // An existing folder works like a target with a slash.
    fs::create_dir(shell.path("there")).expect("made");
    shell.out(&["get", "-r", "disk:a/d", "disk:b", "there"]);
    let names: Vec<_> =
        crate::shell::tree(&shell.path("there")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b", "b/d", "b/d/2", "b/x", "b/y", "d", "d/1"]);
}
