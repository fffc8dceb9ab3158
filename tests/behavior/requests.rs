//! Request counts: no operation sends more requests than its drive's table allows.
//!
//! The drive server counts them. "Cold": the client's cache is empty. "Warm": an earlier operation
//! has filled the cache.

use std::time::Duration;

use drivedal_server::FixtureItem;
use futures::{TryStreamExt, stream};
use opendal::Operator;

use drivedal_conformance::{
    CaseResult, TestContext, cases,
    data::{bytes, content},
    fail, skip,
};

use crate::backends::served::{case_server, drive_server};

cases! {
    a_cold_stat_three_folders_deep: drive_server;
    a_warm_stat: drive_server;
    a_stat_after_a_listing: drive_server;
    a_stat_of_a_name_missing_in_a_listing: drive_server;
    a_cold_listing_three_folders_deep: drive_server;
    a_warm_listing: drive_server;
    a_tree_of_ten_folders: drive_server;
    a_cold_read_three_folders_deep: drive_server;
    a_warm_read: drive_server;
    a_read_after_a_listing: drive_server;
    ten_reads_after_a_listing_of_everything: drive_server;
    ten_ranges_of_a_file: drive_server;
    a_cold_write_three_folders_deep: drive_server;
    a_warm_write: drive_server;
    a_write_checked_by_the_caller: drive_server;
    an_overwrite_after_a_listing: drive_server;
    ten_writes_into_two_new_folders: drive_server;
    a_cold_folder_below_three_existing_ones: drive_server, create_dir;
    three_new_folders: drive_server, create_dir;
    a_folder_that_is_known_to_exist: drive_server, create_dir;
    a_cold_removal_three_folders_deep: drive_server;
    a_removal_after_a_listing: drive_server;
    ten_removals_after_a_listing: drive_server;
    an_empty_folder_removed_after_a_listing: drive_server;
    a_tree_removed: drive_server, delete_with_recursive;
    a_missing_file_removed_after_a_listing: drive_server;
    a_new_name_after_a_listing: drive_server, rename;
    a_move_after_a_listing: drive_server, rename;
    a_move_with_a_new_name_after_a_listing: drive_server, rename;
    a_replacing_move_with_a_new_name_after_a_listing: drive_server, rename;
    a_cold_rename_three_folders_deep: drive_server, rename;
}

/// Creates three nested folders with ten files in the innermost, and an empty folder. Returns a
/// client with an empty cache.
async fn prepare(test: &TestContext) -> CaseResult<Operator> {
    let case_server = case_server(test)?;
    let files = (0..10).map(|n| FixtureItem::file(format!("a/b/c/{n}"), bytes(n, 1000)));
    let others = [FixtureItem::folder("a/b/c/empty"), FixtureItem::file("a/b/other", "x")];
    case_server.add_fixtures(files.chain(others)).await?;
    test.client(&[])
}

/// Counts the requests of an operation and compares them with the drive's table.
async fn costs(
    test: &TestContext,
    operation: impl Future<Output = opendal::Result<()>>,
) -> CaseResult {
    let (case_server, name) = (case_server(test)?, test.case);
    let control = case_server.server.control();
    control.reset_counters();
    operation.await?;
    let counters = control.counters();
    let mut rows = case_server.requests.instead.iter().chain(case_server.requests.most);
    let Some((_, most)) = rows.find(|(row, _)| *row == name) else {
        return fail(format!("{counters:?}: {name} is not in the drive's table"));
    };
    // The requests in a batch are counted one by one, so the batch itself is not.
    let total = counters.total - counters.count("graph.batch");
    if total > *most && test.started.elapsed() > Duration::from_millis(900) {
        return skip("the machine is too slow: cached metadata has expired");
    }
    if total > *most {
        return fail(format!("{most} at most, it was {counters:?}"));
    }
    Ok(())
}

/// Counts the requests of an operation; the row in the drive's table has the name of the case.
macro_rules! costs {
    ($test:ident, $operation:expr) => {
        costs($test, async {
            $operation;
            Ok(())
        })
        .await
    };
}

async fn a_cold_stat_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    costs!(test, op.stat("a/b/c/3").await?)
}

async fn a_warm_stat(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.stat("a/b/c/3").await?;
    costs!(test, op.stat("a/b/c/3").await?)
}

async fn a_stat_after_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.stat("a/b/c/3").await?)
}

async fn a_stat_of_a_name_missing_in_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, assert!(!op.exists("a/b/c/missing").await?))
}

