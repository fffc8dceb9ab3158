//! Search by name (onedrive-graph#search).

use axum::response::Response;
use http::StatusCode;

use super::{
    address::{ItemAddress, PathSegment},
    drive_context::DriveContext,
    drive_item::View,
    error::{Error, Result},
    expand::expand_node,
    filter::ODataFilter,
    item_response::collection,
    paging::{SKIP_TOKEN, decode_position, encode_position, page_size},
    response,
};
use crate::tree::{ItemKey, NodeKind};

/// Maximum number of items that one query of the tree reads.
const SCAN_PAGE_SIZE: u64 = 1000;

/// `GET item/search(q='text')`: returns the descendants whose name contains the text, without
/// regard to case. An empty text matches all.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; those of [`below`]; 400 for an item
/// that is not a folder.
pub(super) async fn list(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    segment: &PathSegment,
) -> Result<Response> {
    let node = context.locate(address).await?.node;
    match node.kind {
        NodeKind::Folder => below(context, node.no, segment).await,
        NodeKind::File | NodeKind::Notebook => {
            Err(Error::invalid("cannot search the item: it is not a folder"))
        }
    }
}

/// Like [`list`], for a folder whose key is known.
///
/// # Errors
/// 400 for a `$top` that is no number above 0, `$skip`, a filter that cannot be parsed, the page
/// token of another listing, and a thumbnail size outside of 1 to the maximum; 404 if the folder,
/// or a found item, is deleted meanwhile; 500 if the storage fails.
pub(super) async fn below(
    context: &DriveContext<'_>,
    folder: ItemKey,
    segment: &PathSegment,
) -> Result<Response> {
    let query = &context.request.query;
    let selection = &context.request.selection;
    let filter = ODataFilter::from_query(query)?;
    let top = page_size(query)?;
    let text = segment.argument("q").or(query.get("q")).unwrap_or_default();
    let text = context.fold(text);
    let mut at = match query.get("skiptoken") {
        Some(token) => Some(decode_position(token)?.cast_signed()),
        None => Some(0),
    };
    let mut found = Vec::new();
    while let Some(from) = at
        && (found.len() as u64) < top
    {
        // Reads at most the items that fit on the page: the next page begins after the last item
        // that was read.
        let stride = SCAN_PAGE_SIZE.min(top - found.len() as u64);
        let (nodes, next) = context.tree().below(context.drive(), folder, from, stride).await?;
        for node in nodes.iter().filter(|node| context.fold(&node.name).contains(&text)) {
            let mut item = context.describe(node, View::SearchResult);
            if filter.as_ref().is_none_or(|filter| filter.matches(&item)) {
                expand_node(context, node, selection, &mut item).await?;
                found.push(selection.project(item));
            }
        }
        at = next;
    }
    let mut body = collection(context, found);
    if let Some(at) = at {
        let token = encode_position(at.cast_unsigned());
        body["@odata.nextLink"] = context.request.link(SKIP_TOKEN, &token).into();
    }
    Ok(response::json(StatusCode::OK, &body))
}
