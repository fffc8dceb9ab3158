//! The entries that a listing has found and not returned yet.
//!
//! A listing with `start_after` is complete before its first entry is returned: no cloud lists in the
//! order of paths. A listing with versions requests the versions of each file.

use std::collections::VecDeque;

use futures::future::join_all;
use opendal::{
    Metadata, MetadataBuilder,
    raw::{OpList, oio},
};

use super::{failures::Failures, state::AdapterState, versions::version_metadata};
use crate::drive::{Context, ErrorKind, Item, ItemKind, ItemRef, Result};

/// The entries of a listing.
pub(super) struct ListEntries {
    ready: VecDeque<oio::Entry>,
    /// Only paths after this one are returned, in their order.
    start_after: Option<String>,
    /// The listing is complete and its entries are in order, as `start_after` requires.
    is_sorted: bool,
    /// Each file is returned once for each of its versions.
    with_versions: bool,
    /// The files whose versions have not been requested yet.
    unversioned: VecDeque<UnversionedFile>,
}

/// A file of a listing whose versions have not been requested yet.
#[derive(Clone)]
struct UnversionedFile {
    path: String,
    file: ItemRef,
    metadata: Metadata,
}

impl ListEntries {
    /// Returns the entries of a listing that has found none.
    pub(super) fn new(args: &OpList) -> Self {
        Self {
            ready: VecDeque::new(),
            start_after: args.start_after().map(str::to_owned),
            is_sorted: false,
            with_versions: args.versions(),
            unversioned: VecDeque::new(),
        }
    }

    /// Returns whether a path is after `start_after`.
    fn is_listed(&self, path: &str) -> bool {
        self.start_after.as_deref().is_none_or(|after| path > after)
    }

    /// Adds the entry of `item`, unless its path is not after `start_after`.
    pub(super) fn push(&mut self, path: &str, item: &Item, metadata: Metadata) {
        if !self.is_listed(path) {
            return;
        }
        if self.with_versions && item.kind == ItemKind::File {
            let (path, file) = (path.to_owned(), ItemRef::from_id(&item.id));
            self.unversioned.push_back(UnversionedFile { path, file, metadata });
        } else {
            self.ready.push_back(oio::Entry::new(path, metadata));
        }
    }

    /// Adds the entry of the listed folder itself, unless its path is not after `start_after`.
    pub(super) fn push_folder(&mut self, path: &str) {
        if self.is_listed(path) {
            self.ready.push_back(oio::Entry::new(path, MetadataBuilder::dir().build()));
        }
    }

    /// Removes and returns the next entry. `None` if none is ready.
    pub(super) fn pop(&mut self) -> Option<oio::Entry> {
        self.ready.pop_front()
    }

    /// Returns whether the listing must be completed and sorted before its first entry is returned.
    pub(super) fn needs_order(&self) -> bool {
        self.start_after.is_some() && !self.is_sorted
    }

    /// Sorts the entries by path. Versions of a file stay in their order.
    pub(super) fn sort(&mut self) {
        self.ready.make_contiguous().sort_by(|one, other| one.path().cmp(other.path()));
        self.is_sorted = true;
    }

    /// Returns whether versions must be requested.
    pub(super) fn needs_versions(&self) -> bool {
        !self.unversioned.is_empty()
    }

    /// Requests the versions of some files, and makes their entries ready. Changes nothing before all
    /// responses have arrived, so that the call can be dropped. `failures` receives the files whose
    /// versions cannot be listed.
    ///
    /// # Errors
    /// A temporary error of one file: the next call requests its versions again.
    pub(super) async fn add_versions(
        &mut self,
        state: &AdapterState,
        cx: &Context,
        failures: &mut Failures,
    ) -> Result<()> {
        let count = state.settings.concurrent_lists.max(1).min(self.unversioned.len());
        let files: Vec<_> = self.unversioned.iter().take(count).cloned().collect();
        let results = join_all(files.iter().map(|file| state.drive.versions(cx, &file.file))).await;
        self.unversioned.drain(..count);
        let mut temporary = None;
        for (file, result) in files.into_iter().zip(results) {
            match result {
                Ok(versions) if versions.is_empty() => {
                    self.ready.push_back(oio::Entry::new(&file.path, file.metadata));
                }
                Ok(versions) => {
                    for version in versions {
                        let metadata = version_metadata(&version, Some(&file.metadata));
                        self.ready.push_back(oio::Entry::new(&file.path, metadata));
                    }
                }
                // Another client has deleted the file meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.is_temporary() => {
                    self.unversioned.push_back(file);
                    temporary.get_or_insert(error);
                }
                Err(error) => failures.record(file.path, error),
            }
        }
        temporary.map_or(Ok(()), Err)
    }
}
