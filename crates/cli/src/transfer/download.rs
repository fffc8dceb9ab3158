//! Download of files and trees: listing, planning and the transfer itself.
//!
//! Everything is listed and planned before the first file is downloaded, so that no two items are
//! downloaded to one name.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use drivedal::{
    adapter::{LeftOut, known_size},
    drive::{self, Item},
};
use drivedal_transfer::local_name;
use jiff::Timestamp;
use opendal::Metadata;
use tokio::task::JoinSet;

use super::{
    fetch::{LARGE, SkippedChecks, fetch, origin},
    jobs::join,
    journal::Journal,
    local::blocking,
    names::NameRules,
    plan::{self, ClashingItem, DownloadPlan},
    report::{ItemResult, TransferReport},
    survey::shared_name,
    sweep::{sweep, sweep_stale},
    unfinished::UnfinishedFiles,
};
use crate::{
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    item,
    listing::Listing,
    location::DrivePath,
    ls::relative,
    remote::RemotePath,
};

/// Settings and state of a download. Clones share the state.
#[derive(Clone)]
pub(crate) struct TreeDownload {
    pub(crate) report: Arc<TransferReport>,
    pub(crate) interrupt: Interrupt,
    /// Interrupted downloads of large files. `None` if they cannot be recorded.
    pub(crate) journal: Option<Journal>,
    /// Maximum number of concurrent files.
    pub(crate) jobs: usize,
    pub(crate) skipped_checks: SkippedChecks,
}

/// A listed entry: its remote path and its metadata.
#[derive(Clone)]
pub(crate) struct SourceEntry {
    pub(crate) from: RemotePath,
    /// `None` for an entry that the listing left out because another item has its name.
    pub(crate) metadata: Option<Metadata>,
    /// The local target, if an argument names the item itself. `None` for items below a listed
    /// folder.
    pub(crate) named: Option<PathBuf>,
    /// The drive's id, if several entries of the folder have this name.
    pub(crate) id: Option<String>,
}

impl PartialEq for SourceEntry {
    /// Returns whether two entries of one path are the same item.
    fn eq(&self, other: &Self) -> bool {
        self.metadata.is_some() && self.metadata == other.metadata
    }
}

/// An item to place below the target folder.
pub(crate) type DownloadItem = plan::PlannedItem<SourceEntry>;

/// All items that a command downloads.
pub(crate) struct DownloadList {
    pub(crate) items: Vec<DownloadItem>,
    /// Arguments whose listing is complete: an item below them that was not listed does not exist.
    pub(crate) complete: Vec<RemotePath>,
}

/// One file to download.
pub(crate) struct FileDownload {
    pub(crate) from: RemotePath,
    pub(crate) to: PathBuf,
    /// Metadata from the listing, or from a request for this file.
    pub(crate) metadata: Metadata,
    /// The drive's own record of the file. `None` if the service is not a cloud drive.
    pub(crate) item: Option<Item>,
}

impl FileDownload {
    /// Creates the download of the file `from` to the path `to`. The drive's record of the file is
    /// used if a listing has cached it.
    fn new(from: RemotePath, to: PathBuf, metadata: Metadata) -> Self {
        let item = match (&from.remote.handle, from.file_path()) {
            (Some(handle), Ok(path)) => handle.cached_item(&path),
            _ => None,
        };
        Self { from, to, metadata, item }
    }

    /// Returns the length in bytes. `None` if the remote does not list it.
    pub(crate) fn size(&self) -> Option<u64> {
        match &self.item {
            Some(item) => item.size,
            None => known_size(&self.metadata),
        }
    }

    /// Returns the user's modification time if the drive stores one, otherwise the drive's; `None`
    /// if it has neither.
    pub(crate) fn modified(&self) -> Option<Timestamp> {
        item::modified(&self.metadata)
    }
}

