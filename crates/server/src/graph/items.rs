//! A single item: get, update, put, delete, restore (onedrive-graph#get-item,
//! onedrive-graph#update-item, onedrive-graph#delete).

use axum::response::Response;
use http::StatusCode;

use super::{
    address::{Anchor, ItemAddress},
    body::ItemBody,
    contract::Payload,
    drive_context::{DriveContext, ItemWithPath},
    drive_item::View,
    error::{Error, Result},
    expand::expand,
    item_response::{entity, written},
    response, sessions,
};
use crate::{
    item_activity::ItemActivity,
    item_names,
    tree::{Change, ChildName, ItemState, NewItem, Node, NodeKind, OnConflict, WriteGuard},
};

/// `GET item`: returns the properties of an item, and with `$expand` its children or thumbnails.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if `includeDeletedItems` is
/// neither `true` nor `false`, or for a thumbnail size outside of 1 to the maximum; 404 if the item
/// is deleted meanwhile; 500 if the storage fails.
pub(super) async fn get(context: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    let selection = &context.request.selection;
    if let Some(node) = deleted(context, address).await? {
        let item = selection.project(context.describe_in_bin(&node));
        return Ok(response::json(StatusCode::OK, &entity(context, item)));
    }
    let located = context.locate(address).await?;
    if context.if_none_match(&located.node) {
        return Ok(response::empty(StatusCode::NOT_MODIFIED));
    }
    let is_own_root = context.is_own() && address.anchor == Anchor::Root && address.path.is_empty();
    let view = if is_own_root { View::OwnRoot } else { View::WithPath(&located.parent_path) };
    let mut item = context.describe(&located.node, view);
    expand(context, &located, selection, &mut item).await?;
    Ok(response::json(StatusCode::OK, &entity(context, selection.project(item))))
}

/// Returns the item in the recycle bin that `includeDeletedItems=true` requests; `None` if there is
/// none. The option has an effect only on personal drives, for items that are addressed by id.
///
/// # Errors
/// 400 if the option is neither `true` nor `false`; 403 if the token does not cover the item; 404
/// if no item ever had the id; 500 if the storage fails.
async fn deleted(context: &DriveContext<'_>, address: &ItemAddress) -> Result<Option<Node>> {
    let included = context.request.query.flag("includeDeletedItems")?.unwrap_or(false);
    let (Anchor::Id(id), true, true) =
        (&address.anchor, address.path.is_empty(), included && context.kind.is_personal())
    else {
        return Ok(None);
    };
    let item = context.item_at(&Anchor::Id(id.clone())).await?;
    let node = context.tree().any_node(context.drive(), item).await?;
    Ok(Some(node).filter(|node| matches!(node.state, ItemState::Trashed | ItemState::Hidden)))
}

/// `PATCH item`: changes name, parent, times and description. If the path does not exist and the
/// body has a folder facet, creates a folder (onedrive-graph#upsert-folder).
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the body has the facet of a bundle,
/// a member of another type, a time, a conflict behavior or a name that is not allowed, another drive, a parent
/// that is a file or below the item, or the root folder is moved or renamed; 403 or 404 for the new
/// parent; 409 if the name is taken, also by a file that the caller cannot replace; 412 if `If-Match`
/// names another version; 423 if the item, or the file that it replaces, is locked; 507 if the disk of
/// the storage is full; 500 if the storage fails.
pub(super) async fn update(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: ItemBody = payload.parse()?;
    let Some(located) = context.find(address).await? else {
        if body.folder.is_none() {
            return Err(Error::not_found());
        }
        return make_folder_at(context, address, &body).await;
    };
    context.check_unlocked(&located.node)?;
    if body.bundle.is_some() {
        return Err(Error::invalid("cannot change the facet bundle: the item is not a bundle"));
    }
    let expect = context.if_match(Some(&located.node))?;
    let folder = match &body.parent_reference {
        Some(reference) => reference.folder(context).await?,
        None => None,
    };
    let folder = folder.filter(|folder| located.node.parents.first() != Some(folder));
    let parent_path = match folder {
        Some(folder) => context.path(folder).await?,
        None => located.parent_path,
    };
    let name = body.name.clone().filter(|name| *name != located.node.name);
    if let Some(name) = name.as_deref().or(folder.map(|_| located.node.name.as_str())) {
        let is_folder = located.node.kind == NodeKind::Folder;
        let into = folder.or(located.node.parents.first().copied()).unwrap_or(located.node.no);
        item_names::check(name, is_folder, context.kind, into, &parent_path)?;
    }
    let (client_created, client_modified) = body.times()?;
    let on_conflict = body.on_conflict(&context.request.query)?.unwrap_or(OnConflict::Fail);
    let into = folder.or(located.node.parents.first().copied());
    let guard = match into {
        Some(into) if on_conflict == OnConflict::Replace => {
            let name = name.as_deref().unwrap_or(&located.node.name);
            context.write_rights_for(into, name).await?.guard()
        }
        _ => WriteGuard::default(),
    };
    let change = Change {
        guard,
        name,
        parents: folder.map(|folder| vec![folder]),
        description: body
            .description
            .clone()
            .map(|text| Some(text).filter(|text| !text.is_empty())),
        client_created,
        client_modified,
        facets: serde_json::Map::new(),
        max_versions: if context.kind.is_personal() { 0 } else { context.max_versions() },
    };
    let node = context
        .tree()
        .update(context.drive(), located.node.no, change, on_conflict, expect)
        .await?;
    let moved = node.name != located.node.name || folder.is_some();
    let activity = if moved { ItemActivity::Move } else { ItemActivity::Edit };
    context.count_activity(node.no, activity);
    written(context, &ItemWithPath { node, parent_path }, false).await
}

