//! Folders that contain themselves (amazon-drive#several-parents).
//!
//! The tree has no circles, so that each walk through it ends. A folder that is added to a folder below
//! it is not there in the tree: the facet of the folder has a *link*, the key of that parent. Only this
//! protocol shows links, and it never follows them. A link does not keep a folder: if the folder is
//! removed from its other parents, it moves to the root; if these are deleted, it is too.
//!
//! The facet of the parent has the keys of the folders that link to it, so that they are found. Such a
//! key counts only if the folder has the link: it is stored before the link, and removed after it.

use serde_json::{Map, Value};

use super::{
    error::{AmazonError, Result},
    node::{FACET, facet},
    request::{AmazonRequest, MAX_ATTEMPTS},
};
use crate::tree::{
    Change, ItemKey, ItemState, Node, NodeKind, OnConflict, Precondition, TreeError,
};

/// Member of the facet with the parents that a folder links to: an object with the folder's own key,
/// so that a copy of the folder has no links.
const LINKS: &str = "links";

/// Member of the facet with the folders that link to a parent.
const LINKED: &str = "linked";

/// The parents of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Placement {
    /// The folders that contain it in the tree, the primary one first.
    pub(super) folders: Vec<ItemKey>,
    /// The folders below it that contain it by a link. Always empty for a file.
    pub(super) links: Vec<ItemKey>,
}

impl Placement {
    /// Returns the parents that a node has.
    pub(super) fn from_node(node: &Node) -> Self {
        Self { folders: node.parents.clone(), links: links(node) }
    }

    /// Returns whether the folder is one of the parents.
    pub(super) fn contains(&self, folder: ItemKey) -> bool {
        self.all().any(|parent| parent == folder)
    }

    /// Returns all parents, the primary one first.
    pub(super) fn all(&self) -> impl Iterator<Item = ItemKey> {
        self.folders.iter().chain(&self.links).copied()
    }

    /// Adds a folder, unless it is one of the parents.
    pub(super) fn add(&mut self, folder: ItemKey) {
        if !self.contains(folder) {
            self.folders.push(folder);
        }
    }

    /// Replaces the folder `from` by the folder `to`, unless that is a parent already: then `from` is
    /// removed. Returns whether `from` was one of the parents.
    pub(super) fn replace(&mut self, from: ItemKey, to: ItemKey) -> bool {
        let has_target = self.contains(to);
        match self.folders.iter_mut().find(|parent| **parent == from) {
            Some(parent) if !has_target => {
                *parent = to;
                true
            }
            _ => {
                let is_parent = self.remove(from);
                if is_parent || has_target {
                    self.add(to);
                }
                is_parent
            }
        }
    }

    /// Removes a folder. Returns whether it was one of the parents.
    pub(super) fn remove(&mut self, folder: ItemKey) -> bool {
        let is_parent = self.contains(folder);
        self.folders.retain(|parent| *parent != folder);
        self.links.retain(|parent| *parent != folder);
        is_parent
    }
}

/// Returns the parents that a folder links to.
fn links(node: &Node) -> Vec<ItemKey> {
    keys(facet(node, LINKS).and_then(|links| links.get(node.no.0.to_string())))
}

/// Returns the keys of the folders that may link to a folder.
fn linked(node: &Node) -> Vec<ItemKey> {
    keys(facet(node, LINKED))
}

/// Parses an array of item keys. Other values, which a fixture may contain, are left out.
fn keys(value: Option<&Value>) -> Vec<ItemKey> {
    let keys = value.and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_i64).map(ItemKey).collect()
}

/// Returns the array of item keys as it is stored; `None` without keys.
fn stored(keys: &[ItemKey]) -> Option<Value> {
    (!keys.is_empty()).then(|| keys.iter().map(|key| Value::from(key.0)).collect())
}

