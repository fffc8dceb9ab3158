//! An operation under test, each of whose requests fails once.

use drivedal_conformance::{
    CaseError, CaseResult, TestContext,
    data::{bytes, content, retrying, tree},
    expect_error, fail, record_error,
};
use drivedal_server::{Fault, FixtureItem, When};
use futures::future::LocalBoxFuture;
use opendal::{Error, ErrorKind, Operator};

use crate::backends::served::case_server;

/// The ways in which a request fails: without an effect, and with a lost response. A read has no
/// effect, but its response can be interrupted.
fn failures(changes: bool) -> [(&'static str, Fault); 2] {
    let any = || Fault::on("*").times(1);
    match changes {
        true => [
            ("status before", any().status(503).header("Retry-After", "1")),
            ("reset after", any().reset(When::After)),
        ],
        false => [("reset before", any().reset(When::Before)), ("cut", any().truncate(10))],
    }
}

/// Common part of the names of our services' intermediate items.
const STEP: &str = "drivedal-";

/// An operation under test: the state before it, the calls, and the state after it.
pub struct OperationTest {
    pub before: &'static [(&'static str, u64)],
    /// Path that the error must name.
    pub path: &'static str,
    pub run: for<'a> fn(&'a Operator) -> LocalBoxFuture<'a, opendal::Result<()>>,
    pub after: &'static [(&'static str, u64)],
    /// When repeated after its success, the operation does not find its item any more.
    pub not_found_when_repeated: bool,
}

impl OperationTest {
    /// Returns everything below the root, with the seeds of the files' bytes. With `steps`,
    /// intermediate items of an operation are ignored.
    async fn state_below(
        &self,
        op: &Operator,
        steps: bool,
    ) -> CaseResult<Vec<(String, Option<u64>)>> {
        let mut state = Vec::new();
        for path in tree(op, "/").await? {
            if steps && path.contains(STEP) {
                continue;
            }
            let seed = match path.ends_with('/') {
                true => None,
                false => {
                    let read = content(op, &path).await?;
                    (0..100).find(|seed| seeded(*seed) == read).or(Some(u64::MAX))
                }
            };
            state.push((path, seed));
        }
        Ok(state)
    }

    fn expected(items: &[(&str, u64)]) -> Vec<(String, Option<u64>)> {
        let mut expected: Vec<_> = items
            .iter()
            .map(|(path, seed)| (path.to_string(), (!path.ends_with('/')).then_some(*seed)))
            .collect();
        expected.sort();
        expected
    }

    /// Creates a separate folder with the initial state, and two clients with empty caches.
    async fn prepared(&self, test: &TestContext, folder: &str) -> CaseResult<(Operator, Operator)> {
        let case_server = case_server(test)?;
        let plants = self.before.iter().map(|(path, seed)| {
            let path = format!("{folder}/{path}");
            if path.ends_with('/') {
                FixtureItem::folder(path)
            } else {
                FixtureItem::file(path, seeded(*seed))
            }
        });
        case_server.add_fixtures(plants).await?;
        let root = [("root", folder)];
        Ok((test.client(&root)?, test.client(&root)?))
    }

    /// Fails each request of the operation once, in every way, without a retry layer and with one.
    ///
    /// # Errors
    /// `CaseError::Failed` if an error is not as described in the [module](super), or if the drive
    /// is neither in its state before nor in its state after the operation.
    pub async fn survives(&self, test: &TestContext) -> CaseResult {
        let case_server = case_server(test)?;
        let (before, after) = (Self::expected(self.before), Self::expected(self.after));
        let changes = before != after;
        for (how, failure) in failures(changes) {
            for nth in 0.. {
                let label = format!("{how}, request {nth}");
                let fault = || failure.clone().skip(nth);
                // Without a retry layer.
                let (op, observer) = self.prepared(test, &format!("{how} {nth}")).await?;
                case_server.fault(fault())?;
                let result = (self.run)(&op).await;
                let struck = case_server.clear_faults();
                if let Err(error) = &result {
                    self.check(error).map_err(|stop| with_label(&label, stop))?;
                }
                let left = if changes {
                    self.state_below(&observer, result.is_ok() || case_server.requests.steps_stay)
                        .await?
                } else {
                    after.clone()
                };
                let right = left == after || result.is_err() && left == before;
                let result = result.map_err(|error| error.to_string());
                assert!(right, "{label}: {result:?} left {left:?}");
                // With a retry layer.
                let (op, observer) = self.prepared(test, &format!("{how} {nth} again")).await?;
                case_server.fault(fault())?;
                let result = (self.run)(&retrying(&op)).await;
                case_server.clear_faults();
                match result {
                    Err(error)
                        if self.not_found_when_repeated && error.kind() == ErrorKind::NotFound => {}
                    result => result.map_err(|error| with_label(&label, error.into()))?,
                }
                let left =
                    if changes { self.state_below(&observer, true).await? } else { after.clone() };
                assert_eq!(left, after, "{label}, with retries");
                if !struck {
                    break;
                }
                assert!(nth < 30, "{label}: the requests never end");
            }
        }
        Ok(())
    }

    /// Checks that the error names the operation and the path, and is temporary.
    fn check(&self, error: &Error) -> CaseResult {
        expect_error::<()>(
            Err(clone_error(error)),
            &[ErrorKind::RateLimited, ErrorKind::Unexpected],
        )?;
        let text = error.to_string();
        if !text.contains(self.path) {
            return fail(format!("does not name {}: {text}", self.path));
        }
        if !text.contains("127.0.0.1") {
            return fail(format!("does not name the operation: {text}"));
        }
        if !error.is_temporary() {
            return fail(format!("trying again would help: {text}"));
        }
        Ok(())
    }
}

/// Returns a copy of an error, which is not `Clone`. The copy is searched for secrets.
fn clone_error(error: &Error) -> Error {
    record_error(error);
    Error::new(error.kind(), error.to_string())
}

/// Returns the end of a case, with a label before the reason of a failure.
pub fn with_label(what: &str, stop: CaseError) -> CaseError {
    match stop {
        CaseError::Failed(why) => CaseError::Failed(format!("{what}: {why}")),
        stop => stop,
    }
}

/// Returns bytes of a seed. Each seed has another length, at least 1,000 bytes.
pub fn seeded(seed: u64) -> Vec<u8> {
    bytes(seed, 1000 + seed as usize)
}
