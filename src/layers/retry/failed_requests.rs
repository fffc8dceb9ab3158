//! Requests whose attempts are exhausted. They are not sent again within the same operation.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{Request, Response, header};
use opendal::{
    Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, OperationContext, Result,
};

use crate::rate_limit::Exhausted;

/// Requests of one operation whose attempts are exhausted. A service converts each failed response
/// into a new temporary error and does not know that the transport has already retried the request.
/// This record keeps the operation from repeating it.
#[derive(Clone, Default)]
pub(super) struct FailedRequests(Arc<Mutex<FailedRequestsInner>>);

/// The shared state of the record.
#[derive(Default)]
struct FailedRequestsInner {
    /// Number of active calls of the operation's methods.
    running: usize,
    /// Hash of each request and the reason of its failure. The list is short, and cleared by the
    /// next call.
    failed: Vec<(u64, String)>,
    /// Host of the last request.
    host: String,
}

/// Active call. Dropping it ends the call.
pub(super) struct RunningCall(FailedRequests);

impl FailedRequests {
    /// Locks the state. A poisoned lock is used as it is.
    fn state(&self) -> MutexGuard<'_, FailedRequestsInner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a context whose transport records failed requests here.
    pub(super) fn wrap(&self, context: &OperationContext) -> OperationContext {
        let inner = context.http_transport().clone();
        context.with_http_transport(HttpTransporter::new(FailFastTransport {
            inner,
            failed_requests: self.clone(),
        }))
    }

    /// Starts a call. Requests that failed in earlier calls may be sent again.
    pub(super) fn begin_call(&self) -> RunningCall {
        let mut state = self.state();
        if state.running == 0 {
            state.failed.clear();
        }
        state.running += 1;
        RunningCall(self.clone())
    }

    /// Returns the host of the last request, with the port if the URL has one; empty before the
    /// first request.
    pub(super) fn last_host(&self) -> String {
        self.state().host.clone()
    }

    /// Returns whether a request has failed with all its attempts.
    pub(super) fn any(&self) -> bool {
        !self.state().failed.is_empty()
    }
}

impl Drop for RunningCall {
    /// Ends the call.
    fn drop(&mut self) {
        self.0.state().running -= 1;
    }
}

/// Transport that records exhausted requests, and rejects them if they are sent again.
struct FailFastTransport {
    inner: HttpTransporter,
    failed_requests: FailedRequests,
}

impl HttpTransport for FailFastTransport {
    /// Sends the request, unless it has failed before in this call with all its attempts. Records a
    /// request whose attempts are now exhausted.
    ///
    /// # Errors
    /// `Unexpected`, persistent and with the reason of the earlier failure, for a recorded request;
    /// those of the inner transport.
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
            return self.inner.fetch(request).await;
        }
        let key = request_hash(&request);
        self.failed_requests.state().host = host(&request);
        let known_failure =
            self.failed_requests.state().failed.iter().find(|(known, _)| *known == key).cloned();
        if let Some((_, reason)) = known_failure {
            return Err(Error::new(ErrorKind::Unexpected, reason).set_persistent());
        }
        let outcome = self.inner.fetch(request).await;
        let reason = match &outcome {
            Ok(response) => response
                .extensions()
                .get::<Exhausted>()
                .map(|exhausted| format!("status {}; {exhausted}", response.status().as_u16())),
            Err(error) => error.is_persistent().then(|| error.message().to_owned()),
        };
        if let Some(reason) = reason {
            self.failed_requests.state().failed.push((key, reason));
        }
        outcome
    }
}

/// Returns the host of a request without user and password, with the port if the URL has one.
pub(super) fn host(request: &Request<Buffer>) -> String {
    let host = request.uri().authority().map_or("", |name| name.as_str());
    host.rsplit_once('@').map_or(host, |(_, host)| host).to_owned()
}

/// Returns a hash of the parts that identify a request within one operation.
fn request_hash(request: &Request<Buffer>) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.method().hash(&mut hasher);
    request.uri().hash(&mut hasher);
    for name in [header::RANGE, header::CONTENT_RANGE] {
        request.headers().get(name).map(|value| value.as_bytes()).hash(&mut hasher);
    }
    hasher.finish()
}
