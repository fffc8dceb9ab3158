//! From a request to what answers it.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, StatusCode, request::Parts};

use super::{
    address::{Address, Dialect, ItemAddress},
    batch, children, content,
    contract::Payload,
    copy, delta, drives,
    error::{Error, Result},
    gather, grants, items,
    query::Query,
    reply::RequestIds,
    scope::Scope,
    search, sessions, share, table,
    task::{DriveTask, ItemTask, OPERATIONS, Task, UNKNOWN, of_session},
    thumbnails, versions,
    visit::{self, Visit},
};
use crate::{
    app::{App, Exchange, FrontEnd},
    secret_urls::SecretUrl,
    tree::ROOT,
};

/// This front end.
pub(crate) struct Graph;

#[async_trait]
impl FrontEnd for Graph {
    fn operations(&self) -> &'static [&'static str] {
        &OPERATIONS
    }

    fn secret_urls(&self) -> &'static [SecretUrl] {
        &[sessions::SECRET_URL, copy::SECRET_URL, share::SECRET_URL, share::SECRET_TOKEN]
    }

    fn serves(&self, path: &str) -> bool {
        visit::base(path).is_some()
            || [sessions::PREFIX, copy::PREFIX, share::PREFIX]
                .iter()
                .any(|prefix| path.starts_with(prefix))
    }

    fn operation(&self, request: &Parts) -> &'static str {
        let method = visit::method(request);
        let path = request.uri.path();
        if path.starts_with(sessions::PREFIX) {
            return of_session(&method).map_or(UNKNOWN, |route| route.operation);
        }
        if path.starts_with(copy::PREFIX) {
            return table::COPY_STATUS.operation;
        }
        if path.starts_with(share::PREFIX) {
            return table::LINK_GET.operation;
        }
        let task = visit::base(path).and_then(|(_, _, path)| {
            let query = Query::parse(request.uri.query()).ok()?;
            Task::of(&method, Address::parse(path, &query).ok()?).ok()
        });
        task.map_or(UNKNOWN, |task| task.route().operation)
    }

    fn drive(&self, app: &App, request: &Parts) -> Option<String> {
        let path = request.uri.path();
        sessions::account_of(path)
            .or_else(|| copy::account_of(app, path))
            .or_else(|| share::account_of(app, path))
    }

    fn session(&self, request: &Parts) -> Option<String> {
        sessions::id_of(request)
    }

    fn hashes(&self) -> &'static [&'static str] {
        &["quickXorHash", "sha1Hash", "sha256Hash"]
    }

    async fn answer(&self, app: &Arc<App>, exchange: Exchange, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let ids = RequestIds::of(&parts.headers);
        let dialect =
            visit::base(parts.uri.path()).map_or(Dialect::Graph, |(_, dialect, _)| dialect);
        let answered = match Visit::new(app, exchange, parts) {
            Ok(visit) => answer(visit, body).await,
            Err(error) => Err(error),
        };
        ids.finish(answered.unwrap_or_else(|error| ids.refuse(error, dialect)))
    }

    fn failure(&self, status: StatusCode) -> Response {
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
}

/// Routes a request. Its options and body are checked by the contract of its route before the
/// handler sees them.
async fn answer(mut visit: Visit, body: Body) -> Result<Response> {
    if visit.path.starts_with(sessions::PREFIX) {
        let route =
            of_session(&visit.method).ok_or_else(|| Error::method("GET, PUT, POST, DELETE"))?;
        let payload = visit.accept(route, body).await?;
        return sessions::answer(&mut visit, payload).await;
    }
    if visit.path.starts_with(copy::PREFIX) {
        visit.accept(&table::COPY_STATUS, body).await?;
        return copy::monitor(&visit);
    }
    if visit.path.starts_with(share::PREFIX) {
        visit.accept(&table::LINK_GET, body).await?;
        return share::follow(&visit).await;
    }
    let address = Address::parse(&visit.path, &visit.query)?;
    let task = Task::of(&visit.method, address)?;
    visit.account().await?;
    let payload = visit.accept(task.route(), body).await.map_err(|error| match task {
        // A batch that is too large is refused as malformed.
        Task::Batch if error.status == StatusCode::PAYLOAD_TOO_LARGE => {
            Error::bad_query(error.message)
        }
        _ => error,
    })?;
    match task {
        Task::Batch => batch::answer(&visit, payload).await,
        Task::User(owner) => drives::user(&visit, &owner).await,
        Task::Drives(owner) => drives::drives(&visit, &owner).await,
        Task::Site(site) => drives::site(&visit, &site).await,
        Task::Sites => drives::sites(&visit).await,
        Task::Drive { drive, what } => of_drive(&Scope::of(&visit, &drive).await?, what).await,
        Task::Item { address, what } => {
            let scope = Scope::of(&visit, &address.drive).await?;
            of_item(&scope, &address, what, payload).await
        }
    }
}

async fn of_drive(scope: &Scope<'_>, what: DriveTask) -> Result<Response> {
    match what {
        DriveTask::Get => drives::drive(scope).await,
        DriveTask::Search(call) => search::below(scope, ROOT, &call).await,
        DriveTask::Recent => gather::recent(scope).await,
        DriveTask::Shared => gather::shared_with_me(scope).await,
    }
}

async fn of_item(
    scope: &Scope<'_>,
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
        ItemTask::CreateLink => share::create_link(scope, address, payload).await,
        ItemTask::Invite => grants::invite(scope, address, payload).await,
        ItemTask::Permissions(task) => share::answer(scope, address, task, payload).await,
        ItemTask::Thumbnails(calls) => thumbnails::answer(scope, address, &calls).await,
        ItemTask::Versions(task) => versions::answer(scope, address, &task).await,
    }
}
