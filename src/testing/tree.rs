//! The items of a [`MemoryDrive`](super::MemoryDrive).

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;
use opendal::Buffer;

use super::stored_session::StoredSession;
use crate::drive::{Conditions, Error, ErrorKind, IfExists, ItemId, ItemKind, Result};

/// The key of an item. Keys are never reused.
pub(super) type NodeKey = u64;

/// The key of the root folder.
pub(super) const ROOT: NodeKey = 1;

/// The items and upload sessions of a drive.
#[derive(Debug)]
pub(super) struct MemoryTree {
    nodes: BTreeMap<NodeKey, MemoryNode>,
    pub(super) sessions: BTreeMap<u64, StoredSession>,
    /// The last key that was given to an item or a session.
    last_key: u64,
}

/// An item.
#[derive(Clone, Debug)]
pub(super) struct MemoryNode {
    pub(super) name: String,
    /// `None` for the root.
    pub(super) parent: Option<NodeKey>,
    /// `None` for a folder.
    pub(super) bytes: Option<Buffer>,
    /// Increases with each new content.
    pub(super) version: u64,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
}

impl MemoryNode {
    /// Returns whether the item is a file or a folder.
    pub(super) fn kind(&self) -> ItemKind {
        if self.bytes.is_some() { ItemKind::File } else { ItemKind::Folder }
    }
}

/// The item that [`MemoryTree::put`] writes.
pub(super) struct NewFile<'a> {
    pub(super) folder: NodeKey,
    pub(super) name: &'a str,
    pub(super) bytes: Buffer,
    pub(super) if_exists: IfExists,
    pub(super) conditions: &'a Conditions,
    /// The time of the write if `None`.
    pub(super) modified: Option<Timestamp>,
}

/// The new place of an item that [`MemoryTree::relocate`] moves or renames.
pub(super) struct NewPlace<'a> {
    pub(super) folder: NodeKey,
    pub(super) name: &'a str,
    pub(super) if_exists: IfExists,
    /// The only file that may be replaced. `None`: any file that has the name.
    pub(super) replaces_only: Option<Option<NodeKey>>,
}

/// Returns the id of an item.
pub(super) fn id_of(key: NodeKey) -> ItemId {
    ItemId::from(format!("item-{key}"))
}

/// Returns the etag of an item, which changes with its content.
pub(super) fn etag_of(key: NodeKey, node: &MemoryNode) -> String {
    format!("\"{key}-{}\"", node.version)
}

/// Returns the error for an item or session that does not exist.
pub(super) fn not_found(subject: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::NotFound, format!("cannot find {subject}"))
}

/// Folds the case of a name, because names are compared without case.
pub(super) fn fold(name: &str) -> Cow<'_, str> {
    Cow::Owned(name.to_uppercase())
}

/// Returns the reason why a name is rejected. `None` if the drive accepts it.
pub(super) fn validate_name(name: &str) -> Option<&'static str> {
    if name.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|']) {
        return Some(r#"it has one of the characters \ / : * ? " < > |"#);
    }
    let is_rejected = name.is_empty() || name.ends_with(['.', ' ']) || name.starts_with(' ');
    is_rejected.then_some("it is empty, begins or ends with a space, or ends with a dot")
}

/// Checks the name of an item that is created or renamed.
///
/// # Errors
/// `InvalidInput` if the drive rejects the name.
fn check_name(name: &str) -> Result<()> {
    match validate_name(name) {
        Some(reason) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("cannot use the name {name:?}: {reason}"),
        )),
        None => Ok(()),
    }
}

/// Returns the names of a path. Slashes at its ends and repeated ones do not count.
pub(super) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// Compares an etag with conditions, literally: `*` has no meaning. `None` is the etag of an item
/// that does not exist, or that has none.
///
/// # Errors
/// `ConditionNotMatch` if `if_match` differs from the etag, or `if_none_match` equals it.
pub(super) fn check_conditions(etag: Option<&str>, conditions: &Conditions) -> Result<()> {
    let holds = conditions.if_match.as_deref().is_none_or(|wanted| etag == Some(wanted))
        && conditions.if_none_match.as_deref().is_none_or(|unwanted| etag != Some(unwanted));
    match holds {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::ConditionNotMatch,
            "cannot use the item: its etag does not meet the condition",
        )),
    }
}

/// Returns the error for a name that an item has already.
fn taken(name: &str, key: NodeKey) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("cannot create {name:?}: the name is taken"))
        .with_existing(id_of(key))
}

/// Returns the error for a file that would replace a folder.
fn is_a_folder(name: &str) -> Error {
    Error::new(ErrorKind::IsAFolder, format!("cannot replace {name:?}: it is a folder"))
}

impl MemoryTree {
    /// Creates a tree with an empty root folder.
    pub(super) fn new() -> Self {
        let now = Timestamp::now();
        let root = MemoryNode {
            name: String::new(),
            parent: None,
            bytes: None,
            version: 0,
            created: now,
            modified: now,
        };
        Self { nodes: BTreeMap::from([(ROOT, root)]), sessions: BTreeMap::new(), last_key: ROOT }
    }

