//! `delete`: removes the named item and nothing else.

use futures::stream;
use opendal::{EntryMode, ErrorKind, options::DeleteOptions};

use crate::{
    CaseResult, TestContext, allow_error, cases,
    data::{bytes, children, content, exists, mode, tree},
    expect_error,
};

cases! {
    /// Deletes a file. Files with similar names and in other folders stay.
    a_file_is_removed_and_nothing_beside_it;
    /// Deletes missing paths, and a file twice. Every call succeeds.
    removing_a_missing_item_succeeds;
    /// Deletes an empty folder. It does not exist any more, and a folder whose name begins alike stays.
    an_empty_folder_is_removed: create_dir;
    /// Deletes the path of a folder without the slash at its end. Whatever the result is, the folder
    /// stays.
    an_empty_folder_without_its_slash_stays: create_dir;
    /// Deletes the path of a folder without the slash at its end. The result is `IsADirectory`.
    an_empty_folder_without_its_slash_is_refused: create_dir;
    /// Deletes folders that have items, not recursively. Whatever the result is, their files keep their
    /// bytes.
    a_full_folder_stays: create_dir;
    /// Deletes a folder that has items, not recursively. The result is a permanent `Conflict`, and
    /// without the slash at the path's end a permanent `IsADirectory`.
    a_full_folder_is_refused: create_dir;
    /// Deletes the path of a file with a slash at its end. Whatever the result is, the file stays.
    a_file_with_a_slash_stays;
    /// Deletes paths below a file. Whatever the result is, the file stays.
    nothing_below_a_file_is_removed_already;
    /// Deletes a folder recursively. Neither it nor anything below it exists.
    a_tree_is_removed_with_everything_below: delete_with_recursive;
    /// Deletes a folder recursively, by a path without a slash at its end. Neither it nor anything
    /// below it exists.
    a_tree_without_its_slash_is_removed_with_everything_below: delete_with_recursive;
    /// Deletes a folder recursively, by a path without a slash at its end. All items outside it stay,
    /// also those whose path begins alike.
    a_removal_of_a_tree_keeps_names_with_its_prefix: delete_with_recursive;
    /// Deletes a folder recursively, by a path with a slash at its end. All files outside it stay, also
    /// those whose path begins alike.
    a_removal_of_a_tree_by_its_slash_path_keeps_names_with_its_prefix: delete_with_recursive;
    /// Deletes a file recursively. Items whose name begins alike stay.
    a_recursive_removal_of_a_file_keeps_names_with_its_prefix: delete_with_recursive;
    /// Deletes missing paths recursively. Every call succeeds and changes nothing.
    a_missing_tree_is_removed_already: delete_with_recursive;
    /// Deletes, recursively, paths that are only the beginning of existing names. All items stay.
    a_prefix_of_names_is_not_a_tree: delete_with_recursive;
    /// Deletes 50 of 60 files by one stream of paths. The other 10 stay.
    many_are_removed_at_once;
    /// Deletes several paths at once, some of them missing and one given twice. The call succeeds, and
    /// the others stay.
    many_are_removed_with_the_missing_and_the_repeated_among_them;
    /// Deletes several paths at once, among them a folder that has items. Whatever the result is, its
    /// file stays.
    a_full_folder_among_many_stays: create_dir;
    /// Writes, reads and deletes one path repeatedly. Each read returns the new bytes.
    a_removed_item_can_be_recreated;
    /// Deletes a folder recursively and creates it again. It is empty, and can be written to.
    a_recreated_folder_is_empty: create_dir, delete_with_recursive;
    /// Deletes the only file of a folder. The folder stays.
    the_folder_of_a_removed_file_stays: create_dir;
    /// Deletes a file whose metadata, listing and bytes were read before. No later result has it.
    a_removed_file_is_missing_in_every_result;
    /// Deletes a file with `if_match`. With its previous etag the result is `ConditionNotMatch`, and the
    /// file stays; with the current one it is removed.
    a_file_is_removed_only_in_the_required_state: delete_with_if_match;
}

