//! Refusals, in Graph's words.

use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::tree::TreeError;

/// A result of this protocol.
pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal: status, Graph's code and words (onedrive-graph#error-body).
#[derive(Debug)]
pub(super) struct Error {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The more exact code below the code.
    pub(super) inner: Option<&'static str>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Error {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), inner: None, headers: Vec::new() }
    }

    /// With a more exact code.
    pub(super) fn inner(mut self, code: &'static str) -> Self {
        self.inner = Some(code);
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalidRequest", message)
    }

    /// A query that OData does not parse: Graph itself refuses it, in its own code.
    pub(super) fn bad_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "itemNotFound", "The resource could not be found.")
    }

    pub(super) fn name_taken() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "nameAlreadyExists",
            "An item with the same name already exists under the parent",
        )
    }

    pub(super) fn changed() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "resourceModified",
            "ETag does not match current item's value",
        )
    }

    pub(super) fn not_supported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "notSupported", message)
    }

    pub(super) fn method(allowed: &'static str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request_BadRequest",
            format!(
                "Specified HTTP method is not allowed for the request target. Allowed: {allowed}."
            ),
        )
        .header(header::ALLOW, HeaderValue::from_static(allowed))
    }

    pub(super) fn no_session() -> Self {
        Self::new(StatusCode::NOT_FOUND, "itemNotFound", "The upload session was not found")
            .inner("uploadSessionNotFound")
    }

    pub(super) fn gone() -> Self {
        Self::new(
            StatusCode::GONE,
            "resyncRequired",
            "Resync required. Replace any local items with the server's version (including \
             deletes) if you're sure that the service was up to date with your local changes when \
             you last sync'd. Upload any local changes that the server doesn't know about.",
        )
        .inner("resyncApplyDifferences")
    }

    pub(super) fn quota() -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "quotaLimitReached",
            "Insufficient Space Available",
        )
    }

    pub(super) fn too_large(limit: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalidRequest",
            format!("The content is larger than the {limit} bytes that one request may carry."),
        )
        .inner("maxStreamSizeExceeded")
    }
}

impl From<TreeError> for Error {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::NotFound => Self::not_found(),
            TreeError::NameTaken(_) => Self::name_taken(),
            TreeError::NotAFolder(_) => {
                Self::invalid("The parent of the item is not a folder.").inner("invalidPath")
            }
            TreeError::NotAFile(_) => Self::invalid("The item has no content: it is not a file."),
            TreeError::QuotaExceeded => Self::quota(),
            TreeError::Changed => Self::changed(),
            TreeError::IntoItself => {
                Self::invalid("An item cannot be moved or copied into itself or below itself.")
            }
            TreeError::Root => Self::invalid("The root folder can be neither moved nor removed."),
            TreeError::NoSession => Self::no_session(),
            TreeError::OutOfOrder(next) => Self::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "invalidRange",
                format!("The upload goes on at byte {next}."),
            ),
            TreeError::PastTheEnd(end) => {
                Self::invalid(format!("The file was declared to have {end} bytes."))
                    .inner("fragmentLengthMismatch")
            }
            TreeError::BadName(what) => {
                Self::invalid(format!("The name is not valid: {what}.")).inner("invalidPath")
            }
            TreeError::Body(error) => {
                Self::invalid(format!("The body could not be read: {error}."))
            }
            TreeError::NoRoom(error) => {
                tracing::error!(%error, "there is no room in the storage");
                Self::quota()
            }
            TreeError::Storage(error) => {
                tracing::error!(%error, "the storage failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "generalException",
                    "The storage of the drive server failed; its log says why.",
                )
            }
        }
    }
}
