//! What a drive offers beyond OpenDAL's words.

use std::sync::{Arc, atomic::Ordering};

use opendal::Operator;

use super::{LeftOut, core::Core, error::to_opendal, spool::SPILL};
use crate::drive::{
    Account, Conditions, Context, Drive, Error, ErrorKind, Item, ItemId, ItemRef, Quota,
};

/// A drive's extras: quota, account, items by id. It shares the service's drive, index and root.
///
/// Every call takes the operator whose layers the requests are to pass: retry and logging hold for
/// extras too.
#[derive(Clone, Debug)]
pub struct DriveHandle {
    pub(super) core: Arc<Core>,
}

impl DriveHandle {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The drive itself, for its own verbs. Requests need a [`context`](Self::context).
    pub fn drive(&self) -> &Arc<dyn Drive> {
        &self.core.drive
    }

    /// What the drive's verbs take: transport and executor with the operator's layers.
    pub fn context(operator: &Operator) -> Context {
        Context::from(operator.context())
    }

    /// A failure of the drive's own verbs as the operator's user sees it.
    pub fn error(error: Error) -> opendal::Error {
        to_opendal(error)
    }

    /// Where the [cache](crate::layers::cache) hears what has changed in the drive: one request
    /// per refresh, and one per folder that is not known yet where a file has changed. `None` if
    /// the drive tells no changes. What lies behind a shortcut, in another drive, is told to have
    /// changed every time, if the shortcut was listed; what was only reached through it is not told.
    ///
    /// A source is for one cache.
    #[cfg(feature = "layers-cache")]
    pub fn change_source(&self) -> Option<Arc<dyn crate::layers::cache::ChangeSource>> {
        let has = self.core.capabilities().changes;
        has.then(|| Arc::new(super::changes::DriveChanges::new(self.clone())) as _)
    }

    /// Who the account belongs to.
    ///
    /// # Errors
    /// Those of the request.
    pub async fn account(&self, operator: &Operator) -> opendal::Result<Account> {
        self.core.drive.account(&Self::context(operator)).await.map_err(to_opendal)
    }

    /// How much the drive holds and may hold.
    ///
    /// # Errors
    /// Those of the request.
    pub async fn quota(&self, operator: &Operator) -> opendal::Result<Quota> {
        self.core.drive.quota(&Self::context(operator)).await.map_err(to_opendal)
    }

    /// What the cloud says of the item at a path.
    ///
    /// # Errors
    /// `NotFound`, and those of the requests.
    pub async fn item(&self, operator: &Operator, path: &str) -> opendal::Result<Item> {
        let path = self.core.path(path).map_err(to_opendal)?;
        let cx = Self::context(operator);
        let (_, item) =
            self.core.look(&cx, &path, &Conditions::default()).await.map_err(to_opendal)?;
        Ok(item)
    }

    /// What is remembered of the item at a path, as a look or a listing told it no longer ago than
    /// the remote's `index_ttl`. No request is sent.
    pub fn remembered(&self, path: &str) -> Option<Item> {
        let path = self.core.path(path).ok()?;
        self.core.remembered(&path).map(|item| Item::clone(&item))
    }

    /// Sets whether reads compare the bytes of a file with the size and the hash that the cloud has
    /// of it. For a caller that compares them itself. The initial value is
    /// [`Settings::checked_reads`](super::Settings::checked_reads).
    pub fn set_checked_reads(&self, checked: bool) {
        self.core.checked_reads.store(checked, Ordering::Relaxed);
    }

    /// Removes and returns the entries that listings of this service have left out since the last
    /// call: those with a name that no path can have, and those with a name that another item of
    /// the folder has. Listings show the other entries. At most 10,000 are recorded.
    pub fn take_left_out(&self) -> Vec<LeftOut> {
        self.core.left_out.take()
    }

    /// What the cloud calls the root of the drive, whatever the operator's root is. It tells one
    /// account's drive from another's.
    ///
    /// # Errors
    /// Those of the request.
    pub async fn root_id(&self, operator: &Operator) -> opendal::Result<ItemId> {
        self.top(&Self::context(operator)).await.map_err(to_opendal)
    }

    /// Whether a file of so many bytes goes in fragments, so that an upload which was stopped can
    /// be gone on with: see [`upload_file`](Self::upload_file).
    pub fn sends_in_fragments(&self, size: u64) -> bool {
        let capabilities = self.core.capabilities();
        let large = |from| size >= from || size > capabilities.max_single_upload;
        size > 0 && capabilities.session.is_some_and(|limits| large(limits.min_size))
    }

    /// Whether a writer would have to collect a file of so many bytes on the disk before the first of
    /// them leaves, and [`upload_file`](Self::upload_file) sends it from where it is.
    pub fn collects(&self, size: u64) -> bool {
        size > SPILL && !self.sends_in_fragments(size)
    }

    async fn top(&self, cx: &Context) -> crate::drive::Result<ItemId> {
        let root = ItemRef::from_id(self.core.root(cx).await?);
        Ok(self.core.drive.item(cx, &root, &Conditions::default()).await?.id)
    }

    /// The path of an item below the operator's root, ending with a slash if it is a folder; by its
    /// first parents where it has several. One request per folder on the way.
    ///
    /// # Errors
    /// `NotFound` also for an item that is not below the root.
    pub async fn path_of(&self, operator: &Operator, id: &ItemId) -> opendal::Result<String> {
        self.way_up(&Self::context(operator), id).await.map_err(to_opendal)
    }

    async fn way_up(&self, cx: &Context, id: &ItemId) -> crate::drive::Result<String> {
        let core = &self.core;
        let settings_root = core.path("/")?;
        let drive_root = self.top(cx).await?;
        let mut names = Vec::new();
        let mut at = id.clone();
        let mut folder = None;
        while at != drive_root {
            let item = core.drive.item(cx, &ItemRef::from_id(&at), &Conditions::default()).await?;
            folder.get_or_insert(item.is_folder());
            // A folder may contain itself by links.
            let Some(parent) = item.parents.into_iter().next().filter(|_| names.len() < 1_000)
            else {
                return Err(not_below(id));
            };
            names.push(item.name);
            at = parent;
        }
        names.reverse();
        let root = settings_root.names();
        let within = names.len() >= root.len()
            && names.iter().zip(root).all(|(name, root)| core.fold(name) == core.fold(root));
        if !within {
            return Err(not_below(id));
        }
        let mut path = names[root.len()..].join("/");
        if folder.unwrap_or(true) {
            path.push('/');
        }
        Ok(path)
    }
}

fn not_below(id: &ItemId) -> Error {
    Error::new(ErrorKind::NotFound, format!("item {id} is not below the root of this remote"))
}
