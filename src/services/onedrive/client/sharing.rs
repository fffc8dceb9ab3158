//! Requests for links and permissions (onedrive-graph#sharing).
//!
//! They have the operation [`Operation::Presign`], by which
//! [`resource_units`](super::super::resource_units) knows their cost.

use http::Method;
use opendal::raw::Operation;
use serde_json::json;

use super::Client;
use crate::{
    drive::{Context, Result, Secret},
    rate_limit::Repeat,
    services::onedrive::{
        address::Address,
        model::{Invitation, LinkOptions, PermissionPage, PermissionResource},
    },
    transport::{ApiRequest, segment},
};

impl Client {
    /// Sends `POST {item}/createLink` (onedrive-graph#create-link). Creates a link, or returns an
    /// existing link of the same type and scope.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `InvalidInput` or `PermissionDenied` if the account
    /// does not permit such a link.
    pub async fn create_link(
        &self,
        cx: &Context,
        item: &Address,
        options: &LinkOptions,
    ) -> Result<PermissionResource> {
        let url = self.url(item, "/createLink");
        let request = || {
            ApiRequest::new(Operation::Presign, Method::POST, &*url, "{item}/createLink")
                .json(options)
        };
        self.send(cx, &request).await?.json()
    }

    /// Sends `POST {item}/invite` (onedrive-graph#invite). Grants users access to an item. Returns
    /// one permission for each recipient.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `InvalidInput` or `PermissionDenied` if the account
    /// does not permit it.
    pub async fn invite(
        &self,
        cx: &Context,
        item: &Address,
        invitation: &Invitation,
    ) -> Result<PermissionPage> {
        let url = self.url(item, "/invite");
        let request = || {
            // After a lost response, a repeated request would send a second invitation.
            ApiRequest::new(Operation::Presign, Method::POST, &*url, "{item}/invite")
                .repeat(Repeat::IfRefused)
                .json(invitation)
        };
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET {item}/permissions` (onedrive-graph#permissions). Returns the first page of the
    /// permissions of an item, with those of links and inherited ones.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist.
    pub async fn permissions(&self, cx: &Context, item: &Address) -> Result<PermissionPage> {
        let url = self.url(item, "/permissions");
        let request =
            || ApiRequest::new(Operation::Presign, Method::GET, &*url, "{item}/permissions");
        self.send(cx, &request).await?.json()
    }

    /// Sends `GET` to [`PermissionPage::next`] of an earlier page.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors).
    pub async fn permissions_page(&self, cx: &Context, link: &Secret) -> Result<PermissionPage> {
        let url = link.expose();
        let request = || ApiRequest::new(Operation::Presign, Method::GET, url, "{next page}");
        self.send(cx, &request).await?.json()
    }

    /// Sends `PATCH {item}/permissions/{id}`. Replaces the roles of a permission, such as `read` or
    /// `write`.
    ///
    /// # Errors
    /// `NotFound` if the item or the permission does not exist; `InvalidInput` or `PermissionDenied`
    /// for a permission that cannot be changed.
    pub async fn update_permission(
        &self,
        cx: &Context,
        item: &Address,
        id: &str,
        roles: &[&str],
    ) -> Result<PermissionResource> {
        let url = self.url(item, &format!("/permissions/{}", segment(id)));
        let body = json!({ "roles": roles });
        let template = "{item}/permissions/{id}";
        let request =
            || ApiRequest::new(Operation::Presign, Method::PATCH, &*url, template).json(&body);
        self.send(cx, &request).await?.json()
    }

    /// Sends `DELETE {item}/permissions/{id}`.
    ///
    /// # Errors
    /// `NotFound` if the item or the permission does not exist; `InvalidInput` or `PermissionDenied`
    /// for a permission that cannot be deleted, such as the owner's.
    pub async fn delete_permission(&self, cx: &Context, item: &Address, id: &str) -> Result<()> {
        let url = self.url(item, &format!("/permissions/{}", segment(id)));
        let template = "{item}/permissions/{id}";
        let request = || ApiRequest::new(Operation::Presign, Method::DELETE, &*url, template);
        self.send(cx, &request).await.map(drop)
    }
}
