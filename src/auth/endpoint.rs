//! What a token endpoint is asked, and what it answers.

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

use super::{Kept, TokenFile};
use crate::{
    drive::{Body, Context, Error, ErrorKind, Result, Retry, Secret},
    transport::{self, ApiRequest, ApiResponse, ResponseLimit, redact_quoted},
};

/// Errors of the endpoint's that say nothing of the tokens and may be gone the next time
/// (RFC 6749, 4.1.2.1).
const PASSING: [&str; 2] = ["server_error", "temporarily_unavailable"];

/// The token endpoint of a cloud, and who asks it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: TokenUrl,
    client_id: String,
    client_secret: Option<Secret>,
    scopes: Vec<String>,
    parameters: Vec<(String, String)>,
}

/// What a token endpoint gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Signs requests.
    pub access: Secret,
    /// Gets the next tokens. `None`: the one that was used stays good, or there is none.
    pub refresh: Option<Secret>,
    /// How long the access token works, where the endpoint said so.
    pub lifetime: Option<Duration>,
    /// What the tokens allow; empty if the endpoint did not say.
    pub scopes: Vec<String>,
}

type Answer = Result<BasicTokenResponse, RequestTokenError<Error, BasicErrorResponse>>;
type Client =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

impl Endpoint {
    /// The endpoint at `url`, for the application `client_id`.
    ///
    /// # Errors
    /// `Invalid` if `url` is not one.
    pub fn new(url: impl Into<String>, client_id: impl Into<String>) -> Result<Self> {
        let url = TokenUrl::new(url.into()).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("the token endpoint's address: {error}"))
        })?;
        Ok(Self {
            url,
            client_id: client_id.into(),
            client_secret: None,
            scopes: Vec::new(),
            parameters: Vec::new(),
        })
    }

    /// The application's secret, sent in the request's body. Applications on users' own machines
    /// have none.
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// A scope to ask for when tokens are refreshed or given to the application itself.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// A further parameter of every request, not a secret, such as the `redirect_uri` that Live
    /// wants with a refresh too.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// New tokens for a refresh token.
    ///
    /// # Errors
    /// `Denied` with the endpoint's own words if it refuses; `Unexpected` if it does not answer.
    pub async fn refresh(&self, cx: &Context, token: &Secret) -> Result<Tokens> {
        let client = self.client();
        let refresh = RefreshToken::new(token.expose().to_owned());
        let mut request = client.exchange_refresh_token(&refresh).add_scopes(self.asked_scopes());
        for (name, value) in &self.parameters {
            request = request.add_extra_param(name, value);
        }
        tokens(request.request_async(&self.over(cx, token)).await)
    }

    /// Tokens for the application itself (client credentials), which acts for no user.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub async fn client_credentials(&self, cx: &Context) -> Result<Tokens> {
        let client = self.client();
        let nothing = Secret::from("");
        let mut request = client.exchange_client_credentials().add_scopes(self.asked_scopes());
        for (name, value) in &self.parameters {
            request = request.add_extra_param(name, value);
        }
        tokens(request.request_async(&self.over(cx, &nothing)).await)
    }

    /// The first tokens, for the code that the cloud's sign-in page gave to `redirect_uri`.
    /// `verifier` is PKCE's, where the page was opened with a challenge.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh); `Invalid` if `redirect_uri` is not a URL.
    pub async fn exchange_code(
        &self,
        cx: &Context,
        code: &Secret,
        redirect_uri: &str,
        verifier: Option<&Secret>,
    ) -> Result<Tokens> {
        let redirect = RedirectUrl::new(redirect_uri.to_owned()).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("the redirect address: {error}"))
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
        tokens(request.request_async(&self.over(cx, code)).await)
    }

    fn asked_scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.iter().cloned().map(Scope::new)
    }

    fn client(&self) -> Client {
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.url.clone());
        match &self.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => client,
        }
    }

    /// What `oauth2` sends with. `secret` is what the endpoint may repeat in its errors.
    fn over(&self, cx: &Context, secret: &Secret) -> Sender {
        Sender { endpoint: self.clone(), cx: cx.clone(), secret: secret.clone() }
    }

    /// The endpoint's own words, without the secrets that it may have repeated.
    fn refused(&self, reply: &ApiResponse, refusal: Option<Refusal>, secret: &Secret) -> Error {
        let Some(Refusal { error, error_description }) = refusal else {
            let reason = reply.status.canonical_reason().unwrap_or("no reason was given");
            return reply.failure(reason);
        };
        let words = error_description.unwrap_or_else(|| error.clone());
        let words = secret.redact_in(&words);
        let words = self
            .client_secret
            .iter()
            .fold(words, |words, secret| Cow::Owned(secret.redact_in(&words).into_owned()));
        let failure = reply.failure(words).with_code(&error);
        match &*error {
            error if PASSING.contains(&error) => {
                failure.with_kind(ErrorKind::Unexpected).with_retry(Retry::Again { after: None })
            }
            "invalid_request" | "invalid_scope" | "unsupported_grant_type" => {
                failure.with_kind(ErrorKind::InvalidInput)
            }
            // Too many requests, say: it is not the tokens that are refused.
            _ if reply.status.is_server_error() || failure.retry() != Retry::No => failure,
            _ => failure.with_kind(ErrorKind::PermissionDenied),
        }
    }
}

