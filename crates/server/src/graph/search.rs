//! Search by name (onedrive-graph#search).
//!
//! A text is split into words, and so are the names. An item is found if, for each word of the text,
//! a word of its name begins with it, without regard to case (inferred: the reference does not define
//! the index). The contents of files are not searched. An empty text finds all items.

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::{
    address::{ItemAddress, PathSegment},
    children::order,
    delta::AncestorCache,
    drive_context::DriveContext,
    drive_item::View,
    error::{Error, Result},
    expand::expand_node,
    filter::ODataFilter,
    item_response::collection,
    paging::{
        SKIP_TOKEN, decode_position, decode_search_position, encode_position,
        encode_search_position, page_size,
    },
    response,
};
use crate::tree::{ItemKey, ItemSearch, ListingKey, Node, NodeKind, ROOT, SearchPosition, words};

/// Maximum number of items that one query of the tree reads.
const SCAN_PAGE_SIZE: u64 = 1000;

/// Maximum number of items that a search sorts. All of them are in memory. Inferred.
const MAX_SORTED: usize = 10_000;

/// `GET item/search(q='text')`: returns the descendants of a folder that the text finds.
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
/// 400 for a `$top` that is no number above 0, `$skip`, a filter that cannot be parsed, an order that
/// the account kind does not support, more than [`MAX_SORTED`] items to sort, the page token of
/// another listing, and a thumbnail size outside of 1 to the maximum; 404 if the folder, or a found
/// item, is deleted meanwhile; 501 for an order by `url`; 500 if the storage fails.
pub(super) async fn below(
    context: &DriveContext<'_>,
    folder: ItemKey,
    segment: &PathSegment,
) -> Result<Response> {
    let query = &context.request.query;
    let filter = ODataFilter::from_query(query)?;
    let top = page_size(query)?;
    let text = segment.argument("q").or(query.get("q")).unwrap_or_default();
    let token = query.get("skiptoken");
    let (found, next) = match query.get("orderby") {
        Some(_) => sorted(context, folder, text, filter.as_ref(), top).await?,
        None => page(context, folder, text, filter.as_ref(), top, token).await?,
    };
    let found = context.visible(found).await?;
    let selection = &context.request.selection;
    let mut value = Vec::with_capacity(found.len());
    for node in found {
        let mut item = context.describe(&node, View::SearchResult);
        expand_node(context, &node, selection, &mut item).await?;
        value.push(selection.project(item));
    }
    let mut body = collection(context, value);
    if let Some(token) = next {
        body["@odata.nextLink"] = context.request.link(SKIP_TOKEN, &token).into();
    }
    Ok(response::json(StatusCode::OK, &body))
}

/// Returns a page of the items below a folder that a text finds and that satisfy a filter, and the
/// token of the next page. `token` is that of this page; `None` for the first one.
///
/// # Errors
/// 400 for the page token of another listing, 404 if the folder is deleted meanwhile, 500 if the
/// storage fails.
async fn page(
    context: &DriveContext<'_>,
    folder: ItemKey,
    text: &str,
    filter: Option<&ODataFilter>,
    top: u64,
    token: Option<&str>,
) -> Result<(Vec<Node>, Option<String>)> {
    if is_everything(text) {
        return all_below(context, folder, filter, top, token).await;
    }
    let after = token.map(decode_search_position).transpose()?;
    let (nodes, next) = find(context, folder, words(text), after, filter, top).await?;
    Ok((nodes, next.map(|next| encode_search_position(&next))))
}

/// Like [`page`], in the order of `$orderby`. Reads all items that the text finds for each page.
///
/// # Errors
/// Those of [`page`]; 400 for an order that the account kind does not support, and more than
/// [`MAX_SORTED`] items; 501 for an order by `url`.
async fn sorted(
    context: &DriveContext<'_>,
    folder: ItemKey,
    text: &str,
    filter: Option<&ODataFilter>,
    top: u64,
) -> Result<(Vec<Node>, Option<String>)> {
    let query = &context.request.query;
    let (order, descending) = order(context, query.get("orderby"))?;
    let start = query.get("skiptoken").map(decode_position).transpose()?.unwrap_or(0);
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let (nodes, next) =
            page(context, folder, text, filter, SCAN_PAGE_SIZE, token.as_deref()).await?;
        all.extend(nodes);
        if all.len() > MAX_SORTED {
            let message = format!("cannot sort the items: the search finds more than {MAX_SORTED}");
            return Err(Error::invalid(message));
        }
        token = next;
        if token.is_none() {
            break;
        }
    }
    all.sort_by_cached_key(|node| {
        let key = ListingKey::new(node, order);
        (context.fold(&key.name), key.number, key.item)
    });
    if descending {
        all.reverse();
    }
    let next = start.saturating_add(top);
    let is_last = next >= all.len() as u64;
    let skipped = usize::try_from(start).unwrap_or(usize::MAX);
    let length = usize::try_from(top).unwrap_or(usize::MAX);
    let nodes = all.into_iter().skip(skipped).take(length).collect();
    Ok((nodes, (!is_last).then(|| encode_position(next))))
}

/// Returns whether a search text finds all items.
pub(super) fn is_everything(text: &str) -> bool {
    matches!(text.trim(), "" | "*")
}

/// Returns a page of the items below a folder that satisfy a filter, and the token of the next page.
///
/// # Errors
/// 400 for the page token of another listing, 404 if the folder is deleted meanwhile, 500 if the
/// storage fails.
async fn all_below(
    context: &DriveContext<'_>,
    folder: ItemKey,
    filter: Option<&ODataFilter>,
    top: u64,
    token: Option<&str>,
) -> Result<(Vec<Node>, Option<String>)> {
    let mut at = match token {
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
        found.extend(nodes.into_iter().filter(|node| is_match(context, node, filter)));
        at = next;
    }
    Ok((found, at.map(|at| encode_position(at.cast_unsigned()))))
}

/// Returns a page of the items below a folder that have these words in their names and satisfy a
/// filter, and the position of the next page; `None` on the last page. Without words it finds
/// nothing.
///
/// # Errors
/// 404 if a folder is deleted meanwhile, 500 if the storage fails.
pub(super) async fn find(
    context: &DriveContext<'_>,
    folder: ItemKey,
    words: Vec<String>,
    after: Option<SearchPosition>,
    filter: Option<&ODataFilter>,
    top: u64,
) -> Result<(Vec<Node>, Option<SearchPosition>)> {
    if words.is_empty() {
        return Ok((Vec::new(), None));
    }
    let lag = context.request.state.settings.behavior.search_lag;
    let until = (!lag.is_zero()).then(|| (crate::account_scope::now() - lag).as_microsecond());
    let mut search = ItemSearch { drive: context.drive(), words, until, after, limit: top };
    let mut ancestors = AncestorCache::default();
    let mut found = Vec::new();
    loop {
        search.limit = top - found.len() as u64;
        let (nodes, next) = context.tree().search(search.clone()).await?;
        for node in nodes {
            let is_below =
                folder == ROOT || ancestors.keys(context, &node).await?.contains(&folder);
            if is_below && is_match(context, &node, filter) {
                found.push(node);
            }
        }
        if next.is_none() || found.len() as u64 == top {
            return Ok((found, next));
        }
        search.after = next;
    }
}

/// Returns whether an item satisfies a filter; true without one.
fn is_match(context: &DriveContext<'_>, node: &Node, filter: Option<&ODataFilter>) -> bool {
    let describe = || -> Value { context.describe(node, View::SearchResult) };
    filter.is_none_or(|filter| filter.matches(&describe()))
}
