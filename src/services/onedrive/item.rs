//! From what is on the wire to an [`Item`].

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    address::{IdInDrive, ParsedId},
    model::{self, DriveItem, Hashes, ItemReference, ListEntry, RemoteItem},
};
use crate::drive::{DownloadUrl, Error, ErrorKind, HashKind, Item, ItemKind, Result};

/// How the folder is called that cannot be looked into while it is locked
/// (onedrive-graph#personal-vault).
const VAULT: &str = "vault";

/// An item that was asked for alone. `drive`: the one it is in, if that is not the service's own.
pub(super) fn item(wire: DriveItem, drive: Option<&str>) -> Result<Item> {
    if wire.id.is_empty() {
        return Err(Error::new(ErrorKind::Unexpected, "the cloud described an item without an id"));
    }
    Ok(described(wire, drive))
}

/// An entry of a page; `None` for one without an id or a name.
pub(super) fn entry(entry: ListEntry, drive: Option<&str>) -> Option<Item> {
    let item = listed(entry, drive);
    let is_whole = !item.id.as_str().is_empty() && !item.name.is_empty();
    is_whole.then_some(item)
}

/// An entry of a page. The id and the name are empty where the cloud does not say them.
pub(super) fn listed(entry: ListEntry, drive: Option<&str>) -> Item {
    match entry {
        ListEntry::Item(wire) => described(*wire, drive),
        ListEntry::Other(value) => {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let reference = ItemReference {
                id: Some(text(&value["parentReference"]["id"])),
                ..ItemReference::default()
            };
            let rest = DriveItem {
                id: text(&value["id"]),
                name: Some(text(&value["name"])),
                parent_reference: Some(reference),
                ..DriveItem::default()
            };
            described(rest, drive)
        }
    }
}

fn described(wire: DriveItem, drive: Option<&str>) -> Item {
    let kind = kind(&wire);
    let is_file = kind == ItemKind::File;
    let own = IdInDrive { drive, id: &wire.id };
    let remote = wire.remote_item.as_deref();
    let id = match remote.and_then(far) {
        _ if wire.id.is_empty() => "".into(),
        Some(far) => ParsedId { own, stands_for: Some(far) }.to_id(),
        None => own.to_id(),
    };
    let parent = wire.parent_reference.as_ref().and_then(|parent| parent.id.as_deref());
    // `""` is what some answers tell of the root's (onedrive-graph#root-parent-reference).
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

/// Opaque is whatever is neither, known or not.
fn kind(wire: &DriveItem) -> ItemKind {
    let special = wire.special_folder.as_ref().and_then(|special| special.name.as_deref());
    if wire.root.is_some() {
        return ItemKind::Folder;
    }
    if wire.package.is_some() || special == Some(VAULT) {
        return ItemKind::Opaque;
    }
    match &wire.remote_item {
        None => by_facets(wire.file.is_some(), wire.folder.is_some()),
        Some(remote) if remote.package.is_some() || far(remote).is_none() => ItemKind::Opaque,
        Some(remote) => by_facets(remote.file.is_some(), remote.folder.is_some()),
    }
}

fn by_facets(file: bool, folder: bool) -> ItemKind {
    match (file, folder) {
        (_, true) => ItemKind::Folder,
        (true, false) => ItemKind::File,
        (false, false) => ItemKind::Opaque,
    }
}

/// What a shortcut stands for, where it tells enough to be found.
fn far(remote: &RemoteItem) -> Option<IdInDrive<'_>> {
    let drive = remote.parent_reference.as_ref()?.drive_id.as_deref();
    let id = remote.id.as_deref().filter(|id| !id.is_empty())?;
    Some(IdInDrive { drive: Some(drive.filter(|drive| !drive.is_empty())?), id })
}

