//! Requests for lists of items: the children of a folder, and the change feed.

use http::Method;
use jiff::Timestamp;
use opendal::raw::Operation;

use super::Client;
use crate::{
    drive::{Context, Result, Secret},
    services::onedrive::{
        address::Address,
        model::{ITEM_PROPERTIES, ItemPage},
    },
    transport::ApiRequest,
};

impl Client {
    /// Sends `GET {folder}/children` (onedrive-graph#list-children). Returns the first page of the
    /// children, with at most `top` items.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist.
    pub async fn children(&self, cx: &Context, folder: &Address, top: usize) -> Result<ItemPage> {
        let url = self.url(folder, "/children");
        let request = || {
            ApiRequest::new(Operation::List, Method::GET, &*url, "{item}/children")
                .query("$select", ITEM_PROPERTIES)
                .query("$top", top.to_string())
        };
        self.send_gathered(cx, &request).await?.json()
    }

    /// Sends `GET {folder}/delta` (onedrive-graph#delta). Returns the first page of all items below
    /// the folder, with at most `top` items.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist.
    pub async fn delta(&self, cx: &Context, folder: &Address, top: usize) -> Result<ItemPage> {
        let url = self.url(folder, "/delta");
        let request = || {
            ApiRequest::new(Operation::List, Method::GET, &*url, "{item}/delta")
                .query("$select", ITEM_PROPERTIES)
                .query("$top", top.to_string())
        };
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET {folder}/delta?token=latest` (onedrive-graph#delta-latest). Returns no items, and
    /// the URL that will return changes after this request.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist.
    pub async fn delta_latest(&self, cx: &Context, folder: &Address) -> Result<ItemPage> {
        self.delta_from(cx, folder, "latest").await
    }

    /// Sends `GET {folder}/delta?token={time}` (onedrive-graph#delta-timestamp). Returns the first
    /// page of the changes since a point in time. Business and SharePoint only.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist, and with the code `resyncRequired` for a time before
    /// the start of the feed; [request errors](crate::drive::Error#request-errors) of a personal
    /// drive.
    pub async fn delta_since(
        &self,
        cx: &Context,
        folder: &Address,
        since: Timestamp,
    ) -> Result<ItemPage> {
        self.delta_from(cx, folder, &since.to_string()).await
    }

    /// Sends `GET {folder}/delta?token={token}`.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist; [request errors](crate::drive::Error#request-errors)
    /// for an invalid token.
    async fn delta_from(&self, cx: &Context, folder: &Address, token: &str) -> Result<ItemPage> {
        let url = self.url(folder, "/delta");
        let request = || {
            ApiRequest::new(Operation::List, Method::GET, &*url, "{item}/delta")
                .query("$select", ITEM_PROPERTIES)
                .query("token", token)
        };
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET` to [`ItemPage::next`] or [`ItemPage::delta`] of an earlier page.
    ///
    /// # Errors
    /// `NotFound` with the code `resyncRequired` if the link has expired; the list must then be
    /// requested from its beginning.
    pub async fn page(&self, cx: &Context, link: &Secret) -> Result<ItemPage> {
        let url = link.expose();
        let request = || ApiRequest::new(Operation::List, Method::GET, url, "{next page}");
        self.send(cx, &request).await?.json()
    }
}
