//! Local trees to a remote.
//!
//! Folder by folder: a folder is made, its files are sent side by side, and one listing of it at
//! the end shows that each has arrived in full, if the cloud did not say so before. On a cloud that is walked by id this costs a
//! request per file and two per folder.

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
    jobs::work_off,
    journal::Journal,
    large,
    ledger::{Became, Ledger},
    local::{self, Entry, Links, blocking},
    names::NameRules,
    send::{Arrived, Writing, send},
    survey,
};
use crate::{
    app::{Found, Located},
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    listing::{Depth, Listed, list},
};

/// How trees are sent.
pub(crate) struct Upload {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) interrupt: Interrupt,
    /// Large files that were begun.
    pub(crate) journal: Option<Journal>,
    /// Files that are there stay as they are.
    pub(crate) keep: bool,
    pub(crate) links: Links,
    /// How the remote compares names.
    pub(crate) rules: NameRules,
    /// Local items that the survey refused: each would share its name with another.
    pub(crate) refused: HashSet<PathBuf>,
}

/// A piece of the work.
pub(crate) enum Work {
    /// Make a folder, and see what is to go in it. `above`: the real paths of the local folders it
    /// is in, where links are followed.
    Folder { from: PathBuf, to: Located, above: Arc<[PathBuf]> },
    /// Send a file.
    File { from: PathBuf, name: String, to: Located, group: Arc<Group> },
}

/// Files that go into one folder, and are checked together.
pub(crate) struct Group {
    folder: Located,
    rules: NameRules,
    /// Keys of the names that were taken before.
    taken: HashSet<String>,
    /// A file that is kept was all that was asked for, so it is a failure.
    alone: bool,
    /// Sizes that a cloud does not tell are compared when all are there.
    checked_later: bool,
    left: AtomicUsize,
    sent: Mutex<Vec<Sent>>,
}

struct Sent {
    name: String,
    from: PathBuf,
    size: u64,
}

impl Group {
    pub(crate) fn new(
        folder: Located,
        rules: NameRules,
        taken: HashSet<String>,
        files: usize,
        alone: bool,
    ) -> Arc<Self> {
        let checked_later = folder.remote.takes_announcements() && files > 1;
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

impl Upload {
    /// Sends everything, `jobs` files at once.
    ///
    /// # Errors
    /// When results cannot be written; what fails of the items is in the ledger.
    pub(crate) async fn run(self: Arc<Self>, jobs: usize, work: Vec<Work>) -> Result {
        let interrupt = self.interrupt.clone();
        work_off(jobs, &interrupt, work, move |piece| Arc::clone(&self).step(piece)).await
    }

    async fn step(self: Arc<Self>, work: Work) -> Result<Vec<Work>> {
        match work {
            Work::Folder { from, to, above } => match self.open_folder(&from, &to, above).await {
                Ok(work) => Ok(work),
                Err(failure) => {
                    self.ledger.failed(failure)?;
                    Ok(Vec::new())
                }
            },
            Work::File { from, name, to, group } => {
                self.send_file(from, name, &to, &group).await?;
                if group.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.check(&group).await?;
                }
                Ok(Vec::new())
            }
        }
    }

    async fn open_folder(
        &self,
        from: &Path,
        to: &Located,
        above: Arc<[PathBuf]>,
    ) -> Result<Vec<Work>> {
        // Read first: what cannot be read is not made either.
        let (folder, links, parents) = (from.to_owned(), self.links, Arc::clone(&above));
        let rules = self.rules.clone();
        let (mut entries, clashes) = blocking(move || {
            let entries = local::entries(&folder, links, &parents)?;
            Ok(survey::split(entries, &rules))
        })
        .await?;
        // A file may have appeared since the survey.
        for clash in clashes {
            for failure in survey::failures(&clash, to) {
                if !self.refused.contains(&failure.0) {
                    self.ledger.failed(failure.1)?;
                }
            }
        }
        entries.retain(|entry| {
            entry.sendable().is_none_or(|(_, path, _)| !self.refused.contains(path))
        });
        self.interrupt.or(self.make(to)).await?;
        self.ledger.note(to, from, Became::Made, None)?;
        let files = entries.iter().filter(|entry| matches!(entry, Entry::File { .. })).count();
        let taken = match self.keep && files > 0 {
            true => {
                let names = self.interrupt.or(names_in(to)).await?;
                names.iter().map(|name| self.rules.key(name).into_owned()).collect()
            }
            false => HashSet::new(),
        };
        let group = Group::new(to.clone(), self.rules.clone(), taken, files, false);
        let (mut folders, mut sends) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry {
                Entry::File { name, path, .. } => {
                    let (to, group) = (to.join(&name), Arc::clone(&group));
                    sends.push(Work::File { from: path, name, to, group });
                }
                Entry::Folder { name, path } => {
                    let above = self.with_real_path(&path, &above);
                    folders.push(Work::Folder { from: path, to: to.join(&name), above });
                }
                Entry::Skipped { name, path } => {
                    self.ledger.note(&to.join(&name), &path, Became::Skipped, None)?;
                }
                Entry::Failed(failure) => self.ledger.failed(failure)?,
            }
        }
        // The last is done first: files before folders, so that few folders are open at once.
        folders.reverse();
        sends.reverse();
        folders.append(&mut sends);
        Ok(folders)
    }

