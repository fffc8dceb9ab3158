//! Changes the metadata, the name and the folders of an item.

use std::collections::BTreeSet;

use super::{
    super::{
        Change, DriveKey, ItemKey, Node, NodeKind, OnConflict, Precondition, ROOT, Result,
        TreeError, WriteGuard,
    },
    folders::{is_above, next_feed, touch},
    items::{NO_TWIN, insert_edge, now, save, truncate_time},
    moves, names, read, recycle_bin,
    row::signed,
    search_index, subtree, versions,
    writer::Tx,
};

/// Changes an item's metadata, its name or its folders. A change without effect leaves the version
/// as it is. Returns the item.
///
/// # Errors
/// `TreeError::NotFound` if the item or a new folder is not live, or there is no new folder;
/// `NotAFolder` for a new parent; `Root` for a move or a new name of the root; `BadName`;
/// `NameTaken`; `IntoItself`; `Changed` if the precondition fails; that of [`Change::guard`]; `Storage`
/// and `NoRoom` if the database fails.
pub(super) async fn update(
    tx: &mut Tx,
    drive: DriveKey,
    item: ItemKey,
    change: Change,
    on_conflict: OnConflict,
    precondition: Precondition,
) -> Result<Node> {
    let old = read::node(tx.sql(), drive, item).await?;
    precondition.check(&old)?;
    if item == ROOT && (change.name.is_some() || change.parents.is_some()) {
        return Err(TreeError::Root);
    }
    let mut new = old.clone();
    let max_versions = change.max_versions;
    apply(&mut new, &change);
    if let Some(name) = &change.name {
        names::check(name)?;
    }
    if let Some(parents) = change.parents.clone() {
        new.parents = in_order_once(parents);
    }
    if is_same(&old, &new) {
        return Ok(old);
    }
    let elsewhere = new.parents != old.parents;
    if elsewhere || new.name != old.name {
        new.name = resolve_name(tx, &old, &new, on_conflict, &change.guard).await?;
        move_edges(tx, &old, &new).await?;
    }
    if new.name != old.name {
        search_index::replace(tx, drive, item, &new.name).await?;
    }
    for folder in BTreeSet::from_iter(old.parents.iter().chain(&new.parents)) {
        let [was, is] = [&old, &new].map(|node| node.parents.first() == Some(folder));
        let [was_in, is_in] = [&old, &new].map(|node| node.parents.contains(folder));
        let bytes = signed(old.size) * (i64::from(is) - i64::from(was));
        touch(tx, drive, *folder, bytes, i64::from(is_in) - i64::from(was_in)).await?;
    }
    let times = |node: &Node| (node.client_created, node.client_modified);
    if times(&new) != times(&old) && versions::repeat(tx, &old, max_versions).await? {
        new.revision += 1;
    }
    new.modified = now();
    new.version += 1;
    new.feed = next_feed(tx, drive).await?;
    save(tx, &new, None).await?;
    moves::record(tx, drive, item, new.feed, [&old.parents, &new.parents]).await?;
    read::node(tx.sql(), drive, item).await
}

/// Applies the changes of metadata and name to a node. Folders are not changed.
fn apply(node: &mut Node, change: &Change) {
    if let Some(name) = &change.name {
        node.name.clone_from(name);
    }
    if let Some(description) = &change.description {
        node.description.clone_from(description);
    }
    node.client_created = change.client_created.map_or(node.client_created, truncate_time);
    node.client_modified = change.client_modified.map_or(node.client_modified, truncate_time);
    node.facets.extend(change.facets.clone());
    node.facets.retain(|_, facet| !facet.is_null());
}

/// Returns whether `old` and `new` have the same name, folders in the same order, description,
/// facets and client's times.
fn is_same(old: &Node, new: &Node) -> bool {
    let times = |node: &Node| (node.client_created, node.client_modified);
    (&old.name, &old.parents, &old.description, &old.facets, times(old))
        == (&new.name, &new.parents, &new.description, &new.facets, times(new))
}

/// Removes repeated folders. The first of each stays.
fn in_order_once(mut parents: Vec<ItemKey>) -> Vec<ItemKey> {
    let mut seen = BTreeSet::new();
    parents.retain(|folder| seen.insert(*folder));
    parents
}

