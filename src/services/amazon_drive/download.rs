//! Downloads: in ranges that the cloud gives, checked where the whole file goes by.

use std::{ops::Range, sync::Arc};

use ::md5::{Digest, Md5};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use opendal::Buffer;

use super::{client::Client, drive::item_of, md5};
use crate::{
    drive::{
        ByteRange, ByteStream, Conditions, ContentCheck, Context, Download, Error, ErrorKind,
        HashKind, Item, ItemId, Result, Retry,
    },
    transport::exclusive,
};

/// Most bytes of one request: what acdcli asked for at a time, since more than some 10 GiB at once
/// were not given (amazon-drive#max-download-size, amazon-drive#acdcli-constants).
const RANGE_MAX: u64 = 500 << 20;

/// A file being read.
#[derive(Clone)]
pub(super) struct Reading {
    client: Arc<Client>,
    cx: Context,
    id: ItemId,
    /// Most bytes of one request.
    most: u64,
    /// Whether what arrives of a whole file is hashed.
    checked: bool,
}

impl Reading {
    /// Of the file with that id.
    pub(super) fn of(client: &Arc<Client>, cx: &Context, id: &ItemId) -> Self {
        let (client, cx, id) = (Arc::clone(client), cx.clone(), id.clone());
        Self { client, cx, id, most: RANGE_MAX, checked: true }
    }

    /// The same, with so many bytes in one request at most.
    #[cfg(test)]
    pub(super) fn by(self, most: u64) -> Self {
        Self { most, ..self }
    }

    /// The same, with what arrives hashed or not.
    pub(super) fn checked(self, checked: bool) -> Self {
        Self { checked, ..self }
    }

    /// Its bytes. A range longer than [`RANGE_MAX`] goes on with another request inside the stream.
    /// The whole file is hashed on its way, unless that is not wanted.
    pub(super) async fn download(
        self,
        known: Option<&Item>,
        range: ByteRange,
        conditions: &Conditions,
    ) -> Result<Download> {
        let looked = match (conditions == &Conditions::default(), &range) {
            // No request with bytes takes a condition, and none has been seen to take a suffix.
            (false, _) => Some(self.look().await?),
            (true, ByteRange::Last(_)) if known.and_then(|known| known.size).is_none() => {
                Some(self.look().await?)
            }
            _ => None,
        };
        if let Some(looked) = &looked {
            holds(conditions, looked)?;
        }
        let known = looked.as_ref().or(known);
        if known.is_some_and(Item::is_folder) {
            return Err(Error::new(ErrorKind::IsAFolder, "a folder has no bytes"));
        }
        let size = known.and_then(|known| known.size);
        let mut download = self.begin(&range, size).await?;
        // Equal to what was known a moment before; what was known earlier may be the name of other
        // bytes by now.
        download.etag = looked.as_ref().and_then(|looked| looked.etag.clone());
        if self.checked
            && download.range == (0..download.total)
            && let Some(sum) = known.and_then(md5_of)
        {
            let answers = download.total.div_ceil(self.most);
            download.check = Some(Box::new(Check { file: self, md5: Md5::new(), sum, answers }));
        }
        Ok(download)
    }

    async fn look(&self) -> Result<Item> {
        Ok(item_of(self.client.node(&self.cx, self.id.as_str(), false).await?))
    }

    /// The first request, and what it needs of others.
    async fn begin(&self, range: &ByteRange, size: Option<u64>) -> Result<Download> {
        let Some(first) = self.first(range, size) else {
            let range = match range {
                // No part of an empty file can be asked for.
                ByteRange::Last(_) => &ByteRange::Full,
                range => range,
            };
            return self.get(range, size).await;
        };
        let mut download = match self.get(&ByteRange::Span(first.clone()), size).await {
            // The beginning of an empty file cannot be asked for as a range.
            Err(error) if error.kind() == ErrorKind::RangeNotSatisfied && first.start == 0 => {
                return self.get(&ByteRange::Full, size).await;
            }
            download => download?,
        };
        if let ByteRange::Last(count) = range
            && Some(download.total) != size
        {
            // The file has another size by now, so its last bytes are elsewhere.
            let total = download.total;
            let first = total.saturating_sub(*count)..total;
            let first = first.start..first.end.min(first.start.saturating_add(self.most));
            download = self.get(&ByteRange::Span(first), Some(total)).await?;
        }
        let end = match range {
            ByteRange::Span(span) => span.end.min(download.total),
            ByteRange::Full | ByteRange::From(_) | ByteRange::Last(_) => download.total,
        };
        if download.range.end < end {
            let rest = download.range.end..end;
            download.range.end = end;
            download.bytes = self.clone().continued(download.bytes, rest, download.total);
        }
        Ok(download)
    }

