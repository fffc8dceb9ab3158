//! One item: looked at, made as a folder, changed, removed.

use http::{Method, header};
use opendal::raw::Operation;
use serde_json::json;

use super::{BEHAVIOR, Client, with};
use crate::{
    drive::{Context, Result},
    services::onedrive::{
        address::Address,
        model::{ConflictBehavior, DriveItem, ITEM, ItemPatch},
    },
    transport::ApiRequest,
};

impl Client {
    /// `GET {item}` (onedrive-graph#get-item). With `if_none_match` an unchanged item is answered
    /// by `Condition`.
    ///
    /// # Errors
    /// `NotFound`, `Condition`.
    pub async fn item(
        &self,
        cx: &Context,
        at: &Address,
        if_none_match: Option<&str>,
    ) -> Result<DriveItem> {
        let url = self.url(at, "");
        let call = || {
            let call = ApiRequest::new(Operation::Stat, Method::GET, &*url, "{item}")
                .query("$select", ITEM);
            with(call, header::IF_NONE_MATCH, if_none_match)
        };
        self.ok(cx, &call).await?.json()
    }

    /// `POST {folder}/children` (onedrive-graph#create-folder). Folders on the way are made too.
    ///
    /// # Errors
    /// `Exists` under [`ConflictBehavior::Fail`].
    pub async fn create_folder(
        &self,
        cx: &Context,
        parent: &Address,
        name: &str,
        behavior: ConflictBehavior,
    ) -> Result<DriveItem> {
        let url = self.url(parent, "/children");
        let body = json!({ "name": name, "folder": {}, BEHAVIOR: behavior });
        let call = || {
            ApiRequest::new(Operation::CreateDir, Method::POST, &*url, "{item}/children")
                .json(&body)
        };
        self.ok(cx, &call).await?.json()
    }

    /// `PATCH {item}` (onedrive-graph#update-item): name, folder, times in one.
    ///
    /// # Errors
    /// `Exists`, `NotFound` for the item or the new folder.
    pub async fn update(
        &self,
        cx: &Context,
        at: &Address,
        patch: &ItemPatch,
        behavior: ConflictBehavior,
    ) -> Result<DriveItem> {
        let url = self.url(at, "");
        let call = || {
            ApiRequest::new(Operation::Rename, Method::PATCH, &*url, "{item}")
                .query(BEHAVIOR, behavior.as_str())
                .json(patch)
        };
        self.ok(cx, &call).await?.json()
    }

    /// `DELETE {item}` (onedrive-graph#delete): to the recycle bin, with everything below.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when locked.
    pub async fn delete(&self, cx: &Context, at: &Address) -> Result<()> {
        let url = self.url(at, "");
        let call = || ApiRequest::new(Operation::Delete, Method::DELETE, &*url, "{item}");
        self.ok(cx, &call).await.map(drop)
    }
}
