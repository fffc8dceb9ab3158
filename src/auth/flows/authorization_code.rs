//! The authorization code flow with PKCE: a user signs in with a browser.

use std::{fmt, time::Duration};

use oauth2::{
    AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope, basic::BasicClient,
};
use url::Url;

use super::{loopback::RedirectListener, redirect, with_refresh_token};
use crate::{
    auth::{SignInProvider, TokenClient, Tokens, sign_in_provider::RedirectTarget},
    drive::{Context, Error, ErrorKind, Result, Secret},
};

/// How long [`PendingSignIn::finish`] waits for the user by default.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Signs a user in with a browser (onedrive-graph#authorization-code).
///
/// The flow has two steps. [`start`](Self::start) returns the URL of the cloud's sign-in page. The
/// page redirects the browser to a listener on this machine, where [`PendingSignIn::finish`]
/// receives the authorization code and exchanges it for tokens. Without a listener the user copies
/// the URL of the last page, for [`PendingSignIn::finish_with_redirect_url`].
///
/// ```no_run
/// use drivedal::auth::{SignInProvider, TokenFile, flows::AuthorizationCodeFlow};
///
/// # async fn example(cx: &drivedal::drive::Context) -> drivedal::drive::Result<()> {
/// let provider = SignInProvider::microsoft("common")?;
/// let pending = AuthorizationCodeFlow::new(provider, "11111111-…").start().await?;
/// println!("Open {}", pending.url());
/// let tokens = pending.finish(cx).await?;
/// tokens.save_to(TokenFile::new("tokens.json")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AuthorizationCodeFlow {
    provider: SignInProvider,
    client_id: String,
    client_secret: Option<Secret>,
    /// Replaces the provider's redirect URI.
    redirect_uri: Option<String>,
    without_listener: bool,
    /// Further parameters of the sign-in page.
    parameters: Vec<(&'static str, String)>,
    timeout: Duration,
}

impl AuthorizationCodeFlow {
    /// Returns a flow for the application with id `client_id`.
    pub fn new(provider: SignInProvider, client_id: impl Into<String>) -> Self {
        Self {
            provider,
            client_id: client_id.into(),
            client_secret: None,
            redirect_uri: None,
            without_listener: false,
            parameters: Vec::new(),
            timeout: TIMEOUT,
        }
    }

    /// Sets the application's secret. Applications on users' machines have none.
    #[must_use]
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// Replaces the redirect URI. The application must be registered with it. If it is
    /// `http://localhost`, `http://127.0.0.1` or `http://[::1]` with a port, the flow listens
    /// there.
    #[must_use]
    pub fn redirect_uri(mut self, redirect_uri: impl Into<String>) -> Self {
        self.redirect_uri = Some(redirect_uri.into());
        self
    }

    /// Uses no listener, for a machine without a browser: the user copies the URL of the last page.
    #[must_use]
    pub fn without_listener(mut self) -> Self {
        self.without_listener = true;
        self
    }

    /// Fills in the user's address on Microsoft's page.
    #[must_use]
    pub fn login_hint(mut self, address: impl Into<String>) -> Self {
        self.parameters.push(("login_hint", address.into()));
        self
    }

    /// Shows Microsoft's page for the choice of an account, even if the browser is signed in.
    #[must_use]
    pub fn select_account(mut self) -> Self {
        self.parameters.push(("prompt", "select_account".to_owned()));
        self
    }

    /// Sets how long [`PendingSignIn::finish`] waits for the user. The default is 15 minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts a sign-in. Listens on this machine, if the redirect URI leads to it. Sends no
    /// request.
    ///
    /// # Errors
    /// `InvalidInput` if a URL cannot be parsed or would not use TLS; `Unexpected` if the port of
    /// the redirect URI is in use.
    pub async fn start(&self) -> Result<PendingSignIn> {
        self.provider.check_tls()?;
        let (redirect_uri, listener) = self.listen().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let redirect = RedirectUrl::new(redirect_uri.clone())
            .map_err(|error| invalid_redirect(&redirect_uri, &error))?;
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(self.provider.authorize_url.clone()))
            .set_redirect_uri(redirect);
        let mut request = client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(self.provider.scopes().iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        for (name, value) in &self.parameters {
            request = request.add_extra_param(*name, value);
        }
        let (url, state) = request.url();
        let token_client = self.provider.token_client(&self.client_id)?;
        Ok(PendingSignIn {
            url,
            state: state.into_secret().into(),
            verifier: verifier.into_secret().into(),
            token_client: match &self.client_secret {
                Some(secret) => token_client.client_secret(secret.clone()),
                None => token_client,
            },
            provider: self.provider.clone(),
            redirect_uri,
            listener,
            timeout: self.timeout,
        })
    }

