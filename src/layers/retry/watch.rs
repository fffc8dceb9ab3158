//! What was tried in vain within one operation is not tried again there.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{Request, Response, header};
use opendal::{
    Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, OperationContext, Result,
};

use crate::rate_limit::Exhausted;

/// Requests of an operation that were tried in vain. A service makes a fresh temporary error of an
/// answer, and knows nothing of how often it was asked for.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    /// Calls of the operation's methods that are under way.
    running: usize,
    /// By a hash of the request: they are few, and forgotten with the next call.
    in_vain: Vec<(u64, String)>,
    /// Where the last request went.
    host: String,
}

/// A call under way.
pub(super) struct Running(Watch);

impl Watch {
    fn state(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operation's context with this watch over its requests.
    pub(super) fn over(&self, context: &OperationContext) -> OperationContext {
        let inner = context.http_transport().clone();
        context.with_http_transport(HttpTransporter::new(Watching { inner, watch: self.clone() }))
    }

    /// A call begins; what was in vain for an earlier one may be tried again.
    pub(super) fn begin(&self) -> Running {
        let mut state = self.state();
        if state.running == 0 {
            state.in_vain.clear();
        }
        state.running += 1;
        Running(self.clone())
    }

    /// The host of the last request, with its port where the URL has one; empty before the first.
    pub(super) fn host(&self) -> String {
        self.state().host.clone()
    }

    /// Whether a request was in vain.
    pub(super) fn any_in_vain(&self) -> bool {
        !self.state().in_vain.is_empty()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state().running -= 1;
    }
}

struct Watching {
    inner: HttpTransporter,
    watch: Watch,
}

impl HttpTransport for Watching {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
            return self.inner.fetch(request).await;
        }
        let key = key(&request);
        self.watch.state().host = host(&request);
        let before = self.watch.state().in_vain.iter().find(|(known, _)| *known == key).cloned();
        if let Some((_, why)) = before {
            return Err(Error::new(ErrorKind::Unexpected, why).set_persistent());
        }
        let outcome = self.inner.fetch(request).await;
        let why = match &outcome {
            Ok(answer) => answer
                .extensions()
                .get::<Exhausted>()
                .map(|exhausted| format!("answered {}; {exhausted}", answer.status().as_u16())),
            Err(error) => error.is_persistent().then(|| error.message().to_owned()),
        };
        if let Some(why) = why {
            self.watch.state().in_vain.push((key, why));
        }
        outcome
    }
}

/// The host of a request, with its port where the URL has one, without user and password.
pub(super) fn host(request: &Request<Buffer>) -> String {
    let host = request.uri().authority().map_or("", |name| name.as_str());
    host.rsplit_once('@').map_or(host, |(_, host)| host).to_owned()
}

fn key(request: &Request<Buffer>) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.method().hash(&mut hasher);
    request.uri().hash(&mut hasher);
    for name in [header::RANGE, header::CONTENT_RANGE] {
        request.headers().get(name).map(|value| value.as_bytes()).hash(&mut hasher);
    }
    hasher.finish()
}
