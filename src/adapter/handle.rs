//! The features of a drive that OpenDAL has no operation for.

use std::sync::{Arc, atomic::Ordering};

use opendal::Operator;

use super::{LeftOut, error::to_opendal, spool::SPILL, state::AdapterState};
use crate::drive::{
    Account, Conditions, Context, Drive, Error, ErrorKind, Item, ItemId, ItemRef, Quota,
};

/// The maximum depth of a folder. Folders may contain themselves, because of links.
const DEPTH_MAX: usize = 1_000;

/// The features of a drive beyond OpenDAL's operations: quota, account, items by id, uploads of
/// local files. It shares the drive, the index and the root with its service.
///
/// Each method takes the operator through whose layers the requests are sent, so that retries and
/// logging apply.
///
/// # Paths and errors
///
/// A path is relative to the operator's root and not percent-encoded. A slash at its end does not
/// count: a path means the item with the name, a file or a folder.
///
/// The kinds of errors are OpenDAL's. [`to_opendal_error`](Self::to_opendal_error) lists how the
/// drive's kinds are converted, also those of the [request
/// errors](crate::drive::Error#request-errors).
#[derive(Clone, Debug)]
pub struct DriveHandle {
    pub(super) state: Arc<AdapterState>,
}

impl DriveHandle {
    /// Creates a handle that shares the state of its service.
    pub(super) fn new(state: Arc<AdapterState>) -> Self {
        Self { state }
    }

    /// Returns the state shared with the service.
    pub(super) fn state(&self) -> &Arc<AdapterState> {
        &self.state
    }

    /// Returns the drive itself. Its verbs need a [`context`](Self::context).
    pub fn drive(&self) -> &Arc<dyn Drive> {
        &self.state.drive
    }

    /// Returns the context for the drive's verbs: the operator's transport and executor, with all
    /// layers.
    pub fn context(operator: &Operator) -> Context {
        Context::from(operator.context())
    }

    /// Converts an error of the drive's verbs to the error that the operator would return. Kinds of
    /// the same name stay. `Unsupported` also stands for `InvalidInput`, `ConfigInvalid` for
    /// `DriveNotFound`, `NotADirectory` for `NotAFolder`, `IsADirectory` for `IsAFolder`, and
    /// `Unexpected` for `QuotaExceeded`.
    pub fn to_opendal_error(error: Error) -> opendal::Error {
        to_opendal(error)
    }

    /// Returns the source of changes for the [cache](crate::layers::cache) layer, or `None` if the
    /// drive has no change feed. A source serves one cache.
    ///
    /// A refresh costs one request, and one more for each unknown folder in which a file has
    /// changed. The feed does not cover items of other drives. So all items that listings have
    /// returned behind a shortcut count as changed in each refresh; items that were only reached by
    /// path do not.
    #[cfg(feature = "layers-cache")]
    pub fn change_source(&self) -> Option<Arc<dyn crate::layers::cache::ChangeSource>> {
        let has_feed = self.state.capabilities().changes;
        has_feed.then(|| Arc::new(super::changes::DriveChanges::new(self.clone())) as _)
    }

