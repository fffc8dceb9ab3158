//! Errors of a drive's verbs.

use std::{fmt, sync::Arc, time::Duration};

use super::ItemId;

/// The result of a drive's verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The item, folder, page or upload session does not exist.
    NotFound,
    /// The account lacks the permission, or the cloud rejects the token.
    PermissionDenied,
    /// An item with this name exists.
    AlreadyExists,
    /// A condition of the caller does not hold.
    ConditionNotMatch,
    /// The state of the item prevents the operation: it is locked or being changed, or a folder
    /// would be moved below itself.
    Conflict,
    /// The cloud rejects requests because there were too many.
    RateLimited,
    /// The drive is full.
    QuotaExceeded,
    /// The range starts after the end of the file, or the cloud expects another fragment.
    RangeNotSatisfied,
    /// The drive does not support the operation.
    Unsupported,
    /// The account may not use the drive's upload sessions. A file of at most
    /// [`max_single_upload`](super::Capabilities::max_single_upload) bytes can be sent in one request.
    SessionsUnavailable,
    /// The operation needs a folder, and the item is a file.
    NotAFolder,
    /// The operation needs a file, and the item is a folder.
    IsAFolder,
    /// The drive or the cloud rejects an argument: for example a name with a character that it does
    /// not accept, or a cursor or session of another drive.
    InvalidInput,
    /// The configured drive, site or library does not exist. Never used for an item.
    DriveNotFound,
    /// Any other failure: no connection, an invalid response, an internal error of the cloud.
    Unexpected,
}

/// Whether a repeated call may succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// A repeated call would fail too.
    #[default]
    No,
    /// A repeated call may succeed.
    Again {
        /// Minimum delay that the cloud requested. `None` if it requested none.
        after: Option<Duration>,
    },
    /// The call was repeated until its retry policy was exhausted.
    Exhausted,
}

/// A failed operation of a drive.
///
/// It has the operation, the status and error code of the response, and whether a repeated call may
/// succeed. It never contains a token, a download URL or a query string.
///
/// # Request errors
///
/// Every request to a cloud can fail in these ways. The documentation of a function that sends
/// requests calls them request errors:
///
/// * `PermissionDenied`: the cloud rejects the token or none can be obtained, or the account lacks
///   the permission.
/// * `RateLimited`: the cloud rejects requests because there were too many.
/// * `QuotaExceeded`: the drive is full, for a request that writes.
/// * `InvalidInput`: the cloud rejects an argument, such as a name.
/// * `DriveNotFound`: the configured drive does not exist.
/// * `Unexpected`: no connection, an incomplete or invalid response, an internal error of the
///   cloud.
#[derive(Clone)]
pub struct Error(Box<FailureDetails>);

/// The fields of an [`Error`].
#[derive(Clone)]
struct FailureDetails {
    kind: ErrorKind,
    message: String,
    operation: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    retry: Retry,
    existing: Option<ItemId>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Returns an error of this kind, with a message for the user. It is permanent and has no
    /// response.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(FailureDetails {
            kind,
            message: message.into(),
            operation: None,
            status: None,
            code: None,
            request_id: None,
            retry: Retry::No,
            existing: None,
            source: None,
        }))
    }

    /// Returns an `Unsupported` error for a feature that the drive lacks. `feature` is a noun, such
    /// as `upload sessions`.
    pub fn unsupported(feature: &str) -> Self {
        Self::new(ErrorKind::Unsupported, format!("this drive does not support {feature}"))
    }

    /// Sets the operation that failed: method, host and the template of the path, never a query
    /// string.
    #[must_use]
    pub fn with_operation(mut self, operation: impl Into<String>) -> Self {
        self.0.operation = Some(operation.into());
        self
    }

    /// Sets the HTTP status of the response.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Sets the cloud's error code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Sets the cloud's id of the request, which its support needs.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// Sets whether a repeated call may succeed.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Sets the id of the item that prevents the operation: the item with the same name, or with
    /// the same content.
    #[must_use]
    pub fn with_existing(mut self, id: ItemId) -> Self {
        self.0.existing = Some(id);
        self
    }

    /// Replaces the kind. A caller that knows the operation may know the kind better than the code
    /// that interpreted the status.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Appends a note to the message, after a semicolon.
    #[must_use]
    pub fn with_note(mut self, note: &str) -> Self {
        self.0.message = format!("{}; {note}", self.0.message);
        self
    }

    /// Sets the cause. It must be free of secrets.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the message alone: the cloud's own message if the response had one.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the HTTP status, or `None` if no response arrived.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns the cloud's error code, or `None` if the response had none.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns the cloud's id of the request, or `None` if the response had none.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Returns whether a repeated call may succeed, and after which delay.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Returns whether a repeated call may succeed.
    pub fn is_temporary(&self) -> bool {
        matches!(self.0.retry, Retry::Again { .. })
    }

    /// Returns the id of the item that prevents the operation; with `AlreadyExists`, of the item
    /// that has the name. `None` if the cloud does not report it.
    pub fn existing(&self) -> Option<&ItemId> {
        self.0.existing.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FailureDetails { message, operation, status, code, request_id, retry, .. } = &*self.0;
        if let Some(operation) = operation {
            write!(f, "{operation}: ")?;
        }
        match (status, code) {
            (Some(status), Some(code)) => write!(f, "{status} {code}: ")?,
            (Some(status), None) => write!(f, "{status}: ")?,
            (None, Some(code)) => write!(f, "{code}: ")?,
            (None, None) => {}
        }
        f.write_str(message)?;
        if let Some(id) = request_id {
            write!(f, " (request {id})")?;
        }
        match retry {
            Retry::Again { after: Some(after) } => {
                write!(f, " (try again after {} s)", after.as_secs_f32().ceil())
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({:?}): {self}", self.0.kind, self.0.retry)?;
        match &self.0.source {
            Some(source) => write!(f, " <- {source:?}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_the_operation_the_response_and_the_delay() {
        let error = Error::new(ErrorKind::RateLimited, "Too many requests.")
            .with_operation("GET apis.live.net {id}/files")
            .with_status(420)
            .with_code("request_throttled")
            .with_retry(Retry::Again { after: Some(Duration::from_secs(7)) });
        assert_eq!(
            error.to_string(),
            "GET apis.live.net {id}/files: 420 request_throttled: Too many requests. (try again after 7 s)"
        );
        assert!(error.is_temporary());
    }
}
