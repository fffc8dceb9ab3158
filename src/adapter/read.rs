//! Bytes out.
//!
//! A body that breaks off goes on behind its last byte, by a range of the same file: the item is
//! looked at first, and one with another id, etag, time or size ends the reading with
//! `ConditionNotMatch`. This is done at once, and as long as bytes come; *waiting* and trying again
//! are the layers', so
//!
//! * a body that has not brought a byte fails, and whoever asked for it may ask again;
//! * one that has brought some goes on, until [`IN_VAIN_MAX`] bodies in a row bring nothing;
//! * a request that fails on the way fails the call, and the next call goes on where it was.
//!
//! With a retry layer above, the tries of both therefore add up and do not multiply.
//!
//! The length is checked always, and the hash where a whole file goes by and the cloud has told one:
//! the end of the stream is then an error instead of a clean end. What is known of a file may be
//! older than its bytes, so before they are called wrong the item is requested again.
//!
//! Ranges of one file that are read side by side share one download URL: who finds none waits for the
//! first one, who asks.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use futures::StreamExt;
use jiff::Timestamp;
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
    ByteRange, ByteStream, Conditions, ContentCheck, Context, Download, DownloadRequest, Error,
    ErrorKind, Item, ItemId, ItemKind, Result, Retry,
};

/// So many bodies in a row that bring nothing are the end.
const IN_VAIN_MAX: u32 = 3;

/// A file to be read, any range of it, any number of times.
#[derive(Debug)]
pub struct DriveReader(Arc<File>);

#[derive(Debug)]
struct File {
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
        Self(Arc::new(File { core, cx, path, conditions }))
    }

    async fn stream(&self, range: BytesRange) -> Result<(RpRead, DriveStream)> {
        let range = match range {
            BytesRange::Suffix { size } => ByteRange::Last(size),
            BytesRange::Range { offset: 0, size: None } => ByteRange::Full,
            BytesRange::Range { offset, size: None } => ByteRange::From(offset),
            BytesRange::Range { offset, size: Some(size) } => {
                ByteRange::Span(offset..offset.saturating_add(size))
            }
        };
        let wanted = match &range {
            ByteRange::Span(span) => Some(span.end - span.start),
            _ => None,
        };
        let (Download { total, range, etag, bytes, check, .. }, version) =
            self.0.download(range).await?;
        let check = check.filter(|_| self.0.is_checked());
        let mut file = Item::new("", "", ItemKind::File);
        (file.size, file.etag) = (Some(total), etag);
        let reply = RpRead::new(metadata::of(&file, false));
        let (begun, flow) = (range.start, Flow::Open(bytes));
        let file = Arc::clone(&self.0);
        let missing = wanted.and_then(|wanted| wanted.checked_sub(range.end - range.start));
        let stream =
            DriveStream { file, version, begun, left: range, flow, in_vain: 0, check, missing };
        Ok((reply, stream))
    }
}

impl File {
    async fn download(&self, range: ByteRange) -> Result<(Download, Version)> {
        let (core, cx) = (&self.core, &self.cx);
        let path = self.path.as_ref().map_err(Clone::clone)?;
        let has_one = || core.remembered(path).is_some_and(|item| has_ticket(&item));
        let mut turn = None;
        if self.shares_ticket() && !has_one() {
            let mine = core.turn_to_ask(path).await;
            // Who had the turn before may have brought one.
            turn = Some(mine).filter(|_| !has_one());
        }
        let mut found = core.find(cx, path, core.settings.index_ttl).await?;
        // Later than the walk, whose answers know less.
        let mut asked = Instant::now();
        // The walk to a file may tell its download URL.
        turn = turn.filter(|_| !found.item.as_ref().is_some_and(|item| has_ticket(item)));
        let download = match self.ask(&found, range.clone()).await {
            Err(error) if error.kind() == ErrorKind::NotFound && found.remembered => {
                core.doubt(&found);
                found = core.find_anew(cx, path).await?;
                asked = Instant::now();
                self.ask(&found, range).await?
            }
            download => download?,
        };
        self.keep(&found, &download, asked);
        drop(turn);
        self.check_size(&found, &download).await?;
        let version = Version::of(&found, &download);
        Ok((download, version))
    }

    fn is_checked(&self) -> bool {
        self.core.checked_reads.load(Ordering::Relaxed)
    }

