//! The change feed (onedrive-graph#delta).
//!
//! Without a token everything is told, page by page, and then where to go on: at the number that
//! the drive's feed had when the enumeration began, so that what changed meanwhile comes again.
//! With that token, what changed since, each item in its latest state, with the folders above it
//! before it.
//!
//! The feed of a folder reports an item that moved out of its tree as deleted (inferred,
//! onedrive-graph#delta-item-left-folder). Of a folder that moved in or out it reports everything
//! below too, on pages of their own.
//!
//! Tokens are signed and dated: a foreign or expired one is 410.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    address::{Anchor, Call, ItemAddress},
    children::{collection, page_size},
    drive_context::DriveContext,
    drive_item::View,
    error::{Error, Result},
    items, reply,
    select::Selection,
};
use crate::{
    signed_token::Purpose,
    tree::{DriveKey, ItemKey, MOVES_KEPT, Moves, Node, NodeKind, ROOT, State, TreeError},
};

/// How long a token serves. The cloud does not say; it forgets them after weeks.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);
const _: () = assert!(TOKEN_LIFE.as_secs() < MOVES_KEPT.as_secs(), "a token outlives moves");

/// Items of a page that tells of removed ones: a limitation of the cloud
/// (onedrive-graph#delta-deletion-page-size).
const PAGE_WITH_REMOVED: usize = 7;

/// Where a reader of the feed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The drive, and when it was made: another one may have its number after a reset.
    drive: DriveKey,
    made: i64,
    /// The folder that is followed.
    folder: ItemKey,
    /// What is known: everything up to this number of the feed.
    feed: i64,
    /// Where the enumeration goes on, while it is under way.
    at: Option<i64>,
    /// The number of the feed at which the reader began, while pages of changes follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    /// The folder that moved, and whose contents follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moved: Option<Moved>,
}

/// A folder that moved into the tree of the followed one, or out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Moved {
    item: ItemKey,
    /// Whether it moved out.
    left: bool,
    /// Where its contents go on, in the tree's order.
    at: i64,
}

/// A page.
struct Page {
    items: Vec<Value>,
    next: Position,
    complete: bool,
}

/// `GET item/delta`.
pub(super) async fn list(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    call: &Call,
) -> Result<Response> {
    let query = &scope.request.query;
    let selection = Selection::of(query)?;
    let top = page_size(query)?;
    let folder = scope.locate(address).await?.node;
    let drive = scope.tree().drive_info(scope.drive()).await?;
    let start = Position {
        drive: drive.no,
        made: drive.created.as_microsecond(),
        folder: folder.no,
        feed: drive.feed,
        at: None,
        since: None,
        moved: None,
    };
    let token = query.get("token").or(call.argument("token")).filter(|token| !token.is_empty());
    let told = Told::when(address);
    let page = match token {
        None => enumerate(scope, told, start, &folder, 0, top).await?,
        Some("latest") => Page { items: Vec::new(), next: start, complete: true },
        Some(token) => match scope.open_position(token, start)? {
            Position { at: Some(at), feed, .. } => {
                enumerate(scope, told, Position { feed, ..start }, &folder, at, top).await?
            }
            position => match position.moved {
                Some(moved) => contents_of_moved(scope, told, position, moved, top).await?,
                None => changes(scope, told, position, &folder, top).await?,
            },
        },
    };
    let mut value = Vec::with_capacity(page.items.len());
    for mut item in page.items {
        expand(scope, &selection, &mut item).await?;
        value.push(selection.project(item));
    }
    let mut body = collection(scope, value);
    let link = if page.complete { "@odata.deltaLink" } else { "@odata.nextLink" };
    body[link] = scope.request.link("token", &scope.seal_position(page.next)).into();
    Ok(reply::json(StatusCode::OK, &body))
}

/// Adds the relations that a selection expands to an item of the feed; removed items have none.
async fn expand(scope: &DriveContext<'_>, selection: &Selection, item: &mut Value) -> Result<()> {
    if selection.expanded.is_empty() || item.get("deleted").is_some() {
        return Ok(());
    }
    let Some(id) = item["id"].as_str() else { return Ok(()) };
    let node = match scope.tree().node(scope.drive(), scope.number(id)?).await {
        // Removed since the page was read: the next page has that.
        Err(TreeError::NotFound) => return Ok(()),
        node => node?,
    };
    items::expand_node(scope, &node, selection, item).await
}

