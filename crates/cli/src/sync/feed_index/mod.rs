//! The index of a cloud drive's folder, which the drive's change feed brings up to date.
//!
//! The index is a file in the user's cache folder, named by a hash of the remote and the folder.
//! Only the user can read it. [`feed`] has the argument why it equals the drive. In addition:
//!
//! * The index belongs to the id of its folder. A folder that was replaced, or another account, has
//!   another id; the index is then built again.
//! * It is built again after [`AGE_MAX`], so that a mistake of a feed does not stay.
//! * A process holds a lock while it uses the index. Another process lists the folder meanwhile.
//! * A file that is damaged or of another version is removed.

mod feed;
mod store;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use drivedal::adapter::DriveHandle;
use drivedal_transfer::{FailureCause, TreeEntry, TreeIndex};
use jiff::{SignedDuration, Timestamp};
use opendal::Operator;
use tokio::sync::Mutex;

use self::{
    feed::{DriveFeed, FeedError},
    store::IndexStore,
};
use crate::{
    config,
    remote::RemotePath,
    transfer::{journal, local::blocking},
};

/// The maximum age of an index since it was built from listings.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The index of a folder of a cloud drive.
#[derive(Debug)]
pub(super) struct FeedIndex {
    operator: Operator,
    handle: DriveHandle,
    /// The path of the folder within the operator, with a slash at its end.
    path: String,
    /// The file of the index.
    file: PathBuf,
    state: Mutex<IndexState>,
}

/// The use of an index by a run.
#[derive(Debug)]
enum IndexState {
    /// Not opened, or the folder did not exist when it was to be opened.
    Closed,
    Open {
        store: IndexStore,
        root: String,
        _lock: File,
    },
    /// It cannot be used in this run.
    Unusable,
}

impl FeedIndex {
    /// Returns the index of a folder. `None` if its service has no change feed, or if the user has
    /// no cache folder. An embedded drive has none either: its listings cost no network requests.
    pub(super) fn for_folder(at: &RemotePath) -> Option<Self> {
        let handle = at.remote.handle.clone()?;
        if !handle.drive().capabilities().changes || at.remote.server.is_some() {
            return None;
        }
        let folder = config::dirs()?.cache_dir().join("indexes");
        let root = at.operator().info().root();
        let path = at.path.to_folder_arg();
        let remote = &at.remote;
        // The names in the index are those that the encoding gives.
        let encoding = handle.name_encoding().map_or_else(String::new, |rules| rules.to_string());
        let key =
            [remote.scheme(), &remote.identity, remote.display_name(), &root, &path, &encoding];
        let name = journal::transfer_name(key.map(str::as_bytes));
        Some(Self::new(at.operator().clone(), handle, path, folder.join(name)))
    }

    /// Returns the index in a file. `path` is that of the folder, with a slash at its end.
    fn new(operator: Operator, handle: DriveHandle, path: String, file: PathBuf) -> Self {
        let file = file.with_extension("sqlite");
        Self { operator, handle, path, file, state: Mutex::new(IndexState::Closed) }
    }

    /// Opens the index and brings it up to date.
    ///
    /// # Errors
    /// `Drive` if a request failed; `Store` if the file cannot be used; `RootDeleted`.
    async fn open_state(&self) -> Result<IndexState, FeedError> {
        let Some(feed) = self.feed().await? else { return Ok(IndexState::Closed) };
        let file = self.file.clone();
        let lock = blocking(move || Ok(lock(&file))).await.ok().and_then(Result::ok).flatten();
        let Some(lock) = lock else { return Ok(IndexState::Unusable) };
        let root = feed.root.to_string();
        let mut store = match self.open_store().await {
            Ok(store) => store,
            // A damaged file, or one of another version.
            Err(_) => {
                self.remove_file();
                self.open_store().await?
            }
        };
        match is_recent(&mut store, &root).await? {
            true => feed.update_or_build(&mut store).await?,
            false => feed.build(&mut store).await?,
        }
        Ok(IndexState::Open { store, root, _lock: lock })
    }

