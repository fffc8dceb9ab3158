//! Uploads under way.

use jiff::Timestamp;

use super::{DriveKey, ItemKey, OnConflict};

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
