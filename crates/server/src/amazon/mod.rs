//! Amazon Cloud Drive REST v1: metadata under `/drive/v1`, bytes under `/cdproxy`, tokens at
//! `/auth/o2/token`, sign-in at `/ap/oa`.
//!
//! Served, as real clients ask for it: the account's endpoints, info, quota and usage; nodes listed
//! with `filters`, `sort`, `limit` and page tokens, got, made, patched; folders' children listed,
//! added, removed, moved, so that an item has several folders; uploads and overwrites as forms
//! (metadata without content type, chunked, with or without a stray epilogue), deduplication,
//! `localId`; downloads with ranges, and by `tempLink`; the trash; properties; the changes stream
//! with checkpoints, resets and its end. JSON is read whatever its content type, slashes too many
//! at the beginning are one, and a POST, PUT or PATCH that tells no length is 411.
//!
//! # Inferred
//! What no source says, each in one place of the code:
//! * Bytes that are there already: 409 with the code `MD5_DUPLICATE` and the other node's id.
//! * A drive that is full: 403 in the words that a client has seen.
//! * In filters `AND` binds tighter than `OR`; ranges are `[a TO b]`; names are compared whole.
//! * A node put into a folder that it is in already, or into the trash twice, is answered as it is;
//!   restoring what is not in the trash is 400.
//! * Unsorted lists come in no promised order. A set of changes has 1,000 nodes.
//! * Which media types count as documents in the usage.
//! * Checkpoints are good as long as the drive is there.
//!
//! # Limits
//! A folder cannot be put below itself by links (409): in the cloud it can. There are no assets, no
//! thumbnails (`viewBox` is 400), nothing is PENDING, and the trash is not emptied after 30 days.
//! Nobody purges. Notebooks are not shown. Scopes are granted but not enforced.

mod account;
mod changes;
mod content;
mod error;
mod filter;
mod folders;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod ids;
mod listing;
mod node;
mod nodes;
mod properties;
mod query;
mod route;
mod sign_in;
mod sort;
#[cfg(test)]
mod walk;

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use super::{
    account::Account,
    app::{App, Exchange, FrontEnd},
    origin::Origin,
    parameters::{self, Values},
    tree::{DriveNo, ItemNo, Node, State, TreeError},
    upload,
};
use error::{AmazonError, Result};
use ids::Ids;
use query::Query;
use route::{Action, METADATA, OPERATIONS, UNKNOWN};

/// The longest JSON body, in bytes.
const JSON_MAX: usize = 1 << 20;

/// How many nodes are looked through at once.
const BATCH: u64 = 1_000;

/// Serves Amazon Cloud Drive.
pub(super) struct Amazon;

#[async_trait]
impl FrontEnd for Amazon {
    fn operations(&self) -> &'static [&'static str] {
        OPERATIONS
    }

    fn serves(&self, path: &str) -> bool {
        route::serves(path)
    }

    fn operation(&self, request: &Parts) -> &'static str {
        Action::of(request).map_or(UNKNOWN, |action| action.operation())
    }

    fn hashes(&self) -> &'static [&'static str] {
        &["md5"]
    }

    async fn answer(&self, app: &Arc<App>, exchange: Exchange, request: Request) -> Response {
        let mut response = match answer(app, exchange, request).await {
            Ok(response) => response,
            Err(error) => error.response(),
        };
        if let Ok(id) = HeaderValue::try_from(request_id()) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        response
    }

    fn failure(&self, status: StatusCode) -> Response {
        AmazonError::on_demand(status).response()
    }
}

async fn answer(app: &Arc<App>, exchange: Exchange, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let action = Action::of(&parts)?;
    let query = Query::of(parts.uri.query());
    match action {
        Action::Token => return Ok(sign_in::token(app, &parts.headers, body).await),
        Action::SignIn => {
            let origin = &exchange.origin;
            return Ok(sign_in::sign_in(app, origin, &query, &parts.method, body).await);
        }
        _ => {}
    }
    let grant = exchange.grant?;
    let declared = [action.parameters()];
    if let Some((parameter, value)) = parameters::invalid(&declared, |name| query.get(name)) {
        let name = parameter.name;
        return Err(AmazonError::bad(match parameter.values {
            Values::Unsupported => format!("{name} is not supported by this server"),
            _ => format!("Invalid {name}: {value}"),
        }));
    }
    let has_body = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
    if has_body && !content::tells_length(&parts) {
        return Err(AmazonError::length_required());
    }
    let account = app.account(&grant.account).await;
    let account = account.map_err(|error| AmazonError::tree(error, &grant.account))?;
    let ids = Ids::of(&account.cid);
    let asked = Asked { app: Arc::clone(app), origin: exchange.origin, account, ids, query };
    act(asked, action, parts, body).await
}

