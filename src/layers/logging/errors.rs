//! Removes URLs from the errors of a transport.

use std::io;

use http::{Uri, response::Parts};
use opendal::Error;

use crate::failure::unreachable::Unreachable;

/// Returns the same error without any text that may contain a URL or a part of one. It keeps the
/// kind, the status, harmless texts and the kind of the I/O error.
pub(super) fn sanitize(error: &Error) -> Error {
    let message = Some(error.message()).filter(|text| is_plain(text));
    let mut sanitized = Error::new(error.kind(), message.unwrap_or("the request failed"))
        .with_temporary(error.is_temporary());
    if error.is_persistent() {
        sanitized = sanitized.set_persistent();
    }
    let mut words: Vec<String> = Vec::new();
    let mut io_kind = None;
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        // The retry layer needs this type to recognize an unreachable host.
        if cause.downcast_ref::<Unreachable>().is_some_and(|error| is_plain(&error.to_string())) {
            return sanitized.set_source(Unreachable::new(cause));
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            // The innermost error has the most specific kind.
            io_kind = Some(error.kind()).filter(|kind| *kind != io::ErrorKind::Other).or(io_kind);
        }
        let text = cause.to_string();
        if is_plain(&text) && !words.iter().any(|known| known.contains(&text)) {
            words.push(text);
        }
        source = cause.source();
    }
    if words.is_empty() && io_kind.is_none() {
        return sanitized;
    }
    let kind = io_kind.unwrap_or(io::ErrorKind::Other);
    sanitized.set_source(io::Error::new(kind, words.join(": ")))
}

/// Returns whether a text cannot contain a URL.
fn is_plain(text: &str) -> bool {
    !text.contains(['/', '?', '=', '%'])
}

/// Replaces the URL in the extensions of a failed response by `sanitized`, the redacted URL.
/// OpenDAL's services copy it into their errors.
pub(super) fn redact_uri(parts: &mut Parts, sanitized: &str) {
    if parts.status.is_success() || parts.extensions.get::<Uri>().is_none() {
        return;
    }
    match sanitized.parse::<Uri>() {
        Ok(uri) => drop(parts.extensions.insert(uri)),
        Err(_) => drop(parts.extensions.remove::<Uri>()),
    }
}

#[cfg(test)]
mod tests {
    use opendal::ErrorKind;

    use super::*;

    #[test]
    fn a_sanitized_error_keeps_its_kind_and_loses_every_url() {
        let theirs = Error::new(ErrorKind::Unexpected, "send http request")
            .with_context("url", "http://h/p?access_token=hunter2")
            .set_source(io::Error::new(io::ErrorKind::ConnectionRefused, "for http://h/hunter2"))
            .set_temporary();
        let ours = sanitize(&theirs);
        assert!(ours.is_temporary());
        assert!(!format!("{ours} {ours:?} {ours:#?}").contains("hunter2"), "{ours:?}");
        let source = std::error::Error::source(&ours).expect("a source");
        let kind = source.downcast_ref::<io::Error>().expect("of the connection").kind();
        assert_eq!(kind, io::ErrorKind::ConnectionRefused);
        assert!(sanitize(&theirs.set_persistent()).is_persistent());
        let throttled = io::Error::other("Connection throttled (os error 111)");
        let unreached = Error::new(ErrorKind::Unexpected, "not sent")
            .set_source(Unreachable::new(&throttled))
            .set_temporary();
        assert_eq!(
            Unreachable::reason(&sanitize(&unreached)).as_deref(),
            Some("Connection throttled (os error 111)")
        );
        let odd = Error::new(ErrorKind::Unexpected, "GET /hunter2 failed");
        assert_eq!(sanitize(&odd).message(), "the request failed");
    }
}