impl TreeDownload {
    /// Adds the items of a listing to `items`. The listed folder `top` becomes `path` below the
    /// target folder; `argument` is the number of its argument. Returns whether the listing was
    /// complete. Failures of the listing are added to the report.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn list(
        &self,
        top: &RemotePath,
        listing: Listing,
        argument: usize,
        path: &str,
        items: &mut Vec<DownloadItem>,
    ) -> Result<bool> {
        let folder = opendal::MetadataBuilder::dir().build();
        let mut listing = listing.with_twins();
        let facts =
            SourceEntry { from: top.clone(), metadata: Some(folder), named: None, id: None };
        items.push(DownloadItem { path: path.to_owned(), is_folder: true, argument, facts });
        let mut is_complete = true;
        loop {
            let next = tokio::select! {
                () = self.interrupt.wait() => return Ok(false),
                next = listing.next() => next,
            };
            let failure = match next {
                Ok(None) => {
                    let twins = listing.take_twins();
                    is_complete &= twins.is_empty();
                    self.add_twins(top, twins, argument, path, items)?;
                    return Ok(is_complete);
                }
                Ok(Some((at, metadata))) => {
                    let at = listing.located(at);
                    match checked_local_path(path, top, &at, &metadata) {
                        Ok(path) => {
                            let is_folder = metadata.is_dir();
                            if !is_folder {
                                self.report.totals.found_file(metadata.content_length());
                            }
                            let metadata = Some(metadata);
                            let facts = SourceEntry { from: at, metadata, named: None, id: None };
                            items.push(DownloadItem { path, is_folder, argument, facts });
                            continue;
                        }
                        Err(failure) => failure.about(&at),
                    }
                }
                // A failure of one entry: the listing continues.
                Err(failure) => failure,
            };
            is_complete = false;
            self.report.record_failure(failure)?;
        }
    }

    /// Adds entries that the listing left out because another entry has their name. Each gets the
    /// local path of that entry, so that the plan rejects all of them: their common remote path
    /// would download the same item each time. `top`, `argument` and `path` are those of
    /// [`list`](Self::list).
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn add_twins(
        &self,
        top: &RemotePath,
        twins: Vec<LeftOut>,
        argument: usize,
        path: &str,
        items: &mut Vec<DownloadItem>,
    ) -> Result {
        let mut shown = HashMap::new();
        let mut added = Vec::with_capacity(twins.len());
        for entry in twins {
            let Some(twin) = entry.twin else { continue };
            let located = |name: &str| -> Result<RemotePath> {
                let path = DrivePath::parse(&format!("{}{name}", entry.folder))?;
                Ok(RemotePath { path, ..top.clone() })
            };
            let local = located(&twin.name).and_then(|at| local_path(path, top, &at));
            match located(&entry.name).and_then(|from| Ok((from, local?))) {
                Ok((from, local)) => {
                    let id = Some(entry.id.to_string());
                    let facts = SourceEntry { from, metadata: None, named: None, id };
                    let is_folder = entry.kind == drive::ItemKind::Folder;
                    shown.insert(local.clone(), twin.id);
                    added.push(DownloadItem { path: local, is_folder, argument, facts });
                }
                Err(failure) => self.report.record_failure(failure.about(&entry.name))?,
            }
        }
        if !shown.is_empty() {
            for item in items.iter_mut().filter(|item| item.argument == argument) {
                item.facts.id = shown.get(&item.path).map(ToString::to_string);
            }
        }
        items.append(&mut added);
        Ok(())
    }

    /// Downloads all items into the folder `target`. Other local files stay. Failures of items are
    /// added to the report.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(&self, list: DownloadList, target: &Path) -> Result {
        self.report.totals.found_all();
        let DownloadList { items, complete } = list;
        let (rules, into) = (NameRules::for_folder(target), target.to_owned());
        let plan = blocking(move || Ok(DownloadPlan::new(items, &rules))).await?;
        for clash in &plan.clashes {
            self.refuse(clash, &into)?;
        }
        let unfinished = UnfinishedFiles::new(large_files(&plan));
        let mut folders = HashSet::new();
        self.run_pool(plan.accepted, &into, &mut folders, &unfinished).await?;
        if self.interrupt.is_set() {
            return Ok(());
        }
        let Some(journal) = self.journal.clone() else { return Ok(()) };
        let complete: Vec<_> = complete.iter().map(origin).collect();
        blocking(move || {
            for folder in folders {
                sweep_stale(&folder, &journal, |left| {
                    complete.iter().any(|top| left.is_within(top)) && !unfinished.has(left)
                });
            }
            Ok(())
        })
        .await
    }

    /// Reports the items of a clash, which would get the same local name below `target`.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn refuse(&self, clash: &[ClashingItem<SourceEntry>], target: &Path) -> Result {
        let from: Vec<_> = clash.iter().map(describe).collect();
        for (at, (one, name)) in clash.iter().zip(&from).enumerate() {
            let others = from.iter().enumerate().filter(|(other, _)| *other != at);
            let others: Vec<_> = others.map(|(_, name)| name.clone()).collect();
            let to = target.join(one.example.facts.from.remote.local_path(&one.path)?);
            let folder = if one.path.is_empty() { target } else { to.parent().unwrap_or(target) };
            let folder = folder.display().to_string();
            let failure = shared_name(&others, &folder, one.is_folder);
            self.report.record_failure(failure.about(name))?;
        }
        Ok(())
    }

    /// Downloads the accepted items concurrently. `folders` gets the local folders that items were
    /// written to, and files that are complete are removed from `unfinished`. After an error no
    /// further download starts, and the running ones are awaited.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    async fn run_pool(
        &self,
        items: Vec<DownloadItem>,
        target: &Path,
        folders: &mut HashSet<PathBuf>,
        unfinished: &UnfinishedFiles,
    ) -> Result {
        let mut running = JoinSet::new();
        let mut ended = Ok(());
        let mut left = items.into_iter();
        loop {
            while running.len() < self.jobs && !self.interrupt.is_set() {
                let Some(item) = left.next() else { break };
                let placed = match self.prepare(item, target, folders).await {
                    Ok(None) => Ok(()),
                    Ok(Some(file)) => {
                        running.spawn(self.clone().file(file, unfinished.clone()));
                        Ok(())
                    }
                    Err(failure) => self.report.record_failure(failure),
                };
                if let Err(failure) = placed {
                    self.interrupt.stop(failure.exit);
                    ended = ended.and(Err(failure));
                }
            }
            match running.join_next().await {
                None => return ended,
                Some(piece) => {
                    if let Err(failure) = join(piece) {
                        self.interrupt.stop(failure.exit);
                        ended = ended.and(Err(failure));
                    }
                }
            }
        }
    }

    /// Downloads one file and records the result.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    async fn file(self, file: FileDownload, unfinished: UnfinishedFiles) -> Result {
        match fetch(&file, &self).await {
            Ok(len) => {
                self.report.totals.arrived();
                unfinished.remove(&file.from);
                self.report.record(&file.from, &file.to, ItemResult::Fetched, Some(len))
            }
            Err(failure) => self.report.record_failure(failure),
        }
    }

    /// Creates the folders of an item below `target`. Returns the download of a file, and `None`
    /// for a folder. `folders` are the folders that exist already.
    ///
    /// # Errors
    /// [`Failure::local`] if a folder cannot be created; `Failed` for a special file at the target;
    /// the failure of a request for metadata ([`Failure::from`]).
    async fn prepare(
        &self,
        item: DownloadItem,
        target: &Path,
        folders: &mut HashSet<PathBuf>,
    ) -> Result<Option<FileDownload>> {
        let SourceEntry { from, metadata, named, id: _ } = item.facts;
        let local = match item.path.as_str() {
            "" => target.to_owned(),
            path => target.join(from.remote.local_path(path)?),
        };
        let Some(metadata) = metadata.filter(|_| !item.is_folder) else {
            self.create_folder(&from, &local, folders).await?;
            return Ok(None);
        };
        if let Some(to) = named {
            let journal = self.journal.clone();
            let (to, folder) = blocking(move || {
                let to = resolve_target(to)?;
                let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.unwrap_or(Path::new(".")).to_owned();
                fs::create_dir_all(&folder)
                    .map_err(|error| Failure::local("create", &folder, &error))?;
                sweep(&folder, journal.as_ref());
                Ok((to, folder))
            })
            .await?;
            folders.insert(folder);
            return Ok(Some(FileDownload::new(from, to, metadata)));
        }
        // A listing may have a folder after its contents, or not at all.
        let parent = RemotePath { path: from.path.parent(), ..from.clone() };
        if let Some(folder) = local.parent() {
            self.create_folder(&parent, folder, folders).await?;
        }
        let metadata = match known_size(&metadata) {
            Some(_) => metadata,
            // The listing has no size for this file; its metadata has.
            None => from.stat().await?.metadata().clone(),
        };
        Ok(Some(FileDownload::new(from, local, metadata)))
    }

    /// Creates the local folder `to` for the remote folder `folder`, sweeps it, and records it,
    /// unless `made` has it already.
    ///
    /// # Errors
    /// [`Failure::local`] if it cannot be created; `ClosedPipe` or `Failed` if results cannot be
    /// written.
    async fn create_folder(
        &self,
        folder: &RemotePath,
        to: &Path,
        made: &mut HashSet<PathBuf>,
    ) -> Result {
        if made.contains(to) {
            return Ok(());
        }
        let (path, journal) = (to.to_owned(), self.journal.clone());
        blocking(move || {
            fs::create_dir_all(&path).map_err(|error| Failure::local("create", &path, &error))?;
            sweep(&path, journal.as_ref());
            Ok(())
        })
        .await?;
        self.report.record(folder, to, ItemResult::Made, None)?;
        made.insert(to.to_owned());
        Ok(())
    }
}

