//! Requests to a token endpoint, and its responses.

use std::{borrow::Cow, time::Duration};

use futures::future::BoxFuture;
use http::StatusCode;
use jiff::Timestamp;
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicTokenResponse},
};
use opendal::{Buffer, raw::Operation};
use serde::Deserialize;
use serde_json::Value;

use super::{StoredTokens, TokenFile};
use crate::{
    drive::{Body, Context, Error, ErrorKind, Result, Retry, Secret},
    transport::{self, ApiRequest, ApiResponse, ResponseLimit, redact_quoted},
};

/// Error codes of a token endpoint that are temporary and do not concern the tokens (RFC 6749,
/// section 4.1.2.1).
const TEMPORARY: [&str; 2] = ["server_error", "temporarily_unavailable"];

/// An application's client of the token endpoint of a cloud.
///
/// It is a builder too: [`scope`](Self::scope) and the like add to every request.
#[derive(Clone, Debug)]
pub struct TokenClient {
    url: TokenUrl,
    client_id: String,
    client_secret: Option<Secret>,
    scopes: Vec<String>,
    parameters: Vec<(String, String)>,
}

/// The tokens of a response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tokens {
    /// The access token, which authorizes requests.
    pub access: Secret,
    /// The refresh token. `None` if the response has none: the previous one remains valid, or the
    /// grant has no refresh token.
    pub refresh: Option<Secret>,
    /// Lifetime of the access token. `None` if the response does not report it.
    pub lifetime: Option<Duration>,
    /// The granted scopes. Empty if the response does not report them.
    pub scopes: Vec<String>,
}

type TokenResult = Result<BasicTokenResponse, RequestTokenError<Error, BasicErrorResponse>>;
type OAuthClient =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

