//! Conversion of Graph's items into [`Item`]s.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    address::{IdInDrive, ParsedId},
    model::{self, DriveItem, Hashes, ItemReference, ListEntry, RemoteItem},
};
use crate::drive::{DownloadUrl, Error, ErrorKind, HashKind, Item, ItemKind, Result};

/// Name of the special folder that cannot be listed while it is locked
/// (onedrive-graph#personal-vault).
const VAULT: &str = "vault";

/// Converts the item of a response. `drive` is the id of the item's drive; `None` for the service's
/// own drive.
///
/// # Errors
/// `Unexpected` if the item has no id.
pub(super) fn from_response(wire: DriveItem, drive: Option<&str>) -> Result<Item> {
    if wire.id.is_empty() {
        return Err(Error::new(
            ErrorKind::Unexpected,
            "cannot read the response: the item has no id",
        ));
    }
    Ok(convert(wire, drive))
}

/// Converts an entry of a page. Returns `None` if it has no id or no name. `drive` is as in
/// [`from_response`].
pub(super) fn from_complete_entry(entry: ListEntry, drive: Option<&str>) -> Option<Item> {
    let item = from_entry(entry, drive);
    let is_complete = !item.id.as_str().is_empty() && !item.name.is_empty();
    is_complete.then_some(item)
}

/// Converts an entry of a page. Id and name are empty if the entry has none. `drive` is as in
/// [`from_response`].
pub(super) fn from_entry(entry: ListEntry, drive: Option<&str>) -> Item {
    match entry {
        ListEntry::Item(wire) => convert(*wire, drive),
        ListEntry::Unknown(value) => {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let parent = ItemReference {
                id: Some(text(&value["parentReference"]["id"])),
                ..ItemReference::default()
            };
            let readable = DriveItem {
                id: text(&value["id"]),
                name: Some(text(&value["name"])),
                parent_reference: Some(parent),
                ..DriveItem::default()
            };
            convert(readable, drive)
        }
    }
}

/// Converts a drive item, whose id and name may be empty. `drive` is as in [`from_response`].
fn convert(wire: DriveItem, drive: Option<&str>) -> Item {
    let kind = kind(&wire);
    let is_file = kind == ItemKind::File;
    let own_id = IdInDrive { drive, id: &wire.id };
    let remote = wire.remote_item.as_deref();
    let id = match remote.and_then(target_id) {
        _ if wire.id.is_empty() => "".into(),
        Some(target) => ParsedId { item: own_id, target: Some(target) }.to_id(),
        None => own_id.to_id(),
    };
    let parent = wire.parent_reference.as_ref().and_then(|parent| parent.id.as_deref());
    // Some responses have `""` as the parent of the root (onedrive-graph#root-parent-reference).
    let parent = parent.filter(|id| !id.is_empty() && wire.root.is_none());
    let times = [wire.file_system_info, remote.and_then(|remote| remote.file_system_info)];
    let time = |pick: fn(&model::FileSystemInfo) -> Option<Timestamp>| {
        times.iter().flatten().find_map(pick)
    };
    let file = wire.file.as_ref().or(remote.and_then(|remote| remote.file.as_ref()));
    let folder = wire.folder.as_ref().or(remote.and_then(|remote| remote.folder.as_ref()));
    let size = wire.size.filter(|_| remote.is_none()).or(remote.and_then(|remote| remote.size));
    Item {
        id,
        name: wire.name.clone().unwrap_or_default(),
        parents: parent.map(|id| IdInDrive { drive, id }.to_id()).into_iter().collect(),
        kind,
        size: size.filter(|_| is_file),
        children: folder.and_then(|folder| folder.child_count),
        created: time(|times| times.created_date_time).or(wire.created_date_time),
        modified: time(|times| times.last_modified_date_time).or(wire.last_modified_date_time),
        etag: wire.e_tag,
        content_type: file.and_then(|file| file.mime_type.clone()),
        hashes: file.and_then(|file| file.hashes.as_ref()).map(hashes).unwrap_or_default(),
        download_url: wire
            .download_url
            .filter(|_| is_file)
            .map(|url| DownloadUrl { url, expires: None }),
    }
}

/// Returns the ids of the drive and the item that a response of a sharing URL describes: those of its
/// target, if the item is a shortcut. `None` if the response does not name the drive.
pub(super) fn shared_target(wire: &DriveItem) -> Option<(&str, &str)> {
    if let Some(remote) = &wire.remote_item {
        let target = target_id(remote)?;
        return Some((target.drive?, target.id));
    }
    let drive = wire.parent_reference.as_ref()?.drive_id.as_deref();
    Some((drive.filter(|drive| !drive.is_empty())?, Some(&*wire.id).filter(|id| !id.is_empty())?))
}

