//! Sign-in: forms, authorization codes and redirects, which the three clouds share.
//!
//! Without a directory, any client id and any client secret are accepted. A code is valid once: a
//! second use revokes the tokens of the first. Each refresh issues a new refresh token; an option
//! decides whether the old ones remain valid.

pub(crate) mod client_assertion;
pub(crate) mod clients;
pub(crate) mod consent;
pub(crate) mod entra;
pub(crate) mod login_with_amazon;
pub(crate) mod microsoft_account;
pub(crate) mod pages;
pub(crate) mod signing_key;
mod token_families;

pub(crate) use self::token_families::TokenFamilies;
pub use self::token_families::{AssertionReuse, RefreshReuse, SignInOptions};

use std::collections::HashMap;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::{BodyExt, Limited};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use crate::{
    grant::{Audience, Grant},
    headers::basic_credentials,
    responses::text,
    secret_urls::SecretUrl,
    signed_token::{Purpose, random_name},
    state::ServerState,
};

/// Lifetime of an authorization code; RFC 6749 recommends ten minutes at most.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Positions of secrets in the URLs of sign-in.
pub(crate) const SECRET_URLS: &[SecretUrl] = &[
    SecretUrl::Parameter("client_assertion"),
    SecretUrl::Parameter("client_secret"),
    SecretUrl::Parameter("code"),
    SecretUrl::Parameter("code_verifier"),
    SecretUrl::Parameter("refresh_token"),
];

/// The beginning of authorization codes, as in the cloud.
const CODE_PREFIX: &str = "M.R3_";

/// Maximum size of a form, in bytes.
const MAX_FORM: usize = 64 << 10;

/// The claims of an authorization code.
#[derive(Serialize, Deserialize)]
struct Code {
    grant: Grant,
    /// The id of the client that requested the code.
    client: String,
    /// The redirect URL of the request.
    redirect: String,
    /// The code challenge of PKCE (RFC 7636) by the method S256; `None` if the request has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
    /// The nonce for the id token; `None` if the request has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    /// A random text that identifies the code.
    name: String,
}

/// An error of reading a form.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct FormReadError(Box<dyn std::error::Error + Send + Sync>);

/// The reason why an authorization code cannot be exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodeError {
    #[error("The code isn't valid or has expired.")]
    Invalid,
    #[error("The code was issued to another client.")]
    OtherClient,
    #[error("The code was issued for another redirect_uri.")]
    OtherRedirect,
    #[error("The code was used already.")]
    Used,
    #[error(
        "The Code_Verifier does not match the code_challenge supplied in the authorization request."
    )]
    WrongVerifier,
}

/// The parameters of an authorization request that its code is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeRequest<'a> {
    /// The id of the client.
    pub client: &'a str,
    /// The redirect URL.
    pub redirect: &'a str,
    /// The code challenge of PKCE, and whether its method is `plain` instead of `S256`.
    pub challenge: Option<(&'a str, bool)>,
    /// The nonce for the id token.
    pub nonce: Option<&'a str>,
}

/// The result of exchanging an authorization code.
#[derive(Debug)]
pub(crate) struct RedeemedCode {
    pub grant: Grant,
    /// The nonce of the authorization request; `None` if it has none.
    pub nonce: Option<String>,
}

/// The fields of a form, from a request's body or query.
pub(crate) struct Form(HashMap<String, String>);

impl Form {
    /// Reads the form in a request's body. Values that the client did not encode are accepted as
    /// they are.
    ///
    /// # Errors
    /// `FormReadError` if the body ends early or has more than [`MAX_FORM`] bytes.
    pub(crate) async fn read(body: Body) -> Result<Self, FormReadError> {
        let bytes = Limited::new(body, MAX_FORM).collect().await;
        Ok(Self::parse(bytes.map_err(FormReadError)?.to_bytes()))
    }

    /// Parses a query, without the question mark, or the body of a form. Bytes that are not UTF-8
    /// are replaced. Of a repeated field the last value counts.
    pub(crate) fn parse(query: impl AsRef<[u8]>) -> Self {
        Self(form_urlencoded::parse(query.as_ref()).into_owned().collect())
    }

