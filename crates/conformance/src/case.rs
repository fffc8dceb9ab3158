//! A case and its requirements.

use std::fmt;

use futures::future::LocalBoxFuture;

use crate::{CaseResult, TestContext};

/// One promise of a storage service, and the function that verifies it.
///
/// Usually defined with [`cases!`](crate::cases).
#[derive(Clone, Copy)]
pub struct Case {
    /// The promise, in snake case.
    pub name: &'static str,
    /// The steps of the case and the result that the promise requires, in Markdown.
    pub sentence: &'static str,
    /// The case is skipped where one of these is not met.
    pub requires: &'static [Requirement],
    /// Verifies the promise in an empty place.
    pub run: for<'a> fn(&'a TestContext) -> LocalBoxFuture<'a, CaseResult>,
}

impl Case {
    /// Returns the sentence that the case proves; for a case without one, its name in words.
    pub fn statement(&self) -> String {
        match self.sentence {
            "" => self.name.replace('_', " "),
            sentence => sentence.to_owned(),
        }
    }
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
#[non_exhaustive]
pub struct Group {
    /// The name of the operation or subject.
    pub name: &'static str,
    /// The subject of the cases, as a sentence in Markdown.
    pub about: &'static str,
    /// Its cases, in the order of their definition.
    pub cases: Vec<Case>,
}

impl Group {
    /// Creates a group.
    pub const fn new(name: &'static str, about: &'static str, cases: Vec<Case>) -> Self {
        Self { name, about, cases }
    }
}

/// Defines `pub fn cases() -> Vec<Case>` for the functions of a module.
///
/// Each entry names an `async fn(&TestContext) -> CaseResult`, and after a colon the
/// [`Requirement`]s, which must be in scope or among [`requirements`](crate::requirements). The comment
/// before it is the sentence that the case proves.
///
/// ```
/// use drivedal_conformance::{CaseResult, TestContext, cases};
///
/// cases! {
///     /// Writes a file. `stat` returns the number of its bytes.
///     a_new_file_has_its_size;
///     /// Copies a file. The copy has the size of its source.
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
    ($($(#[doc = $sentence:literal])* $name:ident $(: $($requirement:ident),+)?;)+) => {
        /// Returns the cases of this module.
        pub fn cases() -> ::std::vec::Vec<$crate::Case> {
            #[allow(unused_imports)]
            use $crate::requirements::*;
            ::std::vec![$($crate::Case {
                name: ::std::stringify!($name),
                sentence: ::std::concat!($($sentence),*).trim_ascii(),
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
