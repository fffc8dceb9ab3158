//! A transport that sends the requests of a service for Microsoft's hosts to a drive server.

use std::{fmt, str::FromStr};

use http::{Request, Response, Uri};
use opendal::{Buffer, HttpBody, HttpTransport, HttpTransporter, Result};

/// Sends the requests for other hosts to one server.
#[derive(Clone)]
pub struct Rewriting {
    server: Uri,
    inner: HttpTransporter,
}

impl Rewriting {
    /// Returns the transport to the server at the URL `server`.
    ///
    /// # Panics
    /// If the URL is invalid.
    pub fn to(server: &str) -> Self {
        Self { server: Uri::from_str(server).expect("a URI"), inner: drivedal::http_transport() }
    }
}

impl fmt::Debug for Rewriting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rewriting to {}", self.server)
    }
}

/// The hosts whose requests are redirected.
const HOSTS: [&str; 2] = ["graph.microsoft.com", "login.microsoftonline.com"];

impl HttpTransport for Rewriting {
    /// Sends a request for one of Microsoft's hosts to the server, and any other one unchanged.
    ///
    /// # Errors
    /// Those of the inner transport.
    async fn fetch(&self, mut request: Request<Buffer>) -> Result<Response<HttpBody>> {
        if request.uri().host().is_some_and(|host| HOSTS.contains(&host)) {
            let mut parts = request.uri().clone().into_parts();
            parts.scheme = self.server.scheme().cloned();
            parts.authority = self.server.authority().cloned();
            *request.uri_mut() = Uri::from_parts(parts).expect("a URI with another host");
        }
        self.inner.fetch(request).await
    }
}
