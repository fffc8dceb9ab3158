//! Requests for drives and SharePoint sites.

use http::Method;
use opendal::raw::Operation;

use super::Client;
use crate::{
    drive::{Context, Result, Secret},
    services::onedrive::{
        address::DriveRef,
        model::{DrivePage, DriveResource, Site, SitePage},
    },
    transport::{ApiRequest, segment},
};

impl Client {
    /// Sends `GET {drive}`. Returns the drive with its owner and quota.
    ///
    /// # Errors
    /// `NotFound` if the drive does not exist, or if the user has no drive.
    pub async fn drive(&self, cx: &Context, drive: &DriveRef) -> Result<DriveResource> {
        let url = format!("{}{}", self.endpoint, drive.url_path());
        let request = || {
            ApiRequest::new(Operation::Info, Method::GET, &*url, "{drive}")
                .query("$select", "id,name,driveType,owner,quota")
        };
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET {owner}/drives`. Returns one page of the drives of a user, group or site.
    ///
    /// `owner` is the default drive of that user, group or site. `next` is [`DrivePage::next`] of
    /// the page before, `None` for the first page.
    ///
    /// # Errors
    /// `NotFound` if the owner does not exist.
    pub async fn drives(
        &self,
        cx: &Context,
        owner: &DriveRef,
        next: Option<&Secret>,
    ) -> Result<DrivePage> {
        let url = match next {
            Some(link) => link.expose().to_owned(),
            None => {
                let path = owner.url_path();
                let path = path.strip_suffix("/drive").unwrap_or("/me");
                format!("{}{path}/drives?$select=id%2Cname%2CdriveType", self.endpoint)
            }
        };
        let request = || ApiRequest::new(Operation::Info, Method::GET, &*url, "{owner}/drives");
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET /sites/{host}:/{path}`. Returns the site at a path of a SharePoint host. The host
    /// `root` stands for the tenant's own.
    ///
    /// # Errors
    /// `NotFound` if the site does not exist.
    pub async fn site(&self, cx: &Context, host: &str, path: &str) -> Result<Site> {
        let names: Vec<_> = path
            .split('/')
            .filter(|name| !name.is_empty())
            .map(|name| segment(name).to_string())
            .collect();
        let url = match names.is_empty() {
            true => format!("{}/sites/{}", self.endpoint, segment(host)),
            false => format!("{}/sites/{}:/{}", self.endpoint, segment(host), names.join("/")),
        };
        let request = || {
            ApiRequest::new(Operation::Info, Method::GET, &*url, "sites/{site}")
                .query("$select", "id")
        };
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET /sites?search={text}`. Returns one page of the sites that match the text; `*`
    /// matches all. `next` is [`SitePage::next`] of the page before, `None` for the first page.
    ///
    /// # Errors
    /// `PermissionDenied` without the scope `Sites.Read.All`; `InvalidInput` for a personal account,
    /// which has no sites.
    pub async fn sites(&self, cx: &Context, text: &str, next: Option<&Secret>) -> Result<SitePage> {
        let request = || match next {
            Some(link) => {
                ApiRequest::new(Operation::Info, Method::GET, link.expose(), "sites?search={text}")
            }
            None => {
                let url = format!("{}/sites", self.endpoint);
                ApiRequest::new(Operation::Info, Method::GET, &*url, "sites?search={text}")
                    .query("search", text)
            }
        };
        self.send(cx, &request).await?.json()
    }
}
