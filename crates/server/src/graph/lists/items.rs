//! The items of a document library.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::fields;
use crate::{
    graph::{
        drive_context::{DriveContext, ItemWithPath},
        drive_item::View,
        error::{Error, Result},
        filter::ODataFilter,
        item_response::entity,
        owner::AccountIdentity,
        paging::{SKIP_TOKEN, decode_position, encode_position, page_size},
        response,
        select::Selection,
        timestamp::format_time,
    },
    tree::{ItemKey, Node, NodeKind, ROOT},
};

/// Properties of an item that a filter can name.
const FILTERABLE: [&str; 6] =
    ["contentType", "createdDateTime", "fields", "id", "lastModifiedDateTime", "webUrl"];

/// Returns the id of an item in its list: a number from 1.
pub(in crate::graph) fn list_item_number(node: &Node) -> i64 {
    node.no.0 - ROOT.0
}

/// Returns the live item with an id in its list, if the caller has the role that the operation needs.
///
/// # Errors
/// 404 for a text that is no id, and if the item does not exist or is in the recycle bin; 403 or 404
/// if the caller does not have the role; 500 if the storage fails.
pub(super) async fn by_id(context: &DriveContext<'_>, id: &str) -> Result<ItemWithPath> {
    let number: i64 = id.parse().map_err(|_| Error::not_found())?;
    if number < 1 || number.to_string() != id {
        return Err(Error::not_found());
    }
    let key = number.checked_add(ROOT.0).ok_or_else(Error::not_found)?;
    let item = ItemKey(key);
    context.require(item, context.request.needs).await?;
    context.item_by_key(item).await
}

/// Returns the live item with an id in its list, or with the GUID that is in its etag.
///
/// # Errors
/// Those of [`by_id`].
pub(super) async fn by_id_or_guid(context: &DriveContext<'_>, id: &str) -> Result<Node> {
    match context.ids.key_of_guid(id) {
        Some(key) => {
            context.require(key, context.request.needs).await?;
            Ok(context.tree().node(context.drive(), key).await?)
        }
        None => Ok(by_id(context, id).await?.node),
    }
}

/// `GET items`: returns a page of all files and folders of the library that the caller has access to,
/// folders before the items in them. `$expand` adds `fields` and `driveItem`, `$filter` compares fields.
///
/// # Errors
/// 400 for a `$top` that is no number above 0, `$skip`, a filter that cannot be parsed, and the page
/// token of another listing; 404 if a listed item is deleted meanwhile; 500 if the storage fails.
pub(super) async fn list(context: &DriveContext<'_>) -> Result<Response> {
    let query = &context.request.query;
    let top = page_size(query)?;
    let after = query.get("skiptoken").map(decode_position).transpose()?.unwrap_or(0);
    let mut after = i64::try_from(after).map_err(|_| Error::not_found())?;
    let check = |name: &str| match FILTERABLE.contains(&name) {
        true => Ok(()),
        false => Err(Error::bad_query(format!(
            "Could not find a property named '{name}' on type 'microsoft.graph.listItem'."
        ))),
    };
    let filter = query.get("filter").filter(|text| !text.trim().is_empty());
    let filter = filter.map(|text| ODataFilter::parse(text, &check)).transpose()?;
    let mut value = Vec::new();
    let next = loop {
        let (nodes, next) = context.below(ROOT, after, top).await?;
        for node in nodes {
            let parent_path = context.parent_path(&node).await?;
            let located = ItemWithPath { node, parent_path };
            if let Some(filter) = &filter {
                let mut item = describe(context, &located);
                item["fields"] = fields::describe(context, &located.node);
                if !filter.matches(&item) {
                    continue;
                }
            }
            value.push(describe_item(context, &located, &context.request.selection));
        }
        // A page may have fewer items than `$top`, but only the last one may be empty.
        match next {
            Some(cursor) if value.is_empty() => after = cursor,
            next => break next,
        }
    };
    let odata_context = context.request.url("/$metadata#Collection(listItem)");
    let mut body = json!({"@odata.context": odata_context, "value": value});
    if let Some(next) = next {
        let token = encode_position(u64::try_from(next).unwrap_or_default());
        body["@odata.nextLink"] = context.request.link(SKIP_TOKEN, &token).into();
    }
    Ok(response::json(StatusCode::OK, &body))
}

/// `GET items/ID` and `GET listItem`: returns an item of the list.
pub(super) fn get(context: &DriveContext<'_>, located: &ItemWithPath) -> Response {
    let mut item = describe_item(context, located, &context.request.selection);
    item["@odata.context"] = context.request.url("/$metadata#listItems/$entity").into();
    response::json(StatusCode::OK, &item)
}

/// `GET items/ID/driveItem`: returns the file or folder of an item.
pub(super) fn drive_item(context: &DriveContext<'_>, located: &ItemWithPath) -> Response {
    let item = context.describe(&located.node, View::WithPath(&located.parent_path));
    let item = context.request.selection.project(item);
    response::json(StatusCode::OK, &entity(context, item))
}

/// `DELETE items/ID`: moves the file or folder of an item to the recycle bin.
///
/// # Errors
/// 412 if `If-Match` names another version; 423 if the item is locked; 507 or 500 if the storage
/// fails.
pub(super) async fn delete(context: &DriveContext<'_>, located: &ItemWithPath) -> Result<Response> {
    context.check_unlocked(&located.node)?;
    let expect = context.if_match(Some(&located.node))?;
    context.tree().trash(context.drive(), located.node.no, expect).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Returns the resource of an item with the selected properties and the expanded relations.
pub(in crate::graph) fn describe_item(
    context: &DriveContext<'_>,
    located: &ItemWithPath,
    selection: &Selection,
) -> Value {
    let mut item = selection.project_resource(describe(context, located));
    for relation in &selection.expanded {
        item[&relation.name] = match relation.name.as_str() {
            "fields" => {
                relation.selection.project_resource(fields::describe(context, &located.node))
            }
            _ => {
                let view = View::WithPath(&located.parent_path);
                relation.selection.project(context.describe(&located.node, view))
            }
        };
    }
    item
}

/// Returns the resource of an item without its relations.
fn describe(context: &DriveContext<'_>, located: &ItemWithPath) -> Value {
    let node = &located.node;
    let identity = AccountIdentity::new(context.kind, &context.account);
    let drive_item = context.describe(node, View::WithPath(&located.parent_path));
    let time = |at| format_time(context.kind, at);
    let (type_id, type_name) = match node.kind {
        NodeKind::Folder => ("0x0120", "Folder"),
        NodeKind::File | NodeKind::Notebook => ("0x0101", "Document"),
    };
    let by = identity.identity_set(node.owner.as_deref());
    json!({
        "@odata.etag": context.ids.etag(node),
        "eTag": context.ids.etag(node),
        "id": list_item_number(node).to_string(),
        "createdDateTime": time(node.client_created),
        "lastModifiedDateTime": time(node.client_modified),
        "webUrl": drive_item["webUrl"],
        "createdBy": by,
        "lastModifiedBy": by,
        "parentReference": {"siteId": identity.site().full_id(context.request)},
        "contentType": {"id": type_id, "name": type_name},
    })
}
