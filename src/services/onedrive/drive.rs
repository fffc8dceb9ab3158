//! The biased half: a OneDrive as a [`Drive`], on top of the [`Client`].
//!
//! Everything is asked by path, so nothing is walked (C4). The root goes by its alias; ids of items
//! in other drives carry the drive's, and a shortcut's that of what it stands for
//! ([`address`](super::address)). What a shortcut stands for is entered by its id; a path that leads
//! through one is the cloud's to resolve.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::sync::OnceCell;

use super::{
    AccountKind, Client,
    address::{Address, DriveRef, Ids, Side, address_of, root_id},
    copy, download, feed,
    home::Home,
    item, listing,
    model::ConflictBehavior,
    moving, names, refusal, session, tree, upload,
};
use crate::{
    drive::{
        Account, Body, ByteRange, Capabilities, Change, Changes, Conditions, Context, CopyJob,
        Copying, Cursor, Depth, Download, Drive, Error, ErrorKind, IfExists, Item, ItemId, Page,
        Place, Progress, Quota, Removal, Result, Seen, SessionLimits, Target, Trees, UploadSession,
        WriteOptions,
    },
    services::renewals::Renewals,
};

/// Fragments are multiples of this, in bytes (A10).
const UNIT: u64 = 320 << 10;

/// How many items are removed at once: more than 16 requests at a time get a client blocked (A22).
const CONCURRENT_REMOVALS: usize = 8;

/// A OneDrive. Clones share everything.
#[derive(Clone, Debug)]
pub(super) struct GraphDrive {
    pub(super) client: Client,
    pub(super) home: Arc<Home>,
    /// The special folder that is the root, if not the drive's own.
    pub(super) special: Option<Arc<str>>,
    pub(super) kind: Option<AccountKind>,
    /// The real id of the drive's root folder.
    pub(super) root: Arc<OnceCell<String>>,
    /// The drive has returned one of its items, so a 404 is that of an item.
    seen: Arc<AtomicBool>,
    /// The last fragment of a file does not make it.
    pub(super) defer_commit: bool,
    /// Items with tickets, in place of those whose tickets have expired.
    pub(super) renewals: Renewals<Item>,
    capabilities: Arc<Capabilities>,
}

