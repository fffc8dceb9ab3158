//! Lists across folders (live-connect#op-list-albums, live-connect#endpoints-sharing): albums,
//! recent documents, items shared by other users, search results.
//!
//! All lists except the albums scan everything below a folder in batches. Memory use is limited to
//! one batch and the items of the response.

use std::{collections::HashMap, sync::Arc};

use axum::response::Response;

use super::{
    action::ListKind,
    error::{LiveError, Result},
    listing::{self, ListedNode, PHOTO_SCOPE_TYPES, PageOptions},
    object_access::ObjectAccess,
    object_type::ObjectType,
    request::LiveRequest,
    route::BASE,
    scopes::OTHERS,
};
use crate::{
    account::Account,
    tree::{DriveKey, ItemKey, ListOptions, Media, Node, NodeKind, Order, ROOT, fold},
};

/// Number of items per query to the tree.
const BATCH: u64 = 1000;

/// Page size without a `limit`: of searches (live-connect#page-sizes), and of recent documents
/// (inferred).
const DEFAULT_PAGE: u64 = 100;

/// Handles `GET {user}/albums`: the albums in the root folder. Those of another user are the ones that
/// the caller has access to.
///
/// # Errors
/// 400 if a query parameter of [`PageOptions`] has an invalid value; 500 if the storage fails.
pub(super) async fn albums(request: &LiveRequest) -> Result<Response> {
    let mut options = PageOptions::from_query(&request.query)?;
    options.narrow(&[ObjectType::Album]);
    let by_name = ListOptions { order: Order::Name, ..ListOptions::default() };
    let children = request.state().tree.children(request.drive(), ROOT, by_name).await;
    let mut nodes = children.map_err(|error| LiveError::tree(error, request.subject_id()))?;
    nodes.retain(|node| options.includes(ObjectType::from_node(node)));
    let nodes = request.visible(nodes).await?;
    let path = match request.is_foreign() {
        true => format!("{}/albums", request.objects.account.cid),
        false => "me/albums".to_owned(),
    };
    respond(request, &options, own(nodes), &path).await
}

/// Returns items of the addressed drive as items of a list.
fn own(nodes: Vec<Node>) -> Vec<(Node, Option<Arc<Account>>)> {
    nodes.into_iter().map(|node| (node, None)).collect()
}

/// Handles `GET {user}/skydrive/recent_docs`: all files, sorted by the client's modification time,
/// newest first.
///
/// # Errors
/// 400 if a query parameter of [`PageOptions`] has an invalid value; 500 if the storage fails.
pub(super) async fn recent(request: &LiveRequest) -> Result<Response> {
    let mut options = PageOptions::from_query(&request.query)?;
    let limit = usize::try_from(options.scan_limit(DEFAULT_PAGE)).unwrap_or(usize::MAX);
    let mut nodes: Vec<Node> = Vec::new();
    let newest_first = |nodes: &mut Vec<Node>| {
        nodes.sort_by_key(|node| std::cmp::Reverse((node.client_modified, node.no)));
        nodes.truncate(limit);
    };
    scan(request, ROOT, |node| {
        if node.kind == NodeKind::File && options.includes(ObjectType::from_node(&node)) {
            nodes.push(node);
            if nodes.len() >= limit.saturating_mul(2).max(BATCH as usize) {
                newest_first(&mut nodes);
            }
        }
        true
    })
    .await?;
    newest_first(&mut nodes);
    respond(request, &options, own(nodes), "me/skydrive/recent_docs").await
}

/// Handles `GET me/skydrive/shared…`: the items of other users that are shared with the caller, and the
/// items on the caller's drive that belong to another user, which only fixtures do. With
/// `wl.contacts_photos` alone, the list has only photos, videos and albums.
///
/// # Errors
/// 400 if a query parameter of [`PageOptions`] has an invalid value; 500 if the storage fails.
pub(super) async fn shared(request: &LiveRequest, kind: ListKind) -> Result<Response> {
    let mut options = PageOptions::from_query(&request.query)?;
    if let Some(types) = kind.types() {
        options.narrow(types);
    }
    if !request.scopes.has(OTHERS) {
        options.narrow(PHOTO_SCOPE_TYPES);
    }
    let mut items: Vec<(Node, Option<Arc<Account>>)> = Vec::new();
    for (owner, node) in request.shared_items().await? {
        if options.includes(ObjectType::from_node(&node)) {
            items.push((node, Some(owner)));
        }
    }
    scan(request, ROOT, |node| {
        if node.owner.is_some() && options.includes(ObjectType::from_node(&node)) {
            items.push((node, None));
        }
        true
    })
    .await?;
    let path = match kind {
        ListKind::Files => "me/skydrive/shared".to_owned(),
        kind => format!("me/skydrive/shared/{}", kind.name()),
    };
    respond(request, &options, items, &path).await
}

