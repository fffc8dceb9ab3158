//! The JSON of Microsoft Graph: resources in responses, and bodies of requests.
//!
//! A property is `None` if the response does not contain it; the kinds of account return different
//! sets. Properties that this crate does not use are not declared.

mod media;
mod permission;
mod request;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use self::{
    media::{Preview, ThumbnailImage, ThumbnailPage, ThumbnailSet, ThumbnailSize},
    permission::{
        IdentitySet, Invitation, LinkOptions, PermissionPage, PermissionResource, Recipient,
        SharingInvitation, SharingLink,
    },
    request::{ConflictBehavior, FolderReference, ItemPatch, UploadableProperties},
};
use crate::{drive::Secret, services::lenient};

/// A file, folder or other item (onedrive-graph#drive-item). The facets that are present say which.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct DriveItem {
    /// Id of the item, unique within its drive.
    pub id: String,
    /// Name, without path.
    pub name: Option<String>,
    /// Size in bytes. A folder's size is the total of the items in it.
    #[serde(deserialize_with = "lenient::size")]
    pub size: Option<u64>,
    /// Etag, quotes included. It changes with content, name and times.
    pub e_tag: Option<String>,
    /// When the service created the item.
    #[serde(deserialize_with = "time")]
    pub created_date_time: Option<Timestamp>,
    /// When the service last changed the item.
    #[serde(deserialize_with = "time")]
    pub last_modified_date_time: Option<Timestamp>,
    /// Times that the user's client has set.
    pub file_system_info: Option<FileSystemInfo>,
    /// Present on files.
    pub file: Option<FileFacet>,
    /// Present on folders.
    pub folder: Option<FolderFacet>,
    /// Present on containers that are not folders, such as OneNote notebooks.
    pub package: Option<PackageFacet>,
    /// Present on shortcuts: the item that the shortcut refers to.
    pub remote_item: Option<Box<RemoteItem>>,
    /// Present on the drive's root folder.
    pub root: Option<Value>,
    /// Present on folders with a special purpose.
    pub special_folder: Option<SpecialFolder>,
    /// Present on files whose download is blocked because of malware.
    pub malware: Option<Value>,
    /// Present on deleted items. Only responses of the change feed contain those.
    pub deleted: Option<Value>,
    /// The parent folder.
    pub parent_reference: Option<ItemReference>,
    /// Pre-authenticated URL of a file's content, valid for about an hour
    /// (onedrive-graph#download-url-lifetime), or a URL of Graph, which needs its token
    /// (onedrive-graph#graph-content-urls).
    #[serde(
        rename = "@microsoft.graph.downloadUrl",
        alias = "@content.downloadUrl",
        deserialize_with = "secret"
    )]
    pub download_url: Option<Secret>,
}

/// The `$select` of every request for items: the properties of [`DriveItem`].
pub const ITEM_PROPERTIES: &str = "id,name,size,eTag,createdDateTime,lastModifiedDateTime,\
                                   fileSystemInfo,file,folder,package,remoteItem,root,\
                                   specialFolder,malware,deleted,parentReference,\
                                   @microsoft.graph.downloadUrl";

/// Times of a file in the user's file system.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct FileSystemInfo {
    /// When the file was created.
    #[serde(deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub created_date_time: Option<Timestamp>,
    /// When the content was last modified.
    #[serde(deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub last_modified_date_time: Option<Timestamp>,
}

/// Properties that only files have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct FileFacet {
    /// Media type. Absent on some Business items.
    pub mime_type: Option<String>,
    /// Hashes of the content. Absent for some time after an upload.
    pub hashes: Option<Hashes>,
}

/// Hashes of a file's content (onedrive-graph#hashes).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Hashes {
    /// quickXorHash: base64 of 20 bytes.
    pub quick_xor_hash: Option<String>,
    /// SHA-1 in hexadecimal. Personal drives only.
    pub sha1_hash: Option<String>,
    /// SHA-256 in hexadecimal.
    pub sha256_hash: Option<String>,
}

/// Properties that only folders have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct FolderFacet {
    /// Number of direct children.
    pub child_count: Option<u64>,
}

/// Purpose of a special folder.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SpecialFolder {
    /// Graph's name of the purpose: `documents`, `photos`, `vault`, …
    pub name: Option<String>,
}

/// Properties that only packages have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PackageFacet {
    /// Type of the package, such as `oneNote`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// The item that a shortcut refers to, usually in another drive.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RemoteItem {
    /// Id of the item in its own drive.
    pub id: Option<String>,
    /// Size in bytes.
    #[serde(deserialize_with = "lenient::size")]
    pub size: Option<u64>,
    /// Present if the item is a file.
    pub file: Option<FileFacet>,
    /// Present if the item is a folder.
    pub folder: Option<FolderFacet>,
    /// Present if the item is a container that is not a folder.
    pub package: Option<PackageFacet>,
    /// Times that the user's client has set.
    pub file_system_info: Option<FileSystemInfo>,
    /// The parent folder of the item, which names the item's drive.
    pub parent_reference: Option<ItemReference>,
}

/// Reference from an item to its parent folder.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ItemReference {
    /// Id of the drive.
    pub drive_id: Option<String>,
    /// Type of the drive: `personal`, `business` or `documentLibrary`.
    pub drive_type: Option<String>,
    /// Id of the folder.
    pub id: Option<String>,
    /// Path of the folder: `/drive/root:/…`, percent-encoded. Absent in responses of the change
    /// feed. See [`folder`](Self::folder).
    pub path: Option<String>,
}

