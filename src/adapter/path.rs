//! Paths as the operator gives them, relative to its root.

use crate::drive::{Capabilities, Error, ErrorKind, Result};

/// A path taken apart: the names down from the drive's root, those of the operator's root first.
#[derive(Clone, Debug)]
pub(super) struct Path {
    names: Vec<String>,
    /// How many of `names` are the operator's root.
    root: usize,
    /// It ended with a slash: a folder is meant.
    pub(super) folder: bool,
}

impl Path {
    /// Takes `path` apart below `root`.
    ///
    /// # Errors
    /// `Invalid` for `.` and `..`: some clouds would follow them, none has an item of that name.
    pub(super) fn new(root: &str, path: &str) -> Result<Self> {
        let names = |text: &str| {
            text.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut all = names(root);
        let root = all.len();
        all.extend(names(path));
        if let Some(dots) = all.iter().find(|name| matches!(name.as_str(), "." | "..")) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{path:?}: {dots:?} is not a name in a drive"),
            ));
        }
        Ok(Self { names: all, root, folder: path.is_empty() || path.ends_with('/') })
    }

    /// All names down from the drive's root.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it is the operator's root itself.
    pub(super) fn is_root(&self) -> bool {
        self.names.len() == self.root
    }

    /// The names of the folder it is in, and its own; `None` for the operator's root.
    pub(super) fn split(&self) -> Option<(&[String], &str)> {
        if self.is_root() {
            return None;
        }
        let (name, parents) = self.names.split_last()?;
        Some((parents, name))
    }

    /// The folder it is in; the operator's root is its own.
    pub(super) fn parent(&self) -> Self {
        let names = match self.split() {
            Some((parents, _)) => parents.to_vec(),
            None => self.names.clone(),
        };
        Self { names, root: self.root, folder: true }
    }

    /// The path below the operator's root, as its user would write it.
    pub(super) fn shown(&self) -> String {
        let slash = if self.folder { "/" } else { "" };
        format!("{}{slash}", self.names[self.root..].join("/"))
    }

    /// Whether `self` is `other` or an item below it, with names compared as the cloud does.
    pub(super) fn is_within(&self, other: &Self, fold: &Capabilities) -> bool {
        self.names.len() >= other.names.len()
            && self
                .names
                .iter()
                .zip(&other.names)
                .all(|(mine, theirs)| (fold.fold)(mine) == (fold.fold)(theirs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_below_the_root_it_is_given() {
        let path = Path::new("/work/2014/", "a/b.txt").unwrap();
        assert_eq!(path.names(), ["work", "2014", "a", "b.txt"]);
        assert!(!path.folder && !path.is_root());
        assert_eq!(path.split().unwrap().1, "b.txt");
        assert!(Path::new("/work/", "/").unwrap().is_root());
        assert!(Path::new("/", "a/").unwrap().folder);
    }

    #[test]
    fn dots_are_refused_because_some_clouds_would_follow_them() {
        for path in ["..", "a/../b", "./a", "a/."] {
            assert_eq!(Path::new("/", path).unwrap_err().kind(), ErrorKind::InvalidInput, "{path}");
        }
    }
}
