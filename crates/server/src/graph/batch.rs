//! `POST /$batch`: up to twenty requests in one (onedrive-graph#batch-limits).
//!
//! The whole batch is validated before the first of its requests is served: a batch that is refused
//! has no effect. Each request is then served on its own: it is counted, logged, charged to the
//! budget and subject to fault rules under its own operation. They are served one after another,
//! each after those that it depends on.

use std::{
    collections::{BTreeSet, HashMap},
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
use http_body_util::BodyExt;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    address::Address,
    contract::Payload,
    error::{Error, Result},
    query::Query,
    reply,
    request::GraphRequest,
};

/// Requests of a batch at most.
const MOST: usize = 20;

/// Methods that a request of a batch may have.
const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Base64 of either alphabet, with padding or without.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);

/// What a URL on a wire has encoded, and one inside of JSON need not: beside these, all that is not
/// ASCII.
const LEFT_OPEN: &AsciiSet = &CONTROLS
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

#[derive(Debug, Deserialize)]
struct BatchBody {
    requests: Vec<Part>,
}

/// An id of a request in the form that is compared: ids are the same whatever their case. Made once,
/// because a batch may name an id hundreds of thousands of times.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(from = "String")]
struct Key(String);

impl From<String> for Key {
    fn from(id: String) -> Self {
        Self(id.to_lowercase())
    }
}

/// The id of a request.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
struct Id {
    /// As it was sent.
    text: String,
    key: Key,
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Self { key: text.clone().into(), text }
    }
}

/// A request of a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    id: Id,
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    depends_on: Option<BTreeSet<Key>>,
}

/// `POST /$batch`.
pub(super) async fn answer(batch: &GraphRequest, payload: Payload) -> Result<Response> {
    let BatchBody { requests } = payload.parse()?;
    let steps = validate(batch, requests)?;
    let mut statuses: HashMap<Key, StatusCode> = HashMap::new();
    let mut responses = Vec::with_capacity(steps.len());
    for (part, request) in steps {
        let is_held_up =
            part.after().any(|id| statuses.get(id).is_none_or(|status| !status.is_success()));
        let (status, response) = match is_held_up {
            true => failed_dependency(&part),
            false => part.serve(batch, request).await,
        };
        statuses.insert(part.id.key, status);
        responses.push(response);
    }
    Ok(reply::json(StatusCode::OK, &json!({ "responses": responses })))
}

/// Reads the requests of a batch, in an order in which each comes after those that it depends on.
///
/// # Errors
/// 400 when any of them cannot be served, or the batch as a whole.
fn validate(batch: &GraphRequest, parts: Vec<Part>) -> Result<Vec<(Part, Request)>> {
    check(&parts)?;
    let ordered = in_order(parts)?;
    ordered.into_iter().map(|part| part.request(batch).map(|request| (part, request))).collect()
}

/// Checks the number of requests, their ids, and the ids that they depend on.
fn check(requests: &[Part]) -> Result<()> {
    if requests.len() > MOST {
        return Err(Error::bad_query(format!(
            "Number of batch request steps exceeds the maximum value of {MOST}."
        )));
    }
    for (at, part) in requests.iter().enumerate() {
        let Id { text, key } = &part.id;
        if text.is_empty() || requests[..at].iter().any(|other| other.id.key == *key) {
            return Err(Error::bad_query(format!(
                "Request id '{text}' is empty or was used before in this batch."
            )));
        }
        let is_unknown = |id: &&Key| !requests.iter().any(|other| other.id.key == **id);
        if let Some(Key(unknown)) = part.after().find(is_unknown) {
            return Err(Error::bad_query(format!(
                "Request '{text}' depends on '{unknown}', which is not in this batch."
            )));
        }
    }
    Ok(())
}

/// Sorts requests by their dependencies, and by their order in the batch as far as those allow.
fn in_order(mut waiting: Vec<Part>) -> Result<Vec<Part>> {
    let mut ordered: Vec<Part> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_done = |id: &Key| ordered.iter().any(|done| done.id.key == *id);
        let Some(next) = waiting.iter().position(|part| part.after().all(is_done)) else {
            return Err(Error::bad_query("The requests of the batch depend on each other."));
        };
        ordered.push(waiting.remove(next));
    }
    Ok(ordered)
}

