//! Errors rebuilt from what a transport or a status says.

use std::time::Duration;

use ::http::{HeaderMap, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822};

use crate::drive::{Error, ErrorKind, Retry};

/// Where clouds put the id that their support asks for.
const REQUEST_IDS: [&str; 3] = ["request-id", "x-amzn-requestid", "x-ms-request-id"];

/// A transport's error, without the URL it carries in its context.
pub(super) fn rebuilt(error: &opendal::Error) -> Error {
    let kind = match error.kind() {
        opendal::ErrorKind::RateLimited => ErrorKind::Limited,
        opendal::ErrorKind::Unsupported => ErrorKind::Unsupported,
        opendal::ErrorKind::ConfigInvalid => ErrorKind::Invalid,
        _ => ErrorKind::Unexpected,
    };
    let mut message = error.message().to_owned();
    // Sources of ours and of reqwest (`without_url`) are free of URLs; anybody else's may not be.
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !text.contains("://") && !text.contains('?') && !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    let retry = if error.is_temporary() {
        Retry::Again { after: None }
    } else if error.is_persistent() {
        Retry::Exhausted
    } else {
        Retry::No
    };
    Error::new(kind, message).with_retry(retry)
}

/// A decoder's complaint without the values it quotes: one of them may be a ticket.
pub(crate) fn without_values(complaint: &str) -> String {
    let mut told = String::with_capacity(complaint.len());
    let mut rest = complaint;
    while let Some((before, quoted)) = rest.split_once('"') {
        told.push_str(before);
        told.push_str("\"…\"");
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = end.map_or("", |end| &quoted[end + 1..]);
    }
    told + rest
}

/// What a status means where the cloud's own code says nothing more exact.
pub(super) fn of_status(
    status: StatusCode,
    headers: &HeaderMap,
    message: impl Into<String>,
) -> Error {
    let kind = match status.as_u16() {
        401 | 403 => ErrorKind::Denied,
        404 | 410 => ErrorKind::NotFound,
        409 | 423 => ErrorKind::Conflict,
        304 | 412 => ErrorKind::Condition,
        416 => ErrorKind::Range,
        420 | 429 => ErrorKind::Limited,
        503 if headers.contains_key(header::RETRY_AFTER) => ErrorKind::Limited,
        405 | 501 => ErrorKind::Unsupported,
        507 => ErrorKind::Quota,
        400 | 411 | 413 | 415 | 422 => ErrorKind::Invalid,
        _ => ErrorKind::Unexpected,
    };
    let retry = match status.as_u16() {
        408 | 420 | 429 | 500 | 502 | 503 | 504 | 509 => {
            Retry::Again { after: retry_after(headers, Timestamp::now()) }
        }
        _ => Retry::No,
    };
    let error = Error::new(kind, message).with_status(status.as_u16()).with_retry(retry);
    match REQUEST_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok()) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_understood_as_seconds_and_as_a_date() {
        let now: Timestamp = "2015-10-21T07:27:00Z".parse().unwrap();
        let pause = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(pause("120"), Some(Duration::from_secs(120)));
        assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(pause("Wed, 21 Oct 2015 07:20:00 GMT"), Some(Duration::ZERO));
        assert_eq!(pause("soon"), None);
    }

    #[test]
    fn a_decoders_complaint_names_the_field_and_not_the_value() {
        let complaint = |json: &str| {
            let error = serde_json::from_str::<std::collections::HashMap<String, u64>>(json);
            without_values(&error.unwrap_err().to_string())
        };
        assert_eq!(
            complaint(r#"{"a": "https://ticket\"more"}"#),
            r#"invalid type: string "…", expected u64 at line 1 column 28"#
        );
        assert_eq!(complaint("{"), "EOF while parsing an object at line 1 column 1");
    }

    #[test]
    fn a_transports_url_does_not_survive_in_the_rebuilt_error() {
        let theirs = opendal::Error::new(opendal::ErrorKind::Unexpected, "send http request")
            .with_context("url", "http://h/p?access_token=hunter2")
            .set_source(std::io::Error::other("for http://h/p?access_token=hunter2"))
            .set_temporary();
        let ours = rebuilt(&theirs);
        assert!(ours.is_temporary());
        assert!(!format!("{ours} {ours:?}").contains("hunter2"), "{ours:?}");
    }
}
