//! Refusals in Amazon's words (amazon-drive#errors).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Map, Value, json};

use crate::{account::AuthError, tree::TreeError};

/// A refusal: a status, a message, and where the cloud tells them a code and a node's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AmazonError {
    pub status: StatusCode,
    pub message: String,
    code: Option<&'static str>,
    node: Option<String>,
}

pub(super) type Result<T, E = AmazonError> = std::result::Result<T, E>;

/// The code of a 409 for bytes that the drive has already. Inferred: no source says it.
const DUPLICATE: &str = "MD5_DUPLICATE";

/// The body of the 404 for a path that is no operation: the one that is not JSON
/// (amazon-drive#unknown-operation).
const UNKNOWN_OPERATION: &str = "<UnknownOperationException/>";

impl AmazonError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), code: None, node: None }
    }

    /// The request is wrong.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// It may not be done.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// No such node.
    pub(super) fn not_found(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Invalid nodeId: {id}"))
    }

    /// No such thing of a node's.
    pub(super) fn missing(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    /// What is there is in the way.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// The path is no operation.
    pub(super) fn unknown_operation() -> Self {
        Self::new(StatusCode::NOT_FOUND, UNKNOWN_OPERATION)
    }

    /// The method does not go with the path.
    pub(super) fn method(method: &str) -> Self {
        let message = format!("The method {method} is not allowed here");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    /// A request that could have a body does not tell its length.
    pub(super) fn length_required() -> Self {
        Self::new(StatusCode::LENGTH_REQUIRED, "Content-Length is missing")
    }

    /// A node has the name.
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

    /// A file has these bytes.
    pub(super) fn duplicate(md5: &str, node: String) -> Self {
        let message = format!("Node with the MD5 {md5} already exists, conflicting NodeId: {node}");
        Self { code: Some(DUPLICATE), node: Some(node), ..Self::new(StatusCode::CONFLICT, message) }
    }

    /// The drive is full: as a client has seen it.
    pub(super) fn full() -> Self {
        let message = "File size exceeds account allowance.";
        Self { code: Some("NO_ACTIVE_SUBSCRIPTION_FOUND"), ..Self::forbidden(message) }
    }

    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal failure")
    }

    /// What the tree said of a node. A name that is taken is worded where the names are known.
    pub(super) fn tree(error: TreeError, id: &str) -> Self {
        match error {
            TreeError::NotFound => Self::not_found(id),
            TreeError::NotAFolder(_) => Self::bad(format!("Node {id} is not a folder")),
            TreeError::NotAFile(_) => Self::bad(format!("Node {id} is not a file")),
            TreeError::QuotaExceeded => Self::full(),
            error @ TreeError::NoRoom(_) => {
                tracing::error!(%error, "an Amazon Drive request failed");
                Self::full()
            }
            TreeError::IntoItself => {
                Self::conflict("A folder cannot be put below itself on this server")
            }
            TreeError::Root => Self::forbidden("Operation not allowed on the root node"),
            TreeError::BadName(reason) => Self::bad(format!("Invalid name: {reason}")),
            TreeError::Body(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                Self::bad("Cannot complete upload: the file is too large")
            }
            TreeError::Body(_) => Self::bad("Cannot read from request."),
            TreeError::Changed => Self::conflict("The node was changed by another request"),
            error @ (TreeError::NameTaken(_)
            | TreeError::NoSession
            | TreeError::OutOfOrder(_)
            | TreeError::PastTheEnd(_)
            | TreeError::Storage(_)) => {
                tracing::error!(%error, "Amazon Drive request failed");
                Self::internal()
            }
        }
    }

    /// The answer.
    pub(super) fn response(&self) -> Response {
        if self.message == UNKNOWN_OPERATION {
            return answer(self.status, "application/xml", UNKNOWN_OPERATION.to_owned());
        }
        let mut body = Map::new();
        body.insert("logref".into(), super::request_id().into());
        body.insert("message".into(), self.message.clone().into());
        if let Some(code) = self.code {
            body.insert("code".into(), code.into());
        }
        if let Some(node) = &self.node {
            body.insert("info".into(), json!({ "nodeId": node }));
        }
        json_answer(self.status, &Value::Object(body))
    }

    /// What the cloud says with a status that a fault rule asked for.
    pub(super) fn on_demand(status: StatusCode) -> Self {
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
    fn from(refusal: AuthError) -> Self {
        let message = match refusal {
            AuthError::Missing => "Authorization header is missing",
            AuthError::Invalid => "Token is invalid",
            AuthError::Expired => "Token has expired",
        };
        Self::new(StatusCode::UNAUTHORIZED, message)
    }
}

/// An answer in JSON.
pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response {
    answer(status, "application/json", body.to_string())
}

fn answer(status: StatusCode, media_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