async fn act(asked: Asked, action: Action, parts: Parts, body: Body) -> Result<Response> {
    match action {
        Action::Token | Action::SignIn => Err(AmazonError::unknown_operation()),
        Action::Endpoint => Ok(account::endpoint(&asked)),
        Action::Info => Ok(account::info()),
        Action::Quota => account::quota(&asked).await,
        Action::Usage => account::usage(&asked).await,
        Action::List => listing::nodes(&asked).await,
        Action::Create => nodes::create(&asked, body).await,
        Action::Get(id) => nodes::get(&asked, &id).await,
        Action::Patch(id) => nodes::patch(&asked, &id, body).await,
        Action::Purge(_) => Err(nodes::purge()),
        Action::Children(id) => listing::children(&asked, &id).await,
        Action::MoveChild(to) => folders::move_child(&asked, &to, body).await,
        Action::AddChild(parent, child) => folders::add_child(&asked, &parent, &child).await,
        Action::RemoveChild(parent, child) => folders::remove_child(&asked, &parent, &child).await,
        Action::Properties(id, owner) => properties::list(&asked, &id, &owner).await,
        Action::GetProperty(id, owner, key) => properties::get(&asked, &id, &owner, &key).await,
        Action::PutProperty(id, owner, key) => {
            properties::put(&asked, &id, &owner, &key, body).await
        }
        Action::DeleteProperty(id, owner, key) => {
            properties::delete(&asked, &id, &owner, &key).await
        }
        Action::Trashed => listing::trashed(&asked).await,
        Action::Trash(id) => nodes::trash(&asked, &id).await,
        Action::Restore(id) => nodes::restore(&asked, &id).await,
        Action::Changes => changes::changes(asked, body).await,
        Action::Upload => {
            to_the_end(async move { content::upload(&asked, &parts, body).await }).await
        }
        Action::Overwrite(id) => {
            to_the_end(async move { content::overwrite(&asked, &id, &parts, body).await }).await
        }
        Action::Download(id) => content::download(&asked, &id, &parts).await,
    }
}

async fn to_the_end(
    upload: impl Future<Output = Result<Response>> + Send + 'static,
) -> Result<Response> {
    let answer = upload::to_the_end(upload).await;
    answer.unwrap_or_else(|| Err(AmazonError::internal()))
}

/// A body in JSON; clients send none of its content type. An empty body is an empty object.
async fn json_body<T: DeserializeOwned>(body: Body) -> Result<T> {
    let bytes = Limited::new(body, JSON_MAX)
        .collect()
        .await
        .map_err(|_| AmazonError::bad("Cannot read from request."))?
        .to_bytes();
    let bytes = if bytes.trim_ascii().is_empty() { b"{}".as_slice() } else { &bytes };
    serde_json::from_slice(bytes)
        .map_err(|error| AmazonError::bad(format!("The body is not the JSON expected: {error}")))
}

/// As the cloud's look: a random UUID.
fn request_id() -> String {
    let bytes = u128::from_be_bytes(rand::random());
    let hex = format!("{bytes:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A request of somebody known.
struct Asked {
    app: Arc<App>,
    origin: Origin,
    account: Arc<Account>,
    ids: Ids,
    query: Query,
}

impl Asked {
    fn drive(&self) -> DriveNo {
        self.account.drive
    }

    /// The number that an id names; whether the node is there is not known.
    fn number(&self, id: &str) -> Result<ItemNo> {
        self.ids.number(id).ok_or_else(|| AmazonError::not_found(id))
    }

    /// The node of that id, in the trash or not.
    async fn known(&self, id: &str) -> Result<Node> {
        let node = self.app.tree.any_node(self.drive(), self.number(id)?).await;
        match node {
            Ok(node) if node.state != State::Purged && node::is_shown(&node) => Ok(node),
            Ok(_) | Err(TreeError::NotFound) => Err(AmazonError::not_found(id)),
            Err(error) => Err(AmazonError::tree(error, id)),
        }
    }

    /// The first node of the drive of which something is true. A look at every node.
    async fn find(&self, wanted: impl Fn(&Node) -> bool) -> Result<Option<Node>> {
        let mut after = -1;
        loop {
            let batch = self.app.tree.changes(self.drive(), after, BATCH).await;
            let batch = batch.map_err(|error| AmazonError::tree(error, "?"))?;
            let Some(last) = batch.last() else { return Ok(None) };
            after = last.feed;
            let full = batch.len() as u64 == BATCH;
            if let Some(found) = batch.into_iter().find(|node| wanted(node)) {
                return Ok(Some(found));
            }
            if !full {
                return Ok(None);
            }
        }
    }

    /// Where a node is asked for.
    fn url_of(&self, id: &str) -> String {
        self.origin.url(&format!("{METADATA}/nodes/{id}"))
    }

    fn locate(&self, response: &mut Response, node: &Node) {
        if let Ok(url) = HeaderValue::try_from(self.url_of(&self.ids.id(node.no))) {
            response.headers_mut().insert(header::LOCATION, url);
        }
    }
}