impl DriveContext<'_> {
    fn seal_position(&self, position: Position) -> String {
        let expires = Timestamp::now() + TOKEN_LIFE;
        self.request.state.signer.sign(Purpose::Feed, expires, &position)
    }

    /// The position in a token; `start` says which drive and folder it must be of.
    fn open_position(&self, token: &str, start: Position) -> Result<Position> {
        let opened = self.request.state.signer.verify(Purpose::Feed, token, Timestamp::now());
        let known = |position: &Position| {
            let same =
                Position { feed: start.feed, at: None, since: None, moved: None, ..*position };
            same == start && position.feed <= start.feed
        };
        opened.ok().filter(known).ok_or_else(|| {
            // The fresh start that the cloud names too.
            match HeaderValue::from_str(&self.request.link("token", "")) {
                Ok(url) => Error::gone().header(header::LOCATION, url),
                Err(_) => Error::gone(),
            }
        })
    }
}

/// A page of everything: the folder itself first, then what is below, parents before children.
async fn enumerate(
    scope: &DriveContext<'_>,
    told: Told,
    start: Position,
    folder: &Node,
    at: i64,
    top: u64,
) -> Result<Page> {
    let mut items = Vec::new();
    let mut above = Above { told, known: HashMap::new() };
    if at == 0 {
        let names = above.of(scope, folder).await?;
        items.push(scope.describe(folder, View::Feed(names.as_deref())));
    }
    let room = (top - items.len() as u64).max(1);
    let (nodes, next) = match folder.kind {
        NodeKind::Folder => scope.tree().below(scope.drive(), folder.no, at, room).await?,
        NodeKind::File | NodeKind::Notebook => (Vec::new(), None),
    };
    for node in &nodes {
        let names = above.of(scope, node).await?;
        items.push(scope.describe(node, View::Feed(names.as_deref())));
    }
    Ok(Page { items, next: Position { at: next, ..start }, complete: next.is_none() })
}

/// A page of what changed.
async fn changes(
    scope: &DriveContext<'_>,
    told: Told,
    position: Position,
    folder: &Node,
    top: u64,
) -> Result<Page> {
    let since = position.since.unwrap_or(position.feed);
    let mut changed = scope.tree().changes(scope.drive(), position.feed, top).await?;
    let mut complete = (changed.len() as u64) < top;
    if changed.len() > PAGE_WITH_REMOVED && changed.iter().any(|node| node.state != State::Live) {
        changed.truncate(PAGE_WITH_REMOVED);
        complete = false;
    }
    let moves = match folder.no {
        ROOT => Moves::default(),
        folder => scope.tree().moves(scope.drive(), folder, since).await?,
    };
    let (mut feed, mut moved) = (position.feed, None);
    let mut above = Ancestors::default();
    let (mut followed, mut left) = (Vec::new(), Vec::new());
    for node in changed {
        feed = node.feed;
        let has_contents = node.kind == NodeKind::Folder && node.state == State::Live;
        let follows = Moved { item: node.no, left: false, at: 0 };
        let within = above.all(scope, &node).await?;
        if folder.no == ROOT || node.no == folder.no || within.contains(&folder.no) {
            moved = (has_contents && moves.arrived.contains(&node.no)).then_some(follows);
            followed.push((above.of(scope, &node).await?, node));
        } else if moves.left.contains(&node.no) || !moves.left.is_disjoint(&within) {
            let own = has_contents && moves.left.contains(&node.no);
            moved = own.then_some(Moved { left: true, ..follows });
            left.push(scope.describe_deleted(&node));
        }
        if moved.is_some() {
            complete = false;
            break;
        }
    }
    let mut items: Vec<Value> = in_order(followed, !excludes_parents(scope))
        .into_iter()
        .map(|(names, node)| match node.state {
            State::Live => scope.describe(&node, View::Feed(told.names(&names))),
            State::Trashed | State::Hidden | State::Purged => scope.describe_deleted(&node),
        })
        .collect();
    items.extend(left);
    let since = (!complete).then_some(since);
    Ok(Page { items, next: Position { feed, at: None, since, moved, ..position }, complete })
}

/// A page of what is below a folder that moved. The pages of changes go on behind it.
async fn contents_of_moved(
    scope: &DriveContext<'_>,
    told: Told,
    position: Position,
    moved: Moved,
    top: u64,
) -> Result<Page> {
    let (tree, drive) = (scope.tree(), scope.drive());
    let (nodes, at) = match tree.below(drive, moved.item, moved.at, top).await {
        Ok(page) => page,
        // It is gone by now: what is below it comes as deleted.
        Err(TreeError::NotFound) => (Vec::new(), None),
        Err(error) => return Err(error.into()),
    };
    let mut paths = Above { told, known: HashMap::new() };
    let mut above = Ancestors::default();
    let mut items = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let is_within = above.all(scope, node).await?.contains(&position.folder);
        if is_within {
            let names = paths.of(scope, node).await?;
            items.push(scope.describe(node, View::Feed(names.as_deref())));
        } else if moved.left {
            items.push(scope.describe_deleted(node));
        }
    }
    let moved = at.map(|at| Moved { at, ..moved });
    Ok(Page { items, next: Position { moved, ..position }, complete: false })
}

