//! Sign-in of a user by the OAuth authorization code flow (live-connect#oauth).

use url::Url;

use crate::{
    auth::{TokenClient, Tokens},
    drive::{Context, Error, ErrorKind, Result, Secret},
};

/// The scopes that the old client requested (live-connect#scopes).
pub const SCOPES: [&str; 3] = ["wl.skydrive", "wl.skydrive_update", "wl.offline_access"];

/// A sign-in of a user to an application.
///
/// ```
/// use drivedal::services::skydrive::SignIn;
///
/// # fn main() -> drivedal::drive::Result<()> {
/// let sign_in = SignIn::new("https://login.live.com", "000000004412E411")?;
/// println!("Visit {}", sign_in.url(None));
/// // The browser ends at oauth20_desktop.srf?code=…
/// let code = sign_in.code("https://login.live.com/oauth20_desktop.srf?code=M.R3_x&lc=1033")?;
/// # assert_eq!(code.expose(), "M.R3_x");
/// // let tokens = sign_in.tokens(&context, &code, true).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SignIn {
    authorize: Url,
    client_id: String,
    redirect_uri: String,
    scopes: Vec<String>,
    endpoint: TokenClient,
}

impl SignIn {
    /// Creates a sign-in to the application `client_id` for [`SCOPES`]. `oauth` is the base URL of the
    /// OAuth server, `https://login.live.com`. The redirect URI is that of mobile and desktop
    /// applications, `oauth20_desktop.srf` (live-connect#oauth-mobile-redirect).
    ///
    /// # Errors
    /// `InvalidInput` if `oauth` is not a URL.
    pub fn new(oauth: &str, client_id: &str) -> Result<Self> {
        let oauth = oauth.trim_end_matches('/');
        let authorize = Url::parse(&format!("{oauth}/oauth20_authorize.srf")).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("oauth_endpoint is not a URL: {error}"))
        })?;
        Ok(Self {
            authorize,
            client_id: client_id.to_owned(),
            redirect_uri: format!("{oauth}/oauth20_desktop.srf"),
            scopes: SCOPES.map(str::to_owned).to_vec(),
            endpoint: TokenClient::new(format!("{oauth}/oauth20_token.srf"), client_id)?,
        })
    }

    /// Replaces the client of the token endpoint.
    pub(super) fn with_token_client(mut self, client: TokenClient) -> Self {
        self.endpoint = client;
        self
    }

    /// Sets the application's secret.
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.endpoint = self.endpoint.client_secret(secret);
        self
    }

    /// Replaces the redirect URI; it must be the one that the application was registered with.
    pub fn redirect_uri(mut self, redirect_uri: impl Into<String>) -> Self {
        self.redirect_uri = redirect_uri.into();
        self
    }

    /// Replaces [`SCOPES`].
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Returns the URL for the user's browser. The redirect repeats `state`, unless it is `None`.
    pub fn url(&self, state: Option<&str>) -> Url {
        let mut url = self.authorize.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("scope", &self.scopes.join(" "))
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", &self.redirect_uri)
            .extend_pairs(state.map(|state| ("state", state)));
        url
    }

    /// Returns the authorization code in the query or the fragment of `redirected`, the URL that the
    /// browser was redirected to.
    ///
    /// # Errors
    /// `PermissionDenied` if the URL contains an error of the cloud; the error has its code and description.
    /// `InvalidInput` if the text is not a URL or has no code.
    pub fn code(&self, redirected: &str) -> Result<Secret> {
        let url = Url::parse(redirected.trim()).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("the text is not a URL: {error}"))
        })?;
        let texts = [url.query().unwrap_or_default(), url.fragment().unwrap_or_default()];
        let find = |wanted: &str| {
            texts
                .iter()
                .flat_map(|text| url::form_urlencoded::parse(text.as_bytes()))
                .find(|(name, value)| name == wanted && !value.is_empty())
                .map(|(_, value)| value.into_owned())
        };
        if let Some(error) = find("error") {
            let description = find("error_description").unwrap_or_default();
            let text = format!("the sign-in failed: {error} :: {description}");
            return Err(Error::new(ErrorKind::PermissionDenied, text).with_code(&error));
        }
        find("code")
            .map(Secret::from)
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the URL has no authorization code"))
    }

    /// Exchanges the authorization code for tokens. With `check` the granted scopes must be the
    /// requested ones (live-connect#python-onedrive-scope-check).
    ///
    /// # Errors
    /// `PermissionDenied` if the cloud rejects the code or has granted other scopes, and [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn tokens(&self, cx: &Context, code: &Secret, check: bool) -> Result<Tokens> {
        let tokens = self.endpoint.exchange_code(cx, code, &self.redirect_uri, None).await?;
        if check {
            self.check_scopes(&tokens.scopes)?;
        }
        Ok(tokens)
    }

    /// Checks that the granted scopes are the requested ones, in any order.
    ///
    /// # Errors
    /// `PermissionDenied`, with both lists, if they are not.
    fn check_scopes(&self, granted: &[String]) -> Result<()> {
        let sorted = |scopes: &[String]| {
            let mut scopes = scopes.to_vec();
            scopes.sort();
            scopes.dedup();
            scopes
        };
        match sorted(granted) == sorted(&self.scopes) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::PermissionDenied,
                format!(
                    "the cloud granted other scopes: requested {}, granted {}",
                    self.scopes.join(" "),
                    granted.join(" ")
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_in() -> SignIn {
        SignIn::new("https://login.live.com", "app").unwrap()
    }

    #[test]
    fn the_authorization_url_has_the_documented_form() {
        assert_eq!(
            sign_in().url(Some("x y")).as_str(),
            "https://login.live.com/oauth20_authorize.srf?client_id=app\
             &scope=wl.skydrive+wl.skydrive_update+wl.offline_access&response_type=code\
             &redirect_uri=https%3A%2F%2Flogin.live.com%2Foauth20_desktop.srf&state=x+y"
        );
    }

    #[test]
    fn the_code_is_in_the_query_or_the_fragment() {
        let code = |url: &str| sign_in().code(url).map(|code| code.expose().to_owned());
        let desktop = "https://login.live.com/oauth20_desktop.srf";
        assert_eq!(code(&format!("{desktop}?code=a%2Bb&lc=1033\n")).unwrap(), "a+b");
        assert_eq!(code(&format!("{desktop}?lc=1#code=c")).unwrap(), "c");
        let denied = code(&format!("{desktop}#error=access_denied&error_description=No+way."));
        let denied = denied.unwrap_err();
        assert_eq!(denied.kind(), ErrorKind::PermissionDenied);
        assert!(denied.to_string().contains("access_denied :: No way."), "{denied}");
        for none in ["nothing", desktop, &format!("{desktop}?code=")] {
            assert_eq!(code(none).unwrap_err().kind(), ErrorKind::InvalidInput, "{none}");
        }
    }

    #[test]
    fn other_scopes_than_the_requested_ones_are_rejected() {
        let granted = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let all = "wl.offline_access wl.skydrive_update wl.skydrive";
        assert!(sign_in().check_scopes(&granted(all)).is_ok());
        for other in ["wl.skydrive", &format!("{all} wl.basic")] {
            assert_eq!(
                sign_in().check_scopes(&granted(other)).unwrap_err().kind(),
                ErrorKind::PermissionDenied
            );
        }
    }
}
