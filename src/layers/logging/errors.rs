//! A transport's errors without addresses.

use std::io;

use http::{Uri, response::Parts};
use opendal::Error;

use crate::failure::unreachable::Unreachable;

/// The same failure, of which nothing is told that may be an address, or a part of one: kind,
/// status, plain words, and what kind of trouble the connection had.
pub(super) fn rebuilt(error: &Error) -> Error {
    let message = Some(error.message()).filter(|text| is_plain(text));
    let mut told = Error::new(error.kind(), message.unwrap_or("the request failed"))
        .with_temporary(error.is_temporary());
    if error.is_persistent() {
        told = told.set_persistent();
    }
    let mut words: Vec<String> = Vec::new();
    let mut trouble = None;
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        // The retry layer above has to recognize a host that was not reached.
        if cause.downcast_ref::<Unreachable>().is_some_and(|error| is_plain(&error.to_string())) {
            return told.set_source(Unreachable::new(cause));
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            // The innermost knows best.
            trouble = Some(error.kind()).filter(|kind| *kind != io::ErrorKind::Other).or(trouble);
        }
        let text = cause.to_string();
        if is_plain(&text) && !words.iter().any(|known| known.contains(&text)) {
            words.push(text);
        }
        source = cause.source();
    }
    if words.is_empty() && trouble.is_none() {
        return told;
    }
    let kind = trouble.unwrap_or(io::ErrorKind::Other);
    told.set_source(io::Error::new(kind, words.join(": ")))
}

/// Whether a text has nothing of an address in it.
fn is_plain(text: &str) -> bool {
    !text.contains(['/', '?', '=', '%'])
}

/// Replaces the address that a refusal carries, and that OpenDAL's services put into their errors.
pub(super) fn redact_address(parts: &mut Parts, told: &str) {
    if parts.status.is_success() || parts.extensions.get::<Uri>().is_none() {
        return;
    }
    match told.parse::<Uri>() {
        Ok(uri) => drop(parts.extensions.insert(uri)),
        Err(_) => drop(parts.extensions.remove::<Uri>()),
    }
}

#[cfg(test)]
mod tests {
    use opendal::ErrorKind;

    use super::*;

    #[test]
    fn an_error_keeps_what_it_means_and_loses_every_address() {
        let theirs = Error::new(ErrorKind::Unexpected, "send http request")
            .with_context("url", "http://h/p?access_token=hunter2")
            .set_source(io::Error::new(io::ErrorKind::ConnectionRefused, "for http://h/hunter2"))
            .set_temporary();
        let ours = rebuilt(&theirs);
        assert!(ours.is_temporary());
        assert!(!format!("{ours} {ours:?} {ours:#?}").contains("hunter2"), "{ours:?}");
        let source = std::error::Error::source(&ours).expect("a source");
        let kind = source.downcast_ref::<io::Error>().expect("of the connection").kind();
        assert_eq!(kind, io::ErrorKind::ConnectionRefused);
        assert!(rebuilt(&theirs.set_persistent()).is_persistent());
        let refused = io::Error::other("Connection refused (os error 111)");
        let unreached = Error::new(ErrorKind::Unexpected, "not sent")
            .set_source(Unreachable::new(&refused))
            .set_temporary();
        assert_eq!(
            Unreachable::reason(&rebuilt(&unreached)).as_deref(),
            Some("Connection refused (os error 111)")
        );
        let odd = Error::new(ErrorKind::Unexpected, "GET /hunter2 failed");
        assert_eq!(rebuilt(&odd).message(), "the request failed");
    }
}
