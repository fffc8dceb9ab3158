//! The contract of a cloud drive: the trait [`Drive`] and its types.
//!
//! A [`Drive`] is one account's tree of items in one cloud. Each verb is one operation of the
//! cloud, performed once. The [`adapter`](crate::adapter) turns any `Drive` into an OpenDAL
//! service; it also resumes uploads and chooses fallbacks. Layers repeat failed requests. A new
//! backend implements this trait and nothing else. This module knows neither HTTP nor JSON.
//!
//! Some clouds address items by path, others by id; an [`ItemRef`] is either. A drive declares its
//! addressing and its other features in [`Capabilities`].
//!
//! # Rules for an implementation
//!
//! * A verb that fails has changed nothing, or its error says what has changed.
//! * A verb never repeats a request. The only exception is an expired access token: it is refreshed
//!   once.
//! * A caller may drop the future of a verb at any point. Work that must not be interrupted, such
//!   as a token refresh or a sequence of dependent requests, runs in a task of
//!   [`Context::spawn_and_wait`].
//! * `NotFound` means that the item itself does not exist. Any other failure, including an
//!   incomplete listing, is another kind of error.
//! * No file is collected in memory. A file to write is a [`Body`], a file to read is a
//!   [`ByteStream`].
//! * Tokens and download URLs are [`Secret`]s. They never appear in an [`Error`].
//!
//! Verbs have `cx` as their first argument: the [`Context`] through which they send their requests.
//! Verbs with many arguments take a request struct, for example [`ListRequest`]. Each verb can fail
//! with `PermissionDenied`, `RateLimited` and `Unexpected`; `# Errors` names the other kinds.

mod account;
mod capabilities;
mod context;
mod copy;
mod download;
mod error;
mod extensions;
mod item;
mod page;
mod page_guard;
mod reference;
mod request;
mod secret;
mod sharing;
mod upload;

use std::{any::Any, fmt};

use async_trait::async_trait;
use jiff::Timestamp;

pub use self::{
    account::{Account, Quota},
    capabilities::{Capabilities, RecursiveList},
    context::{Context, UploadProgress},
    copy::{CopyJob, CopyStatus},
    download::{ByteRange, ByteStream, ContentCheck, Download},
    error::{Error, ErrorKind, Result, Retry},
    extensions::{
        Extensions, FileVersion, Properties, PropertyChanges, SearchRequest, Thumbnail, UploadUrl,
    },
    item::{DownloadUrl, HashKind, Item, ItemId, ItemKind},
    page::{ChangePage, Cursor, Page, SiblingSearch},
    reference::{ItemRef, Target},
    request::{
        Conditions, CopyRequest, DeleteTarget, Depth, DownloadRequest, IfExists, ItemUpdate,
        ListRequest, WriteOptions,
    },
    secret::Secret,
    sharing::{
        Access, GrantRequest, Grantee, Link, LinkAudience, LinkKind, LinkRequest, Permission,
        Sharing,
    },
    upload::{Body, SessionLimits, SessionProgress, UploadSession},
};
pub(crate) use self::{context::SourceGuard, page_guard::PageGuard};

