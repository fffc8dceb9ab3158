//! A test whether a transport sends request bodies from files.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::Request;
use opendal::{Buffer, HttpTransporter};

/// Extension of a request that tests whether a transport supports [`BodySource`](super::file::BodySource). This crate's
/// transport confirms it without using the network; any other rejects the scheme of the URL.
#[derive(Clone, Default)]
pub(super) struct FileBodyProbe(Arc<AtomicBool>);

impl FileBodyProbe {
    /// Records that the transport supports them.
    pub(super) fn confirm(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns whether a transport sends bodies from a [`BodySource`](super::file::BodySource).
pub(super) async fn supports_file_bodies(transport: &HttpTransporter) -> bool {
    let probe = FileBodyProbe::default();
    let mut request = Request::new(Buffer::new());
    *request.uri_mut() = http::Uri::from_static("drivedal://probe/");
    request.extensions_mut().insert(probe.clone());
    // Another transport fails here, which is the result.
    let _ = transport.fetch(request).await;
    probe.0.load(Ordering::Relaxed)
}
