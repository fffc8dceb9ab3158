//! Requests to a token endpoint, and its responses.

use std::time::Duration;

use futures::future::BoxFuture;
use http::StatusCode;
use jiff::Timestamp;
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret,
    DeviceAuthorizationResponse, DeviceAuthorizationUrl, EndpointNotSet, EndpointSet,
    ExtraDeviceAuthorizationFields, HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RequestTokenError, Scope, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicTokenResponse},
};
use opendal::{Buffer, raw::Operation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ClientCertificate, SaveOutcome, StoredTokens, TokenStore, sign_in_error};
use crate::{
    drive::{Body, Context, Error, ErrorKind, Result, Secret},
    transport::{self, ApiRequest, Connection, PlainHttpHosts, ResponseLimit, redact_quoted},
};

/// Type of an assertion by which an application proves its identity (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Grant type of the device code flow (RFC 8628, section 3.4).
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// An application's client of the token endpoint of a cloud.
///
/// It is a builder too: [`scope`](Self::scope) and the like add to every request.
#[derive(Clone, Debug)]
pub struct TokenClient {
    url: TokenUrl,
    client_id: String,
    client_secret: Option<Secret>,
    client_certificate: Option<ClientCertificate>,
    scopes: Vec<String>,
    parameters: Vec<(String, String)>,
    plain_http: PlainHttpHosts,
    /// `None`: the connections of the operator's transport.
    connection: Option<Connection>,
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

/// The result of a token request of `oauth2`.
type TokenResult = Result<BasicTokenResponse, RequestTokenError<Error, BasicErrorResponse>>;
/// The client of `oauth2`, with a token endpoint only.
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
            client_certificate: None,
            scopes: Vec::new(),
            parameters: Vec::new(),
            plain_http: PlainHttpHosts::default(),
            connection: None,
        })
    }

    /// Sets the application's secret, which is sent in the request's body. Applications on users'
    /// machines have none.
    #[must_use]
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// Sets the application's certificate, which signs an assertion for each request.
    #[must_use]
    pub fn client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.client_certificate = Some(certificate);
        self
    }

    /// Allows requests over plain HTTP to these hosts. Loopback addresses are always allowed; on
    /// any other host a request without TLS fails before it is sent.
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

    /// Returns this client with these scopes instead of its own.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a scope to requests for refreshed tokens and for the application's own tokens.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Adds a parameter to every request. It must not be secret. An example is `redirect_uri`,
    /// which Live requires for a refresh too.
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
    /// the response cannot be decoded.
    pub async fn refresh(&self, cx: &Context, token: &Secret) -> Result<Tokens> {
        let client = self.client();
        let refresh = RefreshToken::new(token.expose().to_owned());
        let mut request =
            client.exchange_refresh_token(&refresh).add_scopes(self.requested_scopes());
        for (name, value) in self.extra_parameters()? {
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
        for (name, value) in self.extra_parameters()? {
            request = request.add_extra_param(name, value);
        }
        tokens(request.request_async(&self.sender(cx, &no_secret)).await)
    }

    /// Requests the first tokens, with the code that the cloud's sign-in page sent to
    /// `redirect_uri`. `verifier` is the PKCE code verifier, if the page was opened with a
    /// challenge.
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
        let parameters = self.extra_parameters()?;
        for (name, value) in parameters.into_iter().filter(|(name, _)| name != "redirect_uri") {
            request = request.add_extra_param(name, value);
        }
        if let Some(verifier) = verifier {
            request =
                request.set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()));
        }
        tokens(request.request_async(&self.sender(cx, code)).await)
    }

    /// Requests a device code and a user code, with these scopes. `url` is the endpoint for codes.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh); `InvalidInput` if `url` is not a URL.
    pub(super) async fn device_authorization(
        &self,
        cx: &Context,
        url: &str,
        scopes: &[String],
    ) -> Result<DeviceAuthorization> {
        let url = DeviceAuthorizationUrl::new(url.to_owned()).map_err(|error| {
            let text = format!("cannot use the endpoint for device codes: {error}");
            Error::new(ErrorKind::InvalidInput, text)
        })?;
        let client = self.client().set_device_authorization_url(url);
        let mut request =
            client.exchange_device_code().add_scopes(scopes.iter().cloned().map(Scope::new));
        for (name, value) in self.extra_parameters()? {
            request = request.add_extra_param(name, value);
        }
        let sender = TokenSender { template: "devicecode", ..self.sender(cx, &Secret::from("")) };
        let result: Result<DeviceAuthorizationResponse<DeviceMessage>, _> =
            request.request_async(&sender).await;
        result.map(DeviceAuthorization::from).map_err(decode_error)
    }

    /// Polls for the tokens of a device code, once.
    ///
    /// `oauth2` has a loop for this flow. It is not used, because it repeats a poll after any
    /// failure of the transport, also after one that is permanent.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh), with the endpoint's code, such as
    /// `authorization_pending`.
    pub(super) async fn poll_device(&self, cx: &Context, device_code: &Secret) -> Result<Tokens> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", DEVICE_GRANT)
            .append_pair("client_id", &self.client_id)
            .append_pair("device_code", device_code.expose())
            .extend_pairs(self.client_secret.iter().map(|it| ("client_secret", it.expose())))
            .extend_pairs(self.extra_parameters()?);
        let mut request = HttpRequest::new(form.finish().into_bytes());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.url.as_str().parse().map_err(|_| {
            Error::new(ErrorKind::InvalidInput, "cannot use the token endpoint: its URL is invalid")
        })?;
        let media_type = http::HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(http::header::CONTENT_TYPE, media_type);
        let response = self.sender(cx, device_code).send(request).await?;
        let response: BasicTokenResponse =
            serde_json::from_slice(response.body()).map_err(|error| invalid_response(&error))?;
        Ok(Tokens::from(&response))
    }

    /// Returns the parameters of every request: those that were added, and the assertion of the
    /// application's certificate.
    ///
    /// # Errors
    /// Those of [`ClientCertificate::assertion`].
    fn extra_parameters(&self) -> Result<Vec<(String, String)>> {
        let mut parameters = self.parameters.clone();
        if let Some(certificate) = &self.client_certificate {
            let assertion = certificate.assertion(&self.client_id, &self.url)?;
            parameters.push(("client_assertion_type".to_owned(), ASSERTION_TYPE.to_owned()));
            parameters.push(("client_assertion".to_owned(), assertion.expose().to_owned()));
        }
        Ok(parameters)
    }

    /// Returns the scopes of this client in the form of `oauth2`.
    fn requested_scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.iter().cloned().map(Scope::new)
    }

    /// Returns the client of `oauth2` for this application.
    fn client(&self) -> OAuthClient {
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.url.clone());
        match &self.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => client,
        }
    }

    /// Returns the HTTP client for `oauth2`. `secret` is removed from the endpoint's error
    /// messages.
    fn sender(&self, cx: &Context, secret: &Secret) -> TokenSender {
        let (client, cx, secret) = (self.clone(), cx.clone(), secret.clone());
        TokenSender { client, cx, secret, template: "token" }
    }
}

