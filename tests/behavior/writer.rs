//! Guarantees of a drive's writer beyond OpenDAL's: announcements, and complete files after
//! failures.
//!
//! Single points of the contract are tested in the adapter. These tests combine them at random,
//! through the operator and OpenDAL's layers.

use std::time::Duration;

use opendal::{
    ErrorKind, Operator, Writer,
    layers::{RetryLayer, TimeoutLayer},
};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::select,
};
use tokio::time::timeout;

use drivedal_conformance::{
    CaseResult, TestContext, allow_error, cases,
    data::{bytes, children, content, exists, for_all, random, retrying},
    expect_error, fail,
};

use drivedal::testing::{MemoryDrive, Verb, VerbFault, temporary_error};

use crate::backends::{announced_times, announcements, memory_drive::planned_faults};

cases! {
    any_split_of_an_announced_file_gives_the_same_bytes: announcements;
    an_announced_empty_file_is_created: announcements;
    fewer_bytes_than_announced_leave_nothing: announcements;
    more_bytes_than_announced_leave_nothing: announcements;
    a_wrong_announcement_leaves_the_old_bytes: announcements;
    an_announced_time_is_kept: announced_times;
    an_invalid_announcement_is_rejected: announcements;
    a_retried_write_is_complete_after_any_failure: planned_faults;
    a_dropped_write_leaves_the_old_bytes_or_the_new_ones: planned_faults;
    cancelled_and_repeated_calls_write_the_complete_file: planned_faults;
    time_outs_and_retries_together_write_the_file_once: planned_faults;
    a_writer_dropped_at_any_time_leaves_no_upload_behind: planned_faults;
}

async fn announced(op: &Operator, path: &str, size: usize) -> CaseResult<Writer> {
    Ok(op.writer_with(path).user_metadata(drivedal::announce().size(size as u64)).await?)
}

async fn any_split_of_an_announced_file_gives_the_same_bytes(test: &TestContext) -> CaseResult {
    let piece = prop_oneof![3 => 0..100_usize, 2 => 0..70_000_usize, 1 => 0..600_000_usize];
    for_all(10, vec(piece, 0..12), async |pieces| {
        let total = pieces.iter().sum();
        let written = bytes(total as u64, total);
        let mut writer = announced(&test.op, "file", total).await?;
        let mut at = 0;
        for len in &pieces {
            writer.write(written[at..at + len].to_vec()).await?;
            at += len;
        }
        assert_eq!(writer.close().await?.content_length(), total as u64);
        assert!(content(&test.op, "file").await? == written, "other bytes");
        Ok(())
    })
}

async fn an_announced_empty_file_is_created(test: &TestContext) -> CaseResult {
    let mut writer = announced(&test.op, "a/empty", 0).await?;
    assert_eq!(writer.close().await?.content_length(), 0);
    assert_eq!(content(&test.op, "a/empty").await?, b"");
    Ok(())
}

/// Writes a different number of bytes than announced. The error must state both numbers.
async fn wrong_announcement(
    op: &Operator,
    path: &str,
    announced: usize,
    written: usize,
) -> CaseResult {
    let mut writer = self::announced(op, path, announced).await?;
    let mut result = Ok(());
    for piece in bytes(7, written).chunks(50_000) {
        result = writer.write(piece.to_vec()).await;
        if result.is_err() {
            break;
        }
    }
    let result = match result {
        Ok(()) => writer.close().await.map(drop),
        refusal => {
            expect_error(writer.close().await, &[ErrorKind::Unsupported])?;
            refusal
        }
    };
    let error = expect_error(result, &[ErrorKind::Unsupported])?;
    let text = error.to_string();
    assert!(text.contains(&announced.to_string()), "does not state the announced size: {text}");
    assert!(!error.is_temporary(), "trying again would not help: {text}");
    Ok(())
}

async fn fewer_bytes_than_announced_leave_nothing(test: &TestContext) -> CaseResult {
    for (announced, written) in [(1, 0), (1000, 999), (1_000_000, 10), (600_000, 599_999)] {
        wrong_announcement(&test.op, "a/file", announced, written).await?;
        assert!(!exists(&test.client(&[])?, "a/file").await?, "{written} of {announced}");
    }
    Ok(())
}

async fn more_bytes_than_announced_leave_nothing(test: &TestContext) -> CaseResult {
    for (announced, written) in [(0, 1), (1000, 1001), (10, 1_000_000), (599_999, 600_000)] {
        wrong_announcement(&test.op, "a/file", announced, written).await?;
        assert!(!exists(&test.client(&[])?, "a/file").await?, "{written} of {announced}");
    }
    Ok(())
}

async fn a_wrong_announcement_leaves_the_old_bytes(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    for (announced, written) in [(0, 1), (500, 400), (400, 500), (600_000, 500_000)] {
        wrong_announcement(&test.op, "file", announced, written).await?;
        assert_eq!(content(&test.op, "file").await?, bytes(1, 1000));
    }
    assert_eq!(children(&test.op, "/").await?, ["file"]);
    Ok(())
}

