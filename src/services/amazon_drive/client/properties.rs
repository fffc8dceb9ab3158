//! Properties: texts that applications store with nodes (amazon-drive#requests-properties).

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use opendal::{Buffer, raw::Operation};
use serde_json::json;

use super::{Client, Deduplication, decode};
use crate::{
    drive::{Body, Context, Error, ErrorKind, Result},
    services::amazon_drive::{
        error::error_of,
        model::{NewNode, NodeKind, NodeProperty, PropertyList},
    },
    transport::{ApiRequest, segment},
};

/// Name of the file that [`Client::owner_id`] creates.
const OWNER_FILE: &str = "drivedal_get_owner_id";

/// The path of a property without ids, for logs.
const PROPERTY: &str = "nodes/{id}/properties/{owner}/{key}";

impl Client {
    /// `GET nodes/{id}/properties/{owner}`: returns the properties that an application has stored
    /// with a node, by key. They are empty if `owner` is another application.
    ///
    /// # Errors
    /// `NotFound` if the node does not exist, and for an empty owner. Otherwise `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn properties(
        &self,
        cx: &Context,
        id: &str,
        owner: &str,
    ) -> Result<BTreeMap<String, String>> {
        let path = format!("nodes/{}/properties/{}", segment(id), segment(owner));
        let template = "nodes/{id}/properties/{owner}";
        let list: PropertyList =
            self.get(cx, Operation::List, &path, template, |request| request).await?;
        Ok(list.data)
    }

    /// `GET nodes/{id}/properties/{owner}/{key}`: returns a property.
    ///
    /// # Errors
    /// `NotFound` if the node or the property does not exist, also because it belongs to another
    /// application. Otherwise `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    pub async fn property(
        &self,
        cx: &Context,
        id: &str,
        owner: &str,
        key: &str,
    ) -> Result<NodeProperty> {
        let path = property_path(id, owner, key);
        self.get(cx, Operation::Stat, &path, PROPERTY, |request| request).await
    }

    /// `PUT nodes/{id}/properties/{owner}/{key}`: adds or replaces a property. An application has
    /// at most 10 properties of a node, with values of at most 500 characters
    /// (amazon-drive#property-limits).
    ///
    /// # Errors
    /// `InvalidInput` beyond these limits; `NotFound` if the node does not exist, and for an empty
    /// owner; `PermissionDenied` if `owner` is another application. Otherwise `RateLimited`,
    /// `QuotaExceeded` or `Unexpected`, as for [every request](Client#errors).
    pub async fn set_property(
        &self,
        cx: &Context,
        id: &str,
        owner: &str,
        key: &str,
        value: &str,
    ) -> Result<NodeProperty> {
        let path = property_path(id, owner, key);
        let body = json!({ "value": value });
        let request =
            |url: &str| ApiRequest::new(Operation::Write, Method::PUT, url, PROPERTY).json(&body);
        decode(&self.send(cx, &path, request).await?, StatusCode::CREATED)
    }

    /// `DELETE nodes/{id}/properties/{owner}/{key}`: removes a property.
    ///
    /// # Errors
    /// `NotFound` if the node or the property does not exist; `PermissionDenied` if `owner` is
    /// another application. Otherwise `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    pub async fn delete_property(
        &self,
        cx: &Context,
        id: &str,
        owner: &str,
        key: &str,
    ) -> Result<()> {
        let path = property_path(id, owner, key);
        let request = |url: &str| ApiRequest::new(Operation::Delete, Method::DELETE, url, PROPERTY);
        let response = self.send(cx, &path, request).await?;
        if response.status.is_success() { Ok(()) } else { Err(error_of(&response)) }
    }

    /// Removes all properties of an application. Sends one request for the list, and one for each
    /// property. A property that another client removes meanwhile is no error.
    ///
    /// # Errors
    /// Those of [`properties`](Self::properties) and [`delete_property`](Self::delete_property),
    /// except `NotFound` for a property. Some properties may then be removed already.
    pub async fn delete_properties(&self, cx: &Context, id: &str, owner: &str) -> Result<()> {
        for key in self.properties(cx, id, owner).await?.into_keys() {
            match self.delete_property(cx, id, owner, &key).await {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Returns the owner of the properties that this application stores: the security profile and
    /// the user, as in [`Node::created_by`](super::super::Node::created_by).
    ///
    /// The cloud has no request for it. Like acdcli, this method creates an empty file in the root
    /// folder and moves it to the trash: two requests.
    ///
    /// # Errors
    /// `AlreadyExists` if the root folder has an item of the file's name; `Unexpected` if the
    /// response has no owner. Otherwise `PermissionDenied`, `RateLimited`, `QuotaExceeded`,
    /// `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn owner_id(&self, cx: &Context) -> Result<String> {
        let mut new = NewNode::new(NodeKind::File, OWNER_FILE, &"".into());
        // Without parents the root folder is the parent.
        new.parents.clear();
        let body = Body::Memory(Buffer::new());
        let created = self.upload(cx, &new, body, Deduplication::Suppressed).await?.node;
        self.trash(cx, &created.id).await?;
        created.created_by.ok_or_else(|| {
            let text = "cannot find the owner id: the response has no `createdBy`";
            Error::new(ErrorKind::Unexpected, text)
        })
    }
}

/// Returns the path of a property below the metadata endpoint.
fn property_path(id: &str, owner: &str, key: &str) -> String {
    format!("nodes/{}/properties/{}/{}", segment(id), segment(owner), segment(key))
}
