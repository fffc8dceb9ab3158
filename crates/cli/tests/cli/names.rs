//! Names that a terminal, a line-based format or YAML would misinterpret.

#![cfg(unix)]

use serde_yaml_ng::Value as Yaml;

use crate::{
    rig::{
        Cloud::{Amazon, OneDrive, SkyDrive},
        Rig,
    },
    shell::{Shell, tree},
};

/// Names that are not plain YAML, or would be read as another value.
const AWKWARD: [&str; 22] = [
    "#notes.txt",
    "true",
    "null",
    "- dash.txt",
    "'quoted'.txt",
    "key value.txt",
    "@at.txt",
    "&and",
    "%25.txt",
    "+plus.txt",
    "(final).txt",
    "  two spaces.txt",
    "文.txt",
    "U\u{308}ber.txt",
    "bidi\u{202e}.txt",
    "yes",
    "1",
    "2014-01-02",
    "[x]",
    "{x}",
    "~$lock.docx",
    "!bang",
];

/// Names that a disk allows and no cloud does.
const ON_DISK: [&str; 6] =
    ["two\nlines", "bell\u{7}", "esc\u{1b}[2J", "a: b", "\"double\".txt", "*star"];

fn controls(text: &str) -> Vec<char> {
    let bidi = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
    text.chars().filter(|c| *c != '\n' && (c.is_control() || bidi(*c))).collect()
}

#[test]
fn text_lines_have_no_control_characters_and_json_has_the_names_exactly() {
    let shell = Shell::new();
    for name in AWKWARD.iter().chain(&ON_DISK) {
        shell.write(&format!("disk/d/{name}"), "x");
    }
    let count = AWKWARD.len() + ON_DISK.len();
    for arguments in [
        vec!["ls", "disk:d"],
        vec!["ls", "-l", "disk:d"],
        vec!["ls", "-RU", "disk:d"],
        vec!["tree", "disk:d"],
        vec!["stat", "disk:d/two\nlines", "disk:d/bidi\u{202e}.txt"],
        vec!["ls", "-k", "{name}", "disk:d"],
        vec!["stat", "-k", "name", "disk:d/two\nlines"],
    ] {
        let out = shell.out(&arguments);
        assert_eq!(controls(&out), ['\0'; 0], "{arguments:?}: {out:?}");
        assert!(out.contains("two\\nlines"), "{arguments:?}: {out:?}");
        if arguments[0] == "ls" {
            assert_eq!(out.lines().count(), count, "one line is one item: {out}");
        }
    }
    let names = shell.run(&["--json", "ls", "disk:d"]).json();
    let mut names: Vec<_> =
        names.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect();
    names.sort_unstable();
    let mut written: Vec<_> = AWKWARD.iter().chain(&ON_DISK).copied().collect();
    written.sort_unstable();
    assert_eq!(names, written);

    // Error messages escape names too.
    let ran = shell.run(&["stat", "disk:no\u{1b}[2J\nbody\u{202e}"]);
    ran.fails(3, "no\\u{1b}[2J\\nbody\\u{202e}: not found");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    let failed = shell.run(&["--json", "stat", "disk:no\nbody"]).json();
    assert_eq!(failed[0]["error"]["about"], "disk:no\nbody");
    shell.write("src/up\nper", "x");
    shell.write("src/UP\nPER", "x");
    let ran = shell.run(&["put", "-r", "src", "local-onedrive:x"]);
    ran.fails(6, "src/up\\nper: src/UP\\nPER would have the same name");
    assert_eq!(controls(&ran.err), ['\0'; 0]);
}

#[test]
fn yaml_is_yaml_whatever_the_names_are() {
    let shell = Shell::new();
    for name in AWKWARD.iter().chain(&ON_DISK) {
        shell.write(&format!("disk/d/{name}"), "x");
    }
    let parse = |text: &str| -> Yaml {
        serde_yaml_ng::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let mut written: Vec<_> =
        AWKWARD.iter().chain(&ON_DISK).map(|name| Yaml::from(*name)).collect();
    written.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    let Yaml::Sequence(names) = parse(&shell.out(&["ls", "-o", "yaml", "disk:d"])) else {
        panic!("no list")
    };
    assert_eq!(names, written);
    let tree = parse(&shell.out(&["tree", "-o", "yaml", "disk:d"]));
    let Some(Yaml::Mapping(below)) = tree.get("d") else { panic!("no folder: {tree:?}") };
    let mut names: Vec<_> = below.keys().cloned().collect();
    names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    assert_eq!(names, written);
    for name in ON_DISK {
        let item = parse(&shell.out(&["stat", "-o", "yaml", &format!("disk:d/{name}")]));
        assert_eq!(item.get("name"), Some(&Yaml::from(name)), "{item:?}");
    }
    // The form of the old client, if it is valid YAML.
    assert!(shell.out(&["ls", "-o", "yaml", "disk:d"]).contains("\n- (final).txt\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn awkward_names_go_to_a_cloud_and_back() {
    for cloud in [SkyDrive, OneDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        for name in AWKWARD.iter().chain(&ON_DISK) {
            rig.shell.write(&format!("src/{name}"), name);
        }
        let ran = rig.run(&["put", "-r", "src", "it:d"]).await;
        assert_eq!(ran.code, 0, "{cloud:?}: {ran:?}");
        let listed = rig.run(&["ls", "-o", "yaml", "it:d"]).await;
        let names: Vec<Yaml> = serde_yaml_ng::from_str(&listed.out).expect("YAML");
        assert_eq!(names.len(), AWKWARD.len() + ON_DISK.len(), "{cloud:?}: {listed:?}");
        let ran = rig.run(&["get", "-r", "it:d", "back"]).await;
        assert_eq!(ran.code, 0, "{cloud:?}: {ran:?}");
        assert_eq!(tree(&rig.shell.path("back")), tree(&rig.shell.path("src")), "{cloud:?}");
    }
}
