//! Download of files, and the requests for items that precede it.

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use opendal::Buffer;

use super::{
    AccountKind, QuickXor,
    address::{Address, ParsedId, Shortcut, is_shortcut_id},
    item,
    state::GraphDrive,
    verify::may_be_rewritten,
};
use crate::{
    drive::{
        Conditions, ContentCheck, Context, Download, DownloadRequest, DownloadUrl, Error,
        ErrorKind, HashKind, Item, ItemKind, ItemRef, Result,
    },
    services::url_refresher::as_conflict,
};

/// Statuses of an expired download URL (onedrive-graph#download-expired-url). The host responds
/// with the same statuses if the account may not read the file; a request with a new download URL
/// then fails too.
const URL_EXPIRED: [u16; 4] = [401, 403, 404, 410];

/// Requests an item, and checks the conditions.
///
/// # Errors
/// `NotFound` if the item does not exist, `DriveNotFound` if the drive does not,
/// `ConditionNotMatch` if `if_match` differs from the etag or `if_none_match` equals it; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn get_item(
    drive: &GraphDrive,
    cx: &Context,
    address: &Address,
    conditions: &Conditions,
) -> Result<Item> {
    let wire = match drive.client.item(cx, address, conditions.if_none_match.as_deref()).await {
        Ok(wire) => wire,
        Err(error) => return Err(drive.item_error(cx, address, error).await),
    };
    drive.note_reachable();
    let item = item::from_response(wire, drive.foreign_drive(address))?;
    // Graph evaluates `If-None-Match` but not `If-Match`, and some hosts evaluate neither
    // (onedrive-graph#if-none-match).
    let matches = |etag: &String| etag == "*" || item.etag.as_ref() == Some(etag);
    if !conditions.if_match.as_ref().is_none_or(matches) {
        let text = "cannot read the item: its etag does not match";
        return Err(Error::new(ErrorKind::ConditionNotMatch, text));
    }
    if conditions.if_none_match.as_ref().is_some_and(matches) {
        return Err(Error::new(ErrorKind::ConditionNotMatch, "the item has not changed"));
    }
    Ok(item)
}

/// Downloads bytes of a file.
///
/// This is one request if `known` has a valid download URL, and two otherwise: an item request
/// costs as much as the redirect of `/content`, and returns the etag and a download URL for the
/// next range. The hash of a whole file is verified.
///
/// # Errors
/// * `NotFound` if the file does not exist, `DriveNotFound` if the drive does not.
/// * `ConditionNotMatch` if `if_match` differs from the etag or `if_none_match` equals it.
/// * `IsAFolder` for a folder, `Unsupported` for an item that is neither a file nor a folder.
/// * `RangeNotSatisfied` if the range begins after the end of the file.
/// * `Conflict` if the file was replaced between two requests.
/// * [Request errors](crate::drive::Error#request-errors).
pub(super) async fn download(
    drive: &GraphDrive,
    cx: &Context,
    request: &DownloadRequest<'_>,
) -> Result<Download> {
    let (mut download, received_etag) = open(drive, cx, request).await?;
    let item = download.item.as_deref().or(request.known);
    let hash = item.and_then(|item| Some((item, quick_xor(item)?)));
    if let Some((item, expected)) = hash
        && download.range == (0..download.total)
    {
        download.check = Some(Box::new(HashCheck {
            drive: drive.clone(),
            cx: cx.clone(),
            file: ItemRef::from_id(&item.id),
            expected,
            known_etag: item.etag.clone(),
            received_etag,
            hash: QuickXor::new(),
        }));
    }
    Ok(download)
}

/// Compares the hash of a downloaded file with that of its item.
struct HashCheck {
    drive: GraphDrive,
    cx: Context,
    file: ItemRef,
    /// The hash from the item, as it was known before the download.
    expected: [u8; 20],
    /// The etag of that item.
    known_etag: Option<String>,
    /// The etag in the response to the download. A URL of Graph is one of the item, not of a version
    /// (onedrive-graph#graph-content-urls): its bytes may be newer than the known item.
    received_etag: Option<String>,
    /// Hash of the bytes so far.
    hash: QuickXor,
}

#[async_trait]
impl ContentCheck for HashCheck {
    /// Adds received bytes to the hash, in their order.
    fn update(&mut self, bytes: &Buffer) {
        for piece in bytes.clone() {
            self.hash.update(&piece);
        }
    }

