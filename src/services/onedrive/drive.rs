//! The biased half: a OneDrive as a [`Drive`], on top of the [`Client`].
//!
//! Everything is asked by path, so nothing is walked (onedrive-graph#lever-path-addressing). The
//! root goes by its alias; ids of items in other drives carry the drive's, and a shortcut's that of
//! what it stands for ([`address`](super::address)). What a shortcut stands for is entered by its
//! id; a path that leads through one is the cloud's to resolve.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::sync::OnceCell;

use super::{
    AccountKind, Client,
    address::{Address, DriveRef, ParsedId, Side, address_of, root_id},
    changes, conflict, copy, download,
    drive_lookup::DriveLookup,
    item, list,
    model::ConflictBehavior,
    names, recursive_list, rename, session, upload,
};
use crate::{
    drive::{
        Account, Body, Capabilities, ChangePage, Conditions, Context, CopyJob, CopyRequest,
        CopyStatus, Cursor, DeleteTarget, Depth, Download, DownloadRequest, Drive, Error,
        ErrorKind, Extensions, IfExists, Item, ItemId, ItemRef, ItemUpdate, ListRequest, Page,
        Quota, RecursiveList, Result, SessionLimits, SessionProgress, SiblingSearch, Target,
        UploadSession, WriteOptions,
    },
    services::renewals::Renewals,
};

/// Fragments are multiples of this, in bytes (onedrive-graph#session-fragment-size).
const UNIT: u64 = 320 << 10;

/// How many items are removed at once: more than 16 requests at a time get a client blocked
/// (onedrive-graph#concurrency-limit).
const CONCURRENT_REMOVALS: usize = 8;

/// A OneDrive. Clones share everything.
#[derive(Clone, Debug)]
pub(super) struct GraphDrive {
    pub(super) client: Client,
    pub(super) home: Arc<DriveLookup>,
    /// The special folder that is the root, if not the drive's own.
    pub(super) special: Option<Arc<str>>,
    pub(super) kind: Option<AccountKind>,
    /// The real id of the drive's root folder.
    pub(super) root: Arc<OnceCell<String>>,
    /// The drive has returned one of its items, so a 404 is that of an item.
    seen: Arc<AtomicBool>,
    /// The last fragment of a file does not make it.
    pub(super) defer_commit: bool,
    /// Items with download URLs, in place of those whose download URLs have expired.
    pub(super) renewals: Renewals<Item>,
    capabilities: Arc<Capabilities>,
}

impl GraphDrive {
    pub(super) fn new(
        client: Client,
        home: DriveLookup,
        special: Option<&str>,
        kind: Option<AccountKind>,
    ) -> Self {
        Self {
            client,
            home: Arc::new(home),
            special: special.map(Into::into),
            kind,
            root: Arc::default(),
            seen: Arc::default(),
            renewals: Renewals::default(),
            defer_commit: false,
            capabilities: Arc::new(capabilities(special.is_some(), kind)),
        }
    }

    /// The same with upload sessions as somebody wants them: the first fragment's size, in bytes,
    /// from which on files go so; whether the file is made by a request of its own.
    pub(super) fn with_sessions(mut self, fragment: Option<u64>, defer_commit: bool) -> Self {
        let mut capabilities = Capabilities::clone(&self.capabilities);
        if let (Some(limits), Some(fragment)) = (&mut capabilities.session, fragment) {
            limits.default_fragment = (fragment / UNIT * UNIT).clamp(UNIT, limits.max_fragment);
            limits.min_size = limits.default_fragment;
        }
        self.capabilities = Arc::new(capabilities);
        self.defer_commit = defer_commit;
        self
    }

    /// Where a place is.
    pub(super) async fn at(&self, cx: &Context, place: &ItemRef, side: Side) -> Result<Address> {
        Ok(address_of(self.home.get(&self.client, cx).await?, place, side))
    }