/// Sets the parents that `folder` links to in its facet, and whether it links to itself.
pub(super) fn set_links(facet: &mut Map<String, Value>, folder: &Node, parents: &[ItemKey]) {
    facet.remove(LINKS);
    if let Some(keys) = stored(parents) {
        let links = Map::from_iter([(folder.no.0.to_string(), keys)]);
        facet.insert(LINKS.to_owned(), Value::Object(links));
    }
    let mut linked = linked(folder);
    linked.retain(|key| *key != folder.no);
    linked.extend(parents.iter().copied().filter(|parent| *parent == folder.no));
    set_linked(facet, &linked);
}

/// Sets the keys of the folders that may link to a folder in its facet.
fn set_linked(facet: &mut Map<String, Value>, keys: &[ItemKey]) {
    facet.remove(LINKED);
    facet.extend(stored(keys).map(|keys| (LINKED.to_owned(), keys)));
}

impl AmazonRequest {
    /// Returns the placement of a folder or file with the new parents `placement`. Parents that are
    /// the folder itself or below it become links; links to others become folders.
    ///
    /// # Errors
    /// 409 if only links remain: the folder would be below itself and nowhere else; 500 if the
    /// storage fails.
    pub(super) async fn resolve_links(
        &self,
        node: &Node,
        placement: Placement,
    ) -> Result<Placement> {
        if node.kind != NodeKind::Folder {
            let folders = placement.all().collect();
            return Ok(Placement { folders, links: Vec::new() });
        }
        let mut resolved = Placement::default();
        for parent in placement.all() {
            // A parent in the tree cannot be below the folder.
            let is_below = !node.parents.contains(&parent)
                && self
                    .state
                    .tree
                    .contains(self.drive(), node.no, parent)
                    .await
                    .map_err(|error| AmazonError::tree(error, &self.ids.id(parent)))?;
            let parents = if is_below { &mut resolved.links } else { &mut resolved.folders };
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
        if resolved.folders.is_empty() {
            return Err(AmazonError::tree(TreeError::IntoItself, &self.ids.id(node.no)));
        }
        Ok(resolved)
    }

    /// Returns the folders that are in `parent` by a link and not in the trash.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn linked_children(&self, parent: ItemKey) -> Result<Vec<Node>> {
        let mut children = Vec::new();
        let Some(folder) = self.existing(parent).await? else { return Ok(children) };
        for key in linked(&folder) {
            let child = self
                .existing(key)
                .await?
                .filter(|child| child.state == ItemState::Live && links(child).contains(&parent));
            children.extend(child);
        }
        Ok(children)
    }

    /// Returns the item with a key, in any state; `None` if it does not exist.
    ///
    /// # Errors
    /// 500 if the storage fails.
    async fn existing(&self, key: ItemKey) -> Result<Option<Node>> {
        match self.state.tree.any_node(self.drive(), key).await {
            Ok(node) => Ok(Some(node)),
            Err(TreeError::NotFound) => Ok(None),
            Err(error) => Err(AmazonError::tree(error, &self.ids.id(key))),
        }
    }

    /// Checks that no folder has the name by a link in one of the folders `parents`. `except` is the
    /// node that gets the name; `None` for a new one.
    ///
    /// # Errors
    /// 409 if the name is in use; 500 if the storage fails.
    pub(super) async fn check_linked_names(
        &self,
        parents: &[ItemKey],
        name: &str,
        except: Option<ItemKey>,
    ) -> Result<()> {
        let folding = self.state.accounts.folding(&self.account);
        let wanted = folding.fold(name);
        for &parent in parents {
            let children = self.linked_children(parent).await?;
            let mut others = children.iter().filter(|child| Some(child.no) != except);
            if let Some(other) = others.find(|child| folding.fold(&child.name) == wanted) {
                return Err(self.tree_error(TreeError::NameTaken(other.no), name, parent));
            }
        }
        Ok(())
    }

