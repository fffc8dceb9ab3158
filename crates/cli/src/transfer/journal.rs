//! The journal of large transfers, which lets the same command resume an interrupted transfer.
//!
//! The journal is a folder in the user's state folder. It has one small file per running or
//! interrupted transfer, named by a hash of source and target. Only the user can read it, because
//! an upload session grants write access to its file. An entry is removed when its transfer ends,
//! and expires after [`RETENTION`].
//!
//! A process holds the lock of an entry while it works on the transfer. Another process then
//! transfers the file without the journal. Entry locks are taken, and their files removed, while
//! holding the lock of the folder. The folder lock is held for no longer than that. So a locked
//! file is never one that was removed.
//!
//! If the journal cannot be written, the user gets one warning, and transfers cannot be resumed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::config;

/// Maximum age of the entry of an interrupted transfer.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// The folder of a user's entries. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    folder: Arc<Path>,
    /// The warning was printed.
    failure_reported: Arc<AtomicBool>,
}

/// An entry as stored.
#[derive(Deserialize, Serialize)]
struct JournalEntry<T> {
    /// Expiry of the entry.
    expires: Timestamp,
    /// The `.partial` file to remove when the entry expires.
    leaves: Option<PathBuf>,
    transfer: T,
}

impl Journal {
    /// Opens the journal in the user's state folder and removes expired entries. `None` if the user
    /// has no home folder or the folder cannot be written; transfers then cannot be resumed. Blocks
    /// on the disk.
    pub(crate) fn open() -> Option<Self> {
        let dirs = config::dirs()?;
        let folder = dirs.state_dir().unwrap_or(dirs.data_local_dir()).join("transfers");
        let journal = Self::in_folder(folder);
        match journal.prune(Timestamp::now()) {
            Ok(()) => Some(journal),
            Err(error) => {
                journal.report(&error);
                None
            }
        }
    }

    /// Prints the warning that the journal cannot be written, once.
    fn report(&self, error: &io::Error) {
        if !self.failure_reported.swap(true, Ordering::Relaxed) {
            let folder = self.folder.display();
            tracing::warn!(
                "cannot write {folder}: {error} (an interrupted large transfer will start again)"
            );
        }
    }

