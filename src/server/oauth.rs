//! Sign-in, as at login.live.com (Live Connect A.2): no user is asked, the development account
//! always agrees.
//!
//! `/oauth20_authorize.srf` redirects at once, with a code or a token, to a redirect address on
//! this machine or to the desktop one; `/oauth20_token.srf` exchanges codes and refresh tokens. Any
//! client id will do, and any client secret or none. Every refresh token issued is another one, and
//! the old ones stay good.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Limited};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::{Host, Url, form_urlencoded};

use super::{
    account::Grant,
    app::{App, Exchange, FrontEnd, text},
    origin::Origin,
    seal::{Purpose, random_name},
};

/// What a development account grants when nobody says what: exactly what the old command-line
/// client insists on.
const SCOPE: &str = "wl.skydrive wl.skydrive_update wl.offline_access";

/// Only with this scope is there a refresh token.
const OFFLINE: &str = "wl.offline_access";

/// How long a code may wait to be exchanged; RFC 6749 recommends ten minutes at most.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// How codes begin.
const CODE_PREFIX: &str = "M.R3_";

/// The longest form that is read, in bytes.
pub(super) const LONGEST_FORM: usize = 64 << 10;

/// Where desktop programs are redirected to.
const DESKTOP: &str = "/oauth20_desktop.srf";

/// Codes that were exchanged and could be again, with the time when they expire anyway.
#[derive(Debug, Default)]
pub(super) struct OAuth(Mutex<HashMap<String, Timestamp>>);

impl OAuth {
    /// Whether a code has not been exchanged yet; from now on it has.
    fn first_use(&self, name: &str, now: Timestamp) -> bool {
        let mut used = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        used.retain(|_, expires| *expires > now);
        used.insert(name.to_owned(), now + CODE_LIFE).is_none()
    }
}

/// What a code stands for.
#[derive(Serialize, Deserialize)]
struct Code {
    grant: Grant,
    client: String,
    redirect: String,
    name: String,
}

/// Serves sign-in.
pub(super) struct SignIn;

const TOKEN: &str = "oauth.token";
const AUTHORIZE: &str = "oauth.authorize";
const DESKTOP_PAGE: &str = "oauth.desktop";
const UNKNOWN: &str = "oauth.unknown";

#[async_trait]
impl FrontEnd for SignIn {
    fn operations(&self) -> &'static [&'static str] {
        &[TOKEN, AUTHORIZE, DESKTOP_PAGE, UNKNOWN]
    }

    fn serves(&self, path: &str) -> bool {
        path.starts_with("/oauth20_")
    }

    fn operation(&self, request: &Parts) -> &'static str {
        match (&request.method, request.uri.path()) {
            (&Method::POST, "/oauth20_token.srf") => TOKEN,
            (&Method::GET, "/oauth20_authorize.srf") => AUTHORIZE,
            (&Method::GET, DESKTOP) => DESKTOP_PAGE,
            _ => UNKNOWN,
        }
    }

    async fn answer(&self, app: &Arc<App>, exchange: Exchange, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        match self.operation(&parts) {
            TOKEN => match token(app, &parts.headers, body).await {
                Ok(answer) => json_answer(StatusCode::OK, &answer),
                Err(refusal) => refusal.into(),
            },
            AUTHORIZE => {
                authorize(app, &exchange.origin, parts.uri.query().unwrap_or_default()).await
            }
            DESKTOP_PAGE => desktop_page(),
            _ => text(
                StatusCode::NOT_FOUND,
                "Sign-in has: POST /oauth20_token.srf, GET /oauth20_authorize.srf and \
                 GET /oauth20_desktop.srf.",
            ),
        }
    }

    fn failure(&self, status: StatusCode) -> Response {
        let error = if status.is_server_error() { "server_error" } else { "invalid_request" };
        json_answer(
            status,
            &json!({ "error": error, "error_description": "The server failed on demand." }),
        )
    }
}

/// Why a token is refused, in OAuth's words.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    error: &'static str,
    description: String,
}

impl Refusal {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, description: description.into() }
    }

    fn missing(field: &str) -> Self {
        Self::new(
            "invalid_request",
            format!("The request must include a value for the input parameter '{field}'."),
        )
    }
}

