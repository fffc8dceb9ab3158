//! The local file of a download, which replaces its target once it is complete.
//!
//! Until then it has a hidden name beside the target, `.drivedal-….partial`. A small file is
//! removed when its download fails; if the process is killed, a later run sweeps it. A large file
//! with an entry in the journal stays, and the next run resumes it if the remote's file is
//! unchanged. If the journal cannot be written, a large file is treated like a small one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::Bytes;
use drivedal::drive::Item;
use jiff::Timestamp;
use opendal::Metadata;
use serde::{Deserialize, Serialize};

use super::{
    CHUNK,
    checksum::{ActualHash, ExpectedHash, Hasher},
    journal::{PARTIAL, TransferClaim},
    partial_file::{RANDOM_CHARS, is_file, lock, open_locked, temporary},
};
use crate::{
    failure::{Failure, Result},
    interrupt::Interrupt,
};

/// Suffix of acd_cli's incomplete downloads (amazon-drive#acdcli-partial-suffix,
/// amazon-drive#acdcli-resume).
const ACD_CLI_PARTIAL: &str = ".__incomplete";

/// Number of bytes to discard at the end of acd_cli's incomplete download: acd_cli discards one
/// less.
const ACD_CLI_DISCARDED: u64 = 131_072 + 1;

/// A file without a hash is synced to disk each time this many bytes were written.
const SYNC_INTERVAL: u64 = 64 << 20;

/// Fields that identify a version of a remote file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct RemoteVersion {
    size: u64,
    id: Option<String>,
    etag: Option<String>,
    version: Option<String>,
    modified: Option<Timestamp>,
}

impl RemoteVersion {
    /// Collects the fields of a version. `None` if the service provides no field that changes with
    /// the content.
    pub(super) fn new(size: u64, metadata: &Metadata, item: Option<&Item>) -> Option<Self> {
        let version = Self {
            size,
            id: item.map(|item| item.id.to_string()),
            etag: metadata.etag().map(str::to_owned),
            version: metadata.version().map(str::to_owned),
            modified: metadata.last_modified().map(opendal::raw::Timestamp::into_inner),
        };
        let has_version =
            version.etag.is_some() || version.version.is_some() || version.modified.is_some();
        has_version.then_some(version)
    }
}

/// The remote file of a download.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct DownloadOrigin {
    /// A hash of the remote: its service, endpoint, name and root.
    pub(super) remote: String,
    /// Path on that remote.
    pub(super) path: String,
}

impl DownloadOrigin {
    /// Returns whether it is `top`, or an item below it.
    pub(super) fn is_within(&self, top: &Self) -> bool {
        let below = self.path.strip_prefix(top.path.as_str());
        self.remote == top.remote
            && below.is_some_and(|below| {
                below.is_empty() || below.starts_with('/') || top.path.is_empty()
            })
    }
}

/// The journal entry of a download.
#[derive(Debug, Deserialize, Serialize)]
struct SavedDownload {
    partial: PathBuf,
    version: RemoteVersion,
    /// Number of bytes that survive a power failure.
    durable: u64,
    /// The boot id of the computer when the file was written. `None` if the system has none.
    boot: Option<String>,
    /// `None` in entries of earlier versions.
    #[serde(default)]
    origin: Option<DownloadOrigin>,
}

/// How a download started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DownloadStart {
    New,
    /// It resumed an interrupted download.
    Resumed,
    /// It resumed an interrupted download of acd_cli.
    Adopted,
    /// It started again, because the remote file changed.
    Changed,
}

/// A download in progress.
pub(super) struct PartialDownload {
    storage: PartialStorage,
    target: PathBuf,
    hasher: Option<Hasher>,
    len: u64,
    /// Some of its bytes were received in an earlier run.
    resumed: bool,
}

