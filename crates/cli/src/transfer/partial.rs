//! A file that grows beside its target and takes its place when it is whole.
//!
//! Until then it has a hidden name beside it, `.drivedal-….partial`. A small one is gone when it is
//! not wanted any more, or swept up later if its process was killed. A large one that the journal
//! knows stays, and the next run goes on with it if the remote's file is still the same one; where
//! the journal cannot know it, it is as a small one.

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
    PIECE,
    checksum::{ActualHash, ExpectedHash, Hasher},
    journal::{Claim, PARTIAL},
};
use crate::{
    failure::{Failure, Result},
    interrupt::Interrupt,
};

/// What acd_cli calls a file that it has not fetched to its end
/// (amazon-drive#acdcli-partial-suffix, amazon-drive#acdcli-resume).
const ACD_CLI_PARTIAL: &str = ".__incomplete";

/// How many of such a file's last bytes acd_cli does not trust, and one more.
const ACD_CLI_DOUBTED: u64 = 131_072 + 1;

/// How many letters and digits a small file has between the beginning and the end of its name.
const RANDOM: usize = 6;

/// How often a file that cannot be checked by a hash is put on the disk for certain, in bytes.
const DURABLE: u64 = 64 << 20;

/// What tells one version of a remote's file from another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct RemoteVersion {
    size: u64,
    id: Option<String>,
    etag: Option<String>,
    version: Option<String>,
    modified: Option<Timestamp>,
}

impl RemoteVersion {
    /// `None` where the service tells nothing that would change with the bytes.
    pub(super) fn new(size: u64, metadata: &Metadata, item: Option<&Item>) -> Option<Self> {
        let version = Self {
            size,
            id: item.map(|item| item.id.to_string()),
            etag: metadata.etag().map(str::to_owned),
            version: metadata.version().map(str::to_owned),
            modified: metadata.last_modified().map(opendal::raw::Timestamp::into_inner),
        };
        let tells =
            version.etag.is_some() || version.version.is_some() || version.modified.is_some();
        tells.then_some(version)
    }
}

/// Where a file is fetched from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct DownloadOrigin {
    /// A hash of the remote: its service, endpoint, name and root.
    pub(super) remote: String,
    /// The path in it.
    pub(super) path: String,
}

impl DownloadOrigin {
    /// Whether it is `top`, or an item below it.
    pub(super) fn is_within(&self, top: &Self) -> bool {
        let below = self.path.strip_prefix(top.path.as_str());
        self.remote == top.remote
            && below.is_some_and(|below| {
                below.is_empty() || below.starts_with('/') || top.path.is_empty()
            })
    }
}

/// What the journal keeps of a file that is being fetched.
#[derive(Debug, Deserialize, Serialize)]
struct SavedDownload {
    partial: PathBuf,
    version: RemoteVersion,
    /// How many of its bytes outlast a computer that loses its power.
    durable: u64,
    /// Which start of this computer it was written under.
    boot: Option<String>,
    /// Missing in entries of earlier versions.
    #[serde(default)]
    origin: Option<DownloadOrigin>,
}

/// How a file that is being fetched began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DownloadStart {
    New,
    /// Where it was stopped.
    Resumed,
    /// Where acd_cli was stopped.
    Adopted,
    /// Anew, because the remote's file is not the one of before.
    Changed,
}

/// The file.
pub(super) struct PartialDownload {
    storage: Storage,
    target: PathBuf,
    hasher: Option<Hasher>,
    len: u64,
    /// Some of its bytes came in another run.
    continued: bool,
}

enum Storage {
    Temporary(tempfile::NamedTempFile),
    Journaled {
        file: File,
        // Boxed: an entry is ten times as large as the other variant.
        entry: Box<SavedDownload>,
        claim: Claim,
        /// The journal has it, so somebody will find it.
        in_journal: bool,
    },
}

impl PartialDownload {
    /// A small file.
    ///
    /// # Errors
    /// When nothing can be written beside the target.
    pub(super) fn temporary(target: PathBuf, expected: Option<&ExpectedHash>) -> Result<Self> {
        let file =
            temporary(&target, RANDOM).map_err(|error| Failure::local("write", &target, &error))?;
        let hasher = expected.map(ExpectedHash::hasher);
        Ok(Self { storage: Storage::Temporary(file), target, hasher, len: 0, continued: false })
    }

