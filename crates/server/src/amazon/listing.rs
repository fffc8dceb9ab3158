//! Handlers of node lists: filters, sort orders, pages (amazon-drive#list-pages,
//! amazon-drive#filters, amazon-drive#sort).
//!
//! A page token contains the last node of the page and the total number of nodes. It is valid for
//! ten minutes, and for the same query only. The next page starts after that node, even if it was
//! deleted meanwhile: nodes that do not change appear exactly once. A sorted list is sorted again
//! for every page; only sort keys and item keys are held in memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{http::StatusCode, response::Response};
use serde_json::{Map, Value};

use super::{
    assets::{file_of_asset, has_asset},
    error::{AmazonError, Result},
    filter::{Field, Filter},
    node::values,
    page_token::PageToken,
    request::{AmazonRequest, BATCH},
    response::json_response,
    sort::{self, Sort, SortKey},
};
use crate::tree::{
    ItemKey, ItemState, ListOptions, ListingKey, Node, NodeKind, Order, ROOT, TreeError,
};

/// Maximum and default number of nodes per page.
const MAX_PAGE: usize = 200;

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

/// The nodes, or the assets of the nodes, that a request lists.
struct NodeQuery {
    source: NodeSource,
    filter: Option<Filter>,
    /// Whether to exclude nodes in the trash: unless the filter has a condition on the status.
    exclude_trash: bool,
    /// Whether the list consists of the assets of the source's files, instead of its nodes.
    lists_assets: bool,
}

impl NodeQuery {
    /// Creates a query. It lists assets if the filter requires their kind (amazon-drive#assets).
    fn new(source: NodeSource, filter: Option<Filter>, exclude_trash: bool) -> Self {
        let lists_assets = filter.as_ref().is_some_and(requires_assets);
        Self { source, filter, exclude_trash, lists_assets }
    }
}

/// Returns whether every node that matches a filter is an asset.
fn requires_assets(filter: &Filter) -> bool {
    filter.requires(Field::Kind).is_some_and(|kind| kind.eq_ignore_ascii_case("ASSET"))
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
    list(request, NodeQuery::new(source, filter, exclude_trash)).await
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
    list(request, NodeQuery::new(source, Some(filter), exclude_trash)).await
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
    list(request, NodeQuery::new(NodeSource::Trash, filter, false)).await
}

/// Returns the smallest source that contains all nodes that match `filter`; `None` is the whole
/// drive.
///
/// # Errors
/// 500 if the storage fails.
async fn source(request: &AmazonRequest, filter: Option<&Filter>) -> Result<NodeSource> {
    let Some(filter) = filter else { return Ok(NodeSource::Drive) };
    let requires = |field| filter.requires(field);
    let node = |id| request.ids.item_key(id).map_or(NodeSource::Nothing, NodeSource::Node);
    if requires_assets(filter) {
        // The source of an asset is its file, which is its parent too.
        let asset = requires(Field::Id).and_then(|id| request.ids.item_key(id));
        if let Some(file) = asset.and_then(file_of_asset) {
            return Ok(NodeSource::Node(file));
        }
        return Ok(requires(Field::Parents).map_or(NodeSource::Drive, node));
    }
    if let Some(id) = requires(Field::Id) {
        return Ok(node(id));
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
    let token = token.map(|text| PageToken::decode(text, query)).transpose()?;
    let page = match &sort {
        Some(sort) => sorted(request, &node_query, sort, limit, token).await?,
        None => unsorted(request, &node_query, limit, token).await?,
    };
    let mut body = Map::new();
    body.insert("count".into(), page.count.into());
    if let Some(last) = page.next {
        let token = PageToken::new(last, page.count, query);
        body.insert("nextToken".into(), token.encode().into());
    }
    let object = |node: &Node| match node_query.lists_assets {
        true => request.asset_object(node),
        false => Some(request.node_object(node)),
    };
    let nodes: Vec<Value> = page.nodes.iter().filter_map(object).collect();
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
        let values = |field| match self.lists_assets {
            true => request.asset_values(node, field),
            false => values(node, field, request.ids, &request.account),
        };
        let folding = request.state.accounts.folding(&request.account);
        is_visible
            && request.shows(node)
            && (has_asset(node) || !self.lists_assets)
            && self.filter.as_ref().is_none_or(|filter| filter.matches(&values, folding))
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
    let mut found = found.map_err(|error| AmazonError::tree(error, "?"))?;
    let is_paged =
        matches!(source, NodeSource::Children(_) | NodeSource::Trash | NodeSource::Drive);
    let more = is_paged && found.len() as u64 == limit;
    match source {
        NodeSource::Child(folder, _) if found.is_empty() && after < 0 => {
            found = request.linked_children(*folder).await?;
        }
        NodeSource::Children(folder) => {
            // Those up to the last child; the others belong to later batches.
            let end = found.last().filter(|_| more).map_or(i64::MAX, |last| last.no.0);
            let linked = request.linked_children(*folder).await?.into_iter();
            found.extend(linked.filter(|child| (after + 1..=end).contains(&child.no.0)));
            found.sort_by_key(|node| node.no);
        }
        _ => {}
    }
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
