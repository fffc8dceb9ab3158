//! Listing of a folder, or of everything below it.
//!
//! Folders are listed concurrently, and entries are returned as they arrive, in no order. Where the
//! drive can list a whole tree in one paged response, this is used instead
//! ([`tree_assembler`](super::tree_assembler)). A path without a slash is a prefix: it lists the
//! entries of its parent whose names start with its last name. The folder itself is an entry, which
//! is returned when its first page arrives.
//!
//! A folder that does not exist is empty. A folder whose listing fails is an error. A 404 means
//! that the folder does not exist only if a request for the item itself is not found either; if the
//! item exists, it may just have been created, and the folder is listed once more. A subfolder that
//! cannot be listed does not end the listing: the other folders are listed, and the last call
//! returns an error that names it. If the listing of a whole tree breaks off, the listing continues
//! folder by folder.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures::{StreamExt, stream::FuturesUnordered};
use opendal::raw::{OpList, oio};

use super::{
    error::{not_a_folder, to_opendal},
    failures::Failures,
    index::FolderKey,
    left_out::{Admission, admit},
    list_entries::ListEntries,
    list_job::ListJob,
    metadata,
    path::Path,
    state::AdapterState,
    tree_assembler::TreeAssembler,
};
use crate::drive::{
    Conditions, Context, Depth, Error, ErrorKind, Item, ItemId, ItemRef, Page, RecursiveList,
    Result,
};

/// A listing in progress.
pub struct DriveLister {
    state: Arc<AdapterState>,
    cx: Context,
    /// The start of the listing; `None` once its folder is resolved.
    start: Option<Result<ListStart>>,
    /// The start, as long as its folder may have been resolved by the id of an item that is
    /// elsewhere now.
    cached_start: Option<ListStart>,
    recursive: bool,
    /// The caller's limit for the number of entries of a page.
    limit: Option<usize>,
    waiting: VecDeque<ListJob>,
    /// A mutex only because futures are not `Sync`. It is never locked.
    in_flight: Mutex<FuturesUnordered<PageFuture>>,
    /// Present while the drive lists the whole tree.
    tree: Option<TreeAssembler>,
    /// The items that were returned before the listing of the whole tree broke off.
    returned_by_tree: HashSet<ItemId>,
    /// The entry of the folder itself was returned.
    is_self_returned: bool,
    entries: ListEntries,
    failures: Failures,
}

/// A request for a page in flight, with its job.
type PageFuture = Pin<Box<dyn Future<Output = (ListJob, Result<Page>)> + Send>>;

/// The start of a listing.
#[derive(Clone)]
struct ListStart {
    folder: Path,
    /// The operator path of the folder, with a trailing slash. Empty for the root.
    path: String,
    /// The names in the folder must start with this; `None` lists the folder itself.
    prefix: Option<String>,
}

impl ListStart {
    /// Parses the path of a listing: a folder, or without a slash at its end a prefix of names.
    ///
    /// # Errors
    /// `InvalidInput` for a path with the name `.` or `..`.
    fn parse(state: &AdapterState, path: &str) -> Result<Self> {
        let folder = state.path(path)?;
        let path = if folder.is_root() { "" } else { path };
        if folder.is_folder {
            return Ok(Self { folder, path: path.to_owned(), prefix: None });
        }
        let (parent, prefix) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
        Ok(Self {
            folder: folder.parent(),
            path: parent.to_owned(),
            prefix: Some(prefix.to_owned()),
        })
    }
}

impl DriveLister {
    /// Creates a listing of a path: of the folder if it is empty or ends with a slash, otherwise of
    /// the names in its parent that start with its last name. Sends no request; a path with the
    /// name `.` or `..` is an error of the first call.
    pub(super) fn new(state: Arc<AdapterState>, cx: Context, path: &str, args: &OpList) -> Self {
        let start = ListStart::parse(&state, path);
        Self {
            state,
            cx,
            start: Some(start),
            cached_start: None,
            recursive: args.recursive(),
            limit: args.limit(),
            waiting: VecDeque::new(),
            in_flight: Mutex::default(),
            tree: None,
            returned_by_tree: HashSet::new(),
            is_self_returned: false,
            entries: ListEntries::new(args),
            failures: Failures::default(),
        }
    }