enum PartialStorage {
    Temporary(tempfile::NamedTempFile),
    Journaled {
        file: File,
        // Boxed: an entry is ten times as large as the other variant.
        entry: Box<SavedDownload>,
        claim: TransferClaim,
        /// The entry is stored, so that a later run finds the file.
        in_journal: bool,
    },
}

impl PartialDownload {
    /// Creates the file of a small download. `expected` is the hash that the remote lists, if it
    /// lists one.
    ///
    /// # Errors
    /// [`Failure::local`] if no file can be created beside the target.
    pub(super) fn temporary(target: PathBuf, expected: Option<&ExpectedHash>) -> Result<Self> {
        let file = temporary(&target, RANDOM_CHARS)
            .map_err(|error| Failure::local("write", &target, &error))?;
        let hasher = expected.map(ExpectedHash::hasher);
        Ok(Self {
            storage: PartialStorage::Temporary(file),
            target,
            hasher,
            len: 0,
            resumed: false,
        })
    }

    /// Opens the file of a large download: the part of an earlier run, or a new file. `acd_cli` is
    /// whether an incomplete download of acd_cli may be resumed.
    ///
    /// # Errors
    /// [`Failure::local`] if no file can be created beside the target; `Interrupted` or
    /// `Terminated` after a signal.
    pub(super) fn resumable(
        target: PathBuf,
        claim: TransferClaim,
        version: RemoteVersion,
        origin: DownloadOrigin,
        expected: Option<&ExpectedHash>,
        acd_cli: bool,
        interrupt: &Interrupt,
    ) -> Result<(Self, DownloadStart)> {
        let failed = |error: io::Error| Failure::local("write", &target, &error);
        let (mut start, mut place) = (DownloadStart::New, None);
        if let Some(entry) = claim.load::<SavedDownload>() {
            if entry.version == version
                && is_file(&entry.partial)
                && let Some(file) = open_locked(&entry.partial).map_err(failed)?
            {
                let len = entry.trusted_len(&file, expected.is_some()).map_err(failed)?;
                file.set_len(len).map_err(failed)?;
                (start, place) = (DownloadStart::Resumed, Some((file, entry, len)));
            } else {
                // Files that the journal names were created by this program.
                let _ = fs::remove_file(&entry.partial);
                if entry.version != version {
                    start = DownloadStart::Changed;
                }
            }
        }
        let (file, entry, len) = match place {
            Some(place) => place,
            None => {
                let (mut file, entry) = create(&target, &claim, version, origin).map_err(failed)?;
                if !entry.save(&claim) {
                    // Without an entry no later run would find the file.
                    let _ = fs::remove_file(&entry.partial);
                    claim.forget();
                    return Ok((Self::temporary(target, expected)?, start));
                }
                let mut len = 0;
                if acd_cli && expected.is_some() {
                    len = adopt(&target, &entry, &mut file).map_err(failed)?;
                }
                if len > 0 {
                    start = DownloadStart::Adopted;
                }
                (file, entry, len)
            }
        };
        let hasher = expected.map(ExpectedHash::hasher);
        let storage =
            PartialStorage::Journaled { file, entry: Box::new(entry), claim, in_journal: true };
        let mut download = Self { storage, target, hasher, len, resumed: len > 0 };
        if len == 0 && start != DownloadStart::Changed {
            start = DownloadStart::New;
        }
        download.rehash(interrupt)?;
        Ok((download, start))
    }

    /// Returns the number of bytes received so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether some bytes were received in an earlier run.
    pub(super) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Appends chunks.
    ///
    /// # Errors
    /// [`Failure::local`] if the file cannot be written, for example on a full disk.
    pub(super) fn write(&mut self, pieces: impl IntoIterator<Item = Bytes>) -> Result {
        for piece in pieces {
            self.append(&piece).map_err(|error| Failure::local("write", &self.target, &error))?;
        }
        Ok(())
    }

