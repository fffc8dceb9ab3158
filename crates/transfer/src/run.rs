//! The execution of a plan.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use futures::Stream;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    compare::Match,
    delete,
    endpoint::Endpoint,
    engine::{EndpointSide, RunState},
    entry::{EntryType, TreeEntry},
    error::{FailureCause, PlanError},
    event::{SyncAction, SyncEvent},
    index::TreeIndex,
    list,
    plan::{DeleteTime, Operation, Plan},
    progress::RunProgress,
    rename,
    report::{SyncOutcome, SyncReport},
    walk::{self, FolderPair, Pass},
    work::{FileJob, Job, Workers},
};

/// The number of events that a run holds for its reader.
const EVENTS: usize = 1_024;

/// A running plan: a stream of its events.
///
/// The stream must be read: a run waits if its reader is 1,024 events behind. Dropping the value
/// cancels the run. A partly written file is then removed, and the target's old file stays.
#[derive(Debug)]
pub struct Run {
    events: mpsc::Receiver<SyncEvent>,
    task: JoinSet<Result<SyncReport, PlanError>>,
    progress: Arc<RunProgress>,
}

impl Run {
    /// Starts a plan in a task.
    pub(crate) fn start(plan: Plan) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let progress = Arc::new(RunProgress::default());
        let mut task = JoinSet::new();
        task.spawn(execute(plan, Some(sender), Arc::clone(&progress)));
        Self { events, task, progress }
    }

    /// Returns the counters of the run.
    pub fn progress(&self) -> Arc<RunProgress> {
        Arc::clone(&self.progress)
    }

    /// Waits for the end of the run and returns its report. Events that were not read are dropped.
    ///
    /// # Errors
    /// [`PlanError`] if the plan is invalid, or if the run cannot begin.
    pub async fn finish(mut self) -> Result<SyncReport, PlanError> {
        while self.events.recv().await.is_some() {}
        match self.task.join_next().await {
            Some(Ok(report)) => report,
            _ => Err(PlanError::Panicked),
        }
    }
}

impl Stream for Run {
    type Item = SyncEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SyncEvent>> {
        self.events.poll_recv(cx)
    }
}

/// Executes a plan.
///
/// # Errors
/// [`PlanError`] if the plan is invalid, or if the run cannot begin or be completed.
pub(crate) async fn execute(
    plan: Plan,
    events: Option<mpsc::Sender<SyncEvent>>,
    progress: Arc<RunProgress>,
) -> Result<SyncReport, PlanError> {
    let start = Instant::now();
    plan.validate()?;
    let mut plan = plan;
    let indexes = OpenIndexes::open(&mut plan).await;
    let endpoint_error = |endpoint: &Endpoint, cause| PlanError::Endpoint {
        name: endpoint.name().to_owned(),
        cause,
    };
    let source = stat_root(&plan.source).await;
    let source = source.map_err(|cause| endpoint_error(&plan.source, cause))?;
    let Some(source) = source else {
        return Err(PlanError::SourceMissing { source_name: plan.source.name().to_owned() });
    };
    if plan.operation == Operation::Sync {
        let is_empty = list::is_empty_root(&plan.source).await;
        if is_empty.map_err(|cause| endpoint_error(&plan.source, cause))? {
            return Err(PlanError::SourceEmpty { source_name: plan.source.name().to_owned() });
        }
    }
    let target = stat_root(&plan.target).await;
    let target = target.map_err(|cause| endpoint_error(&plan.target, cause))?;
    let state = Arc::new(RunState::new(plan, events, progress));
    if source.kind == EntryType::File {
        send_single_file(&state, source, target).await?;
    } else if target.as_ref().is_some_and(|target| !target.is_folder()) {
        let reason = "the source is a folder, and the target is a file".to_owned();
        return Err(PlanError::Options { option: "the target", reason });
    } else {
        transfer_tree(&state, target.is_some()).await?;
    }
    let mut report = state.report();
    indexes.close(&report).await;
    report.elapsed = start.elapsed();
    Ok(report)
}

