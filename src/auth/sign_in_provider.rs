//! The sign-in endpoints of a cloud.

use url::Url;

use super::TokenClient;
use crate::{
    drive::{Error, ErrorKind, Result},
    transport::{Connection, PlainHttpHosts, segment},
};

/// Base URL of the sign-in service of Microsoft's global cloud (onedrive-graph#cloud-hosts).
const MICROSOFT: &str = "https://login.microsoftonline.com";

/// Base URL of Live Connect's sign-in (live-connect#oauth-requests).
const LIVE: &str = "https://login.live.com";

/// Page of Login with Amazon (amazon-drive#oauth-authorize).
const AMAZON_PAGE: &str = "https://amazon.com";

/// Base URL of Amazon's token endpoint (amazon-drive#oauth-token).
const AMAZON_TOKENS: &str = "https://api.amazon.com";

/// Redirect URI of Amazon's applications without a web site (amazon-drive#oauth-redirect-uri).
const AMAZON_REDIRECT: &str = "http://localhost";

/// The sign-in endpoints of a cloud, and the scopes to request.
///
/// ```
/// use drivedal::auth::SignInProvider;
///
/// # fn main() -> drivedal::drive::Result<()> {
/// let personal_or_work = SignInProvider::microsoft("common")?;
/// assert!(personal_or_work.has_device_code());
/// let drive_server = SignInProvider::microsoft_at("http://127.0.0.1:8731", "common")?;
/// let with_sites = drive_server.scope("Sites.Read.All");
/// assert_eq!(with_sites.scopes(), ["Files.ReadWrite.All", "offline_access", "Sites.Read.All"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SignInProvider {
    pub(super) authorize_url: Url,
    token_url: String,
    device_url: Option<String>,
    pub(super) redirect: RedirectTarget,
    scopes: Vec<String>,
    plain_http: PlainHttpHosts,
    /// `None`: the connections of the operator's transport.
    connection: Option<Connection>,
}

/// Where the cloud's sign-in page sends the browser at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RedirectTarget {
    /// `http://localhost` with any port (RFC 8252, section 7.3).
    Loopback,
    /// Exactly this URI, which the caller has chosen.
    Exact(String),
    /// The page of the cloud, or of an application without a server. The user copies its URL.
    Page(String),
}

impl SignInProvider {
    /// Returns the sign-in of Microsoft's global cloud, for OneDrive and SharePoint.
    ///
    /// `tenant` is an id, a domain, `common`, `organizations` or `consumers`. The scopes are
    /// `Files.ReadWrite.All` and `offline_access`. Applications register the redirect URI
    /// `http://localhost`, as a mobile and desktop application.
    ///
    /// # Errors
    /// `InvalidInput` if `tenant` is empty.
    pub fn microsoft(tenant: &str) -> Result<Self> {
        Self::microsoft_at(MICROSOFT, tenant)
    }

