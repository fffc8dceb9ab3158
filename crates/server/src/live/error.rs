//! Error responses, with the codes and messages of Live Connect (live-connect#errors).

use axum::http::StatusCode;

use crate::{account::AuthError, tree::TreeError};

/// An error response: an HTTP status, a code of the reference, and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LiveError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    /// The `WWW-Authenticate` header, of authentication errors.
    pub(super) challenge: Option<&'static str>,
}

pub(super) type Result<T, E = LiveError> = std::result::Result<T, E>;

/// Maximum length of a `PUT` or `POST` body: 100 MB, in bytes (live-connect#upload-max-size).
pub(super) const MAX_BODY: u64 = 100 << 20;

/// Status of a name conflict. Inferred: the reference documents only the code, and clients only
/// check for 200.
const TAKEN: StatusCode = StatusCode::CONFLICT;

impl LiveError {
    /// Returns an error with a code of the reference.
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), challenge: None }
    }

    /// Returns 400: the URL is no endpoint, or none for this type of item.
    pub(super) fn url(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request_url_invalid", message)
    }

    /// Returns 405: the URL does not support `method`, the HTTP method in upper case.
    pub(super) fn method(method: &str) -> Self {
        let message = format!("The provided HTTP method '{method}' is not allowed.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "request_method_invalid", message)
    }

    /// Returns 400: a parameter of the query or the body has an invalid value.
    pub(super) fn parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request_parameter_invalid", message)
    }

    /// Returns 400: the value of the parameter `name` is not one of the documented values.
    pub(super) fn invalid_value(name: &str, value: &str) -> Self {
        Self::parameter(format!("The value '{value}' of '{name}' isn't valid."))
    }

    /// Returns 400: an item name breaks a rule of [`names`](super::names), which also provides
    /// `reason`.
    pub(super) fn invalid_name(name: &str, reason: &str) -> Self {
        Self::parameter(format!("The name '{name}' isn't valid: {reason}."))
    }

    /// Returns 400: the required parameter `name` is missing.
    pub(super) fn missing(name: &str) -> Self {
        let message =
            format!("The request entity body is missing the required parameter: '{name}'.");
        Self::new(StatusCode::BAD_REQUEST, "request_parameter_missing", message)
    }

    /// Returns 400: the body does not match its content type, or ended early.
    pub(super) fn body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request_body_invalid", message)
    }

    /// Returns 400: the body could not be received.
    pub(super) fn unreadable_body(error: impl std::fmt::Display) -> Self {
        Self::body(format!("The request entity body couldn't be read: {error}."))
    }

    /// Returns 415: the content type or encoding of the body is not supported.
    pub(super) fn media_type(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "request_body_invalid", message)
    }

    /// Returns 413: the body exceeds `limit` bytes, a limit that the message shows. Inferred: the
    /// cloud sent an HTML page without a code.
    pub(super) fn too_large(limit: u64) -> Self {
        let message =
            format!("Request Entity Too Large. A request body has at most {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request_body_invalid", message)
    }

    /// Returns 404: the item, folder, comment or link `id` does not exist, or belongs to another
    /// user.
    pub(super) fn not_found(id: impl std::fmt::Display) -> Self {
        let message = format!("The resource '{id}' doesn't exist.");
        Self::new(StatusCode::NOT_FOUND, "resource_not_found", message)
    }

    /// Returns 409: the name is already in use in the folder.
    pub(super) fn taken(name: &str) -> Self {
        let message = format!(
            "The resource '{name}' already exists. Specify another name or allow overwriting."
        );
        Self::new(TAKEN, "resource_already_exists", message)
    }

    /// Returns 507: the drive is full.
    pub(super) fn full() -> Self {
        let message = "There isn't enough space left on this user's SkyDrive.";
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "resource_quota_exceeded", message)
    }

    /// Returns 403: the token has none of the `scopes`, one of which is required. The message lists
    /// them.
    pub(super) fn unauthorized(scopes: &[&str]) -> Self {
        let scopes: Vec<_> = scopes.iter().map(|scope| format!("'{scope}'")).collect();
        let message = format!(
            "The provided access token does not have access to this resource. An access token with \
             one of the following scopes is required: {}.",
            scopes.join(", ")
        );
        Self::new(StatusCode::FORBIDDEN, "request_token_unauthorized", message)
    }

    /// Returns 403: the token is sufficient, but its user lacks a permission, which `message`
    /// names.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "request_token_unauthorized", message)
    }

    /// Returns 503: concurrent requests interfered, so that a repeated request may succeed.
    pub(super) fn busy() -> Self {
        let message = "The server is busy. Please try again later.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_busy", message)
    }

    /// Returns 500: an internal error, which the response does not describe.
    fn internal() -> Self {
        let message = "The server encountered an internal error. Please try again.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_internal_error", message)
    }

    /// Converts an error of the tree to the response: 404 for an item or a folder that does not
    /// exist; 409 for a name that is in use; 400 for a file instead of a folder or the reverse, a
    /// folder that would be below itself, a change of the root folder, a name that the tree cannot
    /// store, and a body that ends early; 413 for a body that is longer than its limit; 507 for a
    /// full drive and for a full disk of the storage; 500 for all others, also for a version that
    /// changed. `subject` is the id or the name of the item in the message. Failures of the storage
    /// and a full disk are logged; the 500 does not describe them.
    pub(super) fn tree(error: TreeError, subject: impl std::fmt::Display) -> Self {
        match error {
            TreeError::NotFound => Self::not_found(subject),
            TreeError::NameTaken(_) => Self::taken(&subject.to_string()),
            TreeError::NotAFolder(_) => {
                Self::parameter(format!("The resource '{subject}' isn't a folder or an album."))
            }
            TreeError::NotAFile(_) => {
                Self::parameter(format!("The resource '{subject}' isn't a file."))
            }
            TreeError::QuotaExceeded => Self::full(),
            error @ TreeError::NoRoom(_) => {
                tracing::error!(%error, "cannot serve a Live Connect request");
                Self::full()
            }
            TreeError::IntoItself => {
                Self::parameter("A folder can't be moved into itself or into a folder below it.")
            }
            TreeError::Root => Self::url("The root folder can't be renamed, moved or deleted."),
            TreeError::BadName(reason) => Self::invalid_name(&subject.to_string(), reason),
            TreeError::Body(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                Self::too_large(MAX_BODY)
            }
            TreeError::Body(error) => Self::unreadable_body(error),
            error @ (TreeError::Changed
            | TreeError::Locked(_)
            | TreeError::Denied
            | TreeError::NoSession
            | TreeError::OutOfOrder(_)
            | TreeError::PastTheEnd(_)
            | TreeError::Storage(_)) => {
                tracing::error!(%error, "cannot serve a Live Connect request");
                Self::internal()
            }
        }
    }

    /// Converts an error of an operation that places an item called `name` into a folder. `folder`
    /// is the id of that folder. A folder with the name is 409, because a file never replaces a
    /// folder; a `folder` that is a file is 404. All others are as of [`tree`](Self::tree).
    pub(super) fn in_folder(error: TreeError, name: &str, folder: &str) -> Self {
        match error {
            TreeError::NameTaken(_) | TreeError::NotAFile(_) => Self::taken(name),
            TreeError::BadName(_) => Self::tree(error, name),
            TreeError::NotAFolder(_) => Self::not_found(folder),
            error => Self::tree(error, folder),
        }
    }

    /// Returns the response to a status that a fault rule injects, with the code and the message of
    /// the reference for the status; a general code for a status that the reference does not have.
    pub(super) fn for_status(status: StatusCode) -> Self {
        let (code, message) = match status.as_u16() {
            401 => ("request_token_expired", "The provided access token has expired."),
            403 => (
                "request_token_unauthorized",
                "The provided access token does not have access to this resource.",
            ),
            404 => ("resource_not_found", "The resource doesn't exist."),
            405 => ("request_method_invalid", "The provided HTTP method is not allowed."),
            409 => ("resource_already_exists", "The resource already exists."),
            420 | 429 => (
                "request_throttled",
                "Your app has exceeded the number of requests that it may make. Please wait.",
            ),
            503 => ("server_busy", "The server is busy. Please try again later."),
            507 => return Self::full(),
            400..=499 => ("request_parameter_invalid", "The request isn't valid."),
            _ => return Self { status, ..Self::internal() },
        };
        let mut error = Self::new(status, code, message);
        if status == StatusCode::UNAUTHORIZED {
            error.challenge = LiveError::from(AuthError::Expired).challenge;
        }
        error
    }
}

impl From<AuthError> for LiveError {
    /// Converts the refusal of a token: 401 with the code and the challenge of the reference.
    fn from(refusal: AuthError) -> Self {
        let (code, message, challenge) = match refusal {
            AuthError::Missing => (
                "request_token_missing",
                "The request didn't include an access token.",
                r#"Bearer realm="OneDriveAPI""#,
            ),
            AuthError::Invalid | AuthError::Audience => (
                "request_token_invalid",
                "The provided access token isn't valid.",
                r#"Bearer realm="OneDriveAPI", error="invalid_token", error_description="Invalid auth token""#,
            ),
            AuthError::Expired => (
                "request_token_expired",
                "The provided access token has expired.",
                r#"Bearer realm="OneDriveAPI", error="expired_token", error_description="Auth token expired. Try refreshing.""#,
            ),
        };
        Self { challenge: Some(challenge), ..Self::new(StatusCode::UNAUTHORIZED, code, message) }
    }
}
