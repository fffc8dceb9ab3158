//! Requests for one item: get, create a folder, update, delete.

use http::{Method, header};
use opendal::raw::Operation;
use serde_json::json;

use super::{CONFLICT_BEHAVIOR, Client, with_header};
use crate::{
    drive::{Context, Result},
    services::onedrive::{
        address::Address,
        model::{ConflictBehavior, DriveItem, ITEM_PROPERTIES, ItemPatch},
    },
    transport::ApiRequest,
};

impl Client {
    /// Sends `GET {item}` (onedrive-graph#get-item). Returns the item.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist, `ConditionNotMatch` if its etag is `if_none_match`.
    pub async fn item(
        &self,
        cx: &Context,
        item: &Address,
        if_none_match: Option<&str>,
    ) -> Result<DriveItem> {
        let url = self.url(item, "");
        let request = || {
            let request = ApiRequest::new(Operation::Stat, Method::GET, &*url, "{item}")
                .query("$select", ITEM_PROPERTIES);
            with_header(request, header::IF_NONE_MATCH, if_none_match)
        };
        self.send_gathered(cx, &request).await?.json()
    }

    /// Sends `POST {parent}/children` (onedrive-graph#create-folder). Creates a folder, and the
    /// missing folders above it.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use, under [`ConflictBehavior::Fail`].
    pub async fn create_folder(
        &self,
        cx: &Context,
        parent: &Address,
        name: &str,
        behavior: ConflictBehavior,
    ) -> Result<DriveItem> {
        let url = self.url(parent, "/children");
        let body = json!({ "name": name, "folder": {}, CONFLICT_BEHAVIOR: behavior });
        let request = || {
            ApiRequest::new(Operation::CreateDir, Method::POST, &*url, "{item}/children")
                .json(&body)
        };
        self.send_gathered(cx, &request).await?.json()
    }

    /// Sends `PATCH {item}` (onedrive-graph#update-item). Changes name, parent folder and times in
    /// one request.
    ///
    /// # Errors
    /// `NotFound` if the item or the new folder does not exist, `AlreadyExists` if the new name is in use.
    pub async fn update(
        &self,
        cx: &Context,
        item: &Address,
        patch: &ItemPatch,
        behavior: ConflictBehavior,
    ) -> Result<DriveItem> {
        let url = self.url(item, "");
        let request = || {
            ApiRequest::new(Operation::Rename, Method::PATCH, &*url, "{item}")
                .query(CONFLICT_BEHAVIOR, behavior.as_str())
                .json(patch)
        };
        self.send_gathered(cx, &request).await?.json()
    }

    /// Sends `DELETE {item}` (onedrive-graph#delete). Moves the item, and everything below it, to
    /// the recycle bin.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist, `Conflict` if it is locked.
    pub async fn delete(&self, cx: &Context, item: &Address) -> Result<()> {
        self.delete_if_match(cx, item, None).await
    }

    /// Deletes an item like [`delete`](Self::delete), if it has the etag `etag`.
    ///
    /// # Errors
    /// Those of [`delete`](Self::delete); `ConditionNotMatch` if the item has another etag.
    pub async fn delete_if_match(
        &self,
        cx: &Context,
        item: &Address,
        etag: Option<&str>,
    ) -> Result<()> {
        let url = self.url(item, "");
        let request = || {
            let request = ApiRequest::new(Operation::Delete, Method::DELETE, &*url, "{item}");
            with_header(request, header::IF_MATCH, etag)
        };
        self.send_gathered(cx, &request).await.map(drop)
    }
}
