//! `copy`: the same bytes at two paths.

use opendal::{ErrorKind, options::CopyOptions};

use crate::{
    CaseResult, TestContext, cases,
    data::{bytes, children, content, exists, mode},
    expect_error,
};

cases! {
    /// Copies a file within a folder and into another one. Source and destination have the bytes, and
    /// nothing else exists.
    a_file_is_at_both_paths: copy;
    /// Copies an empty file. The copy exists and is empty.
    an_empty_file_is_at_both_paths: copy, write_can_empty;
    /// Overwrites and then deletes the source of a copy. The copy keeps its bytes.
    a_copy_is_a_file_of_its_own: copy;
    /// Copies a file into folders that do not exist. They are created.
    missing_folders_of_a_destination_are_created: copy;
    /// Copies a file to paths of larger files, in the same folder and in another one. Each has the new
    /// bytes and the new size.
    a_file_replaces_a_file: copy;
    /// Copies with `if_not_exists`. An existing destination is a `ConditionNotMatch` and keeps its
    /// bytes; a missing one is created.
    a_file_with_if_not_exists_replaces_nothing: copy_with_if_not_exists;
    /// Copies a missing file. The result is `NotFound`, and the destinations are unchanged.
    a_missing_file_replaces_nothing: copy;
    /// Copies a file to its own path. The result is `IsSameFile`, and the file keeps its bytes.
    a_file_is_not_copied_onto_itself: copy;
    /// Copies a file to the path of a folder, without a slash at its end and with one. Both fail, and
    /// the folder keeps its items.
    a_file_does_not_replace_a_folder: copy, create_dir;
    /// Copies a file. The metadata of the result has its size.
    a_copy_returns_its_metadata: copy;
}

async fn a_file_is_at_both_paths(test: &TestContext) -> CaseResult {
    for (from, to) in [("a/x", "a/y"), ("a/x", "b/x"), ("a/x", "b/y")] {
        test.op.write(from, bytes(1, 100_000)).await?;
        test.op.copy(from, to).await?;
        assert!(content(&test.op, from).await? == bytes(1, 100_000), "{from} has other bytes");
        assert!(content(&test.op, to).await? == bytes(1, 100_000), "{to} has other bytes");
    }
    assert_eq!(children(&test.op, "a/").await?, ["a/x", "a/y"]);
    assert_eq!(children(&test.op, "b/").await?, ["b/x", "b/y"]);
    Ok(())
}

async fn an_empty_file_is_at_both_paths(test: &TestContext) -> CaseResult {
    test.op.write("x", "").await?;
    test.op.copy("x", "y").await?;
    assert_eq!(content(&test.op, "y").await?, b"");
    Ok(())
}

async fn a_copy_is_a_file_of_its_own(test: &TestContext) -> CaseResult {
    test.op.write("x", bytes(1, 100)).await?;
    test.op.copy("x", "y").await?;
    test.op.write("x", bytes(2, 50)).await?;
    assert_eq!(content(&test.op, "y").await?, bytes(1, 100));
    test.op.delete("x").await?;
    assert_eq!(content(&test.op, "y").await?, bytes(1, 100));
    Ok(())
}

async fn missing_folders_of_a_destination_are_created(test: &TestContext) -> CaseResult {
    test.op.write("x", bytes(1, 100)).await?;
    test.op.copy("x", "a/b/y").await?;
    assert_eq!(content(&test.op, "a/b/y").await?, bytes(1, 100));
    Ok(())
}

async fn a_file_replaces_a_file(test: &TestContext) -> CaseResult {
    test.op.write("a/x", bytes(1, 100)).await?;
    for to in ["a/y", "b/x", "b/y"] {
        test.op.write(to, bytes(2, 5000)).await?;
        test.op.copy("a/x", to).await?;
        assert_eq!(content(&test.op, to).await?, bytes(1, 100), "{to}");
        assert_eq!(test.op.stat(to).await?.content_length(), 100, "{to}");
    }
    Ok(())
}

async fn a_file_with_if_not_exists_replaces_nothing(test: &TestContext) -> CaseResult {
    test.op.write("x", bytes(1, 100)).await?;
    test.op.write("y", bytes(2, 100)).await?;
    let only_new = || CopyOptions { if_not_exists: true, ..Default::default() };
    expect_error(
        test.op.copy_options("x", "y", only_new()).await,
        &[ErrorKind::ConditionNotMatch],
    )?;
    assert_eq!(content(&test.op, "y").await?, bytes(2, 100));
    test.op.copy_options("x", "z", only_new()).await?;
    assert_eq!(content(&test.op, "z").await?, bytes(1, 100));
    Ok(())
}

async fn a_missing_file_replaces_nothing(test: &TestContext) -> CaseResult {
    test.op.write("y", bytes(2, 100)).await?;
    expect_error(test.op.copy("missing", "y").await, &[ErrorKind::NotFound])?;
    expect_error(test.op.copy("missing", "z").await, &[ErrorKind::NotFound])?;
    assert_eq!(content(&test.op, "y").await?, bytes(2, 100));
    assert!(!exists(&test.op, "z").await?);
    Ok(())
}

async fn a_file_is_not_copied_onto_itself(test: &TestContext) -> CaseResult {
    test.op.write("x", bytes(1, 100)).await?;
    expect_error(test.op.copy("x", "x").await, &[ErrorKind::IsSameFile])?;
    assert_eq!(content(&test.op, "x").await?, bytes(1, 100));
    Ok(())
}

async fn a_file_does_not_replace_a_folder(test: &TestContext) -> CaseResult {
    test.op.write("x", bytes(1, 100)).await?;
    test.op.write("d/y", bytes(2, 100)).await?;
    expect_error(test.op.copy("x", "d").await, &[ErrorKind::IsADirectory, ErrorKind::Unexpected])?;
    expect_error(test.op.copy("x", "d/").await, &[ErrorKind::IsADirectory])?;
    assert_eq!(content(&test.op, "d/y").await?, bytes(2, 100));
    assert!(mode(&test.op, "d/").await?.is_some_and(|mode| mode.is_dir()));
    Ok(())
}

async fn a_copy_returns_its_metadata(test: &TestContext) -> CaseResult {
    test.op.write("x", bytes(1, 1234)).await?;
    assert_eq!(test.op.copy("x", "y").await?.content_length(), 1234);
    Ok(())
}
