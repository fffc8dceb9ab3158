//! Random tests of the writer's contract: any split of a file, any faults, any cancellation.

use std::time::Duration;

use drivedal_server::{Fault, Server, When};
use drivedal_test_support::child::in_child_process_with;
use opendal::{
    Operator,
    layers::{RetryLayer, TimeoutLayer},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};
use tokio::{runtime::Runtime, time::timeout};

use crate::uploads::rig::{ALL, Cloud, Drive, bytes, sessions_at_most};

/// Failure of one request.
#[derive(Clone, Copy, Debug)]
enum RequestFailure {
    Status(u16),
    ResetBefore,
    ResetAfter,
    Slow,
    /// The cloud does not know the upload session.
    Lost,
}

/// A file in pieces, the failures of its upload, and the behaviour of its caller.
#[derive(Clone, Debug)]
struct Adventure {
    pieces: Vec<usize>,
    announced: bool,
    retries: bool,
    timeouts: bool,
    /// Whether an older version stays until the new one is complete.
    replaces: bool,
    /// Failing requests of the upload.
    failures: Vec<(Index, u64, RequestFailure)>,
    /// Time in milliseconds after which the writer is dropped.
    dropped: Option<u64>,
    /// Whether the writer is aborted after an error, or only dropped.
    aborts: bool,
}

impl Adventure {
    fn any() -> impl Strategy<Value = Self> {
        let piece = prop_oneof![0..100_usize, 30_000..70_000_usize, 200_000..400_000_usize];
        let trouble = select(vec![
            RequestFailure::Status(503),
            RequestFailure::Status(500),
            RequestFailure::Status(429),
            RequestFailure::ResetBefore,
            RequestFailure::ResetAfter,
            RequestFailure::Slow,
            RequestFailure::Lost,
        ]);
        let failures = vec((any::<Index>(), 0..5_u64, trouble), 0..5);
        let flags = any::<(bool, bool, bool, bool, bool)>();
        let dropped = prop_oneof![3 => Just(None), 1 => (0..60_u64).prop_map(Some)];
        (vec(piece, 1..6), flags, failures, dropped).prop_map(
            |(pieces, (announced, retries, timeouts, replaces, aborts), failures, dropped)| Self {
                pieces,
                announced,
                retries,
                timeouts,
                replaces,
                failures,
                dropped,
                aborts,
            },
        )
    }

    fn bytes(&self) -> Vec<u8> {
        bytes(9, self.pieces.iter().sum())
    }

    /// Returns the failures as fault rules. Cancelling a session never fails: otherwise the cloud
    /// deletes the session only when it expires, which is too late for a test.
    fn faults(&self, cloud: Cloud, account: &str) -> Vec<Fault> {
        let operations: &[&str] = match cloud {
            Cloud::SkyDrive => &[
                "live.bits.create",
                "live.bits.fragment",
                "live.bits.close",
                "live.files.put",
                "live.files.list",
                "live.item.get",
            ],
            Cloud::OneDrive => &[
                "graph.session.create",
                "graph.session.fragment",
                "graph.session.status",
                "graph.content.put",
            ],
            Cloud::Amazon => {
                &["amazon.content.upload", "amazon.content.overwrite", "amazon.node.list"]
            }
        };
        let fault = |(at, skip, trouble): &(Index, u64, RequestFailure)| {
            let operation = at.get(operations);
            let rule = Fault::on(*operation).drive(account).skip(*skip).times(1);
            match trouble {
                RequestFailure::Status(status) => rule.status(*status),
                RequestFailure::ResetBefore => rule.reset(When::Before),
                RequestFailure::ResetAfter => rule.reset(When::After),
                RequestFailure::Slow => rule.latency(Duration::from_millis(60)),
                RequestFailure::Lost
                    if ["live.bits.fragment", "graph.session.fragment"].contains(operation) =>
                {
                    cloud.loses(rule)
                }
                RequestFailure::Lost => rule.status(502),
            }
        };
        self.failures.iter().map(fault).collect()
    }

    fn layered(&self, mut op: Operator) -> Operator {
        if self.timeouts {
            op = op.layer(TimeoutLayer::new().with_io_timeout(Duration::from_millis(40)));
        }
        if self.retries {
            op = op.layer(
                RetryLayer::new().with_min_delay(Duration::from_millis(1)).with_max_times(12),
            );
        }
        op
    }

    async fn write(&self, op: &Operator) -> opendal::Result<()> {
        let all = self.bytes();
        let mut writer = match self.announced {
            true => {
                let size = drivedal::announce().size(all.len() as u64);
                op.writer_with("a/file").user_metadata(size).await?
            }
            false => op.writer("a/file").await?,
        };
        let mut at = 0;
        for len in &self.pieces {
            let written = writer.write(all[at..at + len].to_vec()).await;
            if written.is_err() && self.aborts {
                let _ = writer.abort().await;
            }
            written?;
            at += len;
        }
        let closed = writer.close().await;
        if closed.is_err() && self.aborts {
            let _ = writer.abort().await;
        }
        closed.map(drop)
    }
}