impl TokenClient {
    /// Returns a client of the token endpoint at `url`, for the application with id `client_id`.
    ///
    /// # Errors
    /// `InvalidInput` if `url` is not a URL.
    pub fn new(url: impl Into<String>, client_id: impl Into<String>) -> Result<Self> {
        let url = TokenUrl::new(url.into()).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("cannot use the token endpoint: {error}"))
        })?;
        Ok(Self {
            url,
            client_id: client_id.into(),
            client_secret: None,
            scopes: Vec::new(),
            parameters: Vec::new(),
        })
    }

    /// Sets the application's secret, which is sent in the request's body. Applications on users'
    /// machines have none.
    #[must_use]
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// Adds a scope to requests for refreshed tokens and for the application's own tokens.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Adds a parameter to every request. It must not be secret. An example is `redirect_uri`, which
    /// Live requires for a refresh too.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Requests new tokens with a refresh token.
    ///
    /// # Errors
    /// `PermissionDenied` if the endpoint rejects the token, with the endpoint's message;
    /// `InvalidInput` if it rejects the request or a scope; `Unexpected` if no response arrives or
    /// the response is invalid.
    pub async fn refresh(&self, cx: &Context, token: &Secret) -> Result<Tokens> {
        let client = self.client();
        let refresh = RefreshToken::new(token.expose().to_owned());
        let mut request =
            client.exchange_refresh_token(&refresh).add_scopes(self.requested_scopes());
        for (name, value) in &self.parameters {
            request = request.add_extra_param(name, value);
        }
        tokens(request.request_async(&self.sender(cx, token)).await)
    }

    /// Requests tokens for the application itself, which acts for no user (client credentials).
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh).
    pub async fn client_credentials(&self, cx: &Context) -> Result<Tokens> {
        let client = self.client();
        let no_secret = Secret::from("");
        let mut request = client.exchange_client_credentials().add_scopes(self.requested_scopes());
        for (name, value) in &self.parameters {
            request = request.add_extra_param(name, value);
        }
        tokens(request.request_async(&self.sender(cx, &no_secret)).await)
    }

    /// Requests the first tokens, with the code that the cloud's sign-in page sent to
    /// `redirect_uri`. `verifier` is the PKCE code verifier, if the page was opened with a challenge.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh); `InvalidInput` if `redirect_uri` is not a URL.
    pub async fn exchange_code(
        &self,
        cx: &Context,
        code: &Secret,
        redirect_uri: &str,
        verifier: Option<&Secret>,
    ) -> Result<Tokens> {
        let redirect = RedirectUrl::new(redirect_uri.to_owned()).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("cannot use the redirect URI: {error}"))
        })?;
        let client = self.client().set_redirect_uri(redirect);
        let mut request = client.exchange_code(AuthorizationCode::new(code.expose().to_owned()));
        for (name, value) in self.parameters.iter().filter(|(name, _)| name != "redirect_uri") {
            request = request.add_extra_param(name, value);
        }
        if let Some(verifier) = verifier {
            request =
                request.set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()));
        }
        tokens(request.request_async(&self.sender(cx, code)).await)
    }

    fn requested_scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.iter().cloned().map(Scope::new)
    }

    fn client(&self) -> OAuthClient {
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.url.clone());
        match &self.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => client,
        }
    }

    /// Returns the HTTP client for `oauth2`. `secret` is removed from the endpoint's error messages.
    fn sender(&self, cx: &Context, secret: &Secret) -> TokenSender {
        TokenSender { client: self.clone(), cx: cx.clone(), secret: secret.clone() }
    }

    /// Returns the error of a response, with the endpoint's message. Secrets that the message repeats
    /// are removed.
    fn error_of(&self, response: &ApiResponse, body: Option<OAuthError>, secret: &Secret) -> Error {
        let Some(OAuthError { error, error_description }) = body else {
            let reason = response.status.canonical_reason().unwrap_or("no reason");
            return response.failure(reason);
        };
        let message = error_description.unwrap_or_else(|| error.clone());
        let message = secret.redact_in(&message);
        let message = self
            .client_secret
            .iter()
            .fold(message, |message, secret| Cow::Owned(secret.redact_in(&message).into_owned()));
        let failure = response.failure(message).with_code(&error);
        match &*error {
            error if TEMPORARY.contains(&error) => {
                failure.with_kind(ErrorKind::Unexpected).with_retry(Retry::Again { after: None })
            }
            "invalid_request" | "invalid_scope" | "unsupported_grant_type" => {
                failure.with_kind(ErrorKind::InvalidInput)
            }
            // For example too many requests: the endpoint does not reject the tokens.
            _ if response.status.is_server_error() || failure.retry() != Retry::No => failure,
            _ => failure.with_kind(ErrorKind::PermissionDenied),
        }
    }
}

/// Sends the requests of `oauth2` through the operator's transport.
struct TokenSender {
    client: TokenClient,
    cx: Context,
    /// Removed from error messages.
    secret: Secret,
}

impl<'c> AsyncHttpClient<'c> for TokenSender {
    type Error = Error;
    type Future = BoxFuture<'c, Result<HttpResponse>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl TokenSender {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let (parts, body) = request.into_parts();
        let request =
            ApiRequest::new(Operation::Info, parts.method, parts.uri.to_string(), "token")
                .headers(&parts.headers)
                .bypass_limiter()
                .limit(ResponseLimit::TOKENS)
                .body(Body::Memory(Buffer::from(body)));
        let response = transport::Client::new(&self.cx).send(request).await?;
        // Some endpoints send an error with status 200.
        let error = serde_json::from_reader::<_, OAuthError>(response.body.clone()).ok();
        if response.status == StatusCode::OK && error.is_none() {
            // Without headers, because `oauth2` rejects unusual media types of JSON.
            return Ok(HttpResponse::new(whole_seconds(&response.body.to_vec())?));
        }
        Err(self.client.error_of(&response, error, &self.secret))
    }
}

