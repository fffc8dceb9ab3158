//! `list`: a folder's items, its whole tree, and the paths with a prefix.

use futures::{StreamExt, TryStreamExt, stream};
use opendal::{EntryMode, ErrorKind};

use crate::{
    CaseResult, TestContext, cases,
    data::{bytes, children, exists, tree},
    expect_error,
};

cases! {
    /// Lists a folder. The result has the items directly in it, and neither deeper ones nor items
    /// beside it.
    a_folder_shows_its_items_and_no_more;
    /// Lists the root, as `/` and as an empty path. Both results have the items directly in it.
    the_root_shows_its_items;
    /// Lists a folder, with and without everything below. The result has the folder itself.
    a_listing_of_a_folder_has_the_folder: create_dir;
    /// Lists an empty folder, with and without everything below. The result has only the folder itself.
    a_listing_of_an_empty_folder_has_only_the_folder: create_dir;
    /// Lists missing paths, with and without everything below. The results are empty.
    a_listing_of_a_missing_folder_is_empty;
    /// Lists the path of a file with a slash at its end, and a path below the file. The result is empty
    /// or `NotADirectory`.
    a_file_shows_nothing_below_it;
    /// Lists a tree with metadata. Kinds and sizes are those of `stat`, and so are modification times
    /// and etags where both have them.
    entries_agree_with_stat: create_dir;
    /// Lists the root recursively. The result has all files, at every depth.
    a_tree_shows_everything_below;
    /// Lists a tree recursively, and each of its folders alone. Both show the same files.
    a_recursive_listing_agrees_with_those_of_its_folders: list_with_recursive;
    /// Lists a tree recursively whose folders only writes created. The result has these folders.
    a_tree_has_folders_that_a_write_created;
    /// Lists a tree of empty folders recursively. The result has all of them.
    a_tree_shows_empty_folders: create_dir;
    /// Lists a folder recursively. Items whose path only begins alike are not in the result.
    a_tree_of_a_folder_shows_nothing_beside_it;
    /// Lists beginnings of names, in the root and in a folder. The results have the items whose path
    /// begins so, and nothing below them.
    a_prefix_lists_paths_with_that_prefix;
    /// Lists the path of a folder without a slash at its end. The result has the folder, not its items,
    /// and other folders whose name begins so.
    a_prefix_that_is_a_folder_shows_the_folder_not_its_items;
    /// Lists the path of a file. The result has the file, and others whose name begins so.
    a_prefix_of_a_file_shows_the_file;
    /// Lists the beginning of a name in a nested folder. The result has the items whose path begins so.
    a_prefix_below_a_folder_lists_paths_with_that_prefix;
    /// Lists the beginning of a name in a missing folder, with and without everything below. The
    /// results are empty.
    a_prefix_in_a_missing_folder_shows_nothing;
    /// Lists the beginning of names recursively. The result has the items whose path begins so, and
    /// everything below them.
    a_recursive_listing_of_a_prefix_has_everything_below_its_paths;
    /// Lists ten files with limits below, at and above their number. Each result has all ten.
    a_limit_is_of_pages_not_of_the_listing: list_with_limit;
    /// Lists a folder after the path of one of its files, and a tree. The entries are those after it, in
    /// the order of their paths.
    a_listing_after_a_path_has_the_paths_after_it_in_order: list_with_start_after;
    /// Reads a recursive listing entry by entry. Each entry appears once, and the lister stays at its
    /// end.
    a_lister_gives_every_entry_once;
    /// Drops listings after some of their entries. A later listing is complete.
    a_listing_that_is_dropped_half_way_harms_nothing;
    /// Lists a folder of 2000 files. The result has all of them, and the listing of a prefix has those
    /// that begin so.
    two_thousand_children_are_all_listed;
    /// Creates, lists and deletes a tree of twenty nested folders. Every call reaches the deepest file.
    a_tree_twenty_deep_is_shown_and_removed: delete_with_recursive;
    /// Lists names with characters that URLs escape. Each listed path is accepted by `stat`, and has a
    /// slash at its end exactly if it is a folder.
    listed_paths_are_the_paths_of_the_items;
}

