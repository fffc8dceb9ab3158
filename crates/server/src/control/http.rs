#![doc = include_str!("control.md")]

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Query, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::form_urlencoded;

use super::{
    Control, FixtureItem, LiveObject, LiveObjectType,
    accounts_http::{
        self, AccountSelection, OptionalAccount, remove_snapshot, reset_clock, set_clock,
        take_snapshot,
    },
};
use crate::{
    access::constant_time_eq,
    budget::Budget,
    directory::{Directory, DirectoryError},
    faults::Fault,
    headers::Authorization,
    json::one_or_many,
    request_log::RequestRecord,
    responses::text,
};

/// Minimum size of a piece of the request log, in bytes. The log is sent in pieces, so that it is
/// never in memory as one text.
const PIECE: usize = 64 << 10;

/// Maximum size of a request's body, in bytes. It contains the content of fixtures.
const MAX_BODY: usize = 64 << 20;

/// Returns the router of the control API.
pub(crate) fn router(control: Control) -> Router {
    let guarded = Router::new()
        .route("/_control/counters", get(counters))
        .route("/_control/counters/reset", post(reset_counters))
        .route("/_control/requests", get(requests))
        .route("/_control/audit", get(audit))
        .route("/_control/conflicts", get(conflicts))
        .route("/_control/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/_control/budget", get(budget).put(set_budget).delete(clear_budget))
        .route("/_control/directory", get(directory).put(set_directory).delete(clear_directory))
        .route("/_control/directory/entries", post(add_to_directory))
        .route("/_control/sign-in", get(sign_in_options).put(set_sign_in_options))
        .route("/_control/items", post(add_fixtures))
        .route("/_control/live-objects", get(live_objects).post(add_live_objects))
        .route("/_control/state/reset", post(accounts_http::reset_state))
        .route("/_control/clock", get(accounts_http::clock).put(set_clock).delete(reset_clock))
        .route("/_control/clock/advance", post(accounts_http::advance_clock))
        .route("/_control/snapshots", get(accounts_http::snapshots))
        .route("/_control/snapshots/{name}", put(take_snapshot).delete(remove_snapshot))
        .route("/_control/snapshots/{name}/restore", post(accounts_http::restore_snapshot))
        .layer(middleware::from_fn_with_state(control.clone(), guard));
    Router::new()
        .route("/_control/health", get(health))
        .route("/_control/ca.pem", get(authority))
        .merge(guarded)
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(check_parameters))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(control)
}

/// Rejects requests without the control token with 401, if the server has one.
async fn guard(State(control): State<Control>, request: Request, next: Next) -> Response {
    let Some(token) = &control.state.control_token else { return next.run(request).await };
    if let Authorization::Bearer(given) = Authorization::parse(request.headers())
        && constant_time_eq(given, token.expose())
    {
        return next.run(request).await;
    }
    text(
        StatusCode::UNAUTHORIZED,
        "cannot use the control API: it needs `Authorization: Bearer` with the token that the server \
         printed when it started, or that the file `token` of its data folder contains",
    )
}

#[derive(Deserialize)]
struct Challenge {
    challenge: Option<String>,
}

/// Reports that the server runs. Needs no token. For a challenge, the server proves that it is the
/// one that its data folder names.
async fn health(
    State(control): State<Control>,
    Query(Challenge { challenge }): Query<Challenge>,
) -> Response {
    let instance = &control.state.instance;
    json(&json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "instance": instance.public(),
        "pid": std::process::id(),
        "proof": challenge.map(|challenge| instance.proof(&challenge)),
    }))
}

/// Serves `GET ca.pem`: the certificate authority of the clouds' hosts; 404 if the server does not
/// stand in for them. Needs no token: a client needs the certificate before it can connect.
async fn authority(State(control): State<Control>) -> Response {
    match &control.state.authority {
        Some(pem) => {
            let media_type = [(header::CONTENT_TYPE, "application/x-pem-file")];
            (media_type, pem.clone()).into_response()
        }
        None => text(
            StatusCode::NOT_FOUND,
            "cannot return a certificate authority: the server does not stand in for the clouds' \
             hosts (start it with --stand-in)",
        ),
    }
}

/// The query parameters of a path of the API.
fn parameters(path: &str) -> &'static [&'static str] {
    match path.strip_prefix("/_control/").unwrap_or_default() {
        "health" => &["challenge"],
        "faults" => &["account", "seed"],
        "live-objects" => &["account", "type"],
        "counters" | "counters/reset" | "requests" | "items" | "state/reset" | "clock"
        | "clock/advance" | "snapshots" => &["account"],
        path if path.starts_with("snapshots/") => &["account"],
        _ => &[],
    }
}