fn failed_dependency(part: &Part) -> (StatusCode, Value) {
    let status = StatusCode::FAILED_DEPENDENCY;
    let error = json!({
        "code": "FailedDependency",
        "message": "A request that this one depends on failed.",
    });
    let body = json!({"id": part.id.text, "status": status.as_u16(), "body": {"error": error}});
    (status, body)
}

impl Part {
    fn after(&self) -> impl Iterator<Item = &Key> {
        self.depends_on.iter().flatten()
    }

    /// Serves it as a request of its own.
    async fn serve(&self, batch: &GraphRequest, request: Request) -> (StatusCode, Value) {
        let (state, connection) = (Arc::clone(&batch.state), batch.connection.clone());
        let response = (batch.nested)(state, connection, batch.base_url.clone(), request).await;
        let (parts, body) = response.into_parts();
        let (status, bytes) = match body.collect().await {
            Ok(collected) => (parts.status, collected.to_bytes()),
            Err(error) => return self.broken(&error),
        };
        let headers = parts.headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            // Names as they are written, which clients of JSON look for.
            let name = match *name {
                header::LOCATION => "Location",
                header::CONTENT_TYPE => "Content-Type",
                header::RETRY_AFTER => "Retry-After",
                header::CACHE_CONTROL => "Cache-Control",
                ref other => other.as_str(),
            };
            Some((name.to_owned(), value.into()))
        });
        let mut answer = json!({
            "id": self.id.text,
            "status": status.as_u16(),
            "headers": headers.collect::<Map<String, Value>>(),
        });
        if !bytes.is_empty() {
            answer["body"] =
                serde_json::from_slice(&bytes).unwrap_or_else(|_| STANDARD.encode(&bytes).into());
        }
        (status, answer)
    }

    /// The response to a request whose own response broke off. The rest of the batch is served: its
    /// requests may have had effects that the client must learn of.
    fn broken(&self, error: &axum::Error) -> (StatusCode, Value) {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let error = json!({
            "code": "generalException",
            "message": format!("The response to request '{}' broke off: {error}.", self.id.text),
        });
        (status, json!({"id": self.id.text, "status": status.as_u16(), "body": {"error": error}}))
    }

    /// Returns it as a request of its own, with the authorization of the batch unless it has one.
    ///
    /// # Errors
    /// 400 when it cannot be sent.
    fn request(&self, batch: &GraphRequest) -> Result<Request> {
        let refuse = |why: &str| Error::bad_query(format!("Request '{}': {why}.", self.id.text));
        let method = METHODS
            .into_iter()
            .find(|method| method.as_str().eq_ignore_ascii_case(&self.method))
            .ok_or_else(|| refuse(&format!("the method '{}' is not supported", self.method)))?;
        let uri = self.uri(&batch.url(""), batch.base).map_err(|why| refuse(&why))?;
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
        let bytes = self.bytes(headers.get(header::CONTENT_TYPE)).map_err(|why| refuse(&why))?;
        headers.insert(header::CONTENT_LENGTH, bytes.len().into());
        let mut request = Request::new(Body::from(bytes));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
            (method, uri, headers);
        Ok(request)
    }

    /// Its URL on this server: relative, as the reference wants it, or the whole of it, as the Python
    /// SDK writes it. `own` is how such a URL begins.
    fn uri(&self, own: &str, base: &str) -> Result<Uri, String> {
        let url = self.url.strip_prefix(own).unwrap_or(&self.url);
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
        if matches!(Address::parse(head, &Query::default()), Ok(Address::Batch)) {
            return Err("a batch cannot contain a batch".into());
        }
        let path = utf8_percent_encode(path, LEFT_OPEN);
        format!("{base}/{path}").parse().map_err(|_| format!("'{}' is not a url", self.url))
    }

    /// Its body: JSON as it is, anything else in base64.
    fn bytes(&self, kind: Option<&HeaderValue>) -> Result<Vec<u8>, String> {
        if self.body.is_null() {
            return Ok(Vec::new());
        }
        let Some(kind) = kind.and_then(|kind| kind.to_str().ok()) else {
            return Err("it has a body, but no Content-Type header".into());
        };
        match &self.body {
            Value::String(text) if !kind.contains("json") => PLAIN
                .decode(text)
                .or_else(|_| URL_SAFE.decode(text))
                .map_err(|_| format!("a body of {kind} must be in base64")),
            Value::String(text) => Ok(text.clone().into_bytes()),
            body => Ok(body.to_string().into_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(value: Value) -> Part {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_body_is_json_as_it_is_or_bytes_in_base64_of_either_alphabet() {
        let bytes = |body: Value, kind: Option<&'static str>| {
            let part = part(json!({"id": "1", "method": "PUT", "url": "/x", "body": body}));
            part.bytes(kind.map(HeaderValue::from_static).as_ref())
        };
        assert_eq!(bytes(json!({"a": 1}), Some("application/json")).unwrap(), b"{\"a\":1}");
        for text in ["+/8=", "+/8", "-_8=", "-_8"] {
            let bytes = bytes(json!(text), Some("application/octet-stream"));
            assert_eq!(bytes.unwrap(), [0xfb, 0xff], "{text}");
        }
        assert!(bytes(json!("not base64!"), Some("text/plain")).is_err());
        assert!(bytes(json!({}), None).is_err());
        assert!(bytes(Value::Null, None).unwrap().is_empty());
    }

    #[test]
    fn a_batch_that_cannot_be_answered_is_refused_whole() {
        let batch = |parts: &[(&str, &[&str])]| {
            let parts: Vec<_> = parts
                .iter()
                .map(|(id, after)| {
                    part(json!({"id": id, "method": "GET", "url": "/me", "dependsOn": after}))
                })
                .collect();
            check(&parts)
        };
        assert!(batch(&[("a", &[]), ("b", &["A"])]).is_ok());
        assert!(batch(&[("a", &[]), ("A", &[])]).is_err(), "ids are the same whatever their case");
        assert!(batch(&[("", &[])]).is_err());
        assert!(batch(&[("a", &["b"])]).is_err());
        let many: Vec<_> = (0..21).map(|n| n.to_string()).collect();
        let many: Vec<(&str, &[&str])> = many.iter().map(|id| (id.as_str(), &[][..])).collect();
        assert!(batch(&many[..20]).is_ok());
        assert!(batch(&many).is_err());
    }

    #[test]
    fn a_dependency_counts_once_however_often_it_is_named() {
        let after = vec!["b"; 400_000];
        let part = part(json!({"id": "a", "method": "GET", "url": "/me", "dependsOn": after}));
        assert_eq!(part.after().count(), 1);
    }

    #[test]
    fn a_url_is_relative_or_this_servers_own() {
        let uri = |url: &str| {
            let part = part(json!({"id": "1", "method": "GET", "url": url}));
            part.uri("http://localhost:1/v1.0", "/v1.0").map(|uri| uri.to_string())
        };
        for (url, expected) in [
            ("/me/drive", "/v1.0/me/drive"),
            ("me/drive/root:/a b:/children?$top=1", "/v1.0/me/drive/root:/a%20b:/children?$top=1"),
            ("http://localhost:1/v1.0/me", "/v1.0/me"),
        ] {
            assert_eq!(uri(url).as_deref(), Ok(expected), "{url}");
        }
        for url in [
            "",
            "/",
            "http://example.org/v1.0/me",
            "//example.org/me",
            "file:///me",
            "/$batch",
            "/%24batch",
            "%2F%24ba%74ch?x=1",
        ] {
            assert!(uri(url).is_err(), "{url}");
        }
    }

    #[test]
    fn requests_come_after_those_that_they_depend_on() {
        let order = |parts: &[(&str, &[&str])]| {
            let parts = parts.iter().map(|(id, after)| {
                part(json!({"id": id, "method": "GET", "url": "/me", "dependsOn": after}))
            });
            let ordered = in_order(parts.collect()).map_err(|error| error.status)?;
            Ok(ordered.into_iter().map(|part| part.id.text).collect::<Vec<_>>())
        };
        assert_eq!(
            order(&[("c", &["B"]), ("a", &[]), ("b", &["a"])]),
            Ok(vec!["a".into(), "b".into(), "c".into()])
        );
        for cycle in [&[("a", &["a"][..])][..], &[("a", &["b"]), ("b", &["a"])]] {
            assert_eq!(order(cycle), Err(StatusCode::BAD_REQUEST));
        }
    }
}
