//! Handlers of node lists: filters, sort orders, pages (amazon-drive#list-pages,
//! amazon-drive#filters, amazon-drive#sort).
//!
//! A page token contains the last node of the page and the total number of nodes. It is valid for
//! ten minutes, and for the same query only. The next page starts after that node, even if it was
//! deleted meanwhile: nodes that do not change appear exactly once. A sorted list is sorted again
//! for every page; only sort keys and item keys are held in memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{http::StatusCode, response::Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    error::{AmazonError, Result},
    filter::{Field, Filter},
    node::values,
    request::{AmazonRequest, BATCH},
    response::json_response,
    sort::{self, Sort, SortKey},
};
use crate::tree::{
    ItemKey, ItemState, ListOptions, ListingKey, Node, NodeKind, Order, ROOT, TreeError,
};

/// Maximum and default number of nodes per page.
const MAX_PAGE: usize = 200;

/// Validity of a page token.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The state of a list between two pages.
#[derive(Debug, Serialize, Deserialize)]
struct PageToken {
    /// Position of the last node of the page: in its source, or its item key if the list is sorted.
    at: i64,
    /// Sort keys of the last node, if the list is sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<SortKey>,
    /// Total number of nodes in the list.
    count: u64,
    /// Hash of the query, see [`query_hash`].
    query: u64,
    /// Expiry time, in microseconds since the epoch.
    expires: i64,
}

/// The part of the drive to search. It contains all nodes that match the filter, and possibly
/// others.
#[derive(Debug, PartialEq, Eq)]
enum NodeSource {
    /// No node matches.
    Nothing,
    /// A single node.
    Node(ItemKey),
    /// The child of a folder with a name.
    Child(ItemKey, String),
    /// The children of a folder.
    Children(ItemKey),
    /// The nodes in the trash.
    Trash,
    /// All nodes of the drive in any state, in the order of the change feed.
    Drive,
}

/// The nodes that a request lists.
struct NodeQuery {
    source: NodeSource,
    filter: Option<Filter>,
    /// Whether to exclude nodes in the trash: unless the filter has a condition on the status.
    exclude_trash: bool,
}

/// Handles `GET nodes`: returns a page of all nodes of the drive that match the filter of the
/// query.
///
/// # Errors
/// 400 if the filter or the order cannot be parsed, the page token was not issued for this query or
/// is older than ten minutes, or the limit is not a positive number; 500 if the storage fails.
pub(super) async fn nodes(request: &AmazonRequest) -> Result<Response> {
    let filter = request.query.get("filters").filter(|text| !text.is_empty());
    let filter = filter.map(Filter::parse).transpose()?;
    let exclude_trash = !filter.as_ref().is_some_and(|filter| filter.mentions(Field::Status));
    let source = source(request, filter.as_ref()).await?;
    list(request, NodeQuery { source, filter, exclude_trash }).await
}

/// Handles `GET nodes/{id}/children`: returns a page of the children of the folder with the id that
/// match the filter of the query.
///
/// # Errors
/// 400 if the node is a file, the filter or the order cannot be parsed, the page token was not
/// issued for this query or is older than ten minutes, or the limit is not a positive number; 404
/// if the node does not exist or is not visible to the token; 500 if the storage fails.
pub(super) async fn children(request: &AmazonRequest, id: &str) -> Result<Response> {
    let folder = request.find_node(id).await?;
    if folder.kind != NodeKind::Folder {
        return Err(AmazonError::not_a_folder(id));
    }
    let filter = request.query.get("filters").filter(|text| !text.is_empty());
    let in_folder = Filter::parse(&format!("parents:\"{id}\""))?;
    let filter = match filter.map(Filter::parse).transpose()? {
        Some(filter) => Filter::All(vec![in_folder, filter]),
        None => in_folder,
    };
    let exclude_trash = !filter.mentions(Field::Status);
    let source = source(request, Some(&filter)).await?;
    list(request, NodeQuery { source, filter: Some(filter), exclude_trash }).await
}