    /// Returns the feed for the folder of the index. `None` if the folder does not exist, or if the
    /// feed does not cover it.
    ///
    /// # Errors
    /// `Drive`, except for a folder that does not exist.
    async fn feed(&self) -> Result<Option<DriveFeed>, FeedError> {
        let drive = Arc::clone(self.handle.drive());
        let item = match self.handle.cached_item(&self.path) {
            Some(item) => item,
            None => match self.handle.item(&self.operator, &self.path).await {
                Ok(item) => item,
                Err(error) if error.kind() == opendal::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(FeedError::Request(error)),
            },
        };
        let is_covered =
            drive.covers_changes_of(&item.id) && !drive.is_shortcut_to_other_drive(&item.id);
        if !item.is_folder() || !is_covered {
            return Ok(None);
        }
        let (handle, cx) = (self.handle.clone(), DriveHandle::context(&self.operator));
        Ok(Some(DriveFeed { handle, drive, cx, root: item.id }))
    }

    /// Opens the file, and creates it if it does not exist.
    ///
    /// # Errors
    /// `Store` if it cannot be used, also if it is of another version.
    async fn open_store(&self) -> Result<IndexStore, FeedError> {
        let created = journal::private().create(true).truncate(false).open(&self.file);
        created.map_err(sqlx::Error::from)?;
        let store = IndexStore::open(&self.file).await?;
        store.ok_or_else(|| sqlx::Error::Io(io::ErrorKind::InvalidData.into()).into())
    }

    /// Removes the file. A file that cannot be removed is not used in this run.
    fn remove_file(&self) {
        let _ = fs::remove_file(&self.file);
    }
}

#[async_trait]
impl TreeIndex for FeedIndex {
    async fn open(&self) -> bool {
        let opened = self.open_state().await.unwrap_or_else(|error| {
            tracing::debug!(path = self.path, %error, "cannot use the change feed");
            if matches!(error, FeedError::Store(_)) {
                self.remove_file();
            }
            IndexState::Unusable
        });
        let mut state = self.state.lock().await;
        *state = opened;
        matches!(*state, IndexState::Open { .. })
    }

    async fn list(
        &self,
        folder: &str,
        add: &mut (dyn FnMut(TreeEntry) -> io::Result<()> + Send),
    ) -> Result<bool, FailureCause> {
        let mut state = self.state.lock().await;
        let IndexState::Open { store, root, .. } = &mut *state else { return Ok(false) };
        match store.list(root, folder, add).await {
            Ok(added) => Ok(added?),
            Err(error) => {
                tracing::debug!(folder, %error, "cannot read the index");
                Err(io::Error::other(error).into())
            }
        }
    }

    async fn discard(&self) {
        // The lock stays until the file is removed.
        let state = std::mem::replace(&mut *self.state.lock().await, IndexState::Unusable);
        if matches!(state, IndexState::Open { .. }) {
            self.remove_file();
        }
    }

    async fn close(&self, changed: bool) {
        let mut state = self.state.lock().await;
        let current = std::mem::replace(&mut *state, IndexState::Unusable);
        let ended = match current {
            IndexState::Open { mut store, _lock, .. } if changed => {
                // Without the update, the next run reads the same changes.
                match self.feed().await {
                    Ok(Some(feed)) => feed.update_or_build(&mut store).await,
                    Ok(None) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            IndexState::Closed if changed => self.open_state().await.map(drop),
            _ => Ok(()),
        };
        if let Err(error) = ended {
            tracing::debug!(path = self.path, %error, "cannot update the index");
        }
    }
}

/// Returns whether an index is of the folder with the id `root`, and is not too old.
///
/// # Errors
/// `Store` if the file cannot be read.
async fn is_recent(store: &mut IndexStore, root: &str) -> Result<bool, FeedError> {
    let built = store.state("built").await?.and_then(|time| time.parse::<Timestamp>().ok());
    let age = built.map(|built| Timestamp::now().duration_since(built));
    let is_recent = age.is_some_and(|age| !age.is_negative() && age <= AGE_MAX);
    Ok(is_recent && store.state("root").await?.as_deref() == Some(root))
}

/// Creates the folder of an index and locks the index. `None` if another process uses it. Blocks on
/// the disk.
///
/// # Errors
/// The operating system's error if the lock file cannot be created or locked.
fn lock(file: &Path) -> io::Result<Option<File>> {
    if let Some(folder) = file.parent() {
        journal::create_private_folder(folder)?;
    }
    let lock = journal::private().create(true).truncate(false).open(file.with_extension("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}