    /// The real paths of the folders above, with this one: only needed where links are followed.
    fn with_real_path(&self, folder: &Path, above: &Arc<[PathBuf]>) -> Arc<[PathBuf]> {
        match (self.links, folder.canonicalize()) {
            (Links::Follow, Ok(real)) => above.iter().cloned().chain([real]).collect(),
            _ => Arc::clone(above),
        }
    }

    async fn make(&self, folder: &Located) -> Result {
        if folder.path.is_root() {
            return Ok(());
        }
        let made = folder.operator().create_dir(&folder.path.folder()).await;
        made.map_err(|error| {
            let mut failure = Failure::from(error).about(folder);
            failure.message.push_str(" (nothing of this folder was sent)");
            failure
        })
    }

    async fn send_file(&self, from: PathBuf, name: String, to: &Located, group: &Group) -> Result {
        if self.interrupt.is_set() {
            return Ok(());
        }
        if self.keep && group.taken.contains(&*group.rules.key(&name)) {
            return self.kept(&from, to, group);
        }
        let sent = self.send_or_refuse(from.clone(), to, group).await;
        match sent {
            Err(failure) if self.keep && failure.exit == Exit::Exists => {
                self.kept(&from, to, group)
            }
            Err(failure) => self.ledger.failed(failure),
            Ok(Arrived { size, unchecked: true }) => {
                self.ledger.tally.arrived();
                self.ledger.tally.to_be_checked(1);
                let mut sent = group.sent.lock().unwrap_or_else(PoisonError::into_inner);
                sent.push(Sent { name, from, size });
                Ok(())
            }
            Ok(Arrived { size, .. }) => {
                self.ledger.tally.arrived();
                self.ledger.note(to, &from, Became::Sent, Some(size))
            }
        }
    }

    async fn send_or_refuse(&self, from: PathBuf, to: &Located, group: &Group) -> Result<Arrived> {
        let can_refuse = to.operator().info().capability().write_with_if_not_exists;
        if self.keep && !can_refuse && self.interrupt.or(exists(to)).await? {
            return Err(Failure::new(Exit::Exists, "already exists").about(to));
        }
        let how = Writing {
            new_only: self.keep && can_refuse,
            checked_later: group.checked_later,
            ..Writing::default()
        };
        let (ledger, interrupt) = (&self.ledger, &self.interrupt);
        let Some(handle) = &to.remote.handle else {
            return send(from, to, how, &ledger.tally, interrupt).await;
        };
        let path = from.clone();
        let size = blocking(move || {
            fs::metadata(&path).map(|file| file.len()).map_err(|e| Failure::local(&path, &e))
        });
        match size.await? {
            size if handle.sends_in_fragments(size) => {
                let journal = self.journal.as_ref();
                large::send(from, to, handle, how, ledger, interrupt, journal).await
            }
            // There is nothing that could go on.
            size if handle.collects(size) => {
                large::send(from, to, handle, how, ledger, interrupt, None).await
            }
            _ => send(from, to, how, &ledger.tally, interrupt).await,
        }
    }

    fn kept(&self, from: &Path, to: &Located, group: &Group) -> Result {
        if group.alone {
            return self.ledger.failed(Failure::new(Exit::Exists, "already exists").about(to));
        }
        self.ledger.note(to, from, Became::Kept, None)
    }

    /// One listing says whether every file of the folder is there in full.
    async fn check(&self, group: &Group) -> Result {
        let sent = std::mem::take(&mut *group.sent.lock().unwrap_or_else(PoisonError::into_inner));
        if sent.is_empty() {
            return Ok(());
        }
        let sizes = match self.interrupt.or(sizes_in(&group.folder)).await {
            Ok(sizes) => sizes,
            Err(failure) => {
                let (count, why) = (sent.len(), &failure.message);
                let message = format!("{count} files were sent to it, but not checked: {why}");
                return self.ledger.failed(Failure { message, ..failure });
            }
        };
        self.ledger.tally.checked(sent.len() as u64);
        let names: Vec<_> = sent.iter().map(|file| file.name.as_str()).collect();
        let sizes = Sizes::new(&sizes, &names, &group.rules);
        for Sent { name, from, size } in &sent {
            let to = group.folder.join(name);
            match sizes.complaint(name, *size) {
                None => self.ledger.note(&to, from, Became::Sent, Some(*size))?,
                Some(why) => self.ledger.failed(Failure::new(Exit::Failed, why).about(&to))?,
            }
        }
        Ok(())
    }
}

