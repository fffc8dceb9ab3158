//! Why a tree refuses.

use super::ItemKey;

/// A result of the tree.
pub type Result<T, E = TreeError> = std::result::Result<T, E>;

/// Why the tree refused.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// No live item of that number or name.
    #[error("there is no such item")]
    NotFound,
    /// A live sibling has the name.
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
    /// The item is not at the version that the caller wants to change.
    #[error("the item has changed")]
    Changed,
    /// A folder would be below itself.
    #[error("a folder cannot be moved below itself")]
    IntoItself,
    /// The root can be neither moved, renamed nor removed.
    #[error("not possible with the root folder")]
    Root,
    /// No such upload session: committed, cancelled, expired, or never there.
    #[error("there is no such upload session")]
    NoSession,
    /// A session's bytes go on elsewhere.
    #[error("the session goes on at byte {0}")]
    OutOfOrder(u64),
    /// More bytes than a session's total, or another total than was said before.
    #[error("the session ends at byte {0}")]
    PastTheEnd(u64),
    /// A name that no tree can keep: empty, `/` or NUL in it.
    #[error("not a name: {0}")]
    BadName(&'static str),
    /// The client's body ended early or could not be read.
    #[error("the body could not be read: {0}")]
    Body(std::io::Error),
    /// There is no room where the tree is kept, whatever the drive may hold: a disk is full.
    #[error("no room: {0}")]
    NoRoom(Box<dyn std::error::Error + Send + Sync>),
    /// The storage below failed.
    #[error("storage: {0}")]
    Storage(Box<dyn std::error::Error + Send + Sync>),
}
