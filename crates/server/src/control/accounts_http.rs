//! Requests of the control API that concern one account: clock, reset and snapshots.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    AccountControlError, Control,
    http::{bad_request, json},
};
use crate::responses::text;

/// The account of a request; the default account if it has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountSelection {
    #[serde(default)]
    pub(super) account: String,
}

/// The account of a request that concerns all accounts without one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OptionalAccount {
    pub(super) account: Option<String>,
}

/// Serves `GET clock`: the state of the account's clock.
pub(super) async fn clock(
    State(control): State<Control>,
    Query(AccountSelection { account }): Query<AccountSelection>,
) -> Response {
    json(&control.clock(&account))
}

/// The body of `PUT clock`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewClock {
    now: Option<Timestamp>,
    #[serde(default)]
    frozen: bool,
}

/// Serves `PUT clock`: sets the account's clock, and returns its state; 400 if the body cannot be
/// parsed.
pub(super) async fn set_clock(
    State(control): State<Control>,
    Query(AccountSelection { account }): Query<AccountSelection>,
    body: Bytes,
) -> Response {
    match serde_json::from_slice(&body) {
        Ok(NewClock { now, frozen }) => respond(control.set_clock(&account, now, frozen).await),
        Err(error) => bad_request(format_args!("cannot parse the clock: {error}")),
    }
}

/// The body of `POST clock/advance`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    milliseconds: u64,
}

/// Serves `POST clock/advance`: advances the account's clock, and returns its state; 400 if the body
/// cannot be parsed.
pub(super) async fn advance_clock(
    State(control): State<Control>,
    Query(AccountSelection { account }): Query<AccountSelection>,
    body: Bytes,
) -> Response {
    match serde_json::from_slice(&body) {
        Ok(Advance { milliseconds }) => {
            let by = Duration::from_millis(milliseconds);
            respond(control.advance_clock(&account, by).await)
        }
        Err(error) => bad_request(format_args!("cannot parse the time: {error}")),
    }
}

/// Serves `DELETE clock`: the account has the system's clock again.
pub(super) async fn reset_clock(
    State(control): State<Control>,
    Query(AccountSelection { account }): Query<AccountSelection>,
) -> StatusCode {
    control.reset_clock(&account);
    StatusCode::NO_CONTENT
}

/// Serves `POST state/reset`: restores the state of the start, of one account or of all; 500 if the
/// storage fails.
pub(super) async fn reset_state(
    State(control): State<Control>,
    Query(OptionalAccount { account }): Query<OptionalAccount>,
) -> Response {
    let reset = match account {
        Some(account) => control.reset_account(&account).await,
        None => control.reset_state().await.map_err(AccountControlError::Server),
    };
    done(reset)
}

/// Serves `GET snapshots`: the snapshots of the account; 500 if the storage fails.
pub(super) async fn snapshots(
    State(control): State<Control>,
    Query(AccountSelection { account }): Query<AccountSelection>,
) -> Response {
    respond(control.snapshots(&account).await.map_err(AccountControlError::Server))
}

/// Serves `PUT snapshots/NAME`: takes a snapshot of the account's drive, and returns it with 201.
pub(super) async fn take_snapshot(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(AccountSelection { account }): Query<AccountSelection>,
) -> Response {
    match control.take_snapshot(&account, &name).await {
        Ok(taken) => (StatusCode::CREATED, json(&taken)).into_response(),
        Err(error) => failed(&error),
    }
}

/// Serves `POST snapshots/NAME/restore`: restores the account's drive; 404 for an unknown snapshot.
pub(super) async fn restore_snapshot(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(AccountSelection { account }): Query<AccountSelection>,
) -> Response {
    done(control.restore_snapshot(&account, &name).await)
}

/// Serves `DELETE snapshots/NAME`: removes a snapshot; 404 for an unknown one.
pub(super) async fn remove_snapshot(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(AccountSelection { account }): Query<AccountSelection>,
) -> Response {
    done(control.remove_snapshot(&account, &name).await)
}

/// Returns 200 with a value, or the response to an error.
fn respond(result: Result<impl serde::Serialize, AccountControlError>) -> Response {
    match result {
        Ok(value) => json(&value),
        Err(error) => failed(&error),
    }
}

/// Returns 204, or the response to an error.
fn done(result: Result<(), AccountControlError>) -> Response {
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failed(&error),
    }
}

/// Returns the response to an error: 404 for an unknown snapshot, 500 if the storage fails, else
/// 400.
fn failed(error: &AccountControlError) -> Response {
    let status = match error {
        AccountControlError::UnknownSnapshot(_) => StatusCode::NOT_FOUND,
        AccountControlError::Server(_) => StatusCode::INTERNAL_SERVER_ERROR,
        AccountControlError::AccountName(_)
        | AccountControlError::SnapshotName(_)
        | AccountControlError::TimeOutOfRange => StatusCode::BAD_REQUEST,
    };
    text(status, error.to_string())
}
