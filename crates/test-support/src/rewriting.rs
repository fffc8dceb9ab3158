//! A transport that sends to a drive server what a service means for Microsoft's hosts.

use std::{fmt, str::FromStr};

use http::{Request, Response, Uri};
use opendal::{Buffer, HttpBody, HttpTransport, HttpTransporter, Result};

/// Sends to one server what is meant for others.
#[derive(Clone)]
pub struct Rewriting {
    server: Uri,
    inner: HttpTransporter,
}

impl Rewriting {
    /// To the server at that URL.
    pub fn to(server: &str) -> Self {
        Self { server: Uri::from_str(server).expect("a URI"), inner: drivedal::http_transport() }
    }
}

impl fmt::Debug for Rewriting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rewriting to {}", self.server)
    }
}

const HOSTS: [&str; 2] = ["graph.microsoft.com", "login.microsoftonline.com"];

impl HttpTransport for Rewriting {
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
