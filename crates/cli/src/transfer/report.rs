//! What became of each item of a transfer.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use serde::Serialize;

use crate::{
    app::{App, RemotePath},
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    output::Output,
    progress::{Progress, Summary, TransferTotals},
    requests::RequestStats,
};

/// What became of an item, as `put` and `get` give it with `--json`:
/// `{"path": "a/b", "local": "x/b", "result": "sent", "bytes": 3}`.
#[derive(Serialize)]
struct ItemReport<'a> {
    path: &'a str,
    local: String,
    result: ItemResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

/// The word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ItemResult {
    /// The remote has it, and the size is right.
    Sent,
    /// It is here, and the size is right.
    Fetched,
    /// A folder that is there now.
    Made,
    /// A file that was there, and was to be left alone.
    Kept,
    /// Left out, as asked.
    Skipped,
}

/// Keeps count of a transfer, reports what fails, and says at the end how it went.
pub(crate) struct TransferReport {
    pub(crate) totals: Arc<TransferTotals>,
    output: Arc<Output>,
    interrupt: Interrupt,
    requests: RequestStats,
    started: Instant,
    /// The one failure, as long as there is one.
    only: Mutex<Option<Failure>>,
}

impl TransferReport {
    pub(crate) fn new(app: &App) -> Arc<Self> {
        Arc::new(Self {
            totals: Arc::default(),
            output: Arc::clone(&app.output),
            interrupt: app.interrupt.clone(),
            requests: app.requests.clone(),
            started: Instant::now(),
            only: Mutex::default(),
        })
    }

    /// Shows how far it is, until the answer is dropped.
    pub(crate) fn show_progress(&self, verb: &'static str) -> Progress {
        Progress::start(&self.output, verb, &self.totals)
    }

    /// Something that the user may want to know; not what was asked for, and no failure.
    pub(crate) fn info(&self, text: impl std::fmt::Display) {
        if !self.output.is_quiet() {
            self.output.notice(text);
        }
    }

    /// Something that the user has to know, and no failure.
    pub(crate) fn warn(&self, text: impl std::fmt::Display) {
        self.output.notice(text);
    }

    /// An item is where it should be, or was left out as asked.
    ///
    /// # Errors
    /// When results cannot be written.
    pub(crate) fn record(
        &self,
        item: &RemotePath,
        local: &Path,
        became: ItemResult,
        bytes: Option<u64>,
    ) -> Result {
        match became {
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
        self.output.json(&ItemReport { path: item.path.as_str(), local, result: became, bytes })
    }

    /// An item failed; the rest goes on. What a signal cut off is not a failure of its own.
    ///
    /// # Errors
    /// When results cannot be written.
    pub(crate) fn record_failure(&self, failure: Failure) -> Result {
        if self.interrupt.is_set() && failure == self.interrupt.failure() {
            return Ok(());
        }
        if failure.is_silent() {
            return Err(failure);
        }
        self.totals.failed();
        self.output.failed(&failure)?;
        *self.only.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        Ok(())
    }

    /// The summary, and how the command ends. `many`: more than one item was asked for, so one
    /// that failed is a part.
    ///
    /// # Errors
    /// When the results cannot be written, or a signal came.
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
        let only = self.only.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match &*only {
            None => Exit::Done,
            Some(failure) if !many => failure.exit,
            Some(_) => Exit::Partial,
        })
    }
}
