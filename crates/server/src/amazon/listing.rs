//! Lists of nodes: filtered, sorted, page by page (amazon-drive#list-pages, amazon-drive#filters,
//! amazon-drive#sort).
//!
//! A page token names the last node of the page and the number of all nodes of the listing. It is
//! valid for ten minutes and for the same query only. The next page starts behind that node, even if
//! it is gone by then: nodes that stay as they are appear once. A sorted listing is sorted for every
//! page, of which only keys and numbers are in memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{http::StatusCode, response::Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    AmazonRequest,
    error::{AmazonError, Result, json_answer},
    filter::{Field, Filter},
    node::{is_shown, values},
    sort::{self, Key, Sort},
};
use crate::tree::{ItemKey, Listing, ListingKey, Node, NodeKind, Order, ROOT, State, TreeError};

/// Most nodes of a page, and how many there are unless fewer are wanted.
const PAGE: usize = 200;

/// How long a page token is good.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// How many nodes the tree is asked for at once where all are counted or sorted.
const BATCH: u64 = 1_000;

/// How far a listing came.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    /// The last node of the page: its place in its source.
    at: i64,
    /// The values that a sorted listing is sorted by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<Key>,
    /// How many nodes there are in all.
    count: u64,
    /// The question.
    of: u64,
    expires: i64,
}

/// Where nodes are looked for. Everything that matches is there; not everything there matches.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Nothing,
    Node(ItemKey),
    Child(ItemKey, String),
    Children(ItemKey),
    Trash,
    /// Every node of the drive, in whatever state, in the order of the feed.
    Drive,
}

/// Which nodes are wanted.
struct Question {
    source: Source,
    filter: Option<Filter>,
    /// Only what is not in the trash, unless the filter speaks of it.
    available: bool,
}

/// `GET nodes`.
pub(super) async fn nodes(request: &AmazonRequest) -> Result<Response> {
    let filter = request.query.get("filters").filter(|text| !text.is_empty());
    let filter = filter.map(Filter::parse).transpose()?;
    let available = !filter.as_ref().is_some_and(|filter| filter.mentions(Field::Status));
    let source = source(request, filter.as_ref()).await?;
    list(request, Question { source, filter, available }).await
}

/// `GET nodes/{id}/children`.
pub(super) async fn children(request: &AmazonRequest, id: &str) -> Result<Response> {
    let folder = request.known(id).await?;
    if folder.kind != NodeKind::Folder {
        return Err(AmazonError::bad(format!("Node {id} is not a folder")));
    }
    let filter = request.query.get("filters").filter(|text| !text.is_empty());
    let within = Filter::parse(&format!("parents:\"{id}\""))?;
    let filter = match filter.map(Filter::parse).transpose()? {
        Some(filter) => Filter::All(vec![within, filter]),
        None => within,
    };
    let available = !filter.mentions(Field::Status);
    let source = source(request, Some(&filter)).await?;
    list(request, Question { source, filter: Some(filter), available }).await
}

/// `GET trash`: what is in the trash by itself.
pub(super) async fn trashed(request: &AmazonRequest) -> Result<Response> {
    let filter = request.query.get("filters").filter(|text| !text.is_empty());
    let filter = filter.map(Filter::parse).transpose()?;
    list(request, Question { source: Source::Trash, filter, available: false }).await
}

/// The smallest place where everything that the filter wants is.
async fn source(request: &AmazonRequest, filter: Option<&Filter>) -> Result<Source> {
    let Some(filter) = filter else { return Ok(Source::Drive) };
    let requires = |field| filter.requires(field);
    if let Some(id) = requires(Field::Id) {
        return Ok(request.ids.number(id).map_or(Source::Nothing, Source::Node));
    }
    if requires(Field::IsRoot).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(Source::Node(ROOT));
    }
    if requires(Field::Status).is_some_and(|value| value.eq_ignore_ascii_case("TRASH")) {
        return Ok(Source::Trash);
    }
    // In the trash there are nodes of this folder too.
    let in_folder = requires(Field::Parents).filter(|_| {
        !filter.mentions(Field::Status)
            || requires(Field::Status).is_some_and(|value| value.eq_ignore_ascii_case("AVAILABLE"))
    });
    let Some(id) = in_folder else { return Ok(Source::Drive) };
    let Some(folder) = request.ids.number(id) else { return Ok(Source::Nothing) };
    match request.state.tree.any_node(request.drive(), folder).await {
        Ok(node) if node.state == State::Live && node.kind == NodeKind::Folder => {
            Ok(match requires(Field::Name) {
                Some(name) => Source::Child(folder, name.to_owned()),
                None => Source::Children(folder),
            })
        }
        // What is below a trashed folder is as available as ever.
        Ok(_) => Ok(Source::Drive),
        Err(TreeError::NotFound) => Ok(Source::Nothing),
        Err(error) => Err(AmazonError::tree(error, id)),
    }
}

async fn list(request: &AmazonRequest, question: Question) -> Result<Response> {
    let sort = request.query.get("sort").filter(|text| !text.is_empty());
    let sort = sort.map(Sort::parse).transpose()?;
    let limit = limit(request)?;
    let of = mark(request, &question, sort.as_ref());
    let token = request.query.get("startToken").filter(|text| !text.is_empty());
    let token = token.map(|text| opened(text, of)).transpose()?;
    let page = match &sort {
        Some(sort) => sorted(request, &question, sort, limit, token).await?,
        None => unsorted(request, &question, limit, token).await?,
    };
    let mut body = Map::new();
    body.insert("count".into(), page.count.into());
    if let Some((keys, at)) = page.next {
        let expires = (Timestamp::now() + TOKEN_LIFE).as_microsecond();
        let token = Token { at, keys, count: page.count, of, expires };
        body.insert("nextToken".into(), sealed(&token).into());
    }
    let nodes: Vec<Value> = page.nodes.iter().map(|node| request.shown(node)).collect();
    body.insert("data".into(), nodes.into());
    Ok(json_answer(StatusCode::OK, &Value::Object(body)))
}

