//! The state that all tasks of a run share.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{
    compare::Comparer,
    endpoint::Endpoint,
    entry::TreeEntry,
    error::{FailureCause, ItemFailure},
    event::{SyncAction, SyncEvent},
    limits::RateGate,
    names::NameMap,
    plan::{Operation, Plan},
    progress::RunProgress,
    report::SyncReport,
    spool::SpooledList,
    work::FileJob,
};

/// One of the two endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EndpointSide {
    Source,
    Target,
}

/// A file of the target that the source lacks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrphanFile {
    /// The path at the target.
    pub(crate) path: String,
    pub(crate) entry: TreeEntry,
}

/// Work that waits until both sides are listed.
#[derive(Debug)]
pub(crate) struct PendingWork {
    /// Files of the target that the source lacks.
    pub(crate) orphans: SpooledList<OrphanFile>,
    /// Folders of the target that the source lacks.
    pub(crate) orphan_folders: Vec<String>,
    /// Folders of the target in which an entry stays, and the folders above them.
    pub(crate) kept_folders: HashSet<String>,
    /// Files of the source that the target lacks, while renames are tracked.
    pub(crate) missing: Vec<FileJob>,
    /// Folders of the source, while a move deletes empty ones.
    pub(crate) source_folders: Vec<String>,
    /// Folders of the source in which an entry stays, and the folders above them.
    pub(crate) kept_sources: HashSet<String>,
    /// Links of the source to folders whose files a move has copied. Paths end with a slash.
    pub(crate) source_links: BTreeSet<String>,
}

impl PendingWork {
    /// Returns no work.
    fn new() -> Self {
        Self {
            orphans: SpooledList::new(),
            orphan_folders: Vec::new(),
            kept_folders: HashSet::new(),
            missing: Vec::new(),
            source_folders: Vec::new(),
            kept_sources: HashSet::new(),
            source_links: BTreeSet::new(),
        }
    }
}

/// The state of a run.
#[derive(Debug)]
pub(crate) struct RunState {
    pub(crate) plan: Plan,
    pub(crate) comparer: Comparer,
    pub(crate) names: NameMap,
    pub(crate) progress: Arc<RunProgress>,
    /// The rate limit of operations.
    pub(crate) operations: RateGate,
    /// The rate limit of bytes.
    pub(crate) bandwidth: RateGate,
    report: Mutex<SyncReport>,
    pending: Mutex<PendingWork>,
    events: Option<mpsc::Sender<SyncEvent>>,
    source_incomplete: AtomicBool,
    /// Items whose failure the first of two passes has recorded.
    reported: Mutex<HashSet<(EndpointSide, String)>>,
}

impl RunState {
    /// Returns the name at the target of an item with the name `name` at the source. Both are names in
    /// paths of the operators. The target may still reject it.
    pub(crate) fn target_name(&self, name: &str) -> String {
        let plain = self.plan.source.features().plain_name(name);
        let replaced = self.names.target_name(&plain);
        self.plan.target.features().path_name(&replaced).into_owned()
    }

    /// Returns the state of a run that begins.
    pub(crate) fn new(
        mut plan: Plan,
        events: Option<mpsc::Sender<SyncEvent>>,
        progress: Arc<RunProgress>,
    ) -> Self {
        if plan.operation != Operation::Check {
            for endpoint in [Some(&plan.target), plan.backup.as_ref()].into_iter().flatten() {
                plan.source.limit_links(endpoint);
            }
        }
        let is_move = plan.operation == Operation::Move;
        let comparer = Comparer::new(&plan.source, &plan.target, plan.compare.clone(), is_move);
        Self {
            comparer,
            names: NameMap::new(plan.source.features(), plan.target.features()),
            progress,
            operations: RateGate::new(plan.limits.operations),
            bandwidth: RateGate::new(plan.limits.bandwidth.map(|bytes| bytes as f64)),
            report: Mutex::new(SyncReport::new(plan.operation, plan.dry_run)),
            pending: Mutex::new(PendingWork::new()),
            events,
            source_incomplete: AtomicBool::new(false),
            reported: Mutex::default(),
            plan,
        }
    }

