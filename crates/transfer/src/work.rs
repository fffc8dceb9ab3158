//! The workers of a run, and their work on single files.

use std::sync::Arc;

use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};

use crate::{
    check,
    compare::{EqualDigest, Match},
    engine::{EndpointSide, RunState, parent},
    entry::TreeEntry,
    error::{FailureCause, PlanError},
    event::{SyncAction, SyncEvent},
    local::{self, blocking},
    plan::Operation,
    run,
    send::{self, Sent},
    source::{CopyProof, delete_source},
    version::FileVersion,
};

/// The work on one item.
#[derive(Debug)]
pub(crate) enum Job {
    /// Compare and transfer a file.
    File(Box<FileJob>),
    /// Create an empty folder.
    Folder {
        /// The path for events.
        path: String,
        /// The path at the target.
        target: String,
    },
}

/// A file of the source, and its place at the target.
#[derive(Debug)]
pub(crate) struct FileJob {
    /// The path for events.
    pub(crate) path: String,
    /// The path at the source.
    pub(crate) source: String,
    /// The file of the source.
    pub(crate) entry: TreeEntry,
    /// The path at the target.
    pub(crate) target: String,
    /// The file of the target. `None` if it has none.
    pub(crate) existing: Option<TreeEntry>,
    /// The result of the comparison so far.
    pub(crate) how: Match,
}

/// Tasks that work on jobs. Dropping the value cancels them.
#[derive(Debug)]
pub(crate) struct Workers {
    jobs: mpsc::Sender<Job>,
    tasks: JoinSet<()>,
}

impl Workers {
    /// Starts as many tasks as the plan has transfers.
    pub(crate) fn start(state: &Arc<RunState>) -> Self {
        let transfers = state.plan.limits.transfers.get();
        let (jobs, receiver) = mpsc::channel(transfers * 4);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut tasks = JoinSet::new();
        for _ in 0..transfers {
            tasks.spawn(work(Arc::clone(state), Arc::clone(&receiver)));
        }
        Self { jobs, tasks }
    }

    /// Gives a job to the next worker that is free. Waits while many jobs are queued.
    pub(crate) async fn push(&self, job: Job) {
        // The receiver is closed only if all workers panicked, which `finish` reports.
        let _ = self.jobs.send(job).await;
    }

    /// Waits until all jobs are done.
    ///
    /// # Errors
    /// [`PlanError::Panicked`] if a worker panicked.
    pub(crate) async fn finish(self) -> Result<(), PlanError> {
        let Self { jobs, mut tasks } = self;
        drop(jobs);
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|_| PlanError::Panicked)?;
        }
        Ok(())
    }
}

/// Works on jobs until no more are sent.
async fn work(state: Arc<RunState>, jobs: Arc<Mutex<mpsc::Receiver<Job>>>) {
    loop {
        let job = jobs.lock().await.recv().await;
        let Some(job) = job else { return };
        run::run_job(&state, job).await;
    }
}

