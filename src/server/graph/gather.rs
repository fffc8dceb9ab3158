//! Lists of items from anywhere in a drive: what was used of late, and what others share
//! (`onedrive-graph.md`, A2).

use std::{cmp::Reverse, collections::BinaryHeap};

use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;

use super::{
    children::{collection, page_size},
    describe::{Shown, planted},
    error::Result,
    items, reply,
    scope::Scope,
    select::Selection,
};
use crate::server::tree::{ItemNo, Node, NodeKind, ROOT};

/// Items that are looked at with one question to the tree.
const STRIDE: u64 = 1000;

/// `GET drive/recent`: the files that were changed last, the latest first. There is one page of
/// them.
pub(super) async fn recent(scope: &Scope<'_>) -> Result<Response> {
    let top = usize::try_from(page_size(&scope.visit.query)?).unwrap_or(usize::MAX);
    let mut latest: BinaryHeap<Reverse<(Timestamp, ItemNo)>> = BinaryHeap::new();
    each(scope, |node| {
        if node.kind == NodeKind::File {
            latest.push(Reverse((node.modified, node.no)));
            if latest.len() > top {
                latest.pop();
            }
        }
    })
    .await?;
    let mut nodes = Vec::with_capacity(latest.len());
    for Reverse((_, item)) in latest.into_sorted_vec() {
        // It may be gone meanwhile.
        if let Ok(located) = scope.by_number(item).await {
            nodes.push(located.node);
        }
    }
    listed(scope, &nodes).await
}

/// `GET drive/sharedWithMe`: the shortcuts to what is in others' drives, which only the control
/// interface makes.
pub(super) async fn shared_with_me(scope: &Scope<'_>) -> Result<Response> {
    let mut shortcuts = Vec::new();
    each(scope, |node| {
        if planted(&node, "remoteItem").is_some() {
            shortcuts.push(node);
        }
    })
    .await?;
    listed(scope, &shortcuts).await
}

/// Shows every live item of a drive.
async fn each(scope: &Scope<'_>, mut look: impl FnMut(Node)) -> Result<()> {
    let mut next = Some(0);
    while let Some(from) = next {
        let (nodes, after) = scope.tree().below(scope.drive(), ROOT, from, STRIDE).await?;
        nodes.into_iter().for_each(&mut look);
        next = after;
    }
    Ok(())
}

async fn listed(scope: &Scope<'_>, nodes: &[Node]) -> Result<Response> {
    let selection = Selection::of(&scope.visit.query)?;
    let mut value = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut item = scope.describe(node, Shown::Found);
        items::expand_node(scope, node, &selection, &mut item).await?;
        value.push(selection.project(item));
    }
    Ok(reply::json(StatusCode::OK, &collection(scope, value)))
}
