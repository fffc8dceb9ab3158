//! `POST /$batch`: up to 20 requests in one (onedrive-graph#batch-limits).
//!
//! The whole batch is validated before the first request is served, so a refused batch has no
//! effect. Each request is then served separately: it is logged, charged to the budget and subject
//! to fault rules under its own operation. Requests are served in sequence, each after the ones
//! that it depends on.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use axum::{body::Body, extract::Request, response::Response};
use base64::{
    Engine as _,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::{
    address::Address,
    contract::Payload,
    error::{Error, Result},
    query::QueryOptions,
    request::GraphRequest,
    response,
};

/// Maximum number of requests in a batch.
const MAX_REQUESTS: usize = 20;

/// Maximum number of bytes of all response bodies in a batch. They are in memory together. Inferred:
/// no source gives the cloud's limit; the largest page of a listing is far below it.
const MAX_RESPONSE_BYTES: usize = 64 << 20;

/// Methods that a request in a batch may have.
const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Bodies are base64 in either alphabet, with or without padding.
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, ANY_PADDING);
const STANDARD_ALPHABET: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, ANY_PADDING);

/// Characters to encode before a URL from JSON is parsed as a URI. Characters outside of ASCII are
/// always encoded.
const ENCODED_IN_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The body of a batch.
#[derive(Debug, Deserialize)]
struct BatchBody {
    requests: Vec<BatchRequest>,
}

/// The lower-case form of an id, by which ids are compared: their case does not matter. It is
/// computed once, because a batch may contain an id hundreds of thousands of times.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(from = "String")]
struct RequestKey(String);

impl From<String> for RequestKey {
    /// Creates the key of an id.
    fn from(id: String) -> Self {
        Self(id.to_lowercase())
    }
}

/// The id of a request in a batch.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
struct BatchRequestId {
    /// The id as the client sent it.
    text: String,
    key: RequestKey,
}

impl From<String> for BatchRequestId {
    /// Creates an id with its key.
    fn from(text: String) -> Self {
        Self { key: text.clone().into(), text }
    }
}

/// A request in a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchRequest {
    id: BatchRequestId,
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    depends_on: Option<BTreeSet<RequestKey>>,
}

/// `POST /$batch`: serves all requests, and returns their responses.
///
/// # Errors
/// 400 if the body has a member of another type, there are more than 20 requests, an id is empty,
/// repeated or unknown, requests depend on each other, or the method, URL, headers or body of a
/// request is invalid. The failure of a request is an entry of the response.
pub(super) async fn serve(batch: &GraphRequest, payload: Payload) -> Result<Response> {
    let BatchBody { requests } = payload.parse()?;
    let steps = validate(batch, requests)?;
    let mut statuses: HashMap<RequestKey, StatusCode> = HashMap::new();
    let mut responses = Vec::with_capacity(steps.len());
    let mut left = MAX_RESPONSE_BYTES;
    for (part, request) in steps {
        let is_blocked = part
            .dependencies()
            .any(|id| statuses.get(id).is_none_or(|status| !status.is_success()));
        let (status, response) = match is_blocked {
            true => failed_dependency(&part),
            false => part.serve(batch, request, &mut left).await,
        };
        statuses.insert(part.id.key, status);
        responses.push(response);
    }
    Ok(response::json(StatusCode::OK, &json!({ "responses": responses })))
}

/// Parses the requests of a batch. Returns them in an order in which each follows its dependencies.
///
/// # Errors
/// 400 if there are more than 20 requests, an id is empty, repeated or unknown, requests depend on
/// each other, or the method, URL, headers or body of a request is invalid.
fn validate(
    batch: &GraphRequest,
    parts: Vec<BatchRequest>,
) -> Result<Vec<(BatchRequest, Request)>> {
    check(&parts)?;
    let ordered = in_order(parts)?;
    ordered.into_iter().map(|part| part.request(batch).map(|request| (part, request))).collect()
}