    /// Appends a chunk to the file and its hash. A file without a hash is synced from time to time.
    ///
    /// # Errors
    /// The operating system's error if the file cannot be written or synced.
    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file().write_all(piece)?;
        self.len += piece.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
            return Ok(());
        }
        // Without a hash nothing detects bytes that a power failure lost.
        if let PartialStorage::Journaled { file, entry, claim, .. } = &mut self.storage
            && self.len - entry.durable >= SYNC_INTERVAL
        {
            file.sync_data()?;
            entry.durable = self.len;
            // If the entry cannot be stored, a later run resumes at an earlier offset.
            let _ = entry.save(claim);
        }
        Ok(())
    }

    /// Returns the hash of all bytes. `None` if no hash is expected, and on a second call.
    pub(super) fn finish_hash(&mut self) -> Option<ActualHash> {
        self.hasher.take().map(Hasher::finish)
    }

    /// Discards all bytes and starts again. `expected` is the hash that the remote lists now, if it
    /// lists one.
    ///
    /// # Errors
    /// [`Failure::local`] if the file cannot be truncated.
    pub(super) fn restart(&mut self, expected: Option<&ExpectedHash>) -> Result {
        let mut restart = || {
            self.file().set_len(0)?;
            self.file().seek(SeekFrom::Start(0))?;
            if let PartialStorage::Journaled { entry, claim, in_journal, .. } = &mut self.storage {
                entry.durable = 0;
                // The stored entry describes bytes that no longer exist.
                *in_journal = entry.save(claim);
            }
            io::Result::Ok(())
        };
        restart().map_err(|error| Failure::local("write", &self.target, &error))?;
        (self.len, self.resumed, self.hasher) = (0, false, expected.map(ExpectedHash::hasher));
        Ok(())
    }

    /// Moves the file to its target, with the modification time `modified`; `None` leaves the
    /// current time.
    ///
    /// # Errors
    /// [`Failure::local`] if the target cannot be replaced, for example because it is a folder.
    pub(super) fn finish(mut self, modified: Option<Timestamp>) -> Result {
        let target = self.target.clone();
        let failed = |error: &io::Error| Failure::local("write", &target, error);
        if let Some(time) = modified {
            self.file().set_modified(SystemTime::from(time)).map_err(|error| failed(&error))?;
        }
        match self.storage {
            PartialStorage::Temporary(file) => {
                file.persist(&target).map(drop).map_err(|error| failed(&error.error))
            }
            PartialStorage::Journaled { file, entry, claim, .. } => {
                drop(file);
                fs::rename(&entry.partial, &target).map_err(|error| failed(&error))?;
                claim.forget();
                Ok(())
            }
        }
    }

    /// Keeps the file for a later run. Returns the number of bytes kept. `None` if the file cannot
    /// be resumed; it is then removed.
    pub(super) fn suspend(self) -> Option<u64> {
        match self.storage {
            PartialStorage::Journaled { in_journal: true, .. } if self.len > 0 => Some(self.len),
            _ => {
                self.discard();
                None
            }
        }
    }

    /// Removes the file and its entry.
    pub(super) fn discard(self) {
        if let PartialStorage::Journaled { file, entry, claim, .. } = self.storage {
            drop(file);
            // A file that cannot be removed is removed when its entry expires.
            if fs::remove_file(&entry.partial).is_ok() {
                claim.forget();
            }
        }
    }

    /// Returns the open file.
    fn file(&mut self) -> &mut File {
        match &mut self.storage {
            PartialStorage::Temporary(file) => file.as_file_mut(),
            PartialStorage::Journaled { file, .. } => file,
        }
    }

    /// Computes the hash of the existing bytes and moves to the end of the file.
    ///
    /// # Errors
    /// [`Failure::local`] if the file cannot be read; `Interrupted` or `Terminated` after a signal.
    fn rehash(&mut self, interrupt: &Interrupt) -> Result {
        let (len, target) = (self.len, self.target.clone());
        let failed = |error: io::Error| Failure::local("write", &target, &error);
        if let Some(mut hasher) = self.hasher.take() {
            let (mut left, mut piece) = (len, vec![0; CHUNK]);
            self.file().seek(SeekFrom::Start(0)).map_err(failed)?;
            while left > 0 {
                if interrupt.is_set() {
                    return Err(interrupt.failure());
                }
                let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
                self.file().read_exact(&mut piece[..most]).map_err(failed)?;
                hasher.update(&piece[..most]);
                left -= most as u64;
            }
            self.hasher = Some(hasher);
        }
        self.file().seek(SeekFrom::Start(len)).map(drop).map_err(failed)
    }
}

