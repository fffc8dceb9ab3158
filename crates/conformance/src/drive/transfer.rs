//! Downloads, uploads and copies of whole files.

use std::time::Duration;

use drivedal::drive::{
    ByteRange, CopyRequest, CopyStatus, DownloadRequest, Error, ErrorKind, IfExists, Item,
};
use tokio::time::sleep;

use super::{
    access::{DriveAccess, access, by_id, expect_kind, must_not_exist, target},
    requirements::{a_drive, copy_files},
};
use crate::{CaseResult, TestContext, cases, data::bytes, fail};

/// The number of requests for the status of a copy after which it counts as hanging.
const MAX_POLLS: usize = 200;

cases! {
    /// Downloads each form of a range. Each result has exactly those bytes, as far as the file has
    /// them.
    a_download_returns_exactly_the_range: a_drive;
    /// Downloads ranges that begin after the file's end. The result is `RangeNotSatisfied`.
    a_range_after_the_end_is_not_satisfied: a_drive;
    /// Downloads an empty file. The result is empty.
    an_empty_file_is_downloaded: a_drive;
    /// Downloads a folder. The result is `IsAFolder`.
    a_folder_has_no_content: a_drive;
    /// Uploads a file several times with other sizes. Each time the file has the new bytes and exists
    /// once.
    an_upload_creates_and_replaces_one_file: a_drive;
    /// Uploads a file twice that must not exist. The second result is `AlreadyExists`, and the file
    /// keeps its bytes.
    an_upload_that_must_not_replace_changes_nothing: a_drive;
    /// Uploads a file with the name of a folder. The result is `IsAFolder`, and the folder keeps its
    /// items.
    an_upload_never_replaces_a_folder: a_drive;
    /// Uploads a file into a deleted folder. The result is `NotFound`, and nothing exists.
    an_upload_into_a_deleted_folder_is_not_found: a_drive;
    /// Copies a file to other folders and names, each time twice. Each copy has the bytes of the
    /// source.
    a_copy_has_the_content_of_its_source: copy_files;
    /// Copies a file to the name of another one, which must not be replaced. The result is
    /// `AlreadyExists`, and that file keeps its bytes.
    a_copy_that_must_not_replace_changes_nothing: copy_files;
    /// Copies a folder. The copy has its file, or the result is `Unsupported` and nothing is created.
    a_copy_of_a_folder_is_complete_or_unsupported: copy_files;
}

async fn a_download_returns_exactly_the_range(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let content = bytes(1, 1000);
    let file = access.file(&place, "file", &content).await?;
    for (range, expected) in [
        (ByteRange::Full, &content[..]),
        (ByteRange::From(0), &content[..]),
        (ByteRange::From(999), &content[999..]),
        (ByteRange::Span(0..1), &content[..1]),
        (ByteRange::Span(17..500), &content[17..500]),
        (ByteRange::Span(900..5000), &content[900..]),
        (ByteRange::Last(1), &content[999..]),
        (ByteRange::Last(10), &content[990..]),
        (ByteRange::Last(5000), &content[..]),
    ] {
        let received = access.range(&file, range.clone()).await?;
        assert!(received == expected, "{range:?}: {} other bytes", received.len());
    }
    Ok(())
}

async fn a_range_after_the_end_is_not_satisfied(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let file = by_id(&access.file(&place, "file", &bytes(1, 100)).await?);
    for range in [ByteRange::From(101), ByteRange::Span(101..102), ByteRange::Span(5000..6000)] {
        let request = DownloadRequest::new(&file).with_range(range.clone());
        let downloaded = access.drive().download(access.context(), request).await;
        expect_kind(downloaded, &[ErrorKind::RangeNotSatisfied])?;
    }
    Ok(())
}

async fn an_empty_file_is_downloaded(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let file = access.file(&place, "empty", b"").await?;
    assert_eq!(access.content(&file).await?, b"");
    Ok(())
}

async fn a_folder_has_no_content(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let folder = by_id(&access.new_folder().await?);
    let request = DownloadRequest::new(&folder);
    let downloaded = access.drive().download(access.context(), request).await;
    expect_kind(downloaded, &[ErrorKind::IsAFolder])?;
    Ok(())
}

async fn an_upload_creates_and_replaces_one_file(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    for content in [bytes(1, 1000), bytes(2, 10), Vec::new(), bytes(3, 70_000)] {
        let file = access.file(&place, "a file.bin", &content).await?;
        assert!(!file.is_folder());
        assert!(access.content(&file).await? == content, "other bytes of {}", content.len());
        assert_eq!(access.names(&place).await?, ["a file.bin"]);
    }
    Ok(())
}