/// Checks the number of requests, their ids and their dependencies.
///
/// # Errors
/// 400 if there are more than [`MAX_REQUESTS`] requests, or an id is empty, repeated or, as a
/// dependency, unknown.
fn check(requests: &[BatchRequest]) -> Result<()> {
    if requests.len() > MAX_REQUESTS {
        return Err(Error::bad_query(format!(
            "Number of batch request steps exceeds the maximum value of {MAX_REQUESTS}."
        )));
    }
    for (at, part) in requests.iter().enumerate() {
        let BatchRequestId { text, key } = &part.id;
        if text.is_empty() || requests[..at].iter().any(|other| other.id.key == *key) {
            return Err(Error::bad_query(format!(
                "Request id '{text}' is empty or was used before in this batch."
            )));
        }
        let is_unknown = |id: &&RequestKey| !requests.iter().any(|other| other.id.key == **id);
        if let Some(RequestKey(unknown)) = part.dependencies().find(is_unknown) {
            return Err(Error::bad_query(format!(
                "Request '{text}' depends on '{unknown}', which is not in this batch."
            )));
        }
    }
    Ok(())
}

/// Sorts requests so that each follows its dependencies, otherwise in the order of the batch.
///
/// # Errors
/// 400 if requests depend on each other.
fn in_order(mut waiting: Vec<BatchRequest>) -> Result<Vec<BatchRequest>> {
    let mut ordered: Vec<BatchRequest> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_done = |id: &RequestKey| ordered.iter().any(|done| done.id.key == *id);
        let Some(next) = waiting.iter().position(|part| part.dependencies().all(is_done)) else {
            return Err(Error::bad_query("The requests of the batch depend on each other."));
        };
        ordered.push(waiting.remove(next));
    }
    Ok(ordered)
}

/// Returns the response to a request with a dependency that failed.
fn failed_dependency(part: &BatchRequest) -> (StatusCode, Value) {
    let status = StatusCode::FAILED_DEPENDENCY;
    let error = json!({
        "code": "FailedDependency",
        "message": "A request that this one depends on failed.",
    });
    let body = json!({"id": part.id.text, "status": status.as_u16(), "body": {"error": error}});
    (status, body)
}

impl BatchRequest {
    /// Returns the ids of the requests that must succeed before this one.
    fn dependencies(&self) -> impl Iterator<Item = &RequestKey> {
        self.depends_on.iter().flatten()
    }

