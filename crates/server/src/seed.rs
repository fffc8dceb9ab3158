//! A drive that begins with the files of a local folder.

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

use super::{
    ServerError,
    account::Account,
    item_names,
    state::ServerState,
    tree::{
        Bytestream, ChildName, ItemKey, Listing, NewItem, NodeKind, OnConflict, Precondition, ROOT,
        Result as TreeResult, Stored, TreeError,
    },
};

/// Number of files that are read at a time.
const AT_A_TIME: usize = 8;

/// How much of a file is read at once, in bytes.
const READ: usize = 256 << 10;

/// The result of seeding a drive.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Seeded {
    /// Number of files that the drive has of the folder.
    pub files: u64,
    /// Number of folders.
    pub folders: u64,
    /// Entries that the drive does not have, each with the reason. The entries of such a folder are
    /// not listed.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Puts the files and folders below a local folder into the default drive, with their times as the
/// client's times. Items of the same names are replaced. Entries that a drive cannot have are
/// skipped, each with a warning: names that are not Unicode or that the drive forbids, the second of
/// two names that are one on the drive, links out of the folder and links to folders, unreadable
/// entries, sockets, pipes and devices.
///
/// # Errors
/// When the folder itself cannot be read, or the storage fails.
pub(super) async fn seed(state: &ServerState, folder: &Path) -> Result<Seeded, ServerError> {
    let account = state.accounts.open("").await.map_err(ServerError::Tree)?;
    let inside = fs::canonicalize(folder).await.map_err(|error| failed(folder, error))?;
    let mut seeding = Seeding { state, account: &account, inside, done: Seeded::default() };
    let mut folders = vec![Place { path: folder.to_owned(), number: ROOT, above: Vec::new() }];
    while let Some(place) = folders.pop() {
        let Contents { files, folders: below } = match seeding.read(&place).await {
            Ok(contents) => contents,
            Err(error) if place.number == ROOT => return Err(failed(folder, error)),
            Err(error) => {
                seeding.skip(&place.path, format!("cannot read the folder: {error}"));
                continue;
            }
        };
        let mut replaceable = seeding.items(place.number).await.map_err(ServerError::Tree)?;
        seeding.put_all(place.number, files, &mut replaceable).await?;
        for entry in below {
            let made = seeding.make(place.number, &entry, &mut replaceable).await;
            if let Some(number) = seeding.settled(&entry, made)? {
                seeding.done.folders += 1;
                let above = [&place.above[..], std::slice::from_ref(&entry.name)].concat();
                folders.push(Place { path: entry.path, number, above });
            }
        }
    }
    Ok(seeding.done)
}

/// A local folder and its item.
struct Place {
    path: PathBuf,
    number: ItemKey,
    /// The names from the root down, its own included.
    above: Vec<String>,
}

struct Entry {
    path: PathBuf,
    name: String,
    times: NewItem,
}

#[derive(Default)]
struct Contents {
    files: Vec<Entry>,
    folders: Vec<Entry>,
}

struct Seeding<'a> {
    state: &'a ServerState,
    account: &'a Account,
    /// The seed folder, without links.
    inside: PathBuf,
    done: Seeded,
}

