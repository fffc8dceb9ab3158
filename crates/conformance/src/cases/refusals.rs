//! Operations and options that a service does not have: each is refused, and changes nothing.
//!
//! A service that ignored an option would report success for a request that it did not perform.

use std::{fmt::Debug, time::Duration};

use opendal::{
    ErrorKind,
    options::{CopyOptions, DeleteOptions, ReadOptions, RenameOptions, StatOptions, WriteOptions},
    raw::Timestamp,
};

use crate::{
    CaseResult, TestContext, cases,
    data::{bytes, content, exists},
    expect_error,
};

/// An etag and a version that no service returns.
const UNKNOWN: &str = "\"drivedal-conformance\"";

cases! {
    /// Calls `stat` with `version`. The result is `Unsupported`.
    a_stat_with_version_is_refused: no_stat_with_version;
    /// Calls `stat` with `if_match`. The result is `Unsupported`.
    a_stat_with_if_match_is_refused: no_stat_with_if_match;
    /// Calls `stat` with `if_none_match`. The result is `Unsupported`.
    a_stat_with_if_none_match_is_refused: no_stat_with_if_none_match;
    /// Calls `stat` with `if_modified_since`. The result is `Unsupported`.
    a_stat_with_if_modified_since_is_refused: no_stat_with_if_modified_since;
    /// Calls `stat` with `if_unmodified_since`. The result is `Unsupported`.
    a_stat_with_if_unmodified_since_is_refused: no_stat_with_if_unmodified_since;
    /// Calls `read` with `version`. The result is `Unsupported`.
    a_read_with_version_is_refused: no_read_with_version;
    /// Calls `read` with `if_match`. The result is `Unsupported`.
    a_read_with_if_match_is_refused: no_read_with_if_match;
    /// Calls `read` with `if_none_match`. The result is `Unsupported`.
    a_read_with_if_none_match_is_refused: no_read_with_if_none_match;
    /// Calls `read` with `if_modified_since`. The result is `Unsupported`.
    a_read_with_if_modified_since_is_refused: no_read_with_if_modified_since;
    /// Calls `read` with `if_unmodified_since`. The result is `Unsupported`.
    a_read_with_if_unmodified_since_is_refused: no_read_with_if_unmodified_since;
    /// Writes a new file and an existing one with `if_match`. Both results are `Unsupported`. The
    /// new file does not exist, and the other keeps its bytes.
    a_write_with_if_match_is_refused: no_write_with_if_match;
    /// Writes a new file and an existing one with `if_none_match`. Both results are `Unsupported`.
    /// The new file does not exist, and the other keeps its bytes.
    a_write_with_if_none_match_is_refused: no_write_with_if_none_match;
    /// Writes a new file and an existing one with `if_not_exists`. Both results are `Unsupported`.
    /// The new file does not exist, and the other keeps its bytes.
    a_write_with_if_not_exists_is_refused: no_write_with_if_not_exists;
    /// Writes a new file and an existing one with `append`. Both results are `Unsupported`. The new
    /// file does not exist, and the other keeps its bytes.
    a_write_with_append_is_refused: no_write_can_append;
    /// Deletes a file with `version`. The result is `Unsupported`, and the file stays.
    a_delete_with_version_is_refused: no_delete_with_version;
    /// Deletes a file with `if_match`. The result is `Unsupported`, and the file stays.
    a_delete_with_if_match_is_refused: no_delete_with_if_match;
    /// Deletes a file with `if_none_match`. The result is `Unsupported`, and the file stays.
    a_delete_with_if_none_match_is_refused: no_delete_with_if_none_match;
    /// Calls `copy` on a service without it. The result is `Unsupported`, the source keeps its
    /// bytes, and nothing is at the destination.
    a_copy_is_refused: no_copy;
    /// Calls `copy` with `if_not_exists`. The result is `Unsupported`, and nothing is at the
    /// destination.
    a_copy_with_if_not_exists_is_refused: copy, no_copy_with_if_not_exists;
    /// Calls `rename` on a service without it. The result is `Unsupported`, the source keeps its
    /// bytes, and nothing is at the destination.
    a_rename_is_refused: no_rename;
    /// Calls `rename` with `if_not_exists`. The result is `Unsupported`, and nothing is at the
    /// destination.
    a_rename_with_if_not_exists_is_refused: rename, no_rename_with_if_not_exists;
    /// Restores a deleted file on a service without `restore`. The result is `Unsupported`, and the
    /// file does not exist.
    a_restore_is_refused: no_restore;
    /// Requests a presigned `read`. The result is `Unsupported`.
    a_presigned_read_is_refused: no_presign_read;
    /// Requests a presigned `stat`. The result is `Unsupported`.
    a_presigned_stat_is_refused: no_presign_stat;
    /// Requests a presigned `write`. The result is `Unsupported`.
    a_presigned_write_is_refused: no_presign_write;
}

/// Checks that an operation was refused.
///
/// # Errors
/// `Failed` if it succeeded, or failed with another kind.
#[track_caller]
fn unsupported<T: Debug>(result: opendal::Result<T>) -> CaseResult {
    expect_error(result, &[ErrorKind::Unsupported]).map(drop)
}

/// Checks that the file of the case has its bytes.
///
/// # Errors
/// `Failed` if it cannot be read, or has other bytes.
async fn the_file_is_unchanged(test: &TestContext) -> CaseResult {
    assert_eq!(content(&test.op, "file").await?, bytes(1, 10));
    Ok(())
}