/// Returns the path of the file to write. For a symbolic link it is the path that the link points
/// to, so that the link stays.
///
/// # Errors
/// `Failed` if a special file (a device, a pipe) has that path; [`Failure::local`] if the link
/// cannot be read.
fn resolve_target(path: PathBuf) -> Result<PathBuf> {
    let real = fs::canonicalize(&path).unwrap_or(path);
    match fs::metadata(&real) {
        Ok(found) if !found.is_file() && !found.is_dir() => {
            let failure = Failure::new(Exit::Failed, "it is not a regular file");
            Err(failure.doing("replace").hint("use `drivedal cat`").about(real.display()))
        }
        _ => Ok(real),
    }
}

/// Returns the remote path of a clashing item. It includes the id if other entries of the folder
/// have the same name.
fn describe(one: &ClashingItem<SourceEntry>) -> String {
    let from = &one.example.facts.from;
    // A folder that was not listed itself is known only through an item below it.
    let (item, here) = (&one.example.path, &one.path);
    let levels = |path: &str| path.split('/').filter(|name| !name.is_empty()).count();
    let mut path = from.path.clone();
    for _ in levels(here)..levels(item) {
        path = path.parent();
    }
    match &one.example.facts.id {
        Some(id) if item == here => format!("{} (id {id})", from.remote.display_path(&path)),
        _ => from.remote.display_path(&path),
    }
}