async fn a_file_is_removed_and_nothing_beside_it(test: &TestContext) -> CaseResult {
    for path in ["a/file", "a/file2", "a/fil", "b/file"] {
        test.op.write(path, bytes(1, 10)).await?;
    }
    test.op.delete("a/file").await?;
    assert_eq!(children(&test.op, "a/").await?, ["a/fil", "a/file2"]);
    assert_eq!(children(&test.op, "b/").await?, ["b/file"]);
    Ok(())
}

async fn removing_a_missing_item_succeeds(test: &TestContext) -> CaseResult {
    test.op.write("a/file", bytes(1, 10)).await?;
    for path in ["missing", "missing/", "missing/below", "a/missing", "a/missing/"] {
        test.op.delete(path).await?;
    }
    test.op.delete("a/file").await?;
    test.op.delete("a/file").await?;
    Ok(())
}

async fn an_empty_folder_is_removed(test: &TestContext) -> CaseResult {
    test.op.create_dir("a/").await?;
    test.op.create_dir("ab/").await?;
    test.op.delete("a/").await?;
    assert!(!exists(&test.op, "a/").await?);
    assert_eq!(children(&test.op, "/").await?, ["ab/"]);
    Ok(())
}

async fn an_empty_folder_without_its_slash_stays(test: &TestContext) -> CaseResult {
    test.op.create_dir("a/").await?;
    allow_error(test.op.delete("a").await);
    assert_eq!(mode(&test.op, "a/").await?, Some(EntryMode::DIR));
    Ok(())
}

async fn an_empty_folder_without_its_slash_is_refused(test: &TestContext) -> CaseResult {
    test.op.create_dir("a/").await?;
    expect_error(test.op.delete("a").await, &[ErrorKind::IsADirectory])?;
    Ok(())
}

async fn a_full_folder_stays(test: &TestContext) -> CaseResult {
    test.op.create_dir("p/").await?;
    test.op.write("p/x", bytes(1, 10)).await?;
    test.op.write("p/d/y", bytes(2, 10)).await?;
    for path in ["p", "p/", "p/d", "p/d/"] {
        allow_error(test.op.delete(path).await);
        assert_eq!(content(&test.op, "p/x").await?, bytes(1, 10), "after delete {path}");
        assert_eq!(content(&test.op, "p/d/y").await?, bytes(2, 10), "after delete {path}");
    }
    Ok(())
}

async fn a_full_folder_is_refused(test: &TestContext) -> CaseResult {
    test.op.create_dir("p/").await?;
    test.op.write("p/x", bytes(1, 10)).await?;
    let error = expect_error(test.op.delete("p").await, &[ErrorKind::IsADirectory])?;
    assert!(!error.is_temporary(), "trying again would not help: {error}");
    let error = expect_error(test.op.delete("p/").await, &[ErrorKind::Conflict])?;
    assert!(!error.is_temporary(), "trying again would not help: {error}");
    Ok(())
}

async fn a_file_with_a_slash_stays(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    allow_error(test.op.delete("file/").await);
    assert_eq!(content(&test.op, "file").await?, bytes(1, 10));
    Ok(())
}

async fn nothing_below_a_file_is_removed_already(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    for path in ["file/below", "file/below/"] {
        allow_error(test.op.delete(path).await);
        assert_eq!(content(&test.op, "file").await?, bytes(1, 10));
    }
    Ok(())
}

/// Creates the folder `p` with items below it, and the items [`BESIDE_P`], whose paths only have a
/// part in common with it.
///
/// # Errors
/// If an item cannot be created.
async fn create_names_with_prefix(test: &TestContext) -> CaseResult {
    if test.op.info().capability().create_dir {
        test.op.create_dir("p/").await?;
        test.op.create_dir("p/empty/").await?;
    }
    for path in ["p/x", "p/d/y", "p/d/e/z", "pq", "p2/y", "p.txt", "o/p"] {
        test.op.write(path, bytes(1, 10)).await?;
    }
    Ok(())
}

