//! Item tree of a simulated cloud, and its active uploads.

use std::collections::BTreeMap;

use drivedal::drive::{Error, ErrorKind, IfExists, ItemKind, Result};
use jiff::Timestamp;

pub const ROOT: u64 = 1;

#[derive(Debug)]
pub struct Cloud {
    pub nodes: BTreeMap<u64, Node>,
    pub uploads: BTreeMap<u64, PendingUpload>,
    last: u64,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub parent: u64,
    /// `None` for a folder.
    pub bytes: Option<Vec<u8>>,
    pub version: u64,
    pub modified: Timestamp,
}

impl Node {
    pub fn kind(&self) -> ItemKind {
        if self.bytes.is_some() { ItemKind::File } else { ItemKind::Folder }
    }
}

#[derive(Clone, Debug)]
pub struct PendingUpload {
    pub parent: Vec<String>,
    pub name: String,
    pub total: u64,
    pub received: Vec<u8>,
    pub modified: Option<Timestamp>,
    pub if_exists: IfExists,
    pub if_match: Option<String>,
}

pub fn not_found(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {what}"))
}

/// Folds the case of a name, because names are case-insensitive.
pub fn fold(name: &str) -> String {
    name.to_uppercase()
}

/// Returns the reason why a name is rejected. `None` if it is valid.
pub fn refuses(name: &str) -> Option<&'static str> {
    if name.contains(['\\', ':', '*', '?', '"', '<', '>', '|']) {
        return Some("it has a sign that is not allowed");
    }
    let ends = name.ends_with(['.', ' ']) || name.starts_with(' ');
    ends.then_some("it begins or ends with a space, or ends with a dot")
}

impl Cloud {
    pub fn new() -> Self {
        let root = Node {
            name: String::new(),
            parent: 0,
            bytes: None,
            version: 0,
            modified: Timestamp::now(),
        };
        Self { nodes: BTreeMap::from([(ROOT, root)]), uploads: BTreeMap::new(), last: ROOT }
    }

    /// Returns a number that was not used before.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub fn node(&self, no: u64) -> Result<&Node> {
        self.nodes.get(&no).ok_or_else(|| not_found(no))
    }

    pub fn folder(&self, no: u64) -> Result<&Node> {
        match self.node(no)? {
            node if node.kind() == ItemKind::Folder => Ok(node),
            node => Err(Error::new(ErrorKind::NotAFolder, format!("{:?} is a file", node.name))),
        }
    }

    pub fn child(&self, parent: u64, name: &str) -> Option<u64> {
        let folded = fold(name);
        self.children(parent).find(|(_, node)| fold(&node.name) == folded).map(|(no, _)| no)
    }

    pub fn children(&self, parent: u64) -> impl Iterator<Item = (u64, &Node)> {
        self.nodes
            .iter()
            .filter(move |(no, node)| node.parent == parent && **no != ROOT)
            .map(|(no, node)| (*no, node))
    }

    pub fn walk(&self, names: &[String]) -> Result<u64> {
        names.iter().try_fold(ROOT, |at, name| self.child(at, name).ok_or_else(|| not_found(name)))
    }

    /// Returns the folder at this path, and creates missing folders.
    pub fn ensure(&mut self, names: &[String]) -> Result<u64> {
        let mut at = ROOT;
        for name in names {
            at = match self.child(at, name) {
                Some(child) => child,
                None if refuses(name).is_some() => {
                    return Err(Error::new(ErrorKind::InvalidInput, "a name that is not allowed"));
                }
                None => self.insert(at, name, None),
            };
            self.folder(at)?;
        }
        Ok(at)
    }

    pub fn insert(&mut self, parent: u64, name: &str, bytes: Option<Vec<u8>>) -> u64 {
        let no = self.number();
        let (name, modified) = (name.to_owned(), Timestamp::now());
        self.nodes.insert(no, Node { name, parent, bytes, version: 1, modified });
        no
    }

    /// Returns a node and all of its descendants.
    pub fn below(&self, no: u64) -> Vec<u64> {
        let mut all = vec![no];
        let mut at = 0;
        while let Some(folder) = all.get(at).copied() {
            all.extend(self.children(folder).map(|(child, _)| child));
            at += 1;
        }
        all
    }

    pub fn remove(&mut self, no: u64) -> Result<()> {
        self.node(no)?;
        for gone in self.below(no) {
            self.nodes.remove(&gone);
        }
        Ok(())
    }

    /// Creates or replaces a file.
    pub fn put(
        &mut self,
        parent: u64,
        name: &str,
        bytes: Vec<u8>,
        if_exists: IfExists,
        if_match: Option<&str>,
        modified: Option<Timestamp>,
    ) -> Result<u64> {
        self.folder(parent)?;
        let there = self.child(parent, name);
        let current = there.map(|no| etag(no, &self.nodes[&no]));
        if if_match.is_some_and(|wanted| current.as_deref() != Some(wanted)) {
            return Err(Error::new(ErrorKind::ConditionNotMatch, "it has changed"));
        }
        let no = match there {
            Some(_) if if_exists != IfExists::Replace => {
                return Err(Error::new(ErrorKind::AlreadyExists, format!("{name:?} is taken")));
            }
            Some(no) if self.nodes[&no].kind() == ItemKind::Folder => {
                return Err(Error::new(ErrorKind::IsAFolder, format!("{name:?} is a folder")));
            }
            Some(no) => no,
            None => self.insert(parent, name, Some(Vec::new())),
        };
        if let Some(node) = self.nodes.get_mut(&no) {
            node.bytes = Some(bytes);
            node.version += 1;
            node.modified = modified.unwrap_or_else(Timestamp::now);
        }
        Ok(no)
    }

    /// Moves or renames an item. A file replaces `occupant`, or any file with the new name if
    /// `replaces` is set.
    pub fn relocate(
        &mut self,
        no: u64,
        parent: u64,
        name: &str,
        occupant: Option<u64>,
        replaces: bool,
    ) -> Result<()> {
        self.folder(parent)?;
        if self.below(no).contains(&parent) {
            return Err(Error::new(ErrorKind::Conflict, "a folder below itself"));
        }
        match self.child(parent, name).filter(|there| *there != no) {
            Some(there) if self.nodes[&there].kind() == ItemKind::Folder => {
                return Err(Error::new(ErrorKind::AlreadyExists, format!("{name:?} is a folder")));
            }
            Some(there)
                if self.node(no)?.kind() == ItemKind::File
                    && (replaces || occupant == Some(there)) =>
            {
                self.remove(there)?;
            }
            Some(_) => {
                return Err(Error::new(ErrorKind::AlreadyExists, format!("{name:?} is taken")));
            }
            None => {}
        }
        if let Some(node) = self.nodes.get_mut(&no) {
            (node.parent, node.name) = (parent, name.to_owned());
        }
        Ok(())
    }
}

pub fn etag(no: u64, node: &Node) -> String {
    format!("\"{no}-{}\"", node.version)
}
