//! Entry points of the fuzz targets: parsers of response headers and URLs.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;

use super::{range, redirect, url_policy::UrlPolicy};
use crate::failure::status;

/// Parses each line as the value of each response header.
///
/// # Panics
/// Panics if a parser returns a value that its callers do not expect.
pub fn headers(text: &str) {
    let mut lines = text.lines();
    let mut headers = HeaderMap::new();
    for name in ["retry-after", "date", "ratelimit-remaining", "ratelimit-reset", "location"] {
        if let Some(value) = lines.next().and_then(|line| HeaderValue::from_str(line).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if let Some(pause) = status::pause(&headers, || Timestamp::UNIX_EPOCH) {
        assert!(pause <= status::PAUSE_MAX);
    }
    for line in text.lines() {
        if let Some((Some(range), _)) = range::parse_content_range(line) {
            assert!(range.start < range.end);
        }
        if let Some(seconds) = status::seconds(line) {
            assert!(seconds <= status::PAUSE_MAX);
        }
        assert!(status::number(line).is_none_or(|number| number.is_finite() && number >= 0.0));
    }
    let from = url::Url::parse("https://cloud.test/a?b").expect("a URL");
    let found = redirect::target(&Method::GET, &from, StatusCode::FOUND, &headers, 0);
    if let Ok(Some(to)) = found {
        assert!(headers.contains_key(header::LOCATION) && to.scheme() == "https");
    }
}

/// Parses the first line as a list of allowed hosts, and checks the other lines as URLs of a cloud.
///
/// # Panics
/// Panics if the policy permits the token on a host that it does not name.
pub fn urls(text: &str) {
    let mut lines = text.lines();
    let hosts = lines.next().unwrap_or_default();
    let endpoint = || UrlPolicy::for_endpoint("https://cloud.test/v1").expect("an endpoint");
    if let Ok(policy) = endpoint().allowing(hosts) {
        lines.clone().for_each(|line| drop(policy.check_token(line)));
    }
    let policy = endpoint().allowing("*.own.test").expect("a host");
    for line in lines {
        if policy.check_token(line).is_ok() {
            // The transport uses this parser too.
            let uri: http::Uri = match line.parse() {
                Ok(uri) => uri,
                // Such a request is not sent.
                Err(_) => continue,
            };
            let url = url::Url::parse(&uri.to_string()).expect("a URL");
            let host = url.host_str().expect("a host");
            assert!(host == "cloud.test" || host.ends_with(".own.test"), "{line}");
            assert_eq!((url.scheme(), url.port()), ("https", None), "{line}");
        }
    }
}
