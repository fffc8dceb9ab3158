//! The folders that a recursive listing could not list. They are collected, and reported as one
//! error after all other folders.

use crate::drive::{Error, ErrorKind, Retry};

/// The listing ends after this many consecutive failures that concern the whole cloud rather than
/// one folder: no connection after all retries, or a rejected token.
const CONSECUTIVE_MAX: u32 = 3;

/// The maximum number of folders that an error names.
const NAMED_MAX: usize = 10;

/// The folders that could not be listed.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// The path and the error of each folder.
    folders: Vec<(String, Error)>,
    /// The number of failures of the whole cloud since the last success.
    consecutive: u32,
}

impl Failures {
    /// Records the failure of a folder by its path.
    pub(super) fn record(&mut self, folder: String, error: Error) {
        match error.retry() == Retry::Exhausted || error.status() == Some(401) {
            true => self.consecutive += 1,
            false => self.consecutive = 0,
        }
        tracing::warn!(folder, %error, "cannot list a folder");
        self.folders.push((folder, error));
    }

    /// Records that a folder was listed.
    pub(super) fn record_success(&mut self) {
        self.consecutive = 0;
    }

    /// Returns whether the listing should end: the last [`CONSECUTIVE_MAX`] folders failed because
    /// of the whole cloud.
    pub(super) fn is_fatal(&self) -> bool {
        self.consecutive >= CONSECUTIVE_MAX
    }

    /// Removes the failures and returns one error for all of them, or `None` if there are none. Its
    /// kind is that of the first failure. `NotFound` and `NotAFolder` become `Unexpected`: they
    /// would make a statement about the folder that the caller listed.
    pub(super) fn take(&mut self) -> Option<Error> {
        let folders = std::mem::take(&mut self.folders);
        let (_, first) = folders.first()?;
        let kind = match first.kind() {
            ErrorKind::NotFound | ErrorKind::NotAFolder => ErrorKind::Unexpected,
            kind => kind,
        };
        let named = folders.iter().take(NAMED_MAX);
        let mut text = named
            .map(|(folder, error)| format!("cannot list the folder {folder:?}: {error}"))
            .collect::<Vec<_>>()
            .join("; ");
        if let Some(more @ 1..) = folders.len().checked_sub(NAMED_MAX) {
            text = format!("{text}; and {more} more folders");
        }
        if self.is_fatal() {
            text = format!("{text}; the remaining folders were not listed");
        }
        let retry = match first.retry() {
            Retry::Exhausted => Retry::Exhausted,
            Retry::No | Retry::Again { .. } => Retry::No,
        };
        Some(Error::new(kind, text).with_retry(retry).with_source(first.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_names_the_folders_and_is_never_not_found() {
        let mut failures = Failures::default();
        assert!(failures.take().is_none());
        for n in 0..12 {
            let error = Error::new(ErrorKind::NotFound, "gone").with_status(404);
            failures.record(format!("a/{n}/"), error);
        }
        assert!(!failures.is_fatal());
        let error = failures.take().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
        let text = error.to_string();
        assert!(text.contains("\"a/0/\"") && text.contains("and 2 more folders"), "{text}");
        assert!(failures.take().is_none());
    }

    #[test]
    fn consecutive_failures_of_the_whole_cloud_end_the_listing() {
        let mut failures = Failures::default();
        let down = || Error::new(ErrorKind::Unexpected, "down").with_retry(Retry::Exhausted);
        for _ in 0..2 {
            failures.record("a/".into(), down());
        }
        failures.record_success();
        for _ in 0..3 {
            assert!(!failures.is_fatal());
            failures.record("a/".into(), down());
        }
        assert!(failures.is_fatal());
    }
}
