//! Several clients of one drive: a result is never older than the index allows.

use std::time::Duration;

use opendal::{EntryMode, ErrorKind, Operator};
use tokio::time::sleep;

use crate::{
    CaseResult, TestContext, allow_error, cases,
    data::{bytes, children, content, exists, mode, tree},
    expect_error,
};

cases! {
    /// The other client creates a file in a folder that the first one has listed. In time, the first
    /// one sees it in every result.
    a_new_file_is_seen: shared;
    /// The other client creates a file in a folder that was missing when the first one asked. In time,
    /// the first one reads it.
    a_new_file_is_seen_where_the_folder_was_missing: shared;
    /// The other client overwrites a file that the first one has read. The first one reads the old
    /// bytes or the new ones, never a mixture, and in time the new ones.
    new_bytes_are_read_completely: shared;
    /// The other client deletes a file. The first one cannot read it any more, in time no result has
    /// it, and a second deletion succeeds.
    a_removed_file_does_not_exist: shared;
    /// The other client moves a file. In time, the first one finds it at its new path only.
    a_renamed_file_has_its_new_path: shared, rename;
    /// The other client renames a folder. In time, the first one finds everything below it at its new
    /// path only.
    a_renamed_folder_has_its_new_path: shared, rename;
    /// The other client replaces a file by a folder. In time, the first one sees the folder and its
    /// file.
    a_file_that_became_a_folder_is_a_folder: shared, create_dir;
    /// The other client deletes a file and creates it again. The first one reads the new bytes
    /// immediately.
    a_recreated_file_is_readable_at_once: shared;
    /// The other client deletes a folder and creates it again. The first one writes to it immediately.
    a_recreated_folder_is_writable_at_once: shared, create_dir, delete_with_recursive;
    /// The other client deletes a folder and creates it again with another file. The first one lists
    /// the new file immediately.
    a_recreated_folder_is_listed_at_once: shared, create_dir, delete_with_recursive;
    /// The other client deletes a folder. The first one writes to it immediately, and the folder exists
    /// again.
    a_removed_folder_is_recreated_by_a_write: shared, create_dir, delete_with_recursive;
    /// The other client deletes a folder. In time, the first one lists nothing in it.
    a_removed_folder_is_listed_as_missing_in_time: shared, delete_with_recursive;
    /// The first client overwrites a path whose item was replaced. The new item gets the bytes, and the
    /// old one, which has another path now, keeps its own.
    a_write_does_not_reach_the_item_that_had_the_path_before: shared, rename;
    /// The first client deletes a path whose item was replaced. The new item is removed, and the old
    /// one stays at its new path.
    a_removal_does_not_reach_the_item_that_had_the_path_before: shared, rename;
    /// The first client deletes recursively a folder that was replaced. The new folder is removed, and
    /// the old one stays at its new path.
    a_recursive_removal_does_not_reach_the_item_that_had_the_path_before: shared, rename,
        delete_with_recursive;
    /// The first client renames a path whose item was replaced. The new item is renamed, and the old
    /// one stays at its new path.
    a_rename_does_not_reach_the_item_that_had_the_path_before: shared, rename;
    /// The other client adds a file to a folder that is empty for the first one, which then deletes the
    /// folder. Whatever the result is, the file stays.
    a_concurrently_added_file_prevents_the_removal_of_its_folder: shared, create_dir;
}

/// Deletes and renames revalidate metadata that is older than this.
const REVALIDATION_AGE: Duration = Duration::from_secs(1);

/// Returns two clients with separate caches. Results of the first one expire soon.
///
/// # Errors
/// If a client cannot be opened.
fn two_clients(test: &TestContext) -> CaseResult<(Operator, Operator)> {
    Ok((test.client(test.expectations.fast_expiry)?, test.client(&[])?))
}

/// Waits until all cached results of the first client have expired.
async fn wait_for_expiry(test: &TestContext) {
    sleep(test.expectations.max_staleness + Duration::from_millis(50)).await;
}

/// Waits until the first client revalidates its metadata before a change.
async fn wait_for_revalidation(test: &TestContext) {
    if test.expectations.max_staleness > Duration::ZERO {
        sleep(REVALIDATION_AGE + Duration::from_millis(50)).await;
    }
}

async fn a_new_file_is_seen(test: &TestContext) -> CaseResult {
    let (one, other) = two_clients(test)?;
    one.write("a/known", bytes(1, 10)).await?;
    assert_eq!(children(&one, "a/").await?, ["a/known"]);
    expect_error(one.stat("a/new").await, &[ErrorKind::NotFound])?;
    other.write("a/new", bytes(2, 20)).await?;
    wait_for_expiry(test).await;
    assert_eq!(one.stat("a/new").await?.content_length(), 20);
    assert_eq!(content(&one, "a/new").await?, bytes(2, 20));
    assert_eq!(children(&one, "a/").await?, ["a/known", "a/new"]);
    Ok(())
}