/// Handles `GET trash`: the nodes that were moved to the trash themselves, without those below
/// them.
///
/// # Errors
/// 400 if the filter or the order cannot be parsed, the page token was not issued for this query or
/// is older than ten minutes, or the limit is not a positive number; 500 if the storage fails.
pub(super) async fn trashed(request: &AmazonRequest) -> Result<Response> {
    let filter = request.query.get("filters").filter(|text| !text.is_empty());
    let filter = filter.map(Filter::parse).transpose()?;
    list(request, NodeQuery { source: NodeSource::Trash, filter, exclude_trash: false }).await
}

/// Returns the smallest source that contains all nodes that match `filter`; `None` is the whole
/// drive.
///
/// # Errors
/// 500 if the storage fails.
async fn source(request: &AmazonRequest, filter: Option<&Filter>) -> Result<NodeSource> {
    let Some(filter) = filter else { return Ok(NodeSource::Drive) };
    let requires = |field| filter.requires(field);
    if let Some(id) = requires(Field::Id) {
        return Ok(request.ids.item_key(id).map_or(NodeSource::Nothing, NodeSource::Node));
    }
    if requires(Field::IsRoot).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(NodeSource::Node(ROOT));
    }
    if requires(Field::Status).is_some_and(|value| value.eq_ignore_ascii_case("TRASH")) {
        return Ok(NodeSource::Trash);
    }
    // Nodes in the trash keep their parents, but are not in the folder's list.
    let in_folder = requires(Field::Parents).filter(|_| {
        !filter.mentions(Field::Status)
            || requires(Field::Status).is_some_and(|value| value.eq_ignore_ascii_case("AVAILABLE"))
    });
    let Some(id) = in_folder else { return Ok(NodeSource::Drive) };
    let Some(folder) = request.ids.item_key(id) else { return Ok(NodeSource::Nothing) };
    match request.state.tree.any_node(request.drive(), folder).await {
        Ok(node) if node.state == ItemState::Live && node.kind == NodeKind::Folder => {
            Ok(match requires(Field::Name) {
                Some(name) => NodeSource::Child(folder, name.to_owned()),
                None => NodeSource::Children(folder),
            })
        }
        // Nodes below a trashed folder keep the status AVAILABLE.
        Ok(_) => Ok(NodeSource::Drive),
        Err(TreeError::NotFound) => Ok(NodeSource::Nothing),
        Err(error) => Err(AmazonError::tree(error, id)),
    }
}

/// Responds with a page of the nodes that `node_query` selects.
///
/// # Errors
/// 400 if the order cannot be parsed, the page token was not issued for this query or is older than
/// ten minutes, or the limit is not a positive number; 500 if the storage fails.
async fn list(request: &AmazonRequest, node_query: NodeQuery) -> Result<Response> {
    let sort = request.query.get("sort").filter(|text| !text.is_empty());
    let sort = sort.map(Sort::parse).transpose()?;
    let limit = limit(request)?;
    let query = query_hash(request, &node_query, sort.as_ref());
    let token = request.query.get("startToken").filter(|text| !text.is_empty());
    let token = token.map(|text| decode_token(text, query)).transpose()?;
    let page = match &sort {
        Some(sort) => sorted(request, &node_query, sort, limit, token).await?,
        None => unsorted(request, &node_query, limit, token).await?,
    };
    let mut body = Map::new();
    body.insert("count".into(), page.count.into());
    if let Some((keys, at)) = page.next {
        let expires = (Timestamp::now() + TOKEN_LIFE).as_microsecond();
        let token = PageToken { at, keys, count: page.count, query, expires };
        body.insert("nextToken".into(), encode_token(&token).into());
    }
    let nodes: Vec<Value> = page.nodes.iter().map(|node| request.node_object(node)).collect();
    body.insert("data".into(), nodes.into());
    Ok(json_response(StatusCode::OK, &Value::Object(body)))
}

