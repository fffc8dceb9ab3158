//! The meaning of a response's status, and of the headers that request a pause.
//!
//! This is the only table of statuses and the only parser of `Retry-After` on the client side.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;

/// Longest pause that a response can request. Longer pauses are reduced to it.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The kind of failure that a status denotes. The error code in a cloud's response body may be more
/// precise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusClass {
    /// The account lacks the permission, or the server rejects the token.
    PermissionDenied,
    /// The resource does not exist.
    NotFound,
    /// The state of the resource prevents the operation.
    Conflict,
    /// A condition of the request does not hold.
    ConditionNotMatch,
    /// The range starts after the end of the resource.
    RangeNotSatisfied,
    /// There were too many requests.
    RateLimited,
    /// The server does not support the operation.
    Unsupported,
    /// The drive is full.
    QuotaExceeded,
    /// The request is invalid.
    InvalidInput,
    /// Any other status, including success.
    Unexpected,
}

/// Whether a repeated request may succeed, and whether the first one may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transience {
    /// A repeated request would get the same response.
    Permanent,
    /// The server has not processed the request, and requests a pause of the account.
    Throttled,
    /// The server has not processed the request.
    NotProcessed,
    /// The failure is transient, and the request may have been processed.
    Ambiguous,
}

/// Returns the meaning of a status. `headers` are those of the response: `Retry-After` decides
/// about 503.
///
/// 420 is Live Connect's equivalent of 429; 509 is SharePoint's status for exhausted bandwidth;
/// proxies send 520 to 530, 598 and 599. Any other 5xx counts as 500 (RFC 9110, section 15).
pub(crate) fn meaning(status: StatusCode, headers: &HeaderMap) -> (StatusClass, Transience) {
    use StatusClass::*;
    use Transience::*;
    match status.as_u16() {
        401 | 403 => (PermissionDenied, Permanent),
        404 | 410 => (NotFound, Permanent),
        409 | 423 => (Conflict, Permanent),
        304 | 412 => (ConditionNotMatch, Permanent),
        416 => (RangeNotSatisfied, Permanent),
        400 | 411 | 413 | 415 | 422 => (InvalidInput, Permanent),
        405 | 501 => (Unsupported, Permanent),
        507 => (QuotaExceeded, Permanent),
        408 => (Unexpected, Ambiguous),
        425 => (Unexpected, NotProcessed),
        420 | 429 | 509 | 529 => (RateLimited, Throttled),
        503 if headers.contains_key(header::RETRY_AFTER) => (RateLimited, Throttled),
        // HTTP version, content negotiation, loops, extensions, a captive portal.
        505 | 506 | 508 | 510 | 511 => (Unexpected, Permanent),
        500..=599 => (Unexpected, Ambiguous),
        _ => (Unexpected, Permanent),
    }
}

/// Returns whether a server or proxy stopped waiting for the operation, which often succeeds all the
/// same.
#[cfg(feature = "services-amazon-drive")]
pub(crate) fn is_timeout(status: u16) -> bool {
    matches!(status, 408 | 504 | 522 | 524 | 598 | 599)
}

/// Returns the pause that a response requests, at most [`PAUSE_MAX`].
///
/// This is `Retry-After` in seconds or as a date, else `RateLimit-Reset` if `RateLimit-Remaining` is
/// 0 (draft-ietf-httpapi-ratelimit-headers-03). `None` if neither is present and valid. A date is
/// relative to the response's `Date` header, or to `now()` without one.
pub(crate) fn pause(headers: &HeaderMap, now: impl Fn() -> Timestamp) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    if let Some(after) = text("retry-after") {
        if let Some(seconds) = seconds(after) {
            return Some(seconds);
        }
        if let Some(until) = date(after) {
            // The local clock may be wrong; the server's clock is consistent with its date.
            let now = text("date").and_then(date).unwrap_or_else(now);
            let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
            return Some(left.min(PAUSE_MAX));
        }
    }
    match text("ratelimit-remaining") {
        Some("0") => seconds(text("ratelimit-reset")?),
        _ => None,
    }
}

/// Parses a non-negative number of seconds, at most [`PAUSE_MAX`]. Some clouds send a fraction.
/// `None` for any other text.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(number(text)?.min(PAUSE_MAX.as_secs_f64())).ok()
}

/// Parses a non-negative decimal number without exponent. `None` for any other text.
pub(crate) fn number(text: &str) -> Option<f64> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|number: &f64| is_decimal && number.is_finite())
}

/// Parses an HTTP date in any of its three formats (RFC 9110, section 5.6.7). Returns `None` for
/// any other text.
fn date(text: &str) -> Option<Timestamp> {
    let time: SystemTime = httpdate::parse_http_date(text).ok()?;
    Timestamp::try_from(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn statuses_of_proxies_are_transient_and_final_ones_are_not() {
        let transience = |status: u16, pairs: &[(&'static str, &str)]| {
            let status = StatusCode::from_u16(status).expect("a status");
            meaning(status, &headers(pairs)).1
        };
        for status in
            [408, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530, 598, 599]
        {
            assert_eq!(transience(status, &[]), Transience::Ambiguous, "{status}");
        }
        for status in [420, 429, 509, 529] {
            assert_eq!(transience(status, &[]), Transience::Throttled, "{status}");
        }
        assert_eq!(transience(503, &[("retry-after", "1")]), Transience::Throttled);
        assert_eq!(transience(425, &[]), Transience::NotProcessed);
        for status in [200, 304, 400, 401, 403, 404, 409, 410, 412, 416, 501, 505, 507, 508, 511] {
            assert_eq!(transience(status, &[]), Transience::Permanent, "{status}");
        }
    }

    #[test]
    fn a_pause_is_read_from_seconds_from_a_date_and_from_a_spent_limit() {
        let pause = |pairs: &[(&'static str, &str)]| {
            let now = || "2015-10-21T07:27:00Z".parse().expect("a date");
            pause(&headers(pairs), now).map(|pause| pause.as_millis())
        };
        let day = PAUSE_MAX.as_millis();
        for (text, expected) in [
            ("120", 120_000),
            (" 7 ", 7_000),
            ("0", 0),
            ("0.5", 500),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 60_000),
            ("Wednesday, 21-Oct-15 07:28:00 GMT", 60_000),
            ("Wed Oct 21 07:28:00 2015", 60_000),
            ("Wed, 21 Oct 2015 07:20:00 GMT", 0),
            ("Fri, 21 Oct 2095 07:20:00 GMT", day),
            ("86401", day),
            ("999999999999999999999999999999", day),
        ] {
            assert_eq!(pause(&[("retry-after", text)]), Some(expected), "{text}");
        }
        let by_its_own_clock = [
            ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),
            ("date", "Wed, 21 Oct 2015 07:27:50 GMT"),
        ];
        assert_eq!(pause(&by_its_own_clock), Some(10_000));
        let spent = [("ratelimit-remaining", "0"), ("ratelimit-reset", "4")];
        assert_eq!(pause(&spent), Some(4_000));
        assert_eq!(pause(&[("retry-after", "soon"), spent[0], spent[1]]), Some(4_000));
        assert_eq!(pause(&[("ratelimit-remaining", "9"), ("ratelimit-reset", "4")]), None);
        for nonsense in ["soon", "-1", "+1", "1e3", "1e400", "inf", "NaN", "1.2.3", ".", ""] {
            assert_eq!(pause(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }
}
