//! What a cloud said of an item, in OpenDAL's terms.

use base64::{Engine, prelude::BASE64_STANDARD};
use opendal::{Metadata, MetadataBuilder, raw::Timestamp};

use super::announce::{CHECK, DEFERRED, MTIME};
use crate::drive::{HashKind, Item, Kind};

/// An item's metadata. `keeps_times`: the drive keeps the user's modification time, which is then
/// shown as user metadata too, in RFC 3339 with all its digits.
pub(super) fn of(item: &Item, keeps_times: bool) -> Metadata {
    let mut metadata = match (item.kind, item.size) {
        (Kind::Folder, _) => MetadataBuilder::dir(),
        // What is neither is shown as a file: it has a name and cannot be entered.
        (Kind::File | Kind::Opaque, size) => MetadataBuilder::file(size.unwrap_or_default()),
    };
    if let Some(modified) = item.modified {
        metadata.last_modified(Timestamp::from(modified));
        if keeps_times && item.kind == Kind::File {
            metadata.user_metadata([(MTIME.to_owned(), modified.to_string())]);
        }
    }
    if let Some(etag) = &item.etag {
        metadata.etag(etag);
    }
    if let Some(media_type) = &item.content_type {
        metadata.content_type(media_type);
    }
    if let Some((_, md5)) = item.hashes.iter().find(|(kind, _)| *kind == HashKind::Md5) {
        metadata.content_md5(BASE64_STANDARD.encode(md5));
    }
    metadata.build()
}

/// Metadata of a file just written: its length is what was written, whatever the cloud makes of it
/// later (SharePoint rewrites Office files). An item without size is one that the caller wants to
/// check.
pub(super) fn of_written(item: &Item, bytes: u64, keeps_times: bool) -> Metadata {
    let mut metadata = of(item, keeps_times).into_builder();
    metadata.set_file(bytes);
    if item.size.is_none() {
        let mtime = item.modified.filter(|_| keeps_times).map(|time| (MTIME, time.to_string()));
        let check = (CHECK, DEFERRED.to_owned());
        let kept = [check].into_iter().chain(mtime).map(|(key, value)| (key.to_owned(), value));
        metadata.user_metadata(kept);
    }
    metadata.build()
}