/// A page of a list.
struct NodePage {
    nodes: Vec<Node>,
    count: u64,
    /// The sort keys and the position of the last node, if further pages exist.
    next: Option<(Vec<SortKey>, i64)>,
}

/// Returns a page of at most `limit` nodes in the order of the source, after the node of `token`.
/// The first page (`token` is `None`) counts all nodes; later pages repeat that count.
///
/// # Errors
/// 500 if the storage fails.
async fn unsorted(
    request: &AmazonRequest,
    node_query: &NodeQuery,
    limit: usize,
    token: Option<PageToken>,
) -> Result<NodePage> {
    let mut from = token.as_ref().map_or(-1, |token| token.at);
    let counted = token.map(|token| token.count);
    let mut page = NodePage { nodes: Vec::new(), count: 0, next: None };
    // One more node than the page has shows whether further pages exist.
    let batch_size = if counted.is_some() { limit as u64 + 1 } else { BATCH };
    let mut found = 0;
    let mut last = from;
    'batches: loop {
        let (batch, more) = batch(request, &node_query.source, from, batch_size).await?;
        for (at, node) in batch {
            from = at;
            if !node_query.matches(request, &node) {
                continue;
            }
            found += 1;
            if page.nodes.len() < limit {
                last = at;
                page.nodes.push(node);
            } else {
                page.next = Some((Vec::new(), last));
                if counted.is_some() {
                    break 'batches;
                }
            }
        }
        if !more {
            break;
        }
    }
    page.count = counted.unwrap_or(found);
    Ok(page)
}

/// Returns a page of at most `limit` nodes in the requested order, after the node of `token`, which
/// is `None` for the first page. Reads all nodes of the source. Nodes that are deleted meanwhile
/// are left out.
///
/// # Errors
/// 500 if the storage fails.
async fn sorted(
    request: &AmazonRequest,
    node_query: &NodeQuery,
    sort: &Sort,
    limit: usize,
    token: Option<PageToken>,
) -> Result<NodePage> {
    let mut keys: Vec<(Vec<SortKey>, ItemKey)> = Vec::new();
    let mut from = -1;
    loop {
        let (batch, more) = batch(request, &node_query.source, from, BATCH).await?;
        for (at, node) in batch {
            from = at;
            if node_query.matches(request, &node) {
                keys.push((sort.keys(&node), node.no));
            }
        }
        if !more {
            break;
        }
    }
    keys.sort_by(|one, other| sort::order(sort, one, other));
    let count = token.as_ref().map_or(keys.len() as u64, |token| token.count);
    let last = token.map(|token| (token.keys, ItemKey(token.at)));
    let is_before = |key: &(Vec<SortKey>, ItemKey)| {
        last.as_ref().is_some_and(|last| sort::order(sort, key, last).is_le())
    };
    let rest = &keys[keys.partition_point(is_before)..];
    let mut nodes = Vec::new();
    for (_, no) in rest.iter().take(limit) {
        match request.state.tree.any_node(request.drive(), *no).await {
            Ok(node) => nodes.push(node),
            Err(TreeError::NotFound) => {}
            Err(error) => return Err(AmazonError::tree(error, &request.ids.id(*no))),
        }
    }
    let next = rest.get(limit).and_then(|_| rest.get(limit - 1));
    let next = next.map(|(keys, no)| (keys.clone(), no.0));
    Ok(NodePage { nodes, count, next })
}

impl NodeQuery {
    /// Returns whether a node is part of the list.
    fn matches(&self, request: &AmazonRequest, node: &Node) -> bool {
        let is_visible = match node.state {
            ItemState::Live | ItemState::Hidden => true,
            ItemState::Trashed => !self.exclude_trash,
            ItemState::Purged => false,
        };
        is_visible
            && request.shows(node)
            && self.filter.as_ref().is_none_or(|filter| {
                filter.matches(
                    &|field| values(node, field, request.ids, &request.account),
                    request.state.accounts.folding(&request.account),
                )
            })
    }
}

