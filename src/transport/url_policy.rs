//! Decides which URLs of a cloud's responses are used, and which of them receive the access token.
//!
//! Responses contain URLs: of next pages, of upload sessions, of file contents or, at Amazon, of
//! the servers for all further requests. A response may be forged or wrong. So the access token is
//! sent only to the configured endpoint, for which it was issued, and to hosts that the
//! configuration allows. No URL may lead from `https` to `http`.

use url::{Host, Url};

use crate::drive::{Error, ErrorKind, Result};

/// The URLs that the client of one cloud may use.
#[derive(Clone, Debug)]
pub struct UrlPolicy {
    /// The endpoint that the token was issued for.
    endpoint: Url,
    /// Further hosts that may receive the token.
    allowed: Vec<HostPattern>,
    plain_http: PlainHttpHosts,
}

/// The hosts that may receive tokens and other secrets without TLS, in addition to this machine.
///
/// On any other host, a request with a secret over plain HTTP fails before it is sent. An example
/// of an exception is a drive server in the network of a CI job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainHttpHosts(Vec<HostPattern>);

impl PlainHttpHosts {
    /// Parses the option `allow_http`: names separated by commas, each with a port if it is not 80.
    /// A `*` matches part of a name, up to the next dot.
    ///
    /// # Errors
    /// `InvalidInput` if one of them is not a host.
    pub fn parse(hosts: &str) -> Result<Self> {
        HostPattern::parse_list("allow_http", "http", hosts).map(Self)
    }

    /// Checks the URL of a request with a secret.
    ///
    /// # Errors
    /// `InvalidInput` if the URL does not use TLS and its host is neither this machine nor one of
    /// these.
    pub fn check(&self, url: &Url) -> Result<()> {
        if url.scheme() == "https" || is_loopback(url) || self.0.iter().any(|it| it.matches(url)) {
            return Ok(());
        }
        let host = host_of(url);
        Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "cannot send a token to {host}: the connection would have no TLS (use https, or name \
                 the host in the option allow_http)"
            ),
        ))
    }
}

/// Returns whether the host of a URL is `localhost` or a loopback address. Other names of this
/// machine do not count.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A host and its port. A `*` matches letters, digits and hyphens, but no dot.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostPattern {
    host: String,
    /// `None` for the scheme's default port.
    port: Option<u16>,
}

impl UrlPolicy {
    /// Returns the policy of a cloud with this endpoint. Only the endpoint may receive the token.
    ///
    /// # Errors
    /// `InvalidInput` if `endpoint` is not a URL.
    pub fn for_endpoint(endpoint: &str) -> Result<Self> {
        let endpoint = Url::parse(endpoint).map_err(|error| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("cannot use the endpoint: it is not a URL ({error})"),
            )
        })?;
        Ok(Self { endpoint, allowed: Vec::new(), plain_http: PlainHttpHosts::default() })
    }

    /// Allows the token on further hosts. `hosts` are names separated by commas, each with a port
    /// if that is not the scheme's default. A `*` matches part of a name, up to the next dot.
    ///
    /// # Errors
    /// `InvalidInput` if one of them is not a host.
    pub fn allowing(mut self, hosts: &str) -> Result<Self> {
        self.allowed.extend(HostPattern::parse_list("allowed_hosts", "https", hosts)?);
        Ok(self)
    }

    /// Sets the hosts that may receive the token without TLS. They do not extend
    /// [`allowing`](Self::allowing).
    #[must_use]
    pub fn with_plain_http(self, plain_http: PlainHttpHosts) -> Self {
        Self { plain_http, ..self }
    }

    /// Returns the hosts that may receive the token without TLS.
    #[cfg(any(
        feature = "services-amazon-drive",
        feature = "services-onedrive",
        feature = "services-skydrive"
    ))]
    pub(crate) fn plain_http(&self) -> &PlainHttpHosts {
        &self.plain_http
    }

    /// Returns whether a URL is below the endpoint: it has the endpoint's origin, and its path begins
    /// with the endpoint's path.
    #[cfg(feature = "services-onedrive")]
    pub(crate) fn is_below_endpoint(&self, url: &str) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        let base = self.endpoint.path().trim_end_matches('/');
        url.origin() == self.endpoint.origin()
            && url.path().strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Returns whether the endpoint's host matches a pattern, on the scheme's default port.
    #[cfg(feature = "services-amazon-drive")]
    pub(crate) fn is_at(&self, pattern: &str) -> bool {
        HostPattern::parse("allowed_hosts", "https", pattern)
            .is_ok_and(|pattern| pattern.matches(&self.endpoint))
    }

    /// Checks the URL of a request without a token.
    ///
    /// # Errors
    /// `Unexpected` if it is neither `http` nor `https`, if it has a user name, or if it is `http`
    /// while the endpoint is `https`.
    pub fn check_link(&self, url: &str) -> Result<()> {
        self.link(url).map(drop)
    }

    /// Checks the URL of a request with the token.
    ///
    /// # Errors
    /// `Unexpected` if the host is neither the endpoint's nor an allowed one; those of
    /// [`check_link`](Self::check_link) and [`PlainHttpHosts::check`].
    pub fn check_token(&self, url: &str) -> Result<()> {
        let url = self.link(url)?;
        self.plain_http.check(&url)?;
        if url.origin() == self.endpoint.origin()
            || self.allowed.iter().any(|pattern| pattern.matches(&url))
        {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unexpected,
            format!(
                "cannot send the access token to {}: it was issued for {} (if that host belongs to \
                 the same cloud, name it in the option allowed_hosts)",
                host_of(&url),
                host_of(&self.endpoint),
            ),
        ))
    }

    /// Parses a URL of a response, and checks its scheme, user name and downgrade.
    ///
    /// # Errors
    /// Those of [`check_link`](Self::check_link).
    fn link(&self, url: &str) -> Result<Url> {
        let refused = |reason: String| {
            Err(Error::new(ErrorKind::Unexpected, format!("cannot follow {reason}")))
        };
        // The parser's error does not contain the URL, which may be secret.
        let url = match Url::parse(url) {
            Ok(url) => url,
            Err(error) => return refused(format!("a URL of the cloud: {error}")),
        };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return refused(format!("a URL of the cloud: its scheme is {}", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused(format!("a URL of the cloud to {}: it has a user name", host_of(&url)));
        }
        if is_downgrade(&self.endpoint, &url) {
            return refused(format!(
                "a URL of the cloud to {}: it is http, and the endpoint is https",
                host_of(&url)
            ));
        }
        Ok(url)
    }
}

