//! `copy`, `sync`, `move` and `check`.

use std::fs;

use serde_json::{Value, json};

use crate::{
    rig::{Cloud, Rig},
    shell::{Shell, tree},
};

fn with_files(files: &[(&str, &str)]) -> Shell {
    let shell = Shell::new();
    for (path, content) in files {
        shell.write(path, content);
    }
    shell
}

#[test]
fn a_sync_makes_the_target_equal_and_a_second_one_sends_nothing() {
    let shell = with_files(&[("src/a", "1"), ("src/d/b", "22"), ("disk/old", "3")]);
    let first = shell.run(&["--json", "sync", "src", "disk:"]);
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(tree(&shell.path("src")), tree(&shell.path("disk")));
    let summary = &first.json().pop().expect("a summary")["summary"];
    assert_eq!((&summary["created"], &summary["deleted"]), (&json!(2), &json!(1)));
    let second = shell.run(&["--json", "sync", "--error-on-no-transfer", "src", "disk:"]);
    assert_eq!(second.code, 9, "{second:?}");
    let summary = &second.json().pop().expect("a summary")["summary"];
    assert_eq!((&summary["equal"], &summary["bytes"]), (&json!(2), &json!(0)));
}

#[test]
fn a_dry_run_prints_each_action_and_changes_nothing() {
    let shell = with_files(&[("src/a", "1"), ("src/b", "22"), ("out/b", "3"), ("out/c", "4")]);
    let before = tree(&shell.path("out"));
    let mut lines: Vec<_> =
        shell.out(&["sync", "-n", "src", "out"]).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["create a", "delete c", "replace b"]);
    assert_eq!(tree(&shell.path("out")), before);
}

#[test]
fn a_missing_source_deletes_nothing_and_is_not_created() {
    let shell = with_files(&[("out/a", "1")]);
    for source in ["missing", "disk:", "disk:missing"] {
        let ran = shell.run(&["sync", source, "out"]);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.err.contains("cannot read") && ran.err.contains("not found"), "{ran:?}");
    }
    assert!(shell.path("out/a").exists());
    assert!(!shell.path("disk").exists());
}

#[test]
fn more_deletions_than_allowed_delete_nothing() {
    let shell = with_files(&[("src/a", "1"), ("out/b", "2"), ("out/c", "3")]);
    let ran = shell.run(&["sync", "--max-delete", "1", "src", "out"]);
    assert_eq!(ran.code, 11, "{ran:?}");
    assert!(ran.err.contains("nothing was deleted: 2 files would be, and the limit is 1"));
    assert!(shell.path("out/b").exists() && shell.path("out/a").exists());
}

#[test]
fn a_check_lists_the_differences() {
    let shell = with_files(&[
        ("src/equal", "1"),
        ("src/differs", "1"),
        ("src/mine", "1"),
        ("out/equal", "1"),
        ("out/differs", "2"),
        ("out/yours", "1"),
    ]);
    for option in ["--checksum", "--download"] {
        let ran = shell.run(&["check", option, "src", "out"]);
        assert_eq!(ran.code, 10, "{ran:?}");
        let mut lines: Vec<_> = ran.out.lines().map(|line| &line[..line.len().min(9)]).collect();
        lines.sort_unstable();
        assert_eq!(lines, ["* differs", "+ mine", "- yours"]);
    }
    assert_eq!(shell.run(&["check", "src", "src"]).code, 0);
}

#[test]
fn filters_select_files() {
    let shell = with_files(&[
        ("src/a.txt", "1"),
        ("src/b.log", "2"),
        ("src/d/c.txt", "3"),
        ("src/tmp/e.txt", "4"),
        ("rules", "tmp/\n"),
        ("list", "d/c.txt\n"),
    ]);
    let copy = |options: &[&str], expected: &[&str]| {
        let _ = fs::remove_dir_all(shell.path("out"));
        shell.out(&[&["copy"], options, &["src", "out"]].concat());
        for path in ["a.txt", "b.log", "d/c.txt", "tmp/e.txt"] {
            let exists = shell.path(&format!("out/{path}")).exists();
            assert_eq!(exists, expected.contains(&path), "{options:?} {path}");
        }
    };
    copy(&["--exclude", "*.log", "--filter-from", "rules"], &["a.txt", "d/c.txt"]);
    copy(&["--include", "*.txt", "--exclude", "d/"], &["a.txt", "tmp/e.txt"]);
    copy(&["--files-from", "list"], &["d/c.txt"]);
    let ran = shell.run(&["copy", "--exclude", "a[", "src", "out"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("cannot parse the pattern \"a[\""), "{ran:?}");
}

#[test]
fn a_file_is_copied_to_its_new_path_or_into_a_folder() {
    let shell = with_files(&[("src/a", "1")]);
    shell.out(&["copy", "src/a", "disk:new/b"]);
    shell.out(&["copy", "src/a", "disk:folder/"]);
    assert_eq!(fs::read(shell.on_disk("new/b")).expect("read"), b"1");
    assert_eq!(fs::read(shell.on_disk("folder/a")).expect("read"), b"1");
    let ran = shell.run(&["copy", "src", "src/below"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("one is inside the other"), "{ran:?}");
}

#[test]
fn the_progress_is_a_json_document_on_request() {
    let shell = with_files(&[("src/a", "12345")]);
    let ran = shell.run(&["copy", "--progress", "json", "src", "out"]);
    let line = ran.err.lines().rfind(|line| line.starts_with('{')).expect("a document");
    let document: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(document["progress"]["bytes"], json!(5));
}

#[test]
fn completions_and_man_pages_name_the_commands() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = shell.out(&["completions", name]);
        assert!(text.contains("sync") && text.contains("max-delete"), "{name}");
    }
    fs::create_dir(shell.path("man")).expect("created");
    shell.out(&["manual", "man"]);
    let page = fs::read_to_string(shell.path("man/drivedal-sync.1")).expect("a page");
    assert!(page.contains("backup"), "{page}");
}