async fn a_stat_with_version_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = StatOptions { version: Some(UNKNOWN.into()), ..Default::default() };
    unsupported(test.op.stat_options("file", options).await)
}

async fn a_stat_with_if_match_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = StatOptions { if_match: Some(UNKNOWN.into()), ..Default::default() };
    unsupported(test.op.stat_options("file", options).await)
}

async fn a_stat_with_if_none_match_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = StatOptions { if_none_match: Some(UNKNOWN.into()), ..Default::default() };
    unsupported(test.op.stat_options("file", options).await)
}

async fn a_stat_with_if_modified_since_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = StatOptions { if_modified_since: Some(Timestamp::now()), ..Default::default() };
    unsupported(test.op.stat_options("file", options).await)
}

async fn a_stat_with_if_unmodified_since_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = StatOptions { if_unmodified_since: Some(Timestamp::now()), ..Default::default() };
    unsupported(test.op.stat_options("file", options).await)
}

async fn a_read_with_version_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = ReadOptions { version: Some(UNKNOWN.into()), ..Default::default() };
    unsupported(test.op.read_options("file", options).await)
}

async fn a_read_with_if_match_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = ReadOptions { if_match: Some(UNKNOWN.into()), ..Default::default() };
    unsupported(test.op.read_options("file", options).await)
}

async fn a_read_with_if_none_match_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = ReadOptions { if_none_match: Some(UNKNOWN.into()), ..Default::default() };
    unsupported(test.op.read_options("file", options).await)
}

async fn a_read_with_if_modified_since_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = ReadOptions { if_modified_since: Some(Timestamp::now()), ..Default::default() };
    unsupported(test.op.read_options("file", options).await)
}

async fn a_read_with_if_unmodified_since_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = ReadOptions { if_unmodified_since: Some(Timestamp::now()), ..Default::default() };
    unsupported(test.op.read_options("file", options).await)
}

async fn a_write_with_if_match_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    for path in ["file", "new"] {
        let options = WriteOptions { if_match: Some(UNKNOWN.into()), ..Default::default() };
        unsupported(test.op.write_options(path, bytes(2, 20), options).await)?;
    }
    assert!(!exists(&test.op, "new").await?);
    the_file_is_unchanged(test).await
}

async fn a_write_with_if_none_match_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    for path in ["file", "new"] {
        let options = WriteOptions { if_none_match: Some(UNKNOWN.into()), ..Default::default() };
        unsupported(test.op.write_options(path, bytes(2, 20), options).await)?;
    }
    assert!(!exists(&test.op, "new").await?);
    the_file_is_unchanged(test).await
}

async fn a_write_with_if_not_exists_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    for path in ["file", "new"] {
        let options = WriteOptions { if_not_exists: true, ..Default::default() };
        unsupported(test.op.write_options(path, bytes(2, 20), options).await)?;
    }
    assert!(!exists(&test.op, "new").await?);
    the_file_is_unchanged(test).await
}

async fn a_write_with_append_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    for path in ["file", "new"] {
        let options = WriteOptions { append: true, ..Default::default() };
        unsupported(test.op.write_options(path, bytes(2, 20), options).await)?;
    }
    assert!(!exists(&test.op, "new").await?);
    the_file_is_unchanged(test).await
}

async fn a_delete_with_version_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = DeleteOptions { version: Some(UNKNOWN.into()), ..Default::default() };
    unsupported(test.op.delete_options("file", options).await)?;
    the_file_is_unchanged(test).await
}

async fn a_delete_with_if_match_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = DeleteOptions { if_match: Some(UNKNOWN.into()), ..Default::default() };
    unsupported(test.op.delete_options("file", options).await)?;
    the_file_is_unchanged(test).await
}

async fn a_delete_with_if_none_match_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = DeleteOptions { if_none_match: Some(UNKNOWN.into()), ..Default::default() };
    unsupported(test.op.delete_options("file", options).await)?;
    the_file_is_unchanged(test).await
}

async fn a_copy_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    unsupported(test.op.copy("file", "other").await)?;
    assert!(!exists(&test.op, "other").await?);
    the_file_is_unchanged(test).await
}

async fn a_copy_with_if_not_exists_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = CopyOptions { if_not_exists: true, ..Default::default() };
    unsupported(test.op.copy_options("file", "other", options).await)?;
    assert!(!exists(&test.op, "other").await?);
    the_file_is_unchanged(test).await
}

async fn a_rename_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    unsupported(test.op.rename("file", "other").await)?;
    assert!(!exists(&test.op, "other").await?);
    the_file_is_unchanged(test).await
}

async fn a_rename_with_if_not_exists_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let options = RenameOptions { if_not_exists: true };
    unsupported(test.op.rename_options("file", "other", options).await)?;
    assert!(!exists(&test.op, "other").await?);
    the_file_is_unchanged(test).await
}

async fn a_restore_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    test.op.delete("file").await?;
    unsupported(test.op.restore("file").await)?;
    assert!(!exists(&test.op, "file").await?);
    Ok(())
}

async fn a_presigned_read_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    unsupported(test.op.presign_read("file", Duration::from_secs(60)).await.map(drop))
}

async fn a_presigned_stat_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    unsupported(test.op.presign_stat("file", Duration::from_secs(60)).await.map(drop))
}

async fn a_presigned_write_is_refused(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    unsupported(test.op.presign_write("file", Duration::from_secs(60)).await.map(drop))
}