/// The sizes that a listing tells, for names that were sent.
struct Sizes<'a> {
    exact: &'a HashMap<String, u64>,
    rules: &'a NameRules,
    /// By the key of the name, where no two sent names share one.
    by_key: HashMap<String, u64>,
}

impl<'a> Sizes<'a> {
    fn new(listed: &'a HashMap<String, u64>, sent: &[&str], rules: &'a NameRules) -> Self {
        let mut times = HashMap::<String, usize>::new();
        let key = |name: &str| rules.key(name).into_owned();
        sent.iter().for_each(|name| *times.entry(key(name)).or_default() += 1);
        let alone = |name: &&String| times.get(&key(name)) == Some(&1);
        let by_key = listed.keys().filter(alone).map(|name| (key(name), listed[name])).collect();
        Self { exact: listed, rules, by_key }
    }

    /// What is wrong with a file that was sent; `None`: nothing.
    fn complaint(&self, name: &str, size: u64) -> Option<String> {
        // A file may have kept the name it had, in other case.
        match self.exact.get(name).or_else(|| self.by_key.get(&*self.rules.key(name))) {
            Some(listed) if *listed == size => None,
            Some(listed) => Some(format!("{size} bytes were sent, but the drive has {listed}")),
            None => Some(
                "it was sent, but is not in the folder (another name that is the same to this \
                 drive?)"
                    .to_owned(),
            ),
        }
    }
}

async fn sizes_in(folder: &Located) -> Result<HashMap<String, u64>> {
    let mut sizes = HashMap::new();
    if let Listed::Folder(listing) = list(folder, Depth::Children).await? {
        let mut listing = listing.of_shown();
        while let Some((path, metadata)) = listing.next().await? {
            let Some(name) = path.name().filter(|_| metadata.is_file()).map(str::to_owned) else {
                continue;
            };
            let size = match known_size(&metadata) {
                Some(size) => size,
                // A look at the file finds out its size.
                None => listing.located(path).find().await?.metadata().content_length(),
            };
            sizes.insert(name, size);
        }
    }
    Ok(sizes)
}

async fn names_in(folder: &Located) -> Result<HashSet<String>> {
    let mut names = HashSet::new();
    if let Listed::Folder(listing) = list(folder, Depth::Children).await? {
        let mut listing = listing.of_shown();
        while let Some((path, _)) = listing.next().await? {
            names.extend(path.name().map(str::to_owned));
        }
    }
    Ok(names)
}

async fn exists(at: &Located) -> Result<bool> {
    match at.find().await {
        Ok(Found::File(_) | Found::Folder(_)) => Ok(true),
        Err(failure) if failure.exit == Exit::NotFound => Ok(false),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(listed: &[(&str, u64)], sent: &[(&str, u64)]) -> Vec<Option<String>> {
        let listed = listed.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
        let names: Vec<_> = sent.iter().map(|(name, _)| *name).collect();
        let rules = NameRules::with_key(|name| name.to_lowercase().into());
        let sizes = Sizes::new(&listed, &names, &rules);
        sent.iter().map(|(name, size)| sizes.complaint(name, *size)).collect()
    }

    #[test]
    fn a_file_that_arrived_short_or_not_at_all_is_seen() {
        let said = complaints(&[("a", 3), ("b", 2)], &[("a", 3), ("b", 3), ("c", 0)]);
        assert_eq!(said[0], None);
        assert!(said[1].as_ref().is_some_and(|said| said.contains("the drive has 2")), "{said:?}");
        assert!(said[2].as_ref().is_some_and(|said| said.contains("not in the folder")));
    }

    #[test]
    fn a_file_that_kept_its_name_in_other_case_has_arrived() {
        assert_eq!(complaints(&[("readme", 3)], &[("README", 3)]), [None]);
    }

    #[test]
    fn of_two_names_that_are_one_to_the_drive_only_the_one_listed_has_arrived() {
        let said = complaints(&[("a", 3)], &[("a", 3), ("A", 3)]);
        assert_eq!(said[0], None);
        assert!(said[1].is_some());
    }
}
