//! Concurrent calls: every result is one that a single caller could have had.

use futures::{
    StreamExt, TryStreamExt,
    future::{join_all, try_join_all},
    stream,
};

use crate::{
    CaseResult, TestContext, allow_error, cases,
    data::{bytes, children, content, exists, retrying, tree},
    fail,
};

cases! {
    /// Writes different bytes to one path concurrently. Some writes may fail, but not all; the file has
    /// the bytes of exactly one writer.
    one_of_many_concurrent_writers_wins_completely;
    /// Writes different bytes to one path concurrently, four times. Every write succeeds.
    every_concurrent_writer_to_a_path_succeeds;
    /// Writes to one path from several clients concurrently. The file has the bytes of exactly one
    /// client, and its folders exist once.
    one_of_many_concurrent_clients_wins_completely: shared;
    /// Writes to one missing path concurrently, each time only if it does not exist. Exactly one write
    /// succeeds, and the file has its bytes.
    one_of_many_writers_makes_a_file_that_was_missing: write_with_if_not_exists;
    /// Writes 40 files concurrently into folders that do not exist. All files exist, and nothing
    /// besides them and their folders.
    folders_that_many_writers_need_are_created_once;
    /// Writes from several clients concurrently into a folder that does not exist. Each of its parents
    /// exists once, and all files exist.
    folders_that_many_clients_need_are_created_once: shared;
    /// Overwrites some files, deletes others and creates new ones, all concurrently. Each file has the
    /// state that its own call leaves.
    writers_and_removers_of_many_files_do_not_disturb_each_other;
    /// Reads a file while it is overwritten again and again. Every read returns one whole version.
    a_read_of_an_overwritten_file_is_complete;
    /// Renames one file to many paths concurrently. At least one rename succeeds, and the file has
    /// exactly one of the new paths.
    one_of_many_renames_of_a_file_wins: rename;
    /// Renames many files concurrently into a folder that does not exist. All arrive with their bytes.
    many_renames_into_a_folder_all_arrive: rename;
    /// Lists a folder while files are added to it. Each listing has the file that existed before, and
    /// no entry twice.
    a_folder_that_grows_is_listed_without_repeats;
    /// Reads the files of a folder during its rename, by the old path or the new one. A successful read
    /// returns the right bytes, and all files are in the renamed folder at the end.
    a_folder_renamed_while_it_is_read_loses_nothing: rename;
}

/// The number of concurrent callers.
const MANY: u64 = 12;

/// Returns the bytes that writer `n` writes. Every version has another size.
fn version(n: u64) -> Vec<u8> {
    bytes(n, 1000 + 500 * n as usize)
}

/// Returns the number of the [`version`] that the file at this path has, as a new client reads it
/// where clients share the drive. Verifies that its metadata has the same size.
///
/// # Errors
/// `Failed` if its bytes are of no version, or of a part of one.
async fn winning_version(test: &TestContext, path: &str) -> CaseResult<u64> {
    let op = test.client(&[])?;
    let op = if op.info().capability().shared { &op } else { &test.op };
    let read = content(op, path).await?;
    assert_eq!(op.stat(path).await?.content_length(), read.len() as u64);
    match (0..100).find(|n| version(*n) == read) {
        Some(n) => Ok(n),
        None => fail(format!("{} bytes that nobody wrote", read.len())),
    }
}

async fn one_of_many_concurrent_writers_wins_completely(test: &TestContext) -> CaseResult {
    let written = join_all((0..MANY).map(|n| test.op.write("a/file", version(n)))).await;
    assert!(written.into_iter().filter_map(allow_error).count() > 0, "nobody has written it");
    winning_version(test, "a/file").await?;
    assert_eq!(children(&test.op, "a/").await?, ["a/file"]);
    Ok(())
}

async fn every_concurrent_writer_to_a_path_succeeds(test: &TestContext) -> CaseResult {
    for _ in 0..4 {
        try_join_all((0..MANY).map(|n| test.op.write("a/file", version(n)))).await?;
    }
    Ok(())
}

