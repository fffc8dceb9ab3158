//! The search for files and clashes before an upload: how many files there are, and which items
//! would get the same name on the remote.
//!
//! Each folder on the remote gets its contents from one local folder; the target of the command
//! gets the sources of the command line. Two items can therefore clash only within a local folder,
//! or among the sources, and folders are compared one by one.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    local::{self, LocalEntry, SymlinkPolicy},
    names::NameRules,
};
use crate::{
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    progress::TransferTotals,
    remote::RemotePath,
};

/// Maximum number of clashing items that a message lists.
const NAMED_MAX: usize = 3;

/// A file or folder of the command line.
#[derive(Clone, Debug)]
pub(crate) struct UploadSource {
    pub(crate) path: PathBuf,
    pub(crate) is_folder: bool,
    /// Length in bytes of a file. Meaningless for a folder.
    pub(crate) len: u64,
    /// The remote path that it is uploaded to.
    pub(crate) to: RemotePath,
    /// The folder has no name (`.` or `/`), so its contents are uploaded into the target itself.
    pub(crate) is_nameless: bool,
}

/// One of several local items that would get the same name.
#[derive(Clone, Debug)]
pub(crate) struct ClashingSource {
    name: String,
    path: PathBuf,
    is_folder: bool,
}

/// Settings of the search.
pub(crate) struct Survey {
    pub(crate) rules: NameRules,
    pub(crate) links: SymlinkPolicy,
    pub(crate) interrupt: Interrupt,
    /// Counts the files and bytes found.
    pub(crate) totals: Arc<TransferTotals>,
}

/// Items that are not uploaded, and their failures.
#[derive(Default)]
pub(crate) struct Refused {
    pub(crate) paths: HashSet<PathBuf>,
    pub(crate) failures: Vec<Failure>,
}

impl Survey {
    /// Searches all sources. `target` is the folder that they are uploaded into. Blocks on the
    /// disk. Unreadable folders are reported by the upload.
    ///
    /// # Errors
    /// `Interrupted` or `Terminated` after a signal.
    pub(crate) fn run(&self, sources: &[UploadSource], target: &RemotePath) -> Result<Refused> {
        let mut refused = Refused::default();
        self.sources(sources, target, &mut refused);
        for source in sources {
            if refused.paths.contains(&source.path) {
                continue;
            }
            match source.is_folder {
                true => self.tree(source, &mut refused)?,
                false => self.totals.found_file(source.len),
            }
        }
        self.totals.found_all();
        Ok(refused)
    }

    /// Compares the sources with each other, and with the contents of a source without a name.
    fn sources(&self, sources: &[UploadSource], target: &RemotePath, refused: &mut Refused) {
        let contender = |source: &UploadSource| ClashingSource {
            name: source.to.path.name().unwrap_or_default().to_owned(),
            path: source.path.clone(),
            is_folder: source.is_folder,
        };
        let (nameless, named): (Vec<_>, Vec<_>) =
            sources.iter().partition(|source| source.is_nameless);
        let mut contenders: Vec<_> = named.into_iter().map(contender).collect();
        match nameless.as_slice() {
            [] => {}
            // `tree` compares the contents of that folder.
            [_] if contenders.is_empty() => {}
            [only] => contenders.extend(
                local::entries(&only.path, &self.rules, self.links, &real(&only.path))
                    .into_iter()
                    .flatten()
                    .filter_map(|entry| ClashingSource::from_entry(&entry)),
            ),
            several => {
                let several: Vec<_> = several.iter().copied().map(contender).collect();
                refused.add(&several, target);
            }
        }
        for group in self.rules.group(contenders, |one| &one.name) {
            if group.len() > 1 {
                refused.add(&group, target);
            }
        }
    }