async fn an_announced_time_is_kept(test: &TestContext) -> CaseResult {
    // A fraction of a second: some clouds store fractions, and none may round up.
    let time: jiff::Timestamp = "2014-02-03T04:05:06.789Z".parse().expect("it is a time");
    for size in [10, 600_000] {
        let announcement = drivedal::announce().size(size as u64).modified(time);
        let writing = test.op.write_with("file", bytes(1, size)).user_metadata(announcement);
        writing.await?;
        let Some(kept) = test.client(&[])?.stat("file").await?.last_modified() else {
            return fail("there is no modification time");
        };
        let lost = time.duration_since(kept.into_inner());
        assert!(lost.as_secs() == 0 && !lost.is_negative(), "{kept} instead of {time}");
    }
    Ok(())
}

async fn an_invalid_announcement_is_rejected(test: &TestContext) -> CaseResult {
    let metadata = [("colour".to_owned(), "green".to_owned())];
    let error = expect_error(
        test.op.write_with("file", "x").user_metadata(metadata).await,
        &[ErrorKind::Unsupported],
    )?;
    assert!(error.to_string().contains("colour"), "does not name the key: {error}");
    assert!(!exists(&test.op, "file").await?);
    Ok(())
}

/// A file in pieces, with faults during its upload.
#[derive(Clone, Debug)]
struct Adventure {
    pieces: Vec<usize>,
    announced: bool,
    faults: Vec<(Verb, VerbFault)>,
    /// Timeouts of calls, in milliseconds.
    timeouts: Vec<u64>,
}

impl Adventure {
    fn any() -> impl Strategy<Value = Self> {
        let piece = prop_oneof![0..100_usize, 30_000..70_000_usize, 200_000..300_000_usize];
        let passing = prop_oneof![
            3 => Just(VerbFault::Before(temporary_error())),
            2 => (1..8_u64).prop_map(|ms| VerbFault::Slow(Duration::from_millis(ms))),
        ];
        let (twice, halfway) = (passing.clone(), passing.clone());
        let faults = prop_oneof![
            // Requests that may be repeated after a lost response.
            (
                select(vec![Verb::Upload, Verb::CreateFolder, Verb::Item, Verb::Child]),
                prop_oneof![twice, Just(VerbFault::After(temporary_error()))]
            ),
            (
                Just(Verb::SendFragment),
                prop_oneof![halfway, Just(VerbFault::Halfway(temporary_error()))]
            ),
            (select(vec![Verb::OpenSession, Verb::SessionStatus]), passing),
        ];
        let all = (vec(piece, 0..6), any::<bool>(), vec(faults, 0..6), vec(0..6_u64, 1..8));
        all.prop_map(|(pieces, announced, faults, timeouts)| Self {
            pieces,
            announced,
            faults,
            timeouts,
        })
    }

    fn total(&self) -> usize {
        self.pieces.iter().sum()
    }

    fn bytes(&self) -> Vec<u8> {
        bytes(self.total() as u64, self.total())
    }

    fn pieces(&self) -> impl Iterator<Item = Vec<u8>> {
        let all = self.bytes();
        self.pieces.clone().into_iter().scan(0, move |at, len| {
            *at += len;
            Some(all[*at - len..*at].to_vec())
        })
    }

    async fn writer(&self, op: &Operator, path: &str) -> CaseResult<Writer> {
        match self.announced {
            true => announced(op, path, self.total()).await,
            false => Ok(op.writer(path).await?),
        }
    }

    /// Writes the whole file. Stops at the first error.
    async fn write(&self, op: &Operator, path: &str) -> opendal::Result<()> {
        let mut writer = match self.announced {
            true => {
                let size = drivedal::announce().size(self.total() as u64);
                op.writer_with(path).user_metadata(size).await?
            }
            false => op.writer(path).await?,
        };
        for piece in self.pieces() {
            writer.write(piece).await?;
        }
        writer.close().await.map(drop)
    }
}

/// Returns the drive of a case.
fn memory_drive(test: &TestContext) -> CaseResult<&MemoryDrive> {
    match test.extension::<MemoryDrive>() {
        Some(drive) => Ok(drive),
        None => fail("not a drive in memory"),
    }
}

/// Returns the drive of a case, after exactly these faults have been planned.
fn plan_faults<'a>(test: &'a TestContext, adventure: &Adventure) -> CaseResult<&'a MemoryDrive> {
    let drive = memory_drive(test)?;
    drive.clear_plan();
    for (verb, fault) in &adventure.faults {
        drive.plan(*verb, fault.clone());
    }
    Ok(drive)
}

/// Writes the first bytes of a file, and a file in a folder that must be created.
async fn prepared(test: &TestContext) -> CaseResult<Operator> {
    let op = test.client(&[])?;
    memory_drive(test)?.clear_plan();
    op.delete_with("new/").recursive(true).await?;
    op.write("old", bytes(1, 1000)).await?;
    Ok(op)
}

