//! Client assertions: an application proves itself with the key of a certificate (RFC 7523).

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use serde_json::Value;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use webpki::{
    EndEntityCert,
    aws_lc_rs::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256_LEGACY_KEY},
};

use crate::{directory::ApplicationRecord, state::ServerState};

/// The type of client assertions.
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The reason why an assertion is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AssertionError {
    /// It is no JSON Web Token with the required claims.
    #[error("{0}")]
    Malformed(&'static str),
    /// Its certificate is not registered. Contains the thumbprint in the assertion.
    #[error("the certificate with thumbprint {0} is not registered on the application")]
    UnknownCertificate(String),
    /// Its signature is wrong.
    #[error("the signature is not valid")]
    Signature,
    #[error("it has expired")]
    Expired,
    /// The same assertion was used before.
    #[error("its jti was used before")]
    Reused,
}

/// The parts of a JSON Web Token.
struct Token<'a> {
    header: Value,
    claims: Value,
    /// The text that the signature covers.
    signed: &'a str,
    signature: Vec<u8>,
}

/// Splits and decodes a JSON Web Token, without verifying it.
///
/// # Errors
/// `AssertionError::Malformed` if it has not three parts, or one cannot be decoded.
fn parse(assertion: &str) -> Result<Token<'_>, AssertionError> {
    let malformed = AssertionError::Malformed;
    let (signed, signature) =
        assertion.rsplit_once('.').ok_or_else(|| malformed("it has not three parts"))?;
    let (header, claims) =
        signed.split_once('.').ok_or_else(|| malformed("it has not three parts"))?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).or_else(|_| URL_SAFE.decode(part)).ok();
    let json = |part: &str| -> Option<Value> { serde_json::from_slice(&decode(part)?).ok() };
    Ok(Token {
        header: json(header).ok_or_else(|| malformed("its header is not JSON"))?,
        claims: json(claims).ok_or_else(|| malformed("its claims are not JSON"))?,
        signed,
        signature: decode(signature).ok_or_else(|| malformed("its signature is not base64"))?,
    })
}

/// Verifies an assertion of a client. `client` is the client's id. `application` is `None` without
/// a directory: then no certificates are registered, and every signature is accepted. `is_audience`
/// decides whether a URL is that of the token endpoint. If assertions may not be sent again, this
/// use is recorded.
///
/// # Errors
/// [`AssertionError`] for the first check that fails: `Malformed` for the form, the issuer, the
/// audience, a missing `jti` and the algorithm; `Expired`, also without an `exp`;
/// `UnknownCertificate`; `Signature`; `Reused` for a `jti` that this client sent before.
pub(crate) fn verify(
    state: &ServerState,
    client: &str,
    application: Option<&ApplicationRecord>,
    assertion: &str,
    is_audience: impl Fn(&str) -> bool,
) -> Result<(), AssertionError> {
    let token = parse(assertion)?;
    let claims = &token.claims;
    if claims["iss"] != client || claims["sub"] != client {
        return Err(AssertionError::Malformed("iss and sub must be the client id"));
    }
    if !claims["aud"].as_str().is_some_and(is_audience) {
        return Err(AssertionError::Malformed("aud must be the token endpoint"));
    }
    // MSAL for Python sends a fraction of a second too.
    let now = Timestamp::now();
    let expires = claims["exp"].as_f64().filter(|it| *it > now.as_duration().as_secs_f64());
    let expires = expires.ok_or(AssertionError::Expired)?;
    if let Some(application) = application {
        verify_signature(application, &token)?;
    }
    if state.accounts.families.refuses_assertions() {
        let id = claims["jti"].as_str().ok_or(AssertionError::Malformed("it has no jti"))?;
        let name = format!("{client} {id}");
        let expires = Timestamp::from_second(expires as i64 + 1)
            .map_err(|_| AssertionError::Malformed("its exp is no time"))?;
        if !state.used_assertions.first_use(&name, now, expires) {
            return Err(AssertionError::Reused);
        }
    }
    Ok(())
}

/// Verifies the signature with the certificate that the header names.
///
/// # Errors
/// `AssertionError::Malformed` for an algorithm other than RS256 and PS256, a header without a
/// thumbprint and a certificate that cannot be used; `UnknownCertificate` if the application does
/// not have the certificate; `Signature` if the signature is wrong.
fn verify_signature(
    application: &ApplicationRecord,
    token: &Token<'_>,
) -> Result<(), AssertionError> {
    let algorithm: &dyn SignatureVerificationAlgorithm = match token.header["alg"].as_str() {
        Some("RS256") => RSA_PKCS1_2048_8192_SHA256,
        Some("PS256") => RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        _ => return Err(AssertionError::Malformed("its alg is neither RS256 nor PS256")),
    };
    let (thumbprint, is_named) = named_certificate(&token.header)?;
    let certificate = application.certificates().find(is_named);
    let certificate = certificate.ok_or(AssertionError::UnknownCertificate(thumbprint))?;
    let certificate = EndEntityCert::try_from(&certificate)
        .map_err(|_| AssertionError::Malformed("its certificate cannot be used"))?;
    certificate
        .verify_signature(algorithm, token.signed.as_bytes(), &token.signature)
        .map_err(|_| AssertionError::Signature)
}

/// Returns the thumbprint in a header as hexadecimal digits, and a predicate for its certificate.
///
/// # Errors
/// `AssertionError::Malformed` if the header has no thumbprint, or it is not base64.
fn named_certificate(
    header: &Value,
) -> Result<(String, impl Fn(&CertificateDer<'static>) -> bool), AssertionError> {
    let by_sha256 = header["x5t#S256"].as_str();
    let thumbprint = by_sha256.or_else(|| header["x5t"].as_str());
    let thumbprint =
        thumbprint.ok_or(AssertionError::Malformed("its header has neither x5t nor x5t#S256"))?;
    let bytes = URL_SAFE_NO_PAD.decode(thumbprint.trim_end_matches('='));
    let bytes = bytes.map_err(|_| AssertionError::Malformed("its thumbprint is not base64"))?;
    let is_sha256 = by_sha256.is_some();
    let text = hex::encode_upper(&bytes);
    let is_named = move |certificate: &CertificateDer<'static>| match is_sha256 {
        true => Sha256::digest(certificate)[..] == bytes[..],
        false => Sha1::digest(certificate)[..] == bytes[..],
    };
    Ok((text, is_named))
}
