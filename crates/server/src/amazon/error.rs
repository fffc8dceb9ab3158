//! Error responses, with the messages of Amazon Cloud Drive (amazon-drive#errors).

use axum::{http::StatusCode, response::Response};
use serde_json::{Map, Value, json};

use super::response::{json_response, request_id, with_body};
use crate::{account::AuthError, tree::TreeError};

/// An error response: a status and a message. Some errors of the cloud also have a code and the id
/// of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AmazonError {
    pub status: StatusCode,
    pub message: String,
    /// The member `code`.
    code: Option<&'static str>,
    /// Id of the conflicting node.
    node: Option<String>,
}

pub(super) type Result<T, E = AmazonError> = std::result::Result<T, E>;

/// Code of the 409 for content that the drive already has. Inferred: no source documents it.
const DUPLICATE: &str = "MD5_DUPLICATE";

/// The body of the 404 for an unknown path, the only body that is not JSON
/// (amazon-drive#unknown-operation).
const UNKNOWN_OPERATION: &str = "<UnknownOperationException/>";

impl AmazonError {
    /// Returns an error without a code.
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), code: None, node: None }
    }

    /// Returns 400 with `message`, which says which part of the request is invalid.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Returns 400: the request body could not be received.
    pub(super) fn unreadable_body() -> Self {
        Self::invalid("Cannot read from request.")
    }

    /// Returns 400: the file exceeds the maximum length.
    pub(super) fn too_large() -> Self {
        Self::invalid("Cannot complete upload: the file is too large")
    }

    /// Returns 400: the operation is only available for folders, and the node `id` is a file.
    pub(super) fn not_a_folder(id: &str) -> Self {
        Self::invalid(format!("Node {id} is not a folder"))
    }

    /// Returns 400: the operation is only available for files, and the node `id` is a folder.
    pub(super) fn not_a_file(id: &str) -> Self {
        Self::invalid(format!("Node {id} is not a file"))
    }

    /// Returns 400: the content of the node `id` has no picture that can be decoded. Inferred.
    pub(super) fn no_thumbnail(id: &str) -> Self {
        Self::invalid(format!("Node {id} has no content that a thumbnail can be created of"))
    }

    /// Returns 403: assets are created by the service, and cannot be changed.
    pub(super) fn asset() -> Self {
        Self::forbidden("Operation not allowed on an asset node")
    }

    /// Returns 403: the operation is not available for nodes in the trash.
    pub(super) fn in_trash() -> Self {
        Self::forbidden("The node is in the trash")
    }

    /// Returns 409: concurrent requests changed the node in every attempt.
    pub(super) fn busy() -> Self {
        Self::conflict("The node is being changed by other requests")
    }

    /// Returns 404: the node has no property with the key `key`.
    pub(super) fn no_property(key: &str) -> Self {
        Self::part_not_found(format!("No property {key}"))
    }

    /// Returns 403 with `message`, without a code: the operation is not allowed.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// Returns 403: the token has no scope for the operation. The message is that of Login with
    /// Amazon for its own API; the one of Cloud Drive is not documented.
    pub(super) fn insufficient_scope() -> Self {
        Self::forbidden("The access token provided does not have access to the required scope.")
    }

    /// Returns 404: the node with the id `id` does not exist, is not visible to the token, or the
    /// id is not one of this account.
    pub(super) fn not_found(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Invalid nodeId: {id}"))
    }

    /// Returns 404: a child or a property of a node does not exist. `what` is the whole message.
    pub(super) fn part_not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    /// Returns 409 with `message`, without a code: the state of a node conflicts with the request.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// Returns 404: the path is no operation.
    pub(super) fn unknown_operation() -> Self {
        Self::new(StatusCode::NOT_FOUND, UNKNOWN_OPERATION)
    }

    /// Returns 405: the path does not support `method`, the HTTP method in upper case.
    pub(super) fn method(method: &str) -> Self {
        let message = format!("The method {method} is not allowed here");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    /// Returns 411: a request that may have a body does not declare its length.
    pub(super) fn length_required() -> Self {
        Self::new(StatusCode::LENGTH_REQUIRED, "Content-Length is missing")
    }

    /// Returns 409: another node has the name `name`, which the message shows in lower case.
    /// `parent` is the id of the folder, `node` the id of the other node.
    pub(super) fn name_taken(name: &str, parent: &str, node: String) -> Self {
        let name = name.to_lowercase();
        let message = format!(
            "Node with the name {name} already exists under parentId {parent} \
             conflicting NodeId: {node}"
        );
        Self {
            code: Some("NAME_ALREADY_EXISTS"),
            node: Some(node),
            ..Self::new(StatusCode::CONFLICT, message)
        }
    }

    /// Returns 409: the file with the id `node` has the same content. `md5` is its hash in
    /// hexadecimal digits.
    pub(super) fn duplicate(md5: &str, node: String) -> Self {
        let message = format!("Node with the MD5 {md5} already exists, conflicting NodeId: {node}");
        Self { code: Some(DUPLICATE), node: Some(node), ..Self::new(StatusCode::CONFLICT, message) }
    }

    /// Returns 403: the drive is full. The code and the message were observed by a client.
    pub(super) fn full() -> Self {
        let message = "File size exceeds account allowance.";
        Self { code: Some("NO_ACTIVE_SUBSCRIPTION_FOUND"), ..Self::forbidden(message) }
    }

    /// Returns 500: an internal error, which the response does not describe.
    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal failure")
    }

    /// Converts an error of the tree. `id` is the id of the node in the message. 404 for an item, a
    /// folder or a drive that does not exist; 400 for a file instead of a folder or the reverse, a
    /// name that the tree cannot store, and a body that ends early or is longer than its limit; 403
    /// for the root folder, for a full drive and for a full disk of the storage; 409 for a folder
    /// that would be below itself, and for a version that changed; 500 for all others, which are
    /// failures of the storage. A name conflict needs more context: use
    /// `AmazonRequest::tree_error`. Failures of the storage and a full disk are logged; the 500
    /// does not describe them.
    pub(super) fn tree(error: TreeError, id: &str) -> Self {
        match error {
            TreeError::NotFound => Self::not_found(id),
            TreeError::NotAFolder(_) => Self::not_a_folder(id),
            TreeError::NotAFile(_) => Self::not_a_file(id),
            TreeError::QuotaExceeded => Self::full(),
            error @ TreeError::NoRoom(_) => {
                tracing::error!(%error, "cannot serve an Amazon Drive request");
                Self::full()
            }
            TreeError::IntoItself => {
                Self::conflict("A folder cannot be put below itself on this server")
            }
            TreeError::Root => Self::forbidden("Operation not allowed on the root node"),
            TreeError::BadName(reason) => Self::invalid(format!("Invalid name: {reason}")),
            TreeError::Body(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                Self::too_large()
            }
            TreeError::Body(_) => Self::unreadable_body(),
            TreeError::Changed => Self::conflict("The node was changed by another request"),
            error @ (TreeError::NameTaken(_)
            | TreeError::Locked(_)
            | TreeError::Denied
            | TreeError::NoSession
            | TreeError::OutOfOrder(_)
            | TreeError::PastTheEnd(_)
            | TreeError::Storage(_)) => {
                tracing::error!(%error, "cannot serve an Amazon Drive request");
                Self::internal()
            }
        }
    }

    /// Returns the HTTP response.
    pub(super) fn response(&self) -> Response {
        if self.message == UNKNOWN_OPERATION {
            return with_body(self.status, "application/xml", UNKNOWN_OPERATION.to_owned());
        }
        let mut body = Map::new();
        body.insert("logref".into(), request_id().into());
        body.insert("message".into(), self.message.clone().into());
        if let Some(code) = self.code {
            body.insert("code".into(), code.into());
        }
        if let Some(node) = &self.node {
            body.insert("info".into(), json!({ "nodeId": node }));
        }
        json_response(self.status, &Value::Object(body))
    }

    /// Returns the response to a status that a fault rule injects. The message is that of the cloud
    /// for the status, and a general one for a status that the cloud does not send.
    pub(super) fn for_status(status: StatusCode) -> Self {
        let message = match status.as_u16() {
            400 => "Cannot read from request.",
            401 => "Token has expired",
            404 => "Invalid nodeId",
            408 | 504 => "Request timed out",
            429 => "Rate exceeded",
            503 => "Service Unavailable",
            _ if status.is_client_error() => "The request was refused on demand",
            _ => "Internal failure",
        };
        Self::new(status, message)
    }
}

impl From<AuthError> for AmazonError {
    /// Converts the refusal of a token: 401.
    fn from(refusal: AuthError) -> Self {
        let message = match refusal {
            AuthError::Missing => "Authorization header is missing",
            AuthError::Invalid | AuthError::Audience => "Token is invalid",
            AuthError::Expired => "Token has expired",
        };
        Self::new(StatusCode::UNAUTHORIZED, message)
    }
}