/// Returns the path below the target folder of an item that was listed below `top`. `top` becomes
/// `path`.
///
/// # Errors
/// `Failed` for a name that local files cannot have, and for `.` and `..`, and for an item that is
/// neither a file nor a folder.
fn checked_local_path(
    path: &str,
    top: &RemotePath,
    at: &RemotePath,
    metadata: &Metadata,
) -> Result<String> {
    let failed = |why| Failure::new(Exit::Failed, why);
    if !metadata.is_dir() && !metadata.is_file() {
        return Err(failed("it is neither a file nor a folder, and has no content"));
    }
    local_path(path, top, at)
}

/// Returns the path below the target folder of an item that was listed below `top`. `top` becomes
/// `path`.
///
/// # Errors
/// `Failed` for a name that local files cannot have, and for `.` and `..`.
fn local_path(path: &str, top: &RemotePath, at: &RemotePath) -> Result<String> {
    let mut local = path.to_owned();
    for name in relative(&top.path, &at.path).split('/') {
        let name = local_name(name).map_err(|why| Failure::new(Exit::Failed, why))?;
        if !local.is_empty() {
            local.push('/');
        }
        local.push_str(name);
    }
    Ok(local)
}

/// Returns the remote files of a plan, accepted or not, that are large enough to be resumed by a
/// later run. A file of unknown size is not.
fn large_files(plan: &DownloadPlan<SourceEntry>) -> impl Iterator<Item = &RemotePath> {
    let refused = plan.clashes.iter().flatten().map(|one| &one.example);
    let files = plan.accepted.iter().chain(refused).filter(|item| !item.is_folder);
    let size = |file: &SourceEntry| file.metadata.as_ref().map(Metadata::content_length);
    files
        .filter(move |item| size(&item.facts).is_some_and(|size| size >= LARGE))
        .map(|item| &item.facts.from)
}
