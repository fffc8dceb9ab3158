//! From a request to its handler.

use axum::{body::Body, response::Response};
use http::{HeaderMap, StatusCode, request::Parts};

use super::{
    address::{Address, ItemAddress},
    batch, children, content,
    contract::Payload,
    copy, cost, delta,
    dialect::Dialect,
    drive_context::DriveContext,
    drives,
    error::{Error, Result},
    invitations, items, permissions,
    query::Query,
    recent,
    reply::RequestIds,
    request::{Endpoint, GraphRequest},
    route::{DriveTask, ItemTask, OPERATIONS, Task, UNKNOWN, of_session},
    search, sessions, table, thumbnails, versions,
};
use crate::{
    protocol::{Declaration, OverBudget, Protocol, RequestContext, Routed},
    state::ServerState,
    tree::ROOT,
};

/// Microsoft Graph.
pub(crate) struct Graph;

/// A request as it was parsed.
pub(crate) struct GraphCall {
    endpoint: Endpoint,
    /// Its query and target; an error if one of them is malformed.
    parsed: Result<(Query, Target)>,
}

/// The target of a request.
enum Target {
    /// An upload session, by its URL.
    Session,
    /// The monitor of a copy; `None`: the URL is invalid.
    Monitor(Option<copy::Outcome>),
    /// A sharing link.
    Link(permissions::FollowedLink),
    /// Anything below the bases.
    Task(Task),
}

impl Protocol for Graph {
    type Request = Box<GraphCall>;

    const DECLARATION: Declaration = Declaration {
        operations: || &OPERATIONS,
        secret_urls: &[
            sessions::SECRET_URL,
            copy::SECRET_URL,
            permissions::SECRET_URL,
            permissions::SECRET_TOKEN,
        ],
        hash_members: &["quickXorHash", "sha1Hash", "sha256Hash"],
        over_budget: OverBudget { status: 429, retry_after: true, rate_limit_headers: true },
        failure,
    };

    fn route(state: &ServerState, parts: &Parts) -> Option<Routed<Box<GraphCall>>> {
        let endpoint = Endpoint::of(parts);
        let path = endpoint.path.as_str();
        let query = Query::parse(parts.uri.query());
        let (operation, account, session, target) = if path.starts_with(sessions::PREFIX) {
            let operation = of_session(&endpoint.method).map_or(UNKNOWN, |route| route.operation);
            let session = query.as_ref().ok().and_then(|query| query.get("tempauth"));
            let session = session.map(str::to_owned);
            (operation, sessions::account_of(path), session, Ok(Target::Session))
        } else if path.starts_with(copy::PREFIX) {
            let (account, outcome) = copy::open(state, path).unzip();
            (table::COPY_STATUS.operation, account, None, Ok(Target::Monitor(outcome)))
        } else if path.starts_with(permissions::PREFIX) {
            let link = permissions::FollowedLink::open(state, path);
            (table::LINK_GET.operation, link.account(), None, Ok(Target::Link(link)))
        } else if endpoint.has_base {
            let task = match &query {
                Ok(query) => Address::parse(path, query)
                    .and_then(|address| Task::of(&endpoint.method, address)),
                // The query's error is returned below.
                Err(_) => Err(Error::not_found()),
            };
            let operation = task.as_ref().map_or(UNKNOWN, |task| task.route().operation);
            (operation, None, None, task.map(Target::Task))
        } else {
            return None;
        };
        let parsed = query.and_then(|query| Ok((query, target?)));
        let routed = Routed::new(operation, Box::new(GraphCall { endpoint, parsed }));
        Some(Routed { session, ..routed.account(account).cost(cost::units(operation, parts)) })
    }

