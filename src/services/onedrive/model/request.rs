//! Bodies of requests to Microsoft Graph.

use serde::Serialize;

use super::FileSystemInfo;
use crate::drive::IfExists;

/// Graph's choices for a name that is already in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ConflictBehavior {
    /// Respond 409.
    Fail,
    /// Replace the existing file.
    Replace,
    /// Choose another name.
    Rename,
}

impl ConflictBehavior {
    /// Returns the value for a URL's query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Replace => "replace",
            Self::Rename => "rename",
        }
    }
}

impl From<IfExists> for ConflictBehavior {
    /// Returns Graph's word for a choice of the [`Drive`](crate::drive::Drive) contract.
    fn from(if_exists: IfExists) -> Self {
        match if_exists {
            IfExists::Replace => Self::Replace,
            IfExists::Fail => Self::Fail,
            IfExists::Rename => Self::Rename,
        }
    }
}

/// Properties of a file for which an upload session is created.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UploadableProperties {
    /// Behaviour if the name is in use.
    #[serde(rename = "@microsoft.graph.conflictBehavior")]
    pub conflict_behavior: ConflictBehavior,
    /// Size of the whole file in bytes. The cloud compares it with the quota before the upload.
    pub file_size: u64,
    /// Times of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_system_info: Option<FileSystemInfo>,
}

impl UploadableProperties {
    /// Returns the properties of a file of `file_size` bytes, without times.
    pub fn new(conflict_behavior: ConflictBehavior, file_size: u64) -> Self {
        Self { conflict_behavior, file_size, file_system_info: None }
    }
}

/// Properties to change in an item (onedrive-graph#update-item), or name and folder of a copy
/// (onedrive-graph#copy-request). Properties that are `None` stay unchanged.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ItemPatch {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New parent folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_reference: Option<FolderReference>,
    /// New times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_system_info: Option<FileSystemInfo>,
}

/// A folder in the body of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum FolderReference {
    /// A folder by path.
    Path {
        /// The path, such as `/drive/root:/a/b`, percent-encoded.
        path: String,
    },
    /// A folder by id.
    #[serde(rename_all = "camelCase")]
    Id {
        /// Id of the folder's drive; `None` for the drive of the item itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        drive_id: Option<String>,
        /// Id of the folder.
        id: String,
    },
}
