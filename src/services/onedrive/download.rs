//! Bytes out, and the looks that go before them.

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use opendal::Buffer;

use super::{
    AccountKind, QuickXor,
    address::{Address, ParsedId, Side},
    drive::GraphDrive,
    item,
    verify::may_be_rewritten,
};
use crate::{
    drive::{
        ByteRange, Conditions, ContentCheck, Context, Download, Error, ErrorKind, HashKind, Item,
        ItemKind, ItemRef, Result,
    },
    services::renewals::overtaken,
};

/// What a download URL's host answers when the download URL has expired
/// (onedrive-graph#download-expired-url); also what it answers when the account may not read the
/// file, which a new download URL then tells.
const EXPIRED: [u16; 4] = [401, 403, 404, 410];

/// An item, if the conditions hold.
///
/// # Errors
/// `Condition` if they do not.
pub(super) async fn look(
    drive: &GraphDrive,
    cx: &Context,
    at: &Address,
    conditions: &Conditions,
) -> Result<Item> {
    let wire = match drive.client.item(cx, at, conditions.if_none_match.as_deref()).await {
        Ok(wire) => wire,
        Err(error) => return Err(drive.item_error(cx, at, error).await),
    };
    drive.note_seen();
    let item = item::item(wire, drive.drive_of(cx, at).await?)?;
    // The cloud compares `If-None-Match` and not `If-Match`, and some hosts neither
    // (onedrive-graph#if-none-match).
    let is = |etag: &String| etag == "*" || item.etag.as_ref() == Some(etag);
    if !conditions.if_match.as_ref().is_none_or(is) {
        return Err(Error::new(ErrorKind::ConditionNotMatch, "the item has another etag by now"));
    }
    if conditions.if_none_match.as_ref().is_some_and(is) {
        return Err(Error::new(ErrorKind::ConditionNotMatch, "the item still has this etag"));
    }
    Ok(item)
}

/// A file's bytes: one request with a download URL that still works, else two. A look that tells the
/// download URL costs as much as the redirect of `/content`, shows the etag, and serves the next range.
///
/// Of a whole file the hash is checked.
pub(super) async fn bytes(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
    known: Option<&Item>,
    range: ByteRange,
    conditions: &Conditions,
) -> Result<Download> {
    let mut download = opened(drive, cx, file, known, range, conditions).await?;
    let item = download.item.as_deref().or(known);
    let hash = item.and_then(|item| Some((item, quick_xor(item)?)));
    if let Some((item, expected)) = hash
        && download.range == (0..download.total)
    {
        let (drive, cx) = (drive.clone(), cx.clone());
        let place = ItemRef::from_id(&item.id);
        let hash = QuickXor::new();
        download.check = Some(Box::new(HashCheck { drive, cx, place, expected, hash }));
    }
    Ok(download)
}

/// Compares the hash of a whole file with the item's.
struct HashCheck {
    drive: GraphDrive,
    cx: Context,
    /// The file.
    place: ItemRef,
    /// The hash that was known before the bytes were requested.
    expected: [u8; 20],
    /// Of the bytes so far.
    hash: QuickXor,
}

#[async_trait]
impl ContentCheck for HashCheck {
    fn update(&mut self, bytes: &Buffer) {
        for piece in bytes.clone() {
            self.hash.update(&piece);
        }
    }

    /// What was known of the file may be older than its bytes: before they are called damaged the
    /// item is requested again.
    async fn finish(self: Box<Self>) -> Result<()> {
        let arrived = self.hash.finish();
        if arrived == self.expected {
            return Ok(());
        }
        let at = self.drive.at(&self.cx, &self.place, Side::Entry).await?;
        let now = look(&self.drive, &self.cx, &at, &Conditions::default()).await?;
        let Some(now_expected) = quick_xor(&now).filter(|hash| *hash != arrived) else {
            return Ok(());
        };
        let text = format!(
            "the bytes that came have the quickXorHash {}, the file has {}: damaged on the way, or \
             changed while they were read",
            BASE64_STANDARD.encode(arrived),
            BASE64_STANDARD.encode(now_expected)
        );
        if may_rewrite_content(&self.drive, &now) {
            tracing::warn!(name = now.name, "{text}: SharePoint rewrites files of this type");
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unexpected, text))
    }
}

fn quick_xor(item: &Item) -> Option<[u8; 20]> {
    let (_, hash) = item.hashes.iter().find(|(kind, _)| *kind == HashKind::QuickXor)?;
    hash.as_ref().try_into().ok()
}

/// Whether SharePoint may hold other bytes of a file than its size and hash say.
pub(super) fn may_rewrite_content(drive: &GraphDrive, file: &Item) -> bool {
    !drive.kind.is_some_and(AccountKind::is_personal) && may_be_rewritten(&file.name)
}

async fn opened(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
    known: Option<&Item>,
    range: ByteRange,
    conditions: &Conditions,
) -> Result<Download> {
    // A download URL's host knows nothing of the item's etag, so a condition needs a look.
    let known = known.filter(|_| *conditions == Conditions::default());
    let mut refused = None;
    if let Some((known, download_url)) =
        known.and_then(|item| Some((item, item.download_url.as_ref()?)))
    {
        match drive.client.download(cx, download_url, &range, known.size).await {
            Ok(download) => {
                // The bytes may be newer than what is known of the item, unless the host says so.
                let etag = download.etag.filter(|etag| known.etag.as_ref() == Some(etag));
                return Ok(Download { etag, ..download });
            }
            Err(error) if error.status().is_some_and(|status| EXPIRED.contains(&status)) => {
                refused = Some((&known.id, download_url));
            }
            Err(error) => return Err(error),
        }
    }
    let at = drive.at(cx, file, Side::Contents).await?;
    let looking = look(drive, cx, &at, conditions);
    let item = match refused {
        Some((id, stale)) => {
            let is_fresh = |item: &Item| {
                item.download_url.as_ref().is_some_and(|download_url| download_url.url != stale.url)
            };
            drive.renewals.renewed(id, is_fresh, looking).await?
        }
        None => looking.await?,
    };
    let is_entry = drive.at(cx, file, Side::Entry).await? == at;
    match item.kind {
        ItemKind::File => {}
        ItemKind::Folder => {
            return Err(Error::new(ErrorKind::IsAFolder, "a folder has no bytes to read"));
        }
        ItemKind::Opaque => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this item is neither file nor folder (a OneNote notebook, perhaps); the cloud \
                 gives no bytes of it",
            ));
        }
    }
    let is_shortcut = ParsedId::parse(&item.id).stands_for.is_some();
    let (at, download_url) = match (&item.download_url, is_shortcut) {
        (None, true) => {
            let at = drive.at(cx, &ItemRef::from_id(&item.id), Side::Contents).await?;
            let far = look(drive, cx, &at, &Conditions::default()).await?;
            (at, far.download_url)
        }
        (download_url, _) => (at, download_url.clone()),
    };
    let download = match &download_url {
        Some(download_url) => {
            drive.client.download(cx, download_url, &range, item.size).await.map_err(overtaken)?
        }
        // Harmful files have none; the cloud says so in its own words.
        None => drive.client.content(cx, &at, &range, item.size).await?,
    };
    let etag = item.etag.clone();
    let known = is_entry.then(|| Box::new(Item { download_url, ..item }));
    Ok(Download { etag, item: known, ..download })
}
