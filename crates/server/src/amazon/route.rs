//! Parses the method and the path of a request into an action (amazon-drive#requests).

use axum::http::{Method, request::Parts};
use percent_encoding::percent_decode_str;

use super::error::{AmazonError, Result};
use crate::parameters::{Parameter, Values};

/// Path prefix of metadata.
pub(super) const METADATA: &str = "/drive/v1";

/// Path prefix of content.
pub(super) const CONTENT: &str = "/cdproxy";

/// An action, with the ids and names of its path in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AmazonAction {
    Endpoint,
    Info,
    Quota,
    Usage,
    List,
    Create,
    Get(String),
    Patch(String),
    Purge(String),
    Children(String),
    MoveChild(String),
    AddChild(String, String),
    RemoveChild(String, String),
    Properties(String, String),
    GetProperty(String, String, String),
    PutProperty(String, String, String),
    DeleteProperty(String, String, String),
    Trashed,
    Trash(String),
    Restore(String),
    Changes,
    Upload,
    Download(String),
    Overwrite(String),
}

/// Operation name of requests that match no action.
pub(super) const UNKNOWN: &str = "amazon.unknown";

/// All operation names, for counters, the request log and fault rules.
pub(super) const OPERATIONS: &[&str] = &[
    "amazon.account.endpoint",
    "amazon.account.info",
    "amazon.account.quota",
    "amazon.account.usage",
    "amazon.node.list",
    "amazon.node.create",
    "amazon.node.get",
    "amazon.node.patch",
    "amazon.node.purge",
    "amazon.child.list",
    "amazon.child.move",
    "amazon.child.add",
    "amazon.child.remove",
    "amazon.property.list",
    "amazon.property.get",
    "amazon.property.put",
    "amazon.property.delete",
    "amazon.trash.list",
    "amazon.trash.add",
    "amazon.trash.restore",
    "amazon.changes",
    "amazon.content.upload",
    "amazon.content.get",
    "amazon.content.overwrite",
    UNKNOWN,
];

/// Parameters that change the node objects of a response.
const NODE: &[Parameter] = &[
    Parameter::new("asset", Values::OneOf(&["ALL", "FIRST", "NONE"])),
    Parameter::new("tempLink", Values::Flag),
];

const LIST: &[Parameter] = &[
    Parameter::new("asset", Values::OneOf(&["ALL", "FIRST", "NONE"])),
    Parameter::new("filters", Values::Any),
    Parameter::new("limit", Values::Number),
    Parameter::new("sort", Values::Any),
    Parameter::new("startToken", Values::Any),
    Parameter::new("tempLink", Values::Flag),
];

const CREATE: &[Parameter] = &[Parameter::new("localId", Values::Any)];

const UPLOAD: &[Parameter] = &[
    Parameter::new("localId", Values::Any),
    Parameter::new("suppress", Values::OneOf(&["deduplication"])),
];

const OVERWRITE: &[Parameter] = &[Parameter::new("suppress", Values::OneOf(&["deduplication"]))];

/// The handler checks the number: it is limited.
const DOWNLOAD: &[Parameter] = &[Parameter::new("viewBox", Values::Any)];

impl AmazonAction {
    /// Returns the parameters that the reference documents for this action.
    pub(super) fn parameters(&self) -> &'static [Parameter] {
        match self {
            Self::List | Self::Children(_) | Self::Trashed => LIST,
            Self::Get(_) => NODE,
            Self::Create => CREATE,
            Self::Upload => UPLOAD,
            Self::Overwrite(_) => OVERWRITE,
            Self::Download(_) => DOWNLOAD,
            Self::Endpoint
            | Self::Info
            | Self::Quota
            | Self::Usage
            | Self::Patch(_)
            | Self::Purge(_)
            | Self::MoveChild(_)
            | Self::AddChild(..)
            | Self::RemoveChild(..)
            | Self::Properties(..)
            | Self::GetProperty(..)
            | Self::PutProperty(..)
            | Self::DeleteProperty(..)
            | Self::Trash(_)
            | Self::Restore(_)
            | Self::Changes => &[],
        }
    }
}