impl Seeding<'_> {
    fn skip(&mut self, path: &Path, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::warn!(path = %path.display(), reason, "an entry of the seed folder is skipped");
        self.done.skipped.push((path.to_owned(), reason));
    }

    /// The entries of a folder that the drive can have, by name, so that every run skips the same.
    async fn read(&mut self, place: &Place) -> io::Result<Contents> {
        let mut contents = Contents::default();
        let mut entries = fs::read_dir(&place.path).await?;
        while let Some(entry) = entries.next_entry().await? {
            let path = entry.path();
            let (is_folder, times) = match self.kind(&entry).await {
                Ok(found) => found,
                Err(reason) => {
                    self.skip(&path, reason);
                    continue;
                }
            };
            let Ok(name) = entry.file_name().into_string() else {
                self.skip(&path, "its name is not Unicode");
                continue;
            };
            let kind = self.state.accounts.settings().kind;
            let named = item_names::check(&name, is_folder, kind, place.number, &place.above);
            if let Err(error) = named {
                self.skip(&path, error.message);
                continue;
            }
            let list = if is_folder { &mut contents.folders } else { &mut contents.files };
            list.push(Entry { path, name, times });
        }
        contents.files.sort_by(|a, b| a.name.cmp(&b.name));
        contents.folders.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(contents)
    }

    /// Whether an entry is a folder, and its times; or why it is neither file nor folder.
    async fn kind(&self, entry: &fs::DirEntry) -> Result<(bool, NewItem), String> {
        let path = entry.path();
        let unreadable = |error: io::Error| format!("cannot read it: {error}");
        let is_link = entry.file_type().await.map_err(unreadable)?.is_symlink();
        if is_link {
            let target = fs::canonicalize(&path).await;
            let target = target.map_err(|error| format!("cannot follow the link: {error}"))?;
            if !target.starts_with(&self.inside) {
                return Err("it is a link out of the seed folder".to_owned());
            }
        }
        // Of the link's target.
        let metadata = fs::metadata(&path).await.map_err(unreadable)?;
        if metadata.is_dir() && is_link {
            return Err("it is a link to a folder".to_owned());
        }
        if !metadata.is_dir() && !metadata.is_file() {
            return Err("it is neither a file nor a folder".to_owned());
        }
        let times = NewItem {
            client_created: metadata.created().ok().and_then(timestamp),
            client_modified: metadata.modified().ok().and_then(timestamp),
            ..NewItem::default()
        };
        Ok((metadata.is_dir(), times))
    }

    /// The items of a folder before it is seeded: those that may be replaced.
    async fn items(&self, folder: ItemKey) -> TreeResult<HashSet<ItemKey>> {
        let children =
            self.state.tree.children(self.account.drive, folder, Listing::default()).await?;
        Ok(children.into_iter().map(|child| child.no).collect())
    }

    /// How the next item of that name meets the one there. Each item of before is replaced once:
    /// two local names that are one on the drive do not replace each other.
    async fn on_conflict(
        &self,
        folder: ItemKey,
        name: &str,
        replaceable: &mut HashSet<ItemKey>,
    ) -> TreeResult<OnConflict> {
        match self.state.tree.child(self.account.drive, folder, name).await {
            Ok(there) if replaceable.remove(&there.no) => Ok(OnConflict::Replace),
            Ok(_) | Err(TreeError::NotFound) => Ok(OnConflict::Fail),
            Err(error) => Err(error),
        }
    }

    async fn put_all(
        &mut self,
        folder: ItemKey,
        files: Vec<Entry>,
        replaceable: &mut HashSet<ItemKey>,
    ) -> Result<(), ServerError> {
        let state = self.state;
        let stored = stream::iter(files).map(|file| async {
            let stored = store(state, &file.path).await;
            (file, stored)
        });
        let mut stored = std::pin::pin!(stored.buffered(AT_A_TIME));
        while let Some((file, stored)) = stored.next().await {
            let put = match stored {
                Ok(stored) => self.put(folder, &file, stored, replaceable).await,
                Err(error) => Err(error),
            };
            if self.settled(&file, put)?.is_some() {
                self.done.files += 1;
            }
        }
        Ok(())
    }

    async fn put(
        &self,
        folder: ItemKey,
        file: &Entry,
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

    async fn make(
        &self,
        parent: ItemKey,
        folder: &Entry,
        replaceable: &mut HashSet<ItemKey>,
    ) -> TreeResult<ItemKey> {
        let on_conflict = self.on_conflict(parent, &folder.name, replaceable).await?;
        let (drive, times) = (self.account.drive, folder.times.clone());
        let tree = &self.state.tree;
        let made = tree.make(
            ChildName::new(drive, parent, &folder.name),
            NodeKind::Folder,
            times,
            on_conflict,
        );
        Ok(made.await?.node.no)
    }

    /// Returns the number of an entry's item, or reports the entry as skipped.
    fn settled(
        &mut self,
        entry: &Entry,
        outcome: TreeResult<ItemKey>,
    ) -> Result<Option<ItemKey>, ServerError> {
        let reason = match outcome {
            Ok(number) => return Ok(Some(number)),
            Err(error @ (TreeError::NoRoom(_) | TreeError::Storage(_))) => {
                return Err(failed(&entry.path, error));
            }
            Err(TreeError::NameTaken(_)) => {
                "another entry of its folder has the same name on the drive".to_owned()
            }
            Err(TreeError::Body(error)) => format!("cannot read it: {error}"),
            Err(error) => error.to_string(),
        };
        self.skip(&entry.path, reason);
        Ok(None)
    }
}

async fn store(state: &ServerState, path: &Path) -> TreeResult<Stored> {
    let file = fs::File::open(path).await.map_err(TreeError::Body)?;
    let bytes: Bytestream = Box::pin(ReaderStream::with_capacity(file, READ));
    state.tree.store(bytes, u64::MAX).await
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}

fn failed(path: &Path, reason: impl ToString) -> ServerError {
    ServerError::Seed { path: path.to_owned(), reason: reason.to_string() }
}
