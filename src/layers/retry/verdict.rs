//! What an answer means for trying again.

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

/// The most of a refusal's body that is looked at, in bytes.
const PEEK: usize = 4 << 10;

/// How long is waited for it.
const PEEK_WAIT: Duration = Duration::from_secs(5);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was answered; trying again would be answered the same.
    Answered,
    /// The cloud did nothing, and wants the account to pause.
    Refused,
    /// The cloud was not reached, or did not process the request.
    Unreached,
    /// Something went wrong; what was asked may have been done.
    Failed,
}

impl Verdict {
    pub(super) fn of_answer(status: StatusCode, headers: &HeaderMap) -> Self {
        match status::meaning(status, headers).1 {
            Transience::Permanent => Self::Answered,
            Transience::Throttled => Self::Refused,
            Transience::NotProcessed => Self::Unreached,
            Transience::Ambiguous => Self::Failed,
        }
    }

    pub(super) fn of_error(error: &Error) -> Self {
        if !error.is_temporary() {
            return Self::Answered;
        }
        match Unreachable::reason(error) {
            Some(_) => Self::Unreached,
            None => Self::Failed,
        }
    }

    /// Whether a request that it became of may be sent again.
    pub(super) fn allows(self, repeat: Repeat) -> bool {
        match (self, repeat) {
            (Self::Answered, _) | (_, Repeat::Never) => false,
            (Self::Failed, repeat) => repeat == Repeat::Always,
            (Self::Refused | Self::Unreached, _) => true,
        }
    }
}

/// When a request may be sent again: as it is marked, else by its method (RFC 9110, 9.2.2). With a
/// condition the second one would meet what the first has done.
pub(super) fn repeat<T>(request: &Request<T>) -> Repeat {
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

/// What headers say of a limit: all three of them, or nothing.
pub(super) fn limit(headers: &HeaderMap) -> Option<RateLimitHeaders> {
    let number = |name: &str| {
        // A policy or a list may follow.
        let text = headers.get(name)?.to_str().ok()?.split([',', ';']).next()?;
        status::number(text.trim())
    };
    let limit = number("ratelimit-limit").filter(|limit| *limit > 0.0)?;
    let remaining = number("ratelimit-remaining")?.min(limit);
    let reset = number("ratelimit-reset")?.min(PAUSE_MAX.as_secs_f64());
    let reset = Duration::try_from_secs_f64(reset).ok()?;
    Some(RateLimitHeaders { limit, remaining, reset })
}

/// The pause that words name: `Wait 7 seconds`, `try again in 7 seconds`.
pub(super) fn parse_retry_hint(words: &str) -> Option<Duration> {
    let words = words.to_ascii_lowercase();
    ["wait", "again in"].iter().find_map(|begin| {
        let (_, rest) = words.split_once(begin)?;
        let rest = rest.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '.');
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit = rest[end..].trim_start();
        unit.starts_with("sec").then(|| status::seconds(&rest[..end])).flatten()
    })
}

/// Looks at the beginning of a body; the body is as it was. What is short has been received whole
/// then, and its connection can be used again.
pub(super) async fn peek(body: HttpBody) -> (String, HttpBody) {
    let mut taken = None;
    let body = body.map_inner(|inner| {
        taken = Some(inner);
        Box::new(stream::empty())
    });
    let Some(rest) = taken else { return (String::new(), body) };
    // It may have ended already when it is asked for more.
    let mut rest = rest.fuse();
    let (mut pieces, mut seen) = (Vec::new(), Vec::new());
    let looked = async {
        while seen.len() < PEEK
            && let Some(piece) = rest.next().await
        {
            if let Ok(bytes) = &piece {
                seen.extend_from_slice(&Buffer::to_vec(bytes));
            }
            let ends = piece.is_err();
            pieces.push(piece);
            if ends {
                break;
            }
        }
    };
    // What has not come by then is not waited for.
    let _ = tokio::time::timeout(PEEK_WAIT, looked).await;
    let words = String::from_utf8_lossy(&seen[..seen.len().min(PEEK)]).into_owned();
    (words, body.map_inner(|_| Box::new(stream::iter(pieces).chain(rest))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_was_looked_at_is_whole_and_may_end_only_once() {
        for len in [0, 10, 5000] {
            let mut left = Some(Buffer::from(vec![b'x'; len])).filter(|bytes| !bytes.is_empty());
            let mut ended = false;
            let pieces = stream::poll_fn(move |_| {
                assert!(!ended, "asked for more after its end");
                ended = left.is_none();
                std::task::Poll::Ready(left.take().map(Ok))
            });
            let (words, mut body) = peek(HttpBody::new(pieces, Some(len as u64))).await;
            assert_eq!(words.len(), len.min(PEEK));
            assert_eq!(body.to_buffer().await.expect("all of it").len(), len);
        }
    }

    #[test]
    fn a_limit_is_told_by_three_headers_or_not_at_all() {
        let of = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().expect("a value"));
            }
            limit(&headers)
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
    fn a_pause_is_read_out_of_words() {
        let told = |words: &str| parse_retry_hint(words).map(|pause| pause.as_secs());
        assert_eq!(told(r#"{"error":{"message":"Please wait 7 seconds."}}"#), Some(7));
        assert_eq!(told("Wait 1 second"), Some(1));
        assert_eq!(told("Throttled. Try again in 30 seconds"), Some(30));
        for nothing in ["wait", "wait 7", "wait for 3 minutes", "7 seconds", "wait 7.5.1 ages", ""]
        {
            assert_eq!(told(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_method_says_whether_twice_is_as_good_as_once_and_a_condition_that_it_is_not() {
        let of = |method: &str, condition: Option<header::HeaderName>| {
            let mut request = Request::new(());
            *request.method_mut() = method.parse().expect("a method");
            if let Some(name) = condition {
                request.headers_mut().insert(name, header::HeaderValue::from_static("x"));
            }
            repeat(&request)
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
