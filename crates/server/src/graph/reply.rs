//! Answers: bodies of JSON, and the headers that every answer carries.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use rand::random;
use serde_json::{Value, json};

use super::{
    dialect::Dialect,
    error::Error,
    ids::{guid_text, mix},
};

/// The media type of Graph's answers (onedrive-graph#response-headers).
const JSON: &str = "application/json;odata.metadata=minimal;odata.streaming=true;\
                    IEEE754Compatible=false;charset=utf-8";

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// What a request is called in its answer: by us, and by the client if it said so.
#[derive(Debug)]
pub(crate) struct RequestIds {
    pub(crate) request: String,
    pub(crate) client: String,
}

impl RequestIds {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let request = guid_text(random::<u128>()).to_lowercase();
        let client = headers.get(CLIENT_REQUEST_ID).and_then(|value| value.to_str().ok());
        Self { client: client.unwrap_or(&request).to_owned(), request }
    }

    /// Completes an answer.
    pub(super) fn finish(&self, mut response: Response) -> Response {
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

    /// Returns the body of an error, as the dialect spells it: Graph's `innerError`, the drives' own
    /// hosts' `innererror`.
    fn error_body(&self, error: &Error, dialect: Dialect) -> Value {
        let mut inner = json!({
            "date": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string(),
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

    /// A refusal as an answer.
    pub(super) fn refuse(&self, error: Error, dialect: Dialect) -> Response {
        let mut response = json(error.status, &self.error_body(&error, dialect));
        response.headers_mut().extend(error.headers);
        response
    }
}

/// A body of JSON.
pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0"));
    response
}

/// No body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// No body, and another place to look.
pub(super) fn elsewhere(status: StatusCode, url: &str) -> Result<Response, Error> {
    let mut response = empty(status);
    let url = HeaderValue::from_str(url)
        .map_err(|_| Error::invalid("The request's host is not one that a URL can begin with."))?;
    response.headers_mut().insert(header::LOCATION, url);
    Ok(response)
}

/// A GUID that belongs to a number, and says nothing of it.
pub(super) fn guid_of(number: u64, salt: u64) -> String {
    let high = mix(number ^ mix(salt));
    let low = mix(high.wrapping_add(salt));
    guid_text(u128::from(high) << 64 | u128::from(low)).to_lowercase()
}