fn hashes(wire: &Hashes) -> Vec<(HashKind, Box<[u8]>)> {
    let quick = wire.quick_xor_hash.as_ref().and_then(|text| BASE64_STANDARD.decode(text).ok());
    [
        (HashKind::QuickXor, quick),
        (HashKind::Sha1, wire.sha1_hash.as_deref().and_then(unhex)),
        (HashKind::Sha256, wire.sha256_hash.as_deref().and_then(unhex)),
    ]
    .into_iter()
    .filter_map(|(kind, bytes)| Some((kind, bytes?.into_boxed_slice())))
    .collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(high)? << 4 | digit(low)?).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listed(wire: Value) -> Option<Item> {
        entry(serde_json::from_value(wire).unwrap(), None)
    }

    #[test]
    fn a_file_of_a_personal_drive_is_understood_whole() {
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
        let item = item(serde_json::from_value(wire).unwrap(), None).unwrap();
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
        let item = listed(json!({"id": "01NKDM7HM", "name": "a", "size": 0, "file": {},
            "lastModifiedDateTime": "2025-02-16T19:49:05Z"}))
        .unwrap();
        assert_eq!((item.kind, item.size, item.content_type), (ItemKind::File, Some(0), None));
        assert_eq!(item.modified.unwrap().to_string(), "2025-02-16T19:49:05Z");
    }

    #[test]
    fn what_is_neither_file_nor_folder_is_opaque_and_stays_in_the_listing() {
        for wire in [
            json!({"id": "1", "name": "Notebook", "size": 9, "package": {"type": "oneNote"}}),
            json!({"id": "1", "name": "Notebook", "package": {}, "folder": {"childCount": 1}}),
            json!({"id": "1", "name": "Vault", "folder": {}, "specialFolder": {"name": "vault"}}),
            json!({"id": "1", "name": "Vault", "size": 0}),
            json!({"id": "1", "name": "dangling", "remoteItem": {"folder": {}}}),
            json!({"id": "1", "name": "odd", "size": "large", "file": 7}),
        ] {
            let item = listed(wire.clone()).unwrap();
            assert_eq!((item.id.as_str(), item.kind), ("1", ItemKind::Opaque), "{wire}");
            assert_eq!(item.size, None);
        }
        assert!(listed(json!({"name": "no id"})).is_none());
        assert!(listed(json!("nothing at all")).is_none());
    }

    #[test]
    fn a_shortcut_has_two_ids_and_the_kind_of_what_it_stands_for() {
        let wire = |facet: &str| {
            json!({"id": "AB!1", "name": "Shared", "eTag": "e", "size": 7,
                "parentReference": {"driveId": "AB", "id": "AB!9"},
                "remoteItem": {"id": "CD!2", "size": 44, facet: {}, "parentReference": {"driveId": "CD"},
                    "fileSystemInfo": {"lastModifiedDateTime": "2020-01-01T00:00:00Z"}}})
        };
        let folder = listed(wire("folder")).unwrap();
        assert_eq!((folder.id.as_str(), folder.kind), ("AB!1~CD#CD!2", ItemKind::Folder));
        assert_eq!((folder.name.as_str(), &*folder.parents), ("Shared", &["AB!9".into()][..]));
        let file = listed(wire("file")).unwrap();
        assert_eq!((file.kind, file.size), (ItemKind::File, Some(44)));
        assert_eq!(file.modified.unwrap().to_string(), "2020-01-01T00:00:00Z");
    }

    #[test]
    fn items_of_another_drive_carry_its_id_and_so_do_their_parents() {
        let wire = json!({"id": "X", "name": "f", "file": {}, "parentReference": {"id": "P"}});
        let item = entry(serde_json::from_value(wire).unwrap(), Some("D2")).unwrap();
        assert_eq!((item.id.as_str(), item.parents[0].as_str()), ("D2#X", "D2#P"));
    }

    #[test]
    fn harmful_and_locked_files_are_files_like_others() {
        let item = listed(json!({"id": "1", "name": "v.exe", "size": 4, "file": {},
            "malware": {"description": "x"}, "publication": {"level": "checkout"}}))
        .unwrap();
        assert_eq!((item.kind, item.size), (ItemKind::File, Some(4)));
    }

    #[test]
    fn the_root_has_no_parent_whatever_is_said_of_it() {
        let wire = json!({"id": "R", "name": "root", "root": {}, "folder": {"childCount": 3},
            "parentReference": {"driveId": "D", "id": "R", "path": "/drive/root:"}});
        let root = item(serde_json::from_value(wire).unwrap(), None).unwrap();
        assert!(root.parents.is_empty());
        assert_eq!((root.kind, root.children), (ItemKind::Folder, Some(3)));
    }
}
