//! Carries out a fault decision, step by step.

use axum::{
    body::{Body, HttpBody},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Connection, FaultDecision, Side, When, decision::InjectedResponse, faulty_body::FaultyBody,
};
use crate::{
    account_scope,
    headers::content_length,
    responses::text,
    tree::{DriveKey, ItemState, Tree, TreeError},
};

/// Creates a protocol's error response with a status.
type MakeFailure = fn(StatusCode) -> Response;

/// Maximum length of a response whose hashes are made wrong, in bytes.
const MAX_JSON: usize = 16 << 20;

/// Number of changes that are read at a time to find the items that a request created.
const CHANGES_PER_PAGE: u64 = 1000;

impl FaultDecision {
    /// Returns whether the connection must be reset at this time.
    pub(crate) fn resets(&self, when: When) -> bool {
        self.reset && self.when == when
    }

    /// Returns the response to send at this time in place of the normal one; `None` if the rule
    /// injects none then. `failure` creates the protocol's error response, for a rule without a
    /// body.
    pub(crate) fn injected_response(
        &self,
        when: When,
        failure: Option<MakeFailure>,
    ) -> Option<Response> {
        let injected = self.injected.as_ref().filter(|_| self.when == when)?;
        Some(make_response(failure, injected))
    }

    /// Applies the effects on the request's body. Returns the body, and whether a reset during the
    /// effect happens in it; otherwise the reset happens in the response's body.
    pub(crate) fn apply_to_request(
        &self,
        body: Body,
        request: &Parts,
        connection: &Connection,
    ) -> (Body, bool) {
        let reset = self.at.filter(|_| !body.is_end_stream());
        let corrupt = self.corrupt.filter(|(side, _)| *side == Side::Request);
        if reset.is_none() && corrupt.is_none() && self.bandwidth.up.is_none() {
            return (body, false);
        }
        let mut faulty = FaultyBody::new(body, content_length(&request.headers));
        if let Some(rate) = self.bandwidth.up {
            faulty = faulty.limit_rate(rate, connection.up.clone());
        }
        if let Some((_, position)) = corrupt {
            faulty = faulty.corrupt_at(position);
        }
        if let Some(position) = reset {
            faulty = faulty.reset_at(position, connection.reset.clone());
        }
        (Body::new(faulty), reset.is_some())
    }

    /// Cancels the upload session that a request belongs to, if the rule says so. `session` is the
    /// session's id, if the request has one.
    pub(crate) async fn lose_session(&self, tree: &Tree, session: Option<&str>) {
        let Some(id) = session.filter(|_| self.lose_session) else { return };
        match tree.cancel(id).await {
            Ok(()) | Err(TreeError::NoSession) => {}
            Err(error) => tracing::error!(%error, "cannot lose an upload session"),
        }
    }