async fn a_new_file_is_seen_where_the_folder_was_missing(test: &TestContext) -> CaseResult {
    let (one, other) = two_clients(test)?;
    expect_error(one.stat("a/b/new").await, &[ErrorKind::NotFound])?;
    assert_eq!(children(&one, "a/").await?, [""; 0]);
    other.write("a/b/new", bytes(2, 20)).await?;
    wait_for_expiry(test).await;
    assert_eq!(content(&one, "a/b/new").await?, bytes(2, 20));
    Ok(())
}

async fn new_bytes_are_read_completely(test: &TestContext) -> CaseResult {
    let (one, other) = two_clients(test)?;
    one.write("a/file", bytes(1, 1000)).await?;
    assert_eq!(content(&one, "a/file").await?, bytes(1, 1000));
    other.write("a/file", bytes(2, 5000)).await?;
    if let Some(read) = allow_error(one.read("a/file").await) {
        let read = read.to_vec();
        assert!(read == bytes(1, 1000) || read == bytes(2, 5000), "neither old nor new bytes");
    }
    wait_for_expiry(test).await;
    assert_eq!(one.stat("a/file").await?.content_length(), 5000);
    assert_eq!(content(&one, "a/file").await?, bytes(2, 5000));
    Ok(())
}

async fn a_removed_file_does_not_exist(test: &TestContext) -> CaseResult {
    let (one, other) = two_clients(test)?;
    one.write("a/file", bytes(1, 10)).await?;
    one.write("a/rest", bytes(2, 10)).await?;
    children(&one, "a/").await?;
    other.delete("a/file").await?;
    // Its bytes do not exist any more, whatever a cache contains.
    expect_error(one.read("a/file").await, &[ErrorKind::NotFound])?;
    wait_for_expiry(test).await;
    expect_error(one.stat("a/file").await, &[ErrorKind::NotFound])?;
    assert_eq!(children(&one, "a/").await?, ["a/rest"]);
    one.delete("a/file").await?;
    Ok(())
}

async fn a_renamed_file_has_its_new_path(test: &TestContext) -> CaseResult {
    let (one, other) = two_clients(test)?;
    one.write("a/file", bytes(1, 10)).await?;
    content(&one, "a/file").await?;
    other.rename("a/file", "b/other").await?;
    wait_for_expiry(test).await;
    expect_error(one.read("a/file").await, &[ErrorKind::NotFound])?;
    assert_eq!(content(&one, "b/other").await?, bytes(1, 10));
    assert_eq!(children(&one, "a/").await?, [""; 0]);
    Ok(())
}

async fn a_renamed_folder_has_its_new_path(test: &TestContext) -> CaseResult {
    let (one, other) = two_clients(test)?;
    one.write("a/b/file", bytes(1, 10)).await?;
    content(&one, "a/b/file").await?;
    other.rename("a", "c").await?;
    wait_for_expiry(test).await;
    expect_error(one.stat("a/b/file").await, &[ErrorKind::NotFound])?;
    assert_eq!(content(&one, "c/b/file").await?, bytes(1, 10));
    assert_eq!(tree(&one, "/").await?, ["c/", "c/b/", "c/b/file"]);
    Ok(())
}

async fn a_file_that_became_a_folder_is_a_folder(test: &TestContext) -> CaseResult {
    let (one, other) = two_clients(test)?;
    one.write("a", bytes(1, 10)).await?;
    one.stat("a").await?;
    other.delete("a").await?;
    other.write("a/below", bytes(2, 10)).await?;
    wait_for_expiry(test).await;
    assert_eq!(mode(&one, "a/").await?, Some(EntryMode::DIR));
    assert_eq!(content(&one, "a/below").await?, bytes(2, 10));
    Ok(())
}

async fn a_recreated_file_is_readable_at_once(test: &TestContext) -> CaseResult {
    let (one, other) = (test.client(&[])?, test.client(&[])?);
    one.write("a/file", bytes(1, 1000)).await?;
    content(&one, "a/file").await?;
    other.delete("a/file").await?;
    other.write("a/file", bytes(2, 500)).await?;
    assert_eq!(content(&one, "a/file").await?, bytes(2, 500));
    Ok(())
}

async fn a_recreated_folder_is_writable_at_once(test: &TestContext) -> CaseResult {
    let (one, other) = (test.client(&[])?, test.client(&[])?);
    one.write("a/b/file", bytes(1, 10)).await?;
    other.delete_with("a/").recursive(true).await?;
    other.create_dir("a/b/").await?;
    one.write("a/b/new", bytes(2, 20)).await?;
    assert_eq!(content(&one, "a/b/new").await?, bytes(2, 20));
    assert_eq!(tree(&test.client(&[])?, "/").await?, ["a/", "a/b/", "a/b/new"]);
    Ok(())
}

