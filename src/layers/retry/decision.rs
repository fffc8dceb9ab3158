//! Decides from a response or an error whether a request may be retried, and when.

use std::time::Duration;

use futures::{StreamExt, stream};
use http::{HeaderMap, Method, Request, StatusCode, header};
use opendal::{Buffer, Error, HttpBody};

use crate::{
    failure::{
        status::{self, PAUSE_MAX, Transience},
        unreachable::Unreachable,
    },
    rate_limit::{RateLimitHeaders, Repeat, RequestMeta},
};

/// Maximum number of bytes that [`peek`] reads from the body of a failed response.
const PEEK: usize = 4 << 10;

/// Maximum time that [`peek`] waits for these bytes.
const PEEK_WAIT: Duration = Duration::from_secs(5);

/// Result of one attempt, as far as it matters for a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryDecision {
    /// A retry would have the same result: success, or a permanent error.
    Final,
    /// The cloud has done nothing and requests a pause of the account.
    Throttled,
    /// The cloud was not reached, or did not process the request.
    NotProcessed,
    /// The attempt failed, but the request may have had an effect.
    Ambiguous,
}

impl RetryDecision {
    /// Classifies a response.
    pub(super) fn from_response(status: StatusCode, headers: &HeaderMap) -> Self {
        match status::meaning(status, headers).1 {
            Transience::Permanent => Self::Final,
            Transience::Throttled => Self::Throttled,
            Transience::NotProcessed => Self::NotProcessed,
            Transience::Ambiguous => Self::Ambiguous,
        }
    }

    /// Classifies an error of the transport.
    pub(super) fn from_error(error: &Error) -> Self {
        if !error.is_temporary() {
            return Self::Final;
        }
        match Unreachable::reason(error) {
            Some(_) => Self::NotProcessed,
            None => Self::Ambiguous,
        }
    }

    /// Returns whether a request with this result may be sent again. `repeat` is its
    /// [`repeatability`].
    pub(super) fn allows(self, repeat: Repeat) -> bool {
        match (self, repeat) {
            (Self::Final, _) | (_, Repeat::Never) => false,
            (Self::Ambiguous, repeat) => repeat == Repeat::Always,
            (Self::Throttled | Self::NotProcessed, _) => true,
        }
    }
}

/// Returns when a request may be sent again: according to its [`RequestMeta`], otherwise its method
/// (RFC 9110, 9.2.2). A conditional write is not repeated, because its first attempt may have
/// changed the state that the condition checks.
pub(super) fn repeatability<T>(request: &Request<T>) -> Repeat {
    if let Some(repeat) = request.extensions().get::<RequestMeta>().and_then(|meta| meta.repeat) {
        return repeat;
    }
    let conditions = [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE];
    let conditional = conditions.iter().any(|name| request.headers().contains_key(name));
    match *request.method() {
        Method::GET | Method::HEAD | Method::OPTIONS => Repeat::Always,
        Method::PUT | Method::DELETE if !conditional => Repeat::Always,
        _ => Repeat::IfRefused,
    }
}

/// Returns the rate limit headers. `None` if one of the three is missing or invalid.
pub(super) fn rate_limit_headers(headers: &HeaderMap) -> Option<RateLimitHeaders> {
    let number = |name: &str| {
        // A policy or a list may follow the number.
        let text = headers.get(name)?.to_str().ok()?.split([',', ';']).next()?;
        status::number(text.trim())
    };
    let limit = number("ratelimit-limit").filter(|limit| *limit > 0.0)?;
    let remaining = number("ratelimit-remaining")?.min(limit);
    let reset = number("ratelimit-reset")?.min(PAUSE_MAX.as_secs_f64());
    let reset = Duration::try_from_secs_f64(reset).ok()?;
    Some(RateLimitHeaders { limit, remaining, reset })
}

/// Returns the pause that an error text states: `Wait 7 seconds`, `try again in 7 seconds`. `None`
/// if the text states none in seconds.
pub(super) fn parse_retry_hint(text: &str) -> Option<Duration> {
    let text = text.to_ascii_lowercase();
    ["wait", "again in"].iter().find_map(|begin| {
        let (_, rest) = text.split_once(begin)?;
        let rest = rest.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '.');
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit = rest[end..].trim_start();
        unit.starts_with("sec").then(|| status::seconds(&rest[..end])).flatten()
    })
}

