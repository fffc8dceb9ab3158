//! Implementation of [`Drive`] for OneDrive, on top of the [`Client`](super::Client).
//!
//! Items are addressed by path, so no folder has to be resolved first
//! (onedrive-graph#lever-path-addressing). The root is addressed by its alias. The ids of items in
//! other drives contain the id of the drive, and the ids of shortcuts contain their target
//! ([`address`](super::address)). The target of a shortcut is addressed by its id; Graph resolves
//! paths that lead through a shortcut.

use std::any::Any;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::{
    Client, actions,
    address::{ParsedId, Shortcut},
    batch::MAX_REQUESTS,
    changes, conflict, copy, download, item, list,
    model::{ConflictBehavior, DriveResource},
    presign, recursive_list, rename, search, session,
    state::{GraphDrive, target_ref},
    upload, versions,
};
use crate::{
    adapter::DriveHandle,
    drive::{
        Account, Body, ByteRange, Capabilities, ChangePage, Conditions, Context, CopyJob,
        CopyRequest, CopyStatus, Cursor, DeleteTarget, Depth, Download, DownloadRequest,
        DownloadUrl, Drive, Error, ErrorKind, FileVersion, Item, ItemId, ItemRef, ItemUpdate,
        ListRequest, Page, Quota, Result, SearchRequest, Secret, SessionProgress, Sharing,
        SiblingSearch, Target, Thumbnail, UploadSession, UploadUrl, WriteOptions,
    },
    transport::supports_extensions,
};

/// Maximum number of concurrent requests to delete items, over a transport that sends each of them
/// alone. More than 16 requests at a time get a client blocked (onedrive-graph#concurrency-limit).
const CONCURRENT_DELETES: usize = 8;

/// Returns the drive of an open remote as Graph describes it, with its owner and quota. `None` if
/// the handle belongs to another service.
///
/// # Errors
/// `DriveNotFound` if the configured site or library does not exist, `NotFound` if the drive does
/// not exist, and the other errors of [`Client::drive`].
pub async fn configured_drive(handle: &DriveHandle, cx: &Context) -> Result<Option<DriveResource>> {
    match handle.drive().native_client().and_then(|drive| drive.downcast_ref::<GraphDrive>()) {
        Some(drive) => drive.resource(cx).await.map(Some),
        None => Ok(None),
    }
}

/// Returns an item as Graph describes it, with members that [`Item`] lacks. It may contain a download
/// URL, which is a secret. `None` if the handle belongs to another service. The target of a shortcut is
/// returned instead of the shortcut.
///
/// # Errors
/// `NotFound` if the item does not exist, `DriveNotFound` if the drive does not, and the other errors of
/// [`Client::item_document`].
pub async fn item_document(
    handle: &DriveHandle,
    cx: &Context,
    item: &ItemRef,
) -> Result<Option<serde_json::Value>> {
    let drive = handle.drive().native_client().and_then(|drive| drive.downcast_ref::<GraphDrive>());
    let Some(drive) = drive else { return Ok(None) };
    let address = drive.address(cx, item, Shortcut::Follow).await?;
    let document = drive.client.item_document(cx, &address).await;
    drive.explained(cx, &address, document).await.map(Some)
}

impl Client {
    /// Returns the client of an open remote. `None` if the handle belongs to another service.
    /// [`DriveHandle::context`] creates the context for its methods.
    pub fn from_handle(handle: &DriveHandle) -> Option<&Self> {
        let drive: &GraphDrive = handle.drive().native_client()?.downcast_ref()?;
        Some(&drive.client)
    }
}

impl GraphDrive {
    /// Deletes one item, with everything below it.
    ///
    /// # Errors
    /// `Unsupported` for the root folder; `NotFound` if the item does not exist; `ConditionNotMatch` if
    /// it has another etag than required; `Conflict` if it is locked; [request errors](crate::drive::Error#request-errors).
    async fn delete_one(&self, cx: &Context, target: &DeleteTarget) -> Result<()> {
        let address = self.address(cx, &target.item, Shortcut::Keep).await?;
        if self.is_root(&address) {
            return Err(Error::new(ErrorKind::Unsupported, "cannot delete the root folder"));
        }
        match self.client.delete_if_match(cx, &address, target.if_match.as_deref()).await {
            Err(error) => Err(self.item_error(cx, &address, error).await),
            deleted => deleted,
        }
    }
}

