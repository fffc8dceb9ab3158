//! What fails below the tree, as an error of the tree.

use std::{error::Error, io, path::Path};

use super::{super::TreeError, dialect};

/// A failure of the storage below: [`TreeError::NoRoom`] if it is that, in whatever words.
pub(super) fn storage(error: impl Into<Box<dyn Error + Send + Sync>>) -> TreeError {
    let error = error.into();
    match is_for_want_of_room(&*error) {
        true => TreeError::NoRoom(error),
        false => TreeError::Storage(error),
    }
}

impl From<sqlx::Error> for TreeError {
    fn from(error: sqlx::Error) -> Self {
        storage(error)
    }
}

/// Copies an error for another caller whose write was in the same transaction.
pub(super) fn duplicate(error: &TreeError) -> TreeError {
    match error {
        TreeError::NoRoom(why) => TreeError::NoRoom(why.to_string().into()),
        TreeError::Storage(why) => TreeError::Storage(why.to_string().into()),
        other => TreeError::Storage(other.to_string().into()),
    }
}

impl TreeError {
    /// Says of a failure of the storage in which file it was.
    pub(super) fn in_file(self, file: &Path) -> Self {
        let place = |why| format!("{}: {why}", file.display()).into();
        match self {
            Self::NoRoom(why) => Self::NoRoom(place(why)),
            Self::Storage(why) => Self::Storage(place(why)),
            other => other,
        }
    }
}

/// Whether a disk is full, however deep in an error that is.
pub(super) fn is_for_want_of_room(error: &(dyn Error + 'static)) -> bool {
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
    fn a_full_disk_is_told_from_other_failures_however_deep_it_is_said() {
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
    fn a_failure_says_where_and_is_told_to_everybody_whom_it_befell() {
        let full = storage(io::Error::from(io::ErrorKind::StorageFull));
        let told = duplicate(&full.in_file(Path::new("/data/tree.db")));
        assert!(matches!(told, TreeError::NoRoom(_)));
        assert_eq!(told.to_string(), "the storage is full: /data/tree.db: no storage space");
        assert!(matches!(TreeError::NotFound.in_file(Path::new("x")), TreeError::NotFound));
    }
}
