//! Reading of a file.
//!
//! A body that breaks off is continued after its last byte, by a download of the remaining range.
//! The item is requested first, and an item with another id, etag, modification time or size ends
//! the read with `ConditionNotMatch`. The reader continues at once, and only while it makes
//! progress. Delays and retries are the job of the layers:
//!
//! * A body that fails before its first byte fails the call, and the caller may retry.
//! * After the first byte the reader continues, until [`EMPTY_BODIES_MAX`] consecutive bodies have
//!   brought no byte.
//! * A request that fails while the reader continues fails the call. The next call continues.
//!
//! So the attempts of the reader and of a retry layer add up; they do not multiply.
//!
//! The number of bytes is always checked. The hash is checked if the whole file is read and the
//! cloud has a hash for it. A mismatch turns the end of the stream into an error. The cached size
//! of a file may be older than its bytes, so the item is requested again before a mismatch is
//! reported.

use std::{ops::Range, sync::Arc};

use futures::StreamExt;
use opendal::{
    Buffer, BytesRange,
    raw::{OpRead, RpRead, oio},
};

use super::{
    conditions::TimeConditions, content_version::ContentVersion, download::RemoteFile,
    error::to_opendal, metadata, state::AdapterState,
};
use crate::drive::{
    ByteRange, ByteStream, Conditions, ContentCheck, Context, Download, Error, ErrorKind, Result,
    Retry,
};

/// The maximum number of consecutive bodies without a byte.
const EMPTY_BODIES_MAX: u32 = 3;

/// A reader of a file: reads any range, any number of times.
#[derive(Debug)]
pub struct DriveReader(Arc<RemoteFile>);

impl DriveReader {
    /// Creates a reader of a path. Sends no request; a path with the name `.` or `..` is an error
    /// of the first read.
    pub(super) fn new(state: Arc<AdapterState>, cx: Context, path: &str, args: &OpRead) -> Self {
        let conditions = Conditions {
            if_match: args.if_match().map(str::to_owned),
            if_none_match: args.if_none_match().map(str::to_owned),
        };
        let path = state.path(path);
        let (times, version) = (TimeConditions::from_read(args), args.version().map(str::to_owned));
        Self(Arc::new(RemoteFile { state, cx, path, conditions, times, version }))
    }

    /// Starts the download of a range. Returns the size and the etag of the file, and the bytes of
    /// the range. A range past the end is cut to the file, and the stream reports the missing bytes
    /// at its end.
    ///
    /// # Errors
    /// Those of [`RemoteFile::download`].
    async fn stream(&self, range: BytesRange) -> Result<(RpRead, DriveStream)> {
        let range = match range {
            BytesRange::Suffix { size } => ByteRange::Last(size),
            BytesRange::Range { offset: 0, size: None } => ByteRange::Full,
            BytesRange::Range { offset, size: None } => ByteRange::From(offset),
            BytesRange::Range { offset, size: Some(size) } => {
                ByteRange::Span(offset..offset.saturating_add(size))
            }
        };
        let requested = match &range {
            ByteRange::Span(span) => Some(span.end - span.start),
            _ => None,
        };
        let (download, version) = self.0.download(range).await?;
        let Download { total, range, etag, bytes, check, .. } = download;
        let response = RpRead::new(metadata::from_download(total, etag.as_deref()));
        let available = range.end - range.start;
        let stream = DriveStream {
            file: Arc::clone(&self.0),
            version,
            start: range.start,
            remaining: range,
            body: BodyState::Open(bytes),
            empty_bodies: 0,
            check: check.filter(|_| self.0.is_checked()),
            missing: requested.map_or(0, |requested| requested.saturating_sub(available)),
        };
        Ok((response, stream))
    }
}

impl oio::Read for DriveReader {
    /// Starts the download of a range, and returns the metadata of the file and a stream of the
    /// bytes.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist, `IsADirectory` for a folder, `Unsupported` for a path
    /// with the name `.` or `..` and for an item without content, `RangeNotSatisfied` if the range
    /// starts after the end,
    /// `ConditionNotMatch` if `if_match` differs from the etag or `if_none_match` equals it, and
    /// [request errors](crate::drive::Error#request-errors). The stream returns the errors of its
    /// bytes.
    async fn open(
        &self,
        range: BytesRange,
    ) -> opendal::Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let (response, stream) = self.stream(range).await.map_err(to_opendal)?;
        Ok((response, Box::new(stream)))
    }

    /// Reads a range completely into memory.
    ///
    /// # Errors
    /// Those of [`open`](oio::Read::open) and of its stream; `RangeNotSatisfied` if the file ends
    /// before the range does. A suffix may be longer than the file.
    async fn read(&self, range: BytesRange) -> opendal::Result<(RpRead, Buffer)> {
        let (response, mut stream) = self.stream(range).await.map_err(to_opendal)?;
        let mut pieces = Vec::new();
        while let Some(piece) = stream.next().await.map_err(to_opendal)? {
            pieces.extend(piece);
        }
        let bytes = Buffer::from(pieces);
        match (range, range.size()) {
            // A suffix that is longer than the file is the whole file.
            (BytesRange::Range { .. }, Some(requested)) if bytes.len() as u64 != requested => {
                Err(opendal::Error::new(
                    opendal::ErrorKind::RangeNotSatisfied,
                    format!(
                        "cannot read the range: {requested} bytes were requested, {} received",
                        bytes.len()
                    ),
                ))
            }
            _ => Ok((response, bytes)),
        }
    }
}

