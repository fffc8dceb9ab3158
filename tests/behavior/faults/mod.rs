//! Failures of a cloud: each request of each operation fails once, in every way.
//!
//! First, the first request of an operation fails, then the second, and so on. Without a retry
//! layer, the error names the operation and the path and is temporary. The drive is in its state
//! before or after the operation, without leftovers. With a retry layer, the operation succeeds.

mod operation_test;

use std::time::Duration;

use drivedal_server::Fault;
use opendal::{
    ErrorKind, Operator,
    layers::{RetryLayer, TimeoutLayer},
};

use drivedal_conformance::{
    CaseResult, TestContext, cases,
    data::{bytes, content, retrying, tree},
    expect_error,
};

use self::operation_test::{OperationTest, seeded, with_label};
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
