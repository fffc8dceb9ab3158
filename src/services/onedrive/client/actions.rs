//! Requests for one item beyond its metadata and content: thumbnails, preview, permanent deletion,
//! restore, check-out.

use http::Method;
use opendal::raw::Operation;
use serde_json::{Value, json};

use super::Client;
use crate::{
    drive::{ByteRange, Context, Download, Result},
    services::onedrive::{
        address::Address,
        model::{DriveItem, ItemPatch, Preview, ThumbnailPage},
    },
    transport::ApiRequest,
};

impl Client {
    /// Sends `GET {item}` without a selection. Returns the item as Graph describes it, with members
    /// that [`DriveItem`] lacks. It may contain a download URL, which is a secret.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist.
    pub async fn item_document(&self, cx: &Context, item: &Address) -> Result<Value> {
        let url = self.url(item, "");
        let request = || ApiRequest::new(Operation::Stat, Method::GET, &*url, "{item}");
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET {item}/thumbnails` (onedrive-graph#thumbnails). Returns the thumbnails of an item;
    /// none for an item without a picture.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist.
    pub async fn thumbnails(&self, cx: &Context, item: &Address) -> Result<ThumbnailPage> {
        let url = self.url(item, "/thumbnails");
        let request = || ApiRequest::new(Operation::List, Method::GET, &*url, "{item}/thumbnails");
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET {item}/thumbnails/0/c{side}x{side}/content`. Returns the bytes of a thumbnail that
    /// fits into a square with a side of `side` pixels.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist or has no thumbnail; [request
    /// errors](crate::drive::Error#request-errors), also for a side that is too large.
    pub async fn thumbnail(&self, cx: &Context, item: &Address, side: u32) -> Result<Download> {
        let url = self.url(item, &format!("/thumbnails/0/c{side}x{side}/content"));
        let template = "{item}/thumbnails/0/{size}/content";
        let request =
            |_: &ByteRange| ApiRequest::new(Operation::Read, Method::GET, &*url, template);
        self.fetch_content(cx, &request, &ByteRange::Full, None).await
    }

    /// Sends `POST {item}/preview` (onedrive-graph#preview). Returns URLs of a page that shows a file
    /// for a short time.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; [request errors](crate::drive::Error#request-errors),
    /// also for a folder.
    pub async fn preview(&self, cx: &Context, item: &Address) -> Result<Preview> {
        let url = self.url(item, "/preview");
        let body = json!({});
        let request =
            || ApiRequest::new(Operation::Stat, Method::POST, &*url, "{item}/preview").json(&body);
        self.send(cx, &request).await?.json()
    }

    /// Sends `POST {item}/permanentDelete` (onedrive-graph#permanent-delete). Deletes an item, with
    /// everything below it, for good.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `InvalidInput` for the root folder.
    pub async fn permanent_delete(&self, cx: &Context, item: &Address) -> Result<()> {
        self.send_action(cx, Operation::Delete, item, "/permanentDelete", "{item}/permanentDelete")
            .await
    }

    /// Sends `POST {item}/restore` (onedrive-graph#restore). Moves an item from the recycle bin to
    /// its former place, or to the folder and name in `patch`. Personal drives only.
    ///
    /// # Errors
    /// `NotFound` if the item is not in the recycle bin; `AlreadyExists` if the name is taken.
    pub async fn restore(
        &self,
        cx: &Context,
        item: &Address,
        patch: &ItemPatch,
    ) -> Result<DriveItem> {
        let url = self.url(item, "/restore");
        let request = || {
            ApiRequest::new(Operation::Restore, Method::POST, &*url, "{item}/restore").json(patch)
        };
        self.send(cx, &request).await?.json()
    }

    /// Sends `POST {item}/checkout`. Until the file is checked in, only this user can change it.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `Conflict` if it is locked or checked out.
    pub async fn check_out(&self, cx: &Context, item: &Address) -> Result<()> {
        self.send_action(cx, Operation::Write, item, "/checkout", "{item}/checkout").await
    }

    /// Sends `POST {item}/checkin`, with a comment on the new version.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `Conflict` if another user has checked it out; [request
    /// errors](crate::drive::Error#request-errors) if it is not checked out.
    pub async fn check_in(&self, cx: &Context, item: &Address, comment: &str) -> Result<()> {
        let url = self.url(item, "/checkin");
        let body = json!({ "comment": comment });
        let request =
            || ApiRequest::new(Operation::Write, Method::POST, &*url, "{item}/checkin").json(&body);
        self.send(cx, &request).await.map(drop)
    }

    /// Sends `POST {item}/discardCheckout` (onedrive-graph#discard-checkout). Ends a check-out, and
    /// discards the changes since then.
    ///
    /// # Errors
    /// Those of [`check_in`](Self::check_in).
    pub async fn discard_check_out(&self, cx: &Context, item: &Address) -> Result<()> {
        let template = "{item}/discardCheckout";
        self.send_action(cx, Operation::Write, item, "/discardCheckout", template).await
    }

    /// Sends a `POST` without body for an action of an item. `template` is the path of the request
    /// without values, for logs.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    async fn send_action(
        &self,
        cx: &Context,
        operation: Operation,
        item: &Address,
        action: &str,
        template: &'static str,
    ) -> Result<()> {
        let url = self.url(item, action);
        let request = || ApiRequest::new(operation, Method::POST, &*url, template);
        self.send(cx, &request).await.map(drop)
    }
}
