//! The change feed (onedrive-graph#delta).
//!
//! A request without a token enumerates the folder, page by page. The last page has a token with
//! the number that the drive's feed had when the enumeration began, so that changes during the
//! enumeration are reported afterwards. A request with that token returns the changes since: each
//! changed item once, in its latest state, after the folders above it.
//!
//! The feed of a folder reports an item that moved out of the folder as deleted (inferred,
//! onedrive-graph#delta-item-left-folder), also if the caller has no access to its new place. If a
//! folder moved in or out, its whole contents follow on separate pages.
//!
//! On business drives and libraries a time is a token too: it returns the items that the server
//! changed since then.
//!
//! Tokens are signed and expire. An invalid token is refused with 410.

mod ancestors;
mod token;

use std::collections::HashSet;

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

pub(super) use self::ancestors::AncestorCache;
use self::{
    ancestors::{ParentPaths, PathVisibility, merge_ancestors},
    token::{DeltaToken, MovedFolder},
};
use super::{
    address::{ItemAddress, PathSegment},
    drive_context::DriveContext,
    drive_item::View,
    error::Result,
    expand::expand_node,
    item_response::collection,
    paging::page_size,
    query::QueryOptions,
    response,
    select::Selection,
};
use crate::{
    time,
    tree::{FeedRange, ItemKey, ItemState, Moves, Node, NodeKind, ROOT, SharingSummary, TreeError},
};

/// Maximum number of items on a page with deleted items: a limitation of the cloud
/// (onedrive-graph#delta-deletion-page-size).
const MAX_ITEMS_WITH_DELETED: usize = 7;

/// A page of a feed.
struct DeltaPage {
    items: Vec<Value>,
    next: DeltaToken,
    /// Whether the client is up to date after this page.
    complete: bool,
}

/// Returns the token of a request of the feed, from the query or from the argument of `segment`;
/// `None` if it is missing or empty, so that the feed starts from the beginning.
pub(super) fn token<'r>(query: &'r QueryOptions, segment: &'r PathSegment) -> Option<&'r str> {
    query.get("token").or(segment.argument("token")).filter(|token| !token.is_empty())
}

/// `GET item/delta`: returns a page of the items in and below a folder, or with a token, of those
/// that changed since the token. `segment` is the path segment `delta`, which may have the token.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for a `$top` that is no number
/// above 0, `$skip`, and a thumbnail size outside of 1 to the maximum; 404 if a folder on the page
/// is deleted meanwhile; 410 for a token that is not signed by this server, expired, ahead of the
/// feed, or of another drive or folder; 500 if the storage fails.
pub(super) async fn list(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    segment: &PathSegment,
) -> Result<Response> {
    let query = &context.request.query;
    let selection = &context.request.selection;
    let top = page_size(query)?;
    let folder = context.locate(address).await?.node;
    let drive = context.tree().drive_info(context.drive()).await?;
    let mut latest = DeltaToken::latest(&drive, &folder);
    if let Some(horizon) = horizon(context) {
        let known = context.tree().feed_at(context.drive(), horizon).await?;
        latest.feed = latest.feed.min(known);
    }
    let paths = PathVisibility::for_address(address);
    let given = token(query, segment);
    let time = given.and_then(|token| time_token(context, token));
    let page = match given {
        _ if time.is_some() => {
            let token = DeltaToken { feed: 0, changed_since: time, ..latest };
            changes(context, paths, token, latest.feed, &folder, top).await?
        }
        None => enumerate(context, paths, latest, &folder, 0, top).await?,
        Some("latest") => DeltaPage { items: Vec::new(), next: latest, complete: true },
        Some(signed) => match DeltaToken::open(context, signed, latest)? {
            DeltaToken { enumeration: Some(from), feed, .. } => {
                let token = DeltaToken { feed, ..latest };
                enumerate(context, paths, token, &folder, from, top).await?
            }
            token => match token.moved {
                Some(moved) => contents_of_moved(context, paths, token, moved, top).await?,
                None => changes(context, paths, token, latest.feed, &folder, top).await?,
            },
        },
    };
    let mut value = Vec::with_capacity(page.items.len());
    for mut item in page.items {
        expand(context, selection, &mut item).await?;
        value.push(selection.project(item));
    }
    let mut body = collection(context, value);
    let link = if page.complete { "@odata.deltaLink" } else { "@odata.nextLink" };
    body[link] = context.request.link("token", &page.next.sign(context)).into();
    Ok(response::json(StatusCode::OK, &body))
}

/// Returns the time of the last changes that the feed reports, in microseconds since 1970; `None` if
/// the feed does not lag.
fn horizon(context: &DriveContext<'_>) -> Option<i64> {
    let lag = context.request.state.settings.behavior.feed_lag;
    (!lag.is_zero()).then(|| (crate::account_scope::now() - lag).as_microsecond())
}

