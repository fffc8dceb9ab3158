//! The entry points of the protocol: routes a request, and calls its handler.

use axum::{body::Body, response::Response};
use futures::{
    FutureExt,
    future::{self, BoxFuture},
};
use http::{HeaderMap, StatusCode, request::Parts};

use super::{
    address::{Address, ItemAddress},
    analytics, batch,
    bundles::{self, BundleAction},
    check_out, children, content,
    contract::Payload,
    copy, cost, create_link, delta,
    dialect::Dialect,
    drive_context::DriveContext,
    drives,
    error::{Error, Result},
    following, invitations, items, labels, links, lists, multipart, permissions,
    query::QueryOptions,
    recent,
    request::{GraphRequest, PathKind, RequestLine},
    response::RequestIds,
    route::{DriveAction, GraphAction, ItemAction, OPERATIONS, UNKNOWN, link_route, session_route},
    search, search_query,
    select::Selection,
    sessions, shares, shortcuts, site_permissions,
    table::{self, GraphRoute},
    tenant, thumbnails, versions,
};
use crate::{
    protocol::{Declaration, OverBudget, Protocol, RequestContext, Routed},
    state::ServerState,
    tree::{ROOT, Role},
};

/// Microsoft Graph.
pub(crate) struct Graph;

/// A parsed request.
pub(crate) struct GraphCall {
    line: RequestLine,
    /// The error to return if path, method or query is malformed.
    parsed: Result<ParsedCall>,
}

/// A request whose path, method and query are well-formed.
struct ParsedCall {
    query: QueryOptions,
    /// `$select` and `$expand`. Their error is returned after the contract of the route has accepted
    /// the other options.
    selection: Result<Selection>,
    route: &'static GraphRoute,
    target: RequestTarget,
}

/// The target of a request.
enum RequestTarget {
    /// An upload session.
    Session,
    /// The monitor of a copy; `None` if the URL is invalid or has expired.
    Monitor(Option<copy::CopyMonitor>),
    /// A sharing link.
    Link(links::FollowedLink),
    /// An action on a path below one of the bases.
    Action(GraphAction),
}

impl Protocol for Graph {
    type Request = Box<GraphCall>;

    const DECLARATION: Declaration = Declaration {
        operations: || &OPERATIONS,
        secret_urls: &[
            sessions::SECRET_URL,
            copy::SECRET_URL,
            links::SECRET_URL,
            links::SECRET_TOKEN,
        ],
        hash_members: &["quickXorHash", "sha1Hash", "sha256Hash"],
        over_budget: OverBudget { status: 429, retry_after: true, rate_limit_headers: true },
        failure,
    };

    /// Parses a request with one of this protocol's paths; `None` for any other path. Errors of the
    /// path and the query are kept in the call, for its response.
    fn route(state: &ServerState, parts: &Parts) -> Option<Routed<Box<GraphCall>>> {
        let line = RequestLine::parse(parts)?;
        let path = line.path.as_str();
        let query = QueryOptions::parse(parts.uri.query());
        let (account, session, target) = match line.kind {
            PathKind::Session => {
                let session = query.as_ref().ok().and_then(sessions::id_in_query);
                let route = session_route(&line.method);
                let target = route.map(|route| (route, RequestTarget::Session));
                (sessions::account_of(path), session.map(str::to_owned), target)
            }
            PathKind::Monitor => {
                let monitor = copy::open(state, path);
                let account = monitor.as_ref().map(|monitor| monitor.account().to_owned());
                (account, None, Ok((&table::COPY_STATUS, RequestTarget::Monitor(monitor))))
            }
            PathKind::Link => {
                let link = links::FollowedLink::parse(state, path);
                let account = link.account();
                let target = link_route(&line.method);
                (account, None, target.map(|route| (route, RequestTarget::Link(link))))
            }
            PathKind::Api => {
                let action = match &query {
                    Ok(query) => Address::parse(path, query)
                        .and_then(|address| GraphAction::parse(&line.method, address)),
                    // The query's error is returned below.
                    Err(_) => Err(Error::not_found()),
                };
                let action = match multipart::is_related(&parts.headers) {
                    true => action.map(GraphAction::with_related_parts),
                    false => action,
                };
                let target = action.map(|action| (action.route(), RequestTarget::Action(action)));
                (None, None, target)
            }
        };
        let route = target.as_ref().ok().map(|(route, _)| *route);
        let parsed = query.and_then(|query| {
            let (route, target) = target?;
            let selection = Selection::from_query(&query, route.contract.relations);
            Ok(ParsedCall { query, selection, route, target })
        });
        let cost = match &parsed {
            Ok(call) => call.cost(),
            Err(_) => route.map_or(cost::UNKNOWN, |route| route.cost),
        };
        let operation = route.map_or(UNKNOWN, |route| route.operation);
        let routed = Routed::new(operation, Box::new(GraphCall { line, parsed }));
        Some(Routed { session, ..routed.account(account).cost(cost) })
    }

