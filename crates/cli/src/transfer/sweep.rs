//! Removes what earlier runs have left of files that were being fetched.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    journal::{Journal, is_partial, partial_name},
    partial::{DownloadOrigin, is_file, saved_location},
};

/// Age from which a file is abandoned on a file system without locks. Elsewhere the process that
/// works on it holds its lock.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// Length of the name of a claim, which a large file has in its own name.
const CLAIMED: usize = 32;

/// Removes files of a folder that killed processes have left and that no run will go on with: small
/// ones, and large ones that the journal does not know.
pub(super) fn sweep(folder: &Path, journal: Option<&Journal>) {
    for path in partials(folder) {
        // Without a journal nobody knows which of the large ones are to go on.
        let is_known = claimed_name(&path)
            .is_some_and(|name| journal.is_none_or(|journal| journal.knows(name)));
        if !is_known {
            remove_abandoned(&path);
        }
    }
}

/// Removes large files of a folder that were begun by an earlier run from one of these places and
/// that this run has not left unfinished: the remote has them no more, or they are here now.
/// `is_stale` decides by the origin.
pub(super) fn sweep_stale(
    folder: &Path,
    journal: &Journal,
    is_stale: impl Fn(&DownloadOrigin) -> bool,
) {
    for path in partials(folder) {
        let Some(name) = claimed_name(&path).filter(|name| journal.knows(name)) else { continue };
        // Another process works on it.
        let Some(claim) = journal.claim_named(name.to_owned()) else { continue };
        if let Some((origin, partial)) = saved_location(&claim)
            && is_stale(&origin)
            && fs::remove_file(&partial).is_ok()
        {
            claim.forget();
        }
    }
}

/// The name of its claim, if it is a large file.
fn claimed_name(path: &Path) -> Option<&str> {
    partial_name(path).filter(|name| name.len() == CLAIMED)
}

/// The files of a folder that are being fetched, or were.
fn partials(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| is_partial(path) && is_file(path)).collect()
}

/// Removes a file unless somebody works on it.
fn remove_abandoned(path: &Path) {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else { return };
    let is_abandoned = match file.try_lock() {
        Ok(()) => true,
        Err(fs::TryLockError::WouldBlock) => false,
        Err(fs::TryLockError::Error(_)) => is_old(&file),
    };
    if is_abandoned {
        // What stays is in nobody's way.
        let _ = fs::remove_file(path);
    }
}

/// Whether a file was not written to for so long that nobody works on it; `false` where its time is
/// not known.
fn is_old(file: &fs::File) -> bool {
    let modified = file.metadata().and_then(|file| file.modified()).ok();
    let age = modified.and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age > ABANDONED_AFTER)
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::SystemTime};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let read = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<_> = read
            .map(|entry| entry.expect("listed").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_of_a_killed_process_are_removed_at_once_and_those_of_a_running_one_stay() {
        let dir = tempfile::tempdir().expect("a folder");
        let (folder, journal) = (dir.path().join("x"), Journal::at(dir.path().join("state")));
        fs::create_dir(&folder).expect("made");
        let make = |name: &str| File::create(folder.join(name)).expect("made");
        let claim = journal.claim([&b"a"[..]]).expect("nobody else");
        assert!(claim.save("known", None, None));
        let known = format!(".drivedal-{}.partial", claim.name());
        drop(claim);
        for name in [
            ".drivedal-abc123.partial",
            ".drivedal-abc123é.partial",
            ".drivedal-abc123abc123.partial",
            ".drivedal-0123456789abcdef0123456789abcdef.partial",
            "x.partial",
            &known,
        ] {
            make(name);
        }
        let used = make(".drivedal-used12.partial");
        used.lock().expect("a lock");
        sweep(&folder, Some(&journal));
        let mut left = [known.as_str(), ".drivedal-used12.partial", "x.partial"];
        left.sort_unstable();
        assert_eq!(names(&folder), left);

        // Without a journal nobody knows whose the large ones are.
        make(".drivedal-0123456789abcdef0123456789abcdef.partial");
        sweep(&folder, None);
        assert_eq!(names(&folder).len(), 4);
    }

    #[test]
    fn a_young_file_is_not_older_than_it_is() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = File::create(dir.path().join("a")).expect("made");
        assert!(!is_old(&file));
        file.set_modified(SystemTime::now() - 2 * ABANDONED_AFTER).expect("a time");
        assert!(is_old(&file));
    }
}