    /// Resolves the folder of the listing, unless this is done, and queues its first page. A folder
    /// that does not exist leaves the listing empty. Changes nothing if it fails, so that the next
    /// call tries again.
    ///
    /// # Errors
    /// `NotAFolder` if the folder is known to be a file; `InvalidInput` for a path with the name
    /// `.` or `..`; `DriveNotFound` if the drive's root does not exist; [request
    /// errors](crate::drive::Error#request-errors).
    async fn resolve_start(&mut self) -> Result<()> {
        let Some(start) = &self.start else { return Ok(()) };
        let start = start.as_ref().map_err(Clone::clone)?;
        let ListStart { folder, path, prefix } = start;
        let state = &self.state;
        let folder = &*state.existing_path(&self.cx, folder).await?;
        let resolved = match state.resolve(&self.cx, folder, state.settings.index_ttl).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.start = None;
                return Ok(());
            }
            result => result?,
        };
        if resolved.item.as_ref().is_some_and(|item| !item.is_folder()) {
            return Err(not_a_folder("list", path));
        }
        let is_drive_root = folder.names().is_empty();
        let is_tree = self.recursive
            && prefix.is_none()
            && match state.capabilities().recursive_list {
                RecursiveList::No => false,
                RecursiveList::Root => is_drive_root,
                RecursiveList::Any => true,
            };
        let (id, key) = match &resolved.item_ref {
            ItemRef::Item { id, .. } => (id, FolderKey::Id(id.clone())),
            ItemRef::Path { base, .. } => (base, state.path_key(folder.names())),
        };
        if is_tree {
            let id = resolved.item.as_ref().map_or(id, |item| &item.id).clone();
            let multi_parent = state.capabilities().multi_parent;
            let tree = TreeAssembler::new(id, path.clone(), multi_parent);
            self.tree = Some(tree.with_name_encoding(state.settings.name_encoding));
        }
        self.waiting.push_back(ListJob {
            prefix: prefix.clone(),
            depth: if is_tree { Depth::Recursive } else { Depth::Children },
            is_start: true,
            is_known_folder: is_drive_root || resolved.item.is_some(),
            ..ListJob::new(resolved.item_ref.clone(), key, path.clone())
        });
        self.cached_start = resolved.from_cache.then(|| start.clone());
        self.start = None;
        Ok(())
    }

    /// Sends as many requests as may be in flight, and processes the next page that arrives.
    /// Returns false if all folders are listed.
    ///
    /// # Errors
    /// Those of the start folder, and temporary ones; the next call tries again.
    async fn advance(&mut self) -> Result<bool> {
        self.resolve_start().await?;
        let max = self.state.settings.concurrent_lists.max(1);
        let in_flight = self.in_flight.get_mut().unwrap_or_else(PoisonError::into_inner);
        while in_flight.len() < max {
            let Some(mut job) = self.waiting.pop_front() else { break };
            job.requested_at.get_or_insert_with(Instant::now);
            let (state, cx, limit) = (Arc::clone(&self.state), self.cx.clone(), self.limit);
            in_flight.push(Box::pin(async move {
                let page = job.request_page(&state, &cx, limit).await;
                (job, page)
            }));
        }
        let Some((job, page)) = in_flight.next().await else { return Ok(false) };
        match page {
            Ok(page) => self.process_page(job, page).await?,
            Err(error) => self.process_error(job, error).await?,
        }
        Ok(true)
    }

    /// Processes a page of `job`. A cloud may return an empty listing for a file, so an empty first
    /// page is accepted only if the item is known to be a folder.
    ///
    /// # Errors
    /// `NotAFolder` if the start of the listing is a file, and [request
    /// errors](crate::drive::Error#request-errors) that checks it. After a temporary error the next
    /// call lists the folder again.
    async fn process_page(&mut self, mut job: ListJob, mut page: Page) -> Result<()> {
        let is_ambiguous = page.items.is_empty() && !job.is_known_folder;
        if is_ambiguous && job.is_first_page() && job.prefix.is_none() {
            match self.state.drive.item(&self.cx, &job.folder, Conditions::NONE).await {
                Ok(item) if item.is_folder() => job.is_known_folder = true,
                Ok(_) => return Err(not_a_folder("list", &job.path)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => {
                    if error.is_temporary() {
                        self.waiting.push_back(job);
                    }
                    return Err(error);
                }
            }
        }
        self.failures.record_success();
        self.cached_start = None;
        if job.is_start && job.prefix.is_none() && !self.is_self_returned {
            self.is_self_returned = true;
            self.entries.push_folder(&job.path);
        }
        self.state.sort_encoded_first(&mut page.items);
        match self.tree.is_some() {
            true => self.add_tree_page(job, page),
            false => self.add_page(job, page),
        }
        Ok(())
    }

    /// Processes the error of a page: the folder may not exist, the tree may have to be listed
    /// folder by folder, or the failure is recorded and reported at the end.
    ///
    /// # Errors
    /// Temporary errors: the next call lists the folder again, after the others. Permanent errors
    /// of the start folder, and `DriveNotFound`.
    async fn process_error(&mut self, mut job: ListJob, error: Error) -> Result<()> {
        if error.is_temporary() {
            self.waiting.push_back(job);
            return Err(error);
        }
        if error.kind() == ErrorKind::NotFound
            && let Some(start) = self.cached_start.take()
        {
            // The id of a folder in the path was stale: another folder may have its name now.
            self.state.invalidate_path(start.folder.names());
            self.start = Some(Ok(start));
            return Ok(());
        }
        if job.depth == Depth::Recursive && may_list_by_folder(&error, &job) {
            tracing::warn!(%error, "cannot list the whole tree at once: continuing by folder");
            self.returned_by_tree =
                self.tree.take().map(TreeAssembler::into_returned).unwrap_or_default();
            job.restart(Depth::Children);
            self.waiting.push_back(job);
            return Ok(());
        }
        if error.kind() == ErrorKind::NotFound {
            match self.state.drive.item(&self.cx, &job.folder, Conditions::NONE).await {
                Err(missing) if missing.kind() == ErrorKind::NotFound => {
                    self.state.index.invalidate_folder(&job.key);
                    return Ok(());
                }
                Err(failure) if failure.is_temporary() => {
                    self.waiting.push_back(job);
                    return Err(failure);
                }
                Err(failure) if failure.kind() == ErrorKind::DriveNotFound => return Err(failure),
                // Another client may have created the folder between the two requests.
                Ok(item) if item.is_folder() && job.cursor.is_none() && !job.is_repeated => {
                    job.restart(job.depth);
                    job.is_repeated = true;
                    self.waiting.push_back(job);
                    return Ok(());
                }
                Ok(_) | Err(_) => {}
            }
        } else if job.is_first_page() {
            return Err(error);
        }
        self.failures.record(job.path, error);
        if self.failures.is_fatal() {
            self.waiting.clear();
            self.in_flight = Mutex::default();
        }
        Ok(())
    }

    /// Adds the items of a page of one folder to the entries and to the index, and queues the next
    /// page.
    fn add_page(&mut self, mut job: ListJob, page: Page) {
        let mut known = Vec::with_capacity(page.items.len());
        for item in page.items {
            let item = Arc::new(item);
            if self.add_item(&mut job, &item) {
                known.push((self.state.fold(&item.name), item));
            }
        }
        let requested_at = job.requested_at.unwrap_or_else(Instant::now);
        self.state.index.insert_listing(&job.key, known, page.next.is_none(), requested_at);
        if page.next.is_some() {
            job.cursor = page.next;
            self.waiting.push_front(job);
        }
    }

    /// Adds a page of a whole tree to the entries and to the index. Queues the next page, and a job
    /// for each shortcut to another drive, whose items the tree does not include.
    fn add_tree_page(&mut self, mut job: ListJob, page: Page) {
        let Some(tree) = &mut self.tree else { return };
        let (state, by_path) = (&self.state, self.state.capabilities().paths);
        let sets_modified = state.capabilities().set_modified;
        let mut known: HashMap<FolderKey, Vec<_>> = HashMap::new();
        let mut shortcuts = Vec::new();
        let entries = &mut self.entries;
        let mut accept = |path: &str, parent: &ItemId, item: &Item| {
            state.returned_paths.record(path, &item.id);
            entries.push(path, item, metadata::from_item(item, sets_modified));
            let key = match by_path {
                true => match state.path(path) {
                    Ok(path) => state.path_key(path.parent().names()),
                    // The path cannot be looked up either.
                    Err(_) => return,
                },
                false => FolderKey::Id(parent.clone()),
            };
            if item.is_folder() && state.drive.is_shortcut_to_other_drive(&item.id) {
                shortcuts.push((path.to_owned(), key.clone(), item.clone()));
            }
            let entry = (state.fold(&item.name), Arc::new(item.clone()));
            known.entry(key).or_default().push(entry);
        };
        let leave_out = &mut |folder: &str, item: &Item, reason| {
            state.left_out.record(folder, item, reason);
        };
        let fold = |name: &str| state.fold(name);
        tree.add_page(page.items, page.next.is_none(), &fold, &mut accept, leave_out);
        // The items have download URLs, which save a request for each file that is read later.
        let requested_at = job.requested_at.unwrap_or_else(Instant::now);
        for (folder, items) in known {
            state.index.insert_listing(&folder, items, false, requested_at);
        }
        // The tree does not include the items of other drives.
        for (path, key, item) in shortcuts {
            self.waiting.push_back(ListJob::for_child(
                &item,
                None,
                &key,
                path,
                &job.ancestors,
                state,
            ));
        }
        if page.next.is_some() {
            job.cursor = page.next;
            self.waiting.push_back(job);
        }
    }

    /// Adds an item of a folder to the entries that are ready, and a job for it if it is a folder
    /// of a recursive listing. Returns false if the item is a duplicate or is left out, so that the
    /// index must not contain it.
    fn add_item(&mut self, job: &mut ListJob, item: &Item) -> bool {
        let state = &self.state;
        let name = state.path_name(&item.name);
        let matches = job.prefix.as_ref().is_none_or(|prefix| name.starts_with(&**prefix));
        match admit(item, state.fold(&name), &mut job.names) {
            Admission::Accepted => {}
            Admission::Duplicate => return false,
            Admission::LeftOut(reason) => {
                if matches {
                    state.left_out.record(&job.path, item, reason);
                }
                return false;
            }
        }
        if !matches {
            return true;
        }
        let mut path = format!("{}{name}", job.path);
        if item.is_folder() {
            path.push('/');
        }
        if !self.returned_by_tree.contains(&item.id) {
            let metadata = metadata::from_item(item, state.capabilities().set_modified);
            state.returned_paths.record(&path, &item.id);
            self.entries.push(&path, item, metadata);
        }
        if self.recursive && item.is_folder() && !job.is_cycle(&item.id) {
            let (parent, ancestors) = (job.folder_id(), &job.ancestors);
            let child = ListJob::for_child(item, parent, &job.key, path, ancestors, state);
            self.waiting.push_back(child);
        }
        true
    }
}

