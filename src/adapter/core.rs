//! From paths to places: the drive, what is known of it, and where a path leads.
//!
//! Two kinds of drives meet here. One that knows paths is asked by path; the index then only adds
//! what saves a look (kind, download URL). One that is walked by id is asked for one folder after the
//! other, as far as the index does not know the way.
//!
//! An answer is never older than the index allows: an edge is trusted for
//! [`Settings::index_ttl`], and whatever overwrites by id, deletes or renames trusts none older
//! than [`NOW`] but asks the item whether it is still where it was. A stale id costs one more walk.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use tokio::sync::{OnceCell, OwnedMutexGuard, Semaphore};

use super::{
    Settings,
    index::{Folder, Index, Look},
    left_out::Recorded,
    path::Path,
    told::Told,
    turns::Turns,
    walk::Walk,
};
use crate::drive::{
    ByteRange, Capabilities, Conditions, Context, DownloadRequest, Drive, Error, ErrorKind, Item,
    ItemId, ItemKind, ItemRef, Result, Target,
};

/// How old an edge may be for what overwrites by id, deletes or renames.
pub(super) const NOW: Duration = Duration::from_secs(1);

pub(super) struct Core {
    pub(super) drive: Arc<dyn Drive>,
    pub(super) settings: Settings,
    pub(super) index: Index,
    /// Under which paths items were shown, if somebody follows the drive's changes.
    pub(super) told: Told,
    /// Whether reads compare bytes with the size and the hash of their file.
    pub(super) checked_reads: AtomicBool,
    /// Entries that listings could not show.
    pub(super) left_out: Recorded,
    root: OnceCell<ItemId>,
    /// Who is making a folder, or writing a file: the second one waits.
    making: Turns,
    /// For who holds a fragment that he has read ahead. One file at a time: where several are on
    /// their way, the line has enough to do, and memory would be what it costs.
    pub(super) ahead: Arc<Semaphore>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("drive", &self.drive).finish_non_exhaustive()
    }
}

/// Where a path led.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) place: ItemRef,
    /// What is known of the item; always there in a drive that is walked by id.
    pub(super) item: Option<Arc<Item>>,
    /// The item was asked for on this very walk.
    pub(super) asked_now: bool,
    /// The folder it was found in and its folded name there; `None` for the drive's root.
    pub(super) edge: Option<(Folder, String)>,
    /// An id on the way was known beforehand and may be stale by now.
    pub(super) remembered: bool,
}

impl Core {
    pub(super) fn new(drive: Arc<dyn Drive>, settings: Settings) -> Self {
        Self {
            drive,
            checked_reads: settings.checked_reads.into(),
            settings,
            index: Index::new(),
            told: Told::default(),
            left_out: Recorded::default(),
            root: OnceCell::new(),
            making: Turns::default(),
            ahead: Arc::new(Semaphore::new(1)),
        }
    }

    pub(super) fn capabilities(&self) -> &Capabilities {
        self.drive.capabilities()
    }

    pub(super) fn fold(&self, name: &str) -> String {
        (self.capabilities().fold)(name).into_owned()
    }

