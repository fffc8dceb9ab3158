//! Runs the commands of the table in `docs/legacy-clouds.md` that replaces those of acd_cli, and the
//! commands of `drivedal amazon`.

use std::{collections::BTreeSet, fs};

use drivedal_server::{FixtureItem, Server};
use drivedal_test_support::media;
use serde_json::{Value, json};

use crate::{
    rig::Cloud,
    shell::{Ran, Shell},
};

/// The id in the document, in place of that of a node in the trash.
const ID: &str = "AbCdEfGhIjKlMnOpQr0123";

/// Returns a document of the repository. A file of another package is read when the test runs.
fn document(path: &str) -> String {
    let path = format!("{}/../../docs/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the code in a text, without the backquotes.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns the cells of the first table after `heading`, without its head.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = document.split_once(heading).expect("the heading");
    let lines = rest.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    rows.map(cells).collect()
}

/// A server with files, and a shell with the remote `acd:`.
struct Acd {
    server: Server,
    shell: Shell,
}

impl Acd {
    async fn new() -> Self {
        let server = Server::builder().ephemeral().allow_purge(true).start().await.unwrap();
        let fixtures = [
            FixtureItem::file("photos/a.jpg", media::photo(40, 30)),
            FixtureItem::file("notes.txt", "hello"),
            FixtureItem::file("old.txt", "old"),
            FixtureItem::folder("album"),
        ];
        server.control().add_fixtures(fixtures).await.unwrap();
        let shell = Shell::new();
        shell.write("folder/b.txt", "b");
        shell.write("notes.txt", "new");
        Self { server, shell }
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        let uri = Cloud::Amazon.uri(&self.server).replacen("it=", "acd=", 1);
        let mut command = self.shell.command(&["--remote", &uri]);
        command.args(arguments);
        let ended = tokio::task::spawn_blocking(move || command.output());
        Ran::new(ended.await.expect("no panic").expect("the binary runs"))
    }

    /// Runs a command that must succeed, and returns its output.
    async fn out(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.out
    }

    /// Moves `old.txt` to the trash, and returns its id.
    async fn trash(&self) -> String {
        self.out(&["rm", "acd:old.txt"]).await;
        let trash = self.run(&["--json", "amazon", "trash", "acd:"]).await.json();
        assert_eq!((trash.len(), &trash[0]["name"]), (1, &json!("old.txt")));
        trash[0]["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_table_runs() {
    let rows = table(&document("legacy-clouds.md"), "## From acd_cli");
    let mut run = 0;
    for row in &rows {
        let [old, new] = row.as_slice() else { panic!("{row:?}") };
        let commands: Vec<&str> = code(new).collect();
        let is_explained = ["not needed: ", "none", "see ", "deletes "];
        assert!(
            !commands.is_empty() || is_explained.iter().any(|start| new.starts_with(start)),
            "{old}: {new}"
        );
        for command in commands {
            let acd = Acd::new().await;
            let id = acd.trash().await;
            let words = command.replace(ID, &id).replace('\'', "");
            let words: Vec<&str> = words.split_whitespace().collect();
            assert_eq!(words[0], "drivedal", "{command}");
            let said = acd.out(&words[1..]).await;
            let is_silent = ["put", "get", "mkdir", "rm", "mv"].contains(&words[1])
                || ["restore", "add-child", "remove-child"].iter().any(|it| words.contains(it));
            assert!(is_silent || !said.is_empty(), "{command} printed nothing");
            run += 1;
        }
    }
    assert!(run >= 27, "only {run} commands were found");
}

#[test]
fn the_table_has_every_command_of_acd_cli() {
    let names = |cells: Vec<&str>| -> BTreeSet<String> {
        let all = cells.into_iter().flat_map(code);
        all.map(|text| text.split([' ', '{']).next().unwrap_or_default().to_owned()).collect()
    };
    let reference = document("protocols/amazon-drive.md");
    let reference = table(&reference, "<a id=\"acd-cli-commands\"></a>");
    let expected = names(reference.iter().map(|row| row[0].as_str()).collect());
    let ours = table(&document("legacy-clouds.md"), "## From acd_cli");
    let ours = names(ours.iter().map(|row| row[0].as_str()).collect());
    assert!(expected.len() > 30 && expected.contains("find-regex"), "{expected:?}");
    assert_eq!(expected.difference(&ours).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(ours.difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_in_two_folders_and_leaves_one() {
    let acd = Acd::new().await;
    acd.out(&["amazon", "add-child", "acd:album", "acd:photos/a.jpg"]).await;
    assert_eq!(acd.out(&["ls", "acd:album"]).await, "a.jpg\n");
    let id = acd.out(&["amazon", "info", "-k", "id", "acd:album/a.jpg"]).await;
    let found = acd.run(&["--json", "amazon", "find", "acd:", "A.JPG"]).await.json();
    assert_eq!((found.len(), &found[0]["id"]), (1, &json!(id.trim())));
    acd.out(&["amazon", "remove-child", "acd:photos", "acd:photos/a.jpg"]).await;
    assert_eq!(acd.out(&["ls", "acd:photos"]).await, "");
    assert_eq!(acd.out(&["ls", "acd:album"]).await, "a.jpg\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_itself_does_not_stop_a_listing() {
    let acd = Acd::new().await;
    acd.out(&["mkdir", "-p", "acd:a/b"]).await;
    acd.out(&["amazon", "add-child", "acd:a/b", "acd:a"]).await;
    assert_eq!(acd.out(&["ls", "acd:a/b"]).await, "a/\n");
    let all = acd.run(&["ls", "-R", "acd:a"]).await;
    assert!(all.out.contains("b/\n"), "{all:?}");
    assert_eq!(acd.out(&["amazon", "find", "acd:", "b"]).await, "a/b/\nalbum/\n");
    acd.out(&["amazon", "remove-child", "acd:a/b", "acd:a"]).await;
    assert_eq!(acd.out(&["ls", "acd:a/b"]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_are_set_read_and_deleted() {
    let acd = Acd::new().await;
    let properties = async || -> Value {
        acd.run(&["--json", "amazon", "properties", "acd:notes.txt"]).await.json().remove(0)
    };
    acd.out(&["amazon", "property-set", "acd:notes.txt", "rating", "5"]).await;
    acd.out(&["amazon", "property-set", "acd:notes.txt", "colour", "light red"]).await;
    assert_eq!(properties().await, json!({"colour": "light red", "rating": "5"}));
    let value = acd.out(&["amazon", "property-get", "acd:notes.txt", "colour"]).await;
    assert_eq!(value, "light red\n");
    acd.out(&["amazon", "property-delete", "acd:notes.txt", "colour"]).await;
    let missing = acd.run(&["amazon", "property-get", "acd:notes.txt", "colour"]).await;
    missing.fails(3, "cannot read properties of acd:notes.txt");
    acd.out(&["amazon", "property-delete", "--all", "acd:notes.txt"]).await;
    assert_eq!(properties().await, json!({}));
    let owner = acd.out(&["amazon", "owner", "acd:"]).await;
    let set = ["amazon", "property-set", "--owner", owner.trim(), "acd:notes.txt", "k", "v"];
    acd.out(&set).await;
    assert_eq!(properties().await, json!({"k": "v"}));
    let other = ["amazon", "property-set", "--owner", "somebody", "acd:notes.txt", "k", "v"];
    acd.run(&other).await.fails(4, "cannot set a property of acd:notes.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_restored_and_purged() {
    let acd = Acd::new().await;
    let id = acd.trash().await;
    acd.out(&["amazon", "restore", &format!("acd:{id}")]).await;
    assert_eq!(acd.out(&["cat", "acd:old.txt"]).await, "old");
    acd.out(&["amazon", "purge", &format!("acd:{id}")]).await;
    acd.run(&["amazon", "info", "-i", &format!("acd:{id}")]).await.fails(3, "cannot read acd:");
    assert_eq!(acd.out(&["amazon", "trash", "acd:"]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thumbnail_is_written_to_a_file() {
    let acd = Acd::new().await;
    acd.out(&["amazon", "thumbnail", "--size", "20", "acd:photos/a.jpg", "small.jpg"]).await;
    let picture = image::load_from_memory(&acd.shell.read("small.jpg")).unwrap();
    assert_eq!((picture.width(), picture.height()), (20, 15));
    let refused = acd.run(&["amazon", "thumbnail", "acd:notes.txt", "small.jpg"]).await;
    assert!(refused.code != 0 && refused.err.contains("thumbnail"), "{refused:?}");
    let info = acd.run(&["--json", "amazon", "info", "--assets", "acd:photos/a.jpg"]).await.json();
    assert_eq!(info[0]["assets"][0]["kind"], "ASSET");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_remotes_and_missing_matches_are_named() {
    let acd = Acd::new().await;
    let disk = acd.run(&["amazon", "usage", "disk:"]).await;
    disk.fails(8, "this command works with amazon-drive remotes only");
    acd.run(&["amazon", "find", "acd:", "nobody"]).await.fails(3, "no item matches");
    acd.run(&["amazon", "find-md5", "acd:", "xyz"]).await.fails(2, "32 hexadecimal digits");
    let none = "00000000000000000000000000000000";
    acd.run(&["amazon", "find-md5", "acd:", none]).await.fails(3, "no item matches");
    let invalid = acd.run(&["amazon", "find", "--regex", "acd:", "("]).await;
    invalid.fails(2, "cannot search acd: the expression \"(\" is invalid: unclosed group");
    let two = acd.run(&["amazon", "add-child", "acd:album", "disk:x"]).await;
    two.fails(2, "must be on one remote");
}
