//! The report of a run.

use std::{fmt, sync::Arc, time::Duration};

use crate::{error::ItemFailure, event::SyncAction, plan::Operation};

/// The number of failures that a report holds. Later ones are only counted.
const FAILURES_MAX: usize = 10_000;

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncOutcome {
    /// Everything was equal before the run. A check found no difference.
    Equal,
    /// The run changed something and completed all of its work. In a dry run: it would change
    /// something.
    Changed,
    /// A check found differences.
    Differences,
    /// Nothing was deleted, because more files would be deleted than the caller allows.
    MaxDelete,
    /// Some items failed, or files were not deleted. The target may differ from the source.
    Failed,
}

/// The reason why a run deleted nothing at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeleteRefusal {
    /// The source could not be listed completely.
    SourceIncomplete,
    /// An item failed.
    EarlierFailure,
    /// More files would be deleted than the caller allows.
    MaxDelete {
        /// The number of files that would be deleted.
        planned: u64,
        /// The number that is allowed.
        allowed: u64,
    },
}

impl fmt::Display for DeleteRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceIncomplete => {
                f.write_str("nothing was deleted: the source could not be listed completely")
            }
            Self::EarlierFailure => f.write_str("nothing was deleted: some items failed"),
            Self::MaxDelete { planned, allowed } => write!(
                f,
                "nothing was deleted: {planned} files would be, and the limit is {allowed}"
            ),
        }
    }
}

/// The report of a run. In a dry run it counts the actions that would be performed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SyncReport {
    /// The operation.
    pub operation: Operation,
    /// Whether the run only listed its actions.
    pub dry_run: bool,
    /// Files that the target did not have and that were copied or moved.
    pub created: u64,
    /// Files of the target that were replaced.
    pub replaced: u64,
    /// Files that were equal.
    pub equal: u64,
    /// Files of the target that were kept because of
    /// [`CompareOptions::update`](crate::CompareOptions::update) or
    /// [`CompareOptions::ignore_existing`](crate::CompareOptions::ignore_existing).
    pub kept: u64,
    /// Files of which only the modification time was set.
    pub times_set: u64,
    /// Files of the target that were renamed.
    pub renamed: u64,
    /// Files of the target that were deleted, or moved to the backup folder.
    pub deleted: u64,
    /// Folders that were created because they are empty in the source.
    pub folders_created: u64,
    /// Folders of the target that were deleted.
    pub folders_deleted: u64,
    /// Files of the source that were deleted after their transfer.
    pub sources_deleted: u64,
    /// Entries of the source that the filter excluded. The contents of a folder are not counted.
    pub excluded: u64,
    /// Symbolic links and special files of the source that were left out.
    pub skipped: u64,
    /// Check: files that differ.
    pub differing: u64,
    /// Check: files that only the source has.
    pub only_source: u64,
    /// Check: files that only the target has.
    pub only_target: u64,
    /// The number of bytes that were sent.
    pub bytes: u64,
    /// The number of failures.
    pub failed: u64,
    /// The failures, at most 10,000.
    pub failures: Vec<Arc<ItemFailure>>,
    /// The reason why nothing was deleted at the target. `None` if everything was deleted that had
    /// to be.
    pub delete_refusal: Option<DeleteRefusal>,
    /// The duration of the run.
    pub elapsed: Duration,
}

impl SyncReport {
    /// Returns the report of a run that has not begun.
    pub(crate) fn new(operation: Operation, dry_run: bool) -> Self {
        Self {
            operation,
            dry_run,
            created: 0,
            replaced: 0,
            equal: 0,
            kept: 0,
            times_set: 0,
            renamed: 0,
            deleted: 0,
            folders_created: 0,
            folders_deleted: 0,
            sources_deleted: 0,
            excluded: 0,
            skipped: 0,
            differing: 0,
            only_source: 0,
            only_target: 0,
            bytes: 0,
            failed: 0,
            failures: Vec::new(),
            delete_refusal: None,
            elapsed: Duration::ZERO,
        }
    }

    /// Returns the result of the run.
    pub fn outcome(&self) -> SyncOutcome {
        let is_max_delete = matches!(self.delete_refusal, Some(DeleteRefusal::MaxDelete { .. }));
        let changed = self.created
            + self.replaced
            + self.times_set
            + self.renamed
            + self.deleted
            + self.folders_created
            + self.folders_deleted
            + self.sources_deleted;
        if self.failed > 0 || (self.delete_refusal.is_some() && !is_max_delete) {
            SyncOutcome::Failed
        } else if is_max_delete {
            SyncOutcome::MaxDelete
        } else if self.differing + self.only_source + self.only_target > 0 {
            SyncOutcome::Differences
        } else if changed > 0 {
            SyncOutcome::Changed
        } else {
            SyncOutcome::Equal
        }
    }

    /// Counts a completed action.
    pub(crate) fn count(&mut self, action: &SyncAction, bytes: u64) {
        let counter = match action {
            SyncAction::Create | SyncAction::Move => &mut self.created,
            SyncAction::Replace => &mut self.replaced,
            SyncAction::SetTime => &mut self.times_set,
            SyncAction::CreateFolder => &mut self.folders_created,
            SyncAction::Rename { .. } => &mut self.renamed,
            SyncAction::Delete => &mut self.deleted,
            SyncAction::DeleteFolder => &mut self.folders_deleted,
            SyncAction::DeleteSource => &mut self.sources_deleted,
            SyncAction::Equal => &mut self.equal,
            SyncAction::Differ { .. } => &mut self.differing,
            SyncAction::OnlySource => &mut self.only_source,
            SyncAction::OnlyTarget => &mut self.only_target,
        };
        *counter += 1;
        self.bytes += bytes;
    }

    /// Adds a failure.
    pub(crate) fn add_failure(&mut self, failure: Arc<ItemFailure>) {
        self.failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(failure);
        }
    }
}
