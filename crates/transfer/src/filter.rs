//! Selection of the files of a transfer.

use std::{collections::HashSet, sync::Arc, time::Duration};

use ignore::{
    gitignore::{Gitignore, GitignoreBuilder},
    overrides::{Override, OverrideBuilder},
};
use jiff::Timestamp;

use crate::{
    entry::{EntryType, TreeEntry},
    error::FilterError,
};

/// Selects files by path, size and age. The default selects every file.
///
/// Patterns have the form of `.gitignore` lines and are relative to the root of the transfer. A
/// folder that a pattern excludes is not listed.
#[derive(Clone, Debug, Default)]
pub struct PathFilter(Arc<FilterRules>);

/// The rules of a filter.
#[derive(Debug)]
struct FilterRules {
    /// Includes and excludes of the caller. The first match decides.
    rules: Override,
    /// The lines of filter files. The last match decides.
    files: Gitignore,
    /// The only files, and the folders above them, each with a slash at its end.
    only: Option<HashSet<String>>,
    min_size: Option<u64>,
    max_size: Option<u64>,
    newest: Option<Timestamp>,
    oldest: Option<Timestamp>,
}

impl Default for FilterRules {
    fn default() -> Self {
        Self {
            rules: Override::empty(),
            files: Gitignore::empty(),
            only: None,
            min_size: None,
            max_size: None,
            newest: None,
            oldest: None,
        }
    }
}

/// Builds a [`PathFilter`].
#[derive(Clone, Debug, Default)]
pub struct PathFilterBuilder {
    /// Patterns, in the order of the calls. Excludes begin with `!`.
    rules: Vec<String>,
    /// Lines of filter files.
    lines: Vec<String>,
    only: Option<HashSet<String>>,
    ignore_case: bool,
    min_size: Option<u64>,
    max_size: Option<u64>,
    min_age: Option<Duration>,
    max_age: Option<Duration>,
}

impl PathFilterBuilder {
    /// Returns a builder without rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Includes the files that match. As soon as one pattern includes, files that match no pattern
    /// are excluded. Of several patterns that match a file, the first one decides.
    #[must_use]
    pub fn include(mut self, pattern: impl Into<String>) -> Self {
        self.rules.push(pattern.into());
        self
    }

    /// Excludes the files and folders that match.
    #[must_use]
    pub fn exclude(mut self, pattern: impl AsRef<str>) -> Self {
        self.rules.push(format!("!{}", pattern.as_ref()));
        self
    }

    /// Excludes the items that the text of a `.gitignore` file excludes. Of several matching lines,
    /// the last one decides.
    #[must_use]
    pub fn gitignore(mut self, text: &str) -> Self {
        self.lines.extend(text.lines().map(str::to_owned));
        self
    }

    /// Selects only these files, by paths relative to the root. Other rules apply too.
    #[must_use]
    pub fn only(mut self, files: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let only = self.only.get_or_insert_default();
        for file in files {
            let file = file.as_ref().trim_matches('/');
            only.insert(file.to_owned());
            only.extend(file.match_indices('/').map(|(end, _)| file[..=end].to_owned()));
        }
        self
    }

    /// Sets whether patterns ignore the case of letters.
    #[must_use]
    pub fn ignore_case(mut self, ignore: bool) -> Self {
        self.ignore_case = ignore;
        self
    }

    /// Excludes files that are smaller, in bytes.
    #[must_use]
    pub fn min_size(mut self, bytes: u64) -> Self {
        self.min_size = Some(bytes);
        self
    }

    /// Excludes files that are larger, in bytes.
    #[must_use]
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// Excludes files that were modified within this time before [`build`](Self::build).
    #[must_use]
    pub fn min_age(mut self, age: Duration) -> Self {
        self.min_age = Some(age);
        self
    }

    /// Excludes files that were not modified within this time before [`build`](Self::build).
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Builds the filter.
    ///
    /// # Errors
    /// [`FilterError`] names the pattern that cannot be parsed.
    pub fn build(self) -> Result<PathFilter, FilterError> {
        let failed = |pattern: &str, source| FilterError { pattern: pattern.to_owned(), source };
        let mut rules = OverrideBuilder::new("");
        let set = rules.case_insensitive(self.ignore_case);
        set.map_err(|error| failed("", error))?;
        // The builder's last match decides.
        for pattern in self.rules.iter().rev() {
            rules.add(pattern).map_err(|error| failed(pattern.trim_start_matches('!'), error))?;
        }
        let mut files = GitignoreBuilder::new("");
        let set = files.case_insensitive(self.ignore_case);
        set.map_err(|error| failed("", error))?;
        for line in &self.lines {
            files.add_line(None, line).map_err(|error| failed(line, error))?;
        }
        let now = Timestamp::now();
        Ok(PathFilter(Arc::new(FilterRules {
            rules: rules.build().map_err(|error| failed("", error))?,
            files: files.build().map_err(|error| failed("", error))?,
            only: self.only,
            min_size: self.min_size,
            max_size: self.max_size,
            // An age beyond the representable times excludes nothing, or everything.
            newest: self.min_age.map(|age| now.checked_sub(age).unwrap_or(Timestamp::MIN)),
            oldest: self.max_age.map(|age| now.checked_sub(age).unwrap_or(Timestamp::MIN)),
        })))
    }
}