async fn one_of_many_concurrent_clients_wins_completely(test: &TestContext) -> CaseResult {
    let clients = (0..MANY).map(|_| test.client(&[])).collect::<CaseResult<Vec<_>>>()?;
    let written = clients.iter().zip(0..).map(|(op, n)| op.write("a/b/file", version(n)));
    let written = join_all(written).await;
    assert!(written.into_iter().filter_map(allow_error).count() > 0, "nobody has written it");
    winning_version(test, "a/b/file").await?;
    assert_eq!(tree(&test.client(&[])?, "/").await?, ["a/", "a/b/", "a/b/file"]);
    Ok(())
}

async fn one_of_many_writers_makes_a_file_that_was_missing(test: &TestContext) -> CaseResult {
    let written = join_all(
        (0..MANY).map(async |n| test.op.write_with("file", version(n)).if_not_exists(true).await),
    )
    .await;
    let winners: Vec<_> =
        (0..MANY).zip(written).filter_map(|(n, one)| allow_error(one).map(|_| n)).collect();
    assert_eq!(winners.len(), 1, "{winners:?} all succeeded");
    assert_eq!(winning_version(test, "file").await?, winners[0]);
    Ok(())
}

async fn folders_that_many_writers_need_are_created_once(test: &TestContext) -> CaseResult {
    let paths: Vec<_> = (0..40).map(|n| format!("a/{}/c/{n:02}", n % 2)).collect();
    try_join_all(paths.iter().map(|path| test.op.write(path, "x"))).await?;
    let mut expected = vec!["a/".into(), "a/0/".into(), "a/0/c/".into()];
    expected.extend(["a/1/".to_owned(), "a/1/c/".to_owned()]);
    expected.extend(paths);
    expected.sort();
    let folders_and_files = tree(&test.op, "/").await?;
    let files: Vec<_> = expected.iter().filter(|path| !path.ends_with('/')).collect();
    assert_eq!(folders_and_files.iter().filter(|path| !path.ends_with('/')).count(), files.len());
    assert!(folders_and_files.iter().all(|path| expected.contains(path)), "{folders_and_files:?}");
    Ok(())
}

async fn folders_that_many_clients_need_are_created_once(test: &TestContext) -> CaseResult {
    let clients = (0..MANY).map(|_| test.client(&[])).collect::<CaseResult<Vec<_>>>()?;
    let paths: Vec<_> = (0..MANY).map(|n| format!("a/b/c/{n:02}")).collect();
    let written = clients.iter().zip(&paths).map(|(op, path)| op.write(path, "x"));
    try_join_all(written).await?;
    let observer = test.client(&[])?;
    assert_eq!(children(&observer, "/").await?, ["a/"]);
    assert_eq!(children(&observer, "a/").await?, ["a/b/"]);
    assert_eq!(children(&observer, "a/b/").await?, ["a/b/c/"]);
    assert_eq!(children(&observer, "a/b/c/").await?, paths);
    Ok(())
}

async fn writers_and_removers_of_many_files_do_not_disturb_each_other(
    test: &TestContext,
) -> CaseResult {
    let path = |n: u64| format!("a/{}/{n}", n % 3);
    try_join_all((0..30).map(async |n| test.op.write(&path(n), version(n % 5)).await)).await?;
    try_join_all((0..60).map(async |n| match n % 2 {
        0 if n < 30 => test.op.delete(&path(n)).await,
        _ => test.op.write(&path(n), version(n % 7)).await.map(drop),
    }))
    .await?;
    for n in 0..60 {
        let is_removed = n % 2 == 0 && n < 30;
        assert_eq!(exists(&test.op, &path(n)).await?, !is_removed, "{}", path(n));
        if !is_removed {
            assert_eq!(content(&test.op, &path(n)).await?, version(n % 7), "{}", path(n));
        }
    }
    Ok(())
}

