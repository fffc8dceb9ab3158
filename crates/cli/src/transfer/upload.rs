//! Upload of local trees.
//!
//! Folders are processed one by one: the folder is created, its files are uploaded concurrently,
//! and one listing verifies the sizes that the cloud did not return with the uploads. On a cloud
//! that addresses items by id this takes one request per file and two per folder.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use drivedal::adapter::known_size;

use super::{
    jobs::{PoolSize, run_pool},
    journal::Journal,
    local::{self, LocalEntry, SymlinkPolicy, blocking},
    names::NameRules,
    report::{ItemResult, TransferReport},
    resumable_upload::{self, OnSent, UploadDisplay},
    send::{SentFile, WriteParams, send},
    survey,
};
use crate::{
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    listing::{Depth, Listed, list},
    remote::{EntryInfo, RemotePath},
};

/// Settings and state of an upload.
pub(crate) struct TreeUpload {
    pub(crate) report: Arc<TransferReport>,
    pub(crate) interrupt: Interrupt,
    /// Interrupted uploads of large files. `None` if they cannot be recorded.
    pub(crate) journal: Option<Journal>,
    /// Files that exist on the remote are not replaced.
    pub(crate) keep_existing: bool,
    pub(crate) links: SymlinkPolicy,
    /// How the remote compares names.
    pub(crate) rules: NameRules,
    /// Local items that the survey rejected, because each would get the name of another item.
    pub(crate) refused: HashSet<PathBuf>,
}

/// A task of the upload.
pub(crate) enum UploadTask {
    /// Creates a folder and returns the tasks for its contents. `above` is the real paths of its
    /// parent folders, used if links are synchronise.
    Folder { from: PathBuf, to: RemotePath, above: Arc<[PathBuf]> },
    /// Uploads a file.
    File { from: PathBuf, name: String, to: RemotePath, group: Arc<FolderGroup> },
}

/// The files of one folder, which are verified together.
pub(crate) struct FolderGroup {
    folder: RemotePath,
    rules: NameRules,
    /// Keys of the names that existed before the upload.
    taken: HashSet<String>,
    /// The command has only this file, so an existing file is a failure.
    alone: bool,
    /// Sizes that the cloud does not return are verified after the last upload.
    checked_later: bool,
    left: AtomicUsize,
    sent: Mutex<Vec<UncheckedFile>>,
}

struct UncheckedFile {
    name: String,
    from: PathBuf,
    size: u64,
}

impl FolderGroup {
    /// Creates the group of the files of one folder.
    ///
    /// `taken` are the keys of the names that the folder has, if existing files are kept; `files`
    /// is the number of files to upload, and `alone` whether the command has only one item.
    pub(crate) fn new(
        folder: RemotePath,
        rules: NameRules,
        taken: HashSet<String>,
        files: usize,
        alone: bool,
    ) -> Arc<Self> {
        let checked_later = folder.remote.supports_announce() && files > 1;
        Arc::new(Self {
            folder,
            rules,
            taken,
            alone,
            checked_later,
            left: AtomicUsize::new(files),
            sent: Mutex::default(),
        })
    }
}

impl TreeUpload {
    /// Runs all tasks in a pool of this size. Failures of items are added to the report.
    ///
    /// # Errors
    /// `Interrupted` or `Terminated` after a signal; `ClosedPipe` or `Failed` if results cannot be
    /// written.
    pub(crate) async fn run(self: Arc<Self>, jobs: PoolSize, work: Vec<UploadTask>) -> Result {
        let interrupt = self.interrupt.clone();
        run_pool(jobs, &interrupt, work, move |piece| Arc::clone(&self).perform(piece)).await
    }