/// The decision about a file.
enum Decision {
    Equal,
    /// The contents are equal, and the target's time must be set.
    SetTime,
    /// The files differ. The text names the property.
    Send(&'static str),
}

/// Completes the comparison of a file, and transfers it if it differs.
pub(crate) async fn run_file(state: &RunState, job: FileJob) {
    let operation = state.plan.operation;
    let decision = match decide(state, &job).await {
        Ok(decision) => decision,
        Err((side, cause)) => {
            let relative = match side {
                EndpointSide::Source => &job.source,
                EndpointSide::Target => &job.target,
            };
            state.keep_source_folder(parent(&job.source));
            state.fail("read", side, &job.path, relative, cause).await;
            return;
        }
    };
    match (decision, operation) {
        (Decision::Equal | Decision::SetTime, Operation::Check) => {
            state.done(SyncAction::Equal, &job.path, 0).await;
        }
        (Decision::Send(reason), Operation::Check) => {
            state.done(SyncAction::Differ { reason }, &job.path, 0).await;
        }
        (Decision::Equal, Operation::Move) => {
            state.with_report(|report| report.equal += 1);
            delete_source(state, &job, CopyProof::Equal).await;
        }
        (Decision::Equal, _) => state.with_report(|report| report.equal += 1),
        (Decision::SetTime, _) => {
            if set_time(state, &job).await && operation == Operation::Move {
                let compared = CopyProof::Sent(FileVersion::from_entry(&job.entry));
                delete_source(state, &job, compared).await;
            }
        }
        (Decision::Send(_), _) => {
            if !matches!(job.how, Match::Different(_)) {
                state.progress.plan(job.entry.size);
            }
            transfer(state, &job).await;
        }
    }
}

/// Completes the comparison of a file, which may read one or both files.
///
/// # Errors
/// The side whose file cannot be read, and the reason.
async fn decide(state: &RunState, job: &FileJob) -> Result<Decision, (EndpointSide, FailureCause)> {
    Ok(match (job.how, &job.existing) {
        (Match::Equal | Match::Keep, _) => Decision::Equal,
        (Match::Different(reason), _) => Decision::Send(reason),
        (Match::Digest { .. } | Match::Content, None) => Decision::Send("missing"),
        (Match::Digest { algorithm, if_equal, reason }, Some(existing)) => {
            let (source, target) = (
                check::digest(&state.plan.source, &job.source, &job.entry, algorithm),
                check::digest(&state.plan.target, &job.target, existing, algorithm),
            );
            let (source, target) = tokio::join!(source, target);
            let source = source.map_err(|cause| (EndpointSide::Source, cause))?;
            let target = target.map_err(|cause| (EndpointSide::Target, cause))?;
            match (source == target, if_equal) {
                (false, _) => Decision::Send(reason),
                (true, EqualDigest::Equal) => Decision::Equal,
                // Only a local disk can set the time of a file that exists.
                (true, EqualDigest::TimeDiffers) if state.plan.target.is_local() => {
                    Decision::SetTime
                }
                (true, EqualDigest::TimeDiffers) => Decision::Equal,
            }
        }
        (Match::Content, Some(existing)) => {
            match check::contents_are_equal(state, job, existing).await? {
                true => Decision::Equal,
                false => Decision::Send("content"),
            }
        }
    })
}

/// Sets the time of the target's file. Returns whether it is set, also in a dry run.
async fn set_time(state: &RunState, job: &FileJob) -> bool {
    let set = async {
        let path = state.plan.target.local_path(&job.target)?;
        match (path, job.entry.modified) {
            (Some(path), Some(time)) if !state.plan.dry_run => {
                blocking(move || Ok(local::set_modified(&path, time)?)).await
            }
            _ => Ok(()),
        }
    };
    match set.await {
        Ok(()) => {
            state.done(SyncAction::SetTime, &job.path, 0).await;
            true
        }
        Err(cause) => {
            state.keep_source_folder(parent(&job.source));
            let side = EndpointSide::Target;
            state.fail("set the time of", side, &job.path, &job.target, cause).await;
            false
        }
    }
}

/// Transfers a file, and deletes it at the source if it is moved.
async fn transfer(state: &RunState, job: &FileJob) {
    let size = job.entry.size;
    state.send(SyncEvent::Begin { path: job.path.clone(), size }).await;
    let progress = state.progress.begin(&job.path, size);
    let sent = match state.plan.dry_run {
        true => {
            let version = FileVersion::from_entry(&job.entry);
            Ok(Sent { bytes: size.unwrap_or_default(), moved: false, version })
        }
        false => send::send(state, job, &progress).await,
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(cause) => {
            state.keep_source_folder(parent(&job.source));
            let verb = if state.plan.operation == Operation::Move { "move" } else { "copy" };
            let side = EndpointSide::Source;
            state.fail(verb, side, &job.path, &job.source, cause).await;
            return;
        }
    };
    drop(progress);
    let is_move = state.plan.operation == Operation::Move;
    let action = match (is_move && (sent.moved || state.plan.dry_run), &job.existing) {
        (true, _) => SyncAction::Move,
        (false, Some(_)) => SyncAction::Replace,
        (false, None) => SyncAction::Create,
    };
    let deletes_source = is_move && action != SyncAction::Move;
    state.done(action, &job.path, sent.bytes).await;
    if deletes_source {
        delete_source(state, job, CopyProof::Sent(sent.version)).await;
    }
}