    /// Applies the effects on the response. `hash_members` are the names of JSON members that hold
    /// hashes; `reset` is whether a reset during the effect happens in the response's body. A
    /// response whose hashes are made wrong is 500 if it is longer than 16 MiB.
    pub(crate) async fn apply_to_response(
        &self,
        mut response: Response,
        hash_members: &[&str],
        connection: &Connection,
        reset: bool,
    ) -> Response {
        for (name, value) in &self.headers {
            response.headers_mut().insert(name, value.clone());
        }
        if self.wrong_hash {
            response = with_wrong_hashes(response, hash_members).await;
        }
        let corrupt = self.corrupt.filter(|(side, _)| *side == Side::Answer);
        let slow = self.bandwidth.down.is_some() || self.drip.is_some();
        if !(reset || slow || corrupt.is_some() || self.truncate.is_some()) {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        // The header keeps the original length, even if the body ends early.
        if let (Some(length), None) = (body.size_hint().exact(), content_length(&parts.headers)) {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let mut faulty = FaultyBody::new(body, content_length(&parts.headers));
        if let Some(rate) = self.bandwidth.down {
            faulty = faulty.limit_rate(rate, connection.down.clone());
        }
        if let Some(drip) = self.drip {
            faulty = faulty.drip(drip);
        }
        if let Some((_, position)) = corrupt {
            faulty = faulty.corrupt_at(position);
        }
        if let Some(flushes) = &connection.flushes {
            faulty = faulty.flush_before_end(flushes.clone());
        }
        if let Some(bytes) = self.truncate {
            faulty = faulty.truncate_at(bytes);
        }
        if let Some(position) = self.at.filter(|_| reset) {
            faulty = faulty.reset_at(position, connection.reset.clone());
        }
        Response::from_parts(parts, Body::new(faulty))
    }

    /// Starts recording the items that are created on a drive. `None` if the rule does not hide new
    /// items, or the drive cannot be read.
    pub(crate) async fn watch_creations(
        &self,
        tree: &Tree,
        drive: DriveKey,
    ) -> Option<CreationWatch> {
        let until = Instant::now() + self.invisible?;
        let feed = tree.drive_info(drive).await.ok()?.feed;
        // Rounded down to the precision of the tree's times.
        let now = account_scope::now();
        let since = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        Some(CreationWatch { drive, feed, since, until })
    }
}

/// The state of a drive before a request, to find the items that the request creates.
pub(crate) struct CreationWatch {
    drive: DriveKey,
    /// The last change before the request.
    feed: i64,
    since: Timestamp,
    /// When the new items become visible.
    until: Instant,
}

impl CreationWatch {
    /// Hides the items that were created since.
    pub(crate) async fn hide(mut self, tree: &Tree) {
        loop {
            let changed = match tree.changes(self.drive, self.feed, CHANGES_PER_PAGE).await {
                Ok(changed) => changed,
                Err(error) => return tracing::error!(%error, "cannot hide new items"),
            };
            let Some(last) = changed.last() else { return };
            self.feed = last.feed;
            for node in changed {
                if node.created >= self.since && node.state == ItemState::Live {
                    tree.hide(self.drive, node.no, self.until);
                }
            }
        }
    }
}

/// Creates an injected response. Without a body of its own it gets the protocol's error body, which
/// `failure` creates, from status 400 on, else none. Without `failure` that body is a plain text.
fn make_response(failure: Option<MakeFailure>, injected: &InjectedResponse) -> Response {
    let mut response = match (&injected.body, failure) {
        (Some(body), _) => {
            let mut response = text(injected.status, "");
            let media_type =
                if body.trim_start().starts_with('{') { "application/json" } else { "text/plain" };
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            *response.body_mut() = Body::from(body.clone());
            response
        }
        (None, _) if injected.status < StatusCode::BAD_REQUEST => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = injected.status;
            response
        }
        (None, Some(failure)) => failure(injected.status),
        (None, None) => text(injected.status, "The server failed on demand."),
    };
    for (name, value) in &injected.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// Replaces the members of a JSON response that hold hashes by wrong values.
async fn with_wrong_hashes(response: Response, names: &[&str]) -> Response {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    if names.is_empty() || !is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = match Limited::new(body, MAX_JSON).collect().await {
        Ok(bytes) => bytes.to_bytes(),
        Err(error) => {
            tracing::error!(error, "cannot change the hashes in a response");
            return text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "cannot change the hashes in the response: it is too long",
            );
        }
    };
    let body = match serde_json::from_slice::<Value>(&bytes) {
        Ok(mut value) => {
            change_hashes(&mut value, names);
            Body::from(value.to_string())
        }
        Err(_) => Body::from(bytes),
    };
    if parts.headers.remove(header::CONTENT_LENGTH).is_some()
        && let Some(length) = body.size_hint().exact()
    {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, body)
}

/// Changes the first digit of every text member that has one of the names, with its case, at any
/// depth. Empty texts stay.
fn change_hashes(value: &mut Value, names: &[&str]) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| change_hashes(value, names)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(hash) if names.contains(&name.as_str()) => {
                        // A valid digit in hexadecimal and in base64.
                        let other = if hash.starts_with('0') { "1" } else { "0" };
                        if !hash.is_empty() {
                            hash.replace_range(..1, other);
                        }
                    }
                    value => change_hashes(value, names),
                }
            }
        }
        _ => {}
    }
}
