//! Runs cases.

use std::{
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use futures::FutureExt;
use tokio::time::timeout;

use crate::{
    Backend, Case, CaseError, CaseResult,
    result::{record, skip},
};

/// Time after which a case counts as hanging.
const TIMEOUT: Duration = Duration::from_secs(240);

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The promise is kept.
    Passed,
    /// The case does not apply, or the service is known to differ.
    Skipped(String),
    /// The promise is broken.
    Failed(String),
}

/// Runs a case on a backend, in an empty place, and cleans up.
///
/// Some cases block: call it in a multi-threaded runtime of tokio. A failed assertion is a
/// failure of the case; call [`report_panics_as_failures`] once, so that its place is reported.
pub async fn run(backend: &dyn Backend, group: &str, case: &Case) -> Verdict {
    let result = attempt(backend, case).await;
    let known = backend.known_differences().iter().find(|known| known.is_about(group, case.name));
    match (result, known) {
        (Err(CaseError::Skipped(reason)), _) => Verdict::Skipped(reason),
        (Err(CaseError::Failed(_)), Some(known)) => {
            Verdict::Skipped(format!("known to differ: {}", known.reason))
        }
        (Err(CaseError::Failed(reason)), None) => Verdict::Failed(reason),
        (Ok(()), Some(known)) if !known.intermittent => Verdict::Failed(format!(
            "passes, but is in the table of known differences: {}",
            known.reason
        )),
        (Ok(()), _) => Verdict::Passed,
    }
}

/// Runs a case on a backend, in an empty place, and cleans up. Known differences are not considered.
///
/// # Errors
/// `Skipped` if the backend does not have a requirement of the case; `Failed` if the promise is
/// broken, the place cannot be prepared or cleaned up, or the case takes longer than [`TIMEOUT`].
pub(crate) async fn attempt(backend: &dyn Backend, case: &Case) -> CaseResult {
    let mut test = match backend.prepare().await {
        Ok(test) => test,
        Err(error) => {
            return Err(CaseError::Failed(format!("cannot prepare the case: {error}")));
        }
    };
    test.case = case.name;
    let result = match case.requires.iter().find(|requirement| !(requirement.is_met)(&test)) {
        Some(requirement) => skip(format!("not offered: {}", requirement.name)),
        None => {
            let late = || Err(CaseError::Failed(format!("not done after {TIMEOUT:?}")));
            let limited = timeout(TIMEOUT, (case.run)(&test));
            catch_panic(async { limited.await.unwrap_or_else(|_| late()) }).await
        }
    };
    let cleaned = test.clean_up().await;
    if let Err(CaseError::Failed(reason)) = &result {
        record(reason);
    }
    result?;
    cleaned.map_err(|error| CaseError::Failed(format!("cannot clean up: {error}")))
}

/// Returns a trial for each case: `backend::group::case`.
///
/// # Panics
///
/// If a known difference of the backend names a case that does not exist.
#[cfg(feature = "libtest-mimic")]
pub fn trials(
    runtime: &tokio::runtime::Handle,
    backend: std::sync::Arc<dyn Backend>,
    groups: &[crate::Group],
) -> Vec<libtest_mimic::Trial> {
    use std::sync::Arc;

    use libtest_mimic::{Completion, Trial};

    for known in backend.known_differences().iter().flat_map(|known| known.cases) {
        let exists = groups.iter().any(|group| {
            let mut cases = group.cases.iter();
            cases.any(|case| known.split_once("::") == Some((group.name, case.name)))
        });
        assert!(exists, "{}: the known difference {known} is no case", backend.name());
    }
    let trial = |group: &'static str, case: Case| {
        let (runtime, backend) = (runtime.clone(), Arc::clone(&backend));
        let name = format!("{}::{group}::{}", backend.name(), case.name);
        Trial::ignorable_test(name, move || match runtime.block_on(run(&*backend, group, &case)) {
            Verdict::Passed => Ok(Completion::Completed),
            Verdict::Skipped(reason) => Ok(Completion::ignored_with(reason)),
            Verdict::Failed(reason) => Err(reason.into()),
        })
    };
    let cases = groups.iter().flat_map(|group| group.cases.iter().map(|case| (group.name, *case)));
    cases.map(|(group, case)| trial(group, case)).collect()
}

/// Runs a case, and turns a failed assertion into a failure that names its place.
///
/// # Errors
/// The error of the case, or its panic.
pub async fn catch_panic(case: impl Future<Output = CaseResult>) -> CaseResult {
    let guarded = AssertUnwindSafe(case).catch_unwind();
    let mut guarded = std::pin::pin!(guarded);
    // Other cases share the runtime's threads, so the mark is set only while this case is polled.
    let result = std::future::poll_fn(|cx| {
        let outer = IN_CASE.replace(true);
        let polled = guarded.as_mut().poll(cx);
        IN_CASE.set(outer);
        polled
    });
    match result.await {
        Ok(result) => result,
        Err(_) => Err(CaseError::Failed(PANIC.take().unwrap_or_else(|| "panicked".into()))),
    }
}

thread_local! {
    /// Whether this thread polls a case at the moment.
    static IN_CASE: Cell<bool> = const { Cell::new(false) };
    /// The place and message of the last panic of a case on this thread.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs a panic hook that keeps the place of a failed assertion for the report of its case,
/// instead of printing it. Panics outside of cases are printed as before.
pub fn report_panics_as_failures() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or("panicked");
        let text = match panic.location() {
            Some(at) => format!("{at}: {message}"),
            None => message.to_owned(),
        };
        record(&text);
        if IN_CASE.get() {
            PANIC.set(Some(text));
        } else {
            previous(panic);
        }
    }));
}
