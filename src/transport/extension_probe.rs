//! A test whether a transport supports the extensions of this crate.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::Request;
use opendal::{Buffer, HttpTransporter};

/// Extension of a request that tests whether a transport supports the extensions of this crate:
/// [`BodySource`](super::file::BodySource) and [`Connection`](super::Connection). This crate's
/// transport confirms it without using the network; any other rejects the scheme of the URL.
#[derive(Clone, Default)]
pub(super) struct ExtensionProbe(Arc<AtomicBool>);

impl ExtensionProbe {
    /// Records that the transport supports the extensions.
    pub(super) fn confirm(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns whether a transport supports the extensions of this crate.
pub(crate) async fn supports_extensions(transport: &HttpTransporter) -> bool {
    let probe = ExtensionProbe::default();
    let mut request = Request::new(Buffer::new());
    *request.uri_mut() = http::Uri::from_static("drivedal://probe/");
    request.extensions_mut().insert(probe.clone());
    // Another transport fails here, which is the result.
    let _ = transport.fetch(request).await;
    probe.0.load(Ordering::Relaxed)
}