    /// Compares the size of the file that the bytes are of with the item's.
    ///
    /// # Errors
    /// `Unexpected` if the item, requested now, has another one.
    async fn check_size(&self, found: &Found, download: &Download) -> Result<()> {
        let known = download.item.as_deref().or(found.item.as_deref());
        let differs = |item: &Item| item.size.is_some_and(|size| size != download.total);
        if !known.is_some_and(differs) || !self.is_checked() {
            return Ok(());
        }
        let conditions = Conditions::default();
        let now = self.core.drive.item(&self.cx, &found.place, &conditions).await?;
        let Some(size) = now.size.filter(|_| differs(&now)) else { return Ok(()) };
        let text = format!("{} bytes came of a file that has {size}", download.total);
        if self.core.drive.may_rewrite_content(&now) {
            tracing::warn!(name = now.name, "{text}: the cloud rewrites files of this type");
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unexpected, text))
    }

    /// Whether the download URL that one range has got serves the next one.
    fn shares_ticket(&self) -> bool {
        let remembers = !self.core.settings.index_ttl.is_zero();
        self.core.capabilities().download_urls
            && remembers
            && self.conditions == Conditions::default()
    }

    async fn ask(&self, found: &Found, range: ByteRange) -> Result<Download> {
        let known = found.item.as_deref();
        match known.map(|item| item.kind) {
            Some(ItemKind::Folder) => {
                return Err(Error::new(ErrorKind::IsAFolder, "a folder has no bytes to read"));
            }
            Some(ItemKind::Opaque) => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "this item is neither file nor folder; the cloud gives no bytes of it",
                ));
            }
            Some(ItemKind::File) | None => {}
        }
        self.core
            .drive
            .download(
                &self.cx,
                DownloadRequest::new(&found.place)
                    .with_known(known)
                    .with_range(range)
                    .with_conditions(&self.conditions),
            )
            .await
    }

    /// What was learnt, above all the download URL that worked, serves the next range of the same file.
    fn keep(&self, found: &Found, download: &Download, asked: Instant) {
        let Some((folder, folded)) = &found.edge else { return };
        if let Some(item) = &download.item {
            let item = Arc::new(Item::clone(item));
            self.core.index.set(folder, folded.clone(), item, asked);
            return;
        }
        let Some(download_url) = &download.download_url else { return };
        let Some(item) = &found.item else { return };
        if item.download_url.as_ref().is_some_and(|known| known.url == download_url.url) {
            return;
        }
        let item = Item { download_url: Some(download_url.clone()), ..Item::clone(item) };
        self.core.index.renew(folder, folded, Arc::new(item));
    }

    /// The rest of a file that is still the same one.
    async fn rest(&self, version: &Version, range: Range<u64>) -> Result<Download> {
        let (core, cx) = (&self.core, &self.cx);
        let path = self.path.as_ref().map_err(Clone::clone)?;
        let wanted = ByteRange::Span(range.clone());
        let download = match (&version.item, &version.etag) {
            (Some(was), _) => {
                let (found, item) = core.look(cx, path, &self.conditions).await?;
                was.check(&item)?;
                let asked = Instant::now();
                let place = &found.place;
                let conditions = &self.conditions;
                let download = core
                    .drive
                    .download(
                        cx,
                        DownloadRequest::new(place)
                            .with_known(&item)
                            .with_range(wanted)
                            .with_conditions(conditions),
                    )
                    .await?;
                self.keep(&found, &download, asked);
                download
            }
            (None, etag) => {
                let found = core.find(cx, path, core.settings.index_ttl).await?;
                let conditions = Conditions { if_match: etag.clone(), ..self.conditions.clone() };
                let known = found.item.as_deref();
                core.drive
                    .download(
                        cx,
                        DownloadRequest::new(&found.place)
                            .with_known(known)
                            .with_range(wanted)
                            .with_conditions(&conditions),
                    )
                    .await?
            }
        };
        match download.total == version.total && download.range == range {
            true => Ok(download),
            false => Err(changed(format!(
                "it had {} bytes, and has {} now",
                version.total, download.total
            ))),
        }
    }
}

fn has_ticket(item: &Item) -> bool {
    let holds = |expires| expires > Timestamp::now();
    item.download_url.as_ref().is_some_and(|download_url| download_url.expires.is_none_or(holds))
}

/// Which version of a file is being read.
struct Version {
    total: u64,
    /// What was known of it before, or told with its bytes.
    item: Option<Facts>,
    etag: Option<String>,
}

/// What does not change in an item as long as its bytes do not.
struct Facts {
    id: ItemId,
    etag: Option<String>,
    size: Option<u64>,
    modified: Option<Timestamp>,
}

impl Version {
    fn of(found: &Found, download: &Download) -> Self {
        let item = download.item.as_deref().or(found.item.as_deref()).map(|item| Facts {
            id: item.id.clone(),
            etag: item.etag.clone().or_else(|| download.etag.clone()),
            size: Some(download.total),
            modified: item.modified,
        });
        Self { total: download.total, item, etag: download.etag.clone() }
    }

    /// Whether another version would be known for one.
    fn is_known(&self) -> bool {
        self.item.is_some() || self.etag.is_some()
    }
}

