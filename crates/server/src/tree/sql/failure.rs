//! Failures of the database, the blobs and the file system as errors of the tree.

use std::{error::Error, io};

use super::{super::TreeError, dialect};

/// Wraps a failure of the storage. Returns [`TreeError::NoRoom`] if any of its sources reports a
/// full disk.
pub(super) fn storage(error: impl Into<Box<dyn Error + Send + Sync>>) -> TreeError {
    let error = error.into();
    match is_disk_full(&*error) {
        true => TreeError::NoRoom(error),
        false => TreeError::Storage(error),
    }
}

impl From<sqlx::Error> for TreeError {
    /// Converts an error of the database: `BadName` for a text with a NUL character, `NoRoom` for a
    /// full disk, otherwise `Storage`.
    fn from(error: sqlx::Error) -> Self {
        if dialect::is_bad_text(&error) {
            return Self::BadName("a text contains a NUL character");
        }
        storage(error)
    }
}

/// Copies an error for another caller whose write was in the same transaction. The sources of a
/// storage error become text.
pub(super) fn duplicate(error: &TreeError) -> TreeError {
    match error {
        TreeError::NoRoom(why) => TreeError::NoRoom(why.to_string().into()),
        TreeError::Storage(why) => TreeError::Storage(why.to_string().into()),
        other => TreeError::Storage(other.to_string().into()),
    }
}

impl TreeError {
    /// Adds `place`, the file or the server that failed, to the message of a storage error. Other
    /// errors are returned unchanged.
    pub(super) fn with_place(self, place: &str) -> Self {
        let placed = |error| format!("{place}: {error}").into();
        match self {
            Self::NoRoom(error) => Self::NoRoom(placed(error)),
            Self::Storage(error) => Self::Storage(placed(error)),
            other => other,
        }
    }
}

/// Returns whether an error, or any of its sources, reports a full disk.
pub(super) fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return true;
        }
        if error.downcast_ref().is_some_and(dialect::is_full) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_recognized_in_any_source_of_an_error() {
        let of = |kind: io::ErrorKind| {
            let system = io::Error::from(kind);
            opendal::Error::new(opendal::ErrorKind::Unexpected, "writing").set_source(system)
        };
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            assert!(matches!(storage(of(kind)), TreeError::NoRoom(_)), "{kind}");
            assert!(matches!(storage(io::Error::from(kind)), TreeError::NoRoom(_)), "{kind}");
        }
        assert!(matches!(storage(of(io::ErrorKind::PermissionDenied)), TreeError::Storage(_)));
        assert!(matches!(storage("no reason"), TreeError::Storage(_)));
    }

    #[test]
    fn a_failure_names_its_place_and_is_copied_for_every_caller() {
        let full = storage(io::Error::from(io::ErrorKind::StorageFull));
        let copy = duplicate(&full.with_place("/data/tree.db"));
        assert!(matches!(copy, TreeError::NoRoom(_)));
        assert_eq!(copy.to_string(), "the storage is full: /data/tree.db: no storage space");
        assert!(matches!(TreeError::NotFound.with_place("x"), TreeError::NotFound));
    }
}
