//! Merges the two sorted listings of a folder.

use std::{io, iter::Peekable};

use crate::{entry::TreeEntry, sort::SortedEntries};

/// The entries of both sides whose names may denote the same item at the target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NameGroup {
    pub(crate) sources: Vec<TreeEntry>,
    pub(crate) targets: Vec<TreeEntry>,
}

/// The groups of a folder, in the order of their keys.
pub(crate) struct NameGroups {
    sources: Peekable<SortedEntries>,
    targets: Peekable<SortedEntries>,
}

impl NameGroups {
    /// Merges two listings that are sorted by the same kind of key.
    pub(crate) fn new(sources: SortedEntries, targets: SortedEntries) -> Self {
        Self { sources: sources.peekable(), targets: targets.peekable() }
    }
}

impl Iterator for NameGroups {
    type Item = io::Result<NameGroup>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = match next_key(&mut self.sources, &mut self.targets) {
            Ok(key) => key?,
            Err(error) => return Some(Err(error)),
        };
        let take = |entries: &mut Peekable<SortedEntries>| -> io::Result<Vec<TreeEntry>> {
            let mut taken = Vec::new();
            while let Some(next) =
                entries.next_if(|next| next.as_ref().map_or(true, |next| next.key == key))
            {
                taken.push(next?.entry);
            }
            Ok(taken)
        };
        let group = take(&mut self.sources)
            .and_then(|sources| Ok(NameGroup { sources, targets: take(&mut self.targets)? }));
        Some(group)
    }
}

/// Returns the smaller of the next two keys. `None` if both listings have ended.
///
/// # Errors
/// That of an entry that could not be read; the entry is consumed.
fn next_key(
    sources: &mut Peekable<SortedEntries>,
    targets: &mut Peekable<SortedEntries>,
) -> io::Result<Option<String>> {
    let mut keys = Vec::with_capacity(2);
    for side in [sources, targets] {
        if let Some(Err(error)) = side.next_if(Result::is_err) {
            return Err(error);
        }
        if let Some(Ok(next)) = side.peek() {
            keys.push(next.key.clone());
        }
    }
    Ok(keys.into_iter().min())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        entry::EntryType,
        sort::{EntrySorter, KeyedEntry},
    };

    fn sorted(names: &[&str]) -> SortedEntries {
        let mut sorter = EntrySorter::new();
        for name in names {
            let entry = TreeEntry::new(*name, EntryType::File);
            sorter.push(KeyedEntry { key: name.to_lowercase(), entry }).expect("added");
        }
        sorter.finish().expect("sorted")
    }

    #[test]
    fn names_meet_their_counterparts() {
        let groups = NameGroups::new(sorted(&["b", "A", "a", "d"]), sorted(&["c", "B", "d"]));
        let names: Vec<(String, String)> = groups
            .map(|group| {
                let group = group.expect("read");
                let join = |entries: &[TreeEntry]| {
                    entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(" ")
                };
                (join(&group.sources), join(&group.targets))
            })
            .collect();
        let expected = [("A a", ""), ("b", "B"), ("", "c"), ("d", "d")];
        let expected: Vec<_> =
            expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(names, expected);
    }
}