/// Creates a folder for each path with a slash at its end, and a file for each other path. The
/// bytes of a file depend on the length of its path.
///
/// # Errors
/// If an item cannot be created.
async fn create_items(test: &TestContext, paths: &[&str]) -> CaseResult {
    for path in paths {
        match path.ends_with('/') {
            true => test.op.create_dir(path).await?,
            false => drop(test.op.write(path, bytes(path.len() as u64, path.len())).await?),
        }
    }
    Ok(())
}

async fn a_folder_shows_its_items_and_no_more(test: &TestContext) -> CaseResult {
    create_items(test, &["a/one", "a/two", "a/b/three", "a/b/c/four", "ab", "aa/five", "z"])
        .await?;
    assert_eq!(children(&test.op, "a/").await?, ["a/b/", "a/one", "a/two"]);
    Ok(())
}

async fn the_root_shows_its_items(test: &TestContext) -> CaseResult {
    create_items(test, &["one", "a/two", "b/c/three"]).await?;
    assert_eq!(children(&test.op, "/").await?, ["a/", "b/", "one"]);
    assert_eq!(children(&test.op, "").await?, ["a/", "b/", "one"]);
    Ok(())
}

async fn a_listing_of_a_folder_has_the_folder(test: &TestContext) -> CaseResult {
    create_items(test, &["a/", "a/one"]).await?;
    for recursive in [false, true] {
        let entries = test.op.list_with("a/").recursive(recursive).await?;
        let mut shown: Vec<_> = entries.iter().map(|entry| entry.path()).collect();
        shown.sort();
        assert_eq!(shown, ["a/", "a/one"]);
    }
    Ok(())
}

async fn a_listing_of_an_empty_folder_has_only_the_folder(test: &TestContext) -> CaseResult {
    create_items(test, &["a/", "ab"]).await?;
    for recursive in [false, true] {
        let entries = test.op.list_with("a/").recursive(recursive).await?;
        let shown: Vec<_> = entries.iter().map(|entry| entry.path()).collect();
        assert_eq!(shown, ["a/"]);
    }
    Ok(())
}

async fn a_listing_of_a_missing_folder_is_empty(test: &TestContext) -> CaseResult {
    create_items(test, &["a/one"]).await?;
    for path in ["missing/", "a/missing/", "missing/below/", "missing", "a/missing"] {
        assert!(test.op.list(path).await?.is_empty(), "{path}");
        assert!(test.op.list_with(path).recursive(true).await?.is_empty(), "{path}, its tree");
    }
    Ok(())
}

async fn a_file_shows_nothing_below_it(test: &TestContext) -> CaseResult {
    create_items(test, &["file"]).await?;
    for path in ["file/", "file/below/"] {
        match test.op.list(path).await {
            Ok(entries) => assert!(entries.is_empty(), "{path}"),
            refusal => drop(expect_error(refusal, &[ErrorKind::NotADirectory])?),
        }
    }
    Ok(())
}

async fn entries_agree_with_stat(test: &TestContext) -> CaseResult {
    create_items(test, &["a/", "a/one", "a/b/", "a/b/two"]).await?;
    for entry in test.op.list_with("a/").recursive(true).await? {
        let stat = test.op.stat(entry.path()).await?;
        let listed = entry.metadata();
        assert_eq!(listed.mode(), stat.mode(), "{}", entry.path());
        assert_eq!(listed.content_length(), stat.content_length(), "{}", entry.path());
        // A listing may have less metadata, but not different metadata.
        if let (Some(listed), Some(stat)) = (listed.last_modified(), stat.last_modified()) {
            assert_eq!(listed, stat, "{}", entry.path());
        }
        if let (Some(listed), Some(stat)) = (listed.etag(), stat.etag()) {
            assert_eq!(listed, stat, "{}", entry.path());
        }
    }
    Ok(())
}

async fn a_tree_shows_everything_below(test: &TestContext) -> CaseResult {
    let paths = ["a/one", "a/two", "b/three", "b/c/four", "b/c/d/five", "six"];
    create_items(test, &paths).await?;
    let files: Vec<_> =
        tree(&test.op, "/").await?.into_iter().filter(|path| !path.ends_with('/')).collect();
    assert_eq!(files, ["a/one", "a/two", "b/c/d/five", "b/c/four", "b/three", "six"]);
    Ok(())
}