    /// Returns a key that was not used before.
    pub(super) fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }

    /// Applies a change of several steps. If it fails, the items that it created are removed.
    ///
    /// # Errors
    /// Those of the change.
    pub(super) fn transaction<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let first_new = self.last_key + 1;
        change(self).inspect_err(|_| drop(self.nodes.split_off(&first_new)))
    }

    /// Returns the total size of all files in bytes.
    pub(super) fn used_bytes(&self) -> u64 {
        self.nodes.values().flat_map(|node| &node.bytes).map(|bytes| bytes.len() as u64).sum()
    }

    /// Returns an item.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) fn node(&self, key: NodeKey) -> Result<&MemoryNode> {
        self.nodes.get(&key).ok_or_else(|| not_found(id_of(key)))
    }

    /// Returns an item for a change.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) fn node_mut(&mut self, key: NodeKey) -> Result<&mut MemoryNode> {
        self.nodes.get_mut(&key).ok_or_else(|| not_found(id_of(key)))
    }

    /// Checks that a key is that of a folder.
    ///
    /// # Errors
    /// `NotFound`; `NotAFolder`.
    pub(super) fn check_folder(&self, key: NodeKey) -> Result<()> {
        match self.node(key)? {
            node if node.kind() == ItemKind::Folder => Ok(()),
            node => Err(Error::new(
                ErrorKind::NotAFolder,
                format!("cannot use {:?} as a folder: it is a file", node.name),
            )),
        }
    }

    /// Returns the child of a folder that has this name. `None` if no child has it.
    pub(super) fn child(&self, folder: NodeKey, name: &str) -> Option<NodeKey> {
        let folded = fold(name);
        self.children(folder).find(|(_, node)| fold(&node.name) == folded).map(|(key, _)| key)
    }

    /// Returns the children of a folder, oldest first.
    pub(super) fn children(&self, folder: NodeKey) -> impl Iterator<Item = (NodeKey, &MemoryNode)> {
        let nodes = self.nodes.iter().filter(move |(_, node)| node.parent == Some(folder));
        nodes.map(|(key, node)| (*key, node))
    }

    /// Returns the item at a path below a folder; the empty path is the folder itself.
    ///
    /// # Errors
    /// `NotFound` if no item has the path, also if a file is in it.
    pub(super) fn walk(&self, base: NodeKey, path: &str) -> Result<NodeKey> {
        names(path).try_fold(base, |at, name| {
            self.child(at, name).ok_or_else(|| not_found(format_args!("{path:?}")))
        })
    }

    /// Returns the path of an item from the root, without slashes at its ends; that of the root is
    /// empty. `None` if the item does not exist.
    pub(super) fn path_of(&self, key: NodeKey) -> Option<String> {
        let (mut names, mut at) = (Vec::new(), key);
        while at != ROOT {
            let node = self.nodes.get(&at)?;
            names.push(&*node.name);
            at = node.parent?;
        }
        names.reverse();
        Some(names.join("/"))
    }

    /// Returns the folder at a path below another. Creates missing folders.
    ///
    /// # Errors
    /// `NotAFolder` if a file has one of the names; `NotFound` if `base` does not exist;
    /// `InvalidInput` for a new name that the drive rejects.
    pub(super) fn ensure_folder(&mut self, base: NodeKey, path: &str) -> Result<NodeKey> {
        let mut at = base;
        for name in names(path) {
            at = match self.child(at, name) {
                Some(child) => child,
                None => self.create_folder(at, name)?,
            };
        }
        self.check_folder(at).map(|()| at)
    }

    /// Adds an item. Checks neither its name nor its folder.
    pub(super) fn insert(&mut self, folder: NodeKey, name: &str, bytes: Option<Buffer>) -> NodeKey {
        let (key, now) = (self.next_key(), Timestamp::now());
        let node = MemoryNode {
            name: name.to_owned(),
            parent: Some(folder),
            bytes,
            version: 1,
            created: now,
            modified: now,
        };
        self.nodes.insert(key, node);
        key
    }

    /// Creates a folder.
    ///
    /// # Errors
    /// `AlreadyExists` if an item has the name, with its id; `NotFound` or `NotAFolder` for the
    /// parent `folder`; `InvalidInput` for a name that the drive rejects.
    pub(super) fn create_folder(&mut self, folder: NodeKey, name: &str) -> Result<NodeKey> {
        check_name(name)?;
        self.check_folder(folder)?;
        match self.child(folder, name) {
            Some(existing) => Err(taken(name, existing)),
            None => Ok(self.insert(folder, name, None)),
        }
    }

    /// Returns an item and all of its descendants, parents first.
    pub(super) fn subtree(&self, key: NodeKey) -> Vec<NodeKey> {
        let mut all = vec![key];
        let mut at = 0;
        while let Some(folder) = all.get(at).copied() {
            all.extend(self.children(folder).map(|(child, _)| child));
            at += 1;
        }
        all
    }

    /// Removes an item and its descendants.
    ///
    /// # Errors
    /// `NotFound` if it does not exist; `InvalidInput` for the root.
    pub(super) fn remove(&mut self, key: NodeKey) -> Result<()> {
        self.node(key)?;
        if key == ROOT {
            return Err(Error::new(ErrorKind::InvalidInput, "cannot delete the root folder"));
        }
        for removed in self.subtree(key) {
            self.nodes.remove(&removed);
        }
        Ok(())
    }

    /// Checks whether a file could be written, and returns the file that it would replace. `None`
    /// if it would be a new one.
    ///
    /// # Errors
    /// `AlreadyExists` if an item has the name, with `IfExists::Fail`; `IsAFolder` if a folder has
    /// it, with `IfExists::Replace`; `ConditionNotMatch` if the etag of the item with the name does
    /// not meet a condition, or no item has it and an etag must match; `NotFound` or `NotAFolder`
    /// for the parent `folder`; `InvalidInput` for a name that the drive rejects.
    pub(super) fn check_put(
        &self,
        folder: NodeKey,
        name: &str,
        if_exists: IfExists,
        conditions: &Conditions,
    ) -> Result<Option<NodeKey>> {
        check_name(name)?;
        self.check_folder(folder)?;
        let existing = self.child(folder, name);
        let etag = existing.map(|key| self.node(key).map(|node| etag_of(key, node))).transpose()?;
        check_conditions(etag.as_deref(), conditions)?;
        let Some(key) = existing else { return Ok(None) };
        match if_exists {
            IfExists::Fail => Err(taken(name, key)),
            IfExists::Rename => Ok(None),
            IfExists::Replace if self.node(key)?.kind() == ItemKind::Folder => {
                Err(is_a_folder(name).with_existing(id_of(key)))
            }
            IfExists::Replace => Ok(existing),
        }
    }

    /// Creates or replaces a file.
    ///
    /// # Errors
    /// Those of [`check_put`](Self::check_put).
    pub(super) fn put(&mut self, file: NewFile<'_>) -> Result<NodeKey> {
        let NewFile { folder, name, bytes, if_exists, conditions, modified } = file;
        let key = match self.check_put(folder, name, if_exists, conditions)? {
            Some(key) => key,
            None => {
                let name = self.free_name(folder, name);
                self.insert(folder, &name, Some(Buffer::new()))
            }
        };
        let node = self.node_mut(key)?;
        node.bytes = Some(bytes);
        node.version += 1;
        node.modified = modified.unwrap_or_else(Timestamp::now);
        Ok(key)
    }

    /// Returns the name, or the first of `name 1.txt`, `name 2.txt` that is free.
    fn free_name(&self, folder: NodeKey, name: &str) -> String {
        let (stem, extension) = match name.rfind('.') {
            Some(dot) if dot > 0 => name.split_at(dot),
            _ => (name, ""),
        };
        let numbered = (1..).map(|number| format!("{stem} {number}{extension}"));
        let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
        candidates
            .find(|candidate| self.child(folder, candidate).is_none())
            .unwrap_or_else(|| name.to_owned())
    }

    /// Moves or renames an item. A file replaces a file, with `IfExists::Replace`.
    ///
    /// # Errors
    /// `AlreadyExists` if another item has the name and must not be replaced: with
    /// `IfExists::Fail`, for a folder that would replace a file, and for a file other than
    /// `replaces_only`. `IsAFolder` if a folder has the name, with `IfExists::Replace`. `Conflict`
    /// for a folder that is moved below itself. `NotFound` for the item; `NotFound` or `NotAFolder`
    /// for the new parent. `InvalidInput` for a name that the drive rejects and for the root.
    pub(super) fn relocate(&mut self, key: NodeKey, place: NewPlace<'_>) -> Result<()> {
        let NewPlace { folder, name, if_exists, replaces_only } = place;
        check_name(name)?;
        self.check_folder(folder)?;
        if key == ROOT {
            return Err(Error::new(ErrorKind::InvalidInput, "cannot move the root folder"));
        }
        if self.subtree(key).contains(&folder) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("cannot move {name:?}: the target folder is below it"),
            ));
        }
        let mut name = Cow::Borrowed(name);
        if let Some(occupant) = self.child(folder, &name).filter(|occupant| *occupant != key) {
            let are_files = self.node(key)?.kind() == ItemKind::File
                && self.node(occupant)?.kind() == ItemKind::File;
            let may_replace = replaces_only.is_none_or(|only| only == Some(occupant));
            match if_exists {
                IfExists::Replace if are_files && may_replace => self.remove(occupant)?,
                IfExists::Rename => name = self.free_name(folder, &name).into(),
                IfExists::Replace if self.node(occupant)?.kind() == ItemKind::Folder => {
                    return Err(is_a_folder(&name).with_existing(id_of(occupant)));
                }
                IfExists::Replace | IfExists::Fail => return Err(taken(&name, occupant)),
            }
        }
        let node = self.node_mut(key)?;
        (node.parent, node.name) = (Some(folder), name.into_owned());
        Ok(())
    }
}