async fn lives_through(
    server: &Server,
    cloud: Cloud,
    account: &str,
    adventure: &Adventure,
) -> Result<(), String> {
    let options: &[(&str, &str)] = match cloud {
        Cloud::SkyDrive => &[("bits_from", "120000"), ("bits_fragment", "50000")],
        Cloud::OneDrive => &[("upload_fragment", "327680")],
        Cloud::Amazon => &[("upload_wait", "0")],
    };
    let drive = Drive::new(cloud, server, account, options);
    let old = bytes(1, 1000);
    if adventure.replaces {
        drive.operator.write("a/file", old.clone()).await.map_err(|error| error.to_string())?;
    }
    server.control().add_faults(adventure.faults(cloud, account)).expect("rules");
    let op = adventure.layered(drive.operator.clone());
    let result = match adventure.dropped {
        Some(after) => {
            let cut = timeout(Duration::from_millis(after), adventure.write(&op)).await;
            cut.unwrap_or_else(|_| {
                Err(opendal::Error::new(opendal::ErrorKind::Unexpected, "dropped"))
            })
        }
        // Longer than all failures together, so that a hanging writer is detected.
        None => match timeout(Duration::from_secs(20), adventure.write(&op)).await {
            Ok(result) => result,
            Err(_) => return Err("it hangs".to_owned()),
        },
    };
    // Wait for the end of the upload in the background.
    sessions_at_most(unknown_sessions(server, account), server, account).await?;
    server.control().clear_faults();
    let fresh = Drive::new(cloud, server, account, options);
    let left = fresh.read("a/file").await;
    let (whole, said) = (adventure.bytes(), result.as_ref().err().map(ToString::to_string));
    let is_whole = left.as_deref() == Some(&*whole);
    let is_as_before = if adventure.replaces { left == Some(old) } else { left.is_none() };
    match (&result, is_whole, is_as_before) {
        (_, true, _) | (Err(_), _, true) => {}
        _ => {
            let len = left.map(|left| left.len());
            return Err(format!("{said:?}, and {len:?} bytes are there, not {}", whole.len()));
        }
    }
    let entries = match fresh.operator.list("a/").await {
        // A dropped request may create the folder between the two requests of a listing.
        Err(_) if adventure.dropped.is_some() => fresh.operator.list("a/").await,
        listed => listed,
    };
    let entries = entries.map_err(|error| error.to_string())?;
    match entries.iter().find(|entry| !["a/", "a/file"].contains(&entry.path())) {
        Some(other) => Err(format!("{} is left", other.path())),
        None => Ok(()),
    }
}

/// Returns the number of sessions that only the cloud knows: the response with the session was
/// lost, or the client received an error that the session is lost.
fn unknown_sessions(server: &Server, account: &str) -> u64 {
    let is_one = |rule: &Fault| {
        let rule = serde_json::to_value(rule).expect("a rule is JSON");
        let on = |end| rule["operation"].as_str().is_some_and(|operation| operation.ends_with(end));
        let never_told = on(".create") && rule["reset"] == true && rule["when"] == "after";
        let said_lost =
            on(".fragment") && rule["status"] == 404 || rule["headers"].get("BITS-Error").is_some();
        rule["drive"] == account && (never_told || said_lost)
    };
    let struck = server.control().faults().into_iter().filter(|active| is_one(&active.rule));
    struck.map(|active| active.struck).sum()
}

fn lives(cloud: Cloud) {
    let runtime = Runtime::new().expect("a runtime");
    let server =
        runtime.block_on(async { Server::builder().ephemeral().start().await.expect("a server") });
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    // Each failing case may take the full timeout.
    let max_shrink_iters = 8;
    let config = Config { failure_persistence: None, cases, max_shrink_iters, ..Config::default() };
    let mut case = 0;
    let mut runner = TestRunner::new(config);
    let case = std::cell::RefCell::new(&mut case);
    let lived = runner.run(&Adventure::any(), |adventure| {
        let account = {
            let mut case = case.borrow_mut();
            **case += 1;
            format!("case-{}", **case)
        };
        let lived = lives_through(&server, cloud, &account, &adventure);
        runtime.block_on(lived).map_err(TestCaseError::fail)
    });
    if let Err(error) = lived {
        panic!("{cloud:?}: {error}");
    }
}

#[test]
fn a_file_is_complete_or_missing_after_any_failure_on_skydrive() {
    lives(ALL[0]);
}

#[test]
fn a_file_is_complete_or_missing_after_any_failure_on_onedrive() {
    lives(ALL[1]);
}

#[test]
fn a_file_is_complete_or_missing_after_any_failure_on_amazon() {
    lives(ALL[2]);
}

async fn without_a_temporary_folder() {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    for cloud in ALL {
        let drive = Drive::new(cloud, &server, "full", &[]);
        let mut writer = drive.operator.writer("file").await.expect("a writer");
        let mut wrote = Ok(());
        for piece in bytes(1, 3 << 20).chunks(1 << 20) {
            wrote = wrote.and(writer.write(piece.to_vec()).await);
        }
        let error = wrote.and(writer.close().await.map(drop)).expect_err("nowhere to collect it");
        assert!(drive.operator.stat("file").await.is_err(), "{cloud:?}: half a file");
        println!("\n{cloud:?}: {error}");
    }
}

#[test]
fn where_bytes_cannot_be_collected_the_folder_is_named_and_nothing_is_sent() {
    // The folder does not exist.
    let folder = std::env::temp_dir().join(format!("drivedal-missing-{}", std::process::id()));
    let named = format!("the temporary file for the upload in {}", folder.display());
    in_child_process_with(
        "uploads::writers::where_bytes_cannot_be_collected_the_folder_is_named_and_nothing_is_sent",
        &[("TMPDIR", folder.as_os_str())],
        || Runtime::new().expect("a runtime").block_on(without_a_temporary_folder()),
        |printed| {
            let lines = printed.lines().filter(|line| line.contains(&named));
            assert_eq!(lines.count(), ALL.len(), "{printed}");
        },
    );
}