async fn a_recursive_listing_agrees_with_those_of_its_folders(test: &TestContext) -> CaseResult {
    create_items(test, &["a/one", "a/b/two", "a/b/three", "a/b/c/four", "a/d/five"]).await?;
    let all = tree(&test.op, "a/").await?;
    for folder in ["a/", "a/b/", "a/b/c/", "a/d/"] {
        let files =
            children(&test.op, folder).await?.into_iter().filter(|path| !path.ends_with('/'));
        let listed = all.iter().filter(|path| {
            path.strip_prefix(folder).is_some_and(|name| !name.is_empty() && !name.contains('/'))
        });
        assert_eq!(files.collect::<Vec<_>>(), listed.cloned().collect::<Vec<_>>(), "{folder}");
    }
    Ok(())
}

async fn a_tree_has_folders_that_a_write_created(test: &TestContext) -> CaseResult {
    create_items(test, &["a/b/c/file", "a/d/file"]).await?;
    assert_eq!(tree(&test.op, "a/").await?, ["a/b/", "a/b/c/", "a/b/c/file", "a/d/", "a/d/file"]);
    Ok(())
}

async fn a_tree_shows_empty_folders(test: &TestContext) -> CaseResult {
    create_items(test, &["a/", "a/b/", "a/b/c/", "a/d/"]).await?;
    assert_eq!(tree(&test.op, "a/").await?, ["a/b/", "a/b/c/", "a/d/"]);
    Ok(())
}

async fn a_tree_of_a_folder_shows_nothing_beside_it(test: &TestContext) -> CaseResult {
    create_items(test, &["p/", "p/x", "pq", "p2/", "p2/y", "o"]).await?;
    assert_eq!(tree(&test.op, "p/").await?, ["p/x"]);
    Ok(())
}

async fn a_prefix_lists_paths_with_that_prefix(test: &TestContext) -> CaseResult {
    create_items(test, &["alpha/", "alpha/in", "alps", "al", "beta", "Bal/", "b/alpine"]).await?;
    assert_eq!(children(&test.op, "al").await?, ["al", "alpha/", "alps"]);
    assert_eq!(children(&test.op, "alp").await?, ["alpha/", "alps"]);
    assert_eq!(children(&test.op, "alpha/i").await?, ["alpha/in"]);
    Ok(())
}

async fn a_prefix_that_is_a_folder_shows_the_folder_not_its_items(
    test: &TestContext,
) -> CaseResult {
    create_items(test, &["a/one", "a/b/two", "ab/three", "b"]).await?;
    assert_eq!(children(&test.op, "a").await?, ["a/", "ab/"]);
    Ok(())
}

async fn a_prefix_of_a_file_shows_the_file(test: &TestContext) -> CaseResult {
    create_items(test, &["a/one", "a/one-more", "a/two"]).await?;
    assert_eq!(children(&test.op, "a/one").await?, ["a/one", "a/one-more"]);
    assert_eq!(children(&test.op, "a/two").await?, ["a/two"]);
    Ok(())
}

async fn a_prefix_below_a_folder_lists_paths_with_that_prefix(test: &TestContext) -> CaseResult {
    create_items(test, &["a/b/cd", "a/b/ce/f", "a/b/d", "a/bc"]).await?;
    assert_eq!(children(&test.op, "a/b/c").await?, ["a/b/cd", "a/b/ce/"]);
    Ok(())
}

async fn a_prefix_in_a_missing_folder_shows_nothing(test: &TestContext) -> CaseResult {
    create_items(test, &["a/one"]).await?;
    assert!(test.op.list("missing/o").await?.is_empty());
    assert!(test.op.list_with("missing/o").recursive(true).await?.is_empty());
    Ok(())
}

async fn a_recursive_listing_of_a_prefix_has_everything_below_its_paths(
    test: &TestContext,
) -> CaseResult {
    create_items(test, &["p/", "p/x", "p/d/", "p/d/y", "pq", "p2/", "p2/z", "q/p"]).await?;
    assert_eq!(tree(&test.op, "p").await?, ["p/", "p/d/", "p/d/y", "p/x", "p2/", "p2/z", "pq"]);
    Ok(())
}

