//! Range requests: requests a part of a file, and extracts exactly that part from the response.

use std::ops::Range;

use futures::{StreamExt, stream};
use http::{StatusCode, header};

use super::{client::StreamResponse, request::ApiRequest};
use crate::drive::{ByteRange, ByteStream, Download, Error, ErrorKind, Result, Retry};

/// Returns the request with the `Range` header for a range.
pub fn set_range(request: ApiRequest, range: &ByteRange) -> ApiRequest {
    let text = match range {
        ByteRange::Full | ByteRange::From(0) => return request,
        ByteRange::From(start) => format!("bytes={start}-"),
        // A header cannot request an empty range, so it requests one byte, which is discarded.
        ByteRange::Span(span) => {
            format!("bytes={}-{}", span.start, span.end.saturating_sub(1).max(span.start))
        }
        ByteRange::Last(count) => format!("bytes=-{}", (*count).max(1)),
    };
    request.header(header::RANGE, text)
}

/// Returns the bytes of `range` from the response to a request with [`set_range`].
///
/// The status must be 206 with at least these bytes, 200 with the whole file, or 416; the caller
/// handles any other status. `known_size` is the size of the file in bytes. It is needed only if
/// the response does not report it.
///
/// # Errors
/// `RangeNotSatisfied` if the range begins after the end of the file; `Unexpected` if the response
/// lacks some of the requested bytes, or if the size of the file is unknown.
pub fn slice_response(
    range: &ByteRange,
    known_size: Option<u64>,
    response: StreamResponse,
) -> Result<Download> {
    let operation = response.operation().to_owned();
    let invalid = |problem: String| {
        let text = format!("cannot read the response: {problem}");
        Err(Error::new(ErrorKind::Unexpected, text)
            .with_status(response.status.as_u16())
            .with_operation(&operation))
    };
    let header = |name| response.headers.get(name).and_then(|value| value.to_str().ok());
    let content_range = || header(header::CONTENT_RANGE).and_then(parse_content_range);

    let (given, total) = match response.status {
        StatusCode::OK => {
            let reported = header(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
            match reported.or(known_size) {
                Some(total) => (0..total, total),
                None => return invalid("it does not report the file's size".to_owned()),
            }
        }
        StatusCode::PARTIAL_CONTENT => match content_range() {
            Some((Some(given), total)) => match total.or(known_size) {
                Some(total) if given.end <= total => (given, total),
                Some(total) => {
                    return invalid(format!("it has bytes up to {} of {total}", given.end));
                }
                None => return invalid("it does not report the file's size".to_owned()),
            },
            _ => return invalid("status 206 without a Content-Range".to_owned()),
        },
        StatusCode::RANGE_NOT_SATISFIABLE => {
            match content_range().and_then(|(_, total)| total).or(known_size) {
                Some(total) => (0..0, total),
                None => return Err(past_the_end(&operation)),
            }
        }
        status => return invalid(format!("status {status} is not a download")),
    };
    let Some(wanted) = resolved(range, total) else { return Err(past_the_end(&operation)) };
    if !wanted.is_empty() && (given.start > wanted.start || given.end < wanted.end) {
        return invalid(format!("it has bytes {given:?} instead of {wanted:?}"));
    }
    let bytes = if wanted.is_empty() {
        Box::pin(stream::empty())
    } else if given == wanted {
        exact_length(response.into_stream(), wanted.end - wanted.start, operation)
    } else {
        slice(
            response.into_stream(),
            wanted.start - given.start,
            wanted.end - wanted.start,
            operation,
        )
    };
    let range = wanted;
    Ok(Download { total, range, etag: None, download_url: None, item: None, bytes, check: None })
}

/// Returns whether a host rejected a suffix range because the file is shorter, as OneDrive does
/// (opendal#8080). The range then means the whole file, which the caller must request explicitly.
pub fn rejects_long_suffix(range: &ByteRange, response: &StreamResponse) -> bool {
    let total = || {
        let value = response.headers.get(header::CONTENT_RANGE)?;
        let (_, total) = parse_content_range(value.to_str().ok()?)?;
        total
    };
    matches!(range, ByteRange::Last(1..))
        && response.status == StatusCode::RANGE_NOT_SATISFIABLE
        && total() != Some(0)
}

/// Returns the `RangeNotSatisfied` error for a range that begins after the end of the file.
/// `operation` names the request.
fn past_the_end(operation: &str) -> Error {
    Error::new(ErrorKind::RangeNotSatisfied, "cannot read the file: the range begins after its end")
        .with_status(StatusCode::RANGE_NOT_SATISFIABLE.as_u16())
        .with_operation(operation)
}

/// Returns the bytes that a range selects in a file of `total` bytes; the end is exclusive and cut
/// off at `total`. `None` if its first byte is not in the file: the range begins at `total` or
/// after it (RFC 9110, section 14.1.2). Unlike there, a range from 0 of an empty file and an empty
/// range at `total` return no bytes.
fn resolved(range: &ByteRange, total: u64) -> Option<Range<u64>> {
    let (start, end) = match range {
        ByteRange::Full => (0, total),
        ByteRange::From(start) => (*start, total),
        ByteRange::Span(span) => (span.start, span.end.max(span.start).min(total)),
        ByteRange::Last(count) => (total.saturating_sub(*count), total),
    };
    let is_empty = matches!(range, ByteRange::Span(span) if span.is_empty())
        || matches!(range, ByteRange::Last(0));
    match start.cmp(&total) {
        std::cmp::Ordering::Less => Some(start..end),
        std::cmp::Ordering::Equal if start == 0 || is_empty => Some(start..start),
        _ => None,
    }
}

/// Parses a `Content-Range` such as `bytes 0-9/100`. Returns the range and the total size; either
/// is `None` if the header has `*` for it. `None` for the whole if the text has another form. The
/// end of the range is exclusive, unlike in the header.
pub(super) fn parse_content_range(text: &str) -> Option<(Option<Range<u64>>, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    let range = match range.trim() {
        "*" => None,
        range => {
            let (first, last) = range.split_once('-')?;
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse::<u64>().ok()?);
            Some(first..last.checked_add(1).filter(|end| *end > first)?)
        }
    };
    Some((range, total))
}

