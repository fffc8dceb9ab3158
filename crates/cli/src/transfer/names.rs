//! How the target of a transfer compares names, and which sources would get the same name.

use std::{
    borrow::Cow,
    collections::HashMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use drivedal::adapter::path_name_from_local;
use drivedal_transfer::IgnoredDistinctions;

use crate::{
    failure::{Failure, Result},
    remote::OpenRemote,
};

/// Rules by which a target compares the names in a folder.
#[derive(Clone)]
pub(crate) struct NameRules {
    rule: Rule,
    /// The target maps names that it forbids.
    maps_names: bool,
}

#[derive(Clone)]
enum Rule {
    /// Byte by byte: object stores, memory.
    Exact,
    /// By the collision key of a drive.
    Drive(fn(&str) -> Cow<'_, str>),
    /// By the file system of a local folder, which is probed on demand.
    Local(Arc<LocalFolder>),
}

struct LocalFolder {
    folder: PathBuf,
    folding: OnceLock<IgnoredDistinctions>,
}

impl NameRules {
    /// Creates rules that compare names byte by byte.
    #[cfg(test)]
    pub(crate) fn exact() -> Self {
        Self::new(Rule::Exact)
    }

    /// Creates rules that compare names by the key that `key` returns.
    #[cfg(test)]
    pub(crate) fn with_key(key: fn(&str) -> Cow<'_, str>) -> Self {
        Self::new(Rule::Drive(key))
    }

    /// Returns the rules of a remote.
    pub(crate) fn for_remote(remote: &OpenRemote) -> Self {
        let info = remote.operator.info();
        match &remote.handle {
            Some(handle) => Self {
                rule: Rule::Drive(handle.drive().capabilities().collision_key),
                maps_names: remote.maps_names(),
            },
            None if info.scheme() == "fs" => Self::for_folder(Path::new(&*info.root())),
            None => Self::new(Rule::Exact),
        }
    }

    /// Creates rules of a target that does not map names.
    fn new(rule: Rule) -> Self {
        Self { rule, maps_names: false }
    }

    /// Returns the name at the target of a local item with this name.
    ///
    /// # Errors
    /// `Failed` if the name is not UTF-8 and the target does not map names.
    pub(crate) fn target_name(&self, local: &OsStr) -> Result<String> {
        let name = match self.maps_names {
            true => path_name_from_local(local),
            false => local.to_str().map(str::to_owned),
        };
        name.ok_or_else(Failure::is_not_utf8)
    }

    /// Returns the rules of a local folder. If it does not exist, the nearest existing parent is
    /// probed.
    pub(crate) fn for_folder(folder: &Path) -> Self {
        let (folder, folding) = (folder.to_owned(), OnceLock::new());
        Self::new(Rule::Local(Arc::new(LocalFolder { folder, folding })))
    }

    /// Returns a key that names share if they may be equal. It does not access the disk.
    fn coarse_key<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.rule {
            Rule::Exact => Cow::Borrowed(name),
            Rule::Drive(key) => key(name),
            Rule::Local(_) => IgnoredDistinctions::ALL.key(name),
        }
    }

    /// Returns a key that names share exactly if they are equal. May block on the disk.
    pub(crate) fn key<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.rule {
            Rule::Local(disk) => disk.folding().key(name),
            _ => self.coarse_key(name),
        }
    }

    /// Groups entries of one folder by equal names, in the order of the first entry of each group.
    /// A group with several entries is a clash.
    pub(crate) fn group<T>(&self, entries: Vec<T>, name: impl Fn(&T) -> &str) -> Vec<Vec<T>> {
        let coarse = group_by(entries, |entry| self.coarse_key(name(entry)));
        coarse
            .into_iter()
            .flat_map(|group| match group.len() {
                1 => vec![group],
                _ => group_by(group, |entry| self.key(name(entry))),
            })
            .collect()
    }
}

/// Groups entries by equal keys, in the order of the first entry of each group.
fn group_by<T>(entries: Vec<T>, key: impl Fn(&T) -> Cow<'_, str>) -> Vec<Vec<T>> {
    let mut groups: Vec<Vec<T>> = Vec::with_capacity(entries.len());
    let mut known: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let key = key(&entry).into_owned();
        match known.get(&key) {
            Some(at) => groups[*at].push(entry),
            None => {
                known.insert(key, groups.len());
                groups.push(vec![entry]);
            }
        }
    }
    groups
}

impl LocalFolder {
    /// Returns the differences that the folder's file system ignores. The first call probes it.
    fn folding(&self) -> IgnoredDistinctions {
        *self.folding.get_or_init(|| {
            let here = Path::new(".");
            let folder = if self.folder.as_os_str().is_empty() { here } else { &self.folder };
            IgnoredDistinctions::probe(folder)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn folding() -> impl Strategy<Value = IgnoredDistinctions> {
        any::<(bool, bool, bool)>().prop_map(|(case, normalization, trailing_dots)| {
            IgnoredDistinctions { case, normalization, trailing_dots }
        })
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn probing_a_folder_leaves_no_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let rules = NameRules::for_folder(&dir.path().join("not/yet"));
        let entries = vec!["README", "readme", "U\u{308}", "Ü", "a", "a."];
        let groups = rules.group(entries.clone(), |name| *name);
        let alone: Vec<_> = entries.into_iter().map(|name| vec![name]).collect();
        assert_eq!(groups, alone, "the usual file systems of Linux join no names");
        assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 0);
    }

    proptest! {
        /// Names that a file system treats as equal share the coarse key, so the file system is
        /// probed.
        #[test]
        fn names_that_a_file_system_treats_as_equal_share_the_coarse_key(
            one in "[aAéÉe\u{301}ßſ. ]{0,6}", other in "[aAéÉe\u{301}ßſ. ]{0,6}", folding in folding(),
        ) {
            if folding.key(&one) == folding.key(&other) {
                prop_assert_eq!(IgnoredDistinctions::ALL.key(&one), IgnoredDistinctions::ALL.key(&other));
            }
        }

        #[test]
        fn entries_are_grouped_by_key_and_none_is_lost(names in prop::collection::vec("[aAbBéÉ]{1,3}", 0..20)) {
            let rules = NameRules::new(Rule::Drive(upper_key));
            let groups = rules.group(names.clone(), |name| name);
            let mut keys: Vec<_> = groups.iter().map(|group| rules.key(&group[0]).into_owned()).collect();
            for group in &groups {
                prop_assert!(group.iter().all(|name| rules.key(name) == rules.key(&group[0])));
            }
            let count = keys.len();
            keys.sort();
            keys.dedup();
            prop_assert_eq!(keys.len(), count);
            let mut all: Vec<_> = groups.into_iter().flatten().collect();
            let mut names = names;
            all.sort();
            names.sort();
            prop_assert_eq!(all, names);
        }
    }

    fn upper_key(name: &str) -> Cow<'_, str> {
        Cow::Owned(name.to_uppercase())
    }
}