/// Returns at most `limit` nodes of a source with their positions, and whether more may follow.
/// `after` is the position of the last node of the previous batch, which is excluded; -1 at the
/// start. Hidden nodes are left out, so a batch may be empty although more follow.
///
/// # Errors
/// 500 if the storage fails.
async fn batch(
    request: &AmazonRequest,
    source: &NodeSource,
    after: i64,
    limit: u64,
) -> Result<(Vec<(i64, Node)>, bool)> {
    let (tree, drive) = (&request.state.tree, request.drive());
    // Feed positions and item keys start above 0.
    let key = (after > 0).then(|| ListingKey {
        number: after,
        item: ItemKey(after),
        ..Default::default()
    });
    let page = ListOptions {
        order: Order::Number,
        after: key,
        limit: Some(limit),
        ..ListOptions::default()
    };
    let one = |node: Result<Node, TreeError>| match node {
        Ok(node) => Ok(Vec::from_iter((after < 0).then_some(node))),
        Err(TreeError::NotFound) => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let found = match source {
        NodeSource::Nothing => Ok(Vec::new()),
        NodeSource::Node(no) => one(tree.any_node(drive, *no).await),
        NodeSource::Child(folder, name) => one(tree.child(drive, *folder, name).await),
        NodeSource::Children(folder) => match tree.children(drive, *folder, page).await {
            // The folder was moved to the trash between two pages.
            Err(TreeError::NotFound) => Ok(Vec::new()),
            found => found,
        },
        NodeSource::Trash => tree.trashed(drive, ListOptions { descending: true, ..page }).await,
        NodeSource::Drive => tree.changes(drive, after, limit).await,
    };
    let found = found.map_err(|error| AmazonError::tree(error, "?"))?;
    let is_paged =
        matches!(source, NodeSource::Children(_) | NodeSource::Trash | NodeSource::Drive);
    let more = is_paged && found.len() as u64 == limit;
    let positions = found.into_iter().map(|node| match source {
        NodeSource::Drive | NodeSource::Trash => (node.feed, node),
        _ => (node.no.0, node),
    });
    // The change feed contains nodes that no list shows yet.
    Ok((positions.filter(|(_, node)| !tree.hidden(drive, node.no)).collect(), more))
}

/// Returns the page size: the `limit` of the request, at most [`MAX_PAGE`], which is the default.
///
/// # Errors
/// 400 if `limit` is not a positive number.
fn limit(request: &AmazonRequest) -> Result<usize> {
    let Some(text) = request.query.get("limit").filter(|text| !text.is_empty()) else {
        return Ok(MAX_PAGE);
    };
    match text.parse::<usize>() {
        Ok(limit) if limit > 0 => Ok(limit.min(MAX_PAGE)),
        _ => Err(AmazonError::invalid(format!("Invalid limit: {text}"))),
    }
}

/// Returns a hash of the drive, the source, the filter and the order, by which a page token of
/// another query is recognized.
fn query_hash(request: &AmazonRequest, node_query: &NodeQuery, sort: Option<&Sort>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let text = format!("{:?} {:?} {sort:?}", node_query.source, node_query.filter);
    (request.drive(), text).hash(&mut hasher);
    hasher.finish()
}

/// Encodes a page token as clients receive it.
fn encode_token(token: &PageToken) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).unwrap_or_default())
}

/// Decodes a page token from the text of a URL, percent-decoded. `query` is the hash of this
/// request's query.
///
/// # Errors
/// 400 if the text is not a page token, its ten minutes are over, or it is of another query.
fn decode_token(text: &str, query: u64) -> Result<PageToken> {
    let invalid = || AmazonError::invalid("Invalid startToken");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    let token: PageToken = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    if token.query != query {
        return Err(invalid());
    }
    if token.expires < Timestamp::now().as_microsecond() {
        return Err(AmazonError::invalid("Next token is expired"));
    }
    Ok(token)
}