    /// Serves a parsed request. An error becomes a response in Graph's form.
    async fn handle(
        call: Box<GraphCall>,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> Response {
        let GraphCall { line, parsed } = *call;
        let ids = RequestIds::from_headers(&parts.headers);
        let dialect = line.dialect;
        let result = match parsed {
            Ok(ParsedCall { query, selection, route, target }) => {
                let request = GraphRequest::new(context, line, query, parts.headers);
                serve(request, selection, route, target, body).await
            }
            Err(error) => Err(error),
        };
        ids.add_headers(result.unwrap_or_else(|error| ids.error_response(error, dialect)))
    }
}

impl ParsedCall {
    /// Returns the cost of the request in resource units.
    fn cost(&self) -> u32 {
        match (&self.target, &self.selection) {
            (RequestTarget::Action(action), Ok(selection)) => {
                cost::units(self.route, action, &self.query, selection)
            }
            _ => self.route.cost,
        }
    }
}

/// Returns the error response for a status that a fault rule or a limit of the server demands.
fn failure(status: StatusCode) -> Response {
    let code = match status {
        StatusCode::UNAUTHORIZED => "unauthenticated",
        StatusCode::FORBIDDEN => "accessDenied",
        StatusCode::NOT_FOUND => "itemNotFound",
        StatusCode::CONFLICT => "nameAlreadyExists",
        StatusCode::GONE => "resyncRequired",
        StatusCode::PRECONDITION_FAILED => "resourceModified",
        StatusCode::RANGE_NOT_SATISFIABLE => "invalidRange",
        StatusCode::LOCKED => "resourceLocked",
        StatusCode::TOO_MANY_REQUESTS => "activityLimitReached",
        StatusCode::INSUFFICIENT_STORAGE => "quotaLimitReached",
        StatusCode::SERVICE_UNAVAILABLE => "serviceNotAvailable",
        status if status.is_client_error() => "invalidRequest",
        _ => "generalException",
    };
    let ids = RequestIds::from_headers(&HeaderMap::new());
    let error = Error::new(status, code, "The server failed on demand.");
    ids.add_headers(ids.error_response(error, Dialect::Graph))
}

/// Serves a request. Checks its options and body against the contract of its route before the
/// handler runs.
///
/// # Errors
/// 401 if the token is missing, unknown, expired or for another resource, 403 if it lacks the
/// permission, 400, 413 or 501 by the contract, and the errors of the handler.
async fn serve(
    mut request: GraphRequest,
    selection: Result<Selection>,
    route: &GraphRoute,
    target: RequestTarget,
    body: Body,
) -> Result<Response> {
    let contract = &route.contract;
    match target {
        RequestTarget::Session => {
            let payload = request.accept(contract, selection, body).await?;
            sessions::serve(&mut request, payload).await
        }
        RequestTarget::Monitor(monitor) => {
            request.accept(contract, selection, body).await?;
            copy::status(&mut request, monitor).await
        }
        RequestTarget::Link(link) => {
            let payload = request.accept(contract, selection, body).await?;
            links::follow(&request, link, payload).await
        }
        RequestTarget::Action(action) => {
            request.authorize(route)?;
            let payload = request.accept(contract, selection, body).await;
            let payload = payload.map_err(|error| match action {
                // The cloud refuses a batch that is too large with 400, not 413.
                GraphAction::Batch if error.status == StatusCode::PAYLOAD_TOO_LARGE => {
                    Error::bad_query(error.message)
                }
                _ => error,
            })?;
            serve_action(&request, action, payload).await
        }
    }
}

/// Calls the handler of an action.
///
/// # Errors
/// 400, 401, 403, 404, 507 and 500 as of [`DriveContext::open`] for the addressed drive, and the
/// errors of the handler.
async fn serve_action(
    request: &GraphRequest,
    action: GraphAction,
    payload: Payload,
) -> Result<Response> {
    match action {
        GraphAction::Batch => batch::serve(request, payload).await,
        GraphAction::SearchQuery => search_query::serve(request, payload).await,
        GraphAction::User(owner) => tenant::user(request, &owner).await,
        GraphAction::Drives(owner) => drives::drives(request, owner).await,
        GraphAction::Share { token, action } => {
            shares::serve(request, token, action, payload).await
        }
        GraphAction::SitePermissions { site, action } => {
            site_permissions::serve(request, site, action, payload).await
        }
        GraphAction::Tenant(action) => tenant::serve(request, action, payload).await,
        GraphAction::Drive { drive, action } => {
            serve_drive(&DriveContext::open(request, &drive).await?, action, payload).await
        }
        GraphAction::Item { address, action } => {
            let context = DriveContext::open(request, &address.drive).await?;
            serve_item(&context, &address, action, payload).await
        }
    }
}

/// Calls the handler of an action on a drive.
///
/// # Errors
/// 403 if the token covers only the application's own folder; 403 or 404 if the caller has no access to
/// an item of the drive, or for a list to the root folder; those of the handler.
async fn serve_drive(
    context: &DriveContext<'_>,
    action: DriveAction,
    payload: Payload,
) -> Result<Response> {
    match action {
        DriveAction::Get => context.require_any().await?,
        // The lists contain items of the whole drive.
        DriveAction::Search(_)
        | DriveAction::Recent
        | DriveAction::Shared
        | DriveAction::Following => {
            context.check_covered(ROOT).await?;
            context.require(ROOT, Role::Read).await?;
        }
        DriveAction::List(_) => {
            context.check_covered(ROOT).await?;
            context.require(ROOT, context.request.needs).await?;
        }
        // Bundles are checked by their module.
        DriveAction::Bundles(_) => {}
    }
    match action {
        DriveAction::Get => drives::drive(context).await,
        DriveAction::Search(segment) => search::below(context, ROOT, &segment).await,
        DriveAction::Recent => recent::recent(context).await,
        DriveAction::Shared => shortcuts::shared_with_me(context).await,
        DriveAction::Following => following::list(context).await,
        DriveAction::List(action) => lists::serve(context, action, payload).await,
        DriveAction::Bundles(action) => bundles::serve(context, action, payload).await,
    }
}

/// Calls the handler of an action on an item. Returns the handler's future, which has its errors.
///
/// It is no async function: the stack frame of one would have room for the futures of all handlers,
/// and a batch would need twice as much.
fn serve_item<'a>(
    context: &'a DriveContext<'a>,
    address: &'a ItemAddress,
    action: ItemAction,
    payload: Payload,
) -> BoxFuture<'a, Result<Response>> {
    if let Some(id) = bundles::id_in_address(context, address) {
        return match BundleAction::of_item(id, &action) {
            Ok(action) => bundles::serve(context, action, payload).boxed(),
            Err(error) => future::ready(Err(error)).boxed(),
        };
    }
    match action {
        ItemAction::Get => items::get(context, address).boxed(),
        ItemAction::Update => items::update(context, address, payload).boxed(),
        ItemAction::Put => items::put(context, address, payload).boxed(),
        ItemAction::Delete => items::delete(context, address).boxed(),
        ItemAction::Purge => items::purge(context, address).boxed(),
        ItemAction::Restore => items::restore(context, address, payload).boxed(),
        ItemAction::ListChildren => children::list(context, address).boxed(),
        ItemAction::CreateChild => children::create(context, address, payload).boxed(),
        ItemAction::GetContent => content::get(context, address).boxed(),
        ItemAction::StreamContent => content::stream(context, address).boxed(),
        ItemAction::PutContent => content::put(context, address, payload).boxed(),
        ItemAction::Preview => content::preview(context, address, payload).boxed(),
        ItemAction::CreateSession => sessions::create(context, address, payload).boxed(),
        ItemAction::Copy => copy::start(context, address, payload).boxed(),
        ItemAction::CheckOut => check_out::check_out(context, address).boxed(),
        ItemAction::Follow => following::follow(context, address).boxed(),
        ItemAction::Unfollow => following::unfollow(context, address).boxed(),
        ItemAction::CheckIn => check_out::check_in(context, address, payload).boxed(),
        ItemAction::DiscardCheckOut => check_out::discard(context, address).boxed(),
        ItemAction::CreateMultipart => multipart::create(context, address, payload).boxed(),
        ItemAction::Delta(segment) => {
            async move { delta::list(context, address, &segment).await }.boxed()
        }
        ItemAction::Search(segment) => {
            async move { search::list(context, address, &segment).await }.boxed()
        }
        ItemAction::CreateLink => create_link::create_link(context, address, payload).boxed(),
        ItemAction::ListItem(action) => {
            lists::serve_item(context, address, action, payload).boxed()
        }
        ItemAction::Analytics(action) => async move {
            let node = context.locate(address).await?.node;
            analytics::of_item(context, node.no, &action)
        }
        .boxed(),
        ItemAction::ExtractSensitivityLabels => labels::extract(context, address).boxed(),
        ItemAction::AssignSensitivityLabel => labels::assign(context, address, payload).boxed(),
        ItemAction::RetentionLabel => labels::get(context, address).boxed(),
        ItemAction::SetRetentionLabel => labels::set(context, address, payload).boxed(),
        ItemAction::RemoveRetentionLabel => labels::remove(context, address).boxed(),
        ItemAction::Invite => invitations::invite(context, address, payload).boxed(),
        ItemAction::Permissions(action) => {
            permissions::serve(context, address, action, payload).boxed()
        }
        ItemAction::Thumbnails(segments) => {
            async move { thumbnails::serve(context, address, &segments).await }.boxed()
        }
        ItemAction::Versions(action) => {
            async move { versions::serve(context, address, &action).await }.boxed()
        }
    }
}