/// Whether the client wants the folders above left out.
fn excludes_parents(scope: &DriveContext<'_>) -> bool {
    let said = scope.request.header("deltaexcludeparent");
    said.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// What is told of changed items and the folders above them: each once, parents first, with the
/// names from the root down to the folder it is in.
fn in_order(followed: Vec<(Vec<Node>, Node)>, with_parents: bool) -> Vec<(Vec<String>, Node)> {
    let mut by_depth: Vec<(Vec<String>, Node)> = Vec::new();
    let mut seen: HashSet<ItemKey> = HashSet::new();
    for (chain, node) in followed {
        let mut names: Vec<String> = Vec::new();
        for folder in chain.into_iter().rev() {
            let name = (folder.no != ROOT).then(|| folder.name.clone());
            if with_parents && seen.insert(folder.no) {
                by_depth.push((names.clone(), folder));
            }
            names.extend(name);
        }
        if seen.insert(node.no) {
            by_depth.push((names, node));
        }
    }
    // The root has as many names above it as what is in it.
    by_depth.sort_by_key(|(names, node)| (names.len(), node.no != ROOT));
    by_depth
}

/// Whether the feed tells where items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Paths,
    NoPaths,
}

impl Told {
    /// onedrive-graph#delta-items says that no feed tells paths, and so it is with `root/delta`.
    /// Logs of a client that asks for `items/ID/delta` show them all the same (abraunegg/onedrive,
    /// pull request 337), and that client takes what has none for gone: inferred that it depends on
    /// how the feed is asked for.
    fn when(address: &ItemAddress) -> Self {
        match address.anchor {
            Anchor::Id(_) => Self::Paths,
            Anchor::Root | Anchor::Special(_) | Anchor::Shared => Self::NoPaths,
        }
    }

    fn names(self, names: &[String]) -> Option<&[String]> {
        (self == Self::Paths).then_some(names)
    }
}

/// The names from the root down to the folder that an item is in, looked up once for each folder.
struct Above {
    told: Told,
    known: HashMap<ItemKey, Arc<[String]>>,
}

impl Above {
    /// `None` where they are not told.
    async fn of(&mut self, scope: &DriveContext<'_>, node: &Node) -> Result<Option<Arc<[String]>>> {
        let folder = node.parents.first().filter(|_| self.told == Told::Paths);
        let Some(&folder) = folder else { return Ok(None) };
        let names = match self.known.entry(folder) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(unknown) => {
                let names = scope.tree().path(scope.drive(), folder).await?;
                Arc::clone(unknown.insert(names.into()))
            }
        };
        if node.kind == NodeKind::Folder {
            let below = names.iter().chain([&node.name]).cloned().collect();
            self.known.insert(node.no, below);
        }
        Ok(Some(names))
    }
}

/// The folders above items, looked up once each.
#[derive(Default)]
struct Ancestors(HashMap<ItemKey, Node>);

impl Ancestors {
    /// All folders above, of an item in several folders those of each.
    async fn all(&mut self, scope: &DriveContext<'_>, node: &Node) -> Result<HashSet<ItemKey>> {
        let mut found = HashSet::new();
        let mut waiting = node.parents.clone();
        while let Some(no) = waiting.pop() {
            if found.insert(no) {
                waiting.extend(&self.folder(scope, no).await?.parents);
            }
        }
        Ok(found)
    }

    async fn folder(&mut self, scope: &DriveContext<'_>, no: ItemKey) -> Result<&Node> {
        Ok(match self.0.entry(no) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                unknown.insert(scope.tree().any_node(scope.drive(), no).await?)
            }
        })
    }

    /// From the nearest to the root.
    async fn of(&mut self, scope: &DriveContext<'_>, node: &Node) -> Result<Vec<Node>> {
        let mut chain: Vec<Node> = Vec::new();
        let mut folder = node.parents.first().copied();
        while let Some(no) = folder {
            let found = self.folder(scope, no).await?;
            folder = found.parents.first().copied();
            chain.push(found.clone());
        }
        Ok(chain)
    }
}
