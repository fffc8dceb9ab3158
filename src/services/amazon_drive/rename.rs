//! Renaming, moving, replacing and removing: what takes more than one request, and in which order.
//!
//! A move onto a file that is there: the cloud never replaces by itself, and no two live items of a
//! folder have one name. So the sequence is
//!
//! 1. `GET nodes/{there}`: is it still a file of that folder, and has it other folders?
//! 2. `PUT trash/{there}`; if it has other folders, `DELETE` of its edge to this one alone,
//! 3. `PATCH nodes/{id}` or `POST nodes/{to}/children`: the new file takes the name,
//! 4. if that fails, `POST trash/{there}/restore`, or `PUT` of its edge: the old file is back.
//!
//! Between 2 and 3 nobody has the name, and the old file is in the trash, whole, for 30 days: that is
//! where it stays in the end, and where it is found if the process dies in between. The alternative,
//! to rename the old file aside, takes a request more and leaves a file of an odd name behind.
//! The sequence runs in a task of its own, so a caller who goes away does not stop it half-way.

use std::sync::Arc;

use super::{
    client::Client,
    drive::{id_of, item_of},
    model::{Node, NodeKind, NodePatch, Status},
};
use crate::drive::{
    Context, DeleteTarget, Error, ErrorKind, IfExists, Item, ItemId, ItemRef, ItemUpdate, Result,
};

/// Gives an item another name, another folder, or both.
pub(super) async fn update(
    client: &Arc<Client>,
    cx: &Context,
    at: &ItemRef,
    item: Option<&Item>,
    change: &ItemUpdate,
) -> Result<Item> {
    let id = id_of(at)?;
    let parent = parent_of(at).cloned();
    let looked;
    let item = match item {
        Some(item) => item,
        None => {
            looked = item_of(client.node(cx, id.as_str(), false).await?);
            &looked
        }
    };
    let from = parent.or_else(|| item.parents.first().cloned());
    let to = change.folder.as_ref().map(id_of).transpose()?;
    if to == Some(id) {
        return Err(Error::new(ErrorKind::Conflict, "a folder cannot be moved into itself"));
    }
    let to = to.filter(|to| from.as_ref() != Some(to)).cloned();
    let name = change.name.clone().filter(|name| *name != item.name);
    if name.is_none() && to.is_none() {
        return Ok(item.clone());
    }
    let occupied = to.clone().or_else(|| from.clone());
    let step =
        Step { client: Arc::clone(client), cx: cx.clone(), item: item.clone(), from, to, name };
    match (&change.occupant, occupied) {
        (Some(there), Some(folder)) if there != id && change.if_exists == IfExists::Replace => {
            let there = there.clone();
            cx.spawn_and_wait(async move { step.replacing(there, folder).await }).await
        }
        _ => step.take().await,
    }
}

/// An item on its way to another name or folder.
struct Step {
    client: Arc<Client>,
    cx: Context,
    item: Item,
    /// The folder it is taken out of.
    from: Option<ItemId>,
    to: Option<ItemId>,
    name: Option<String>,
}

impl Step {
    /// One request, whatever is to change.
    async fn take(&self) -> Result<Item> {
        let (client, cx, id) = (&self.client, &self.cx, self.item.id.as_str());
        let node = match (&self.name, &self.to, &self.from) {
            // An edge is moved whatever other folders the item has by now.
            (None, Some(to), Some(from)) if !self.item.parents.contains(to) => {
                client.move_child(cx, id, from.as_str(), to.as_str()).await?
            }
            (name, to, from) => {
                let parents = to.as_ref().map(|to| self.parents_with(to, from.as_ref()));
                let patch = NodePatch { name: name.clone(), parents, ..NodePatch::default() };
                client.patch(cx, id, &patch).await?
            }
        };
        Ok(item_of(node))
    }

    /// Its folders after the move.
    fn parents_with(&self, to: &ItemId, from: Option<&ItemId>) -> Vec<String> {
        let others = self.item.parents.iter().filter(|parent| Some(*parent) != from);
        let mut parents: Vec<_> = others.map(ToString::to_string).collect();
        if !parents.iter().any(|parent| parent == to.as_str()) {
            parents.push(to.to_string());
        }
        parents
    }

