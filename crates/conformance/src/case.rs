//! A case and its result.

use std::{fmt, panic::Location, sync::OnceLock};

use futures::future::LocalBoxFuture;
use opendal::{Error, ErrorKind};

use crate::TestContext;

/// One promise of a storage service, and the function that verifies it.
///
/// Usually defined with [`cases!`](crate::cases).
#[derive(Clone, Copy)]
pub struct Case {
    /// The promise, as a sentence in snake case.
    pub name: &'static str,
    /// The case is skipped where one of these is not met.
    pub requires: &'static [Requirement],
    /// Verifies the promise in an empty place.
    pub run: for<'a> fn(&'a TestContext) -> LocalBoxFuture<'a, CaseResult>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .field("requires", &self.requires)
            .finish_non_exhaustive()
    }
}

/// The cases of one operation or subject.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name of the operation or subject.
    pub name: &'static str,
    /// Its cases, in the order of their definition.
    pub cases: Vec<Case>,
}

/// Defines `pub fn cases() -> Vec<Case>` for the functions of a module.
///
/// Each line names an `async fn(&TestContext) -> CaseResult`, and after a colon the
/// [`Requirement`]s, which must be in scope or among [`requirements`](crate::requirements).
///
/// ```
/// use drivedal_conformance::{CaseResult, TestContext, cases};
///
/// cases! {
///     a_new_file_has_its_size;
///     a_copy_has_the_size_of_its_source: copy;
/// }
///
/// async fn a_new_file_has_its_size(test: &TestContext) -> CaseResult {
///     test.op.write("file", "bytes").await?;
///     assert_eq!(test.op.stat("file").await?.content_length(), 5);
///     Ok(())
/// }
///
/// async fn a_copy_has_the_size_of_its_source(test: &TestContext) -> CaseResult {
///     test.op.write("file", "bytes").await?;
///     test.op.copy("file", "copy").await?;
///     assert_eq!(test.op.stat("copy").await?.content_length(), 5);
///     Ok(())
/// }
/// # fn main() {
/// # assert_eq!(cases().len(), 2);
/// # }
/// ```
#[macro_export]
macro_rules! cases {
    ($($name:ident $(: $($requirement:ident),+)?;)+) => {
        /// Returns the cases of this module.
        pub fn cases() -> ::std::vec::Vec<$crate::Case> {
            #[allow(unused_imports)]
            use $crate::requirements::*;
            ::std::vec![$($crate::Case {
                name: ::std::stringify!($name),
                requires: &[$($($requirement),+)?],
                run: |test| ::std::boxed::Box::pin($name(test)),
            }),+]
        }
    };
}

/// Something that not every backend has.
#[derive(Clone, Copy)]
pub struct Requirement {
    /// Its name in the report of a skipped case.
    pub name: &'static str,
    /// Returns whether the context has it.
    pub is_met: fn(&TestContext) -> bool,
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The result of a case, or of a step in it.
pub type CaseResult<T = ()> = Result<T, CaseError>;

/// Why a case ended early.
#[derive(Debug)]
pub enum CaseError {
    /// The promise was broken.
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
