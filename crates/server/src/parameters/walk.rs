//! Test harness for the query parameters of the legacy protocols. It sends an example request of each
//! operation with every parameter that the operation declares, with an invalid value of it, and with
//! an unknown parameter.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::Value;

use super::{Parameter, Values};
use crate::server::Server;

/// A server, and a client of it.
pub(crate) struct WalkServer {
    server: Server,
    client: reqwest::Client,
}

/// The parts of a response that the walk compares.
#[derive(Debug)]
pub(crate) struct WalkResponse {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl WalkResponse {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    pub(crate) fn keys(&self) -> BTreeSet<String> {
        self.json().as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }
}

impl WalkServer {
    pub(crate) async fn new() -> Self {
        let server = Server::builder().start().await.unwrap();
        let redirects = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().no_proxy().redirect(redirects);
        Self { server, client: client.build().unwrap() }
    }

    /// Sends a request with the development token, and does not follow redirects.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &str,
    ) -> WalkResponse {
        let url = format!("{}{path}", self.server.url().as_str().trim_end_matches('/'));
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let method_has_body = !matches!(method.as_str(), "GET" | "DELETE");
        let mut request = self.client.request(method, url).bearer_auth("drivedal-dev");
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        if body.is_empty() && method_has_body {
            request = request.header("content-length", "0");
        }
        let response = request.body(body.to_owned()).send().await.unwrap();
        WalkResponse { status: response.status(), text: response.text().await.unwrap() }
    }
}

/// Appends `option` to the query of `path`.
fn with(path: &str, option: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{option}")
}

impl Parameter {
    /// Returns an invalid value, or `None` if every value is valid.
    fn bad(self) -> Option<&'static str> {
        match self.values {
            Values::Any => None,
            Values::Flag | Values::Number | Values::OneOf(_) => Some("perhaps"),
        }
    }

    /// Returns a valid value, or `None` if no value is valid for every request.
    fn good(self) -> Option<&'static str> {
        match self.values {
            Values::Any => None,
            Values::Flag => Some("TRUE"),
            Values::Number => Some("1"),
            Values::OneOf(known) => known.first().copied(),
        }
    }
}

/// An example request of an operation: method, path, content type, body. The path and the body may
/// contain the placeholders that the fixture of the walk replaces.
pub(crate) type Example = (&'static str, &'static str, &'static str, &'static str);

/// The operation that a request resolves to.
pub(crate) struct WalkedOperation {
    pub(crate) name: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    /// Whether the example itself is rejected.
    pub(crate) is_rejected: bool,
}

/// The properties of a protocol that the walk needs.
pub(crate) struct ParameterWalk<'a> {
    pub(crate) cloud: &'a WalkServer,
    /// Path prefix of every example.
    pub(crate) base: &'static str,
    pub(crate) examples: &'static [Example],
    /// Operations without an example, which other tests cover.
    pub(crate) without_example: &'static [&'static str],
    pub(crate) operations: &'static [&'static str],
    /// Resolves a method, a path without `base`, and a content type.
    pub(crate) resolve: fn(&str, &str, &str) -> WalkedOperation,
    /// Checks the error response to an invalid value, and returns its message.
    pub(crate) error_message: fn(&WalkResponse) -> String,
}

impl ParameterWalk<'_> {
    /// Runs the walk. `fixture` creates the items of one request and returns placeholders and their
    /// ids; its number is different in each call.
    ///
    /// # Panics
    /// If a response differs from the declaration of the parameter, or if an operation has no
    /// example.
    pub(crate) async fn run(&self, fixture: impl AsyncFn(usize) -> Vec<(&'static str, String)>) {
        let mut walked: BTreeSet<&str> = self.without_example.iter().copied().collect();
        let mut number = 0;
        for &(method, path, content_type, body) in self.examples {
            let mut send = async |option: &str| {
                number += 1;
                let mut path = if option.is_empty() { path.to_owned() } else { with(path, option) };
                let mut body = body.to_owned();
                for (name, value) in fixture(number).await {
                    path = path.replace(name, &value);
                    body = body.replace(name, &value);
                }
                let url = format!("{}{path}", self.base);
                (self.cloud.send(method, &url, content_type, &body).await, path)
            };
            let (plain, sent) = send("").await;
            let operation = (self.resolve)(method, &sent, content_type);
            walked.insert(operation.name);
            let succeeds = plain.status.as_u16() < 400;
            assert!(succeeds || operation.is_rejected, "{method} {path}: {plain:?}");
            for option in ["colour=red", "$colour=red"] {
                let (answer, _) = send(option).await;
                assert_eq!(answer.status, plain.status, "{method} {path} {option}: {answer:?}");
                assert_eq!(answer.keys(), plain.keys(), "{method} {path} {option}");
            }
            for parameter in operation.parameters {
                if let Some(value) = parameter.good() {
                    let option = format!("{}={value}", parameter.name);
                    let (answer, _) = send(&option).await;
                    // A parameter may suppress a redirect.
                    let expected = answer.status == plain.status
                        || plain.status.is_redirection() && answer.status.is_success();
                    assert!(expected, "{method} {path} {option}: {answer:?}");
                }
                if let Some(value) = parameter.bad() {
                    let option = format!("{}={value}", parameter.name);
                    let (answer, _) = send(&option).await;
                    assert_eq!(answer.status, 400, "{method} {path} {option}: {answer:?}");
                    let message = (self.error_message)(&answer);
                    assert!(message.contains(parameter.name), "{message}");
                }
            }
        }
        let operations = self.operations.iter().copied().collect();
        assert_eq!(walked, operations, "every operation has an example");
    }
}