/// Returns the first [`PEEK`] bytes of a body as text, and an equivalent body that starts with them
/// again. A short body is thus read to its end, so that its connection can be reused.
pub(super) async fn peek(body: HttpBody) -> (String, HttpBody) {
    let mut inner_stream = None;
    let body = body.map_inner(|inner| {
        inner_stream = Some(inner);
        Box::new(stream::empty())
    });
    let Some(rest) = inner_stream else { return (String::new(), body) };
    // The stream may already be at its end when the caller polls it again.
    let mut rest = rest.fuse();
    let (mut pieces, mut read) = (Vec::new(), Vec::new());
    let reading = async {
        while read.len() < PEEK
            && let Some(piece) = rest.next().await
        {
            if let Ok(bytes) = &piece {
                read.extend_from_slice(&Buffer::to_vec(bytes));
            }
            let ends = piece.is_err();
            pieces.push(piece);
            if ends {
                break;
            }
        }
    };
    // Bytes that arrive later stay in the stream.
    let _ = tokio::time::timeout(PEEK_WAIT, reading).await;
    let text = String::from_utf8_lossy(&read[..read.len().min(PEEK)]).into_owned();
    (text, body.map_inner(|_| Box::new(stream::iter(pieces).chain(rest))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn peek_preserves_the_body() {
        for len in [0, 10, 5000] {
            let mut left = Some(Buffer::from(vec![b'x'; len])).filter(|bytes| !bytes.is_empty());
            let mut ended = false;
            let pieces = stream::poll_fn(move |_| {
                assert!(!ended, "asked for more after its end");
                ended = left.is_none();
                std::task::Poll::Ready(left.take().map(Ok))
            });
            let (text, mut body) = peek(HttpBody::new(pieces, Some(len as u64))).await;
            assert_eq!(text.len(), len.min(PEEK));
            assert_eq!(body.to_buffer().await.expect("all of it").len(), len);
        }
    }

    #[test]
    fn a_rate_limit_needs_all_three_headers() {
        let of = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().expect("a value"));
            }
            rate_limit_headers(&headers)
        };
        let all = [
            ("ratelimit-limit", "1250, 1250;w=60"),
            ("ratelimit-remaining", "200"),
            ("ratelimit-reset", "7"),
        ];
        let reset = Duration::from_secs(7);
        assert_eq!(of(&all), Some(RateLimitHeaders { limit: 1250.0, remaining: 200.0, reset }));
        assert_eq!(of(&all[1..]), None);
        assert_eq!(of(&[all[0], all[1], ("ratelimit-reset", "soon")]), None);
    }

    #[test]
    fn a_pause_is_parsed_from_an_error_text() {
        let seconds = |text: &str| parse_retry_hint(text).map(|pause| pause.as_secs());
        assert_eq!(seconds(r#"{"error":{"message":"Please wait 7 seconds."}}"#), Some(7));
        assert_eq!(seconds("Wait 1 second"), Some(1));
        assert_eq!(seconds("Throttled. Try again in 30 seconds"), Some(30));
        for nothing in ["wait", "wait 7", "wait for 3 minutes", "7 seconds", "wait 7.5.1 ages", ""]
        {
            assert_eq!(seconds(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn repeatability_depends_on_method_and_conditions() {
        let of = |method: &str, condition: Option<header::HeaderName>| {
            let mut request = Request::new(());
            *request.method_mut() = method.parse().expect("a method");
            if let Some(name) = condition {
                request.headers_mut().insert(name, header::HeaderValue::from_static("x"));
            }
            repeatability(&request)
        };
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            assert_eq!(of(method, None), Repeat::Always, "{method}");
        }
        for method in ["POST", "PATCH", "MOVE", "COPY"] {
            assert_eq!(of(method, None), Repeat::IfRefused, "{method}");
        }
        assert_eq!(of("PUT", Some(header::IF_MATCH)), Repeat::IfRefused);
        assert_eq!(of("GET", Some(header::IF_NONE_MATCH)), Repeat::Always);
    }
}
