//! `rename`: moves a whole item, or fails without any loss.

use opendal::{ErrorKind, options::RenameOptions};

use crate::{
    CaseResult, TestContext, cases,
    data::{bytes, children, content, exists, tree},
    expect_error,
};

cases! {
    /// Renames a file in its folder. Only its name changes.
    a_file_has_a_new_name: rename;
    /// Moves a file to another folder with the same name. Only its folder changes.
    a_file_is_in_another_folder: rename;
    /// Moves a file to another folder with a new name. Both change.
    a_file_has_a_new_name_in_another_folder: rename;
    /// Moves a file with a new name, where the old folder has a file of the new name and the new folder
    /// one of the old name. Both stay: a service that moves and renames by two requests must avoid
    /// conflicts between them.
    a_file_is_moved_and_renamed_despite_namesakes: rename;
    /// Moves a file into folders that do not exist. They are created.
    missing_folders_of_a_destination_are_created: rename;
    /// Renames a file to the path of another one in its folder. That file is replaced.
    a_file_replaces_a_file: rename;
    /// Moves a file with a new name to the path of another one. Only that file is replaced, although
    /// both folders have files of both names.
    a_file_replaces_a_file_in_another_folder: rename;
    /// Moves a file to a folder with a file of the same name. That file is replaced.
    a_file_of_the_same_name_is_replaced_in_another_folder: rename;
    /// Renames with `if_not_exists`. An existing destination is a `ConditionNotMatch` and changes
    /// nothing; a missing one gets the file.
    a_file_with_if_not_exists_replaces_nothing: rename_with_if_not_exists;
    /// Renames a folder with nested folders. Everything below has the new path, nothing has the old
    /// one, and items whose name begins alike stay.
    a_folder_takes_everything_below_along: rename;
    /// Moves a folder to another one with the same name. Its items move with it.
    a_folder_is_in_another_folder: rename;
    /// Moves a folder with a new name, despite folders of both names. Its items move with it.
    a_folder_has_a_new_name_in_another_folder: rename;
    /// Renames a folder to the path of a folder that has items. It fails and changes nothing.
    a_folder_does_not_replace_a_full_folder: rename, create_dir;
    /// Renames a folder to the path of a file. It fails and changes nothing.
    a_folder_does_not_replace_a_file: rename, create_dir;
    /// Renames a file to the path of a folder. It fails and changes nothing.
    a_file_does_not_replace_a_folder: rename, create_dir;
    /// Renames a file and a folder to their own paths. The result is `IsSameFile`.
    an_item_is_not_renamed_to_itself: rename;
    /// Renames a folder to paths below itself. It fails and changes nothing.
    a_folder_is_not_renamed_below_itself: rename;
    /// Moves a file to a path below another file. It fails and changes nothing.
    nothing_is_put_below_a_file: rename;
    /// Renames to paths that other items prevent. Each error is permanent, has the exact kind and names
    /// both paths.
    a_conflict_error_has_the_exact_kind: rename, create_dir;
    /// Renames missing paths. The result is `NotFound`, and nothing changes.
    a_missing_file_replaces_nothing: rename;
    /// Renames a file so that only the case of its name changes. It has the new name.
    a_name_can_change_in_case_only: rename;
    /// Renames a folder so that only the case of its name changes. It has the new name, and its items
    /// stay.
    a_folders_name_can_change_in_case_only: rename;
    /// Exchanges two files by three renames. Each has the other's path.
    two_files_can_change_places: rename;
    /// Renames a file and a folder whose metadata, listings and bytes were read before. Every later
    /// result has the new paths only.
    a_renamed_item_has_its_new_path_in_every_result: rename;
    /// Renames a file and a folder, and creates new files at the old paths. Old and new files keep
    /// their bytes.
    an_old_name_can_be_used_again: rename;
    /// Renames from and to paths with a slash at the end. The result is `IsADirectory`, and nothing
    /// changes.
    paths_with_a_slash_at_their_end_are_refused: rename, create_dir;
}

/// Creates files of 100 bytes: each path with the seed of its bytes.
///
/// # Errors
/// If a file cannot be created.
async fn create_files(test: &TestContext, files: &[(&str, u64)]) -> CaseResult {
    for (path, seed) in files {
        test.op.write(path, bytes(*seed, 100)).await?;
    }
    Ok(())
}

