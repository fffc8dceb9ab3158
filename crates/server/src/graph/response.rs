//! Builds responses: JSON bodies, errors, and the headers that every response has.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{dialect::Dialect, error::Error, ids::guid_text};
use crate::account_scope;

/// The media type of Graph's responses (onedrive-graph#response-headers).
const JSON: &str = "application/json;odata.metadata=minimal;odata.streaming=true;\
                    IEEE754Compatible=false;charset=utf-8";

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// The ids of a request, which its response repeats in headers.
#[derive(Debug)]
pub(crate) struct RequestIds {
    /// The id that the server generated.
    pub(crate) request: String,
    /// The id from the client's `client-request-id` header, or the generated one.
    pub(crate) client: String,
}

impl RequestIds {
    /// Generates an id for a request, and reads the client's id from its headers.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let request = guid_text(u128::from_be_bytes(account_scope::random_bytes())).to_lowercase();
        let client = headers.get(CLIENT_REQUEST_ID).and_then(|value| value.to_str().ok());
        Self { client: client.unwrap_or(&request).to_owned(), request }
    }

    /// Adds the headers that every response has.
    pub(super) fn add_headers(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        for (name, value) in [(REQUEST_ID, &self.request), (CLIENT_REQUEST_ID, &self.client)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store, no-cache"));
        response
    }

    /// Returns the body of an error response. Graph's own hosts write `innerError`, the drives'
    /// hosts `innererror`.
    fn error_body(&self, error: &Error, dialect: Dialect) -> Value {
        let mut inner = json!({
            "date": account_scope::now().strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            "request-id": self.request,
            "client-request-id": self.client,
        });
        if let Some(code) = error.inner {
            inner["code"] = code.into();
        }
        let key = match dialect {
            Dialect::Graph => "innerError",
            Dialect::Direct => "innererror",
        };
        json!({"error": {"code": error.code, "message": error.message, key: inner}})
    }

    /// Returns an error response.
    pub(super) fn error_response(&self, error: Error, dialect: Dialect) -> Response {
        let mut response = json(error.status, &self.error_body(&error, dialect));
        response.headers_mut().extend(error.headers);
        response
    }
}

/// Returns a response with a JSON body.
pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0"));
    response
}

/// Returns a response with an HTML page.
pub(super) fn html(status: StatusCode, page: &'static str) -> Response {
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Returns a response without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Returns a response without a body and with a `Location` header. `url` is percent-encoded.
///
/// # Errors
/// 400 if the URL is not a header value, because the `Host` header of the request has other
/// characters.
pub(super) fn with_location(status: StatusCode, url: &str) -> Result<Response, Error> {
    let mut response = empty(status);
    let url = HeaderValue::from_str(url)
        .map_err(|_| Error::invalid("cannot redirect: the Host header is not valid in a URL"))?;
    response.headers_mut().insert(header::LOCATION, url);
    Ok(response)
}
