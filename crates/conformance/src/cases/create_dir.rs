//! `create_dir`: afterwards the folder exists, whether or not it existed before.

use futures::future::try_join_all;
use opendal::{EntryMode, ErrorKind};

use crate::{
    CaseResult, TestContext, cases,
    data::{bytes, children, content, exists, mode, tree},
    expect_error,
};

cases! {
    /// Creates a folder. It exists, is listed and is empty.
    a_folder_is_created: create_dir;
    /// Creates folders whose parents do not exist. The parents are created, and existing ones are used.
    missing_parent_folders_are_created: create_dir;
    /// Creates folders that exist already. Their files stay.
    an_existing_folder_is_unchanged: create_dir;
    /// Creates the root. The call succeeds and changes nothing.
    the_root_exists: create_dir;
    /// Creates one folder by many concurrent calls. All succeed, and it exists once.
    a_folder_created_concurrently_exists_once: create_dir;
    /// Creates a folder at the path of a file. The call fails, and the file is unchanged.
    a_file_is_not_replaced_by_a_folder: create_dir;
    /// Creates folders below a file. The calls fail, and the file is unchanged.
    nothing_is_created_below_a_file: create_dir;
    /// Creates folders at the path of a file and below it. The errors are permanent, and their kind is
    /// `AlreadyExists` or `NotADirectory`.
    a_conflict_with_a_file_has_the_exact_kind: create_dir;
    /// Creates a folder by a path without a slash at its end. The result is `NotADirectory`, and
    /// nothing exists.
    a_path_without_a_slash_at_its_end_is_refused: create_dir;
    /// Writes a file and creates a folder in a new folder, immediately. Both exist.
    a_folder_can_be_written_to_at_once: create_dir;
}

async fn a_folder_is_created(test: &TestContext) -> CaseResult {
    test.op.create_dir("a/").await?;
    assert_eq!(mode(&test.op, "a/").await?, Some(EntryMode::DIR));
    assert_eq!(children(&test.op, "/").await?, ["a/"]);
    assert_eq!(children(&test.op, "a/").await?, [""; 0]);
    Ok(())
}

async fn missing_parent_folders_are_created(test: &TestContext) -> CaseResult {
    test.op.create_dir("a/b/c/").await?;
    assert_eq!(tree(&test.op, "/").await?, ["a/", "a/b/", "a/b/c/"]);
    test.op.create_dir("a/b/d/e/").await?;
    assert_eq!(tree(&test.op, "a/b/").await?, ["a/b/c/", "a/b/d/", "a/b/d/e/"]);
    Ok(())
}

async fn an_existing_folder_is_unchanged(test: &TestContext) -> CaseResult {
    test.op.write("a/b/file", bytes(1, 1000)).await?;
    for folder in ["a/", "a/b/", "a/b/"] {
        test.op.create_dir(folder).await?;
    }
    assert_eq!(content(&test.op, "a/b/file").await?, bytes(1, 1000));
    assert_eq!(children(&test.op, "a/b/").await?, ["a/b/file"]);
    Ok(())
}

async fn the_root_exists(test: &TestContext) -> CaseResult {
    test.op.create_dir("/").await?;
    assert_eq!(children(&test.op, "/").await?, [""; 0]);
    Ok(())
}

async fn a_folder_created_concurrently_exists_once(test: &TestContext) -> CaseResult {
    try_join_all((0..16).map(|_| test.op.create_dir("a/b/c/"))).await?;
    assert_eq!(tree(&test.op, "/").await?, ["a/", "a/b/", "a/b/c/"]);
    Ok(())
}

async fn a_file_is_not_replaced_by_a_folder(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    expect_error(
        test.op.create_dir("file/").await,
        &[ErrorKind::AlreadyExists, ErrorKind::NotADirectory],
    )?;
    assert_eq!(content(&test.op, "file").await?, bytes(1, 1000));
    assert_eq!(children(&test.op, "/").await?, ["file"]);
    Ok(())
}

async fn nothing_is_created_below_a_file(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    for folder in ["file/below/", "file/below/further/"] {
        expect_error(
            test.op.create_dir(folder).await,
            &[ErrorKind::NotADirectory, ErrorKind::Unexpected],
        )?;
    }
    assert_eq!(content(&test.op, "file").await?, bytes(1, 1000));
    assert_eq!(children(&test.op, "/").await?, ["file"]);
    Ok(())
}

async fn a_conflict_with_a_file_has_the_exact_kind(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    let kinds = [ErrorKind::AlreadyExists, ErrorKind::NotADirectory];
    for folder in ["file/", "file/below/"] {
        let error = expect_error(test.op.create_dir(folder).await, &kinds)?;
        assert!(!error.is_temporary(), "trying again would not help: {error}");
    }
    Ok(())
}

async fn a_path_without_a_slash_at_its_end_is_refused(test: &TestContext) -> CaseResult {
    expect_error(test.op.create_dir("a").await, &[ErrorKind::NotADirectory])?;
    assert!(!exists(&test.op, "a").await?);
    Ok(())
}

async fn a_folder_can_be_written_to_at_once(test: &TestContext) -> CaseResult {
    test.op.create_dir("a/b/").await?;
    test.op.write("a/b/file", bytes(1, 10)).await?;
    test.op.create_dir("a/b/c/").await?;
    assert_eq!(tree(&test.op, "a/").await?, ["a/b/", "a/b/c/", "a/b/file"]);
    Ok(())
}
