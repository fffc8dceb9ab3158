//! Runs a plan, and prints its results.

use drivedal_transfer::{Endpoint, Operation, Plan, PlanError, SyncOutcome, SyncReport};
use futures::StreamExt;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    display::Display,
    options::{PlanOptions, ProgressForm},
    place::{self, OpenPlace, Place},
    results::{EventPrinter, SummaryRecord, cause_failure, item_failure, summary_line},
    same_drive::PlacePair,
};
use crate::{
    app::App,
    failure::{Exit, Failure, Result},
};

/// The two sides of a transfer, and its options.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    /// The file or folder to read
    #[arg(value_name = "SOURCE", value_parser = Place::parse)]
    source: Place,

    /// The folder to write, or the new path of a file
    #[arg(value_name = "TARGET", value_parser = Place::parse)]
    target: Place,

    #[command(flatten)]
    options: PlanOptions,
}

impl PlanArgs {
    /// Opens both sides, runs the plan that `plan` creates, and prints its results.
    ///
    /// # Errors
    /// Those of opening a side; `NotFound` if the source does not exist; `Usage` if one side is
    /// inside the other, or for an option that the services do not support; `Interrupted` or
    /// `Terminated` after a signal; `ClosedPipe` or `Failed` if results cannot be written.
    pub(super) async fn run(
        &self,
        app: &App,
        plan: impl FnOnce(&PlanOptions, Endpoint, Endpoint) -> Result<Plan>,
    ) -> Result<Exit> {
        let (source, target) =
            (place::open(app, &self.source).await?, place::open(app, &self.target).await?);
        place::check_root(&source).await?;
        let is_file = source.is_file().await?;
        let target = if is_file { target.target_for(&source)? } else { target };
        let pair = PlacePair::new(source, target).await?;
        let has_index = !is_file && !self.options.no_change_feed;
        let endpoint = |place: &OpenPlace| match has_index {
            true => place.indexed_endpoint(),
            false => place.endpoint().clone(),
        };
        let (from, to) = (endpoint(&pair.source), endpoint(&pair.target));
        let to = pair.target.with_uploads(app, to).await;
        let plan = plan(&self.options, from, to)?;
        if plan.operation() != Operation::Check {
            pair.check_separate()?;
        }
        let shown = Shown { dry_run: self.options.dry_run, progress: self.options.progress };
        let report = follow(app, plan, &shown).await?;
        let ending = Ending { is_file, needs_work: self.options.error_on_no_transfer };
        finish(app, &report, ending)
    }
}

/// The results that are printed while a plan runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    /// Each action is printed, because it is not performed.
    dry_run: bool,
    /// The form of the progress. `None`: a bar on a terminal, plain lines elsewhere.
    progress: Option<ProgressForm>,
}

/// Runs a plan, and prints its events and its progress.
///
/// # Errors
/// The failure of a plan that cannot run; `ClosedPipe` or `Failed` if results cannot be written.
pub(super) async fn follow(app: &App, plan: Plan, shown: &Shown) -> Result<SyncReport> {
    let operation = plan.operation();
    let printer = EventPrinter { output: &app.output, operation, dry_run: shown.dry_run };
    let mut run = plan.start();
    let mut display = Display::start(app, operation, shown.progress, run.progress());
    let mut ticks = interval(display.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            event = run.next() => match event {
                Some(event) => {
                    display.count(&event);
                    printer.print(event)?;
                }
                None => break,
            },
            _ = ticks.tick() => display.update(&app.output),
        }
    }
    display.update(&app.output);
    run.finish().await.map_err(plan_failure)
}

/// The rules for the exit code of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    /// The source is a file, so that the exit code is that of its failure.
    pub(super) is_file: bool,
    /// A run without any work has an exit code of its own.
    pub(super) needs_work: bool,
}

/// Prints the summary and returns the exit code.
///
/// # Errors
/// `ClosedPipe` or `Failed` if results cannot be written.
pub(super) fn finish(app: &App, report: &SyncReport, ending: Ending) -> Result<Exit> {
    if let Some(refusal) = &report.delete_refusal {
        app.output.notice(refusal);
    }
    if app.output.is_json() {
        #[derive(Serialize)]
        struct Last {
            summary: SummaryRecord,
        }
        let summary = SummaryRecord::new(report, app.requests.count());
        app.output.json(&Last { summary })?;
        app.output.flush()?;
    }
    if !app.output.is_quiet() {
        app.output.message(summary_line(report, app.requests.count()));
    }
    Ok(match report.outcome() {
        SyncOutcome::Equal if ending.needs_work && report.operation != Operation::Check => {
            Exit::NothingToDo
        }
        SyncOutcome::Equal | SyncOutcome::Changed => Exit::Done,
        SyncOutcome::Differences => Exit::Differences,
        SyncOutcome::MaxDelete => Exit::MaxDelete,
        _ => match report.failures.first() {
            Some(failure) if ending.is_file => item_failure(failure).exit,
            _ => Exit::Partial,
        },
    })
}

/// Converts the error of a plan that could not run.
fn plan_failure(error: PlanError) -> Failure {
    match error {
        PlanError::SourceMissing { source_name } => {
            Failure::new(Exit::NotFound, "not found").about(source_name).doing("read")
        }
        PlanError::SourceEmpty { source_name } => {
            let failure = Failure::new(Exit::NotFound, "it is empty, or does not exist");
            failure.hint("use rm to delete everything in the target").about(source_name)
        }
        PlanError::Endpoint { name, cause } => cause_failure(&cause).about(name).doing("read"),
        PlanError::Overlap { .. }
        | PlanError::BackupElsewhere { .. }
        | PlanError::Options { .. } => Failure::usage(error.to_string()),
        error => Failure::new(Exit::Failed, error.to_string()),
    }
}