/// The paths that remain when everything of [`create_names_with_prefix`] in `p` is removed.
const BESIDE_P: [&str; 6] = ["o/", "o/p", "p.txt", "p2/", "p2/y", "pq"];

async fn a_tree_is_removed_with_everything_below(test: &TestContext) -> CaseResult {
    create_names_with_prefix(test).await?;
    test.op.delete_with("p/").recursive(true).await?;
    for path in ["p/", "p", "p/x", "p/d/", "p/d/y", "p/d/e/z", "p/empty/"] {
        assert!(!exists(&test.op, path).await?, "{path} is still there");
    }
    assert!(test.op.list_with("p/").recursive(true).await?.is_empty());
    Ok(())
}

async fn a_tree_without_its_slash_is_removed_with_everything_below(
    test: &TestContext,
) -> CaseResult {
    create_names_with_prefix(test).await?;
    test.op.delete_with("p").recursive(true).await?;
    for path in ["p/", "p", "p/x", "p/d/", "p/d/y", "p/d/e/z", "p/empty/"] {
        assert!(!exists(&test.op, path).await?, "{path} is still there");
    }
    assert!(test.op.list_with("p/").recursive(true).await?.is_empty());
    Ok(())
}

async fn a_removal_of_a_tree_keeps_names_with_its_prefix(test: &TestContext) -> CaseResult {
    create_names_with_prefix(test).await?;
    test.op.delete_with("p").recursive(true).await?;
    assert_eq!(tree(&test.op, "/").await?, BESIDE_P);
    Ok(())
}

async fn a_removal_of_a_tree_by_its_slash_path_keeps_names_with_its_prefix(
    test: &TestContext,
) -> CaseResult {
    create_names_with_prefix(test).await?;
    test.op.delete_with("p/").recursive(true).await?;
    let files: Vec<_> =
        tree(&test.op, "/").await?.into_iter().filter(|path| !path.ends_with('/')).collect();
    assert_eq!(files, ["o/p", "p.txt", "p2/y", "pq"]);
    Ok(())
}

async fn a_recursive_removal_of_a_file_keeps_names_with_its_prefix(
    test: &TestContext,
) -> CaseResult {
    for path in ["file", "file2", "file.txt", "files/one"] {
        test.op.write(path, bytes(1, 10)).await?;
    }
    test.op.delete_with("file").recursive(true).await?;
    assert_eq!(children(&test.op, "/").await?, ["file.txt", "file2", "files/"]);
    Ok(())
}

async fn a_missing_tree_is_removed_already(test: &TestContext) -> CaseResult {
    test.op.write("a/file", bytes(1, 10)).await?;
    for path in ["missing", "missing/", "a/missing", "a/missing/", "missing/below/"] {
        test.op.delete_with(path).recursive(true).await?;
    }
    assert_eq!(children(&test.op, "a/").await?, ["a/file"]);
    Ok(())
}

async fn a_prefix_of_names_is_not_a_tree(test: &TestContext) -> CaseResult {
    test.op.write("alpha", bytes(1, 10)).await?;
    test.op.write("alps/one", bytes(1, 10)).await?;
    test.op.delete_with("al").recursive(true).await?;
    test.op.delete_with("alps/o").recursive(true).await?;
    assert_eq!(children(&test.op, "/").await?, ["alpha", "alps/"]);
    assert_eq!(children(&test.op, "alps/").await?, ["alps/one"]);
    Ok(())
}

async fn many_are_removed_at_once(test: &TestContext) -> CaseResult {
    let paths: Vec<_> = (0..60).map(|n| format!("{}/{n}", n % 3)).collect();
    for path in &paths {
        test.op.write(path, "x").await?;
    }
    test.op.delete_stream(stream::iter(paths[..50].to_vec())).await?;
    let files: Vec<_> =
        tree(&test.op, "/").await?.into_iter().filter(|path| !path.ends_with('/')).collect();
    let mut left = paths[50..].to_vec();
    left.sort();
    assert_eq!(files, left);
    Ok(())
}

