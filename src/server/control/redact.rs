//! What of a URL may be remembered.

use axum::http::Uri;

use crate::server::{graph, tickets};

/// Query parameters whose values are secrets in one of the protocols.
const SECRET: &[&str] =
    &["access_token", "refresh_token", "code", "client_secret", "tempauth", "tempLink", "password"];

/// What comes before a secret in a path: a ticket, a sharing link.
const SECRET_PATHS: &[&str] = &[tickets::PREFIX, graph::LINK_PREFIX];

/// What stands where a secret stood.
const REDACTED: &str = "REDACTED";

/// Path and query without secrets: tickets, links, and the values of secret parameters.
pub(in crate::server) fn path(uri: &Uri) -> String {
    let secret = SECRET_PATHS.iter().find_map(|prefix| {
        let secret = uri.path().strip_prefix(prefix)?;
        let rest = secret.find('/').map_or("", |slash| &secret[slash..]);
        Some(format!("{prefix}{REDACTED}{rest}"))
    });
    let mut told = secret.unwrap_or_else(|| uri.path().to_owned());
    for (at, parameter) in uri.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
        told.push(if at == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                told.push_str(name);
                told.push('=');
                told.push_str(REDACTED);
            }
            _ => told.push_str(parameter),
        }
    }
    told
}

fn is_secret(name: &str) -> bool {
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(uri: &str) -> String {
        path(&uri.parse().expect("a URI"))
    }

    #[test]
    fn tokens_and_tickets_are_taken_out_and_all_else_stays() {
        assert_eq!(
            redacted("/v5.0/me?limit=1&access_token=x%20y&pretty=false"),
            "/v5.0/me?limit=1&access_token=REDACTED&pretty=false"
        );
        assert_eq!(redacted("/v5.0/me?Access%5Ftoken=x"), "/v5.0/me?Access%5Ftoken=REDACTED");
        assert_eq!(redacted("/s1pAbCd/name.txt?download"), "/s1pREDACTED/name.txt?download");
        assert_eq!(redacted("/s1pAbCd"), "/s1pREDACTED");
        assert_eq!(redacted("/s/s!AbCd"), "/s/REDACTED");
        assert_eq!(
            redacted("/rup/~a/uploadSession?tempauth=x"),
            "/rup/~a/uploadSession?tempauth=REDACTED"
        );
        assert_eq!(redacted("/v5.0/a%20b"), "/v5.0/a%20b");
    }
}
