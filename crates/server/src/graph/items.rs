//! One item: looked at, changed, removed, brought back (onedrive-graph#get-item,
//! onedrive-graph#update-item, onedrive-graph#delete).

use axum::response::Response;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::{
    address::{Anchor, ItemAddress},
    body::ItemBody,
    children,
    contract::Payload,
    drive_context::{DriveContext, ItemWithPath},
    drive_item::View,
    error::{Error, Result},
    names, permissions, reply,
    select::Selection,
    thumbnails,
};
use crate::tree::{Change, ChildName, NewItem, Node, NodeKind, OnConflict, State};

/// `GET item`.
pub(super) async fn get(scope: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    let selection = Selection::of(&scope.request.query)?;
    if let Some(node) = deleted(scope, address).await? {
        let item = selection.project(scope.describe_in_bin(&node));
        return Ok(reply::json(StatusCode::OK, &entity(scope, item)));
    }
    let located = scope.locate(address).await?;
    if scope.if_none_match(&located.node) {
        return Ok(reply::empty(StatusCode::NOT_MODIFIED));
    }
    let is_own_root = scope.is_own() && address.anchor == Anchor::Root && address.path.is_empty();
    let shown = if is_own_root { View::OwnRoot } else { View::In(&located.above) };
    let mut item = scope.describe(&located.node, shown);
    expand(scope, &located, &selection, &mut item).await?;
    Ok(reply::json(StatusCode::OK, &entity(scope, selection.project(item))))
}

/// The item in the recycle bin that `includeDeletedItems=true` returns too. The option is for items
/// of consumers that are addressed by an id, and has no effect elsewhere.
async fn deleted(scope: &DriveContext<'_>, address: &ItemAddress) -> Result<Option<Node>> {
    let included = scope.request.query.flag("includeDeletedItems")?.unwrap_or(false);
    let (Anchor::Id(id), true, true) =
        (&address.anchor, address.path.is_empty(), included && scope.kind.is_personal())
    else {
        return Ok(None);
    };
    let node = scope.tree().any_node(scope.drive(), scope.number(id)?).await?;
    Ok(Some(node).filter(|node| matches!(node.state, State::Trashed | State::Hidden)))
}

/// Adds the relations that a selection expands.
pub(super) async fn expand(
    scope: &DriveContext<'_>,
    located: &ItemWithPath,
    selection: &Selection,
    item: &mut Value,
) -> Result<()> {
    for expansion in &selection.expanded {
        match expansion.name.as_str() {
            // In a box, since children have relations too.
            "children" => {
                Box::pin(children::expand(scope, located, expansion, item)).await?;
            }
            "permissions" => {
                let all = permissions::permissions(scope, &located.node).into_iter();
                let all = all.map(|one| expansion.selection.project(one));
                item["permissions"] = all.collect();
            }
            _ => {
                let sets = thumbnails::sets(scope, &located.node, &expansion.selection)?;
                item["thumbnails"] = sets.into();
            }
        }
    }
    Ok(())
}

/// The same for an item whose place is not known yet.
pub(super) async fn expand_node(
    scope: &DriveContext<'_>,
    node: &Node,
    selection: &Selection,
    item: &mut Value,
) -> Result<()> {
    if selection.expanded.is_empty() {
        return Ok(());
    }
    let above = scope.above(node).await?;
    expand(scope, &ItemWithPath { node: node.clone(), above }, selection, item).await
}

/// An item as an answer's body.
pub(super) fn entity(scope: &DriveContext<'_>, item: Value) -> Value {
    let context = format!("/$metadata#drives('{}')/items/$entity", scope.ids.drive());
    let mut body = json!({"@odata.context": scope.request.url(&context)});
    if let (Value::Object(body), Value::Object(item)) = (&mut body, item) {
        body.extend(item);
    }
    body
}

/// The response to a request that created or changed an item. `$select` and `$expand` apply.
pub(super) async fn changed(
    scope: &DriveContext<'_>,
    located: &ItemWithPath,
    created: bool,
) -> Result<Response> {
    let selection = Selection::of(&scope.request.query)?;
    let mut item = scope.describe(&located.node, View::In(&located.above));
    expand(scope, located, &selection, &mut item).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = reply::json(status, &entity(scope, selection.project(item)));
    if created {
        let path =
            format!("/drives/{}/items/{}", scope.ids.drive(), scope.ids.item(located.node.no));
        let url = scope.request.url(&path);
        if let Ok(url) = url.parse() {
            response.headers_mut().insert(header::LOCATION, url);
        }
    }
    Ok(response)
}

