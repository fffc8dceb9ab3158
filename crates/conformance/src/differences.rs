//! Known differences in a file of the user.

use globset::{Glob, GlobMatcher};
use serde::Deserialize;
use thiserror::Error;

use crate::Group;

/// Known differences of backends from the promises of the cases, as a TOML file lists them.
///
/// ```
/// use drivedal_conformance::{DifferenceList, groups};
///
/// let list = DifferenceList::parse(
///     r#"
///     [[difference]]
///     backend = "memory*"
///     reason = "stores no times"
///     cases = ["stat::a_file_has_a_modification_time"]
///     "#,
///     &groups(),
/// )?;
/// # let _ = list;
/// # Ok::<(), drivedal_conformance::DifferenceListError>(())
/// ```
///
/// `backend` is a glob for the names of backends, and `*` in a case stands for any text, as in
/// `versions::*`. With `intermittent = true` the cases may also pass.
#[derive(Clone, Debug, Default)]
pub struct DifferenceList {
    differences: Vec<ListedDifference>,
}

/// A known difference, and the cases and backends that show it.
#[derive(Clone, Debug)]
struct ListedDifference {
    backend: GlobMatcher,
    reason: String,
    intermittent: bool,
    cases: Vec<GlobMatcher>,
}

/// A list of known differences cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DifferenceListError {
    /// The text is not TOML of the expected form.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// A pattern is not a glob.
    #[error("{0}")]
    Pattern(#[from] globset::Error),
    /// A pattern matches no case.
    #[error("no case has the name `{0}`")]
    UnknownCase(String),
    /// A difference has no case.
    #[error("the difference {0:?} has no cases")]
    NoCases(String),
}

/// The contents of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFile {
    #[serde(default)]
    difference: Vec<DifferenceEntry>,
}

/// An entry of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DifferenceEntry {
    backend: String,
    reason: String,
    #[serde(default)]
    intermittent: bool,
    cases: Vec<String>,
}

impl DifferenceList {
    /// Parses a TOML file. `groups` are the cases that it can name.
    ///
    /// # Errors
    /// `Syntax` if the text has another form, with the line; `Pattern` for a malformed glob;
    /// `UnknownCase` for a pattern that matches none of the cases; `NoCases` for a difference without
    /// cases.
    pub fn parse(text: &str, groups: &[Group]) -> Result<Self, DifferenceListError> {
        let file: ListFile = toml::from_str(text)?;
        let differences = file.difference.into_iter().map(|entry| entry.check(groups));
        Ok(Self { differences: differences.collect::<Result<_, _>>()? })
    }

    /// Returns the reason of the difference that lists a case, and whether it is intermittent. `None`
    /// if no difference lists it. `id` is `group::case`.
    pub(crate) fn find(&self, backend: &str, id: &str) -> Option<(&str, bool)> {
        self.differences
            .iter()
            .filter(|listed| listed.backend.is_match(backend))
            .find(|listed| listed.cases.iter().any(|case| case.is_match(id)))
            .map(|listed| (&*listed.reason, listed.intermittent))
    }
}

impl DifferenceEntry {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// Those of [`DifferenceList::parse`], except `Syntax`.
    fn check(self, groups: &[Group]) -> Result<ListedDifference, DifferenceListError> {
        if self.cases.is_empty() {
            return Err(DifferenceListError::NoCases(self.reason));
        }
        let ids: Vec<_> = groups
            .iter()
            .flat_map(|group| {
                group.cases.iter().map(|case| format!("{}::{}", group.name, case.name))
            })
            .collect();
        let mut cases = Vec::new();
        for pattern in self.cases {
            let glob = Glob::new(&pattern)?.compile_matcher();
            if !ids.iter().any(|id| glob.is_match(id)) {
                return Err(DifferenceListError::UnknownCase(pattern));
            }
            cases.push(glob);
        }
        Ok(ListedDifference {
            backend: Glob::new(&self.backend)?.compile_matcher(),
            reason: self.reason,
            intermittent: self.intermittent,
            cases,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups;

    #[test]
    fn a_difference_applies_to_its_backends_and_cases() {
        let list = DifferenceList::parse(
            "[[difference]]\nbackend = 'mem*'\nreason = 'r'\ncases = ['stat::a_file*', 'copy::*']",
            &groups(),
        )
        .expect("a list");
        assert_eq!(list.find("memory:", "copy::any"), Some(("r", false)));
        assert_eq!(
            list.find("memory:", "stat::a_file_has_a_modification_time"),
            Some(("r", false))
        );
        assert_eq!(list.find("memory:", "stat::the_root_is_a_folder"), None);
        assert_eq!(list.find("fs:", "copy::any"), None);
    }

    #[test]
    fn mistakes_are_errors_that_name_them() {
        let entry = |rest: &str| format!("[[difference]]\nbackend = 'b'\nreason = 'why'\n{rest}");
        for (text, named) in [
            (
                "[[difference]]\nbackend = 'b'\ncases = ['stat::*']".to_owned(),
                "missing field `reason`",
            ),
            (entry("cases = ['stat::no_such_case']"), "stat::no_such_case"),
            (entry("cases = []"), "why"),
            (entry("cases = ['stat::*']\nflaky = true"), "flaky"),
            (entry("cases = ['stat::[']"), "["),
        ] {
            let error = DifferenceList::parse(&text, &groups()).expect_err(&text).to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
