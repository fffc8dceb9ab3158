//! Uploads under way.

use std::fmt;

use jiff::Timestamp;

use super::{Bytestream, DriveKey, ItemKey, OnConflict};

/// A large upload under way.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id: opaque, unguessable.
    pub id: String,
    /// Its drive.
    pub drive: DriveKey,
    /// The folder the file is to be in.
    pub parent: ItemKey,
    /// When it is opened: names of folders below `parent`, from the top down, in which the file is to
    /// be. Folders that are missing are made in the same transaction; then the last of them is the
    /// parent, and this is empty.
    pub folders: Vec<String>,
    /// The name it is to have.
    pub name: String,
    /// How many bytes there will be, once a client has said so.
    pub total: Option<u64>,
    /// How many are there.
    pub received: u64,
    /// What happens when the name is taken at commit.
    pub on_conflict: OnConflict,
    /// When it is forgotten.
    pub expires: Timestamp,
    /// What the front end needs to know of it.
    pub state: serde_json::Value,
}

/// A fragment of an upload session.
pub struct UploadFragment {
    /// Where it begins, in bytes.
    pub at: u64,
    /// The size of the whole file, if the client says it.
    pub total: Option<u64>,
    /// The bytes.
    pub body: Bytestream,
    /// The most bytes that are accepted.
    pub max: u64,
    /// When the session expires, once the fragment is stored.
    pub expires: Timestamp,
}

impl fmt::Debug for UploadFragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, total, max, expires, .. } = self;
        let mut debug = f.debug_struct("UploadFragment");
        debug.field("at", at).field("total", total).field("max", max).field("expires", expires);
        debug.finish_non_exhaustive()
    }
}

/// Another place for the file of a session than it was opened for: its name may be taken by now.
#[derive(Clone, Debug)]
pub struct CommitTarget {
    /// The folder the file is to be in.
    pub parent: ItemKey,
    /// The name it is to have.
    pub name: String,
    /// What happens when the name is taken.
    pub on_conflict: OnConflict,
}
