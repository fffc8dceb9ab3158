//! Where a tree is kept, and how.

use std::path::PathBuf;

use opendal::Operator;

use super::{super::NameFolding, refold::Folding};
use crate::{
    Secret,
    disk::{Durability, FolderSync},
};

/// What a drive may hold if nothing else is said, in bytes: 1 TiB, what a OneDrive of a paying
/// subscriber has.
pub(super) const DEFAULT_QUOTA: u64 = 1 << 40;

/// Where a tree is kept, and how.
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
    /// A tree in a folder, which is made if there is none. One process at a time may have it open.
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..Self::ephemeral() }
    }

    /// A tree in memory, which is gone when it is dropped.
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

    /// Keeps items in a PostgreSQL database instead of SQLite: `postgres://USER@HOST/DATABASE`. One
    /// process at a time may have it open.
    pub fn database(mut self, url: Option<Secret>) -> Self {
        self.database = url;
        self
    }

    /// Keeps the bytes of files behind an operator.
    pub fn blobs(mut self, operator: Option<Operator>) -> Self {
        self.blobs = operator;
        self
    }

    /// What a new drive may hold, in bytes; [`DEFAULT_QUOTA`] if nothing is said.
    #[cfg(test)]
    pub fn quota(mut self, quota: u64) -> Self {
        self.quota = quota;
        self
    }

    /// When a write counts as done; [`Durability::Full`] by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Whether deleted items are kept in the recycle bin, as by default, or removed for good at
    /// once, which frees their space.
    pub fn keep_deleted(mut self, keep: bool) -> Self {
        self.keep_deleted = keep;
        self
    }

    /// Whether what a crash left is removed, as by default. A check looks at it first.
    pub(crate) fn tidy(mut self, tidy: bool) -> Self {
        self.tidy = tidy;
        self
    }

    /// Sets how names are compared: as `of_account` says of an account's name, else as `default`;
    /// [`NameFolding::Consumer`] everywhere if this is not called. Drives that were folded otherwise
    /// are folded again when the tree is opened.
    pub fn folding(
        mut self,
        default: NameFolding,
        of_account: fn(&str) -> Option<NameFolding>,
    ) -> Self {
        self.folding = Folding { default, of_account };
        self
    }

    /// Records the syncs of folders, or lets them fail.
    #[cfg(test)]
    pub(super) fn sync(mut self, sync: FolderSync) -> Self {
        self.sync = Some(sync);
        self
    }

    pub(super) fn folder_sync(&self) -> FolderSync {
        #[cfg(test)]
        if let Some(sync) = &self.sync {
            return sync.clone();
        }
        FolderSync::new(self.durability)
    }
}
