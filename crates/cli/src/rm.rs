//! `drivedal rm`

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use drivedal::services::onedrive::ONEDRIVE_SCHEME;
use futures::{StreamExt, future::join_all, stream};
use opendal::EntryMode;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    listing::{Depth, Listed, list},
    location::Location,
    options::AddressingArgs,
    remote::{EntryInfo, RemotePath},
};

/// Remove files, or folders with -r
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Removed items are in the cloud's recycle bin, if it has one. The local drives (`local-*:`) remove them
for good and free their space at once. With --json each item is a line: {\"path\", \"result\":
\"removed\"}.

Examples:
  drivedal rm local-skydrive:notes.txt
  drivedal rm -r work:reports/2013 work:reports/2014")]
pub(crate) struct Rm {
    /// The files and folders to remove
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse, required = true)]
    items: Vec<Location>,

    /// Remove folders with everything below them
    #[arg(short, long)]
    recursive: bool,

    /// Ignore items that do not exist
    #[arg(short, long)]
    force: bool,

    #[command(flatten)]
    addressing: AddressingArgs,
}

#[derive(Serialize)]
struct RemovedRecord<'a> {
    path: &'a str,
    result: &'static str,
}

/// Limits of the work in progress.
#[derive(Clone, Copy)]
struct Concurrency {
    /// Number of removals at a time.
    removals: usize,
    /// Number of removals of a folder that start together.
    group: usize,
    /// Number of folders that start together.
    wave: usize,
    /// Number of waves at a time.
    waves: usize,
}

impl Concurrency {
    const DEFAULT: Self = Self { removals: 16, group: 1, wave: 1, waves: 4 };

    /// For drives that take 20 requests in a batch (onedrive-graph#batch-limits): requests that start
    /// together share batches. The listings of a wave share one, and its removals are full batches.
    /// They all start at once, because a listing serves removals for a second only. The library limits
    /// the batches in flight.
    const WITH_BATCHES: Self = Self { removals: 200, group: 20, wave: 10, waves: 1 };

    /// Returns the limits for items of these remotes.
    fn for_folders(folders: &[(RemotePath, Vec<RemotePath>)]) -> Self {
        match folders.iter().all(|(folder, _)| folder.remote.scheme() == ONEDRIVE_SCHEME) {
            true => Self::WITH_BATCHES,
            false => Self::DEFAULT,
        }
    }
}

/// From this many items of one folder, one listing replaces the request for each item's metadata.
const LISTING_THRESHOLD: usize = 4;

/// Maximum number of entries to read per item. It is about the size of a page, so that the listing
/// costs no more requests than one per item.
const MAX_ENTRIES_PER_ITEM: usize = 200;

