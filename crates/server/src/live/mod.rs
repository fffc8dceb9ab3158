#![doc = include_str!("live.md")]

pub(crate) mod account_objects;
mod action;
pub(super) mod bits;
mod caller;
mod collections;
mod comments;
mod content;
mod details;
mod error;
mod facets;
mod fields;
mod foreign_access;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod ids;
mod items;
mod listing;
mod locale;
mod names;
mod object;
mod object_access;
mod object_type;
mod objects;
mod picture_size;
pub(super) mod pictures;
mod query;
mod request;
mod response_format;
mod route;
mod scopes;
pub(super) mod sharing;
#[cfg(test)]
mod walk;
mod well_known_folders;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{
    cross_site::CrossSite,
    parameters,
    permissions::Principal,
    protocol::{Declaration, Protocol, RequestContext, Routed},
    state::ServerState,
    upload,
};
use action::{LiveAction, OPERATIONS, UNKNOWN};
use caller::Caller;
use error::{LiveError, Result};
use ids::LiveId;
pub(super) use ids::id_of;
use locale::Locale;
use objects::{ObjectView, Objects};
use query::LiveQuery;
use request::LiveRequest;
use response_format::{OVER_BUDGET, ResponseFormat, failure};
use route::{BASE, LiveRoute, LiveTarget, Subject};
use scopes::READ;

/// The protocol Live Connect REST v5.0.
pub(super) struct Live;

/// A parsed request: its query, and its target or the reason why it has none.
pub(super) struct LiveCall {
    query: LiveQuery,
    target: Result<LiveTarget>,
}

impl Protocol for Live {
    type Request = LiveCall;

    const DECLARATION: Declaration = Declaration {
        operations: || OPERATIONS,
        secret_urls: &[],
        hash_members: &[],
        over_budget: OVER_BUDGET,
        failure,
    };

    /// Parses a request with one of this protocol's paths; `None` for any other path. An error of
    /// the path or the method is kept in the call, for its response.
    fn route(_: &ServerState, parts: &Parts) -> Option<Routed<LiveCall>> {
        let rest = parts.uri.path().strip_prefix(BASE)?;
        if !(rest.is_empty() || rest.starts_with('/')) {
            return None;
        }
        let query = LiveQuery::parse(parts.uri.query());
        let target = LiveTarget::parse(parts, &query);
        let operation = target.as_ref().map_or(UNKNOWN, LiveTarget::operation);
        let cross_site = match &target {
            Ok(LiveTarget::Route(LiveRoute { action: LiveAction::Post, .. })) => {
                CrossSite::FormUpload { redirect: query.get("redirect_uri").map(str::to_owned) }
            }
            _ => CrossSite::Refused,
        };
        let routed = Routed::new(operation, LiveCall { query, target }).cost(1);
        Some(Routed { cross_site, ..routed })
    }

    /// Serves a parsed request. An error becomes a response in the format that the query selects.
    async fn handle(call: LiveCall, context: RequestContext, parts: Parts, body: Body) -> Response {
        let format = match ResponseFormat::from_query(&call.query, &parts.method) {
            Ok(format) => format,
            Err(error) => return ResponseFormat::default().error(&error),
        };
        match respond(call, context, parts, body, &format).await {
            Ok(response) => response,
            Err(error) => format.error(&error),
        }
    }
}