    /// Compares the hashes. The known item may be older than the content, so a difference is an
    /// error only if the current item has another hash too. Bytes of a version between them cannot be
    /// compared; their response has an etag of neither.
    ///
    /// # Errors
    /// `Unexpected` if the hashes differ and SharePoint does not rewrite such files; those of the
    /// request for the current item.
    async fn finish(self: Box<Self>) -> Result<()> {
        let received = self.hash.finish();
        if received == self.expected {
            return Ok(());
        }
        let address = self.drive.address(&self.cx, &self.file, Shortcut::Keep).await?;
        let current = get_item(&self.drive, &self.cx, &address, Conditions::NONE).await?;
        let Some(expected) = quick_xor(&current).filter(|hash| *hash != received) else {
            return Ok(());
        };
        let is_neither = |etag: &String| {
            self.known_etag.as_ref() != Some(etag) && current.etag.as_ref() != Some(etag)
        };
        let is_in_between =
            current.etag != self.known_etag && self.received_etag.as_ref().is_some_and(is_neither);
        if is_in_between {
            return Ok(());
        }
        let (received, expected) =
            (BASE64_STANDARD.encode(received), BASE64_STANDARD.encode(expected));
        if may_rewrite_content(&self.drive, &current) {
            tracing::warn!(
                name = current.name,
                "cannot verify the download, because SharePoint rewrites files of this type: \
                 received quickXorHash {received}, expected {expected}"
            );
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unexpected,
            format!(
                "cannot verify the download: received quickXorHash {received}, expected \
                 {expected}; the data was damaged in transit, or the file changed during the \
                 download"
            ),
        ))
    }
}

/// Returns the item's quickXorHash, or `None` if the cloud reports none.
fn quick_xor(item: &Item) -> Option<[u8; 20]> {
    let (_, hash) = item.hashes.iter().find(|(kind, _)| *kind == HashKind::QuickXor)?;
    hash.as_ref().try_into().ok()
}

/// Returns whether SharePoint may have changed the content of a file, so that size and hash of the
/// item do not describe it.
pub(super) fn may_rewrite_content(drive: &GraphDrive, file: &Item) -> bool {
    !drive.kind.is_some_and(AccountKind::is_personal) && may_be_rewritten(&file.name)
}

/// Starts the download, by the known download URL or after a request for the item. Replaces an
/// expired download URL. Also returns the etag of the response with the bytes; `None` if it has none.
///
/// # Errors
/// Those of [`download`].
async fn open(
    drive: &GraphDrive,
    cx: &Context,
    request: &DownloadRequest<'_>,
) -> Result<(Download, Option<String>)> {
    let DownloadRequest { file, known, range, conditions, .. } = request;
    // The host of a download URL does not know the item's etag, so conditions need an item request.
    let known = known.filter(|_| *conditions == Conditions::NONE);
    let mut expired = None;
    if let Some((known, url)) = known.and_then(|item| Some((item, item.download_url.as_ref()?))) {
        match drive.client.download(cx, url, range, known.size).await {
            Ok(download) => {
                // The content may be newer than `known`, unless the host confirms the etag.
                let received = download.etag.clone();
                let etag = download.etag.filter(|etag| known.etag.as_ref() == Some(etag));
                return Ok((Download { etag, ..download }, received));
            }
            Err(error) if error.status().is_some_and(|status| URL_EXPIRED.contains(&status)) => {
                expired = Some((&known.id, url));
            }
            Err(error) => return Err(error),
        }
    }
    let address = drive.address(cx, file, Shortcut::Follow).await?;
    let current = get_item(drive, cx, &address, conditions);
    let item = match expired {
        Some((id, expired)) => {
            let is_fresh = |item: &Item| {
                item.download_url.as_ref().is_some_and(|fresh| fresh.url != expired.url)
            };
            drive.url_refresher.refresh(id, is_fresh, current).await?
        }
        None => current.await?,
    };
    check_has_content(item.kind)?;
    let is_entry = !is_shortcut_id(file);
    let (address, download_url) = content_source(drive, cx, address, &item).await?;
    let download = match &download_url {
        Some(url) => drive.client.download(cx, url, range, item.size).await.map_err(as_conflict)?,
        // Malware has no download URL. The response to this request explains that.
        None => drive.client.content(cx, &address, range, item.size).await?,
    };
    let (received, etag) = (download.etag.clone(), item.etag.clone());
    let known = is_entry.then(|| Box::new(Item { download_url, ..item }));
    Ok((Download { etag, item: known, ..download }, received))
}

/// Checks that an item of this kind has content.
///
/// # Errors
/// `IsAFolder` for a folder, `Unsupported` for an opaque item.
pub(super) fn check_has_content(kind: ItemKind) -> Result<()> {
    match kind {
        ItemKind::File => Ok(()),
        ItemKind::Folder => {
            Err(Error::new(ErrorKind::IsAFolder, "cannot read the item: it is a folder"))
        }
        ItemKind::Opaque => Err(Error::new(
            ErrorKind::Unsupported,
            "cannot read the item: it is neither a file nor a folder (is it a OneNote notebook?)",
        )),
    }
}

/// Returns the address and the download URL of an item's content. `item` is the item at `address`.
///
/// A shortcut that was addressed by its path has no download URL; its target is requested. The URL
/// is `None` if the file has none.
///
/// # Errors
/// Those of [`get_item`] for the target of a shortcut.
pub(super) async fn content_source(
    drive: &GraphDrive,
    cx: &Context,
    address: Address,
    item: &Item,
) -> Result<(Address, Option<DownloadUrl>)> {
    if item.download_url.is_some() || !ParsedId::parse(&item.id).is_shortcut() {
        return Ok((address, item.download_url.clone()));
    }
    let address = drive.address(cx, &ItemRef::from_id(&item.id), Shortcut::Follow).await?;
    let target = get_item(drive, cx, &address, Conditions::NONE).await?;
    Ok((address, target.download_url))
}
