//! The writer's contract, point by point: on every drive, announced or not, with each combination
//! of layers, over unreliable connections. OpenDAL's own writer prevents some calls (a second
//! `close` after success, a second `abort`). These, and the bound on memory (point 7), are tested
//! in the adapter.

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

/// Layers above the service: OpenDAL's, or our own.
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
            let backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
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

/// An account, a file, and a way to write it.
struct Case {
    cloud: Cloud,
    layers: Layers,
    announced: bool,
    account: String,
    drive: Drive,
}

const SIZE: usize = 700_000;

/// Time after which a call counts as hanging.
const HANG_TIMEOUT: Duration = Duration::from_secs(60);

/// Returns options with small fragments, so that a file has several.
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

    /// Returns the file's bytes as another client sees them. `None` if it does not exist.
    async fn read(&self, server: &Server) -> Option<Vec<u8>> {
        Drive::new(self.cloud, server, &self.account, options(self.cloud)).read("a/file").await
    }
}

/// Runs a test in every combination, each with a separate account.
async fn for_all_combinations(clouds: &[Cloud], what: impl AsyncFn(&Server, Case)) {
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

/// Repeats a call while its error is temporary, as a patient caller does.
macro_rules! retry_temporary {
    ($call:expr) => {{
        let begun = Instant::now();
        loop {
            match $call.await {
                Err(error) if error.is_temporary() || is_timeout(&error) => {
                    assert!(begun.elapsed() < HANG_TIMEOUT, "{error}");
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
async fn one_a_write_takes_all_bytes_or_none() {
    for_all_combinations(&ALL, async |server, case| {
        for fault in [Fault::status as fn(Fault, u16) -> Fault, |rule, _| rule.reset(When::After)] {
            case.fault(server, |rule| fault(rule, 503));
            let written = bytes(1, SIZE);
            let mut writer = case.writer(SIZE).await.expect("a writer");
            for piece in written.chunks(33_333) {
                // Repeating a failed write never writes its bytes twice.
                retry_temporary!(writer.write(piece.to_vec())).expect("taken");
            }
            let done = retry_temporary!(writer.close()).expect("closed");
            assert_eq!(done.content_length(), SIZE as u64);
            assert!(case.read(server).await == Some(written), "{}", case.account);
        }
    })
    .await;
}

#[tokio::test]
async fn two_a_temporary_error_is_returned_once_and_not_retried_below() {
    for_all_combinations(&WITH_SESSIONS, async |server, case| {
        case.fault(server, |rule| rule.status(503));
        let mut writer = case.writer(SIZE).await.expect("a writer");
        let mut returned_errors = 0;
        for piece in bytes(1, SIZE).chunks(100_000) {
            while let Err(error) = writer.write(piece.to_vec()).await {
                assert!(error.is_temporary() || is_timeout(&error), "{}: {error}", case.account);
                returned_errors += u32::from(!is_timeout(&error));
            }
        }
        while let Err(error) = writer.close().await {
            assert!(error.is_temporary() || is_timeout(&error), "{}: {error}", case.account);
            returned_errors += u32::from(!is_timeout(&error));
        }
        assert_eq!(returned_errors, u32::from(!case.layers.repeats()), "{}", case.account);
    })
    .await;
}

#[tokio::test]
async fn three_any_other_error_stays_until_it_is_aborted() {
    for_all_combinations(&ALL, async |server, case| {
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
            None => retry_temporary!(writer.close()).expect_err("the drive is full").to_string(),
        };
        let again = retry_temporary!(writer.close()).expect_err("it is still full").to_string();
        assert_eq!(again.contains("507"), first.contains("507"), "{}: {again}", case.account);
        assert!(retry_temporary!(writer.write(b"x".to_vec())).is_err(), "{}", case.account);
        retry_temporary!(writer.abort()).expect("aborted");
        no_sessions(server, &case.account).await.expect("cancelled");
        assert!(case.read(server).await.is_none(), "{}", case.account);
    })
    .await;
}

#[tokio::test]
async fn four_a_dropped_close_continues_and_can_be_repeated() {
    for_all_combinations(&ALL, async |server, case| {
        let written = bytes(1, SIZE);
        let mut writer = case.writer(SIZE).await.expect("a writer");
        for piece in written.chunks(100_000) {
            retry_temporary!(writer.write(piece.to_vec())).expect("taken");
        }
        // OpenDAL's retry layer does not survive a dropped call: see the next test.
        if matches!(case.layers, Retry | Both) {
            return;
        }
        case.fault(server, |rule| rule.latency(Duration::from_millis(100)));
        for cut in [0, 1, 5, 20] {
            let _ = timeout(Duration::from_millis(cut), writer.close()).await;
        }
        // No caller waits any more, but the dropped call continues in the background.
        let begun = Instant::now();
        while case.read(server).await.as_ref() != Some(&written) {
            assert!(begun.elapsed() < HANG_TIMEOUT, "{}", case.account);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let done = retry_temporary!(writer.close()).expect("closed");
        assert_eq!(done.content_length(), SIZE as u64);
        assert!(case.read(server).await == Some(written), "{}: written once", case.account);
    })
    .await;
}

/// A defect of OpenDAL's layer: it moves its writer into the future of a call, so that both are
/// dropped together. This also affects OpenDAL's `fs` service, whose writer would otherwise
/// survive.
#[test]
fn opendals_retry_layer_loses_any_writer_of_which_a_call_is_dropped() {
    // One blocking thread: while it is busy, no call of the file system completes.
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
            // Polled once, and dropped before the file system can respond.
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
async fn five_an_abort_at_any_time_returns_after_the_cancellation() {
    for_all_combinations(&ALL, async |server, case| {
        for after in 0..4 {
            let mut writer = case.writer(SIZE).await.expect("a writer");
            for piece in bytes(1, SIZE).chunks(SIZE / 3).take(after) {
                retry_temporary!(writer.write(piece.to_vec())).expect("taken");
            }
            retry_temporary!(writer.abort()).expect("aborted");
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
    for_all_combinations(&ALL, async |server, case| {
        for after in 0..4 {
            let mut writer = case.writer(SIZE).await.expect("a writer");
            for piece in bytes(1, SIZE).chunks(SIZE / 3).take(after) {
                retry_temporary!(writer.write(piece.to_vec())).expect("taken");
            }
            drop(writer);
            no_sessions(server, &case.account).await.expect("cancelled");
        }
        assert!(case.read(server).await.is_none(), "{}", case.account);
    })
    .await;
}

#[tokio::test]
async fn six_a_wrong_announcement_is_an_error_and_creates_no_file() {
    for_all_combinations(&ALL, async |server, case| {
        if !case.announced {
            return;
        }
        for size in [SIZE - 1, SIZE + 1, 0] {
            let mut writer = case.writer(size).await.expect("a writer");
            let mut refused = None;
            for piece in bytes(1, SIZE).chunks(100_000) {
                if let Err(error) = retry_temporary!(writer.write(piece.to_vec())) {
                    refused = Some(error);
                    break;
                }
            }
            let error = match refused {
                Some(error) => error,
                None => retry_temporary!(writer.close()).expect_err("another size"),
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
async fn eight_writing_on_after_a_failed_write_never_shortens_the_file() {
    for_all_combinations(&WITH_SESSIONS, async |server, case| {
        if !case.announced || case.layers.repeats() {
            return;
        }
        // The second fragment fails several times, and must not arrive out of order.
        let rule = Fault::on(case.cloud.fragments()).drive(&*case.account).skip(1).times(4);
        server.control().add_faults([rule.status(503)]).expect("a rule");
        let mut writer = case.writer(3 * SIZE).await.expect("a writer");
        let mut failed_writes = 0;
        for piece in bytes(1, 3 * SIZE).chunks(100_000) {
            // The caller ignores errors and does not repeat the failed write.
            failed_writes += u32::from(writer.write(piece.to_vec()).await.is_err());
        }
        assert!(failed_writes > 0, "{}", case.account);
        let closed = retry_temporary!(writer.close());
        assert!(closed.is_err(), "{}: {closed:?}", case.account);
        drop(writer);
        no_sessions(server, &case.account).await.expect("cancelled");
        assert!(case.read(server).await.is_none(), "{}", case.account);
    })
    .await;
}
