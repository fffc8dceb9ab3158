//! Reading of a source's file.

use futures::TryStreamExt;
use jiff::Timestamp;
use opendal::{
    Buffer, BufferStream,
    options::{ReadOptions, ReaderOptions},
};

use crate::{
    endpoint::Endpoint,
    entry::TreeEntry,
    error::FailureCause,
    limits::RunLimits,
    local::{LocalReader, blocking},
};

/// Reads a file in order.
pub(crate) struct ContentReader {
    origin: Origin,
    /// The size in bytes. `None` if it is unknown.
    pub(crate) size: Option<u64>,
    /// The modification time. `None` if it is unknown.
    pub(crate) modified: Option<Timestamp>,
    read: u64,
}

/// The place that bytes are read from.
enum Origin {
    /// A local file, and bytes that were read when it was opened.
    Local {
        reader: Option<LocalReader>,
        first: Option<Buffer>,
    },
    /// A small file that was read at once.
    Whole(Option<Buffer>),
    Stream(BufferStream),
}

impl ContentReader {
    /// Opens the file `relative`, which a listing returned as `entry`. A remote file up to the
    /// length of a range is read at once. A file from [`RunLimits::parallel_from`] on is read in
    /// parallel ranges.
    ///
    /// # Errors
    /// `Service`, `Disk`, or `Refused` for a path that the endpoint cannot have.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        relative: &str,
        entry: &TreeEntry,
        limits: &RunLimits,
    ) -> Result<Self, FailureCause> {
        if let Some(path) = endpoint.local_path(relative)? {
            let opening = move || {
                let mut reader = LocalReader::open(&path)?;
                let first = reader.next_chunk()?;
                Ok((reader, first))
            };
            let (reader, first) = blocking(opening).await?;
            let (size, modified) = (Some(reader.size), reader.modified);
            let origin = Origin::Local { reader: Some(reader), first: Some(first.into()) };
            return Ok(Self { origin, size, modified, read: 0 });
        }
        let path = endpoint.path(relative)?;
        let operator = endpoint.operator();
        let can_match = operator.info().capability().read_with_if_match;
        let if_match = entry.etag.clone().filter(|_| can_match);
        let content_length_hint = entry.size;
        let range = limits.range_size.get();
        let origin = match entry.size {
            Some(size) if size <= range as u64 => {
                let options = ReadOptions { if_match, content_length_hint, ..Default::default() };
                Origin::Whole(Some(operator.read_options(&path, options).await?))
            }
            size => {
                let mut options =
                    ReaderOptions { if_match, content_length_hint, ..Default::default() };
                if size.is_some_and(|size| size >= limits.parallel_from) {
                    options.chunk = Some(range);
                    options.concurrent = limits.parallel_ranges.get();
                }
                let reader = operator.reader_options(&path, options).await?;
                let stream = match size {
                    Some(size) => reader.into_stream(0..size).await?,
                    None => reader.into_stream(..).await?,
                };
                Origin::Stream(stream)
            }
        };
        Ok(Self { origin, size: entry.size, modified: entry.modified, read: 0 })
    }

    /// Returns the next bytes. `None` at the end of the file.
    ///
    /// # Errors
    /// `Service` or `Disk` if the file cannot be read; `Refused` if it has another size than
    /// expected, or changed meanwhile.
    pub(crate) async fn next(&mut self) -> Result<Option<Buffer>, FailureCause> {
        let next = match &mut self.origin {
            Origin::Local { first, reader } => match (first.take(), reader.take()) {
                (Some(chunk), unread) => {
                    *reader = unread;
                    Some(chunk)
                }
                (None, Some(mut open)) if !open.is_at_end() => {
                    let (open, chunk) = blocking(move || {
                        let chunk = open.next_chunk()?;
                        Ok((open, chunk))
                    })
                    .await?;
                    *reader = Some(open);
                    Some(chunk.into())
                }
                (None, _) => None,
            },
            Origin::Whole(content) => content.take(),
            Origin::Stream(stream) => stream.try_next().await?,
        };
        match next.filter(|chunk| !chunk.is_empty()) {
            Some(chunk) => {
                self.read += chunk.len() as u64;
                Ok(Some(chunk))
            }
            None => match self.size {
                Some(size) if size != self.read => Err(FailureCause::refused(format!(
                    "the source returned {} bytes, and its listing has {size}",
                    self.read
                ))),
                _ => Ok(None),
            },
        }
    }
}
