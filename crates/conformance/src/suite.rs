//! Runs cases on several backends, and collects their results.

use std::time::Instant;

use futures::{StreamExt, stream};

use crate::{
    Backend, Case, CaseError, DifferenceList, Group,
    report::{BackendSummary, CaseInfo, CaseOutcome, CaseReport, GroupInfo, Report, Status},
    runner::attempt,
};

/// Cases to run on several backends.
#[derive(Debug)]
pub struct Suite {
    groups: Vec<Group>,
    differences: DifferenceList,
    jobs: usize,
}

/// An event of a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum SuiteEvent<'a> {
    /// A backend is next.
    Backend {
        /// Its name.
        name: &'a str,
        /// The number of cases that will be run.
        cases: usize,
    },
    /// A case has ended.
    Case {
        /// The name of the backend.
        backend: &'a str,
        /// `group::case`.
        id: &'a str,
        /// Its result.
        outcome: &'a CaseOutcome,
    },
}

impl Suite {
    /// Creates a suite of these cases, which run one after another.
    pub fn new(groups: Vec<Group>) -> Self {
        Self { groups, differences: DifferenceList::default(), jobs: 1 }
    }

    /// Keeps the cases whose `group::case` contains one of these texts. Without texts, keeps all.
    #[must_use]
    pub fn only(mut self, texts: &[String]) -> Self {
        let is_kept = |group: &Group, case: &Case| {
            let id = format!("{}::{}", group.name, case.name);
            texts.is_empty() || texts.iter().any(|text| id.contains(text.as_str()))
        };
        for group in &mut self.groups {
            let cases = std::mem::take(&mut group.cases);
            let kept = cases.into_iter().filter(|case| is_kept(group, case));
            group.cases = kept.collect();
        }
        self.groups.retain(|group| !group.cases.is_empty());
        self
    }

    /// Sets the known differences. Those of [`Backend::known_differences`] apply too.
    #[must_use]
    pub fn differences(mut self, differences: DifferenceList) -> Self {
        self.differences = differences;
        self
    }

    /// Sets the number of cases that run at the same time on a backend, at least 1. Requests are
    /// counted per case only if it is 1.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// Returns the number of cases.
    pub fn count(&self) -> usize {
        self.groups.iter().map(|group| group.cases.len()).sum()
    }

    /// Runs all cases on one backend after another. `observer` receives each result. Once `is_stopped`
    /// returns true, no further case begins; the running ones end, so that they leave no request behind.
    ///
    /// Some cases block: call it in a multi-threaded runtime of tokio. Call
    /// [`report_panics_as_failures`](crate::report_panics_as_failures) once before.
    pub async fn run(
        &self,
        backends: &[Box<dyn Backend>],
        observer: &dyn Fn(SuiteEvent<'_>),
        is_stopped: &dyn Fn() -> bool,
    ) -> Report {
        let mut report = Report {
            groups: self.groups.iter().map(GroupInfo::from).collect(),
            cases: self.cases().map(|(group, case)| CaseReport::new(group, case)).collect(),
            ..Report::default()
        };
        for backend in backends {
            observer(SuiteEvent::Backend { name: backend.name(), cases: self.count() });
            let (started, requests) = (Instant::now(), backend.requests());
            let outcomes = stream::iter(self.cases())
                .map(|(group, case)| async move {
                    match is_stopped() {
                        true => CaseOutcome::not_run(backend.name()),
                        false => self.run_case(&**backend, group, case, observer).await,
                    }
                })
                .buffered(self.jobs)
                .collect::<Vec<_>>()
                .await;
            let mut summary = BackendSummary::new(backend.name());
            summary.seconds = started.elapsed().as_secs_f64();
            summary.requests = difference(requests, backend.requests());
            for (case, outcome) in report.cases.iter_mut().zip(outcomes) {
                summary.add(outcome.status);
                case.results.push(outcome);
            }
            report.backends.push(summary);
        }
        report
    }

    /// Returns the cases with their groups.
    fn cases(&self) -> impl Iterator<Item = (&Group, &Case)> {
        self.groups.iter().flat_map(|group| group.cases.iter().map(move |case| (group, case)))
    }

    /// Runs a case on a backend.
    async fn run_case(
        &self,
        backend: &dyn Backend,
        group: &Group,
        case: &Case,
        observer: &dyn Fn(SuiteEvent<'_>),
    ) -> CaseOutcome {
        let id = CaseInfo::id(group, case);
        let (started, requests) = (Instant::now(), backend.requests());
        let result = attempt(backend, case).await;
        let seconds = started.elapsed().as_secs_f64();
        let own = || {
            let mut known = backend.known_differences().iter();
            let found = known.find(|known| known.is_about(group.name, case.name))?;
            Some((found.reason, found.intermittent))
        };
        let known = self.differences.find(backend.name(), &id).or_else(own);
        let (status, reason) = match (result, known) {
            (Err(CaseError::Skipped(reason)), _) => (Status::NotApplicable, Some(reason)),
            (Err(CaseError::Failed(failure)), Some((reason, _))) => {
                (Status::KnownDifference, Some(format!("{reason}\n{failure}")))
            }
            (Err(CaseError::Failed(failure)), None) => (Status::Failed, Some(failure)),
            (Ok(()), Some((reason, false))) => {
                let text = format!("passes, but is listed as a known difference: {reason}");
                (Status::Failed, Some(text))
            }
            (Ok(()), _) => (Status::Passed, None),
        };
        let requests = match self.jobs {
            1 => difference(requests, backend.requests()),
            _ => None,
        };
        let outcome =
            CaseOutcome { backend: backend.name().to_owned(), status, reason, seconds, requests };
        observer(SuiteEvent::Case { backend: backend.name(), id: &id, outcome: &outcome });
        outcome
    }
}

/// Returns the number of requests between two counts. `None` if one of them is unknown.
fn difference(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    after?.checked_sub(before?)
}
