//! Rejects requests that a web page of another site may have sent through a user's browser.
//!
//! A page of any site can make a browser send requests to this machine, and the development tokens
//! are public. Three headers, which a page cannot forge, identify such requests:
//!
//! | header | accepted values |
//! |---|---|
//! | `Host` | loopback names and addresses, the clouds' hosts where the server stands in for them, [`Builder::allow_host`](super::Builder::allow_host); any other name may be rebound by its owner's DNS |
//! | `Sec-Fetch-Site` | `same-origin`, `none` |
//! | `Origin` | the server's own, [`Builder::allow_origin`](super::Builder::allow_origin) |
//!
//! Graph lets every origin read with a token (`Access-Control-Allow-Origin: *`). This server sends
//! CORS headers only to the origins that an option names, because its tokens are no secret.
//!
//! Two kinds of requests may be sent from other sites, because their protocols are designed for that:
//! see [`CrossSite`]. The rules use the request as its protocol parsed it, so an unusual encoding of
//! the path or an overridden method does not circumvent them.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use url::Url;

use crate::base_url::{self, BaseUrl};

/// Response headers that scripts of allowed origins can read, as Graph exposes them.
const EXPOSED: &str = "ETag, Location, Retry-After, request-id";

/// The methods of the three protocols.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, MOVE, COPY";

/// How long a browser may cache the response to a preflight request, in seconds. Inferred.
const PREFLIGHT_AGE: &str = "600";

const SEC_FETCH_SITE: &str = "sec-fetch-site";
const SEC_FETCH_MODE: &str = "sec-fetch-mode";
const SEC_FETCH_DEST: &str = "sec-fetch-dest";

/// Hosts and origins that the server accepts besides its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed {
    /// Whether the server stands in for the clouds' hosts.
    pub stand_in: bool,
    /// Host names and addresses, without ports.
    pub hosts: Vec<String>,
    /// Origins whose pages may use the protocols.
    pub origins: Vec<url::Origin>,
}

/// Whether a web page of another site may send a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CrossSite {
    /// No, not even one of an allowed origin. For the control API.
    OwnOrigin,
    /// Only one of an allowed origin.
    Refused,
    /// Only by `GET`, to open a page in the browser's window. For sign-in pages, which applications
    /// open from their own sites. Such a page redirects only to a program on this machine.
    SignInPage,
    /// Only by `POST` from a form, if the response redirects to the page's own origin, which must be a
    /// program on this machine.
    FormUpload {
        /// The URL that the response redirects to.
        redirect: Option<String>,
    },
}

/// The reason why a request was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CrossSiteError {
    /// The server does not serve this host.
    #[error(
        "cannot serve host {0}: this server accepts loopback names and addresses only (for another \
         name start it with --allow-host)"
    )]
    Host(String),
    /// The request comes from a page of another site.
    #[error(
        "cannot serve a request that a web page of another site sent (to let pages of an origin use \
         this server start it with --allow-origin)"
    )]
    Origin,
}

/// A request that passed the check.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The allowed origin that sent it; `None` if it is not of another site.
    cors: Option<HeaderValue>,
}

impl Allowed {
    /// Checks the host and the origin of a request to `base`. `rule` is the rule for requests of other
    /// sites.
    ///
    /// # Errors
    /// [`CrossSiteError::Host`] for a host that the server does not serve, and
    /// [`CrossSiteError::Origin`] for a page of another site that may not send the request.
    pub(super) fn admit(
        &self,
        request: &Parts,
        base: &BaseUrl,
        rule: &CrossSite,
    ) -> Result<Admitted, CrossSiteError> {
        if !self.is_host(base) {
            return Err(CrossSiteError::Host(base.host().to_owned()));
        }
        let own = Url::parse(&base.url("/")).map(|url| url.origin());
        let origins: Vec<_> = request.headers.get_all(header::ORIGIN).iter().collect();
        let allowed = match origins.as_slice() {
            [one] if *rule != CrossSite::OwnOrigin => {
                parsed(one).is_some_and(|it| self.origins.contains(&it))
            }
            _ => false,
        };
        if allowed {
            return Ok(Admitted { cors: origins.first().map(|&origin| origin.clone()) });
        }
        let is_own = |origin: &&HeaderValue| parsed(origin).is_some_and(|it| Ok(it) == own);
        let sites = request.headers.get_all(SEC_FETCH_SITE);
        let is_same_site =
            sites.iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
        let is_own_page = is_same_site && origins.iter().all(is_own);
        if is_own_page || is_exempt(request, base, &origins, rule) {
            return Ok(Admitted { cors: None });
        }
        Err(CrossSiteError::Origin)
    }