    /// The same, onto the name that a file in `folder` has.
    async fn replacing(self, there: ItemId, folder: ItemId) -> Result<Item> {
        let (client, cx) = (&self.client, &self.cx);
        let Some(old) = Old::look(client, cx, there, folder).await? else {
            return self.take().await;
        };
        old.put_aside(client, cx)
            .await
            .map_err(|error| error.with_note("the file that had the name may be in the trash"))?;
        let error = match self.take().await {
            Ok(item) => return Ok(item),
            Err(error) => error,
        };
        match old.put_back(client, cx).await {
            Ok(()) => Err(error),
            // The answer was lost, not the request: the new file has the name.
            Err(taken) if taken.existing() == Some(&self.item.id) => {
                Ok(item_of(client.node(cx, self.item.id.as_str(), false).await?))
            }
            Err(failed) => {
                let place = if old.shared { "taken out of the folder" } else { "in the trash" };
                let why = failed.message();
                Err(error.with_note(&format!("the file that had the name is {place}: {why}")))
            }
        }
    }
}

/// A file that is to be replaced.
struct Old {
    id: ItemId,
    /// Where it is to be replaced.
    folder: ItemId,
    /// It is in other folders too, and stays there.
    shared: bool,
}

impl Old {
    /// The file as it is now; `None` if it is not in the folder any more.
    async fn look(
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
        let here = parents.iter().any(|parent| parent == folder.as_str());
        let live = matches!(node.status, Some(Status::Available) | None);
        Ok((here && live).then_some(Self { id, folder, shared: parents.len() > 1 }))
    }

    async fn put_aside(&self, client: &Client, cx: &Context) -> Result<()> {
        let (id, folder) = (self.id.as_str(), self.folder.as_str());
        match self.shared {
            true => client.remove_child(cx, folder, id).await.map(drop),
            false => client.trash(cx, id).await.map(drop),
        }
    }

    async fn put_back(&self, client: &Client, cx: &Context) -> Result<()> {
        let (id, folder) = (self.id.as_str(), self.folder.as_str());
        match self.shared {
            true => client.add_child(cx, folder, id).await.map(drop),
            false => client.restore(cx, id).await.map(drop),
        }
    }
}

/// Takes an item out of the folder it was found through; out of its last one, into the trash.
pub(super) async fn remove(
    client: &Arc<Client>,
    cx: &Context,
    removal: &DeleteTarget,
) -> Result<()> {
    let id = id_of(&removal.item)?.clone();
    let Some(parent) = parent_of(&removal.item).cloned() else {
        return client.trash(cx, id.as_str()).await.map(drop);
    };
    let mut parents = removal.parents.clone();
    if parents.is_empty() {
        parents = item_of(client.node(cx, id.as_str(), false).await?).parents;
    }
    let (client, context) = (Arc::clone(client), cx.clone());
    // Either way it may take a second request to put right what was not as it was known to be.
    cx.spawn_and_wait(async move {
        match parents.len() > 1 && parents.contains(&parent) {
            true => remove_edge(&client, &context, &id, &parent, &parents).await,
            false => trash_last(&client, &context, &id, &parent).await,
        }
    })
    .await
}

/// Takes an item that has other folders out of one.
async fn remove_edge(
    client: &Client,
    cx: &Context,
    id: &ItemId,
    parent: &ItemId,
    known: &[ItemId],
) -> Result<()> {
    let node = client.remove_child(cx, parent.as_str(), id.as_str()).await?;
    // It was the last one by then: the cloud has moved the item to the root, where it never was.
    match node.parents.as_deref() {
        Some([only]) if !known.iter().any(|known| known.as_str() == only) => {
            client.trash(cx, id.as_str()).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// Puts an item into the trash that is in one folder only.
async fn trash_last(client: &Client, cx: &Context, id: &ItemId, parent: &ItemId) -> Result<()> {
    let node = client.trash(cx, id.as_str()).await?;
    if !is_shared(&node, parent) {
        return Ok(());
    }
    // Somebody has put it into another folder meanwhile, where it has to stay.
    let undone = async {
        client.restore(cx, id.as_str()).await?;
        client.remove_child(cx, parent.as_str(), id.as_str()).await
    };
    undone.await.map(drop).map_err(|error| {
        error.with_note("the item was in another folder too, and is in the trash now")
    })
}

fn is_shared(node: &Node, parent: &ItemId) -> bool {
    node.parents.as_ref().is_some_and(|parents| {
        parents.len() > 1 && parents.iter().any(|each| each == parent.as_str())
    })
}

fn parent_of(place: &ItemRef) -> Option<&ItemId> {
    match place {
        ItemRef::Item { parent, .. } => parent.as_ref(),
        ItemRef::Path { .. } => None,
    }
}
