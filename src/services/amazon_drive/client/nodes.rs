//! Requests for nodes: metadata, lists, parents and the trash (amazon-drive#requests).

use http::{Method, StatusCode, header};
use opendal::raw::Operation;
use serde::de::DeserializeOwned;

use super::{Client, decode};
use crate::{
    drive::{Context, Result},
    services::amazon_drive::{
        error::error_of,
        filter::Filter,
        model::{NewNode, Node, NodeList, NodePatch, NodeStatus},
    },
    transport::{ApiRequest, ApiResponse, segment},
};

/// Maximum number of nodes of a page (amazon-drive#list-pages).
pub const PAGE_MAX: usize = 200;

/// Parameters of a list of nodes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListQuery {
    /// Lists only the nodes that match. Nodes in the trash are listed only if the filter contains
    /// their status.
    pub filter: Option<Filter>,
    /// Order, such as `["name ASC"]` (amazon-drive#sort).
    pub sort: Option<String>,
    /// [`NodeList::next_token`] of the preceding page; `None` for the first page.
    pub start_token: Option<String>,
    /// Maximum number of nodes of the page: 1 to [`PAGE_MAX`]. `None` for the cloud's default, which
    /// is [`PAGE_MAX`].
    pub limit: Option<usize>,
    /// Whether the response contains [`Node::temp_link`].
    pub temp_link: bool,
    /// Whether the response contains [`Node::assets`].
    pub assets: bool,
}

impl ListQuery {
    /// Creates a query for the first page of the nodes that match `filter`.
    pub fn with_filter(filter: Filter) -> Self {
        Self { filter: Some(filter), ..Self::default() }
    }

    /// Adds the parameters to the query of a request.
    fn add_to(&self, mut request: ApiRequest) -> ApiRequest {
        if let Some(filter) = &self.filter {
            request = request.query("filters", filter.to_string());
        }
        if let Some(sort) = &self.sort {
            request = request.query("sort", sort);
        }
        if let Some(token) = &self.start_token {
            request = request.query("startToken", token);
        }
        if let Some(limit) = self.limit {
            request = request.query("limit", limit.clamp(1, PAGE_MAX).to_string());
        }
        if self.temp_link {
            request = request.query("tempLink", "true");
        }
        if self.assets {
            request = request.query("asset", "ALL");
        }
        request
    }
}