async fn a_read_of_an_overwritten_file_is_complete(test: &TestContext) -> CaseResult {
    let version = |n: u64| bytes(n, 100_000);
    test.op.write("file", version(0)).await?;
    let writing = async {
        for n in 1..10 {
            test.op.write("file", version(n)).await?;
        }
        CaseResult::Ok(())
    };
    // A drive may need a retry if the file changes between two requests of a read.
    let retrying = retrying(&test.op);
    let reading = async {
        for _ in 0..20 {
            let read = retrying.read_with("file").range(0..100_000).await?.to_vec();
            assert!((0..10).any(|n| version(n) == read), "bytes of two versions");
        }
        CaseResult::Ok(())
    };
    futures::try_join!(writing, reading)?;
    Ok(())
}

async fn one_of_many_renames_of_a_file_wins(test: &TestContext) -> CaseResult {
    test.op.write("a/file", version(1)).await?;
    let targets: Vec<_> = (0..MANY).map(|n| format!("b/{n}")).collect();
    let renamed = join_all(targets.iter().map(|to| test.op.rename("a/file", to))).await;
    let done = renamed.into_iter().filter_map(allow_error).count();
    assert!(done >= 1, "no rename succeeded");
    assert!(!exists(&test.op, "a/file").await?);
    let there = children(&test.op, "b/").await?;
    assert_eq!(there.len(), 1, "{there:?}");
    assert_eq!(winning_version(test, &there[0]).await?, 1);
    Ok(())
}

async fn many_renames_into_a_folder_all_arrive(test: &TestContext) -> CaseResult {
    for n in 0..MANY {
        test.op.write(&format!("from/{n:02}"), version(n)).await?;
    }
    let renames = (0..MANY).map(async |n| {
        let (from, to) = (format!("from/{n:02}"), format!("to/below/{n:02}"));
        test.op.rename(&from, &to).await
    });
    try_join_all(renames).await?;
    let arrived: Vec<_> = (0..MANY).map(|n| format!("to/below/{n:02}")).collect();
    assert_eq!(children(&test.op, "to/below/").await?, arrived);
    assert_eq!(children(&test.op, "to/").await?, ["to/below/"]);
    for n in 0..MANY {
        assert_eq!(winning_version(test, &arrived[n as usize]).await?, n);
    }
    Ok(())
}

async fn a_folder_that_grows_is_listed_without_repeats(test: &TestContext) -> CaseResult {
    test.op.write("a/first", "x").await?;
    let growing = async {
        let paths: Vec<_> = (0..60).map(|n| format!("a/{n}")).collect();
        let writes = paths.iter().map(|path| test.op.write(path, "x"));
        stream::iter(writes).buffer_unordered(4).try_collect::<Vec<_>>().await?;
        CaseResult::Ok(())
    };
    let listing = async {
        for _ in 0..10 {
            let mut shown = children(&test.op, "a/").await?;
            assert!(shown.contains(&"a/first".to_owned()), "an existing entry is missing");
            let all = shown.len();
            shown.dedup();
            assert_eq!(shown.len(), all, "an entry twice");
        }
        CaseResult::Ok(())
    };
    futures::try_join!(growing, listing)?;
    assert_eq!(children(&test.op, "a/").await?.len(), 61);
    Ok(())
}

async fn a_folder_renamed_while_it_is_read_loses_nothing(test: &TestContext) -> CaseResult {
    for n in 0..10 {
        test.op.write(&format!("a/{n}"), version(n)).await?;
    }
    let reading = async {
        for n in 0..10 {
            let (old, new) = (format!("a/{n}"), format!("b/{n}"));
            let read = match allow_error(test.op.read(&old).await) {
                Some(read) => Some(read),
                None => allow_error(test.op.read(&new).await),
            };
            if let Some(read) = read {
                assert!(read.to_vec() == version(n), "{n}: other bytes");
            }
        }
        CaseResult::Ok(())
    };
    let renaming = async { CaseResult::Ok(test.op.rename("a", "b").await?) };
    futures::try_join!(reading, renaming)?;
    for n in 0..10 {
        assert!(content(&test.op, &format!("b/{n}")).await? == version(n), "{n}: other bytes");
    }
    assert!(!exists(&test.op, "a/").await?);
    Ok(())
}
