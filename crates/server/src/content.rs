//! A file's bytes as a response: the whole file or a range, streamed. All protocols share it.

use std::ops::Range;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::tree::{Content, Node, Result, Tree, TreeError};

/// The characters that RFC 8187 does not allow in an extended parameter, and RFC 3986 not in a path
/// segment.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes a name as one segment of a URL's path, or as a value of its query.
pub(super) fn encoded(name: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(name, RESERVED)
}

/// The requested part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole file.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// A range that the file does not contain.
    Nothing,
}

/// The response to `bytes=-n` for a file with fewer than `n` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LongSuffix {
    /// The whole file (RFC 9110, 14.1.2).
    Satisfied,
    /// 416, as OneDrive's hosts respond (opendal#8080).
    Refused,
}

/// Parses a `Range` header for a file of `size` bytes (RFC 9110, 14.2). Malformed headers and
/// multiple ranges are ignored, which the standard allows: the whole file is served then. A range
/// that begins at `size` or later is `Nothing`, so every range of an empty file is.
pub(super) fn wanted(range: Option<&HeaderValue>, size: u64, long_suffix: LongSuffix) -> Wanted {
    let Some(spec) = range.and_then(|value| value.to_str().ok()).and_then(single_range) else {
        return Wanted::Whole;
    };
    let part = match spec {
        (Some(first), Some(last)) if first > last => return Wanted::Whole,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(size),
        (Some(first), None) => first..size,
        (None, Some(suffix)) if suffix > size && long_suffix == LongSuffix::Refused => {
            return Wanted::Nothing;
        }
        (None, Some(suffix)) => size.saturating_sub(suffix)..size,
        (None, None) => return Wanted::Whole,
    };
    if part.is_empty() { Wanted::Nothing } else { Wanted::Part(part) }
}

/// Parses `Range` for fuzz targets.
#[cfg(fuzzing)]
pub(super) fn fuzzing(range: &HeaderValue) {
    for size in [0, 1, 1000, u64::MAX] {
        for long_suffix in [LongSuffix::Satisfied, LongSuffix::Refused] {
            if let Wanted::Part(part) = wanted(Some(range), size, long_suffix) {
                assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}

/// Parses `bytes=a-b`, `bytes=a-` or `bytes=-n`. Returns the first and the last position, from 0
/// and both inclusive, each `None` if it is empty; `None` for any other text.
fn single_range(value: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, set) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    Some((position(first)?, position(last)?))
}

/// Parses a position. Returns `Some(None)` if it is empty, and `None` if it is no number. A number
/// that overflows becomes the largest one.
fn position(digits: &str) -> Option<Option<u64>> {
    if digits.is_empty() {
        return Some(None);
    }
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| Some(digits.parse().unwrap_or(u64::MAX)))
}

/// Returns the entity tag of a file's bytes, with its quotes, for `ETag` and `If-Range`.
pub(super) fn etag(content: &Content) -> String {
    format!("\"{}\"", hex::encode(&content.hashes.sha256[..16]))
}

/// Returns a fingerprint of 64 bits that distinguishes an item's own contents. URLs that are bound to
/// the bytes contain it.
pub(super) fn fingerprint(content: &Content) -> String {
    hex::encode(&content.hashes.sha256[..8])
}

/// The parts of a request that select a file's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContentRequest<'a> {
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
}

impl<'a> From<&'a Parts> for ContentRequest<'a> {
    /// Takes method and headers of a request.
    fn from(parts: &'a Parts) -> Self {
        Self { method: &parts.method, headers: &parts.headers }
    }
}

