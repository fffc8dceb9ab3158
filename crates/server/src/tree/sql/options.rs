//! Options of a tree.

use std::path::PathBuf;

use opendal::Operator;

use super::{super::NameFolding, refold::Folding};
use crate::{
    Secret,
    disk::{Durability, FolderSync},
};

/// The quota of a new drive by default, in bytes: 1 TiB, as a OneDrive with a subscription has.
pub(super) const DEFAULT_QUOTA: u64 = 1 << 40;

/// The location of a tree, and its behaviour.
#[derive(Clone, Debug)]
pub struct TreeOptions {
    pub(super) folder: Option<PathBuf>,
    /// The URL of a PostgreSQL database; `None`: SQLite.
    pub(super) database: Option<Secret>,
    /// The location of the blobs; `None`: in the folder, else in memory.
    pub(super) blobs: Option<Operator>,
    pub(super) quota: u64,
    pub(super) durability: Durability,
    pub(super) keep_deleted: bool,
    pub(super) tidy: bool,
    pub(super) folding: Folding,
    #[cfg(test)]
    sync: Option<FolderSync>,
}

impl TreeOptions {
    /// Creates the options of a tree in a folder, which is created if it does not exist. One process at
    /// a time may have it open.
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..Self::ephemeral() }
    }

    /// Creates the options of a tree in memory, which ends when it is dropped.
    pub fn ephemeral() -> Self {
        Self {
            folder: None,
            database: None,
            blobs: None,
            quota: DEFAULT_QUOTA,
            durability: Durability::Full,
            keep_deleted: true,
            tidy: true,
            folding: Folding::default(),
            #[cfg(test)]
            sync: None,
        }
    }

    /// Keeps items in a PostgreSQL database instead of SQLite: `postgres://USER@HOST/DATABASE`.
    /// `None` keeps SQLite. One process at a time may have it open.
    pub fn database(mut self, url: Option<Secret>) -> Self {
        self.database = url;
        self
    }

    /// Keeps the bytes of files behind an operator. `None` keeps them in the folder, or in memory.
    pub fn blobs(mut self, operator: Option<Operator>) -> Self {
        self.blobs = operator;
        self
    }

    /// Sets the quota of new drives, in bytes; [`DEFAULT_QUOTA`] by default.
    #[cfg(test)]
    pub fn quota(mut self, quota: u64) -> Self {
        self.quota = quota;
        self
    }

    /// Sets when a write is complete; [`Durability::Full`] by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets whether deleted items stay in the recycle bin, as by default. Otherwise they are removed at
    /// once, which frees their space.
    pub fn keep_deleted(mut self, keep: bool) -> Self {
        self.keep_deleted = keep;
        self
    }

    /// Sets whether the leftovers of a crash are removed, as by default. A check reports them first.
    pub(crate) fn tidy(mut self, tidy: bool) -> Self {
        self.tidy = tidy;
        self
    }

    /// Sets how names are compared. `of_account` returns the folding for an account's name, and
    /// `None` for `default`. Without this call it is [`NameFolding::Consumer`]. Drives with another
    /// folding are folded again when the tree is opened.
    pub fn folding(
        mut self,
        default: NameFolding,
        of_account: fn(&str) -> Option<NameFolding>,
    ) -> Self {
        self.folding = Folding { default, of_account };
        self
    }

    /// Replaces the syncs of folders, to record them or to let them fail.
    #[cfg(test)]
    pub(super) fn sync(mut self, sync: FolderSync) -> Self {
        self.sync = Some(sync);
        self
    }

    /// Returns how folders are synced, by the durability.
    pub(super) fn folder_sync(&self) -> FolderSync {
        #[cfg(test)]
        if let Some(sync) = &self.sync {
            return sync.clone();
        }
        FolderSync::new(self.durability)
    }
}
