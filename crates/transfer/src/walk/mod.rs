//! Lists both trees folder by folder, and decides about each pair of entries.

mod decide;

use std::collections::HashSet;

use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    compare::Match,
    engine::{EndpointSide, RunState, parent},
    entry::TreeEntry,
    error::{FailureCause, PlanError},
    event::SyncAction,
    list::{self, FolderListing, ListMode},
    local::LinkHandling,
    pair::NameGroups,
    plan::Operation,
    work::{FileJob, Job, Workers},
};

/// The folders of both sides that are compared. Paths are empty or end with a slash.
#[derive(Clone, Debug)]
pub(crate) struct FolderPair {
    /// The path at the source. `None` if only the target has the folder.
    source: Option<String>,
    /// The path at the target.
    target: String,
    target_exists: bool,
}

impl FolderPair {
    /// Returns the roots of both endpoints.
    pub(crate) fn root(target_exists: bool) -> Self {
        Self { source: Some(String::new()), target: String::new(), target_exists }
    }

    /// Returns the path for events and filters.
    fn path(&self) -> &str {
        self.source.as_deref().unwrap_or(&self.target)
    }
}

/// The purpose of a pass over both trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Find the files to delete.
    Deletes,
    /// Transfer files. The files to delete were found by an earlier pass.
    Transfers,
    /// Both.
    All,
}

/// Lists both trees from a pair of folders on, and gives the work to the workers.
///
/// # Errors
/// [`PlanError::TemporaryFile`] if the list of files to delete cannot be written.
pub(crate) async fn walk(
    state: &RunState,
    root: FolderPair,
    pass: Pass,
    workers: &Workers,
) -> Result<(), PlanError> {
    // A stack, so that few folders wait at a time.
    let mut waiting = vec![root];
    let mut active = FuturesUnordered::new();
    loop {
        while active.len() < state.plan.limits.checkers.get()
            && let Some(pair) = waiting.pop()
        {
            active.push(FolderWalk { state, pass, workers, pair }.compare());
        }
        match active.next().await {
            Some(below) => waiting.extend(below?),
            None => return Ok(()),
        }
    }
}

/// The comparison of one pair of folders.
struct FolderWalk<'r> {
    state: &'r RunState,
    pass: Pass,
    workers: &'r Workers,
    pair: FolderPair,
}