/// Returns whether a step from one URL to another leaves TLS.
pub(super) fn is_downgrade(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() != "https"
}

/// Returns the host of a URL, with the port if it is not the scheme's default.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

impl HostPattern {
    /// Parses hosts that are separated by commas. `option` names the option in errors. `scheme`
    /// determines the default port.
    ///
    /// # Errors
    /// `InvalidInput` if one of them is not a host.
    fn parse_list(option: &str, scheme: &str, hosts: &str) -> Result<Vec<Self>> {
        let hosts = hosts.split(',').map(str::trim).filter(|text| !text.is_empty());
        hosts.map(|text| Self::parse(option, scheme, text)).collect()
    }

    /// Parses a host, with an optional port. `option` and `scheme` are those of
    /// [`parse_list`](Self::parse_list).
    ///
    /// # Errors
    /// `InvalidInput` if the text is not a host, for instance a URL.
    fn parse(option: &str, scheme: &str, text: &str) -> Result<Self> {
        let invalid = || {
            Error::new(
                ErrorKind::InvalidInput,
                format!("cannot use option {option}: {text:?} is not a host"),
            )
        };
        let url = Url::parse(&format!("{scheme}://{text}")).map_err(|_| invalid())?;
        let only_host = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && !text.contains(['/', '?', '#', '@', '\\']);
        match url.host_str().filter(|_| only_host) {
            Some(host) => Ok(Self { host: host.to_owned(), port: url.port() }),
            None => Err(invalid()),
        }
    }

    /// Returns whether host and port of a URL match, label by label. [`Url`] has the host in lower
    /// case and no port if it is the scheme's default.
    fn matches(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let (names, patterns) = (host.split('.'), self.host.split('.'));
        url.port() == self.port
            && names.clone().count() == patterns.clone().count()
            && names.zip(patterns).all(|(name, pattern)| label_matches(name, pattern))
    }
}

