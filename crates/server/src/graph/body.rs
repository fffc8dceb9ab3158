//! JSON bodies of requests. Like the cloud, the server ignores unknown properties. Annotations have
//! two spellings (onedrive-graph#annotation-spellings).

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    address::{Address, DriveRef, ItemAddress},
    drive_context::DriveContext,
    error::{Error, Result},
    query::QueryOptions,
    shortcuts::RemoteItemBody,
};
use crate::{
    time,
    tree::{ItemKey, OnConflict, Role},
};

/// The item in a request that creates, changes or copies it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ItemBody {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) folder: Option<Value>,
    pub(super) file: Option<Value>,
    pub(super) package: Option<Value>,
    pub(super) bundle: Option<Value>,
    /// The target of a shortcut.
    pub(super) remote_item: Option<RemoteItemBody>,
    pub(super) parent_reference: Option<ParentReference>,
    pub(super) file_system_info: Option<FileSystemInfo>,
    pub(super) file_size: Option<u64>,
    /// The application that a new file is from.
    pub(super) drive_item_source: Option<DriveItemSource>,
    /// The kind of media of a new file.
    pub(super) media_source: Option<MediaSource>,
    /// Whether a copy has the earlier versions of files.
    pub(super) include_all_version_history: Option<bool>,
    /// Whether a copy is of the folder's children and not of the folder itself.
    pub(super) children_only: Option<bool>,
    #[serde(rename = "@microsoft.graph.conflictBehavior", alias = "@name.conflictBehavior")]
    conflict_behavior: Option<String>,
    #[serde(rename = "@microsoft.graph.sourceUrl", alias = "@content.sourceUrl")]
    /// URL of an upload session whose bytes become the file.
    pub(super) source_url: Option<String>,
}

/// The application that a file is from, as the client declares it. The server stores it and does not
/// interpret it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DriveItemSource {
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
}

/// The kind of media of a file, such as `meeting`, as the client declares it. The server stores it and
/// does not interpret it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MediaSource {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_category: Option<String>,
}

/// The parent in a request. An empty string counts as absent: rclone sends them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ParentReference {
    id: Option<String>,
    drive_id: Option<String>,
    path: Option<String>,
}

/// The times that the client sets.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FileSystemInfo {
    created_date_time: Option<String>,
    last_modified_date_time: Option<String>,
}

impl FileSystemInfo {
    /// Returns the creation and modification time, in this order; `None` for a time that is absent.
    ///
    /// # Errors
    /// 400 for a text that is neither empty nor a time in ISO 8601 format.
    pub(super) fn times(&self) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
        Ok((
            parse_time("createdDateTime", self.created_date_time.as_deref())?,
            parse_time("lastModifiedDateTime", self.last_modified_date_time.as_deref())?,
        ))
    }
}

/// Parses the time in a property. Returns `None` if the text is absent or empty. `property` is the
/// name in the error.
///
/// # Errors
/// 400 for a text that is neither empty nor a time in ISO 8601 format.
fn parse_time(property: &str, text: Option<&str>) -> Result<Option<Timestamp>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed = time::parse(text).map(Some);
    parsed.ok_or_else(|| Error::invalid(format!("cannot read {property}: {text:?} is not a time")))
}

impl ItemBody {
    /// Returns the conflict behavior in the body or the query; `None` if the request does not set
    /// it.
    ///
    /// # Errors
    /// 400 for another behavior than `fail`, `replace` and `rename`.
    pub(super) fn on_conflict(&self, query: &QueryOptions) -> Result<Option<OnConflict>> {
        let text =
            self.conflict_behavior.as_deref().or_else(|| query.annotation("conflictBehavior"));
        text.map(on_conflict).transpose()
    }

    /// Returns the creation and modification time in the body; `None` for a time that is absent.
    ///
    /// # Errors
    /// 400 for a text that is neither empty nor a time in ISO 8601 format.
    pub(super) fn times(&self) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
        self.file_system_info.as_ref().map_or(Ok((None, None)), FileSystemInfo::times)
    }
}

/// Parses a `conflictBehavior`, which is in lower case.
///
/// # Errors
/// 400 for another behavior than `fail`, `replace` and `rename`.
pub(super) fn on_conflict(text: &str) -> Result<OnConflict> {
    match text {
        "fail" => Ok(OnConflict::Fail),
        "replace" => Ok(OnConflict::Replace),
        "rename" => Ok(OnConflict::Rename),
        other => Err(Error::invalid(format!(
            "cannot read conflictBehavior: {other:?} is not fail, replace or rename"
        ))),
    }
}

