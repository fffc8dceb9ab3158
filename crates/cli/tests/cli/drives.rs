//! The embedded SkyDrive, and a SkyDrive on a server of the test.

use std::{fs, time::Duration};

use drivedal_server::{Fault, FixtureItem, Server};
use serde_json::{Value, json};

use crate::shell::{Ran, Shell, tree};

/// A server and a remote on it, by default `sky:`.
struct Sky {
    shell: Shell,
    server: Server,
    remote: String,
}

impl Sky {
    async fn new() -> Self {
        let server = Server::builder().ephemeral().start().await.expect("the server starts");
        let encoded = server.url().as_str().replace(':', "%3A").replace('/', "%2F");
        let remote = format!("sky=skydrive://?endpoint={encoded}v5.0%2F&access_token=drivedal-dev");
        Self { shell: Shell::new(), server, remote }
    }

    /// Runs a command while the server in this process handles requests.
    async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.shell.command(&["--remote", &self.remote]);
        command.args(arguments);
        let ended = tokio::task::spawn_blocking(move || command.output()).await;
        Ran::new(ended.expect("no panic").expect("the binary runs"))
    }

    async fn out(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out
    }
}

#[test]
fn a_tree_is_equal_after_a_round_trip_through_the_embedded_drive() {
    let shell = Shell::new();
    for name in
        ["plain.txt", "space and #%&+'.txt", "é-漢字-🦀", "UPPER/lower.TXT", "a/b/c/d", "empty"]
    {
        shell.write(&format!("src/{name}"), if name == "empty" { "" } else { name });
    }
    shell.write("src/large", (0..3_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    fs::create_dir_all(shell.path("src/no files/here")).expect("made");
    shell.out(&["put", "-r", "src", "local-skydrive:x/copy"]);
    shell.out(&["get", "-r", "local-skydrive:x/copy", "back"]);
    assert_eq!(tree(&shell.path("src")), tree(&shell.path("back")));
    assert_eq!(shell.out(&["cat", "local-skydrive:x/copy/a/b/c/d"]), "a/b/c/d");
    assert_eq!(shell.out(&["cat", "--range", "-3", "local-skydrive:x/copy/plain.txt"]), "txt");
    assert!(shell.path("data").is_dir() && !shell.path("data/server.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_item_costs_one_request() {
    let server = Server::builder().ephemeral().start().await.expect("the server starts");
    let endpoint = server.url().as_str().replace(':', "%3A").replace('/', "%2F");
    let remote = format!("one=onedrive://?endpoint={endpoint}v1.0&access_token=drivedal-dev");
    let sky = Sky { shell: Shell::new(), server, remote };
    sky.out(&["mkdir", "one:new"]).await;
    assert_eq!(sky.server.control().counters().total, 2);
    sky.run(&["get", "one:nothing", "."]).await.fails(3, "nothing");
    assert_eq!(sky.server.control().counters().total, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_names_the_operation_and_the_item_once() {
    let sky = Sky::new().await;
    let items = [FixtureItem::folder("d/e"), FixtureItem::file("a", "x")];
    sky.server.control().add_fixtures(items).await.expect("planted");
    for (command, code, failure) in [
        (&["mv", "sky:d", "sky:d/e/f"][..], 1, "cannot move sky:d: the target is below it"),
        (&["cat", "sky:d"], 1, "cannot read sky:d: it is a folder"),
        (&["ls", "sky:a/"], 3, "cannot list sky:a: not found: a file has this name"),
        (
            &["--encoding", "Raw", "mkdir", "sky:d|x"],
            8,
            "cannot create sky:d|x: a name cannot have any of",
        ),
    ] {
        let ran = sky.run(command).await;
        ran.fails(code, failure);
        let reason = ran.err.strip_prefix("drivedal: cannot").expect("a failure");
        assert!(!reason.contains(": cannot "), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_of_a_folder_are_removed_by_a_listing_and_a_request_each() {
    let sky = Sky::new().await;
    let files = (0..20).map(|n| FixtureItem::file(format!("many/{n}"), "x"));
    let others = [FixtureItem::file("many/folder/x", "x"), FixtureItem::file("many/stays", "x")];
    sky.server.control().add_fixtures(files.chain(others)).await.expect("planted");
    let mut arguments = vec!["rm".to_owned(), "sky:many/missing".into(), "sky:many/folder".into()];
    arguments.extend((0..20).map(|n| format!("sky:many/{n}")));
    arguments.push("sky:many/stays/".into());
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    sky.server.control().reset_counters();
    let ran = sky.run(&arguments).await;
    ran.fails(6, "sky:many/missing: not found")
        .fails(6, "sky:many/folder: it is a folder (use -r to remove folders)")
        .fails(6, "sky:many/stays");
    let asked = sky.server.control().counters();
    assert_eq!(asked.count("live.item.delete"), 20, "{asked:?}");
    assert!(asked.total <= 20 + 10, "{asked:?}");
    assert_eq!(sky.out(&["ls", "sky:many"]).await, "folder/\nstays\n");
    sky.out(&["rm", "-r", "sky:many/folder", "sky:many/stays", "sky:many/stays", "-f"]).await;
    assert_eq!(sky.out(&["ls", "sky:many"]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_costs_a_request_a_file_and_two_a_folder() {
    let sky = Sky::new().await;
    for folder in 0..5 {
        for file in 0..8 {
            sky.shell.write(&format!("src/{folder}/{file}"), "x");
        }
    }
    let (files, folders) = (40, 6);
    let put = sky.run(&["put", "--json", "-r", "src", "sky:a/b"]).await;
    assert_eq!(put.code, 0, "{put:?}");
    let counted = sky.server.control().counters().total;
    assert!(counted <= files + 2 * folders + 10, "{counted} requests");
    assert_eq!(put.json().pop().expect("a summary")["summary"]["requests"], json!(counted));

    sky.server.control().reset_counters();
    sky.out(&["get", "-r", "sky:a/b", "back"]).await;
    let counted = sky.server.control().counters().total;
    assert!(counted <= files + 2 * folders + 10, "{counted} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_file_is_reported_and_the_others_are_uploaded() {
    let sky = Sky::new().await;
    for name in ["a", "b", "c"] {
        sky.shell.write(&format!("src/{name}"), name);
    }
    let busy = Fault::on("live.files.put").times(1).status(503);
    sky.server.control().add_faults([busy]).expect("a rule");
    let ran = sky.run(&["--json", "--retries=0", "put", "-j1", "-r", "src", "sky:x"]).await;
    ran.fails(6, "drivedal: cannot write sky:x/a: ").fails(6, "503");
    let records = ran.json();
    let error = records.iter().find(|record| record.get("error").is_some()).expect("an error");
    assert_eq!(error["error"]["kind"], "try_later");
    let summary = &records.last().expect("a summary")["summary"];
    assert_eq!((&summary["files"], &summary["failed"]), (&json!(2), &json!(1)));
    assert_eq!(sky.out(&["ls", "sky:x"]).await, "b\nc\n");

    sky.server
        .control()
        .add_faults([Fault::on("live.files.put").times(1).status(503)])
        .expect("a rule");
    sky.run(&["--retries=0", "put", "src/a", "sky:x/a"]).await.fails(7, "sky:x/a");
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_errors_are_retried_and_pauses_are_respected() {
    let sky = Sky::new().await;
    sky.shell.write("src/a", "1");
    let busy = Fault::on("live.files.put").times(1).status(503);
    let paused = Fault::on("live.files.put").times(1).status(420).header("retry-after", "1");
    sky.server.control().add_faults([busy, paused]).expect("rules");
    let begun = std::time::Instant::now();
    sky.out(&["put", "src/a", "sky:a"]).await;
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));
    assert_eq!(sky.server.control().counters().count("live.files.put"), 3);

    // A pause of an hour fails the command at once.
    let closed = Fault::on("live.*").status(420).header("retry-after", "3600");
    sky.server.control().add_faults([closed]).expect("a rule");
    sky.run(&["put", "src/a", "sky:b"]).await.fails(7, "requests a pause of 3600 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_verified_are_not_reported_as_sent() {
    let sky = Sky::new().await;
    sky.shell.write("src/a", "1");
    sky.shell.write("src/b", "2");
    // The first listing checks whether the folder x exists.
    let busy = Fault::on("live.files.list").skip(1).status(503);
    sky.server.control().add_faults([busy]).expect("a rule");
    let ran = sky.run(&["--retries=0", "put", "-r", "src", "sky:x"]).await;
    ran.fails(6, "2 files were sent to it, but not verified").fails(6, "put: 0 files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_client_changed_fails_verification() {
    let sky = Sky::new().await;
    sky.shell.write("src/a", "1");
    sky.shell.write("src/b", "2");
    let control = sky.server.control();
    let slowly = Fault::on("live.files.list").skip(1).times(1).latency(Duration::from_secs(4));
    control.add_faults([slowly]).expect("a rule");
    let meddle = async {
        let second_list = async {
            while control.counters().count("live.files.list") < 2 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), second_list).await.expect("in time");
        let other = drivedal::remote::open(&sky.remote["sky=".len()..]).expect("a remote");
        other.operator.write("x/a", "longer").await.expect("written");
    };
    let (ran, ()) = tokio::join!(sky.run(&["put", "-r", "src", "sky:x"]), meddle);
    ran.fails(6, "sky:x/a: sent 1 bytes, but the drive has 6").fails(6, "put: 1 file, 1 folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_the_drive_rejects_are_reported_one_by_one() {
    let sky = Sky::new().await;
    for name in ["good", "a:b", "x?", "tab\there"] {
        sky.shell.write(&format!("src/{name}"), name);
    }
    let ran = sky.run(&["--encoding", "Raw", "put", "-r", "src", "sky:x"]).await;
    ran.fails(6, "sky:x/a:b: ").fails(6, "sky:x/x?: ").fails(6, "3 failed");
    assert_eq!(sky.out(&["ls", "sky:x"]).await, "good\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_named_by_id_where_it_looks_like_one() {
    let sky = Sky::new().await;
    sky.shell.write("src/a.txt", "hello");
    sky.out(&["put", "-r", "src", "sky:docs/old"]).await;
    let stat = |path: &'static str| {
        let sky = &sky;
        async move {
            let ran = sky.run(&["stat", "--json", path]).await;
            ran.json()[0].clone()
        }
    };
    let (file, folder) = (stat("sky:docs/old/a.txt").await, stat("sky:docs/old").await);
    assert_eq!((&file["kind"], &file["size"]), (&json!("file"), &json!(5)));
    let id = |item: &Value| item["id"].as_str().expect("an id").to_owned();
    let (file, folder) = (format!("sky:{}", id(&file)), format!("sky:{}", id(&folder)));
    assert_eq!(sky.out(&["cat", &file]).await, "hello");
    assert_eq!(sky.out(&["ls", &folder]).await, "a.txt\n");
    assert_eq!(sky.out(&["cat", "-i", &format!("{folder}/a.txt")]).await, "hello");
    sky.out(&["put", "src/a.txt", &format!("{folder}/new/b.txt")]).await;
    assert_eq!(sky.out(&["ls", "-R", "sky:docs/old"]).await, "a.txt\nnew/\nnew/b.txt\n");
    sky.run(&["cat", "-p", &file]).await.fails(3, "not found");
    sky.run(&["cat", &format!("{}9", file)]).await.fails(3, "sky:file.");
}

#[tokio::test(flavor = "multi_thread")]
async fn quota_and_user_are_printed() {
    let sky = Sky::new().await;
    sky.shell.write("a", "hello");
    sky.out(&["put", "a", "sky:"]).await;
    let quota = &sky.run(&["quota", "--json", "sky:"]).await.json()[0];
    assert_eq!(quota["used"], json!(5));
    assert_eq!(quota["total"], json!(quota["available"].as_u64().expect("a number") + 5));
    assert!(sky.out(&["quota", "sky:"]).await.contains("\nused: 5\n"));
    assert!(sky.out(&["user", "sky:"]).await.starts_with("id: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_without_content_is_not_downloaded_as_an_empty_file() {
    let sky = Sky::new().await;
    sky.shell.write("src/a", "1");
    sky.out(&["put", "-r", "src", "sky:x"]).await;
    sky.server.control().add_fixtures([FixtureItem::notebook("x/notes")]).await.expect("planted");
    let ran = sky.run(&["get", "-r", "sky:x", "back"]).await;
    ran.fails(6, "drivedal: cannot read sky:x/notes");
    assert_eq!(tree(&sky.shell.path("back")), [("a".to_owned(), Some(b"1".to_vec()))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_and_no_permission_have_exit_codes_of_their_own() {
    let sky = Sky::new().await;
    let remote = sky.remote.replace("drivedal-dev", "SECRET");
    let ran = sky.run(&["--remote", &remote, "ls", "sky:"]).await;
    ran.fails(4, "401");
    assert!(!ran.err.contains("SECRET"), "{ran:?}");
    let remote = sky.remote.clone();
    let Sky { shell, server, .. } = sky;
    server.stop().await;
    shell.run(&["--remote", &remote, "ls", "sky:"]).fails(7, "sky:");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_transfer_prints_a_summary_and_leaves_no_incomplete_file() {
    let sky = Sky::new().await;
    for name in ["a", "b", "c"] {
        sky.shell.write(&format!("src/{name}"), name);
    }
    let slow = |operation: &str| Fault::on(operation).skip(1).latency(Duration::from_secs(600));
    sky.server.control().add_faults([slow("live.files.put"), slow("ticket.get")]).expect("rules");
    let stopped = |arguments: &[&str], begun: &'static str| {
        let mut command = sky.shell.command(&["--remote", &sky.remote]);
        command.args(arguments).stdout(std::process::Stdio::piped());
        let control = sky.server.control();
        async move {
            tokio::task::spawn_blocking(move || {
                let child =
                    command.stderr(std::process::Stdio::piped()).spawn().expect("the binary runs");
                let seen = control.counters().count(begun);
                crate::stops::until("a request is held", || {
                    control.counters().count(begun) > seen + 1
                });
                crate::stops::signal(&child, "INT");
                Ran::new(child.wait_with_output().expect("it ends"))
            })
            .await
            .expect("no panic")
        }
    };
    let put = stopped(&["put", "-j1", "-r", "src", "sky:x"], "live.files.put").await;
    put.fails(130, "put: 0 files, 1 folder, 0 bytes, 1 sent but not checked in ")
        .fails(130, "drivedal: interrupted");
    sky.server.control().clear_faults();
    assert_eq!(sky.out(&["ls", "sky:x"]).await, "a\n");

    sky.out(&["put", "-r", "src", "sky:x"]).await;
    sky.server.control().add_faults([slow("ticket.get")]).expect("rules");
    let get = stopped(&["get", "-j1", "-r", "sky:x", "back"], "ticket.get").await;
    get.fails(130, "get: 1 file, 1 folder");
    assert_eq!(tree(&sky.shell.path("back")).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_items_with_one_name_the_newest_is_shown_with_a_warning() {
    let sky = Sky::new().await;
    let items = [
        FixtureItem::file("docs/a.txt", "older"),
        FixtureItem::file("docs/a.txt", "newest").as_duplicate(),
    ];
    let control = sky.server.control();
    let added = control.add_fixtures(items).await.expect("planted");
    assert_ne!(added[0].live_id, added[1].live_id);
    let listed = sky.run(&["ls", "sky:docs"]).await;
    assert_eq!(listed.out.matches("a.txt").count(), 1, "{listed:?}");
    assert!(listed.err.contains("same name") && listed.err.contains("a.txt"), "{listed:?}");
    assert_eq!(sky.out(&["cat", "sky:docs/a.txt"]).await, "newest");
    // Objects of the API are all listed, and the ids still name both.
    let objects = sky.run(&["ls", "-k", "{name}", "sky:docs"]).await;
    assert_eq!(objects.out.matches("a.txt").count(), 2, "{objects:?}");
    let older = format!("sky:{}", added[0].live_id);
    sky.run(&["cat", &older]).await.fails(5, "the newer item").fails(5, "has the same name");
    sky.run(&["rm", &older]).await.fails(5, "has the same name");
    let rename = ["skydrive", "info-set", &older, r#"{"name": "b.txt"}"#];
    assert_eq!(sky.run(&rename).await.code, 0);
    assert_eq!(sky.out(&["cat", &older]).await, "older");
    let taken = control.add_fixtures([FixtureItem::file("docs/a.txt", "x")]).await;
    assert!(taken.expect_err("no duplicate").to_string().contains("this name already"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_with_a_key_is_that_entry_of_the_mapping() {
    let sky = Sky::new().await;
    let items = [FixtureItem::file("Pics/a.jpg", "x"), FixtureItem::file("b.txt", "x")];
    sky.server.control().add_fixtures(items).await.expect("planted");
    let tree = sky.out(&["tree", "-k", "{SkyDrive[Pics][a.jpg]}", "sky:"]).await;
    assert_eq!(tree.trim(), "photo");
    assert_eq!(sky.out(&["tree", "-k", "{0[SkyDrive][b.txt]}", "sky:"]).await.trim(), "file");
    assert_eq!(sky.out(&["tree", "-k", "missing", "sky:"]).await, "");
}