/// Returns every file in the root's tree, with the seed of its bytes. The seed is `u64::MAX` if its
/// bytes are none of the case's.
///
/// # Errors
/// If the tree or a file cannot be read.
async fn files(test: &TestContext) -> CaseResult<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for path in tree(&test.op, "/").await? {
        if !path.ends_with('/') {
            let read = content(&test.op, &path).await?;
            let seed = (0..100).find(|seed| bytes(*seed, 100) == read);
            files.push((path, seed.unwrap_or(u64::MAX)));
        }
    }
    Ok(files)
}

/// Returns the files in the form of [`files`].
fn owned(files: &[(&str, u64)]) -> Vec<(String, u64)> {
    files.iter().map(|(path, seed)| (path.to_string(), *seed)).collect()
}

/// Creates the files `before`, renames one item, and verifies that the files are `after`, also for
/// another client.
///
async fn check_rename(
    test: &TestContext,
    before: &[(&str, u64)],
    from: &str,
    to: &str,
    after: &[(&str, u64)],
) -> CaseResult {
    create_files(test, before).await?;
    test.op.rename(from, to).await?;
    assert_eq!(files(test).await?, owned(after));
    // Another client must see the same.
    if test.op.info().capability().shared {
        let other = test.client(&[])?;
        assert!(exists(&other, to).await?, "another client does not see {to}");
        assert_eq!(tree(&other, "/").await?, tree(&test.op, "/").await?);
    }
    Ok(())
}

/// Kinds of errors for an item at the destination. `a_conflict_error_has_the_exact_kind` requires
/// the exact one.
const CONFLICT_KINDS: [ErrorKind; 5] = [
    ErrorKind::AlreadyExists,
    ErrorKind::Conflict,
    ErrorKind::IsADirectory,
    ErrorKind::NotADirectory,
    ErrorKind::Unexpected,
];

/// Creates the files `before`, and verifies that a rename fails with one of these kinds and changes
/// nothing.
///
async fn check_failed_rename(
    test: &TestContext,
    before: &[(&str, u64)],
    from: &str,
    to: &str,
    kinds: &[ErrorKind],
) -> CaseResult {
    create_files(test, before).await?;
    let there = tree(&test.op, "/").await?;
    expect_error(test.op.rename(from, to).await, kinds)?;
    let mut before = owned(before);
    before.sort();
    assert_eq!(files(test).await?, before);
    assert_eq!(tree(&test.op, "/").await?, there);
    Ok(())
}

async fn a_file_has_a_new_name(test: &TestContext) -> CaseResult {
    check_rename(test, &[("a/x", 1), ("a/z", 2)], "a/x", "a/y", &[("a/y", 1), ("a/z", 2)]).await
}

async fn a_file_is_in_another_folder(test: &TestContext) -> CaseResult {
    check_rename(test, &[("a/x", 1), ("b/z", 2)], "a/x", "b/x", &[("b/x", 1), ("b/z", 2)]).await
}

async fn a_file_has_a_new_name_in_another_folder(test: &TestContext) -> CaseResult {
    check_rename(test, &[("a/x", 1), ("b/z", 2)], "a/x", "b/y", &[("b/y", 1), ("b/z", 2)]).await
}

async fn a_file_is_moved_and_renamed_despite_namesakes(test: &TestContext) -> CaseResult {
    let before = [("a/x", 1), ("a/y", 2), ("b/x", 3)];
    check_rename(test, &before, "a/x", "b/y", &[("a/y", 2), ("b/x", 3), ("b/y", 1)]).await
}

async fn missing_folders_of_a_destination_are_created(test: &TestContext) -> CaseResult {
    check_rename(test, &[("x", 1)], "x", "a/b/c/y", &[("a/b/c/y", 1)]).await
}

async fn a_file_replaces_a_file(test: &TestContext) -> CaseResult {
    check_rename(test, &[("a/x", 1), ("a/y", 2)], "a/x", "a/y", &[("a/y", 1)]).await
}

async fn a_file_replaces_a_file_in_another_folder(test: &TestContext) -> CaseResult {
    let before = [("a/x", 1), ("a/y", 2), ("b/x", 3), ("b/y", 4)];
    check_rename(test, &before, "a/x", "b/y", &[("a/y", 2), ("b/x", 3), ("b/y", 1)]).await
}