/// Returns whether an item is a folder, or a shortcut to one.
pub(super) fn is_folder(wire: &DriveItem) -> bool {
    kind(wire) == ItemKind::Folder
}

/// Returns the kind of an item. Every item that is neither file nor folder is opaque, including
/// those with unknown facets.
fn kind(wire: &DriveItem) -> ItemKind {
    let special = wire.special_folder.as_ref().and_then(|special| special.name.as_deref());
    if wire.root.is_some() {
        return ItemKind::Folder;
    }
    if wire.package.is_some() || special == Some(VAULT) {
        return ItemKind::Opaque;
    }
    match &wire.remote_item {
        None => kind_of_facets(wire.file.is_some(), wire.folder.is_some()),
        Some(remote) if remote.package.is_some() || target_id(remote).is_none() => ItemKind::Opaque,
        Some(remote) => kind_of_facets(remote.file.is_some(), remote.folder.is_some()),
    }
}

/// Returns the kind of an item, from the presence of its facets `file` and `folder`.
fn kind_of_facets(file: bool, folder: bool) -> ItemKind {
    match (file, folder) {
        (_, true) => ItemKind::Folder,
        (true, false) => ItemKind::File,
        (false, false) => ItemKind::Opaque,
    }
}

/// Returns the id of a shortcut's target; `None` if the response does not have drive and id.
fn target_id(remote: &RemoteItem) -> Option<IdInDrive<'_>> {
    let drive = remote.parent_reference.as_ref()?.drive_id.as_deref();
    let id = remote.id.as_deref().filter(|id| !id.is_empty())?;
    Some(IdInDrive { drive: Some(drive.filter(|drive| !drive.is_empty())?), id })
}

/// Returns the hashes that can be decoded, as bytes. An empty text is no hash.
fn hashes(wire: &Hashes) -> Vec<(HashKind, Box<[u8]>)> {
    let quick_xor = wire.quick_xor_hash.as_ref().and_then(|text| BASE64_STANDARD.decode(text).ok());
    [
        (HashKind::QuickXor, quick_xor),
        (HashKind::Sha1, wire.sha1_hash.as_deref().and_then(decode_hex)),
        (HashKind::Sha256, wire.sha256_hash.as_deref().and_then(decode_hex)),
    ]
    .into_iter()
    .filter_map(|(kind, bytes)| Some((kind, bytes.filter(|it| !it.is_empty())?.into_boxed_slice())))
    .collect()
}