/// Returns the time that a token is, in microseconds since 1970; `None` for any other token, and on
/// personal drives, which accept no time (onedrive-graph#delta-timestamp).
fn time_token(context: &DriveContext<'_>, token: &str) -> Option<i64> {
    if context.kind.is_personal() {
        return None;
    }
    let parsed = time::parse(token).or_else(|| time::parse(&with_two_digits(token)?))?;
    Some(parsed.as_microsecond())
}

/// Returns a time whose offset has an hour of one digit, such as `+8:00`, with two digits; `None` for
/// a text that does not end in such an offset.
fn with_two_digits(time: &str) -> Option<String> {
    let (start, offset) = time.split_at_checked(time.len().checked_sub("+8:00".len())?)?;
    let sign = offset.starts_with(['+', '-']);
    sign.then(|| format!("{start}{}0{}", &offset[..1], &offset[1..]))
}

/// Adds the relations that a selection expands to an entry of the feed. Deleted items have none.
///
/// # Errors
/// 400 for a thumbnail size outside of 1 to the maximum, 404 if the item or its parent is deleted
/// meanwhile, 500 if the storage fails.
async fn expand(context: &DriveContext<'_>, selection: &Selection, item: &mut Value) -> Result<()> {
    if selection.expanded.is_empty() || item.get("deleted").is_some() {
        return Ok(());
    }
    let Some(id) = item["id"].as_str() else { return Ok(()) };
    let node = match context.tree().node(context.drive(), context.item_key(id)?).await {
        // The item was deleted after the page was read: a later page reports it.
        Err(TreeError::NotFound) => return Ok(()),
        node => node?,
    };
    expand_node(context, &node, selection, item).await
}

/// Returns a page of the enumeration: the folder itself, then its descendants, parents before
/// children. `from` is the start of the page in the tree's order, 0 for the first page; `top` is
/// the largest number of entries.
///
/// # Errors
/// 404 if a folder no longer exists, 500 if the storage fails.
async fn enumerate(
    context: &DriveContext<'_>,
    visibility: PathVisibility,
    token: DeltaToken,
    folder: &Node,
    from: i64,
    top: u64,
) -> Result<DeltaPage> {
    let mut items = Vec::new();
    let mut paths = ParentPaths::new(visibility);
    if from == 0 {
        let path = paths.get(context, folder).await?;
        items.push(context.describe(folder, View::Feed(path.as_deref())));
    }
    let limit = (top - items.len() as u64).max(1);
    let (nodes, next) = match folder.kind {
        NodeKind::Folder => context.below(folder.no, from, limit).await?,
        NodeKind::File | NodeKind::Notebook => (Vec::new(), None),
    };
    let horizon = horizon(context);
    let is_known =
        |node: &&Node| horizon.is_none_or(|horizon| node.created.as_microsecond() <= horizon);
    for node in nodes.iter().filter(is_known) {
        let path = paths.get(context, node).await?;
        items.push(context.describe(node, View::Feed(path.as_deref())));
    }
    let complete = next.is_none();
    Ok(DeltaPage { items, next: DeltaToken { enumeration: next, ..token }, complete })
}

