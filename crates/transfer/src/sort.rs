//! External merge sort of listed entries.
//!
//! Entries are sorted by a key, which depends on how the target compares names. Up to
//! [`MEMORY_MAX`] entries are sorted in memory. Above that, sorted runs of this length are written
//! to temporary files and merged while they are read.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    fs::File,
    io::{self, BufWriter},
    iter::Peekable,
    vec,
};

use serde::{Deserialize, Serialize};

use crate::{
    entry::TreeEntry,
    spool::{MEMORY_MAX, RecordReader, write_record},
};

/// An entry with its sort key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyedEntry {
    /// Entries with equal keys may be the same item.
    pub(crate) key: String,
    pub(crate) entry: TreeEntry,
}

/// Collects entries in any order and returns them sorted.
#[derive(Debug)]
pub(crate) struct EntrySorter {
    memory: Vec<KeyedEntry>,
    runs: Vec<File>,
    memory_max: usize,
}

impl EntrySorter {
    /// Returns an empty sorter.
    pub(crate) fn new() -> Self {
        Self::with_memory_max(MEMORY_MAX)
    }

    /// Returns an empty sorter that holds at most `memory_max` entries in memory.
    fn with_memory_max(memory_max: usize) -> Self {
        Self { memory: Vec::new(), runs: Vec::new(), memory_max }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// The operating system's error if a temporary file cannot be written.
    pub(crate) fn push(&mut self, entry: KeyedEntry) -> io::Result<()> {
        self.memory.push(entry);
        if self.memory.len() > self.memory_max {
            let mut file = BufWriter::new(tempfile::tempfile()?);
            sort(&mut self.memory);
            for entry in self.memory.drain(..) {
                write_record(&mut file, &entry)?;
            }
            self.runs.push(file.into_inner().map_err(io::Error::from)?);
        }
        Ok(())
    }

    /// Returns the entries in the order of their keys, and of their names for equal keys.
    ///
    /// # Errors
    /// The operating system's error if a temporary file cannot be read.
    pub(crate) fn finish(mut self) -> io::Result<SortedEntries> {
        sort(&mut self.memory);
        let memory = self.memory.into_iter().peekable();
        let mut heads = BinaryHeap::with_capacity(self.runs.len());
        for file in self.runs {
            let mut rest = RecordReader::new(file)?;
            if let Some(entry) = rest.next().transpose()? {
                heads.push(Reverse(RunHead { entry, rest }));
            }
        }
        Ok(SortedEntries { memory, heads })
    }
}

/// Sorts entries by key and name.
fn sort(entries: &mut [KeyedEntry]) {
    entries.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
}

/// Returns the values by which entries are sorted.
fn order(entry: &KeyedEntry) -> (&str, &str) {
    (&entry.key, &entry.entry.name)
}

/// Entries in the order of their keys.
pub(crate) struct SortedEntries {
    /// The entries that no run has.
    memory: Peekable<vec::IntoIter<KeyedEntry>>,
    heads: BinaryHeap<Reverse<RunHead>>,
}

impl SortedEntries {
    /// Returns no entries.
    pub(crate) fn empty() -> Self {
        Self { memory: Vec::new().into_iter().peekable(), heads: BinaryHeap::new() }
    }
}

impl Iterator for SortedEntries {
    type Item = io::Result<KeyedEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(mut head) = self.heads.peek_mut() else { return self.memory.next().map(Ok) };
        if self.memory.peek().is_some_and(|entry| order(entry) < order(&head.0.entry)) {
            return self.memory.next().map(Ok);
        }
        match head.0.rest.next() {
            Some(Ok(next)) => Some(Ok(std::mem::replace(&mut head.0.entry, next))),
            Some(Err(error)) => Some(Err(error)),
            None => Some(Ok(PeekMut::pop(head).0.entry)),
        }
    }
}

/// The next entry of a run.
struct RunHead {
    entry: KeyedEntry,
    rest: RecordReader<KeyedEntry>,
}

impl PartialEq for RunHead {
    fn eq(&self, other: &Self) -> bool {
        order(&self.entry) == order(&other.entry)
    }
}

impl Eq for RunHead {}

impl PartialOrd for RunHead {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RunHead {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        order(&self.entry).cmp(&order(&other.entry))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::EntryType;

    /// Returns the largest resident memory of this process so far, in bytes.
    #[cfg(target_os = "linux")]
    fn peak_memory() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("read");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[ignore = "takes minutes and 2 GB of temporary files: run it alone, with --release"]
    fn ten_million_entries_in_random_order_need_less_than_200_mib() {
        const ENTRIES: u64 = 10_000_000;
        let mut sorter = EntrySorter::new();
        for number in 0..ENTRIES {
            // Multiplication by an odd number permutes the numbers of 64 bits.
            let name = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut entry = TreeEntry::new(&*name, EntryType::File);
            entry.size = Some(number);
            entry.modified = jiff::Timestamp::from_second(1_400_000_000).ok();
            entry.etag = Some(format!("\"{name}\""));
            sorter.push(KeyedEntry { key: name, entry }).expect("added");
        }
        let (mut count, mut last) = (0, String::new());
        for entry in sorter.finish().expect("sorted") {
            let entry = entry.expect("read");
            assert!(last < entry.key);
            (count, last) = (count + 1, entry.key);
        }
        assert_eq!(count, ENTRIES);
        let peak = peak_memory() >> 20;
        println!("peak: {peak} MiB");
        assert!(peak < 200, "{peak} MiB");
    }

    proptest! {
        #[test]
        fn entries_are_sorted_and_none_is_lost(
            names in prop::collection::vec("[abAB]{1,2}", 0..40), memory_max in 1_usize..8,
        ) {
            let mut sorter = EntrySorter::with_memory_max(memory_max);
            for name in &names {
                let entry = TreeEntry::new(name, EntryType::File);
                sorter.push(KeyedEntry { key: name.to_lowercase(), entry }).expect("added");
            }
            let sorted: io::Result<Vec<_>> = sorter.finish().expect("sorted").collect();
            let sorted: Vec<_> =
                sorted.expect("read").into_iter().map(|entry| (entry.key, entry.entry.name)).collect();
            let mut expected: Vec<_> =
                names.into_iter().map(|name| (name.to_lowercase(), name)).collect();
            expected.sort();
            prop_assert_eq!(sorted, expected);
        }
    }
}
