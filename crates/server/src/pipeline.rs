//! The way of every request, whatever its protocol: routed, checked, counted, logged, delayed, struck
//! by fault rules, charged to its account's budget, and handed to its protocol's handler.

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

use super::{
    account::{AuthError, Grant},
    base_url::BaseUrl,
    bodies::{EndsConnection, Received, Sent, TooSlow},
    budget::Charge,
    faults::{Connection, CreationWatch, FaultDecision, When},
    limits::{Overloaded, RETRY_AFTER},
    protocol::{Declaration, RequestContext, Routed},
    request_log::LogEntry,
    responses::text,
    router::{self, Handler},
    secret_urls,
    state::ServerState,
};

/// The operation of a request to a path of no protocol.
const ELSEWHERE: &str = "elsewhere";

/// The paths of the control interface.
const CONTROL: &str = "/_control/";

/// A server without its connections.
#[derive(Clone)]
pub(super) struct Pipeline {
    pub state: Arc<ServerState>,
    /// Serves the control interface.
    pub control: Router,
}

impl Pipeline {
    /// Serves a request. The control interface is neither counted nor delayed.
    pub(super) async fn serve(
        &self,
        base_url: BaseUrl,
        connection: Connection,
        request: Request,
    ) -> Response {
        let (parts, body) = request.into_parts();
        let is_control = parts.uri.path().starts_with(CONTROL);
        let routed = if is_control { None } else { router::route(&self.state, &parts) };
        let cross_site = routed.as_ref().map(|routed| &routed.cross_site);
        let allowed = &self.state.settings.allowed;
        let admitted = match allowed.admit(&parts, &base_url, cross_site) {
            Ok(admitted) => admitted,
            Err(reason) => return text(StatusCode::FORBIDDEN, reason),
        };
        if let Some(preflight) = admitted.preflight(&parts) {
            return preflight;
        }
        if is_control {
            return self.control(Request::from_parts(parts, body)).await;
        }
        let latency = self.state.settings.latency;
        let request = Request::from_parts(parts, body);
        admitted.with_cors(run(&self.state, connection, base_url, routed, request, latency).await)
    }

    async fn control(&self, request: Request) -> Response {
        if request.extensions().get::<Overloaded>().is_some() {
            return busy(None);
        }
        let too_slow = request.extensions().get::<TooSlow>().cloned().unwrap_or_default();
        match self.control.clone().oneshot(request).await {
            Ok(response) => too_slow.instead_of(response),
            Err(never) => match never {},
        }
    }
}

/// Serves a request that arrived inside of another one, whose checks and latency hold for it.
fn serve_nested(
    state: Arc<ServerState>,
    connection: Connection,
    base_url: BaseUrl,
    request: Request,
) -> BoxFuture<'static, Response> {
    Box::pin(async move {
        let connection = Connection { flushes: None, ..connection };
        let (parts, body) = request.into_parts();
        let routed = router::route(&state, &parts);
        let request = Request::from_parts(parts, body);
        run(&state, connection, base_url, routed, request, Duration::ZERO).await
    })
}