#[cfg(unix)]
#[test]
fn bash_completes_remotes_and_their_paths() {
    let shell = with_files(&[("disk/docs/a b.txt", "1"), ("disk/docs/c.txt", "2")]);
    shell.write(
        "config.toml",
        format!("[remotes.disk]\nuri = \"fs://{}\"\n", shell.on_disk("").display()),
    );
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_drivedal"));
    let script = shell.out(&["completions", "bash"]);
    let complete = |line: &str, words: &str| {
        let script = format!(
            "{script}\nCOMP_LINE='{line}' COMP_POINT=${{#COMP_LINE}} COMP_WORDS=({words}) \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             _drivedal_with_places drivedal \"${{COMP_WORDS[COMP_CWORD]}}\" ''\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        );
        let mut command = std::process::Command::new("bash");
        let (folder, others) = (program.parent().expect("a folder"), std::env::var("PATH"));
        let path = format!("{}:{}", folder.display(), others.expect("a variable"));
        // Longer than an argument can be.
        command.arg(shell.write("complete", script)).env("PATH", path);
        command.env("DRIVEDAL_CONFIG", shell.path("config.toml")).env("HOME", shell.path(""));
        let ran = command.output().expect("bash runs");
        String::from_utf8(ran.stdout).expect("UTF-8")
    };
    let names = complete("drivedal ls di", "drivedal ls di");
    assert!(names.lines().any(|line| line == "disk:"), "{names}");
    assert_eq!(complete("drivedal ls disk:", "drivedal ls disk :"), "docs/\n");
    let entries = complete("drivedal cat disk:docs/", "drivedal cat disk : docs/");
    let mut entries: Vec<_> = entries.lines().collect();
    entries.sort_unstable();
    assert_eq!(entries, [r"docs/a\ b.txt", "docs/c.txt"]);
}

#[tokio::test]
async fn replaced_deleted_and_renamed_files_of_a_cloud() {
    for cloud in [Cloud::OneDrive, Cloud::SkyDrive, Cloud::Amazon] {
        let rig = Rig::new(cloud).await;
        for path in ["a", "d/b", "d/same"] {
            rig.shell.write_old(&format!("src/{path}"), path);
        }
        let run = async |arguments: &[&str]| {
            let ran = rig.run(arguments).await;
            assert_eq!(ran.code, 0, "{cloud:?} {arguments:?} {ran:?}");
            ran
        };
        run(&["sync", "src", "it:now"]).await;
        fs::remove_file(rig.shell.path("src/d/b")).expect("removed");
        rig.shell.write("src/a", "longer");
        run(&["sync", "--backup-dir", "it:old", "src", "it:now"]).await;
        run(&["copy", "it:old", "old"]).await;
        let old = [("a", Some(b"a".to_vec())), ("d", None), ("d/b", Some(b"d/b".to_vec()))];
        let old = old.map(|(path, bytes)| (path.to_owned(), bytes));
        assert_eq!(tree(&rig.shell.path("old")), old, "{cloud:?}");
        if cloud != Cloud::SkyDrive {
            // SkyDrive lists no hash.
            fs::rename(rig.shell.path("src/d/same"), rig.shell.path("src/moved")).expect("renamed");
            let ran = run(&["--json", "sync", "--track-renames", "src", "it:now"]).await;
            let summary = &ran.json().pop().expect("a summary")["summary"];
            let counts = (&summary["renamed"], &summary["bytes"]);
            assert_eq!(counts, (&json!(1), &json!(0)), "{cloud:?} {ran:?}");
        }
        run(&["move", "--delete-empty-src-dirs", "it:now", "moved"]).await;
        assert_eq!(rig.shell.read("moved/a"), b"longer", "{cloud:?}");
        assert_eq!(rig.run(&["ls", "-R", "it:now"]).await.out, "", "{cloud:?}");
    }
}

#[test]
fn the_exit_code_for_a_file_is_that_of_its_failure() {
    let shell = with_files(&[("a", "1")]);
    fs::create_dir_all(shell.path("out/a")).expect("created");
    let ran = shell.run(&["copy", "a", "out"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("the target is a folder"), "{ran:?}");
}

#[tokio::test]
async fn a_folder_is_copied_within_a_remote_and_to_another_one() {
    let rig = Rig::new(Cloud::OneDrive).await;
    rig.shell.write("src/a", "1");
    rig.shell.write("src/d/b", "2");
    for arguments in [
        ["copy", "src", "it:one"].as_slice(),
        &["cp", "-r", "it:one", "it:two"],
        &["cp", "-r", "it:two", "disk:"],
    ] {
        let ran = rig.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?} {ran:?}");
    }
    assert_eq!(tree(&rig.shell.path("src")), tree(&rig.shell.on_disk("two")));
    let ran = rig.run(&["cp", "it:two/a", "disk:new"]).await;
    assert_eq!((ran.code, rig.shell.read("disk/new")), (0, b"1".to_vec()));
    assert_eq!(rig.run(&["cp", "it:two", "disk:folder"]).await.code, 8);
}

#[tokio::test]
async fn mv_moves_a_file_and_a_folder_to_another_remote() {
    let rig = Rig::new(Cloud::OneDrive).await;
    rig.shell.write("src/a", "1");
    rig.shell.write("src/d/b", "2");
    let run = async |arguments: &[&str]| {
        let ran = rig.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?} {ran:?}");
    };
    run(&["copy", "src", "it:one"]).await;
    run(&["copy", "src", "it:two"]).await;
    run(&["mv", "it:one/a", "disk:file"]).await;
    assert_eq!(rig.run(&["stat", "it:one/a"]).await.code, 3);
    assert_eq!(rig.shell.read("disk/file"), b"1");
    run(&["mv", "it:two", "disk:"]).await;
    assert_eq!(tree(&rig.shell.path("src")), tree(&rig.shell.on_disk("two")));
    assert_eq!(rig.run(&["stat", "it:two"]).await.code, 3);
    // The target exists, so nothing is moved.
    let ran = rig.run(&["mv", "it:one", "disk:two"]).await;
    assert_eq!(ran.code, 5, "{ran:?}");
    run(&["mv", "-f", "it:one", "disk:two"]).await;
    assert_eq!(rig.run(&["stat", "it:one"]).await.code, 3);
    assert_eq!(rig.run(&["mv", "it:", "disk:all"]).await.code, 2);
}

