//! Renames and moves, and the replacement of an existing file.
//!
//! The cloud never replaces a file, and two live items of a folder cannot have one name. To move an
//! item onto an existing file `old`, the drive sends these requests:
//!
//! 1. `GET nodes/{old}`: whether it is still a file in the folder, and whether other folders
//!    contain it.
//! 2. `PUT trash/{old}`; or, if other folders contain it, `DELETE` of its edge to this folder.
//! 3. `PATCH nodes/{id}` or `POST nodes/{to}/children`: the item receives the name.
//! 4. If request 3 fails: `POST trash/{old}/restore`, or `PUT` of the edge.
//!
//! Between 2 and 3 no item has the name. If the process dies then, the old file remains in the
//! trash, complete, for 30 days. The alternative, a temporary name for the old file, takes one more
//! request and leaves a file with a strange name. The sequence runs in its own task, so that a
//! dropped future does not interrupt it.

use std::sync::Arc;

use super::{
    client::Client,
    item::{from_node, id_of, is_available, parent_of},
    model::{NodeKind, NodePatch},
};
use crate::drive::{
    Context, Error, ErrorKind, IfExists, Item, ItemId, ItemRef, ItemUpdate, Result,
};

/// Changes the name of an item, its folder, or both.
///
/// `known` is the item, if the caller has it. The item leaves the folder through which the caller
/// found it, and remains in its other folders. With [`IfExists::Replace`], the file
/// `change.occupant` is moved to the trash first, or removed from the folder if other folders
/// contain it.
///
/// # Errors
/// * `NotFound` if the item or the new folder does not exist.
/// * `Unsupported` for a modification time, [`IfExists::Rename`], and a reference by path.
/// * `Conflict` if the new folder is the item itself.
/// * `IsAFolder` if the item to replace is a folder; `AlreadyExists` if another item has the name.
/// * [Request errors](crate::drive::Error#request-errors), with a note if the replaced file could
///   not be restored.
pub(super) async fn update(
    client: &Arc<Client>,
    cx: &Context,
    at: &ItemRef,
    known: Option<&Item>,
    change: &ItemUpdate,
) -> Result<Item> {
    if change.modified.is_some() {
        return Err(Error::unsupported("setting a modification time"));
    }
    if change.if_exists == IfExists::Rename {
        return Err(Error::unsupported("a new name for an item whose name is in use"));
    }
    let id = id_of(at)?;
    let item = match known {
        Some(item) => item.clone(),
        None => from_node(client.node(cx, id.as_str(), false).await?),
    };
    let from = parent_of(at).or_else(|| item.parents.first()).cloned();
    let to = change.folder.as_ref().map(id_of).transpose()?;
    if to == Some(id) {
        return Err(Error::new(ErrorKind::Conflict, "a folder cannot be moved into itself"));
    }
    let to = to.filter(|to| from.as_ref() != Some(to)).cloned();
    let name = change.name.clone().filter(|name| *name != item.name);
    if name.is_none() && to.is_none() {
        return Ok(item);
    }
    let folder = to.clone().or_else(|| from.clone());
    let rename = Rename { client: Arc::clone(client), cx: cx.clone(), item, from, to, name };
    match (&change.occupant, folder) {
        (Some(old), Some(folder)) if old != id && change.if_exists == IfExists::Replace => {
            let old = old.clone();
            cx.spawn_and_wait(async move { rename.replace(old, folder).await }).await
        }
        _ => rename.send().await,
    }
}

/// A new name or folder for an item.
struct Rename {
    client: Arc<Client>,
    cx: Context,
    item: Item,
    /// The folder that the item leaves.
    from: Option<ItemId>,
    /// The folder that the item enters; `None` if it keeps its folder.
    to: Option<ItemId>,
    /// The new name; `None` if the item keeps its name.
    name: Option<String>,
}

impl Rename {
    /// Sends the one request for the change, and returns the item after it.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use, `NotFound` if the item or a folder does not exist;
    /// [request errors](crate::drive::Error#request-errors).
    async fn send(&self) -> Result<Item> {
        let (client, cx, id) = (&self.client, &self.cx, self.item.id.as_str());
        let node = match (&self.name, &self.to, &self.from) {
            // Correct even if the item was added to further folders meanwhile.
            (None, Some(to), Some(from)) if !self.item.parents.contains(to) => {
                client.move_child(cx, id, from.as_str(), to.as_str()).await?
            }
            (name, to, from) => {
                let parents = to.as_ref().map(|to| self.parents_after(to, from.as_ref()));
                let patch = NodePatch { name: name.clone(), parents, ..NodePatch::default() };
                client.patch(cx, id, &patch).await?
            }
        };
        Ok(from_node(node))
    }

