//! What is on the wire. A field that a kind of account leaves out is `None`; what we do not use is
//! not here.

use std::fmt;

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{drive::Secret, services::lenient};

/// An item as Graph describes it (onedrive-graph#drive-item).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DriveItem {
    /// Its id in its drive.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Bytes of a file, or of everything in a folder.
    #[serde(deserialize_with = "lenient::size")]
    pub size: Option<u64>,
    /// Changes with bytes, name, times; quotes included.
    pub e_tag: Option<String>,
    /// When the service made it.
    #[serde(deserialize_with = "time")]
    pub created_date_time: Option<Timestamp>,
    /// When the service changed it last.
    #[serde(deserialize_with = "time")]
    pub last_modified_date_time: Option<Timestamp>,
    /// The user's times.
    pub file_system_info: Option<FileSystemInfo>,
    /// There if it is a file.
    pub file: Option<File>,
    /// There if it is a folder.
    pub folder: Option<Folder>,
    /// There if it is a container that is no folder: a OneNote notebook.
    pub package: Option<Package>,
    /// There if it is a shortcut: the item it stands for.
    pub remote_item: Option<Box<RemoteItem>>,
    /// There if it is the drive's root.
    pub root: Option<Value>,
    /// There if it is a folder with a purpose.
    pub special_folder: Option<SpecialFolder>,
    /// There if its bytes are blocked as harmful.
    pub malware: Option<Value>,
    /// There if it is gone; in delta answers only.
    pub deleted: Option<Value>,
    /// The folder it is in.
    pub parent_reference: Option<ItemReference>,
    /// A pre-authenticated URL to a file's bytes, good for about an hour
    /// (onedrive-graph#download-url-lifetime).
    #[serde(
        rename = "@microsoft.graph.downloadUrl",
        alias = "@content.downloadUrl",
        deserialize_with = "secret"
    )]
    pub download_url: Option<Secret>,
}

/// The properties asked for wherever items are described: what [`DriveItem`] has.
pub const ITEM: &str = "id,name,size,eTag,createdDateTime,lastModifiedDateTime,fileSystemInfo,\
                        file,folder,package,remoteItem,root,specialFolder,malware,deleted,\
                        parentReference,\
                        @microsoft.graph.downloadUrl";

/// Times as the user's file system had them.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileSystemInfo {
    /// When the file was made.
    #[serde(deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub created_date_time: Option<Timestamp>,
    /// When its contents last changed.
    #[serde(deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub last_modified_date_time: Option<Timestamp>,
}

/// What a file has besides.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct File {
    /// Media type; absent on some Business items.
    pub mime_type: Option<String>,
    /// Hashes of its bytes; absent for a while after an upload.
    pub hashes: Option<Hashes>,
}

/// Hashes of a file's bytes (onedrive-graph#hashes).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hashes {
    /// Base64 of 20 bytes.
    pub quick_xor_hash: Option<String>,
    /// Hexadecimal; personal drives only.
    pub sha1_hash: Option<String>,
    /// Hexadecimal.
    pub sha256_hash: Option<String>,
}

/// What a folder has besides.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Folder {
    /// Items in it.
    pub child_count: Option<u64>,
}

/// What a folder is for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SpecialFolder {
    /// `documents`, `photos`, `vault`, …
    pub name: Option<String>,
}

/// What a package has besides.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Package {
    /// `oneNote`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// The item that a shortcut stands for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RemoteItem {
    /// Its id in its drive.
    pub id: Option<String>,
    /// Bytes.
    #[serde(deserialize_with = "lenient::size")]
    pub size: Option<u64>,
    /// There if it is a file.
    pub file: Option<File>,
    /// There if it is a folder.
    pub folder: Option<Folder>,
    /// There if it is a container that is no folder.
    pub package: Option<Package>,
    /// The user's times.
    pub file_system_info: Option<FileSystemInfo>,
    /// The folder it is in, and so its drive.
    pub parent_reference: Option<ItemReference>,
}

