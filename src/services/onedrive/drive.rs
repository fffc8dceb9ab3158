//! Implementation of [`Drive`] for OneDrive, on top of the [`Client`].
//!
//! Items are addressed by path, so no folder has to be resolved first
//! (onedrive-graph#lever-path-addressing). The root is addressed by its alias. The ids of items in
//! other drives contain the id of the drive, and the ids of shortcuts contain their target
//! ([`address`](super::address)). The target of a shortcut is addressed by its id; Graph resolves
//! paths that lead through a shortcut.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::sync::OnceCell;

use super::{
    AccountKind, Client,
    address::{Address, DriveRef, ParsedId, Shortcut, address_of, root_id},
    capabilities::{capabilities, set_first_fragment},
    changes, conflict, copy, download,
    drive_lookup::DriveLookup,
    item, list,
    model::ConflictBehavior,
    recursive_list, rename, session, upload,
};
use crate::{
    drive::{
        Account, Body, Capabilities, ChangePage, Conditions, Context, CopyJob, CopyRequest,
        CopyStatus, Cursor, DeleteTarget, Depth, Download, DownloadRequest, Drive, Error,
        ErrorKind, Item, ItemId, ItemRef, ItemUpdate, ListRequest, Page, Quota, Result,
        SessionProgress, SiblingSearch, Target, UploadSession, WriteOptions,
    },
    services::url_refresher::UrlRefresher,
};

/// Maximum number of concurrent requests to delete items. More than 16 requests at a time get a
/// client blocked (onedrive-graph#concurrency-limit).
const CONCURRENT_DELETES: usize = 8;

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
    capabilities: Arc<Capabilities>,
}

impl GraphDrive {
    pub(super) fn new(
        client: Client,
        lookup: DriveLookup,
        special_folder: Option<&str>,
        kind: Option<AccountKind>,
    ) -> Self {
        Self {
            client,
            lookup: Arc::new(lookup),
            special_folder: special_folder.map(Into::into),
            kind,
            root_id: Arc::default(),
            is_reachable: Arc::default(),
            url_refresher: UrlRefresher::default(),
            defer_commit: false,
            capabilities: Arc::new(capabilities(special_folder.is_some(), kind)),
        }
    }

    /// Sets the options of upload sessions: the size of the first fragment in bytes, and whether
    /// files are created by a commit. `None` keeps the default size.
    pub(super) fn with_sessions(mut self, fragment: Option<u64>, defer_commit: bool) -> Self {
        if let Some(fragment) = fragment {
            set_first_fragment(Arc::make_mut(&mut self.capabilities), fragment);
        }
        self.defer_commit = defer_commit;
        self
    }

    /// Returns the address of an item. Sends a request if the drive must be looked up first.
    ///
    /// # Errors
    /// Those of [`DriveLookup::get`].
    pub(super) async fn address(
        &self,
        cx: &Context,
        item: &ItemRef,
        shortcut: Shortcut,
    ) -> Result<Address> {
        Ok(address_of(self.lookup.get(&self.client, cx).await?, item, shortcut))
    }

