//! How a fault rule that strikes a request is carried out, step by step.

use std::sync::Arc;

use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    app::{App, FrontEnd, text},
    control::{Failure, Side, Strike, When},
    faulty::Faulty,
    observe::Link,
    tree::{DriveNo, State, TreeError},
};

/// The longest answer whose hashes are made wrong, in bytes; a longer one is told as it is.
const LONGEST_JSON: usize = 16 << 20;

/// How many changes are looked through at a time for what a request made.
const PAGE: u64 = 1000;

impl Strike {
    /// Whether the connection is to be reset now.
    pub(super) fn resets(&self, when: When) -> bool {
        self.reset && self.when == when
    }

    /// The answer to give now instead of another.
    pub(super) fn answer(
        &self,
        when: When,
        front_end: Option<&'static dyn FrontEnd>,
    ) -> Option<Response> {
        let failure = self.failure.as_ref().filter(|_| self.when == when)?;
        Some(failed(front_end, failure))
    }

    /// The request's body as it will arrive; with whether a reset during the effect comes there.
    pub(super) fn request_body(&self, body: Body, request: &Parts, link: &Link) -> (Body, bool) {
        let reset = self.at.filter(|_| !body.is_end_stream());
        let spoilt = self.corrupt.filter(|(side, _)| *side == Side::Request);
        if reset.is_none() && spoilt.is_none() && self.bandwidth.up.is_none() {
            return (body, false);
        }
        let mut faulty = Faulty::new(body, length(&request.headers));
        if let Some(rate) = self.bandwidth.up {
            faulty = faulty.at_rate(rate, link.up.clone());
        }
        if let Some((_, spot)) = spoilt {
            faulty = faulty.spoilt_at(spot);
        }
        if let Some(spot) = reset {
            faulty = faulty.reset_at(spot, link.reset.clone());
        }
        (Body::new(faulty), reset.is_some())
    }

    /// Loses the upload session that a request is about, if it is to be lost.
    pub(super) async fn lose_session(
        &self,
        app: &App,
        front_end: Option<&'static dyn FrontEnd>,
        request: &Parts,
    ) {
        let session = front_end.and_then(|front_end| front_end.session(request));
        let Some(id) = session.filter(|_| self.lose_session) else { return };
        match app.tree.cancel(&id).await {
            Ok(()) | Err(TreeError::NoSession) => {}
            Err(error) => tracing::error!(%error, "an upload session could not be lost"),
        }
    }

    /// The answer as it will leave; `reset`: whether a reset is still to come.
    pub(super) async fn answered(
        &self,
        mut response: Response,
        front_end: Option<&'static dyn FrontEnd>,
        link: &Link,
        reset: bool,
    ) -> Response {
        for (name, value) in &self.headers {
            response.headers_mut().insert(name, value.clone());
        }
        if self.wrong_hash {
            let names = front_end.map_or(&[][..], |front_end| front_end.hashes());
            response = with_wrong_hashes(response, names).await;
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
        let mut faulty = Faulty::new(body, length(&parts.headers));
        if let Some(rate) = self.bandwidth.down {
            faulty = faulty.at_rate(rate, link.down.clone());
        }
        if let Some(drip) = self.drip {
            faulty = faulty.in_drops(drip);
        }
        if let Some((_, spot)) = spoilt {
            faulty = faulty.spoilt_at(spot);
        }
        if let Some(flushes) = &link.flushes {
            faulty = faulty.written(flushes.clone());
        }
        if let Some(bytes) = self.truncate {
            faulty = faulty.broken_after(bytes);
        }
        if let Some(spot) = self.at.filter(|_| reset) {
            faulty = faulty.reset_at(spot, link.reset.clone());
        }
        Response::from_parts(parts, Body::new(faulty))
    }

    /// Begins to look which items come into being on a drive, if they are to be invisible.
    pub(super) async fn watch(&self, app: &Arc<App>, drive: Option<&str>) -> Option<Watch> {
        let until = Instant::now() + self.invisible?;
        let drive = app.account(drive?).await.ok()?.drive;
        let feed = app.tree.drive_info(drive).await.ok()?.feed;
        // As exact as the tree keeps times.
        let now = Timestamp::now();
        let since = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        Some(Watch { drive, feed, since, until })
    }
}

/// What was on a drive before a request.
pub(super) struct Watch {
    drive: DriveNo,
    feed: i64,
    since: Timestamp,
    until: Instant,
}

impl Watch {
    /// Hides what has come into being since.
    pub(super) async fn hide(mut self, app: &App) {
        loop {
            let changed = match app.tree.changes(self.drive, self.feed, PAGE).await {
                Ok(changed) => changed,
                Err(error) => return tracing::error!(%error, "new items could not be hidden"),
            };
            let Some(last) = changed.last() else { return };
            self.feed = last.feed;
            for node in changed {
                if node.created >= self.since && node.state == State::Live {
                    app.tree.hide(self.drive, node.no, self.until);
                }
            }
        }
    }
}

/// The answer that a fault rule asks for, in the protocol's words where the rule has none.
fn failed(front_end: Option<&'static dyn FrontEnd>, failure: &Failure) -> Response {
    let mut response = match (&failure.body, front_end) {
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
        (None, Some(front_end)) => front_end.failure(failure.status),
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