    /// Serves the request as if it had been sent separately. Returns its status and its entry in
    /// the response. The size of the body, which may have at most `left` bytes, is subtracted from
    /// `left`.
    async fn serve(
        &self,
        batch: &GraphRequest,
        request: Request,
        left: &mut usize,
    ) -> (StatusCode, Value) {
        let (state, connection) = (Arc::clone(&batch.state), batch.connection.clone());
        let (parts, body) = request.into_parts();
        let base_url = batch.base_url.clone();
        let nested = (batch.nested)(state, connection, base_url, parts, body);
        // In a task of its own: below the future of the batch, the stack would be twice as deep.
        let response = match AbortOnDropHandle::new(tokio::spawn(nested)).await {
            Ok(response) => response,
            Err(panicked) => return self.failed_body(&panicked),
        };
        let (parts, body) = response.into_parts();
        let (status, bytes) = match Limited::new(body, *left).collect().await {
            Ok(collected) => (parts.status, collected.to_bytes()),
            Err(error) => return self.failed_body(&error),
        };
        *left -= bytes.len();
        let headers = parts.headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            // Clients look up these names in JSON with this capitalization.
            let name = match *name {
                header::LOCATION => "Location",
                header::CONTENT_TYPE => "Content-Type",
                header::RETRY_AFTER => "Retry-After",
                header::CACHE_CONTROL => "Cache-Control",
                ref other => other.as_str(),
            };
            Some((name.to_owned(), value.into()))
        });
        let mut entry = json!({
            "id": self.id.text,
            "status": status.as_u16(),
            "headers": headers.collect::<Map<String, Value>>(),
        });
        if !bytes.is_empty() {
            entry["body"] =
                serde_json::from_slice(&bytes).unwrap_or_else(|_| STANDARD.encode(&bytes).into());
        }
        (status, entry)
    }

    /// Returns the entry for a request whose response body failed. The rest of the batch is still
    /// served, because the client must learn the effects of the other requests.
    fn failed_body(&self, error: &dyn fmt::Display) -> (StatusCode, Value) {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let error = json!({
            "code": "generalException",
            "message": format!("cannot read the response to request '{}': {error}", self.id.text),
        });
        (status, json!({"id": self.id.text, "status": status.as_u16(), "body": {"error": error}}))
    }

    /// Returns the HTTP request, with the authorization of the batch unless it has its own.
    ///
    /// # Errors
    /// 400 if the method is not one of [`METHODS`], the URL is empty, of another server, malformed
    /// or that of a batch, a header cannot be sent, or the body has no media type or is not base64.
    fn request(&self, batch: &GraphRequest) -> Result<Request> {
        let refuse = |message: &str| {
            Error::bad_query(format!("cannot serve request '{}': {message}", self.id.text))
        };
        let method = METHODS
            .into_iter()
            .find(|method| method.as_str().eq_ignore_ascii_case(&self.method))
            .ok_or_else(|| refuse(&format!("the method '{}' is not supported", self.method)))?;
        let uri = self.uri(&batch.url(""), batch.base).map_err(|message| refuse(&message))?;
        let mut headers = HeaderMap::new();
        if let Some(value) = batch.headers.get(header::AUTHORIZATION) {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        for (name, value) in &self.headers {
            let parsed: Option<HeaderName> = name.parse().ok();
            let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
            let (Some(parsed), Some(value)) = (parsed, value) else {
                return Err(refuse(&format!("the header '{name}' cannot be sent")));
            };
            headers.insert(parsed, value);
        }
        let bytes =
            self.bytes(headers.get(header::CONTENT_TYPE)).map_err(|message| refuse(&message))?;
        headers.insert(header::CONTENT_LENGTH, bytes.len().into());
        let mut request = Request::new(Body::from(bytes));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
            (method, uri, headers);
        Ok(request)
    }

    /// Returns the URI of the request. The URL may be relative, as in the reference, or absolute,
    /// as the Python SDK writes it. `server_url` is the prefix of absolute URLs, `base` the base
    /// path of the batch.
    ///
    /// # Errors
    /// Returns the reason if the URL is empty, of another server, malformed, or that of a batch.
    fn uri(&self, server_url: &str, base: &str) -> Result<Uri, String> {
        let url = self.url.strip_prefix(server_url).unwrap_or(&self.url);
        let head = url.split(['?', '#']).next().unwrap_or_default();
        if head.starts_with("//") || head.split('/').next().is_some_and(|first| first.contains(':'))
        {
            return Err(format!("the url '{}' is absolute", self.url));
        }
        let path = url.trim_start_matches('/');
        if path.is_empty() {
            return Err("the url is empty".into());
        }
        let head = head.trim_start_matches('/');
        if matches!(Address::parse(head, &QueryOptions::default()), Ok(Address::Batch)) {
            return Err("a batch cannot contain a batch".into());
        }
        let path = utf8_percent_encode(path, ENCODED_IN_URI);
        format!("{base}/{path}").parse().map_err(|_| format!("'{}' is not a url", self.url))
    }

    /// Returns the bytes of the body: JSON is sent unchanged, any other media type is decoded from
    /// base64.
    ///
    /// # Errors
    /// Returns the reason if the media type is missing or the text is not base64.
    fn bytes(&self, media_type: Option<&HeaderValue>) -> Result<Vec<u8>, String> {
        if self.body.is_null() {
            return Ok(Vec::new());
        }
        let Some(media_type) = media_type.and_then(|value| value.to_str().ok()) else {
            return Err("it has a body, but no Content-Type header".into());
        };
        match &self.body {
            Value::String(text) if !media_type.contains("json") => STANDARD_ALPHABET
                .decode(text)
                .or_else(|_| URL_SAFE.decode(text))
                .map_err(|_| format!("a body of {media_type} must be in base64")),
            Value::String(text) => Ok(text.clone().into_bytes()),
            body => Ok(body.to_string().into_bytes()),
        }
    }
}

#[cfg(test)]
mod tests;
