//! The results of a run, and their formats.

mod junit;
mod page;
mod text;

use serde::Serialize;

pub use self::{junit::junit, page::page, text::text};
use crate::{Case, Group};

/// The version of the JSON document. It changes if the meaning of a member changes.
pub const VERSION: u32 = 1;

/// The results of all cases on all backends. Serialized, it is the document `results.json`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// The program and its version; empty if the caller does not set it.
    pub program: String,
    /// The time of the start in RFC 3339; empty if the caller does not set it.
    pub started: String,
    /// The backends, in the order of their runs.
    pub backends: Vec<BackendSummary>,
    /// The groups, in the order of their runs.
    pub groups: Vec<GroupInfo>,
    /// The cases, in the order of their runs.
    pub cases: Vec<CaseReport>,
}

/// The results of a backend in numbers.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct BackendSummary {
    /// The name of the backend.
    pub name: String,
    /// The number of promises that are kept.
    pub passed: usize,
    /// The number of promises that are broken, and of known differences that do not differ.
    pub failed: usize,
    /// The number of known differences.
    pub known_differences: usize,
    /// The number of cases that do not apply, because the backend does not offer what they require.
    pub not_applicable: usize,
    /// The number of cases that did not begin, because the run was stopped.
    pub not_run: usize,
    /// The time of all cases.
    pub seconds: f64,
    /// The number of requests. `None` if they are not counted.
    pub requests: Option<u64>,
}

/// A group of cases.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct GroupInfo {
    /// The operation or subject.
    pub name: String,
    /// The subject, as a sentence in Markdown.
    pub about: String,
}

/// A case and its results.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CaseReport {
    /// The case.
    #[serde(flatten)]
    pub case: CaseInfo,
    /// The results, in the order of the backends.
    pub results: Vec<CaseOutcome>,
}

/// A case.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CaseInfo {
    /// `group::case`.
    pub id: String,
    /// The name of the group.
    pub group: String,
    /// The name of the case in its group.
    pub name: String,
    /// The sentence that the case proves, in Markdown.
    pub sentence: String,
    /// The names of the required capabilities.
    pub requires: Vec<String>,
}

/// The result of a case on a backend.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CaseOutcome {
    /// The name of the backend.
    pub backend: String,
    /// How the case ended.
    pub status: Status,
    /// Why it did not pass. `None` if it did.
    pub reason: Option<String>,
    /// The time of the case, with its preparation and cleanup.
    pub seconds: f64,
    /// The number of requests. `None` if they are not counted, or if cases run at the same time.
    pub requests: Option<u64>,
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// The promise is kept.
    Passed,
    /// The promise is broken, or a known difference does not differ.
    Failed,
    /// The promise is broken, as the caller knows.
    KnownDifference,
    /// The backend does not offer what the case requires.
    NotApplicable,
    /// The run was stopped before the case began.
    NotRun,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            version: VERSION,
            program: String::new(),
            started: String::new(),
            backends: Vec::new(),
            groups: Vec::new(),
            cases: Vec::new(),
        }
    }
}

impl Report {
    /// Returns the number of failures on all backends.
    pub fn failures(&self) -> usize {
        self.backends.iter().map(|backend| backend.failed).sum()
    }

    /// Returns the cases of a group.
    fn cases_of<'r>(&'r self, group: &'r GroupInfo) -> impl Iterator<Item = &'r CaseReport> {
        self.cases.iter().filter(|case| case.case.group == group.name)
    }
}

impl BackendSummary {
    /// Creates the numbers of a backend without results.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Counts a result.
    pub(crate) fn add(&mut self, status: Status) {
        *match status {
            Status::Passed => &mut self.passed,
            Status::Failed => &mut self.failed,
            Status::KnownDifference => &mut self.known_differences,
            Status::NotApplicable => &mut self.not_applicable,
            Status::NotRun => &mut self.not_run,
        } += 1;
    }
}

impl From<&Group> for GroupInfo {
    fn from(group: &Group) -> Self {
        Self { name: group.name.to_owned(), about: group.about.to_owned() }
    }
}

impl CaseInfo {
    /// Returns `group::case`.
    pub(crate) fn id(group: &Group, case: &Case) -> String {
        format!("{}::{}", group.name, case.name)
    }
}

impl CaseReport {
    /// Creates the report of a case without results.
    pub(crate) fn new(group: &Group, case: &Case) -> Self {
        let requires = case.requires.iter().map(|requirement| requirement.name.to_owned());
        let case = CaseInfo {
            id: CaseInfo::id(group, case),
            group: group.name.to_owned(),
            name: case.name.to_owned(),
            sentence: case.statement(),
            requires: requires.collect(),
        };
        Self { case, results: Vec::new() }
    }
}

impl CaseOutcome {
    /// Creates the result of a case that did not begin.
    pub(crate) fn not_run(backend: &str) -> Self {
        let (backend, status) = (backend.to_owned(), Status::NotRun);
        Self { backend, status, reason: None, seconds: 0.0, requests: None }
    }
}

impl Status {
    /// Returns the words for people.
    fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::KnownDifference => "known difference",
            Self::NotApplicable => "not applicable",
            Self::NotRun => "not run",
        }
    }

    /// Returns the mark in a table.
    fn mark(self) -> &'static str {
        match self {
            Self::Passed => "✓",
            Self::Failed => "✗",
            Self::KnownDifference => "≠",
            Self::NotApplicable => "–",
            Self::NotRun => "?",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a report of two backends, with a result of each kind.
    pub(super) fn example() -> Report {
        let outcome = |backend: &str, status, reason: Option<&str>| CaseOutcome {
            backend: backend.to_owned(),
            status,
            reason: reason.map(str::to_owned),
            seconds: 0.25,
            requests: Some(3),
        };
        let case = |name: &str, results: Vec<CaseOutcome>| CaseReport {
            case: CaseInfo {
                id: format!("stat::{name}"),
                group: "stat".to_owned(),
                name: name.to_owned(),
                sentence: "Calls `stat` of <a> file & compares.".to_owned(),
                requires: vec!["copy".to_owned()],
            },
            results,
        };
        let mut report = Report {
            program: "drivedal 0.1.0".to_owned(),
            started: "2026-12-01T00:00:00Z".to_owned(),
            groups: vec![GroupInfo { name: "stat".to_owned(), about: "Metadata.".to_owned() }],
            cases: vec![
                case(
                    "one",
                    vec![
                        outcome("a:", Status::Passed, None),
                        outcome("b & c:", Status::Failed, Some("src/x.rs:1: left <1>\u{1b}[0m")),
                    ],
                ),
                case(
                    "two",
                    vec![
                        outcome("a:", Status::KnownDifference, Some("stores no times")),
                        outcome("b & c:", Status::NotApplicable, Some("not offered: copy")),
                    ],
                ),
            ],
            ..Report::default()
        };
        for (at, name) in ["a:", "b & c:"].into_iter().enumerate() {
            let mut summary = BackendSummary::new(name);
            report.cases.iter().for_each(|case| summary.add(case.results[at].status));
            report.backends.push(summary);
        }
        report
    }

    #[test]
    fn results_are_counted_by_backend() {
        let report = example();
        let counts = report
            .backends
            .iter()
            .map(|one| (one.passed, one.failed, one.known_differences, one.not_applicable));
        assert_eq!(counts.collect::<Vec<_>>(), [(1, 0, 1, 0), (0, 1, 0, 1)]);
        assert_eq!(report.failures(), 1);
    }
}