/// Rejects a query parameter that the path does not have with 400: a typing error must not select
/// everything.
async fn check_parameters(request: Request, next: Next) -> Response {
    let known = parameters(request.uri().path());
    let query = request.uri().query().unwrap_or_default();
    let unknown = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| !known.contains(&name.as_ref()))
        .map(|(name, _)| name.into_owned());
    match (unknown, known) {
        (None, _) => next.run(request).await,
        (Some(name), []) => {
            bad_request(format_args!("cannot use the parameter `{name}`: this path has none"))
        }
        (Some(name), known) => bad_request(format_args!(
            "cannot use the parameter `{name}`: this path has {}",
            known.join(" and ")
        )),
    }
}

/// Serves `GET counters`: the numbers of requests by operation, of one account or of all.
async fn counters(
    State(control): State<Control>,
    Query(OptionalAccount { account }): Query<OptionalAccount>,
) -> Response {
    json(&match account {
        Some(account) => control.account_counters(&account),
        None => control.counters(),
    })
}

/// Serves `POST counters/reset`: clears counters and log, of one account or of all.
async fn reset_counters(
    State(control): State<Control>,
    Query(OptionalAccount { account }): Query<OptionalAccount>,
) -> StatusCode {
    match account {
        Some(account) => control.reset_account_counters(&account),
        None => control.reset_counters(),
    }
    StatusCode::NO_CONTENT
}

