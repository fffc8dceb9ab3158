//! Results of the items of a transfer, and its summary.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use serde::Serialize;

use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    output::Output,
    progress::{Progress, Summary, TransferTotals},
    remote::RemotePath,
    requests::RequestStats,
};

/// The result of an item, as `put` and `get` print it with `--json`: `{"path": "a/b", "local":
/// "x/b", "result": "sent", "bytes": 3}`.
#[derive(Serialize)]
struct ItemReport<'a> {
    path: &'a str,
    local: String,
    result: ItemResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

/// The result of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ItemResult {
    /// The file was uploaded, and its size verified.
    Sent,
    /// The file was downloaded and verified.
    Fetched,
    /// The folder was created or existed.
    Made,
    /// The file existed and was kept (`--no-overwrite`).
    Kept,
    /// The item was left out because of an option.
    Skipped,
}

/// Counts and reports the results of a transfer.
pub(crate) struct TransferReport {
    pub(crate) totals: Arc<TransferTotals>,
    pub(crate) output: Arc<Output>,
    interrupt: Interrupt,
    requests: RequestStats,
    started: Instant,
    /// The last failure. It is the only one if the command has one item.
    last_failure: Mutex<Option<Failure>>,
}

impl TransferReport {
    /// Creates a report without results. The time of the transfer begins now.
    pub(crate) fn new(app: &App) -> Arc<Self> {
        Arc::new(Self {
            totals: Arc::default(),
            output: Arc::clone(&app.output),
            interrupt: app.interrupt.clone(),
            requests: app.requests.clone(),
            started: Instant::now(),
            last_failure: Mutex::default(),
        })
    }

    /// Shows progress until the returned value is dropped.
    pub(crate) fn show_progress(&self, verb: &'static str) -> Progress {
        Progress::start(&self.output, verb, &self.totals)
    }

    /// Prints a message, unless `-q` suppresses it.
    pub(crate) fn info(&self, text: impl std::fmt::Display) {
        if !self.output.is_quiet() {
            self.output.notice(text);
        }
    }

    /// Prints a warning. `-q` does not suppress it.
    pub(crate) fn warn(&self, text: impl std::fmt::Display) {
        self.output.notice(text);
    }

    /// Records the result of an item that did not fail. `bytes` is the length of a transferred
    /// file.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) fn record(
        &self,
        item: &RemotePath,
        local: &Path,
        result: ItemResult,
        bytes: Option<u64>,
    ) -> Result {
        match result {
            ItemResult::Sent | ItemResult::Fetched => {
                self.totals.file_done(bytes.unwrap_or_default())
            }
            ItemResult::Made => self.totals.folder_done(),
            ItemResult::Kept => self.totals.kept(),
            ItemResult::Skipped => self.totals.skipped(),
        }
        if !self.output.is_json() {
            return Ok(());
        }
        let local = local.to_string_lossy().into_owned();
        self.output.json(&ItemReport { path: item.path.as_str(), local, result, bytes })
    }

    /// Records the failure of an item. Failures that a signal caused are ignored.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) fn record_failure(&self, failure: Failure) -> Result {
        if self.interrupt.is_set() && failure == self.interrupt.failure() {
            return Ok(());
        }
        if failure.is_silent() {
            return Err(failure);
        }
        self.totals.failed();
        self.output.failed(&failure)?;
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        Ok(())
    }

    /// Prints the summary and returns the exit code: `Done`, `Partial` if some of many items
    /// failed, or that of the failure of the only item. `verb` is the command's, such as `get`;
    /// `many` is whether the command has several items.
    ///
    /// # Errors
    /// `Interrupted` or `Terminated` after a signal; `ClosedPipe` or `Failed` if results cannot be
    /// written.
    pub(crate) fn finish(&self, verb: &str, many: bool) -> Result<Exit> {
        let summary = Summary::new(&self.totals, self.started.elapsed(), self.requests.count());
        if self.output.is_json() {
            #[derive(Serialize)]
            struct Last<'a> {
                summary: &'a Summary,
            }
            self.output.json(&Last { summary: &summary })?;
            self.output.flush()?;
        }
        if !self.output.is_quiet() {
            self.output.message(format_args!("{verb}: {summary}"));
        }
        if self.interrupt.is_set() {
            return Err(self.interrupt.failure());
        }
        let only = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match &*only {
            None => Exit::Done,
            Some(failure) if !many => failure.exit,
            Some(_) => Exit::Partial,
        })
    }
}
