//! Seeds the default drive with the files of a local folder, and accounts with the objects of JSON
//! files.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::fs;
use tokio_util::io::ReaderStream;

use crate::{
    account::Account,
    error::ServerError,
    item_names::{self, NameError},
    json::one_or_many,
    live::account_objects::fixtures,
    state::ServerState,
    tree::{
        Bytestream, ChildName, ItemKey, ListOptions, NewItem, NodeKind, OnConflict, Precondition,
        ROOT, Result as TreeResult, Stored, TreeError,
    },
};

/// Number of files that are read concurrently.
const CONCURRENCY: usize = 8;

/// Number of bytes that are read at a time.
const READ_SIZE: usize = 256 << 10;

/// The result of seeding a drive.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SeedReport {
    /// Number of files that were stored.
    pub files: u64,
    /// Number of folders that were created.
    pub folders: u64,
    /// Number of objects of Live Connect that were created.
    pub objects: u64,
    /// Skipped entries with the reasons. The entries of a skipped folder are not listed.
    pub skipped: Vec<(PathBuf, String)>,
}

/// The reason why an entry of the seed folder is skipped.
#[derive(Debug, thiserror::Error)]
enum SkipReason {
    #[error("cannot read it: {0}")]
    Unreadable(#[source] io::Error),
    #[error("cannot read the folder: {0}")]
    UnreadableFolder(#[source] io::Error),
    #[error("cannot follow the link: {0}")]
    BrokenLink(#[source] io::Error),
    #[error("it is a link out of the seed folder")]
    LinkOutside,
    #[error("it is a link to a folder")]
    LinkToFolder,
    #[error("it is neither a file nor a folder")]
    SpecialFile,
    #[error("its name is not Unicode")]
    NotUnicode,
    #[error("another entry of its folder has the same name on the drive")]
    NameTaken,
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Tree(TreeError),
}

/// Seeds the drives and the accounts as the options of the server demand. Returns `None` if nothing is to
/// be seeded.
///
/// # Errors
/// [`ServerError::Seed`] if the seed folder cannot be read or its files cannot be stored;
/// [`ServerError::SeedFile`] if the objects of a seed file cannot be created; [`ServerError::Tree`]
/// if the storage fails otherwise, or its disk is full.
pub(super) async fn seed(state: &ServerState) -> Result<Option<SeedReport>, ServerError> {
    let mut report = match &state.seed_folder {
        Some(folder) => Some(seed_folder(state, folder).await?),
        None => None,
    };
    for file in &state.seed_files {
        report.get_or_insert_default().objects += seed_objects(state, file).await?;
    }
    Ok(report)
}

/// Creates the objects of Live Connect in a JSON file. Returns their number.
///
/// # Errors
/// [`ServerError::SeedFile`] if the file cannot be read or is not JSON, or an object is invalid or
/// cannot be stored. The objects before it remain.
async fn seed_objects(state: &ServerState, file: &Path) -> Result<u64, ServerError> {
    let failed = |reason: String| ServerError::SeedFile { path: file.to_owned(), reason };
    let json = fs::read(file).await.map_err(|error| failed(error.to_string()))?;
    let objects = one_or_many(&json, "object").map_err(|error| failed(error.to_string()))?;
    let added = fixtures::add(state, objects).await;
    Ok(added.map_err(|error| failed(error.to_string()))?.len() as u64)
}

/// Stores the files and folders below a local folder in the default drive, with their times as the
/// client's times. Existing items of the same names are replaced.
///
/// Entries that a drive cannot have are skipped with a warning: names that are not Unicode or that
/// the drive does not allow, the second of two names that are equal for the drive, links out of the
/// folder, links to folders, unreadable entries, sockets, pipes and devices.
///
/// # Errors
/// [`ServerError::Seed`] if the folder cannot be read or its files cannot be stored;
/// [`ServerError::Tree`] if the storage fails.
async fn seed_folder(state: &ServerState, folder: &Path) -> Result<SeedReport, ServerError> {
    let account = state.accounts.open("").await.map_err(ServerError::Tree)?;
    let root = fs::canonicalize(folder).await.map_err(|error| failed(folder, error))?;
    let mut seeder = Seeder { state, account: &account, root, report: SeedReport::default() };
    let mut folders = vec![SeedFolder { path: folder.to_owned(), key: ROOT, names: Vec::new() }];
    while let Some(folder) = folders.pop() {
        let FolderContents { files, folders: below } = match seeder.read(&folder).await {
            Ok(contents) => contents,
            Err(error) if folder.key == ROOT => return Err(failed(&folder.path, error)),
            Err(error) => {
                seeder.skip(&folder.path, &SkipReason::UnreadableFolder(error));
                continue;
            }
        };
        let mut replaceable = seeder.items(folder.key).await.map_err(ServerError::Tree)?;
        seeder.put_files(folder.key, files, &mut replaceable).await?;
        for entry in below {
            let created = seeder.create_folder(folder.key, &entry, &mut replaceable).await;
            if let Some(key) = seeder.created_or_skipped(&entry, created)? {
                seeder.report.folders += 1;
                let names = [&folder.names[..], std::slice::from_ref(&entry.name)].concat();
                folders.push(SeedFolder { path: entry.path, key, names });
            }
        }
    }
    Ok(seeder.report)
}

/// A local folder and its item.
struct SeedFolder {
    path: PathBuf,
    key: ItemKey,
    /// The names from the root to the folder, including its own.
    names: Vec<String>,
}

/// A local file or folder that the drive can have.
struct SeedEntry {
    path: PathBuf,
    name: String,
    times: NewItem,
}

#[derive(Default)]
struct FolderContents {
    files: Vec<SeedEntry>,
    folders: Vec<SeedEntry>,
}

struct Seeder<'a> {
    state: &'a ServerState,
    account: &'a Account,
    /// The seed folder, without links.
    root: PathBuf,
    report: SeedReport,
}

impl Seeder<'_> {
    /// Reports an entry as skipped.
    fn skip(&mut self, path: &Path, reason: &SkipReason) {
        let reason = reason.to_string();
        tracing::warn!(path = %path.display(), reason, "an entry of the seed folder is skipped");
        self.report.skipped.push((path.to_owned(), reason));
    }

    /// Reads the entries of a folder that the drive can have, and reports the others as skipped.
    /// They are sorted by name, so that every run skips the same ones.
    ///
    /// # Errors
    /// The operating system's error if the folder cannot be read.
    async fn read(&mut self, folder: &SeedFolder) -> io::Result<FolderContents> {
        let mut contents = FolderContents::default();
        let mut entries = fs::read_dir(&folder.path).await?;
        while let Some(entry) = entries.next_entry().await? {
            let (is_folder, entry) = match self.check(&entry, folder).await {
                Ok(checked) => checked,
                Err(reason) => {
                    self.skip(&entry.path(), &reason);
                    continue;
                }
            };
            let list = if is_folder { &mut contents.folders } else { &mut contents.files };
            list.push(entry);
        }
        contents.files.sort_by(|a, b| a.name.cmp(&b.name));
        contents.folders.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(contents)
    }

    /// Checks that the drive can have an entry. Returns the entry, and whether it is a folder.
    ///
    /// # Errors
    /// `SkipReason` if the entry's kind is not allowed, its name is not Unicode, or the server's
    /// kind of accounts does not allow the name or the length of the path.
    async fn check(
        &self,
        entry: &fs::DirEntry,
        folder: &SeedFolder,
    ) -> Result<(bool, SeedEntry), SkipReason> {
        let (is_folder, times) = self.kind(entry).await?;
        let name = entry.file_name().into_string().map_err(|_| SkipReason::NotUnicode)?;
        let kind = self.state.accounts.settings().kind;
        item_names::check(&name, is_folder, kind, folder.key, &folder.names)?;
        Ok((is_folder, SeedEntry { path: entry.path(), name, times }))
    }

    /// Returns whether an entry is a folder, and its times.
    ///
    /// # Errors
    /// `SkipReason` for links out of the folder or to folders, special files and unreadable
    /// entries.
    async fn kind(&self, entry: &fs::DirEntry) -> Result<(bool, NewItem), SkipReason> {
        let path = entry.path();
        let file_type = entry.file_type().await.map_err(SkipReason::Unreadable)?;
        let is_link = file_type.is_symlink();
        if is_link {
            let target = fs::canonicalize(&path).await.map_err(SkipReason::BrokenLink)?;
            if !target.starts_with(&self.root) {
                return Err(SkipReason::LinkOutside);
            }
        }
        // Those of the link's target.
        let metadata = fs::metadata(&path).await.map_err(SkipReason::Unreadable)?;
        if metadata.is_dir() && is_link {
            return Err(SkipReason::LinkToFolder);
        }
        if !metadata.is_dir() && !metadata.is_file() {
            return Err(SkipReason::SpecialFile);
        }
        let times = NewItem {
            client_created: metadata.created().ok().and_then(timestamp),
            client_modified: metadata.modified().ok().and_then(timestamp),
            ..NewItem::default()
        };
        Ok((metadata.is_dir(), times))
    }

    /// Returns the items of a folder before it is seeded: those that may be replaced.
    ///
    /// # Errors
    /// `TreeError::NotFound` if the folder was deleted meanwhile, and `Storage` if the database
    /// cannot be read.
    async fn items(&self, folder: ItemKey) -> TreeResult<HashSet<ItemKey>> {
        let children =
            self.state.tree.children(self.account.drive, folder, ListOptions::default()).await?;
        Ok(children.into_iter().map(|child| child.no).collect())
    }

    /// Returns whether the next entry with this name replaces the item that has the name in
    /// `folder`, or fails: it replaces an item of `replaceable`, from which the item is then
    /// removed. So each earlier item is replaced at most once, and two local names that are equal
    /// for the drive do not replace each other.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read.
    async fn on_conflict(
        &self,
        folder: ItemKey,
        name: &str,
        replaceable: &mut HashSet<ItemKey>,
    ) -> TreeResult<OnConflict> {
        match self.state.tree.child(self.account.drive, folder, name).await {
            Ok(item) if replaceable.remove(&item.no) => Ok(OnConflict::Replace),
            Ok(_) | Err(TreeError::NotFound) => Ok(OnConflict::Fail),
            Err(error) => Err(error),
        }
    }

    /// Stores the files of a folder. Several are read concurrently. `replaceable` are the items
    /// that may be replaced.
    ///
    /// # Errors
    /// `ServerError::Seed` if the storage fails, its disk is full, or the folder's names cannot be
    /// looked up.
    async fn put_files(
        &mut self,
        folder: ItemKey,
        files: Vec<SeedEntry>,
        replaceable: &mut HashSet<ItemKey>,
    ) -> Result<(), ServerError> {
        let state = self.state;
        let stored = stream::iter(files).map(|file| async {
            let stored = store(state, &file.path).await;
            (file, stored)
        });
        let mut stored = std::pin::pin!(stored.buffered(CONCURRENCY));
        while let Some((file, stored)) = stored.next().await {
            let put = match stored {
                Ok(stored) => self.put(folder, &file, stored, replaceable).await,
                Err(error) => Err(error),
            };
            if self.created_or_skipped(&file, put)?.is_some() {
                self.report.files += 1;
            }
        }
        Ok(())
    }

    /// Creates a file from stored bytes in a folder. Returns its key.
    ///
    /// # Errors
    /// `TreeError::NameTaken` if the name is taken by an item that may not be replaced; `NotAFile`
    /// if it is a folder; `QuotaExceeded`; `NotFound` if the folder was deleted meanwhile;
    /// `Storage` and `NoRoom` if the database fails.
    async fn put(
        &self,
        folder: ItemKey,
        file: &SeedEntry,
        stored: Stored,
        replaceable: &mut HashSet<ItemKey>,
    ) -> TreeResult<ItemKey> {
        let on_conflict = self.on_conflict(folder, &file.name, replaceable).await?;
        let (drive, times) = (self.account.drive, file.times.clone());
        let put = self.state.tree.put(
            ChildName::new(drive, folder, &file.name),
            stored,
            times,
            on_conflict,
            Precondition::Any,
        );
        Ok(put.await?.node.no)
    }

    /// Creates a folder in the folder `parent`, or returns the existing one. Returns its key.
    ///
    /// # Errors
    /// `TreeError::NameTaken` if the name is taken by a file or by an item that may not be
    /// replaced; `NotFound` if the parent was deleted meanwhile; `Storage` and `NoRoom` if the
    /// database fails.
    async fn create_folder(
        &self,
        parent: ItemKey,
        folder: &SeedEntry,
        replaceable: &mut HashSet<ItemKey>,
    ) -> TreeResult<ItemKey> {
        let on_conflict = self.on_conflict(parent, &folder.name, replaceable).await?;
        let (drive, times) = (self.account.drive, folder.times.clone());
        let tree = &self.state.tree;
        let created = tree.make(
            ChildName::new(drive, parent, &folder.name),
            NodeKind::Folder,
            times,
            on_conflict,
        );
        Ok(created.await?.node.no)
    }

    /// Returns the key of an entry's item; `None` if the entry is skipped, because its name is
    /// taken, its file cannot be read, the drive is full, or the drive refuses it for another
    /// reason.
    ///
    /// # Errors
    /// [`ServerError::Seed`] if the storage failed, or its disk is full.
    fn created_or_skipped(
        &mut self,
        entry: &SeedEntry,
        result: TreeResult<ItemKey>,
    ) -> Result<Option<ItemKey>, ServerError> {
        let reason = match result {
            Ok(key) => return Ok(Some(key)),
            Err(error @ (TreeError::NoRoom(_) | TreeError::Storage(_))) => {
                return Err(failed(&entry.path, error));
            }
            Err(TreeError::NameTaken(_)) => SkipReason::NameTaken,
            Err(TreeError::Body(error)) => SkipReason::Unreadable(error),
            Err(error) => SkipReason::Tree(error),
        };
        self.skip(&entry.path, &reason);
        Ok(None)
    }
}

/// Stores the bytes of a local file.
///
/// # Errors
/// `TreeError::Body` if the file cannot be read; `Storage` and `NoRoom` if the bytes cannot be
/// stored.
async fn store(state: &ServerState, path: &Path) -> TreeResult<Stored> {
    let file = fs::File::open(path).await.map_err(TreeError::Body)?;
    let bytes: Bytestream = Box::pin(ReaderStream::with_capacity(file, READ_SIZE));
    state.tree.store(bytes, u64::MAX).await
}

/// Converts a time of the file system; `None` if it is out of range.
fn timestamp(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}

/// Returns the error for a file or folder that cannot be stored.
fn failed(path: &Path, reason: impl ToString) -> ServerError {
    ServerError::Seed { path: path.to_owned(), reason: reason.to_string() }
}
