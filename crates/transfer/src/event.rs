//! Events of a run.

use std::sync::Arc;

use crate::error::ItemFailure;

/// An action on one item. Paths are relative to the endpoints; folders end with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncAction {
    /// A file that the target did not have was copied.
    Create,
    /// A file of the target was replaced.
    Replace,
    /// The modification time of a file was set; its content is equal.
    SetTime,
    /// A folder was created.
    CreateFolder,
    /// A file was moved from the source to the target.
    Move,
    /// A file of the target was renamed, because the source has its content under another path.
    Rename {
        /// The previous path of the file.
        from: String,
    },
    /// A file of the target was deleted.
    Delete,
    /// A folder of the target was deleted.
    DeleteFolder,
    /// A file of the source was deleted after its copy was complete.
    DeleteSource,
    /// Check: both files are equal.
    Equal,
    /// Check: the files differ.
    Differ {
        /// The property that differs.
        reason: &'static str,
    },
    /// Check: only the source has the file.
    OnlySource,
    /// Check: only the target has the file.
    OnlyTarget,
}

/// An event of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SyncEvent {
    /// The transfer of a file has begun.
    Begin {
        /// The path relative to the endpoints.
        path: String,
        /// The size in bytes. `None` if it is unknown.
        size: Option<u64>,
    },
    /// An action is complete. In a dry run the action would be performed.
    Done {
        /// The action.
        action: SyncAction,
        /// The path relative to the endpoints.
        path: String,
        /// The number of bytes that were sent.
        bytes: u64,
    },
    /// An item failed. The report contains the failure too.
    Failed(Arc<ItemFailure>),
}
