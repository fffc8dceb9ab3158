//! The scheme and host of a request, with which the URLs in its response begin.

use std::net::{IpAddr, SocketAddr};

use axum::http::{header, request::Parts};
use url::{Host, Url};

/// Hosts of the clouds that the server can stand in for, including all hosts below them.
pub(super) const CLOUD_HOSTS: &[&str] = &[
    // The national clouds of Graph (onedrive-graph#cloud-hosts).
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
    "graph.microsoft.de",
    "login.microsoftonline.us",
    "login.chinacloudapi.cn",
    "login.partner.microsoftonline.cn",
    "login.microsoftonline.de",
    "sharepoint.us",
    "sharepoint-mil.us",
    "sharepoint.cn",
    "sharepoint.de",
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
    "amazon.com",
    "tensile-runway-92512.appspot.com",
];

/// The hosts of a national cloud.
struct NationalCloud {
    graph: &'static str,
    login: &'static str,
    sharepoint: &'static str,
}

/// The national clouds (onedrive-graph#cloud-hosts). The first two share a sign-in host, which leads
/// to the first one's hosts.
const NATIONAL_CLOUDS: [NationalCloud; 4] = [
    NationalCloud {
        graph: "graph.microsoft.us",
        login: "login.microsoftonline.us",
        sharepoint: "sharepoint.us",
    },
    NationalCloud {
        graph: "dod-graph.microsoft.us",
        login: "login.microsoftonline.us",
        sharepoint: "sharepoint-mil.us",
    },
    NationalCloud {
        graph: "microsoftgraph.chinacloudapi.cn",
        login: "login.chinacloudapi.cn",
        sharepoint: "sharepoint.cn",
    },
    NationalCloud {
        graph: "graph.microsoft.de",
        login: "login.microsoftonline.de",
        sharepoint: "sharepoint.de",
    },
];

/// The path of the page to which desktop programs redirect after a sign-in.
pub(super) const DESKTOP_PAGE: &str = "/oauth20_desktop.srf";

/// The path of the page to which desktop programs redirect after a sign-in of Entra.
pub(super) const NATIVE_CLIENT_PAGE: &str = "/common/oauth2/nativeclient";

/// The scheme and host that a request was sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseUrl {
    scheme: &'static str,
    /// The host and port.
    authority: String,
    /// The server's address of the connection, independent of the host that the client names.
    local: SocketAddr,
    /// The scheme of URLs for bytes and pages.
    resources: &'static str,
}

impl BaseUrl {
    /// Returns the base URL of a request. An HTTP/1.0 request may omit the host; `local`, the
    /// address of the connection, then replaces it. `secure` is whether the connection uses TLS.
    ///
    /// Returns `None` if the request has a malformed host, several hosts, or a host with
    /// credentials.
    pub(super) fn from_request(request: &Parts, secure: bool, local: SocketAddr) -> Option<Self> {
        if request.headers.get_all(header::HOST).iter().nth(1).is_some() {
            return None;
        }
        let authority = match (request.uri.authority(), request.headers.get(header::HOST)) {
            (Some(authority), _) => authority.clone(),
            (None, Some(host)) => host.to_str().ok()?.parse().ok()?,
            (None, None) => local.to_string().parse().ok()?,
        };
        // Credentials would be repeated in every URL of the response.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let scheme = if secure { "https" } else { "http" };
        let authority = authority.as_str().to_owned();
        Some(Self { scheme, authority, local, resources: scheme })
    }

    /// Uses URLs without TLS for bytes and pages.
    pub(super) fn with_plain_resources(self) -> Self {
        Self { resources: "http", ..self }
    }

