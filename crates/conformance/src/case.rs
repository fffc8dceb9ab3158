//! A case and its requirements.

use std::fmt;

use futures::future::LocalBoxFuture;

use crate::{CaseResult, TestContext};

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
