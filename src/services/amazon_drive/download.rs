//! Downloads, in ranges that the cloud serves; the download of a whole file is checked by its MD5.

use std::{ops::Range, sync::Arc};

use ::md5::{Digest, Md5};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use opendal::Buffer;

use super::{
    client::Client,
    item::{check_conditions, from_node},
    md5::{Md5Sum, md5_of, to_hex},
};
use crate::{
    drive::{
        ByteRange, ByteStream, Conditions, ContentCheck, Context, Download, Error, ErrorKind, Item,
        ItemId, Result, Retry,
    },
    transport::sync_stream,
};

/// Maximum number of bytes of one request: acdcli's value, because the cloud did not serve more
/// than about 10 GiB at once (amazon-drive#max-download-size, amazon-drive#acdcli-constants).
const RANGE_MAX: u64 = 500 << 20;

/// The download of one file.
#[derive(Clone)]
pub(super) struct NodeDownload {
    client: Arc<Client>,
    cx: Context,
    id: ItemId,
    /// Maximum number of bytes of one request.
    range_max: u64,
    /// Whether the content of the whole file is hashed.
    is_checked: bool,
}

impl NodeDownload {
    /// Creates a download of the file `id`, with requests of at most [`RANGE_MAX`] bytes.
    pub(super) fn new(client: &Arc<Client>, cx: &Context, id: &ItemId, is_checked: bool) -> Self {
        let (client, cx, id) = (Arc::clone(client), cx.clone(), id.clone());
        Self { client, cx, id, range_max: RANGE_MAX, is_checked }
    }

    /// Limits each request to `range_max` bytes.
    #[cfg(test)]
    pub(super) fn with_range_max(self, range_max: u64) -> Self {
        Self { range_max, ..self }
    }

    /// Starts the download. The stream sends further requests for a range longer than `range_max`.
    ///
    /// `known` is the file's item, if the caller has one. The check compares the MD5 of the whole
    /// file with that of the item.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist, `ConditionNotMatch` if a condition is not met,
    /// `IsAFolder` for a folder, `RangeNotSatisfied` if the range begins after the end, and
    /// [request errors](crate::drive::Error#request-errors).
    pub(super) async fn start(
        self,
        known: Option<&Item>,
        range: ByteRange,
        conditions: &Conditions,
    ) -> Result<Download> {
        // A request for content supports neither conditions nor, as far as known, suffix ranges.
        let needs_item = conditions != &Conditions::default()
            || matches!(range, ByteRange::Last(_)) && known.and_then(|known| known.size).is_none();
        let current = if needs_item { Some(self.item().await?) } else { None };
        if let Some(current) = &current {
            check_conditions(conditions, current)?;
        }
        let known = current.as_ref().or(known);
        if known.is_some_and(Item::is_folder) {
            return Err(Error::new(ErrorKind::IsAFolder, "a folder has no content"));
        }
        let size = known.and_then(|known| known.size);
        let mut download = self.request(&range, size).await?;
        // The caller's item may be older than the content; only a current one has its etag.
        download.etag = current.as_ref().and_then(|current| current.etag.clone());
        if self.is_checked
            && download.range == (0..download.total)
            && let Some(expected) = known.and_then(md5_of)
        {
            let responses = download.total.div_ceil(self.range_max);
            let check = Md5Check { file: self, md5: Md5::new(), expected, responses };
            download.check = Some(Box::new(check));
        }
        Ok(download)
    }

    /// Requests the current item of the file.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; [request errors](crate::drive::Error#request-errors).
    async fn item(&self) -> Result<Item> {
        Ok(from_node(self.client.node(&self.cx, self.id.as_str(), false).await?))
    }

    /// Sends the first request, and further ones if the response shows another size or the file is
    /// empty. `size` is the size of the file in bytes, if it is known. Longer ranges are completed
    /// by the stream.
    ///
    /// # Errors
    /// `RangeNotSatisfied` if the range begins after the end, `NotFound` if the file does not
    /// exist; [request errors](crate::drive::Error#request-errors).
    async fn request(&self, range: &ByteRange, size: Option<u64>) -> Result<Download> {
        let Some(first) = self.first_span(range, size) else {
            let range = match range {
                // The cloud rejects every range of an empty file.
                ByteRange::Last(_) => &ByteRange::Full,
                range => range,
            };
            return self.get(range, size).await;
        };
        let mut download = match self.get(&ByteRange::Span(first.clone()), size).await {
            Err(error) if error.kind() == ErrorKind::RangeNotSatisfied && first.start == 0 => {
                return self.get(&ByteRange::Full, size).await;
            }
            download => download?,
        };
        if let ByteRange::Last(count) = range
            && Some(download.total) != size
        {
            // The file has another size now, and its last bytes another offset.
            let total = download.total;
            let start = total.saturating_sub(*count);
            let span = start..total.min(start.saturating_add(self.range_max));
            download = self.get(&ByteRange::Span(span), Some(total)).await?;
        }
        let end = match range {
            ByteRange::Span(span) => span.end.min(download.total),
            ByteRange::Full | ByteRange::From(_) | ByteRange::Last(_) => download.total,
        };
        if download.range.end < end {
            let rest = download.range.end..end;
            download.range.end = end;
            download.bytes = self.clone().followed_by(download.bytes, rest, download.total);
        }
        Ok(download)
    }

