//! What a cloud said of an item, in OpenDAL's terms.

use base64::{Engine, prelude::BASE64_STANDARD};
use opendal::{Metadata, MetadataBuilder, raw::Timestamp};

use super::announce::{CHECK, DEFERRED, MTIME, SIZE, UNKNOWN};
use crate::drive::{HashKind, Item, ItemKind};

/// Returns the size of a file in bytes; `None` if the cloud does not say it, which is rare.
///
/// [`Metadata::content_length`] is a number in any case, and 0 where the size is unknown. The
/// metadata of such a file has the user metadata `drivedal-size=unknown`.
pub fn known_size(metadata: &Metadata) -> Option<u64> {
    let is_unknown = metadata.user_metadata().is_some_and(|kept| kept.get(SIZE) == Some(UNKNOWN));
    (metadata.is_file() && !is_unknown).then(|| metadata.content_length())
}

/// An item's metadata. `keeps_times`: the drive keeps the user's modification time, which is then
/// shown as user metadata too, in RFC 3339 with all its digits.
pub(super) fn of(item: &Item, keeps_times: bool) -> Metadata {
    let is_unknown = item.kind == ItemKind::File && item.size.is_none();
    let size = is_unknown.then_some((SIZE, UNKNOWN));
    with_users(item, keeps_times, item.size.unwrap_or_default(), size)
}

/// Metadata of a file just written: its length is what was written, whatever the cloud makes of it
/// later (SharePoint rewrites Office files). An item without size is one that the caller wants to
/// check.
pub(super) fn of_written(item: &Item, bytes: u64, keeps_times: bool) -> Metadata {
    let check = item.size.is_none().then_some((CHECK, DEFERRED));
    let mut metadata = with_users(item, keeps_times, bytes, check).into_builder();
    metadata.set_file(bytes);
    metadata.build()
}

/// Metadata with one more entry of user metadata.
fn with_users(item: &Item, keeps_times: bool, size: u64, more: Option<(&str, &str)>) -> Metadata {
    let mut metadata = match item.kind {
        ItemKind::Folder => MetadataBuilder::dir(),
        // What is neither is shown as a file: it has a name and cannot be entered.
        ItemKind::File | ItemKind::Opaque => MetadataBuilder::file(size),
    };
    let mut kept: Vec<_> =
        more.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    if let Some(modified) = item.modified {
        metadata.last_modified(Timestamp::from(modified));
        if keeps_times && item.kind == ItemKind::File {
            kept.push((MTIME.to_owned(), modified.to_string()));
        }
    }
    if !kept.is_empty() {
        metadata.user_metadata(kept);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_the_cloud_does_not_say_is_unknown_and_not_zero() {
        let mut file = Item::new("1", "a", ItemKind::File);
        for (size, expected) in [(None, None), (Some(0), Some(0)), (Some(7), Some(7))] {
            file.size = size;
            assert_eq!(known_size(&of(&file, true)), expected);
        }
        assert_eq!(known_size(&of(&Item::new("1", "a", ItemKind::Folder), true)), None);
        file.size = None;
        assert_eq!(known_size(&of_written(&file, 5, true)), Some(5));
    }
}