impl ParentReference {
    /// Returns the context of the drive that the reference names; `None` if it is that of `context`.
    ///
    /// # Errors
    /// As of [`DriveContext::open`]: 404 if the token does not open the drive.
    pub(super) async fn other_drive<'c>(
        &self,
        context: &DriveContext<'c>,
    ) -> Result<Option<DriveContext<'c>>> {
        let named = self.drive_id.clone().filter(|id| !id.is_empty());
        let Some(id) = named.filter(|id| !context.ids.is_drive(id)) else { return Ok(None) };
        DriveContext::open(context.request, &DriveRef::Id { id, site: None }).await.map(Some)
    }

    /// Returns the live item that the reference names by id or path; `None` if it names none. It
    /// does not check whether the item is a folder.
    ///
    /// # Errors
    /// 400 for another drive, the id `root` or a path that is no item's; 403 if the token does not
    /// cover the item, or the caller cannot write to it; 404 if it does not exist or is in the recycle
    /// bin; for a path also the other
    /// errors of [`DriveContext::locate`]; 500 if the storage fails.
    pub(super) async fn folder(&self, context: &DriveContext<'_>) -> Result<Option<ItemKey>> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let check_drive = |drive: &str| match context.ids.is_drive(drive) {
            true => Ok(()),
            false => Err(Error::new(
                StatusCode::BAD_REQUEST,
                "notSupported",
                "Cannot move or copy between drives.",
            )),
        };
        if let Some(drive) = given(&self.drive_id) {
            check_drive(&drive)?;
        }
        if let Some(id) = given(&self.id) {
            if id == "root" {
                let message =
                    "cannot use \"root\" as the id of a parent: use the root folder's own id";
                return Err(Error::invalid(message));
            }
            let item = context.item_key(&id)?;
            context.check_covered(item).await?;
            context.require(item, Role::Write).await?;
            return Ok(Some(context.tree().node(context.drive(), item).await?.no));
        }
        let Some(path) = given(&self.path) else { return Ok(None) };
        let address = parent_path(&path)?;
        if let DriveRef::Id { id, .. } = &address.drive {
            check_drive(id)?;
        }
        let folder = context.locate(&address).await?.node.no;
        context.require(folder, Role::Write).await?;
        Ok(Some(folder))
    }
}

/// Parses `parentReference.path`, percent-encoded, such as `/drive/root:/a%20b`.
///
/// # Errors
/// 400 if it is not the path of an item.
fn parent_path(path: &str) -> Result<ItemAddress> {
    match Address::parse(path, &QueryOptions::default()) {
        Ok(Address::Item(address)) if address.segments.is_empty() => Ok(address),
        _ => Err(Error::invalid(format!(
            "cannot use the parent's path {path:?}: it is not an item's path"
        ))
        .inner("invalidPath")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_have_two_spellings() {
        for key in ["@microsoft.graph.conflictBehavior", "@name.conflictBehavior"] {
            let text = format!("{{\"{key}\":\"rename\",\"unknown\":1}}");
            let body: ItemBody = serde_json::from_str(&text).unwrap();
            let behavior = body.on_conflict(&QueryOptions::default()).unwrap();
            assert_eq!(behavior, Some(OnConflict::Rename));
        }
        assert!(on_conflict("Replace").is_err());
    }

    #[test]
    fn times_have_up_to_seven_decimals() {
        let info = FileSystemInfo {
            created_date_time: None,
            last_modified_date_time: Some("2024-05-06T07:08:45.1788916Z".into()),
        };
        let (created, modified) = info.times().unwrap();
        assert_eq!(created, None);
        assert_eq!(modified, Some("2024-05-06T07:08:45.1788916Z".parse().unwrap()));
        let bad = FileSystemInfo { created_date_time: Some("yesterday".into()), ..info };
        assert!(bad.times().unwrap_err().message.contains("yesterday"));
    }

    #[test]
    fn parent_paths_are_percent_encoded() {
        let names = |path: &str| parent_path(path).map(|address| address.path).ok();
        assert_eq!(names("/drive/root:"), Some(vec![]));
        assert_eq!(names("/drive/root:/a%20b/c"), Some(vec!["a b".into(), "c".into()]));
        assert_eq!(names("/drives/b!x/root:/a:"), Some(vec!["a".into()]));
        assert_eq!(names("nonsense"), None);
        assert_eq!(names("/drive/root:/a:/content"), None);
    }
}
