//! Errors rebuilt from what a transport or a status says.

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::status::{StatusClass, Transience, meaning, pause};
use crate::drive::{Error, ErrorKind, Retry};

/// Where clouds put the id that their support asks for.
const REQUEST_IDS: [&str; 3] = ["request-id", "x-amzn-requestid", "x-ms-request-id"];

/// A transport's error, without the URL it carries in its context.
pub(super) fn rebuilt(error: &opendal::Error) -> Error {
    let kind = match error.kind() {
        opendal::ErrorKind::RateLimited => ErrorKind::RateLimited,
        opendal::ErrorKind::Unsupported => ErrorKind::Unsupported,
        opendal::ErrorKind::ConfigInvalid => ErrorKind::InvalidInput,
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

/// Removes the quoted values from a decoder's message: one of them may be a download URL.
pub fn redact_quoted(complaint: &str) -> String {
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

/// Returns the failure that a status stands for: by the table in [`status`](super::status), which the
/// retry layer uses too.
pub(super) fn of_status(
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
    fn from(class: StatusClass) -> Self {
        match class {
            StatusClass::Denied => Self::PermissionDenied,
            StatusClass::NotFound => Self::NotFound,
            StatusClass::Conflict => Self::Conflict,
            StatusClass::Condition => Self::ConditionNotMatch,
            StatusClass::Range => Self::RangeNotSatisfied,
            StatusClass::RateLimited => Self::RateLimited,
            StatusClass::Unsupported => Self::Unsupported,
            StatusClass::Quota => Self::QuotaExceeded,
            StatusClass::Invalid => Self::InvalidInput,
            StatusClass::Unexpected => Self::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_failure_is_one_that_may_pass() {
        let error = |status| {
            of_status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), "no words")
        };
        for status in [502, 520, 522, 524, 527, 530, 598, 599] {
            assert!(error(status).is_temporary(), "{status}");
        }
        assert!(!error(501).is_temporary() && !error(507).is_temporary());
    }

    #[test]
    fn a_decoders_complaint_names_the_field_and_not_the_value() {
        let complaint = |json: &str| {
            let error = serde_json::from_str::<std::collections::HashMap<String, u64>>(json);
            redact_quoted(&error.unwrap_err().to_string())
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
