//! `put` and `get`.

use std::fs;

use serde_json::json;

use crate::shell::{Shell, tree};

/// Names that every service of these tests allows.
const ODD: [&str; 9] = [
    "plain.txt",
    "with space and #%&+'.txt",
    " leading space",
    "é-漢字-🦀",
    "UPPER/lower.TXT",
    "deep/er/and/deep.er/x",
    "empty file",
    "a:b=c,d;e",
    ".hidden/..two",
];

fn with_tree() -> Shell {
    let shell = Shell::new();
    for (number, name) in ODD.iter().enumerate() {
        shell
            .write(&format!("src/{name}"), vec![b'a'; if number == 6 { 0 } else { number * 1000 }]);
    }
    shell.write("src/large", (0..3_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    fs::create_dir_all(shell.path("src/empty/folder")).expect("made");
    shell
}

#[test]
fn a_tree_that_was_sent_and_fetched_is_the_same() {
    let shell = with_tree();
    shell.out(&["put", "-r", "src", "disk:a/copy"]);
    assert_eq!(tree(&shell.path("src")), tree(&shell.on_disk("a/copy")));
    shell.out(&["get", "-r", "disk:a/copy", "back"]);
    assert_eq!(tree(&shell.path("src")), tree(&shell.path("back")));
}

#[test]
fn without_a_slash_the_target_is_the_copy_and_with_one_its_folder() {
    let shell = Shell::new();
    shell.write("src/a", "1");
    for (target, at) in
        [("disk:one", "one/a"), ("disk:two/", "two/src/a"), ("disk:", "src/a"), ("disk:/", "src/a")]
    {
        shell.out(&["put", "-r", "src", target]);
        assert!(shell.on_disk(at).is_file(), "{target}");
    }
    // A second upload replaces the first one, instead of creating a folder below it.
    shell.out(&["put", "-r", "src", "disk:one"]);
    assert_eq!(shell.out(&["ls", "-R", "disk:one"]), "a\n");
    // The contents of a source without a name are uploaded into the target itself.
    let here =
        shell.command(&["put", "-r", ".", "disk:three/"]).current_dir(shell.path("src")).status();
    assert!(here.expect("the binary runs").success());
    assert!(shell.on_disk("three/a").is_file());

    for (arguments, at) in [
        (["disk:one", "x"].as_slice(), "x/a"),
        (&["disk:one", "y/"], "y/one/a"),
        (&["disk:one"], "one/a"),
        (&["disk:", "all"], "all/one/a"),
        (&["disk:", "all2/"], "all2/one/a"),
    ] {
        shell.out(&[["get", "-r"].as_slice(), arguments].concat());
        assert!(shell.path(at).is_file(), "{arguments:?}");
    }
}

#[test]
fn one_file_is_copied_to_a_name_or_into_a_folder() {
    let shell = Shell::new();
    shell.write("a.txt", "hello");
    for (target, at) in [
        ("disk:b.txt", "b.txt"),
        ("disk:d/e/", "d/e/a.txt"),
        ("disk:", "a.txt"),
        ("disk:d/c", "d/c"),
    ] {
        shell.out(&["put", "a.txt", target]);
        assert!(shell.on_disk(at).is_file(), "{target}");
    }
    fs::create_dir(shell.path("there")).expect("made");
    for (target, at) in [
        (Some("x"), "x"),
        (Some("new/y"), "new/y"),
        (Some("there"), "there/b.txt"),
        (Some("z/"), "z/b.txt"),
        (None, "b.txt"),
    ] {
        shell.out(&["get", "disk:b.txt"].into_iter().chain(target).collect::<Vec<_>>());
        assert_eq!(shell.read(at), b"hello", "{target:?}");
    }
    assert_eq!(shell.run(&["get", "-r", "disk:b.txt", "single"]).code, 0);
    assert_eq!(shell.read("single"), b"hello");
}

#[test]
fn several_files_go_below_a_folder() {
    let shell = Shell::new();
    for name in ["a", "b", "c/d"] {
        shell.write(name, name);
    }
    shell.run(&["put", "a", "b", "disk:x"]).fails(2, "add a slash");
    shell.run(&["put", "a", "c", "disk:x/"]).fails(1, "c: it is a folder (use -r to put folders)");
    shell.out(&["put", "-r", "a", "b", "c", "disk:x/"]);
    assert_eq!(shell.out(&["ls", "-R", "disk:"]), "x/\nx/a\nx/b\nx/c/\nx/c/d\n");
    shell.run(&["get", "disk:x/a", "disk:x/b", "y"]).fails(2, "add a slash");
    let ran = shell.run(&["get", "disk:x/a", "disk:x/nobody", "disk:x/c", "disk:x/b", "y/"]);
    ran.fails(6, "disk:x/nobody: not found")
        .fails(6, "disk:x/c: it is a folder (use -r to get folders)");
    assert_eq!((shell.read("y/a"), shell.read("y/b")), (b"a".to_vec(), b"b".to_vec()));
}

#[test]
fn other_files_in_the_target_stay_and_files_are_replaced() {
    let shell = Shell::new();
    shell.write("src/a", "new");
    shell.write("disk/x/a", "old");
    shell.write("disk/x/b", "stays");
    shell.out(&["put", "-r", "src", "disk:x"]);
    assert_eq!(
        (shell.read("disk/x/a"), shell.read("disk/x/b")),
        (b"new".to_vec(), b"stays".to_vec())
    );
    shell.write("back/a", "older");
    shell.write("back/c", "stays");
    shell.out(&["get", "-r", "disk:x", "back"]);
    assert_eq!((shell.read("back/a"), shell.read("back/c")), (b"new".to_vec(), b"stays".to_vec()));
}

#[test]
fn existing_files_are_kept_with_no_overwrite() {
    let shell = Shell::new();
    shell.write("src/a", "new");
    shell.write("src/b", "new");
    shell.write("disk/x/a", "old");
    let ran = shell.run(&["--json", "put", "-r", "--no-overwrite", "src", "disk:x"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let summary = &ran.json().pop().expect("a summary")["summary"];
    assert_eq!((&summary["kept"], &summary["files"]), (&json!(1), &json!(1)));
    assert_eq!(
        (shell.read("disk/x/a"), shell.read("disk/x/b")),
        (b"old".to_vec(), b"new".to_vec())
    );
    // With a single file an existing target is a failure.
    shell.run(&["put", "-n", "src/a", "disk:x/a"]).fails(5, "disk:x/a: already exists");
    assert_eq!(shell.out(&["put", "-n", "src/a", "disk:x/c"]), "");
}

#[test]
fn json_reports_every_item_and_a_summary() {
    let shell = Shell::new();
    shell.write("src/a", "12345");
    fs::create_dir(shell.path("src/d")).expect("made");
    let ran = shell.run(&["put", "--json", "-r", "src", "disk:x"]);
    let mut records = ran.json();
    let summary = records.pop().expect("a summary");
    records.sort_by_key(|record| record["path"].to_string());
    assert_eq!(
        records,
        [
            json!({"path": "x", "local": "src", "result": "made"}),
            json!({"path": "x/a", "local": "src/a", "result": "sent", "bytes": 5}),
            json!({"path": "x/d", "local": "src/d", "result": "made"}),
        ]
    );
    let summary = summary["summary"].as_object().expect("an object");
    let count = |key: &str| summary[key].as_u64();
    assert_eq!((count("files"), count("folders"), count("bytes")), (Some(1), Some(2), Some(5)));
    assert_eq!((count("failed"), count("requests")), (Some(0), Some(0)));
    assert!(summary["seconds"].is_number());
    assert!(ran.err.contains("put: 1 file, 2 folders, 5 bytes in "), "{ran:?}");
    assert_eq!(shell.run(&["-q", "put", "-r", "src", "disk:x"]).err, "");

    let fetched = shell.run(&["get", "--json", "disk:x/a"]).json();
    let record = json!({"path": "x/a", "local": "./a", "result": "fetched", "bytes": 5});
    assert_eq!(fetched[0], record);
}

#[test]
fn a_fetched_file_gets_the_drives_time_and_the_users_permissions() {
    let shell = Shell::new();
    let source = shell.write("disk/a", "x");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_391_400_306);
    fs::File::options().write(true).open(source).expect("opened").set_modified(time).expect("set");
    shell.out(&["get", "disk:a", "b"]);
    let fetched = fs::metadata(shell.path("b")).expect("it is there");
    assert_eq!(fetched.modified().expect("a time"), time);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let usual = fs::metadata(shell.write("usual", "x")).expect("written").permissions().mode();
        assert_eq!(fetched.permissions().mode(), usual);
    }
}

#[test]
fn a_local_folder_with_the_name_of_a_file_is_reported() {
    let shell = Shell::new();
    shell.write("disk/x/a", "1");
    shell.write("disk/x/b", "2");
    shell.write("back/a/inside", "3");
    let ran = shell.run(&["get", "-r", "disk:x", "back"]);
    ran.fails(6, "back/a");
    let names: Vec<_> = tree(&shell.path("back")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "a/inside", "b"]);
    shell.run(&["put", "back/b", "disk:x"]).fails(1, "disk:x: ");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::{ffi::OsStrExt, fs::symlink};

    use super::*;

    #[test]
    fn links_pipes_and_names_that_are_not_utf8_are_reported() {
        let shell = Shell::new();
        shell.write("src/good", "1");
        shell.write("elsewhere/x", "2");
        symlink("good", shell.path("src/link")).expect("linked");
        symlink("../elsewhere", shell.path("src/folder")).expect("linked");
        symlink(".", shell.path("src/again")).expect("linked");
        let name = std::ffi::OsStr::from_bytes(b"bad\xff");
        fs::write(shell.path("src").join(name), "3").expect("written");
        shell.write("src/ends in space ", "4");

        let ran = shell.run(&["put", "-r", "src", "disk:x"]);
        ran.fails(6, "src/link: it is a symbolic link")
            .fails(6, "src/again: it is a symbolic link");
        ran.fails(6, "the name is not UTF-8").fails(6, "disk:x/ends in space : names that end in");
        ran.fails(6, "1 file, 1 folder, 1 byte, 5 failed in ");
        assert_eq!(shell.out(&["ls", "disk:x"]), "good\n");

        let ran = shell.run(&["put", "-r", "--links", "skip", "src", "disk:y"]);
        ran.fails(6, "1 file, 1 folder, 1 byte, 3 skipped, 2 failed in ");

        let ran = shell.run(&["put", "-r", "--links", "follow", "src", "disk:z"]);
        ran.fails(6, "src/again: it is a symbolic link to one of its parent folders");
        assert_eq!(shell.out(&["ls", "-R", "disk:z"]), "folder/\nfolder/x\ngood\nlink\n");
    }

    #[test]
    fn a_device_is_not_replaced_by_a_file() {
        let shell = Shell::new();
        shell.write("disk/a", "x");
        shell.run(&["get", "disk:a", "/dev/null"]).fails(1, "is not a regular file");
        symlink("real", shell.path("link")).expect("linked");
        shell.write("real", "old");
        shell.out(&["get", "disk:a", "link"]);
        assert_eq!(shell.read("real"), b"x");
        assert!(fs::symlink_metadata(shell.path("link")).expect("there").is_symlink());
    }
}