    /// Returns the id of the drive that ids in a response about this item belong to; `None` if it is
    /// the service's own drive.
    ///
    /// # Errors
    /// Those of [`DriveLookup::get`].
    pub(super) async fn foreign_drive<'a>(
        &self,
        cx: &Context,
        item: &'a Address,
    ) -> Result<Option<&'a str>> {
        Ok(match &item.drive {
            drive if drive == self.lookup.get(&self.client, cx).await? => None,
            DriveRef::Id(id) => Some(id),
            _ => None,
        })
    }

    /// Records that the drive has returned an item.
    pub(super) fn note_reachable(&self) {
        self.is_reachable.store(true, Ordering::Relaxed);
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
        if item.is_alias() {
            return self.lookup.missing(error);
        }
        if error.kind() != ErrorKind::NotFound
            || *own_drive == DriveRef::Mine
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

    async fn delete_one(&self, cx: &Context, target: &DeleteTarget) -> Result<()> {
        let address = self.address(cx, &target.item, Shortcut::Keep).await?;
        if address.is_alias() {
            return Err(Error::new(ErrorKind::Unsupported, "cannot delete the root folder"));
        }
        match self.client.delete(cx, &address).await {
            Err(error) => Err(self.item_error(cx, &address, error).await),
            deleted => deleted,
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

#[async_trait]
impl Drive for GraphDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn account(&self, cx: &Context) -> Result<Account> {
        let drive = self.client.drive(cx, self.lookup.get(&self.client, cx).await?).await?;
        let owner = drive.owner.unwrap_or_default();
        let identity = owner.user.or(owner.group).unwrap_or_default();
        Ok(Account {
            id: identity.id.filter(|id| !id.is_empty()).unwrap_or(drive.id),
            name: identity.display_name.or(drive.name),
        })
    }

    async fn quota(&self, cx: &Context) -> Result<Quota> {
        let drive = self.client.drive(cx, self.lookup.get(&self.client, cx).await?).await?;
        let bytes = |value: Option<i64>| u64::try_from(value.unwrap_or_default()).unwrap_or(0);
        match drive.quota {
            // Some libraries report no quota, or zeros (onedrive-graph#quota-zero).
            Some(quota) if bytes(quota.total) > 0 => {
                Ok(Quota { total: bytes(quota.total), available: bytes(quota.remaining) })
            }
            _ => {
                let text = "cannot read the quota: the cloud reports none for this drive";
                Err(Error::new(ErrorKind::Unsupported, text))
            }
        }
    }

    async fn root(&self, _: &Context) -> Result<ItemId> {
        Ok(root_id(self.special_folder.as_deref()))
    }

    async fn item(&self, cx: &Context, item: &ItemRef, conditions: &Conditions) -> Result<Item> {
        let address = self.address(cx, item, Shortcut::Keep).await?;
        download::get_item(self, cx, &address, conditions).await
    }

    async fn child(
        &self,
        cx: &Context,
        folder: &ItemRef,
        name: &str,
        on_sibling: &mut (dyn for<'s> FnMut(SiblingSearch<'s>) + Send),
    ) -> Result<Item> {
        let target = Target::new(folder.clone(), name);
        let item = self.item(cx, &target_ref(&target), Conditions::NONE).await?;
        on_sibling(SiblingSearch::Item(&item));
        Ok(item)
    }

    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        match request.depth {
            Depth::Children => list::page(self, cx, request).await,
            Depth::Recursive => recursive_list::page(self, cx, request).await,
        }
    }

    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        download::download(self, cx, &request).await
    }

    async fn upload(
        &self,
        cx: &Context,
        target: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        upload::upload(self, cx, target, body, options).await
    }

    async fn open_session(
        &self,
        cx: &Context,
        target: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadSession> {
        session::open(self, cx, target, total, options).await
    }

    async fn send_fragment(
        &self,
        cx: &Context,
        session: &mut UploadSession,
        offset: u64,
        bytes: opendal::Buffer,
    ) -> Result<SessionProgress> {
        session::send(self, cx, session, offset, bytes).await
    }

    async fn acknowledge(
        &self,
        session: &mut UploadSession,
        offset: u64,
        bytes: opendal::Buffer,
    ) -> Result<()> {
        session::acknowledge(session, offset, &bytes).await
    }

    async fn session_status(
        &self,
        cx: &Context,
        session: &UploadSession,
    ) -> Result<SessionProgress> {
        session::status(self, cx, session).await
    }

    async fn commit_session(&self, cx: &Context, session: &UploadSession) -> Result<Item> {
        session::commit(self, cx, session).await
    }

    async fn cancel_session(&self, cx: &Context, session: &UploadSession) -> Result<()> {
        session::cancel(self, cx, session).await
    }

    async fn create_folder(&self, cx: &Context, target: &Target) -> Result<Item> {
        let parent = self.address(cx, &target.folder, Shortcut::Follow).await?;
        let behavior = ConflictBehavior::Fail;
        match self.client.create_folder(cx, &parent, &target.name, behavior).await {
            Ok(wire) => item::from_response(wire, self.foreign_drive(cx, &parent).await?),
            Err(error) => Err(conflict::file_in_path(self, cx, parent, error).await),
        }
    }

    async fn update(
        &self,
        cx: &Context,
        item: &ItemRef,
        known: Option<&Item>,
        update: &ItemUpdate,
    ) -> Result<Item> {
        rename::update(self, cx, item, known, update).await
    }

    async fn copy(&self, cx: &Context, request: CopyRequest<'_>) -> Result<CopyStatus> {
        copy::start(self, cx, request).await
    }

    async fn copy_status(&self, cx: &Context, job: &CopyJob) -> Result<CopyStatus> {
        copy::status(self, cx, job).await
    }

    async fn changes(&self, cx: &Context, since: Option<&Cursor>) -> Result<ChangePage> {
        changes::page(self, cx, since).await
    }

    fn may_rewrite_content(&self, file: &Item) -> bool {
        download::may_rewrite_content(self, file)
    }

    fn covers_changes_of(&self, id: &ItemId) -> bool {
        changes::covers(id)
    }

    fn is_shortcut_to_other_drive(&self, id: &ItemId) -> bool {
        ParsedId::parse(id).is_shortcut()
    }

    async fn delete(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let deletes: Vec<_> = items.iter().map(|target| self.delete_one(cx, target)).collect();
        stream::iter(deletes).buffered(CONCURRENT_DELETES).collect().await
    }
}
