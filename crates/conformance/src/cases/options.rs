//! Options that not every service has: stored headers, and conditions of `stat`, reads and writes.

use std::time::Duration;

use opendal::{ErrorKind, options::WriteOptions, raw::Timestamp};

use crate::{
    Case, CaseResult, TestContext, cases,
    data::{bytes, content, exists},
    expect_error, fail, requirements, skip,
};

cases! {
    /// Compares the service's capabilities with the requirements of all cases. Each capability that it
    /// has is required by a case.
    every_capability_that_is_advertised_is_exercised;
    /// Writes a file with a content type. `stat` returns it.
    a_content_type_is_stored: write_with_content_type;
    /// Writes a file with a content disposition. `stat` returns it.
    a_content_disposition_is_stored: write_with_content_disposition;
    /// Writes a file with a content encoding. `stat` returns it.
    a_content_encoding_is_stored: write_with_content_encoding;
    /// Writes a file with a cache control. `stat` returns it.
    a_cache_control_is_stored: write_with_cache_control;
    /// Writes a file with metadata of the user. `stat` returns it.
    user_metadata_is_stored: write_with_user_metadata;
    /// Calls `stat` with `if_match`. The old etag is a `ConditionNotMatch`; the current one returns the
    /// metadata.
    a_stat_unless_changed_fails_after_a_change: stat_with_if_match;
    /// Calls `stat` with `if_none_match`. The current etag is a `ConditionNotMatch`; the old one
    /// returns the metadata.
    a_stat_if_changed_fails_until_the_file_has_changed: stat_with_if_none_match;
    /// Reads with `if_match`. The old etag is a `ConditionNotMatch`; the current one returns the bytes.
    a_read_unless_changed_fails_once_it_has_changed: read_with_if_match;
    /// Reads with `if_none_match`. The current etag is a `ConditionNotMatch`; the old one returns the
    /// bytes.
    a_read_if_changed_fails_until_it_has_changed: read_with_if_none_match;
    /// Calls `stat` of a missing path with a condition. The result is `NotFound`.
    conditions_do_not_make_a_missing_file_anything_but_missing: stat_with_if_none_match;
    /// Overwrites a file with `if_match`. The old etag is a `ConditionNotMatch` and changes nothing;
    /// the current one replaces the bytes.
    a_write_unless_changed_keeps_a_changed_file: write_with_if_match;
    /// Writes to a missing path with `if_match`. The result is `ConditionNotMatch`, and nothing is
    /// created.
    a_write_unless_changed_makes_nothing_new: write_with_if_match;
    /// Calls `stat` with a time before and one after the last change of a file. A condition that does not
    /// hold is a `ConditionNotMatch`.
    a_stat_with_a_time_depends_on_the_last_change: stat_with_if_modified_since,
        stat_with_if_unmodified_since;
    /// Reads with a time before and one after the last change of a file. A condition that does not hold
    /// is a `ConditionNotMatch`.
    a_read_with_a_time_depends_on_the_last_change: read_with_if_modified_since,
        read_with_if_unmodified_since;
}

/// Advertised capabilities that do not affect an operator's operations.
const NOT_EXERCISED_HERE: [&str; 1] = ["presign"];

async fn every_capability_that_is_advertised_is_exercised(test: &TestContext) -> CaseResult {
    let exercised: Vec<&str> = super::groups()
        .into_iter()
        .flat_map(|group| group.cases)
        .flat_map(|case: Case| case.requires)
        .map(|requirement| requirement.name)
        .chain(NOT_EXERCISED_HERE)
        .collect();
    let forgotten: Vec<&str> = requirements::CAPABILITIES
        .iter()
        .filter(|capability| (capability.is_met)(test) && !exercised.contains(&capability.name))
        .map(|capability| capability.name)
        .collect();
    if forgotten.is_empty() { Ok(()) } else { fail(format!("not exercised: {forgotten:?}")) }
}

async fn a_content_type_is_stored(test: &TestContext) -> CaseResult {
    test.op.write_with("file", bytes(1, 10)).content_type("text/x-rust").await?;
    assert_eq!(test.op.stat("file").await?.content_type(), Some("text/x-rust"));
    Ok(())
}

async fn a_content_disposition_is_stored(test: &TestContext) -> CaseResult {
    test.op.write_with("file", bytes(1, 10)).content_disposition("attachment").await?;
    assert_eq!(test.op.stat("file").await?.content_disposition(), Some("attachment"));
    Ok(())
}

async fn a_content_encoding_is_stored(test: &TestContext) -> CaseResult {
    test.op.write_with("file", bytes(1, 10)).content_encoding("gzip").await?;
    assert_eq!(test.op.stat("file").await?.content_encoding(), Some("gzip"));
    Ok(())
}

async fn a_cache_control_is_stored(test: &TestContext) -> CaseResult {
    test.op.write_with("file", bytes(1, 10)).cache_control("no-store").await?;
    assert_eq!(test.op.stat("file").await?.cache_control(), Some("no-store"));
    Ok(())
}

async fn user_metadata_is_stored(test: &TestContext) -> CaseResult {
    let given = [("place".to_owned(), "Bergen".to_owned())];
    test.op.write_with("file", bytes(1, 10)).user_metadata(given).await?;
    let metadata = test.op.stat("file").await?;
    assert_eq!(metadata.user_metadata().and_then(|metadata| metadata.get("place")), Some("Bergen"));
    Ok(())
}

