//! The result of a case, and the errors that it expects.

use std::{fmt, panic::Location, sync::OnceLock};

use opendal::{Error, ErrorKind};

/// The result of a case, or of a step in it.
pub type CaseResult<T = ()> = Result<T, CaseError>;

/// Why a case ended early.
#[derive(Debug)]
pub enum CaseError {
    /// The promise was broken, or another step of the case failed. The text has the place in the
    /// source and the reason.
    Failed(String),
    /// The case does not apply.
    Skipped(String),
}

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) | Self::Skipped(text) => f.write_str(text),
        }
    }
}

impl From<Error> for CaseError {
    #[track_caller]
    fn from(error: Error) -> Self {
        record_error(&error);
        Self::Failed(format!("{}: {error}", Location::caller()))
    }
}

/// Ends a case that does not apply.
///
/// # Errors
/// Always, with [`CaseError::Skipped`].
pub fn skip<T>(reason: impl Into<String>) -> CaseResult<T> {
    Err(CaseError::Skipped(reason.into()))
}

/// Ends a case whose promise was broken. The error names the place of the call.
///
/// # Errors
/// Always, with [`CaseError::Failed`].
#[track_caller]
pub fn fail<T>(reason: impl fmt::Display) -> CaseResult<T> {
    Err(CaseError::Failed(format!("{}: {reason}", Location::caller())))
}

/// Returns the error of an operation that must fail with one of these kinds.
///
/// Cases about the state afterwards also accept `Unexpected`, with which OpenDAL's `fs` reports a
/// refusal of the system; other cases require the exact kind.
///
/// # Errors
/// [`CaseError::Failed`] if the operation succeeded, or failed with another kind.
#[track_caller]
pub fn expect_error<T: fmt::Debug>(
    result: opendal::Result<T>,
    kinds: &[ErrorKind],
) -> CaseResult<Error> {
    match result {
        Ok(value) => fail(format!("should have failed with {kinds:?}, got {value:?}")),
        Err(error) => {
            record_error(&error);
            match kinds.contains(&error.kind()) {
                true => Ok(error),
                false => fail(format!("should have failed with {kinds:?}: {error}")),
            }
        }
    }
}

/// Returns the value of an operation that may succeed or fail, or `None` if it failed. The error
/// reaches the observer.
pub fn allow_error<T>(result: opendal::Result<T>) -> Option<T> {
    result.inspect_err(record_error).ok()
}

/// The function that receives every text a user could see.
static OBSERVER: OnceLock<fn(&str)> = OnceLock::new();

/// Calls this function with every text that a user could see: errors in every format, and the
/// reasons of failures. A caller can search them for secrets. Later observers are ignored.
pub fn set_observer(observer: fn(&str)) {
    // A second observer is ignored, as documented.
    let _ = OBSERVER.set(observer);
}

/// Passes a text to the observer, if there is one.
pub(crate) fn record(text: &str) {
    if let Some(observer) = OBSERVER.get() {
        observer(text);
    }
}

/// Passes an error to the observer in each of its formats.
pub fn record_error(error: &Error) {
    if OBSERVER.get().is_some() {
        record(&format!("{error}\n{error:?}\n{error:#?}"));
    }
}
