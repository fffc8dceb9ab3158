//! Lists of items from anywhere in a drive: what was used of late, and what others share
//! (onedrive-graph#shared-with-me).

use std::{cmp::Reverse, collections::BinaryHeap};

use axum::response::Response;
use http::StatusCode;

use super::{
    children::{SKIP_TOKEN, collection, key_of_token, page_size, place_of, token_of, token_of_key},
    drive_context::DriveContext,
    drive_item::{View, planted},
    error::Result,
    items, reply,
    select::Selection,
};
use crate::tree::{ItemKey, ListingKey, Node, NodeKind, Order, ROOT};

/// Items that are looked at with one question to the tree.
const STRIDE: u64 = 1000;

/// `GET drive/recent`: the files that were changed last, the latest first.
pub(super) async fn recent(scope: &DriveContext<'_>) -> Result<Response> {
    let query = &scope.request.query;
    let top = usize::try_from(page_size(query)?).unwrap_or(usize::MAX);
    let after = query.get("skiptoken").map(|token| key_of_token(token, Order::Modified));
    let after = after.transpose()?.map(|key| (key.number, key.item));
    let mut latest: BinaryHeap<Reverse<(i64, ItemKey)>> = BinaryHeap::new();
    let mut more = false;
    each(scope, |node| {
        let place = (node.modified.as_microsecond(), node.no);
        if node.kind == NodeKind::File && after.is_none_or(|last| place < last) {
            latest.push(Reverse(place));
            if latest.len() > top {
                latest.pop();
                more = true;
            }
        }
    })
    .await?;
    let places = latest.into_sorted_vec();
    let mut nodes = Vec::with_capacity(places.len());
    for Reverse((_, item)) in &places {
        // It may be gone meanwhile.
        match scope.by_number(*item).await {
            Ok(located) => nodes.push(located.node),
            Err(error) if error.status == StatusCode::NOT_FOUND => {}
            Err(error) => return Err(error),
        }
    }
    let last = places.last().filter(|_| more);
    let next = last.map(|Reverse((number, item))| {
        let key = ListingKey { number: *number, item: *item, ..ListingKey::default() };
        token_of_key(&key, Order::Modified)
    });
    listed(scope, &nodes, next).await
}

/// `GET drive/sharedWithMe`: the shortcuts to items in other people's drives, which only the control
/// interface makes.
pub(super) async fn shared_with_me(scope: &DriveContext<'_>) -> Result<Response> {
    let query = &scope.request.query;
    let top = page_size(query)?;
    let after = query.get("skiptoken").map(place_of).transpose()?;
    let mut shortcuts = Vec::new();
    each(scope, |node| {
        let no = node.no.0.cast_unsigned();
        if planted(&node, "remoteItem").is_some() && after.is_none_or(|last| no > last) {
            shortcuts.push(node);
        }
    })
    .await?;
    shortcuts.sort_by_key(|node| node.no);
    let more = shortcuts.len() as u64 > top;
    shortcuts.truncate(usize::try_from(top).unwrap_or(usize::MAX));
    let last = shortcuts.last().filter(|_| more);
    let next = last.map(|node| token_of(node.no.0.cast_unsigned()));
    listed(scope, &shortcuts, next).await
}

/// Shows every live item of a drive.
async fn each(scope: &DriveContext<'_>, mut look: impl FnMut(Node)) -> Result<()> {
    let mut next = Some(0);
    while let Some(from) = next {
        let (nodes, after) = scope.tree().below(scope.drive(), ROOT, from, STRIDE).await?;
        nodes.into_iter().for_each(&mut look);
        next = after;
    }
    Ok(())
}

async fn listed(
    scope: &DriveContext<'_>,
    nodes: &[Node],
    next: Option<String>,
) -> Result<Response> {
    let selection = Selection::of(&scope.request.query)?;
    let mut value = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut item = scope.describe(node, View::Found);
        items::expand_node(scope, node, &selection, &mut item).await?;
        value.push(selection.project(item));
    }
    let mut body = collection(scope, value);
    if let Some(token) = next {
        body["@odata.nextLink"] = scope.request.link(SKIP_TOKEN, &token).into();
    }
    Ok(reply::json(StatusCode::OK, &body))
}
