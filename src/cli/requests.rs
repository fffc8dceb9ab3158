//! How many requests a command cost.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::{Request, Response};
use opendal::{
    Buffer, HttpBody, HttpTransport, HttpTransporter, OperationContext,
    raw::{Layer, Servicer},
};

/// Counts the HTTP requests of every operator it is a layer of. Redirects that the transport
/// follows by itself are not seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Arc<AtomicU64>);

impl Requests {
    /// How many there were so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Layer for Requests {
    fn apply_context(&self, _: Servicer, inner: OperationContext) -> OperationContext {
        let transport = Counting { inner: inner.http_transport().clone(), count: self.clone() };
        inner.with_http_transport(HttpTransporter::new(transport))
    }
}

struct Counting {
    inner: HttpTransporter,
    count: Requests,
}

impl HttpTransport for Counting {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        // What the transport answers by itself, as its probe, is no request.
        if matches!(request.uri().scheme_str(), Some("http" | "https")) {
            self.count.0.fetch_add(1, Ordering::Relaxed);
        }
        self.inner.fetch(request).await
    }
}
