//! What a drive's writer promises beyond OpenDAL's: announcements, and whole files whatever happens.
//!
//! The contract's single points are tested beside the adapter; here they meet at random, through
//! the operator and OpenDAL's layers.

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
use tokio::time::{sleep, timeout};

use drivedal_conformance::{
    CaseResult, TestContext, allow_error, cases,
    data::{bytes, children, content, exists, for_all, random, retrying},
    expect_error, fail,
};

use crate::backends::{
    announced_times, announcements,
    pretended::{Pretence, Trouble, planned_troubles},
};

cases! {
    any_split_of_an_announced_file_gives_the_same_bytes: announcements;
    an_announced_empty_file_is_made: announcements;
    fewer_bytes_than_announced_leave_nothing: announcements;
    more_bytes_than_announced_leave_nothing: announcements;
    a_wrong_announcement_leaves_the_old_bytes: announcements;
    an_announced_time_is_kept: announced_times;
    what_is_no_announcement_is_refused: announcements;
    whatever_goes_wrong_a_retried_write_arrives_whole: planned_troubles;
    whatever_goes_wrong_a_write_given_up_leaves_old_bytes_or_new: planned_troubles;
    calls_cut_off_and_repeated_write_the_file_whole: planned_troubles;
    time_outs_and_retries_together_write_the_file_once: planned_troubles;
    a_writer_dropped_at_any_time_leaves_no_upload_behind: planned_troubles;
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

async fn an_announced_empty_file_is_made(test: &TestContext) -> CaseResult {
    let mut writer = announced(&test.op, "a/empty", 0).await?;
    assert_eq!(writer.close().await?.content_length(), 0);
    assert_eq!(content(&test.op, "a/empty").await?, b"");
    Ok(())
}

/// Writes another number of bytes than announced; the error says both numbers.
async fn misannounced(op: &Operator, path: &str, announced: usize, written: usize) -> CaseResult {
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
    assert!(text.contains(&announced.to_string()), "does not say what was announced: {text}");
    assert!(!error.is_temporary(), "trying again would not help: {text}");
    Ok(())
}

async fn fewer_bytes_than_announced_leave_nothing(test: &TestContext) -> CaseResult {
    for (announced, written) in [(1, 0), (1000, 999), (1_000_000, 10), (600_000, 599_999)] {
        misannounced(&test.op, "a/file", announced, written).await?;
        assert!(!exists(&test.client(&[])?, "a/file").await?, "{written} of {announced}");
    }
    Ok(())
}

async fn more_bytes_than_announced_leave_nothing(test: &TestContext) -> CaseResult {
    for (announced, written) in [(0, 1), (1000, 1001), (10, 1_000_000), (599_999, 600_000)] {
        misannounced(&test.op, "a/file", announced, written).await?;
        assert!(!exists(&test.client(&[])?, "a/file").await?, "{written} of {announced}");
    }
    Ok(())
}

async fn a_wrong_announcement_leaves_the_old_bytes(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    for (announced, written) in [(0, 1), (500, 400), (400, 500), (600_000, 500_000)] {
        misannounced(&test.op, "file", announced, written).await?;
        assert_eq!(content(&test.op, "file").await?, bytes(1, 1000));
    }
    assert_eq!(children(&test.op, "/").await?, ["file"]);
    Ok(())
}

async fn an_announced_time_is_kept(test: &TestContext) -> CaseResult {
    // Not a whole second: some clouds keep fractions, none may round up.
    let time: jiff::Timestamp = "2014-02-03T04:05:06.789Z".parse().expect("it is a time");
    for size in [10, 600_000] {
        let announcement = drivedal::announce().size(size as u64).modified(time);
        let writing = test.op.write_with("file", bytes(1, size)).user_metadata(announcement);
        writing.await?;
        let Some(kept) = test.client(&[])?.stat("file").await?.last_modified() else {
            return fail("no time is told");
        };
        let lost = time.duration_since(kept.into_inner());
        assert!(lost.as_secs() == 0 && !lost.is_negative(), "{kept} instead of {time}");
    }
    Ok(())
}

async fn what_is_no_announcement_is_refused(test: &TestContext) -> CaseResult {
    let metadata = [("colour".to_owned(), "green".to_owned())];
    let error = expect_error(
        test.op.write_with("file", "x").user_metadata(metadata).await,
        &[ErrorKind::Unsupported],
    )?;
    assert!(error.to_string().contains("colour"), "does not say what: {error}");
    assert!(!exists(&test.op, "file").await?);
    Ok(())
}

/// A file in pieces, and troubles on its way.
#[derive(Clone, Debug)]
struct Adventure {
    pieces: Vec<usize>,
    announced: bool,
    troubles: Vec<(&'static str, Trouble)>,
    /// Milliseconds: when calls are cut off.
    patience: Vec<u64>,
}

impl Adventure {
    fn any() -> impl Strategy<Value = Self> {
        let piece = prop_oneof![0..100_usize, 30_000..70_000_usize, 200_000..300_000_usize];
        let passing = prop_oneof![
            3 => Just(Trouble::Before),
            2 => (1..8_u64).prop_map(|ms| Trouble::Slow(Duration::from_millis(ms))),
        ];
        let (twice, halfway) = (passing.clone(), passing.clone());
        let trouble = prop_oneof![
            // Requests that can be repeated when only their answer was lost.
            (
                select(vec!["upload", "create_folder", "item", "child"]),
                prop_oneof![twice, Just(Trouble::After)]
            ),
            (Just("send_fragment"), prop_oneof![halfway, Just(Trouble::Halfway)]),
            (select(vec!["open_session", "session_status"]), passing),
        ];
        let all = (vec(piece, 0..6), any::<bool>(), vec(trouble, 0..6), vec(0..6_u64, 1..8));
        all.prop_map(|(pieces, announced, troubles, patience)| Self {
            pieces,
            announced,
            troubles,
            patience,
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

    /// Writes it all; every error ends it.
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

/// The pretended cloud, with the adventure's troubles planned and no others.
fn planned<'a>(test: &'a TestContext, adventure: &Adventure) -> CaseResult<&'a Pretence> {
    let Some(pretence) = test.extension::<Pretence>() else { return fail("not a pretended cloud") };
    pretence.script.forget();
    for (verb, trouble) in &adventure.troubles {
        pretence.script.plan(verb, trouble.clone());
    }
    Ok(pretence)
}

/// The first bytes of a file, and a folder that has to be made for another.
async fn prepared(test: &TestContext) -> CaseResult<Operator> {
    let op = test.client(&[])?;
    if let Some(pretence) = test.extension::<Pretence>() {
        pretence.script.forget();
    }
    op.delete_with("new/").recursive(true).await?;
    op.write("old", bytes(1, 1000)).await?;
    Ok(op)
}

async fn whatever_goes_wrong_a_retried_write_arrives_whole(test: &TestContext) -> CaseResult {
    for_all(32, Adventure::any(), async |adventure| {
        let op = retrying(&prepared(test).await?);
        let pretence = planned(test, &adventure)?;
        for path in ["old", "new/below/file"] {
            adventure.write(&op, path).await?;
            pretence.script.forget();
            assert!(content(&op, path).await? == adventure.bytes(), "other bytes: {path}");
        }
        assert_eq!(pretence.uploads_under_way(), 0);
        assert_eq!(children(&op, "new/below/").await?, ["new/below/file"]);
        Ok(())
    })
}

async fn whatever_goes_wrong_a_write_given_up_leaves_old_bytes_or_new(
    test: &TestContext,
) -> CaseResult {
    for_all(32, Adventure::any(), async |adventure| {
        let op = prepared(test).await?;
        let pretence = planned(test, &adventure)?;
        let mut writer = adventure.writer(&op, "old").await?;
        let mut done = true;
        for piece in adventure.pieces() {
            done = done && allow_error(writer.write(piece).await).is_some();
        }
        done = done && allow_error(writer.close().await).is_some();
        if !done {
            pretence.script.forget();
            writer.abort().await?;
        }
        pretence.script.forget();
        let left = content(&op, "old").await?;
        assert!(left == adventure.bytes() || !done && left == bytes(1, 1000), "bytes of neither");
        assert_eq!(pretence.uploads_under_way(), 0);
        Ok(())
    })
}

async fn calls_cut_off_and_repeated_write_the_file_whole(test: &TestContext) -> CaseResult {
    for_all(32, Adventure::any(), async |adventure| {
        let op = prepared(test).await?;
        let pretence = planned(test, &adventure)?;
        let mut patience = adventure.patience.iter().cycle().map(|ms| Duration::from_millis(*ms));
        // The last tries are given all the time they need.
        let mut patience = || match pretence.script.is_empty() {
            true => Duration::from_secs(10),
            false => patience.next().unwrap_or_default(),
        };
        let mut writer = adventure.writer(&op, "new/file").await?;
        for piece in adventure.pieces() {
            loop {
                match timeout(patience(), writer.write(piece.clone())).await {
                    Ok(Err(error)) if !error.is_temporary() => return Err(error.into()),
                    Ok(Ok(())) => break,
                    Ok(Err(_)) | Err(_) => {}
                }
            }
        }
        let metadata = loop {
            match timeout(patience(), writer.close()).await {
                Ok(Err(error)) if !error.is_temporary() => return Err(error.into()),
                Ok(Ok(metadata)) => break metadata,
                Ok(Err(_)) | Err(_) => {}
            }
        };
        assert_eq!(metadata.content_length(), adventure.total() as u64);
        pretence.script.forget();
        assert!(content(&op, "new/file").await? == adventure.bytes(), "other bytes");
        assert_eq!(pretence.uploads_under_way(), 0);
        Ok(())
    })
}

async fn time_outs_and_retries_together_write_the_file_once(test: &TestContext) -> CaseResult {
    let op = prepared(test).await?;
    let Some(pretence) = test.extension::<Pretence>() else { return fail("not a pretended cloud") };
    let before = pretence.script.calls("upload");
    pretence.script.plan("upload", Trouble::Slow(Duration::from_millis(400)));
    let op = op
        .layer(TimeoutLayer::new().with_io_timeout(Duration::from_millis(100)))
        .layer(RetryLayer::new().with_min_delay(Duration::from_millis(10)).with_max_times(10));
    let metadata = op.write("old", bytes(2, 2000)).await?;
    assert_eq!(metadata.content_length(), 2000);
    assert_eq!(content(&op, "old").await?, bytes(2, 2000));
    assert_eq!(pretence.script.calls("upload") - before, 1);
    Ok(())
}

async fn a_writer_dropped_at_any_time_leaves_no_upload_behind(test: &TestContext) -> CaseResult {
    for_all(32, Adventure::any(), async |adventure| {
        let (op, path) = (test.client(&[])?, format!("{:016x}", random()));
        let patience = adventure.patience.iter().sum::<u64>();
        // Each in a file of its own: a request that is on its way may still arrive.
        op.write(&path, bytes(1, 1000)).await?;
        let pretence = planned(test, &adventure)?;
        drop(timeout(Duration::from_millis(patience), adventure.write(&op, &path)).await);
        // It is cancelled in the background.
        let cancelled = timeout(Duration::from_secs(5), async {
            while pretence.uploads_under_way() > 0 {
                sleep(Duration::from_millis(2)).await;
            }
        });
        assert!(cancelled.await.is_ok(), "an upload is still there");
        pretence.script.forget();
        let left = content(&op, &path).await?;
        assert!(left == adventure.bytes() || left == bytes(1, 1000), "bytes of neither");
        Ok(())
    })
}
