//! Requests for the versions of a file (onedrive-graph#versions).

use http::Method;
use opendal::raw::Operation;

use super::Client;
use crate::{
    drive::{ByteRange, Context, Download, Result, Secret},
    services::onedrive::{address::Address, model::VersionPage},
    transport::{ApiRequest, segment, set_range},
};

impl Client {
    /// Sends `GET {item}/versions`. Returns the first page of the versions of a file, newest first.
    /// The first version is the current one.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; [request errors](crate::drive::Error#request-errors),
    /// for a folder too.
    pub async fn versions(&self, cx: &Context, item: &Address) -> Result<VersionPage> {
        let url = self.url(item, "/versions");
        let request = || ApiRequest::new(Operation::List, Method::GET, &*url, "{item}/versions");
        self.send_gathered(cx, &request).await?.json()
    }

    /// Sends `GET` to [`VersionPage::next`] of an earlier page.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors).
    pub async fn versions_page(&self, cx: &Context, link: &Secret) -> Result<VersionPage> {
        let url = link.expose();
        let request = || ApiRequest::new(Operation::List, Method::GET, url, "{next page}");
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET {item}/versions/{id}/content`. Returns the bytes of `range` as a stream. `size` is
    /// the size of the version in bytes, if it is known. Graph rejects the current version.
    ///
    /// # Errors
    /// `NotFound` if the file or the version does not exist; `RangeNotSatisfied` if the range starts
    /// behind the end of the version; [request errors](crate::drive::Error#request-errors), for the
    /// current version too.
    pub async fn version_content(
        &self,
        cx: &Context,
        item: &Address,
        version: &str,
        range: &ByteRange,
        size: Option<u64>,
    ) -> Result<Download> {
        let url = self.url(item, &format!("/versions/{}/content", segment(version)));
        let template = "{item}/versions/{id}/content";
        let request = |range: &ByteRange| {
            set_range(ApiRequest::new(Operation::Read, Method::GET, &*url, template), range)
        };
        self.fetch_content(cx, &request, range, size).await
    }

    /// Sends `POST {item}/versions/{id}/restoreVersion`, which makes a copy of the version the
    /// current one.
    ///
    /// # Errors
    /// `NotFound` if the file or the version does not exist; `Conflict` if the file is locked;
    /// [request errors](crate::drive::Error#request-errors).
    pub async fn restore_version(&self, cx: &Context, item: &Address, version: &str) -> Result<()> {
        let url = self.url(item, &format!("/versions/{}/restoreVersion", segment(version)));
        let template = "{item}/versions/{id}/restoreVersion";
        let request = || ApiRequest::new(Operation::Write, Method::POST, &*url, template);
        self.send(cx, &request).await.map(drop)
    }

    /// Sends `DELETE {item}/versions/{id}`. Personal drives do not have this request, and the current
    /// version cannot be deleted.
    ///
    /// # Errors
    /// `NotFound` if the file or the version does not exist; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn delete_version(&self, cx: &Context, item: &Address, version: &str) -> Result<()> {
        let url = self.url(item, &format!("/versions/{}", segment(version)));
        let template = "{item}/versions/{id}";
        let request = || ApiRequest::new(Operation::Delete, Method::DELETE, &*url, template);
        self.send_gathered(cx, &request).await.map(drop)
    }
}
