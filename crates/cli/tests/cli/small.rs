//! `cp`, `mv`, `rm`, `mkdir`, `quota`, `user`, and the arguments.

use serde_json::json;

use crate::shell::Shell;

#[test]
fn a_file_is_copied_and_moved_to_a_name_or_below_a_folder() {
    let shell = Shell::new();
    shell.write("disk/a", "one");
    shell.write("disk/d/x", "two");
    shell.out(&["cp", "disk:a", "disk:b"]);
    shell.out(&["cp", "disk:/a", "disk:d/"]);
    shell.out(&["mv", "disk:b", "disk:c"]);
    shell.out(&["mv", "disk:c", "disk:d/"]);
    shell.out(&["mv", "disk:d", "disk:e"]);
    shell.out(&["mv", "disk:e/x", "disk:"]);
    assert_eq!(shell.out(&["ls", "-R", "disk:"]), "a\ne/\ne/a\ne/c\nx\n");
    assert_eq!(shell.read("disk/e/c"), b"one");

    let moved = shell.run(&["--json", "mv", "disk:x", "disk:y"]).json();
    assert_eq!(moved, [json!({"from": "x", "to": "y", "result": "moved", "by": "cloud"})]);
}

#[test]
fn cp_and_mv_report_why_they_fail() {
    let shell = Shell::new();
    shell.write("disk/a", "one");
    shell.write("disk/d/x", "two");
    shell.run(&["cp", "disk:a", "disk:a"]).fails(2, "the same");
    shell.run(&["mv", "disk:a", "disk:/"]).fails(2, "the same");
    shell.run(&["cp", "disk:d", "disk:e"]).fails(8, "cannot copy disk:d: it is a folder");
    shell.run(&["mv", "disk:nobody", "disk:e"]).fails(3, "disk:nobody: not found");
    shell.run(&["mv", "disk:", "disk:e"]).fails(2, "it is the root of a remote");
}

#[test]
fn cp_and_mv_replace_an_item_only_with_f() {
    let shell = Shell::new();
    shell.write("disk/a", "one");
    shell.write("disk/b", "two");
    shell.write("disk/d/a", "three");
    for verb in ["cp", "mv"] {
        let ran = shell.run(&[verb, "disk:a", "disk:b"]);
        ran.fails(5, "cannot write disk:b: already exists (use -f to replace it)");
        shell.run(&[verb, "disk:a", "disk:d/"]).fails(5, "disk:d/a: already exists");
    }
    shell.run(&["cp", "-r", "disk:d", "disk:b"]).fails(5, "disk:b: already exists");
    assert_eq!(std::fs::read(shell.on_disk("b")).expect("read"), b"two");
    shell.out(&["cp", "-f", "disk:a", "disk:b"]);
    assert_eq!(std::fs::read(shell.on_disk("b")).expect("read"), b"one");
    shell.out(&["mv", "-f", "disk:a", "disk:d/"]);
    assert_eq!(std::fs::read(shell.on_disk("d/a")).expect("read"), b"one");
    assert!(!shell.on_disk("a").exists());
}

