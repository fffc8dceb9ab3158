//! Parses the headers that several modules read.

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use url::form_urlencoded;

/// Returns the value of `Content-Length` in bytes; `None` if it is missing, or no number of 64
/// bits.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Credentials in an `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authorization<'h> {
    /// There is no such header.
    Missing,
    /// A bearer token.
    Bearer(&'h str),
    /// Another scheme, with its parameters.
    Other {
        /// The scheme, such as `Basic`.
        scheme: &'h str,
        /// The text after the scheme.
        parameters: &'h str,
    },
    /// The header is malformed.
    Malformed,
}

impl<'h> Authorization<'h> {
    /// Parses the first `Authorization` header.
    pub(crate) fn parse(headers: &'h HeaderMap) -> Self {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Self::Missing };
        let Ok(value) = value.to_str() else { return Self::Malformed };
        match value.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Self::Bearer(token.trim())
            }
            Some((scheme, parameters)) => Self::Other { scheme, parameters },
            None => Self::Malformed,
        }
    }
}

/// Returns user and password of HTTP Basic authentication, which OAuth clients use for their id and
/// secret. Both are decoded as form values (RFC 6749, 2.3.1), and may be empty. `None` without such
/// a header, and if it is not base64 or not UTF-8.
pub(crate) fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let Authorization::Other { scheme, parameters } = Authorization::parse(headers) else {
        return None;
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(parameters.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':').unwrap_or((&text, ""));
    let decode = |text: &str| {
        let first = form_urlencoded::parse(text.as_bytes()).next();
        first.map_or_else(String::new, |(text, _)| text.into_owned())
    };
    Some((decode(user), decode(password)))
}