    /// Returns the redirect URI and its listener. The listener is `None` if the URI does not lead
    /// to this machine, or the flow uses none.
    ///
    /// # Errors
    /// `InvalidInput` if the redirect URI is not a URL; `Unexpected` if its port is in use.
    async fn listen(&self) -> Result<(String, Option<RedirectListener>)> {
        let exact = match (&self.redirect_uri, &self.provider.redirect) {
            (Some(uri), _) | (None, RedirectTarget::Exact(uri)) => uri,
            (None, RedirectTarget::Page(uri)) => return Ok((uri.clone(), None)),
            (None, RedirectTarget::Loopback) if self.without_listener => {
                return Ok((self.provider.redirect_uri().to_owned(), None));
            }
            (None, RedirectTarget::Loopback) => {
                let listener = RedirectListener::bind(0, "/").await?;
                return Ok((format!("http://localhost:{}", listener.port()), Some(listener)));
            }
        };
        let url = Url::parse(exact).map_err(|error| invalid_redirect(exact, &error))?;
        let is_local = url.scheme() == "http"
            && matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let listener = match url.port() {
            Some(port) if is_local && !self.without_listener => {
                Some(RedirectListener::bind(port, url.path()).await?)
            }
            _ => None,
        };
        Ok((exact.clone(), listener))
    }
}

/// Returns the error for an invalid redirect URI.
fn invalid_redirect(uri: &str, problem: &dyn fmt::Display) -> Error {
    let text = format!("cannot use the redirect URI {uri}: {problem}");
    Error::new(ErrorKind::InvalidInput, text)
}

/// A sign-in that waits for its user. Dropping it closes the listener.
///
/// A program can wait for [`finish`](Self::finish) and for a pasted URL at the same time: both
/// methods borrow the sign-in. It ends with the first that returns tokens.
pub struct PendingSignIn {
    url: Url,
    state: Secret,
    /// The PKCE code verifier.
    verifier: Secret,
    token_client: TokenClient,
    provider: SignInProvider,
    redirect_uri: String,
    listener: Option<RedirectListener>,
    timeout: Duration,
}

impl fmt::Debug for PendingSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingSignIn")
            .field("redirect_uri", &self.redirect_uri)
            .field("is_listening", &self.is_listening())
            .finish_non_exhaustive()
    }
}

impl PendingSignIn {
    /// Returns the URL of the sign-in page, for the user's browser. It contains no secret.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Returns the redirect URI. A configuration stores it for clouds that require it for each
    /// refresh (live-connect#oauth-token-refresh).
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Returns whether the redirect arrives at a listener. Otherwise the user must copy the URL of
    /// the last page.
    pub fn is_listening(&self) -> bool {
        self.listener.is_some()
    }

    /// Waits for the browser's redirect, and exchanges its code for tokens.
    ///
    /// # Errors
    /// `PermissionDenied` if the user or the cloud denies access, with the cloud's message and the
    /// next step. `InvalidInput` if the sign-in has no listener. `Unexpected` if the user needs too
    /// long, and those of [`TokenClient::exchange_code`].
    pub async fn finish(&self, cx: &Context) -> Result<Tokens> {
        let Some(listener) = &self.listener else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "cannot wait for the redirect: it does not lead to this machine (copy the URL of the \
                 last page)",
            ));
        };
        let code = tokio::time::timeout(self.timeout, listener.receive_code(&self.state)).await;
        let code = code.unwrap_or_else(|_| {
            let minutes = self.timeout.as_secs().div_ceil(60);
            let text = format!("cannot sign in: no redirect arrived within {minutes} min");
            Err(Error::new(ErrorKind::Unexpected, text))
        })?;
        self.exchange(cx, &code).await
    }

    /// Exchanges the code in a URL that the user copied from the browser for tokens.
    ///
    /// # Errors
    /// `InvalidInput` if the text is not the URL of the last page of this sign-in;
    /// `PermissionDenied` if it contains an error of the cloud; those of
    /// [`TokenClient::exchange_code`].
    pub async fn finish_with_redirect_url(&self, cx: &Context, url: &str) -> Result<Tokens> {
        let code = redirect::code_in_url(url, &self.state)?;
        self.exchange(cx, &code).await
    }

    /// Exchanges the code of the sign-in page for the first tokens.
    ///
    /// # Errors
    /// Those of [`TokenClient::exchange_code`]; those of `with_refresh_token`.
    async fn exchange(&self, cx: &Context, code: &Secret) -> Result<Tokens> {
        let (redirect, verifier) = (&self.redirect_uri, Some(&self.verifier));
        let tokens = self.token_client.exchange_code(cx, code, redirect, verifier).await?;
        with_refresh_token(tokens, &self.provider)
    }
}
