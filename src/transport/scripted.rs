//! A transport for tests: it sends nothing, answers what a test says, and remembers what was asked.

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

use super::{file::BodySource, http_transport::Probe};
use crate::drive::Context;

/// A request as it would have been sent.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// `METHOD url`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.url)
    }
}

/// What becomes of a request.
#[derive(Clone)]
pub(crate) enum Outcome {
    /// It is answered.
    Answer(Answer),
    /// The connection breaks before an answer.
    Reset,
    /// There is no connection: it is refused.
    Refused,
    /// Once a permit is there, something else becomes of it.
    Later(Arc<Semaphore>, Box<Outcome>),
}

#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// The connection breaks after so many bytes of the body.
    broken_at: Option<usize>,
}

/// An answer with a body.
pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Outcome {
    Outcome::Answer(Answer { status, headers: Vec::new(), body: body.into(), broken_at: None })
}

impl Outcome {
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Answer(answer) = &mut self {
            answer.headers.push((name, value.into()));
        }
        self
    }

    /// The body breaks off after so many bytes.
    pub(crate) fn broken_at(mut self, at: usize) -> Self {
        if let Self::Answer(answer) = &mut self {
            answer.broken_at = Some(at);
        }
        self
    }

    pub(crate) fn later(self, gate: &Arc<Semaphore>) -> Self {
        Self::Later(Arc::clone(gate), Box::new(self))
    }
}

type Script = Box<dyn FnMut(&Sent) -> Outcome + Send>;

/// The transport.
#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Mutex<Script>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Scripted {
    /// Answers as the function says.
    pub(crate) fn by(script: impl FnMut(&Sent) -> Outcome + Send + 'static) -> Self {
        Self { script: Arc::new(Mutex::new(Box::new(script))), sent: Arc::default() }
    }

    /// Answers these requests (`METHOD url`) in this order; anything else is refused with 599.
    pub(crate) fn expecting<const N: usize>(steps: [(&str, Outcome); N]) -> Self {
        let mut left: VecDeque<(String, Outcome)> =
            steps.into_iter().map(|(line, outcome)| (line.to_owned(), outcome)).collect();
        Self::by(move |sent| match left.front() {
            Some((line, _)) if *line == sent.line() => left.pop_front().expect("it is there").1,
            Some((line, _)) => answer(599, format!("expected {line}, got {}", sent.line())),
            None => answer(599, format!("nothing more was expected, got {}", sent.line())),
        })
    }

    /// The context that sends on it.
    pub(crate) fn context(&self) -> Context {
        Context::from(
            &OperationContext::new().with_http_transport(HttpTransporter::new(self.clone())),
        )
    }

    /// What was sent so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// What was sent so far, `METHOD url` each.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.sent().iter().map(Sent::line).collect()
    }
}

impl HttpTransport for Scripted {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let (parts, body) = request.into_parts();
        if let Some(probe) = parts.extensions.get::<Probe>() {
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
                Outcome::Answer(answer) => return Ok(response(answer)),
                // As a transport that does not care about secrets would say it.
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

async fn read(source: &BodySource) -> Vec<u8> {
    let pieces: Vec<_> = source.stream().try_collect().await.unwrap();
    pieces.concat()
}

fn response(answer: Answer) -> Response<HttpBody> {
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