async fn a_file_of_the_same_name_is_replaced_in_another_folder(test: &TestContext) -> CaseResult {
    check_rename(test, &[("a/x", 1), ("b/x", 2)], "a/x", "b/x", &[("b/x", 1)]).await
}

async fn a_file_with_if_not_exists_replaces_nothing(test: &TestContext) -> CaseResult {
    create_files(test, &[("x", 1), ("y", 2)]).await?;
    let only_new = || RenameOptions { if_not_exists: true };
    let refusal = test.op.rename_options("x", "y", only_new()).await;
    expect_error(refusal, &[ErrorKind::ConditionNotMatch])?;
    assert_eq!(files(test).await?, owned(&[("x", 1), ("y", 2)]));
    test.op.rename_options("x", "z", only_new()).await?;
    assert_eq!(files(test).await?, owned(&[("y", 2), ("z", 1)]));
    Ok(())
}

async fn a_folder_takes_everything_below_along(test: &TestContext) -> CaseResult {
    let before = [("d/x", 1), ("d/e/y", 2), ("d/e/f/z", 3), ("d2/x", 4), ("dd", 5)];
    let after = [("d2/x", 4), ("dd", 5), ("new/e/f/z", 3), ("new/e/y", 2), ("new/x", 1)];
    check_rename(test, &before, "d", "new", &after).await?;
    for path in ["d", "d/", "d/x", "d/e/", "d/e/y"] {
        assert!(!exists(&test.op, path).await?, "{path} is still there");
    }
    Ok(())
}

async fn a_folder_is_in_another_folder(test: &TestContext) -> CaseResult {
    check_rename(test, &[("d/x", 1), ("e/y", 2)], "d", "e/d", &[("e/d/x", 1), ("e/y", 2)]).await
}

async fn a_folder_has_a_new_name_in_another_folder(test: &TestContext) -> CaseResult {
    let before = [("a/d/x", 1), ("a/n/y", 2), ("b/d/z", 3)];
    check_rename(test, &before, "a/d", "b/n", &[("a/n/y", 2), ("b/d/z", 3), ("b/n/x", 1)]).await
}

async fn a_folder_does_not_replace_a_full_folder(test: &TestContext) -> CaseResult {
    check_failed_rename(test, &[("d/x", 1), ("e/y", 2)], "d", "e", &CONFLICT_KINDS).await
}

async fn a_folder_does_not_replace_a_file(test: &TestContext) -> CaseResult {
    check_failed_rename(test, &[("d/x", 1), ("e", 2)], "d", "e", &CONFLICT_KINDS).await
}

async fn a_file_does_not_replace_a_folder(test: &TestContext) -> CaseResult {
    check_failed_rename(test, &[("d/x", 1), ("e", 2)], "e", "d", &CONFLICT_KINDS).await
}

async fn an_item_is_not_renamed_to_itself(test: &TestContext) -> CaseResult {
    check_failed_rename(test, &[("d/x", 1)], "d/x", "d/x", &[ErrorKind::IsSameFile]).await?;
    check_failed_rename(test, &[("d/x", 1)], "d", "d", &[ErrorKind::IsSameFile]).await
}

async fn a_folder_is_not_renamed_below_itself(test: &TestContext) -> CaseResult {
    let before = [("d/x", 1), ("d/e/y", 2)];
    check_failed_rename(test, &before, "d", "d/e/d", &CONFLICT_KINDS).await?;
    check_failed_rename(test, &before, "d", "d/new", &CONFLICT_KINDS).await
}

async fn nothing_is_put_below_a_file(test: &TestContext) -> CaseResult {
    check_failed_rename(test, &[("x", 1), ("y", 2)], "x", "y/x", &CONFLICT_KINDS).await
}

