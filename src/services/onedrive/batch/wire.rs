//! The JSON of a batch: requests in, responses out (onedrive-graph#batch).

use std::{collections::HashMap, error, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::stream;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
    response::Parts,
};
use opendal::{Buffer, Error, ErrorKind, HttpBody, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Headers of the batch itself. A request does not repeat them.
const OWN_HEADERS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::CONTENT_LENGTH, header::USER_AGENT];

/// Returns the URL of a request relative to `endpoint`, with a leading slash. `None` if it is for
/// another host or path.
pub(super) fn relative_url(endpoint: &str, url: &Uri) -> Option<String> {
    let url = url.to_string();
    let relative = url.strip_prefix(endpoint)?;
    relative.starts_with('/').then(|| relative.to_owned())
}

/// Returns whether two requests may be in the same batch: they have the same token.
pub(super) fn share_a_batch(first: &Request<Buffer>, second: &Request<Buffer>) -> bool {
    let token = |request: &Request<Buffer>| request.headers().get(header::AUTHORIZATION).cloned();
    token(first) == token(second)
}

/// Returns the batch of these requests, with the token of the first and `headers`, which the requests
/// have too. The id of a request is its position.
///
/// # Errors
/// `Unexpected` if a request is not for `endpoint`, or its body is not JSON.
pub(super) fn encode<'r>(
    endpoint: &str,
    headers: &HeaderMap,
    requests: impl Iterator<Item = &'r Request<Buffer>>,
) -> Result<Request<Buffer>> {
    let mut batch = Request::new(Buffer::new());
    *batch.headers_mut() = headers.clone();
    let mut parts = Vec::new();
    for (at, request) in requests.enumerate() {
        if at == 0
            && let Some(token) = request.headers().get(header::AUTHORIZATION)
        {
            batch.headers_mut().insert(header::AUTHORIZATION, token.clone());
        }
        parts.push(encode_one(endpoint, at, request)?);
    }
    *batch.method_mut() = Method::POST;
    *batch.uri_mut() = format!("{endpoint}/$batch").parse().map_err(|_| invalid())?;
    let json = HeaderValue::from_static("application/json");
    batch.headers_mut().insert(header::CONTENT_TYPE, json);
    let body = serde_json::to_vec(&json!({ "requests": parts })).map_err(|_| invalid())?;
    *batch.body_mut() = Buffer::from(body);
    Ok(batch)
}

/// Returns the entry of one request.
///
/// # Errors
/// `Unexpected` if the request is not for `endpoint`, or its body is not JSON.
fn encode_one(endpoint: &str, at: usize, request: &Request<Buffer>) -> Result<Value> {
    let mut headers = Map::new();
    for (name, value) in request.headers() {
        if !OWN_HEADERS.contains(name) {
            let value = value.to_str().map_err(|_| invalid())?;
            headers.insert(name.as_str().to_owned(), value.into());
        }
    }
    let mut entry = json!({
        "id": at.to_string(),
        "method": request.method().as_str(),
        "url": relative_url(endpoint, request.uri()).ok_or_else(invalid)?,
    });
    if !headers.is_empty() {
        entry["headers"] = headers.into();
    }
    if !request.body().is_empty() {
        let body = serde_json::from_reader(request.body().clone());
        entry["body"] = body.map_err(|_| invalid())?;
    }
    Ok(entry)
}

/// Returns the error of a request that cannot be part of a batch.
fn invalid() -> Error {
    Error::new(ErrorKind::Unexpected, "cannot add the request to a batch: it is not one of Graph's")
}

/// The responses in the response of a batch.
#[derive(Debug)]
pub(super) struct BatchResponses {
    found: HashMap<usize, BatchResponse>,
    /// Whether the response could not be decoded at all.
    is_broken: bool,
    /// Whether a response was taken that is missing.
    lacks_some: bool,
}

/// The response to one request.
#[derive(Debug, Deserialize)]
struct BatchResponse {
    id: String,
    status: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Value,
}