    /// Returns the journal in a folder, which is created when an entry is claimed.
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self { folder: folder.into(), failure_reported: Arc::default() }
    }

    /// Locks the entry of the transfer that `key` identifies. `None` if another process holds it,
    /// or if it cannot be written. Blocks on the disk.
    pub(crate) fn claim<'k>(
        &self,
        key: impl IntoIterator<Item = &'k [u8]>,
    ) -> Option<TransferClaim> {
        self.claim_named(transfer_name(key))
    }

    /// Like [`claim`](Self::claim), by the name of the entry. `None` if another process holds it,
    /// or if it cannot be written.
    pub(super) fn claim_named(&self, name: String) -> Option<TransferClaim> {
        let taken = self.lock_folder().and_then(|_alone| self.lock_entry(name));
        taken.unwrap_or_else(|error| {
            self.report(&error);
            None
        })
    }

    /// Returns whether the journal has an entry of that name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.file(name, "json").exists()
    }

    /// Locks an entry. The caller must hold the [folder lock](Self::lock_folder). `None` if another
    /// process holds the entry.
    ///
    /// # Errors
    /// The operating system's error if the lock file cannot be created or locked.
    fn lock_entry(&self, name: String) -> io::Result<Option<TransferClaim>> {
        let lock = private().create(true).truncate(false).open(self.file(&name, "lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(TransferClaim { journal: self.clone(), name, _lock: lock })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Creates the folder if necessary and takes its lock, which is held until the file is dropped.
    ///
    /// # Errors
    /// The operating system's error if the folder or the lock file cannot be created or locked.
    fn lock_folder(&self) -> io::Result<File> {
        create_private_folder(&self.folder)?;
        let lock = private().create(true).truncate(false).open(self.folder.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    /// Removes expired entries and their `.partial` files.
    ///
    /// # Errors
    /// The operating system's error if the folder cannot be locked or read, or an entry cannot be
    /// locked.
    fn prune(&self, now: Timestamp) -> io::Result<()> {
        let _alone = self.lock_folder()?;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            let (Some(name), Some("json")) = (name, path.extension().and_then(|end| end.to_str()))
            else {
                continue;
            };
            // An entry of another version, or an incomplete one, expires by the age of its file.
            let (expires, leaves) = match read::<serde_json::Value>(&path) {
                Some(kept) => (Some(kept.expires), kept.leaves),
                None => (modified(&path).and_then(|time| time.checked_add(RETENTION).ok()), None),
            };
            if expires.is_some_and(|expires| expires > now) {
                continue;
            }
            if let Some(claim) = self.lock_entry(name.to_owned())? {
                if let Some(left) = leaves.filter(|left| is_partial(left)) {
                    let _ = fs::remove_file(left);
                }
                claim.remove();
            }
        }
        Ok(())
    }

    /// Returns the path of a file of the entry `name`.
    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.folder.join(name).with_extension(extension)
    }
}

/// Returns the name of an entry: a hash of its key.
pub(crate) fn transfer_name<'k>(key: impl IntoIterator<Item = &'k [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in key {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..16])
}

/// Creates a folder that only its owner can read, and the folders above it. An existing folder is no
/// error.
///
/// # Errors
/// The operating system's error.
pub(crate) fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Returns options to create a file that only its owner can read and write.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Reads an entry; `None` if it does not exist or cannot be read.
fn read<T: DeserializeOwned>(path: &Path) -> Option<JournalEntry<T>> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Returns the modification time of a file; `None` if it is unknown.
fn modified(path: &Path) -> Option<Timestamp> {
    Timestamp::try_from(fs::metadata(path).ok()?.modified().ok()?).ok()
}

/// Prefix and suffix of the name of a partial download.
pub(super) const PARTIAL: (&str, &str) = (".drivedal-", ".partial");

/// Returns whether the path has the name of a partial download.
pub(super) fn is_partial(path: &Path) -> bool {
    partial_name(path).is_some()
}

/// Returns the variable part of the name of a partial download. `None` for other names.
pub(super) fn partial_name(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let middle = name.strip_prefix(PARTIAL.0)?.strip_suffix(PARTIAL.1)?;
    let is_ours =
        (6..=32).contains(&middle.len()) && middle.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // A probe file, which shows how a file system compares names, has one more letter.
    let is_probe = middle.starts_with(|c: char| c.is_ascii_alphanumeric())
        && ["é", "e\u{301}"].iter().any(|letter| middle.ends_with(letter))
        && middle.chars().count() <= 8;
    (is_ours || is_probe).then_some(middle)
}

/// The lock of an entry, held until it is dropped.
#[derive(Debug)]
pub(crate) struct TransferClaim {
    journal: Journal,
    name: String,
    _lock: File,
}

impl TransferClaim {
    /// Returns the unique name of the entry: letters and digits.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the stored transfer. `None` if the entry does not exist, has expired or cannot be
    /// read.
    pub(crate) fn load<T: DeserializeOwned>(&self) -> Option<T> {
        let kept = read::<T>(&self.journal.file(&self.name, "json"))?;
        (kept.expires > Timestamp::now()).then_some(kept.transfer)
    }

    /// Stores the transfer atomically: a process that is killed leaves the old or the new version.
    /// The entry expires at `expires`, at the latest after [`RETENTION`]. `leaves` is the file to
    /// remove then. Returns whether the entry was stored; otherwise the old version stays.
    #[must_use]
    pub(crate) fn save<T: Serialize>(
        &self,
        transfer: T,
        expires: Option<Timestamp>,
        leaves: Option<&Path>,
    ) -> bool {
        let kept = self.write(transfer, expires, leaves);
        kept.inspect_err(|error| self.journal.report(error)).is_ok()
    }

    /// Stores the transfer; see [`save`](Self::save).
    ///
    /// # Errors
    /// The operating system's error if the file cannot be written or renamed; `Other` if the
    /// transfer cannot be serialized.
    fn write<T: Serialize>(
        &self,
        transfer: T,
        expires: Option<Timestamp>,
        leaves: Option<&Path>,
    ) -> io::Result<()> {
        let usual = Timestamp::now().checked_add(RETENTION).map_err(io::Error::other)?;
        let expires = expires.map_or(usual, |expires| expires.min(usual));
        let text = serde_json::to_vec(&JournalEntry {
            expires,
            leaves: leaves.map(Path::to_path_buf),
            transfer,
        })?;
        let new = self.journal.file(&self.name, "new");
        private().create(true).truncate(true).open(&new)?.write_all(&text)?;
        fs::rename(new, self.journal.file(&self.name, "json"))
    }

    /// Removes the entry, because the transfer ended or cannot be resumed.
    pub(crate) fn forget(self) {
        // Without the folder lock another process could lock a file that is removed here.
        if let Ok(_alone) = self.journal.lock_folder() {
            self.remove();
        }
    }

    /// Removes the files of the entry. The caller must hold the folder lock.
    fn remove(self) {
        for extension in ["new", "json", "lock"] {
            // A remaining file expires later.
            let _ = fs::remove_file(self.journal.file(&self.name, extension));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().expect("a folder");
        let journal = Journal::in_folder(dir.path().join("state/transfers"));
        (dir, journal)
    }

    fn claim(journal: &Journal, key: &str) -> Option<TransferClaim> {
        journal.claim([key.as_bytes()])
    }

    fn names(journal: &Journal) -> Vec<String> {
        let read = fs::read_dir(&journal.folder).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("listed").file_name();
        let mut names: Vec<_> =
            read.map(|entry| name(entry).into_string().expect("text")).collect();
        names.sort();
        names
    }

    #[test]
    fn an_entry_is_visible_to_the_next_process_until_the_transfer_ends() {
        let (_dir, journal) = journal();
        let first = claim(&journal, "a").expect("nobody else");
        assert_eq!(first.load::<String>(), None);
        assert!(first.save("half", None, None));
        assert!(first.save("more", None, None));
        assert!(claim(&journal, "a").is_none(), "two at one transfer");
        assert!(claim(&journal, "b").is_some());
        drop(first);
        let second = claim(&journal, "a").expect("the first has ended");
        assert_eq!(second.load::<String>().as_deref(), Some("more"));
        second.forget();
        assert_eq!(claim(&journal, "a").expect("free").load::<String>(), None);
        assert!(!names(&journal).iter().any(|name| name.ends_with("json")));
    }

    #[test]
    fn without_a_writable_journal_there_is_no_claim_and_the_stored_entry_stays() {
        let (dir, journal) = journal();
        let first = claim(&journal, "a").expect("nobody else");
        assert!(first.save("half", None, None));
        // This folder prevents the write of the next version.
        fs::create_dir(journal.file(first.name(), "new")).expect("made");
        assert!(!first.save("more", None, None));
        assert_eq!(first.load::<String>().as_deref(), Some("half"));

        let file = dir.path().join("file");
        fs::write(&file, "").expect("written");
        assert!(claim(&Journal::in_folder(file.join("transfers")), "a").is_none());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_journal() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, journal) = journal();
        let claim = claim(&journal, "a").expect("nobody else");
        assert!(claim.save("SECRET", None, None));
        for name in names(&journal) {
            let mode = fs::metadata(journal.folder.join(&name)).expect("there").permissions();
            assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
        }
        let mode = fs::metadata(&journal.folder).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn expired_entries_are_removed_with_their_partial_files_but_no_other_files() {
        let (dir, journal) = journal();
        let now = Timestamp::now();
        let later = |days: i64| now + jiff::SignedDuration::from_hours(24 * days);
        let (ours, theirs) = (dir.path().join(".drivedal-abcdef.partial"), dir.path().join("x"));
        for (key, left) in [("a", &ours), ("b", &theirs)] {
            fs::write(left, "half").expect("written");
            let claim = claim(&journal, key).expect("nobody else");
            assert!(claim.save(key, Some(later(1)), Some(left)));
        }
        let working = claim(&journal, "c").expect("nobody else");
        assert!(working.save("c", Some(later(1)), None));
        fs::write(journal.folder.join("nonsense.json"), "{").expect("written");

        journal.prune(now).expect("pruned");
        assert_eq!(claim(&journal, "a").expect("free").load::<String>().as_deref(), Some("a"));
        journal.prune(later(2)).expect("pruned");
        assert!(claim(&journal, "a").expect("free").load::<String>().is_none());
        assert_eq!((ours.exists(), theirs.exists()), (false, true));
        assert_eq!(working.load::<String>().as_deref(), Some("c"), "somebody is at it");
        assert!(journal.folder.join("nonsense.json").exists());
        journal.prune(later(40)).expect("pruned");
        assert!(!journal.folder.join("nonsense.json").exists());
    }

    #[test]
    fn concurrent_claims_exclude_each_other_and_never_lock_a_removed_file() {
        let (_dir, journal) = journal();
        let at_it = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let Some(claim) = claim(&journal, "a") else { continue };
                        use std::sync::atomic::Ordering::SeqCst;
                        assert_eq!(at_it.fetch_add(1, SeqCst), 0, "two at one transfer");
                        assert!(claim.save("x", None, None));
                        at_it.fetch_sub(1, SeqCst);
                        claim.forget();
                    }
                });
            }
        });
    }

    #[test]
    fn a_partial_download_is_recognised_by_its_whole_name() {
        for name in [".drivedal-abc123.partial", "/a/.drivedal-0123456789abcdef.partial"] {
            assert!(is_partial(Path::new(name)), "{name}");
        }
        for name in ["x.partial", ".drivedal-.partial", ".drivedal-my file.partial", "a/.drivedal"]
        {
            assert!(!is_partial(Path::new(name)), "{name}");
        }
    }
}
