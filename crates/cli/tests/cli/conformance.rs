//! `drivedal conformance`

use std::{fs, process::Stdio};

use serde_json::Value;

use crate::shell::{Shell, tree};

/// Returns the status of a case on a backend.
fn status<'a>(report: &'a Value, backend: &str, id: &str) -> &'a str {
    let cases = report["cases"].as_array().expect("cases");
    let case = cases.iter().find(|case| case["id"] == id).unwrap_or_else(|| panic!("no case {id}"));
    let mut results = case["results"].as_array().expect("results").iter();
    let result = results.find(|result| result["backend"] == backend).expect("a result");
    result["status"].as_str().expect("a status")
}

/// Returns the numbers of a backend.
fn numbers<'a>(report: &'a Value, backend: &str) -> &'a Value {
    let mut backends = report["backends"].as_array().expect("backends").iter();
    backends.find(|one| one["name"] == backend).expect("a backend")
}

#[test]
fn the_embedded_drives_keep_all_promises() {
    let shell = Shell::new();
    let drives = ["local-onedrive:", "local-skydrive:deep/folder", "local-amazon:"];
    let mut arguments = vec!["conformance", "--only", "stat::,create_dir::,rename::", "--json"];
    arguments.extend(drives);
    let ran = shell.run(&arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.json().pop().expect("one document");
    assert_eq!(report["version"], 1);
    for drive in drives {
        let numbers = numbers(&report, drive);
        assert_eq!(numbers["failed"], 0, "{numbers}");
        assert!(numbers["passed"].as_u64().is_some_and(|passed| passed > 30), "{numbers}");
        assert!(numbers["requests"].as_u64().is_some_and(|requests| requests > 100), "{numbers}");
        let kept = status(&report, drive, "rename::a_file_replaces_a_file");
        assert_eq!(kept, "passed");
    }
    // The embedded drives show the same files.
    assert_eq!(shell.out(&["ls", "-R", "local-onedrive:"]), "deep/\ndeep/folder/\n");
}

#[test]
fn broken_promises_are_failures_unless_they_are_known() {
    let shell = Shell::new();
    fs::create_dir(shell.path("disk")).expect("created");
    let case = "stat::a_file_has_a_modification_time";
    let arguments = ["conformance", "--only", "stat::", "--report", "out", "memory:///", "disk:"];
    let ran = shell.run(&arguments);
    assert_eq!(ran.code, 6, "{ran:?}");
    let report: Value = serde_json::from_slice(&shell.read("out/results.json")).expect("JSON");
    assert_eq!(status(&report, "memory:", case), "failed");
    assert_eq!(status(&report, "disk:", case), "passed");
    assert!(ran.out.contains(&format!("memory: {case}: ")), "{}", ran.out);
    let junit = String::from_utf8(shell.read("out/junit.xml")).expect("text");
    assert!(junit.contains("<testsuite name=\"memory:\"") && junit.contains("<failure"), "{junit}");
    let page = String::from_utf8(shell.read("out/index.html")).expect("text");
    assert!(page.contains("disk:") && !page.contains("https://"));
    assert!(tree(&shell.path("disk")).is_empty(), "nothing is left");

    // All failures are listed, and one case of which the promise is kept.
    let failed = report["cases"].as_array().expect("cases").iter().filter(|case| {
        case["results"].as_array().expect("results").iter().any(|one| one["status"] == "failed")
    });
    let ids: Vec<String> = failed.map(|case| format!("{}", case["id"])).collect();
    let known = |more: &str| {
        let cases = ids.join(", ");
        format!(
            "[[difference]]\nbackend = \"*\"\nreason = \"r\"\nintermittent = true\ncases = [{cases}]\n{more}"
        )
    };
    shell.write("known.toml", known(""));
    let mut arguments = vec!["conformance", "--only", "stat::", "--known", "known.toml"];
    arguments.extend(["--json", "memory:///", "disk:"]);
    let ran = shell.run(&arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.json().pop().expect("one document");
    assert_eq!(status(&report, "memory:", case), "known_difference");
    let size = "stat::a_file_has_its_size_and_is_a_file";
    let more =
        format!("[[difference]]\nbackend = \"disk:\"\nreason = \"why\"\ncases = [\"{size}\"]\n");
    shell.write("known.toml", known(&more));
    let ran = shell.run(&arguments);
    assert_eq!(ran.code, 6, "{ran:?}");
    let report = ran.json().pop().expect("one document");
    assert_eq!(
        (status(&report, "disk:", size), status(&report, "memory:", size)),
        ("failed", "passed")
    );
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_written() {
    let shell = Shell::new();
    shell.write("unknown.toml", "[[difference]]\nbackend='*'\nreason='r'\ncases=['stat::nope']");
    for (arguments, reason) in [
        (&["conformance", "disk:", "disk:"][..], "it is named twice"),
        (&["conformance", "/tmp/x"], "names no remote"),
        (&["conformance", "--only", "nope", "disk:"], "no case has a name with nope"),
        (&["conformance", "--known", "unknown.toml", "disk:"], "stat::nope"),
        (&["conformance", "--known", "missing.toml", "disk:"], "missing.toml"),
        (&["conformance", "nope:"], "unknown remote"),
        (&["conformance", "http://127.0.0.1:9/x"], "the service cannot be written"),
    ] {
        let ran = shell.run(arguments);
        assert!(ran.code != 0 && ran.err.contains(reason), "{arguments:?}: {ran:?}");
    }
    assert!(tree(&shell.path("disk")).is_empty());
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_the_run_and_removes_the_files() {
    use std::io::{BufRead, BufReader};

    let shell = Shell::new();
    fs::create_dir(shell.path("disk")).expect("created");
    let arguments = ["conformance", "--jobs", "1", "disk:", "local-onedrive:"];
    let mut command = shell.command(&arguments);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it runs");
    let mut messages = BufReader::new(child.stderr.take().expect("piped")).lines();
    assert!(messages.any(|line| line.expect("text").contains(" on local-onedrive:")));
    let stopped =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(stopped.expect("kill runs").success());
    let rest: Vec<String> = messages.map(|line| line.expect("text")).collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(rest.last().is_some_and(|line| line == "drivedal: interrupted"), "{rest:?}");
    assert!(tree(&shell.path("disk")).is_empty(), "nothing is left");
    assert_eq!(shell.out(&["ls", "local-onedrive:"]), "");
}