    /// The drive that ids in an answer about this item are of; `None`: the service's own.
    pub(super) async fn drive_of<'a>(
        &self,
        cx: &Context,
        at: &'a Address,
    ) -> Result<Option<&'a str>> {
        Ok(match &at.drive {
            drive if drive == self.home.get(&self.client, cx).await? => None,
            DriveRef::Id(id) => Some(id),
            _ => None,
        })
    }

    /// Notes that the drive has returned an item.
    pub(super) fn note_seen(&self) {
        self.seen.store(true, Ordering::Relaxed);
    }

    /// Returns the error of a request for the item at `at`. A 404 stays `NotFound` only if it is
    /// the item that does not exist: until the drive has returned an item, its root is requested.
    pub(super) async fn item_error(&self, cx: &Context, at: &Address, error: Error) -> Error {
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) {
            return error;
        }
        let home = match self.home.get(&self.client, cx).await {
            Ok(home) => home,
            Err(error) => return error,
        };
        if at.drive != *home {
            return error;
        }
        if at.is_alias() {
            return self.home.missing(error);
        }
        if error.kind() != ErrorKind::NotFound
            || *home == DriveRef::Mine
            || self.seen.load(Ordering::Relaxed)
        {
            return error;
        }
        match self.client.item(cx, &Address::root(home.clone()), None).await {
            Ok(_) => {
                self.note_seen();
                error
            }
            Err(failure) => self.home.missing(failure),
        }
    }

    async fn remove_one(&self, cx: &Context, removal: &DeleteTarget) -> Result<()> {
        let at = self.at(cx, &removal.item, Side::Entry).await?;
        if at.is_alias() {
            return Err(Error::new(ErrorKind::Unsupported, "the root folder is not removed"));
        }
        match self.client.delete(cx, &at).await {
            Err(error) => Err(self.item_error(cx, &at, error).await),
            deleted => deleted,
        }
    }
}

pub(super) fn behavior(if_exists: IfExists) -> ConflictBehavior {
    match if_exists {
        IfExists::Replace => ConflictBehavior::Replace,
        IfExists::Fail => ConflictBehavior::Fail,
        IfExists::Rename => ConflictBehavior::Rename,
    }
}

