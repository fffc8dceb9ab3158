//! What is in a folder, or everything below it.
//!
//! Folders are listed concurrently and entries come as they arrive, in no order; where the drive
//! gives a whole tree in one paged answer, that is asked for instead ([`tree`](super::tree)). A
//! path without slash is a prefix: the entries beside it whose names begin with its last name. The
//! folder itself is an entry, made up from the success of its first page.
//!
//! A folder that does not exist is empty; a folder whose listing fails is not. A 404 means the
//! former only if the item itself, requested on its own, is not there. A subfolder that cannot be
//! listed does not end the listing: the others are listed, and the last call returns an error that
//! names it. If the tree in one response breaks off, the listing goes on folder by folder.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures::{StreamExt, stream::FuturesUnordered};
use opendal::{
    MetadataBuilder,
    raw::{OpList, oio},
};

use super::{
    core::Core,
    error::to_opendal,
    failures::Failures,
    index::Folder,
    left_out::{Fit, Names, fit},
    metadata,
    path::Path,
    tree::Tree,
};
use crate::drive::{
    Conditions, Context, Cursor, Depth, Error, ErrorKind, Item, ItemId, ItemRef, ListRequest, Page,
    PageGuard, RecursiveList, Result,
};

/// A listing under way.
pub struct DriveLister {
    core: Arc<Core>,
    cx: Context,
    /// `None` once it is known where to begin.
    begin: Option<Result<Begin>>,
    /// Where it began, as long as an id on the way there may turn out to be stale.
    remembered: Option<Begin>,
    recursive: bool,
    limit: Option<usize>,
    waiting: VecDeque<Job>,
    /// A mutex only because futures are not `Sync`; it is never locked.
    in_flight: Mutex<FuturesUnordered<Asked>>,
    tree: Option<Tree>,
    /// Items of a tree that broke off; they are not shown again.
    shown_by_tree: HashSet<ItemId>,
    /// The entry of the folder itself was shown.
    opened: bool,
    ready: VecDeque<oio::Entry>,
    failures: Failures,
}

type Asked = Pin<Box<dyn Future<Output = (Job, Result<Page>)> + Send>>;

/// What was asked for.
#[derive(Clone)]
struct Begin {
    folder: Path,
    /// The path of the folder as entries show it.
    shown: String,
    /// How names in the folder must begin; `None`: the folder itself was asked for.
    prefix: Option<String>,
}

/// A folder's next page.
struct Job {
    place: ItemRef,
    key: Folder,
    shown: String,
    prefix: Option<String>,
    depth: Depth,
    from: Option<Cursor>,
    pages: PageGuard,
    /// When its first page was asked for.
    asked: Option<Instant>,
    /// The folders above it in this listing, against folders that contain themselves.
    above: Option<Arc<Above>>,
    /// It is the folder that the listing began with.
    first: bool,
    /// The folder is known to be one, and not a file.
    known: bool,
    /// Its entries so far.
    names: Names,
}

/// A folder on the way down.
struct Above {
    id: ItemId,
    above: Option<Arc<Above>>,
}

impl DriveLister {
    pub(super) fn new(core: Arc<Core>, cx: Context, path: &str, args: &OpList) -> Self {
        let begin = core.path(path).map(|folder| {
            let shown = if folder.is_root() { "" } else { path };
            match folder.folder {
                true => Begin { folder, shown: shown.to_owned(), prefix: None },
                false => {
                    let at = path.rfind('/').map_or(0, |slash| slash + 1);
                    Begin {
                        folder: folder.parent(),
                        shown: path[..at].to_owned(),
                        prefix: Some(path[at..].to_owned()),
                    }
                }
            }
        });
        Self {
            core,
            cx,
            begin: Some(begin),
            remembered: None,
            recursive: args.recursive(),
            limit: args.limit(),
            waiting: VecDeque::new(),
            in_flight: Mutex::default(),
            tree: None,
            shown_by_tree: HashSet::new(),
            opened: false,
            ready: VecDeque::new(),
            failures: Failures::default(),
        }
    }