/// The body of the response of a batch. A response that has another form is missing, and the others
/// are used.
#[derive(Deserialize)]
struct BatchBody {
    responses: Vec<Value>,
}

/// Decodes the body of the response to a batch of `len` requests; `None` if it cannot be used.
pub(super) fn decode(body: Option<&Buffer>, len: usize) -> BatchResponses {
    let body: Option<BatchBody> = body.and_then(|body| serde_json::from_reader(body.clone()).ok());
    let is_broken = body.is_none();
    let responses = body.map(|body| body.responses).unwrap_or_default().into_iter();
    let found = responses.filter_map(|response| {
        let response: BatchResponse = serde_json::from_value(response).ok()?;
        let at = response.id.parse().ok().filter(|at| *at < len)?;
        Some((at, response))
    });
    BatchResponses { found: found.collect(), is_broken, lacks_some: false }
}

impl BatchResponses {
    /// Removes and returns the response to the request at this position.
    ///
    /// # Errors
    /// `Unexpected` and temporary if there is none. The request may have had an effect.
    pub(super) fn take(&mut self, at: usize) -> Result<Response<HttpBody>> {
        let response = self.found.remove(&at).and_then(BatchResponse::into_http);
        self.lacks_some |= response.is_none();
        response.ok_or_else(|| {
            let text = match self.is_broken {
                true => "cannot read the response of a batch: it is too large or has another form",
                false => "cannot read the response of a batch: it lacks that of this request",
            };
            Error::new(ErrorKind::Unexpected, text).set_temporary()
        })
    }

    /// Returns whether [`take`](Self::take) has failed.
    pub(super) fn lacks_some(&self) -> bool {
        self.lacks_some
    }
}

impl BatchResponse {
    /// Returns the response as if the request had been sent alone. `None` if the status is none of
    /// HTTP.
    fn into_http(self) -> Option<Response<HttpBody>> {
        let status = StatusCode::from_u16(self.status).ok()?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let value = match value {
                Value::String(text) => HeaderValue::from_str(text),
                // Some services write `"Retry-After": 5`.
                other => HeaderValue::from_str(&other.to_string()),
            };
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value) {
                headers.append(name, value);
            }
        }
        // The length was that of another encoding of the body.
        headers.remove(header::CONTENT_LENGTH);
        let is_json = headers
            .get(header::CONTENT_TYPE)
            .and_then(|media_type| media_type.to_str().ok())
            .is_none_or(|media_type| media_type.contains("json"));
        let body = match self.body {
            Value::Null => Vec::new(),
            // A body that is not JSON is in base64 (onedrive-graph#batch-bodies).
            Value::String(text) if !is_json => STANDARD.decode(text).ok()?,
            body => serde_json::to_vec(&body).ok()?,
        };
        Some(response(status, headers, body.into()))
    }
}

/// Returns a copy of the response of a whole batch, as that of one of its requests.
pub(super) fn whole_response(parts: &Parts, body: &Buffer) -> Response<HttpBody> {
    response(parts.status, parts.headers.clone(), body.clone())
}

/// Returns a response with a body in memory.
fn response(status: StatusCode, headers: HeaderMap, body: Buffer) -> Response<HttpBody> {
    let len = body.len() as u64;
    let pieces = (len > 0).then_some(Ok(body));
    let mut response = Response::new(HttpBody::new(stream::iter(pieces), Some(len)));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

/// Returns a copy of the error of a batch, for one of its requests. It has the same sources.
pub(super) fn copy_of(error: &Arc<Error>) -> Error {
    Error::new(error.kind(), error.message())
        .with_temporary(error.is_temporary())
        .set_source(SharedError(Arc::clone(error)))
}

/// The error of a batch, as the source of its requests' errors.
#[derive(Debug)]
struct SharedError(Arc<Error>);

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request was one of a batch: {}", self.0.message())
    }
}

impl error::Error for SharedError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        error::Error::source(&*self.0)
    }
}