/// A folder, as an item in it refers to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ItemReference {
    /// The drive.
    pub drive_id: Option<String>,
    /// `personal`, `business`, `documentLibrary`.
    pub drive_type: Option<String>,
    /// The folder.
    pub id: Option<String>,
    /// `/drive/root:/…`, percent-encoded; absent in delta answers. See [`folder`](Self::folder).
    pub path: Option<String>,
}

impl ItemReference {
    /// The folder's path from the drive's root, decoded; empty for the root itself. The text before
    /// the first colon depends on how the item was asked for and says nothing
    /// (onedrive-graph#parent-reference-path).
    pub fn folder(&self) -> Option<String> {
        let (_, path) = self.path.as_deref()?.split_once(':')?;
        let decoded = percent_decode_str(path.trim_start_matches('/')).decode_utf8().ok()?;
        Some(decoded.into_owned())
    }
}

/// A drive (onedrive-graph#drive-resource).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Drive {
    /// Its id.
    pub id: String,
    /// Its name: a library's title.
    pub name: Option<String>,
    /// `personal`, `business`, `documentLibrary`.
    pub drive_type: Option<String>,
    /// Whose it is.
    pub owner: Option<Owner>,
    /// How much it holds.
    pub quota: Option<Quota>,
}

/// Whose a drive is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// A person.
    pub user: Option<Identity>,
    /// A group.
    pub group: Option<Identity>,
}

/// A person or a group.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    /// Its id.
    pub id: Option<String>,
    /// Its name.
    pub display_name: Option<String>,
}

/// How much a drive holds, in bytes. Some libraries tell zeros throughout
/// (onedrive-graph#quota-zero).
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Quota {
    /// What it may hold.
    pub total: Option<i64>,
    /// What may still come.
    pub remaining: Option<i64>,
}

/// A SharePoint site.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Site {
    /// `host,guid,guid`.
    pub id: String,
}

/// A page of drives.
#[derive(Debug, Deserialize)]
pub struct DrivePage {
    /// The drives.
    pub value: Vec<Drive>,
    /// Where the next page is.
    #[serde(rename = "@odata.nextLink", default, deserialize_with = "secret")]
    pub next: Option<Secret>,
}

/// A page of items.
#[derive(Debug, Deserialize)]
pub struct ItemPage {
    /// The items.
    pub value: Vec<ListEntry>,
    /// Where the next page is: absolute, opaque, to be asked for as it is.
    #[serde(rename = "@odata.nextLink", default, deserialize_with = "secret")]
    pub next: Option<Secret>,
    /// On the last page of a delta answer: where to ask for what changes from now on.
    #[serde(rename = "@odata.deltaLink", default, deserialize_with = "secret")]
    pub delta: Option<Secret>,
}

/// An entry of a page. One that has an unknown shape must not break the page.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub enum ListEntry {
    /// An item.
    Item(Box<DriveItem>),
    /// Something else.
    Other(Value),
}

impl fmt::Debug for ListEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(item) => item.fmt(f),
            // It may hold a download URL.
            Self::Other(_) => f.write_str("Other"),
        }
    }
}

/// An upload session (onedrive-graph#session-create).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadSession {
    /// Where fragments go: pre-authenticated, opaque. Only in the answer that opens the session.
    #[serde(default, deserialize_with = "secret")]
    pub upload_url: Option<Secret>,
    /// When the cloud forgets it.
    #[serde(default, deserialize_with = "time")]
    pub expiration_date_time: Option<Timestamp>,
    /// What is missing: `12345-` or `0-99`; not necessarily all of it.
    #[serde(default)]
    pub next_expected_ranges: Vec<String>,
}

impl UploadSession {
    /// The first byte that is missing; `None` if nothing is, or a range cannot be read.
    pub fn next(&self) -> Option<u64> {
        let start = |range: &String| range.split('-').next()?.trim().parse().ok();
        self.next_expected_ranges.iter().filter_map(start).min()
    }
}

