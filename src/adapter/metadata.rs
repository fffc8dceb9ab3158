//! Conversion of a drive's items to OpenDAL's metadata.

use base64::{Engine, prelude::BASE64_STANDARD};
use opendal::{Metadata, MetadataBuilder, raw::Timestamp};

use super::announce::{CHECK, DEFERRED, MTIME, SIZE, UNKNOWN};
use crate::drive::{HashKind, Item, ItemKind};

/// Returns the size of a file in bytes, or `None` if it is a folder or if the cloud does not report
/// the size, which is rare.
///
/// [`Metadata::content_length`] is always a number, and 0 for an unknown size. The metadata of such
/// a file has the user metadata `drivedal-size=unknown`.
pub fn known_size(metadata: &Metadata) -> Option<u64> {
    let user_metadata = metadata.user_metadata();
    let is_unknown = user_metadata.is_some_and(|entries| entries.get(SIZE) == Some(UNKNOWN));
    (metadata.is_file() && !is_unknown).then(|| metadata.content_length())
}

/// Returns the entry of user metadata of a file whose size is unknown.
pub(super) fn unknown_size() -> (String, String) {
    (SIZE.to_owned(), UNKNOWN.to_owned())
}

/// Returns the metadata of an item.
///
/// If `sets_modified`, the drive stores the modification time that a writer sets. The metadata then
/// also has this time as user metadata `mtime`, in RFC 3339 with all its digits.
pub(super) fn from_item(item: &Item, sets_modified: bool) -> Metadata {
    let is_unknown = item.kind == ItemKind::File && item.size.is_none();
    let size = is_unknown.then_some((SIZE, UNKNOWN));
    with_user_metadata(item, sets_modified, item.size.unwrap_or_default(), size)
}

/// Returns the metadata of a file that has just been written with `bytes` bytes.
///
/// Its length is the number of bytes written, because the cloud may rewrite the file later
/// (SharePoint does so with Office files). If the item has no size, the metadata says that the
/// caller has to compare sizes: see [`Announce::left_to_check`](super::Announce::left_to_check).
/// `sets_modified` is as in [`from_item`].
pub(super) fn from_written(item: &Item, bytes: u64, sets_modified: bool) -> Metadata {
    let check = item.size.is_none().then_some((CHECK, DEFERRED));
    let mut metadata = with_user_metadata(item, sets_modified, bytes, check).into_builder();
    metadata.set_file(bytes);
    metadata.build()
}

/// Returns the metadata that a download has: the size of the file in bytes and its etag, `None` if
/// the etag is unknown.
pub(super) fn from_download(size: u64, etag: Option<&str>) -> Metadata {
    let mut metadata = MetadataBuilder::file(size);
    if let Some(etag) = etag {
        metadata.etag(etag);
    }
    metadata.build()
}

/// Returns the metadata of an item, with `size` in bytes as its length and one additional `entry`
/// of user metadata. `sets_modified` is as in [`from_item`].
fn with_user_metadata(
    item: &Item,
    sets_modified: bool,
    size: u64,
    entry: Option<(&str, &str)>,
) -> Metadata {
    let mut metadata = match item.kind {
        ItemKind::Folder => MetadataBuilder::dir(),
        // OpenDAL has no third kind: an opaque item has a name and cannot be listed, like a file.
        ItemKind::File | ItemKind::Opaque => MetadataBuilder::file(size),
    };
    let mut entries: Vec<_> =
        entry.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    if let Some(modified) = item.modified {
        metadata.last_modified(Timestamp::from(modified));
        if sets_modified && item.kind == ItemKind::File {
            entries.push((MTIME.to_owned(), modified.to_string()));
        }
    }
    if !entries.is_empty() {
        metadata.user_metadata(entries);
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
    fn a_size_that_the_cloud_does_not_report_is_unknown_and_not_zero() {
        let mut file = Item::new("1", "a", ItemKind::File);
        for (size, expected) in [(None, None), (Some(0), Some(0)), (Some(7), Some(7))] {
            file.size = size;
            assert_eq!(known_size(&from_item(&file, true)), expected);
        }
        assert_eq!(known_size(&from_item(&Item::new("1", "a", ItemKind::Folder), true)), None);
        file.size = None;
        assert_eq!(known_size(&from_written(&file, 5, true)), Some(5));
    }
}