#[async_trait]
impl Drive for GraphDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Returns the drive itself: [`Client::from_handle`](super::Client::from_handle) and
    /// [`configured_drive`] use it.
    fn native_client(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(self)
    }

    /// Returns the drive itself, which implements [`Sharing`].
    fn sharing(&self) -> Option<&dyn Sharing> {
        Some(self)
    }

    /// Returns the owner of the drive. Without an owner, its id and name are those of the drive.
    ///
    /// # Errors
    /// `DriveNotFound` or `NotFound` if the drive does not exist; [request
    /// errors](crate::drive::Error#request-errors).
    async fn account(&self, cx: &Context) -> Result<Account> {
        let drive = self.resource(cx).await?;
        let owner = drive.owner.unwrap_or_default();
        let identity = owner.user.or(owner.group).unwrap_or_default();
        Ok(Account {
            id: identity.id.filter(|id| !id.is_empty()).unwrap_or(drive.id),
            name: identity.display_name.or(drive.name),
        })
    }

    /// Requests the quota of the drive.
    ///
    /// # Errors
    /// `Unsupported` if the cloud reports none, as for some libraries; those of
    /// [`account`](Self::account).
    async fn quota(&self, cx: &Context) -> Result<Quota> {
        let drive = self.resource(cx).await?;
        let bytes = |value: Option<i64>| u64::try_from(value.unwrap_or_default()).unwrap_or(0);
        match drive.quota {
            // Some libraries report no quota, or zeros (onedrive-graph#quota-zero).
            Some(quota) if bytes(quota.total) > 0 => {
                let known = |value: Option<i64>| value.map(|value| bytes(Some(value)));
                let (used, deleted) = (known(quota.used), known(quota.deleted));
                Ok(Quota {
                    used,
                    deleted,
                    ..Quota::new(bytes(quota.total), bytes(quota.remaining))
                })
            }
            _ => {
                let text = "cannot read the quota: the cloud reports none for this drive";
                Err(Error::new(ErrorKind::Unsupported, text))
            }
        }
    }

    /// Returns the alias of the root folder, without a request. The folder behind a sharing URL has an
    /// id, which the first call requests.
    ///
    /// # Errors
    /// None for an alias. For a sharing URL, `DriveNotFound` if it leads to no folder; [request
    /// errors](crate::drive::Error#request-errors).
    async fn root(&self, cx: &Context) -> Result<ItemId> {
        self.root_folder_id(cx).await
    }

    /// Requests an item, and checks the conditions. A shortcut is not followed.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist, `ConditionNotMatch` if a condition does not hold;
    /// [request errors](crate::drive::Error#request-errors).
    async fn item(&self, cx: &Context, item: &ItemRef, conditions: &Conditions) -> Result<Item> {
        let address = self.address(cx, item, Shortcut::Keep).await?;
        download::get_item(self, cx, &address, conditions).await
    }

    /// Requests the item with this name in a folder, by its path: no siblings are listed.
    ///
    /// # Errors
    /// `NotFound` if the item or the folder does not exist, or if the folder is a file;
    /// `DriveNotFound` if the drive does not exist; [request
    /// errors](crate::drive::Error#request-errors).
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

    /// Returns one page of a folder's children, or of everything below it.
    ///
    /// # Errors
    /// Those of [`list::page`] and [`recursive_list::page`]: `NotFound` if the folder does not
    /// exist, `NotAFolder` for a locked Personal Vault, `Conflict` if a later page does not exist
    /// any more, `InvalidInput` for a cursor of another listing, `DriveNotFound`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        match request.depth {
            Depth::Children => list::page(self, cx, request).await,
            Depth::Recursive => recursive_list::page(self, cx, request).await,
        }
    }

    /// Downloads bytes of a file.
    ///
    /// # Errors
    /// Those of [`download::download`]: `NotFound`, `ConditionNotMatch` if a condition does not
    /// hold, `IsAFolder`, `Unsupported` for an item without content, `RangeNotSatisfied` if the
    /// range begins after the end, `Conflict` if the file was replaced meanwhile, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        download::download(self, cx, &request).await
    }

    /// Uploads a file in one request.
    ///
    /// # Errors
    /// Those of [`upload::upload`]: `AlreadyExists`, `IsAFolder` or `Conflict` if the name is in
    /// use, `ConditionNotMatch` if an etag does not match, `NotAFolder` if a file is in the path,
    /// `Unexpected` if the cloud has other content, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn upload(
        &self,
        cx: &Context,
        target: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        upload::upload(self, cx, target, body, options).await
    }

    /// Opens an upload session for a file of `total` bytes.
    ///
    /// # Errors
    /// Those of [`session::open`]: `InvalidInput` for an empty file, the kinds of
    /// [`upload`](Drive::upload) for the target, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn open_session(
        &self,
        cx: &Context,
        target: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadSession> {
        session::open(self, cx, target, total, options).await
    }

    /// Sends the fragment that starts at `offset`.
    ///
    /// # Errors
    /// Those of [`session::send`]: `NotFound` if the session does not exist any more,
    /// `InvalidInput` if it belongs to another service, `RangeNotSatisfied` if it expects other
    /// bytes, and [request errors](crate::drive::Error#request-errors). The last fragment can also
    /// fail with the kinds of [`upload`](Drive::upload).
    async fn send_fragment(
        &self,
        cx: &Context,
        session: &mut UploadSession,
        offset: u64,
        bytes: opendal::Buffer,
    ) -> Result<SessionProgress> {
        session::send(self, cx, session, offset, bytes).await
    }

    /// Adds bytes that the cloud has received, from `offset` on, to the hash of the file.
    ///
    /// # Errors
    /// Those of [`session::acknowledge`]: `InvalidInput` if the session belongs to another service.
    async fn acknowledge(
        &self,
        session: &mut UploadSession,
        offset: u64,
        bytes: opendal::Buffer,
    ) -> Result<()> {
        session::acknowledge(session, offset, &bytes).await
    }

    /// Requests the progress of a session.
    ///
    /// # Errors
    /// Those of [`session::status`]: `NotFound` if the session does not exist any more,
    /// `InvalidInput` if it belongs to another service, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn session_status(
        &self,
        cx: &Context,
        session: &UploadSession,
    ) -> Result<SessionProgress> {
        session::status(self, cx, session).await
    }

    /// Creates the file of a session that has all bytes.
    ///
    /// # Errors
    /// Those of [`session::commit`]: `NotFound` if the session does not exist any more,
    /// `InvalidInput` if it belongs to another service, `AlreadyExists`, `IsAFolder` or `Conflict`
    /// if the name is in use, `Unexpected` if the cloud has other content, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn commit_session(&self, cx: &Context, session: &UploadSession) -> Result<Item> {
        session::commit(self, cx, session).await
    }

    /// Deletes a session. Succeeds if the session does not exist.
    ///
    /// # Errors
    /// Those of [`session::cancel`]: [request errors](crate::drive::Error#request-errors).
    async fn cancel_session(&self, cx: &Context, session: &UploadSession) -> Result<()> {
        session::cancel(self, cx, session).await
    }

    /// Creates a folder, and the missing folders above it.
    ///
    /// # Errors
    /// `AlreadyExists` if a file or a folder has the name, `NotAFolder` if a file is in the path,
    /// `DriveNotFound` if the drive does not exist; [request
    /// errors](crate::drive::Error#request-errors), among them `InvalidInput` for the name.
    async fn create_folder(&self, cx: &Context, target: &Target) -> Result<Item> {
        let parent = self.address(cx, &target.folder, Shortcut::Follow).await?;
        let behavior = ConflictBehavior::Fail;
        match self.client.create_folder(cx, &parent, &target.name, behavior).await {
            Ok(wire) => item::from_response(wire, self.foreign_drive(&parent)),
            Err(error) => Err(conflict::file_in_path(self, cx, parent, error).await),
        }
    }

    /// Changes name, folder or modification time of an item in one request.
    ///
    /// # Errors
    /// Those of [`rename::update`]: `NotFound` if the item or the new folder does not exist,
    /// `Conflict` for a folder that would move below itself, `Unsupported` for the root,
    /// `AlreadyExists` if the new name is in use, `NotAFolder` if the new folder is a file, and
    /// [request errors](crate::drive::Error#request-errors).
    async fn update(
        &self,
        cx: &Context,
        item: &ItemRef,
        known: Option<&Item>,
        update: &ItemUpdate,
    ) -> Result<Item> {
        rename::update(self, cx, item, known, update).await
    }

    /// Starts a copy of a file.
    ///
    /// # Errors
    /// Those of [`copy::start`]: `NotFound` if the source or the folder does not exist,
    /// `AlreadyExists` if the name is in use and must not be replaced, `IsAFolder` if a folder has
    /// it, `NotAFolder` if the target folder is a file, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn copy(&self, cx: &Context, request: CopyRequest<'_>) -> Result<CopyStatus> {
        copy::start(self, cx, request).await
    }

    /// Polls a copy once.
    ///
    /// # Errors
    /// Those of [`copy::status`]: `InvalidInput` if the job belongs to another service, the error
    /// with which the copy failed in the cloud, the kinds of [`copy`](Drive::copy), and [request
    /// errors](crate::drive::Error#request-errors).
    async fn copy_status(&self, cx: &Context, job: &CopyJob) -> Result<CopyStatus> {
        copy::status(self, cx, job).await
    }

    /// Returns one page of changes after `since`.
    ///
    /// # Errors
    /// Those of [`changes::page`]: `Unexpected` if a page has no link to continue, `DriveNotFound`
    /// if the drive does not exist, and [request errors](crate::drive::Error#request-errors).
    async fn changes(&self, cx: &Context, since: Option<&Cursor>) -> Result<ChangePage> {
        changes::page(self, cx, since).await
    }

    /// Returns the first page of changes since a point in time.
    ///
    /// # Errors
    /// Those of [`changes::page_since`]: `Unsupported` in a drive that is known to be a personal one,
    /// and those of [`changes`](Drive::changes).
    async fn changes_since_time(&self, cx: &Context, since: Timestamp) -> Result<ChangePage> {
        changes::page_since(self, cx, since).await
    }

    /// Returns true for a file with the extension of an Office document, unless the drive is known
    /// to be a personal one.
    fn may_rewrite_content(&self, file: &Item) -> bool {
        download::may_rewrite_content(self, file)
    }

    /// Returns false for items of other drives and for shortcuts. Sends no request.
    fn covers_changes_of(&self, id: &ItemId) -> bool {
        changes::covers(id)
    }

    /// Returns whether the id contains the target of a shortcut. Sends no request.
    fn is_shortcut_to_other_drive(&self, id: &ItemId) -> bool {
        ParsedId::parse(id).is_shortcut()
    }

    /// Returns the versions of a file, newest first.
    ///
    /// # Errors
    /// Those of [`versions::list`]: `NotFound`, `IsAFolder`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn versions(&self, cx: &Context, file: &ItemRef) -> Result<Vec<FileVersion>> {
        versions::list(self, cx, file).await
    }

    /// Downloads bytes of a version.
    ///
    /// # Errors
    /// Those of [`versions::download`]: `NotFound`, `IsAFolder`, `RangeNotSatisfied`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn download_version(
        &self,
        cx: &Context,
        file: &ItemRef,
        version: &str,
        range: ByteRange,
    ) -> Result<Download> {
        versions::download(self, cx, file, version, range).await
    }

    /// Makes a copy of a version the current one.
    ///
    /// # Errors
    /// Those of [`versions::restore`]: `NotFound`, `Conflict` if the file is locked, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn restore_version(&self, cx: &Context, file: &ItemRef, version: &str) -> Result<()> {
        versions::restore(self, cx, file, version).await
    }

    /// Deletes a version of a file. Personal drives cannot.
    ///
    /// # Errors
    /// Those of [`versions::delete`]: `NotFound`, `Unsupported`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn delete_version(&self, cx: &Context, file: &ItemRef, version: &str) -> Result<()> {
        versions::delete(self, cx, file, version).await
    }

    /// Requests a download URL for another program.
    ///
    /// # Errors
    /// Those of [`presign::download_url`]: `NotFound`, `IsAFolder`, `Unsupported` for an item without
    /// such a URL, and [request errors](crate::drive::Error#request-errors).
    async fn download_url(&self, cx: &Context, file: &ItemRef) -> Result<DownloadUrl> {
        presign::download_url(self, cx, file).await
    }

    /// Opens an upload session that another program uses with one request.
    ///
    /// # Errors
    /// Those of [`presign::upload_url`]: `InvalidInput` for the size, `Unsupported` if sessions need
    /// a token, and those of [`open_session`](Drive::open_session).
    async fn upload_url(
        &self,
        cx: &Context,
        target: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadUrl> {
        presign::upload_url(self, cx, target, total, options).await
    }

    /// Returns one page of the items that a text finds.
    ///
    /// # Errors
    /// Those of [`search::page`]: `NotFound` if the folder does not exist, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn search(
        &self,
        cx: &Context,
        request: &SearchRequest,
        cursor: Option<&Cursor>,
    ) -> Result<Page> {
        search::page(self, cx, request, cursor).await
    }

    /// Restores an item from the recycle bin of a personal drive.
    ///
    /// # Errors
    /// Those of [`actions::restore`]: `NotFound`, `AlreadyExists`, `Unsupported`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn restore_deleted(
        &self,
        cx: &Context,
        id: &ItemId,
        target: Option<&Target>,
    ) -> Result<Item> {
        actions::restore(self, cx, id, target).await
    }

    /// Deletes an item for good.
    ///
    /// # Errors
    /// Those of [`actions::purge`]: `NotFound`, `Unsupported` for the root, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn purge(&self, cx: &Context, item: &ItemRef) -> Result<()> {
        actions::purge(self, cx, item).await
    }

    /// Returns the thumbnails of a file in all sizes.
    ///
    /// # Errors
    /// Those of [`actions::thumbnail_urls`]: `NotFound`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn thumbnail_urls(&self, cx: &Context, file: &ItemRef) -> Result<Vec<Thumbnail>> {
        actions::thumbnail_urls(self, cx, file).await
    }

    /// Downloads a thumbnail of a file.
    ///
    /// # Errors
    /// Those of [`actions::thumbnail`]: `NotFound`, `InvalidInput` for the side, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn thumbnail(&self, cx: &Context, file: &ItemRef, side: u32) -> Result<Download> {
        actions::thumbnail(self, cx, file, side).await
    }

    /// Returns the URL of a page that shows a file.
    ///
    /// # Errors
    /// Those of [`actions::preview_url`]: `NotFound`, `Unsupported`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn preview_url(&self, cx: &Context, file: &ItemRef) -> Result<Secret> {
        actions::preview_url(self, cx, file).await
    }

    /// Checks a file out. Personal drives cannot.
    ///
    /// # Errors
    /// Those of [`actions::check_out`]: `NotFound`, `Conflict`, `Unsupported`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn check_out(&self, cx: &Context, file: &ItemRef) -> Result<()> {
        actions::check_out(self, cx, file).await
    }

    /// Checks a file in.
    ///
    /// # Errors
    /// Those of [`actions::check_in`].
    async fn check_in(&self, cx: &Context, file: &ItemRef, comment: &str) -> Result<()> {
        actions::check_in(self, cx, file, comment).await
    }

    /// Discards the check-out of a file.
    ///
    /// # Errors
    /// Those of [`actions::discard_check_out`].
    async fn discard_check_out(&self, cx: &Context, file: &ItemRef) -> Result<()> {
        actions::discard_check_out(self, cx, file).await
    }

    /// Deletes items, each with everything below it. Returns one result per item, in their order.
    ///
    /// # Errors
    /// Each item: `NotFound` if it does not exist, `ConditionNotMatch`, `Conflict` if it is locked, `Unsupported` for
    /// the root, and [request errors](crate::drive::Error#request-errors).
    async fn delete(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let concurrency = match supports_extensions(cx.operation().http_transport()).await {
            true => MAX_REQUESTS,
            false => CONCURRENT_DELETES,
        };
        let deletes: Vec<_> = items.iter().map(|target| self.delete_one(cx, target)).collect();
        stream::iter(deletes).buffered(concurrency).collect().await
    }
}
