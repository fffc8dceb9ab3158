//! The writer's contract point by point: on every drive, announced or not, with each choice of
//! OpenDAL's layers, over lines that fail. What OpenDAL's own writer does not let through (a second
//! `close` after success, a second `abort`), and the bound on memory (point 7), are tested beside
//! the adapter.

use std::time::Duration;

use drivedal::layers::{Policy, retry::Backoff};
use drivedal_server::{Fault, Server, When};
use futures::{FutureExt as _, future::join_all};
use opendal::{
    ErrorKind, Operator, Writer,
    layers::{RetryLayer, TimeoutLayer},
    services::Fs,
};
use tokio::time::{Instant, timeout};

use crate::uploads::rig::{ALL, Cloud, Drive, WITH_SESSIONS, bytes, no_sessions};

/// The layers above the service: OpenDAL's, or our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layers {
    None,
    Retry,
    Timeout,
    Both,
    OurRetry,
}

use Layers::{Both, None as Bare, OurRetry, Retry, Timeout};

const EVERY: [Layers; 5] = [Bare, Retry, Timeout, Both, OurRetry];

impl Layers {
    fn over(self, mut op: Operator) -> Operator {
        if self == OurRetry {
            let backoff = Backoff { first: Duration::ZERO, longest: Duration::ZERO };
            return op
                .layer(drivedal::layers::RetryLayer::new(Policy { backoff, ..Policy::default() }));
        }
        if matches!(self, Timeout | Both) {
            op = op.layer(TimeoutLayer::new().with_io_timeout(Duration::from_millis(80)));
        }
        if matches!(self, Retry | Both) {
            op = op.layer(
                RetryLayer::new().with_min_delay(Duration::from_millis(1)).with_max_times(10),
            );
        }
        op
    }

    fn repeats(self) -> bool {
        matches!(self, Retry | Both | OurRetry)
    }
}

/// One account, one file, and one way to write it.
struct Case {
    cloud: Cloud,
    layers: Layers,
    announced: bool,
    account: String,
    drive: Drive,
}

const SIZE: usize = 700_000;

/// What takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Small fragments, so that a file is some of them.
fn options(cloud: Cloud) -> &'static [(&'static str, &'static str)] {
    match cloud {
        Cloud::SkyDrive => &[("bits_from", "120000"), ("bits_fragment", "100000")],
        Cloud::OneDrive => &[("upload_fragment", "327680")],
        Cloud::Amazon => &[("upload_wait", "0")],
    }
}

impl Case {
    fn operator(&self) -> Operator {
        self.layers.over(self.drive.operator.clone())
    }

    async fn writer(&self, size: usize) -> opendal::Result<Writer> {
        let op = self.operator();
        match self.announced {
            true => {
                let size = drivedal::announce().size(size as u64);
                op.writer_with("a/file").user_metadata(size).await
            }
            false => op.writer("a/file").await,
        }
    }

    fn fault(&self, server: &Server, fault: impl FnOnce(Fault) -> Fault) {
        let rule = Fault::on(self.cloud.fragments()).drive(&*self.account).times(1);
        server.control().add_faults([fault(rule)]).expect("a rule");
    }

    /// What is there, seen by another client.
    async fn read(&self, server: &Server) -> Option<Vec<u8>> {
        Drive::new(self.cloud, server, &self.account, options(self.cloud)).read("a/file").await
    }
}

/// Tries something in every way, each in an account of its own.
async fn in_every_way(clouds: &[Cloud], what: impl AsyncFn(&Server, Case)) {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    for cloud in clouds {
        let cases = EVERY.into_iter().flat_map(|layers| [true, false].map(|it| (layers, it)));
        let cases = cases.map(|(layers, announced)| {
            let account = format!("{cloud:?}-{layers:?}-{announced}");
            let drive = Drive::new(*cloud, &server, &account, options(*cloud));
            what(&server, Case { cloud: *cloud, layers, announced, account, drive })
        });
        join_all(cases).await;
        server.control().clear_faults();
    }
}

/// Calls until it is not told any more that trying again may help, as a patient caller does.
macro_rules! patiently {
    ($call:expr) => {{
        let begun = Instant::now();
        loop {
            match $call.await {
                Err(error) if error.is_temporary() || is_timeout(&error) => {
                    assert!(begun.elapsed() < PATIENCE, "{error}");
                }
                ended => break ended,
            }
        }
    }};
}

fn is_timeout(error: &opendal::Error) -> bool {
    error.to_string().contains("timeout")
}

