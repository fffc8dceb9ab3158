//! Listing of one folder of an endpoint, sorted.

use futures::TryStreamExt;
use opendal::{EntryMode, Metadata, options::ListOptions};

use crate::{
    endpoint::Endpoint,
    entry::{EntryType, TreeEntry},
    error::FailureCause,
    local::{self, LocalListing, blocking},
    sort::{EntrySorter, KeyedEntry, SortedEntries},
};

/// The entries of a folder.
pub(crate) struct FolderListing {
    /// The entries, in the order of their keys.
    pub(crate) entries: SortedEntries,
    /// The number of [`entries`](Self::entries).
    pub(crate) len: u64,
    /// The names of entries that could not be read, with the reasons.
    pub(crate) failed: Vec<(String, FailureCause)>,
}

impl FolderListing {
    /// Returns the listing of a folder that does not exist yet.
    pub(crate) fn empty() -> Self {
        Self { entries: SortedEntries::empty(), len: 0, failed: Vec::new() }
    }
}

/// How a folder is listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListMode {
    /// Follow symbolic links of a local folder.
    pub(crate) follow: bool,
    /// Remove unused partial files of a local folder.
    pub(crate) sweep: bool,
}

/// Lists the folder `relative`, which is empty or ends with a slash. `key` returns the sort key of
/// an entry.
///
/// # Errors
/// `Service` or `Disk` if the folder cannot be listed completely, or if the sorter's temporary file
/// cannot be written.
pub(crate) async fn list_folder(
    endpoint: &Endpoint,
    relative: &str,
    mode: ListMode,
    key: impl Fn(&TreeEntry) -> String,
) -> Result<FolderListing, FailureCause> {
    let mut sorter = EntrySorter::new();
    let mut len = 0;
    let mut failed = Vec::new();
    let mut add = |entry: TreeEntry| {
        len += 1;
        sorter.push(KeyedEntry { key: key(&entry), entry })
    };
    if let Some(root) = endpoint.local_root() {
        let (root, relative) = (root.to_owned(), relative.to_owned());
        let limits = mode.follow.then(|| endpoint.link_limits().to_vec());
        let listing = move || {
            let listed = local::list_folder(&root, &relative, limits.as_deref(), mode.sweep);
            listed.map_err(Into::into)
        };
        let LocalListing { entries, failed: unread } = blocking(listing).await?;
        failed = unread;
        for entry in entries {
            add(entry)?;
        }
    } else {
        let folder = endpoint.folder_path(relative)?;
        let mut lister =
            endpoint.operator().lister_options(&folder, ListOptions::default()).await?;
        while let Some(entry) = lister.try_next().await? {
            let (path, metadata) = entry.into_parts();
            if path == folder {
                continue;
            }
            match to_entry(endpoint, &folder, &path, &metadata) {
                Ok(entry) => add(entry)?,
                Err(cause) => failed.push((path, cause)),
            }
        }
    }
    let entries = sorter.finish()?;
    Ok(FolderListing { entries, len, failed })
}

/// Converts an entry of OpenDAL.
///
/// # Errors
/// `Refused` if the path is not that of an entry of `folder`.
fn to_entry(
    endpoint: &Endpoint,
    folder: &str,
    path: &str,
    metadata: &Metadata,
) -> Result<TreeEntry, FailureCause> {
    let below = if folder == "/" { Some(path) } else { path.strip_prefix(folder) };
    let name = below.map(|name| name.trim_end_matches('/')).unwrap_or_default();
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        return Err(FailureCause::refused("the name cannot be part of a path"));
    }
    Ok(from_metadata(endpoint, path, name, metadata))
}

/// Returns the entry of an item at a path of the operator.
fn from_metadata(endpoint: &Endpoint, path: &str, name: &str, metadata: &Metadata) -> TreeEntry {
    let features = endpoint.features();
    match metadata.mode() {
        EntryMode::DIR => TreeEntry::new(name, EntryType::Folder),
        EntryMode::FILE => TreeEntry {
            size: features.size(metadata),
            modified: features.modified(metadata),
            etag: metadata.etag().map(str::to_owned),
            digests: features.digests(path, metadata),
            ..TreeEntry::new(name, EntryType::File)
        },
        _ => TreeEntry::new(name, EntryType::Other),
    }
}

/// Returns whether the endpoint is the root of a service and has no entries. A local folder never
/// is: a missing one is an error.
///
/// # Errors
/// `Service` if the root cannot be listed.
pub(crate) async fn is_empty_root(endpoint: &Endpoint) -> Result<bool, FailureCause> {
    if endpoint.is_local() || endpoint.path("")? != "/" {
        return Ok(false);
    }
    let mut lister = endpoint.operator().lister("/").await?;
    while let Some(entry) = lister.try_next().await? {
        if entry.path() != "/" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the entry of an item of the endpoint. `None` if it does not exist. Its name is empty.
///
/// The root of an operator counts as an existing folder: a request that needs it shows if it does
/// not exist.
///
/// # Errors
/// `Service` or `Disk` if the item cannot be read.
pub(crate) async fn stat(
    endpoint: &Endpoint,
    relative: &str,
) -> Result<Option<TreeEntry>, FailureCause> {
    if let Some(path) = endpoint.local_path(relative)? {
        return blocking(move || local::stat(&path).map_err(Into::into)).await;
    }
    let path = endpoint.path(relative)?;
    if path == "/" {
        return Ok(Some(TreeEntry::new("", EntryType::Folder)));
    }
    let operator = endpoint.operator();
    for path in [path.clone(), format!("{}/", path.trim_end_matches('/'))] {
        match operator.stat(&path).await {
            Ok(metadata) => return Ok(Some(from_metadata(endpoint, &path, "", &metadata))),
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => {}
            // The service says that the item has the other type.
            Err(error) if error.kind() == opendal::ErrorKind::IsADirectory => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
