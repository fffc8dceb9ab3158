//! Many items, page by page: a folder's children, and everything below it.

use http::Method;
use opendal::raw::Operation;

use super::Client;
use crate::{
    drive::{Context, Result, Secret},
    services::onedrive::{
        address::Address,
        model::{ITEM, ItemPage},
    },
    transport::ApiRequest,
};

impl Client {
    /// `GET {folder}/children` (onedrive-graph#list-children): the first page, `top` items at most.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn children(&self, cx: &Context, of: &Address, top: usize) -> Result<ItemPage> {
        let url = self.url(of, "/children");
        let call = || {
            ApiRequest::new(Operation::List, Method::GET, &*url, "{item}/children")
                .query("$select", ITEM)
                .query("$top", top.to_string())
        };
        self.ok(cx, &call).await?.json()
    }

    /// `GET {folder}/delta` (onedrive-graph#delta): the first page of everything below a folder.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delta(&self, cx: &Context, of: &Address, top: usize) -> Result<ItemPage> {
        let url = self.url(of, "/delta");
        let call = || {
            ApiRequest::new(Operation::List, Method::GET, &*url, "{item}/delta")
                .query("$select", ITEM)
                .query("$top", top.to_string())
        };
        self.ok(cx, &call).await?.json()
    }

    /// `GET {folder}/delta?token=latest` (onedrive-graph#delta-latest): no items, and where to ask
    /// for what changes from now on.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn latest(&self, cx: &Context, of: &Address) -> Result<ItemPage> {
        let url = self.url(of, "/delta");
        let call = || {
            ApiRequest::new(Operation::List, Method::GET, &*url, "{item}/delta")
                .query("$select", ITEM)
                .query("token", "latest")
        };
        self.ok(cx, &call).await?.json()
    }

    /// `GET` the page that another one named.
    ///
    /// # Errors
    /// `NotFound` with code `resyncRequired` for a link that has become too old: begin anew.
    pub async fn page(&self, cx: &Context, link: &Secret) -> Result<ItemPage> {
        let url = link.expose();
        let call = || ApiRequest::new(Operation::List, Method::GET, url, "{next page}");
        self.ok(cx, &call).await?.json()
    }
}