#[test]
fn standard_input_and_output_are_a_source_and_a_target() {
    let shell = Shell::new();
    let content = "x".repeat(3_000_000);
    shell.write("input", &content);
    let put = |target: &str| {
        let input = fs::File::open(shell.path("input")).expect("opened");
        shell.command(&["put", "-", target]).stdin(input).output().expect("the binary runs")
    };
    assert!(put("disk:file").status.success());
    assert_eq!(fs::read(shell.on_disk("file")).expect("read"), content.as_bytes());
    assert_eq!(shell.out(&["get", "disk:file", "-"]), content);
    assert_eq!(put("disk:folder/").status.code(), Some(2));
}

/// Returns the number of requests that the server has received since `before`.
fn requests_since(rig: &Rig, before: usize) -> usize {
    rig.server.control().requests().len() - before
}

#[tokio::test]
async fn every_cloud_is_synced_up_and_down_and_unchanged_files_are_not_sent() {
    for cloud in [Cloud::OneDrive, Cloud::SkyDrive, Cloud::Amazon] {
        let rig = Rig::new(cloud).await;
        for path in ["a", "d/b", "d/e/c"] {
            rig.shell.write_old(&format!("src/{path}"), path);
        }
        let up = rig.run(&["sync", "src", "it:copy"]).await;
        assert_eq!(up.code, 0, "{cloud:?} {up:?}");
        rig.settled().await;
        let before = rig.server.control().requests().len();
        let again = rig.run(&["--json", "sync", "src", "it:copy"]).await;
        assert_eq!(again.code, 0, "{cloud:?} {again:?}");
        let summary = &again.json().pop().expect("a summary")["summary"];
        assert_eq!((&summary["equal"], &summary["bytes"]), (&json!(3), &json!(0)), "{cloud:?}");
        rig.settled().await;
        let requests = requests_since(&rig, before);
        assert!(requests <= 8, "{cloud:?}: {requests} requests for three folders");
        let down = rig.run(&["sync", "it:copy", "back"]).await;
        assert_eq!(down.code, 0, "{cloud:?} {down:?}");
        assert_eq!(tree(&rig.shell.path("src")), tree(&rig.shell.path("back")), "{cloud:?}");
        fs::remove_file(rig.shell.path("src/d/b")).expect("removed");
        fs::remove_dir_all(rig.shell.path("src/d/e")).expect("removed");
        let deleted = rig.run(&["--json", "sync", "src", "it:copy"]).await;
        let summary = &deleted.json().pop().expect("a summary")["summary"];
        let counts = (&summary["deleted"], &summary["failed"]);
        assert_eq!(counts, (&json!(2), &json!(0)), "{cloud:?} {deleted:?}");
    }
}