/// The bytes of a range, as they arrive.
pub struct DriveStream {
    file: Arc<RemoteFile>,
    version: ContentVersion,
    /// The position in the file at which the range starts.
    start: u64,
    /// The part of the range that has not arrived yet.
    remaining: Range<u64>,
    body: BodyState,
    /// The number of consecutive bodies without a byte.
    empty_bodies: u32,
    /// Compares the bytes of a whole file with its hash.
    check: Option<Box<dyn ContentCheck>>,
    /// The number of bytes of the requested range that the file does not have.
    missing: u64,
}

/// The state of the response body that the stream reads.
enum BodyState {
    Open(ByteStream),
    /// The next call continues with another download.
    Interrupted,
    /// The end, or a permanent error.
    Ended(Option<Error>),
}

impl DriveStream {
    /// Returns the next bytes, or `None` at the end of the range. Continues an interrupted body
    /// with another download.
    ///
    /// # Errors
    /// Temporary errors of a body or a request: the next call continues. Permanent errors, which
    /// each later call returns again, such as `ConditionNotMatch` for a file that was changed and
    /// those of [`check_end`](Self::check_end).
    async fn next(&mut self) -> Result<Option<Buffer>> {
        loop {
            let bytes = match &mut self.body {
                BodyState::Ended(None) => return Ok(None),
                BodyState::Ended(Some(error)) => return Err(error.clone()),
                BodyState::Open(bytes) => bytes,
                BodyState::Interrupted => {
                    let rest = self.file.resume(&self.version, self.remaining.clone()).await;
                    match rest {
                        Ok(download) => self.body = BodyState::Open(download.bytes),
                        Err(error) if error.is_temporary() => return Err(error),
                        Err(error) => self.body = BodyState::Ended(Some(error)),
                    }
                    continue;
                }
            };
            match bytes.next().await {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    if let Some(check) = &mut self.check {
                        check.update(&piece);
                    }
                    self.remaining.start += piece.len() as u64;
                    self.empty_bodies = 0;
                    return Ok(Some(piece));
                }
                None => self.body = BodyState::Ended(self.check_end().await.err()),
                Some(Err(error)) => self.interrupt(error)?,
            }
        }
    }

    /// Decides whether the stream continues after an error of its body.
    ///
    /// # Errors
    /// The error itself, if the caller has to decide.
    fn interrupt(&mut self, error: Error) -> Result<()> {
        // With no bytes remaining, the error is about bytes that the caller already has.
        if !error.is_temporary() || self.remaining.is_empty() {
            self.body = BodyState::Ended(Some(error));
            return Ok(());
        }
        if !self.version.is_detectable() {
            self.body = BodyState::Ended(Some(error.clone()));
            return Err(error);
        }
        self.body = BodyState::Interrupted;
        let has_bytes = self.remaining.start > self.start;
        if !has_bytes || self.empty_bodies == EMPTY_BODIES_MAX {
            self.empty_bodies = 0;
            return Err(error);
        }
        self.empty_bodies += 1;
        Ok(())
    }

    /// Checks at the end of the body that the whole range has arrived and has the expected hash.
    ///
    /// # Errors
    /// `Unexpected` if bytes are missing or the hash differs; `RangeNotSatisfied` if the file ends
    /// before the requested range does; [request errors](crate::drive::Error#request-errors) for
    /// the hash.
    async fn check_end(&mut self) -> Result<()> {
        if !self.remaining.is_empty() {
            let missing = self.remaining.end - self.remaining.start;
            return Err(Error::new(
                ErrorKind::Unexpected,
                format!("cannot read the file: the response ended {missing} bytes early"),
            ));
        }
        if self.missing > 0 {
            return Err(Error::new(
                ErrorKind::RangeNotSatisfied,
                format!(
                    "cannot read the range: the file ends {} bytes before its end",
                    self.missing
                ),
            ));
        }
        match self.check.take() {
            Some(check) => check.finish().await,
            None => Ok(()),
        }
    }
}

impl oio::ReadStream for DriveStream {
    /// Returns the next bytes, or an empty buffer at the end of the range.
    ///
    /// # Errors
    /// Those of `next`.
    async fn read(&mut self) -> opendal::Result<Buffer> {
        match self.next().await {
            Ok(bytes) => Ok(bytes.unwrap_or_default()),
            // The caller has all bytes, so there is nothing that a retry could read.
            Err(error) if self.remaining.is_empty() => Err(to_opendal(error.with_retry(Retry::No))),
            Err(error) => Err(to_opendal(error)),
        }
    }
}