/// Creates the folder at a path, or returns the existing one.
///
/// # Errors
/// The errors of the address's anchor, as of [`DriveContext::locate`]; 400 for a name that is not
/// allowed, an unknown conflict behavior, or a file in the path; 409 if the name is taken; 507 if
/// the disk of the storage is full; 500 if the storage fails.
async fn make_folder_at(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    body: &ItemBody,
) -> Result<Response> {
    let location = context.new_item_location(address).await?;
    location.check(context.kind, true)?;
    let on_conflict = body.on_conflict(&context.request.query)?.unwrap_or(OnConflict::Replace);
    let new = NewItem {
        folders: location.missing_folders,
        description: body.description.clone(),
        ..NewItem::default()
    };
    let child = ChildName::new(context.drive(), location.folder, &location.name);
    let made = context.tree().make(child, NodeKind::Folder, new, on_conflict).await?;
    let located = ItemWithPath { node: made.node, parent_path: location.parent_path };
    written(context, &located, made.created).await
}

/// `PUT item` with JSON: creates a folder, or the file of an upload session whose name was taken
/// (onedrive-graph#auto-create-ancestors, onedrive-graph#session-late-conflict).
///
/// # Errors
/// Those of [`sessions::commit_as`] for a body with an upload session, else: the errors of the
/// address's anchor, as of [`DriveContext::locate`]; 400 for a body without a folder facet or with
/// a member of another type, a name that is not allowed, an unknown conflict behavior, or a file in
/// the path; 409 if the name is taken; 507 if the disk of the storage is full; 500 if the storage
/// fails.
pub(super) async fn put(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: ItemBody = payload.parse()?;
    if let Some(url) = &body.source_url {
        return sessions::commit_as(context, address, &body, url).await;
    }
    if body.folder.is_none() {
        let message = "cannot create the item: the body has no folder facet and no sourceUrl";
        return Err(Error::invalid(message));
    }
    make_folder_at(context, address, &body).await
}

/// `DELETE item`: moves an item and its descendants to the recycle bin.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for the root folder; 412 if
/// `If-Match` names another version; 423 if the item is locked; 507 if the disk of the storage is
/// full; 500 if the storage fails.
pub(super) async fn delete(context: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    let ItemWithPath { node, .. } = context.locate(address).await?;
    context.check_unlocked(&node)?;
    let expect = context.if_match(Some(&node))?;
    context.tree().trash(context.drive(), node.no, expect).await?;
    context.count_activity(node.no, ItemActivity::Delete);
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// `POST item/permanentDelete`: deletes an item permanently, whether it is live or in the recycle
/// bin.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`], but an item in the recycle bin is
/// found by its id; 400 for the root folder; 404 if the item was purged before; 507 if the disk of
/// the storage is full; 500 if the storage fails. A lock has no effect.
pub(super) async fn purge(context: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    let item = match &address.anchor {
        Anchor::Id(_) if address.path.is_empty() => {
            let item = context.item_at(&address.anchor).await?;
            let node = context.tree().any_node(context.drive(), item).await?;
            if node.state == ItemState::Purged {
                return Err(Error::not_found());
            }
            node.no
        }
        _ => context.locate(address).await?.node.no,
    };
    context.tree().purge(context.drive(), item).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// `POST items/ID/restore`: restores an item from the recycle bin. Personal drives only
/// (onedrive-graph#restore).
///
/// # Errors
/// 400 for a body with a member of another type, a name that is not allowed, another drive, or a
/// target folder that is a file or below the item; 403 if the token does not cover the item or the
/// folder; 404 if the item is not in the recycle bin, or the target folder, or without one every
/// former folder, does not exist; 409 if the name is taken; 501 on business drives; 507 if the item
/// does not fit into the drive's quota, or the disk of the storage is full; 500 if the storage
/// fails.
pub(super) async fn restore(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    if !context.kind.is_personal() {
        return Err(Error::not_supported("restore is not supported for this account."));
    }
    let body: ItemBody = payload.parse()?;
    let item = context.item_at(&address.anchor).await?;
    let folder = match &body.parent_reference {
        Some(reference) => reference.folder(context).await?,
        None => None,
    };
    let name = body.name.as_deref();
    if let Some(name) = name {
        let node = context.tree().any_node(context.drive(), item).await?;
        let into = folder.or(node.parents.first().copied()).unwrap_or(item);
        let parent_path = context.path(into).await?;
        item_names::check(name, node.kind == NodeKind::Folder, context.kind, into, &parent_path)?;
    }
    let node = context.tree().restore(context.drive(), item, folder, name).await?;
    let parent_path = context.parent_path(&node).await?;
    written(context, &ItemWithPath { node, parent_path }, false).await
}
