//! The checks of an upload session's fragment.

use http::{StatusCode, header};

use crate::{
    content_range::ContentRange,
    graph::{
        error::{Error, Result},
        request::GraphRequest,
    },
    tree::Session,
};

/// Maximum size of a fragment in bytes. The reference says "less than 60 MiB"; clients send exactly
/// 60.
const MAX_FRAGMENT_SIZE: u64 = 60 * 1024 * 1024;

/// Parses the `Content-Range` header of a fragment.
///
/// # Errors
/// 400 if the header is missing or malformed.
pub(super) fn content_range(request: &GraphRequest) -> Result<ContentRange> {
    let text = request.header(header::CONTENT_RANGE).ok_or_else(|| {
        Error::invalid(
            "cannot store the fragment: Content-Range (bytes FIRST-LAST/TOTAL) is missing",
        )
    })?;
    ContentRange::parse(text).ok_or_else(|| {
        Error::invalid(format!(
            "cannot store the fragment: Content-Range {text:?} is not bytes FIRST-LAST/TOTAL"
        ))
        .inner("invalidParameterFormat")
    })
}

/// Checks that a session accepts a fragment now. `sent` is the size of the request's body in bytes.
///
/// # Errors
/// 416 if the fragment does not begin where the last one ended; 400 if it is over
/// [`MAX_FRAGMENT_SIZE`], `sent` is not the length of its range, or its total is not the one that
/// the session declared.
pub(super) fn check(fragment: ContentRange, session: &Session, sent: u64) -> Result<()> {
    let refused = |message: String, inner| {
        Err(Error::new(StatusCode::RANGE_NOT_SATISFIABLE, "invalidRange", message).inner(inner))
    };
    if sent != fragment.length() {
        return Err(Error::invalid(
            "Declared fragment length does not match the provided number of bytes",
        )
        .inner("fragmentLengthMismatch"));
    }
    if let Some(total) = session.total.filter(|total| *total != fragment.total) {
        return Err(Error::invalid(format!(
            "cannot store the fragment: the file was declared with {total} bytes, not {}",
            fragment.total
        ))
        .inner("fragmentLengthMismatch"));
    }
    if fragment.first < session.received {
        return refused("Uploaded fragment overlaps with existing data.".into(), "fragmentOverlap");
    }
    if fragment.first > session.received {
        let message = Error::expected_offset(session.received);
        return refused(message, "fragmentOutOfOrder");
    }
    if sent > MAX_FRAGMENT_SIZE {
        let message =
            format!("cannot store the fragment: it has more than {MAX_FRAGMENT_SIZE} bytes");
        return Err(Error::invalid(message).inner("maxFragmentLengthExceeded"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::Value;

    use super::*;
    use crate::tree::{DriveKey, OnConflict, ROOT};

    fn refusal(range: (u64, u64, u64), received: u64, sent: u64) -> Option<&'static str> {
        let (first, last, total) = range;
        let session = Session {
            id: String::new(),
            drive: DriveKey(1),
            parent: ROOT,
            folders: Vec::new(),
            name: "f".into(),
            total: None,
            received,
            on_conflict: OnConflict::Replace,
            expires: Timestamp::UNIX_EPOCH,
            state: Value::Null,
        };
        let checked = check(ContentRange { first, last, total }, &session, sent);
        checked.err().map(|error| error.inner.unwrap_or("none"))
    }

    #[test]
    fn a_fragment_needs_the_right_offset_and_size() {
        let unit = 320 * 1024;
        assert_eq!(refusal((0, unit - 1, 3 * unit), 0, unit), None);
        assert_eq!(refusal((unit, unit + 6, unit + 7), unit, 7), None);
        assert_eq!(refusal((0, unit - 1, 3 * unit), unit, unit), Some("fragmentOverlap"));
        assert_eq!(
            refusal((2 * unit, 3 * unit - 1, 3 * unit), unit, unit),
            Some("fragmentOutOfOrder")
        );
        assert_eq!(refusal((0, unit - 1, 3 * unit), 0, unit - 1), Some("fragmentLengthMismatch"));
        // The Python SDK sends one byte more than its unit.
        assert_eq!(refusal((0, unit, 3 * unit), 0, unit + 1), None);
        let large = MAX_FRAGMENT_SIZE;
        assert_eq!(refusal((0, large - 1, 2 * large), 0, large), None);
        let larger = large + unit;
        assert_eq!(
            refusal((0, larger - 1, 2 * large), 0, larger),
            Some("maxFragmentLengthExceeded")
        );
    }
}
