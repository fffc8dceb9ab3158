//! The capabilities of a drive.

use std::{borrow::Cow, time::Duration};

use super::{Extensions, SessionLimits};

/// Properties of a drive that the adapter needs before it sends a request.
///
/// They are constant for the lifetime of the drive, and reading them sends no request. A drive in
/// another crate starts with [`Capabilities::new`] and sets the fields that differ.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Capabilities {
    /// The drive accepts [`ItemRef::Path`](super::ItemRef::Path), and the cloud creates missing
    /// parent folders of a file that is written.
    pub paths: bool,
    /// Size in bytes of the largest file that fits in one upload request.
    pub max_single_upload: u64,
    /// Size in bytes of the largest file that the drive can hold.
    pub max_file_size: u64,
    /// Limits of upload sessions. `None` if the drive has no sessions; every file is then sent in
    /// one request.
    pub session: Option<SessionLimits>,
    /// The drive stores the modification time that is passed with a write.
    pub set_modified: bool,
    /// The cloud evaluates [`IfExists::Fail`](super::IfExists::Fail) when it commits the file. If
    /// false, the drive looks before it writes, so another client can create the file in between.
    pub if_not_exists: bool,
    /// The cloud evaluates [`Conditions::if_match`](super::Conditions::if_match) of a write when it
    /// commits the file.
    pub if_match: bool,
    /// The drive supports [`Conditions::if_none_match`](super::Conditions::if_none_match) in
    /// [`Drive::item`](super::Drive::item) and [`Drive::download`](super::Drive::download).
    pub if_none_match: bool,
    /// The drive supports [`Conditions::if_match`](super::Conditions::if_match) in
    /// [`Drive::item`](super::Drive::item) and [`Drive::download`](super::Drive::download), which
    /// returns the bytes of that version or an error.
    pub download_if_match: bool,
    /// The cloud evaluates [`DeleteTarget::if_match`](super::DeleteTarget::if_match) when it deletes the
    /// item.
    pub delete_if_match: bool,
    /// The drive implements [`Drive::changes`](super::Drive::changes).
    pub changes: bool,
    /// The drive implements [`Drive::copy`](super::Drive::copy) for files. The target may have
    /// another name than the source, and it may exist.
    pub copy_files: bool,
    /// The drive implements [`Drive::copy`](super::Drive::copy) for folders, with all their contents.
    /// The target must not exist.
    pub copy_folders: bool,
    /// Downloads need a [`DownloadUrl`](super::DownloadUrl). The drive returns the URL that it
    /// used, so that further ranges of the file can share it.
    pub download_urls: bool,
    /// How long a new URL of [`Drive::download_url`](super::Drive::download_url) is valid. `None` if
    /// the drive has no such URLs or the cloud does not document it.
    pub download_url_lifetime: Option<Duration>,
    /// The folders that support [`Depth::Recursive`](super::Depth::Recursive).
    pub recursive_list: RecursiveList,
    /// Largest number of items in one call of [`Drive::delete`](super::Drive::delete).
    pub delete_max_size: usize,
    /// An item may have several parent folders.
    pub multi_parent: bool,
    /// Returns the canonical form of a name. Two names in a folder denote the same item if their
    /// canonical forms are equal.
    pub fold: fn(&str) -> Cow<'_, str>,
    /// Returns a key that two names share if this cloud may treat them as one. It never separates
    /// names that [`fold`](Self::fold) joins. It joins more names if the cloud's rule depends on the
    /// account or is not documented. A transfer compares these keys before it sends two files to
    /// one folder.
    pub collision_key: fn(&str) -> Cow<'_, str>,
    /// Returns the reason why the cloud rejects a name, or `None` if the cloud accepts it. Sends no
    /// request.
    pub validate_name: fn(&str) -> Option<&'static str>,
    /// The optional verbs that the drive implements.
    pub extensions: Extensions,
}

impl Capabilities {
    /// Returns the capabilities of a drive without optional features, whose files have at most
    /// `max_single_upload` bytes.
    ///
    /// Such a drive addresses items by id, compares names exactly, accepts every name, and deletes
    /// one item per call.
    pub fn new(max_single_upload: u64) -> Self {
        Self {
            paths: false,
            max_single_upload,
            max_file_size: max_single_upload,
            session: None,
            set_modified: false,
            if_not_exists: false,
            if_match: false,
            if_none_match: false,
            download_if_match: false,
            delete_if_match: false,
            changes: false,
            copy_files: false,
            copy_folders: false,
            download_urls: false,
            download_url_lifetime: None,
            recursive_list: RecursiveList::No,
            delete_max_size: 1,
            multi_parent: false,
            fold: |name| Cow::Borrowed(name),
            collision_key: |name| Cow::Borrowed(name),
            validate_name: |_| None,
            extensions: Extensions::default(),
        }
    }
}

/// The folders whose whole subtree can be listed in one paged response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecursiveList {
    /// No folder. A recursive listing sends a request for each folder.
    No,
    /// Only the drive's root folder.
    Root,
    /// Every folder.
    Any,
}
