//! Search by name (onedrive-graph#search).

use axum::response::Response;
use http::StatusCode;

use super::{
    address::{Call, ItemAddress},
    children::{collection, page_size, place_of, token_of},
    drive_context::DriveContext,
    drive_item::View,
    error::{Error, Result},
    filter::Filter,
    items, reply,
    select::Selection,
};
use crate::tree::{ItemKey, NodeKind};

/// Items that are looked at with one question to the tree.
const STRIDE: u64 = 1000;

/// `GET item/search(q='text')`: everything below whose name contains the text; an empty text is in
/// every name.
pub(super) async fn list(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    call: &Call,
) -> Result<Response> {
    let node = scope.locate(address).await?.node;
    match node.kind {
        NodeKind::Folder => below(scope, node.no, call).await,
        NodeKind::File | NodeKind::Notebook => Err(Error::invalid("Only folders can be searched.")),
    }
}

/// The same of a folder that is known.
pub(super) async fn below(
    scope: &DriveContext<'_>,
    folder: ItemKey,
    call: &Call,
) -> Result<Response> {
    let query = &scope.request.query;
    let selection = Selection::of(query)?;
    let filter = Filter::of(query)?;
    let top = page_size(query)?;
    let sought = call.argument("q").or(query.get("q")).unwrap_or_default();
    let sought = scope.fold(sought);
    let mut at = match query.get("skiptoken") {
        Some(token) => Some(place_of(token)?.cast_signed()),
        None => Some(0),
    };
    let mut found = Vec::new();
    while let Some(from) = at
        && (found.len() as u64) < top
    {
        // No more than still fit, so that none that was found is lost between two pages.
        let stride = STRIDE.min(top - found.len() as u64);
        let (nodes, next) = scope.tree().below(scope.drive(), folder, from, stride).await?;
        for node in nodes.iter().filter(|node| scope.fold(&node.name).contains(&sought)) {
            let mut item = scope.describe(node, View::Found);
            if filter.as_ref().is_none_or(|filter| filter.admits(&item)) {
                items::expand_node(scope, node, &selection, &mut item).await?;
                found.push(selection.project(item));
            }
        }
        at = next;
    }
    let mut body = collection(scope, found);
    if let Some(at) = at {
        let place = at.cast_unsigned();
        body["@odata.nextLink"] = scope.request.link("$skiptoken", &token_of(place)).into();
    }
    Ok(reply::json(StatusCode::OK, &body))
}
