//! A cloud that fails: every request of every operation, once, in every way.
//!
//! The first request of an operation fails, then the second, and so on until there is none left to
//! fail. Without a retry layer the error says what was attempted and that trying again helps, and
//! the drive is as it was before the operation or as it is after it, with nothing left over. With
//! one, the operation succeeds.

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

use crate::backends::served::{drive_server, station};

cases! {
    a_look_survives_every_failure: drive_server;
    a_read_survives_every_failure: drive_server;
    a_read_goes_on_where_it_was_cut_off: drive_server;
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
    every_status_is_told_for_what_it_is: drive_server;
    a_slow_answer_is_waited_for: drive_server;
    a_time_out_helps_itself_with_retries: drive_server;
}

/// In which ways a request fails: without effect, and with its answer lost. What only looks has no
/// effect, but an answer that can break off.
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

/// Part of the names that our services give to what an operation goes through.
const STEP: &str = "drivedal-";

/// An operation that is to survive: what is there before, what is done, and what is there then.
struct Survivor {
    before: &'static [(&'static str, u64)],
    /// What an error of it must name.
    path: &'static str,
    run: for<'a> fn(&'a Operator) -> LocalBoxFuture<'a, opendal::Result<()>>,
    after: &'static [(&'static str, u64)],
    /// Repeated after it has happened, it finds what it names gone.
    gone_when_repeated: bool,
}

