//! Carries out a fault decision, step by step.

use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::{Connection, FaultDecision, Side, When, body::FaultyBody, decision::InjectedResponse};
use crate::{
    responses::text,
    tree::{DriveKey, State, Tree, TreeError},
};

/// Makes a protocol's error response with a status.
type MakeFailure = fn(StatusCode) -> Response;

/// The longest answer whose hashes are made wrong, in bytes; a longer one is told as it is.
const LONGEST_JSON: usize = 16 << 20;

/// How many changes are looked through at a time for what a request made.
const PAGE: u64 = 1000;

impl FaultDecision {
    /// Whether the connection is to be reset now.
    pub(crate) fn resets(&self, when: When) -> bool {
        self.reset && self.when == when
    }

    /// Returns the response to send now in place of another one. `failure`: the protocol's error
    /// response, for a rule without a body.
    pub(crate) fn response(&self, when: When, failure: Option<MakeFailure>) -> Option<Response> {
        let injected = self.failure.as_ref().filter(|_| self.when == when)?;
        Some(failed(failure, injected))
    }

    /// The request's body as it will arrive; with whether a reset during the effect comes there.
    pub(crate) fn request_body(
        &self,
        body: Body,
        request: &Parts,
        connection: &Connection,
    ) -> (Body, bool) {
        let reset = self.at.filter(|_| !body.is_end_stream());
        let spoilt = self.corrupt.filter(|(side, _)| *side == Side::Request);
        if reset.is_none() && spoilt.is_none() && self.bandwidth.up.is_none() {
            return (body, false);
        }
        let mut faulty = FaultyBody::new(body, length(&request.headers));
        if let Some(rate) = self.bandwidth.up {
            faulty = faulty.at_rate(rate, connection.up.clone());
        }
        if let Some((_, position)) = spoilt {
            faulty = faulty.spoilt_at(position);
        }
        if let Some(position) = reset {
            faulty = faulty.reset_at(position, connection.reset.clone());
        }
        (Body::new(faulty), reset.is_some())
    }

    /// Cancels the upload session that a request is about, if it is to be lost.
    pub(crate) async fn lose_session(&self, tree: &Tree, session: Option<&str>) {
        let Some(id) = session.filter(|_| self.lose_session) else { return };
        match tree.cancel(id).await {
            Ok(()) | Err(TreeError::NoSession) => {}
            Err(error) => tracing::error!(%error, "cannot lose an upload session"),
        }
    }

    /// Returns the response as it will leave. `hash_members`: names of JSON members that hold
    /// hashes; `reset`: whether a reset is still to come.
    pub(crate) async fn answered(
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
        let spoilt = self.corrupt.filter(|(side, _)| *side == Side::Answer);
        let slow = self.bandwidth.down.is_some() || self.drip.is_some();
        if !(reset || slow || spoilt.is_some() || self.truncate.is_some()) {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        // Told as it was, however it ends.
        if let (Some(length), None) = (body.size_hint().exact(), length(&parts.headers)) {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let mut faulty = FaultyBody::new(body, length(&parts.headers));
        if let Some(rate) = self.bandwidth.down {
            faulty = faulty.at_rate(rate, connection.down.clone());
        }
        if let Some(drip) = self.drip {
            faulty = faulty.in_drops(drip);
        }
        if let Some((_, position)) = spoilt {
            faulty = faulty.spoilt_at(position);
        }
        if let Some(flushes) = &connection.flushes {
            faulty = faulty.written(flushes.clone());
        }
        if let Some(bytes) = self.truncate {
            faulty = faulty.broken_after(bytes);
        }
        if let Some(position) = self.at.filter(|_| reset) {
            faulty = faulty.reset_at(position, connection.reset.clone());
        }
        Response::from_parts(parts, Body::new(faulty))
    }

    /// Begins to watch which items are created on a drive, if they are to be invisible.
    pub(crate) async fn watch(&self, tree: &Tree, drive: DriveKey) -> Option<CreationWatch> {
        let until = Instant::now() + self.invisible?;
        let feed = tree.drive_info(drive).await.ok()?.feed;
        // As exact as the tree keeps times.
        let now = Timestamp::now();
        let since = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        Some(CreationWatch { drive, feed, since, until })
    }
}

/// What was on a drive before a request.
pub(crate) struct CreationWatch {
    drive: DriveKey,
    feed: i64,
    since: Timestamp,
    until: Instant,
}

impl CreationWatch {
    /// Hides what has come into being since.
    pub(crate) async fn hide(mut self, tree: &Tree) {
        loop {
            let changed = match tree.changes(self.drive, self.feed, PAGE).await {
                Ok(changed) => changed,
                Err(error) => return tracing::error!(%error, "new items could not be hidden"),
            };
            let Some(last) = changed.last() else { return };
            self.feed = last.feed;
            for node in changed {
                if node.created >= self.since && node.state == State::Live {
                    tree.hide(self.drive, node.no, self.until);
                }
            }
        }
    }
}

/// The answer that a fault rule asks for, in the protocol's words where the rule has none.
fn failed(make: Option<MakeFailure>, failure: &InjectedResponse) -> Response {
    let mut response = match (&failure.body, make) {
        (Some(body), _) => {
            let mut response = text(failure.status, "");
            let media_type =
                if body.trim_start().starts_with('{') { "application/json" } else { "text/plain" };
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            *response.body_mut() = Body::from(body.clone());
            response
        }
        (None, _) if failure.status < StatusCode::BAD_REQUEST => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = failure.status;
            response
        }
        (None, Some(make)) => make(failure.status),
        (None, None) => text(failure.status, "The server failed on demand."),
    };
    for (name, value) in &failure.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// How long a body is, where its headers say so.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// An answer of JSON in which the fields of those names tell something else.
async fn with_wrong_hashes(response: Response, names: &[&str]) -> Response {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    if names.is_empty() || !is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = match Limited::new(body, LONGEST_JSON).collect().await {
        Ok(bytes) => bytes.to_bytes(),
        Err(error) => {
            tracing::error!(error, "an answer could not be read to make its hashes wrong");
            return text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The answer is too long to be changed.",
            );
        }
    };
    let body = match serde_json::from_slice::<Value>(&bytes) {
        Ok(mut value) => {
            make_wrong(&mut value, names);
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

fn make_wrong(value: &mut Value, names: &[&str]) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| make_wrong(value, names)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(hash) if names.contains(&name.as_str()) => {
                        // A digit of hexadecimal and of base64 both.
                        let other = if hash.starts_with('0') { "1" } else { "0" };
                        if !hash.is_empty() {
                            hash.replace_range(..1, other);
                        }
                    }
                    value => make_wrong(value, names),
                }
            }
        }
        _ => {}
    }
}