impl GraphDrive {
    pub(super) fn new(
        client: Client,
        home: Home,
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
            limits.usual = (fragment / UNIT * UNIT).clamp(UNIT, limits.largest);
            limits.from = limits.usual;
        }
        self.capabilities = Arc::new(capabilities);
        self.defer_commit = defer_commit;
        self
    }

    /// Where a place is.
    pub(super) async fn at(&self, cx: &Context, place: &Place, side: Side) -> Result<Address> {
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
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) {
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

    async fn remove_one(&self, cx: &Context, removal: &Removal) -> Result<()> {
        let at = self.at(cx, &removal.place, Side::Entry).await?;
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
pub(super) fn place_of(target: &Target) -> Place {
    let name = &target.name;
    match &target.folder {
        Place::Item { id, .. } => Place::Below { anchor: id.clone(), path: name.as_str().into() },
        Place::Below { anchor, path } if path.is_empty() => {
            Place::Below { anchor: anchor.clone(), path: name.as_str().into() }
        }
        Place::Below { anchor, path } => {
            Place::Below { anchor: anchor.clone(), path: format!("{path}/{name}").into() }
        }
    }
}

/// What is true of accounts of that kind, or of every kind.
fn capabilities(special: bool, kind: Option<AccountKind>) -> Capabilities {
    let personal = kind.is_some_and(AccountKind::is_personal);
    // A7: Business and SharePoint officially from the drive's root only.
    let trees = match (personal, special) {
        (true, _) => Trees::Any,
        (false, false) => Trees::Root,
        (false, true) => Trees::No,
    };
    Capabilities {
        paths: true,
        // A9.
        single_max: 250_000_000,
        // A20: "250 GB".
        total_max: 250 << 30,
        session: Some(SessionLimits {
            // One request up to the first fragment's size.
            from: 32 * UNIT,
            multiple: UNIT,
            usual: 32 * UNIT,
            // C3: the most that is less than 60 MiB.
            largest: 191 * UNIT,
        }),
        sets_modified: true,
        if_not_exists: true,
        if_match: true,
        if_none_match: true,
        reads_if_match: true,
        changes: trees != Trees::No,
        copies_files: true,
        trees,
        removals: 20,
        tickets: true,
        several_parents: false,
        fold: names::fold_of(kind),
        collision_key: names::collision_key_of(kind),
        refuses_name: names::refusal,
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
            // Some libraries tell nothing, or zeros (A2).
            Some(quota) if bytes(quota.total) > 0 => {
                Ok(Quota { total: bytes(quota.total), available: bytes(quota.remaining) })
            }
            _ => Err(Error::new(ErrorKind::Unsupported, "the cloud tells no quota of this drive")),
        }
    }

    async fn root(&self, _: &Context) -> Result<ItemId> {
        Ok(root_id(self.special.as_deref()))
    }

    async fn item(&self, cx: &Context, at: &Place, conditions: &Conditions) -> Result<Item> {
        let at = self.at(cx, at, Side::Entry).await?;
        let item = download::look(self, cx, &at, conditions).await?;
        Ok(item)
    }

    async fn child(
        &self,
        cx: &Context,
        folder: &Place,
        name: &str,
        seen: &mut (dyn for<'s> FnMut(Seen<'s>) + Send),
    ) -> Result<Item> {
        let target = Target { folder: folder.clone(), name: name.to_owned(), occupant: None };
        let item = self.item(cx, &place_of(&target), &Conditions::default()).await?;
        seen(Seen::Item(&item));
        Ok(item)
    }

    async fn list(
        &self,
        cx: &Context,
        folder: &Place,
        depth: Depth,
        limit: Option<usize>,
        from: Option<&Cursor>,
    ) -> Result<Page> {
        match depth {
            Depth::Children => listing::page(self, cx, folder, limit, from).await,
            Depth::Tree => tree::page(self, cx, folder, limit, from).await,
        }
    }

    async fn download(
        &self,
        cx: &Context,
        file: &Place,
        known: Option<&Item>,
        range: ByteRange,
        conditions: &Conditions,
    ) -> Result<Download> {
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
    ) -> Result<Progress> {
        session::send(self, cx, session, offset, bytes).await
    }

    async fn note_arrived(
        &self,
        session: &mut UploadSession,
        offset: u64,
        bytes: opendal::Buffer,
    ) -> Result<()> {
        session::note_arrived(session, offset, &bytes).await
    }

    async fn session_status(&self, cx: &Context, session: &UploadSession) -> Result<Progress> {
        session::status(self, cx, session).await
    }

    async fn commit_session(&self, cx: &Context, session: &UploadSession) -> Result<Item> {
        session::commit(self, cx, session).await
    }

    async fn cancel_session(&self, cx: &Context, session: &UploadSession) -> Result<()> {
        session::cancel(self, cx, session).await
    }

    async fn make_folder(&self, cx: &Context, at: &Target) -> Result<Item> {
        let parent = self.at(cx, &at.folder, Side::Contents).await?;
        let made = self.client.create_folder(cx, &parent, &at.name, ConflictBehavior::Fail).await;
        match made {
            Ok(made) => item::item(made, self.drive_of(cx, &parent).await?),
            Err(error) => Err(refusal::in_the_way(self, cx, parent, error).await),
        }
    }

    async fn update(
        &self,
        cx: &Context,
        at: &Place,
        item: Option<&Item>,
        change: &Change,
    ) -> Result<Item> {
        moving::perform(self, cx, at, item, change).await
    }

    async fn copy(
        &self,
        cx: &Context,
        from: &Place,
        _: Option<&Item>,
        to: &Target,
        if_exists: IfExists,
    ) -> Result<Copying> {
        copy::begin(self, cx, from, to, if_exists).await
    }

    async fn copy_status(&self, cx: &Context, job: &CopyJob) -> Result<Copying> {
        copy::status(self, cx, job).await
    }

    async fn changes(&self, cx: &Context, since: Option<&Cursor>) -> Result<Changes> {
        feed::changes(self, cx, since).await
    }

    fn rewrites(&self, file: &Item) -> bool {
        download::rewrites(self, file)
    }

    fn tells_changes_of(&self, id: &ItemId) -> bool {
        feed::tells_of(id)
    }

    fn leads_elsewhere(&self, id: &ItemId) -> bool {
        Ids::parse(id).stands_for.is_some()
    }

    async fn remove(&self, cx: &Context, items: &[Removal]) -> Vec<Result<()>> {
        let removals: Vec<_> = items.iter().map(|removal| self.remove_one(cx, removal)).collect();
        stream::iter(removals).buffered(CONCURRENT_REMOVALS).collect().await
    }
}