impl AmazonAction {
    /// Returns the operation name for counters, the request log and fault rules.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Endpoint => "amazon.account.endpoint",
            Self::Info => "amazon.account.info",
            Self::Quota => "amazon.account.quota",
            Self::Usage => "amazon.account.usage",
            Self::List => "amazon.node.list",
            Self::Create => "amazon.node.create",
            Self::Get(_) => "amazon.node.get",
            Self::Patch(_) => "amazon.node.patch",
            Self::Purge(_) => "amazon.node.purge",
            Self::Children(_) => "amazon.child.list",
            Self::MoveChild(_) => "amazon.child.move",
            Self::AddChild(..) => "amazon.child.add",
            Self::RemoveChild(..) => "amazon.child.remove",
            Self::Properties(..) => "amazon.property.list",
            Self::GetProperty(..) => "amazon.property.get",
            Self::PutProperty(..) => "amazon.property.put",
            Self::DeleteProperty(..) => "amazon.property.delete",
            Self::Trashed => "amazon.trash.list",
            Self::Trash(_) => "amazon.trash.add",
            Self::Restore(_) => "amazon.trash.restore",
            Self::Changes => "amazon.changes",
            Self::Upload => "amazon.content.upload",
            Self::Download(_) => "amazon.content.get",
            Self::Overwrite(_) => "amazon.content.overwrite",
        }
    }

    /// Returns the action that the method and the path of a request name.
    ///
    /// # Errors
    /// 404 for an unknown path; 405 for a method that the path does not support; 400 if the path is
    /// not UTF-8.
    pub(super) fn from_request(request: &Parts) -> Result<Self> {
        let path = collapse_slashes(request.uri.path());
        let method = &request.method;
        if let Some(rest) = strip_base(path, METADATA) {
            return metadata(method, &segments(rest)?);
        }
        match strip_base(path, CONTENT) {
            Some(rest) => content(method, &segments(rest)?),
            None => Err(AmazonError::unknown_operation()),
        }
    }
}

/// Returns whether a path belongs to this protocol.
pub(super) fn serves(path: &str) -> bool {
    let path = collapse_slashes(path);
    strip_base(path, METADATA).is_some() || strip_base(path, CONTENT).is_some()
}

/// Replaces the slashes at the start of a path by one.
fn collapse_slashes(path: &str) -> &str {
    let end = path.len() - path.trim_start_matches('/').len();
    &path[end.saturating_sub(1)..]
}

/// Returns the rest of a path after `base`, empty or beginning with a slash; `None` if the path is
/// neither `base` nor below it. `base` has no slash at its end.
fn strip_base<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Decodes the segments of a path. Clients join base URLs and paths with redundant slashes. Only
/// those at the start are removed: an empty property owner has a response of its own.
///
/// # Errors
/// 400 if a segment is not UTF-8.
fn segments(rest: &str) -> Result<Vec<String>> {
    rest.trim_start_matches('/')
        .split('/')
        .map(|segment| {
            let decoded = percent_decode_str(segment).decode_utf8();
            decoded
                .map(|text| text.into_owned())
                .map_err(|_| AmazonError::invalid("The path is not UTF-8"))
        })
        .collect()
}

