//! Counters of a run that can be read while it works.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Counters of a run. They only grow, except the active transfers.
#[derive(Debug, Default)]
pub struct RunProgress {
    bytes: AtomicU64,
    planned_bytes: AtomicU64,
    files: AtomicU64,
    planned_files: AtomicU64,
    listed: AtomicU64,
    active: Mutex<ActiveTransfers>,
}

/// The active transfers by their numbers.
#[derive(Debug, Default)]
struct ActiveTransfers {
    next: u64,
    by_number: HashMap<u64, ActiveTransfer>,
}

/// A file that is being transferred.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveTransfer {
    /// The path relative to the endpoints.
    pub path: String,
    /// The size in bytes. `None` if it is unknown.
    pub size: Option<u64>,
    /// The number of bytes that were sent.
    pub bytes: u64,
}

/// The values of the counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgressSnapshot {
    /// The number of bytes that were sent.
    pub bytes: u64,
    /// The number of bytes of the files that are known to be different so far.
    pub planned_bytes: u64,
    /// The number of files whose transfer has ended.
    pub files: u64,
    /// The number of files that are known to be different so far.
    pub planned_files: u64,
    /// The number of entries that were listed on both sides.
    pub listed: u64,
    /// The transfers that are active, in the order of their start.
    pub active: Vec<ActiveTransfer>,
}

impl RunProgress {
    /// Returns the current values.
    pub fn snapshot(&self) -> ProgressSnapshot {
        let mut active: Vec<_> =
            self.active().by_number.iter().map(|(number, file)| (*number, file.clone())).collect();
        active.sort_by_key(|(number, _)| *number);
        ProgressSnapshot {
            bytes: self.bytes.load(Relaxed),
            planned_bytes: self.planned_bytes.load(Relaxed),
            files: self.files.load(Relaxed),
            planned_files: self.planned_files.load(Relaxed),
            listed: self.listed.load(Relaxed),
            active: active.into_iter().map(|(_, file)| file).collect(),
        }
    }

    /// Adds a file to the planned ones. `size` is in bytes, if known.
    pub(crate) fn plan(&self, size: Option<u64>) {
        self.planned_files.fetch_add(1, Relaxed);
        self.planned_bytes.fetch_add(size.unwrap_or_default(), Relaxed);
    }

    /// Adds listed entries.
    pub(crate) fn listed(&self, entries: u64) {
        self.listed.fetch_add(entries, Relaxed);
    }

    /// Begins a transfer, which ends when the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>, path: &str, size: Option<u64>) -> TransferProgress<'_> {
        let mut active = self.active();
        let number = active.next;
        active.next += 1;
        active.by_number.insert(number, ActiveTransfer { path: path.to_owned(), size, bytes: 0 });
        TransferProgress { run: self, number }
    }

    /// Adds bytes of the transfer with a number.
    fn sent(&self, number: u64, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
        if let Some(file) = self.active().by_number.get_mut(&number) {
            file.bytes += bytes;
        }
    }

    /// Locks the active transfers. A poisoned lock is used as it is.
    fn active(&self) -> MutexGuard<'_, ActiveTransfers> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The progress of one transfer.
#[derive(Debug)]
pub(crate) struct TransferProgress<'p> {
    run: &'p Arc<RunProgress>,
    number: u64,
}

impl TransferProgress<'_> {
    /// Adds bytes that were sent.
    pub(crate) fn sent(&self, bytes: u64) {
        self.run.sent(self.number, bytes);
    }

    /// Returns a function that adds bytes that were sent. Calls after the end of the transfer change
    /// only the counters of the run.
    pub(crate) fn counter(&self) -> impl Fn(u64) + Send + Sync + use<> {
        let (run, number) = (Arc::clone(self.run), self.number);
        move |bytes| run.sent(number, bytes)
    }
}

impl Drop for TransferProgress<'_> {
    fn drop(&mut self) {
        self.run.files.fetch_add(1, Relaxed);
        self.run.active().by_number.remove(&self.number);
    }
}
