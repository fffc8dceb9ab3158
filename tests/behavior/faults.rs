//! Failures of a cloud: each request of each operation fails once, in every way.
//!
//! First, the first request of an operation fails, then the second, and so on. Without a retry
//! layer, the error names the operation and the path and is temporary. The drive is in its state
//! before or after the operation, without leftovers. With a retry layer, the operation succeeds.

use std::time::Duration;

use drivedal_server::{Fault, FixtureItem, When};
use futures::future::LocalBoxFuture;
use opendal::{
    Error, ErrorKind, Operator,
    layers::{RetryLayer, TimeoutLayer},
};

use drivedal_conformance::{
    CaseError, CaseResult, TestContext, cases,
    data::{bytes, content, retrying, tree},
    expect_error, fail, record_error,
};

use crate::backends::served::{case_server, drive_server};

cases! {
    a_stat_survives_every_failure: drive_server;
    a_read_survives_every_failure: drive_server;
    an_interrupted_read_resumes_where_it_stopped: drive_server;
    a_listing_survives_every_failure: drive_server;
    a_tree_survives_every_failure: drive_server;
    a_write_survives_every_failure: drive_server;
    an_overwrite_survives_every_failure: drive_server;
    folders_survive_every_failure: drive_server;
    a_removal_survives_every_failure: drive_server;
    a_recursive_removal_survives_every_failure: drive_server;
    a_new_name_survives_every_failure: drive_server, rename;
    a_move_survives_every_failure: drive_server, rename;
    a_replacing_move_survives_every_failure: drive_server, rename;
    a_copy_survives_every_failure: drive_server, copy;
    every_status_has_its_kind_of_error: drive_server;
    a_slow_response_is_awaited: drive_server;
    a_timeout_is_retried: drive_server;
}

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
struct OperationTest {
    before: &'static [(&'static str, u64)],
    /// Path that the error must name.
    path: &'static str,
    run: for<'a> fn(&'a Operator) -> LocalBoxFuture<'a, opendal::Result<()>>,
    after: &'static [(&'static str, u64)],
    /// When repeated after its success, the operation does not find its item any more.
    not_found_when_repeated: bool,
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

    async fn survives(&self, test: &TestContext) -> CaseResult {
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

fn with_label(what: &str, stop: CaseError) -> CaseError {
    match stop {
        CaseError::Failed(why) => CaseError::Failed(format!("{what}: {why}")),
        stop => stop,
    }
}

fn seeded(seed: u64) -> Vec<u8> {
    bytes(seed, 1000 + seed as usize)
}

const FEW: &[(&str, u64)] = &[("a/", 0), ("a/b/", 0), ("a/b/file", 1), ("a/other", 2)];

async fn a_stat_survives_every_failure(test: &TestContext) -> CaseResult {
    let look = OperationTest {
        before: FEW,
        path: "a/b/file",
        run: |op| Box::pin(async { op.stat("a/b/file").await.map(drop) }),
        after: FEW,
        not_found_when_repeated: false,
    };
    look.survives(test).await
}

async fn a_read_survives_every_failure(test: &TestContext) -> CaseResult {
    let read = OperationTest {
        before: FEW,
        path: "a/b/file",
        run: |op| {
            Box::pin(async {
                assert_eq!(op.read("a/b/file").await?.to_vec(), seeded(1));
                Ok(())
            })
        },
        after: FEW,
        not_found_when_repeated: false,
    };
    read.survives(test).await
}

async fn an_interrupted_read_resumes_where_it_stopped(test: &TestContext) -> CaseResult {
    let case_server = case_server(test)?;
    let written = bytes(1, 1 << 20);
    test.op.write("file", written.clone()).await?;
    for after in [1, 100_000, 1_000_000] {
        case_server.fault(Fault::on(case_server.requests.download).times(3).truncate(after))?;
        assert!(content(&retrying(&test.op), "file").await? == written, "cut after {after}");
        assert!(case_server.clear_faults(), "nothing was cut off");
        // Without a retry layer too, as long as bytes arrive.
        case_server.fault(Fault::on(case_server.requests.download).times(3).truncate(after))?;
        assert!(content(&test.op, "file").await? == written, "cut after {after}, no layer");
        assert!(case_server.clear_faults(), "nothing was cut off");
        let error = {
            case_server.fault(Fault::on(case_server.requests.download).times(1).truncate(0))?;
            expect_error(test.op.read("file").await, &[ErrorKind::Unexpected])?
        };
        case_server.clear_faults();
        assert!(error.is_temporary(), "trying again would help: {error}");
    }
    Ok(())
}

async fn a_listing_survives_every_failure(test: &TestContext) -> CaseResult {
    let listing = OperationTest {
        before: FEW,
        path: "a/",
        run: |op| {
            Box::pin(async {
                let entries = op.list("a/").await?;
                assert_eq!(entries.len(), 3, "{entries:?}");
                Ok(())
            })
        },
        after: FEW,
        not_found_when_repeated: false,
    };
    listing.survives(test).await
}

async fn a_tree_survives_every_failure(test: &TestContext) -> CaseResult {
    let listing = OperationTest {
        before: FEW,
        path: "a/",
        run: |op| {
            Box::pin(async {
                let entries = op.list_with("a/").recursive(true).await?;
                assert_eq!(entries.len(), 4, "{entries:?}");
                Ok(())
            })
        },
        after: FEW,
        not_found_when_repeated: false,
    };
    listing.survives(test).await
}

async fn a_write_survives_every_failure(test: &TestContext) -> CaseResult {
    let write = OperationTest {
        before: &[("a/", 0), ("a/other", 2)],
        path: "a/file",
        run: |op| Box::pin(async { op.write("a/file", seeded(1)).await.map(drop) }),
        after: &[("a/", 0), ("a/other", 2), ("a/file", 1)],
        not_found_when_repeated: false,
    };
    write.survives(test).await
}

async fn an_overwrite_survives_every_failure(test: &TestContext) -> CaseResult {
    let write = OperationTest {
        before: FEW,
        path: "a/b/file",
        run: |op| Box::pin(async { op.write("a/b/file", seeded(3)).await.map(drop) }),
        after: &[("a/", 0), ("a/b/", 0), ("a/b/file", 3), ("a/other", 2)],
        not_found_when_repeated: false,
    };
    write.survives(test).await
}

async fn folders_survive_every_failure(test: &TestContext) -> CaseResult {
    let folder = OperationTest {
        before: &[("a/", 0)],
        path: "a/new/",
        run: |op| Box::pin(op.create_dir("a/new/")),
        after: &[("a/", 0), ("a/new/", 0)],
        not_found_when_repeated: false,
    };
    folder.survives(test).await
}

async fn a_removal_survives_every_failure(test: &TestContext) -> CaseResult {
    let removal = OperationTest {
        before: FEW,
        path: "a/b/file",
        run: |op| Box::pin(op.delete("a/b/file")),
        after: &[("a/", 0), ("a/b/", 0), ("a/other", 2)],
        not_found_when_repeated: false,
    };
    removal.survives(test).await
}

async fn a_recursive_removal_survives_every_failure(test: &TestContext) -> CaseResult {
    let removal = OperationTest {
        before: FEW,
        path: "a/b",
        run: |op| Box::pin(async { op.delete_with("a/b").recursive(true).await }),
        after: &[("a/", 0), ("a/other", 2)],
        not_found_when_repeated: false,
    };
    removal.survives(test).await
}

async fn a_new_name_survives_every_failure(test: &TestContext) -> CaseResult {
    let rename = OperationTest {
        before: FEW,
        path: "a/b/file",
        run: |op| Box::pin(op.rename("a/b/file", "a/b/new")),
        after: &[("a/", 0), ("a/b/", 0), ("a/b/new", 1), ("a/other", 2)],
        not_found_when_repeated: true,
    };
    rename.survives(test).await
}

async fn a_move_survives_every_failure(test: &TestContext) -> CaseResult {
    let rename = OperationTest {
        before: FEW,
        path: "a/b/file",
        run: |op| Box::pin(op.rename("a/b/file", "a/new")),
        after: &[("a/", 0), ("a/b/", 0), ("a/new", 1), ("a/other", 2)],
        not_found_when_repeated: true,
    };
    rename.survives(test).await
}

async fn a_replacing_move_survives_every_failure(test: &TestContext) -> CaseResult {
    let rename = OperationTest {
        before: &[("a/", 0), ("a/x", 1), ("b/", 0), ("b/x", 2), ("b/y", 3)],
        path: "a/x",
        run: |op| Box::pin(op.rename("a/x", "b/y")),
        after: &[("a/", 0), ("b/", 0), ("b/x", 2), ("b/y", 1)],
        not_found_when_repeated: true,
    };
    rename.survives(test).await
}

async fn a_copy_survives_every_failure(test: &TestContext) -> CaseResult {
    let copy = OperationTest {
        before: &[("a/", 0), ("a/x", 1), ("b/", 0), ("b/x", 2), ("b/y", 3)],
        path: "b/y",
        run: |op| Box::pin(async { op.copy("a/x", "b/y").await.map(drop) }),
        after: &[("a/", 0), ("a/x", 1), ("b/", 0), ("b/x", 2), ("b/y", 1)],
        not_found_when_repeated: false,
    };
    copy.survives(test).await
}

/// Runs a write that gets a response with this status, from the cloud or from a proxy. The error
/// must have one of these kinds and be helpful.
async fn write_with_response(
    test: &TestContext,
    fault: Fault,
    kinds: &[ErrorKind],
    helps: bool,
) -> CaseResult {
    let (case_server, op) = (case_server(test)?, test.client(&[])?);
    let status = serde_json::json!(fault)["status"].to_string();
    case_server.fault(fault)?;
    let error = expect_error(op.write("file", "y").await, kinds);
    case_server.clear_faults();
    let error = error.map_err(|stop| with_label(&status, stop))?;
    let text = error.to_string();
    assert_eq!(error.is_temporary(), helps, "{text}");
    assert!(text.contains(&status), "{status} is missing: {text}");
    assert!(text.contains("file"), "the path is missing: {text}");
    Ok(())
}

async fn every_status_has_its_kind_of_error(test: &TestContext) -> CaseResult {
    use ErrorKind::{
        AlreadyExists, ConfigInvalid, Conflict, NotFound, PermissionDenied, RateLimited,
        Unexpected, Unsupported,
    };
    let status = |status| Fault::on("*").times(4).status(status);
    for (code, kinds, helps) in [
        (401, &[PermissionDenied][..], false),
        (403, &[PermissionDenied], false),
        // If nothing is found, the error may be about the drive.
        (404, &[NotFound, ConfigInvalid], false),
        (409, &[AlreadyExists, Conflict], false),
        (429, &[RateLimited], true),
        (500, &[Unexpected], true),
        (503, &[RateLimited, Unexpected], true),
        (507, &[Unexpected], false),
    ] {
        write_with_response(test, status(code), kinds, helps).await?;
    }
    // The response of a proxy belongs to no protocol.
    for (code, kinds, helps) in [
        (400, &[Unsupported][..], false),
        (408, &[Unexpected], true),
        (423, &[Conflict], false),
        (429, &[RateLimited], true),
        (502, &[Unexpected], true),
        (503, &[RateLimited, Unexpected], true),
        (504, &[Unexpected], true),
    ] {
        write_with_response(test, status(code).body("<html>"), kinds, helps).await?;
    }
    Ok(())
}

async fn a_slow_response_is_awaited(test: &TestContext) -> CaseResult {
    let case_server = case_server(test)?;
    case_server.fault(Fault::on("*").times(3).latency(Duration::from_millis(150)))?;
    test.op.write("a/file", bytes(1, 1000)).await?;
    assert_eq!(content(&test.op, "a/file").await?, bytes(1, 1000));
    assert!(case_server.clear_faults(), "nothing was slow");
    Ok(())
}

async fn a_timeout_is_retried(test: &TestContext) -> CaseResult {
    let case_server = case_server(test)?;
    test.op.write("file", bytes(1, 1000)).await?;
    let soon = Duration::from_millis(200);
    let impatient = |op: Operator| {
        op.layer(TimeoutLayer::new().with_timeout(soon).with_io_timeout(soon))
            .layer(RetryLayer::new().with_min_delay(Duration::from_millis(1)).with_max_times(20))
    };
    for times in [1, 2] {
        let slow = Fault::on("*").times(times).latency(Duration::from_millis(600));
        case_server.fault(slow.clone())?;
        assert_eq!(content(&impatient(test.client(&[])?), "file").await?, bytes(1, 1000));
        assert!(case_server.clear_faults(), "nothing was slow");
        case_server.fault(slow)?;
        impatient(test.client(&[])?).write("new/file", bytes(times, 2000)).await?;
        assert!(case_server.clear_faults(), "nothing was slow");
        assert_eq!(content(&test.op, "new/file").await?, bytes(times, 2000));
        assert_eq!(tree(&test.client(&[])?, "/").await?, ["file", "new/", "new/file"]);
    }
    Ok(())
}