async fn a_cold_listing_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    costs!(test, assert_eq!(op.list("a/b/c/").await?.len(), 12))
}

async fn a_warm_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.stat("a/b/c/3").await?;
    costs!(test, assert_eq!(op.list("a/b/c/").await?.len(), 12))
}

async fn a_tree_of_ten_folders(test: &TestContext) -> CaseResult {
    let case_server = case_server(test)?;
    let files = (0..30).map(|n| FixtureItem::file(format!("t/{}/{}/{n}", n % 3, n % 6), "x"));
    case_server.add_fixtures(files).await?;
    let op = test.client(&[])?;
    // t/, three folders, six folders below them, and thirty files.
    costs!(test, assert_eq!(op.list_with("t/").recursive(true).await?.len(), 40))
}

async fn a_cold_read_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    costs!(test, assert_eq!(op.read("a/b/c/3").await?.to_vec(), bytes(3, 1000)))
}

async fn a_warm_read(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    content(&op, "a/b/c/3").await?;
    costs!(test, assert_eq!(op.read("a/b/c/3").await?.to_vec(), bytes(3, 1000)))
}

async fn ten_reads_after_a_listing_of_everything(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list_with("/").recursive(true).await?;
    costs!(
        test,
        for n in 0..10 {
            op.read(&format!("a/b/c/{n}")).await?;
        }
    )
}

async fn a_read_after_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, assert_eq!(op.read("a/b/c/3").await?.to_vec(), bytes(3, 1000)))
}

async fn ten_ranges_of_a_file(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list("a/b/c/").await?;
    let reader = op.reader("a/b/c/3").await?;
    costs!(test, {
        for start in (0..1000).step_by(100) {
            assert_eq!(reader.read(start..start + 100).await?.len(), 100);
        }
    })
}

async fn a_cold_write_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    costs!(test, op.write("a/b/c/new", bytes(1, 1000)).await?)
}

async fn a_warm_write(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.write("a/b/c/new", bytes(1, 1000)).await?;
    costs!(test, op.write("a/b/c/newer", bytes(1, 1000)).await?)
}

async fn a_write_checked_by_the_caller(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.write("a/b/c/new", bytes(1, 1000)).await?;
    let announced = drivedal::announce().size(1000).deferred_check();
    costs!(test, { op.write_with("a/b/c/newer", bytes(1, 1000)).user_metadata(announced).await? })
}

async fn an_overwrite_after_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.write("a/b/c/3", bytes(1, 1000)).await?)
}

async fn ten_writes_into_two_new_folders(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    costs!(test, {
        for n in 0..10 {
            op.write(&format!("a/new/{}/{n}", n % 2), bytes(n, 1000)).await?;
        }
    })
}

async fn a_cold_folder_below_three_existing_ones(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    costs!(test, op.create_dir("a/b/c/new/").await?)
}

async fn three_new_folders(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    costs!(test, op.create_dir("x/y/z/").await?)
}

async fn a_folder_that_is_known_to_exist(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.create_dir("a/b/c/").await?)
}

async fn a_cold_removal_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    costs!(test, op.delete("a/b/c/3").await?)
}

async fn a_removal_after_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.delete("a/b/c/3").await?)
}

async fn ten_removals_after_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list("a/b/c/").await?;
    let paths = (0..10).map(|n| Ok::<_, opendal::Error>(format!("a/b/c/{n}")));
    costs!(test, op.delete_try_stream(stream::iter(paths).into_stream()).await?)
}

async fn an_empty_folder_removed_after_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.delete("a/b/c/empty/").await?)
}

async fn a_tree_removed(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    costs!(test, op.delete_with("a/").recursive(true).await?)
}

async fn a_missing_file_removed_after_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.delete("a/b/c/missing").await?)
}

async fn a_new_name_after_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.rename("a/b/c/3", "a/b/c/new").await?)
}

async fn a_move_after_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list_with("a/").recursive(true).await?;
    costs!(test, op.rename("a/b/c/3", "a/b/3").await?)
}

async fn a_move_with_a_new_name_after_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list_with("a/").recursive(true).await?;
    costs!(test, op.rename("a/b/c/3", "a/b/new").await?)
}

async fn a_replacing_move_with_a_new_name_after_a_listing(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    op.list_with("a/").recursive(true).await?;
    costs!(test, op.rename("a/b/c/3", "a/b/other").await?)
}

async fn a_cold_rename_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = prepare(test).await?;
    costs!(test, op.rename("a/b/c/3", "a/b/c/new").await?)
}