async fn a_retried_write_is_complete_after_any_failure(test: &TestContext) -> CaseResult {
    for_all(32, Adventure::any(), async |adventure| {
        let op = retrying(&prepared(test).await?);
        let drive = plan_faults(test, &adventure)?;
        for path in ["old", "new/below/file"] {
            adventure.write(&op, path).await?;
            drive.clear_plan();
            assert!(content(&op, path).await? == adventure.bytes(), "other bytes: {path}");
        }
        assert_eq!(drive.open_sessions(), 0);
        assert_eq!(children(&op, "new/below/").await?, ["new/below/file"]);
        Ok(())
    })
}

async fn a_dropped_write_leaves_the_old_bytes_or_the_new_ones(test: &TestContext) -> CaseResult {
    for_all(32, Adventure::any(), async |adventure| {
        let op = prepared(test).await?;
        let drive = plan_faults(test, &adventure)?;
        let mut writer = adventure.writer(&op, "old").await?;
        let mut done = true;
        for piece in adventure.pieces() {
            done = done && allow_error(writer.write(piece).await).is_some();
        }
        done = done && allow_error(writer.close().await).is_some();
        if !done {
            drive.clear_plan();
            writer.abort().await?;
        }
        drive.clear_plan();
        let left = content(&op, "old").await?;
        assert!(left == adventure.bytes() || !done && left == bytes(1, 1000), "bytes of neither");
        assert_eq!(drive.open_sessions(), 0);
        Ok(())
    })
}

async fn cancelled_and_repeated_calls_write_the_complete_file(test: &TestContext) -> CaseResult {
    for_all(32, Adventure::any(), async |adventure| {
        let op = prepared(test).await?;
        let drive = plan_faults(test, &adventure)?;
        let mut timeouts = adventure.timeouts.iter().cycle().map(|ms| Duration::from_millis(*ms));
        // The last attempts have no timeout.
        let mut timeouts = || match drive.planned() == 0 {
            true => Duration::from_secs(10),
            false => timeouts.next().unwrap_or_default(),
        };
        let mut writer = adventure.writer(&op, "new/file").await?;
        for piece in adventure.pieces() {
            loop {
                match timeout(timeouts(), writer.write(piece.clone())).await {
                    Ok(Err(error)) if !error.is_temporary() => return Err(error.into()),
                    Ok(Ok(())) => break,
                    Ok(Err(_)) | Err(_) => {}
                }
            }
        }
        let metadata = loop {
            match timeout(timeouts(), writer.close()).await {
                Ok(Err(error)) if !error.is_temporary() => return Err(error.into()),
                Ok(Ok(metadata)) => break metadata,
                Ok(Err(_)) | Err(_) => {}
            }
        };
        assert_eq!(metadata.content_length(), adventure.total() as u64);
        drive.clear_plan();
        assert!(content(&op, "new/file").await? == adventure.bytes(), "other bytes");
        assert_eq!(drive.open_sessions(), 0);
        Ok(())
    })
}

async fn time_outs_and_retries_together_write_the_file_once(test: &TestContext) -> CaseResult {
    let op = prepared(test).await?;
    let drive = memory_drive(test)?;
    let before = drive.call_count(Verb::Upload);
    drive.plan(Verb::Upload, VerbFault::Slow(Duration::from_millis(400)));
    let op = op
        .layer(TimeoutLayer::new().with_io_timeout(Duration::from_millis(100)))
        .layer(RetryLayer::new().with_min_delay(Duration::from_millis(10)).with_max_times(10));
    let metadata = op.write("old", bytes(2, 2000)).await?;
    assert_eq!(metadata.content_length(), 2000);
    assert_eq!(content(&op, "old").await?, bytes(2, 2000));
    assert_eq!(drive.call_count(Verb::Upload) - before, 1);
    Ok(())
}

async fn a_writer_dropped_at_any_time_leaves_no_upload_behind(test: &TestContext) -> CaseResult {
    for_all(32, Adventure::any(), async |adventure| {
        let (op, path) = (test.client(&[])?, format!("{:016x}", random()));
        let timeouts = adventure.timeouts.iter().sum::<u64>();
        // A new file for each, because a pending request may still have an effect.
        op.write(&path, bytes(1, 1000)).await?;
        let drive = plan_faults(test, &adventure)?;
        drop(timeout(Duration::from_millis(timeouts), adventure.write(&op, &path)).await);
        // The writer is aborted in the background.
        let cancelled = timeout(Duration::from_secs(5), async {
            drive.wait_until(|drive| drive.open_sessions() == 0).await;
        });
        assert!(cancelled.await.is_ok(), "an upload is still there");
        drive.clear_plan();
        let left = content(&op, &path).await?;
        assert!(left == adventure.bytes() || left == bytes(1, 1000), "bytes of neither");
        Ok(())
    })
}