    /// Returns the bytes of the first request (end exclusive). `None` if one request with `range`
    /// is enough: it has at most `range_max` bytes, or `Last` of a file whose size is 0 or not
    /// known. `size` is the size of the file in bytes, if it is known.
    fn first_span(&self, range: &ByteRange, size: Option<u64>) -> Option<Range<u64>> {
        let wanted = match range {
            ByteRange::Full => 0..size.unwrap_or(u64::MAX),
            ByteRange::From(start) => *start..size.unwrap_or(u64::MAX).max(*start),
            ByteRange::Span(span) => span.clone(),
            ByteRange::Last(count) => {
                let size = size?;
                size.saturating_sub(*count)..size
            }
        };
        let is_short = wanted.end.saturating_sub(wanted.start) <= self.range_max;
        match range {
            ByteRange::Full | ByteRange::From(_) | ByteRange::Span(_) if is_short => None,
            ByteRange::Last(_) if wanted.end == 0 => None,
            _ => Some(wanted.start..wanted.end.min(wanted.start.saturating_add(self.range_max))),
        }
    }

    /// Sends one request for a range. `size` is the size of the file in bytes, if it is known.
    ///
    /// # Errors
    /// Those of [`Client::download`].
    async fn get(&self, range: &ByteRange, size: Option<u64>) -> Result<Download> {
        self.client.download(&self.cx, self.id.as_str(), range, size).await
    }

    /// Returns `bytes` followed by the range `rest` of the file (end exclusive), which must keep
    /// its size `total` in bytes. If the size changes, the last element is a temporary `Unexpected`
    /// error; otherwise errors are those of [`get`](Self::get) and of the streams.
    fn followed_by(self, bytes: ByteStream, rest: Range<u64>, total: u64) -> ByteStream {
        sync_stream(stream::unfold(Some((bytes, rest)), move |state| {
            let file = self.clone();
            async move {
                let (mut bytes, mut rest) = state?;
                loop {
                    match bytes.next().await {
                        Some(Ok(chunk)) => return Some((Ok(chunk), Some((bytes, rest)))),
                        Some(Err(error)) => return Some((Err(error), None)),
                        None if rest.is_empty() => return None,
                        None => {}
                    }
                    let end = rest.end.min(rest.start.saturating_add(file.range_max));
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

    /// Decides whether received bytes with the MD5 `received` are a version of the file, in
    /// `responses` responses.
    ///
    /// The MD5 `known` may be older than the content, so the drive requests the current item before
    /// it reports an error. The MD5 of a version between the two is unknown: one response is a
    /// complete version, but several responses may be a mixture of versions.
    ///
    /// # Errors
    /// A temporary `Unexpected` error if the content is damaged or mixed; those of
    /// [`item`](Self::item).
    async fn check(self, received: Md5Sum, known: Md5Sum, responses: u64) -> Result<()> {
        if received == known {
            return Ok(());
        }
        let current = self.item().await?;
        let sum = md5_of(&current);
        if sum == Some(received) || (sum != Some(known) && responses == 1) {
            return Ok(());
        }
        let text = format!(
            "the content is damaged, or was changed during the download: its MD5 is {}, the cloud \
             has {}",
            to_hex(&received),
            current.etag.as_deref().unwrap_or("none")
        );
        Err(Error::new(ErrorKind::Unexpected, text).with_retry(Retry::Again { after: None }))
    }
}

/// Compares the MD5 of a whole file with that of its item.
struct Md5Check {
    file: NodeDownload,
    /// Hash of the bytes so far.
    md5: Md5,
    expected: Md5Sum,
    /// Number of responses that the content consists of.
    responses: u64,
}

#[async_trait]
impl ContentCheck for Md5Check {
    /// Adds received bytes to the hash, in their order.
    fn update(&mut self, bytes: &Buffer) {
        for chunk in bytes.clone() {
            self.md5.update(chunk);
        }
    }

    /// Compares the MD5 of all bytes with that of the file.
    ///
    /// # Errors
    /// Those of [`NodeDownload::check`].
    async fn finish(self: Box<Self>) -> Result<()> {
        self.file.check(self.md5.finalize().into(), self.expected, self.responses).await
    }
}

/// Returns the temporary `Unexpected` error for a file whose size changed from `before` to `now`
/// bytes.
fn changed(before: u64, now: u64) -> Error {
    let text =
        format!("the file changed during the download: it had {before} bytes, now it has {now}");
    Error::new(ErrorKind::Unexpected, text).with_retry(Retry::Again { after: None })
}
