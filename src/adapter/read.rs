//! Bytes out.

use std::{sync::Arc, time::Instant};

use futures::StreamExt;
use opendal::{
    Buffer, BytesRange,
    raw::{OpRead, RpRead, oio},
};

use super::{
    core::{Core, Found},
    error::to_opendal,
    metadata,
    path::Path,
};
use crate::drive::{
    ByteRange, ByteStream, Conditions, Context, Download, Error, ErrorKind, Item, Kind, Result,
};

/// A file to be read, any range of it, any number of times.
#[derive(Debug)]
pub struct DriveReader {
    core: Arc<Core>,
    cx: Context,
    path: Result<Path>,
    conditions: Conditions,
}

impl DriveReader {
    pub(super) fn new(core: Arc<Core>, cx: Context, path: &str, args: &OpRead) -> Self {
        let conditions = Conditions {
            if_match: args.if_match().map(str::to_owned),
            if_none_match: args.if_none_match().map(str::to_owned),
        };
        let path = core.path(path);
        Self { core, cx, path, conditions }
    }

    async fn download(&self, range: ByteRange) -> Result<Download> {
        let (core, cx) = (&self.core, &self.cx);
        let path = self.path.as_ref().map_err(Clone::clone)?;
        let mut asked = Instant::now();
        let mut found = core.find(cx, path, core.settings.index_ttl).await?;
        let download = match self.ask(&found, range.clone()).await {
            Err(error) if error.kind() == ErrorKind::NotFound && found.remembered => {
                core.doubt(&found);
                asked = Instant::now();
                found = core.find_anew(cx, path).await?;
                self.ask(&found, range).await?
            }
            download => download?,
        };
        self.keep(&found, &download, asked);
        Ok(download)
    }

    async fn ask(&self, found: &Found, range: ByteRange) -> Result<Download> {
        let known = found.item.as_deref();
        match known.map(|item| item.kind) {
            Some(Kind::Folder) => {
                return Err(Error::new(ErrorKind::IsAFolder, "a folder has no bytes to read"));
            }
            Some(Kind::Opaque) => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "this item is neither file nor folder; the cloud gives no bytes of it",
                ));
            }
            Some(Kind::File) | None => {}
        }
        self.core.drive.download(&self.cx, &found.place, known, range, &self.conditions).await
    }

    /// What was learnt, above all the ticket that worked, serves the next range of the same file.
    fn keep(&self, found: &Found, download: &Download, asked: Instant) {
        let Some((folder, folded)) = &found.edge else { return };
        if let Some(item) = &download.item {
            let item = Arc::new(Item::clone(item));
            self.core.index.set(folder, folded.clone(), item, asked);
            return;
        }
        let Some(ticket) = &download.ticket else { return };
        let Some(item) = &found.item else { return };
        if item.ticket.as_ref().is_some_and(|known| known.url == ticket.url) {
            return;
        }
        let item = Item { ticket: Some(ticket.clone()), ..Item::clone(item) };
        self.core.index.renew(folder, folded, Arc::new(item));
    }
}

impl oio::Read for DriveReader {
    async fn open(
        &self,
        range: BytesRange,
    ) -> opendal::Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let range = match range {
            BytesRange::Suffix { size } => ByteRange::Last(size),
            BytesRange::Range { offset: 0, size: None } => ByteRange::Full,
            BytesRange::Range { offset, size: None } => ByteRange::From(offset),
            BytesRange::Range { offset, size: Some(size) } => {
                ByteRange::Span(offset..offset.saturating_add(size))
            }
        };
        let Download { total, etag, bytes, .. } = self.download(range).await.map_err(to_opendal)?;
        let mut file = Item::new("", "", Kind::File);
        (file.size, file.etag) = (Some(total), etag);
        Ok((RpRead::new(metadata::of(&file, false)), Box::new(DriveStream(bytes))))
    }

    async fn read(&self, range: BytesRange) -> opendal::Result<(RpRead, Buffer)> {
        let (reply, mut stream) = self.open(range).await?;
        let bytes = stream.read_all_dyn().await?;
        match (range, range.size()) {
            // A suffix longer than the file is all of the file.
            (BytesRange::Range { .. }, Some(wanted)) if bytes.len() as u64 != wanted => {
                Err(opendal::Error::new(
                    opendal::ErrorKind::RangeNotSatisfied,
                    format!("{wanted} bytes were asked for, the file has {} there", bytes.len()),
                ))
            }
            _ => Ok((reply, bytes)),
        }
    }
}

/// Bytes of a file as they arrive.
pub struct DriveStream(ByteStream);

impl oio::ReadStream for DriveStream {
    async fn read(&mut self) -> opendal::Result<Buffer> {
        match self.0.next().await {
            None => Ok(Buffer::new()),
            Some(bytes) => bytes.map_err(to_opendal),
        }
    }
}