/// Returns the action of a method on a path below [`METADATA`].
///
/// # Errors
/// 404 for an unknown path; 405 for a method that the path does not support.
fn metadata(method: &Method, segments: &[String]) -> Result<AmazonAction> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let owned = |text: &str| text.to_owned();
    let action = match (segments.as_slice(), method.as_str()) {
        (["account", "endpoint"], "GET") => AmazonAction::Endpoint,
        (["account", "info"], "GET") => AmazonAction::Info,
        (["account", "quota"], "GET") => AmazonAction::Quota,
        (["account", "usage"], "GET") => AmazonAction::Usage,
        (["account", "endpoint" | "info" | "quota" | "usage"], _) => {
            return method_not_allowed(method);
        }
        (["nodes"], "GET") => AmazonAction::List,
        (["nodes"], "POST") => AmazonAction::Create,
        (["nodes"], _) => return method_not_allowed(method),
        (["nodes", _, "properties", "", ..], _) | (["nodes", ""], _) => {
            return Err(AmazonError::unknown_operation());
        }
        (["nodes", id], "GET") => AmazonAction::Get(owned(id)),
        (["nodes", id], "PATCH") => AmazonAction::Patch(owned(id)),
        (["nodes", id], "DELETE") => AmazonAction::Purge(owned(id)),
        (["nodes", _], _) => return method_not_allowed(method),
        (["nodes", id, "children"], "GET") => AmazonAction::Children(owned(id)),
        (["nodes", id, "children"], "POST") => AmazonAction::MoveChild(owned(id)),
        (["nodes", _, "children"], _) => return method_not_allowed(method),
        (["nodes", id, "children", child], "PUT") => {
            AmazonAction::AddChild(owned(id), owned(child))
        }
        (["nodes", id, "children", child], "DELETE") => {
            AmazonAction::RemoveChild(owned(id), owned(child))
        }
        (["nodes", _, "children", _], _) => return method_not_allowed(method),
        (["nodes", id, "properties", owner], "GET") => {
            AmazonAction::Properties(owned(id), owned(owner))
        }
        (["nodes", _, "properties", _], _) => return method_not_allowed(method),
        (["nodes", id, "properties", owner, key], name) => {
            let (id, owner, key) = (owned(id), owned(owner), owned(key));
            match name {
                "GET" => AmazonAction::GetProperty(id, owner, key),
                "PUT" => AmazonAction::PutProperty(id, owner, key),
                "DELETE" => AmazonAction::DeleteProperty(id, owner, key),
                _ => return method_not_allowed(method),
            }
        }
        (["trash"], "GET") => AmazonAction::Trashed,
        (["trash", id], "PUT") => AmazonAction::Trash(owned(id)),
        (["trash", id, "restore"], "POST") => AmazonAction::Restore(owned(id)),
        (["trash"] | ["trash", _] | ["trash", _, "restore"], _) => {
            return method_not_allowed(method);
        }
        (["changes"], "POST") => AmazonAction::Changes,
        (["changes"], _) => return method_not_allowed(method),
        _ => return Err(AmazonError::unknown_operation()),
    };
    Ok(action)
}

/// Returns the action of a method on a path below [`CONTENT`].
///
/// # Errors
/// 404 for an unknown path; 405 for a method that the path does not support.
fn content(method: &Method, segments: &[String]) -> Result<AmazonAction> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (segments.as_slice(), method.as_str()) {
        (["nodes"], "POST") => Ok(AmazonAction::Upload),
        (["nodes", id, "content"], "GET" | "HEAD") => Ok(AmazonAction::Download((*id).to_owned())),
        (["nodes", id, "content"], "PUT") => Ok(AmazonAction::Overwrite((*id).to_owned())),
        (["nodes"] | ["nodes", _, "content"], _) => method_not_allowed(method),
        _ => Err(AmazonError::unknown_operation()),
    }
}

/// Rejects a method that the path does not support.
///
/// # Errors
/// 405, always.
fn method_not_allowed(method: &Method) -> Result<AmazonAction> {
    Err(AmazonError::method(method.as_str()))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn action(method: &str, path: &str) -> Result<AmazonAction> {
        let request = axum::http::Request::builder().method(method).uri(path);
        AmazonAction::from_request(&request.body(()).expect("a request").into_parts().0)
    }

    #[test]
    fn slashes_too_many_are_one() {
        for path in ["/drive/v1/nodes", "/drive/v1//nodes", "//drive/v1/nodes"] {
            assert_eq!(action("GET", path), Ok(AmazonAction::List), "{path}");
            assert!(serves(path));
        }
        assert_eq!(
            action("DELETE", "/drive/v1//nodes/N/properties/O/a%2Fb"),
            Ok(AmazonAction::DeleteProperty("N".into(), "O".into(), "a/b".into()))
        );
        assert!(!serves("/drive/v10/nodes") && !serves("/v5.0/me"));
    }

    #[test]
    fn an_owner_that_is_empty_is_no_operation() {
        for path in ["/drive/v1/nodes/N/properties//k", "/drive/v1/nodes/N/properties/"] {
            assert_eq!(action("PUT", path), Err(AmazonError::unknown_operation()), "{path}");
        }
    }

    #[test]
    fn bytes_and_metadata_have_their_own_base() {
        assert_eq!(action("POST", "/cdproxy/nodes"), Ok(AmazonAction::Upload));
        assert_eq!(action("POST", "/drive/v1/nodes"), Ok(AmazonAction::Create));
        assert_eq!(
            action("GET", "/cdproxy/nodes/N/content"),
            Ok(AmazonAction::Download("N".into()))
        );
        for path in ["/drive/v1/nodes/N/content", "/cdproxy/trash", "/drive/v1/nothing"] {
            assert_eq!(action("GET", path).unwrap_err().status, StatusCode::NOT_FOUND, "{path}");
        }
        let wrong = action("DELETE", "/drive/v1/nodes").unwrap_err();
        assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