/// Returns the name that the item can have in all of its new folders. With [`OnConflict::Replace`]
/// files in its place are deleted to the recycle bin, if `guard` allows it.
///
/// # Errors
/// That of the guard; [`TreeError::NotFound`] or [`TreeError::NotAFolder`] for a new folder, and `NotFound` without
/// any; [`TreeError::NameTaken`]; [`TreeError::IntoItself`] for a folder below itself;
/// [`TreeError::Storage`] or [`TreeError::NoRoom`] if the database fails.
async fn resolve_name(
    tx: &mut Tx,
    old: &Node,
    new: &Node,
    on_conflict: OnConflict,
    guard: &WriteGuard,
) -> Result<String> {
    if new.parents.is_empty() {
        return Err(TreeError::NotFound);
    }
    let same_name = names::is_same(tx, new.drive, &old.name, &new.name).await?;
    let mut occupants = BTreeSet::new();
    for &folder in &new.parents {
        let occupant = occupant(tx, new, folder).await?;
        // In a folder that it is in already, an item may keep a name that another one has too.
        let stays = same_name && old.parents.contains(&folder);
        occupants.extend(occupant.filter(|_| !stays));
        let joins = !old.parents.contains(&folder);
        if joins && new.kind == NodeKind::Folder && is_above(tx, new.drive, new.no, folder).await? {
            return Err(TreeError::IntoItself);
        }
    }
    let Some(&first) = occupants.first() else { return Ok(new.name.clone()) };
    match on_conflict {
        OnConflict::Fail => Err(TreeError::NameTaken(first)),
        OnConflict::Rename => {
            names::find_free(tx, new.drive, &new.parents, &new.name, new.kind).await
        }
        OnConflict::Replace => {
            for &no in &occupants {
                let occupant = read::node(tx.sql(), new.drive, no).await?;
                if occupant.kind != NodeKind::File || new.kind != NodeKind::File {
                    return Err(TreeError::NameTaken(no));
                }
                guard.check(Some(&occupant))?;
                recycle_bin::trash(tx, new.drive, no, Precondition::Any).await?;
            }
            for &folder in &new.parents {
                // Only one of several items with the name was replaced.
                if let Some(no) = occupant(tx, new, folder).await?
                    && !(same_name && old.parents.contains(&folder))
                {
                    return Err(TreeError::NameTaken(no));
                }
            }
            Ok(new.name.clone())
        }
    }
}

/// Returns another item that has the item's name in a folder; `None` if the name is free.
///
/// # Errors
/// `TreeError::NotFound` or `NotAFolder` for the folder, and `TreeError::Storage` if the database
/// cannot be read.
async fn occupant(tx: &mut Tx, item: &Node, folder: ItemKey) -> Result<Option<ItemKey>> {
    let slot = names::slot(tx, item.drive, folder, &item.name).await?;
    Ok(slot.occupant.map(|(no, _)| no).filter(|no| *no != item.no))
}

/// Replaces the edges of the item by those to its new folders. Edges to folders in the recycle bin,
/// which the caller cannot see, are kept unless the name is taken there.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn move_edges(tx: &mut Tx, old: &Node, new: &Node) -> Result<()> {
    let same_name = names::is_same(tx, new.drive, &old.name, &new.name).await?;
    let all: Vec<(ItemKey, i64)> =
        sqlx::query_as("DELETE FROM edge WHERE drive = $1 AND item = $2 RETURNING parent, twin")
            .bind(old.drive)
            .bind(old.no)
            .fetch_all(tx.sql())
            .await?;
    for &folder in &new.parents {
        let before = all.iter().find(|(parent, _)| same_name && *parent == folder);
        let twin = before.map_or(NO_TWIN, |(_, twin)| *twin);
        insert_edge(tx.sql(), new.drive, new.no, folder, &new.name, twin).await?;
    }
    for (folder, _) in all {
        if old.parents.contains(&folder) || new.parents.contains(&folder) {
            continue;
        }
        if !names::insert_edge_from_trashed(tx, new, folder).await? {
            touch(tx, new.drive, folder, 0, -1).await?;
        }
    }
    let joined = new.parents.iter().any(|folder| !old.parents.contains(folder));
    if joined && names::is_outranked(tx, new).await? {
        let gathered = subtree::gather(tx, new.drive, new.no).await?;
        subtree::raise_ranks(tx, new.drive, gathered).await?;
    }
    Ok(())
}