/// Returns the origin and the path of the partial file in a journal entry. `None` if the entry has
/// no origin.
pub(super) fn saved_location(claim: &TransferClaim) -> Option<(DownloadOrigin, PathBuf)> {
    let entry = claim.load::<SavedDownload>()?;
    Some((entry.origin?, entry.partial))
}

impl SavedDownload {
    /// Stores the entry. Returns whether that succeeded.
    #[must_use]
    fn save(&self, claim: &TransferClaim) -> bool {
        claim.save(self, None, Some(&self.partial))
    }

    /// Returns the number of bytes of the file to keep, at most the size of the remote file. It is
    /// the whole length if a hash will be verified (`is_checked`), or if the computer has the boot
    /// id of the entry: it has not restarted since. Otherwise only the bytes that were synced to
    /// the disk.
    ///
    /// # Errors
    /// The operating system's error if the metadata of the file cannot be read.
    fn trusted_len(&self, file: &File, is_checked: bool) -> io::Result<u64> {
        let len = file.metadata()?.len().min(self.version.size);
        let no_power_was_lost = self.boot.is_some() && self.boot == boot_id();
        Ok(if is_checked || no_power_was_lost { len } else { len.min(self.durable) })
    }
}

/// Creates a file beside the target, and its entry.
///
/// # Errors
/// The operating system's error if the file cannot be created or locked.
fn create(
    target: &Path,
    claim: &TransferClaim,
    version: RemoteVersion,
    origin: DownloadOrigin,
) -> io::Result<(File, SavedDownload)> {
    let mut partial = target.with_file_name(format!("{}{}{}", PARTIAL.0, claim.name(), PARTIAL.1));
    let create = |path: &Path| -> io::Result<File> {
        loop {
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
            if lock(&file, path)? {
                return Ok(file);
            }
        }
    };
    let file = match create(&partial) {
        // The existing file may belong to the user, so it is not touched.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let (file, path) =
                temporary(target, 2 * RANDOM_CHARS)?.keep().map_err(|error| error.error)?;
            partial = path;
            file
        }
        file => file?,
    };
    Ok((
        file,
        SavedDownload { partial, version, durable: 0, boot: boot_id(), origin: Some(origin) },
    ))
}

/// Replaces the new file by an incomplete download of acd_cli. Returns the number of bytes to keep;
/// 0 if acd_cli left no file.
///
/// # Errors
/// The operating system's error if a file cannot be renamed, opened or truncated.
fn adopt(target: &Path, entry: &SavedDownload, file: &mut File) -> io::Result<u64> {
    let Some(name) = target.file_name() else { return Ok(0) };
    let mut name = name.to_owned();
    name.push(ACD_CLI_PARTIAL);
    let left = target.with_file_name(name);
    if !is_file(&left) || fs::metadata(&left)?.len() > entry.version.size {
        return Ok(0);
    }
    fs::rename(&left, &entry.partial)?;
    *file = OpenOptions::new().read(true).write(true).open(&entry.partial)?;
    lock(file, &entry.partial)?;
    let len = file.metadata()?.len().saturating_sub(ACD_CLI_DISCARDED);
    file.set_len(len)?;
    Ok(len)
}

/// Returns the boot id of the computer. `None` if the system has none.
fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