struct Sender {
    endpoint: Endpoint,
    cx: Context,
    secret: Secret,
}

impl<'c> AsyncHttpClient<'c> for Sender {
    type Error = Error;
    type Future = BoxFuture<'c, Result<HttpResponse>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl Sender {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let (parts, body) = request.into_parts();
        let call = ApiRequest::new(Operation::Info, parts.method, parts.uri.to_string(), "token")
            .headers(&parts.headers)
            .bypass_limiter()
            .limit(ResponseLimit::TOKENS)
            .body(Body::Memory(Buffer::from(body)));
        let reply = transport::Client::new(&self.cx).send(call).await?;
        // Some endpoints answer 200 and an error.
        let refusal = serde_json::from_reader::<_, Refusal>(reply.body.clone()).ok();
        if reply.status == StatusCode::OK && refusal.is_none() {
            // Without headers: `oauth2` would refuse a media type that is not quite JSON's.
            return Ok(HttpResponse::new(whole_seconds(&reply.body.to_vec())?));
        }
        Err(self.endpoint.refused(&reply, refusal, &self.secret))
    }
}

/// The longest lifetime that is taken from a token endpoint, in seconds: ten years.
const LIFETIME_MAX: f64 = 10.0 * 365.0 * 24.0 * 3600.0;

/// Returns the response with an `expires_in` that is a whole number, as `oauth2` wants it: some
/// endpoints write it as text, or with a fraction.
///
/// # Errors
/// `Unexpected` if it is not a number of seconds.
pub(super) fn whole_seconds(body: &[u8]) -> Result<Vec<u8>> {
    // Another problem of the response is for `oauth2` to find.
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
        Error::new(ErrorKind::Unexpected, format!("cannot write a token response: {error}"))
    })
}

/// An error answer; in Live's other answers `error` is an object (live-connect#oauth-errors).
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

fn tokens(answer: Answer) -> Result<Tokens> {
    let answer = answer.map_err(|error| match error {
        RequestTokenError::Request(error) => error,
        // The answer itself is not told: it holds tokens.
        RequestTokenError::Parse(error, _) => {
            let problem = redact_quoted(&error.inner().to_string());
            Error::new(
                ErrorKind::Unexpected,
                format!("the token endpoint's answer was not understood: {problem}"),
            )
        }
        RequestTokenError::ServerResponse(_) | RequestTokenError::Other(_) => {
            Error::new(ErrorKind::Unexpected, "the token endpoint's answer was empty")
        }
    })?;
    let scopes = answer.scopes().into_iter().flatten().map(|scope| scope.to_string()).collect();
    Ok(Tokens {
        access: Secret::from(answer.access_token().secret().as_str()),
        refresh: answer.refresh_token().map(|token| Secret::from(token.secret().as_str())),
        lifetime: answer.expires_in(),
        scopes,
    })
}

impl Tokens {
    /// Puts them into a file, from where a [`TokenSource`](super::TokenSource) takes them: after a
    /// sign-in.
    ///
    /// # Errors
    /// Those of [`TokenFile::write`].
    pub async fn keep_in(&self, file: TokenFile) -> Result<()> {
        let kept = Kept {
            refresh_token: self.refresh.clone(),
            access_token: Some(self.access.clone()),
            renew_at: self.renew_at(Timestamp::now()),
            configured: None,
        };
        let writing = tokio::task::spawn_blocking(move || {
            let _lock = file.lock()?;
            file.write(&kept)
        });
        writing.await.unwrap_or_else(|died| {
            Err(Error::new(ErrorKind::Unexpected, "the tokens could not be kept").with_source(died))
        })
    }

    /// When they should be renewed: a tenth of their life, two minutes at most, before they expire.
    pub(super) fn renew_at(&self, now: Timestamp) -> Option<Timestamp> {
        let lifetime = self.lifetime?;
        let margin = (lifetime / 10).min(Duration::from_secs(120));
        now.checked_add(lifetime - margin).ok()
    }
}
