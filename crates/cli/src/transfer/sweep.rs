//! Removal of partial downloads that earlier runs left.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    journal::{Journal, is_partial, partial_name},
    partial::{DownloadOrigin, saved_location},
    partial_file::is_file,
};

/// Age at which a partial download counts as abandoned on a file system without locks. On other
/// file systems the downloading process holds a lock.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// Length of the name of a journal entry, which is part of the name of a large partial download.
const CLAIMED: usize = 32;

/// Removes the partial downloads of a folder that no run will resume: small ones of killed
/// processes, and large ones without an entry in the journal.
pub(super) fn sweep(folder: &Path, journal: Option<&Journal>) {
    for path in partials(folder) {
        // Without the journal every large file might be resumable.
        let is_known = claimed_name(&path)
            .is_some_and(|name| journal.is_none_or(|journal| journal.knows(name)));
        if !is_known {
            remove_abandoned(&path);
        }
    }
}

/// Removes the large partial downloads of the local `folder` for whose origin `is_stale` returns
/// true: the remote file no longer exists, or this run has downloaded it. One that another process
/// is downloading, or that has no entry in `journal`, stays. Failures are ignored.
pub(super) fn sweep_stale(
    folder: &Path,
    journal: &Journal,
    is_stale: impl Fn(&DownloadOrigin) -> bool,
) {
    for path in partials(folder) {
        let Some(name) = claimed_name(&path).filter(|name| journal.knows(name)) else { continue };
        // Another process is downloading the file.
        let Some(claim) = journal.claim_named(name.to_owned()) else { continue };
        if let Some((origin, partial)) = saved_location(&claim)
            && is_stale(&origin)
            && fs::remove_file(&partial).is_ok()
        {
            claim.forget();
        }
    }
}

/// Returns the name of the journal entry of a large partial download. `None` for a small one.
fn claimed_name(path: &Path) -> Option<&str> {
    partial_name(path).filter(|name| name.len() == CLAIMED)
}

/// Returns the partial downloads in a folder.
fn partials(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| is_partial(path) && is_file(path)).collect()
}

/// Removes a partial download unless a process holds its lock.
fn remove_abandoned(path: &Path) {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else { return };
    let is_abandoned = match file.try_lock() {
        Ok(()) => true,
        Err(fs::TryLockError::WouldBlock) => false,
        Err(fs::TryLockError::Error(_)) => is_old(&file),
    };
    if is_abandoned {
        // A file that cannot be removed does no harm.
        let _ = fs::remove_file(path);
    }
}

/// Returns whether a file was last written before [`ABANDONED_AFTER`]. `false` if its time is
/// unknown.
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
        let (folder, journal) =
            (dir.path().join("x"), Journal::in_folder(dir.path().join("state")));
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

        // Without the journal every large file might be resumable.
        make(".drivedal-0123456789abcdef0123456789abcdef.partial");
        sweep(&folder, None);
        assert_eq!(names(&folder).len(), 4);
    }

    #[test]
    fn only_a_file_that_was_not_written_for_long_is_old() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = File::create(dir.path().join("a")).expect("made");
        assert!(!is_old(&file));
        file.set_modified(SystemTime::now() - 2 * ABANDONED_AFTER).expect("a time");
        assert!(is_old(&file));
    }
}