    /// Returns the owner of the account.
    ///
    /// # Errors
    /// `ConfigInvalid` if the configured drive does not exist; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn account(&self, operator: &Operator) -> opendal::Result<Account> {
        self.state.drive.account(&Self::context(operator)).await.map_err(to_opendal)
    }

    /// Returns the quota of the drive.
    ///
    /// # Errors
    /// `Unsupported` if the cloud reports no quota; `ConfigInvalid` if the configured drive does
    /// not exist; [request errors](crate::drive::Error#request-errors).
    pub async fn quota(&self, operator: &Operator) -> opendal::Result<Quota> {
        self.state.drive.quota(&Self::context(operator)).await.map_err(to_opendal)
    }

    /// Requests the item at a path, a file or a folder.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist, `Unsupported` for a path with the name `.` or `..`,
    /// and [request errors](crate::drive::Error#request-errors).
    pub async fn item(&self, operator: &Operator, path: &str) -> opendal::Result<Item> {
        let path = self.state.path(path).map_err(to_opendal)?;
        let cx = Self::context(operator);
        let item = self.state.request_item(&cx, &path, Conditions::NONE).await;
        item.map(|(_, item)| item).map_err(to_opendal)
    }

    /// Returns the item at a path from the index. Sends no request. `None` if no request of this
    /// service has returned the item within the service's
    /// [`index_ttl`](super::ServiceSettings::index_ttl), for the root of the drive, and for a path
    /// with the name `.` or `..`.
    pub fn cached_item(&self, path: &str) -> Option<Item> {
        let path = self.state.path(path).ok()?;
        self.state.resolve_cached(&path)?.item.map(|item| Item::clone(&item))
    }

    /// Sets whether reads compare the bytes with the size and the hash that the cloud has of the
    /// file, for a caller that compares them itself. The initial value is
    /// [`ServiceSettings::checked_reads`](super::ServiceSettings::checked_reads).
    pub fn set_checked_reads(&self, checked: bool) {
        self.state.checked_reads.store(checked, Ordering::Relaxed);
    }

    /// Removes and returns the entries that listings of this service have left out since the last
    /// call: entries whose name cannot be part of a path, and entries with the same name as another
    /// entry of their folder. Listings return all other entries. At most 10,000 are recorded.
    pub fn take_left_out(&self) -> Vec<LeftOut> {
        self.state.left_out.take()
    }

    /// Returns the id of the drive's root folder, whatever the operator's root is. It distinguishes
    /// the drives of different accounts.
    ///
    /// # Errors
    /// `ConfigInvalid` if the configured drive does not exist, `NotFound` if the cloud does not
    /// find its root, and [request errors](crate::drive::Error#request-errors).
    pub async fn root_id(&self, operator: &Operator) -> opendal::Result<ItemId> {
        self.request_root_id(&Self::context(operator)).await.map_err(to_opendal)
    }

    /// Returns whether a file of `size` bytes is uploaded in fragments, so that an interrupted
    /// [`upload_file`](Self::upload_file) can be continued. `false` for an empty file and for a
    /// drive without upload sessions. `false` may be wrong for an upload that sets a modification
    /// time.
    pub fn uses_upload_session(&self, size: u64) -> bool {
        let capabilities = self.state.capabilities();
        let is_large = |min_size| size >= min_size || size > capabilities.max_single_upload;
        size > 0 && capabilities.session.is_some_and(|limits| is_large(limits.min_size))
    }

    /// Returns whether a writer would collect a file of `size` bytes in a temporary file before it
    /// sends the first byte: the file exceeds 2 MiB and is sent in one request.
    /// [`upload_file`](Self::upload_file) sends the local file directly.
    pub fn needs_temporary_file(&self, size: u64) -> bool {
        size > SPILL && !self.uses_upload_session(size)
    }

    /// Returns the path of an item below the operator's root, with a trailing slash if it is a
    /// folder. For items with several parents, uses the first one. Sends one request for each
    /// folder in the path.
    ///
    /// # Errors
    /// `NotFound` if the item or a folder above it does not exist, if it is not below the
    /// operator's root, or if more than 1,000 folders are above it; `ConfigInvalid` if the
    /// configured drive does not exist; [request errors](crate::drive::Error#request-errors).
    pub async fn path_of(&self, operator: &Operator, id: &ItemId) -> opendal::Result<String> {
        self.request_path(&Self::context(operator), id).await.map_err(to_opendal)
    }

    /// Requests the id of the root folder: [`Drive::root`] may return an alias.
    ///
    /// # Errors
    /// `DriveNotFound` if the root does not exist, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn request_root_id(&self, cx: &Context) -> crate::drive::Result<ItemId> {
        let root = ItemRef::from_id(self.state.root(cx).await?);
        Ok(self.state.drive.item(cx, &root, Conditions::NONE).await?.id)
    }

    /// Implements [`path_of`](Self::path_of) with the drive's error type.
    ///
    /// # Errors
    /// Those of [`path_of`](Self::path_of).
    async fn request_path(&self, cx: &Context, id: &ItemId) -> crate::drive::Result<String> {
        let state = &self.state;
        let operator_root = state.path("/")?;
        let drive_root = self.request_root_id(cx).await?;
        let mut names = Vec::new();
        let mut next = id.clone();
        let mut is_folder = None;
        while next != drive_root {
            let item = state.drive.item(cx, &ItemRef::from_id(&next), Conditions::NONE).await?;
            is_folder.get_or_insert(item.is_folder());
            let parent = item.parents.into_iter().next();
            let Some(parent) = parent.filter(|_| names.len() < DEPTH_MAX) else {
                return Err(not_below_root(id));
            };
            names.push(item.name);
            next = parent;
        }
        names.reverse();
        let Some(names) = state.strip_root(&operator_root, &names) else {
            return Err(not_below_root(id));
        };
        let mut path = names.join("/");
        if is_folder.unwrap_or(true) {
            path.push('/');
        }
        Ok(path)
    }
}

/// Returns the `NotFound` error for an item that is not below the operator's root.
fn not_below_root(id: &ItemId) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("cannot find the path of item {id}: it is not below the root of the remote"),
    )
}