    /// Returns the decoded value of a field; `None` if it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns the client's id, from the form or from HTTP Basic authentication; `None` if neither
    /// has it.
    pub(crate) fn client(&self, headers: &HeaderMap) -> Option<String> {
        let user =
            || basic_credentials(headers).map(|(user, _)| user).filter(|user| !user.is_empty());
        self.get("client_id").map(str::to_owned).or_else(user)
    }

    /// Returns the client's secret, from the form or from HTTP Basic authentication; `None` if
    /// neither has it.
    pub(crate) fn secret(&self, headers: &HeaderMap) -> Option<String> {
        let password = || basic_credentials(headers).map(|(_, password)| password);
        self.get("client_secret").map(str::to_owned).or_else(password)
    }
}

/// Returns an authorization code for a grant.
pub(crate) fn code_for(state: &ServerState, grant: Grant, client: &str, redirect: &str) -> String {
    issue_code(state, grant, &CodeRequest { client, redirect, challenge: None, nonce: None })
}

/// Returns an authorization code for a grant, which is bound to the parameters of a request.
pub(crate) fn issue_code(state: &ServerState, grant: Grant, request: &CodeRequest<'_>) -> String {
    let challenge = request.challenge.map(|(challenge, is_plain)| match is_plain {
        true => s256(challenge),
        false => challenge.to_owned(),
    });
    let name = random_name();
    let code = Code {
        grant: grant.in_family(&name),
        client: request.client.to_owned(),
        redirect: request.redirect.to_owned(),
        challenge,
        nonce: request.nonce.map(str::to_owned),
        name,
    };
    let signed = state.signer.sign(Purpose::Code, Timestamp::now() + CODE_LIFE, &code);
    format!("{CODE_PREFIX}{signed}")
}

/// Returns the code challenge of a verifier by the method S256 (RFC 7636, 4.2).
fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// The parameters of a token request that must fit to those of the authorization request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeProof<'a> {
    pub code: &'a str,
    /// The id of the client.
    pub client: &'a str,
    /// The redirect URL.
    pub redirect: &'a str,
    /// The code verifier of PKCE. It must be present if and only if the authorization request had a
    /// challenge.
    pub verifier: Option<&'a str>,
}

/// Exchanges an authorization code for its grant. A code can be exchanged once, by the client that
/// requested it, at the sign-in that issued it: `issuer` is the audience of that sign-in's codes.
///
/// # Errors
/// [`CodeError`]: `Invalid` for a code that is not signed by this server, has expired after ten
/// minutes or was issued by another sign-in, `OtherClient`, `OtherRedirect`, `WrongVerifier` also
/// for a missing or unexpected verifier, and `Used` for a second exchange, which also revokes the
/// tokens of the first. Its text is part of the response.
pub(crate) fn redeem_code(
    state: &ServerState,
    proof: &CodeProof<'_>,
    issuer: &Audience,
) -> Result<RedeemedCode, CodeError> {
    let now = Timestamp::now();
    let code: Code = proof
        .code
        .strip_prefix(CODE_PREFIX)
        .and_then(|signed| state.signer.verify(Purpose::Code, signed, now).ok())
        .filter(|code: &Code| code.grant.audience == *issuer)
        .ok_or(CodeError::Invalid)?;
    if code.client != proof.client {
        return Err(CodeError::OtherClient);
    }
    if code.redirect != proof.redirect {
        return Err(CodeError::OtherRedirect);
    }
    if proof.verifier.map(s256) != code.challenge {
        return Err(CodeError::WrongVerifier);
    }
    if !state.used_codes.first_use(&code.name, now, now + CODE_LIFE) {
        // Another program may have the code: its tokens are revoked (RFC 6749, 4.1.2).
        state.accounts.families.revoke(&code.name);
        return Err(CodeError::Used);
    }
    Ok(RedeemedCode { grant: code.grant, nonce: code.nonce })
}

/// Returns a redirect to `target` with parameters in the query; with `fragment`, in the fragment,
/// because one of them is a token. 400 if the URL cannot be a header.
pub(crate) fn redirect_to(
    mut target: Url,
    parameters: &[(&str, String)],
    fragment: bool,
) -> Response {
    if fragment {
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(parameters);
        target.set_fragment(Some(&encoded.finish()));
    } else if !parameters.is_empty() {
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

/// Returns a JSON response that must not be cached.
pub(crate) fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
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
    use base64::{Engine, engine::general_purpose::STANDARD};

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