    /// Returns the URL of a page. `path` begins with a slash, is percent-encoded, and may have a
    /// query.
    pub(super) fn page_url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.resources, self.authority)
    }

    /// Returns whether the client sent the request to a cloud's host over TLS.
    pub(super) fn is_cloud(&self) -> bool {
        self.scheme == "https" && is_cloud(self.host())
    }

    /// Returns the URL of a path on `host`, another host of the cloud that the request was sent to;
    /// on the request's own host if it is no cloud's. `path` begins with a slash and is
    /// percent-encoded. The clouds serve bytes from hosts of their own, so that clients do not send
    /// their tokens there.
    pub(super) fn url_on(&self, host: &str, path: &str) -> String {
        match self.is_cloud() {
            true => format!("{}://{}{path}", self.resources, self.cloud_host(host)),
            false => self.page_url(path),
        }
    }

    /// Returns the host of the national cloud that the request was sent to, in place of `host`, one
    /// of the global cloud; `host` itself for a request to the global cloud.
    pub(super) fn cloud_host(&self, host: &str) -> String {
        let national = NATIONAL_CLOUDS.iter().find(|cloud| {
            let hosts = [cloud.graph, cloud.login, cloud.sharepoint];
            hosts.iter().any(|parent| is_or_below(self.host(), parent))
        });
        let Some(cloud) = national else { return host.to_owned() };
        match host {
            "graph.microsoft.com" => cloud.graph.to_owned(),
            "login.microsoftonline.com" => cloud.login.to_owned(),
            host => match host.strip_suffix("sharepoint.com") {
                Some(tenant) => format!("{tenant}{}", cloud.sharepoint),
                None => host.to_owned(),
            },
        }
    }

    /// Returns the URL of a path at the server's own address without TLS, for a client that knows
    /// neither the proxy nor the authority.
    pub(super) fn plain_url(&self, path: &str) -> String {
        match self.is_cloud() {
            true => format!("http://{}{path}", self.local),
            false => self.url(path),
        }
    }

    /// Returns the host without its port.
    pub(super) fn host(&self) -> &str {
        let port = self.authority.rfind(':').filter(|at| !self.authority[*at..].contains(']'));
        &self.authority[..port.unwrap_or(self.authority.len())]
    }

    /// Returns the URL of a path, which must start with a slash and be percent-encoded.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.authority)
    }

    /// Parses the redirect URL of a sign-in. Returns `None` unless it is an `http` or `https` URL
    /// of this machine, or has the path of the page for desktop programs of a cloud, which is
    /// replaced by this server's.
    pub(super) fn redirect_target(&self, redirect: &str) -> Option<Url> {
        let url = Url::parse(redirect).ok()?;
        if url.path() == DESKTOP_PAGE {
            return Url::parse(&self.url(DESKTOP_PAGE)).ok();
        }
        if url.path() == NATIVE_CLIENT_PAGE {
            return Url::parse(&self.url(NATIVE_CLIENT_PAGE)).ok();
        }
        let local = match url.host()? {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        (local && matches!(url.scheme(), "http" | "https")).then_some(url)
    }

    /// Returns whether the host is a loopback address, `localhost` or a name below it. Anyone can
    /// register any other name and let it resolve to a loopback address (DNS rebinding).
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => is_or_below(host, "localhost"),
        }
    }
}

/// Returns whether a host, in any case and without its port, belongs to one of the clouds.
pub(super) fn is_cloud(host: &str) -> bool {
    CLOUD_HOSTS.iter().any(|parent| is_or_below(host, parent))
}

/// Returns whether a host, in any case and without its port, is `parent` or below it. `parent` is
/// in lower case.
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
    fn a_national_cloud_has_hosts_of_its_own() {
        for (host, graph, tenant) in [
            ("graph.microsoft.com", "graph.microsoft.com", "t-my.sharepoint.com"),
            ("graph.microsoft.us", "graph.microsoft.us", "t-my.sharepoint.us"),
            ("dod-graph.microsoft.us", "dod-graph.microsoft.us", "t-my.sharepoint-mil.us"),
            ("t-my.sharepoint.cn", "microsoftgraph.chinacloudapi.cn", "t-my.sharepoint.cn"),
            ("graph.microsoft.de", "graph.microsoft.de", "t-my.sharepoint.de"),
        ] {
            let base_url = origin_by(true, "/", Some(host)).expect("an origin");
            assert_eq!(base_url.cloud_host("graph.microsoft.com"), graph);
            let url = base_url.url_on("t-my.sharepoint.com", "/x");
            assert_eq!(url, format!("https://{tenant}/x"));
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