/// How a copy is doing (onedrive-graph#copy-monitor).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CopyMonitor {
    /// `notStarted`, `inProgress`, `completed`, `failed`, …
    pub status: Option<String>,
    /// The new item, when completed.
    pub resource_id: Option<String>,
    /// What went wrong, when failed.
    pub error: Option<Value>,
    /// The same in fewer words.
    pub error_code: Option<String>,
}

/// What happens when a name is taken, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConflictBehavior {
    /// 409.
    Fail,
    /// A file takes the place of a file.
    Replace,
    /// Another name is found.
    Rename,
}

impl ConflictBehavior {
    /// As it is in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Replace => "replace",
            Self::Rename => "rename",
        }
    }
}

/// What an upload session is opened with.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadableProperties {
    /// What happens when the name is taken.
    #[serde(rename = "@microsoft.graph.conflictBehavior")]
    pub conflict_behavior: ConflictBehavior,
    /// Bytes to come: compared with the quota before they do.
    pub file_size: u64,
    /// The user's times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_system_info: Option<FileSystemInfo>,
}

/// What changes in an item (onedrive-graph#update-item), or of which name and where a copy is to be
/// (onedrive-graph#copy-request).
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemPatch {
    /// The new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_reference: Option<FolderReference>,
    /// The user's times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_system_info: Option<FileSystemInfo>,
}

/// A folder, as requests name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FolderReference {
    /// `/drive/root:/a/b`, percent-encoded.
    Path {
        /// The path.
        path: String,
    },
    /// By id.
    #[serde(rename_all = "camelCase")]
    Id {
        /// The folder's drive; none: the item's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        drive_id: Option<String>,
        /// The folder.
        id: String,
    },
}

/// A time that cannot be read is one that was not told: one bad time must not break a page.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(Secret::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parents_path_is_decoded_whatever_stands_before_its_colon() {
        let folder = |path: &str| {
            ItemReference { path: Some(path.to_owned()), ..Default::default() }.folder()
        };
        assert_eq!(folder("/drive/root:").as_deref(), Some(""));
        assert_eq!(folder("/drive/root:/my%20dir/50%25").as_deref(), Some("my dir/50%"));
        assert_eq!(folder("/drives/b!x/root:/%C3%A4").as_deref(), Some("ä"));
        assert_eq!(folder("/drive/root"), None);
        assert_eq!(ItemReference::default().folder(), None);
    }

    #[test]
    fn the_first_missing_byte_is_the_smallest_of_the_ranges() {
        let next = |ranges: &[&str]| {
            let ranges: Vec<_> = ranges.iter().map(ToString::to_string).collect();
            UploadSession {
                upload_url: None,
                expiration_date_time: None,
                next_expected_ranges: ranges,
            }
            .next()
        };
        assert_eq!(next(&["26-"]), Some(26));
        assert_eq!(next(&["500-999", "0-99", "2000-"]), Some(0));
        assert_eq!(next(&[]), None);
        assert_eq!(next(&["what"]), None);
    }

    #[test]
    fn an_entry_of_unknown_shape_and_an_unreadable_time_do_not_break_a_page() {
        let page: ItemPage = serde_json::from_str(
            r#"{"value":[
                {"id":"1","name":"a","lastModifiedDateTime":"yesterday","file":{}},
                {"id":"2","name":"b","file":7},
                {"id":"3","name":"c","folder":{"childCount":2},"extra":[1]}
            ]}"#,
        )
        .unwrap();
        assert!(matches!(&page.value[0], ListEntry::Item(item) if item.file.is_some()
            && item.last_modified_date_time.is_none()));
        assert!(matches!(&page.value[1], ListEntry::Other(value) if value["name"] == "b"));
        assert!(matches!(&page.value[2], ListEntry::Item(item)
            if item.folder.as_ref().unwrap().child_count == Some(2)));
        assert!(page.next.is_none() && page.delta.is_none());
    }

    #[test]
    fn every_property_of_an_item_is_asked_for() {
        for property in ["eTag", "fileSystemInfo", "remoteItem", "@microsoft.graph.downloadUrl"] {
            assert!(ITEM.split(',').any(|asked| asked == property), "{property}");
        }
        assert!(!ITEM.contains(' '));
    }
}