impl Facts {
    /// # Errors
    /// `Condition` for an item with other bytes.
    fn check(&self, now: &Item) -> Result<()> {
        fn differ<T: PartialEq>(before: Option<&T>, now: Option<&T>) -> bool {
            matches!((before, now), (Some(before), Some(now)) if before != now)
        }
        let has_etags = self.etag.is_some() && now.etag.is_some();
        let what = if self.id != now.id {
            "another file has its name now"
        } else if differ(self.etag.as_ref(), now.etag.as_ref()) {
            "it has another etag now"
        } else if differ(self.size.as_ref(), now.size.as_ref()) {
            "it has another size now"
        } else if !has_etags && differ(self.modified.as_ref(), now.modified.as_ref()) {
            "it was modified"
        } else {
            return Ok(());
        };
        Err(changed(what.to_owned()))
    }
}

fn changed(what: String) -> Error {
    Error::new(
        ErrorKind::ConditionNotMatch,
        format!("the file was changed while it was read: {what}"),
    )
}

impl oio::Read for DriveReader {
    async fn open(
        &self,
        range: BytesRange,
    ) -> opendal::Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let (reply, stream) = self.stream(range).await.map_err(to_opendal)?;
        Ok((reply, Box::new(stream)))
    }

    async fn read(&self, range: BytesRange) -> opendal::Result<(RpRead, Buffer)> {
        let (reply, mut stream) = self.stream(range).await.map_err(to_opendal)?;
        let mut pieces = Vec::new();
        while let Some(piece) = stream.next().await.map_err(to_opendal)? {
            pieces.extend(piece);
        }
        let bytes = Buffer::from(pieces);
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
pub struct DriveStream {
    file: Arc<File>,
    version: Version,
    /// Where in the file it began.
    begun: u64,
    /// Which bytes are still to come.
    left: Range<u64>,
    flow: Flow,
    /// Bodies in a row that brought nothing.
    in_vain: u32,
    /// Compares the bytes of a whole file with its hash.
    check: Option<Box<dyn ContentCheck>>,
    /// Bytes of the requested range that the file does not have; `None` if it was open-ended.
    missing: Option<u64>,
}

enum Flow {
    Open(ByteStream),
    /// The next call goes on.
    Broken,
    /// The end; with what went wrong, for good.
    Ended(Option<Error>),
}

impl DriveStream {
    /// The next bytes; `None` when there are no more.
    async fn next(&mut self) -> Result<Option<Buffer>> {
        loop {
            let bytes = match &mut self.flow {
                Flow::Ended(None) => return Ok(None),
                Flow::Ended(Some(error)) => return Err(error.clone()),
                Flow::Open(bytes) => bytes,
                Flow::Broken => {
                    let rest = self.file.rest(&self.version, self.left.clone()).await;
                    match rest {
                        Ok(download) => self.flow = Flow::Open(download.bytes),
                        Err(error) if error.is_temporary() => return Err(error),
                        Err(error) => self.flow = Flow::Ended(Some(error)),
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
                    self.left.start += piece.len() as u64;
                    self.in_vain = 0;
                    return Ok(Some(piece));
                }
                None => self.flow = Flow::Ended(self.judged().await.err()),
                // They are not what they should be, and were given away.
                Some(Err(error)) if !error.is_temporary() || self.left.is_empty() => {
                    self.flow = Flow::Ended(Some(error));
                }
                Some(Err(error)) if !self.version.is_known() => {
                    self.flow = Flow::Ended(Some(error.clone()));
                    return Err(error);
                }
                Some(Err(error)) => {
                    self.flow = Flow::Broken;
                    if self.left.start == self.begun || self.in_vain == IN_VAIN_MAX {
                        self.in_vain = 0;
                        return Err(error);
                    }
                    self.in_vain += 1;
                }
            }
        }
    }
}

impl DriveStream {
    /// Decides whether the end of the bytes is the end of what was requested.
    async fn judged(&mut self) -> Result<()> {
        if !self.left.is_empty() {
            let missing = self.left.end - self.left.start;
            let text = format!("the bytes ended {missing} bytes early");
            return Err(Error::new(ErrorKind::Unexpected, text));
        }
        if let Some(missing @ 1..) = self.missing {
            let text = format!("the file ends {missing} bytes before the range does");
            return Err(Error::new(ErrorKind::RangeNotSatisfied, text));
        }
        match self.check.take() {
            Some(check) => check.finish().await,
            None => Ok(()),
        }
    }
}

impl oio::ReadStream for DriveStream {
    async fn read(&mut self) -> opendal::Result<Buffer> {
        match self.next().await {
            Ok(bytes) => Ok(bytes.unwrap_or_default()),
            // All bytes were given away, so nothing is left that could be asked for again.
            Err(error) if self.left.is_empty() => Err(to_opendal(error.with_retry(Retry::No))),
            Err(error) => Err(to_opendal(error)),
        }
    }
}