    /// A large file: what is there of it, or else a new one.
    ///
    /// # Errors
    /// When nothing can be written beside the target, or the command is stopped.
    pub(super) fn resumable(
        target: PathBuf,
        claim: Claim,
        version: RemoteVersion,
        origin: DownloadOrigin,
        expected: Option<&ExpectedHash>,
        acd_cli: bool,
        interrupt: &Interrupt,
    ) -> Result<(Self, DownloadStart)> {
        let failed = |error: io::Error| Failure::local("write", &target, &error);
        let (mut begun, mut place) = (DownloadStart::New, None);
        if let Some(entry) = claim.load::<SavedDownload>() {
            if entry.version == version
                && is_file(&entry.partial)
                && let Some(file) = open_locked(&entry.partial).map_err(failed)?
            {
                let len = entry.trusted_len(&file, expected.is_some()).map_err(failed)?;
                file.set_len(len).map_err(failed)?;
                (begun, place) = (DownloadStart::Resumed, Some((file, entry, len)));
            } else {
                // Whatever the journal names is ours.
                let _ = fs::remove_file(&entry.partial);
                if entry.version != version {
                    begun = DownloadStart::Changed;
                }
            }
        }
        let (file, entry, len) = match place {
            Some(place) => place,
            None => {
                let (mut file, entry) = create(&target, &claim, version, origin).map_err(failed)?;
                if !entry.save(&claim) {
                    // Nobody would find it.
                    let _ = fs::remove_file(&entry.partial);
                    claim.forget();
                    return Ok((Self::temporary(target, expected)?, begun));
                }
                let mut len = 0;
                if acd_cli && expected.is_some() {
                    len = adopt(&target, &entry, &mut file).map_err(failed)?;
                }
                if len > 0 {
                    begun = DownloadStart::Adopted;
                }
                (file, entry, len)
            }
        };
        let hasher = expected.map(ExpectedHash::hasher);
        let storage = Storage::Journaled { file, entry: Box::new(entry), claim, in_journal: true };
        let mut download = Self { storage, target, hasher, len, continued: len > 0 };
        if len == 0 && begun != DownloadStart::Changed {
            begun = DownloadStart::New;
        }
        download.rehash(interrupt)?;
        Ok((download, begun))
    }

    /// How many of its bytes are there.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether some of its bytes came in another run.
    pub(super) fn is_resumed(&self) -> bool {
        self.continued
    }

    /// Writes pieces to its end.
    ///
    /// # Errors
    /// When the disk is full, for example.
    pub(super) fn write(&mut self, pieces: impl IntoIterator<Item = Bytes>) -> Result {
        for piece in pieces {
            self.append(&piece).map_err(|error| Failure::local("write", &self.target, &error))?;
        }
        Ok(())
    }

    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file().write_all(piece)?;
        self.len += piece.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
            return Ok(());
        }
        // What comes of a computer that stops would be found by a hash, and here by nothing.
        if let Storage::Journaled { file, entry, claim, .. } = &mut self.storage
            && self.len - entry.durable >= DURABLE
        {
            file.sync_data()?;
            entry.durable = self.len;
            // Where that cannot be written down, less is trusted than could be.
            let _ = entry.save(claim);
        }
        Ok(())
    }

    /// The hash of all its bytes, if one is wanted. Given once.
    pub(super) fn finish_hash(&mut self) -> Option<ActualHash> {
        self.hasher.take().map(Hasher::finish)
    }

    /// Begins anew: what is there is no part of the file.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn restart(&mut self, expected: Option<&ExpectedHash>) -> Result {
        let mut restart = || {
            self.file().set_len(0)?;
            self.file().seek(SeekFrom::Start(0))?;
            if let Storage::Journaled { entry, claim, in_journal, .. } = &mut self.storage {
                entry.durable = 0;
                // What is written there now speaks of bytes that are gone.
                *in_journal = entry.save(claim);
            }
            io::Result::Ok(())
        };
        restart().map_err(|error| Failure::local("write", &self.target, &error))?;
        (self.len, self.continued, self.hasher) = (0, false, expected.map(ExpectedHash::hasher));
        Ok(())
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// When a folder is there, for example.
    pub(super) fn finish(mut self, modified: Option<Timestamp>) -> Result {
        let target = self.target.clone();
        let failed = |error: &io::Error| Failure::local("write", &target, error);
        if let Some(time) = modified {
            self.file().set_modified(SystemTime::from(time)).map_err(|error| failed(&error))?;
        }
        match self.storage {
            Storage::Temporary(file) => {
                file.persist(&target).map(drop).map_err(|error| failed(&error.error))
            }
            Storage::Journaled { file, entry, claim, .. } => {
                drop(file);
                fs::rename(&entry.partial, &target).map_err(|error| failed(&error))?;
                claim.forget();
                Ok(())
            }
        }
    }

    /// Leaves what is there for another run; how many bytes that are, if any.
    pub(super) fn suspend(self) -> Option<u64> {
        match self.storage {
            Storage::Journaled { in_journal: true, .. } if self.len > 0 => Some(self.len),
            _ => {
                self.discard();
                None
            }
        }
    }

    /// Removes what is there.
    pub(super) fn discard(self) {
        if let Storage::Journaled { file, entry, claim, .. } = self.storage {
            drop(file);
            // What stays is forgotten with its entry.
            if fs::remove_file(&entry.partial).is_ok() {
                claim.forget();
            }
        }
    }

    fn file(&mut self) -> &mut File {
        match &mut self.storage {
            Storage::Temporary(file) => file.as_file_mut(),
            Storage::Journaled { file, .. } => file,
        }
    }

    /// Takes the hash of what is there, and goes to its end.
    fn rehash(&mut self, interrupt: &Interrupt) -> Result {
        let (len, target) = (self.len, self.target.clone());
        let failed = |error: io::Error| Failure::local("write", &target, &error);
        if let Some(mut hasher) = self.hasher.take() {
            let (mut left, mut piece) = (len, vec![0; PIECE]);
            self.file().seek(SeekFrom::Start(0)).map_err(failed)?;
            while left > 0 {
                if interrupt.is_set() {
                    return Err(interrupt.failure());
                }
                let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                self.file().read_exact(&mut piece[..most]).map_err(failed)?;
                hasher.update(&piece[..most]);
                left -= most as u64;
            }
            self.hasher = Some(hasher);
        }
        self.file().seek(SeekFrom::Start(len)).map(drop).map_err(failed)
    }
}