/// The name in a folder, as a place.
pub(super) fn place_of(target: &Target) -> ItemRef {
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

/// What is true of accounts of that kind, or of every kind.
fn capabilities(special: bool, kind: Option<AccountKind>) -> Capabilities {
    let personal = kind.is_some_and(AccountKind::is_personal);
    // onedrive-graph#delta-scope: Business and SharePoint officially from the drive's root only.
    let recursive_list = match (personal, special) {
        (true, _) => RecursiveList::Any,
        (false, false) => RecursiveList::Root,
        (false, true) => RecursiveList::No,
    };
    Capabilities {
        paths: true,
        // onedrive-graph#simple-upload-limit.
        max_single_upload: 250_000_000,
        // onedrive-graph#file-size-limit: "250 GB".
        max_file_size: 250 << 30,
        session: Some(SessionLimits {
            // One request up to the first fragment's size.
            min_size: 32 * UNIT,
            alignment: UNIT,
            default_fragment: 32 * UNIT,
            // onedrive-graph#largest-fragment: the most that is less than 60 MiB.
            max_fragment: 191 * UNIT,
        }),
        set_modified: true,
        if_not_exists: true,
        if_match: true,
        if_none_match: true,
        download_if_match: true,
        changes: recursive_list != RecursiveList::No,
        copy_files: true,
        recursive_list,
        delete_max_size: 20,
        download_urls: true,
        multi_parent: false,
        fold: names::fold_of(kind),
        collision_key: names::collision_key_of(kind),
        validate_name: names::refusal,
        extensions: Extensions::NONE,
    }
}

#[async_trait]
impl Drive for GraphDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn account(&self, cx: &Context) -> Result<Account> {
        let drive = self.client.drive(cx, self.home.get(&self.client, cx).await?).await?;
        let owner = drive.owner.unwrap_or_default();
        let who = owner.user.or(owner.group).unwrap_or_default();
        Ok(Account {
            id: who.id.filter(|id| !id.is_empty()).unwrap_or(drive.id),
            name: who.display_name.or(drive.name),
        })
    }

    async fn quota(&self, cx: &Context) -> Result<Quota> {
        let drive = self.client.drive(cx, self.home.get(&self.client, cx).await?).await?;
        let bytes = |told: Option<i64>| u64::try_from(told.unwrap_or_default()).unwrap_or_default();
        match drive.quota {
            // Some libraries tell nothing, or zeros (onedrive-graph#quota-zero).
            Some(quota) if bytes(quota.total) > 0 => {
                Ok(Quota { total: bytes(quota.total), available: bytes(quota.remaining) })
            }
            _ => Err(Error::new(ErrorKind::Unsupported, "the cloud tells no quota of this drive")),
        }
    }

    async fn root(&self, _: &Context) -> Result<ItemId> {
        Ok(root_id(self.special.as_deref()))
    }

    async fn item(&self, cx: &Context, at: &ItemRef, conditions: &Conditions) -> Result<Item> {
        let at = self.at(cx, at, Side::Entry).await?;
        let item = download::look(self, cx, &at, conditions).await?;
        Ok(item)
    }

    async fn child(
        &self,
        cx: &Context,
        folder: &ItemRef,
        name: &str,
        seen: &mut (dyn for<'s> FnMut(SiblingSearch<'s>) + Send),
    ) -> Result<Item> {
        let target = Target { folder: folder.clone(), name: name.to_owned(), occupant: None };
        let item = self.item(cx, &place_of(&target), &Conditions::default()).await?;
        seen(SiblingSearch::Item(&item));
        Ok(item)
    }

    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        let ListRequest { folder, depth, limit, cursor: from } = request;
        match depth {
            Depth::Children => list::page(self, cx, folder, limit, from).await,
            Depth::Recursive => recursive_list::page(self, cx, folder, limit, from).await,
        }
    }

    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        let DownloadRequest { file, known, range, conditions } = request;
        download::bytes(self, cx, file, known, range, conditions).await
    }

    async fn upload(
        &self,
        cx: &Context,
        to: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        upload::at_once(self, cx, to, body, options).await
    }

    async fn open_session(
        &self,
        cx: &Context,
        to: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadSession> {
        session::open(self, cx, to, total, options).await
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

    async fn create_folder(&self, cx: &Context, at: &Target) -> Result<Item> {
        let parent = self.at(cx, &at.folder, Side::Contents).await?;
        let made = self.client.create_folder(cx, &parent, &at.name, ConflictBehavior::Fail).await;
        match made {
            Ok(made) => item::item(made, self.drive_of(cx, &parent).await?),
            Err(error) => Err(conflict::in_the_way(self, cx, parent, error).await),
        }
    }

    async fn update(
        &self,
        cx: &Context,
        at: &ItemRef,
        item: Option<&Item>,
        change: &ItemUpdate,
    ) -> Result<Item> {
        rename::perform(self, cx, at, item, change).await
    }

    async fn copy(&self, cx: &Context, request: CopyRequest<'_>) -> Result<CopyStatus> {
        let CopyRequest { source: from, target: to, if_exists, .. } = request;
        copy::begin(self, cx, from, to, if_exists).await
    }

    async fn copy_status(&self, cx: &Context, job: &CopyJob) -> Result<CopyStatus> {
        copy::status(self, cx, job).await
    }

    async fn changes(&self, cx: &Context, since: Option<&Cursor>) -> Result<ChangePage> {
        changes::changes(self, cx, since).await
    }

    fn may_rewrite_content(&self, file: &Item) -> bool {
        download::may_rewrite_content(self, file)
    }

    fn covers_changes_of(&self, id: &ItemId) -> bool {
        changes::tells_of(id)
    }

    fn is_shortcut_to_other_drive(&self, id: &ItemId) -> bool {
        ParsedId::parse(id).stands_for.is_some()
    }

    async fn delete(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let removals: Vec<_> = items.iter().map(|removal| self.remove_one(cx, removal)).collect();
        stream::iter(removals).buffered(CONCURRENT_REMOVALS).collect().await
    }
}
