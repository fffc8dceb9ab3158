//! What the sign-ins of the three clouds share: forms, codes, redirects. The development account
//! always agrees; a private server wants its access token from whoever signs in.
//!
//! Any client id will do, and any client secret or none. A code is good once; every refresh token
//! issued is another one, and the old ones stay good.

pub(crate) mod entra;
pub(crate) mod microsoft_account;

use std::collections::HashMap;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Limited};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};

use super::{
    account::Grant,
    responses::text,
    secret_urls::SecretUrl,
    signed_token::{Purpose, random_name},
    state::ServerState,
};

/// How long a code may wait to be exchanged; RFC 6749 recommends ten minutes at most.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Where the URLs of sign-in have secrets.
pub(crate) const SECRET_URLS: &[SecretUrl] = &[
    SecretUrl::Parameter("client_assertion"),
    SecretUrl::Parameter("client_secret"),
    SecretUrl::Parameter("code"),
    SecretUrl::Parameter("code_verifier"),
    SecretUrl::Parameter("refresh_token"),
];

/// How codes begin.
const CODE_PREFIX: &str = "M.R3_";

/// The longest form that is read, in bytes.
const LONGEST_FORM: usize = 64 << 10;

/// What a code stands for.
#[derive(Serialize, Deserialize)]
struct Code {
    grant: Grant,
    client: String,
    redirect: String,
    name: String,
}

/// The fields of a form: a request's body, or its query.
pub(crate) struct Form(HashMap<String, String>);

impl Form {
    /// Reads a body. Values that a client forgot to encode are taken as they are. The error says why
    /// it cannot be read.
    pub(crate) async fn read(body: Body) -> Result<Self, String> {
        let bytes = Limited::new(body, LONGEST_FORM).collect().await;
        Ok(Self::parse(bytes.map_err(|error| error.to_string())?.to_bytes()))
    }

    /// The fields of a query.
    pub(crate) fn parse(query: impl AsRef<[u8]>) -> Self {
        Self(form_urlencoded::parse(query.as_ref()).into_owned().collect())
    }

    /// A field's value; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Which client sends it: by its field, or by HTTP Basic.
    pub(crate) fn client(&self, headers: &HeaderMap) -> Option<String> {
        let user = || basic(headers).map(|(user, _)| user).filter(|user| !user.is_empty());
        self.get("client_id").map(str::to_owned).or_else(user)
    }

    /// The client's secret: by its field, or by HTTP Basic.
    pub(crate) fn secret(&self, headers: &HeaderMap) -> Option<String> {
        let password = || basic(headers).map(|(_, password)| password);
        self.get("client_secret").map(str::to_owned).or_else(password)
    }
}

/// Checks that whoever opened a sign-in page may grant access. The development account always agrees.
/// A private server shows a form that asks for its access token, so that the token is in no URL.
///
/// # Errors
/// The page with the form.
pub(crate) async fn consent(
    state: &ServerState,
    method: &Method,
    body: Body,
) -> Result<(), Box<Response>> {
    if state.accounts.settings().tokens.public {
        return Ok(());
    }
    if *method != Method::POST {
        return Err(Box::new(consent_page(StatusCode::OK, "")));
    }
    let form = Form::read(body).await;
    let given = form.as_ref().ok().and_then(|form| form.get("token"));
    match given.is_some_and(|token| state.accounts.settings().tokens.is_own(token.trim())) {
        true => Ok(()),
        false => {
            let said = "<p>This is not the token of this server.</p>";
            Err(Box::new(consent_page(StatusCode::FORBIDDEN, said)))
        }
    }
}

fn consent_page(status: StatusCode, said: &str) -> Response {
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>Sign in</title>{said}\
         <form method=post><p>An application asks for access to this drive server. To allow it, enter \
         the access token that the server's data folder has in the file <code>token</code>.</p>\
         <input type=password name=token autofocus> <button>Allow</button></form>\n"
    );
    let mut response = text(status, page);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

/// A code that stands for a grant until it is exchanged.
pub(crate) fn code_for(state: &ServerState, grant: Grant, client: &str, redirect: &str) -> String {
    let code = Code {
        grant,
        client: client.to_owned(),
        redirect: redirect.to_owned(),
        name: random_name(),
    };
    let sealed = state.signer.sign(Purpose::Code, Timestamp::now() + CODE_LIFE, &code);
    format!("{CODE_PREFIX}{sealed}")
}

/// What a code grants, once, to the client that asked for it; else why it is refused.
pub(crate) fn exchange_code(
    state: &ServerState,
    code: &str,
    client: &str,
    redirect: &str,
) -> Result<Grant, String> {
    let invalid = |why: &str| format!("The code {why}.");
    let now = Timestamp::now();
    let opened: Code = code
        .strip_prefix(CODE_PREFIX)
        .and_then(|sealed| state.signer.verify(Purpose::Code, sealed, now).ok())
        .ok_or_else(|| invalid("isn't valid or has expired"))?;
    if opened.client != client {
        return Err(invalid("was issued to another client"));
    }
    if opened.redirect != redirect {
        return Err(invalid("was issued for another redirect_uri"));
    }
    if !state.used_codes.first_use(&opened.name, now, now + CODE_LIFE) {
        return Err(invalid("was used already"));
    }
    Ok(opened.grant)
}

/// User and password of HTTP Basic, as which OAuth libraries send the id of a client that has a secret.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':').unwrap_or((&text, ""));
    // RFC 6749, 2.3.1: encoded as in a form.
    let decoded = |text: &str| {
        let first = form_urlencoded::parse(text.as_bytes()).next();
        first.map_or_else(String::new, |(text, _)| text.into_owned())
    };
    Some((decoded(user), decoded(password)))
}

/// A redirect with parameters in the query, or in the fragment where a token is among them.
pub(crate) fn redirect_to(
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

/// An answer in JSON, which nobody is to keep.
pub(crate) fn json_answer(status: StatusCode, body: &impl Serialize) -> Response {
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
    fn a_client_may_name_itself_by_basic_authentication() {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode("client%2B1:se%3Acret"));
        headers.insert(header::AUTHORIZATION, value.parse().expect("a header"));
        let form = Form::parse("");
        assert_eq!(form.client(&headers).as_deref(), Some("client+1"));
        assert_eq!(form.secret(&headers).as_deref(), Some("se:cret"));
    }
}