/// Writes a file and overwrites it. Returns its etags before and after.
///
/// # Errors
/// `Failed` if the service returns no etag.
async fn two_etags(test: &TestContext) -> CaseResult<(String, String)> {
    let mut etags = Vec::new();
    for seed in [1, 2] {
        test.op.write("file", bytes(seed, 100 + seed as usize)).await?;
        match test.op.stat("file").await?.etag() {
            Some(etag) => etags.push(etag.to_owned()),
            None => return fail("conditions are advertised, but stat returns no etag"),
        }
    }
    Ok((etags.remove(0), etags.remove(0)))
}

async fn a_stat_unless_changed_fails_after_a_change(test: &TestContext) -> CaseResult {
    let (old, new) = two_etags(test).await?;
    expect_error(test.op.stat_with("file").if_match(&old).await, &[ErrorKind::ConditionNotMatch])?;
    assert_eq!(test.op.stat_with("file").if_match(&new).await?.etag(), Some(&*new));
    Ok(())
}

async fn a_stat_if_changed_fails_until_the_file_has_changed(test: &TestContext) -> CaseResult {
    let (old, new) = two_etags(test).await?;
    expect_error(
        test.op.stat_with("file").if_none_match(&new).await,
        &[ErrorKind::ConditionNotMatch],
    )?;
    assert_eq!(test.op.stat_with("file").if_none_match(&old).await?.etag(), Some(&*new));
    Ok(())
}

async fn a_read_unless_changed_fails_once_it_has_changed(test: &TestContext) -> CaseResult {
    let (old, new) = two_etags(test).await?;
    expect_error(test.op.read_with("file").if_match(&old).await, &[ErrorKind::ConditionNotMatch])?;
    assert_eq!(test.op.read_with("file").if_match(&new).await?.to_vec(), bytes(2, 102));
    Ok(())
}

async fn a_read_if_changed_fails_until_it_has_changed(test: &TestContext) -> CaseResult {
    let (old, new) = two_etags(test).await?;
    expect_error(
        test.op.read_with("file").if_none_match(&new).await,
        &[ErrorKind::ConditionNotMatch],
    )?;
    assert_eq!(test.op.read_with("file").if_none_match(&old).await?.to_vec(), bytes(2, 102));
    Ok(())
}

async fn conditions_do_not_make_a_missing_file_anything_but_missing(
    test: &TestContext,
) -> CaseResult {
    expect_error(
        test.op.stat_with("missing").if_none_match("\"x\"").await,
        &[ErrorKind::NotFound],
    )?;
    Ok(())
}

async fn a_write_unless_changed_keeps_a_changed_file(test: &TestContext) -> CaseResult {
    let (old, new) = two_etags(test).await?;
    let unless = |etag: &str| WriteOptions { if_match: Some(etag.into()), ..Default::default() };
    let refusal = test.op.write_options("file", bytes(3, 50), unless(&old)).await;
    expect_error(refusal, &[ErrorKind::ConditionNotMatch])?;
    assert_eq!(content(&test.op, "file").await?, bytes(2, 102));
    test.op.write_options("file", bytes(3, 50), unless(&new)).await?;
    assert_eq!(content(&test.op, "file").await?, bytes(3, 50));
    Ok(())
}

async fn a_write_unless_changed_makes_nothing_new(test: &TestContext) -> CaseResult {
    let unless = WriteOptions { if_match: Some("\"x\"".into()), ..Default::default() };
    let refusal = test.op.write_options("missing", bytes(3, 50), unless).await;
    expect_error(refusal, &[ErrorKind::ConditionNotMatch])?;
    assert!(!exists(&test.op, "missing").await?);
    Ok(())
}

/// Writes a file, and returns a time before its last change and one after it, with a wide margin: the
/// clocks of the service and of this machine may differ.
///
/// # Errors
/// `Skipped` if the service returns no modification time and refuses conditions on it, `Failed` if it
/// ignores them.
async fn times_around_the_change(test: &TestContext) -> CaseResult<(Timestamp, Timestamp)> {
    test.op.write("file", bytes(1, 100)).await?;
    match test.op.stat("file").await?.last_modified() {
        Some(modified) => {
            let day = Duration::from_secs(24 * 60 * 60);
            Ok((modified - day, modified + day))
        }
        None => {
            let refused = test.op.stat_with("file").if_modified_since(Timestamp::now()).await;
            expect_error(refused, &[ErrorKind::Unsupported])?;
            skip("the service returns no modification time, and refuses conditions on it")
        }
    }
}

async fn a_stat_with_a_time_depends_on_the_last_change(test: &TestContext) -> CaseResult {
    let (before, after) = times_around_the_change(test).await?;
    let refused = &[ErrorKind::ConditionNotMatch];
    test.op.stat_with("file").if_modified_since(before).await?;
    expect_error(test.op.stat_with("file").if_modified_since(after).await, refused)?;
    test.op.stat_with("file").if_unmodified_since(after).await?;
    expect_error(test.op.stat_with("file").if_unmodified_since(before).await, refused)?;
    Ok(())
}

async fn a_read_with_a_time_depends_on_the_last_change(test: &TestContext) -> CaseResult {
    let (before, after) = times_around_the_change(test).await?;
    let refused = &[ErrorKind::ConditionNotMatch];
    let read = test.op.read_with("file").if_modified_since(before).await?;
    assert_eq!(read.to_vec(), bytes(1, 100));
    expect_error(test.op.read_with("file").if_modified_since(after).await, refused)?;
    let read = test.op.read_with("file").range(10..20).if_unmodified_since(after).await?;
    assert_eq!(read.to_vec(), bytes(1, 100)[10..20]);
    expect_error(test.op.read_with("file").if_unmodified_since(before).await, refused)?;
    Ok(())
}