    /// The bytes to ask for first; `None`: all that is wanted, in the caller's own words.
    fn first(&self, range: &ByteRange, size: Option<u64>) -> Option<Range<u64>> {
        let wanted = match range {
            ByteRange::Full => 0..size.unwrap_or(u64::MAX),
            ByteRange::From(start) => *start..size.unwrap_or(u64::MAX).max(*start),
            ByteRange::Span(span) => span.clone(),
            ByteRange::Last(count) => {
                let size = size?;
                size.saturating_sub(*count)..size
            }
        };
        let short = wanted.end.saturating_sub(wanted.start) <= self.most;
        match range {
            ByteRange::Full | ByteRange::From(_) | ByteRange::Span(_) if short => None,
            ByteRange::Last(_) if wanted.end == 0 => None,
            _ => Some(wanted.start..wanted.end.min(wanted.start.saturating_add(self.most))),
        }
    }

    async fn get(&self, range: &ByteRange, size: Option<u64>) -> Result<Download> {
        self.client.download(&self.cx, self.id.as_str(), range, size).await
    }

    /// `bytes`, and after them `rest`, request by request.
    fn continued(self, bytes: ByteStream, rest: Range<u64>, total: u64) -> ByteStream {
        exclusive(stream::unfold(Some((bytes, rest)), move |state| {
            let file = self.clone();
            async move {
                let (mut bytes, mut rest) = state?;
                loop {
                    match bytes.next().await {
                        Some(Ok(piece)) => return Some((Ok(piece), Some((bytes, rest)))),
                        Some(Err(error)) => return Some((Err(error), None)),
                        None if rest.is_empty() => return None,
                        None => {}
                    }
                    let end = rest.end.min(rest.start.saturating_add(file.most));
                    match file.get(&ByteRange::Span(rest.start..end), Some(total)).await {
                        Ok(next) if next.total == total && next.range == (rest.start..end) => {
                            (bytes, rest.start) = (next.bytes, end);
                        }
                        Ok(next) => return Some((Err(changed(total, next.total)), None)),
                        Err(error) => return Some((Err(error), None)),
                    }
                }
            }
        }))
    }

    /// Whether what arrived is the file. What was known of it may be older than it, so before it is
    /// called damaged the cloud is asked. Of a version between the two nobody tells the hash: one
    /// that came in one answer is whole, and one that came in several may be a mixture.
    async fn judge(self, arrived: md5::Md5Sum, known: md5::Md5Sum, answers: u64) -> Result<()> {
        if arrived == known {
            return Ok(());
        }
        let now = self.look().await?;
        let sum = md5_of(&now);
        if sum == Some(arrived) || (sum != Some(known) && answers == 1) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unexpected,
            format!(
                "bytes with the MD5 {} arrived of a file that has {}: damaged on the way, or \
                 changed while they were read",
                md5::to_hex(&arrived),
                now.etag.as_deref().unwrap_or("none")
            ),
        )
        .with_retry(Retry::Again { after: None }))
    }
}

/// Compares the MD5 of a whole file with the one that was known before.
struct Check {
    file: Reading,
    /// Of the bytes so far.
    md5: Md5,
    sum: md5::Md5Sum,
    /// In how many responses the file arrives.
    answers: u64,
}

#[async_trait]
impl ContentCheck for Check {
    fn update(&mut self, bytes: &Buffer) {
        for piece in bytes.clone() {
            self.md5.update(piece);
        }
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.file.judge(self.md5.finalize().into(), self.sum, self.answers).await
    }
}

/// Compares an item's etag with what a caller wants of it.
///
/// # Errors
/// `Condition`, if it is not so.
pub(super) fn holds(conditions: &Conditions, item: &Item) -> Result<()> {
    let is = |wanted: &str| item.etag.as_deref() == Some(wanted.trim_matches('"'));
    if conditions.if_match.as_deref().is_some_and(|wanted| !is(wanted)) {
        return Err(Error::new(
            ErrorKind::ConditionNotMatch,
            "the file has other bytes than wanted",
        ));
    }
    if conditions.if_none_match.as_deref().is_some_and(is) {
        return Err(Error::new(
            ErrorKind::ConditionNotMatch,
            "the file has the bytes that are known",
        ));
    }
    Ok(())
}

fn md5_of(item: &Item) -> Option<md5::Md5Sum> {
    let (_, sum) = item.hashes.iter().find(|(kind, _)| *kind == HashKind::Md5)?;
    sum.as_ref().try_into().ok()
}

fn changed(before: u64, now: u64) -> Error {
    Error::new(
        ErrorKind::Unexpected,
        format!("the file has changed while it was read: {before} bytes before, {now} now"),
    )
    .with_retry(Retry::Again { after: None })
}