impl Rm {
    /// Removes the items. Files of one folder are removed concurrently, folders one after another.
    ///
    /// # Errors
    /// The failure of a single item; `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        if let [only] = &*self.items {
            let removed = match self.locate(app, only).await {
                Ok(at) => match at.stat().await {
                    Ok(EntryInfo::File(_)) => self.remove_file(app, &at).await,
                    Ok(EntryInfo::Folder(_)) => self.remove_tree(app, &at).await,
                    Err(failure) => Err(failure),
                },
                Err(failure) => Err(failure),
            };
            return self.ignore_missing(removed).map(|()| Exit::Done);
        }
        let mut all_done = true;
        // Grouped by remote and folder, in the order of the arguments.
        let mut folders: Vec<(RemotePath, Vec<RemotePath>)> = Vec::new();
        let mut known = HashMap::new();
        for item in &self.items {
            match self.locate(app, item).await {
                Ok(at) => {
                    let folder =
                        RemotePath { path: at.path.parent(), remote: Arc::clone(&at.remote) };
                    let key = (item.remote.clone(), folder.path.as_str().to_owned());
                    let number = *known.entry(key).or_insert(folders.len());
                    match folders.get_mut(number) {
                        Some((_, items)) => items.push(at),
                        None => folders.push((folder, vec![at])),
                    }
                }
                Err(failure) => all_done &= self.report(app, Err(failure))?,
            }
        }
        let limits = Concurrency::for_folders(&folders);
        let (permits, trees) = (Semaphore::new(limits.removals), Mutex::default());
        let mut removals = stream::iter(folders)
            .map(|(folder, items)| self.remove_files(app, folder, items, limits, &permits, &trees))
            .chunks(limits.wave)
            .map(join_all)
            .buffer_unordered(limits.waves);
        while let Some(wave) = removals.next().await {
            for done in wave {
                all_done &= done?;
            }
        }
        drop(removals);
        // Sequentially, because one tree may be inside of another.
        for at in trees.into_inner().unwrap_or_else(PoisonError::into_inner) {
            all_done &= self.report(app, self.remove_tree(app, &at).await)?;
        }
        Ok(if all_done { Exit::Done } else { Exit::Partial })
    }

    /// Removes the files among the items of one folder, and adds the folders to `trees`. `permits` has
    /// one permit for each concurrent removal. Returns whether every removal succeeded.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    async fn remove_files(
        &self,
        app: &App,
        folder: RemotePath,
        items: Vec<RemotePath>,
        limits: Concurrency,
        permits: &Semaphore,
        trees: &Mutex<Vec<RemotePath>>,
    ) -> Result<bool> {
        let kinds = match items.len() >= LISTING_THRESHOLD {
            true => kinds_in(&folder, &items).await,
            false => HashMap::new(),
        };
        let mut removals = stream::iter(items)
            .map(|at| async {
                let listed = kinds.get(at.path.as_str()).filter(|_| !at.path.is_folder_path());
                let is_file = match listed {
                    Some(mode) => *mode != EntryMode::DIR,
                    None => matches!(at.stat().await?, EntryInfo::File(_)),
                };
                if is_file {
                    return self.remove_file(app, &at).await;
                }
                trees.lock().unwrap_or_else(PoisonError::into_inner).push(at);
                Ok(())
            })
            .chunks(limits.group)
            .map(|group| async move {
                let count = u32::try_from(group.len()).unwrap_or(u32::MAX);
                // The semaphore is never closed.
                let _permits = permits.acquire_many(count).await.ok();
                join_all(group).await
            })
            .buffered(limits.removals / limits.group);
        let mut all_done = true;
        while let Some(group) = removals.next().await {
            for removed in group {
                all_done &= self.report(app, removed)?;
            }
        }
        Ok(all_done)
    }

    /// Returns the path of an item to remove.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or the path has a segment
    /// `.` or `..`; `Usage` for the root.
    async fn locate(&self, app: &App, item: &Location) -> Result<RemotePath> {
        let at = app.resolve(item, self.addressing.mode(), Workload::Interactive).await?;
        match at.path.is_root() {
            true => Err(Failure::usage("it is the root of a remote").about(&at)),
            false => Ok(at),
        }
    }

    /// Removes a folder with its contents.
    ///
    /// # Errors
    /// `Failed` without `-r`; the failure of the request ([`Failure::from`]); `ClosedPipe` or
    /// `Failed` if results cannot be written.
    async fn remove_tree(&self, app: &App, at: &RemotePath) -> Result {
        if !self.recursive {
            return Err(Failure::is_folder().hint("use -r to remove folders").about(at));
        }
        // Without the slash an object store takes the path as a prefix: `ab` would match `abc`.
        let removed = at.operator().delete_with(&at.path.to_folder_arg()).recursive(true).await;
        self.record(app, at, removed)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot
    /// be written.
    async fn remove_file(&self, app: &App, at: &RemotePath) -> Result {
        let removed = at.operator().delete(&at.file_path()?).await;
        self.record(app, at, removed)
    }

    /// Prints the record of a removal. OpenDAL also returns `Ok` for a missing item, so callers
    /// check that the item exists before they remove it.
    ///
    /// # Errors
    /// The failure of the removal ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot
    /// be written.
    fn record(&self, app: &App, at: &RemotePath, removed: opendal::Result<()>) -> Result {
        removed.map_err(|error| Failure::from(error).about(at))?;
        match app.output.is_json() {
            true => app.output.json(&RemovedRecord { path: at.path.as_str(), result: "removed" }),
            false => Ok(()),
        }
    }

    /// Accepts `NotFound` with `-f`.
    ///
    /// # Errors
    /// That of `removed`, otherwise.
    fn ignore_missing(&self, removed: Result) -> Result {
        match removed {
            Err(failure) if self.force && failure.exit == Exit::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Reports the failure of one of several items. Returns whether the removal succeeded.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn report(&self, app: &App, removed: Result) -> Result<bool> {
        match self.ignore_missing(removed) {
            Ok(()) => Ok(true),
            Err(failure) if failure.is_silent() => Err(failure),
            Err(failure) => app.output.failed(&failure).map(|()| false),
        }
    }
}

/// Returns the kinds of these items by path, as far as a short listing of their folder shows them.
/// Missing items need a request of their own.
async fn kinds_in(folder: &RemotePath, items: &[RemotePath]) -> HashMap<String, EntryMode> {
    let mut wanted: HashSet<_> = items.iter().map(|at| at.path.as_str()).collect();
    let mut kinds = HashMap::new();
    let Ok(Listed::Folder(mut listing)) = list(folder, Depth::Children).await else {
        return kinds;
    };
    for _ in 0..items.len() * MAX_ENTRIES_PER_ITEM {
        // After a failed listing the request for each item reports the reason.
        let Ok(Some((path, metadata))) = listing.next().await else { break };
        if wanted.remove(path.as_str()) {
            kinds.insert(path.as_str().to_owned(), metadata.mode());
        }
        if wanted.is_empty() {
            break;
        }
    }
    kinds
}