    /// Returns the sign-in of another authority that speaks the same protocol: that of a national
    /// cloud (onedrive-graph#cloud-hosts), or a drive server. `authority` is its base URL, such as
    /// `https://login.microsoftonline.us`.
    ///
    /// # Errors
    /// `InvalidInput` if `authority` is not an HTTP URL or `tenant` is empty.
    pub fn microsoft_at(authority: &str, tenant: &str) -> Result<Self> {
        if tenant.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "cannot sign in: the tenant is empty (use an id, a domain, common, organizations or \
                 consumers)",
            ));
        }
        let base = format!("{}/{}/oauth2/v2.0", base(authority)?, segment(tenant));
        Self::new(
            &format!("{base}/authorize"),
            format!("{base}/token"),
            RedirectTarget::Loopback,
            &["Files.ReadWrite.All", "offline_access"],
        )
        .map(|provider| Self { device_url: Some(format!("{base}/devicecode")), ..provider })
    }

    /// Returns the sign-in of Live Connect, for SkyDrive.
    ///
    /// The redirect URI is that of mobile and desktop applications, a page of the cloud
    /// (live-connect#oauth-mobile-redirect): the user copies its URL. The scopes are those of the
    /// old command-line client.
    ///
    /// # Errors
    /// None for the built-in URL.
    pub fn live() -> Result<Self> {
        Self::live_at(LIVE)
    }

    /// Returns the sign-in of Live Connect at another base URL, such as that of a drive server.
    ///
    /// # Errors
    /// `InvalidInput` if `base_url` is not an HTTP URL.
    pub fn live_at(base_url: &str) -> Result<Self> {
        let base = base(base_url)?;
        Self::new(
            &format!("{base}/oauth20_authorize.srf"),
            format!("{base}/oauth20_token.srf"),
            RedirectTarget::Page(format!("{base}/oauth20_desktop.srf")),
            &["wl.skydrive", "wl.skydrive_update", "wl.offline_access"],
        )
    }

    /// Returns Login with Amazon, for Amazon Drive.
    ///
    /// The redirect URI is `http://localhost`, where usually no server listens: the user copies the
    /// URL from the browser. The scopes are `clouddrive:read_all` and `clouddrive:write`.
    ///
    /// # Errors
    /// None for the built-in URLs.
    pub fn amazon() -> Result<Self> {
        Self::amazon_at(AMAZON_PAGE, AMAZON_TOKENS)
    }

    /// Returns Login with Amazon at other base URLs, such as those of a drive server. `page_url` has
    /// the page `/ap/oa`, `token_url` the endpoint `/auth/o2/token`.
    ///
    /// # Errors
    /// `InvalidInput` if one of them is not an HTTP URL.
    pub fn amazon_at(page_url: &str, token_url: &str) -> Result<Self> {
        Self::new(
            &format!("{}/ap/oa", base(page_url)?),
            format!("{}/auth/o2/token", base(token_url)?),
            RedirectTarget::Page(AMAZON_REDIRECT.to_owned()),
            &["clouddrive:read_all", "clouddrive:write"],
        )
    }

    /// Returns the provider with these endpoints and scopes. It has no endpoint for device codes.
    ///
    /// # Errors
    /// `InvalidInput` if `authorize_url` is not a URL.
    fn new(
        authorize_url: &str,
        token_url: String,
        redirect: RedirectTarget,
        scopes: &[&str],
    ) -> Result<Self> {
        Ok(Self {
            authorize_url: Url::parse(authorize_url).map_err(|error| invalid_url(&error))?,
            token_url,
            device_url: None,
            redirect,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            plain_http: PlainHttpHosts::default(),
            connection: None,
        })
    }

    /// Replaces the redirect URI. See
    /// [`AuthorizationCodeFlow::redirect_uri`](super::flows::AuthorizationCodeFlow::redirect_uri).
    #[must_use]
    pub fn with_redirect_uri(mut self, redirect_uri: impl Into<String>) -> Self {
        self.redirect = RedirectTarget::Exact(redirect_uri.into());
        self
    }

    /// Adds a scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Replaces all scopes.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Allows requests over plain HTTP to these hosts. Loopback addresses are always allowed.
    #[must_use]
    pub fn with_plain_http(mut self, hosts: PlainHttpHosts) -> Self {
        self.plain_http = hosts;
        self
    }

    /// Sends requests over a connection with its own options, such as a proxy.
    #[must_use]
    pub fn with_connection(mut self, connection: Option<Connection>) -> Self {
        self.connection = connection;
        self
    }

    /// Returns the scopes to request.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Returns whether the cloud has the device code flow.
    pub fn has_device_code(&self) -> bool {
        self.device_url.is_some()
    }

    /// Returns the URL for device codes. `None` if the cloud has no device code flow.
    pub(super) fn device_url(&self) -> Option<&str> {
        self.device_url.as_deref()
    }

    /// Returns the redirect URI, without a port for a loopback address.
    pub fn redirect_uri(&self) -> &str {
        match &self.redirect {
            RedirectTarget::Loopback => "http://localhost",
            RedirectTarget::Exact(uri) | RedirectTarget::Page(uri) => uri,
        }
    }

    /// Checks that requests to the sign-in page use TLS, unless its host may be used without.
    ///
    /// # Errors
    /// `InvalidInput` if they do not.
    pub(super) fn check_tls(&self) -> Result<()> {
        self.plain_http.check(&self.authorize_url)
    }

    /// Returns a client of the token endpoint, for the application with id `client_id`.
    ///
    /// # Errors
    /// None for a provider that was created.
    pub fn token_client(&self, client_id: impl Into<String>) -> Result<TokenClient> {
        let client = TokenClient::new(self.token_url.as_str(), client_id)?;
        let client = client.with_plain_http(self.plain_http.clone());
        Ok(client.with_connection(self.connection.clone()))
    }
}

/// Checks a base URL, and returns it without a slash at its end.
///
/// # Errors
/// `InvalidInput` if it is not an HTTP URL, or has a user name, query or fragment.
fn base(url: &str) -> Result<&str> {
    let parsed = Url::parse(url).map_err(|error| invalid_url(&error))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(invalid_url(&"it is neither http nor https"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() || !parsed.username().is_empty() {
        return Err(invalid_url(&"it has a user name, query or fragment"));
    }
    Ok(url.trim_end_matches('/'))
}

/// Returns the error for an invalid URL of the sign-in service.
fn invalid_url(problem: &dyn std::fmt::Display) -> Error {
    let text = format!("cannot use the URL of the sign-in service: {problem}");
    Error::new(ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_below_the_base_url() {
        let provider = SignInProvider::microsoft_at("http://127.0.0.1:8/x/", "a b").unwrap();
        assert_eq!(
            provider.authorize_url.as_str(),
            "http://127.0.0.1:8/x/a%20b/oauth2/v2.0/authorize"
        );
        assert_eq!(
            provider.device_url(),
            Some("http://127.0.0.1:8/x/a%20b/oauth2/v2.0/devicecode")
        );
        assert!(!SignInProvider::live().unwrap().has_device_code());
        assert_eq!(SignInProvider::amazon().unwrap().redirect_uri(), "http://localhost");
    }

    #[test]
    fn an_invalid_base_url_is_an_error() {
        for bad in ["nowhere", "ftp://h", "https://u@h", "https://h?x=1", "https://h#x", ""] {
            let error = SignInProvider::microsoft_at(bad, "common").expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        }
        SignInProvider::microsoft("").expect_err("no tenant");
    }
}
