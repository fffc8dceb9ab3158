//! Rejects requests that a web page of another site may have sent through a user's browser.
//!
//! A page of any site can make a browser send requests to this machine, and the development tokens
//! are public. Three headers, which a page cannot forge, identify such requests:
//!
//! | header | accepted values |
//! |---|---|
//! | `Host` | loopback names and addresses, the clouds' hosts where the server stands in for them, [`Builder::allow_host`](super::Builder::allow_host); any other name may be rebound by its owner's DNS |
//! | `Sec-Fetch-Site` | `same-origin`, `none` |
//! | `BaseUrl` | the server's own, [`Builder::allow_origin`](super::Builder::allow_origin) |
//!
//! Graph lets every origin read with a token (`Access-Control-Allow-BaseUrl: *`). This server sends
//! CORS headers only to the origins that an option names, because its tokens are no secret.
//!
//! Two kinds of route admit other sites, because their protocols are made for that: see
//! [`CrossSite`]. The rules look at the request as its protocol parsed it: encoded paths and queries
//! and overridden methods make no difference.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use url::Url;

use super::base_url::{self, BaseUrl};

/// Response headers that scripts of allowed origins can read, as Graph exposes them.
const EXPOSED: &str = "ETag, Location, Retry-After, request-id";

/// Methods of the three protocols.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, MOVE, COPY";

/// Seconds that a browser may remember a preflight. Inferred.
const PREFLIGHT_AGE: &str = "600";

const SEC_FETCH_SITE: &str = "sec-fetch-site";
const SEC_FETCH_MODE: &str = "sec-fetch-mode";
const SEC_FETCH_DEST: &str = "sec-fetch-dest";

/// Hosts and origins that the server accepts besides its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed {
    /// Whether the clouds' hosts are this server's.
    pub stand_in: bool,
    /// Host names and addresses, without ports.
    pub hosts: Vec<String>,
    /// Origins whose pages may use the protocols.
    pub origins: Vec<url::Origin>,
}

/// Whether a web page of another site may send a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CrossSite {
    /// It may not.
    Refused,
    /// It may open the request as a page in the browser's window, by `GET`: a sign-in page, to which
    /// applications lead browsers from their own sites. The page redirects to a program on this
    /// machine, whichever site led there.
    SignInPage,
    /// It may post the request from a form, if the response leads back to the page's own origin,
    /// which must be a program on this machine.
    FormUpload {
        /// The URL to which the response leads.
        redirect: Option<String>,
    },
}

/// An admitted request.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The allowed origin that sent it.
    cors: Option<HeaderValue>,
}

impl Allowed {
    /// Admits a request to `base`. `exemption`: what its protocol says about other sites, if it has
    /// one.
    ///
    /// # Errors
    /// The reason for its rejection.
    pub(super) fn admit(
        &self,
        request: &Parts,
        base: &BaseUrl,
        exemption: Option<&CrossSite>,
    ) -> Result<Admitted, String> {
        if !self.is_host(base) {
            return Err(format!(
                "cannot serve host {}: this server accepts loopback names and addresses only \
                 (for another name start it with --allow-host)",
                base.host()
            ));
        }
        let own = Url::parse(&base.url("/")).map(|url| url.origin());
        let origins: Vec<_> = request.headers.get_all(header::ORIGIN).iter().collect();
        let is_control = request.uri.path().starts_with("/_control");
        let allowed = match origins.as_slice() {
            [one] if !is_control => parsed(one).is_some_and(|it| self.origins.contains(&it)),
            _ => false,
        };
        if allowed {
            return Ok(Admitted { cors: origins.first().map(|&origin| origin.clone()) });
        }
        let is_own = |origin: &&HeaderValue| parsed(origin).is_some_and(|it| Ok(it) == own);
        let sites = request.headers.get_all(SEC_FETCH_SITE);
        let is_near = sites.iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
        if is_near && origins.iter().all(is_own) || is_exempt(request, base, &origins, exemption) {
            return Ok(Admitted { cors: None });
        }
        Err("cannot serve a request that a web page of another site sent (to let pages of an \
             origin use this server start it with --allow-origin)"
            .to_owned())
    }

    /// Whether the server may be addressed by the host of `base`.
    fn is_host(&self, base: &BaseUrl) -> bool {
        let host = base.host().trim_start_matches('[').trim_end_matches(']');
        base.is_loopback()
            || self.stand_in && base_url::is_cloud(host)
            || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}

impl Admitted {
    /// Returns the response to a preflight of an allowed origin; `None`: the request is no preflight.
    pub(super) fn preflight(&self, request: &Parts) -> Option<Response> {
        self.cors.as_ref()?;
        let asks = |name: &str| request.headers.get(name);
        let is_preflight =
            request.method == Method::OPTIONS && asks("access-control-request-method").is_some();
        if !is_preflight {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let mut set = |name: &'static str, value| headers.insert(name, value);
        set("access-control-allow-methods", HeaderValue::from_static(METHODS));
        set("access-control-max-age", HeaderValue::from_static(PREFLIGHT_AGE));
        if let Some(wanted) = asks("access-control-request-headers") {
            set("access-control-allow-headers", wanted.clone());
        }
        // Chromium's private network access: a public page that calls a loopback address.
        if asks("access-control-request-private-network").is_some() {
            set("access-control-allow-private-network", HeaderValue::from_static("true"));
        }
        Some(self.with_cors(response))
    }

    /// Lets scripts of an allowed origin read the response.
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

/// Parses an origin such as `https://state.example:8443`, without a path.
pub(super) fn parse_origin(text: &str) -> Option<url::Origin> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let has_host = url.has_host() && url.username().is_empty() && url.password().is_none();
    Some(url.origin()).filter(|origin| is_bare && has_host && origin.is_tuple())
}

fn parsed(origin: &HeaderValue) -> Option<url::Origin> {
    parse_origin(origin.to_str().ok()?)
}

/// Whether a request may come from another site, as its protocol declares ([`CrossSite`]).
fn is_exempt(
    request: &Parts,
    base: &BaseUrl,
    origins: &[&HeaderValue],
    exemption: Option<&CrossSite>,
) -> bool {
    let is_opened = is_or_absent(&request.headers, SEC_FETCH_MODE, "navigate")
        && is_or_absent(&request.headers, SEC_FETCH_DEST, "document");
    match exemption {
        None | Some(CrossSite::Refused) => false,
        Some(CrossSite::SignInPage) => {
            is_opened && request.method == Method::GET && origins.is_empty()
        }
        Some(CrossSite::FormUpload { redirect }) => {
            let target = redirect.as_deref().and_then(|redirect| base.redirect_target(redirect));
            let is_own =
                |target: Url| origins.iter().all(|origin| parsed(origin) == Some(target.origin()));
            is_opened && request.method == Method::POST && target.is_some_and(is_own)
        }
    }
}

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
