//! Lists that are no folder's (live-connect#op-list-albums, live-connect#endpoints-sharing):
//! albums, recent documents, what others share, what a search finds.
//!
//! But for the albums, everything below a folder is looked at, a page at a time: no more is in
//! memory than the answer needs.

use std::collections::HashMap;

use axum::response::Response;

use super::{
    error::{LiveError, Result},
    listing::{self, Request},
    object_access::Access,
    object_type::ObjectType,
    request::LiveRequest,
    route::{BASE, Which},
};
use crate::tree::{ItemKey, Listing, Media, Node, NodeKind, Order, ROOT, fold};

/// Items that are looked at with one question to the tree.
const STRIDE: u64 = 1000;

/// How many items an answer has where nobody says: of searches (live-connect#page-sizes), and of
/// recent documents (inferred).
const PAGE: u64 = 100;

/// `GET {user}/albums`.
pub(super) async fn albums(request: &LiveRequest) -> Result<Response> {
    let mut options = Request::of(&request.query)?;
    options.narrow(&[ObjectType::Album]);
    let which = Listing { order: Order::Name, ..Listing::default() };
    let children = request.state().tree.children(request.drive(), ROOT, which).await;
    let mut nodes = children.map_err(|error| LiveError::tree(error, request.shown()))?;
    nodes.retain(|node| options.takes(ObjectType::of(node)));
    found(request, &options, nodes, "me/albums").await
}

/// `GET {user}/skydrive/recent_docs`: files, those last changed by the user first.
pub(super) async fn recent(request: &LiveRequest) -> Result<Response> {
    let mut options = Request::of(&request.query)?;
    let most = usize::try_from(options.wanted(PAGE)).unwrap_or(usize::MAX);
    let mut nodes: Vec<Node> = Vec::new();
    let newest_first = |nodes: &mut Vec<Node>| {
        nodes.sort_by_key(|node| std::cmp::Reverse((node.client_modified, node.no)));
        nodes.truncate(most);
    };
    scan(request, ROOT, |node| {
        if node.kind == NodeKind::File && options.takes(ObjectType::of(&node)) {
            nodes.push(node);
            if nodes.len() >= most.saturating_mul(2).max(STRIDE as usize) {
                newest_first(&mut nodes);
            }
        }
        true
    })
    .await?;
    newest_first(&mut nodes);
    found(request, &options, nodes, "me/skydrive/recent_docs").await
}

/// `GET {user}/skydrive/shared…`: what others put here.
pub(super) async fn shared(request: &LiveRequest, which: Which) -> Result<Response> {
    let mut options = Request::of(&request.query)?;
    if let Some(types) = which.types() {
        options.narrow(types);
    }
    let mut nodes = Vec::new();
    scan(request, ROOT, |node| {
        if node.owner.is_some() && options.takes(ObjectType::of(&node)) {
            nodes.push(node);
        }
        true
    })
    .await?;
    let path = match which {
        Which::Files => "me/skydrive/shared".to_owned(),
        which => format!("me/skydrive/shared/{}", which.name()),
    };
    found(request, &options, nodes, &path).await
}

/// `GET {folder}/search?q=…`: files and folders whose name, description or song has the words.
pub(super) async fn search(request: &LiveRequest) -> Result<Response> {
    let mut options = Request::of(&request.query)?;
    let sought = fold(request.query.get("q").ok_or_else(|| LiveError::missing("q"))?);
    let most = options.wanted(PAGE);
    let (folder, shown) = request.folder()?;
    let mut nodes = Vec::new();
    scan(request, folder, |node| {
        if options.takes(ObjectType::of(&node)) && has(&node, &sought) {
            nodes.push(node);
        }
        (nodes.len() as u64) < most
    })
    .await?;
    found(request, &options, nodes, &format!("{shown}/search")).await
}

/// Whether a text is in what an item says of itself.
fn has(node: &Node, sought: &str) -> bool {
    let within =
        |text: &Option<String>| text.as_deref().is_some_and(|text| fold(text).contains(sought));
    let song = match node.content.as_ref().and_then(|content| content.media.as_deref()) {
        Some(Media::Audio(song)) => Some(song),
        _ => None,
    };
    fold(&node.name).contains(sought)
        || within(&node.description)
        || song.is_some_and(|song| [&song.title, &song.artist, &song.album].into_iter().any(within))
}

/// Gives every item below a folder to `take`, until it has enough.
async fn scan(
    request: &LiveRequest,
    folder: ItemKey,
    mut take: impl FnMut(Node) -> bool,
) -> Result<()> {
    let mut at = Some(0);
    while let Some(from) = at {
        let page = request.state().tree.below(request.drive(), folder, from, STRIDE).await;
        let (nodes, next) = page.map_err(|error| LiveError::tree(error, request.shown()))?;
        for node in nodes {
            if !take(node) {
                return Ok(());
            }
        }
        at = next;
    }
    Ok(())
}

/// A page of what was found, from the first on; each with who can see it.
async fn found(
    request: &LiveRequest,
    options: &Request,
    nodes: Vec<Node>,
    path: &str,
) -> Result<Response> {
    let (nodes, more) = options.cut(nodes);
    let mut known: HashMap<Option<ItemKey>, Access> = HashMap::new();
    let mut shown = Vec::with_capacity(nodes.len());
    for node in nodes {
        let folder = node.parents.first().copied();
        let above = match known.get(&folder) {
            Some(&above) => above,
            None => {
                let above = request.access_above(&node).await?;
                known.insert(folder, above);
                above
            }
        };
        shown.push((node, above));
    }
    let url = request.objects.base_url.url(&format!("{BASE}/{path}"));
    Ok(listing::answer(request, shown, options.paging(&url, more)))
}
