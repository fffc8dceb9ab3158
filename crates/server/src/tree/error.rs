//! Errors of the tree.

use super::ItemKey;

/// The result of a call of the tree.
pub type Result<T, E = TreeError> = std::result::Result<T, E>;

/// An error of the storage. Every call that reads can fail with [`Storage`](Self::Storage), and
/// every call that writes also with [`NoRoom`](Self::NoRoom). A write that fails changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// No live item has the key or name. An item in the recycle bin is not live, except for calls
    /// that name it in any state.
    #[error("the item does not exist")]
    NotFound,
    /// Another live item in the folder has the name, or a file has the name of a folder that is to
    /// be created above the item.
    #[error("the name is taken by item {0}")]
    NameTaken(ItemKey),
    /// The operation needs a folder.
    #[error("item {0} is not a folder")]
    NotAFolder(ItemKey),
    /// The operation needs a file.
    #[error("item {0} is not a file")]
    NotAFile(ItemKey),
    /// The live files of the drive would be larger than its quota.
    #[error("the drive is full")]
    QuotaExceeded,
    /// The item does not have the version that the precondition requires, or a content was replaced
    /// meanwhile.
    #[error("the item was changed meanwhile")]
    Changed,
    /// A `WriteGuard` does not allow the caller to change the item.
    #[error("item {0} is locked")]
    Locked(ItemKey),
    /// A `WriteGuard` does not allow the caller to create the item.
    #[error("the caller may not create the item")]
    Denied,
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
    /// A name that no tree can store: empty, or with `/` or NUL. On PostgreSQL also any other text
    /// with NUL, such as a description.
    #[error("the name cannot be stored: {0}")]
    BadName(&'static str),
    /// The body of the request ended early or could not be read; with the kind `FileTooLarge` it is
    /// longer than its maximum.
    #[error("cannot read the body: {0}")]
    Body(std::io::Error),
    /// The disk of the storage is full, independent of the drive's quota.
    #[error("the storage is full: {0}")]
    NoRoom(Box<dyn std::error::Error + Send + Sync>),
    /// The database or the blobs failed, for any other reason than a full disk.
    #[error("the storage failed: {0}")]
    Storage(Box<dyn std::error::Error + Send + Sync>),
}
