//! Upload sessions.

use std::fmt;

use jiff::Timestamp;

use super::{Bytestream, DriveKey, ItemKey, OnConflict};

/// An upload session.
#[derive(Clone, Debug)]
pub struct Session {
    /// The session's id, which cannot be guessed.
    pub id: String,
    /// The drive of the new file.
    pub drive: DriveKey,
    /// The folder of the new file.
    pub parent: ItemKey,
    /// Only to open a session: names of folders below `parent`, from the top down, in which the file is
    /// created. Missing folders are created in the same transaction. Afterwards `parent` is the last of
    /// them, and this is empty.
    pub folders: Vec<String>,
    /// The name of the new file.
    pub name: String,
    /// Size of the file in bytes. `None` until a client has given it.
    pub total: Option<u64>,
    /// Number of bytes that were received.
    pub received: u64,
    /// The effect of a name that is taken at commit.
    pub on_conflict: OnConflict,
    /// When the session expires.
    pub expires: Timestamp,
    /// The state that the protocol stores in the session.
    pub state: serde_json::Value,
}

/// A fragment of an upload session.
pub struct UploadFragment {
    /// Position of its first byte in the file.
    pub at: u64,
    /// Size of the file in bytes, if the client gave it.
    pub total: Option<u64>,
    /// The bytes.
    pub body: Bytestream,
    /// Maximum number of bytes that are accepted.
    pub max: u64,
    /// When the session expires after the fragment is stored.
    pub expires: Timestamp,
}

impl fmt::Debug for UploadFragment {
    /// Omits the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, total, max, expires, .. } = self;
        let mut debug = f.debug_struct("UploadFragment");
        debug.field("at", at).field("total", total).field("max", max).field("expires", expires);
        debug.finish_non_exhaustive()
    }
}

/// Another folder and name for the file of a session. At commit, the original name may be taken.
#[derive(Clone, Debug)]
pub struct CommitTarget {
    /// The folder of the file.
    pub parent: ItemKey,
    /// The name of the file.
    pub name: String,
    /// The effect of a name that is taken.
    pub on_conflict: OnConflict,
}