/// Returns the stream of a response that must have exactly `len` bytes. It reads the response to
/// its end, so that the connection can be reused. `operation` names the request in errors.
///
/// # Errors
/// The stream ends with `Unexpected` if the response is shorter or longer.
fn exact_length(bytes: ByteStream, len: u64, operation: String) -> ByteStream {
    Box::pin(stream::unfold((Some(bytes), len), move |(bytes, left)| {
        let operation = operation.clone();
        async move {
            let mut bytes = bytes?;
            match bytes.next().await {
                Some(Ok(piece)) if piece.len() as u64 <= left => {
                    let left = left - piece.len() as u64;
                    Some((Ok(piece), (Some(bytes), left)))
                }
                Some(Ok(_)) => Some((
                    Err(Error::new(
                        ErrorKind::Unexpected,
                        "cannot read the response: it is longer than announced",
                    )
                    .with_operation(operation)),
                    (None, 0),
                )),
                // An error after the last byte has no effect.
                Some(Err(_)) | None if left == 0 => None,
                Some(Err(error)) => Some((Err(error), (None, 0))),
                None => Some((Err(too_short(left, operation)), (None, 0))),
            }
        }
    }))
}

/// Returns the stream of `len` bytes of a response, after `skip` others. The rest is not read.
/// `operation` names the request in errors.
///
/// # Errors
/// The stream ends with `Unexpected` if the response is shorter.
fn slice(bytes: ByteStream, skip: u64, len: u64, operation: String) -> ByteStream {
    Box::pin(stream::unfold((Some(bytes), skip, len), move |(bytes, mut skip, left)| {
        let operation = operation.clone();
        async move {
            let mut bytes = bytes.filter(|_| left > 0)?;
            loop {
                let piece = match bytes.next().await {
                    Some(Ok(piece)) => piece,
                    Some(Err(error)) => return Some((Err(error), (None, 0, 0))),
                    None => return Some((Err(too_short(left, operation)), (None, 0, 0))),
                };
                let end = (piece.len() as u64).min(skip.saturating_add(left));
                if skip >= end {
                    skip -= end;
                    continue;
                }
                // Both are at most the piece's length, which is a `usize`.
                let piece = piece.slice(skip as usize..end as usize);
                return Some((Ok(piece), (Some(bytes), 0, left - (end - skip))));
            }
        }
    }))
}