/// Longest lifetime of an access token in seconds: ten years. Longer ones are reduced to it.
const LIFETIME_MAX: f64 = 10.0 * 365.0 * 24.0 * 3600.0;

/// Returns the response with `expires_in` as a whole number, which `oauth2` requires. Some endpoints
/// send a text, or a number with a fraction.
///
/// # Errors
/// `Unexpected` if it is not a number of seconds.
pub(super) fn whole_seconds(body: &[u8]) -> Result<Vec<u8>> {
    // `oauth2` reports any other problem of the response.
    let Ok(mut response) = serde_json::from_slice::<serde_json::Map<String, Value>>(body) else {
        return Ok(body.to_vec());
    };
    let seconds = match response.get("expires_in") {
        None | Some(Value::Null) => return Ok(body.to_vec()),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    let Some(seconds) = seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0) else {
        return Err(Error::new(
            ErrorKind::Unexpected,
            "cannot use the token endpoint's response: its expires_in is not a number of seconds",
        ));
    };
    response.insert("expires_in".to_owned(), Value::from(seconds.min(LIFETIME_MAX) as u64));
    serde_json::to_vec(&response).map_err(|error| {
        Error::new(ErrorKind::Unexpected, format!("cannot encode a token response: {error}"))
    })
}

/// The body of an error response. In other responses of Live `error` is an object
/// (live-connect#oauth-errors).
#[derive(Deserialize)]
struct OAuthError {
    error: String,
    error_description: Option<String>,
}

/// Converts the result of `oauth2`.
fn tokens(result: TokenResult) -> Result<Tokens> {
    let response = result.map_err(|error| match error {
        RequestTokenError::Request(error) => error,
        // The error contains the response, which may contain tokens.
        RequestTokenError::Parse(error, _) => {
            let problem = redact_quoted(&error.inner().to_string());
            Error::new(
                ErrorKind::Unexpected,
                format!("cannot decode the token endpoint's response: {problem}"),
            )
        }
        RequestTokenError::ServerResponse(_) | RequestTokenError::Other(_) => Error::new(
            ErrorKind::Unexpected,
            "cannot decode the token endpoint's response: it is empty",
        ),
    })?;
    let scopes = response.scopes().into_iter().flatten().map(|scope| scope.to_string()).collect();
    Ok(Tokens {
        access: Secret::from(response.access_token().secret().as_str()),
        refresh: response.refresh_token().map(|token| Secret::from(token.secret().as_str())),
        lifetime: response.expires_in(),
        scopes,
    })
}

impl Tokens {
    /// Returns an access token without a refresh token, of unknown lifetime and scopes.
    pub fn new(access: impl Into<Secret>) -> Self {
        Self { access: access.into(), refresh: None, lifetime: None, scopes: Vec::new() }
    }

    /// Writes the tokens of a sign-in to a file, for a [`TokenSource`](super::TokenSource) with that
    /// file.
    ///
    /// # Errors
    /// Those of [`TokenFile::write`].
    pub async fn save_to(&self, file: TokenFile) -> Result<()> {
        let stored = StoredTokens {
            refresh_token: self.refresh.clone(),
            access_token: Some(self.access.clone()),
            renew_at: self.renew_at(Timestamp::now()),
            configured: None,
        };
        let writing = tokio::task::spawn_blocking(move || {
            let _lock = file.lock()?;
            file.write(&stored)
        });
        writing.await.unwrap_or_else(|error| {
            let text = format!("cannot save the tokens: {error}");
            Err(Error::new(ErrorKind::Unexpected, text).with_source(error))
        })
    }

    /// Returns when the access token should be refreshed: before its expiry by a tenth of its
    /// lifetime, at most by two minutes. `None` if the lifetime is unknown.
    pub(super) fn renew_at(&self, now: Timestamp) -> Option<Timestamp> {
        let lifetime = self.lifetime?;
        let margin = (lifetime / 10).min(Duration::from_secs(120));
        now.checked_add(lifetime - margin).ok()
    }
}
