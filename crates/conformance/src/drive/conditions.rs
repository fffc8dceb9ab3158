//! Conditions on the etag of an item.

use drivedal::drive::{Conditions, DownloadRequest, ErrorKind, Item, WriteOptions};

use super::{
    access::{DriveAccess, access, by_id, expect_kind},
    requirements::{download_if_match, if_match, if_none_match},
};
use crate::{CaseResult, TestContext, cases, fail};

cases! {
    /// Overwrites a file with `if_match` and its previous etag. The result is `ConditionNotMatch`, and
    /// the file keeps its bytes.
    a_write_with_a_stale_etag_changes_nothing: if_match;
    /// Overwrites a file with `if_match` and its current etag. The file has the new bytes and another
    /// etag.
    a_write_with_the_current_etag_replaces_the_file: if_match;
    /// Requests an item with `if_none_match` and its etag. The result is `ConditionNotMatch` until the
    /// file is overwritten.
    an_unchanged_item_does_not_meet_if_none_match: if_none_match;
    /// Downloads a file with `if_none_match` and its etag. The result is `ConditionNotMatch` until the
    /// file is overwritten.
    an_unchanged_file_is_not_downloaded_again: if_none_match;
    /// Downloads a file with `if_match` and its etag. After the file is overwritten, the result is
    /// `ConditionNotMatch`.
    a_download_of_another_version_fails: download_if_match;
}

/// Returns the condition that an item has this etag.
fn matching(etag: &str) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.if_match = Some(etag.to_owned());
    conditions
}

/// Returns the condition that an item has another etag.
fn not_matching(etag: &str) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.if_none_match = Some(etag.to_owned());
    conditions
}

/// Creates a file. Returns its folder, the file and its etag.
///
/// # Errors
/// `Failed` if the file cannot be created or has no etag.
async fn file_with_etag(access: &DriveAccess) -> CaseResult<(Item, Item, String)> {
    let place = access.new_folder().await?;
    let file = access.file(&place, "file", b"first").await?;
    match file.etag.clone() {
        Some(etag) => Ok((place, file, etag)),
        None => fail(format!("the item has no etag: {file:?}")),
    }
}

/// Returns options of a write with these conditions.
fn writing(conditions: Conditions) -> WriteOptions {
    let mut options = WriteOptions::default();
    options.conditions = conditions;
    options
}

async fn a_write_with_a_stale_etag_changes_nothing(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let (place, _, stale) = file_with_etag(access).await?;
    let file = access.file(&place, "file", b"second").await?;
    let written = access.upload(&place, "file", b"third", &writing(matching(&stale))).await;
    expect_kind(written, &[ErrorKind::ConditionNotMatch])?;
    assert_eq!(access.content(&file).await?, b"second");
    assert_eq!(access.names(&place).await?, ["file"]);
    Ok(())
}

async fn a_write_with_the_current_etag_replaces_the_file(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let (place, file, etag) = file_with_etag(access).await?;
    access.upload(&place, "file", b"second", &writing(matching(&etag))).await?;
    let changed = access.item(&file.id, &place).await?;
    assert_ne!(changed.etag, Some(etag), "the etag of other bytes");
    assert_eq!(access.content(&changed).await?, b"second");
    Ok(())
}

async fn an_unchanged_item_does_not_meet_if_none_match(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let (place, file, etag) = file_with_etag(access).await?;
    let (drive, cx) = (access.drive(), access.context());
    let unchanged = drive.item(cx, &by_id(&file), &not_matching(&etag)).await;
    expect_kind(unchanged, &[ErrorKind::ConditionNotMatch])?;
    access.file(&place, "file", b"second").await?;
    let changed = drive.item(cx, &by_id(&file), &not_matching(&etag)).await?;
    assert_ne!(changed.etag, Some(etag));
    Ok(())
}

async fn an_unchanged_file_is_not_downloaded_again(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let (place, file, etag) = file_with_etag(access).await?;
    let (file, conditions) = (by_id(&file), not_matching(&etag));
    let request = DownloadRequest::new(&file).with_conditions(&conditions);
    let unchanged = access.drive().download(access.context(), request.clone()).await;
    expect_kind(unchanged, &[ErrorKind::ConditionNotMatch])?;
    access.file(&place, "file", b"second").await?;
    assert_eq!(access.drive().download(access.context(), request).await?.total, 6);
    Ok(())
}

async fn a_download_of_another_version_fails(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let (place, file, etag) = file_with_etag(access).await?;
    let (file, conditions) = (by_id(&file), matching(&etag));
    let request = DownloadRequest::new(&file).with_conditions(&conditions);
    let current = access.drive().download(access.context(), request.clone()).await?;
    assert_eq!(current.total, 5);
    access.file(&place, "file", b"second").await?;
    let changed = access.drive().download(access.context(), request).await;
    expect_kind(changed, &[ErrorKind::ConditionNotMatch])?;
    Ok(())
}