/// `PATCH item`: name, place, times, description. A folder is made where there is none, if the
/// body says that it is one (onedrive-graph#upsert-folder).
pub(super) async fn update(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: ItemBody = payload.parse()?;
    let Some(located) = scope.find(address).await? else {
        if body.folder.is_none() {
            return Err(Error::not_found());
        }
        return make_folder_at(scope, address, &body).await;
    };
    scope.check_unlocked(&located.node)?;
    let expect = scope.if_match(Some(&located.node))?;
    let folder = match &body.parent_reference {
        Some(reference) => reference.folder(scope).await?,
        None => None,
    };
    let folder = folder.filter(|folder| located.node.parents.first() != Some(folder));
    let above = match folder {
        Some(folder) => scope.tree().path(scope.drive(), folder).await?,
        None => located.above,
    };
    let name = body.name.clone().filter(|name| *name != located.node.name);
    if let Some(name) = name.as_deref().or(folder.map(|_| located.node.name.as_str())) {
        let is_folder = located.node.kind == NodeKind::Folder;
        let into = folder.or(located.node.parents.first().copied()).unwrap_or(located.node.no);
        names::check(name, is_folder, scope.kind, into, &above)?;
    }
    let (client_created, client_modified) = body.times()?;
    let change = Change {
        name,
        parents: folder.map(|folder| vec![folder]),
        description: body
            .description
            .clone()
            .map(|text| Some(text).filter(|text| !text.is_empty())),
        client_created,
        client_modified,
        facets: serde_json::Map::new(),
    };
    let on_conflict = body.on_conflict(&scope.request.query)?.unwrap_or(OnConflict::Fail);
    let node =
        scope.tree().update(scope.drive(), located.node.no, change, on_conflict, expect).await?;
    changed(scope, &ItemWithPath { node, above }, false).await
}

/// A folder at a path, which is taken as it is if it is there.
async fn make_folder_at(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    body: &ItemBody,
) -> Result<Response> {
    let spot = scope.spot(address).await?;
    spot.check(scope.kind, true)?;
    let on_conflict = body.on_conflict(&scope.request.query)?.unwrap_or(OnConflict::Replace);
    let new = NewItem {
        folders: spot.missing,
        description: body.description.clone(),
        ..NewItem::default()
    };
    let written = scope
        .tree()
        .make(
            ChildName::new(scope.drive(), spot.folder, &spot.name),
            NodeKind::Folder,
            new,
            on_conflict,
        )
        .await?;
    changed(scope, &ItemWithPath { node: written.node, above: spot.above }, written.created).await
}

/// `PUT item` with JSON: a folder at a path, or the file of an upload session whose name had been
/// taken (onedrive-graph#auto-create-ancestors, onedrive-graph#session-late-conflict).
pub(super) async fn put(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: ItemBody = payload.parse()?;
    if let Some(url) = &body.source_url {
        return super::sessions::commit_as(scope, address, &body, url).await;
    }
    if body.folder.is_none() {
        let why = "What is put here is neither a folder nor the source of a file.";
        return Err(Error::invalid(why));
    }
    make_folder_at(scope, address, &body).await
}

/// `DELETE item`: to the recycle bin, with everything below.
pub(super) async fn delete(scope: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    let ItemWithPath { node, .. } = scope.locate(address).await?;
    scope.check_unlocked(&node)?;
    let expect = scope.if_match(Some(&node))?;
    scope.tree().trash(scope.drive(), node.no, expect).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `POST item/permanentDelete`: removes an item for good, whether it is live or in the recycle bin.
pub(super) async fn delete_for_good(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
) -> Result<Response> {
    let item = match &address.anchor {
        Anchor::Id(id) if address.path.is_empty() => {
            let node = scope.tree().any_node(scope.drive(), scope.number(id)?).await?;
            if node.state == State::Purged {
                return Err(Error::not_found());
            }
            node.no
        }
        _ => scope.locate(address).await?.node.no,
    };
    scope.tree().purge(scope.drive(), item).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `POST items/ID/restore`: out of the recycle bin. Consumers only (onedrive-graph#restore).
pub(super) async fn restore(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    if !scope.kind.is_personal() {
        return Err(Error::not_supported("restore is not supported for this account."));
    }
    let body: ItemBody = payload.parse()?;
    let item = scope.anchor(&address.anchor).await?;
    let folder = match &body.parent_reference {
        Some(reference) => reference.folder(scope).await?,
        None => None,
    };
    let name = body.name.as_deref();
    if let Some(name) = name {
        let node = scope.tree().any_node(scope.drive(), item).await?;
        let into = folder.or(node.parents.first().copied()).unwrap_or(item);
        let above = scope.tree().path(scope.drive(), into).await?;
        names::check(name, node.kind == NodeKind::Folder, scope.kind, into, &above)?;
    }
    let node = scope.tree().restore(scope.drive(), item, folder, name).await?;
    let above = scope.above(&node).await?;
    changed(scope, &ItemWithPath { node, above }, false).await
}