/// Returns the response to a request for a file's bytes: 200, 206, 304 or 416. `attachment`:
/// whether browsers should save the file. `long_suffix` is the response to a range of more last
/// bytes than the file has.
///
/// # Errors
/// [`TreeError::NotAFile`] for a folder or a notebook; [`TreeError::Changed`] if the content was
/// replaced or removed since `node` was read; [`TreeError::Storage`] if the first bytes cannot be
/// read. Later bytes fail the response's body.
pub(super) async fn serve(
    tree: &Tree,
    node: &Node,
    request: ContentRequest<'_>,
    attachment: bool,
    long_suffix: LongSuffix,
) -> Result<Response> {
    let content = node.content.as_ref().ok_or(TreeError::NotAFile(node.no))?;
    let mut headers = content_headers(node, content, attachment);
    if not_modified(request.headers, &etag(content)) {
        return Ok(response(StatusCode::NOT_MODIFIED, headers, Body::empty()));
    }
    let (status, range) = match requested(request.headers, node, content, long_suffix) {
        Wanted::Whole => (StatusCode::OK, 0..content.size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => {
            let unsatisfied = format!("bytes */{}", content.size);
            headers.remove(header::CONTENT_DISPOSITION);
            insert(&mut headers, header::CONTENT_RANGE, &unsatisfied);
            return Ok(response(StatusCode::RANGE_NOT_SATISFIABLE, headers, Body::empty()));
        }
    };
    if status == StatusCode::PARTIAL_CONTENT {
        let value = format!("bytes {}-{}/{}", range.start, range.end - 1, content.size);
        insert(&mut headers, header::CONTENT_RANGE, &value);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if *request.method == Method::HEAD || range.is_empty() {
        return Ok(response(status, headers, Body::empty()));
    }
    let bytes = tree.open_content(content, range).await?;
    Ok(response(status, headers, Body::from_stream(bytes)))
}

/// Returns the requested part, with `If-Range` evaluated (RFC 9110, 13.1.5).
fn requested(
    headers: &HeaderMap,
    node: &Node,
    content: &Content,
    long_suffix: LongSuffix,
) -> Wanted {
    if let Some(condition) = headers.get(header::IF_RANGE) {
        let condition = condition.as_bytes();
        let same = condition == etag(content).as_bytes()
            || http_date(node.client_modified).is_some_and(|date| condition == date.as_bytes());
        if !same {
            return Wanted::Whole;
        }
    }
    wanted(headers.get(header::RANGE), content.size, long_suffix)
}

/// Returns whether `If-None-Match` matches the entity tag, given with its quotes (RFC 9110,
/// 13.1.2). `*` matches every tag.
fn not_modified(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(
        |value| {
            value
                .split(',')
                .map(str::trim)
                .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
        },
    )
}

/// Returns the headers that describe a file. With `attachment` browsers save the file instead of
/// showing it.
fn content_headers(node: &Node, content: &Content, attachment: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let media_type = node.media_type.as_deref().unwrap_or("application/octet-stream");
    insert(&mut headers, header::CONTENT_TYPE, media_type);
    insert(&mut headers, header::ETAG, &etag(content));
    if let Some(date) = http_date(node.client_modified) {
        insert(&mut headers, header::LAST_MODIFIED, &date);
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // A file of a user must not run scripts as a page of this host.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if attachment {
        let disposition = format!("attachment; filename*=UTF-8''{}", encoded(&node.name));
        insert(&mut headers, header::CONTENT_DISPOSITION, &disposition);
    }
    headers
}

/// Sets a header, unless the value is invalid: clients choose the media type.
fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Formats a time for `Last-Modified`; `None` if the format cannot represent it.
fn http_date(time: Timestamp) -> Option<String> {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}

/// Creates a response.
fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(range: &str, size: u64) -> Wanted {
        let range = HeaderValue::from_str(range).expect("a header");
        wanted(Some(&range), size, LongSuffix::Satisfied)
    }

    #[test]
    fn every_form_of_a_single_range_is_parsed() {
        assert_eq!(of("bytes=0-0", 10), Wanted::Part(0..1));
        assert_eq!(of("bytes=2-5", 10), Wanted::Part(2..6));
        assert_eq!(of("bytes=2-", 10), Wanted::Part(2..10));
        assert_eq!(of("bytes=-3", 10), Wanted::Part(7..10));
        assert_eq!(of("Bytes = 2-5", 10), Wanted::Part(2..6));
    }

    #[test]
    fn ranges_are_limited_to_the_file() {
        assert_eq!(of("bytes=2-99", 10), Wanted::Part(2..10));
        assert_eq!(of("bytes=-99", 10), Wanted::Part(0..10));
        assert_eq!(of("bytes=2-99999999999999999999999", 10), Wanted::Part(2..10));
    }

    #[test]
    fn a_suffix_longer_than_the_file_may_be_refused() {
        let strict =
            |range| wanted(Some(&HeaderValue::from_static(range)), 10, LongSuffix::Refused);
        assert_eq!(strict("bytes=-10"), Wanted::Part(0..10));
        assert_eq!(strict("bytes=-11"), Wanted::Nothing);
        assert_eq!(strict("bytes=2-99"), Wanted::Part(2..10));
    }

    #[test]
    fn ranges_without_a_byte_cannot_be_satisfied() {
        for (range, size) in [("bytes=10-", 10), ("bytes=10-12", 10), ("bytes=-0", 10)] {
            assert_eq!(of(range, size), Wanted::Nothing, "{range}");
        }
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(of(range, 0), Wanted::Nothing, "{range} of nothing");
        }
    }

    #[test]
    fn other_ranges_are_ignored() {
        for range in [
            "bytes=5-2",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-2,4-5",
            "items=1-2",
            "bytes",
            "bytes=+1-2",
        ] {
            assert_eq!(of(range, 10), Wanted::Whole, "{range}");
        }
        assert_eq!(wanted(None, 10, LongSuffix::Refused), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_within_the_file_and_not_empty(text in "bytes=[0-9]{0,21}-[0-9]{0,21}", size: u64) {
            if let Wanted::Part(part) = of(&text, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
