//! Versions of files.

use opendal::{Entry, ErrorKind};

use crate::{
    CaseResult, TestContext, cases,
    data::{bytes, content},
    expect_error, fail,
};

cases! {
    /// Lists a file that was written twice. Its versions differ, exactly one is current, and that
    /// one has the size of the file.
    a_listing_with_versions_has_one_current_version_of_each_file: list_with_versions;
    /// Reads each version of a file, as a whole and a range of it. The bytes have the size that the
    /// listing names, and the current version has those of the file.
    each_version_of_a_file_can_be_read: list_with_versions, read_with_version;
    /// Calls `stat` of each version. Size and currency are those of the listing.
    the_metadata_of_a_version_is_that_of_the_listing: list_with_versions, stat_with_version;
    /// Reads a version that a file does not have, and calls `stat` of it. Both are `NotFound`.
    a_version_that_does_not_exist_is_not_found: read_with_version, stat_with_version;
    /// Deletes the old versions of a file. The current one stays.
    an_old_version_is_deleted_alone: list_with_versions, delete_with_version;
}

/// Writes a file twice. Returns its entries in a listing with versions.
///
/// # Errors
/// If a request fails.
async fn versions(test: &TestContext) -> CaseResult<Vec<Entry>> {
    test.op.write("d/file", bytes(1, 100)).await?;
    test.op.write("d/file", bytes(2, 200)).await?;
    list(test).await
}

/// Returns the entries of `d/file` in a listing with versions.
///
/// # Errors
/// If the listing fails.
async fn list(test: &TestContext) -> CaseResult<Vec<Entry>> {
    let mut entries = test.op.list_with("d/").versions(true).await?;
    entries.retain(|entry| entry.path() == "d/file");
    Ok(entries)
}

/// Returns the id of a version of a listing.
///
/// # Errors
/// `Failed` if the entry has none.
fn version_of(entry: &Entry) -> CaseResult<&str> {
    match entry.metadata().version() {
        Some(version) => Ok(version),
        None => fail("an entry of a listing with versions has no version"),
    }
}

async fn a_listing_with_versions_has_one_current_version_of_each_file(
    test: &TestContext,
) -> CaseResult {
    let entries = versions(test).await?;
    let mut ids = entries.iter().map(version_of).collect::<CaseResult<Vec<_>>>()?;
    let current: Vec<_> =
        entries.iter().filter(|entry| entry.metadata().is_current() == Some(true)).collect();
    assert_eq!(current.len(), 1, "{entries:?}");
    assert_eq!(current[0].metadata().content_length(), 200);
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "two versions have the same id");
    Ok(())
}

async fn each_version_of_a_file_can_be_read(test: &TestContext) -> CaseResult {
    for entry in versions(test).await? {
        let version = version_of(&entry)?;
        let read = test.op.read_with("d/file").version(version).await?.to_vec();
        assert_eq!(read.len() as u64, entry.metadata().content_length(), "{version}");
        let expected = match entry.metadata().is_current() {
            Some(true) => bytes(2, 200),
            _ => bytes(1, 100),
        };
        assert_eq!(read, expected, "{version}");
        let part = test.op.read_with("d/file").version(version).range(10..20).await?.to_vec();
        assert_eq!(part, expected[10..20], "{version}");
    }
    Ok(())
}

async fn the_metadata_of_a_version_is_that_of_the_listing(test: &TestContext) -> CaseResult {
    for entry in versions(test).await? {
        let version = version_of(&entry)?;
        let listed = entry.metadata();
        let metadata = test.op.stat_with("d/file").version(version).await?;
        assert_eq!(metadata.version(), Some(version));
        assert_eq!(metadata.content_length(), listed.content_length(), "{version}");
        assert_eq!(metadata.is_current(), listed.is_current(), "{version}");
    }
    Ok(())
}

async fn a_version_that_does_not_exist_is_not_found(test: &TestContext) -> CaseResult {
    test.op.write("d/file", bytes(1, 100)).await?;
    let missing = &[ErrorKind::NotFound];
    expect_error(test.op.stat_with("d/file").version("4711.0").await, missing)?;
    expect_error(test.op.read_with("d/file").version("4711.0").await, missing)?;
    expect_error(test.op.stat_with("d/missing").version("1.0").await, missing)?;
    Ok(())
}

async fn an_old_version_is_deleted_alone(test: &TestContext) -> CaseResult {
    for entry in versions(test).await? {
        if entry.metadata().is_current() != Some(true) {
            test.op.delete_with("d/file").version(version_of(&entry)?).await?;
        }
    }
    let left = list(test).await?;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].metadata().is_current(), Some(true));
    assert_eq!(content(&test.op, "d/file").await?, bytes(2, 200));
    Ok(())
}
