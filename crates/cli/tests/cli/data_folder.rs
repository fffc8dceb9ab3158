//! The data folder of the embedded drives and of `serve`: disk space, permissions, damage.

use std::{fs, path::PathBuf};

use crate::shell::{Shell, tree};

/// Returns the files that hold the content of the user's files.
fn blobs(shell: &Shell) -> Vec<PathBuf> {
    let entries = fs::read_dir(shell.path("data/blobs")).expect("lists");
    let folders = entries.map(|entry| entry.expect("entry").path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).expect("lists"));
    files.map(|file| file.expect("entry").path()).collect()
}

#[test]
fn removing_from_an_embedded_drive_frees_its_space() {
    let shell = Shell::new();
    shell.write("file", vec![1; 100_000]);
    shell.write("folder/below", vec![2; 100_000]);
    for drive in ["local-onedrive", "local-skydrive", "local-amazon"] {
        let (file, folder) = (format!("{drive}:file"), format!("{drive}:folder"));
        shell.out(&["put", "file", &file]);
        shell.out(&["put", "-r", "folder", &folder]);
        assert_eq!(blobs(&shell).len(), 2, "{drive}");
        shell.out(&["rm", &file]);
        shell.out(&["rm", "-r", &folder]);
        assert_eq!(blobs(&shell), [] as [PathBuf; 0], "{drive}");
    }
}

#[test]
fn a_damaged_file_is_found_by_a_check_and_taken_out_by_a_repair() {
    let shell = Shell::new();
    shell.write("bad", vec![1; 100_000]);
    shell.out(&["put", "bad", "local-onedrive:docs/bad"]);
    let sound = shell.run(&["serve", "--check"]);
    assert_eq!((sound.code, &*sound.out), (0, ""), "{sound:?}");
    let blob = blobs(&shell).pop().expect("one");
    shell.write("good", vec![2; 100_000]);
    shell.out(&["put", "good", "local-onedrive:docs/good"]);
    let mut bytes = fs::read(&blob).expect("reads");
    bytes[50_000] = 7;
    fs::write(&blob, &bytes).expect("writes");

    let found = shell.run(&["serve", "--check", "--json"]);
    assert_eq!(found.code, 1, "{found:?}");
    assert_eq!(found.json()[0]["path"], "docs/bad");
    let repaired = shell.run(&["serve", "--repair"]);
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert!(repaired.out.contains("/docs/bad of the default drive"), "{repaired:?}");
    let saved = shell.path("data/quarantine").join(blob.file_name().expect("a name"));
    assert_eq!(fs::read(saved).expect("is kept"), bytes);
    assert_eq!(shell.run(&["serve", "--check"]).code, 0);
    assert_eq!(shell.out(&["ls", "local-onedrive:docs"]).trim(), "good");
    assert_eq!(shell.out(&["cat", "local-onedrive:docs/good"]).len(), 100_000);
}

#[test]
fn a_damaged_database_is_replaced_by_a_repair_that_reports_it() {
    let shell = Shell::new();
    for n in 0..40 {
        shell.write(&format!("src/f{n}"), format!("bytes of {n}"));
    }
    shell.write("src/large", vec![1; 100_000]);
    shell.out(&["put", "-r", "src", "local-onedrive:docs"]);
    let database = shell.path("data/tree.db");
    let mut bytes = fs::read(&database).expect("reads");
    bytes[..100].fill(0);
    fs::write(&database, &bytes).expect("writes");

    shell.run(&["serve", "--check"]).fails(1, "serve --repair");
    let repaired = shell.run(&["serve", "--repair"]);
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert!(repaired.err.contains("the database was damaged: 43 items"), "{repaired:?}");
    assert!(repaired.err.contains("0 were lost"), "{repaired:?}");
    let names = fs::read_dir(shell.path("data")).expect("lists");
    let kept = names
        .map(|entry| entry.expect("entry").path())
        .find(|path| path.to_string_lossy().contains("tree.db.damaged-"));
    assert_eq!(fs::read(kept.expect("is kept")).expect("reads"), bytes);
    assert_eq!(shell.run(&["serve", "--check"]).code, 0);
    shell.out(&["get", "-r", "local-onedrive:docs", "back"]);
    assert!(tree(&shell.path("back")) == tree(&shell.path("src")), "every file has its bytes");
}

#[test]
fn a_data_folder_without_its_database_is_not_touched_and_the_message_names_the_next_step() {
    let shell = Shell::new();
    shell.write("file", vec![1; 100_000]);
    shell.out(&["put", "file", "local-onedrive:file"]);
    fs::remove_file(shell.path("data/tree.db")).expect("removes");
    shell.run(&["serve", "--http", "127.0.0.1:0"]).fails(1, "Restore the database from a backup");
    shell.run(&["ls", "local-onedrive:"]).fails(1, "is missing or empty");
    assert_eq!(blobs(&shell).len(), 1);
}

#[cfg(unix)]
#[test]
fn files_of_the_program_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let shell = Shell::new();
    shell.write("file", vec![1; 100_000]);
    // Also for files that other users could read before.
    for name in ["log.txt", "calls.har"] {
        let file = shell.write(name, "");
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("sets");
    }
    shell.out(&[
        "--log-file",
        "log.txt",
        "--har",
        "calls.har",
        "put",
        "file",
        "local-onedrive:file",
    ]);
    let mut waiting = vec![shell.path("data"), shell.path("log.txt"), shell.path("calls.har")];
    while let Some(path) = waiting.pop() {
        let metadata = fs::metadata(&path).expect("exists");
        let others = metadata.permissions().mode() & 0o077;
        assert_eq!(others, 0, "others may use {}", path.display());
        if metadata.is_dir() {
            let below = fs::read_dir(&path).expect("lists");
            waiting.extend(below.map(|entry| entry.expect("entry").path()));
        }
    }
}