impl ItemReference {
    /// Returns the folder's path from the drive's root, decoded; empty for the root itself. `None`
    /// if the path is absent or malformed.
    ///
    /// The text before the first colon depends on the URL of the request and is ignored
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
#[non_exhaustive]
pub struct DriveResource {
    /// Id of the drive.
    pub id: String,
    /// Name of the drive; for a document library, its title.
    pub name: Option<String>,
    /// Type of the drive: `personal`, `business` or `documentLibrary`.
    pub drive_type: Option<String>,
    /// Owner of the drive.
    pub owner: Option<Owner>,
    /// Storage limits of the drive.
    pub quota: Option<QuotaFacet>,
}

/// Owner of a drive.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Owner {
    /// Present if the owner is a user.
    pub user: Option<Identity>,
    /// Present if the owner is a group.
    pub group: Option<Identity>,
}

/// A user or a group.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Identity {
    /// Id of the user or group.
    pub id: Option<String>,
    /// Display name.
    pub display_name: Option<String>,
    /// E-mail address. `None` for groups without one, and in many responses.
    pub email: Option<String>,
}

/// Storage limits of a drive, in bytes. Some libraries report zero everywhere
/// (onedrive-graph#quota-zero).
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct QuotaFacet {
    /// Capacity of the drive.
    pub total: Option<i64>,
    /// Free space.
    pub remaining: Option<i64>,
    /// Space that is in use, with the recycle bin.
    pub used: Option<i64>,
    /// Space of the recycle bin.
    pub deleted: Option<i64>,
}

/// A SharePoint site.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Site {
    /// Id of the site: `host,guid,guid`.
    pub id: String,
    /// Title of the site. `None` if the request did not select it.
    pub display_name: Option<String>,
    /// URL of the site. `None` if the request did not select it.
    pub web_url: Option<String>,
}

/// One page of a list of sites.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct SitePage {
    /// The sites.
    pub value: Vec<Site>,
    /// URL of the next page; `None` on the last page.
    #[serde(rename = "@odata.nextLink", default, deserialize_with = "secret")]
    pub next: Option<Secret>,
}

/// One page of a list of drives.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct DrivePage {
    /// The drives.
    pub value: Vec<DriveResource>,
    /// URL of the next page; `None` on the last page.
    #[serde(rename = "@odata.nextLink", default, deserialize_with = "secret")]
    pub next: Option<Secret>,
}

/// A version of a file (onedrive-graph#versions).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct FileVersionResource {
    /// Number of the version, such as `3.0`.
    pub id: String,
    /// Size in bytes.
    #[serde(deserialize_with = "lenient::size")]
    pub size: Option<u64>,
    /// When the version was written.
    #[serde(deserialize_with = "time")]
    pub last_modified_date_time: Option<Timestamp>,
}

/// One page of the versions of a file, newest first.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct VersionPage {
    /// The versions.
    pub value: Vec<FileVersionResource>,
    /// URL of the next page; `None` on the last page.
    #[serde(rename = "@odata.nextLink", default, deserialize_with = "secret")]
    pub next: Option<Secret>,
}

/// One page of a list of items.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct ItemPage {
    /// The items.
    pub value: Vec<ListEntry>,
    /// URL of the next page, absolute and opaque; `None` on the last page.
    #[serde(rename = "@odata.nextLink", default, deserialize_with = "secret")]
    pub next: Option<Secret>,
    /// On the last page of a change feed: URL that returns later changes.
    #[serde(rename = "@odata.deltaLink", default, deserialize_with = "secret")]
    pub delta: Option<Secret>,
}

/// One entry of an [`ItemPage`]. An entry with an unknown shape does not invalidate its page.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ListEntry {
    /// An item.
    Item(Box<DriveItem>),
    /// JSON that is not a [`DriveItem`].
    Unknown(Value),
}

impl fmt::Debug for ListEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(item) => item.fmt(f),
            // The JSON may contain a download URL, which is a secret.
            Self::Unknown(_) => f.write_str("Unknown"),
        }
    }
}

/// An upload session (onedrive-graph#session-create).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UploadSessionResource {
    /// URL for the fragments, pre-authenticated and opaque. Only the response that creates the
    /// session contains it.
    #[serde(default, deserialize_with = "secret")]
    pub upload_url: Option<Secret>,
    /// When the session expires.
    #[serde(default, deserialize_with = "time")]
    pub expiration_date_time: Option<Timestamp>,
    /// Missing byte ranges, such as `12345-` or `0-99`. The list may be incomplete.
    #[serde(default)]
    pub next_expected_ranges: Vec<String>,
}

impl UploadSessionResource {
    /// Returns the offset of the first missing byte. `None` if no range is listed, or none can be
    /// parsed.
    pub fn next_offset(&self) -> Option<u64> {
        let start = |range: &String| range.split('-').next()?.trim().parse().ok();
        self.next_expected_ranges.iter().filter_map(start).min()
    }
}

/// The status of a copy (onedrive-graph#copy-monitor).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CopyMonitor {
    /// `notStarted`, `inProgress`, `completed`, `failed`, …
    pub(crate) status: Option<String>,
    /// Id of the new item, if the copy is complete.
    pub(crate) resource_id: Option<String>,
    /// Error object, if the copy failed.
    pub(crate) error: Option<Value>,
    /// Error code alone, if the copy failed.
    pub(crate) error_code: Option<String>,
}

/// Reads a time. A malformed time reads as `None`, so that it does not invalidate a whole page.
///
/// # Errors
/// Only if the value is not a string.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// Reads a text as a secret; `None` if it is absent.
///
/// # Errors
/// Only if the value is not a string.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(Secret::from))
}