/// Returns the temporary `Unexpected` error of a response that lacks `missing` bytes. `operation`
/// names the request.
fn too_short(missing: u64, operation: String) -> Error {
    Error::new(
        ErrorKind::Unexpected,
        format!("cannot read the response: it ended {missing} bytes early"),
    )
    .with_retry(Retry::Again { after: None })
    .with_operation(operation)
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use http::Method;
    use opendal::raw::Operation;
    use proptest::prelude::*;

    use super::*;
    use crate::transport::Client;
    use crate::transport::scripted::{Outcome, Scripted, answer};

    async fn read(
        file: &'static [u8],
        range: ByteRange,
        server: fn(&[u8], Option<&str>) -> Outcome,
    ) -> Result<(u64, Range<u64>, Vec<u8>)> {
        let transport = Scripted::by(move |sent| server(file, sent.header("range")));
        let call = ApiRequest::new(Operation::Read, Method::GET, "http://h/ticket", "ticket");
        let incoming =
            Client::new(&transport.context()).fetch(set_range(call, &range)).await.unwrap();
        let download = slice_response(&range, None, incoming)?;
        let pieces: Vec<opendal::Buffer> = download.bytes.try_collect().await?;
        let bytes = pieces.into_iter().flat_map(|piece| piece.to_vec()).collect();
        Ok((download.total, download.range, bytes))
    }

    fn ignores_ranges(file: &[u8], _: Option<&str>) -> Outcome {
        answer(200, file)
    }

    fn knows_ranges(file: &[u8], range: Option<&str>) -> Outcome {
        let total = file.len();
        let Some(range) = range else { return answer(200, file) };
        let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let span = match (first, last) {
            ("", last) => total.saturating_sub(last.parse().unwrap())..total,
            (first, "") => first.parse().unwrap()..total,
            (first, last) => {
                first.parse().unwrap()..last.parse::<usize>().unwrap().saturating_add(1).min(total)
            }
        };
        if span.start >= total {
            return answer(416, "").header("content-range", format!("bytes */{total}"));
        }
        answer(206, &file[span.clone()])
            .header("content-range", format!("bytes {}-{}/{total}", span.start, span.end - 1))
    }

    const FILE: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

    fn ranges() -> impl Strategy<Value = ByteRange> {
        prop_oneof![
            Just(ByteRange::Full),
            (0..50u64).prop_map(ByteRange::From),
            (0..50u64, 0..50u64).prop_map(|(start, len)| ByteRange::Span(start..start + len)),
            (0..50u64).prop_map(ByteRange::Last),
        ]
    }

    proptest! {
        #[test]
        fn a_server_that_ignores_ranges_is_read_like_one_that_knows_them(
            range in ranges(),
            empty in any::<bool>(),
        ) {
            let file = if empty { b"" } else { FILE };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let one = runtime.block_on(read(file, range.clone(), ignores_ranges));
            let other = runtime.block_on(read(file, range.clone(), knows_ranges));
            match (one, other) {
                (Ok(one), Ok(other)) => {
                    prop_assert_eq!(&one, &other);
                    let (total, span, bytes) = one;
                    prop_assert_eq!(total, file.len() as u64);
                    prop_assert_eq!(&bytes[..], &file[span.start as usize..span.end as usize]);
                    let expected = match range {
                        ByteRange::Full => total,
                        ByteRange::From(start) => total - start,
                        ByteRange::Span(span) => span.end.min(total) - span.start.min(total),
                        ByteRange::Last(count) => count.min(total),
                    };
                    prop_assert_eq!(bytes.len() as u64, expected);
                }
                (Err(one), Err(other)) => {
                    prop_assert_eq!(one.kind(), ErrorKind::RangeNotSatisfied);
                    prop_assert_eq!(other.kind(), ErrorKind::RangeNotSatisfied);
                }
                (one, other) => prop_assert!(false, "{:?} but {:?}", one, other),
            }
        }
    }

    #[tokio::test]
    async fn a_range_after_the_end_is_an_error_except_the_start_of_an_empty_file() {
        let error = read(FILE, ByteRange::From(36), knows_ranges).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RangeNotSatisfied);
        let (total, range, bytes) = read(b"", ByteRange::Last(5), knows_ranges).await.unwrap();
        assert_eq!((total, range, bytes), (0, 0..0, vec![]));
    }

    #[tokio::test]
    async fn a_short_response_is_a_temporary_error() {
        let error = read(FILE, ByteRange::Full, |file, _| {
            answer(206, &file[..30]).header("content-range", "bytes 0-35/36")
        })
        .await
        .unwrap_err();
        assert!(error.is_temporary() && error.to_string().contains("6 bytes early"), "{error}");
    }

    #[tokio::test]
    async fn a_wider_range_is_sliced_and_a_narrower_one_is_an_error() {
        fn wider(file: &[u8], _: Option<&str>) -> Outcome {
            answer(206, &file[5..30]).header("content-range", "bytes 5-29/36")
        }
        let (_, range, bytes) = read(FILE, ByteRange::Span(10..20), wider).await.unwrap();
        assert_eq!((range, &bytes[..]), (10..20, &b"abcdefghij"[..]));
        let error = read(FILE, ByteRange::Span(20..31), wider).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
        assert!(error.to_string().contains("20..31"), "{error}");
    }
}
