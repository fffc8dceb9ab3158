//! Callers that drop the future of a verb.

use std::time::Duration;

use drivedal::drive::{ByteRange, IfExists, Item, ItemUpdate, Retry, WriteOptions};
use tokio::time::{Instant, sleep, timeout};

use super::{
    access::{DriveAccess, access, by_id},
    requirements::a_drive,
};
use crate::{CaseResult, TestContext, cases, data::bytes, fail};

/// The delays after which a future is dropped, in microseconds.
const DELAYS: [u64; 6] = [0, 300, 1000, 2000, 4000, 8000];

/// The time in which the work of a dropped call must end.
const SETTLED: Duration = Duration::from_secs(20);

cases! {
    /// Drops uploads of a file after various delays. The file always has one whole version.
    a_dropped_upload_leaves_the_old_file_or_the_new_one: a_drive;
    /// Drops moves of a file between two folders after various delays. The file is always in exactly
    /// one of them.
    a_dropped_move_leaves_the_item_in_one_of_the_folders: a_drive;
    /// Drops creations of a folder after various delays, and then creates it. The folder exists once.
    a_dropped_folder_creation_leaves_at_most_one_folder: a_drive;
}

async fn a_dropped_upload_leaves_the_old_file_or_the_new_one(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let versions: Vec<_> = (0..=DELAYS.len() as u64).map(|seed| bytes(seed, 100_000)).collect();
    access.file(&place, "file", &versions[0]).await?;
    for (delay, content) in DELAYS.iter().zip(&versions[1..]) {
        let options = WriteOptions::default();
        let upload = access.upload(&place, "file", content, &options);
        // An error is no failure: another upload may still be at work.
        drop(timeout(Duration::from_micros(*delay), upload).await);
        let left = content_meanwhile(access, &place, "file").await?;
        assert!(versions.contains(&left), "{} bytes of no version", left.len());
    }
    assert_eq!(access.names(&place).await?, ["file"]);
    Ok(())
}

/// Returns the content of a file that a dropped upload may still replace. A download that fails
/// temporarily, because its version is gone, is repeated with the new version.
///
/// # Errors
/// `Failed` if the file is missing or cannot be read, or is still replaced after [`SETTLED`].
async fn content_meanwhile(access: &DriveAccess, folder: &Item, name: &str) -> CaseResult<Vec<u8>> {
    let deadline = Instant::now() + SETTLED;
    loop {
        let Some(file) = access.child(folder, name).await? else {
            return fail("the file is missing");
        };
        match access.try_range(&file, ByteRange::Full).await {
            Err(error) if error.retry() != Retry::No && Instant::now() < deadline => {}
            result => return Ok(result?.1),
        }
    }
}

/// Waits until two folders together have exactly one item, which has this name.
///
/// # Errors
/// `Failed` if that takes longer than [`SETTLED`], or a listing fails.
async fn expect_one_of(access: &DriveAccess, folders: [&Item; 2], name: &str) -> CaseResult {
    let deadline = Instant::now() + SETTLED;
    loop {
        let mut names = access.names(folders[0]).await?;
        names.extend(access.names(folders[1]).await?);
        if names == [name] {
            return Ok(());
        }
        if Instant::now() > deadline {
            return fail(format!("{names:?} instead of {name:?}"));
        }
        // The drive has no event for the end of a call whose future was dropped.
        sleep(Duration::from_millis(5)).await;
    }
}

async fn a_dropped_move_leaves_the_item_in_one_of_the_folders(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let (a, b) = (access.folder(&place, "a").await?, access.folder(&place, "b").await?);
    access.file(&a, "file", b"content").await?;
    for delay in DELAYS {
        expect_one_of(access, [&a, &b], "file").await?;
        let (file, target) = match access.child(&a, "file").await? {
            Some(file) => (file, &b),
            None => match access.child(&b, "file").await? {
                Some(file) => (file, &a),
                // The previous move has taken effect between the two requests.
                None => continue,
            },
        };
        let mut update = ItemUpdate::default();
        (update.folder, update.if_exists) = (Some(by_id(target)), IfExists::Fail);
        drop(timeout(Duration::from_micros(delay), access.update(&file, &update)).await);
    }
    expect_one_of(access, [&a, &b], "file").await
}

async fn a_dropped_folder_creation_leaves_at_most_one_folder(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    for delay in DELAYS {
        drop(timeout(Duration::from_micros(delay), access.folder(&place, "folder")).await);
    }
    // The last call has no timeout: it either creates the folder, or finds it.
    access.folder(&place, "folder").await.err();
    assert_eq!(access.names(&place).await?, ["folder"]);
    Ok(())
}