impl Client {
    /// `GET nodes/{id}`: returns a node, with [`Node::temp_link`] if `temp_link` is set.
    ///
    /// # Errors
    /// `NotFound` if the node does not exist. Otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn node(&self, cx: &Context, id: &str, temp_link: bool) -> Result<Node> {
        let path = format!("nodes/{}", segment(id));
        self.get(cx, Operation::Stat, &path, "nodes/{id}", |request| match temp_link {
            true => request.query("tempLink", "true"),
            false => request,
        })
        .await
    }

    /// `GET nodes/{id}`: returns a node with its [assets](Node::assets).
    ///
    /// # Errors
    /// `NotFound` if the node does not exist. Otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn node_with_assets(&self, cx: &Context, id: &str) -> Result<Node> {
        let path = format!("nodes/{}", segment(id));
        self.get(cx, Operation::Stat, &path, "nodes/{id}", |request| request.query("asset", "ALL"))
            .await
    }

    /// `GET nodes/{id}`: returns a node as the cloud describes it, with members that [`Node`] lacks.
    /// `assets` and `temp_link` select the members `assets` and `tempLink`. The link is a secret.
    ///
    /// # Errors
    /// `NotFound` if the node does not exist. Otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn node_document(
        &self,
        cx: &Context,
        id: &str,
        assets: bool,
        temp_link: bool,
    ) -> Result<serde_json::Value> {
        let path = format!("nodes/{}", segment(id));
        let value = |flag, on| if flag { on } else { "" };
        let selected = [("asset", value(assets, "ALL")), ("tempLink", value(temp_link, "true"))];
        self.get(cx, Operation::Stat, &path, "nodes/{id}", |request| {
            let selected = selected.iter().filter(|(_, value)| !value.is_empty());
            selected.fold(request, |request, (name, value)| request.query(name, value))
        })
        .await
    }

    /// `GET nodes`: lists nodes of the whole drive.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn nodes(&self, cx: &Context, query: &ListQuery) -> Result<NodeList> {
        self.get(cx, Operation::List, "nodes", "nodes", |request| query.add_to(request)).await
    }

    /// `GET nodes/{id}/children`: lists the nodes in a folder.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist. Otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn children(&self, cx: &Context, id: &str, query: &ListQuery) -> Result<NodeList> {
        let path = format!("nodes/{}/children", segment(id));
        self.get(cx, Operation::List, &path, "nodes/{id}/children", |request| query.add_to(request))
            .await
    }

    /// `GET trash`: lists the nodes in the trash, without those below a folder in the trash.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn trashed(&self, cx: &Context, query: &ListQuery) -> Result<NodeList> {
        self.get(cx, Operation::List, "trash", "trash", |request| query.add_to(request)).await
    }

    /// `POST nodes` without content: creates a folder.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use; [`Error::existing`](crate::drive::Error::existing) is
    /// the node with the name. Otherwise `PermissionDenied`, `RateLimited`, `QuotaExceeded`,
    /// `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn create(&self, cx: &Context, new: &NewNode) -> Result<Node> {
        let response = self
            .send(cx, "nodes", |url| {
                ApiRequest::new(Operation::CreateDir, Method::POST, url, "nodes").json(new)
            })
            .await?;
        decode(&response, StatusCode::CREATED)
    }

    /// `PATCH nodes/{id}`: changes a node's metadata and returns the node.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use; [`Error::existing`](crate::drive::Error::existing) is
    /// the node with the name. `NotFound` if the node does not exist. Otherwise `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn patch(&self, cx: &Context, id: &str, patch: &NodePatch) -> Result<Node> {
        let path = format!("nodes/{}", segment(id));
        let response = self
            .send(cx, &path, |url| {
                ApiRequest::new(Operation::Rename, Method::PATCH, url, "nodes/{id}").json(patch)
            })
            .await?;
        decode(&response, StatusCode::OK)
    }

    /// `PATCH nodes/{id}`: sets the status of a node to [`NodeStatus::Available`], and returns the
    /// node. Its status was [`NodeStatus::Pending`] before. A node in the trash is restored.
    ///
    /// # Errors
    /// Those of [`patch`](Self::patch): `AlreadyExists` if the name is in use, `NotFound` if the
    /// node does not exist. Otherwise `PermissionDenied`, `RateLimited`, `QuotaExceeded`,
    /// `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn set_available(&self, cx: &Context, id: &str) -> Result<Node> {
        let patch = NodePatch { status: Some(NodeStatus::Available), ..NodePatch::default() };
        self.patch(cx, id, &patch).await
    }

    /// `DELETE nodes/{id}`: removes a node for good, and returns it with the status
    /// [`NodeStatus::Purged`]. Amazon allowed this to its own applications only
    /// (amazon-drive#op-purge).
    ///
    /// # Errors
    /// `PermissionDenied` if the cloud does not allow it; `NotFound` if the node does not exist.
    /// Otherwise `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn purge(&self, cx: &Context, id: &str) -> Result<Node> {
        let path = format!("nodes/{}", segment(id));
        let request =
            |url: &str| ApiRequest::new(Operation::Delete, Method::DELETE, url, "nodes/{id}");
        decode(&self.send(cx, &path, request).await?, StatusCode::OK)
    }

    /// `POST nodes/{to}/children`: moves the node `child` from the folder `from` to the folder `to`.
    /// The node remains in its other folders.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use; [`Error::existing`](crate::drive::Error::existing) is
    /// the node with the name. `NotFound` if one of the nodes does not exist. Otherwise
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn move_child(
        &self,
        cx: &Context,
        child: &str,
        from: &str,
        to: &str,
    ) -> Result<Node> {
        let path = format!("nodes/{}/children", segment(to));
        let body = serde_json::json!({ "fromParent": from, "childId": child });
        let response = self
            .send(cx, &path, |url| {
                ApiRequest::new(Operation::Rename, Method::POST, url, "nodes/{id}/children")
                    .json(&body)
            })
            .await?;
        decode(&response, StatusCode::OK)
    }

    /// `PUT nodes/{parent}/children/{child}`: adds the node with the id `child` to a further
    /// folder.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use; [`Error::existing`](crate::drive::Error::existing) is
    /// the node with the name. `NotFound` if one of the nodes does not exist. Otherwise
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn add_child(&self, cx: &Context, parent: &str, child: &str) -> Result<Node> {
        self.change_edge(cx, Method::PUT, parent, child).await
    }

    /// `DELETE nodes/{parent}/children/{child}`: removes a node from one of its folders. A node in no
    /// other folder moves to the root folder.
    ///
    /// # Errors
    /// `NotFound` if one of the nodes does not exist. Otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn remove_child(&self, cx: &Context, parent: &str, child: &str) -> Result<Node> {
        self.change_edge(cx, Method::DELETE, parent, child).await
    }

    /// Adds a node to a folder (`PUT`), or removes it from there (`DELETE`).
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use, `NotFound` if one of the nodes does not exist.
    /// Otherwise `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    async fn change_edge(
        &self,
        cx: &Context,
        method: Method,
        parent: &str,
        child: &str,
    ) -> Result<Node> {
        let path = format!("nodes/{}/children/{}", segment(parent), segment(child));
        let operation = match method {
            Method::DELETE => Operation::Delete,
            _ => Operation::Copy,
        };
        let response = self
            .send(cx, &path, |url| {
                without_body(ApiRequest::new(
                    operation,
                    method.clone(),
                    url,
                    "nodes/{id}/children/{id}",
                ))
            })
            .await?;
        // The documents have 200 in one place and 202 for DELETE in another
        // (amazon-drive#op-remove-child).
        decode_success(&response)
    }

    /// `PUT trash/{id}`: moves a node to the trash; a folder with everything below it.
    ///
    /// # Errors
    /// `NotFound` if the node does not exist. Otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn trash(&self, cx: &Context, id: &str) -> Result<Node> {
        let path = format!("trash/{}", segment(id));
        let response = self
            .send(cx, &path, |url| {
                without_body(ApiRequest::new(Operation::Delete, Method::PUT, url, "trash/{id}"))
            })
            .await?;
        decode(&response, StatusCode::OK)
    }

    /// `POST trash/{id}/restore`: moves a node from the trash back to its folders.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use; [`Error::existing`](crate::drive::Error::existing) is
    /// the node with the name. `NotFound` if the node does not exist. Otherwise `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn restore(&self, cx: &Context, id: &str) -> Result<Node> {
        let path = format!("trash/{}/restore", segment(id));
        let response = self
            .send(cx, &path, |url| {
                let template = "trash/{id}/restore";
                without_body(ApiRequest::new(Operation::Restore, Method::POST, url, template))
            })
            .await?;
        decode(&response, StatusCode::OK)
    }
}

/// Adds `Content-Length: 0`: without it the cloud responds 411
/// (amazon-drive#error-length-required).
fn without_body(request: ApiRequest) -> ApiRequest {
    request.header(header::CONTENT_LENGTH, "0")
}

/// Decodes a response of any 2xx status.
///
/// # Errors
/// The error in the response, if its status is not a success; `Unexpected` for a body that is not a
/// `T`.
fn decode_success<T: DeserializeOwned>(response: &ApiResponse) -> Result<T> {
    if response.status.is_success() { response.json() } else { Err(error_of(response)) }
}