/// Checks the parameters, the token and its scopes, then runs the handler of the action.
///
/// # Errors
/// 400 or 405 if the request has no route; 400 for a parameter with a value that it cannot have;
/// 401 if the token is missing, unknown, expired or for another audience; 403 without the required
/// scope; 404 for a subject of another user, and, or 409, for a well-known folder whose path
/// contains a file; 507 if the disk of the storage is full; 500 if the storage fails; those of the
/// handler.
async fn respond(
    call: LiveCall,
    context: RequestContext,
    parts: Parts,
    body: Body,
    format: &ResponseFormat,
) -> Result<Response> {
    let LiveCall { query, target } = call;
    let target = target?;
    let state = context.state;
    let declared = [action::COMMON, target.parameters()];
    if let Some((parameter, value)) = parameters::invalid(&declared, |name| query.get(name)) {
        return Err(LiveError::invalid_value(parameter.name, value));
    }
    let mut route = match target {
        LiveTarget::Preview => return sharing::preview(&state, &context.base_url, &query).await,
        LiveTarget::Route(route) => route,
    };
    let Caller { account, scopes, client_id, is_public } =
        Caller::identify(&state, context.grant, &mut route).await?;
    let LiveRoute { subject, action } = route;
    let view = ObjectView {
        attachment: query.flag("download")?.unwrap_or(false),
        full: scopes.has(READ),
        locale: Locale::parse(query.get("locale"))?,
        is_foreign: false,
    };
    let base_url = match query.flag("return_ssl_resources")? {
        Some(false) => context.base_url.with_plain_resources(),
        Some(true) | None => context.base_url,
    };
    let principal = Principal::for_user(&state.accounts, &account);
    let caller = Arc::clone(&account);
    let objects = Objects { state: Arc::clone(&state), base_url, account };
    let mut request = LiveRequest {
        objects,
        query,
        format: format.clone(),
        subject,
        scopes,
        view,
        client_id,
        is_public,
        caller,
        principal,
    };
    if action.is_across_users() || !request.is_foreign() {
        request.scopes.check_action(&action)?;
    } else {
        request.open_foreign(&action).await?;
        request.view.full = request.reads_all();
        request.view.is_foreign = true;
    }
    if let Subject::WellKnownFolder(_, name) = request.subject {
        let folder =
            well_known_folders::find_or_create(&state, &request.objects.account, name).await?;
        request.subject = Subject::Item(LiveId::folder(&request.objects.account.cid, folder));
    }
    dispatch(request, action, parts, body).await
}

/// Runs the handler of an action. Uploads run in a task of their own.
///
/// # Errors
/// Those of the handler.
async fn dispatch(
    request: LiveRequest,
    action: LiveAction,
    parts: Parts,
    body: Body,
) -> Result<Response> {
    match action {
        LiveAction::GetUser => account_objects::user::get(&request).await,
        LiveAction::GetUserPicture => pictures::user_picture(&request),
        LiveAction::Permissions => Ok(items::permissions(&request)),
        LiveAction::GetQuota => items::quota(&request).await,
        LiveAction::Get => items::get(&request).await,
        LiveAction::Update => items::update(&request, &parts, body).await,
        LiveAction::Delete => items::delete(&request).await,
        LiveAction::Move => items::move_to(&request, &parts, body).await,
        LiveAction::Copy => items::copy_to(&request, &parts, body).await,
        LiveAction::CreateFolder => items::create_folder(&request, false, &parts, body).await,
        LiveAction::CreateAlbum => items::create_folder(&request, true, &parts, body).await,
        LiveAction::ListAlbums => collections::albums(&request).await,
        LiveAction::List(kind) => listing::list(&request, kind).await,
        LiveAction::ListShared(kind) => collections::shared(&request, kind).await,
        LiveAction::Recent => collections::recent(&request).await,
        LiveAction::Search => collections::search(&request).await,
        LiveAction::GetContent => content::get_content(&request).await,
        LiveAction::GetPicture => pictures::item_picture(&request).await,
        LiveAction::Link(kind) => sharing::link(&request, kind).await,
        LiveAction::ListComments => comments::list(&request).await,
        LiveAction::AddComment => comments::add(&request, &parts, body).await,
        LiveAction::GetComment
        | LiveAction::DeleteComment
        | LiveAction::ListTags
        | LiveAction::GetTag => comment_or_tag(&request, &action).await,
        LiveAction::Account(action) => {
            account_objects::respond(&request, action, &parts, body).await
        }
        LiveAction::Put(name) => {
            detached(async move { content::put(&request, &name, &parts, body).await }).await
        }
        LiveAction::PutContent => {
            detached(async move { content::put_content(&request, &parts, body).await }).await
        }
        LiveAction::Post => {
            detached(async move { content::post_from_page(&request, &parts, body).await }).await
        }
    }
}

/// Runs the handler of an action on a comment or a tag.
///
/// # Errors
/// Those of the handler.
async fn comment_or_tag(request: &LiveRequest, action: &LiveAction) -> Result<Response> {
    match (action, &request.subject) {
        (LiveAction::GetComment, Subject::Comment(id)) => comments::get(request, id).await,
        (LiveAction::DeleteComment, Subject::Comment(id)) => comments::delete(request, id).await,
        (LiveAction::GetTag, Subject::Tag(id)) => comments::tag(request, id).await,
        _ => comments::tags(request).await,
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
    response.unwrap_or_else(|| Err(LiveError::for_status(StatusCode::INTERNAL_SERVER_ERROR)))
}
