//! Creates drive errors from a transport's errors and from statuses.

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use crate::{
    drive::{Error, ErrorKind, Retry},
    failure::status::{StatusClass, Transience, meaning, pause},
};

/// Response headers with the cloud's id of the request, which its support needs.
const REQUEST_IDS: [&str; 3] = ["request-id", "x-amzn-requestid", "x-ms-request-id"];

/// Converts a transport's error. The result lacks the context of the original, which contains the
/// URL.
pub(super) fn from_transport(error: &opendal::Error) -> Error {
    let kind = match error.kind() {
        opendal::ErrorKind::RateLimited => ErrorKind::RateLimited,
        opendal::ErrorKind::Unsupported => ErrorKind::Unsupported,
        opendal::ErrorKind::ConfigInvalid => ErrorKind::InvalidInput,
        _ => ErrorKind::Unexpected,
    };
    let mut message = error.message().to_owned();
    // The sources of another transport may contain URLs.
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

/// Replaces each quoted value in a decoder's message by an ellipsis. The value may be a token or a
/// download URL.
pub fn redact_quoted(message: &str) -> String {
    let mut redacted = String::with_capacity(message.len());
    let mut rest = message;
    while let Some((before, quoted)) = rest.split_once('"') {
        redacted.push_str(before);
        redacted.push_str("\"…\"");
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = end.map_or("", |end| &quoted[end + 1..]);
    }
    redacted + rest
}

/// Returns the error of a response with this status. Kind and transience are those of [`meaning`],
/// and `message` is for the user.
pub(super) fn from_status(
    status: StatusCode,
    headers: &HeaderMap,
    message: impl Into<String>,
) -> Error {
    let (class, transience) = meaning(status, headers);
    let retry = match transience {
        Transience::Permanent => Retry::No,
        Transience::Throttled | Transience::NotProcessed | Transience::Ambiguous => {
            Retry::Again { after: pause(headers, Timestamp::now) }
        }
    };
    let error = Error::new(class.into(), message).with_status(status.as_u16()).with_retry(retry);
    match REQUEST_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok()) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

impl From<StatusClass> for ErrorKind {
    /// Returns the error kind of a class of statuses.
    fn from(class: StatusClass) -> Self {
        match class {
            StatusClass::PermissionDenied => Self::PermissionDenied,
            StatusClass::NotFound => Self::NotFound,
            StatusClass::Conflict => Self::Conflict,
            StatusClass::ConditionNotMatch => Self::ConditionNotMatch,
            StatusClass::RangeNotSatisfied => Self::RangeNotSatisfied,
            StatusClass::RateLimited => Self::RateLimited,
            StatusClass::Unsupported => Self::Unsupported,
            StatusClass::QuotaExceeded => Self::QuotaExceeded,
            StatusClass::InvalidInput => Self::InvalidInput,
            StatusClass::Unexpected => Self::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_proxies_are_temporary() {
        let error = |status| {
            from_status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), "no message")
        };
        for status in [502, 520, 522, 524, 527, 530, 598, 599] {
            assert!(error(status).is_temporary(), "{status}");
        }
        assert!(!error(501).is_temporary() && !error(507).is_temporary());
    }

    #[test]
    fn a_decoders_message_has_the_position_and_not_the_value() {
        let message = |json: &str| {
            let error = serde_json::from_str::<std::collections::HashMap<String, u64>>(json);
            redact_quoted(&error.unwrap_err().to_string())
        };
        assert_eq!(
            message(r#"{"a": "https://ticket\"more"}"#),
            r#"invalid type: string "…", expected u64 at line 1 column 28"#
        );
        assert_eq!(message("{"), "EOF while parsing an object at line 1 column 1");
    }

    #[test]
    fn the_url_of_a_transports_error_is_removed() {
        let theirs = opendal::Error::new(opendal::ErrorKind::Unexpected, "send http request")
            .with_context("url", "http://h/p?access_token=hunter2")
            .set_source(std::io::Error::other("for http://h/p?access_token=hunter2"))
            .set_temporary();
        let ours = from_transport(&theirs);
        assert!(ours.is_temporary());
        assert!(!format!("{ours} {ours:?}").contains("hunter2"), "{ours:?}");
    }
}
