//! `drivedal get` and `put` on a disk that ignores case: no item overwrites another one.
//!
//! The test mounts a vfat or exfat image on a loop device, which needs Linux and privileges. If
//! that is not possible, the test is reported as ignored, with the reason.

mod disk;

use libtest_mimic::Trial;

use crate::shell;

const NAME: &str =
    "case_insensitive_disk::on_a_disk_that_ignores_case_no_item_is_fetched_over_another_one";

pub fn trial() -> Trial {
    let shell = shell::Shell::new();
    match disk::Mounted::new(&shell) {
        Ok(mounted) => Trial::test(NAME, move || {
            // Values are dropped in reverse order: the disk is unmounted before its folder is
            // removed.
            let (shell, mounted) = (shell, mounted);
            no_item_is_written_over_another_one(&shell, &mounted);
            Ok(())
        }),
        Err(why) => ignored(&why),
    }
}

fn ignored(why: &str) -> Trial {
    let why = format!("no file system that ignores case can be mounted: {why}");
    Trial::test(format!("{NAME} ({why})"), || Ok(())).with_ignored_flag(true)
}

fn names(folder: &std::path::Path) -> Vec<String> {
    shell::tree(folder).into_iter().map(|(name, _)| name).collect()
}

fn no_item_is_written_over_another_one(shell: &shell::Shell, mounted: &disk::Mounted) {
    for name in ["README", "readme", "Docs/a", "docs/b", "rest", "sub/x", "sub/y"] {
        shell.write(&format!("disk/src/{name}"), name);
    }
    let ran = shell.run(&["--json", "get", "-r", "disk:src", "mnt/out"]);
    ran.fails(6, "disk:src/README: disk:src/readme would have the same name in");
    ran.fails(6, "disk:src/docs: disk:src/Docs would have the same name in");
    let summary = &ran.json().pop().expect("a summary")["summary"];
    assert_eq!((&summary["files"], &summary["failed"]), (&3.into(), &4.into()), "{ran:?}");
    assert_eq!(names(&mounted.folder.join("out")), ["rest", "sub", "sub/x", "sub/y"]);
    assert!(
        !names(&mounted.folder).iter().any(|name| name.ends_with(".partial")),
        "a probe is left"
    );

    // The other direction: the disk is the remote.
    for name in ["src/README", "src/readme", "src/rest"] {
        shell.write(name, name);
    }
    let remote = format!("fat=fs://{}", mounted.folder.display());
    let ran = shell.run(&["--remote", &remote, "put", "-r", "src", "fat:copy"]);
    ran.fails(6, "src/README: src/readme would have the same name in fat:copy");
    assert_eq!(names(&mounted.folder.join("copy")), ["rest"]);
}
