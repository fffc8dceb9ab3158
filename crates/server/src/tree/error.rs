//! Errors of the tree.

use super::ItemKey;

/// The result of a call of the tree.
pub type Result<T, E = TreeError> = std::result::Result<T, E>;

/// An error of the tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// No live item has the key or name.
    #[error("the item does not exist")]
    NotFound,
    /// Another live item in the folder has the name.
    #[error("the name is taken by item {0}")]
    NameTaken(ItemKey),
    /// The operation needs a folder.
    #[error("item {0} is not a folder")]
    NotAFolder(ItemKey),
    /// The operation needs a file.
    #[error("item {0} is not a file")]
    NotAFile(ItemKey),
    /// The drive is full.
    #[error("the drive is full")]
    QuotaExceeded,
    /// The item does not have the required version.
    #[error("the item was changed meanwhile")]
    Changed,
    /// A folder cannot be moved below itself.
    #[error("a folder cannot be moved below itself")]
    IntoItself,
    /// The root folder can be neither moved, renamed nor removed.
    #[error("the root folder cannot be moved, renamed or removed")]
    Root,
    /// The upload session does not exist: it was committed or cancelled, it expired, or there was none.
    #[error("the upload session does not exist")]
    NoSession,
    /// A fragment does not start where the session continues.
    #[error("the upload session continues at byte {0}")]
    OutOfOrder(u64),
    /// A fragment exceeds the session's total, or gives another total.
    #[error("the upload session ends at byte {0}")]
    PastTheEnd(u64),
    /// A name that no tree can store: empty, or with `/` or NUL.
    #[error("the name cannot be stored: {0}")]
    BadName(&'static str),
    /// The body of the request ended early or could not be read.
    #[error("cannot read the body: {0}")]
    Body(std::io::Error),
    /// The disk of the storage is full, independent of the drive's quota.
    #[error("the storage is full: {0}")]
    NoRoom(Box<dyn std::error::Error + Send + Sync>),
    /// The storage failed.
    #[error("the storage failed: {0}")]
    Storage(Box<dyn std::error::Error + Send + Sync>),
}
