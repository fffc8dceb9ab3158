//! Requests for items that are not addressed by a folder: search, items that others share, and
//! sharing URLs.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderName, Method};
use opendal::raw::Operation;

use super::Client;
use crate::{
    drive::{Context, Result, Secret},
    services::onedrive::{
        address::{Address, DriveRef},
        model::{DriveItem, ITEM_PROPERTIES, ItemPage},
    },
    transport::{ApiRequest, segment},
};

/// Preferences of a request.
const PREFER: HeaderName = HeaderName::from_static("prefer");

impl Client {
    /// Sends `GET {folder}/search(q='{text}')` (onedrive-graph#search). Returns the first page of the
    /// items below the folder that the text finds, with at most `top` items.
    /// [`page`](Self::page) returns the others.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist; [request errors](crate::drive::Error#request-errors),
    /// also if it is a file.
    pub async fn search(
        &self,
        cx: &Context,
        folder: &Address,
        text: &str,
        top: usize,
    ) -> Result<ItemPage> {
        let text = text.replace('\'', "''");
        let url = self.url(folder, &format!("/search(q='{}')", segment(&text)));
        let request = || {
            ApiRequest::new(Operation::List, Method::GET, &*url, "{item}/search(q='{text}')")
                .query("$select", ITEM_PROPERTIES)
                .query("$top", top.to_string())
        };
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET {drive}/sharedWithMe`. Returns the first page of the items that other users share
    /// with the user of a drive. [`page`](Self::page) returns the others.
    ///
    /// # Errors
    /// `NotFound` if the drive does not exist.
    pub async fn shared_with_me(&self, cx: &Context, drive: &DriveRef) -> Result<ItemPage> {
        let url = format!("{}{}/sharedWithMe", self.endpoint, drive.url_path());
        let request =
            || ApiRequest::new(Operation::List, Method::GET, &*url, "{drive}/sharedWithMe");
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET /shares/{encoded URL}/driveItem` (onedrive-graph#shares). Returns the item that a
    /// sharing URL leads to. The request gives the signed-in user lasting access to the item, as if
    /// the user had opened the URL in a browser (onedrive-graph#redeem-sharing-link).
    ///
    /// # Errors
    /// `NotFound` if the URL leads to no item; `PermissionDenied` if the user may not open it.
    pub async fn shared_item(&self, cx: &Context, sharing_url: &Secret) -> Result<DriveItem> {
        let token = BASE64_URL_SAFE_NO_PAD.encode(sharing_url.expose());
        let url = format!("{}/shares/u!{token}/driveItem", self.endpoint);
        let request = || {
            ApiRequest::new(Operation::Stat, Method::GET, &*url, "shares/{token}/driveItem")
                .query("$select", ITEM_PROPERTIES)
                .header(PREFER, "redeemSharingLink")
        };
        self.send(cx, &request).await?.json()
    }
}