    /// Finds the folder. Nothing is changed before that is done, so a repeated call does it again.
    async fn start(&mut self) -> Result<()> {
        let Some(begin) = &self.begin else { return Ok(()) };
        let begin = begin.as_ref().map_err(Clone::clone)?;
        let Begin { folder, shown, prefix } = begin;
        let core = &self.core;
        let found = match core.find(&self.cx, folder, core.settings.index_ttl).await {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            found => Some(found?),
        };
        if let Some(found) = found {
            if found.item.as_ref().is_some_and(|item| !item.is_folder()) {
                return Err(not_a_folder());
            }
            self.remembered = found.remembered.then(|| begin.clone());
            let at_root = folder.names().is_empty();
            let whole = self.recursive
                && prefix.is_none()
                && match core.capabilities().recursive_list {
                    RecursiveList::No => false,
                    RecursiveList::Root => at_root,
                    RecursiveList::Any => true,
                };
            let key = match &found.place {
                ItemRef::Item { id, .. } => Folder::Id(id.clone()),
                ItemRef::Path { .. } => core.path_folder(folder.names()),
            };
            if whole {
                let id = match &found.place {
                    ItemRef::Item { id, .. } | ItemRef::Path { base: id, .. } => id.clone(),
                };
                let asked_by = found.item.as_ref().map_or(id, |item| item.id.clone());
                self.tree =
                    Some(Tree::new(asked_by, shown.clone(), core.capabilities().multi_parent));
            }
            self.waiting.push_back(Job {
                above: folder_id(&found.place).map(|id| Arc::new(Above { id, above: None })),
                place: found.place,
                key,
                shown: shown.clone(),
                prefix: prefix.clone(),
                depth: if whole { Depth::Recursive } else { Depth::Children },
                from: None,
                pages: PageGuard::default(),
                asked: None,
                first: true,
                known: at_root || found.item.is_some(),
                names: Names::new(),
            });
        }
        self.begin = None;
        Ok(())
    }

    /// Asks for as many pages as may be under way, and takes in the next that arrives.
    async fn advance(&mut self) -> Result<bool> {
        self.start().await?;
        let most = self.core.settings.concurrent_lists.max(1);
        let in_flight = self.in_flight.get_mut().unwrap_or_else(PoisonError::into_inner);
        while in_flight.len() < most {
            let Some(mut job) = self.waiting.pop_front() else { break };
            job.asked.get_or_insert_with(Instant::now);
            let (core, cx, limit) = (Arc::clone(&self.core), self.cx.clone(), self.limit);
            in_flight.push(Box::pin(async move {
                let page = core
                    .drive
                    .list(
                        &cx,
                        ListRequest::new(&job.place)
                            .with_depth(job.depth)
                            .with_limit(limit)
                            .with_cursor(job.from.as_ref()),
                    )
                    .await;
                (job, page)
            }));
        }
        let Some((mut job, page)) = in_flight.next().await else { return Ok(false) };
        let page = page.and_then(|page| {
            let next = page.next.as_ref().map(|Cursor(name)| name);
            job.pages.record(page.items.len(), next).map(|()| page)
        });
        match page {
            Ok(page) => self.arrived(job, page).await?,
            Err(error) => self.failed(job, error).await?,
        }
        Ok(true)
    }

    /// Takes in a page. A cloud may return an empty listing for a file: a first page without
    /// entries is believed once the item is known to be a folder.
    async fn arrived(&mut self, mut job: Job, page: Page) -> Result<()> {
        let is_first = job.first && job.from.is_none() && job.prefix.is_none();
        if is_first && page.items.is_empty() && !job.known {
            match self.core.drive.item(&self.cx, &job.place, &Conditions::default()).await {
                Ok(item) if item.is_folder() => job.known = true,
                Ok(_) => return Err(not_a_folder()),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => {
                    if error.is_temporary() {
                        self.waiting.push_back(job);
                    }
                    return Err(error);
                }
            }
        }
        self.failures.succeeded();
        self.take_in(job, page);
        Ok(())
    }

