//! Redirects. The transport follows them itself, because it decides which headers the new host
//! receives.

use http::{HeaderMap, Method, StatusCode, header};
use opendal::{Error, ErrorKind, Result};
use url::Url;

use super::url_policy::{host_of, is_downgrade};

/// Maximum number of redirects for one request.
pub(super) const REDIRECTS_MAX: usize = 10;

/// Returns the URL that a response redirects to. `None` if the status is not 301, 302, 303, 307 or
/// 308, if the response has no `Location`, or if the request is neither `GET` nor `HEAD`: a body is
/// never sent to another URL.
///
/// `followed` is the number of redirects before this one.
///
/// # Errors
/// `Unexpected` if `followed` is the maximum of 10 or more, or if the target is not an HTTP URL, or
/// if it would leave TLS.
pub(super) fn target(
    method: &Method,
    from: &Url,
    status: StatusCode,
    headers: &HeaderMap,
    followed: usize,
) -> Result<Option<Url>> {
    if !matches!(*method, Method::GET | Method::HEAD)
        || !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
    {
        return Ok(None);
    }
    let Some(location) = headers.get(header::LOCATION) else { return Ok(None) };
    let refused = |reason: &str| {
        let text = format!("cannot follow the redirect of {}: {reason}", host_of(from));
        Err(Error::new(ErrorKind::Unexpected, text))
    };
    if followed >= REDIRECTS_MAX {
        return refused(&format!("it is the {}th in a row", followed + 1));
    }
    let to = location.to_str().ok().and_then(|text| from.join(text).ok());
    let Some(mut to) = to.filter(|to| matches!(to.scheme(), "http" | "https") && to.has_host())
    else {
        return refused("its target is not an HTTP URL");
    };
    if is_downgrade(from, &to) {
        return refused(&format!("it leads to {} without TLS", host_of(&to)));
    }
    if to.fragment().is_none() {
        to.set_fragment(from.fragment());
    }
    Ok(Some(to))
}

/// Removes the credentials from the headers of a request to another origin: the token, cookies, and
/// each header that is marked as sensitive.
pub(super) fn strip_credentials(headers: &mut HeaderMap) {
    let secret: Vec<_> = headers
        .iter()
        .filter(|(name, value)| {
            value.is_sensitive()
                || **name == header::AUTHORIZATION
                || **name == header::COOKIE
                || **name == header::PROXY_AUTHORIZATION
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in secret {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_within_http_and_tls() {
        let target = |from: &str, location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, location.parse().expect("a value"));
            let from = Url::parse(from).expect("a URL");
            target(&Method::GET, &from, StatusCode::FOUND, &headers, 0)
        };
        let to = target("https://h/a", "/b?c").expect("followed").expect("a redirect");
        assert_eq!(to.as_str(), "https://h/b?c");
        target("http://h/a", "https://other/b").expect("to TLS");
        for bad in ["http://h/b", "http://other/b", "file:///etc/passwd", "data:,x", "https://"] {
            let error = target("https://h/a", bad).expect_err(bad);
            assert!(error.to_string().contains("the redirect of h"), "{error}");
        }
    }
}
