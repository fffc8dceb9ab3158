//! What can go wrong, in a drive's terms.

use std::{fmt, sync::Arc, time::Duration};

use super::ItemId;

/// A result of a drive's verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No such item, folder, page or session.
    NotFound,
    /// The account may not, or its token is no longer accepted.
    Denied,
    /// The name is taken.
    Exists,
    /// A condition of the caller's does not hold.
    Condition,
    /// The cloud's own state is in the way: locked, being changed, a folder below itself.
    Conflict,
    /// Too many requests.
    Limited,
    /// The drive is full.
    Quota,
    /// The range lies past the end.
    Range,
    /// The cloud cannot do this.
    Unsupported,
    /// A folder was needed and a file is there.
    NotAFolder,
    /// A file was needed and a folder is there.
    IsAFolder,
    /// The request itself was wrong: a name the cloud refuses, an option out of bounds.
    Invalid,
    /// The options name a drive, site or library that does not exist. Never used for an item.
    NoDrive,
    /// Anything else: no connection, a broken answer, an error of the cloud's.
    Unexpected,
}

/// Whether trying again helps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// It would fail the same way.
    #[default]
    No,
    /// It may work.
    Again {
        /// Not before this long, where the cloud said so.
        after: Option<Duration>,
    },
    /// It was tried again, in vain.
    Exhausted,
}

/// A failure: what was attempted, what the cloud answered, and whether trying again helps.
///
/// Never contains a token, a download URL or a query string.
#[derive(Clone)]
pub struct Error(Box<Details>);

#[derive(Clone)]
struct Details {
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
    /// A failure of that kind, described for a person.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
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

    /// The cloud cannot do `what`.
    pub fn unsupported(what: &str) -> Self {
        Self::new(ErrorKind::Unsupported, format!("{what}: not offered by this drive"))
    }

    /// Says what was attempted: method, host and the request's template, never its query.
    pub fn with_operation(mut self, what: impl Into<String>) -> Self {
        self.0.operation = Some(what.into());
        self
    }

    /// Adds the HTTP status of the answer.
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the cloud's own error code.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Adds what the cloud's support would ask for.
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// Says whether trying again helps.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Names the item that is in the way: the one that has the name, or the same bytes.
    pub fn with_existing(mut self, id: ItemId) -> Self {
        self.0.existing = Some(id);
        self
    }

    /// Replaces the kind: some clouds' codes mean different things after different requests.
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Says one thing more, after the cloud's words.
    pub fn also(mut self, more: &str) -> Self {
        self.0.message = format!("{}; {more}", self.0.message);
        self
    }

    /// Keeps what led to it. The source must be free of secrets.
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The description alone: the cloud's words where it answered.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// HTTP status of the answer, where there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The cloud's own error code.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What the cloud's support would ask for, where the cloud told it.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Whether trying again helps.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Whether trying again may help now.
    pub fn is_temporary(&self) -> bool {
        matches!(self.0.retry, Retry::Again { .. })
    }

    /// The item that is in the way, where the cloud told it: under `Exists` the one that has the
    /// name.
    pub fn existing(&self) -> Option<&ItemId> {
        self.0.existing.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { message, operation, status, code, request_id, retry, .. } = &*self.0;
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
    fn an_error_says_what_was_attempted_what_was_answered_and_when_to_come_back() {
        let error = Error::new(ErrorKind::Limited, "Too many requests.")
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
