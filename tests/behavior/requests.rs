//! Requests are the cost: no operation takes more of them than its drive's table says.
//!
//! Counted by the drive server. "Cold": the client knows nothing yet. "Warm": it has just done
//! something that told it the way.

use std::time::Duration;

use drivedal_server::FixtureItem;
use futures::{TryStreamExt, stream};
use opendal::Operator;

use drivedal_conformance::{
    CaseResult, TestContext, cases,
    data::{bytes, content},
    fail, skip,
};

use crate::backends::served::{drive_server, station};

cases! {
    a_cold_look_three_folders_deep: drive_server;
    a_warm_look: drive_server;
    a_look_after_a_listing: drive_server;
    a_look_for_what_a_listing_did_not_show: drive_server;
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
    a_cold_folder_below_three_that_are_there: drive_server, create_dir;
    three_new_folders: drive_server, create_dir;
    a_folder_that_is_known_to_be_there: drive_server, create_dir;
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

/// Three folders with ten files in the innermost, and one empty folder; a client that knows nothing.
async fn planted(test: &TestContext) -> CaseResult<Operator> {
    let station = station(test)?;
    let files = (0..10).map(|n| FixtureItem::file(format!("a/b/c/{n}"), bytes(n, 1000)));
    let others = [FixtureItem::folder("a/b/c/empty"), FixtureItem::file("a/b/other", "x")];
    station.add_fixtures(files.chain(others)).await?;
    test.client(&[])
}

/// Counts what an operation asks for, and holds it against the drive's table.
async fn costs(
    test: &TestContext,
    operation: impl Future<Output = opendal::Result<()>>,
) -> CaseResult {
    let (station, name) = (station(test)?, test.case);
    let control = station.server.control();
    control.reset_counters();
    operation.await?;
    let asked = control.counters();
    let mut rows = station.requests.instead.iter().chain(station.requests.most);
    let Some((_, most)) = rows.find(|(row, _)| *row == name) else {
        return fail(format!("{asked:?}: {name} is not in the drive's table"));
    };
    if asked.total > *most && test.started.elapsed() > Duration::from_millis(900) {
        return skip("the machine is so slow that what was seen before has to be looked at again");
    }
    if asked.total > *most {
        return fail(format!("{most} at most, it was {asked:?}"));
    }
    Ok(())
}

/// Counts the requests of an operation; the drive's table has a row of the case's name.
macro_rules! costs {
    ($test:ident, $operation:expr) => {
        costs($test, async {
            $operation;
            Ok(())
        })
        .await
    };
}

async fn a_cold_look_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    costs!(test, op.stat("a/b/c/3").await?)
}

async fn a_warm_look(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.stat("a/b/c/3").await?;
    costs!(test, op.stat("a/b/c/3").await?)
}

async fn a_look_after_a_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.stat("a/b/c/3").await?)
}

async fn a_look_for_what_a_listing_did_not_show(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, assert!(!op.exists("a/b/c/missing").await?))
}

async fn a_cold_listing_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    costs!(test, assert_eq!(op.list("a/b/c/").await?.len(), 12))
}

async fn a_warm_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.stat("a/b/c/3").await?;
    costs!(test, assert_eq!(op.list("a/b/c/").await?.len(), 12))
}

async fn a_tree_of_ten_folders(test: &TestContext) -> CaseResult {
    let station = station(test)?;
    let files = (0..30).map(|n| FixtureItem::file(format!("t/{}/{}/{n}", n % 3, n % 6), "x"));
    station.add_fixtures(files).await?;
    let op = test.client(&[])?;
    // t/, three folders, six in them: and thirty files.
    costs!(test, assert_eq!(op.list_with("t/").recursive(true).await?.len(), 40))
}

async fn a_cold_read_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    costs!(test, assert_eq!(op.read("a/b/c/3").await?.to_vec(), bytes(3, 1000)))
}

async fn a_warm_read(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    content(&op, "a/b/c/3").await?;
    costs!(test, assert_eq!(op.read("a/b/c/3").await?.to_vec(), bytes(3, 1000)))
}

async fn ten_reads_after_a_listing_of_everything(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list_with("/").recursive(true).await?;
    costs!(
        test,
        for n in 0..10 {
            op.read(&format!("a/b/c/{n}")).await?;
        }
    )
}

async fn a_read_after_a_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, assert_eq!(op.read("a/b/c/3").await?.to_vec(), bytes(3, 1000)))
}

async fn ten_ranges_of_a_file(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list("a/b/c/").await?;
    let reader = op.reader("a/b/c/3").await?;
    costs!(test, {
        for start in (0..1000).step_by(100) {
            assert_eq!(reader.read(start..start + 100).await?.len(), 100);
        }
    })
}

async fn a_cold_write_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    costs!(test, op.write("a/b/c/new", bytes(1, 1000)).await?)
}

async fn a_warm_write(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.write("a/b/c/new", bytes(1, 1000)).await?;
    costs!(test, op.write("a/b/c/newer", bytes(1, 1000)).await?)
}

async fn a_write_checked_by_the_caller(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.write("a/b/c/new", bytes(1, 1000)).await?;
    let announced = drivedal::announce().size(1000).deferred_check();
    costs!(test, { op.write_with("a/b/c/newer", bytes(1, 1000)).user_metadata(announced).await? })
}

async fn an_overwrite_after_a_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.write("a/b/c/3", bytes(1, 1000)).await?)
}

async fn ten_writes_into_two_new_folders(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    costs!(test, {
        for n in 0..10 {
            op.write(&format!("a/new/{}/{n}", n % 2), bytes(n, 1000)).await?;
        }
    })
}

async fn a_cold_folder_below_three_that_are_there(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    costs!(test, op.create_dir("a/b/c/new/").await?)
}

async fn three_new_folders(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    costs!(test, op.create_dir("x/y/z/").await?)
}

async fn a_folder_that_is_known_to_be_there(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.create_dir("a/b/c/").await?)
}

async fn a_cold_removal_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    costs!(test, op.delete("a/b/c/3").await?)
}

async fn a_removal_after_a_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.delete("a/b/c/3").await?)
}

async fn ten_removals_after_a_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list("a/b/c/").await?;
    let paths = (0..10).map(|n| Ok::<_, opendal::Error>(format!("a/b/c/{n}")));
    costs!(test, op.delete_try_stream(stream::iter(paths).into_stream()).await?)
}

async fn an_empty_folder_removed_after_a_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.delete("a/b/c/empty/").await?)
}

async fn a_tree_removed(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    costs!(test, op.delete_with("a/").recursive(true).await?)
}

async fn a_missing_file_removed_after_a_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.delete("a/b/c/missing").await?)
}

async fn a_new_name_after_a_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list("a/b/c/").await?;
    costs!(test, op.rename("a/b/c/3", "a/b/c/new").await?)
}

async fn a_move_after_a_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list_with("a/").recursive(true).await?;
    costs!(test, op.rename("a/b/c/3", "a/b/3").await?)
}

async fn a_move_with_a_new_name_after_a_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list_with("a/").recursive(true).await?;
    costs!(test, op.rename("a/b/c/3", "a/b/new").await?)
}

async fn a_replacing_move_with_a_new_name_after_a_listing(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    op.list_with("a/").recursive(true).await?;
    costs!(test, op.rename("a/b/c/3", "a/b/other").await?)
}

async fn a_cold_rename_three_folders_deep(test: &TestContext) -> CaseResult {
    let op = planted(test).await?;
    costs!(test, op.rename("a/b/c/3", "a/b/c/new").await?)
}
