//! Results of a run: its events and its summary.

use std::sync::Arc;

use drivedal_transfer::{
    DeleteRefusal, FailureCause, ItemFailure, Operation, SyncAction, SyncEvent, SyncReport,
};
use serde::Serialize;

use crate::{
    failure::{Exit, Failure, Result},
    output::Output,
    units::{HumanDuration, HumanSize},
};

/// Prints the events of a run.
pub(super) struct EventPrinter<'o> {
    pub(super) output: &'o Arc<Output>,
    pub(super) operation: Operation,
    pub(super) dry_run: bool,
}

/// An action, for `--json`.
#[derive(Serialize)]
struct ActionRecord<'a> {
    action: &'static str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    bytes: u64,
}

impl EventPrinter<'_> {
    /// Prints an event: failures, all actions with `--json` and in a dry run, and the differences
    /// of a check.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    pub(super) fn print(&self, event: SyncEvent) -> Result {
        match event {
            SyncEvent::Failed(failure) => self.output.failed(&item_failure(&failure)),
            SyncEvent::Done { action, path, bytes } if self.output.is_json() => {
                let (from, reason) = match &action {
                    SyncAction::Rename { from } => (Some(from.as_str()), None),
                    SyncAction::Differ { reason } => (None, Some(*reason)),
                    _ => (None, None),
                };
                let action = action_name(&action);
                self.output.json(&ActionRecord { action, path: &path, from, reason, bytes })
            }
            SyncEvent::Done { action, path, .. } => match self.line(&action, &path) {
                Some(line) => self.output.line(line),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Returns the line for an action. `None` if it is not printed.
    fn line(&self, action: &SyncAction, path: &str) -> Option<String> {
        let path = self.output.shown(path);
        match (self.operation, action) {
            (Operation::Check, SyncAction::OnlySource) => Some(format!("+ {path}")),
            (Operation::Check, SyncAction::OnlyTarget) => Some(format!("- {path}")),
            (Operation::Check, SyncAction::Differ { reason }) => {
                Some(format!("* {path} ({reason})"))
            }
            (Operation::Check, _) => None,
            (_, SyncAction::Rename { from }) if self.dry_run => {
                Some(format!("rename {} {path}", self.output.shown(from)))
            }
            _ if self.dry_run => Some(format!("{} {path}", action_name(action).replace('_', " "))),
            _ => None,
        }
    }
}

/// Returns the name of an action in results.
fn action_name(action: &SyncAction) -> &'static str {
    match action {
        SyncAction::Create => "create",
        SyncAction::Replace => "replace",
        SyncAction::SetTime => "set_time",
        SyncAction::CreateFolder => "create_folder",
        SyncAction::Move => "move",
        SyncAction::Rename { .. } => "rename",
        SyncAction::Delete => "delete",
        SyncAction::DeleteFolder => "delete_folder",
        SyncAction::DeleteSource => "delete_source",
        SyncAction::Equal => "equal",
        SyncAction::Differ { .. } => "differ",
        SyncAction::OnlySource => "only_source",
        SyncAction::OnlyTarget => "only_target",
        _ => "other",
    }
}

/// The summary, for `--json`.
#[derive(Serialize)]
pub(super) struct SummaryRecord {
    created: u64,
    replaced: u64,
    renamed: u64,
    deleted: u64,
    folders_created: u64,
    folders_deleted: u64,
    sources_deleted: u64,
    times_set: u64,
    equal: u64,
    kept: u64,
    excluded: u64,
    skipped: u64,
    differing: u64,
    only_source: u64,
    only_target: u64,
    failed: u64,
    bytes: u64,
    seconds: f64,
    requests: u64,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_deleted: Option<&'static str>,
}

impl SummaryRecord {
    /// Returns the summary of a report. `requests` is the number of HTTP requests.
    pub(super) fn new(report: &SyncReport, requests: u64) -> Self {
        Self {
            created: report.created,
            replaced: report.replaced,
            renamed: report.renamed,
            deleted: report.deleted,
            folders_created: report.folders_created,
            folders_deleted: report.folders_deleted,
            sources_deleted: report.sources_deleted,
            times_set: report.times_set,
            equal: report.equal,
            kept: report.kept,
            excluded: report.excluded,
            skipped: report.skipped,
            differing: report.differing,
            only_source: report.only_source,
            only_target: report.only_target,
            failed: report.failed,
            bytes: report.bytes,
            seconds: (report.elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            requests,
            dry_run: report.dry_run,
            not_deleted: report.delete_refusal.map(|refusal| match refusal {
                DeleteRefusal::SourceIncomplete => "source_incomplete",
                DeleteRefusal::EarlierFailure => "earlier_failure",
                DeleteRefusal::MaxDelete { .. } => "max_delete",
                _ => "other",
            }),
        }
    }
}

/// Returns the summary as one line. Counts of zero are left out.
pub(super) fn summary_line(report: &SyncReport, requests: u64) -> String {
    let counts = [
        (report.created, "new"),
        (report.replaced, "changed"),
        (report.renamed, "renamed"),
        (report.deleted, "deleted"),
        (report.sources_deleted, "deleted in the source"),
        (report.times_set, "with a new time"),
        (report.kept, "kept"),
        (report.skipped, "skipped"),
        (report.differing, "different"),
        (report.only_source, "only in the source"),
        (report.only_target, "only in the target"),
        (report.failed, "failed"),
    ];
    let mut parts: Vec<_> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    parts.push(format!("{} equal", report.equal));
    let verb = match report.operation {
        Operation::Copy => "copy",
        Operation::Sync => "sync",
        Operation::Move => "move",
        _ => "check",
    };
    let dry_run = if report.dry_run { " (dry run)" } else { "" };
    let (bytes, took) = (HumanSize(report.bytes), HumanDuration(report.elapsed));
    format!("{verb}{dry_run}: {}; {bytes}, {took}, {requests} requests", parts.join(", "))
}

/// Converts the reason of a failure.
pub(super) fn cause_failure(cause: &FailureCause) -> Failure {
    match cause {
        FailureCause::Service(error) => Failure::from(error),
        FailureCause::Disk(error) => Failure::from(error),
        FailureCause::Other(error) => match error.downcast_ref::<Failure>() {
            Some(failure) => failure.clone(),
            None => Failure::new(Exit::Failed, error.to_string()),
        },
        cause => Failure::new(Exit::Failed, cause.to_string()),
    }
}

/// Converts the failure of an item.
pub(super) fn item_failure(failure: &ItemFailure) -> Failure {
    cause_failure(&failure.cause).about(&failure.item).doing(failure.verb)
}