async fn an_upload_that_must_not_replace_changes_nothing(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let created = access.upload(&place, "file", b"old", &must_not_exist()).await?;
    let again = access.upload(&place, "file", b"new", &must_not_exist()).await;
    expect_kind(again, &[ErrorKind::AlreadyExists])?;
    let file = access.item(&created.id, &place).await?;
    assert_eq!(access.content(&file).await?, b"old");
    assert_eq!(access.names(&place).await?, ["file"]);
    Ok(())
}

async fn an_upload_never_replaces_a_folder(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "taken").await?;
    access.file(&folder, "below", b"1").await?;
    let options = drivedal::drive::WriteOptions::default();
    let written = access.upload(&place, "taken", b"new", &options).await;
    expect_kind(written, &[ErrorKind::IsAFolder])?;
    assert_eq!(access.names(&place).await?, ["taken"]);
    assert_eq!(access.names(&folder).await?, ["below"]);
    Ok(())
}

async fn an_upload_into_a_deleted_folder_is_not_found(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    for result in access.delete(&[&folder]).await {
        result?;
    }
    let options = drivedal::drive::WriteOptions::default();
    let written = access.upload(&folder, "file", b"new", &options).await;
    expect_kind(written, &[ErrorKind::NotFound])?;
    assert_eq!(access.names(&place).await?, Vec::<String>::new());
    Ok(())
}

/// Copies an item to `name` in `folder`, and waits for the end of the copy.
///
/// # Errors
/// Those of [`Drive::copy`](drivedal::drive::Drive::copy) and
/// [`Drive::copy_status`](drivedal::drive::Drive::copy_status); `Unexpected` if the copy does not
/// end.
async fn copy(
    access: &DriveAccess,
    source: &Item,
    folder: &Item,
    name: &str,
    if_exists: IfExists,
) -> Result<(), Error> {
    let (source_ref, target) = (by_id(source), target(folder, name));
    let request = CopyRequest::new(&source_ref, &target);
    let request = request.with_known(source).with_if_exists(if_exists);
    let mut status = access.drive().copy(access.context(), request).await?;
    for _ in 0..MAX_POLLS {
        match status {
            CopyStatus::Running { job, poll_after } => {
                sleep(poll_after.min(Duration::from_millis(100))).await;
                status = access.drive().copy_status(access.context(), &job).await?;
            }
            _ => return Ok(()),
        }
    }
    Err(Error::new(ErrorKind::Unexpected, "the copy does not end"))
}

async fn a_copy_has_the_content_of_its_source(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    let content = bytes(1, 1000);
    let source = access.file(&place, "source", &content).await?;
    for (folder, name) in [(&folder, "source"), (&folder, "copy"), (&place, "copy")] {
        // The second time, the copy replaces the first one.
        for _ in 0..2 {
            copy(access, &source, folder, name, IfExists::Replace).await?;
            let Some(copied) = access.child(folder, name).await? else {
                return fail(format!("{name:?} was not created"));
            };
            assert_ne!(copied.id, source.id);
            let copied = access.item(&copied.id, folder).await?;
            assert!(access.content(&copied).await? == content, "{name:?} has other bytes");
        }
    }
    assert!(access.content(&source).await? == content, "the source has other bytes");
    assert_eq!(access.names(&folder).await?, ["copy", "source"]);
    assert_eq!(access.names(&place).await?, ["copy", "folder", "source"]);
    Ok(())
}

async fn a_copy_that_must_not_replace_changes_nothing(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let source = access.file(&place, "source", b"new").await?;
    let taken = access.file(&place, "taken", b"old").await?;
    let copied = copy(access, &source, &place, "taken", IfExists::Fail).await;
    expect_kind(copied, &[ErrorKind::AlreadyExists])?;
    assert_eq!(access.content(&taken).await?, b"old");
    assert_eq!(access.names(&place).await?, ["source", "taken"]);
    Ok(())
}

async fn a_copy_of_a_folder_is_complete_or_unsupported(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    access.file(&folder, "file", b"content").await?;
    let copied = copy(access, &folder, &place, "copy", IfExists::Fail).await;
    if copied.is_err() {
        expect_kind(copied, &[ErrorKind::Unsupported])?;
        assert_eq!(access.names(&place).await?, ["folder"]);
        return Ok(());
    }
    let Some(copy) = access.child(&place, "copy").await? else {
        return fail("the folder was not copied");
    };
    assert_eq!(access.names(&copy).await?, ["file"]);
    assert_eq!(access.names(&folder).await?, ["file"]);
    Ok(())
}