    /// Searches a source with everything below it.
    ///
    /// # Errors
    /// `Interrupted` or `Terminated` after a signal.
    fn tree(&self, source: &UploadSource, refused: &mut Refused) -> Result {
        let above: Arc<[PathBuf]> = real(&source.path).into();
        let mut folders = vec![(source.path.clone(), source.to.clone(), above)];
        while let Some((from, to, above)) = folders.pop() {
            if self.interrupt.is_set() {
                return Err(self.interrupt.failure());
            }
            let Ok(entries) = local::entries(&from, &self.rules, self.links, &above) else {
                continue;
            };
            let (entries, clashes) = split(entries, &self.rules);
            for clash in clashes {
                refused.add(&clash, &to);
            }
            for entry in entries.into_iter().rev() {
                match entry {
                    _ if entry.sendable().is_some_and(|(_, at, _)| refused.paths.contains(at)) => {}
                    LocalEntry::File { len, .. } => self.totals.found_file(len),
                    LocalEntry::Folder { name, path } => {
                        let above = match self.links {
                            SymlinkPolicy::Follow => {
                                above.iter().cloned().chain(real(&path)).collect()
                            }
                            _ => Arc::clone(&above),
                        };
                        folders.push((path, to.join(&name), above));
                    }
                    LocalEntry::Skipped { .. } | LocalEntry::Failed(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// Returns the real path of a folder. Empty if it cannot be resolved.
fn real(folder: &Path) -> Vec<PathBuf> {
    folder.canonicalize().into_iter().collect()
}

impl ClashingSource {
    /// Returns the source of an entry; `None` if it is not uploaded.
    fn from_entry(entry: &LocalEntry) -> Option<Self> {
        let (name, path, is_folder) = entry.sendable()?;
        Some(Self { name: name.to_owned(), path: path.to_owned(), is_folder })
    }
}

impl Refused {
    /// Adds the items of a clash, each once. `folder` is their target folder on the remote.
    fn add(&mut self, clash: &[ClashingSource], folder: &RemotePath) {
        for (path, failure) in failures(clash, folder) {
            if self.paths.insert(path) {
                self.failures.push(failure);
            }
        }
    }
}

/// Separates entries of a folder that would get the same name from the others.
pub(super) fn split(
    entries: Vec<LocalEntry>,
    rules: &NameRules,
) -> (Vec<LocalEntry>, Vec<Vec<ClashingSource>>) {
    let contenders: Vec<_> = entries.iter().filter_map(ClashingSource::from_entry).collect();
    let mut clashes = rules.group(contenders, |one| &one.name);
    clashes.retain(|group| group.len() > 1);
    if clashes.is_empty() {
        return (entries, clashes);
    }
    let refused: HashSet<_> = clashes.iter().flatten().map(|one| one.path.as_path()).collect();
    let is_refused =
        |entry: &LocalEntry| entry.sendable().is_some_and(|(_, path, _)| refused.contains(path));
    (entries.into_iter().filter(|entry| !is_refused(entry)).collect(), clashes)
}

/// Returns a failure for each clashing item. `folder` is their target folder on the remote.
pub(super) fn failures(clash: &[ClashingSource], folder: &RemotePath) -> Vec<(PathBuf, Failure)> {
    let mut failures = Vec::with_capacity(clash.len());
    for (at, one) in clash.iter().enumerate() {
        let others = clash.iter().enumerate().filter(|(other, _)| *other != at);
        let others: Vec<_> = others.map(|(_, one)| one.path.display().to_string()).collect();
        let failure = shared_name(&others, &folder.to_string(), one.is_folder);
        failures.push((one.path.clone(), failure.about(one.path.display())));
    }
    failures
}

/// Creates the failure of an item that would get the same name in `folder` as `others`. `is_folder`
/// is whether the item is a folder, which is left out with its contents.
pub(super) fn shared_name(others: &[String], folder: &str, is_folder: bool) -> Failure {
    let mut named = others.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if others.len() > NAMED_MAX {
        named.push_str(&format!(" and {} more", others.len() - NAMED_MAX));
    }
    let failure =
        Failure::new(Exit::Failed, format!("{named} would have the same name in {folder}"));
    match is_folder {
        true => failure.hint("the folder was left out"),
        false => failure,
    }
}
