//! Bodies of multipart forms. The parts' contents are unlimited, everything else is bounded.
//!
//! `multer` collects the headers of a part, and the text before the first part, in memory. Without a
//! limit a client could exhaust it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::BodyDataStream;
use bytes::Bytes;
use futures::Stream;

/// Maximum length of a part's headers with the boundary before them, in bytes. Clients send a few
/// hundred; hyper limits one line of a request to 16 KiB too.
const MAX_PART_HEADERS: usize = 16 << 10;

/// The body of a form. It fails if the headers of a part are longer than [`MAX_PART_HEADERS`].
pub(super) struct FormBody {
    body: BodyDataStream,
    scanner: HeaderScanner,
}

/// The reason why the body of a form cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormError {
    /// The headers of a part are longer than [`MAX_PART_HEADERS`].
    #[error("the headers of a part are longer than {MAX_PART_HEADERS} bytes")]
    HeadersTooLong,
    /// The request's body failed.
    #[error("{0}")]
    Body(#[source] axum::Error),
}

impl FormBody {
    /// Wraps a request's body. `boundary` is that of its media type.
    pub(super) fn new(body: axum::body::Body, boundary: &str) -> Self {
        Self { body: body.into_data_stream(), scanner: HeaderScanner::new(boundary) }
    }
}

/// Returns whether `multer` failed because the headers of a part are longer than
/// [`MAX_PART_HEADERS`].
pub(super) fn has_too_long_headers(error: &multer::Error) -> bool {
    let multer::Error::StreamReadFailed(error) = error else { return false };
    matches!(error.downcast_ref(), Some(FormError::HeadersTooLong))
}

impl Stream for FormBody {
    type Item = Result<Bytes, FormError>;

    /// Returns the next piece of the body. Fails with `FormError::Body` if the body fails, and with
    /// `HeadersTooLong` if the headers of a part exceed the limit.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let piece = ready!(Pin::new(&mut this.body).poll_next(cx));
        Poll::Ready(piece.map(|piece| {
            let piece = piece.map_err(FormError::Body)?;
            match this.scanner.scan(&piece) {
                true => Ok(piece),
                false => Err(FormError::HeadersTooLong),
            }
        }))
    }
}

/// Measures the headers of a form's parts.
struct HeaderScanner {
    /// The text that ends a part's content.
    delimiter: Vec<u8>,
    position: FormPosition,
    /// Number of bytes at the end of the last piece that match the text that is searched.
    matched: usize,
    /// Number of bytes since the end of the last content.
    length: usize,
}

/// A position in a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FormPosition {
    /// Before the first delimiter, or in a part's content.
    Content {
        is_first: bool,
    },
    /// After a delimiter and this number of dashes. Two dashes end the form.
    Delimiter {
        dashes: usize,
    },
    Headers,
    /// After the last delimiter.
    End,
}

/// The text that ends a part's headers.
const HEADERS_END: &[u8] = b"\r\n\r\n";

impl HeaderScanner {
    /// Creates a scanner at the beginning of a form. `boundary` is that of its media type.
    fn new(boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter may begin the body without a line break, which counts as matched.
        let position = FormPosition::Content { is_first: true };
        Self { delimiter, position, matched: 2, length: 0 }
    }

    /// Scans a piece of the body. Returns `false` if the headers of a part are longer than
    /// [`MAX_PART_HEADERS`].
    fn scan(&mut self, mut piece: &[u8]) -> bool {
        use FormPosition as At;
        while !piece.is_empty() {
            let taken = match self.position {
                At::End => return true,
                At::Content { is_first } => {
                    let (taken, found) = find(piece, &self.delimiter, &mut self.matched);
                    self.length = if is_first { self.length + taken } else { 0 };
                    if found {
                        (self.position, self.matched) = (At::Delimiter { dashes: 0 }, 0);
                    }
                    taken
                }
                At::Delimiter { dashes } if piece[0] == b'-' => {
                    self.position = if dashes == 1 { At::End } else { At::Delimiter { dashes: 1 } };
                    1
                }
                At::Delimiter { .. } => {
                    self.position = At::Headers;
                    0
                }
                At::Headers => {
                    let (taken, found) = find(piece, HEADERS_END, &mut self.matched);
                    self.length += taken;
                    if found {
                        (self.position, self.matched) = (At::Content { is_first: false }, 2);
                    }
                    taken
                }
            };
            if self.length > MAX_PART_HEADERS {
                return false;
            }
            piece = &piece[taken..];
        }
        true
    }
}