    /// Performs a task. Returns the tasks that follow from it. Failures of items are added to the
    /// report.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    async fn perform(self: Arc<Self>, work: UploadTask) -> Result<Vec<UploadTask>> {
        match work {
            UploadTask::Folder { from, to, above } => {
                match self.open_folder(&from, &to, above).await {
                    Ok(work) => Ok(work),
                    Err(failure) => {
                        self.report.record_failure(failure)?;
                        Ok(Vec::new())
                    }
                }
            }
            UploadTask::File { from, name, to, group } => {
                self.send_file(from, name, &to, &group).await?;
                if group.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.check_sizes(&group).await?;
                }
                Ok(Vec::new())
            }
        }
    }

    /// Creates a folder on the remote. Returns the tasks for its contents. `above` is the real
    /// paths of the local folder and its parents, by which endless links are found.
    ///
    /// # Errors
    /// [`Failure::local`] if the local folder cannot be read; the failure of a request
    /// ([`Failure::from`]); `Interrupted` or `Terminated` after a signal; `ClosedPipe` or `Failed`
    /// if results cannot be written.
    async fn open_folder(
        &self,
        from: &Path,
        to: &RemotePath,
        above: Arc<[PathBuf]>,
    ) -> Result<Vec<UploadTask>> {
        // The local folder is read first: if it is unreadable, no folder is created.
        let (folder, links, parents) = (from.to_owned(), self.links, Arc::clone(&above));
        let rules = self.rules.clone();
        let (mut entries, clashes) = blocking(move || {
            let entries = local::entries(&folder, &rules, links, &parents)?;
            Ok(survey::split(entries, &rules))
        })
        .await?;
        // An entry may have been added since the survey.
        for clash in clashes {
            for failure in survey::failures(&clash, to) {
                if !self.refused.contains(&failure.0) {
                    self.report.record_failure(failure.1)?;
                }
            }
        }
        entries.retain(|entry| {
            entry.sendable().is_none_or(|(_, path, _)| !self.refused.contains(path))
        });
        self.interrupt.cancellable(self.create_folder(to)).await?;
        self.report.record(to, from, ItemResult::Made, None)?;
        let files = entries.iter().filter(|entry| matches!(entry, LocalEntry::File { .. })).count();
        let taken = match self.keep_existing && files > 0 {
            true => {
                let names = self.interrupt.cancellable(names_in(to)).await?;
                names.iter().map(|name| self.rules.key(name).into_owned()).collect()
            }
            false => HashSet::new(),
        };
        let group = FolderGroup::new(to.clone(), self.rules.clone(), taken, files, false);
        let (mut folders, mut sends) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry {
                LocalEntry::File { name, path, .. } => {
                    let (to, group) = (to.join(&name), Arc::clone(&group));
                    sends.push(UploadTask::File { from: path, name, to, group });
                }
                LocalEntry::Folder { name, path } => {
                    let above = self.with_real_path(&path, &above);
                    folders.push(UploadTask::Folder { from: path, to: to.join(&name), above });
                }
                LocalEntry::Skipped { name, path } => {
                    self.report.record(&to.join(&name), &path, ItemResult::Skipped, None)?;
                }
                LocalEntry::Failed(failure) => self.report.record_failure(failure)?,
            }
        }
        // Tasks are a stack: files run before subfolders, so that few folders are open at once.
        folders.reverse();
        sends.reverse();
        folders.append(&mut sends);
        Ok(folders)
    }

    /// Adds the real path of a folder to those of its parents, if links are followed.
    fn with_real_path(&self, folder: &Path, above: &Arc<[PathBuf]>) -> Arc<[PathBuf]> {
        match (self.links, folder.canonicalize()) {
            (SymlinkPolicy::Follow, Ok(real)) => above.iter().cloned().chain([real]).collect(),
            _ => Arc::clone(above),
        }
    }

    /// Creates a folder on the remote. An existing one, and the root, are left as they are.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]).
    async fn create_folder(&self, folder: &RemotePath) -> Result {
        if folder.path.is_root() {
            return Ok(());
        }
        let made = folder.operator().create_dir(&folder.path.to_folder_arg()).await;
        made.map_err(|error| {
            let failure = Failure::from(error).doing("create").about(folder);
            failure.hint("the folder was left out")
        })
    }

    /// Uploads a file, unless it is kept, and records the result.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    async fn send_file(
        &self,
        from: PathBuf,
        name: String,
        to: &RemotePath,
        group: &FolderGroup,
    ) -> Result {
        if self.interrupt.is_set() {
            return Ok(());
        }
        if self.keep_existing && group.taken.contains(&*group.rules.key(&name)) {
            return self.record_kept(&from, to, group);
        }
        let sent = self.send_or_refuse(from.clone(), to, group).await;
        match sent {
            Err(failure) if self.keep_existing && failure.exit == Exit::Exists => {
                self.record_kept(&from, to, group)
            }
            Err(failure) => self.report.record_failure(failure),
            Ok(SentFile { size, unchecked: true }) => {
                self.report.totals.arrived();
                self.report.totals.to_be_checked(1);
                let mut sent = group.sent.lock().unwrap_or_else(PoisonError::into_inner);
                sent.push(UncheckedFile { name, from, size });
                Ok(())
            }
            Ok(SentFile { size, .. }) => {
                self.report.totals.arrived();
                self.report.record(to, &from, ItemResult::Sent, Some(size))
            }
        }
    }

    /// Uploads a file in the way that fits its size and the remote.
    ///
    /// # Errors
    /// `Exists` if existing files are kept and there is one; [`Failure::local`] if the file cannot
    /// be read; `Failed` if it changes meanwhile; the failure of a request ([`Failure::from`]);
    /// `Interrupted` or `Terminated` after a signal.
    async fn send_or_refuse(
        &self,
        from: PathBuf,
        to: &RemotePath,
        group: &FolderGroup,
    ) -> Result<SentFile> {
        let can_refuse = to.operator().info().capability().write_with_if_not_exists;
        if self.keep_existing && !can_refuse && self.interrupt.cancellable(exists(to)).await? {
            return Err(Failure::exists().about(to));
        }
        let params = WriteParams {
            new_only: self.keep_existing && can_refuse,
            checked_later: group.checked_later,
            ..WriteParams::default()
        };
        let (report, interrupt) = (&self.report, &self.interrupt);
        let Some(handle) = &to.remote.handle else {
            return send(from, to, params, &report.totals, interrupt).await;
        };
        let path = from.clone();
        let size = blocking(move || {
            fs::metadata(&path)
                .map(|file| file.len())
                .map_err(|e| Failure::local("read", &path, &e))
        });
        let totals = Arc::clone(&report.totals);
        let on_sent: OnSent = Arc::new(move |bytes| totals.moved(bytes));
        let shown = UploadDisplay { output: &report.output, on_sent };
        match size.await? {
            size if handle.uses_upload_session(size) => {
                let journal = self.journal.as_ref();
                resumable_upload::send(from, to, handle, params, shown, interrupt, journal).await
            }
            // The file is sent in one request, so it cannot be resumed.
            size if handle.needs_temporary_file(size) => {
                resumable_upload::send(from, to, handle, params, shown, interrupt, None).await
            }
            _ => send(from, to, params, &report.totals, interrupt).await,
        }
    }

    /// Records a file that exists on the remote and is kept. For the only item of a command this is
    /// a failure.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn record_kept(&self, from: &Path, to: &RemotePath, group: &FolderGroup) -> Result {
        if group.alone {
            return self.report.record_failure(Failure::exists().about(to));
        }
        self.report.record(to, from, ItemResult::Kept, None)
    }

    /// Verifies the files of a folder with one listing, and records their results.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    async fn check_sizes(&self, group: &FolderGroup) -> Result {
        let sent = std::mem::take(&mut *group.sent.lock().unwrap_or_else(PoisonError::into_inner));
        if sent.is_empty() {
            return Ok(());
        }
        let sizes = match self.interrupt.cancellable(sizes_in(&group.folder)).await {
            Ok(sizes) => sizes,
            Err(failure) => {
                let hint = format!("{} files were sent to it, but not verified", sent.len());
                return self.report.record_failure(failure.hint(hint));
            }
        };
        self.report.totals.checked(sent.len() as u64);
        let names: Vec<_> = sent.iter().map(|file| file.name.as_str()).collect();
        let sizes = ListedSizes::new(&sizes, &names, &group.rules);
        for UncheckedFile { name, from, size } in &sent {
            let to = group.folder.join(name);
            match sizes.mismatch(name, *size) {
                None => self.report.record(&to, from, ItemResult::Sent, Some(*size))?,
                Some(why) => self
                    .report
                    .record_failure(Failure::new(Exit::Failed, why).doing("verify").about(&to))?,
            }
        }
        Ok(())
    }
}

