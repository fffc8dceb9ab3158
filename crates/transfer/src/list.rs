//! Listing of one folder of an endpoint, sorted.

use std::{
    io,
    path::{Path, PathBuf},
};

use futures::TryStreamExt;
use opendal::{EntryMode, Metadata, options::ListOptions};
use tokio::sync::mpsc;

use crate::{
    endpoint::Endpoint,
    entry::{EntryType, TreeEntry},
    error::FailureCause,
    local::{self, blocking},
    sort::{EntrySorter, KeyedEntry, SortedEntries},
};

/// The number of local entries that are passed on at a time.
const BATCH: usize = 1_000;
/// The number of batches that wait to be sorted.
const BATCHES: usize = 4;

/// The entries of a folder.
pub(crate) struct FolderListing {
    /// The entries, in the order of their keys.
    pub(crate) entries: SortedEntries,
    /// The number of [`entries`](Self::entries).
    pub(crate) len: u64,
    /// The names of entries that could not be read, with the reasons.
    pub(crate) failed: Vec<(String, FailureCause)>,
    /// Whether the entries are those of the endpoint's index.
    pub(crate) from_index: bool,
}

impl FolderListing {
    /// Returns the listing of a folder that does not exist yet.
    pub(crate) fn empty() -> Self {
        Self { entries: SortedEntries::empty(), len: 0, failed: Vec::new(), from_index: false }
    }
}

/// How a folder is listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListMode {
    /// Follow symbolic links of a local folder.
    pub(crate) follow: bool,
    /// Remove unused partial files of a local folder.
    pub(crate) sweep: bool,
    /// Use the endpoint's index, if it has one.
    pub(crate) use_index: bool,
}

/// Lists the folder `relative`, which is empty or ends with a slash. `key` returns the sort key of
/// an entry. A folder that the index cannot list is listed by the service.
///
/// # Errors
/// `Service` or `Disk` if the folder cannot be listed completely, or if the sorter's temporary file
/// cannot be written.
pub(crate) async fn list_folder(
    endpoint: &Endpoint,
    relative: &str,
    mode: ListMode,
    key: impl Fn(&TreeEntry) -> String + Send + Sync,
) -> Result<FolderListing, FailureCause> {
    if mode.use_index
        && let Some(listing) = list_from_index(endpoint, relative, &key).await
    {
        return Ok(listing);
    }
    let mut sorter = EntrySorter::new();
    let mut len = 0;
    let mut failed = Vec::new();
    let mut add = |entry: TreeEntry| {
        len += 1;
        sorter.push(KeyedEntry { key: key(&entry), entry })
    };
    if let Some(root) = endpoint.local_root() {
        let limits = mode.follow.then(|| endpoint.link_limits().to_vec());
        failed = list_local_folder(root, relative, limits, mode.sweep, &mut add).await?;
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
    Ok(FolderListing { entries, len, failed, from_index: false })
}

/// Passes the entries of a local folder to `add`, while the folder is read. Returns the names of
/// entries that could not be read, with the reasons. `limits` and `sweep` are as in
/// [`local::list_folder`].
///
/// # Errors
/// `Disk` if the folder cannot be read; the error of `add`.
async fn list_local_folder(
    root: &Path,
    relative: &str,
    limits: Option<Vec<PathBuf>>,
    sweep: bool,
    add: &mut (impl FnMut(TreeEntry) -> io::Result<()> + Send),
) -> Result<Vec<(String, FailureCause)>, FailureCause> {
    let (sender, mut batches) = mpsc::channel(BATCHES);
    let (root, relative) = (root.to_owned(), relative.to_owned());
    let reading = blocking(move || {
        let mut batch = Vec::new();
        let send = |batch| {
            // The receiver is gone if the run was cancelled, or if `add` failed.
            sender.blocking_send(batch).map_err(|_| io::Error::from(io::ErrorKind::Interrupted))
        };
        let failed = local::list_folder(&root, &relative, limits.as_deref(), sweep, |entry| {
            batch.push(entry);
            if batch.len() < BATCH { Ok(()) } else { send(std::mem::take(&mut batch)) }
        })?;
        send(batch)?;
        Ok(failed)
    });
    let adding = async move {
        while let Some(batch) = batches.recv().await {
            batch.into_iter().try_for_each(&mut *add)?;
        }
        Ok::<_, FailureCause>(())
    };
    let (failed, added) = tokio::join!(reading, adding);
    added?;
    failed
}

/// Lists a folder from the index of the endpoint. `None` if it has no index, or if the index does
/// not have all entries or cannot be read.
async fn list_from_index(
    endpoint: &Endpoint,
    relative: &str,
    key: &(impl Fn(&TreeEntry) -> String + Send + Sync),
) -> Option<FolderListing> {
    let index = endpoint.index()?;
    let mut sorter = EntrySorter::new();
    let mut len = 0;
    let mut add = |entry: TreeEntry| {
        len += 1;
        sorter.push(KeyedEntry { key: key(&entry), entry })
    };
    let is_complete = index.list(relative, &mut add).await.ok()?;
    let entries = is_complete.then(|| sorter.finish())?.ok()?;
    Some(FolderListing { entries, len, failed: Vec::new(), from_index: true })
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
            is_rewritten: features.may_rewrite(path),
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
    let from_index = list_from_index(endpoint, "", &|_: &TreeEntry| String::new()).await;
    if from_index.is_some_and(|listing| listing.len > 0) {
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
