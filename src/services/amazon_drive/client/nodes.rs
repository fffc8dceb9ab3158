//! Nodes: looked at, listed, made, changed, put into folders and into the trash
//! (amazon-drive#requests).

use http::{Method, StatusCode, header};
use opendal::raw::Operation;
use serde::de::DeserializeOwned;

use super::{Client, decoded};
use crate::{
    drive::{Context, Result},
    services::amazon_drive::{
        error::failure,
        model::{Filter, NewNode, Node, NodeList, NodePatch},
    },
    transport::{ApiRequest, ApiResponse, segment},
};

/// Most nodes of a page (amazon-drive#list-pages).
pub const PAGE_MAX: usize = 200;

/// Which nodes a listing is to have, and which part of them.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Only these. Nodes in the trash are listed only where the filter says so.
    pub filter: Option<Filter>,
    /// In which order, such as `["name ASC"]`.
    pub sort: Option<String>,
    /// The page that a list named as its next.
    pub start_token: Option<String>,
    /// Most nodes of a page; [`PAGE_MAX`] at most, which is the cloud's default.
    pub limit: Option<usize>,
    /// Whether nodes come with pre-authenticated links to their bytes.
    pub temp_link: bool,
}

impl ListQuery {
    fn add_to(&self, mut call: ApiRequest) -> ApiRequest {
        if let Some(filter) = &self.filter {
            call = call.query("filters", filter.to_string());
        }
        if let Some(sort) = &self.sort {
            call = call.query("sort", sort);
        }
        if let Some(token) = &self.start_token {
            call = call.query("startToken", token);
        }
        if let Some(limit) = self.limit {
            call = call.query("limit", limit.clamp(1, PAGE_MAX).to_string());
        }
        if self.temp_link {
            call = call.query("tempLink", "true");
        }
        call
    }
}

impl Client {
    /// `GET nodes/{id}`.
    pub async fn node(&self, cx: &Context, id: &str, temp_link: bool) -> Result<Node> {
        let path = format!("nodes/{}", segment(id));
        self.get(cx, Operation::Stat, &path, "nodes/{id}", |call| match temp_link {
            true => call.query("tempLink", "true"),
            false => call,
        })
        .await
    }

    /// `GET nodes`: nodes of the whole drive.
    pub async fn nodes(&self, cx: &Context, query: &ListQuery) -> Result<NodeList> {
        self.get(cx, Operation::List, "nodes", "nodes", |call| query.add_to(call)).await
    }

    /// `GET nodes/{id}/children`: nodes of a folder.
    pub async fn children(&self, cx: &Context, id: &str, query: &ListQuery) -> Result<NodeList> {
        let path = format!("nodes/{}/children", segment(id));
        self.get(cx, Operation::List, &path, "nodes/{id}/children", |call| query.add_to(call)).await
    }

    /// `GET trash`: what is in the trash by itself.
    pub async fn trashed(&self, cx: &Context, query: &ListQuery) -> Result<NodeList> {
        self.get(cx, Operation::List, "trash", "trash", |call| query.add_to(call)).await
    }

    /// `POST nodes` without bytes: makes a folder.
    ///
    /// # Errors
    /// `Exists` with the node that has the name.
    pub async fn create(&self, cx: &Context, new: &NewNode) -> Result<Node> {
        let reply = self
            .ask(cx, "nodes", |url| {
                ApiRequest::new(Operation::CreateDir, Method::POST, url, "nodes").json(new)
            })
            .await?;
        decoded(&reply, StatusCode::CREATED)
    }

    /// `PATCH nodes/{id}`.
    ///
    /// # Errors
    /// `Exists` with the node that has the new name.
    pub async fn patch(&self, cx: &Context, id: &str, patch: &NodePatch) -> Result<Node> {
        let path = format!("nodes/{}", segment(id));
        let reply = self
            .ask(cx, &path, |url| {
                ApiRequest::new(Operation::Rename, Method::PATCH, url, "nodes/{id}").json(patch)
            })
            .await?;
        decoded(&reply, StatusCode::OK)
    }

    /// `POST nodes/{to}/children`: moves a node from one of its folders to another folder.
    ///
    /// # Errors
    /// `Exists` with the node that has the name there.
    pub async fn move_child(
        &self,
        cx: &Context,
        child: &str,
        from: &str,
        to: &str,
    ) -> Result<Node> {
        let path = format!("nodes/{}/children", segment(to));
        let body = serde_json::json!({ "fromParent": from, "childId": child });
        let reply = self
            .ask(cx, &path, |url| {
                ApiRequest::new(Operation::Rename, Method::POST, url, "nodes/{id}/children")
                    .json(&body)
            })
            .await?;
        decoded(&reply, StatusCode::OK)
    }

    /// `PUT nodes/{parent}/children/{child}`: puts a node into one more folder.
    ///
    /// # Errors
    /// `Exists` with the node that has the name there.
    pub async fn add_child(&self, cx: &Context, parent: &str, child: &str) -> Result<Node> {
        self.edge(cx, Method::PUT, parent, child).await
    }

    /// `DELETE nodes/{parent}/children/{child}`: takes a node out of one of its folders. Out of
    /// its last one it is moved to the root.
    pub async fn remove_child(&self, cx: &Context, parent: &str, child: &str) -> Result<Node> {
        self.edge(cx, Method::DELETE, parent, child).await
    }

    async fn edge(&self, cx: &Context, method: Method, parent: &str, child: &str) -> Result<Node> {
        let path = format!("nodes/{}/children/{}", segment(parent), segment(child));
        let operation = match method {
            Method::DELETE => Operation::Delete,
            _ => Operation::Copy,
        };
        let reply = self
            .ask(cx, &path, |url| {
                empty(ApiRequest::new(operation, method.clone(), url, "nodes/{id}/children/{id}"))
            })
            .await?;
        // 200 in the documents, 202 for DELETE in another place of them
        // (amazon-drive#op-remove-child).
        accepted(&reply)
    }

    /// `PUT trash/{id}`: puts a node into the trash, a folder with everything below.
    pub async fn trash(&self, cx: &Context, id: &str) -> Result<Node> {
        let path = format!("trash/{}", segment(id));
        let reply = self
            .ask(cx, &path, |url| {
                empty(ApiRequest::new(Operation::Delete, Method::PUT, url, "trash/{id}"))
            })
            .await?;
        decoded(&reply, StatusCode::OK)
    }

    /// `POST trash/{id}/restore`: brings a node back to where it was.
    ///
    /// # Errors
    /// `Exists` with the node that has its name meanwhile.
    pub async fn restore(&self, cx: &Context, id: &str) -> Result<Node> {
        let path = format!("trash/{}/restore", segment(id));
        let reply = self
            .ask(cx, &path, |url| {
                empty(ApiRequest::new(Operation::Restore, Method::POST, url, "trash/{id}/restore"))
            })
            .await?;
        decoded(&reply, StatusCode::OK)
    }
}

/// A request without a body says so: the cloud answers 411 otherwise
/// (amazon-drive#error-length-required).
fn empty(call: ApiRequest) -> ApiRequest {
    call.header(header::CONTENT_LENGTH, "0")
}

/// The decoded answer, whatever the success is called.
fn accepted<T: DeserializeOwned>(reply: &ApiResponse) -> Result<T> {
    if reply.status.is_success() { reply.json() } else { Err(failure(reply)) }
}