/// Sizes of a listing, looked up by the names that were sent.
struct ListedSizes<'a> {
    exact: &'a HashMap<String, u64>,
    rules: &'a NameRules,
    /// Sizes by the key of the name, for keys that only one sent name has.
    by_key: HashMap<String, u64>,
}

impl<'a> ListedSizes<'a> {
    /// Indexes the sizes of a listing by name. `sent` are the names of the files that were sent: a
    /// name that the remote changed is found by its key, if only one of them has the key.
    fn new(listed: &'a HashMap<String, u64>, sent: &[&str], rules: &'a NameRules) -> Self {
        let mut times = HashMap::<String, usize>::new();
        let key = |name: &str| rules.key(name).into_owned();
        sent.iter().for_each(|name| *times.entry(key(name)).or_default() += 1);
        let alone = |name: &&String| times.get(&key(name)) == Some(&1);
        let by_key = listed.keys().filter(alone).map(|name| (key(name), listed[name])).collect();
        Self { exact: listed, rules, by_key }
    }

    /// Returns the difference between the listing and a sent file with a name and a size in bytes,
    /// as a reason for the user. `None` if they agree.
    fn mismatch(&self, name: &str, size: u64) -> Option<String> {
        // An existing file may keep its name in another case.
        match self.exact.get(name).or_else(|| self.by_key.get(&*self.rules.key(name))) {
            Some(listed) if *listed == size => None,
            Some(listed) => Some(format!("sent {size} bytes, but the drive has {listed}")),
            None => Some("the file was sent, but the folder does not list it".to_owned()),
        }
    }
}

