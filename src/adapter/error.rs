//! A drive's errors in OpenDAL's terms.

use opendal::ErrorKind as Theirs;

use crate::drive::{Error, ErrorKind, Retry};

/// The error an operator's user sees. Kind and retry status are what programs match on; the
/// drive's own error is the source, for those who want its code or request id.
pub(super) fn to_opendal(error: Error) -> opendal::Error {
    let kind = match error.kind() {
        ErrorKind::NotFound => Theirs::NotFound,
        ErrorKind::PermissionDenied => Theirs::PermissionDenied,
        ErrorKind::AlreadyExists => Theirs::AlreadyExists,
        ErrorKind::ConditionNotMatch => Theirs::ConditionNotMatch,
        ErrorKind::Conflict => Theirs::Conflict,
        ErrorKind::RateLimited => Theirs::RateLimited,
        ErrorKind::RangeNotSatisfied => Theirs::RangeNotSatisfied,
        // A name or a size that the cloud does not take is something it does not support.
        ErrorKind::Unsupported | ErrorKind::InvalidInput => Theirs::Unsupported,
        ErrorKind::DriveNotFound => Theirs::ConfigInvalid,
        ErrorKind::NotAFolder => Theirs::NotADirectory,
        ErrorKind::IsAFolder => Theirs::IsADirectory,
        ErrorKind::QuotaExceeded | ErrorKind::Unexpected => Theirs::Unexpected,
    };
    let shown = opendal::Error::new(kind, error.to_string());
    let shown = match error.retry() {
        Retry::No => shown,
        Retry::Again { .. } => shown.set_temporary(),
        Retry::Exhausted => shown.set_persistent(),
    };
    shown.set_source(error)
}
