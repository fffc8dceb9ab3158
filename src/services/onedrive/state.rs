//! The state of a OneDrive, and the requests that its verbs share.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::OnceCell;

use super::{
    AccountKind, Client,
    address::{Address, DriveRef, Shortcut, address_of, root_id},
    capabilities::{RootFolder, capabilities, set_first_fragment},
    drive_lookup::DriveLookup,
    model::DriveResource,
};
use crate::{
    drive::{Capabilities, Context, Error, ErrorKind, Item, ItemId, ItemRef, Result, Target},
    services::url_refresher::UrlRefresher,
};

/// A OneDrive. Clones share their state.
#[derive(Clone, Debug)]
pub(super) struct GraphDrive {
    pub(super) client: Client,
    /// The drive that the options name.
    pub(super) lookup: Arc<DriveLookup>,
    /// The special folder that serves as the root; `None` for the drive's own root.
    pub(super) special_folder: Option<Arc<str>>,
    /// Kind of the account; `None` if the options do not say.
    pub(super) kind: Option<AccountKind>,
    /// Graph's id of the drive's root folder, once a listing has needed it.
    pub(super) root_id: Arc<OnceCell<String>>,
    /// Whether the drive has returned an item. It exists then, so a 404 concerns the item.
    is_reachable: Arc<AtomicBool>,
    /// Whether files of upload sessions are created by a commit instead of the last fragment.
    pub(super) defer_commit: bool,
    /// Items with new download URLs, in place of those with expired ones.
    pub(super) url_refresher: UrlRefresher<Item>,
    pub(super) capabilities: Arc<Capabilities>,
}

impl GraphDrive {
    /// Creates a drive. Sends no request. `special_folder` is Graph's name of the folder that
    /// serves as the root, and `kind` is `None` if the options do not say.
    pub(super) fn new(
        client: Client,
        lookup: DriveLookup,
        special_folder: Option<&str>,
        kind: Option<AccountKind>,
    ) -> Self {
        let root = match special_folder {
            _ if lookup.is_shared_folder() => RootFolder::Shared,
            Some(_) => RootFolder::Special,
            None => RootFolder::Drive,
        };
        Self {
            client,
            lookup: Arc::new(lookup),
            special_folder: special_folder.map(Into::into),
            kind,
            root_id: Arc::default(),
            is_reachable: Arc::default(),
            url_refresher: UrlRefresher::default(),
            defer_commit: false,
            capabilities: Arc::new(capabilities(root, kind)),
        }
    }

    /// Sets the options of upload sessions. `fragment` is the size in bytes of the first fragment,
    /// and the size from which a file is uploaded in a session. It is rounded down to a multiple of
    /// 320 KiB and limited to the cloud's range; `None` keeps the default. `defer_commit` is whether
    /// the file is created only by a commit after the last fragment.
    pub(super) fn with_sessions(mut self, fragment: Option<u64>, defer_commit: bool) -> Self {
        if let Some(fragment) = fragment {
            set_first_fragment(Arc::make_mut(&mut self.capabilities), fragment);
        }
        self.defer_commit = defer_commit;
        self
    }

    /// Returns the address of an item. Sends a request if the drive must be looked up first.
    /// `shortcut` decides whether a shortcut or its target is addressed.
    ///
    /// # Errors
    /// Those of [`DriveLookup::get`], such as `DriveNotFound`.
    pub(super) async fn address(
        &self,
        cx: &Context,
        item: &ItemRef,
        shortcut: Shortcut,
    ) -> Result<Address> {
        Ok(address_of(self.lookup.get(&self.client, cx).await?, item, shortcut))
    }

    /// Returns the id of the service's root folder: an alias, or the id of the folder behind the sharing
    /// URL, which the first call requests.
    ///
    /// # Errors
    /// None for an alias; those of [`DriveLookup::get`] for a sharing URL.
    pub(super) async fn root_folder_id(&self, cx: &Context) -> Result<ItemId> {
        if self.lookup.is_shared_folder() {
            self.lookup.get(&self.client, cx).await?;
        }
        Ok(match self.lookup.shared_folder() {
            Some(id) => id.into(),
            None => root_id(self.special_folder.as_deref()),
        })
    }

    /// Returns whether an address is that of the service's root folder, which can be neither deleted
    /// nor renamed.
    pub(super) fn is_root(&self, address: &Address) -> bool {
        let shared = self.lookup.shared_folder();
        address.is_alias() || (shared.is_some() && address.known_id() == shared)
    }

    /// Returns the drive as Graph describes it, with its owner and quota.
    ///
    /// # Errors
    /// Those of [`DriveLookup::get`] and [`Client::drive`].
    pub(super) async fn resource(&self, cx: &Context) -> Result<DriveResource> {
        self.client.drive(cx, self.lookup.get(&self.client, cx).await?).await
    }

    /// Returns the id of the drive that ids in a response about `item` belong to; `None` if it is
    /// the service's own drive. `item` is an address from [`address`](Self::address).
    pub(super) fn foreign_drive<'a>(&self, item: &'a Address) -> Option<&'a str> {
        match &item.drive {
            // The own drive is known since the address was created.
            drive if Some(drive) == self.lookup.known() => None,
            DriveRef::Id(id) => Some(id),
            _ => None,
        }
    }

    /// Records that the drive has returned an item.
    pub(super) fn note_reachable(&self) {
        self.is_reachable.store(true, Ordering::Relaxed);
    }

    /// Returns a result, whose `NotFound` remains only if the item does not exist.
    ///
    /// # Errors
    /// That of the result; `DriveNotFound` if the drive does not exist.
    pub(super) async fn explained<T>(
        &self,
        cx: &Context,
        address: &Address,
        result: Result<T>,
    ) -> Result<T> {
        match result {
            Err(error) => Err(self.item_error(cx, address, error).await),
            Ok(value) => {
                self.note_reachable();
                Ok(value)
            }
        }
    }

    /// Returns the error of a failed request for an item. `NotFound` remains only if the item does
    /// not exist. Until the drive has returned an item, that needs a request for its root: a drive
    /// that does not exist responds 404 as well.
    pub(super) async fn item_error(&self, cx: &Context, item: &Address, error: Error) -> Error {
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) {
            return error;
        }
        let own_drive = match self.lookup.get(&self.client, cx).await {
            Ok(own_drive) => own_drive,
            Err(error) => return error,
        };
        if item.drive != *own_drive {
            return error;
        }
        if self.is_root(item) {
            return self.lookup.missing(error);
        }
        if error.kind() != ErrorKind::NotFound
            || *own_drive == DriveRef::Mine
            // Its lookup was a request for the root.
            || self.lookup.is_shared_folder()
            || self.is_reachable.load(Ordering::Relaxed)
        {
            return error;
        }
        match self.client.item(cx, &Address::root(own_drive.clone()), None).await {
            Ok(_) => {
                self.note_reachable();
                error
            }
            Err(failure) => self.lookup.missing(failure),
        }
    }
}

/// Returns the reference to the item at a target.
pub(super) fn target_ref(target: &Target) -> ItemRef {
    let name = &target.name;
    match &target.folder {
        ItemRef::Item { id, .. } => ItemRef::Path { base: id.clone(), path: name.as_str().into() },
        ItemRef::Path { base, path } if path.is_empty() => {
            ItemRef::Path { base: base.clone(), path: name.as_str().into() }
        }
        ItemRef::Path { base, path } => {
            ItemRef::Path { base: base.clone(), path: format!("{path}/{name}").into() }
        }
    }
}