#[tokio::test]
async fn one_a_write_that_is_ok_was_taken_whole_and_one_that_failed_not_at_all() {
    in_every_way(&ALL, async |server, case| {
        for fault in [Fault::status as fn(Fault, u16) -> Fault, |rule, _| rule.reset(When::After)] {
            case.fault(server, |rule| fault(rule, 503));
            let written = bytes(1, SIZE);
            let mut writer = case.writer(SIZE).await.expect("a writer");
            for piece in written.chunks(33_333) {
                // A repetition of what failed never writes it twice.
                patiently!(writer.write(piece.to_vec())).expect("taken");
            }
            let done = patiently!(writer.close()).expect("closed");
            assert_eq!(done.content_length(), SIZE as u64);
            assert!(case.read(server).await == Some(written), "{}", case.account);
        }
    })
    .await;
}

#[tokio::test]
async fn two_a_temporary_error_is_told_once_and_nothing_is_repeated_below() {
    in_every_way(&WITH_SESSIONS, async |server, case| {
        case.fault(server, |rule| rule.status(503));
        let mut writer = case.writer(SIZE).await.expect("a writer");
        let mut told = 0;
        for piece in bytes(1, SIZE).chunks(100_000) {
            while let Err(error) = writer.write(piece.to_vec()).await {
                assert!(error.is_temporary() || is_timeout(&error), "{}: {error}", case.account);
                told += u32::from(!is_timeout(&error));
            }
        }
        while let Err(error) = writer.close().await {
            assert!(error.is_temporary() || is_timeout(&error), "{}: {error}", case.account);
            told += u32::from(!is_timeout(&error));
        }
        assert_eq!(told, u32::from(!case.layers.repeats()), "{}", case.account);
    })
    .await;
}

#[tokio::test]
async fn three_any_other_error_stays_until_it_is_aborted() {
    in_every_way(&ALL, async |server, case| {
        case.fault(server, |rule| rule.status(507));
        let mut writer = case.writer(SIZE).await.expect("a writer");
        let written = bytes(1, SIZE);
        let mut failed = None;
        for piece in written.chunks(100_000) {
            if let Err(error) = writer.write(piece.to_vec()).await
                && !is_timeout(&error)
            {
                failed = Some(error.to_string());
                break;
            }
        }
        let first = match failed {
            Some(first) => first,
            None => patiently!(writer.close()).expect_err("the drive is full").to_string(),
        };
        let again = patiently!(writer.close()).expect_err("it is still full").to_string();
        assert_eq!(again.contains("507"), first.contains("507"), "{}: {again}", case.account);
        assert!(patiently!(writer.write(b"x".to_vec())).is_err(), "{}", case.account);
        patiently!(writer.abort()).expect("aborted");
        no_sessions(server, &case.account).await.expect("cancelled");
        assert!(case.read(server).await.is_none(), "{}", case.account);
    })
    .await;
}

#[tokio::test]
async fn four_a_close_that_was_dropped_goes_on_and_can_be_repeated() {
    in_every_way(&ALL, async |server, case| {
        let written = bytes(1, SIZE);
        let mut writer = case.writer(SIZE).await.expect("a writer");
        for piece in written.chunks(100_000) {
            patiently!(writer.write(piece.to_vec())).expect("taken");
        }
        // OpenDAL's retry layer does not outlast a call that was dropped: see the next test.
        if matches!(case.layers, Retry | Both) {
            return;
        }
        case.fault(server, |rule| rule.latency(Duration::from_millis(100)));
        for cut in [0, 1, 5, 20] {
            let _ = timeout(Duration::from_millis(cut), writer.close()).await;
        }
        // Nobody asks any more; it is there all the same, once what was dropped has gone on.
        let begun = Instant::now();
        while case.read(server).await.as_ref() != Some(&written) {
            assert!(begun.elapsed() < PATIENCE, "{}", case.account);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let done = patiently!(writer.close()).expect("closed");
        assert_eq!(done.content_length(), SIZE as u64);
        assert!(case.read(server).await == Some(written), "{}: written once", case.account);
    })
    .await;
}

/// Not ours: the layer gives its writer to the future of a call, with which it is dropped. It does so
/// with OpenDAL's own service for files too, which by itself outlasts it.
#[test]
fn opendals_retry_layer_loses_any_writer_of_which_a_call_is_dropped() {
    // One thread for what blocks: while it is kept busy, no call to the file system ends.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_str().expect("a path");
    let plain = Operator::new(Fs::default().root(root)).expect("a service");
    for (operator, outlasts) in [(plain.clone(), true), (plain.layer(RetryLayer::new()), false)] {
        runtime.block_on(async {
            let mut writer = operator.writer("file").await.expect("a writer");
            writer.write("bytes").await.expect("taken");
            let (let_go, held) = std::sync::mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || held.recv());
            // Asked once, and dropped before the file system can have answered.
            assert!(writer.close().now_or_never().is_none());
            let_go.send(()).expect("held");
            busy.await.expect("ended").expect("let go");
            match (writer.close().await, outlasts) {
                (Ok(_), true) => {}
                (Err(error), false) => {
                    let said = error.to_string();
                    assert!(said.contains("make sure future not dropped before ready"), "{said}");
                }
                (ended, _) => panic!("{ended:?}"),
            }
        });
    }
}

