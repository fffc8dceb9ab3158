//! The request pipeline, the same for all protocols: route, check the origin, count, log, delay,
//! inject faults, charge the budget, call the protocol's handler.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::Request,
    http::{StatusCode, header, request::Parts},
    response::Response,
};
use futures::future::BoxFuture;
use tower::ServiceExt;

use crate::{
    account::AuthError,
    base_url::BaseUrl,
    body_tracking::{CloseConnection, CountedBody, LoggedBody, SlowBodyFlag},
    budget::Charge,
    cross_site::CrossSite,
    faults::{Connection, CreationWatch, FaultDecision, When},
    grant::Grant,
    headers::content_length,
    limits::{Overloaded, RETRY_AFTER},
    protocol::{Declaration, RequestContext, Routed},
    request_log::LogEntry,
    responses::text,
    router::{self, Handler},
    secret_urls,
    state::ServerState,
};

/// The operation of a request whose path no protocol serves.
const ELSEWHERE: &str = "elsewhere";

/// The beginning of the control API's paths.
const CONTROL: &str = "/_control/";

/// Serves requests, independent of the connection that they arrive on.
#[derive(Clone)]
pub(super) struct Pipeline {
    pub state: Arc<ServerState>,
    /// The router of the control API.
    pub control: Router,
}

impl Pipeline {
    /// Serves a request, given its head and its body. Control requests are neither counted nor
    /// delayed.
    pub(super) async fn serve(
        &self,
        base_url: BaseUrl,
        connection: Connection,
        parts: Parts,
        body: Body,
    ) -> Response {
        let is_control = parts.uri.path().starts_with(CONTROL);
        let routed = if is_control { None } else { router::route(&self.state, &parts) };
        let cross_site = match &routed {
            Some(routed) => &routed.cross_site,
            None if is_control => &CrossSite::OwnOrigin,
            None => &CrossSite::Refused,
        };
        let allowed = &self.state.settings.allowed;
        let admitted = match allowed.admit(&parts, &base_url, cross_site) {
            Ok(admitted) => admitted,
            Err(error) => return text(StatusCode::FORBIDDEN, error.to_string()),
        };
        if let Some(preflight) = admitted.preflight(&parts) {
            return preflight;
        }
        if is_control {
            return self.control(Request::from_parts(parts, body)).await;
        }
        let latency = self.state.settings.latency;
        let response = run(&self.state, connection, base_url, routed, parts, body, latency).await;
        admitted.with_cors(response)
    }

    /// Serves a request of the control API, whose path begins with `/_control`.
    async fn control(&self, request: Request) -> Response {
        if request.extensions().get::<Overloaded>().is_some() {
            return busy(None);
        }
        let slow_body = request.extensions().get::<SlowBodyFlag>().cloned().unwrap_or_default();
        match self.control.clone().oneshot(request).await {
            Ok(response) => slow_body.replace_response(response),
            Err(never) => match never {},
        }
    }
}

/// Serves a request that is embedded in another one, given its head and its body. The other request has passed the origin check
/// and the delay already.
fn serve_nested(
    state: Arc<ServerState>,
    connection: Connection,
    base_url: BaseUrl,
    parts: Parts,
    body: Body,
) -> BoxFuture<'static, Response> {
    Box::pin(async move {
        let connection = Connection { flushes: None, ..connection };
        let routed = router::route(&state, &parts);
        run(&state, connection, base_url, routed, parts, body, Duration::ZERO).await
    })
}

/// Serves a routed request: creates its log entry, and runs the rest of the pipeline. `routed` is
/// `None` if no protocol serves the path; `latency` is the delay before the request is served.
async fn run(
    state: &Arc<ServerState>,
    connection: Connection,
    base_url: BaseUrl,
    routed: Option<Routed<Handler>>,
    parts: Parts,
    body: Body,
    latency: Duration,
) -> Response {
    let protocol = routed.as_ref().map(|routed| routed.request.declaration());
    let failure = protocol.map(|protocol| protocol.failure);
    let operation = routed.as_ref().map_or(ELSEWHERE, |routed| routed.operation);
    let grant = state.accounts.grant(&parts);
    // The account of a pre-authenticated URL takes precedence over that of an access token.
    let account = routed.as_ref().and_then(|routed| routed.account.clone());
    let account = account.or_else(|| grant.as_ref().ok().map(|grant| grant.account.clone()));
    let scope = account.as_deref().map(|account| state.scopes.of(account)).unwrap_or_default();
    let serving = async {
        let path = secret_urls::redacted(&parts.uri, &router::SECRET_URLS);
        let entry = |fault| {
            LogEntry::new(&state.log, operation, account.clone(), &parts.method, path).fault(fault)
        };
        if parts.extensions.get::<Overloaded>().is_some() {
            let entry = entry(String::new());
            CountedBody::new(body, entry.received(), &parts).refuse();
            return logged(entry, busy(failure));
        }
        let decision = state.faults.decide(operation, parts.uri.path(), account.as_deref());
        let decision = decision.unwrap_or_default();
        let entry = entry(decision.describe());

        let latency = latency + decision.latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let (body, reset_on_request) = decision.apply_to_request(body, &parts, &connection);
        let body = Body::new(CountedBody::new(body, entry.received(), &parts));
        if decision.resets(When::Before) {
            return reset(&connection, entry).await;
        }
        let hash_members = protocol.map_or(&[][..], |protocol| protocol.hash_members);
        if let Some(response) = decision.injected_response(When::Before, failure) {
            let response =
                decision.apply_to_response(response, hash_members, &connection, false).await;
            return logged(entry, response);
        }
        let session = routed.as_ref().and_then(|routed| routed.session.as_deref());
        decision.lose_session(&state.tree, session).await;
        let watch = watch_creations(state, &decision, account.as_deref()).await;
        let slow_body = parts.extensions.get::<SlowBodyFlag>().cloned().unwrap_or_default();
        let context = RequestContext {
            state: Arc::clone(state),
            base_url,
            grant: expired_by_fault(grant, &decision),
            expired: decision.expire,
            connection: connection.clone(),
            nested: serve_nested,
        };
        let mut response = match (routed, protocol) {
            (Some(routed), Some(protocol)) => {
                within_budget(protocol, routed, context, parts, body).await
            }
            _ => no_protocol(),
        };
        response = slow_body.replace_response(response);
        if let Some(watch) = watch {
            watch.hide(&state.tree).await;
        }
        let reset_on_response = decision.resets(When::During) && !reset_on_request;
        if decision.resets(When::After) || reset_on_response && response.body().is_end_stream() {
            return reset(&connection, entry).await;
        }
        if let Some(injected) = decision.injected_response(When::After, failure) {
            response = injected;
        }
        let response = decision
            .apply_to_response(response, hash_members, &connection, reset_on_response)
            .await;
        logged(entry, response)
    };
    scope.run(serving).await
}