/// Where a file is fetched from, and where it grows, as its entry in the journal has them.
pub(super) fn saved_location(claim: &Claim) -> Option<(DownloadOrigin, PathBuf)> {
    let entry = claim.load::<SavedDownload>()?;
    Some((entry.origin?, entry.partial))
}

impl SavedDownload {
    /// Writes it down; whether that could be done.
    #[must_use]
    fn save(&self, claim: &Claim) -> bool {
        claim.save(self, None, Some(&self.partial))
    }

    /// How many bytes of what is there are certainly those that came: of a file that was written
    /// under this very start of the computer all, and of one that a hash will be taken of.
    fn trusted_len(&self, file: &File, is_checked: bool) -> io::Result<u64> {
        let len = file.metadata()?.len().min(self.version.size);
        let no_power_was_lost = self.boot.is_some() && self.boot == boot_id();
        Ok(if is_checked || no_power_was_lost { len } else { len.min(self.durable) })
    }
}

/// A new file beside the target, and its entry.
fn create(
    target: &Path,
    claim: &Claim,
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
        // Nobody knows whose it is, so it is left alone.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let (file, path) =
                temporary(target, 2 * RANDOM)?.keep().map_err(|error| error.error)?;
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

/// Puts what acd_cli has left of a file in the place of a new one: how many bytes.
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
    let len = file.metadata()?.len().saturating_sub(ACD_CLI_DOUBTED);
    file.set_len(len)?;
    Ok(len)
}

/// Opens a file that another run has left, and locks it; `None` if it was swept away meanwhile.
fn open_locked(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    Ok(lock(&file, path)?.then_some(file))
}

/// Locks a file, so that no [sweep](super::sweep) takes it for abandoned. Returns whether it is still at its
/// path: a sweep may have come between its creation and the lock.
fn lock(file: &File, path: &Path) -> io::Result<bool> {
    // Where there are no locks, a sweep goes by its age.
    let _ = file.lock();
    is_at_path(file, path)
}

#[cfg(unix)]
fn is_at_path(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (ours, there) = (file.metadata()?, fs::symlink_metadata(path));
    Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
}

#[cfg(not(unix))]
fn is_at_path(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

fn temporary(target: &Path, random: usize) -> io::Result<tempfile::NamedTempFile> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    loop {
        let file = create_in(folder.unwrap_or(Path::new(".")), random, "")?;
        if lock(file.as_file(), file.path())? {
            return Ok(file);
        }
    }
}

/// A file that shows how the file system of a folder compares names. It is gone when dropped, and
/// swept up if the process is killed before.
pub(super) fn probe_file(folder: &Path, letter: &str) -> io::Result<tempfile::NamedTempFile> {
    create_in(folder, RANDOM, letter)
}

fn create_in(folder: &Path, random: usize, letter: &str) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    let suffix = format!("{letter}{}", PARTIAL.1);
    // Short, so that it fits wherever the target's own name does.
    builder.prefix(PARTIAL.0).suffix(&suffix).rand_bytes(random);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file's: what the user's mask leaves of it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Whether a regular file is there, and no link to one.
pub(super) fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// Which start of this computer it is, where the system tells.
fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
