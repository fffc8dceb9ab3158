//! The list of a drive's recent files.

use std::{cmp::Reverse, collections::BinaryHeap};

use axum::response::Response;
use http::StatusCode;

use super::{
    drive_context::DriveContext,
    drive_item::View,
    error::Result,
    expand::expand_node,
    item_response::collection,
    paging::{SKIP_TOKEN, decode_listing_key, encode_listing_key, page_size},
    response,
};
use crate::tree::{ItemKey, ListingKey, Node, NodeKind, Order, ROOT};

/// Maximum number of items that one query of the tree reads.
const SCAN_PAGE_SIZE: u64 = 1000;

/// `GET drive/recent`: returns the files that the caller has access to, in the order of their last
/// change, latest first.
///
/// # Errors
/// 400 for a `$top` that is no number above 0, `$skip`, the page token of another listing, and a
/// thumbnail size outside of 1 to the maximum; 404 if a listed item is deleted meanwhile; 500 if
/// the storage fails.
pub(super) async fn recent(context: &DriveContext<'_>) -> Result<Response> {
    let query = &context.request.query;
    let top = usize::try_from(page_size(query)?).unwrap_or(usize::MAX);
    let after = query.get("skiptoken").map(|token| decode_listing_key(token, Order::Modified));
    let after = after.transpose()?.map(|key| (key.number, key.item));
    let mut latest: BinaryHeap<Reverse<(i64, ItemKey)>> = BinaryHeap::new();
    let mut more = false;
    for_each_item(context, |node| {
        let position = (node.modified.as_microsecond(), node.no);
        if node.kind == NodeKind::File && after.is_none_or(|last| position < last) {
            latest.push(Reverse(position));
            if latest.len() > top {
                latest.pop();
                more = true;
            }
        }
    })
    .await?;
    let positions = latest.into_sorted_vec();
    let mut nodes = Vec::with_capacity(positions.len());
    for Reverse((_, item)) in &positions {
        // Another request may have deleted the file meanwhile.
        match context.item_by_key(*item).await {
            Ok(located) => nodes.push(located.node),
            Err(error) if error.status == StatusCode::NOT_FOUND => {}
            Err(error) => return Err(error),
        }
    }
    let last = positions.last().filter(|_| more);
    let next = last.map(|Reverse((number, item))| {
        let key = ListingKey { number: *number, item: *item, ..ListingKey::default() };
        encode_listing_key(&key, Order::Modified)
    });
    list_response(context, &nodes, next).await
}

/// Calls `visit` with each live item of a drive that the caller has access to.
///
/// # Errors
/// 500 if the storage fails.
async fn for_each_item(context: &DriveContext<'_>, mut visit: impl FnMut(Node)) -> Result<()> {
    let mut next = Some(0);
    while let Some(from) = next {
        let (nodes, after) = context.below(ROOT, from, SCAN_PAGE_SIZE).await?;
        nodes.into_iter().for_each(&mut visit);
        next = after;
    }
    Ok(())
}

/// Returns a page of items. `next` is the token of the next page; `None` for the last page.
///
/// # Errors
/// 400 for a thumbnail size outside of 1 to the maximum, 404 if an item no longer exists, 500 if
/// the storage fails.
async fn list_response(
    context: &DriveContext<'_>,
    nodes: &[Node],
    next: Option<String>,
) -> Result<Response> {
    let selection = &context.request.selection;
    let mut value = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut item = context.describe(node, View::SearchResult);
        expand_node(context, node, selection, &mut item).await?;
        value.push(selection.project(item));
    }
    let mut body = collection(context, value);
    if let Some(token) = next {
        body["@odata.nextLink"] = context.request.link(SKIP_TOKEN, &token).into();
    }
    Ok(response::json(StatusCode::OK, &body))
}