async fn many_are_removed_with_the_missing_and_the_repeated_among_them(
    test: &TestContext,
) -> CaseResult {
    for path in ["a/one", "a/two", "a/three"] {
        test.op.write(path, "x").await?;
    }
    let paths = ["a/one", "missing", "a/two", "a/one", "missing/", "a/missing/below"];
    test.op.delete_iter(paths.map(str::to_owned)).await?;
    assert_eq!(children(&test.op, "a/").await?, ["a/three"]);
    Ok(())
}

async fn a_full_folder_among_many_stays(test: &TestContext) -> CaseResult {
    for path in ["one", "two", "full/x"] {
        test.op.write(path, "x").await?;
    }
    let paths = ["one", "full", "full/", "two"];
    allow_error(test.op.delete_iter(paths.map(str::to_owned)).await);
    assert_eq!(content(&test.op, "full/x").await?, b"x");
    Ok(())
}

async fn a_removed_item_can_be_recreated(test: &TestContext) -> CaseResult {
    for seed in 1..4 {
        test.op.write("a/file", bytes(seed, 100 * seed as usize)).await?;
        assert_eq!(content(&test.op, "a/file").await?, bytes(seed, 100 * seed as usize));
        test.op.delete("a/file").await?;
        assert!(!exists(&test.op, "a/file").await?);
    }
    Ok(())
}

async fn a_recreated_folder_is_empty(test: &TestContext) -> CaseResult {
    test.op.write("a/b/file", bytes(1, 10)).await?;
    test.op.delete_with("a/").recursive(true).await?;
    test.op.create_dir("a/").await?;
    assert_eq!(tree(&test.op, "a/").await?, [""; 0]);
    assert!(!exists(&test.op, "a/b/file").await?);
    test.op.write("a/b/other", bytes(1, 10)).await?;
    assert_eq!(tree(&test.op, "a/").await?, ["a/b/", "a/b/other"]);
    Ok(())
}

async fn the_folder_of_a_removed_file_stays(test: &TestContext) -> CaseResult {
    test.op.write("a/b/file", bytes(1, 10)).await?;
    test.op.delete("a/b/file").await?;
    assert_eq!(tree(&test.op, "/").await?, ["a/", "a/b/"]);
    Ok(())
}

async fn a_removed_file_is_missing_in_every_result(test: &TestContext) -> CaseResult {
    test.op.write("a/file", bytes(1, 10)).await?;
    test.op.write("a/other", bytes(2, 10)).await?;
    // These results must not be served from a cache afterwards.
    test.op.stat("a/file").await?;
    test.op.list("a/").await?;
    content(&test.op, "a/file").await?;
    test.op.delete("a/file").await?;
    expect_error(test.op.stat("a/file").await, &[ErrorKind::NotFound])?;
    expect_error(test.op.read("a/file").await, &[ErrorKind::NotFound])?;
    assert_eq!(children(&test.op, "a/").await?, ["a/other"]);
    assert_eq!(children(&test.op, "a/f").await?, [""; 0]);
    Ok(())
}

async fn a_file_is_removed_only_in_the_required_state(test: &TestContext) -> CaseResult {
    test.op.write("file", "1").await?;
    let old = test.op.stat("file").await?.etag().map(str::to_owned);
    test.op.write("file", "22").await?;
    let new = test.op.stat("file").await?.etag().map(str::to_owned);
    let required = |if_match| DeleteOptions { if_match, ..DeleteOptions::default() };
    let refused = test.op.delete_options("file", required(old)).await;
    expect_error(refused, &[ErrorKind::ConditionNotMatch])?;
    assert_eq!(content(&test.op, "file").await?, b"22");
    test.op.delete_options("file", required(new)).await?;
    assert!(!exists(&test.op, "file").await?);
    Ok(())
}
