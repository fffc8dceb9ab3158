//! `stat`: metadata of a path.

use std::time::Duration;

use opendal::{EntryMode, ErrorKind, raw::Timestamp};

use crate::{
    CaseResult, TestContext, cases,
    data::{bytes, mode},
    expect_error, fail, skip,
};

cases! {
    /// Calls `stat` of a file. The metadata has its kind and size.
    a_file_has_its_size_and_is_a_file;
    /// Calls `stat` of an empty file. The metadata says that it is a file of size 0.
    an_empty_file_has_size_zero: write_can_empty;
    /// Calls `stat` of a folder. The metadata says that it is one.
    a_folder_is_a_folder: create_dir;
    /// Calls `stat` of a folder without the slash at its end. The metadata says that it is a folder.
    a_folder_is_found_without_its_slash: create_dir;
    /// Calls `stat` of a file with a slash at its end. The result is `NotFound` or `NotADirectory`.
    a_file_is_not_found_as_a_folder;
    /// Calls `stat` of the root, as `/` and as an empty path. Both are a folder.
    the_root_is_a_folder;
    /// Calls `stat` of missing paths. The result is a permanent `NotFound` that names the path.
    a_missing_item_is_not_found;
    /// Calls `stat` of paths below a file. The result is `NotFound` or `NotADirectory`.
    nothing_is_below_a_file;
    /// Writes a file in nested folders that do not exist. `stat` finds each of them.
    a_write_creates_its_parent_folders;
    /// Calls `stat` of a new file. Its modification time is within a minute of now.
    a_file_has_a_modification_time;
    /// Overwrites a file with more and fewer bytes. `stat` returns each new size.
    an_overwritten_file_has_its_new_size;
    /// Overwrites a file. Its etag changes.
    other_bytes_have_another_etag;
    /// Calls `stat` of a file twice, the second time by another client where clients share the drive.
    /// The etag is the same.
    unchanged_bytes_keep_their_etag;
}

async fn a_file_has_its_size_and_is_a_file(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1234)).await?;
    let metadata = test.op.stat("file").await?;
    assert_eq!((metadata.mode(), metadata.content_length()), (EntryMode::FILE, 1234));
    Ok(())
}

async fn an_empty_file_has_size_zero(test: &TestContext) -> CaseResult {
    test.op.write("empty", "").await?;
    let metadata = test.op.stat("empty").await?;
    assert_eq!((metadata.mode(), metadata.content_length()), (EntryMode::FILE, 0));
    Ok(())
}

async fn a_folder_is_a_folder(test: &TestContext) -> CaseResult {
    test.op.create_dir("folder/").await?;
    assert_eq!(test.op.stat("folder/").await?.mode(), EntryMode::DIR);
    Ok(())
}

async fn a_folder_is_found_without_its_slash(test: &TestContext) -> CaseResult {
    test.op.create_dir("folder/").await?;
    assert_eq!(test.op.stat("folder").await?.mode(), EntryMode::DIR);
    Ok(())
}

async fn a_file_is_not_found_as_a_folder(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    expect_error(test.op.stat("file/").await, &[ErrorKind::NotFound, ErrorKind::NotADirectory])?;
    Ok(())
}

async fn the_root_is_a_folder(test: &TestContext) -> CaseResult {
    assert_eq!(test.op.stat("/").await?.mode(), EntryMode::DIR);
    assert_eq!(test.op.stat("").await?.mode(), EntryMode::DIR);
    Ok(())
}

async fn a_missing_item_is_not_found(test: &TestContext) -> CaseResult {
    for path in ["missing", "missing/", "missing/below", "missing/below/further/"] {
        let error = expect_error(test.op.stat(path).await, &[ErrorKind::NotFound])?;
        assert!(error.to_string().contains(path), "does not name the path {path}: {error}");
        assert!(!error.is_temporary(), "trying again would not help: {error}");
    }
    Ok(())
}

async fn nothing_is_below_a_file(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    for path in ["file/below", "file/below/", "file/below/further"] {
        expect_error(test.op.stat(path).await, &[ErrorKind::NotFound, ErrorKind::NotADirectory])?;
    }
    Ok(())
}

async fn a_write_creates_its_parent_folders(test: &TestContext) -> CaseResult {
    test.op.write("a/b/c/file", bytes(1, 10)).await?;
    for folder in ["a/", "a/b/", "a/b/c/"] {
        assert_eq!(mode(&test.op, folder).await?, Some(EntryMode::DIR), "{folder}");
    }
    Ok(())
}

async fn a_file_has_a_modification_time(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let Some(modified) = test.op.stat("file").await?.last_modified() else {
        return fail("it does not");
    };
    // Clocks of clouds are slightly wrong, and some truncate fractions of a second.
    let slack = Duration::from_secs(60);
    let now = Timestamp::now();
    assert!(now - slack <= modified && modified <= now + slack, "{modified} at {now}");
    Ok(())
}

async fn an_overwritten_file_has_its_new_size(test: &TestContext) -> CaseResult {
    for len in [1000, 10, 5000] {
        test.op.write("file", bytes(len as u64, len)).await?;
        assert_eq!(test.op.stat("file").await?.content_length(), len as u64);
    }
    Ok(())
}

/// # Errors
/// `Failed` if the promise is not kept; `Skipped` if the service has no etags.
async fn other_bytes_have_another_etag(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let before = test.op.stat("file").await?;
    test.op.write("file", bytes(2, 11)).await?;
    let after = test.op.stat("file").await?;
    match (before.etag(), after.etag()) {
        (None, None) => skip("not offered: etags"),
        (before, after) => {
            assert_ne!(before, after);
            Ok(())
        }
    }
}

/// # Errors
/// `Failed` if the promise is not kept; `Skipped` if the service has no etags.
async fn unchanged_bytes_keep_their_etag(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 10)).await?;
    let first = test.op.stat("file").await?;
    let second = test.client(&[])?.stat("file").await;
    let second = match test.op.info().capability().shared {
        true => second?,
        false => test.op.stat("file").await?,
    };
    if first.etag().is_none() {
        return skip("not offered: etags");
    }
    assert_eq!(first.etag(), second.etag());
    Ok(())
}
