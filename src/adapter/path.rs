//! Paths as the operator passes them, relative to its root, and the items that they lead to.

use std::sync::Arc;

use super::{error::is_root, index::FolderKey, name_encoding::NameEncoding};
use crate::drive::{Capabilities, Error, ErrorKind, Item, ItemRef, Result};

/// A parsed path: the names of the folders from the drive's root down to an item, and its own name.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// The names in the drive. Starts with the names of the operator's root.
    names: Vec<String>,
    /// The names as they are in the operator's path. They differ from `names` if names are encoded.
    path_names: Vec<String>,
    /// The number of `names` that belong to the operator's root.
    root_len: usize,
    /// The path is empty or ends with a slash, so it means a folder.
    pub(super) is_folder: bool,
}

impl Path {
    /// Parses `path`, which is relative to `root`, the operator's root. Names are separated by
    /// slashes and not percent-encoded; repeated slashes count as one, and a slash at the start
    /// does not count. A slash at the end of `path` sets [`is_folder`](Self::is_folder). `encoding`
    /// is the mapping of names, if the operator has one.
    ///
    /// # Errors
    /// `InvalidInput` for the names `.` and `..`: no cloud has an item of that name, and some
    /// clouds would resolve them.
    pub(super) fn parse(root: &str, path: &str, encoding: Option<&NameEncoding>) -> Result<Self> {
        let split = |text: &str| {
            text.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut path_names = split(root);
        let root_len = path_names.len();
        path_names.extend(split(path));
        if let Some(dots) = path_names.iter().find(|name| matches!(name.as_str(), "." | "..")) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("cannot use the path {path:?}: an item cannot have the name {dots:?}"),
            ));
        }
        let names = match encoding {
            Some(encoding) => path_names.iter().map(|name| encoding.drive_name(name)).collect(),
            None => path_names.clone(),
        };
        let is_folder = path.is_empty() || path.ends_with('/');
        Ok(Self { names, path_names, root_len, is_folder })
    }

    /// Returns all names from the drive's root down, the operator's root included.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the names of [`names`](Self::names) as they are in the operator's path.
    pub(super) fn path_names(&self) -> &[String] {
        &self.path_names
    }

    /// Returns the path of the folder with the first `len` names, from the drive's root down.
    pub(super) fn prefix(&self, len: usize) -> Self {
        Self {
            names: self.names[..len].to_vec(),
            path_names: self.path_names[..len].to_vec(),
            root_len: self.root_len.min(len),
            is_folder: true,
        }
    }

    /// Replaces the name in the drive at a position, counted from the drive's root. The name in the
    /// operator's path stays.
    pub(super) fn set_name(&mut self, at: usize, name: String) {
        self.names[at] = name;
    }

    /// Returns the path of an item of this folder, by its name in the drive and in the operator's
    /// path.
    pub(super) fn child(&self, name: &str, path_name: String, is_folder: bool) -> Self {
        let mut child = Self { is_folder, ..self.clone() };
        child.names.push(name.to_owned());
        child.path_names.push(path_name);
        child
    }

    /// Returns whether this is the operator's root.
    pub(super) fn is_root(&self) -> bool {
        self.names.len() == self.root_len
    }

    /// Returns the names of the parent folder and the item's own name, or `None` for the operator's
    /// root.
    pub(super) fn split(&self) -> Option<(&[String], &str)> {
        if self.is_root() {
            return None;
        }
        let (name, parents) = self.names.split_last()?;
        Some((parents, name))
    }

    /// Like [`split`](Self::split), for an operation that cannot apply to the operator's root.
    ///
    /// # Errors
    /// `IsAFolder` for the operator's root; the message contains `verb`.
    pub(super) fn split_for(&self, verb: &str) -> Result<(&[String], &str)> {
        self.split().ok_or_else(|| is_root(verb))
    }

    /// Returns the parent folder. The operator's root is its own parent.
    pub(super) fn parent(&self) -> Self {
        self.prefix(self.names.len().saturating_sub(1).max(self.root_len))
    }

    /// Returns the path below the operator's root, with a trailing slash if it means a folder; `/`
    /// for the operator's root.
    pub(super) fn to_operator_path(&self) -> String {
        let slash = if self.is_folder { "/" } else { "" };
        format!("{}{slash}", self.path_names[self.root_len..].join("/"))
    }

    /// Returns whether `self` is `other` or below it. Names are compared as the cloud compares
    /// them.
    pub(super) fn is_within(&self, other: &Self, capabilities: &Capabilities) -> bool {
        let fold = capabilities.fold;
        let mut pairs = self.names.iter().zip(&other.names);
        self.names.len() >= other.names.len()
            && pairs.all(|(mine, other)| fold(mine) == fold(other))
    }
}

/// The result of resolving a path.
///
/// In a drive that resolves paths itself, the item need not exist.
#[derive(Clone, Debug)]
pub(super) struct ResolvedPath {
    pub(super) item_ref: ItemRef,
    /// The item, if it is known without another request. Always present in a drive that is
    /// addressed by id.
    pub(super) item: Option<Arc<Item>>,
    /// The item was requested while the path was resolved.
    pub(super) is_fresh: bool,
    /// The key of the item in the index: its folder and its folded name. `None` for the drive's
    /// root.
    pub(super) entry: Option<(FolderKey, String)>,
    /// The id of the item, or of a folder above it, is from the index and may be that of an item
    /// that is elsewhere now.
    pub(super) from_cache: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_below_the_given_root() {
        let path = Path::parse("/work/2014/", "a/b.txt", None).unwrap();
        assert_eq!(path.names(), ["work", "2014", "a", "b.txt"]);
        assert!(!path.is_folder && !path.is_root());
        assert_eq!(path.split().unwrap().1, "b.txt");
        assert_eq!(path.parent().to_operator_path(), "a/");
        assert!(Path::parse("/work/", "/", None).unwrap().is_root());
        assert!(Path::parse("/", "a/", None).unwrap().is_folder);
    }

    #[test]
    fn dots_are_refused_because_some_clouds_would_resolve_them() {
        for path in ["..", "a/../b", "./a", "a/."] {
            let error = Path::parse("/", path, None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
        }
    }
}