    /// Returns an endpoint.
    pub(crate) fn endpoint(&self, side: EndpointSide) -> &Endpoint {
        match side {
            EndpointSide::Source => &self.plan.source,
            EndpointSide::Target => &self.plan.target,
        }
    }

    /// Returns a copy of the report as it is now.
    pub(crate) fn report(&self) -> SyncReport {
        self.lock_report().clone()
    }

    /// Changes the report.
    pub(crate) fn with_report<T>(&self, change: impl FnOnce(&mut SyncReport) -> T) -> T {
        change(&mut self.lock_report())
    }

    /// Locks the report. A poisoned lock is used as it is.
    fn lock_report(&self) -> MutexGuard<'_, SyncReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the pending work. A poisoned lock is used as it is.
    pub(crate) fn pending(&self) -> MutexGuard<'_, PendingWork> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes and returns the pending work.
    pub(crate) fn take_pending(&self) -> PendingWork {
        std::mem::replace(&mut self.pending(), PendingWork::new())
    }

    /// Records that the source could not be listed completely.
    pub(crate) fn set_source_incomplete(&self) {
        self.source_incomplete.store(true, Relaxed);
    }

    /// Returns whether the source could not be listed completely.
    pub(crate) fn is_source_incomplete(&self) -> bool {
        self.source_incomplete.load(Relaxed)
    }

    /// Records that an entry of a folder of the target stays, so that the folder and those above it
    /// are not deleted.
    pub(crate) fn keep_target_folder(&self, folder: &str) {
        insert_with_parents(&mut self.pending().kept_folders, folder);
    }

    /// Records that an entry of a folder of the source stays.
    pub(crate) fn keep_source_folder(&self, folder: &str) {
        insert_with_parents(&mut self.pending().kept_sources, folder);
    }

    /// Notes that the first pass has recorded the failure of an item.
    pub(crate) fn note_reported(&self, side: EndpointSide, relative: &str) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.insert((side, relative.to_owned()));
    }

    /// Returns whether the first pass has recorded a failure of an item.
    pub(crate) fn is_reported(&self, side: EndpointSide, relative: &str) -> bool {
        let reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.contains(&(side, relative.to_owned()))
    }

    /// Records the failure of the item `relative` of an endpoint. `path` is its path for events.
    pub(crate) async fn fail(
        &self,
        verb: &'static str,
        side: EndpointSide,
        path: &str,
        relative: &str,
        cause: FailureCause,
    ) {
        let item = self.endpoint(side).item(relative);
        let failure = Arc::new(ItemFailure { verb, path: path.to_owned(), item, cause });
        self.lock_report().add_failure(Arc::clone(&failure));
        self.send(SyncEvent::Failed(failure)).await;
    }

    /// Counts a completed action and sends its event.
    pub(crate) async fn done(&self, action: SyncAction, path: &str, bytes: u64) {
        self.lock_report().count(&action, bytes);
        self.send(SyncEvent::Done { action, path: path.to_owned(), bytes }).await;
    }

    /// Sends an event to the reader of the run, if it has one.
    pub(crate) async fn send(&self, event: SyncEvent) {
        if let Some(events) = &self.events {
            // A reader that waits only for the report has dropped its end.
            let _ = events.send(event).await;
        }
    }
}

/// Adds a folder, and the folders above it, to a set. The root is empty.
fn insert_with_parents(folders: &mut HashSet<String>, folder: &str) {
    let ends = std::iter::once(0).chain(folder.match_indices('/').map(|(at, _)| at + 1));
    folders.extend(ends.map(|end| folder[..end].to_owned()));
}

/// Returns the folder of a path, with a slash at its end. Empty for the root. The path may be that
/// of a folder.
pub(crate) fn parent(path: &str) -> &str {
    let end = path.trim_end_matches('/').rfind('/').map_or(0, |slash| slash + 1);
    &path[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_folder_keeps_the_folders_above_it() {
        let mut folders = HashSet::new();
        insert_with_parents(&mut folders, "a/b/");
        let mut folders: Vec<_> = folders.into_iter().collect();
        folders.sort();
        assert_eq!(folders, ["", "a/", "a/b/"]);
        assert_eq!((parent("a/b/c"), parent("a/b/"), parent("a")), ("a/b/", "a/", ""));
    }
}
