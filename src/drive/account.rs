//! The account of a drive and its quota.

/// The account that a drive belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The cloud's id of the user.
    pub id: String,
    /// The user's display name. `None` if the cloud does not report it.
    pub name: Option<String>,
}

impl Account {
    /// Returns an account without a display name.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), name: None }
    }
}

/// The storage quota of a drive, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// Capacity of the drive.
    pub total: u64,
    /// Bytes that can still be stored.
    pub available: u64,
    /// Bytes that are in use. `None` if the cloud does not report it beside the others.
    pub used: Option<u64>,
    /// Bytes of the recycle bin, which may be part of [`used`](Self::used). `None` if the cloud does
    /// not report it.
    pub deleted: Option<u64>,
}

impl Quota {
    /// Returns a quota of `total` bytes, of which `available` are free.
    pub fn new(total: u64, available: u64) -> Self {
        Self { total, available, used: None, deleted: None }
    }
}
