//! Errors: those that end a run, and failures of single items.

use std::{fmt, io};

/// A run could not start, or ended before its report was complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The source does not exist.
    #[error("cannot read {source_name}: it does not exist")]
    SourceMissing {
        /// The name of the source.
        source_name: String,
    },
    /// The source of a sync is the root of a service, and has no entries. OpenDAL lists a root that
    /// does not exist as an empty one, so a sync would delete all files of the target.
    #[error("cannot sync from {source_name}: it is empty, or does not exist")]
    SourceEmpty {
        /// The name of the source.
        source_name: String,
    },
    /// One endpoint is the other one, or is inside it.
    #[error("cannot transfer from {source_name} to {target_name}: one is inside the other")]
    Overlap {
        /// The name of the source.
        source_name: String,
        /// The name of the target, or of the backup folder.
        target_name: String,
    },
    /// The backup folder is not at the service of the target.
    #[error("cannot use {name} for backups: it is not at the service of the target")]
    BackupElsewhere {
        /// The name of the backup folder.
        name: String,
    },
    /// The options exclude each other, or the service of an endpoint does not support one.
    #[error("cannot use {option}: {reason}")]
    Options {
        /// The option.
        option: &'static str,
        /// The reason.
        reason: String,
    },
    /// A request for an endpoint failed.
    #[error("cannot read {name}: {cause}")]
    Endpoint {
        /// The name of the endpoint.
        name: String,
        /// The reason.
        #[source]
        cause: FailureCause,
    },
    /// A temporary file could not be written or read.
    #[error("cannot use a temporary file: {0}")]
    TemporaryFile(#[from] io::Error),
    /// A task of the run panicked.
    #[error("cannot complete the run: a task panicked")]
    Panicked,
}

/// A pattern, or a file of patterns, could not be parsed.
#[derive(Debug, thiserror::Error)]
#[error("cannot parse the pattern {pattern:?}: {source}")]
pub struct FilterError {
    /// The pattern.
    pub(crate) pattern: String,
    /// The reason.
    pub(crate) source: ignore::Error,
}

/// The reason of a failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FailureCause {
    /// The service returned an error.
    #[error(transparent)]
    Service(#[from] opendal::Error),
    /// The local disk returned an error.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// The item cannot be transferred. The text is the reason.
    #[error("{0}")]
    Refused(String),
    /// An implementation of one of the engine's traits returned an error of its own.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl FailureCause {
    /// Returns a refusal with its reason.
    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(reason.into())
    }
}

/// The failure of one item. The run continues with the other items.
#[derive(Debug)]
#[non_exhaustive]
pub struct ItemFailure {
    /// The verb of the operation, such as `list` or `copy`.
    pub verb: &'static str,
    /// The path relative to the endpoints. A folder ends with a slash; the root is empty.
    pub path: String,
    /// The name of the endpoint, and the path within it.
    pub item: String,
    /// The reason.
    pub cause: FailureCause,
}

impl fmt::Display for ItemFailure {
    /// Writes `cannot <verb> <item>: <reason>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.verb, self.item, self.cause)
    }
}

impl std::error::Error for ItemFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
