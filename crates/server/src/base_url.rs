//! Where the URLs in an answer begin: where its request came to.

use std::net::{IpAddr, SocketAddr};

use axum::http::{header, request::Parts};
use url::{Host, Url};

/// Hosts of the clouds that a client may have been told lie here, and all hosts below them.
pub(super) const CLOUD_HOSTS: &[&str] = &[
    "live.com",
    "live.net",
    "livefilestore.com",
    "graph.microsoft.com",
    "login.microsoftonline.com",
    "api.onedrive.com",
    "sharepoint.com",
    "1drv.com",
    "my.microsoftpersonalcontent.com",
    "amazonaws.com",
    "api.amazon.com",
];

/// The path of the page to which desktop programs redirect after a sign-in.
pub(super) const DESKTOP_PAGE: &str = "/oauth20_desktop.srf";

/// Scheme and host that a request came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseUrl {
    scheme: &'static str,
    authority: String,
    /// The address that it came to, whatever it calls it.
    local: SocketAddr,
    /// The scheme of URLs that lead to bytes and pages.
    resources: &'static str,
}

impl BaseUrl {
    /// The origin of a request; `None` if its host is malformed, or there are several. HTTP/1.0 may
    /// leave the host out: then it is the address that the request came to.
    pub(super) fn from_request(request: &Parts, secure: bool, local: SocketAddr) -> Option<Self> {
        if request.headers.get_all(header::HOST).iter().nth(1).is_some() {
            return None;
        }
        let authority = match (request.uri.authority(), request.headers.get(header::HOST)) {
            (Some(authority), _) => authority.clone(),
            (None, Some(host)) => host.to_str().ok()?.parse().ok()?,
            (None, None) => local.to_string().parse().ok()?,
        };
        // User and password have no business here, and would come back in every URL.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let scheme = if secure { "https" } else { "http" };
        let authority = authority.as_str().to_owned();
        Some(Self { scheme, authority, local, resources: scheme })
    }

    /// The same with URLs without TLS for bytes and pages.
    pub(super) fn with_plain_resources(self) -> Self {
        Self { resources: "http", ..self }
    }

    /// The URL of a page.
    pub(super) fn page_url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.resources, self.authority)
    }

    /// Whether the client believes that it speaks with a cloud.
    pub(super) fn is_cloud(&self) -> bool {
        self.scheme == "https" && is_cloud(self.host())
    }

    /// The URL of a path on another host of the cloud that the request was sent to; without one,
    /// here. The clouds give bytes away on hosts of their own, so that clients do not take their
    /// tokens there.
    pub(super) fn url_on(&self, host: &str, path: &str) -> String {
        match self.is_cloud() {
            true => format!("{}://{host}{path}", self.resources),
            false => self.page_url(path),
        }
    }

    /// The URL of a path without TLS, at the server's own address: for what a client asks for by
    /// other means than it asks for the rest, which may know neither proxy nor authority.
    pub(super) fn plain_url(&self, path: &str) -> String {
        match self.is_cloud() {
            true => format!("http://{}{path}", self.local),
            false => self.url(path),
        }
    }

    /// The host's name, without a port.
    pub(super) fn host(&self) -> &str {
        let port = self.authority.rfind(':').filter(|at| !self.authority[*at..].contains(']'));
        &self.authority[..port.unwrap_or(self.authority.len())]
    }

    /// The URL of a path, which begins with a slash.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.authority)
    }

    /// Parses a redirect URL: it must lead to this machine, or to the desktop page, which is then this
    /// server's.
    pub(super) fn redirect_target(&self, redirect: &str) -> Option<Url> {
        let url = Url::parse(redirect).ok()?;
        if url.path() == DESKTOP_PAGE {
            return Url::parse(&self.url(DESKTOP_PAGE)).ok();
        }
        let local = match url.host()? {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        (local && matches!(url.scheme(), "http" | "https")).then_some(url)
    }

    /// Whether the host is a loopback address, `localhost` or a name below it. Every other name can
    /// be registered by anybody and made to resolve to a loopback address (DNS rebinding).
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => is_or_below(host, "localhost"),
        }
    }
}

/// Whether a host is one of the clouds'.
pub(super) fn is_cloud(host: &str) -> bool {
    CLOUD_HOSTS.iter().any(|parent| is_or_below(host, parent))
}

/// Whether a host is `parent`, or below it.
pub(super) fn is_or_below(host: &str, parent: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base_url(uri: &str, host: Option<&str>) -> Option<BaseUrl> {
        origin_by(false, uri, host)
    }

    fn origin_by(secure: bool, uri: &str, host: Option<&str>) -> Option<BaseUrl> {
        let mut request = axum::http::Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        let parts = request.body(()).expect("a request").into_parts().0;
        BaseUrl::from_request(&parts, secure, SocketAddr::from(([127, 0, 0, 1], 80)))
    }

    #[test]
    fn only_a_cloud_has_other_hosts() {
        for (secure, host, on, plain) in [
            (true, "graph.microsoft.com", "https://c.1drv.com/x", "http://127.0.0.1:80/x"),
            (true, "localhost:80", "https://localhost:80/x", "https://localhost:80/x"),
            (
                false,
                "graph.microsoft.com",
                "http://graph.microsoft.com/x",
                "http://graph.microsoft.com/x",
            ),
        ] {
            let base_url = origin_by(secure, "/", Some(host)).expect("an origin");
            assert_eq!(
                (base_url.url_on("c.1drv.com", "/x").as_str(), base_url.plain_url("/x").as_str()),
                (on, plain)
            );
        }
    }

    #[test]
    fn urls_begin_with_the_host_that_the_request_named() {
        let url = |uri, host| base_url(uri, host).map(|base_url| base_url.url("/x"));
        assert_eq!(url("/a", Some("localhost:81")).as_deref(), Some("http://localhost:81/x"));
        assert_eq!(url("http://h:1/a", None).as_deref(), Some("http://h:1/x"));
        assert_eq!(url("/a", None).as_deref(), Some("http://127.0.0.1:80/x"));
        assert_eq!(url("/a", Some("a b")), None);
        assert_eq!(url("/a", Some("user@host")), None);
    }

    #[test]
    fn only_names_and_addresses_of_this_machine_are_loopback() {
        let loopback =
            |host| base_url("/", Some(host)).is_some_and(|base_url| base_url.is_loopback());
        for host in ["127.0.0.1:8000", "[::1]:80", "localhost", "LOCALHOST:1", "a.localhost"] {
            assert!(loopback(host), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "evillocalhost",
            "192.168.1.2",
            "0.0.0.0",
            "graph.microsoft.com:443",
        ] {
            assert!(!loopback(host), "{host}");
        }
    }

    #[test]
    fn redirects_stay_on_this_machine() {
        let base_url = base_url("http://127.0.0.1:9/", None).expect("a host");
        let target = |uri| base_url.redirect_target(uri).map(String::from);
        assert_eq!(
            target("http://localhost:5000/cb?a=1").as_deref(),
            Some("http://localhost:5000/cb?a=1")
        );
        assert_eq!(target("http://[::1]/cb").as_deref(), Some("http://[::1]/cb"));
        assert_eq!(
            target("https://login.live.com/oauth20_desktop.srf").as_deref(),
            Some("http://127.0.0.1:9/oauth20_desktop.srf")
        );
        for elsewhere in
            ["https://evil.example/", "http://localhost.evil.example/", "javascript:1", "x"]
        {
            assert_eq!(target(elsewhere), None, "{elsewhere}");
        }
    }
}