impl Survivor {
    /// Everything below the root, with the seeds of files' bytes. An operation of several steps
    /// may have failed to remove what they went through: that is left out of it.
    async fn left(&self, op: &Operator, steps: bool) -> CaseResult<Vec<(String, Option<u64>)>> {
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

    /// A folder of its own, with what is to be there before; two clients that know nothing of it.
    async fn prepared(&self, test: &TestContext, folder: &str) -> CaseResult<(Operator, Operator)> {
        let station = station(test)?;
        let plants = self.before.iter().map(|(path, seed)| {
            let path = format!("{folder}/{path}");
            if path.ends_with('/') {
                FixtureItem::folder(path)
            } else {
                FixtureItem::file(path, seeded(*seed))
            }
        });
        station.add_fixtures(plants).await?;
        let root = [("root", folder)];
        Ok((test.client(&root)?, test.client(&root)?))
    }

    async fn survives(&self, test: &TestContext) -> CaseResult {
        let station = station(test)?;
        let (before, after) = (Self::expected(self.before), Self::expected(self.after));
        let changes = before != after;
        for (how, failure) in failures(changes) {
            for nth in 0.. {
                let told = format!("{how}, request {nth}");
                let fault = || failure.clone().skip(nth);
                // Without a retry layer.
                let (op, seen) = self.prepared(test, &format!("{how} {nth}")).await?;
                station.fault(fault())?;
                let result = (self.run)(&op).await;
                let struck = station.struck();
                if let Err(error) = &result {
                    self.check(error).map_err(|stop| with(&told, stop))?;
                }
                let left = if changes {
                    self.left(&seen, result.is_ok() || station.requests.steps_stay).await?
                } else {
                    after.clone()
                };
                let right = left == after || result.is_err() && left == before;
                let result = result.map_err(|error| error.to_string());
                assert!(right, "{told}: {result:?} left {left:?}");
                // With one.
                let (op, seen) = self.prepared(test, &format!("{how} {nth} again")).await?;
                station.fault(fault())?;
                let result = (self.run)(&retrying(&op)).await;
                station.struck();
                match result {
                    Err(error)
                        if self.gone_when_repeated && error.kind() == ErrorKind::NotFound => {}
                    result => result.map_err(|error| with(&told, error.into()))?,
                }
                let left = if changes { self.left(&seen, true).await? } else { after.clone() };
                assert_eq!(left, after, "{told}, with retries");
                if !struck {
                    break;
                }
                assert!(nth < 30, "{told}: there is no end of requests");
            }
        }
        Ok(())
    }

    /// The error says what was attempted, where, and that trying again helps.
    fn check(&self, error: &Error) -> CaseResult {
        expect_error::<()>(
            Err(error_again(error)),
            &[ErrorKind::RateLimited, ErrorKind::Unexpected],
        )?;
        let text = error.to_string();
        if !text.contains(self.path) {
            return fail(format!("does not name {}: {text}", self.path));
        }
        if !text.contains("127.0.0.1") {
            return fail(format!("does not say what was attempted: {text}"));
        }
        if !error.is_temporary() {
            return fail(format!("trying again would help: {text}"));
        }
        Ok(())
    }
}

/// Errors cannot be cloned; this one is kept for the search for secrets in all its forms.
fn error_again(error: &Error) -> Error {
    record_error(error);
    Error::new(error.kind(), error.to_string())
}

fn with(what: &str, stop: CaseError) -> CaseError {
    match stop {
        CaseError::Failed(why) => CaseError::Failed(format!("{what}: {why}")),
        stop => stop,
    }
}

fn seeded(seed: u64) -> Vec<u8> {
    bytes(seed, 1000 + seed as usize)
}

const FEW: &[(&str, u64)] = &[("a/", 0), ("a/b/", 0), ("a/b/file", 1), ("a/other", 2)];

async fn a_look_survives_every_failure(test: &TestContext) -> CaseResult {
    let look = Survivor {
        before: FEW,
        path: "a/b/file",
        run: |op| Box::pin(async { op.stat("a/b/file").await.map(drop) }),
        after: FEW,
        gone_when_repeated: false,
    };
    look.survives(test).await
}

async fn a_read_survives_every_failure(test: &TestContext) -> CaseResult {
    let read = Survivor {
        before: FEW,
        path: "a/b/file",
        run: |op| {
            Box::pin(async {
                assert_eq!(op.read("a/b/file").await?.to_vec(), seeded(1));
                Ok(())
            })
        },
        after: FEW,
        gone_when_repeated: false,
    };
    read.survives(test).await
}

async fn a_read_goes_on_where_it_was_cut_off(test: &TestContext) -> CaseResult {
    let station = station(test)?;
    let written = bytes(1, 1 << 20);
    test.op.write("file", written.clone()).await?;
    for after in [1, 100_000, 1_000_000] {
        station.fault(Fault::on(station.requests.download).times(3).truncate(after))?;
        assert!(content(&retrying(&test.op), "file").await? == written, "cut after {after}");
        assert!(station.struck(), "nothing was cut off");
        // Without any layer too, as long as bytes come.
        station.fault(Fault::on(station.requests.download).times(3).truncate(after))?;
        assert!(content(&test.op, "file").await? == written, "cut after {after}, no layer");
        assert!(station.struck(), "nothing was cut off");
        let error = {
            station.fault(Fault::on(station.requests.download).times(1).truncate(0))?;
            expect_error(test.op.read("file").await, &[ErrorKind::Unexpected])?
        };
        station.struck();
        assert!(error.is_temporary(), "trying again would help: {error}");
    }
    Ok(())
}

async fn a_listing_survives_every_failure(test: &TestContext) -> CaseResult {
    let listing = Survivor {
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
        gone_when_repeated: false,
    };
    listing.survives(test).await
}

async fn a_tree_survives_every_failure(test: &TestContext) -> CaseResult {
    let listing = Survivor {
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
        gone_when_repeated: false,
    };
    listing.survives(test).await
}

async fn a_write_survives_every_failure(test: &TestContext) -> CaseResult {
    let write = Survivor {
        before: &[("a/", 0), ("a/other", 2)],
        path: "a/file",
        run: |op| Box::pin(async { op.write("a/file", seeded(1)).await.map(drop) }),
        after: &[("a/", 0), ("a/other", 2), ("a/file", 1)],
        gone_when_repeated: false,
    };
    write.survives(test).await
}

async fn an_overwrite_survives_every_failure(test: &TestContext) -> CaseResult {
    let write = Survivor {
        before: FEW,
        path: "a/b/file",
        run: |op| Box::pin(async { op.write("a/b/file", seeded(3)).await.map(drop) }),
        after: &[("a/", 0), ("a/b/", 0), ("a/b/file", 3), ("a/other", 2)],
        gone_when_repeated: false,
    };
    write.survives(test).await
}

async fn folders_survive_every_failure(test: &TestContext) -> CaseResult {
    let folder = Survivor {
        before: &[("a/", 0)],
        path: "a/new/",
        run: |op| Box::pin(op.create_dir("a/new/")),
        after: &[("a/", 0), ("a/new/", 0)],
        gone_when_repeated: false,
    };
    folder.survives(test).await
}

async fn a_removal_survives_every_failure(test: &TestContext) -> CaseResult {
    let removal = Survivor {
        before: FEW,
        path: "a/b/file",
        run: |op| Box::pin(op.delete("a/b/file")),
        after: &[("a/", 0), ("a/b/", 0), ("a/other", 2)],
        gone_when_repeated: false,
    };
    removal.survives(test).await
}

async fn a_recursive_removal_survives_every_failure(test: &TestContext) -> CaseResult {
    let removal = Survivor {
        before: FEW,
        path: "a/b",
        run: |op| Box::pin(async { op.delete_with("a/b").recursive(true).await }),
        after: &[("a/", 0), ("a/other", 2)],
        gone_when_repeated: false,
    };
    removal.survives(test).await
}

async fn a_new_name_survives_every_failure(test: &TestContext) -> CaseResult {
    let rename = Survivor {
        before: FEW,
        path: "a/b/file",
        run: |op| Box::pin(op.rename("a/b/file", "a/b/new")),
        after: &[("a/", 0), ("a/b/", 0), ("a/b/new", 1), ("a/other", 2)],
        gone_when_repeated: true,
    };
    rename.survives(test).await
}

async fn a_move_survives_every_failure(test: &TestContext) -> CaseResult {
    let rename = Survivor {
        before: FEW,
        path: "a/b/file",
        run: |op| Box::pin(op.rename("a/b/file", "a/new")),
        after: &[("a/", 0), ("a/b/", 0), ("a/new", 1), ("a/other", 2)],
        gone_when_repeated: true,
    };
    rename.survives(test).await
}

async fn a_replacing_move_survives_every_failure(test: &TestContext) -> CaseResult {
    let rename = Survivor {
        before: &[("a/", 0), ("a/x", 1), ("b/", 0), ("b/x", 2), ("b/y", 3)],
        path: "a/x",
        run: |op| Box::pin(op.rename("a/x", "b/y")),
        after: &[("a/", 0), ("b/", 0), ("b/x", 2), ("b/y", 1)],
        gone_when_repeated: true,
    };
    rename.survives(test).await
}

async fn a_copy_survives_every_failure(test: &TestContext) -> CaseResult {
    let copy = Survivor {
        before: &[("a/", 0), ("a/x", 1), ("b/", 0), ("b/x", 2), ("b/y", 3)],
        path: "b/y",
        run: |op| Box::pin(async { op.copy("a/x", "b/y").await.map(drop) }),
        after: &[("a/", 0), ("a/x", 1), ("b/", 0), ("b/x", 2), ("b/y", 1)],
        gone_when_repeated: false,
    };
    copy.survives(test).await
}

/// A write that is answered with a status, as the cloud or with a body of somebody else's: its
/// error has one of these kinds and says what is needed to act on it.
async fn answered(
    test: &TestContext,
    fault: Fault,
    kinds: &[ErrorKind],
    helps: bool,
) -> CaseResult {
    let (station, op) = (station(test)?, test.client(&[])?);
    let status = serde_json::json!(fault)["status"].to_string();
    station.fault(fault)?;
    let error = expect_error(op.write("file", "y").await, kinds);
    station.struck();
    let error = error.map_err(|stop| with(&status, stop))?;
    let text = error.to_string();
    assert_eq!(error.is_temporary(), helps, "{text}");
    assert!(text.contains(&status), "{status} is not told: {text}");
    assert!(text.contains("file"), "the path is not told: {text}");
    Ok(())
}

async fn every_status_is_told_for_what_it_is(test: &TestContext) -> CaseResult {
    use ErrorKind::{
        AlreadyExists, ConfigInvalid, Conflict, NotFound, PermissionDenied, RateLimited,
        Unexpected, Unsupported,
    };
    let status = |status| Fault::on("*").times(4).status(status);
    for (code, kinds, helps) in [
        (401, &[PermissionDenied][..], false),
        (403, &[PermissionDenied], false),
        // Where nothing is found, not even the drive, the error may be about the drive.
        (404, &[NotFound, ConfigInvalid], false),
        (409, &[AlreadyExists, Conflict], false),
        (429, &[RateLimited], true),
        (500, &[Unexpected], true),
        (503, &[RateLimited, Unexpected], true),
        (507, &[Unexpected], false),
    ] {
        answered(test, status(code), kinds, helps).await?;
    }
    // What stands between is not known to any protocol.
    for (code, kinds, helps) in [
        (400, &[Unsupported][..], false),
        (408, &[Unexpected], true),
        (423, &[Conflict], false),
        (429, &[RateLimited], true),
        (502, &[Unexpected], true),
        (503, &[RateLimited, Unexpected], true),
        (504, &[Unexpected], true),
    ] {
        answered(test, status(code).body("<html>"), kinds, helps).await?;
    }
    Ok(())
}

async fn a_slow_answer_is_waited_for(test: &TestContext) -> CaseResult {
    let station = station(test)?;
    station.fault(Fault::on("*").times(3).latency(Duration::from_millis(150)))?;
    test.op.write("a/file", bytes(1, 1000)).await?;
    assert_eq!(content(&test.op, "a/file").await?, bytes(1, 1000));
    assert!(station.struck(), "nothing was slow");
    Ok(())
}

async fn a_time_out_helps_itself_with_retries(test: &TestContext) -> CaseResult {
    let station = station(test)?;
    test.op.write("file", bytes(1, 1000)).await?;
    let soon = Duration::from_millis(200);
    let impatient = |op: Operator| {
        op.layer(TimeoutLayer::new().with_timeout(soon).with_io_timeout(soon))
            .layer(RetryLayer::new().with_min_delay(Duration::from_millis(1)).with_max_times(20))
    };
    for times in [1, 2] {
        let slow = Fault::on("*").times(times).latency(Duration::from_millis(600));
        station.fault(slow.clone())?;
        assert_eq!(content(&impatient(test.client(&[])?), "file").await?, bytes(1, 1000));
        assert!(station.struck(), "nothing was slow");
        station.fault(slow)?;
        impatient(test.client(&[])?).write("new/file", bytes(times, 2000)).await?;
        assert!(station.struck(), "nothing was slow");
        assert_eq!(content(&test.op, "new/file").await?, bytes(times, 2000));
        assert_eq!(tree(&test.client(&[])?, "/").await?, ["file", "new/", "new/file"]);
    }
    Ok(())
}