    /// Returns whether the server serves the host of `base`: loopback, an allowed host, or a
    /// cloud's if it stands in for them.
    fn is_host(&self, base: &BaseUrl) -> bool {
        let host = base.host().trim_start_matches('[').trim_end_matches(']');
        base.is_loopback()
            || self.stand_in && base_url::is_cloud(host)
            || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}

impl Admitted {
    /// Returns the response to a preflight request of an allowed origin; `None` for other requests.
    pub(super) fn preflight(&self, request: &Parts) -> Option<Response> {
        self.cors.as_ref()?;
        let get = |name: &str| request.headers.get(name);
        let is_preflight =
            request.method == Method::OPTIONS && get("access-control-request-method").is_some();
        if !is_preflight {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let mut set = |name: &'static str, value| headers.insert(name, value);
        set("access-control-allow-methods", HeaderValue::from_static(METHODS));
        set("access-control-max-age", HeaderValue::from_static(PREFLIGHT_AGE));
        if let Some(wanted) = get("access-control-request-headers") {
            set("access-control-allow-headers", wanted.clone());
        }
        // Chromium's private network access: a public page requests a loopback address.
        if get("access-control-request-private-network").is_some() {
            set("access-control-allow-private-network", HeaderValue::from_static("true"));
        }
        Some(self.with_cors(response))
    }

    /// Adds the headers with which scripts of an allowed origin can read the response.
    pub(super) fn with_cors(&self, mut response: Response) -> Response {
        if let Some(origin) = &self.cors {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers
                .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        response
    }
}

/// Parses an origin such as `https://state.example:8443`, in any case and with or without a slash
/// at the end; `None` for any other text, such as a URL with a path or a user.
pub(super) fn parse_origin(text: &str) -> Option<url::Origin> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let has_host = url.has_host() && url.username().is_empty() && url.password().is_none();
    Some(url.origin()).filter(|origin| is_bare && has_host && origin.is_tuple())
}

/// Parses the value of an `Origin` header; `None` if it is not an origin, such as `null`.
fn parsed(origin: &HeaderValue) -> Option<url::Origin> {
    parse_origin(origin.to_str().ok()?)
}

/// Returns whether the rule of a request admits other sites. `origins`
/// are the values of its `Origin` headers.
fn is_exempt(request: &Parts, base: &BaseUrl, origins: &[&HeaderValue], rule: &CrossSite) -> bool {
    let is_opened = is_or_absent(&request.headers, SEC_FETCH_MODE, "navigate")
        && is_or_absent(&request.headers, SEC_FETCH_DEST, "document");
    match rule {
        CrossSite::OwnOrigin | CrossSite::Refused => false,
        CrossSite::SignInPage => is_opened && request.method == Method::GET && origins.is_empty(),
        CrossSite::FormUpload { redirect } => {
            let target = redirect.as_deref().and_then(|redirect| base.redirect_target(redirect));
            let is_own =
                |target: Url| origins.iter().all(|origin| parsed(origin) == Some(target.origin()));
            is_opened && request.method == Method::POST && target.is_some_and(is_own)
        }
    }
}

/// Returns whether all values of a header are exactly `wanted`; `true` if it is absent.
fn is_or_absent(headers: &HeaderMap, name: &str, wanted: &str) -> bool {
    headers.get_all(name).iter().all(|value| value == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same =
            |one, other| parse_origin(one).is_some() && parse_origin(one) == parse_origin(other);
        assert!(same("https://app.example", "HTTPS://App.Example:443/"));
        assert!(!same("https://app.example", "http://app.example"));
        assert!(!same("https://app.example", "https://app.example:8443"));
        for text in ["null", "", "app.example", "file:///x", "https://a/x", "https://u@a", "data:x"]
        {
            assert_eq!(parse_origin(text), None, "{text}");
        }
    }
}