/// Returns a page of at most `top` changes inside `folder` after the token's position, up to the
/// feed number `end`. Items that left the folder are entries of deleted items. The page ends at a
/// folder that moved in or out; its contents are the next page.
///
/// # Errors
/// 404 if a folder above a changed item no longer exists, 500 if the storage fails.
async fn changes(
    context: &DriveContext<'_>,
    visibility: PathVisibility,
    token: DeltaToken,
    end: i64,
    folder: &Node,
    top: u64,
) -> Result<DeltaPage> {
    let since = token.since.unwrap_or(token.feed);
    let changed_since = token.changed_since.unwrap_or(i64::MIN);
    let range = FeedRange { after: token.feed, end, changed_since };
    let mut changed = context.tree().changes_in(context.drive(), range, top).await?;
    let mut complete = (changed.len() as u64) < top;
    if changed.len() > MAX_ITEMS_WITH_DELETED
        && changed.iter().any(|node| node.state != ItemState::Live)
    {
        changed.truncate(MAX_ITEMS_WITH_DELETED);
        complete = false;
    }
    let moves = match folder.no {
        ROOT => Moves::default(),
        folder => context.tree().moves(context.drive(), folder, since).await?,
    };
    let (mut feed, mut moved) = (token.feed, None);
    let mut ancestors = AncestorCache::default();
    let (mut inside, mut left) = (Vec::new(), Vec::new());
    for node in changed {
        feed = node.feed;
        let has_contents = node.kind == NodeKind::Folder && node.state == ItemState::Live;
        let contents = MovedFolder { item: node.no, left: false, next: 0 };
        let above = ancestors.keys(context, &node).await?;
        if folder.no == ROOT || node.no == folder.no || above.contains(&folder.no) {
            if !context.is_visible(&node).await? {
                continue;
            }
            moved = (has_contents && moves.arrived.contains(&node.no)).then_some(contents);
            let chain = ancestors.chain(context, &node).await?;
            inside.push((chain, context.published(node).await?));
        } else if moves.left.contains(&node.no) || !moves.left.is_disjoint(&above) {
            if !was_visible(context, &mut ancestors, &node, &moves.left).await? {
                continue;
            }
            let moved_itself = has_contents && moves.left.contains(&node.no);
            moved = moved_itself.then_some(MovedFolder { left: true, ..contents });
            left.push(context.describe_deleted(&node));
        }
        if moved.is_some() {
            complete = false;
            break;
        }
    }
    let mut shown = HashSet::new();
    if !excludes_parents(context) {
        for above in inside.iter().flat_map(|(chain, _)| chain) {
            if !shown.contains(&above.no) && context.is_visible(above).await? {
                shown.insert(above.no);
            }
        }
    }
    let mut items: Vec<Value> = merge_ancestors(inside, &shown)
        .into_iter()
        .map(|(path, node)| match node.state {
            ItemState::Live => context.describe(&node, View::Feed(visibility.apply(&path))),
            ItemState::Trashed | ItemState::Hidden | ItemState::Purged => {
                context.describe_deleted(&node)
            }
        })
        .collect();
    items.extend(left);
    let since = (!complete).then_some(since);
    let changed_since = token.changed_since.filter(|_| !complete);
    if complete {
        feed = end;
    }
    let next = DeltaToken { feed, enumeration: None, since, moved, changed_since, ..token };
    Ok(DeltaPage { items, next, complete })
}

/// Returns a page of at most `top` items of the contents of a moved folder. Pages of changes
/// follow.
///
/// # Errors
/// 404 if a folder no longer exists, 500 if the storage fails.
async fn contents_of_moved(
    context: &DriveContext<'_>,
    visibility: PathVisibility,
    token: DeltaToken,
    moved: MovedFolder,
    top: u64,
) -> Result<DeltaPage> {
    let (tree, drive) = (context.tree(), context.drive());
    let (nodes, next) = match tree.below(drive, moved.item, moved.next, top).await {
        Ok(page) => page,
        // The folder was deleted since: a later page reports its contents as deleted.
        Err(TreeError::NotFound) => (Vec::new(), None),
        Err(error) => return Err(error.into()),
    };
    let mut paths = ParentPaths::new(visibility);
    let mut ancestors = AncestorCache::default();
    let mut items = Vec::with_capacity(nodes.len());
    let left = HashSet::from([moved.item]);
    for node in &nodes {
        let is_inside = ancestors.keys(context, node).await?.contains(&token.folder);
        if is_inside {
            if !context.is_visible(node).await? {
                continue;
            }
            let path = paths.get(context, node).await?;
            items.push(context.describe(node, View::Feed(path.as_deref())));
        } else if moved.left && was_visible(context, &mut ancestors, node, &left).await? {
            items.push(context.describe_deleted(node));
        }
    }
    let moved = next.map(|next| MovedFolder { next, ..moved });
    Ok(DeltaPage { items, next: DeltaToken { moved, ..token }, complete: false })
}

/// Returns whether the caller has or had access to an item that left the followed folder: it has access
/// now, or neither the item nor a folder above it, up to the one that moved, ended the inheritance of
/// permissions. `left` has the items that moved out of the followed folder.
///
/// # Errors
/// 404 if a folder no longer exists, 500 if the storage fails.
async fn was_visible(
    context: &DriveContext<'_>,
    ancestors: &mut AncestorCache,
    node: &Node,
    left: &HashSet<ItemKey>,
) -> Result<bool> {
    if context.is_visible(node).await? {
        return Ok(true);
    }
    let is_boundary =
        |node: &Node| SharingSummary::from_node(node).is_some_and(|summary| summary.is_boundary);
    if is_boundary(node) {
        return Ok(false);
    }
    let chain = ancestors.chain(context, node).await?;
    let last = chain.iter().rposition(|folder| left.contains(&folder.no));
    Ok(!chain.iter().take(last.map_or(0, |last| last + 1)).any(is_boundary))
}

/// Returns whether the client wants pages without the folders above changed items: the header
/// `deltaExcludeParent` is `true`, in any case. Without the header it is `false`.
fn excludes_parents(context: &DriveContext<'_>) -> bool {
    let value = context.request.header("deltaexcludeparent");
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