/// Searches for a text that starts with a carriage return and of which `matched` bytes were found
/// before. Updates `matched`. Returns the number of bytes that were scanned, and whether the text
/// ends there.
///
/// The text contains further carriage returns only where its beginning repeats. So after a mismatch
/// the search can restart at the current byte.
fn find(bytes: &[u8], text: &[u8], matched: &mut usize) -> (usize, bool) {
    let mut at = 0;
    while at < bytes.len() {
        if *matched == 0 {
            let Some(next) = memchr::memchr(b'\r', &bytes[at..]) else {
                return (bytes.len(), false);
            };
            at += next;
        }
        match bytes[at] {
            byte if byte == text[*matched] => *matched += 1,
            b'\r' => *matched = 1,
            _ => *matched = 0,
        }
        at += 1;
        if *matched == text.len() {
            return (at, true);
        }
    }
    (bytes.len(), false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::{super::Server, *};

    /// Returns whether a body is accepted in pieces of these lengths.
    fn passes(body: &[u8], lengths: &[usize]) -> bool {
        let mut scanner = HeaderScanner::new("b");
        let (mut rest, mut lengths) = (body, lengths.iter().cycle());
        while !rest.is_empty() {
            let length = lengths.next().map_or(rest.len(), |length| (*length).min(rest.len()));
            if !scanner.scan(&rest[..length]) {
                return false;
            }
            rest = &rest[length..];
        }
        true
    }

    proptest! {
        #[test]
        fn contents_are_unbounded_and_headers_and_preambles_are_not(
            lengths in prop::collection::vec(1..5000_usize, 0..20), parts in 1..4_usize,
            long in 0..6_usize,
        ) {
            let filler = |is_long: bool| "x\r\n-".repeat(if is_long { MAX_PART_HEADERS } else { 100 });
            // Of one kind all are long: 0 headers, 1 preamble, 2 contents, 3 epilogue.
            let mut body = String::new();
            if long == 1 {
                body.push_str(&filler(true));
                body.push_str("\r\n");
            }
            for _ in 0..parts {
                let header = filler(long == 0).replace("\r\n", "");
                body.push_str(&format!("--b\r\nname: {header}\r\n\r\n{}\r\n", filler(long == 2)));
            }
            body.push_str("--b--\r\n");
            if long == 3 {
                body.push_str(&filler(true));
            }
            prop_assert_eq!(passes(body.as_bytes(), &lengths), long > 1);
        }
    }

    #[tokio::test]
    async fn a_part_with_long_headers_is_refused_for_them() {
        let server = Server::builder().ephemeral().start().await.expect("a server");
        let named = "--b\r\nContent-Disposition: form-data; name=\"";
        let second = format!("{named}metadata\"; filename=\"n\"\r\n\r\n{{}}\r\n--b\r\nX-Long: ");
        for path in ["/cdproxy/nodes?suppress=deduplication", "/v5.0/me/skydrive/files"] {
            for start in ["", named, &second] {
                let mut stream = TcpStream::connect(server.address().expect("a port"))
                    .await
                    .expect("a connection");
                let long = "x".repeat(100_000);
                let head = format!(
                    "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer drivedal-dev\r\n\
                     content-type: multipart/form-data; boundary=b\r\nconnection: close\r\n\
                     content-length: {}\r\n\r\n{start}{long}",
                    server.address().expect("a port"),
                    start.len() + long.len()
                );
                stream.write_all(head.as_bytes()).await.expect("sent");
                let mut response = String::new();
                stream.read_to_string(&mut response).await.expect("a response");
                assert!(response.starts_with("HTTP/1.1 400 "), "{path} {start:?}: {response}");
                assert!(response.contains("the headers of a part"), "{path} {start:?}: {response}");
            }
        }
    }
}
