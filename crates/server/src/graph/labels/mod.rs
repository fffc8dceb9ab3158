//! Labels of items on business drives and in libraries: sensitivity labels of files, retention labels of
//! files and folders.
//!
//! The labels of an organization are defined outside of Graph's requests for files. This server accepts
//! every label; it stores the assignment, encrypts nothing, and retains nothing. A locked record
//! refuses changes with 423.

mod retention;
mod sensitivity;

pub(super) use self::{
    retention::{expand, get, is_locked, remove, set},
    sensitivity::{assign, extract},
};
use super::{
    drive_context::DriveContext,
    error::{Error, Result},
};

/// Facet with the sensitivity label of a file.
pub(super) const SENSITIVITY_LABEL: &str = "sensitivityLabel";

/// Facet with the retention label of an item.
pub(super) const RETENTION_LABEL: &str = "retentionLabel";

/// Checks that the drive is not a personal one.
///
/// # Errors
/// 501 if it is.
fn check_kind(context: &DriveContext<'_>, action: &str) -> Result<()> {
    match context.kind.is_personal() {
        true => Err(Error::not_supported(format!("{action} is not supported for this account."))),
        false => Ok(()),
    }
}
