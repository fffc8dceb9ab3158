//! Redacts the parts of URLs that grant access or are credentials.
//!
//! The code that creates such a URL declares its form next to it
//! ([`Declaration::secret_urls`](super::protocol::Declaration::secret_urls)). Every URL that is logged
//! or shown passes through [`redacted`].

use std::borrow::Cow;

use axum::http::Uri;
use percent_encoding::percent_decode_str;

use super::content::encoded;

/// The position of a secret in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretUrl {
    /// The path segment after this prefix.
    Path(&'static str),
    /// The path segment after this one, or its key in parentheses: `shares/KEY`, `shares('KEY')`.
    Key(&'static str),
    /// The value of this query parameter.
    Parameter(&'static str),
}

/// The replacement of a secret.
const REDACTED: &str = "REDACTED";

/// Returns path and query of a request, percent-encoded, without its secrets. `forms` are the forms
/// of all protocols, because a URL of another protocol, or of none, may hold a valid secret too.
pub(super) fn redacted(uri: &Uri, forms: &[SecretUrl]) -> String {
    let mut shown = redacted_path(uri.path(), forms).into_owned();
    for (at, parameter) in uri.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if at == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, _)) if is_secret(name, forms) => {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(REDACTED);
            }
            _ => shown.push_str(parameter),
        }
    }
    shown
}

/// Returns a path, percent-encoded, with its secret replaced by [`REDACTED`]. The path is returned
/// unchanged if no form matches. It is decoded before it is compared: the server may not serve a
/// path with unusual encoding, but the secret in it is valid.
fn redacted_path<'p>(path: &'p str, forms: &[SecretUrl]) -> Cow<'p, str> {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let whole = decoded.trim_start_matches('/');
    for &form in forms {
        match form {
            SecretUrl::Path(prefix) => {
                if let Some(secret) = whole.strip_prefix(prefix.trim_start_matches('/')) {
                    let rest = secret.split('/').skip(1);
                    return Cow::Owned(format!("{prefix}{REDACTED}{}", joined(rest)));
                }
            }
            SecretUrl::Key(of) => {
                let mut segments = whole.split('/');
                let is = |segment: &str| {
                    segment
                        .strip_prefix(of)
                        .is_some_and(|key| key.is_empty() || key.starts_with('('))
                };
                let Some(at) = segments.clone().position(is) else { continue };
                let above = joined(segments.by_ref().take(at));
                let has_key = segments.next().is_some_and(|segment| segment.len() > of.len());
                let rest = joined(segments.skip(usize::from(!has_key)));
                let between = if has_key { "" } else { "/" };
                return Cow::Owned(format!("{above}/{of}{between}{REDACTED}{rest}"));
            }
            SecretUrl::Parameter(_) => {}
        }
    }
    Cow::Borrowed(path)
}

/// Joins segments, each with a slash before it.
fn joined<'a>(segments: impl Iterator<Item = &'a str>) -> String {
    segments.map(|segment| format!("/{}", encoded(segment))).collect()
}

/// Returns whether the value of the query parameter `name`, percent-encoded and in any case, is a
/// secret.
fn is_secret(name: &str, forms: &[SecretUrl]) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy();
    forms.iter().any(|form| match form {
        SecretUrl::Parameter(secret) => name.eq_ignore_ascii_case(secret),
        SecretUrl::Path(_) | SecretUrl::Key(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(uri: &str) -> String {
        redacted(&uri.parse().expect("a URI"), &crate::router::SECRET_URLS)
    }

    #[test]
    fn secrets_are_replaced_and_all_else_stays() {
        for (uri, expected) in [
            (
                "/v5.0/me?limit=1&access_token=x%20y&pretty=false",
                "/v5.0/me?limit=1&access_token=REDACTED&pretty=false",
            ),
            ("/v5.0/me?Access%5Ftoken=x", "/v5.0/me?Access%5Ftoken=REDACTED"),
            ("/s1pAbCd/name.txt?download", "/s1pREDACTED/name.txt?download"),
            ("/s1pAbCd", "/s1pREDACTED"),
            ("/p1pAbCd/small/a%20b.jpg", "/p1pREDACTED/small/a%20b.jpg"),
            ("/s/s!AbCd", "/s/REDACTED"),
            ("/monitor/AbCd", "/monitor/REDACTED"),
            ("/redir.aspx?cid=1&authkey=!AbCd", "/redir.aspx?cid=1&authkey=REDACTED"),
            (
                "/v5.0/skydrive/get_item_preview?type=small&url=http%3A%2F%2Fx%3Fauthkey%3D!AbCd",
                "/v5.0/skydrive/get_item_preview?type=small&url=REDACTED",
            ),
            ("/v1.0/shares/u!AbCd/driveItem", "/v1.0/shares/REDACTED/driveItem"),
            ("/v1.0/shares('s!AbCd')/root", "/v1.0/sharesREDACTED/root"),
            ("/rup/~a/uploadSession?tempauth=x", "/rup/~a/uploadSession?tempauth=REDACTED"),
            ("/oauth20_desktop.srf?code=x", "/oauth20_desktop.srf?code=REDACTED"),
            ("/v5.0/a%20b", "/v5.0/a%20b"),
        ] {
            assert_eq!(shown(uri), expected, "{uri}");
        }
    }

    #[test]
    fn secrets_are_found_however_the_path_is_encoded() {
        for uri in [
            "/%731pAbCd/name.txt",
            "/s%31%70AbCd",
            "//s1pAbCd/x",
            "/%70%31pAbCd/small/x",
            "/s%2FAbCd",
            "/v1.0/%73hares/AbCd/driveItem",
            "/v1.0/shares%2FAbCd/driveItem",
            "/v1.0/shares%28'AbCd')/driveItem",
        ] {
            assert!(!shown(uri).contains("AbCd"), "{uri}: {}", shown(uri));
        }
    }
}
