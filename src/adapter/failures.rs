//! Folders that a listing could not list: collected, and reported when the rest is listed.

use crate::drive::{Error, ErrorKind, Retry};

/// After this many folders in a row whose failure is not theirs alone (no connection after all
/// retries, a refused token), the listing ends.
const IN_A_ROW_MAX: u32 = 3;

/// The most folders that an error names.
const NAMED_MAX: usize = 10;

/// The folders that could not be listed.
#[derive(Debug, Default)]
pub(super) struct Failures {
    folders: Vec<(String, Error)>,
    /// Failures of the whole cloud, without a success since.
    in_a_row: u32,
}

impl Failures {
    /// Records a folder by its path.
    pub(super) fn record(&mut self, folder: String, error: Error) {
        match error.retry() == Retry::Exhausted || error.status() == Some(401) {
            true => self.in_a_row += 1,
            false => self.in_a_row = 0,
        }
        tracing::warn!(folder, %error, "a folder could not be listed");
        self.folders.push((folder, error));
    }

    /// A folder was listed.
    pub(super) fn succeeded(&mut self) {
        self.in_a_row = 0;
    }

    /// Whether it makes no sense to go on.
    pub(super) fn is_hopeless(&self) -> bool {
        self.in_a_row >= IN_A_ROW_MAX
    }

    /// Removes the failures and returns one error for all of them: of the first one's kind, but
    /// never `NotFound` or `NotAFolder`, which would say something of the folder that was listed.
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
        if self.is_hopeless() {
            text = format!("{text}; the remaining folders were not tried");
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
    fn one_error_names_the_folders_and_is_never_absence() {
        let mut failures = Failures::default();
        assert!(failures.take().is_none());
        for n in 0..12 {
            let error = Error::new(ErrorKind::NotFound, "gone").with_status(404);
            failures.record(format!("a/{n}/"), error);
        }
        assert!(!failures.is_hopeless());
        let error = failures.take().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
        let text = error.to_string();
        assert!(text.contains("\"a/0/\"") && text.contains("and 2 more folders"), "{text}");
        assert!(failures.take().is_none());
    }

    #[test]
    fn a_cloud_that_fails_again_and_again_ends_the_listing() {
        let mut failures = Failures::default();
        let down = || Error::new(ErrorKind::Unexpected, "down").with_retry(Retry::Exhausted);
        for _ in 0..2 {
            failures.record("a/".into(), down());
        }
        failures.succeeded();
        for _ in 0..3 {
            assert!(!failures.is_hopeless());
            failures.record("a/".into(), down());
        }
        assert!(failures.is_hopeless());
    }
}