impl DriveLister {
    /// Requests the versions of some files.
    ///
    /// # Errors
    /// A temporary error of one file: the next call continues.
    async fn add_versions(&mut self) -> Result<()> {
        self.entries.add_versions(&self.state, &self.cx, &mut self.failures).await
    }

    /// Completes the listing and sorts its entries by path.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance) and [`add_versions`](Self::add_versions); the next call
    /// continues.
    async fn complete_and_sort(&mut self) -> Result<()> {
        while self.advance().await? {}
        while self.entries.needs_versions() {
            self.add_versions().await?;
        }
        self.entries.sort();
        Ok(())
    }
}

/// Returns whether a failed listing of a whole tree continues folder by folder: the error concerns
/// the kind of request, or a later page of it.
fn may_list_by_folder(error: &Error, job: &ListJob) -> bool {
    match error.kind() {
        ErrorKind::Conflict | ErrorKind::Unsupported => true,
        ErrorKind::NotFound | ErrorKind::InvalidInput => job.cursor.is_some(),
        _ => false,
    }
}

impl oio::List for DriveLister {
    /// Returns the next entry, or `None` at the end of the listing.
    ///
    /// # Errors
    /// Those of `advance` and `add_versions`. After all other entries, one error that names the
    /// folders that could not be listed.
    async fn next(&mut self) -> opendal::Result<Option<oio::Entry>> {
        if self.entries.needs_order() {
            self.complete_and_sort().await.map_err(to_opendal)?;
        }
        loop {
            if let Some(entry) = self.entries.pop() {
                return Ok(Some(entry));
            }
            if self.entries.needs_versions() {
                self.add_versions().await.map_err(to_opendal)?;
                continue;
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