/// Returns whether one label of a host name matches one label of a pattern. A `*` stands for at
/// least one letter, digit or hyphen. Only the first `*` has this meaning. Both are in lower case.
fn label_matches(name: &str, pattern: &str) -> bool {
    let Some((start, end)) = pattern.split_once('*') else { return name == pattern };
    name.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)).is_some_and(|middle| {
        !middle.is_empty()
            && middle.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amazon() -> UrlPolicy {
        UrlPolicy::for_endpoint("https://drive.amazonaws.com/drive/v1/")
            .and_then(|policy| {
                policy.allowing("*.drive.amazonaws.com, cdws.*.amazonaws.com, own:81")
            })
            .expect("a policy")
    }

    #[test]
    fn a_token_is_sent_to_the_endpoint_and_allowed_hosts_only() {
        for good in [
            "https://drive.amazonaws.com/drive/v1/account/endpoint",
            "https://drive.amazonaws.com:443/x",
            "https://content-na.drive.amazonaws.com/cdproxy/nodes",
            "https://cdws.us-east-1.amazonaws.com/drive/v1/nodes",
            "https://own:81/x",
        ] {
            amazon().check_token(good).expect(good);
        }
        for bad in [
            "https://evil.test/cdproxy/",
            "https://drive.amazonaws.com.evil.test/",
            "https://evil-drive.amazonaws.com/",
            "https://a.b.drive.amazonaws.com/",
            "https://.drive.amazonaws.com/",
            "https://cdws.amazonaws.com/",
            "https://bucket.s3.amazonaws.com/",
            "https://drive.amazonaws.com:8443/",
            "https://content-na.drive.amazonaws.com:8443/",
            "https://drive.amazonaws.com@evil.test/",
            "https://evil.test\\@drive.amazonaws.com/",
            "https://own/x",
            "http://drive.amazonaws.com/",
            "http://content-na.drive.amazonaws.com/",
            "ftp://drive.amazonaws.com/",
            "nowhere",
            "",
        ] {
            amazon().check_token(bad).expect_err(bad);
        }
        let error = amazon().check_token("https://evil.test:81/?token=hunter2").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("evil.test:81") && text.contains("allowed_hosts"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_link_may_lead_anywhere_but_out_of_tls() {
        amazon().check_link("https://bucket.s3.amazonaws.com/x?sig=1").expect("another host");
        amazon().check_link("http://bucket.s3.amazonaws.com/x").expect_err("no TLS");
        amazon().check_link("file:///etc/passwd").expect_err("no host");
        let plain = UrlPolicy::for_endpoint("http://127.0.0.1:8/v1.0").expect("a policy");
        plain.check_link("http://127.0.0.1:9/x").expect("nothing to lose");
        plain.check_link("https://elsewhere/x").expect("better");
        plain.check_token("http://127.0.0.1:8/v1.0/me").expect("the endpoint");
        plain.check_token("http://127.0.0.1:9/v1.0/me").expect_err("another port");
        plain.check_token("https://127.0.0.1:8/v1.0/me").expect_err("another origin");
    }

    #[test]
    fn a_token_needs_tls_except_on_this_machine_and_on_named_hosts() {
        let policy = |endpoint: &str| {
            let hosts = PlainHttpHosts::parse("drive.test, *.ci.test:8080").expect("hosts");
            UrlPolicy::for_endpoint(endpoint).expect("a policy").with_plain_http(hosts)
        };
        for good in [
            "https://drive.elsewhere/v1.0/me",
            "http://localhost:8/v1.0/me",
            "http://127.0.0.1/v1.0/me",
            "http://127.8.9.10:9/v1.0/me",
            "http://[::1]:8/v1.0/me",
            "http://drive.test/v1.0/me",
            "http://a.ci.test:8080/v1.0/me",
        ] {
            policy(good).check_token(good).expect(good);
        }
        for bad in [
            "http://drive.elsewhere/v1.0/me",
            "http://localhost.evil.test/v1.0/me",
            "http://x.localhost/v1.0/me",
            "http://128.0.0.1/v1.0/me",
            "http://drive.test:8080/v1.0/me",
            "http://a.ci.test/v1.0/me",
            "http://a.b.ci.test:8080/v1.0/me",
        ] {
            let error = policy(bad).check_token(bad).expect_err(bad);
            assert!(error.to_string().contains("option allow_http"), "{error}");
            policy(bad).check_link(bad).expect("no token is sent");
        }
        let error = PlainHttpHosts::parse("http://h").expect_err("a URL");
        assert!(error.to_string().contains("option allow_http"), "{error}");
    }

    #[cfg(feature = "services-onedrive")]
    #[test]
    fn a_url_below_the_endpoint_has_its_origin_and_its_path() {
        let policy = UrlPolicy::for_endpoint("https://graph.test/v1.0").expect("a policy");
        for (url, expected) in [
            ("https://graph.test/v1.0/drives/D/items/I/contentStream", true),
            ("https://GRAPH.test:443/v1.0/x?y", true),
            ("https://graph.test/v1.0", false),
            ("https://graph.test/v1.00/x", false),
            ("https://graph.test/v1.0/../download", false),
            ("https://graph.test/download/x", false),
            ("http://graph.test/v1.0/x", false),
            ("https://graph.test:8443/v1.0/x", false),
            ("https://graph.test.evil.test/v1.0/x", false),
            ("https://graph.test@evil.test/v1.0/x", false),
            ("nowhere", false),
        ] {
            assert_eq!(policy.is_below_endpoint(url), expected, "{url}");
        }
    }

    #[test]
    fn only_hosts_are_allowed_hosts() {
        for bad in ["https://h", "h/path", "u@h", "h?q", "h:port", "a b", "h\\x"] {
            let policy = UrlPolicy::for_endpoint("https://h").expect("a policy");
            policy.allowing(bad).expect_err(bad);
        }
    }
}
