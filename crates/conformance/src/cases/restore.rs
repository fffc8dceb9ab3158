//! `restore`: deleted files that exist again.

use opendal::ErrorKind;

use crate::{
    CaseResult, TestContext, cases,
    data::{bytes, content, exists},
    expect_error,
};

cases! {
    /// Deletes a file and restores it. It has its bytes and its size.
    a_restored_file_has_its_bytes: restore;
    /// Restores a file that exists. The call succeeds, and the file keeps its bytes.
    a_file_that_exists_is_not_changed_by_a_restore: restore;
    /// Restores a path that never had a file. The result is `NotFound`, and nothing is created.
    a_path_without_a_deleted_file_is_not_found: restore;
    /// Lists a folder with `deleted` after the deletion of a file. The file is an entry that is
    /// marked as deleted, and a listing without the option does not have it.
    a_listing_with_deleted_items_marks_them: list_with_deleted;
}

async fn a_restored_file_has_its_bytes(test: &TestContext) -> CaseResult {
    test.op.write("d/file", bytes(1, 100)).await?;
    test.op.delete("d/file").await?;
    assert!(!exists(&test.op, "d/file").await?);
    test.op.restore("d/file").await?;
    assert_eq!(content(&test.op, "d/file").await?, bytes(1, 100));
    assert_eq!(test.op.stat("d/file").await?.content_length(), 100);
    Ok(())
}

async fn a_file_that_exists_is_not_changed_by_a_restore(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 100)).await?;
    test.op.write("file", bytes(2, 50)).await?;
    test.op.restore("file").await?;
    assert_eq!(content(&test.op, "file").await?, bytes(2, 50));
    Ok(())
}

async fn a_path_without_a_deleted_file_is_not_found(test: &TestContext) -> CaseResult {
    expect_error(test.op.restore("missing").await, &[ErrorKind::NotFound])?;
    assert!(!exists(&test.op, "missing").await?);
    Ok(())
}

async fn a_listing_with_deleted_items_marks_them(test: &TestContext) -> CaseResult {
    test.op.write("d/kept", bytes(1, 10)).await?;
    test.op.write("d/file", bytes(2, 10)).await?;
    test.op.delete("d/file").await?;
    let entries = test.op.list_with("d/").deleted(true).await?;
    let marked = |path: &str| {
        let entry = entries.iter().find(|entry| entry.path() == path);
        entry.map(|entry| entry.metadata().is_deleted())
    };
    assert_eq!((marked("d/file"), marked("d/kept")), (Some(true), Some(false)), "{entries:?}");
    let entries = test.op.list("d/").await?;
    assert!(entries.iter().all(|entry| entry.path() != "d/file"), "{entries:?}");
    Ok(())
}