#[tokio::test]
async fn five_an_abort_comes_at_any_time_and_returns_when_it_is_cancelled() {
    in_every_way(&ALL, async |server, case| {
        for after in 0..4 {
            let mut writer = case.writer(SIZE).await.expect("a writer");
            for piece in bytes(1, SIZE).chunks(SIZE / 3).take(after) {
                patiently!(writer.write(piece.to_vec())).expect("taken");
            }
            patiently!(writer.abort()).expect("aborted");
            if case.layers == Bare {
                let open = server.control().upload_sessions(&case.account).await.expect("a count");
                assert_eq!(open, 0, "{}: after {after}", case.account);
            }
            no_sessions(server, &case.account).await.expect("cancelled");
            assert!(writer.close().await.is_err(), "{}", case.account);
        }
        assert!(case.read(server).await.is_none(), "{}", case.account);
    })
    .await;
}

#[tokio::test]
async fn five_a_writer_that_is_dropped_is_cancelled_behind_its_back() {
    in_every_way(&ALL, async |server, case| {
        for after in 0..4 {
            let mut writer = case.writer(SIZE).await.expect("a writer");
            for piece in bytes(1, SIZE).chunks(SIZE / 3).take(after) {
                patiently!(writer.write(piece.to_vec())).expect("taken");
            }
            drop(writer);
            no_sessions(server, &case.account).await.expect("cancelled");
        }
        assert!(case.read(server).await.is_none(), "{}", case.account);
    })
    .await;
}

#[tokio::test]
async fn six_what_was_announced_wrong_is_an_error_and_not_there() {
    in_every_way(&ALL, async |server, case| {
        if !case.announced {
            return;
        }
        for size in [SIZE - 1, SIZE + 1, 0] {
            let mut writer = case.writer(size).await.expect("a writer");
            let mut refused = None;
            for piece in bytes(1, SIZE).chunks(100_000) {
                if let Err(error) = patiently!(writer.write(piece.to_vec())) {
                    refused = Some(error);
                    break;
                }
            }
            let error = match refused {
                Some(error) => error,
                None => patiently!(writer.close()).expect_err("another size"),
            };
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{}: {error}", case.account);
            assert!(error.to_string().contains(&size.to_string()), "{error}");
            drop(writer);
            no_sessions(server, &case.account).await.expect("cancelled");
            assert!(case.read(server).await.is_none(), "{}", case.account);
        }
    })
    .await;
}

#[tokio::test]
async fn eight_who_goes_on_after_a_failed_write_gets_no_shorter_file() {
    in_every_way(&WITH_SESSIONS, async |server, case| {
        if !case.announced || case.layers.repeats() {
            return;
        }
        // The second fragment fails a few times, and would arrive afterwards.
        let rule = Fault::on(case.cloud.fragments()).drive(&*case.account).skip(1).times(4);
        server.control().add_faults([rule.status(503)]).expect("a rule");
        let mut writer = case.writer(3 * SIZE).await.expect("a writer");
        let mut debts = 0;
        for piece in bytes(1, 3 * SIZE).chunks(100_000) {
            // Careless: what failed is not written again.
            debts += u32::from(writer.write(piece.to_vec()).await.is_err());
        }
        assert!(debts > 0, "{}", case.account);
        let closed = patiently!(writer.close());
        assert!(closed.is_err(), "{}: {closed:?}", case.account);
        drop(writer);
        no_sessions(server, &case.account).await.expect("cancelled");
        assert!(case.read(server).await.is_none(), "{}", case.account);
    })
    .await;
}
