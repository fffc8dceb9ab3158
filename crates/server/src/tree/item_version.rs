//! Earlier versions of a file.

use jiff::Timestamp;

use super::Content;

/// Name of the facet of a file, a text, that becomes the comment of its current version when that is
/// replaced. No protocol has this name.
pub const VERSION_COMMENT: &str = "versionComment";

/// An earlier version of a file.
#[derive(Clone, Debug)]
pub struct ItemVersion {
    /// The number of the version in its file, from 1. It is [`Node::revision`](super::Node::revision)
    /// of that time.
    pub no: i64,
    /// The bytes.
    pub content: Content,
    /// The client's time of the last change of the bytes.
    pub client_modified: Timestamp,
    /// The name of the account that owned the item; `None` for the owner of the drive.
    pub owner: Option<String>,
    /// The comment of the check-in that made the version; `None` if it has none.
    pub comment: Option<String>,
}