async fn a_recreated_folder_is_listed_at_once(test: &TestContext) -> CaseResult {
    let (one, other) = (test.client(&[])?, test.client(&[])?);
    one.write("a/b/file", bytes(1, 10)).await?;
    tree(&one, "a/").await?;
    other.delete_with("a/").recursive(true).await?;
    other.write("a/b/new", bytes(2, 20)).await?;
    // It was empty at no time.
    assert_eq!(children(&one, "a/b/").await?, ["a/b/new"]);
    assert_eq!(tree(&one, "a/").await?, ["a/b/", "a/b/new"]);
    Ok(())
}

async fn a_removed_folder_is_recreated_by_a_write(test: &TestContext) -> CaseResult {
    let (one, other) = (test.client(&[])?, test.client(&[])?);
    one.write("a/b/file", bytes(1, 10)).await?;
    other.delete_with("a/").recursive(true).await?;
    one.write("a/b/new", bytes(2, 20)).await?;
    one.create_dir("a/b/c/").await?;
    let observer = tree(&test.client(&[])?, "/").await?;
    assert_eq!(observer, ["a/", "a/b/", "a/b/c/", "a/b/new"]);
    Ok(())
}

async fn a_removed_folder_is_listed_as_missing_in_time(test: &TestContext) -> CaseResult {
    let (one, other) = two_clients(test)?;
    one.write("a/b/file", bytes(1, 10)).await?;
    tree(&one, "a/").await?;
    other.delete_with("a/").recursive(true).await?;
    wait_for_expiry(test).await;
    assert!(one.list("a/b/").await?.is_empty());
    assert!(one.list_with("a/").recursive(true).await?.is_empty());
    assert!(!exists(&one, "a/b/file").await?);
    Ok(())
}

/// The first client writes and reads `a/x`. Then the other one renames the folder to `c`, and
/// creates a new `a/x`.
///
/// # Errors
/// If a step fails.
async fn replace_folder(one: &Operator, other: &Operator) -> CaseResult {
    one.write("a/x", bytes(1, 100)).await?;
    content(one, "a/x").await?;
    other.rename("a", "c").await?;
    other.write("a/x", bytes(2, 200)).await?;
    Ok(())
}

/// Does the same as [`replace_folder`] with a first client whose results do not expire soon, and
/// waits until it revalidates them before a change. Returns the first client.
///
/// # Errors
/// If a step fails.
async fn replace_folder_long_ago(test: &TestContext) -> CaseResult<Operator> {
    let (one, other) = (test.client(&[])?, test.client(&[])?);
    replace_folder(&one, &other).await?;
    wait_for_revalidation(test).await;
    Ok(one)
}

async fn a_write_does_not_reach_the_item_that_had_the_path_before(
    test: &TestContext,
) -> CaseResult {
    let (one, other) = two_clients(test)?;
    replace_folder(&one, &other).await?;
    wait_for_expiry(test).await;
    one.write("a/x", bytes(3, 300)).await?;
    let observer = test.client(&[])?;
    assert_eq!(content(&observer, "c/x").await?, bytes(1, 100));
    assert_eq!(content(&observer, "a/x").await?, bytes(3, 300));
    Ok(())
}

async fn a_removal_does_not_reach_the_item_that_had_the_path_before(
    test: &TestContext,
) -> CaseResult {
    let one = replace_folder_long_ago(test).await?;
    one.delete("a/x").await?;
    let observer = test.client(&[])?;
    assert_eq!(content(&observer, "c/x").await?, bytes(1, 100));
    assert_eq!(tree(&observer, "/").await?, ["a/", "c/", "c/x"]);
    Ok(())
}

async fn a_recursive_removal_does_not_reach_the_item_that_had_the_path_before(
    test: &TestContext,
) -> CaseResult {
    let one = replace_folder_long_ago(test).await?;
    one.delete_with("a").recursive(true).await?;
    let observer = test.client(&[])?;
    assert_eq!(content(&observer, "c/x").await?, bytes(1, 100));
    assert_eq!(tree(&observer, "/").await?, ["c/", "c/x"]);
    Ok(())
}

async fn a_rename_does_not_reach_the_item_that_had_the_path_before(
    test: &TestContext,
) -> CaseResult {
    let one = replace_folder_long_ago(test).await?;
    one.rename("a/x", "a/y").await?;
    let observer = test.client(&[])?;
    assert_eq!(content(&observer, "c/x").await?, bytes(1, 100));
    assert_eq!(content(&observer, "a/y").await?, bytes(2, 200));
    Ok(())
}

async fn a_concurrently_added_file_prevents_the_removal_of_its_folder(
    test: &TestContext,
) -> CaseResult {
    let (one, other) = (test.client(&[])?, test.client(&[])?);
    one.create_dir("a/").await?;
    assert_eq!(children(&one, "a/").await?, [""; 0]);
    other.write("a/new", bytes(2, 20)).await?;
    wait_for_revalidation(test).await;
    allow_error(one.delete("a/").await);
    assert_eq!(content(&test.client(&[])?, "a/new").await?, bytes(2, 20));
    Ok(())
}
