//! `drivedal bench`

use std::{fs, process::Stdio};

use serde_json::Value;

use crate::shell::{Shell, tree};

/// Sizes with which all works take seconds in a debug build.
const SMALL: [&str; 8] =
    ["--files", "12", "--large", "1500K", "--ranges", "4", "--range-size", "10K"];

const WORKS: [&str; 12] = [
    "put-small",
    "list",
    "list-recursive",
    "stat",
    "get-small",
    "copy",
    "rename",
    "mixed",
    "put-large",
    "get-large",
    "read-ranges",
    "delete",
];

/// Returns the result of a work and a backend.
fn result<'a>(report: &'a Value, backend: &str, work: &str) -> &'a Value {
    let results = report["results"].as_array().expect("results");
    let found = results.iter().find(|one| one["contender"] == backend && one["work"] == work);
    found.unwrap_or_else(|| panic!("{backend} has no result of {work}"))
}

#[test]
fn all_works_are_measured_on_the_embedded_drives_and_on_opendals_services() {
    let shell = Shell::new();
    let drives = ["local-onedrive:", "local-skydrive:", "local-amazon:"];
    let others = ["opendal+local-onedrive:", "disk:", "memory:///"];
    let mut arguments = vec!["bench", "--rounds", "2", "--report", "out", "--json"];
    arguments.extend(SMALL.iter().chain(&drives).chain(&others));
    let ran = shell.run(&arguments);
    let report = ran.json().pop().expect("one document");
    let written: Value = serde_json::from_slice(&shell.read("out/results.json")).expect("JSON");
    assert_eq!(report, written);
    assert_eq!((&report["version"], &report["works"][0]["id"]), (&1.into(), &"put-small".into()));

    for drive in drives {
        for work in WORKS {
            let result = result(&report, drive, work);
            let is_done = result["status"] == "done";
            // A SkyDrive copies files; an Amazon Drive cannot.
            let may_be_missing = drive == "local-amazon:" && work == "copy";
            assert!(is_done || may_be_missing, "{drive} {work}: {result}");
            if is_done {
                assert_eq!(result["seconds"].as_array().map(Vec::len), Some(2));
                assert!(result["ratio"].as_f64().is_some_and(|ratio| ratio >= 1.0));
                assert!(result["requests"].is_number(), "{drive} {work}");
            }
        }
    }
    let uploaded = result(&report, "local-onedrive:", "put-small");
    assert_eq!(uploaded["latency"]["count"], 24, "{uploaded}");
    assert_eq!(uploaded["bytes"], 12 * 4_096);
    assert!(uploaded["bytes_up"].as_f64().is_some_and(|bytes| bytes >= 12.0 * 4_096.0));
    // An upload of a small file costs two resource units, in one request.
    let requests = uploaded["requests"].as_f64().expect("counted");
    assert!(uploaded["resource_units"].as_f64().is_some_and(|units| units >= requests));
    assert!(result(&report, "local-skydrive:", "put-small")["resource_units"].is_null());
    // OpenDAL's service reads a file in two requests: a redirect, and the bytes.
    let of_opendal = result(&report, "opendal+local-onedrive:", "get-small");
    assert_eq!(of_opendal["requests"], 24.0, "{of_opendal}");
    assert!(result(&report, "memory:", "get-small")["requests"].is_null());
    assert_eq!(result(&report, "memory:", "rename")["status"], "not-applicable");

    let page = String::from_utf8(shell.read("out/index.html")).expect("text");
    assert!(page.contains("local-onedrive:") && !page.contains("https://"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(tree(&shell.path("disk")).is_empty(), "nothing is left");
    assert_eq!(shell.out(&["ls", "local-onedrive:"]), "");
}

#[test]
fn the_table_has_a_row_for_each_backend() {
    let shell = Shell::new();
    let mut arguments = vec!["bench", "--rounds", "1", "--only", "put-small,stat", "disk:a/b"];
    arguments.extend(SMALL.iter().chain(&["memory:///"]));
    let ran = shell.run(&arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    let rows: Vec<&str> = ran.out.lines().filter(|line| line.contains("×")).collect();
    assert_eq!(rows.len(), 4, "{}", ran.out);
    assert!(rows[0].starts_with("Upload small files  disk:a/b"), "{}", ran.out);
    assert!(rows.iter().filter(|row| row.contains("1.00×")).count() >= 2, "{}", ran.out);
    assert!(ran.err.contains("each backend works in the folder drivedal-bench-"), "{}", ran.err);
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_written() {
    let shell = Shell::new();
    for (arguments, reason) in [
        (&["bench", "disk:", "disk:"][..], "it is named twice"),
        (&["bench", "/tmp/x"], "names no remote"),
        (&["bench", "--only", "walk", "disk:"], "possible values: put-small, list"),
        (&["bench", "--large", "0", "disk:"], "use at least 1"),
        (&["bench", "nope:"], "unknown remote"),
        (&["bench", "rclone:x:", "--rclone", "/no/such/program"], "install rclone"),
    ] {
        let ran = shell.run(arguments);
        assert!(ran.code != 0 && ran.err.contains(reason), "{arguments:?}: {ran:?}");
    }
    let ran = shell.run(&["bench", "opendal+disk:"]);
    ran.fails(8, "opendal+ is for onedrive remotes");
    assert!(tree(&shell.path("disk")).is_empty());
}

#[test]
fn a_backend_that_cannot_be_written_fails_alone() {
    let shell = Shell::new();
    // A file has the place of the folder that the benchmark would work in.
    shell.write("disk/file", "text");
    let mut arguments = vec!["bench", "--rounds", "1", "--json", "disk:file", "memory:///"];
    arguments.extend(SMALL);
    let ran = shell.run(&arguments);
    let report = ran.json().into_iter().find(|one| one["version"] == 1).expect("a report");
    assert_eq!(result(&report, "disk:file", "put-small")["status"], "failed");
    assert_eq!(result(&report, "memory:", "put-small")["status"], "done");
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("cannot measure disk:file: "), "{}", ran.err);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_the_measurement_and_removes_the_files() {
    use std::io::{BufRead, BufReader};

    let shell = Shell::new();
    fs::create_dir(shell.path("disk")).expect("created");
    let mut arguments = vec!["bench", "--rounds", "100000", "disk:", "local-onedrive:"];
    arguments.extend(SMALL);
    let mut command = shell.command(&arguments);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it runs");
    let mut messages = BufReader::new(child.stderr.take().expect("piped")).lines();
    let started =
        messages.any(|line| line.expect("text").contains("round 2 of 100000: local-onedrive:"));
    assert!(started);
    let stopped =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(stopped.expect("kill runs").success());
    let rest: Vec<String> = messages.map(|line| line.expect("text")).collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(rest.last().is_some_and(|line| line == "drivedal: interrupted"), "{rest:?}");
    assert!(tree(&shell.path("disk")).is_empty(), "nothing is left");
    assert_eq!(shell.out(&["ls", "local-onedrive:"]), "");
}