/// Sends the requests of `oauth2` through the operator's transport.
struct TokenSender {
    client: TokenClient,
    cx: Context,
    /// Removed from error messages.
    secret: Secret,
    /// Names the request in errors.
    template: &'static str,
}

impl<'c> AsyncHttpClient<'c> for TokenSender {
    type Error = Error;
    type Future = BoxFuture<'c, Result<HttpResponse>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl TokenSender {
    /// Sends a request of `oauth2`, and returns the response without its headers.
    ///
    /// # Errors
    /// `PermissionDenied` if the endpoint rejects the token; `InvalidInput` if it rejects the
    /// request, or if the host is not allowed over plain HTTP; otherwise [request
    /// errors](crate::drive::Error#request-errors).
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string();
        self.client.plain_http.check(&parse_endpoint(&url)?)?;
        let request = ApiRequest::new(Operation::Info, parts.method, url, self.template)
            .headers(&parts.headers)
            .bypass_limiter()
            .limit(ResponseLimit::TOKENS)
            .body(Body::Memory(Buffer::from(body)));
        let http =
            transport::Client::new(&self.cx).with_connection(self.client.connection.as_ref());
        let response = http.send(request).await?;
        // Some endpoints send an error with status 200.
        let error = serde_json::from_reader::<_, OAuthError>(response.body.clone()).ok();
        if response.status == StatusCode::OK && error.is_none() {
            // Without headers, because `oauth2` rejects unusual media types of JSON.
            return Ok(HttpResponse::new(whole_seconds(&response.body.to_vec())?));
        }
        let secrets = [Some(&self.secret), self.client.client_secret.as_ref()];
        Err(sign_in_error::of_response(&response, error, secrets.into_iter().flatten()))
    }
}

/// Parses the URL of an endpoint.
///
/// # Errors
/// `InvalidInput` if it is not a URL.
fn parse_endpoint(url: &str) -> Result<url::Url> {
    url::Url::parse(url).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("cannot use the token endpoint: {error}"))
    })
}