/// Handles `GET {folder}/search?q=…`: files and folders whose name, description or audio metadata
/// contains the text, in any case. It stops after the page.
///
/// # Errors
/// 400 without a `q`, if a query parameter of [`PageOptions`] has an invalid value, or if the id is
/// that of a file; 404 if the subject is a user, or if the folder does not exist; 500 if the
/// storage fails.
pub(super) async fn search(request: &LiveRequest) -> Result<Response> {
    let mut options = PageOptions::from_query(&request.query)?;
    let words = fold(request.query.get("q").ok_or_else(|| LiveError::missing("q"))?);
    let limit = options.scan_limit(DEFAULT_PAGE);
    let (folder, folder_id) = request.folder_key()?;
    let mut nodes = Vec::new();
    scan(request, folder, |node| {
        if options.includes(ObjectType::from_node(&node)) && matches(&node, &words) {
            nodes.push(node);
        }
        (nodes.len() as u64) < limit
    })
    .await?;
    respond(request, &options, own(nodes), &format!("{folder_id}/search")).await
}

/// Returns whether the name, the description or the audio metadata contains `words`, which are
/// case-folded.
fn matches(node: &Node, words: &str) -> bool {
    let contains =
        |text: &Option<String>| text.as_deref().is_some_and(|text| fold(text).contains(words));
    let audio = match node.content.as_ref().and_then(|content| content.media.as_deref()) {
        Some(Media::Audio(audio)) => Some(audio),
        _ => None,
    };
    fold(&node.name).contains(words)
        || contains(&node.description)
        || audio.is_some_and(|audio| {
            [&audio.title, &audio.artist, &audio.album].into_iter().any(contains)
        })
}

/// Calls `visit` with every item below a folder that the caller has access to, in the tree's order,
/// until it returns `false`.
///
/// # Errors
/// 404 if the folder does not exist; 400 if it is a file; 500 if the storage fails.
async fn scan(
    request: &LiveRequest,
    folder: ItemKey,
    mut visit: impl FnMut(Node) -> bool,
) -> Result<()> {
    let mut next_start = Some(0);
    while let Some(start) = next_start {
        let page = request.state().tree.below(request.drive(), folder, start, BATCH).await;
        let (nodes, next) = page.map_err(|error| LiveError::tree(error, request.subject_id()))?;
        for node in request.visible(nodes).await? {
            if !visit(node) {
                return Ok(());
            }
        }
        next_start = next;
    }
    Ok(())
}

/// Responds with the page that `options` select from `items`, each with the account that owns its drive;
/// `None` for the addressed drive. `path` is the path of the list below [`BASE`], for the URLs of the
/// other pages.
///
/// The access of each parent folder is looked up once.
///
/// # Errors
/// 500 if the storage fails.
async fn respond(
    request: &LiveRequest,
    options: &PageOptions,
    items: Vec<(Node, Option<Arc<Account>>)>,
    path: &str,
) -> Result<Response> {
    let (items, more) = options.slice(items);
    let mut cache: HashMap<(DriveKey, Option<ItemKey>), ObjectAccess> = HashMap::new();
    let mut listed = Vec::with_capacity(items.len());
    for (node, owner) in items {
        let folder = (node.drive, node.parents.first().copied());
        let above = match cache.get(&folder) {
            Some(&above) => above,
            None => {
                let above = request.access_above(&node).await?;
                cache.insert(folder, above);
                above
            }
        };
        listed.push(ListedNode { node, above, owner });
    }
    let url = request.objects.base_url.url(&format!("{BASE}/{path}"));
    Ok(listing::response(request, listed, options.paging(&url, more)))
}