    async fn handle(
        call: Box<GraphCall>,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> Response {
        let GraphCall { endpoint, parsed } = *call;
        let ids = RequestIds::of(&parts.headers);
        let dialect = endpoint.dialect;
        let answered = match parsed {
            Ok((query, target)) => {
                let request = GraphRequest::new(context, endpoint, query, parts.headers);
                answer(request, target, body).await
            }
            Err(error) => Err(error),
        };
        ids.finish(answered.unwrap_or_else(|error| ids.refuse(error, dialect)))
    }
}

/// Returns an error response with a status.
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
    let ids = RequestIds::of(&HeaderMap::new());
    let error = Error::new(status, code, "The server failed on demand.");
    ids.finish(ids.refuse(error, Dialect::Graph))
}

/// Serves a request. Its options and body are checked by the contract of its route before the handler
/// sees them.
async fn answer(mut request: GraphRequest, target: Target, body: Body) -> Result<Response> {
    let task = match target {
        Target::Session => {
            let route = of_session(&request.method)
                .ok_or_else(|| Error::method("GET, PUT, POST, DELETE"))?;
            let payload = request.accept(route, body).await?;
            return sessions::answer(&mut request, payload).await;
        }
        Target::Monitor(outcome) => {
            request.accept(&table::COPY_STATUS, body).await?;
            return copy::monitor(&request, outcome);
        }
        Target::Link(link) => {
            request.accept(&table::LINK_GET, body).await?;
            return permissions::follow(&request, link).await;
        }
        Target::Task(task) => task,
    };
    request.account().await?;
    let payload = request.accept(task.route(), body).await.map_err(|error| match task {
        // A batch that is too large is refused as malformed.
        Task::Batch if error.status == StatusCode::PAYLOAD_TOO_LARGE => {
            Error::bad_query(error.message)
        }
        _ => error,
    })?;
    match task {
        Task::Batch => batch::answer(&request, payload).await,
        Task::User(owner) => drives::user(&request, &owner).await,
        Task::Drives(owner) => drives::drives(&request, &owner).await,
        Task::Site(site) => drives::site(&request, &site).await,
        Task::Sites => drives::sites(&request).await,
        Task::Drive { drive, what } => {
            of_drive(&DriveContext::of(&request, &drive).await?, what).await
        }
        Task::Item { address, what } => {
            let scope = DriveContext::of(&request, &address.drive).await?;
            of_item(&scope, &address, what, payload).await
        }
    }
}

async fn of_drive(scope: &DriveContext<'_>, what: DriveTask) -> Result<Response> {
    match what {
        DriveTask::Get => drives::drive(scope).await,
        DriveTask::Search(call) => search::below(scope, ROOT, &call).await,
        DriveTask::Recent => recent::recent(scope).await,
        DriveTask::Shared => recent::shared_with_me(scope).await,
    }
}

async fn of_item(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    what: ItemTask,
    payload: Payload,
) -> Result<Response> {
    match what {
        ItemTask::Get => items::get(scope, address).await,
        ItemTask::Update => items::update(scope, address, payload).await,
        ItemTask::Put => items::put(scope, address, payload).await,
        ItemTask::Delete => items::delete(scope, address).await,
        ItemTask::DeleteForGood => items::delete_for_good(scope, address).await,
        ItemTask::Restore => items::restore(scope, address, payload).await,
        ItemTask::ListChildren => children::list(scope, address).await,
        ItemTask::CreateChild => children::create(scope, address, payload).await,
        ItemTask::GetContent => content::get(scope, address).await,
        ItemTask::PutContent => content::put(scope, address, payload).await,
        ItemTask::Preview => content::preview(scope, address).await,
        ItemTask::CreateSession => sessions::create(scope, address, payload).await,
        ItemTask::Copy => copy::start(scope, address, payload).await,
        ItemTask::Delta(call) => delta::list(scope, address, &call).await,
        ItemTask::Search(call) => search::list(scope, address, &call).await,
        ItemTask::CreateLink => permissions::create_link(scope, address, payload).await,
        ItemTask::Invite => invitations::invite(scope, address, payload).await,
        ItemTask::Permissions(task) => permissions::answer(scope, address, task, payload).await,
        ItemTask::Thumbnails(calls) => thumbnails::answer(scope, address, &calls).await,
        ItemTask::Versions(task) => versions::answer(scope, address, &task).await,
    }
}
