//! The bodies of multipart forms, of which everything that is not a part's contents is bounded.
//!
//! `multer` collects a part's headers, and what is before the first part, in memory until they end.

use std::{
    error, fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::BodyDataStream;
use bytes::Bytes;
use futures::Stream;

/// The longest headers of a part, with the boundary before them, in bytes. Clients send a few
/// hundred; hyper takes 16 KiB too for one line of a request.
pub(super) const HEADERS_MAX: usize = 16 << 10;

/// A form's body that fails when the headers of a part are longer than [`HEADERS_MAX`].
pub(super) struct FormBody {
    body: BodyDataStream,
    headers: Headers,
}

/// Why a form's body cannot be read.
#[derive(Debug)]
pub(super) enum FormError {
    /// The headers of a part are too long.
    HeadersTooLong,
    /// The body failed.
    Body(axum::Error),
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadersTooLong => {
                write!(f, "the headers of a part are longer than {HEADERS_MAX} bytes")
            }
            Self::Body(error) => error.fmt(f),
        }
    }
}

impl error::Error for FormError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::HeadersTooLong => None,
            Self::Body(error) => Some(error),
        }
    }
}

impl FormBody {
    pub(super) fn new(body: axum::body::Body, boundary: &str) -> Self {
        Self { body: body.into_data_stream(), headers: Headers::new(boundary) }
    }
}

/// Whether `multer` failed because the headers of a part are too long.
pub(super) fn has_too_long_headers(error: &multer::Error) -> bool {
    let multer::Error::StreamReadFailed(error) = error else { return false };
    matches!(error.downcast_ref(), Some(FormError::HeadersTooLong))
}

impl Stream for FormBody {
    type Item = Result<Bytes, FormError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let piece = ready!(Pin::new(&mut this.body).poll_next(cx));
        Poll::Ready(piece.map(|piece| {
            let piece = piece.map_err(FormError::Body)?;
            match this.headers.pass(&piece) {
                true => Ok(piece),
                false => Err(FormError::HeadersTooLong),
            }
        }))
    }
}

/// Follows a form as far as its headers need it.
struct Headers {
    /// What ends a part's contents.
    delimiter: Vec<u8>,
    at: At,
    /// Bytes of the text that is looked for that came last.
    matched: usize,
    /// Bytes since the last contents ended.
    length: usize,
}

/// Where in a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first delimiter, or in a part's contents.
    Contents {
        is_first: bool,
    },
    /// Behind a delimiter; two dashes end the form. How many came.
    Delimiter {
        dashes: usize,
    },
    Headers,
    /// Behind the last delimiter.
    End,
}

/// The end of a part's headers.
const HEADERS_END: &[u8] = b"\r\n\r\n";

impl Headers {
    fn new(boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter may begin the body, without a line before it.
        Self { delimiter, at: At::Contents { is_first: true }, matched: 2, length: 0 }
    }

    /// Takes in a piece of the body; `false` once the headers of a part are too long.
    fn pass(&mut self, mut piece: &[u8]) -> bool {
        while !piece.is_empty() {
            let taken = match self.at {
                At::End => return true,
                At::Contents { is_first } => {
                    let (taken, found) = find(piece, &self.delimiter, &mut self.matched);
                    self.length = if is_first { self.length + taken } else { 0 };
                    if found {
                        (self.at, self.matched) = (At::Delimiter { dashes: 0 }, 0);
                    }
                    taken
                }
                At::Delimiter { dashes } if piece[0] == b'-' => {
                    self.at = if dashes == 1 { At::End } else { At::Delimiter { dashes: 1 } };
                    1
                }
                At::Delimiter { .. } => {
                    self.at = At::Headers;
                    0
                }
                At::Headers => {
                    let (taken, found) = find(piece, HEADERS_END, &mut self.matched);
                    self.length += taken;
                    if found {
                        (self.at, self.matched) = (At::Contents { is_first: false }, 2);
                    }
                    taken
                }
            };
            if self.length > HEADERS_MAX {
                return false;
            }
            piece = &piece[taken..];
        }
        true
    }
}

/// Looks for a text that begins with a carriage return, of which `matched` bytes came before.
/// Returns how many bytes were taken, and whether the text ends there. The texts have carriage
/// returns only where their beginning repeats, so that a mismatch begins anew.
fn find(bytes: &[u8], text: &[u8], matched: &mut usize) -> (usize, bool) {
    let mut at = 0;
    while at < bytes.len() {
        if *matched == 0 {
            let Some(next) = bytes[at..].iter().position(|byte| *byte == b'\r') else {
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

    /// Whether a body passes in pieces of these lengths.
    fn passes(body: &[u8], lengths: &[usize]) -> bool {
        let mut headers = Headers::new("b");
        let (mut rest, mut lengths) = (body, lengths.iter().cycle());
        while !rest.is_empty() {
            let length = lengths.next().map_or(rest.len(), |length| (*length).min(rest.len()));
            if !headers.pass(&rest[..length]) {
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
            let filler = |is_long: bool| "x\r\n-".repeat(if is_long { HEADERS_MAX } else { 100 });
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