/// Returns the entry of the root of an endpoint. `None` if it does not exist.
///
/// # Errors
/// Those of [`list::stat`].
async fn stat_root(endpoint: &Endpoint) -> Result<Option<TreeEntry>, FailureCause> {
    match endpoint.index() {
        // An open index has verified it.
        Some(_) => Ok(Some(TreeEntry::new("", EntryType::Folder))),
        None => list::stat(endpoint, "").await,
    }
}

/// The indexes of both endpoints, to be closed at the end of a run.
struct OpenIndexes {
    source: Option<Arc<dyn TreeIndex>>,
    target: Option<Arc<dyn TreeIndex>>,
}

impl OpenIndexes {
    /// Opens the indexes of a plan. Those that cannot be used are removed from their endpoints. A
    /// check must show the current state, and a move deletes files that the target is said to have:
    /// neither uses an index.
    async fn open(plan: &mut Plan) -> Self {
        if matches!(plan.operation, Operation::Check | Operation::Move) {
            plan.source.take_index();
            plan.target.take_index();
        }
        let open = async |endpoint: &mut Endpoint| {
            let index = endpoint.index().cloned();
            if let Some(index) = &index
                && !index.open().await
            {
                endpoint.take_index();
            }
            index
        };
        let (source, target) = tokio::join!(open(&mut plan.source), open(&mut plan.target));
        Self { source, target }
    }

    /// Closes the indexes after a run with this report.
    async fn close(self, report: &SyncReport) {
        if let Some(source) = self.source {
            source.close(false).await;
        }
        if let Some(target) = self.target {
            let has_changed = !report.dry_run && report.outcome() != SyncOutcome::Equal;
            target.close(has_changed).await;
        }
    }
}

/// Transfers a source that is a file.
///
/// # Errors
/// [`PlanError`] if the target is a folder, or if a task panicked.
async fn send_single_file(
    state: &Arc<RunState>,
    entry: TreeEntry,
    existing: Option<TreeEntry>,
) -> Result<(), PlanError> {
    if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
        let reason = "the source is a file, and the target is a folder".to_owned();
        return Err(PlanError::Options { option: "the target", reason });
    }
    let how = match &existing {
        Some(existing) => state.comparer.compare(&entry, existing),
        None => Match::Different("missing"),
    };
    let (path, source, target) = Default::default();
    let workers = Workers::start(state);
    walk::dispatch(state, &workers, FileJob { path, source, entry, target, existing, how }).await;
    workers.finish().await
}

/// Transfers a source that is a folder. `target_exists` is whether the target's root exists.
///
/// # Errors
/// [`PlanError`] if a temporary file cannot be used, or if a task panicked.
async fn transfer_tree(state: &Arc<RunState>, target_exists: bool) -> Result<(), PlanError> {
    let plan = &state.plan;
    let root = || FolderPair::root(target_exists);
    let deletes = plan.operation == Operation::Sync;
    let workers = Workers::start(state);
    if deletes && plan.delete_time == DeleteTime::Before {
        walk::walk(state, root(), Pass::Deletes, &workers).await?;
        delete::delete_pending(state).await?;
        walk::walk(state, root(), Pass::Transfers, &workers).await?;
        workers.finish().await?;
    } else {
        walk::walk(state, root(), Pass::All, &workers).await?;
        rename::rename_missing(state, &workers).await?;
        if plan.delete_time == DeleteTime::During {
            let (deleted, finished) = tokio::join!(delete::delete_pending(state), workers.finish());
            deleted?;
            finished?;
        } else {
            workers.finish().await?;
            delete::delete_pending(state).await?;
        }
    }
    if plan.operation == Operation::Move {
        delete::delete_moved_folders(state).await;
    }
    Ok(())
}

/// Creates an empty folder at the target, for a job.
pub(crate) async fn create_folder(state: &RunState, path: String, target: String) {
    if !state.plan.dry_run {
        state.operations.pass(1).await;
        if let Err(cause) = crate::store::create_folder(&state.plan.target, &target).await {
            state.fail("create", EndpointSide::Target, &path, &target, cause).await;
            return;
        }
    }
    state.done(SyncAction::CreateFolder, &path, 0).await;
}

/// Runs one job.
pub(crate) async fn run_job(state: &RunState, job: Job) {
    match job {
        Job::File(job) => crate::work::run_file(state, *job).await,
        Job::Folder { path, target } => create_folder(state, path, target).await,
    }
}
