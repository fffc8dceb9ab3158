#![doc = include_str!("amazon.md")]

mod account;
mod assets;
mod changes;
mod content;
mod content_properties;
mod error;
mod filter;
mod folders;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod ids;
mod links;
mod listing;
mod metadata;
mod node;
mod node_object;
mod nodes;
mod page_token;
mod properties;
mod query;
mod request;
mod response;
mod route;
mod scopes;
mod sort;
mod thumbnails;
#[cfg(test)]
mod walk;

use axum::{
    body::Body,
    http::{HeaderValue, Method, request::Parts},
    response::Response,
};

use super::{
    grant::Audience,
    parameters,
    protocol::{Declaration, OverBudget, Protocol, RequestContext, Routed},
    state::ServerState,
    upload,
};
use error::{AmazonError, Result};
use ids::Ids;
use query::AmazonQuery;
use request::AmazonRequest;
use response::request_id;
use route::{AmazonAction, OPERATIONS, UNKNOWN};
use scopes::AmazonScopes;

/// The protocol Amazon Cloud Drive REST v1.
pub(super) struct Amazon;

/// A parsed request: its action, or the reason why it has none.
pub(super) struct AmazonCall(Result<AmazonAction>);

impl Protocol for Amazon {
    type Request = AmazonCall;

    const DECLARATION: Declaration = Declaration {
        operations: || OPERATIONS,
        secret_urls: &[],
        hash_members: &["md5"],
        over_budget: OverBudget::BARE,
        failure: |status| AmazonError::for_status(status).response(),
    };

    /// Parses a request with one of this protocol's paths; `None` for any other path. An error of
    /// the path or the method is kept in the call, for its response.
    fn route(_: &ServerState, parts: &Parts) -> Option<Routed<AmazonCall>> {
        if !route::serves(parts.uri.path()) {
            return None;
        }
        let action = AmazonAction::from_request(parts);
        let operation = action.as_ref().map_or(UNKNOWN, AmazonAction::operation);
        Some(Routed::new(operation, AmazonCall(action)).cost(1))
    }

    /// Serves a parsed request. An error becomes a response with its message as JSON. Every
    /// response has a new request id in a header.
    async fn handle(
        AmazonCall(action): AmazonCall,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> Response {
        let mut response = match respond(action, context, parts, body).await {
            Ok(response) => response,
            Err(error) => error.response(),
        };
        if let Ok(id) = HeaderValue::try_from(request_id()) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        response
    }
}

/// Checks the parameters, the token and the declared length, then runs the handler of the action.
///
/// # Errors
/// 404 or 405 if the request has no action; 401 without a token, or with one that is unknown,
/// expired or for another audience; 403 without a scope for the operation; 400 for an invalid
/// parameter; 411 without a declared length; 500 if the account cannot be opened; those
/// of the handler.
async fn respond(
    action: Result<AmazonAction>,
    context: RequestContext,
    parts: Parts,
    body: Body,
) -> Result<Response> {
    let action = action?;
    let query = AmazonQuery::parse(parts.uri.query());
    let state = context.state;
    let grant = context.grant?;
    grant.check_audience(&Audience::Amazon)?;
    let mut scopes = AmazonScopes::from_grant(&grant);
    scopes.check(action.operation())?;
    let declared = [action.parameters()];
    if let Some((parameter, value)) = parameters::invalid(&declared, |name| query.get(name)) {
        let name = parameter.name;
        return Err(AmazonError::invalid(format!("Invalid {name}: {value}")));
    }
    let has_body = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
    if has_body && !content::declares_length(&parts) {
        return Err(AmazonError::length_required());
    }
    let account = state.accounts.open(&grant.account).await;
    let account = account.map_err(|error| AmazonError::tree(error, &grant.account))?;
    let ids = Ids::for_account(&account.cid);
    let request = AmazonRequest { state, base_url: context.base_url, account, ids, query, scopes };
    dispatch(request, action, parts, body).await
}

/// Runs the handler of an action. Uploads run in a task of their own.
///
/// # Errors
/// Those of the handler.
async fn dispatch(
    request: AmazonRequest,
    action: AmazonAction,
    parts: Parts,
    body: Body,
) -> Result<Response> {
    match action {
        AmazonAction::Endpoint => Ok(account::endpoint(&request)),
        AmazonAction::Info => Ok(account::info()),
        AmazonAction::Quota => account::quota(&request).await,
        AmazonAction::Usage => account::usage(&request).await,
        AmazonAction::List => listing::nodes(&request).await,
        AmazonAction::Create => nodes::create(&request, body).await,
        AmazonAction::Get(id) => nodes::get(&request, &id).await,
        AmazonAction::Patch(id) => nodes::patch(&request, &id, body).await,
        AmazonAction::Purge(id) => nodes::purge(&request, &id).await,
        AmazonAction::Children(id) => listing::children(&request, &id).await,
        AmazonAction::MoveChild(to) => folders::move_child(&request, &to, body).await,
        AmazonAction::AddChild(parent, child) => {
            folders::add_child(&request, &parent, &child).await
        }
        AmazonAction::RemoveChild(parent, child) => {
            folders::remove_child(&request, &parent, &child).await
        }
        AmazonAction::Properties(id, owner) => properties::list(&request, &id, &owner).await,
        AmazonAction::GetProperty(id, owner, key) => {
            properties::get(&request, &id, &owner, &key).await
        }
        AmazonAction::PutProperty(id, owner, key) => {
            properties::put(&request, &id, &owner, &key, body).await
        }
        AmazonAction::DeleteProperty(id, owner, key) => {
            properties::delete(&request, &id, &owner, &key).await
        }
        AmazonAction::Trashed => listing::trashed(&request).await,
        AmazonAction::Trash(id) => nodes::trash(&request, &id).await,
        AmazonAction::Restore(id) => nodes::restore(&request, &id).await,
        AmazonAction::Changes => changes::changes(request, body).await,
        AmazonAction::Upload => {
            detached(async move { content::upload(&request, &parts, body).await }).await
        }
        AmazonAction::Overwrite(id) => {
            detached(async move { content::overwrite(&request, &id, &parts, body).await }).await
        }
        AmazonAction::Download(id) => content::download(&request, &id, &parts).await,
    }
}

/// Runs an upload in its own task, so that a client that disconnects cannot interrupt it half-way.
///
/// # Errors
/// Those of the upload; 500 if its task panics.
async fn detached(
    upload: impl Future<Output = Result<Response>> + Send + 'static,
) -> Result<Response> {
    let response = upload::detached(upload).await;
    response.unwrap_or_else(|| Err(AmazonError::internal()))
}