struct Page {
    nodes: Vec<Node>,
    count: u64,
    /// The keys and the place of the last node, if there are more.
    next: Option<(Vec<Key>, i64)>,
}

/// A page in the source's order. The first counts all there are.
async fn unsorted(
    request: &AmazonRequest,
    question: &Question,
    limit: usize,
    token: Option<Token>,
) -> Result<Page> {
    let mut from = token.as_ref().map_or(-1, |token| token.at);
    let counted = token.map(|token| token.count);
    let mut page = Page { nodes: Vec::new(), count: 0, next: None };
    // One more than the page tells whether there are more.
    let most = if counted.is_some() { limit as u64 + 1 } else { BATCH };
    let mut found = 0;
    let mut last = from;
    'batches: loop {
        let (batch, more) = batch(request, &question.source, from, most).await?;
        for (at, node) in batch {
            from = at;
            if !question.wants(request, &node) {
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

/// A page in the order wanted.
async fn sorted(
    request: &AmazonRequest,
    question: &Question,
    sort: &Sort,
    limit: usize,
    token: Option<Token>,
) -> Result<Page> {
    let mut keys: Vec<(Vec<Key>, ItemKey)> = Vec::new();
    let mut from = -1;
    loop {
        let (batch, more) = batch(request, &question.source, from, BATCH).await?;
        for (at, node) in batch {
            from = at;
            if question.wants(request, &node) {
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
    let is_before = |key: &(Vec<Key>, ItemKey)| {
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
    Ok(Page { nodes, count, next })
}

impl Question {
    fn wants(&self, request: &AmazonRequest, node: &Node) -> bool {
        let there = match node.state {
            State::Live | State::Hidden => true,
            State::Trashed => !self.available,
            State::Purged => false,
        };
        there
            && is_shown(node)
            && self.filter.as_ref().is_none_or(|filter| {
                filter.holds(
                    &|field| values(node, field, request.ids, &request.account),
                    request.state.accounts.folding(&request.account),
                )
            })
    }
}

/// The nodes of a source after a place in it, each with its own place, and whether there are more.
async fn batch(
    request: &AmazonRequest,
    source: &Source,
    after: i64,
    most: u64,
) -> Result<(Vec<(i64, Node)>, bool)> {
    let (tree, drive) = (&request.state.tree, request.drive());
    // The feed's numbers and the items' both begin above 0.
    let key = (after > 0).then(|| ListingKey {
        number: after,
        item: ItemKey(after),
        ..Default::default()
    });
    let part =
        Listing { order: Order::Number, after: key, limit: Some(most), ..Listing::default() };
    let one = |node: Result<Node, TreeError>| match node {
        Ok(node) => Ok(Vec::from_iter((after < 0).then_some(node))),
        Err(TreeError::NotFound) => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let found = match source {
        Source::Nothing => Ok(Vec::new()),
        Source::Node(no) => one(tree.any_node(drive, *no).await),
        Source::Child(folder, name) => one(tree.child(drive, *folder, name).await),
        Source::Children(folder) => match tree.children(drive, *folder, part).await {
            // It went into the trash between two pages.
            Err(TreeError::NotFound) => Ok(Vec::new()),
            found => found,
        },
        Source::Trash => tree.trashed(drive, Listing { descending: true, ..part }).await,
        Source::Drive => tree.changes(drive, after, most).await,
    };
    let found = found.map_err(|error| AmazonError::tree(error, "?"))?;
    let several = matches!(source, Source::Children(_) | Source::Trash | Source::Drive);
    let more = several && found.len() as u64 == most;
    let places = found.into_iter().map(|node| match source {
        Source::Drive | Source::Trash => (node.feed, node),
        _ => (node.no.0, node),
    });
    // The feed, which stands for the whole drive here, tells of what no listing shows yet.
    Ok((places.filter(|(_, node)| !tree.hidden(drive, node.no)).collect(), more))
}

fn limit(request: &AmazonRequest) -> Result<usize> {
    let Some(text) = request.query.get("limit").filter(|text| !text.is_empty()) else {
        return Ok(PAGE);
    };
    match text.parse::<usize>() {
        Ok(limit) if limit > 0 => Ok(limit.min(PAGE)),
        _ => Err(AmazonError::bad(format!("Invalid limit: {text}"))),
    }
}

/// Tells one question from another.
fn mark(request: &AmazonRequest, question: &Question, sort: Option<&Sort>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let text = format!("{:?} {:?} {sort:?}", question.source, question.filter);
    (request.drive(), text).hash(&mut hasher);
    hasher.finish()
}

fn sealed(token: &Token) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).unwrap_or_default())
}

fn opened(text: &str, of: u64) -> Result<Token> {
    let invalid = || AmazonError::bad("Invalid startToken");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    let token: Token = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    if token.of != of {
        return Err(invalid());
    }
    if token.expires < Timestamp::now().as_microsecond() {
        return Err(AmazonError::bad("Next token is expired"));
    }
    Ok(token)
}
