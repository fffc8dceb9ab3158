//! Paths and parent folders of the entries of a feed.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use crate::{
    graph::{
        address::{Anchor, ItemAddress},
        drive_context::DriveContext,
        error::Result,
    },
    tree::{ItemKey, Node, NodeKind, ROOT},
};

/// Whether the entries of a feed have paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathVisibility {
    Shown,
    Hidden,
}

impl PathVisibility {
    /// Returns the visibility for a feed that is requested by this address.
    ///
    /// onedrive-graph#delta-items says that feeds have no paths, and `root/delta` has none. Logs of
    /// a client that requests `items/ID/delta` show paths (abraunegg/onedrive, pull request 337),
    /// and that client treats an entry without a path as deleted. Inferred: the address decides.
    pub(super) fn for_address(address: &ItemAddress) -> Self {
        match address.anchor {
            Anchor::Id(_) => Self::Shown,
            Anchor::Root | Anchor::Special(_) | Anchor::Shared => Self::Hidden,
        }
    }

    /// Returns the path, or `None` if the feed hides paths.
    pub(super) fn apply(self, path: &[String]) -> Option<&[String]> {
        (self == Self::Shown).then_some(path)
    }
}

/// A cache of parent paths. Each folder is looked up once.
pub(super) struct ParentPaths {
    visibility: PathVisibility,
    /// For each folder, the names from below the root down to the folder itself.
    by_folder: HashMap<ItemKey, Arc<[String]>>,
}

impl ParentPaths {
    /// Creates an empty cache.
    pub(super) fn new(visibility: PathVisibility) -> Self {
        Self { visibility, by_folder: HashMap::new() }
    }

    /// Returns the parent path of an item, names from below the root; `None` for the root, or if
    /// the feed hides paths.
    ///
    /// # Errors
    /// 404 if the folder does not exist, 500 if the storage fails.
    pub(super) async fn get(
        &mut self,
        context: &DriveContext<'_>,
        node: &Node,
    ) -> Result<Option<Arc<[String]>>> {
        let folder = node.parents.first().filter(|_| self.visibility == PathVisibility::Shown);
        let Some(&folder) = folder else { return Ok(None) };
        let names = match self.by_folder.entry(folder) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(unknown) => {
                let names = context.path(folder).await?;
                Arc::clone(unknown.insert(names.into()))
            }
        };
        if node.kind == NodeKind::Folder {
            let own = names.iter().chain([&node.name]).cloned().collect();
            self.by_folder.insert(node.no, own);
        }
        Ok(Some(names))
    }
}

/// A cache of the folders above items. Each folder is looked up once.
#[derive(Default)]
pub(in crate::graph) struct AncestorCache(HashMap<ItemKey, Node>);

impl AncestorCache {
    /// Returns the keys of all folders above an item. An item may be in several folders.
    ///
    /// # Errors
    /// 404 if a folder does not exist, 500 if the storage fails.
    pub(in crate::graph) async fn keys(
        &mut self,
        context: &DriveContext<'_>,
        node: &Node,
    ) -> Result<HashSet<ItemKey>> {
        let mut found = HashSet::new();
        let mut waiting = node.parents.clone();
        while let Some(no) = waiting.pop() {
            if found.insert(no) {
                waiting.extend(&self.folder(context, no).await?.parents);
            }
        }
        Ok(found)
    }

    /// Returns the folders from an item's first parent up to the root.
    ///
    /// # Errors
    /// 404 if a folder does not exist, 500 if the storage fails.
    pub(super) async fn chain(
        &mut self,
        context: &DriveContext<'_>,
        node: &Node,
    ) -> Result<Vec<Node>> {
        let mut chain: Vec<Node> = Vec::new();
        let mut folder = node.parents.first().copied();
        while let Some(no) = folder {
            let found = self.folder(context, no).await?;
            folder = found.parents.first().copied();
            chain.push(found.clone());
        }
        Ok(chain)
    }

    /// Returns a folder in any state, from the cache or the tree.
    ///
    /// # Errors
    /// 404 if it does not exist, 500 if the storage fails.
    async fn folder(&mut self, context: &DriveContext<'_>, no: ItemKey) -> Result<&Node> {
        Ok(match self.0.entry(no) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                unknown.insert(context.tree().any_node(context.drive(), no).await?)
            }
        })
    }
}

/// Merges changed items with the folders above them: each item once, parents before children, with
/// its parent path. Each changed item is given with its chain from the parent up to the root. The
/// result has only those folders that are in `shown`.
pub(super) fn merge_ancestors(
    changed: Vec<(Vec<Node>, Node)>,
    shown: &HashSet<ItemKey>,
) -> Vec<(Vec<String>, Node)> {
    let mut merged: Vec<(Vec<String>, Node)> = Vec::new();
    let mut added: HashSet<ItemKey> = HashSet::new();
    for (chain, node) in changed {
        let mut parent_path: Vec<String> = Vec::new();
        for folder in chain.into_iter().rev() {
            let name = (folder.no != ROOT).then(|| folder.name.clone());
            if shown.contains(&folder.no) && added.insert(folder.no) {
                merged.push((parent_path.clone(), folder));
            }
            parent_path.extend(name);
        }
        if added.insert(node.no) {
            merged.push((parent_path, node));
        }
    }
    // The root's parent path is as long as that of its children, so depth alone does not put it
    // first.
    merged.sort_by_key(|(parent_path, node)| (parent_path.len(), node.no != ROOT));
    merged
}
