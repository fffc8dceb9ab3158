//! Drives, and what they belong to.

use http::Method;
use opendal::raw::Operation;

use super::Client;
use crate::{
    drive::{Context, Result, Secret},
    services::onedrive::{
        address::DriveRef,
        model::{self, DrivePage, Site},
    },
    transport::{ApiRequest, segment},
};

impl Client {
    /// `GET {drive}`: what the drive is, whose, and how full.
    ///
    /// # Errors
    /// The cloud's; `NotFound` for a user without a drive.
    pub async fn drive(&self, cx: &Context, drive: &DriveRef) -> Result<model::Drive> {
        let url = format!("{}{}", self.endpoint, drive.path());
        let call = || {
            ApiRequest::new(Operation::Info, Method::GET, &*url, "{drive}")
                .query("$select", "id,name,driveType,owner,quota")
        };
        self.ok(cx, &call).await?.json()
    }

    /// `GET {owner}/drives`: a page of the drives of a user, a group or a site, from its beginning
    /// or from a link of the page before.
    ///
    /// # Errors
    /// The cloud's.
    pub async fn drives(
        &self,
        cx: &Context,
        of: &DriveRef,
        from: Option<&Secret>,
    ) -> Result<DrivePage> {
        let url = match from {
            Some(link) => link.expose().to_owned(),
            None => {
                let owner = of.path();
                let owner = owner.strip_suffix("/drive").unwrap_or("/me");
                format!("{}{owner}/drives?$select=id%2Cname%2CdriveType", self.endpoint)
            }
        };
        let call = || ApiRequest::new(Operation::Info, Method::GET, &*url, "{owner}/drives");
        self.ok(cx, &call).await?.json()
    }

    /// `GET /sites/{host}:/{path}`: the site at a path of a SharePoint host (`root`: the tenant's
    /// own).
    ///
    /// # Errors
    /// The cloud's.
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
        let call = || {
            ApiRequest::new(Operation::Info, Method::GET, &*url, "sites/{site}")
                .query("$select", "id")
        };
        self.ok(cx, &call).await?.json()
    }
}