/// The codes of the device code flow.
pub(super) struct DeviceAuthorization {
    pub(super) device_code: Secret,
    /// The code that the user enters.
    pub(super) user_code: String,
    /// The page for the user code.
    pub(super) verification_uri: String,
    /// The cloud's instructions for the user. `None` if the response has none.
    pub(super) message: Option<String>,
    /// Lifetime of both codes.
    pub(super) lifetime: Duration,
    /// Minimum time between two polls.
    pub(super) interval: Duration,
}

/// Microsoft's extension of the response with device codes.
#[derive(Debug, Deserialize, Serialize)]
struct DeviceMessage {
    message: Option<String>,
}

impl ExtraDeviceAuthorizationFields for DeviceMessage {}

/// Longest lifetime of a device code. Longer ones are reduced to it.
const DEVICE_LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

impl From<DeviceAuthorizationResponse<DeviceMessage>> for DeviceAuthorization {
    fn from(response: DeviceAuthorizationResponse<DeviceMessage>) -> Self {
        Self {
            device_code: Secret::from(response.device_code().secret().as_str()),
            user_code: response.user_code().secret().clone(),
            verification_uri: response.verification_uri().to_string(),
            message: response.extra_fields().message.clone(),
            lifetime: response.expires_in().min(DEVICE_LIFETIME_MAX),
            interval: response.interval().max(Duration::from_secs(1)),
        }
    }
}

/// Longest lifetime of an access token in seconds: ten years. Longer ones are reduced to it.
const LIFETIME_MAX: f64 = 10.0 * 365.0 * 24.0 * 3600.0;

/// Returns the response with `expires_in` as a whole number, which `oauth2` requires. Some
/// endpoints send a text, or a number with a fraction.
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
pub(super) struct OAuthError {
    pub(super) error: String,
    pub(super) error_description: Option<String>,
    /// Microsoft's numbers of the error, such as 65001 (onedrive-graph#token-errors).
    #[serde(default)]
    pub(super) error_codes: Vec<u32>,
}

/// Converts the result of a request of `oauth2`.
///
/// # Errors
/// That of the request; `Unexpected` if the response is empty or is not JSON of the expected form.
fn tokens(result: TokenResult) -> Result<Tokens> {
    result.map(|response| Tokens::from(&response)).map_err(decode_error)
}

/// Converts an error of `oauth2`.
fn decode_error(error: RequestTokenError<Error, BasicErrorResponse>) -> Error {
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::Parse(error, _) => invalid_response(error.inner()),
        RequestTokenError::ServerResponse(_) | RequestTokenError::Other(_) => Error::new(
            ErrorKind::Unexpected,
            "cannot decode the token endpoint's response: it is empty",
        ),
    }
}

/// Returns the error for a response that is not JSON of the expected form. The message contains no
/// value of the response, which may be a token.
fn invalid_response(error: &serde_json::Error) -> Error {
    let problem = redact_quoted(&error.to_string());
    Error::new(
        ErrorKind::Unexpected,
        format!("cannot decode the token endpoint's response: {problem}"),
    )
}

impl From<&BasicTokenResponse> for Tokens {
    fn from(response: &BasicTokenResponse) -> Self {
        let scopes = response.scopes().into_iter().flatten().map(|it| it.to_string()).collect();
        Self {
            access: Secret::from(response.access_token().secret().as_str()),
            refresh: response.refresh_token().map(|token| Secret::from(token.secret().as_str())),
            lifetime: response.expires_in(),
            scopes,
        }
    }
}

impl Tokens {
    /// Returns an access token without a refresh token, of unknown lifetime and scopes.
    pub fn new(access: impl Into<Secret>) -> Self {
        Self { access: access.into(), refresh: None, lifetime: None, scopes: Vec::new() }
    }

    /// Saves the tokens of a sign-in, such as in a [`TokenFile`](super::TokenFile), for a
    /// [`TokenSource`](super::TokenSource) with that store. They replace the tokens in the store.
    ///
    /// # Errors
    /// `Unsupported` if the store is read-only; those of [`TokenStore`].
    pub async fn save_to(&self, store: impl TokenStore) -> Result<()> {
        let mut locked = store.lock().await?;
        match locked.save(&StoredTokens::from_tokens(self)).await? {
            SaveOutcome::Saved => Ok(()),
            SaveOutcome::ReadOnly => Err(Error::new(
                ErrorKind::Unsupported,
                "cannot save the tokens: their store is read-only (use a token file)",
            )),
        }
    }

    /// Returns when the access token should be refreshed: before its expiry by a tenth of its
    /// lifetime, at most by two minutes. `None` if the lifetime is unknown.
    pub(super) fn renew_at(&self, now: Timestamp) -> Option<Timestamp> {
        let lifetime = self.lifetime?;
        let margin = (lifetime / 10).min(Duration::from_secs(120));
        now.checked_add(lifetime - margin).ok()
    }
}
