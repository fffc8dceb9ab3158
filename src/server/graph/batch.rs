//! `POST /$batch`: up to twenty requests in one (`onedrive-graph.md`, A18).
//!
//! Each is answered as if it had come by itself: it is counted, logged, charged to the budget and
//! struck by fault rules under its own name. They are answered one after another, in an order in
//! which every one comes after those that it depends on.

use std::collections::HashMap;

use axum::{body::Body, extract::Request, response::Response};
use base64::{
    Engine as _,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    error::{Error, Result},
    reply,
    visit::{Visit, read_json},
};
use crate::server::observe;

/// Requests of a batch at most.
const MOST: usize = 20;

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

/// A request of a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    depends_on: Option<Vec<String>>,
}

/// `POST /$batch`.
pub(super) async fn answer(visit: &Visit, body: Body) -> Result<Response> {
    visit.account().await?;
    let BatchBody { requests } = read_json(body).await?;
    check(&requests)?;
    let mut statuses: HashMap<String, StatusCode> = HashMap::new();
    let mut responses = Vec::with_capacity(requests.len());
    let mut waiting = requests;
    while !waiting.is_empty() {
        let ready = |part: &Part| part.after().all(|id| statuses.contains_key(&id));
        let Some(next) = waiting.iter().position(ready) else {
            return Err(Error::bad_query("The requests of the batch depend on each other."));
        };
        let part = waiting.remove(next);
        let held_up = part.after().any(|id| statuses.get(&id).is_none_or(|of| !of.is_success()));
        let (status, response) = match held_up {
            true => failed_dependency(&part),
            false => part.answer(visit).await?,
        };
        statuses.insert(part.key(), status);
        responses.push(response);
    }
    Ok(reply::json(StatusCode::OK, &json!({ "responses": responses })))
}

/// Whether a batch can be answered at all.
fn check(requests: &[Part]) -> Result<()> {
    if requests.len() > MOST {
        return Err(Error::bad_query(format!(
            "Number of batch request steps exceeds the maximum value of {MOST}."
        )));
    }
    for (at, part) in requests.iter().enumerate() {
        if part.id.is_empty() || requests[..at].iter().any(|other| other.key() == part.key()) {
            return Err(Error::bad_query(format!(
                "Request id '{}' is empty or was used before in this batch.",
                part.id
            )));
        }
        if let Some(unknown) =
            part.after().find(|id| !requests.iter().any(|other| other.key() == *id))
        {
            return Err(Error::bad_query(format!(
                "Request '{}' depends on '{unknown}', which is not in this batch.",
                part.id
            )));
        }
    }
    Ok(())
}

fn failed_dependency(part: &Part) -> (StatusCode, Value) {
    let status = StatusCode::FAILED_DEPENDENCY;
    let error = json!({
        "code": "FailedDependency",
        "message": "A request that this one depends on failed.",
    });
    let body = json!({"id": part.id, "status": status.as_u16(), "body": {"error": error}});
    (status, body)
}

impl Part {
    /// By what it is known in its batch: ids are the same whatever their case.
    fn key(&self) -> String {
        self.id.to_lowercase()
    }

    fn after(&self) -> impl Iterator<Item = String> {
        self.depends_on.iter().flatten().map(|id| id.to_lowercase())
    }

    /// Has it answered as a request of its own.
    async fn answer(&self, visit: &Visit) -> Result<(StatusCode, Value)> {
        let request = self.request(visit)?;
        let link = visit.link.clone();
        let response = observe::part(&visit.app, &link, visit.origin.clone(), request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map_err(|error| {
            Error::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "generalException",
                format!("The answer to request '{}' broke off: {error}.", self.id),
            )
        })?;
        let bytes = bytes.to_bytes();
        let told = parts.headers.iter().filter_map(|(name, value)| {
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
            "id": self.id,
            "status": parts.status.as_u16(),
            "headers": told.collect::<Map<String, Value>>(),
        });
        if !bytes.is_empty() {
            answer["body"] =
                serde_json::from_slice(&bytes).unwrap_or_else(|_| STANDARD.encode(&bytes).into());
        }
        Ok((parts.status, answer))
    }

    /// It as a request of its own, let in by what let the batch in, unless it says otherwise.
    fn request(&self, visit: &Visit) -> Result<Request> {
        let refuse = |why: &str| Error::bad_query(format!("Request '{}': {why}.", self.id));
        let method = Method::from_bytes(self.method.to_uppercase().as_bytes())
            .map_err(|_| refuse("the method is none"))?;
        // Relative, as the reference wants it; the Python SDK writes the whole of it.
        let path = self.url.strip_prefix(&visit.url("")).unwrap_or(&self.url);
        let path = path.trim_start_matches('/');
        if path.starts_with("$batch") {
            return Err(refuse("a batch has no batch in it"));
        }
        let path = utf8_percent_encode(path, LEFT_OPEN);
        let mut request = Request::builder().method(method).uri(format!("{}/{path}", visit.base));
        if let Some(headers) = request.headers_mut() {
            if let Some(value) = visit.headers.get(header::AUTHORIZATION) {
                headers.insert(header::AUTHORIZATION, value.clone());
            }
            for (name, value) in &self.headers {
                let name: Option<HeaderName> = name.parse().ok();
                let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
                let (Some(name), Some(value)) = (name, value) else {
                    return Err(refuse("a header cannot be sent"));
                };
                headers.insert(name, value);
            }
            let bytes =
                self.bytes(headers.get(header::CONTENT_TYPE)).map_err(|why| refuse(&why))?;
            headers.insert(header::CONTENT_LENGTH, bytes.len().into());
            return request.body(Body::from(bytes)).map_err(|_| refuse("the url is none"));
        }
        Err(refuse("the url is none: it is relative and begins behind the version"))
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
}