/// One account's tree of items in one cloud.
///
/// The [module](self) lists the rules for an implementation. The required verbs suffice for a
/// complete backend; the default implementations of the others return `Unsupported`.
#[async_trait]
pub trait Drive: Send + Sync + fmt::Debug + 'static {
    /// Returns the features of this drive.
    fn capabilities(&self) -> &Capabilities;

    /// Returns the cloud's own client, for operations that this trait lacks. A caller downcasts it
    /// to the client's type. `None` if the drive has no public client.
    fn native_client(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }

    /// Returns the verbs for links and permissions. `None` if the drive has none of them.
    fn sharing(&self) -> Option<&dyn Sharing> {
        None
    }

    /// Returns the account that the drive belongs to.
    ///
    /// # Errors
    /// `DriveNotFound` if the configured drive does not exist; [request
    /// errors](crate::drive::Error#request-errors).
    async fn account(&self, cx: &Context) -> Result<Account>;

    /// Returns capacity and free space of the drive.
    ///
    /// # Errors
    /// `Unsupported` if the cloud reports no quota; `DriveNotFound` if the configured drive does
    /// not exist; [request errors](crate::drive::Error#request-errors).
    async fn quota(&self, cx: &Context) -> Result<Quota>;

    /// Returns the id of the root folder. Sends no request if the cloud has an alias for it;
    /// otherwise the drive requests the id once and remembers it.
    ///
    /// # Errors
    /// None if the root has an alias. Otherwise `DriveNotFound` if the configured drive does not
    /// exist; [request errors](crate::drive::Error#request-errors).
    async fn root(&self, cx: &Context) -> Result<ItemId>;

    /// Returns the metadata of an item.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `ConditionNotMatch` if its etag differs from
    /// `if_match` or equals `if_none_match`; [request errors](crate::drive::Error#request-errors).
    async fn item(&self, cx: &Context, item: &ItemRef, conditions: &Conditions) -> Result<Item>;

    /// Returns the child of a folder that has this name. Names are compared by
    /// [`Capabilities::fold`].
    ///
    /// `on_sibling` receives each item that the responses contained, including the result. It then
    /// receives [`SiblingSearch::Complete`] if these are all items of the folder.
    ///
    /// # Errors
    /// `NotFound` if the folder or the child does not exist. `NotAFolder` or `NotFound` if `folder`
    /// is a file. [Request errors](crate::drive::Error#request-errors).
    async fn child(
        &self,
        cx: &Context,
        folder: &ItemRef,
        name: &str,
        on_sibling: &mut (dyn for<'s> FnMut(SiblingSearch<'s>) + Send),
    ) -> Result<Item>;

    /// Returns one page of a folder's items. The page never contains the folder itself.
    ///
    /// Names within a folder are unique: if the cloud permits duplicates, the page has only the
    /// newest item.
    ///
    /// With [`Depth::Recursive`] each parent of an item is a folder of the same listing, on the
    /// same page or on another, usually an earlier one. A direct child of the requested folder
    /// names that folder by the requested id, or names no parent. The listing may contain an item
    /// several times, and items that are not below the folder.
    ///
    /// # Errors
    /// `NotFound` if the folder or the requested page does not exist. `NotAFolder` if the item is a
    /// file, unless the cloud lists a file as an empty folder. `InvalidInput` for a cursor of
    /// another drive. `Unsupported` for a depth that [`Capabilities::recursive_list`] excludes.
    /// [Request errors](crate::drive::Error#request-errors).
    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page>;

    /// Opens a stream of the bytes of a file.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `IsAFolder` for a folder; `RangeNotSatisfied` if the
    /// range starts after the end of the file; `ConditionNotMatch` if a condition does not hold;
    /// [request errors](crate::drive::Error#request-errors). The stream returns later failures as
    /// its last element.
    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download>;

    /// Writes a whole file in one request. The body has at most [`Capabilities::max_single_upload`]
    /// bytes.
    ///
    /// The drive compares the hash and size in the response with the body. If the response has no
    /// size, [`Item::size`] of the result is `None` and the caller must verify the upload.
    ///
    /// # Errors
    /// * `AlreadyExists` if the name is taken, with [`IfExists::Fail`]; `IsAFolder` if a folder has
    ///   the name; `Conflict` if another item that is no file has it, such as a notebook.
    /// * `NotFound` if the target's folder does not exist and the drive does not create it;
    ///   `NotAFolder` if a file is in its place.
    /// * `ConditionNotMatch` if a condition does not hold.
    /// * `Unexpected` if the cloud has other bytes; [request
    ///   errors](crate::drive::Error#request-errors).
    async fn upload(
        &self,
        cx: &Context,
        target: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item>;

    /// Opens an upload session for a file of `total` bytes.
    ///
    /// # Errors
    /// The kinds of [`upload`](Self::upload), if the cloud checks the target before the first
    /// fragment. `InvalidInput` if `total` is 0 and the cloud has no sessions for empty files, or
    /// over [`Capabilities::max_file_size`]. `Unsupported` if [`Capabilities::session`] is `None`,
    /// or if the cloud cannot apply one of the options to a session. `SessionsUnavailable` if the
    /// account may not use sessions and the drive knows it: the caller then sends the file with
    /// [`upload`](Self::upload) if it is small enough.
    async fn open_session(
        &self,
        cx: &Context,
        target: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadSession> {
        let _ = (cx, target, total, options);
        Err(Error::unsupported("upload sessions"))
    }

    /// Sends one fragment: the bytes that start at the position `offset` of the file. Returns the
    /// progress after it.
    ///
    /// The drive keeps its own state in the session, for example the hash of the bytes that the
    /// cloud has. A caller that stores sessions must store the session again after each fragment.
    ///
    /// # Errors
    /// `NotFound` if the cloud has discarded the session: open a new one. `RangeNotSatisfied` if
    /// the cloud expects another offset: request [`session_status`](Self::session_status). A cloud
    /// whose response contains the expected offset returns it as [`SessionProgress::Next`] instead.
    /// `InvalidInput` if another drive opened the session, or if the cloud rejects the fragment's
    /// size. The last fragment can also fail with the kinds of [`upload`](Self::upload).
    /// `SessionsUnavailable` if the drive notices only now that the account may not use sessions: see
    /// [`open_session`](Self::open_session).
    /// `Unsupported` without upload sessions; [request errors](crate::drive::Error#request-errors).
    async fn send_fragment(
        &self,
        cx: &Context,
        session: &mut UploadSession,
        offset: u64,
        bytes: opendal::Buffer,
    ) -> Result<SessionProgress> {
        let _ = (cx, session, offset, bytes);
        Err(Error::unsupported("upload sessions"))
    }

    /// Records the fragment `bytes` at `offset`, which the cloud has received although its response
    /// was lost. It updates the state that the drive keeps in the session, such as a hash, and
    /// sends no request.
    ///
    /// # Errors
    /// `InvalidInput` if another drive opened the session.
    async fn acknowledge(
        &self,
        session: &mut UploadSession,
        offset: u64,
        bytes: opendal::Buffer,
    ) -> Result<()> {
        let _ = (session, offset, bytes);
        Ok(())
    }

    /// Requests the offset that the cloud expects next. The result is [`SessionProgress::Done`] if
    /// the session has ended with its file, and the drive recognizes the file.
    ///
    /// # Errors
    /// `NotFound` if the session does not exist: the cloud has discarded it, or it has ended and
    /// the drive does not recognize its file. `InvalidInput` if another drive opened the session.
    /// `SessionsUnavailable` as in [`send_fragment`](Self::send_fragment).
    /// `Unsupported` without upload sessions; [request errors](crate::drive::Error#request-errors).
    async fn session_status(
        &self,
        cx: &Context,
        session: &UploadSession,
    ) -> Result<SessionProgress> {
        let _ = (cx, session);
        Err(Error::unsupported("upload sessions"))
    }

    /// Creates the file of a session whose progress is [`SessionProgress::Complete`]. A repeated
    /// call returns the file that the first call created.
    ///
    /// # Errors
    /// The kinds of [`upload`](Self::upload); `NotFound` if the cloud has discarded the session;
    /// `Conflict`, `InvalidInput` or `Unexpected` if bytes are missing, as the cloud reports it;
    /// `InvalidInput` if another drive opened the session; `Unsupported` without upload sessions;
    /// [request errors](crate::drive::Error#request-errors).
    async fn commit_session(&self, cx: &Context, session: &UploadSession) -> Result<Item> {
        let _ = (cx, session);
        Err(Error::unsupported("upload sessions"))
    }

    /// Discards a session and its bytes. Succeeds if the session does not exist.
    ///
    /// # Errors
    /// `InvalidInput` if another drive opened the session; `Unsupported` without upload sessions;
    /// [request errors](crate::drive::Error#request-errors).
    async fn cancel_session(&self, cx: &Context, session: &UploadSession) -> Result<()> {
        let _ = (cx, session);
        Err(Error::unsupported("upload sessions"))
    }

    /// Creates one folder. Its parent must exist, except in a cloud that creates missing parents.
    ///
    /// # Errors
    /// `AlreadyExists` if a file or a folder has the name, with the occupant's id in
    /// [`Error::existing`] if the cloud reports it. `NotFound` if the parent does not exist;
    /// `NotAFolder` if it is a file and the cloud reports this. [Request
    /// errors](crate::drive::Error#request-errors), such as `InvalidInput` for the name.
    async fn create_folder(&self, cx: &Context, target: &Target) -> Result<Item>;

    /// Changes an item's name, parent folder or modification time, in as few requests as the cloud
    /// permits.
    ///
    /// `known` is the item's metadata, as far as the caller knows it. It is always present for
    /// drives that address items by id.
    ///
    /// # Errors
    /// * `NotFound` if the item or the new parent does not exist; `NotAFolder` if the new parent is
    ///   a file and the cloud reports this.
    /// * `AlreadyExists` if the new name is taken and [`ItemUpdate::if_exists`] is not `Replace`;
    ///   `AlreadyExists` or `IsAFolder` if a folder has the new name.
    /// * `Conflict` or `InvalidInput` for a folder that is moved below itself, and `Conflict`,
    ///   `InvalidInput` or `Unsupported` for the root.
    /// * `Unsupported` for a change that the cloud does not have, such as a modification time.
    /// * [Request errors](crate::drive::Error#request-errors).
    async fn update(
        &self,
        cx: &Context,
        item: &ItemRef,
        known: Option<&Item>,
        update: &ItemUpdate,
    ) -> Result<Item>;

    /// Starts a copy of a file within the drive. Called only if [`Capabilities::copy_files`].
    ///
    /// # Errors
    /// `NotFound` if the source or the target's folder does not exist; `AlreadyExists` if the
    /// target exists, with [`IfExists::Fail`]; `IsAFolder` if the target is a folder; `Unsupported`
    /// without [`Capabilities::copy_files`] and for a folder, if the cloud copies only files;
    /// [request errors](crate::drive::Error#request-errors), among them `QuotaExceeded`.
    async fn copy(&self, cx: &Context, request: CopyRequest<'_>) -> Result<CopyStatus> {
        let _ = (cx, request);
        Err(Error::unsupported("server-side copies"))
    }

    /// Requests the status of a copy once.
    ///
    /// # Errors
    /// Those of [`copy`](Self::copy), with which the copy failed; `InvalidInput` or `NotFound` if
    /// another drive started it; `Unsupported` without [`Capabilities::copy_files`]; [request
    /// errors](crate::drive::Error#request-errors).
    async fn copy_status(&self, cx: &Context, job: &CopyJob) -> Result<CopyStatus> {
        let _ = (cx, job);
        Err(Error::unsupported("server-side copies"))
    }

    /// Returns the changes of the whole drive since a position of its change feed. Without a
    /// position it returns the current one, and no changes. Called only if
    /// [`Capabilities::changes`].
    ///
    /// # Errors
    /// `InvalidInput` if the cursor is of another drive; `Unsupported` without
    /// [`Capabilities::changes`]; [request errors](crate::drive::Error#request-errors). An expired
    /// cursor is no error: the result has [`ChangePage::reset`].
    async fn changes(&self, cx: &Context, since: Option<&Cursor>) -> Result<ChangePage> {
        let _ = (cx, since);
        Err(Error::unsupported("a change feed"))
    }

    /// Returns the changes of the whole drive since a point in time, as
    /// [`changes`](Self::changes) does since a position.
    ///
    /// # Errors
    /// `Unsupported` without [`Extensions::changes_since_time`]; [request
    /// errors](crate::drive::Error#request-errors). A time before the start of the feed is no error:
    /// the result has [`ChangePage::reset`].
    async fn changes_since_time(&self, cx: &Context, since: Timestamp) -> Result<ChangePage> {
        let _ = (cx, since);
        Err(Error::unsupported("a change feed that starts at a time"))
    }

    /// Returns whether the content of a file may differ from its reported size and hash, so that a
    /// difference is no damage. SharePoint writes properties into Office files. The default is
    /// false.
    fn may_rewrite_content(&self, file: &Item) -> bool {
        let _ = file;
        false
    }

    /// Returns whether [`changes`](Self::changes) reports changes of the item with this id and of
    /// its descendants. It does not for items of other drives. The default is true.
    fn covers_changes_of(&self, id: &ItemId) -> bool {
        let _ = id;
        true
    }

    /// Returns whether the item with this id is a folder whose contents are in another drive. A
    /// recursive listing contains such a folder but not its contents. The default is false.
    fn is_shortcut_to_other_drive(&self, id: &ItemId) -> bool {
        let _ = id;
        false
    }

    /// Deletes items, and folders with all their contents. Receives at most
    /// [`Capabilities::delete_max_size`] items. Returns one result for each item, in order.
    ///
    /// # Errors
    /// Each item: `NotFound` if it does not exist; `Conflict` if it is locked; `IsAFolder` for a
    /// folder if [`DeleteTarget::kind`] is a file and the drive checks it; `Conflict`,
    /// `InvalidInput` or `Unsupported` for the root; [request
    /// errors](crate::drive::Error#request-errors).
    async fn delete(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>>;

    /// Returns the versions of a file, newest first, including the current one.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `Unsupported` without [`Extensions::versions`];
    /// [request errors](crate::drive::Error#request-errors).
    async fn versions(&self, cx: &Context, file: &ItemRef) -> Result<Vec<FileVersion>> {
        let _ = (cx, file);
        Err(Error::unsupported("versions"))
    }

    /// Opens a stream of the bytes of one version of a file. `version` is a [`FileVersion::id`].
    ///
    /// # Errors
    /// Those of [`download`](Self::download); `Unsupported` without [`Extensions::versions`];
    /// [request errors](crate::drive::Error#request-errors).
    async fn download_version(
        &self,
        cx: &Context,
        file: &ItemRef,
        version: &str,
        range: ByteRange,
    ) -> Result<Download> {
        let _ = (cx, file, version, range);
        Err(Error::unsupported("versions"))
    }

    /// Makes a copy of an old version the current version. Newer versions are kept. `version` is a
    /// [`FileVersion::id`].
    ///
    /// # Errors
    /// `NotFound` if the file or version does not exist; `Unsupported` without
    /// [`Extensions::versions`]; [request errors](crate::drive::Error#request-errors).
    async fn restore_version(&self, cx: &Context, file: &ItemRef, version: &str) -> Result<()> {
        let _ = (cx, file, version);
        Err(Error::unsupported("versions"))
    }

    /// Deletes an old version of a file. `version` is a [`FileVersion::id`].
    ///
    /// # Errors
    /// `NotFound` if the file or version does not exist; `Unsupported` without
    /// [`Extensions::delete_versions`]; [request errors](crate::drive::Error#request-errors), among
    /// them those for the current version, which cannot be deleted.
    async fn delete_version(&self, cx: &Context, file: &ItemRef, version: &str) -> Result<()> {
        let _ = (cx, file, version);
        Err(Error::unsupported("the deletion of versions"))
    }

    /// Requests a new URL from which another program can read a file without a token. The URL
    /// supports byte ranges.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `IsAFolder` for a folder; `Unsupported` without
    /// [`Extensions::download_urls`] and for a file that has no such URL; [request
    /// errors](crate::drive::Error#request-errors).
    async fn download_url(&self, cx: &Context, file: &ItemRef) -> Result<DownloadUrl> {
        let _ = (cx, file);
        Err(Error::unsupported("download URLs for other programs"))
    }

    /// Requests a URL to which another program can write a file of `total` bytes without a token.
    /// Its request creates the file at the target as the options say.
    ///
    /// # Errors
    /// The kinds of [`open_session`](Self::open_session); `InvalidInput` for a size that one request
    /// cannot have; `Unsupported` without [`Extensions::upload_urls`] and if requests need a token;
    /// [request errors](crate::drive::Error#request-errors).
    async fn upload_url(
        &self,
        cx: &Context,
        target: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadUrl> {
        let _ = (cx, target, total, options);
        Err(Error::unsupported("upload URLs for other programs"))
    }

    /// Returns one page of the items that match a search. `cursor` is [`Page::next`] of the
    /// previous page.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist; `Unsupported` without [`Extensions::search`];
    /// [request errors](crate::drive::Error#request-errors).
    async fn search(
        &self,
        cx: &Context,
        request: &SearchRequest,
        cursor: Option<&Cursor>,
    ) -> Result<Page> {
        let _ = (cx, request, cursor);
        Err(Error::unsupported("search"))
    }

    /// Returns one page of the items in the recycle bin. Their parents are those before the
    /// deletion. `cursor` is [`Page::next`] of the previous page.
    ///
    /// # Errors
    /// `Unsupported` without [`Extensions::deleted_items`]; [request
    /// errors](crate::drive::Error#request-errors).
    async fn deleted_items(&self, cx: &Context, cursor: Option<&Cursor>) -> Result<Page> {
        let _ = (cx, cursor);
        Err(Error::unsupported("a list of the recycle bin"))
    }

    /// Restores an item from the recycle bin: to `target`, or to its former folder and name if
    /// `target` is `None`.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken; `NotFound` if the item is not in the recycle bin;
    /// `Unsupported` without [`Extensions::restore_deleted`], and for a target if the cloud restores
    /// only to the former place; [request errors](crate::drive::Error#request-errors).
    async fn restore_deleted(
        &self,
        cx: &Context,
        id: &ItemId,
        target: Option<&Target>,
    ) -> Result<Item> {
        let _ = (cx, id, target);
        Err(Error::unsupported("a restore from the recycle bin"))
    }

    /// Deletes an item of the recycle bin for good.
    ///
    /// # Errors
    /// `NotFound` if the item is not in the recycle bin; `PermissionDenied` if the cloud does not
    /// permit it to this application; `Unsupported` without [`Extensions::purge_deleted`]; [request
    /// errors](crate::drive::Error#request-errors).
    async fn purge_deleted(&self, cx: &Context, id: &ItemId) -> Result<()> {
        let _ = (cx, id);
        Err(Error::unsupported("the deletion of items in the recycle bin"))
    }

    /// Deletes an item, with everything below it, for good: it is not in the recycle bin afterwards.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `PermissionDenied` if the cloud does not permit it to
    /// this application; `Unsupported` without [`Extensions::purge`], and for the root; [request
    /// errors](crate::drive::Error#request-errors).
    async fn purge(&self, cx: &Context, item: &ItemRef) -> Result<()> {
        let _ = (cx, item);
        Err(Error::unsupported("a permanent deletion"))
    }

    /// Returns the sizes in which the cloud has a small image of a file, with URLs. Empty if it has
    /// none.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `Unsupported` without [`Extensions::thumbnail_urls`];
    /// [request errors](crate::drive::Error#request-errors).
    async fn thumbnail_urls(&self, cx: &Context, file: &ItemRef) -> Result<Vec<Thumbnail>> {
        let _ = (cx, file);
        Err(Error::unsupported("URLs of thumbnails"))
    }

    /// Opens a stream of the bytes of a small image of a file. Its longer side has at most `side`
    /// pixels, or that of the cloud's smallest image if this is larger.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `NotFound` or `InvalidInput` if the cloud has no image
    /// of it; `InvalidInput` for a side that the cloud rejects; `Unsupported` without [`Extensions::thumbnails`]; [request
    /// errors](crate::drive::Error#request-errors).
    async fn thumbnail(&self, cx: &Context, file: &ItemRef, side: u32) -> Result<Download> {
        let _ = (cx, file, side);
        Err(Error::unsupported("thumbnails"))
    }

    /// Returns a URL of a web page that shows a file, for a short time and without sign-in.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `Unsupported` without [`Extensions::previews`];
    /// [request errors](crate::drive::Error#request-errors).
    async fn preview_url(&self, cx: &Context, file: &ItemRef) -> Result<Secret> {
        let _ = (cx, file);
        Err(Error::unsupported("previews"))
    }

    /// Checks a file out: until it is checked in, only this user can change it.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `Conflict` if it is locked or checked out already;
    /// `Unsupported` without [`Extensions::check_out`]; [request
    /// errors](crate::drive::Error#request-errors).
    async fn check_out(&self, cx: &Context, file: &ItemRef) -> Result<()> {
        let _ = (cx, file);
        Err(Error::unsupported("check-outs"))
    }

    /// Checks a file in, with a comment on its new version.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `Conflict` if another user has checked it out;
    /// `InvalidInput` if it is not checked out; `Unsupported` without [`Extensions::check_out`];
    /// [request errors](crate::drive::Error#request-errors).
    async fn check_in(&self, cx: &Context, file: &ItemRef, comment: &str) -> Result<()> {
        let _ = (cx, file, comment);
        Err(Error::unsupported("check-outs"))
    }

    /// Ends the check-out of a file, and discards its changes since then.
    ///
    /// # Errors
    /// Those of [`check_in`](Self::check_in).
    async fn discard_check_out(&self, cx: &Context, file: &ItemRef) -> Result<()> {
        let _ = (cx, file);
        Err(Error::unsupported("check-outs"))
    }

    /// Returns the properties that programs have stored with an item.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` without [`Extensions::properties`];
    /// [request errors](crate::drive::Error#request-errors).
    async fn properties(&self, cx: &Context, item: &ItemRef) -> Result<Properties> {
        let _ = (cx, item);
        Err(Error::unsupported("properties"))
    }

    /// Sets and removes properties of an item. Other properties are kept.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` without [`Extensions::properties`];
    /// [request errors](crate::drive::Error#request-errors).
    async fn set_properties(
        &self,
        cx: &Context,
        item: &ItemRef,
        changes: &PropertyChanges,
    ) -> Result<()> {
        let _ = (cx, item, changes);
        Err(Error::unsupported("properties"))
    }
}
