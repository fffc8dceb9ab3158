//! Upload sessions.

use drivedal::drive::{ErrorKind, Item, SessionProgress, UploadSession, WriteOptions};
use opendal::Buffer;

use super::{
    access::{DriveAccess, access, expect_kind, must_not_exist, target},
    requirements::sessions,
};
use crate::{CaseResult, TestContext, cases, data::bytes, fail, skip};

cases! {
    /// Sends a new file in a session. It exists, with its bytes, after the last fragment and not
    /// before.
    a_session_creates_the_file_with_its_last_fragment: sessions;
    /// Sends a file in a session to the name of an existing one. That file is replaced.
    a_session_replaces_a_file: sessions;
    /// Requests the status of a session after its first fragment. The status has the offset that the
    /// response to the fragment had.
    a_session_reports_the_offset_that_it_expects: sessions;
    /// Sends the last fragment first. It is refused, and the session still expects the first one.
    a_fragment_at_a_wrong_offset_changes_nothing: sessions;
    /// Sends a file, which must not exist, in a session to the name of an existing one. It fails, and
    /// the existing file keeps its bytes.
    a_session_must_not_replace_on_request: sessions;
    /// Cancels a session twice. Both calls succeed, later ones are `NotFound`, and no file exists.
    a_session_is_cancelled_once_and_again: sessions;
    /// Commits a session twice. Both calls return the same file.
    a_commit_is_repeatable: sessions;
}

/// An upload in progress.
struct Upload<'a> {
    access: &'a DriveAccess,
    place: Item,
    session: UploadSession,
    content: Vec<u8>,
    /// Length of all fragments but the last.
    fragment: usize,
}

impl<'a> Upload<'a> {
    /// Opens a session for the file `file` in a new folder, of a little more than one fragment.
    ///
    /// # Errors
    /// Those of [`open_in`](Self::open_in).
    async fn open(access: &'a DriveAccess, seed: u64, options: &WriteOptions) -> CaseResult<Self> {
        let place = access.new_folder().await?;
        Self::open_in(access, place, seed, options).await
    }

    /// Opens a session for the file `file` in this folder, of a little more than one fragment.
    /// `seed` determines its content.
    ///
    /// # Errors
    /// `Failed` if the session cannot be opened; `Skipped` if the drive has no sessions.
    async fn open_in(
        access: &'a DriveAccess,
        place: Item,
        seed: u64,
        options: &WriteOptions,
    ) -> CaseResult<Self> {
        let Some(limits) = access.capabilities().session else {
            return skip("the drive has no sessions");
        };
        let unit = limits.alignment.max(1);
        let fragment = limits.default_fragment.div_ceil(unit) * unit;
        let size = |bytes: u64| usize::try_from(bytes).expect("a fragment fits into memory");
        let content = bytes(seed, size(limits.min_size.max(fragment)) + 100);
        let (drive, cx, total) = (access.drive(), access.context(), content.len() as u64);
        let session = drive.open_session(cx, &target(&place, "file"), total, options).await?;
        Ok(Self { access, place, session, content, fragment: size(fragment) })
    }

    /// Sends the fragment at an offset.
    ///
    /// # Errors
    /// Those of [`Drive::send_fragment`](drivedal::drive::Drive::send_fragment), such as `NotFound`
    /// and `RangeNotSatisfied`.
    async fn send(&mut self, offset: usize) -> Result<SessionProgress, drivedal::drive::Error> {
        let end = self.content.len().min(offset + self.fragment);
        let bytes = Buffer::from(self.content[offset..end].to_vec());
        let (drive, cx) = (self.access.drive(), self.access.context());
        drive.send_fragment(cx, &mut self.session, offset as u64, bytes).await
    }

    /// Sends all fragments from an offset on. Returns the file, and whether a commit was needed.
    ///
    /// # Errors
    /// `Failed` if a request fails, or makes no progress.
    async fn finish(&mut self, mut offset: usize) -> CaseResult<(Item, bool)> {
        loop {
            match self.send(offset).await? {
                SessionProgress::Next(next) if next > offset as u64 => {
                    assert!(self.file().await?.is_none(), "the file exists before its last bytes");
                    offset = next as usize;
                }
                SessionProgress::Complete => {
                    let (drive, cx) = (self.access.drive(), self.access.context());
                    return Ok((drive.commit_session(cx, &self.session).await?, true));
                }
                SessionProgress::Done(file) => return Ok((*file, false)),
                other => return fail(format!("no progress after {offset}: {other:?}")),
            }
        }
    }

