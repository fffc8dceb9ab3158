//! What clients send as JSON. Properties that are not known are ignored, as the cloud does;
//! annotations have two spellings (onedrive-graph#annotation-spellings).

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    address::{Address, DriveRef, ItemAddress},
    drive_context::DriveContext,
    error::{Error, Result},
    query::Query,
};
use crate::{
    time,
    tree::{ItemKey, OnConflict},
};

/// An item, as creating, changing and copying have it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ItemBody {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) folder: Option<Value>,
    pub(super) file: Option<Value>,
    pub(super) package: Option<Value>,
    pub(super) parent_reference: Option<ParentReference>,
    pub(super) file_system_info: Option<FileSystemInfo>,
    pub(super) file_size: Option<u64>,
    /// Of a copy: the children of the folder, and not the folder itself.
    pub(super) children_only: Option<bool>,
    #[serde(rename = "@microsoft.graph.conflictBehavior", alias = "@name.conflictBehavior")]
    conflict: Option<String>,
    #[serde(rename = "@microsoft.graph.sourceUrl", alias = "@content.sourceUrl")]
    pub(super) source_url: Option<String>,
}

/// Where an item is to be. Empty strings are as good as absent: rclone sends them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ParentReference {
    id: Option<String>,
    drive_id: Option<String>,
    path: Option<String>,
}

/// The user's times.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FileSystemInfo {
    created_date_time: Option<String>,
    last_modified_date_time: Option<String>,
}

impl FileSystemInfo {
    /// When the user made it and when its bytes were last changed, as far as said.
    pub(super) fn times(&self) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
        Ok((
            read_time("createdDateTime", self.created_date_time.as_deref())?,
            read_time("lastModifiedDateTime", self.last_modified_date_time.as_deref())?,
        ))
    }
}

fn read_time(property: &str, text: Option<&str>) -> Result<Option<Timestamp>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed = time::parse(text).map(Some);
    parsed.ok_or_else(|| Error::invalid(format!("{property}: {text:?} is not a time.")))
}

impl ItemBody {
    /// What is to happen when the name is taken: said in the body, or in the query.
    pub(super) fn on_conflict(&self, query: &Query) -> Result<Option<OnConflict>> {
        let said = self.conflict.as_deref().or_else(|| query.annotation("conflictBehavior"));
        said.map(on_conflict).transpose()
    }

    /// The user's times, as far as said.
    pub(super) fn times(&self) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
        self.file_system_info.as_ref().map_or(Ok((None, None)), FileSystemInfo::times)
    }
}

/// What a `conflictBehavior` means.
pub(super) fn on_conflict(text: &str) -> Result<OnConflict> {
    match text {
        "fail" => Ok(OnConflict::Fail),
        "replace" => Ok(OnConflict::Replace),
        "rename" => Ok(OnConflict::Rename),
        other => Err(Error::invalid(format!(
            "conflictBehavior is fail, replace or rename, not {other:?}."
        ))),
    }
}

impl ParentReference {
    /// The live folder that is meant; `None`: nothing is said of it.
    pub(super) async fn folder(&self, scope: &DriveContext<'_>) -> Result<Option<ItemKey>> {
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let check_drive = |drive: &str| match scope.ids.is_drive(drive) {
            true => Ok(()),
            false => Err(Error::new(
                StatusCode::BAD_REQUEST,
                "notSupported",
                "Cannot move or copy between drives.",
            )),
        };
        if let Some(drive) = said(&self.drive_id) {
            check_drive(&drive)?;
        }
        if let Some(id) = said(&self.id) {
            if id == "root" {
                let why = "\"root\" is no id of a parent: name the root folder by its own id.";
                return Err(Error::invalid(why));
            }
            let item = scope.number(&id)?;
            return Ok(Some(scope.tree().node(scope.drive(), item).await?.no));
        }
        let Some(path) = said(&self.path) else { return Ok(None) };
        let address = parent_path(&path)?;
        if let DriveRef::Id { id, .. } = &address.drive {
            check_drive(id)?;
        }
        Ok(Some(scope.locate(&address).await?.node.no))
    }
}

/// The address that `parentReference.path` is: `/drive/root:/a/b`, percent-encoded.
fn parent_path(path: &str) -> Result<ItemAddress> {
    match Address::parse(path, &Query::default()) {
        Ok(Address::Item(address)) if address.calls.is_empty() => Ok(address),
        _ => Err(Error::invalid(format!("The parent's path {path:?} leads to no item."))
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
            let behavior = body.on_conflict(&Query::default()).unwrap();
            assert_eq!(behavior, Some(OnConflict::Rename));
        }
        assert!(on_conflict("Replace").is_err());
    }

    #[test]
    fn times_have_up_to_seven_digits() {
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
    fn a_parents_path_is_percent_encoded() {
        let names = |path: &str| parent_path(path).map(|address| address.path).ok();
        assert_eq!(names("/drive/root:"), Some(vec![]));
        assert_eq!(names("/drive/root:/a%20b/c"), Some(vec!["a b".into(), "c".into()]));
        assert_eq!(names("/drives/b!x/root:/a:"), Some(vec!["a".into()]));
        assert_eq!(names("nonsense"), None);
        assert_eq!(names("/drive/root:/a:/content"), None);
    }
}