/// Decodes hexadecimal digits of either case, two for each byte; `None` if another character occurs
/// or a digit is missing.
fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(high)? << 4 | digit(low)?).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse_entry(wire: Value) -> Option<Item> {
        from_complete_entry(serde_json::from_value(wire).unwrap(), None)
    }

    #[test]
    fn an_empty_or_malformed_hash_is_no_hash() {
        let wire = |text: &str| {
            let hashes = json!({"sha1Hash": text, "quickXorHash": text, "sha256Hash": text});
            super::hashes(&serde_json::from_value(hashes).unwrap())
        };
        assert_eq!(wire(""), []);
        assert_eq!(wire("~"), []);
        assert_eq!(wire("0aFF").len(), 3);
    }

    #[test]
    fn a_file_of_a_personal_drive_is_converted_completely() {
        let wire = json!({
            "id": "A0AA0A000A000A0A!114", "name": "filename.txt", "size": 3,
            "eTag": "\"{3B131E1C-7D81-20AF-80D0-720000000000},2\"",
            "createdDateTime": "2025-02-16T19:49:05Z",
            "lastModifiedDateTime": "2025-02-16T19:49:05.913Z",
            "parentReference": {"driveType": "personal", "driveId": "A0AA0A000A000A0A",
                "id": "A0AA0A000A000A0A!113", "path": "/drive/root:/folder_a"},
            "fileSystemInfo": {"createdDateTime": "2001-01-01T00:00:00Z",
                "lastModifiedDateTime": "2001-02-03T04:05:06.7891234Z"},
            "file": {"mimeType": "text/plain", "hashes": {
                "quickXorHash": "79jFLwAAAAAAAAAAAwAAAAAAAAA=",
                "sha1Hash": "57218C316B6921E2CD61027A2387EDC31A2D9471"}},
            "@microsoft.graph.downloadUrl": "https://h/ticket?tempauth=hunter2"
        });
        let item = from_response(serde_json::from_value(wire).unwrap(), None).unwrap();
        assert_eq!(item.id.as_str(), "A0AA0A000A000A0A!114");
        assert_eq!(item.parents, ["A0AA0A000A000A0A!113".into()]);
        assert_eq!((item.kind, item.size), (ItemKind::File, Some(3)));
        assert_eq!(item.modified.unwrap().to_string(), "2001-02-03T04:05:06.7891234Z");
        assert_eq!(item.created.unwrap().to_string(), "2001-01-01T00:00:00Z");
        assert_eq!(item.etag.as_deref(), Some("\"{3B131E1C-7D81-20AF-80D0-720000000000},2\""));
        assert_eq!(item.content_type.as_deref(), Some("text/plain"));
        let kinds: Vec<_> = item.hashes.iter().map(|(kind, hash)| (*kind, hash.len())).collect();
        assert_eq!(kinds, [(HashKind::QuickXor, 20), (HashKind::Sha1, 20)]);
        assert!(item.download_url.is_some() && !format!("{item:?}").contains("hunter2"));
    }

    #[test]
    fn a_business_file_without_media_type_and_user_times_is_a_file() {
        let item = parse_entry(json!({"id": "01NKDM7HM", "name": "a", "size": 0, "file": {},
            "lastModifiedDateTime": "2025-02-16T19:49:05Z"}))
        .unwrap();
        assert_eq!((item.kind, item.size, item.content_type), (ItemKind::File, Some(0), None));
        assert_eq!(item.modified.unwrap().to_string(), "2025-02-16T19:49:05Z");
    }

    #[test]
    fn an_item_that_is_neither_file_nor_folder_is_opaque() {
        for wire in [
            json!({"id": "1", "name": "Notebook", "size": 9, "package": {"type": "oneNote"}}),
            json!({"id": "1", "name": "Notebook", "package": {}, "folder": {"childCount": 1}}),
            json!({"id": "1", "name": "Vault", "folder": {}, "specialFolder": {"name": "vault"}}),
            json!({"id": "1", "name": "Vault", "size": 0}),
            json!({"id": "1", "name": "dangling", "remoteItem": {"folder": {}}}),
            json!({"id": "1", "name": "odd", "size": "large", "file": 7}),
        ] {
            let item = parse_entry(wire.clone()).unwrap();
            assert_eq!((item.id.as_str(), item.kind), ("1", ItemKind::Opaque), "{wire}");
            assert_eq!(item.size, None);
        }
        assert!(parse_entry(json!({"name": "no id"})).is_none());
        assert!(parse_entry(json!("nothing at all")).is_none());
    }

    #[test]
    fn a_shortcut_has_two_ids_and_the_kind_of_its_target() {
        let wire = |facet: &str| {
            json!({"id": "AB!1", "name": "Shared", "eTag": "e", "size": 7,
                "parentReference": {"driveId": "AB", "id": "AB!9"},
                "remoteItem": {"id": "CD!2", "size": 44, facet: {}, "parentReference": {"driveId": "CD"},
                    "fileSystemInfo": {"lastModifiedDateTime": "2020-01-01T00:00:00Z"}}})
        };
        let folder = parse_entry(wire("folder")).unwrap();
        assert_eq!((folder.id.as_str(), folder.kind), ("AB!1~CD#CD!2", ItemKind::Folder));
        assert_eq!((folder.name.as_str(), &*folder.parents), ("Shared", &["AB!9".into()][..]));
        let file = parse_entry(wire("file")).unwrap();
        assert_eq!((file.kind, file.size), (ItemKind::File, Some(44)));
        assert_eq!(file.modified.unwrap().to_string(), "2020-01-01T00:00:00Z");
    }

    #[test]
    fn ids_of_items_and_parents_in_another_drive_contain_its_id() {
        let wire = json!({"id": "X", "name": "f", "file": {}, "parentReference": {"id": "P"}});
        let item = from_complete_entry(serde_json::from_value(wire).unwrap(), Some("D2")).unwrap();
        assert_eq!((item.id.as_str(), item.parents[0].as_str()), ("D2#X", "D2#P"));
    }

    #[test]
    fn malware_and_locked_files_are_files() {
        let item = parse_entry(json!({"id": "1", "name": "v.exe", "size": 4, "file": {},
            "malware": {"description": "x"}, "publication": {"level": "checkout"}}))
        .unwrap();
        assert_eq!((item.kind, item.size), (ItemKind::File, Some(4)));
    }

    #[test]
    fn the_root_has_no_parent_despite_the_response() {
        let wire = json!({"id": "R", "name": "root", "root": {}, "folder": {"childCount": 3},
            "parentReference": {"driveId": "D", "id": "R", "path": "/drive/root:"}});
        let root = from_response(serde_json::from_value(wire).unwrap(), None).unwrap();
        assert!(root.parents.is_empty());
        assert_eq!((root.kind, root.children), (ItemKind::Folder, Some(3)));
    }
}