    /// Refuses a name that the cloud would refuse, before anything is sent.
    pub(super) fn check_name(&self, name: &str) -> Result<()> {
        match (self.capabilities().validate_name)(name) {
            None => Ok(()),
            Some(why) => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("this cloud takes no name like {name:?}: {why}"),
            )),
        }
    }

    pub(super) fn path(&self, path: &str) -> Result<Path> {
        Path::new(&self.settings.root, path)
    }

    pub(super) async fn root(&self, cx: &Context) -> Result<&ItemId> {
        let root = self.root.get_or_try_init(|| self.drive.root(cx)).await;
        // Not a 404 of the item at a path: that would be read as absence.
        root.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(
                ErrorKind::DriveNotFound,
                format!("cannot find the root folder of the drive: {error}"),
            )
            .with_source(error),
            _ => error,
        })
    }

    /// Where a path leads, by what is known for no longer than `age`.
    ///
    /// # Errors
    /// `NotFound`; in a drive that is asked by path only when it is known to be missing.
    pub(super) async fn find(&self, cx: &Context, path: &Path, age: Duration) -> Result<Found> {
        if self.capabilities().paths {
            return self.place(cx, path.names(), age).await;
        }
        let age = age.min(self.settings.index_ttl);
        let mut walk = Walk::new(self, cx, age);
        match walk.down(path.names()).await {
            // A folder on the way may be gone and another one of its name be there.
            Err(error)
                if error.kind() == ErrorKind::NotFound && walk.remembered && !walk.listed =>
            {
                self.find_anew(cx, path).await
            }
            found => found,
        }
    }

    /// The same with nothing remembered: what an id led to was gone.
    pub(super) async fn find_anew(&self, cx: &Context, path: &Path) -> Result<Found> {
        if self.capabilities().paths {
            return self.place(cx, path.names(), Duration::ZERO).await;
        }
        let mut walk = Walk::new(self, cx, Duration::ZERO);
        walk.down(path.names()).await
    }

    /// A place below the root of a drive that is asked by path: no request, and what is known.
    async fn place(&self, cx: &Context, names: &[String], age: Duration) -> Result<Found> {
        let place = self.below(cx, names).await?;
        let mut found =
            Found { place, item: None, asked_now: false, edge: None, remembered: false };
        let Some((name, parents)) = names.split_last() else { return Ok(found) };
        let (folder, folded) = (self.path_folder(parents), self.fold(name));
        // Only what is there is believed: a look by path costs one request either way.
        if let Look::Known(item, _) =
            self.index.look(&folder, &folded, age.min(self.settings.index_ttl))
        {
            found.item = Some(item);
        }
        found.edge = Some((folder, folded));
        Ok(found)
    }

    /// The item at a path as the cloud has it now.
    pub(super) async fn look(
        &self,
        cx: &Context,
        path: &Path,
        conditions: &Conditions,
    ) -> Result<(Found, Item)> {
        let mut found = self.find(cx, path, self.settings.index_ttl).await?;
        // The walk itself has just asked.
        if let (Some(item), true, true) =
            (&found.item, found.asked_now, conditions == &Conditions::default())
        {
            let item = Item::clone(item);
            return Ok((found, item));
        }
        let asked = Instant::now();
        let item = match self.drive.item(cx, &found.place, conditions).await {
            Err(error) if error.kind() == ErrorKind::NotFound && found.remembered => {
                self.doubt(&found);
                found = self.find_anew(cx, path).await?;
                self.drive.item(cx, &found.place, conditions).await?
            }
            item => item?,
        };
        if let Some((folder, folded)) = &found.edge {
            self.index.set(folder, folded.clone(), Arc::new(item.clone()), asked);
        }
        Ok((found, item))
    }

    /// Returns a file with its size, found out by a request for its first byte if the cloud does
    /// not say it. Where that fails the size stays unknown.
    pub(super) async fn with_size(&self, cx: &Context, found: &Found, item: Item) -> Item {
        if item.kind != ItemKind::File || item.size.is_some() {
            return item;
        }
        let (place, first) = (&found.place, ByteRange::Span(0..1));
        let begun = self
            .drive
            .download(cx, DownloadRequest::new(place).with_known(&item).with_range(first))
            .await;
        match begun {
            Ok(begun) => Item { size: Some(begun.total), ..item },
            Err(error) => {
                tracing::warn!(name = item.name, %error, "the size of a file stays unknown");
                item
            }
        }
    }

    /// What is known of the item at a path, without a request.
    pub(super) fn remembered(&self, path: &Path) -> Option<Arc<Item>> {
        let known = |folder: &Folder, name: &str| match self.index.look(
            folder,
            &self.fold(name),
            self.settings.index_ttl,
        ) {
            Look::Known(item, _) => Some(item),
            Look::Absent | Look::Unknown => None,
        };
        let (name, parents) = path.names().split_last()?;
        if self.capabilities().paths {
            return known(&self.path_folder(parents), name);
        }
        let mut folder = self.root.get()?.clone();
        for parent in parents {
            folder = known(&Folder::Id(folder), parent)?.id.clone();
        }
        known(&Folder::Id(folder), name)
    }

    /// The item a path led to is not what it was.
    pub(super) fn doubt(&self, found: &Found) {
        if let Some((folder, folded)) = &found.edge {
            self.index.doubt(folder, folded);
        }
    }

    /// Forgets the ids on a way down: one of them turned out to be gone.
    pub(super) fn forget_way(&self, names: &[String]) {
        let Some(root) = self.root.get() else { return };
        let mut folder = Folder::Id(root.clone());
        for name in names {
            let folded = self.fold(name);
            let Look::Known(item, _) = self.index.look(&folder, &folded, Duration::MAX) else {
                return;
            };
            self.index.doubt(&folder, &folded);
            folder = Folder::Id(item.id.clone());
        }
    }

    /// Where something of that path is to be; folders on the way are made, by the cloud where it
    /// does that itself.
    pub(super) async fn target(&self, cx: &Context, path: &Path) -> Result<(Target, Folder)> {
        let Some((parents, name)) = path.split() else {
            return Err(Error::new(ErrorKind::IsAFolder, "the root is a folder"));
        };
        self.check_name(name)?;
        let (place, folder) = if self.capabilities().paths {
            (self.below(cx, parents).await?, self.path_folder(parents))
        } else {
            let id = self.ensure_folder(cx, parents).await?;
            (ItemRef::from_id(&id), Folder::Id(id))
        };
        let folded = self.fold(name);
        let occupant = match self.index.look(&folder, &folded, NOW) {
            Look::Known(item, _) => Some(item.id.clone()),
            Look::Absent | Look::Unknown => None,
        };
        Ok((Target { folder: place, name: name.to_owned(), occupant }, folder))
    }

    /// The folder of that way down, made as far as it is missing. Only for drives walked by id.
    pub(super) async fn ensure_folder(&self, cx: &Context, names: &[String]) -> Result<ItemId> {
        let mut parent = self.root(cx).await?.clone();
        for name in names {
            let mut walk = Walk::new(self, cx, self.settings.index_ttl);
            let folder = Folder::Id(parent.clone());
            let child = match walk.step(&folder, &ItemRef::from_id(&parent), name).await {
                Ok((item, _)) => item,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.create_folder(cx, &parent, name).await?
                }
                Err(error) => return Err(error),
            };
            if !child.is_folder() {
                let text = format!("{name:?} is not a folder");
                return Err(Error::new(ErrorKind::NotAFolder, text));
            }
            parent = child.id.clone();
        }
        Ok(parent)
    }

    /// Makes one folder, or finds the one that somebody else has made meanwhile. One request at a
    /// time for a name: who waits takes over if the first one is dropped.
    async fn create_folder(&self, cx: &Context, parent: &ItemId, name: &str) -> Result<Arc<Item>> {
        let folded = self.fold(name);
        let folder = Folder::Id(parent.clone());
        let turn = self.making.turn(parent, &folded);
        let _mine = turn.lock().await;
        if let Look::Known(item, _) = self.index.look(&folder, &folded, self.settings.index_ttl) {
            return Ok(item);
        }
        self.check_name(name)?;
        let asked = Instant::now();
        let target =
            Target { folder: ItemRef::from_id(parent), name: name.to_owned(), occupant: None };
        match self.drive.create_folder(cx, &target).await {
            Ok(item) => {
                let item = Arc::new(item);
                self.index.made(&folder, folded, Arc::clone(&item));
                // It is new, so it has no children yet.
                self.index.learn(&Folder::Id(item.id.clone()), [], true, asked);
                Ok(item)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.index.doubt(&folder, &folded);
                let mut walk = Walk::new(self, cx, Duration::ZERO);
                Ok(walk.step(&folder, &target.folder, name).await?.0)
            }
            Err(error) => {
                self.index.doubt(&folder, &folded);
                Err(error)
            }
        }
    }

    /// Waits until nobody else asks for the download URL of the file at a path.
    pub(super) async fn turn_to_ask(&self, path: &Path) -> OwnedMutexGuard<()> {
        // No folder has such an id.
        let asking = ItemId::from("ticket");
        self.making.turn(&asking, &path.names().join("/")).lock_owned().await
    }

    /// Waits until no other writer of this process writes to the path, in a drive whose answers to
    /// a write may tell no size: each then looks at what it wrote itself.
    pub(super) async fn turn_to_write(&self, path: &Path) -> Option<OwnedMutexGuard<()>> {
        if self.capabilities().paths {
            return None;
        }
        let Folder::Path(folded) = self.path_folder(path.names()) else { return None };
        Some(self.making.turn(&ItemId::from(""), &folded).lock_owned().await)
    }

    /// A path below the root, for a drive that is asked by path.
    pub(super) async fn below(&self, cx: &Context, names: &[String]) -> Result<ItemRef> {
        Ok(ItemRef::Path { base: self.root(cx).await?.clone(), path: names.join("/").into() })
    }

    /// The index's key of a folder in a drive that is asked by path.
    pub(super) fn path_folder(&self, names: &[String]) -> Folder {
        let folded: Vec<_> = names.iter().map(|name| self.fold(name)).collect();
        Folder::Path(folded.join("/"))
    }
}
