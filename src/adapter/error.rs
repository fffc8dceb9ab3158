//! Conversion of a drive's errors to OpenDAL's, and the errors that several operations share.

use opendal::ErrorKind as OpendalKind;

use crate::drive::{Error, ErrorKind, IfExists, Retry};

/// Converts a drive's error to the one that the operator returns. Its kind and retry status are what programs
/// match on. Its source is the drive's own error, with the cloud's code and request id.
pub(super) fn to_opendal(error: Error) -> opendal::Error {
    let kind = match error.kind() {
        ErrorKind::NotFound => OpendalKind::NotFound,
        ErrorKind::PermissionDenied | ErrorKind::SessionsUnavailable => {
            OpendalKind::PermissionDenied
        }
        ErrorKind::AlreadyExists => OpendalKind::AlreadyExists,
        ErrorKind::ConditionNotMatch => OpendalKind::ConditionNotMatch,
        ErrorKind::Conflict => OpendalKind::Conflict,
        ErrorKind::RateLimited => OpendalKind::RateLimited,
        ErrorKind::RangeNotSatisfied => OpendalKind::RangeNotSatisfied,
        // A name or a size that the cloud rejects is unsupported in OpenDAL's terms.
        ErrorKind::Unsupported | ErrorKind::InvalidInput => OpendalKind::Unsupported,
        ErrorKind::DriveNotFound => OpendalKind::ConfigInvalid,
        ErrorKind::NotAFolder => OpendalKind::NotADirectory,
        ErrorKind::IsAFolder => OpendalKind::IsADirectory,
        ErrorKind::QuotaExceeded | ErrorKind::Unexpected => OpendalKind::Unexpected,
    };
    let converted = opendal::Error::new(kind, error.to_string());
    let converted = match error.retry() {
        Retry::No => converted,
        Retry::Again { .. } => converted.set_temporary(),
        Retry::Exhausted => converted.set_persistent(),
    };
    converted.set_source(error)
}

/// Changes `AlreadyExists` to `ConditionNotMatch` if the caller required a free name: OpenDAL
/// reports a failed `if_not_exists` that way.
pub(super) fn as_condition(error: Error, if_exists: IfExists) -> Error {
    match (error.kind(), if_exists) {
        (ErrorKind::AlreadyExists, IfExists::Fail) => error.with_kind(ErrorKind::ConditionNotMatch),
        _ => error,
    }
}

/// Returns the `IsAFolder` error for an operation that cannot apply to the operator's root. `verb`
/// names the operation.
pub(super) fn is_root(verb: &str) -> Error {
    Error::new(ErrorKind::IsAFolder, format!("cannot {verb} the root folder of the remote"))
}

/// Returns the `NotAFolder` error of an operation that needs a folder: a file has the path or name
/// `name`. `verb` names the operation.
pub(super) fn not_a_folder(verb: &str, name: &str) -> Error {
    Error::new(ErrorKind::NotAFolder, format!("cannot {verb} {name:?}: it is not a folder"))
}

/// Returns the `IsAFolder` error of an operation that needs a file: a folder has the path or name
/// `name`. `verb` names the operation.
pub(super) fn is_a_folder(verb: &str, name: &str) -> Error {
    Error::new(ErrorKind::IsAFolder, format!("cannot {verb} {name:?}: it is a folder"))
}

/// Returns the `InvalidInput` error for a file of `size` bytes that exceeds the limit of `max` bytes.
pub(super) fn too_large(size: u64, max: u64) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("cannot write a file of {size} bytes: this drive accepts at most {max} bytes"),
    )
}

/// Returns the `InvalidInput` error for a writer that wrote `written` bytes after it had announced
/// another number.
pub(super) fn size_mismatch(announced: u64, written: u64) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("cannot write the file: {announced} bytes were announced, {written} were written"),
    )
}

/// Returns the `Unexpected` error for a caller that aborted the upload or dropped its writer.
pub(super) fn upload_aborted() -> Error {
    Error::new(ErrorKind::Unexpected, "cannot continue the upload: it was aborted")
}