    /// Decides what a failed page means: a folder that is gone, a tree that has to be listed folder
    /// by folder, a failure to be reported at the end.
    ///
    /// # Errors
    /// Temporary ones: the next call lists the folder again, after the others.
    async fn failed(&mut self, mut job: Job, error: Error) -> Result<()> {
        if error.is_temporary() {
            self.waiting.push_back(job);
            return Err(error);
        }
        if error.kind() == ErrorKind::NotFound
            && let Some(begin) = self.remembered.take()
        {
            // An id on the way was stale: another folder of that name may be there.
            self.core.forget_way(begin.folder.names());
            self.begin = Some(Ok(begin));
            return Ok(());
        }
        if job.depth == Depth::Recursive && breaks_off(&error, &job) {
            tracing::warn!(%error, "the listing of the whole tree broke off: goes on by folder");
            self.shown_by_tree = self.tree.take().map(Tree::into_shown).unwrap_or_default();
            (job.depth, job.from, job.asked) = (Depth::Children, None, None);
            job.pages = PageGuard::default();
            self.waiting.push_back(job);
            return Ok(());
        }
        if error.kind() == ErrorKind::NotFound {
            match self.core.drive.item(&self.cx, &job.place, &Conditions::default()).await {
                Err(gone) if gone.kind() == ErrorKind::NotFound => {
                    self.core.index.forget(&job.key);
                    return Ok(());
                }
                Err(failure) if failure.is_temporary() => {
                    self.waiting.push_back(job);
                    return Err(failure);
                }
                // The drive itself is missing.
                Err(failure) if failure.kind() == ErrorKind::DriveNotFound => return Err(failure),
                Ok(_) | Err(_) => {}
            }
        } else if job.first && job.from.is_none() {
            return Err(error);
        }
        self.failures.record(job.shown, error);
        if self.failures.is_hopeless() {
            self.waiting.clear();
            self.in_flight = Mutex::default();
        }
        Ok(())
    }

    fn take_in(&mut self, mut job: Job, page: Page) {
        self.remembered = None;
        if job.first && job.prefix.is_none() && !self.opened {
            self.opened = true;
            self.ready.push_back(oio::Entry::new(&job.shown, MetadataBuilder::dir().build()));
        }
        if self.tree.is_some() {
            return self.take_in_tree(job, page);
        }
        let mut known = Vec::with_capacity(page.items.len());
        for item in page.items {
            let item = Arc::new(item);
            if self.show(&mut job, &item) {
                known.push((self.core.fold(&item.name), item));
            }
        }
        let asked = job.asked.unwrap_or_else(Instant::now);
        self.core.index.learn(&job.key, known, page.next.is_none(), asked);
        if page.next.is_some() {
            job.from = page.next;
            self.waiting.push_front(job);
        }
    }

    fn take_in_tree(&mut self, mut job: Job, page: Page) {
        let Some(tree) = &mut self.tree else { return };
        let (core, by_path) = (&self.core, self.core.capabilities().paths);
        let keeps_times = core.capabilities().set_modified;
        let mut learnt: HashMap<Folder, Vec<_>> = HashMap::new();
        let mut elsewhere = Vec::new();
        let mut show = |path: &str, parent: &ItemId, item: &Item| {
            core.told.record(path, &item.id);
            self.ready.push_back(oio::Entry::new(path, metadata::of(item, keeps_times)));
            let key = match by_path {
                // A name that no path can have is not looked up by its path either.
                true => match core.path(path) {
                    Ok(path) => core.path_folder(path.parent().names()),
                    Err(_) => return,
                },
                false => Folder::Id(parent.clone()),
            };
            if item.is_folder() && core.drive.is_shortcut_to_other_drive(&item.id) {
                elsewhere.push((path.to_owned(), key.clone(), item.clone()));
            }
            let known = (core.fold(&item.name), Arc::new(item.clone()));
            learnt.entry(key).or_default().push(known);
        };
        let leave_out = &mut |folder: &str, item: &Item, reason| {
            core.left_out.record(folder, item, reason);
        };
        let fold = |name: &str| core.fold(name);
        tree.take_in(page.items, page.next.is_none(), &fold, &mut show, leave_out);
        // What the tree says of the files, their download URLs above all, saves a request for each.
        let asked = job.asked.unwrap_or_else(Instant::now);
        for (folder, items) in learnt {
            core.index.learn(&folder, items, false, asked);
        }
        for (shown, key, item) in elsewhere {
            let key = below(&key, &item, &self.core);
            self.waiting.push_back(Job::below(None, &job.above, key, shown, &item));
        }
        if page.next.is_some() {
            job.from = page.next;
            self.waiting.push_back(job);
        }
    }