async fn a_limit_is_of_pages_not_of_the_listing(test: &TestContext) -> CaseResult {
    let paths: Vec<_> = (0..10).map(|n| format!("a/{n}")).collect();
    create_items(test, &paths.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    for limit in [1, 3, 10, 1000] {
        let entries = test.op.list_with("a/").limit(limit).await?;
        let shown = entries.iter().filter(|entry| entry.path() != "a/").count();
        assert_eq!(shown, 10, "with a limit of {limit}");
    }
    Ok(())
}

async fn a_lister_gives_every_entry_once(test: &TestContext) -> CaseResult {
    let paths: Vec<_> = (0..40).map(|n| format!("a/{}/{n}", n % 4)).collect();
    create_items(test, &paths.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let mut lister = test.op.lister_with("a/").recursive(true).await?;
    let mut shown = Vec::new();
    while let Some(entry) = lister.try_next().await? {
        assert!(!shown.contains(&entry.path().to_owned()), "{} twice", entry.path());
        shown.push(entry.path().to_owned());
    }
    assert_eq!(shown.iter().filter(|path| !path.ends_with('/')).count(), 40);
    // The lister stays at its end.
    assert!(lister.try_next().await?.is_none());
    Ok(())
}

async fn a_listing_that_is_dropped_half_way_harms_nothing(test: &TestContext) -> CaseResult {
    create_items(test, &["a/b/one", "a/c/two", "a/three"]).await?;
    for taken in 0..4 {
        let lister = test.op.lister_with("a/").recursive(true).await?;
        lister.take(taken).try_collect::<Vec<_>>().await?;
    }
    let files: Vec<_> =
        tree(&test.op, "a/").await?.into_iter().filter(|path| !path.ends_with('/')).collect();
    assert_eq!(files, ["a/b/one", "a/c/two", "a/three"]);
    Ok(())
}

async fn two_thousand_children_are_all_listed(test: &TestContext) -> CaseResult {
    let mut paths: Vec<_> = (0..2000).map(|n| format!("many/{n:04}")).collect();
    match test.bulk_write() {
        Some(write) => {
            write(paths.iter().map(|path| (path.clone(), b"x".to_vec())).collect()).await?;
        }
        None => {
            let writes = paths.iter().map(|path| test.op.write(path, "x"));
            stream::iter(writes).buffer_unordered(16).try_collect::<Vec<_>>().await?;
        }
    }
    paths.sort();
    assert_eq!(children(&test.op, "many/").await?, paths);
    assert_eq!(children(&test.op, "many/199").await?, paths[1990..]);
    Ok(())
}

async fn a_tree_twenty_deep_is_shown_and_removed(test: &TestContext) -> CaseResult {
    let mut folder = String::new();
    let mut expected = Vec::new();
    for depth in 1..=20 {
        folder += &format!("depth-{depth}/");
        expected.push(folder.clone());
    }
    let file = format!("{folder}file");
    test.op.write(&file, bytes(1, 10)).await?;
    expected.push(file.clone());
    assert_eq!(tree(&test.op, "/").await?, expected);
    assert_eq!(test.op.stat(&file).await?.content_length(), 10);
    test.op.delete_with("depth-1/").recursive(true).await?;
    assert_eq!(tree(&test.op, "/").await?, [""; 0]);
    Ok(())
}

async fn listed_paths_are_the_paths_of_the_items(test: &TestContext) -> CaseResult {
    create_items(test, &["Ä b/ç#%&+'.txt", "Ä b/d e/f", "100%/+"]).await?;
    for entry in test.op.list_with("/").recursive(true).await? {
        assert_eq!(entry.path().ends_with('/'), entry.metadata().mode() == EntryMode::DIR);
        assert!(exists(&test.op, entry.path()).await?, "{}", entry.path());
    }
    Ok(())
}

async fn a_listing_after_a_path_has_the_paths_after_it_in_order(test: &TestContext) -> CaseResult {
    create_items(test, &["d/c", "d/a", "d/e/x", "d/b", "d/d", "z"]).await?;
    let listed = test.op.list_with("d/").start_after("d/b").await?;
    let paths: Vec<_> = listed.iter().map(opendal::Entry::path).collect();
    assert_eq!(paths, ["d/c", "d/d", "d/e/"]);
    let none = test.op.list_with("d/").start_after("d/z").await?;
    assert!(none.is_empty(), "{none:?}");
    if test.op.info().capability().list_with_recursive {
        let listed = test.op.list_with("d/").recursive(true).start_after("d/d").await?;
        let paths: Vec<_> = listed.iter().map(opendal::Entry::path).collect();
        assert_eq!(paths, ["d/e/", "d/e/x"]);
    }
    Ok(())
}
