//! Signing in (live-connect#oauth): a URL to visit, the URL that the browser ends at, tokens.

use url::Url;

use crate::{
    auth::{Endpoint, Tokens},
    drive::{Context, Error, ErrorKind, Result, Secret},
};

/// What the old client asked for, and insisted on.
pub const SCOPES: [&str; 3] = ["wl.skydrive", "wl.skydrive_update", "wl.offline_access"];

/// A sign-in of somebody to an application.
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
    redirect: String,
    scopes: Vec<String>,
    endpoint: Endpoint,
}

impl SignIn {
    /// A sign-in at a host, `https://login.live.com`, to the application `client_id`: one for users'
    /// own machines, whose sign-in ends at `oauth20_desktop.srf`, for [`SCOPES`].
    ///
    /// # Errors
    /// `Invalid` if `oauth` is no address.
    pub fn new(oauth: &str, client_id: &str) -> Result<Self> {
        let oauth = oauth.trim_end_matches('/');
        let authorize = Url::parse(&format!("{oauth}/oauth20_authorize.srf")).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("the address to sign in at: {error}"))
        })?;
        Ok(Self {
            authorize,
            client_id: client_id.to_owned(),
            redirect: format!("{oauth}/oauth20_desktop.srf"),
            scopes: SCOPES.map(str::to_owned).to_vec(),
            endpoint: Endpoint::new(format!("{oauth}/oauth20_token.srf"), client_id)?,
        })
    }

    /// The application's secret, where it has one.
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.endpoint = self.endpoint.client_secret(secret);
        self
    }

    /// Where the browser ends instead: the address that the application was registered with.
    pub fn redirect_uri(mut self, redirect: impl Into<String>) -> Self {
        self.redirect = redirect.into();
        self
    }

    /// What is asked for instead of [`SCOPES`].
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The URL to visit. `state` comes back in the URL that the browser ends at.
    pub fn url(&self, state: Option<&str>) -> Url {
        let mut url = self.authorize.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("scope", &self.scopes.join(" "))
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", &self.redirect)
            .extend_pairs(state.map(|state| ("state", state)));
        url
    }

    /// The code in the URL that the browser ended at, in its query or its fragment.
    ///
    /// # Errors
    /// `Denied` in the cloud's words if it says that something failed, `Invalid` if there is no code.
    pub fn code(&self, ended_at: &str) -> Result<Secret> {
        let url = Url::parse(ended_at.trim()).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("this is no URL: {error}"))
        })?;
        let texts = [url.query().unwrap_or_default(), url.fragment().unwrap_or_default()];
        let found = |wanted: &str| {
            texts
                .iter()
                .flat_map(|text| url::form_urlencoded::parse(text.as_bytes()))
                .find(|(name, value)| name == wanted && !value.is_empty())
                .map(|(_, value)| value.into_owned())
        };
        if let Some(error) = found("error") {
            let words = found("error_description").unwrap_or_default();
            let text = format!("the sign-in failed: {error} :: {words}");
            return Err(Error::new(ErrorKind::PermissionDenied, text).with_code(&error));
        }
        found("code")
            .map(Secret::from)
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "there is no code in this URL"))
    }

    /// The first tokens. `check`: that what was granted is what was asked for, no less and no more.
    ///
    /// # Errors
    /// `Denied` if the code is refused, or something else was granted.
    pub async fn tokens(&self, cx: &Context, code: &Secret, check: bool) -> Result<Tokens> {
        let tokens = self.endpoint.exchange_code(cx, code, &self.redirect, None).await?;
        if check {
            self.check(&tokens.scopes)?;
        }
        Ok(tokens)
    }

    fn check(&self, granted: &[String]) -> Result<()> {
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
                format!("asked for {}, granted was {}", self.scopes.join(" "), granted.join(" ")),
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
    fn the_url_to_visit_has_the_form_the_protocol_says() {
        assert_eq!(
            sign_in().url(Some("x y")).as_str(),
            "https://login.live.com/oauth20_authorize.srf?client_id=app\
             &scope=wl.skydrive+wl.skydrive_update+wl.offline_access&response_type=code\
             &redirect_uri=https%3A%2F%2Flogin.live.com%2Foauth20_desktop.srf&state=x+y"
        );
    }

    #[test]
    fn the_code_is_found_in_query_and_fragment_and_a_failure_is_told() {
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
    fn more_or_less_than_was_asked_for_is_refused() {
        let granted = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let all = "wl.offline_access wl.skydrive_update wl.skydrive";
        assert!(sign_in().check(&granted(all)).is_ok());
        for other in ["wl.skydrive", &format!("{all} wl.basic")] {
            assert_eq!(
                sign_in().check(&granted(other)).unwrap_err().kind(),
                ErrorKind::PermissionDenied
            );
        }
    }
}