impl From<Refusal> for Response {
    fn from(Refusal { error, description }: Refusal) -> Self {
        let status = match error {
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        json_answer(status, &json!({ "error": error, "error_description": description }))
    }
}

/// What the token address answers; the fields and their order are the cloud's.
#[derive(Serialize)]
struct Tokens {
    token_type: &'static str,
    expires_in: u64,
    scope: String,
    access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    user_id: String,
}

async fn token(app: &App, headers: &HeaderMap, body: Body) -> Result<Tokens, Refusal> {
    let form = Limited::new(body, LONGEST_FORM)
        .collect()
        .await
        .map_err(|error| Refusal::new("invalid_request", format!("The form: {error}.")))?
        .to_bytes();
    let form: HashMap<String, String> = form_urlencoded::parse(&form).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let required = |name: &str| field(name).ok_or_else(|| Refusal::missing(name));

    let grant_type = required("grant_type")?;
    let client = match field("client_id") {
        Some(client) => client.to_owned(),
        None => basic_user(headers).ok_or_else(|| Refusal::missing("client_id"))?,
    };
    let grant = match grant_type {
        "refresh_token" => app.refresh_grant(required("refresh_token")?).ok_or_else(|| {
            Refusal::new("invalid_grant", "The refresh token isn't valid or has expired.")
        })?,
        "authorization_code" => {
            let redirect = required("redirect_uri")?;
            exchange_code(app, required("code")?, &client, redirect)
                .map_err(|why| Refusal::new("invalid_grant", why))?
        }
        other => {
            return Err(Refusal::new(
                "unsupported_grant_type",
                format!(
                    "The grant type '{other}' isn't one of 'authorization_code' and 'refresh_token'."
                ),
            ));
        }
    };
    issue(app, &grant).await
}

/// A code that stands for a grant until it is exchanged.
pub(super) fn code_for(app: &App, grant: Grant, client: &str, redirect: &str) -> String {
    let code = Code {
        grant,
        client: client.to_owned(),
        redirect: redirect.to_owned(),
        name: random_name(),
    };
    let sealed = app.seal.seal(Purpose::Code, Timestamp::now() + CODE_LIFE, &code);
    format!("{CODE_PREFIX}{sealed}")
}

/// What a code grants, once, to the client that asked for it; else why it is refused.
pub(super) fn exchange_code(
    app: &App,
    code: &str,
    client: &str,
    redirect: &str,
) -> Result<Grant, String> {
    let invalid = |why: &str| format!("The code {why}.");
    let now = Timestamp::now();
    let opened: Code = code
        .strip_prefix(CODE_PREFIX)
        .and_then(|sealed| app.seal.open(Purpose::Code, sealed, now).ok())
        .ok_or_else(|| invalid("isn't valid or has expired"))?;
    if opened.client != client {
        return Err(invalid("was issued to another client"));
    }
    if opened.redirect != redirect {
        return Err(invalid("was issued for another redirect_uri"));
    }
    if !app.oauth.first_use(&opened.name, now) {
        return Err(invalid("was used already"));
    }
    Ok(opened.grant)
}

async fn issue(app: &App, grant: &Grant) -> Result<Tokens, Refusal> {
    let account = app.account(&grant.account).await.map_err(|error| {
        tracing::error!(%error, "no tokens issued");
        Refusal::new("server_error", "The server could not look the account up.")
    })?;
    let scope = grant.scope.clone().unwrap_or_else(|| SCOPE.to_owned());
    let offline = scope.split_whitespace().any(|word| word == OFFLINE);
    Ok(Tokens {
        token_type: "bearer",
        expires_in: app.settings.token_life.as_secs(),
        access_token: app.issue_access(grant),
        refresh_token: offline.then(|| app.issue_refresh(grant)),
        user_id: account.cid.clone(),
        scope,
    })
}

/// The user of HTTP Basic, as which OAuth libraries send a client id that has a secret.
pub(super) fn basic_user(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let user = decoded.split(':').next()?;
    // RFC 6749, 2.3.1: encoded as in a form.
    let (user, _) = form_urlencoded::parse(user.as_bytes()).next()?;
    Some(user.into_owned()).filter(|user| !user.is_empty())
}

async fn authorize(app: &App, origin: &Origin, query: &str) -> Response {
    let query: HashMap<String, String> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let field = |name: &str| query.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let Some(redirect) = field("redirect_uri") else {
        return text(StatusCode::BAD_REQUEST, "The request has no redirect_uri.");
    };
    let Some(target) = redirect_target(redirect, origin) else {
        return text(
            StatusCode::BAD_REQUEST,
            "This server redirects only to this machine (http://localhost, 127.0.0.1, [::1]) and \
             to oauth20_desktop.srf.",
        );
    };
    let implicit = field("response_type") == Some("token");
    let mut answer = match granted(app, &field, redirect).await {
        Ok(answer) => answer,
        Err(Refusal { error, description }) => {
            vec![("error", error.to_owned()), ("error_description", description)]
        }
    };
    if let Some(state) = field("state") {
        answer.push(("state", state.to_owned()));
    }
    redirect_to(target, &answer, implicit)
}

/// What the redirect carries.
async fn granted<'a>(
    app: &App,
    field: &(impl Fn(&str) -> Option<&'a str> + Sync),
    redirect: &str,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let client = field("client_id").ok_or_else(|| Refusal::missing("client_id"))?;
    let grant = Grant::new("", Some(field("scope").unwrap_or(SCOPE).to_owned()));
    match field("response_type") {
        Some("code") => Ok(vec![("code", code_for(app, grant, client, redirect))]),
        Some("token") => {
            let tokens = issue(app, &grant).await?;
            Ok(vec![
                ("access_token", tokens.access_token),
                ("token_type", tokens.token_type.to_owned()),
                ("expires_in", tokens.expires_in.to_string()),
                ("scope", tokens.scope),
                ("user_id", tokens.user_id),
            ])
        }
        Some(other) => Err(Refusal::new(
            "unsupported_response_type",
            format!("The response type '{other}' isn't one of 'code' and 'token'."),
        )),
        None => Err(Refusal::missing("response_type")),
    }
}

/// Where to redirect to: this machine, or the desktop address, which is this server's then.
pub(super) fn redirect_target(redirect: &str, origin: &Origin) -> Option<Url> {
    let url = Url::parse(redirect).ok()?;
    if url.path() == DESKTOP {
        return Url::parse(&origin.url(DESKTOP)).ok();
    }
    let local = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    (local && matches!(url.scheme(), "http" | "https")).then_some(url)
}

/// A redirect with parameters in the query, or in the fragment where a token is among them.
pub(super) fn redirect_to(
    mut target: Url,
    parameters: &[(&str, String)],
    fragment: bool,
) -> Response {
    if fragment {
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(parameters);
        target.set_fragment(Some(&encoded.finish()));
    } else {
        target.query_pairs_mut().extend_pairs(parameters);
    }
    let mut response = text(StatusCode::FOUND, "");
    match HeaderValue::from_str(target.as_str()) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Err(_) => text(StatusCode::BAD_REQUEST, "The redirect_uri cannot be redirected to."),
    }
}

