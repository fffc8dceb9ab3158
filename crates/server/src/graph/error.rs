//! The errors of this protocol, in Graph's form.

use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::{item_names::NameError, tree::TreeError};

/// The result of a request handler.
pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

/// An error response: status, error code and message (onedrive-graph#error-body).
#[derive(Debug)]
pub(super) struct Error {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The detailed code in `innerError`; `None` if the error has only one code.
    pub(super) inner: Option<&'static str>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Error {
    /// Returns an error without a detailed code and without headers. `code` is the error's code in
    /// the body, such as `itemNotFound`.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), inner: None, headers: Vec::new() }
    }

    /// Sets the detailed code, of `innerError`, such as `invalidPath`.
    pub(super) fn inner(mut self, code: &'static str) -> Self {
        self.inner = Some(code);
        self
    }

    /// Adds a header to the response.
    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Returns 400 with the code `invalidRequest` and `message`: the request is invalid.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalidRequest", message)
    }

    /// Returns 400 with the code of Graph's own layer, which parses OData queries and bodies before
    /// the drive does.
    pub(super) fn bad_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// Returns 403: the token does not have the permission.
    pub(super) fn access_denied() -> Self {
        Self::new(StatusCode::FORBIDDEN, "accessDenied", "Access denied")
    }

    /// Returns 404: the item does not exist.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "itemNotFound", "The resource could not be found.")
    }

    /// Returns 409: another item has the name.
    pub(super) fn name_taken() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "nameAlreadyExists",
            "An item with the same name already exists under the parent",
        )
    }

    /// Returns 412: a precondition names another version.
    pub(super) fn changed() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "resourceModified",
            "ETag does not match current item's value",
        )
    }

    /// Returns 423 with `message`: the item is locked.
    pub(super) fn locked(message: impl Into<String>) -> Self {
        Self::new(StatusCode::LOCKED, "resourceLocked", message)
    }

    /// Returns 501: the cloud can do this and the server cannot. `action` completes "cannot …".
    pub(super) fn unsupported(action: impl std::fmt::Display) -> Self {
        Self::not_supported(format!("cannot {action}: this server does not support it"))
    }

    /// Returns 501 with `message`, the whole reason.
    pub(super) fn not_supported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "notSupported", message)
    }

    /// Returns 405. `allowed` is the value of the `Allow` header.
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

    /// Returns 404: the upload session does not exist.
    pub(super) fn no_session() -> Self {
        Self::new(StatusCode::NOT_FOUND, "itemNotFound", "The upload session was not found")
            .inner("uploadSessionNotFound")
    }

    /// Returns 410: the change feed has to start again.
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

    /// Returns 507: the drive or the disk of the storage is full.
    pub(super) fn quota() -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "quotaLimitReached",
            "Insufficient Space Available",
        )
    }

    /// Returns 413: the body has more than `limit` bytes, a limit that the message names.
    pub(super) fn too_large(limit: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalidRequest",
            format!("cannot read the request body: it has more than {limit} bytes"),
        )
        .inner("maxStreamSizeExceeded")
    }

    /// Returns the message that names `offset`, the number of bytes after which an upload session
    /// continues.
    pub(super) fn expected_offset(offset: u64) -> String {
        format!("cannot store the fragment: the next one begins at byte {offset}")
    }

    /// Converts the error of a request that creates an item, as [`From`] does, except: if a folder
    /// has the name of the new file, the name is taken (409 instead of 400).
    pub(super) fn from_write(error: TreeError) -> Self {
        match error {
            TreeError::NotAFile(_) => Self::name_taken(),
            error => error.into(),
        }
    }
}

impl From<NameError> for Error {
    /// Converts the error of a name that an item cannot have to 400.
    fn from(error: NameError) -> Self {
        Self { inner: error.code, ..Self::invalid(error.message) }
    }
}

impl From<TreeError> for Error {
    /// Converts an error of the tree: 404 for an absent item or session; 409 for a taken name; 412
    /// for a failed precondition; 423 for a locked item; 403 for an item that may not be created; 416 for a fragment that is out of order; 507 for a full drive,
    /// and for a full disk, which is logged; 400 for a file instead of a folder or the reverse, a
    /// folder that would be below itself, a change of the root folder, a name that the tree cannot
    /// store, a body that ends early or exceeds its limit, and a fragment beyond the end of its
    /// file. A failure of the storage is logged and becomes 500.
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::NotFound => Self::not_found(),
            TreeError::NameTaken(_) => Self::name_taken(),
            TreeError::NotAFolder(_) => {
                Self::invalid("cannot use the parent: it is not a folder").inner("invalidPath")
            }
            TreeError::NotAFile(_) => {
                Self::invalid("cannot read the content: the item is not a file")
            }
            TreeError::QuotaExceeded => Self::quota(),
            TreeError::Changed => Self::changed(),
            TreeError::Locked(_) => {
                Self::locked("The resource you are attempting to access is locked")
            }
            TreeError::Denied => Self::access_denied(),
            TreeError::IntoItself => Self::invalid(
                "cannot move or copy the item: the target is the item itself or below it",
            ),
            TreeError::Root => Self::invalid("cannot move or delete the root folder"),
            TreeError::NoSession => Self::no_session(),
            TreeError::OutOfOrder(next) => Self::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "invalidRange",
                Self::expected_offset(next),
            ),
            TreeError::PastTheEnd(end) => Self::invalid(format!(
                "cannot store the fragment: the file was declared with {end} bytes"
            ))
            .inner("fragmentLengthMismatch"),
            TreeError::BadName(reason) => {
                Self::invalid(format!("cannot use the name: {reason}")).inner("invalidPath")
            }
            TreeError::Body(error) => {
                Self::invalid(format!("cannot read the request body: {error}"))
            }
            TreeError::NoRoom(error) => {
                tracing::error!(%error, "cannot write to the storage: it is full");
                Self::quota()
            }
            TreeError::Storage(error) => {
                tracing::error!(%error, "cannot access the storage");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "generalException",
                    "cannot access the storage of the drive server: see its log",
                )
            }
        }
    }
}