/// Serves `GET requests`: the request log of one account or of all, one JSON object a line.
async fn requests(
    State(control): State<Control>,
    Query(OptionalAccount { account }): Query<OptionalAccount>,
) -> Response {
    let is_wanted = move |record: &Arc<RequestRecord>| match &account {
        Some(account) => record.drive.as_ref() == Some(account),
        None => true,
    };
    let mut records = control.state.log.requests().into_iter().filter(is_wanted);
    let pieces = std::iter::from_fn(move || {
        let mut piece = Vec::new();
        while piece.len() < PIECE
            && let Some(record) = records.next()
        {
            if let Err(error) = serde_json::to_writer(&mut piece, &*record) {
                return Some(Err(error));
            }
            piece.push(b'\n');
        }
        (!piece.is_empty()).then(|| Ok(Bytes::from(piece)))
    });
    let body = Body::from_stream(futures::stream::iter(pieces));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// Serves `GET audit`; 500 if the storage fails.
async fn audit(State(control): State<Control>) -> Response {
    match control.audit().await {
        Ok(audit) => json(&audit),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Serves `GET conflicts`, the items with equal names; 500 if the storage fails.
async fn conflicts(State(control): State<Control>) -> Response {
    match control.name_conflicts().await {
        Ok(conflicts) => json(&conflicts),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Serves `GET faults`: the active rules with their counters, those that are limited to one account
/// or all.
async fn faults(
    State(control): State<Control>,
    Query(OptionalAccount { account }): Query<OptionalAccount>,
) -> Response {
    json(&match account {
        Some(account) => control.account_faults(&account),
        None => control.faults(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultParameters {
    account: Option<String>,
    seed: Option<u64>,
}

/// Serves `POST faults`: adds the rules in the body, a JSON object or a list, and returns their
/// seed and number; 400 if the body cannot be parsed or a rule is inconsistent. None is added then.
/// With `account`, rules without a drive are limited to the account.
async fn add_faults(
    State(control): State<Control>,
    Query(FaultParameters { account, seed }): Query<FaultParameters>,
    body: Bytes,
) -> Response {
    let limited = |rule: Fault| match &account {
        Some(account) => rule.limited_to(account),
        None => rule,
    };
    let rules: Vec<_> = match Fault::from_json(&body) {
        Ok(rules) => rules.into_iter().map(limited).collect(),
        Err(error) => return bad_request(format_args!("cannot parse the body: {error}")),
    };
    let count = rules.len();
    match control.state.faults.add(rules, seed) {
        Ok(seed) => json(&json!({ "seed": seed, "rules": count })),
        Err(error) => bad_request(error),
    }
}

/// Serves `DELETE faults`: removes the rules that are limited to one account, or all.
async fn clear_faults(
    State(control): State<Control>,
    Query(OptionalAccount { account }): Query<OptionalAccount>,
) -> StatusCode {
    match account {
        Some(account) => control.clear_account_faults(&account),
        None => control.clear_faults(),
    }
    StatusCode::NO_CONTENT
}

/// Serves `GET budget`: the budget, null if requests are unlimited.
async fn budget(State(control): State<Control>) -> Response {
    json(&control.budget())
}

/// Serves `PUT budget`: replaces the budget; 400 if the body cannot be parsed, or has no units or a
/// window of zero or more than a thousand years.
async fn set_budget(State(control): State<Control>, body: Bytes) -> Response {
    let budget: Budget = match serde_json::from_slice(&body) {
        Ok(budget) => budget,
        Err(error) => return bad_request(format_args!("cannot parse the budget: {error}")),
    };
    match control.set_budget(Some(budget)) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => bad_request(format_args!("cannot use the budget: {error}")),
    }
}

/// Serves `DELETE budget`: requests become unlimited.
async fn clear_budget(State(control): State<Control>) -> Response {
    match control.set_budget(None) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => bad_request(error),
    }
}

/// Serves `GET directory`: the tenants, users and applications without their secrets; null if the
/// sign-in accepts all.
async fn directory(State(control): State<Control>) -> Response {
    json(&control.directory())
}

/// Serves `PUT directory`: replaces the tenants, users and applications by those in the body, as
/// JSON; 400 if the body is not JSON or breaks a rule of [`Directory::from_json`].
async fn set_directory(State(control): State<Control>, body: Bytes) -> Response {
    let directory = Directory::from_json(&body);
    changed_directory(directory.and_then(|directory| control.set_directory(Some(directory))))
}

/// Serves `POST directory/entries`: adds the tenants, users and applications in the body, as JSON;
/// 400 if the body is not JSON or the result breaks a rule of [`Directory::merge`].
async fn add_to_directory(State(control): State<Control>, body: Bytes) -> Response {
    let added = Directory::entries_from_json(&body);
    changed_directory(added.and_then(|added| control.add_to_directory(added)))
}

/// Serves `DELETE directory`: removes all tenants, users and applications, so that the sign-in
/// accepts all.
async fn clear_directory(State(control): State<Control>) -> Response {
    changed_directory(control.set_directory(None))
}

/// Returns the response to a change of the directory: 204, or 400 with the reason.
fn changed_directory(result: Result<(), DirectoryError>) -> Response {
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => bad_request(format_args!("cannot use the directory: {error}")),
    }
}

/// Serves `GET sign-in`: the options of the sign-in pages.
async fn sign_in_options(State(control): State<Control>) -> Response {
    json(&control.sign_in_options())
}

/// Serves `PUT sign-in`: replaces the options of the sign-in pages by those in the body; 400 if
/// they cannot be parsed.
async fn set_sign_in_options(State(control): State<Control>, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(options) => {
            control.set_sign_in_options(options);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => bad_request(format_args!("cannot parse the options: {error}")),
    }
}

/// Serves `POST items`: adds the items in the body to their drives, or to that of the account if they
/// name none: a JSON object or a list, and returns them with
/// 201; 400 if one cannot be added, also because the storage fails. Those before it remain.
async fn add_fixtures(
    State(control): State<Control>,
    Query(AccountSelection { account }): Query<AccountSelection>,
    body: Bytes,
) -> Response {
    let mut items: Vec<FixtureItem> = match one_or_many(&body, "item") {
        Ok(items) => items,
        Err(error) => return bad_request(format_args!("cannot parse the body: {error}")),
    };
    for item in items.iter_mut().filter(|item| item.drive.is_empty()) {
        item.drive.clone_from(&account);
    }
    match control.add_fixtures(items).await {
        Ok(added) => (StatusCode::CREATED, json(&added)).into_response(),
        Err(error) => bad_request(error),
    }
}

/// Selects stored objects of Live Connect.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LiveObjectSelection {
    #[serde(default)]
    account: String,
    #[serde(rename = "type")]
    object_type: Option<LiveObjectType>,
}

/// Serves `GET live-objects`: the objects of an account of one type, or of all; 500 if the storage
/// fails.
async fn live_objects(
    State(control): State<Control>,
    Query(LiveObjectSelection { account, object_type }): Query<LiveObjectSelection>,
) -> Response {
    match control.live_objects(&account, object_type).await {
        Ok(objects) => json(&objects),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Serves `POST live-objects`: adds the objects in the body, and returns them; 400 if one is
/// invalid.
async fn add_live_objects(State(control): State<Control>, body: Bytes) -> Response {
    let objects: Vec<LiveObject> = match one_or_many(&body, "object") {
        Ok(objects) => objects,
        Err(error) => return bad_request(format_args!("cannot parse the body: {error}")),
    };
    match control.add_live_objects(objects).await {
        Ok(added) => (StatusCode::CREATED, json(&added)).into_response(),
        Err(error) => bad_request(error),
    }
}

/// Returns 404 with the paths of the API.
async fn unknown_path() -> Response {
    text(
        StatusCode::NOT_FOUND,
        "cannot find this path (the control API has health, ca.pem, counters, counters/reset, \
         requests, faults, budget, directory, sign-in, audit, conflicts, items, live-objects, clock, \
         snapshots and state/reset)",
    )
}

/// Returns 405.
async fn wrong_method() -> Response {
    text(StatusCode::METHOD_NOT_ALLOWED, "cannot use this method on this path")
}

/// Returns 400 with the error as its text.
pub(super) fn bad_request(error: impl std::fmt::Display) -> Response {
    text(StatusCode::BAD_REQUEST, error.to_string())
}

/// Returns 200 with a JSON body.
pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