impl FolderWalk<'_> {
    /// Compares the folders. Returns the pairs of folders below them.
    ///
    /// # Errors
    /// [`PlanError::TemporaryFile`]. A failed listing is a failure of its folder.
    async fn compare(self) -> Result<Vec<FolderPair>, PlanError> {
        let (source, target) = tokio::join!(self.list_source(true), self.list_target());
        self.report_omitted().await;
        let (Some(source), Some(target)) = (source, target) else { return Ok(Vec::new()) };
        self.report_unread(source.failed, target.failed).await;
        self.state.progress.listed(source.len + target.len);
        self.note_source_folder(source.len).await;
        let mut below = Vec::new();
        // Entries of the target that the index of the source lacks.
        let mut unverified = source.from_index.then(Vec::new);
        for group in NameGroups::new(source.entries, target.entries) {
            below.extend(self.decide(group?, &mut unverified).await?);
        }
        let verified = self.verify_orphans(unverified.unwrap_or_default()).await;
        below.extend(self.decide_orphans(verified).await?);
        Ok(below)
    }

    /// Lists the source's folder, and returns the entries of the target that it lacks, too. If it
    /// has one of them, the index of the source was wrong: nothing is deleted in this run.
    async fn verify_orphans(&self, unverified: Vec<TreeEntry>) -> Vec<TreeEntry> {
        let state = self.state;
        let (false, Some(folder)) = (unverified.is_empty(), &self.pair.source) else {
            return unverified;
        };
        let listing = self.list_source(false).await;
        self.report_omitted().await;
        let Some(listing) = listing else {
            state.keep_target_folder(&self.pair.target);
            return Vec::new();
        };
        self.report_unread(listing.failed, Vec::new()).await;
        let key = |entry: &TreeEntry| self.key(&entry.name, entry);
        let mut suspects: HashSet<String> = unverified.iter().map(key).collect();
        let total = suspects.len();
        for entry in listing.entries {
            match entry {
                Ok(entry) => _ = suspects.remove(&entry.key),
                Err(error) => {
                    state.set_source_incomplete();
                    self.fail("list", EndpointSide::Source, folder, error.into()).await;
                    return Vec::new();
                }
            }
        }
        if suspects.len() < total {
            state.set_source_incomplete();
            if let Some(index) = state.plan.source.index() {
                index.discard().await;
            }
            let reason = "its change feed did not report all entries: run the same command again";
            self.fail("list", EndpointSide::Source, folder, FailureCause::refused(reason)).await;
        }
        unverified.into_iter().filter(|entry| suspects.contains(&key(entry))).collect()
    }

    /// Lists the source's folder, from the index of the source if `use_index` and it has one. `None`
    /// after a failure; nothing is deleted then.
    async fn list_source(&self, use_index: bool) -> Option<FolderListing> {
        let state = self.state;
        let Some(folder) = &self.pair.source else { return Some(FolderListing::empty()) };
        let follow = state.plan.links == LinkHandling::Follow;
        state.operations.pass(1).await;
        let key = |entry: &TreeEntry| self.key(&state.target_name(&entry.name), entry);
        let mode = ListMode { follow, sweep: false, use_index };
        let listed = list::list_folder(&state.plan.source, folder, mode, key).await;
        match listed {
            Ok(listing) => Some(listing),
            Err(cause) => {
                state.set_source_incomplete();
                state.keep_source_folder(folder);
                self.fail("list", EndpointSide::Source, folder, cause).await;
                None
            }
        }
    }

    /// Lists the target's folder. `None` after a failure; nothing is sent to it then.
    async fn list_target(&self) -> Option<FolderListing> {
        let state = self.state;
        let folder = &self.pair.target;
        if !self.pair.target_exists {
            return Some(FolderListing::empty());
        }
        state.operations.pass(1).await;
        let sweep = !state.plan.dry_run && state.plan.operation != Operation::Check;
        let key = |entry: &TreeEntry| self.key(&entry.name, entry);
        let mode = ListMode { follow: false, sweep, use_index: true };
        match list::list_folder(&state.plan.target, folder, mode, key).await {
            Ok(listing) => Some(listing),
            Err(cause) => {
                state.keep_target_folder(folder);
                if let Some(source) = &self.pair.source {
                    state.keep_source_folder(source);
                }
                self.fail("list", EndpointSide::Target, folder, cause).await;
                None
            }
        }
    }

    /// Returns the sort key of an entry with this name at the target.
    fn key(&self, name: &str, entry: &TreeEntry) -> String {
        let features = self.state.plan.target.features();
        let mut key = features.collision_key(name).into_owned();
        // Without folders, a file and a common prefix of files may have the same name.
        if !features.has_folders() && entry.is_folder() {
            key.push('/');
        }
        key
    }

    /// Reports entries that could not be read.
    async fn report_unread(
        &self,
        source: Vec<(String, FailureCause)>,
        target: Vec<(String, FailureCause)>,
    ) {
        if let (false, Some(folder)) = (source.is_empty(), &self.pair.source) {
            self.state.set_source_incomplete();
            self.state.keep_source_folder(folder);
            for (name, cause) in source {
                self.fail("read", EndpointSide::Source, &format!("{folder}{name}"), cause).await;
            }
        }
        if !target.is_empty() {
            self.state.keep_target_folder(&self.pair.target);
            for (name, cause) in target {
                let path = format!("{}{name}", self.pair.target);
                self.fail("read", EndpointSide::Target, &path, cause).await;
            }
        }
    }

    /// Reports entries that listings of either side have left out. The record of a service may have
    /// entries of both sides, and of folders that are listed at the same time.
    async fn report_omitted(&self) {
        let state = self.state;
        let (source, target) = (&state.plan.source, &state.plan.target);
        for (side, other) in [
            (EndpointSide::Source, EndpointSide::Target),
            (EndpointSide::Target, EndpointSide::Source),
        ] {
            for entry in state.endpoint(side).features().take_omitted() {
                let of_side = |side| Some((side, state.endpoint(side).relative(&entry.path)?));
                let of_other = || source.shares_operator(target).then(|| of_side(other)).flatten();
                // Entries of folders outside of both endpoints are not part of this run.
                let Some((side, path)) = of_side(side).or_else(of_other) else { continue };
                match side {
                    EndpointSide::Source => {
                        state.set_source_incomplete();
                        state.keep_source_folder(parent(path));
                    }
                    EndpointSide::Target => state.keep_target_folder(parent(path)),
                }
                self.fail("read", side, path, FailureCause::refused(&*entry.reason)).await;
            }
        }
    }

    /// Creates the folder at the target if the source's folder is empty. Remembers the source's
    /// folder if a move deletes empty ones. `entries` is the number of entries of the source.
    async fn note_source_folder(&self, entries: u64) {
        let (state, plan) = (self.state, &self.state.plan);
        let Some(source) = &self.pair.source else { return };
        if plan.operation == Operation::Move && plan.delete_empty_sources && !source.is_empty() {
            state.pending().source_folders.push(source.clone());
        }
        let creates = plan.empty_folders
            && plan.operation != Operation::Check
            && plan.target.features().has_folders()
            && self.pass != Pass::Deletes;
        if creates && entries == 0 && !self.pair.target_exists {
            let (path, target) = (source.clone(), self.pair.target.clone());
            self.workers.push(Job::Folder { path, target }).await;
        }
    }

    /// Records a failure, unless an earlier pass recorded it.
    async fn fail(
        &self,
        verb: &'static str,
        side: EndpointSide,
        relative: &str,
        cause: FailureCause,
    ) {
        let is_new = match self.pass {
            Pass::All => true,
            Pass::Deletes => {
                self.state.note_reported(side, relative);
                true
            }
            Pass::Transfers => !self.state.is_reported(side, relative),
        };
        if is_new {
            self.state.fail(verb, side, relative, relative, cause).await;
        }
    }
}

/// Returns the path of an entry of a folder; a folder ends with a slash.
fn entry_path(folder: &str, entry: &TreeEntry) -> String {
    let slash = if entry.is_folder() { "/" } else { "" };
    format!("{folder}{}{slash}", entry.name)
}

/// Completes a file that needs no work, and gives others to the workers.
pub(crate) async fn dispatch(state: &RunState, workers: &Workers, job: FileJob) {
    match job.how {
        Match::Keep => {
            state.keep_source_folder(parent(&job.source));
            state.with_report(|report| report.kept += 1);
        }
        Match::Equal if state.plan.operation == Operation::Check => {
            state.done(SyncAction::Equal, &job.path, 0).await;
        }
        Match::Equal if state.plan.operation != Operation::Move => {
            state.with_report(|report| report.equal += 1);
        }
        Match::Different(reason) if state.plan.operation == Operation::Check => {
            let action = match job.existing {
                Some(_) => SyncAction::Differ { reason },
                None => SyncAction::OnlySource,
            };
            state.done(action, &job.path, 0).await;
        }
        _ => {
            if matches!(job.how, Match::Different(_)) {
                state.progress.plan(job.entry.size);
            }
            workers.push(Job::File(Box::new(job))).await;
        }
    }
}
