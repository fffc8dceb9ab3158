//! The contract beneath: what a cloud drive can be asked to do.
//!
//! A [`Drive`] is one account's tree of items in one cloud. Its verbs are the cloud's own, one
//! thing each, done once: *repeating* is the layers', *resuming* and *falling back* are the
//! [`adapter`](crate::adapter)'s, which turns any `Drive` into an OpenDAL service. A new backend
//! is an implementation of this trait and nothing else. There is no JSON and no HTTP here.
//!
//! Two ways of addressing meet in [`ItemRef`]: clouds that know paths are asked by path, the others
//! by id. Which one a drive is, and everything else the adapter must know without asking, is in
//! its [`Capabilities`].
//!
//! Rules for implementors:
//!
//! * A verb that fails has either changed nothing or says so in its error. It never repeats a
//!   request by itself, with one exception: an expired access token is renewed once.
//! * What must not be lost half-way (a token refresh) runs in a task of its own,
//!   [`Context::spawn`]: callers drop futures anywhere.
//! * Nothing is buffered whole. Bodies come as [`Body`], bytes go as [`ByteStream`].
//! * Tokens and download URLs are [`Secret`]s and never part of an [`Error`].

mod context;
mod error;
mod extensions;
mod item;
mod page_guard;
mod place;
mod secret;
mod transfer;

use std::{any::Any, borrow::Cow, fmt};

use async_trait::async_trait;

pub(crate) use self::{context::SourceGuard, page_guard::PageGuard};
pub use self::{
    context::{Context, UploadProgress},
    error::{Error, ErrorKind, Result, Retry},
    extensions::{
        Access, Extensions, FileVersion, GrantRequest, Link, LinkAudience, LinkRequest, Permission,
        Properties, PropertyChanges, SearchRequest, Thumbnail,
    },
    item::{
        Account, ChangePage, Cursor, DownloadUrl, HashKind, Item, ItemId, Kind, Page, Quota,
        SiblingSearch,
    },
    place::{Conditions, DeleteTarget, IfExists, ItemRef, ItemUpdate, Target},
    secret::Secret,
    transfer::{
        Body, ByteRange, ByteStream, ContentCheck, CopyJob, CopyStatus, Download, Progress,
        SessionLimits, UploadSession, WriteOptions,
    },
};

/// What a drive can do. Fixed when it is built: no request may be needed to know it.
///
/// A drive from another crate starts with [`Capabilities::new`] and sets the fields that differ.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Capabilities {
    /// [`ItemRef::Path`] is understood, and folders on the way of a write are made by the cloud.
    pub paths: bool,
    /// Largest file of one request, in bytes.
    pub single_max: u64,
    /// Largest file there can be, in bytes.
    pub total_max: u64,
    /// What upload sessions want; `None`: one request per file, whatever its size.
    pub session: Option<SessionLimits>,
    /// A modification time given with a write is kept.
    pub sets_modified: bool,
    /// [`IfExists::Fail`] is decided by the cloud at commit, not by a look before.
    pub if_not_exists: bool,
    /// [`Conditions::if_match`] of a write is decided by the cloud at commit.
    pub if_match: bool,
    /// [`Conditions::if_none_match`] of a look or a download is answered by the cloud.
    pub if_none_match: bool,
    /// [`Conditions::if_match`] of a download is kept: the bytes are that version's, or there are
    /// none.
    pub reads_if_match: bool,
    /// [`Drive::changes`] works.
    pub changes: bool,
    /// [`Drive::copy`] works on files; onto another name and onto an existing file too.
    pub copies_files: bool,
    /// A download needs a [`DownloadUrl`], and tells the one it has got: ranges of one file share it.
    pub download_urls: bool,
    /// Which folders [`Depth::Tree`] works on.
    pub recursive_list: RecursiveList,
    /// Most removals of one [`Drive::remove`].
    pub removals: usize,
    /// An item may be in several folders at once.
    pub multi_parent: bool,
    /// The form under which two names in a folder are one to this cloud.
    pub fold: fn(&str) -> Cow<'_, str>,
    /// Returns a key that two names share if this cloud may treat them as one. It never separates
    /// names that [`fold`](Self::fold) joins, and joins more where the cloud's rule depends on the
    /// account or is not documented. A transfer compares it before it sends two files to one folder.
    pub collision_key: fn(&str) -> Cow<'_, str>,
    /// Why the cloud refuses a name, before it is asked: `None` if it takes it.
    pub validate_name: fn(&str) -> Option<&'static str>,
    /// Which optional verbs the drive has.
    pub extensions: Extensions,
}

