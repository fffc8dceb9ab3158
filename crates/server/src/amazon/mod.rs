#![doc = include_str!("amazon.md")]

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

use axum::{
    body::Body,
    http::{HeaderValue, Method, header, request::Parts},
    response::Response,
};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use super::{
    account::Account,
    base_url::BaseUrl,
    cross_site::CrossSite,
    parameters::{self, Values},
    protocol::{Declaration, OverBudget, Protocol, RequestContext, Routed},
    state::ServerState,
    tree::{DriveKey, ItemKey, Node, State, TreeError},
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

/// Amazon Cloud Drive.
pub(super) struct Amazon;

/// A request as it was parsed.
pub(super) struct AmazonCall(Result<Action>);

impl Protocol for Amazon {
    type Request = AmazonCall;

    const DECLARATION: Declaration = Declaration {
        operations: || OPERATIONS,
        secret_urls: &[],
        hash_members: &["md5"],
        over_budget: OverBudget::BARE,
        failure: |status| AmazonError::on_demand(status).response(),
    };

    fn route(_: &ServerState, parts: &Parts) -> Option<Routed<AmazonCall>> {
        if !route::serves(parts.uri.path()) {
            return None;
        }
        let action = Action::of(parts);
        let operation = action.as_ref().map_or(UNKNOWN, Action::operation);
        let (cost, cross_site) = match &action {
            Ok(Action::Token) => (0, CrossSite::Refused),
            Ok(Action::SignIn) => (0, CrossSite::SignInPage),
            _ => (1, CrossSite::Refused),
        };
        Some(Routed { cross_site, ..Routed::new(operation, AmazonCall(action)).cost(cost) })
    }

    async fn handle(
        AmazonCall(action): AmazonCall,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> Response {
        let mut response = match answer(action, context, parts, body).await {
            Ok(response) => response,
            Err(error) => error.response(),
        };
        if let Ok(id) = HeaderValue::try_from(request_id()) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        response
    }
}

async fn answer(
    action: Result<Action>,
    context: RequestContext,
    parts: Parts,
    body: Body,
) -> Result<Response> {
    let action = action?;
    let query = Query::of(parts.uri.query());
    let state = context.state;
    match action {
        Action::Token => return Ok(sign_in::token(&state, &parts.headers, body).await),
        Action::SignIn => {
            let base_url = &context.base_url;
            return Ok(sign_in::sign_in(&state, base_url, &query, &parts.method, body).await);
        }
        _ => {}
    }
    let grant = context.grant?;
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
    let account = state.accounts.open(&grant.account).await;
    let account = account.map_err(|error| AmazonError::tree(error, &grant.account))?;
    let ids = Ids::of(&account.cid);
    let request = AmazonRequest { state, base_url: context.base_url, account, ids, query };
    act(request, action, parts, body).await
}

async fn act(request: AmazonRequest, action: Action, parts: Parts, body: Body) -> Result<Response> {
    match action {
        Action::Token | Action::SignIn => Err(AmazonError::unknown_operation()),
        Action::Endpoint => Ok(account::endpoint(&request)),
        Action::Info => Ok(account::info()),
        Action::Quota => account::quota(&request).await,
        Action::Usage => account::usage(&request).await,
        Action::List => listing::nodes(&request).await,
        Action::Create => nodes::create(&request, body).await,
        Action::Get(id) => nodes::get(&request, &id).await,
        Action::Patch(id) => nodes::patch(&request, &id, body).await,
        Action::Purge(_) => Err(nodes::purge()),
        Action::Children(id) => listing::children(&request, &id).await,
        Action::MoveChild(to) => folders::move_child(&request, &to, body).await,
        Action::AddChild(parent, child) => folders::add_child(&request, &parent, &child).await,
        Action::RemoveChild(parent, child) => {
            folders::remove_child(&request, &parent, &child).await
        }
        Action::Properties(id, owner) => properties::list(&request, &id, &owner).await,
        Action::GetProperty(id, owner, key) => properties::get(&request, &id, &owner, &key).await,
        Action::PutProperty(id, owner, key) => {
            properties::put(&request, &id, &owner, &key, body).await
        }
        Action::DeleteProperty(id, owner, key) => {
            properties::delete(&request, &id, &owner, &key).await
        }
        Action::Trashed => listing::trashed(&request).await,
        Action::Trash(id) => nodes::trash(&request, &id).await,
        Action::Restore(id) => nodes::restore(&request, &id).await,
        Action::Changes => changes::changes(request, body).await,
        Action::Upload => {
            detached(async move { content::upload(&request, &parts, body).await }).await
        }
        Action::Overwrite(id) => {
            detached(async move { content::overwrite(&request, &id, &parts, body).await }).await
        }
        Action::Download(id) => content::download(&request, &id, &parts).await,
    }
}

async fn detached(
    upload: impl Future<Output = Result<Response>> + Send + 'static,
) -> Result<Response> {
    let answer = upload::detached(upload).await;
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
struct AmazonRequest {
    state: Arc<ServerState>,
    base_url: BaseUrl,
    account: Arc<Account>,
    ids: Ids,
    query: Query,
}

impl AmazonRequest {
    fn drive(&self) -> DriveKey {
        self.account.drive
    }

    /// The number that an id names; whether the node is there is not known.
    fn number(&self, id: &str) -> Result<ItemKey> {
        self.ids.number(id).ok_or_else(|| AmazonError::not_found(id))
    }

    /// The node of that id, in the trash or not.
    async fn known(&self, id: &str) -> Result<Node> {
        let node = self.state.tree.any_node(self.drive(), self.number(id)?).await;
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
            let batch = self.state.tree.changes(self.drive(), after, BATCH).await;
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
        self.base_url.url(&format!("{METADATA}/nodes/{id}"))
    }

    fn locate(&self, response: &mut Response, node: &Node) {
        if let Ok(url) = HeaderValue::try_from(self.url_of(&self.ids.id(node.no))) {
            response.headers_mut().insert(header::LOCATION, url);
        }
    }
}