    /// Returns the file, or `None` if it has not the content of this upload or does not exist.
    ///
    /// # Errors
    /// `Failed` if a request fails otherwise.
    async fn file(&self) -> CaseResult<Option<Item>> {
        let Some(file) = self.access.child(&self.place, "file").await? else { return Ok(None) };
        let is_new = self.access.content(&file).await? == self.content;
        Ok(is_new.then_some(file))
    }
}

async fn a_session_creates_the_file_with_its_last_fragment(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let mut upload = Upload::open(access, 1, &WriteOptions::default()).await?;
    let (file, _) = upload.finish(0).await?;
    let found = upload.file().await?;
    assert_eq!(found.map(|found| found.id), Some(file.id));
    assert_eq!(access.names(&upload.place).await?, ["file"]);
    Ok(())
}

async fn a_session_replaces_a_file(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    access.file(&place, "file", b"old").await?;
    let mut upload = Upload::open_in(access, place, 2, &WriteOptions::default()).await?;
    upload.finish(0).await?;
    assert!(upload.file().await?.is_some(), "the file has other bytes");
    assert_eq!(access.names(&upload.place).await?, ["file"]);
    Ok(())
}

async fn a_session_reports_the_offset_that_it_expects(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let mut upload = Upload::open(access, 3, &WriteOptions::default()).await?;
    let SessionProgress::Next(next) = upload.send(0).await? else {
        return fail("the session is complete after its first fragment");
    };
    assert_eq!(next, upload.fragment as u64);
    let (drive, cx) = (access.drive(), access.context());
    let status = drive.session_status(cx, &upload.session).await?;
    assert!(matches!(status, SessionProgress::Next(at) if at == next), "{status:?}, not {next}");
    upload.finish(upload.fragment).await?;
    assert!(upload.file().await?.is_some(), "the file has other bytes");
    Ok(())
}

async fn a_fragment_at_a_wrong_offset_changes_nothing(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let mut upload = Upload::open(access, 4, &WriteOptions::default()).await?;
    let last = upload.content.len() / upload.fragment * upload.fragment;
    match upload.send(last).await {
        // Some clouds respond with the offset that they expect.
        Ok(SessionProgress::Next(0)) => {}
        sent => drop(expect_kind(sent, &[ErrorKind::RangeNotSatisfied])?),
    }
    let (drive, cx) = (access.drive(), access.context());
    let status = drive.session_status(cx, &upload.session).await?;
    assert!(matches!(status, SessionProgress::Next(0)), "{status:?}");
    upload.finish(0).await?;
    assert!(upload.file().await?.is_some(), "the file has other bytes");
    Ok(())
}

async fn a_session_must_not_replace_on_request(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let file = access.file(&place, "file", b"old").await?;
    let (drive, cx) = (access.drive(), access.context());
    match Upload::open_in(access, place.clone(), 5, &must_not_exist()).await {
        // The cloud checks the target when it creates the file.
        Ok(mut upload) => {
            assert!(upload.finish(0).await.is_err(), "the file was replaced");
            drive.cancel_session(cx, &upload.session).await?;
        }
        Err(_) => {
            let (target, options) = (target(&place, "file"), must_not_exist());
            let opened = drive.open_session(cx, &target, 1 << 20, &options).await;
            expect_kind(opened, &[ErrorKind::AlreadyExists])?;
        }
    }
    assert_eq!(access.content(&file).await?, b"old");
    assert_eq!(access.names(&place).await?, ["file"]);
    Ok(())
}

async fn a_session_is_cancelled_once_and_again(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let mut upload = Upload::open(access, 6, &WriteOptions::default()).await?;
    upload.send(0).await?;
    let (drive, cx) = (access.drive(), access.context());
    for _ in 0..2 {
        drive.cancel_session(cx, &upload.session).await?;
    }
    let missing = &[ErrorKind::NotFound];
    expect_kind(drive.session_status(cx, &upload.session).await, missing)?;
    expect_kind(upload.send(upload.fragment).await, missing)?;
    assert_eq!(access.names(&upload.place).await?, Vec::<String>::new());
    Ok(())
}

async fn a_commit_is_repeatable(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let mut upload = Upload::open(access, 7, &WriteOptions::default()).await?;
    let (file, was_committed) = upload.finish(0).await?;
    if !was_committed {
        return skip("the last fragment creates the file");
    }
    let (drive, cx) = (access.drive(), access.context());
    let again = drive.commit_session(cx, &upload.session).await?;
    assert_eq!(again.id, file.id);
    assert_eq!(access.names(&upload.place).await?, ["file"]);
    Ok(())
}