/// Returns the sizes of the files in a remote folder, by name.
///
/// # Errors
/// `NotFound` if the folder does not exist; the failure of a request ([`Failure::from`]).
async fn sizes_in(folder: &RemotePath) -> Result<HashMap<String, u64>> {
    let mut sizes = HashMap::new();
    if let Listed::Folder(listing) = list(folder, Depth::Children).await? {
        let mut listing = listing.without_reports();
        while let Some((path, metadata)) = listing.next().await? {
            let Some(name) = path.name().filter(|_| metadata.is_file()).map(str::to_owned) else {
                continue;
            };
            let size = match known_size(&metadata) {
                Some(size) => size,
                // The listing has no size for this file; its metadata has.
                None => listing.located(path).stat().await?.metadata().content_length(),
            };
            sizes.insert(name, size);
        }
    }
    Ok(sizes)
}

/// Returns the names in a remote folder.
///
/// # Errors
/// `NotFound` if the folder does not exist; the failure of a request ([`Failure::from`]).
async fn names_in(folder: &RemotePath) -> Result<HashSet<String>> {
    let mut names = HashSet::new();
    if let Listed::Folder(listing) = list(folder, Depth::Children).await? {
        let mut listing = listing.without_reports();
        while let Some((path, _)) = listing.next().await? {
            names.extend(path.name().map(str::to_owned));
        }
    }
    Ok(names)
}

/// Returns whether an item exists.
///
/// # Errors
/// The failure of the request ([`Failure::from`]). Absence is no error.
async fn exists(at: &RemotePath) -> Result<bool> {
    match at.stat().await {
        Ok(EntryInfo::File(_) | EntryInfo::Folder(_)) => Ok(true),
        Err(failure) if failure.exit == Exit::NotFound => Ok(false),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatches(listed: &[(&str, u64)], sent: &[(&str, u64)]) -> Vec<Option<String>> {
        let listed = listed.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
        let names: Vec<_> = sent.iter().map(|(name, _)| *name).collect();
        let rules = NameRules::with_key(|name| name.to_lowercase().into());
        let sizes = ListedSizes::new(&listed, &names, &rules);
        sent.iter().map(|(name, size)| sizes.mismatch(name, *size)).collect()
    }

    #[test]
    fn a_truncated_or_missing_file_is_detected() {
        let differences = mismatches(&[("a", 3), ("b", 2)], &[("a", 3), ("b", 3), ("c", 0)]);
        assert_eq!(differences[0], None);
        assert!(
            differences[1]
                .as_ref()
                .is_some_and(|differences| differences.contains("the drive has 2")),
            "{differences:?}"
        );
        assert!(
            differences[2]
                .as_ref()
                .is_some_and(|differences| differences.contains("the folder does not list it"))
        );
    }

    #[test]
    fn a_file_that_kept_its_name_in_another_case_is_verified() {
        assert_eq!(mismatches(&[("readme", 3)], &[("README", 3)]), [None]);
    }

    #[test]
    fn of_two_names_with_one_key_only_the_listed_one_is_verified() {
        let differences = mismatches(&[("a", 3)], &[("a", 3), ("A", 3)]);
        assert_eq!(differences[0], None);
        assert!(differences[1].is_some());
    }
}