#[test]
fn messages_and_the_log_are_json_documents_on_request() {
    let shell = Shell::new();
    shell.write("src/a", "1");
    let arguments = ["--log-format", "json", "-v", "--log-file", "log", "copy", "src", "disk:"];
    let ran = shell.run(&arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    let failed = shell.run(&["--log-format", "json", "stat", "disk:missing"]);
    assert_eq!(failed.code, 3, "{failed:?}");
    let log = String::from_utf8(shell.read("log")).expect("UTF-8");
    let lines = [&ran.err, &failed.err, &log].into_iter().flat_map(|text| text.lines());
    let mut levels = Vec::new();
    for line in lines {
        let document: serde_json::Value = serde_json::from_str(line).expect("JSON");
        for key in ["timestamp", "level", "target"] {
            assert!(document[key].is_string(), "{key}: {line}");
        }
        assert!(document["fields"]["message"].is_string(), "{line}");
        levels.push(document["level"].as_str().expect("a level").to_owned());
    }
    assert!(levels.contains(&"INFO".to_owned()) && levels.contains(&"ERROR".to_owned()));
}

#[test]
fn cp_of_a_missing_file_on_a_service_without_copy_fails() {
    let shell = Shell::new();
    // A memory remote is empty in each new process.
    let ran = shell.run(&["--remote", "ram=memory://", "cp", "ram:a", "ram:b"]);
    ran.fails(3, "ram:a: not found");
}

#[test]
fn folders_are_removed_only_with_r() {
    let shell = Shell::new();
    shell.write("disk/d/x", "1");
    shell.write("disk/dd", "2");
    shell.run(&["rm", "disk:d"]).fails(1, "use -r to remove folders");
    shell.run(&["rm", "-r", "disk:"]).fails(2, "root");
    shell.out(&["rm", "-r", "disk:d"]);
    assert_eq!(shell.out(&["ls", "disk:"]), "dd\n");
    shell.run(&["rm", "disk:d"]).fails(3, "disk:d: not found");
    assert_eq!(shell.out(&["rm", "-f", "disk:d"]), "");
    let ran = shell.run(&["--json", "rm", "disk:dd", "disk:d"]);
    assert_eq!(ran.fails(6, "disk:d").json()[0], json!({"path": "dd", "result": "removed"}));
    assert_eq!(shell.out(&["ls", "disk:"]), "");
}

#[test]
fn mkdir_needs_the_parent_and_a_new_name_without_p() {
    let shell = Shell::new();
    shell.out(&["mkdir", "disk:a"]);
    shell.run(&["mkdir", "disk:a"]).fails(5, "disk:a: already exists");
    shell.run(&["mkdir", "disk:b/c"]).fails(3, "cannot create disk:b/c: disk:b does not exist");
    shell.run(&["mkdir", "disk:"]).fails(5, "already exists");
    shell.out(&["mkdir", "-p", "disk:b/c/d", "disk:a"]);
    assert_eq!(shell.out(&["ls", "-R", "disk:"]), "a/\nb/\nb/c/\nb/c/d/\n");
    shell.write("disk/file", "x");
    shell.run(&["mkdir", "disk:file/x"]).fails(1, "disk:file");
}

#[test]
fn a_service_without_accounts_reports_that() {
    let shell = Shell::new();
    shell.run(&["quota", "disk:"]).fails(8, "disk: it is a fs remote");
    shell.run(&["user", "disk:"]).fails(8, "disk: it is a fs remote");
    shell.run(&["ls", "-i", "disk:folder.1"]).fails(8, "it is a fs remote");
}

#[test]
fn invalid_arguments_have_their_own_exit_code() {
    let shell = Shell::new();
    shell.run(&["ls", "here"]).fails(2, "names no remote");
    shell
        .run(&["ls", "nobody:"])
        .fails(2, "cannot open nobody: unknown remote (configured remotes: disk)");
    shell.run(&["ls", "disk:a/../b"]).fails(2, "`..`");
    let unknown = "unknown service `floppy` (available: ";
    shell.run(&["ls", "floppy://x"]).fails(8, &format!("cannot open floppy: {unknown}"));
    let remote = ["--remote", "disk2=floppy://x", "ls", "disk2:a"];
    shell.run(&remote).fails(8, &format!("cannot open disk2:a: {unknown}"));
    shell.run(&["ls", "-p", "-i", "disk:"]).fails(2, "cannot be used with");
    shell.run(&["frob"]).fails(2, "unrecognized");
    shell.run(&["--remote", "x1=y", "ls", "x1:"]).fails(2, "is not a URI");
}

#[test]
fn remotes_are_read_from_the_configuration_file_and_the_command_line_wins() {
    let shell = Shell::new();
    shell.write("disk/one/a", "1");
    shell.write("disk/two/b", "2");
    let root = shell.on_disk("one");
    let text = format!("[remotes.work]\ntype = 'fs'\nroot = '{}'\n", root.display());
    shell.write(".config/drivedal/config.toml", &text);
    assert_eq!(shell.out(&["ls", "work:"]), "a\n");
    let file = shell.write("other.toml", text.replace("work", "elsewhere"));
    let file = file.to_str().expect("a path");
    assert_eq!(shell.out(&["--config", file, "ls", "elsewhere:"]), "a\n");
    let uri = format!("work=fs://{}", shell.on_disk("two").display());
    assert_eq!(shell.out(&["ls", "work:", "--remote", &uri]), "b\n");
    assert_eq!(shell.out(&["ls", uri.split_once('=').expect("a URI").1]), "b\n");

    shell.run(&["--config", "nowhere.toml", "ls", "disk:"]).fails(2, "nowhere.toml");
    shell.write("broken.toml", "[remotes.work]\ntoken = SECRET\n");
    let broken = shell.run(&["--config", "broken.toml", "ls", "disk:"]);
    broken.fails(2, "broken.toml: line 2");
    assert!(!broken.err.contains("SECRET"), "{broken:?}");
}

#[test]
fn version_and_help_are_on_standard_output() {
    let shell = Shell::new();
    assert_eq!(shell.out(&["--version"]), concat!("drivedal ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = shell.out(&["--help"]);
    for said in ["Exit codes:", "drivedal put -r photos", "[remotes.work]"] {
        assert!(help.contains(said), "{said}");
    }
    assert!(shell.out(&["ls", "--help"]).contains("Examples:"));
}

#[test]
fn the_skydrive_commands_have_a_group_and_their_old_names_still_work() {
    let shell = Shell::new();
    let help = shell.out(&["--help"]);
    assert!(help.contains("\n  skydrive "), "{help}");
    assert!(!help.contains("\n  comments "), "{help}");
    assert!(shell.out(&["skydrive", "--help"]).contains("\n  comments "));
    for command in [&["skydrive", "comments", "disk:a"][..], &["comments", "disk:a"]] {
        shell.run(command).fails(8, "cannot list comments of disk:a: it is a fs remote");
    }
    assert_eq!(
        shell.out(&["skydrive", "apps", "--help"]),
        shell.out(&["apps", "--help"]).replace("drivedal apps ", "drivedal skydrive apps ")
    );
}
