//! The look through local trees before an upload: what there is, and which of it would share a name
//! on the remote.
//!
//! Each folder of the remote gets its contents from one local folder, and the folder that the whole
//! upload goes to from the sources of the command line. So two items can share a name only within a
//! local folder, or among the sources; one folder at a time is compared.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    local::{self, Links, LocalEntry},
    names::NameRules,
};
use crate::{
    app::RemotePath,
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    progress::TransferTotals,
};

/// How many of the items that share a name are named in a message about one of them.
const NAMED_MAX: usize = 3;

/// A file or folder that the command line names.
#[derive(Clone, Debug)]
pub(crate) struct UploadSource {
    pub(crate) path: PathBuf,
    pub(crate) is_folder: bool,
    /// Its length in bytes, if it is a file.
    pub(crate) len: u64,
    /// The item that it becomes.
    pub(crate) to: RemotePath,
    /// The contents of the folder go to the target itself, as those of `.` do.
    pub(crate) is_nameless: bool,
}

/// One of several local items that would share a name.
#[derive(Clone, Debug)]
pub(crate) struct ClashingSource {
    name: String,
    path: PathBuf,
    is_folder: bool,
}

/// What an upload is to send.
pub(crate) struct Survey {
    pub(crate) rules: NameRules,
    pub(crate) links: Links,
    pub(crate) interrupt: Interrupt,
    /// Counts the files and bytes that are found.
    pub(crate) totals: Arc<TransferTotals>,
}

/// Items that an upload leaves out, and why.
#[derive(Default)]
pub(crate) struct Refused {
    pub(crate) paths: HashSet<PathBuf>,
    pub(crate) failures: Vec<Failure>,
}

impl Survey {
    /// Looks through all sources, which go to the folder `target`. Waits for the disk.
    ///
    /// # Errors
    /// When the command is stopped. A folder that cannot be read is reported when it is to be sent.
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

    /// Compares the sources with each other, and with the contents of one that has no name.
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
            // Within the folder they are compared with its contents.
            [_] if contenders.is_empty() => {}
            [only] => contenders.extend(
                local::entries(&only.path, self.links, &real(&only.path))
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

    fn tree(&self, source: &UploadSource, refused: &mut Refused) -> Result {
        let above: Arc<[PathBuf]> = real(&source.path).into();
        let mut folders = vec![(source.path.clone(), source.to.clone(), above)];
        while let Some((from, to, above)) = folders.pop() {
            if self.interrupt.is_set() {
                return Err(self.interrupt.failure());
            }
            let Ok(entries) = local::entries(&from, self.links, &above) else { continue };
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
                            Links::Follow => above.iter().cloned().chain(real(&path)).collect(),
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

/// The real path of a folder; none where it cannot be known.
fn real(folder: &Path) -> Vec<PathBuf> {
    folder.canonicalize().into_iter().collect()
}

impl ClashingSource {
    fn from_entry(entry: &LocalEntry) -> Option<Self> {
        let (name, path, is_folder) = entry.sendable()?;
        Some(Self { name: name.to_owned(), path: path.to_owned(), is_folder })
    }
}

impl Refused {
    fn add(&mut self, clash: &[ClashingSource], folder: &RemotePath) {
        for (path, failure) in failures(clash, folder) {
            if self.paths.insert(path) {
                self.failures.push(failure);
            }
        }
    }
}

/// Takes those entries of a folder out that would share a name.
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

/// A failure for each item of a clash. `folder`: the remote's folder that they would go to.
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

/// The failure of an item that would share its name with `others` in `folder`.
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