    /// Checks that the links in `placement` can be stored: each parent is a folder in which the name
    /// is free for the node.
    ///
    /// # Errors
    /// 400 if a parent is a file; 404 if it does not exist; 409 if the name is in use; 500 if the
    /// storage fails.
    pub(super) async fn check_links(
        &self,
        node: &Node,
        name: &str,
        placement: &Placement,
    ) -> Result<()> {
        for &parent in &placement.links {
            let id = self.ids.id(parent);
            let error = |error| AmazonError::tree(error, &id);
            let folder = self.state.tree.node(self.drive(), parent).await.map_err(error)?;
            if folder.kind != NodeKind::Folder {
                return Err(AmazonError::not_a_folder(&id));
            }
            match self.state.tree.child(self.drive(), parent, name).await {
                Ok(child) if child.no != node.no => {
                    return Err(self.tree_error(TreeError::NameTaken(child.no), name, parent));
                }
                Ok(_) | Err(TreeError::NotFound) => {}
                Err(other) => return Err(error(other)),
            }
        }
        let parents: Vec<_> = placement.all().collect();
        self.check_linked_names(&parents, name, Some(node.no)).await
    }

    /// Stores in the folders `parents` that the folder `child` links to them, before the link is
    /// stored.
    ///
    /// # Errors
    /// 403 if the disk of the storage is full; 404 if a folder does not exist; 409 after
    /// [`MAX_ATTEMPTS`] concurrent changes; 500 if the storage fails.
    pub(super) async fn register_links(&self, child: ItemKey, parents: &[ItemKey]) -> Result<()> {
        self.change_linked(child, parents, |linked| {
            if !linked.contains(&child) {
                linked.push(child);
            }
        })
        .await
    }

    /// Removes the folder `child` from those that link to the folders `parents`, after the links
    /// were removed. An error is logged: such a key without a link has no effect.
    pub(super) async fn forget_links(&self, child: ItemKey, parents: &[ItemKey]) {
        let removed =
            self.change_linked(child, parents, |linked| linked.retain(|key| *key != child));
        if let Err(error) = removed.await {
            tracing::warn!(message = %error.message, "cannot forget a link to a folder");
        }
    }

    /// Changes the keys of the folders that link to each of the folders `parents`, except `child`.
    ///
    /// # Errors
    /// 403 if the disk of the storage is full; 404 if a folder does not exist; 409 after
    /// [`MAX_ATTEMPTS`] concurrent changes; 500 if the storage fails.
    async fn change_linked(
        &self,
        child: ItemKey,
        parents: &[ItemKey],
        change: impl Fn(&mut Vec<ItemKey>),
    ) -> Result<()> {
        // A link to itself is stored with the folder.
        for &parent in parents.iter().filter(|parent| **parent != child) {
            self.update_facet(&self.ids.id(parent), |node, facet| {
                let mut linked = linked(node);
                change(&mut linked);
                set_linked(facet, &linked);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Changes the facet of the node with the id `id`. `change` may be called several times, because
    /// the update is repeated after a concurrent change.
    ///
    /// # Errors
    /// Those of `change`; 403 for an asset, and if the disk of the storage is full; 404 if the node
    /// does not exist or is in the trash; 409 after [`MAX_ATTEMPTS`] concurrent changes; 500 if the
    /// storage fails.
    pub(super) async fn update_facet(
        &self,
        id: &str,
        change: impl Fn(&Node, &mut Map<String, Value>) -> Result<()>,
    ) -> Result<Node> {
        for _ in 0..MAX_ATTEMPTS {
            let node = self.find_node(id).await?;
            let facet_map = node.facets.get(FACET).and_then(Value::as_object).cloned();
            let mut facet_map = facet_map.unwrap_or_default();
            change(&node, &mut facet_map)?;
            let facets = Map::from_iter([(FACET.to_owned(), Value::Object(facet_map))]);
            let change = Change { facets, ..Change::default() };
            let version = Precondition::Version(node.version);
            let tree = &self.state.tree;
            match tree.update(self.drive(), node.no, change, OnConflict::Fail, version).await {
                Ok(node) => return Ok(node),
                Err(TreeError::Changed) => {}
                Err(error) => return Err(AmazonError::tree(error, id)),
            }
        }
        Err(AmazonError::busy())
    }
}
