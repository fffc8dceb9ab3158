//! An index of a tree, which replaces the listings of a service.

use std::{fmt, io};

use async_trait::async_trait;

use crate::{entry::TreeEntry, error::FailureCause};

/// A copy of the listings of an endpoint that is kept between runs, and that a change feed of the
/// service brings up to date.
///
/// A run that has an index sends no requests for listings, except for folders that the index lacks.
/// It relies on the index as follows:
///
/// * Files are compared with the entries of the index.
/// * Before a file is deleted because the source lacks it, the folder of the source is listed. If
///   the index was wrong, nothing is deleted, the run fails, and the index is discarded.
/// * A check and a move list the service. A move deletes a file of the source if the target has it;
///   with an outdated index it could delete the only copy.
#[async_trait]
pub trait TreeIndex: fmt::Debug + Send + Sync {
    /// Brings the index up to date. Called once, before other requests of a run. Returns whether
    /// the index can be used; the endpoint is then an existing folder. Otherwise the run lists the
    /// service.
    async fn open(&self) -> bool;

    /// Passes the entries of a folder to `add`, in any order. `folder` is relative to the endpoint;
    /// it is empty or ends with a slash. Returns whether the index has all entries of the folder.
    /// Otherwise the run lists the folder.
    ///
    /// # Errors
    /// The error of `add`, and `Service` or `Disk` if the index cannot be read.
    async fn list(
        &self,
        folder: &str,
        add: &mut (dyn FnMut(TreeEntry) -> io::Result<()> + Send),
    ) -> Result<bool, FailureCause>;

    /// Removes the index, because an entry of it was wrong. [`list`](Self::list) then returns
    /// `false`.
    async fn discard(&self);

    /// Ends the use of the index, also if it could not be opened. `changed` is whether the run may
    /// have changed the tree. Not called for a run that was cancelled.
    async fn close(&self, changed: bool);
}