/// Serves a routed request, from its log entry on.
async fn run(
    state: &Arc<ServerState>,
    connection: Connection,
    base_url: BaseUrl,
    routed: Option<Routed<Handler>>,
    request: Request,
    latency: Duration,
) -> Response {
    let (parts, body) = request.into_parts();
    let protocol = routed.as_ref().map(|routed| routed.request.declaration());
    let failure = protocol.map(|protocol| protocol.failure);
    let operation = routed.as_ref().map_or(ELSEWHERE, |routed| routed.operation);
    let grant = state.accounts.grant(&parts);
    // A pre-authenticated URL names its account, whoever's token comes with it.
    let account = routed.as_ref().and_then(|routed| routed.account.clone());
    let account = account.or_else(|| grant.as_ref().ok().map(|grant| grant.account.clone()));
    let path = secret_urls::redacted(&parts.uri, router::secret_urls);
    let entry = |fault| {
        LogEntry::new(&state.log, operation, account.clone(), &parts.method, path).fault(fault)
    };
    if parts.extensions.get::<Overloaded>().is_some() {
        let entry = entry(String::new());
        Received::new(body, entry.received(), &parts).refuse();
        return logged(entry, busy(failure));
    }
    let decision = state.faults.strike(operation, parts.uri.path(), account.as_deref());
    let decision = decision.unwrap_or_default();
    let entry = entry(decision.told());

    let latency = latency + decision.latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let (body, reset_on_request) = decision.request_body(body, &parts, &connection);
    let body = Body::new(Received::new(body, entry.received(), &parts));
    if decision.resets(When::Before) {
        return reset(&connection, entry).await;
    }
    let hash_members = protocol.map_or(&[][..], |protocol| protocol.hash_members);
    if let Some(response) = decision.response(When::Before, failure) {
        let response = decision.answered(response, hash_members, &connection, false).await;
        return logged(entry, response);
    }
    let session = routed.as_ref().and_then(|routed| routed.session.as_deref());
    decision.lose_session(&state.tree, session).await;
    let watch = watch(state, &decision, account.as_deref()).await;
    let too_slow = parts.extensions.get::<TooSlow>().cloned().unwrap_or_default();
    let context = RequestContext {
        state: Arc::clone(state),
        base_url,
        grant: usable(grant, &decision),
        expired: decision.expire,
        connection: connection.clone(),
        nested: serve_nested,
    };
    let mut response = match (routed, protocol) {
        (Some(routed), Some(protocol)) => {
            within_budget(protocol, routed, context, parts, body).await
        }
        _ => nothing_here(),
    };
    response = too_slow.instead_of(response);
    if let Some(watch) = watch {
        watch.hide(&state.tree).await;
    }
    let reset_on_response = decision.resets(When::During) && !reset_on_request;
    if decision.resets(When::After) || reset_on_response && response.body().is_end_stream() {
        return reset(&connection, entry).await;
    }
    if let Some(injected) = decision.response(When::After, failure) {
        response = injected;
    }
    let response = decision.answered(response, hash_members, &connection, reset_on_response).await;
    logged(entry, response)
}

/// Begins to watch which items a request creates, if they are to be invisible.
async fn watch(
    state: &ServerState,
    decision: &FaultDecision,
    account: Option<&str>,
) -> Option<CreationWatch> {
    decision.invisible?;
    let account = state.accounts.open(account?).await.ok()?;
    decision.watch(&state.tree, account.drive).await
}

fn usable(grant: Result<Grant, AuthError>, decision: &FaultDecision) -> Result<Grant, AuthError> {
    match decision.expire {
        true => grant.and(Err(AuthError::Expired)),
        false => grant,
    }
}

/// Hands a request to its handler if the budget of its account allows it.
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
    let charge = account.and_then(|account| budgets.charge(&account, routed.cost));
    let Some(charge) = charge else { return routed.request.handle(context, parts, body).await };
    let mut response = match charge.is_beyond() {
        true => over_budget(protocol, &charge),
        false => routed.request.handle(context, parts, body).await,
    };
    if protocol.over_budget.rate_limit_headers {
        charge.announce(response.headers_mut());
    }
    response
}

/// Returns a protocol's response to a request beyond the budget.
fn over_budget(protocol: &Declaration, charge: &Charge) -> Response {
    let status = StatusCode::from_u16(protocol.over_budget.status);
    let mut response = (protocol.failure)(status.unwrap_or(StatusCode::TOO_MANY_REQUESTS));
    if protocol.over_budget.retry_after {
        charge.set_retry_after(response.headers_mut());
    }
    response
}

/// Notes the response in the log, and counts its bytes until the last one was handed out.
fn logged(mut entry: LogEntry, response: Response) -> Response {
    entry.status(response.status());
    let length = response
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    response.map(|body| Body::new(Sent::new(body, length, entry)))
}

/// Ends the connection, and the request with it.
async fn reset(connection: &Connection, entry: LogEntry) -> Response {
    drop(entry);
    connection.reset.cancel();
    // The connection's task drops this future together with the connection.
    std::future::pending().await
}

/// Returns the refusal of a request beyond the limit. `failure`: its protocol's error response.
fn busy(failure: Option<fn(StatusCode) -> Response>) -> Response {
    const STATUS: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = match failure {
        Some(failure) => failure(STATUS),
        None => text(STATUS, "The server has too many requests in progress. Retry later."),
    };
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.into());
    response.extensions_mut().insert(EndsConnection);
    response
}

fn nothing_here() -> Response {
    text(
        StatusCode::NOT_FOUND,
        "Nothing is served at this path. Live Connect is under /v5.0/ (BITS uploads under \
         /items/ and /users/), Microsoft Graph under \
         /v1.0/, Amazon Cloud Drive under /drive/v1/ and /cdproxy/, sign-in at \
         /oauth20_authorize.srf, /oauth20_token.srf and /common/oauth2/v2.0/token, control under \
         /_control/.",
    )
}