impl PathFilter {
    /// Returns whether the filter selects an entry of the folder `folder`, which is empty or ends
    /// with a slash. A folder is selected if selected files may be below it.
    pub fn selects(&self, folder: &str, entry: &TreeEntry) -> bool {
        self.selects_path(&format!("{folder}{}", entry.name), entry.is_folder())
            && (entry.kind != EntryType::File || self.selects_file(entry))
    }

    /// Returns whether the rules for paths select a path without a slash at its end.
    fn selects_path(&self, path: &str, is_folder: bool) -> bool {
        let rules = &self.0;
        let is_listed = |only: &HashSet<String>| match is_folder {
            true => only.contains(&format!("{path}/")),
            false => only.contains(path),
        };
        rules.only.as_ref().is_none_or(is_listed)
            && !rules.rules.matched(path, is_folder).is_ignore()
            && !rules.files.matched(path, is_folder).is_ignore()
    }

    /// Returns whether the rules for size and age select a file. An unknown size or time does not
    /// exclude it.
    fn selects_file(&self, file: &TreeEntry) -> bool {
        let rules = &self.0;
        let is_small = |min| file.size.is_some_and(|size| size < min);
        let is_large = |max| file.size.is_some_and(|size| size > max);
        let is_new = |newest| file.modified.is_some_and(|time| time > newest);
        let is_old = |oldest| file.modified.is_some_and(|time| time < oldest);
        !(rules.min_size.is_some_and(is_small)
            || rules.max_size.is_some_and(is_large)
            || rules.newest.is_some_and(is_new)
            || rules.oldest.is_some_and(is_old))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(filter: &PathFilter, paths: &[&str]) -> Vec<String> {
        let selects = |path: &&&str| {
            let kind = if path.ends_with('/') { EntryType::Folder } else { EntryType::File };
            let path = path.trim_end_matches('/');
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            filter.selects(&folder, &TreeEntry::new(name, kind))
        };
        paths.iter().filter(selects).map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn the_first_pattern_that_matches_decides() {
        let paths = ["a.txt", "b.jpg", "d/", "d/a.txt", "d/keep.jpg", "tmp/"];
        let filter = |build: PathFilterBuilder| build.build().expect("built");
        let excluded = filter(PathFilterBuilder::new().exclude("*.jpg").exclude("tmp/"));
        assert_eq!(selected(&excluded, &paths), ["a.txt", "d/", "d/a.txt"]);
        let included = filter(PathFilterBuilder::new().include("*.jpg"));
        assert_eq!(selected(&included, &paths), ["b.jpg", "d/", "d/keep.jpg", "tmp/"]);
        let mixed =
            filter(PathFilterBuilder::new().include("keep.jpg").exclude("*.jpg").include("*"));
        assert_eq!(selected(&mixed, &paths), ["a.txt", "d/", "d/a.txt", "d/keep.jpg", "tmp/"]);
        let anchored = filter(PathFilterBuilder::new().exclude("/a.txt"));
        assert_eq!(selected(&anchored, &["a.txt", "d/a.txt"]), ["d/a.txt"]);
    }

    #[test]
    fn a_filter_file_has_the_rules_of_gitignore() {
        let text = "# comment\n*.log\n!keep.log\nbuild/\n";
        let filter = PathFilterBuilder::new().gitignore(text).build().expect("built");
        let paths = ["a.log", "keep.log", "build/", "build", "d/b.log"];
        assert_eq!(selected(&filter, &paths), ["keep.log", "build"]);
        let insensitive =
            PathFilterBuilder::new().gitignore("*.LOG").ignore_case(true).build().expect("built");
        assert!(selected(&insensitive, &["a.log"]).is_empty());
    }

    #[test]
    fn a_list_of_files_selects_them_and_the_folders_above_them() {
        let filter = PathFilterBuilder::new().only(["a/b/c.txt", "/d.txt"]).build().expect("built");
        let paths = ["a/", "a/b/", "a/b/c.txt", "a/b/d.txt", "b/", "c.txt", "d.txt"];
        assert_eq!(selected(&filter, &paths), ["a/", "a/b/", "a/b/c.txt", "d.txt"]);
    }

    #[test]
    fn sizes_and_ages_select_files_only() {
        let filter = PathFilterBuilder::new()
            .min_size(10)
            .max_size(20)
            .min_age(Duration::from_secs(60))
            .max_age(Duration::from_secs(3_600))
            .build()
            .expect("built");
        let now = Timestamp::now();
        let file = |size, seconds_ago: u64| TreeEntry {
            size: Some(size),
            modified: now.checked_sub(Duration::from_secs(seconds_ago)).ok(),
            ..TreeEntry::new("a", EntryType::File)
        };
        for (size, age, expected) in [
            (10, 100, true),
            (20, 100, true),
            (9, 100, false),
            (21, 100, false),
            (15, 10, false),
            (15, 9_999, false),
        ] {
            assert_eq!(filter.selects("", &file(size, age)), expected, "{size} bytes, {age} s");
        }
        assert!(filter.selects("", &TreeEntry::new("a", EntryType::File)));
        assert!(filter.selects("", &TreeEntry::new("a", EntryType::Folder)));
    }

    #[test]
    fn a_pattern_that_cannot_be_parsed_is_named() {
        let error = PathFilterBuilder::new().exclude("a[").build().expect_err("refused");
        assert!(error.to_string().starts_with("cannot parse the pattern \"a[\": "), "{error}");
    }
}