    /// Shows an entry of a folder; `false` if it is left out.
    fn show(&mut self, job: &mut Job, item: &Item) -> bool {
        let matches = job.prefix.as_ref().is_none_or(|prefix| item.name.starts_with(&**prefix));
        match fit(item, self.core.fold(&item.name), &mut job.names) {
            Fit::Shown => {}
            Fit::Repeated => return false,
            Fit::LeftOut(reason) => {
                if matches {
                    self.core.left_out.record(&job.shown, item, reason);
                }
                return false;
            }
        }
        if !matches {
            return true;
        }
        let mut shown = format!("{}{}", job.shown, item.name);
        if item.is_folder() {
            shown.push('/');
        }
        if !self.shown_by_tree.contains(&item.id) {
            let metadata = metadata::of(item, self.core.capabilities().set_modified);
            self.core.told.record(&shown, &item.id);
            self.ready.push_back(oio::Entry::new(&shown, metadata));
        }
        if self.recursive && item.is_folder() && !contains_itself(&job.above, &item.id) {
            let key = below(&job.key, item, &self.core);
            let parent = folder_id(&job.place);
            self.waiting.push_back(Job::below(parent, &job.above, key, shown, item));
        }
        true
    }
}

impl Job {
    /// The first page of a folder that a listing came upon.
    fn below(
        parent: Option<ItemId>,
        above: &Option<Arc<Above>>,
        key: Folder,
        shown: String,
        item: &Item,
    ) -> Self {
        Self {
            place: ItemRef::Item { id: item.id.clone(), parent },
            key,
            shown,
            prefix: None,
            depth: Depth::Children,
            from: None,
            pages: PageGuard::default(),
            asked: None,
            above: Some(Arc::new(Above { id: item.id.clone(), above: above.clone() })),
            first: false,
            known: true,
            names: Names::new(),
        }
    }
}

/// The index's key of a folder in a folder.
fn below(folder: &Folder, item: &Item, core: &Core) -> Folder {
    match folder {
        Folder::Id(_) => Folder::Id(item.id.clone()),
        Folder::Path(path) if path.is_empty() => Folder::Path(core.fold(&item.name)),
        Folder::Path(path) => Folder::Path(format!("{path}/{}", core.fold(&item.name))),
    }
}

/// Whether a tree in one response has failed in a way that its folders, one by one, may not.
fn breaks_off(error: &Error, job: &Job) -> bool {
    match error.kind() {
        ErrorKind::Conflict | ErrorKind::Unsupported => true,
        ErrorKind::NotFound | ErrorKind::InvalidInput => job.from.is_some(),
        _ => false,
    }
}

fn not_a_folder() -> Error {
    Error::new(ErrorKind::NotAFolder, "a file has no entries")
}

fn folder_id(place: &ItemRef) -> Option<ItemId> {
    match place {
        ItemRef::Item { id, .. } => Some(id.clone()),
        ItemRef::Path { .. } => None,
    }
}

fn contains_itself(above: &Option<Arc<Above>>, id: &ItemId) -> bool {
    let mut at = above.as_deref();
    while let Some(folder) = at {
        if folder.id == *id {
            return true;
        }
        at = folder.above.as_deref();
    }
    false
}

impl oio::List for DriveLister {
    async fn next(&mut self) -> opendal::Result<Option<oio::Entry>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(Some(entry));
            }
            if !self.advance().await.map_err(to_opendal)? {
                return match self.failures.take() {
                    Some(error) => Err(to_opendal(error)),
                    None => Ok(None),
                };
            }
        }
    }
}
