//! What is in a folder, or everything below it.
//!
//! Folders are listed concurrently and entries come as they arrive, in no order; where the drive
//! gives a whole tree in one paged answer, that is asked for instead ([`tree`](super::tree)). A
//! path without slash is a prefix: the entries beside it whose names begin with its last name. The
//! folder itself is an entry, made up from the success of its first page. A missing folder is empty.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures::{StreamExt, stream::FuturesUnordered};
use opendal::{
    MetadataBuilder,
    raw::{OpList, oio},
};

use super::{core::Core, error::to_opendal, index::Folder, metadata, path::Path, tree::Tree};
use crate::drive::{
    Context, Cursor, Depth, ErrorKind, Item, ItemId, Page, PageGuard, Place, Result, Trees,
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
    ready: VecDeque<oio::Entry>,
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
    place: Place,
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
            ready: VecDeque::new(),
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
        let found = found.filter(|found| found.item.as_ref().is_none_or(|item| item.is_folder()));
        if let Some(found) = found {
            self.remembered = found.remembered.then(|| begin.clone());
            let at_root = folder.names().is_empty();
            let whole = self.recursive
                && prefix.is_none()
                && match core.capabilities().trees {
                    Trees::No => false,
                    Trees::Root => at_root,
                    Trees::Any => true,
                };
            let key = match &found.place {
                Place::Item { id, .. } => Folder::Id(id.clone()),
                Place::Below { .. } => core.path_folder(folder.names()),
            };
            if whole {
                let id = match &found.place {
                    Place::Item { id, .. } | Place::Below { anchor: id, .. } => id.clone(),
                };
                let asked_by = found.item.as_ref().map_or(id, |item| item.id.clone());
                self.tree =
                    Some(Tree::new(asked_by, shown.clone(), core.capabilities().several_parents));
            }
            self.waiting.push_back(Job {
                above: folder_id(&found.place).map(|id| Arc::new(Above { id, above: None })),
                place: found.place,
                key,
                shown: shown.clone(),
                prefix: prefix.clone(),
                depth: if whole { Depth::Tree } else { Depth::Children },
                from: None,
                pages: PageGuard::default(),
                asked: None,
                first: true,
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
                let page =
                    core.drive.list(&cx, &job.place, job.depth, limit, job.from.as_ref()).await;
                (job, page)
            }));
        }
        let Some((mut job, page)) = in_flight.next().await else { return Ok(false) };
        let page = page.and_then(|page| {
            let next = page.next.as_ref().map(|Cursor(name)| name);
            job.pages.note(page.items.len(), next).map(|()| page)
        });
        match page {
            Ok(page) => self.take_in(job, page),
            Err(error) if error.kind() == ErrorKind::NotFound && self.remembered.is_some() => {
                // The folder is gone; another one of its name may be there.
                if let Some(begin) = self.remembered.take() {
                    self.core.forget_way(begin.folder.names());
                    self.begin = Some(Ok(begin));
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotAFolder) => {
                // Removed since it was seen; or never a folder.
                self.core.index.forget(&job.key);
            }
            Err(error) => {
                // Asked again when the caller asks again.
                self.waiting.push_front(job);
                return Err(error);
            }
        }
        Ok(true)
    }

    fn take_in(&mut self, mut job: Job, page: Page) {
        self.remembered = None;
        if job.first && job.from.is_none() && job.prefix.is_none() {
            self.ready.push_back(oio::Entry::new(&job.shown, MetadataBuilder::dir().build()));
        }
        if let Some(tree) = &mut self.tree {
            let keeps_times = self.core.capabilities().sets_modified;
            let last = page.next.is_none();
            let (core, by_path) = (&self.core, self.core.capabilities().paths);
            let mut learnt: HashMap<Folder, Vec<_>> = HashMap::new();
            tree.take_in(page.items, last, &mut |path, parent, item| {
                core.told.record(&path, &item.id);
                self.ready.push_back(oio::Entry::new(&path, metadata::of(item, keeps_times)));
                let key = match by_path {
                    // A name that no path can have is not asked for by its path either.
                    true => match core.path(&path) {
                        Ok(path) => core.path_folder(path.parent().names()),
                        Err(_) => return,
                    },
                    false => Folder::Id(parent.clone()),
                };
                let known = (core.fold(&item.name), Arc::new(item.clone()));
                learnt.entry(key).or_default().push(known);
            });
            // What was told of the files, their tickets above all, saves asking for each.
            let asked = job.asked.unwrap_or_else(Instant::now);
            for (folder, items) in learnt {
                core.index.learn(&folder, items, false, asked);
            }
            if page.next.is_some() {
                job.from = page.next;
                self.waiting.push_back(job);
            }
            return;
        }
        let items: Vec<_> = page.items.into_iter().map(Arc::new).collect();
        for item in &items {
            self.show(&job, item);
        }
        let asked = job.asked.unwrap_or_else(Instant::now);
        let learnt = items.into_iter().map(|item| (self.core.fold(&item.name), item));
        self.core.index.learn(&job.key, learnt, page.next.is_none(), asked);
        if page.next.is_some() {
            job.from = page.next;
            self.waiting.push_front(job);
        }
    }

    fn show(&mut self, job: &Job, item: &Item) {
        if job.prefix.as_ref().is_some_and(|prefix| !item.name.starts_with(prefix.as_str())) {
            return;
        }
        let mut shown = format!("{}{}", job.shown, item.name);
        if item.is_folder() {
            shown.push('/');
        }
        let metadata = metadata::of(item, self.core.capabilities().sets_modified);
        self.core.told.record(&shown, &item.id);
        self.ready.push_back(oio::Entry::new(&shown, metadata));
        if !(self.recursive && item.is_folder()) || contains_itself(&job.above, &item.id) {
            return;
        }
        let key = match &job.key {
            Folder::Id(_) => Folder::Id(item.id.clone()),
            Folder::Path(path) if path.is_empty() => Folder::Path(self.core.fold(&item.name)),
            Folder::Path(path) => Folder::Path(format!("{path}/{}", self.core.fold(&item.name))),
        };
        self.waiting.push_back(Job {
            place: Place::Item { id: item.id.clone(), via: folder_id(&job.place) },
            key,
            shown,
            prefix: None,
            depth: Depth::Children,
            from: None,
            pages: PageGuard::default(),
            asked: None,
            above: Some(Arc::new(Above { id: item.id.clone(), above: job.above.clone() })),
            first: false,
        });
    }
}

fn folder_id(place: &Place) -> Option<ItemId> {
    match place {
        Place::Item { id, .. } => Some(id.clone()),
        Place::Below { .. } => None,
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
                return Ok(None);
            }
        }
    }
}
