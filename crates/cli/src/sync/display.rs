//! The progress of a run.

use std::{sync::Arc, time::Duration};

use drivedal_transfer::{
    ActiveTransfer, Operation, ProgressSnapshot, RunProgress, SyncAction, SyncEvent,
};
use serde::Serialize;
use tokio::time::Instant;

use super::options::ProgressForm;
use crate::{
    app::App,
    output::Output,
    progress::{Progress, TransferTotals},
};

/// Interval between two reads of the counters for the bar.
const SAMPLE: Duration = Duration::from_millis(150);
/// Interval between two documents of `--progress json`.
const JSON_INTERVAL: Duration = Duration::from_secs(1);

/// The progress of a run on the terminal.
pub(super) struct Display {
    progress: Arc<RunProgress>,
    json: Option<JsonProgress>,
    totals: Arc<TransferTotals>,
    shown: ProgressSnapshot,
    _bar: Option<Progress>,
}

/// The state of `--progress json`.
struct JsonProgress {
    start: Instant,
}

impl Display {
    /// Begins to show the progress of a run.
    pub(super) fn start(
        app: &App,
        operation: Operation,
        form: Option<ProgressForm>,
        progress: Arc<RunProgress>,
    ) -> Self {
        let totals = Arc::new(TransferTotals::default());
        let verb = match operation {
            Operation::Copy => "copy",
            Operation::Sync => "sync",
            Operation::Move => "move",
            _ => "check",
        };
        let is_json = form == Some(ProgressForm::Json);
        let shows_bar = !is_json && operation != Operation::Check;
        Self {
            progress,
            json: is_json.then(|| JsonProgress { start: Instant::now() }),
            _bar: shows_bar.then(|| Progress::start(&app.output, verb, &totals)),
            totals,
            shown: ProgressSnapshot::default(),
        }
    }

    /// Returns the interval between two updates.
    pub(super) fn interval(&self) -> Duration {
        if self.json.is_some() { JSON_INTERVAL } else { SAMPLE }
    }

    /// Counts an event.
    pub(super) fn count(&mut self, event: &SyncEvent) {
        match event {
            SyncEvent::Failed(_) => self.totals.failed(),
            SyncEvent::Done { action, bytes, .. } if is_transfer(action) => {
                self.totals.arrived();
                self.totals.file_done(*bytes);
            }
            _ => {}
        }
    }

    /// Shows the current counters.
    pub(super) fn update(&mut self, output: &Output) {
        let now = self.progress.snapshot();
        if let Some(json) = &self.json {
            json.print(&now, output);
            return;
        }
        self.totals.moved(now.bytes - self.shown.bytes);
        let new_files = now.planned_files - self.shown.planned_files;
        // The totals need only the sums to be right.
        let mut new_bytes = now.planned_bytes - self.shown.planned_bytes;
        for _ in 0..new_files {
            self.totals.found_file(std::mem::take(&mut new_bytes));
        }
        self.shown = now;
    }
}

/// Returns whether an action transfers a file.
fn is_transfer(action: &SyncAction) -> bool {
    matches!(action, SyncAction::Create | SyncAction::Replace | SyncAction::Move)
}

/// A document of `--progress json`.
#[derive(Serialize)]
struct ProgressRecord<'a> {
    progress: ProgressCounters<'a>,
}

/// The counters of a run.
#[derive(Serialize)]
struct ProgressCounters<'a> {
    bytes: u64,
    planned_bytes: u64,
    files: u64,
    planned_files: u64,
    listed: u64,
    /// Bytes per second since the start.
    rate: f64,
    /// Seconds until the known files are transferred. `None` before the first byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_seconds: Option<f64>,
    active: Vec<ActiveRecord<'a>>,
}

/// A file that is being transferred.
#[derive(Serialize)]
struct ActiveRecord<'a> {
    path: &'a str,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl<'a> ActiveRecord<'a> {
    /// Returns the record of an active transfer.
    fn new(file: &'a ActiveTransfer) -> Self {
        Self { path: &file.path, bytes: file.bytes, size: file.size }
    }
}

impl JsonProgress {
    /// Prints the counters to standard error.
    fn print(&self, now: &ProgressSnapshot, output: &Output) {
        let seconds = self.start.elapsed().as_secs_f64().max(1e-3);
        let rate = now.bytes as f64 / seconds;
        let left = now.planned_bytes.saturating_sub(now.bytes) as f64;
        let record = ProgressRecord {
            progress: ProgressCounters {
                bytes: now.bytes,
                planned_bytes: now.planned_bytes,
                files: now.files,
                planned_files: now.planned_files,
                listed: now.listed,
                rate: rate.round(),
                left_seconds: (rate > 0.0).then(|| (left / rate).round()),
                active: now.active.iter().map(ActiveRecord::new).collect(),
            },
        };
        // A record of numbers and texts can always be written as JSON.
        if let Ok(text) = serde_json::to_string(&record) {
            output.line_on_stderr(text);
        }
    }
}