/// Where a desktop program's browser ends: the program, or its user, takes the code from the
/// address.
fn desktop_page() -> Response {
    let page = "<!doctype html><meta charset=utf-8><title>Signed in</title>\
                <p>Signed in. If your program asks for it, give it the address of this page.</p>\n";
    let mut response = Response::new(Body::from(page));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

pub(super) fn json_answer(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("plain data");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_and_forgotten_when_it_has_expired() {
        let oauth = OAuth::default();
        let time = |second| Timestamp::from_second(second).expect("in range");
        assert!(oauth.first_use("a", time(0)));
        assert!(!oauth.first_use("a", time(1)));
        assert!(oauth.first_use("b", time(1_000)));
        assert_eq!(oauth.0.lock().expect("whole").len(), 1);
    }

    #[test]
    fn redirects_stay_on_this_machine() {
        let parts = axum::http::Request::builder()
            .uri("http://127.0.0.1:9/")
            .body(())
            .expect("a request")
            .into_parts()
            .0;
        let origin = Origin::of(&parts, false, ([127, 0, 0, 1], 9).into()).expect("a host");
        let target = |uri| redirect_target(uri, &origin).map(String::from);
        assert_eq!(
            target("http://localhost:5000/cb?a=1").as_deref(),
            Some("http://localhost:5000/cb?a=1")
        );
        assert_eq!(target("http://[::1]/cb").as_deref(), Some("http://[::1]/cb"));
        assert_eq!(
            target("https://login.live.com/oauth20_desktop.srf").as_deref(),
            Some("http://127.0.0.1:9/oauth20_desktop.srf")
        );
        for elsewhere in
            ["https://evil.example/", "http://localhost.evil.example/", "javascript:1", "x"]
        {
            assert_eq!(target(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_client_may_name_itself_by_basic_authentication() {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode("client%2B1:secret"));
        headers.insert(header::AUTHORIZATION, value.parse().expect("a header"));
        assert_eq!(basic_user(&headers).as_deref(), Some("client+1"));
    }
}
