//! The features of a drive that OpenDAL has no operation for.
//!
//! This module has those that every drive has. The submodules have the optional ones: a method of a
//! feature that the drive lacks returns `Unsupported`.

mod extensions;
mod feed;
mod item_paths;
mod pages;
mod sharing;

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
};

use opendal::Operator;

use self::sharing::require_sharing;
pub use self::{
    feed::{ChangeStream, ChangesSince},
    item_paths::ItemPaths,
    pages::ItemStream,
};
use super::{LeftOut, NameEncoding, error::to_opendal, spool::SPILL, state::AdapterState};
use crate::drive::{Account, Conditions, Context, Drive, Error, Item, ItemId, ItemRef, Quota};

/// The features of a drive beyond OpenDAL's operations: quota, account, items by id, uploads of
/// local files, sharing, search, the change feed, the recycle bin and others. It shares the drive, the index and the root with its service.
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
        let cx = Self::context(operator);
        let path = self.state.find_path(&cx, path).await.map_err(to_opendal)?;
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

    /// Returns the mapping of names that the cloud forbids. `None` if the service maps none.
    pub fn name_encoding(&self) -> Option<NameEncoding> {
        self.state.settings.name_encoding
    }

    /// Returns the name in the operator's paths of an item that has a name in the drive, by the
    /// service's [`name_encoding`](Self::name_encoding).
    pub fn path_name<'n>(&self, drive_name: &'n str) -> Cow<'n, str> {
        self.state.path_name(drive_name)
    }

    /// Returns the reason why no item can have a name, which is one name of a path. `None` if the
    /// cloud accepts the name, after the service's [`name_encoding`](Self::name_encoding). Sends no
    /// request.
    pub fn validate_name(&self, path_name: &str) -> Option<&'static str> {
        let validate = self.state.capabilities().validate_name;
        match self.name_encoding() {
            Some(encoding) => validate(&encoding.drive_name(path_name)),
            None => validate(path_name),
        }
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

    /// Returns the reference to the item at a path, for requests such as
    /// [`LinkRequest`](crate::drive::LinkRequest). Sends a request for each folder in the path that
    /// is not known, unless the cloud resolves paths itself.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist, but never in a drive that resolves paths itself;
    /// `Unsupported` for a path with the name `.` or `..`; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn item_ref(&self, operator: &Operator, path: &str) -> opendal::Result<ItemRef> {
        Ok(self.located(operator, path).await?.1)
    }

    /// Returns the context for a request about the item at a path, and the reference to the item.
    ///
    /// # Errors
    /// Those of [`item_ref`](Self::item_ref).
    async fn located(
        &self,
        operator: &Operator,
        path: &str,
    ) -> opendal::Result<(Context, ItemRef)> {
        let (state, cx) = (&self.state, Self::context(operator));
        let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
        let resolved = state.resolve(&cx, &path, state.settings.index_ttl).await;
        Ok((cx, resolved.map_err(to_opendal)?.item_ref))
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
}