async fn a_conflict_error_has_the_exact_kind(test: &TestContext) -> CaseResult {
    create_files(test, &[("d/x", 1), ("e/y", 2), ("file", 3)]).await?;
    use ErrorKind::{AlreadyExists, Conflict, IsADirectory, NotADirectory};
    for (from, to, kinds) in [
        ("d", "e", [AlreadyExists, Conflict, IsADirectory]),
        ("d", "file", [AlreadyExists, Conflict, NotADirectory]),
        ("file", "d", [AlreadyExists, Conflict, IsADirectory]),
        ("file", "file/below", [NotADirectory, Conflict, Conflict]),
        ("d/x", "file/x", [NotADirectory; 3]),
        ("d", "d/below", [Conflict; 3]),
    ] {
        let error = expect_error(test.op.rename(from, to).await, &kinds)?;
        assert!(!error.is_temporary(), "trying again would not help: {error}");
        let text = error.to_string();
        assert!(text.contains(from) && text.contains(to), "{from} to {to}, not named: {text}");
    }
    Ok(())
}

async fn a_missing_file_replaces_nothing(test: &TestContext) -> CaseResult {
    check_failed_rename(test, &[("x", 1)], "missing", "x", &[ErrorKind::NotFound]).await?;
    expect_error(test.op.rename("missing/below", "a/b").await, &[ErrorKind::NotFound])?;
    assert_eq!(tree(&test.op, "/").await?, ["x"]);
    Ok(())
}

async fn a_name_can_change_in_case_only(test: &TestContext) -> CaseResult {
    check_rename(
        test,
        &[("a/read.me", 1), ("b", 2)],
        "a/read.me",
        "a/READ.me",
        &[("a/READ.me", 1), ("b", 2)],
    )
    .await
}

async fn a_folders_name_can_change_in_case_only(test: &TestContext) -> CaseResult {
    check_rename(test, &[("docs/x", 1), ("e/y", 2)], "docs", "Docs", &[("Docs/x", 1), ("e/y", 2)])
        .await
}

async fn two_files_can_change_places(test: &TestContext) -> CaseResult {
    create_files(test, &[("a/x", 1), ("b/y", 2)]).await?;
    for (from, to) in [("a/x", "aside"), ("b/y", "a/x"), ("aside", "b/y")] {
        test.op.rename(from, to).await?;
    }
    assert_eq!(files(test).await?, owned(&[("a/x", 2), ("b/y", 1)]));
    Ok(())
}

async fn a_renamed_item_has_its_new_path_in_every_result(test: &TestContext) -> CaseResult {
    create_files(test, &[("a/x", 1), ("a/d/y", 2)]).await?;
    // These results must not be served from a cache afterwards.
    tree(&test.op, "a/").await?;
    for path in ["a/x", "a/d/y"] {
        test.op.stat(path).await?;
        content(&test.op, path).await?;
    }
    assert!(!exists(&test.op, "b/x").await?);
    test.op.rename("a/x", "b/x").await?;
    test.op.rename("a/d", "b/e").await?;
    for path in ["a/x", "a/d/y", "a/d/"] {
        expect_error(test.op.stat(path).await, &[ErrorKind::NotFound])?;
    }
    expect_error(test.op.read("a/x").await, &[ErrorKind::NotFound])?;
    assert_eq!(children(&test.op, "a/").await?, [""; 0]);
    assert_eq!(tree(&test.op, "b/").await?, ["b/e/", "b/e/y", "b/x"]);
    assert_eq!(test.op.stat("b/x").await?.content_length(), 100);
    assert_eq!(content(&test.op, "b/e/y").await?, bytes(2, 100));
    Ok(())
}

async fn an_old_name_can_be_used_again(test: &TestContext) -> CaseResult {
    create_files(test, &[("d/x", 1)]).await?;
    test.op.rename("d/x", "d/y").await?;
    create_files(test, &[("d/x", 2)]).await?;
    test.op.rename("d", "e").await?;
    create_files(test, &[("d/x", 3)]).await?;
    assert_eq!(files(test).await?, owned(&[("d/x", 3), ("e/x", 2), ("e/y", 1)]));
    Ok(())
}

async fn paths_with_a_slash_at_their_end_are_refused(test: &TestContext) -> CaseResult {
    test.op.create_dir("d/").await?;
    test.op.write("x", bytes(1, 10)).await?;
    for (from, to) in [("d/", "e"), ("d", "e/"), ("x", "d/")] {
        expect_error(test.op.rename(from, to).await, &[ErrorKind::IsADirectory])?;
    }
    assert_eq!(tree(&test.op, "/").await?, ["d/", "x"]);
    Ok(())
}