impl Capabilities {
    /// A drive without optional features, whose files have at most `single_max` bytes.
    ///
    /// Items are addressed by id, names are compared exactly, every name is valid, and each delete
    /// is a request.
    pub fn new(single_max: u64) -> Self {
        Self {
            paths: false,
            single_max,
            total_max: single_max,
            session: None,
            sets_modified: false,
            if_not_exists: false,
            if_match: false,
            if_none_match: false,
            reads_if_match: false,
            changes: false,
            copies_files: false,
            download_urls: false,
            recursive_list: RecursiveList::No,
            removals: 1,
            multi_parent: false,
            fold: |name| Cow::Borrowed(name),
            collision_key: |name| Cow::Borrowed(name),
            validate_name: |_| None,
            extensions: Extensions::default(),
        }
    }
}

/// Which folders can be listed with everything below them in one paged answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecursiveList {
    /// None: every folder is asked for its children.
    No,
    /// The drive's root only.
    Root,
    /// Any folder.
    Any,
}

/// How far down a listing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The folder's children.
    Children,
    /// Everything below the folder, in one paged answer. Only where [`Capabilities::recursive_list`] says so.
    Tree,
}

/// One account's tree of items in one cloud.
///
/// See the [module](self) for the rules an implementation keeps.
#[async_trait]
pub trait Drive: Send + Sync + fmt::Debug + 'static {
    /// What this drive can do.
    fn capabilities(&self) -> &Capabilities;

    /// What only this drive has, for those who know what it is: SkyDrive's is its client.
    fn extras(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }

    /// Who the account belongs to.
    async fn account(&self, cx: &Context) -> Result<Account>;

    /// How much the drive holds and may hold.
    async fn quota(&self, cx: &Context) -> Result<Quota>;

    /// The root folder's id: by alias where the cloud has one (no request), else asked once and kept.
    async fn root(&self, cx: &Context) -> Result<ItemId>;

    /// The item at a place.
    ///
    /// # Errors
    /// `NotFound`; `Condition` when `if_none_match` holds or `if_match` does not.
    async fn item(&self, cx: &Context, at: &ItemRef, conditions: &Conditions) -> Result<Item>;

    /// The child of that name in a folder (names compared by [`Capabilities::fold`]).
    ///
    /// `seen` is given every item the answers carried, the wanted one included, and
    /// [`SiblingSearch::All`] if that was all of the folder.
    ///
    /// # Errors
    /// `NotFound` if there is no such child, or no such folder.
    async fn child(
        &self,
        cx: &Context,
        folder: &ItemRef,
        name: &str,
        seen: &mut (dyn for<'s> FnMut(SiblingSearch<'s>) + Send),
    ) -> Result<Item>;

    /// One page of a folder's items, never the folder itself; `limit` is a wish for the page's size.
    /// Names in a folder are unique: where the cloud allows duplicates, the newest is given.
    ///
    /// With [`Depth::Tree`] an item's parents are folders of the same listing, of this page or of
    /// another one, usually an earlier; an item directly in `folder` names that by the id it was
    /// asked by, or none. An item may come more than once, and some may not be below `folder`.
    ///
    /// # Errors
    /// `NotFound` for a missing folder, `NotAFolder` for a file.
    async fn list(
        &self,
        cx: &Context,
        folder: &ItemRef,
        depth: Depth,
        limit: Option<usize>,
        from: Option<&Cursor>,
    ) -> Result<Page>;

    /// Bytes of a file, by the download URL in `known` if that still works.
    ///
    /// # Errors
    /// `Range` past the end, `IsAFolder`, `NotFound`, `Condition`.
    async fn download(
        &self,
        cx: &Context,
        file: &ItemRef,
        known: Option<&Item>,
        range: ByteRange,
        conditions: &Conditions,
    ) -> Result<Download>;

    /// A whole file in one request, at most [`Capabilities::single_max`].
    ///
    /// Checked by hash and size as far as the cloud's answer tells them; where it tells no size,
    /// [`Item::size`] of the answer is `None` and checking is the caller's.
    ///
    /// # Errors
    /// `Exists` under [`IfExists::Fail`], `Quota`, `IsAFolder`, `Condition`.
    async fn upload(
        &self,
        cx: &Context,
        to: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item>;

    /// Opens an upload session for a file of `total` bytes.
    async fn open_session(
        &self,
        cx: &Context,
        to: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadSession> {
        let _ = (cx, to, total, options);
        Err(Error::unsupported("upload sessions"))
    }

    /// Sends the bytes at `offset`, once; repeating and resuming are the caller's. What must be
    /// known to go on, such as the hash of what the cloud has, is kept in the session: who keeps
    /// sessions elsewhere keeps it again after each fragment.
    ///
    /// # Errors
    /// `NotFound`: the session is lost, open a new one. `Range`: these are not the bytes that the
    /// cloud expects; [`session_status`](Self::session_status) tells which.
    async fn send_fragment(
        &self,
        cx: &Context,
        session: &mut UploadSession,
        offset: u64,
        bytes: opendal::Buffer,
    ) -> Result<Progress> {
        let _ = (cx, session, offset, bytes);
        Err(Error::unsupported("upload sessions"))
    }

    /// Tells a session of bytes that the cloud has although the answer that said so was lost: what
    /// it keeps of them, such as a hash, goes on. Sends nothing.
    ///
    /// # Errors
    /// `Invalid` for a session of another drive.
    async fn acknowledge(
        &self,
        session: &mut UploadSession,
        offset: u64,
        bytes: opendal::Buffer,
    ) -> Result<()> {
        let _ = (session, offset, bytes);
        Ok(())
    }

    /// Where the cloud wants to go on.
    ///
    /// # Errors
    /// `NotFound`: the session is lost, open a new one.
    async fn session_status(&self, cx: &Context, session: &UploadSession) -> Result<Progress> {
        let _ = (cx, session);
        Err(Error::unsupported("upload sessions"))
    }

    /// Makes the file of a session that answered [`Progress::Complete`]. Safe to repeat: finds the
    /// file if the first answer was lost.
    async fn commit_session(&self, cx: &Context, session: &UploadSession) -> Result<Item> {
        let _ = (cx, session);
        Err(Error::unsupported("upload sessions"))
    }

    /// Forgets a session and its bytes. Fine if it is gone.
    async fn cancel_session(&self, cx: &Context, session: &UploadSession) -> Result<()> {
        let _ = (cx, session);
        Err(Error::unsupported("upload sessions"))
    }

    /// Makes one folder.
    ///
    /// # Errors
    /// `Exists` when the name is taken, with the occupant's id where the cloud tells it.
    async fn make_folder(&self, cx: &Context, at: &Target) -> Result<Item>;

    /// Changes name, folder or time in the fewest requests the cloud allows. `item` is what the
    /// caller knows of the item at `at`; drives that are asked by id are always given it.
    ///
    /// # Errors
    /// `Exists` when the new name is taken and [`ItemUpdate::if_exists`] does not replace,
    /// `Conflict` for a folder moved below itself.
    async fn update(
        &self,
        cx: &Context,
        at: &ItemRef,
        item: Option<&Item>,
        change: &ItemUpdate,
    ) -> Result<Item>;

    /// Starts a copy of a file within the drive, replacing the target unless `if_exists` says
    /// otherwise. Called only where [`Capabilities::copies_files`] says so.
    async fn copy(
        &self,
        cx: &Context,
        from: &ItemRef,
        item: Option<&Item>,
        to: &Target,
        if_exists: IfExists,
    ) -> Result<CopyStatus> {
        let _ = (cx, from, item, to, if_exists);
        Err(Error::unsupported("copying"))
    }

    /// Asks once how a copy is doing.
    async fn copy_status(&self, cx: &Context, job: &CopyJob) -> Result<CopyStatus> {
        let _ = (cx, job);
        Err(Error::unsupported("copying"))
    }

    /// What has changed in the whole drive since the answer that a cursor came with; with `None`,
    /// nothing yet: from now on. Called only where [`Capabilities::changes`] says so.
    async fn changes(&self, cx: &Context, since: Option<&Cursor>) -> Result<ChangePage> {
        let _ = (cx, since);
        Err(Error::unsupported("a feed of changes"))
    }

    /// Returns whether the cloud may hold other bytes of a file than its size and hash say, so that
    /// a difference is no damage: SharePoint writes properties into Office files.
    fn rewrites(&self, file: &Item) -> bool {
        let _ = file;
        false
    }

    /// Whether [`changes`](Self::changes) tells what becomes of an item, and of what is below it:
    /// not of what lies in another drive.
    fn tells_changes_of(&self, id: &ItemId) -> bool {
        let _ = id;
        true
    }

    /// Returns whether an item is a folder whose contents are in another drive: a listing by
    /// [`Depth::Tree`] has the folder and not what is below it.
    fn leads_elsewhere(&self, id: &ItemId) -> bool {
        let _ = id;
        false
    }

    /// Removes items, folders with everything below, at most [`Capabilities::removals`] at a time;
    /// one result each, in order.
    async fn remove(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>>;
    /// Returns the versions of a file, newest first, the current one included.
    async fn versions(&self, cx: &Context, file: &ItemRef) -> Result<Vec<FileVersion>> {
        let _ = (cx, file);
        Err(Error::unsupported("versions"))
    }

    /// Returns the bytes of a version of a file.
    ///
    /// # Errors
    /// As [`download`](Self::download).
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

    /// Makes a version the current one; the versions after it are kept.
    async fn restore_version(&self, cx: &Context, file: &ItemRef, version: &str) -> Result<()> {
        let _ = (cx, file, version);
        Err(Error::unsupported("versions"))
    }

    /// Returns one page of the items that a search finds.
    async fn search(
        &self,
        cx: &Context,
        request: &SearchRequest,
        from: Option<&Cursor>,
    ) -> Result<Page> {
        let _ = (cx, request, from);
        Err(Error::unsupported("search"))
    }

    /// Returns one page of the items in the recycle bin. Their parents are those before deletion.
    async fn deleted_items(&self, cx: &Context, from: Option<&Cursor>) -> Result<Page> {
        let _ = (cx, from);
        Err(Error::unsupported("the recycle bin"))
    }

    /// Restores an item from the recycle bin; `to`: to another place than it was deleted from.
    ///
    /// # Errors
    /// `Exists` if the name is taken, `NotFound` if the item is no longer in the recycle bin.
    async fn restore_deleted(
        &self,
        cx: &Context,
        id: &ItemId,
        to: Option<&Target>,
    ) -> Result<Item> {
        let _ = (cx, id, to);
        Err(Error::unsupported("the recycle bin"))
    }

    /// Returns the thumbnails of a file; none if the cloud has none of it.
    async fn thumbnails(&self, cx: &Context, file: &ItemRef) -> Result<Vec<Thumbnail>> {
        let _ = (cx, file);
        Err(Error::unsupported("thumbnails"))
    }

    /// Returns the properties that programs have stored with an item.
    async fn properties(&self, cx: &Context, item: &ItemRef) -> Result<Properties> {
        let _ = (cx, item);
        Err(Error::unsupported("properties"))
    }

    /// Sets and removes properties of an item; the others are kept.
    async fn set_properties(
        &self,
        cx: &Context,
        item: &ItemRef,
        changes: &PropertyChanges,
    ) -> Result<()> {
        let _ = (cx, item, changes);
        Err(Error::unsupported("properties"))
    }

    /// Returns the links to an item.
    async fn links(&self, cx: &Context, item: &ItemRef) -> Result<Vec<Link>> {
        let _ = (cx, item);
        Err(Error::unsupported("links"))
    }

    /// Creates a link, or returns an equal one that exists.
    ///
    /// # Errors
    /// `Denied` if the account's policy forbids such links.
    async fn create_link(&self, cx: &Context, request: &LinkRequest) -> Result<Link> {
        let _ = (cx, request);
        Err(Error::unsupported("links"))
    }

    /// Deletes a link to an item. Succeeds if the link does not exist.
    async fn delete_link(&self, cx: &Context, item: &ItemRef, id: &str) -> Result<()> {
        let _ = (cx, item, id);
        Err(Error::unsupported("links"))
    }

    /// Returns the permissions of an item, inherited ones included.
    async fn permissions(&self, cx: &Context, item: &ItemRef) -> Result<Vec<Permission>> {
        let _ = (cx, item);
        Err(Error::unsupported("sharing"))
    }

    /// Shares an item with people; one permission for each recipient.
    async fn grant(&self, cx: &Context, request: &GrantRequest) -> Result<Vec<Permission>> {
        let _ = (cx, request);
        Err(Error::unsupported("sharing"))
    }

    /// Revokes a permission of an item. Succeeds if the permission does not exist.
    async fn revoke(&self, cx: &Context, item: &ItemRef, id: &str) -> Result<()> {
        let _ = (cx, item, id);
        Err(Error::unsupported("sharing"))
    }
}
