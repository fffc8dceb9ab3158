//! A transport for tests. It sends nothing, returns the responses of a script, and records the
//! requests.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use futures::{TryStreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use opendal::{
    Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, OperationContext, Result,
};
use tokio::sync::Semaphore;

use super::{extension_probe::ExtensionProbe, file::BodySource};
use crate::drive::Context;

/// A recorded request.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    /// Returns the value of a header, or `None` if the request did not have it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Returns `METHOD url`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.url)
    }
}

/// The result of a request.
#[derive(Clone)]
pub(crate) enum Outcome {
    /// A response.
    ScriptedResponse(ScriptedResponse),
    /// The connection is closed before the response.
    Reset,
    /// The connection is refused.
    Refused,
    /// Another outcome, after a permit is available.
    Later(Arc<Semaphore>, Box<Outcome>),
}

/// A response of a script.
#[derive(Clone)]
pub(crate) struct ScriptedResponse {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// The connection is closed after this number of bytes of the body.
    broken_at: Option<usize>,
}

/// Returns a response with this status and body.
pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Outcome {
    Outcome::ScriptedResponse(ScriptedResponse {
        status,
        headers: Vec::new(),
        body: body.into(),
        broken_at: None,
    })
}

impl Outcome {
    /// Adds a header. An empty value removes one.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::ScriptedResponse(answer) = &mut self {
            answer.headers.push((name, value.into()));
        }
        self
    }

    /// Closes the connection after `at` bytes of the body.
    pub(crate) fn broken_at(mut self, at: usize) -> Self {
        if let Self::ScriptedResponse(answer) = &mut self {
            answer.broken_at = Some(at);
        }
        self
    }

    /// Delays the outcome until `gate` has a permit.
    pub(crate) fn later(self, gate: &Arc<Semaphore>) -> Self {
        Self::Later(Arc::clone(gate), Box::new(self))
    }
}

/// Returns the outcome of a request.
type Script = Box<dyn FnMut(&Sent) -> Outcome + Send>;

/// A transport that returns the responses of a script. Clones share their state.
#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Mutex<Script>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Scripted {
    /// Returns a transport that calls `script` for each request.
    pub(crate) fn by(script: impl FnMut(&Sent) -> Outcome + Send + 'static) -> Self {
        Self { script: Arc::new(Mutex::new(Box::new(script))), sent: Arc::default() }
    }

    /// Returns a transport that expects these requests (`METHOD url`) in this order. Any other
    /// request gets status 599.
    pub(crate) fn expecting<const N: usize>(steps: [(&str, Outcome); N]) -> Self {
        let mut left: VecDeque<(String, Outcome)> =
            steps.into_iter().map(|(line, outcome)| (line.to_owned(), outcome)).collect();
        Self::by(move |sent| match left.front() {
            Some((line, _)) if *line == sent.line() => left.pop_front().expect("it is there").1,
            Some((line, _)) => answer(599, format!("expected {line}, got {}", sent.line())),
            None => answer(599, format!("nothing more was expected, got {}", sent.line())),
        })
    }

    /// Returns the outcome of the script for a request that another script received.
    pub(crate) fn outcome(&self, sent: &Sent) -> Outcome {
        (self.script.lock().unwrap())(sent)
    }

    /// Returns a context that uses this transport.
    pub(crate) fn context(&self) -> Context {
        Context::from(
            &OperationContext::new().with_http_transport(HttpTransporter::new(self.clone())),
        )
    }

    /// Returns the requests so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// Returns the requests so far, as `METHOD url`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.sent().iter().map(Sent::line).collect()
    }
}

impl HttpTransport for Scripted {
    /// Records the request, and returns the outcome of the script.
    ///
    /// # Errors
    /// `Unexpected`, temporary, for the outcomes without a response.
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let (parts, body) = request.into_parts();
        if let Some(probe) = parts.extensions.get::<ExtensionProbe>() {
            probe.confirm();
            return Ok(Response::new(HttpBody::new(stream::empty(), Some(0))));
        }
        let body = match parts.extensions.get::<BodySource>() {
            Some(source) => read(source).await,
            None => body.to_vec(),
        };
        let sent =
            Sent { method: parts.method, url: parts.uri.to_string(), headers: parts.headers, body };
        self.sent.lock().unwrap().push(sent.clone());
        let mut outcome = (self.script.lock().unwrap())(&sent);
        loop {
            match outcome {
                Outcome::ScriptedResponse(answer) => return Ok(response(answer)),
                // A foreign transport's error contains the URL.
                Outcome::Reset => {
                    return Err(Error::new(ErrorKind::Unexpected, "send http request")
                        .with_context("url", &sent.url)
                        .set_source(std::io::Error::other(format!("for url {}", sent.url)))
                        .set_temporary());
                }
                Outcome::Refused => {
                    let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                    return Err(Error::new(ErrorKind::Unexpected, "send http request")
                        .set_source(source)
                        .set_temporary());
                }
                Outcome::Later(gate, then) => {
                    gate.acquire().await.expect("never closed").forget();
                    outcome = *then;
                }
            }
        }
    }
}

/// Returns the whole body of a request from a file.
async fn read(source: &BodySource) -> Vec<u8> {
    let pieces: Vec<_> = source.stream().try_collect().await.unwrap();
    pieces.concat()
}

/// Converts a response of a script, with its body in pieces of 7 bytes.
fn response(answer: ScriptedResponse) -> Response<HttpBody> {
    let len = answer.body.len();
    let mut pieces: Vec<Result<Buffer>> = answer.body[..answer.broken_at.unwrap_or(len)]
        .chunks(7)
        .map(|piece| Ok(Buffer::from(piece.to_vec())))
        .collect();
    if answer.broken_at.is_some() {
        pieces.push(Err(Error::new(ErrorKind::Unexpected, "read http response").set_temporary()));
    }
    let mut response = Response::new(HttpBody::new(stream::iter(pieces), Some(len as u64)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    response.headers_mut().insert("content-length", HeaderValue::from(len));
    for (name, value) in answer.headers {
        if value.is_empty() {
            response.headers_mut().remove(name);
        } else {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    response
}