/// Starts recording the items that a request creates, if a fault makes them invisible. `None` if it
/// does not, or if the request has no account that can be opened.
async fn watch_creations(
    state: &ServerState,
    decision: &FaultDecision,
    account: Option<&str>,
) -> Option<CreationWatch> {
    decision.invisible?;
    let account = state.accounts.open(account?).await.ok()?;
    decision.watch_creations(&state.tree, account.drive).await
}

/// Replaces a valid grant by an error if a fault makes the token expired.
///
/// # Errors
/// `AuthError::Expired` for a token that the fault makes expired; otherwise the error in `grant`.
fn expired_by_fault(
    grant: Result<Grant, AuthError>,
    decision: &FaultDecision,
) -> Result<Grant, AuthError> {
    match decision.expire {
        true => grant.and(Err(AuthError::Expired)),
        false => grant,
    }
}

/// Charges a request to the budget of its account. Calls its handler if the budget allows it, and
/// responds with the protocol's refusal otherwise.
async fn within_budget(
    protocol: &'static Declaration,
    routed: Routed<Handler>,
    context: RequestContext,
    parts: Parts,
    body: Body,
) -> Response {
    let account = match (routed.cost, routed.account) {
        (0, _) => None,
        (_, Some(account)) => Some(account),
        (_, None) => context.grant.as_ref().ok().map(|grant| grant.account.clone()),
    };
    let budgets = &context.state.budgets;
    let charge = account.and_then(|account| {
        budgets.charge(&account, routed.cost, context.state.scopes.instant(&account))
    });
    let Some(charge) = charge else { return routed.request.handle(context, parts, body).await };
    let mut response = match charge.is_exceeded() {
        true => over_budget(protocol, &charge),
        false => routed.request.handle(context, parts, body).await,
    };
    if protocol.over_budget.rate_limit_headers {
        charge.set_rate_limit_headers(response.headers_mut());
    }
    response
}

/// Returns the protocol's response to a request that exceeds the budget: the status in its
/// declaration, such as 429, and `Retry-After` if the declaration has it. `charge` is the result of
/// the request's charge.
fn over_budget(protocol: &Declaration, charge: &Charge) -> Response {
    let status = StatusCode::from_u16(protocol.over_budget.status);
    let mut response = (protocol.failure)(status.unwrap_or(StatusCode::TOO_MANY_REQUESTS));
    if protocol.over_budget.retry_after {
        charge.set_retry_after(response.headers_mut());
    }
    response
}

/// Logs a response: its status now, its number of bytes when the body ends.
fn logged(mut entry: LogEntry, response: Response) -> Response {
    entry.status(response.status());
    let length = content_length(response.headers());
    response.map(|body| Body::new(LoggedBody::new(body, length, entry)))
}

/// Resets the connection, which also ends the request.
async fn reset(connection: &Connection, entry: LogEntry) -> Response {
    drop(entry);
    connection.reset.cancel();
    // The connection's task drops this future when it sees the reset.
    std::future::pending().await
}

/// Returns 503 for a request beyond the server's limit. `failure` creates the protocol's error
/// response; `None` for a request of no protocol.
fn busy(failure: Option<fn(StatusCode) -> Response>) -> Response {
    const STATUS: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = match failure {
        Some(failure) => failure(STATUS),
        None => text(STATUS, "The server has too many requests in progress. Retry later."),
    };
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.into());
    response.extensions_mut().insert(CloseConnection);
    response
}

/// Returns 404 with the paths of the protocols.
fn no_protocol() -> Response {
    text(
        StatusCode::NOT_FOUND,
        "cannot serve this path: no protocol has it. Live Connect is under /v5.0/ (BITS uploads under \
         /items/ and /users/), Microsoft Graph under \
         /v1.0/, Amazon Cloud Drive under /drive/v1/ and /cdproxy/, sign-in at \
         /oauth20_authorize.srf, /oauth20_token.srf and /common/oauth2/v2.0/token, control under \
         /_control/.",
    )
}