    /// Returns the folders that contain the item after a move from `from` to `to`.
    fn parents_after(&self, to: &ItemId, from: Option<&ItemId>) -> Vec<String> {
        let others = self.item.parents.iter().filter(|parent| Some(*parent) != from);
        let mut parents: Vec<_> = others.map(ToString::to_string).collect();
        if !parents.iter().any(|parent| parent == to.as_str()) {
            parents.push(to.to_string());
        }
        parents
    }

    /// Sends the requests for the change if the file with the id `old` in `folder` has the name. If
    /// the change fails, the file is restored.
    ///
    /// # Errors
    /// `IsAFolder` if `old` is a folder; those of [`send`](Self::send), with a note if the replaced
    /// file could not be restored; the error of its removal, with a note that it may be in the
    /// trash.
    async fn replace(self, old: ItemId, folder: ItemId) -> Result<Item> {
        let (client, cx) = (&self.client, &self.cx);
        let Some(old) = ReplacedFile::find(client, cx, old, folder).await? else {
            return self.send().await;
        };
        old.remove(client, cx)
            .await
            .map_err(|error| error.with_note("the replaced file may be in the trash"))?;
        let error = match self.send().await {
            Ok(item) => return Ok(item),
            Err(error) => error,
        };
        match old.restore(client, cx).await {
            Ok(()) => Err(error),
            // The item has the name: only the response was lost.
            Err(taken) if taken.existing() == Some(&self.item.id) => {
                Ok(from_node(client.node(cx, self.item.id.as_str(), false).await?))
            }
            Err(failed) => {
                let place = if old.is_shared { "no longer in the folder" } else { "in the trash" };
                let reason = failed.message();
                Err(error.with_note(&format!(
                    "the replaced file is {place}, because it cannot be restored: {reason}"
                )))
            }
        }
    }
}

/// A file that is replaced.
struct ReplacedFile {
    id: ItemId,
    /// The folder in which it is replaced.
    folder: ItemId,
    /// Whether other folders contain it, too. It remains there.
    is_shared: bool,
}

impl ReplacedFile {
    /// Requests the file with this id. Returns `None` if it does not exist, is in the trash, or is
    /// no longer in the folder.
    ///
    /// # Errors
    /// `IsAFolder` if it is a folder, and [request errors](crate::drive::Error#request-errors).
    async fn find(
        client: &Client,
        cx: &Context,
        id: ItemId,
        folder: ItemId,
    ) -> Result<Option<Self>> {
        let node = match client.node(cx, id.as_str(), false).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            node => node?,
        };
        if node.kind == NodeKind::Folder {
            return Err(Error::new(ErrorKind::IsAFolder, "a folder has the name"));
        }
        let parents = node.parents.unwrap_or_default();
        let is_in_folder = parents.iter().any(|parent| parent == folder.as_str());
        let found = is_in_folder && is_available(node.status);
        Ok(found.then_some(Self { id, folder, is_shared: parents.len() > 1 }))
    }

    /// Removes it from the folder: moves it to the trash, unless other folders contain it.
    ///
    /// # Errors
    /// `NotFound` if it does not exist any more; [request
    /// errors](crate::drive::Error#request-errors).
    async fn remove(&self, client: &Client, cx: &Context) -> Result<()> {
        let (id, folder) = (self.id.as_str(), self.folder.as_str());
        match self.is_shared {
            true => client.remove_child(cx, folder, id).await.map(drop),
            false => client.trash(cx, id).await.map(drop),
        }
    }

    /// Reverts [`remove`](Self::remove).
    ///
    /// # Errors
    /// `AlreadyExists` if another item has the name now; `NotFound` if the file was purged or the
    /// folder does not exist any more; [request errors](crate::drive::Error#request-errors).
    async fn restore(&self, client: &Client, cx: &Context) -> Result<()> {
        let (id, folder) = (self.id.as_str(), self.folder.as_str());
        match self.is_shared {
            true => client.add_child(cx, folder, id).await.map(drop),
            false => client.restore(cx, id).await.map(drop),
        }
    }
}
