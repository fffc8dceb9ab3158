//! Tests of the program `drivedal` that need separate processes: kills, a full disk, a disk that
//! ignores case, many clients, killed syncs, S3 and WebDAV, many processes with one account, the sync
//! client `onedrive`, an import from rclone and its names, a benchmark of rclone, and a client's memory.

#[cfg(target_os = "linux")]
mod case_insensitive_disk;
#[cfg(target_os = "linux")]
mod client_memory;
#[cfg(target_os = "linux")]
mod full_disk;
#[cfg(unix)]
mod kills;
#[cfg(target_os = "linux")]
mod many_clients;
mod onedrive;
#[cfg(target_os = "linux")]
mod other_services;
#[cfg(target_os = "linux")]
mod rclone_bench;
#[cfg(target_os = "linux")]
mod rclone_import;
#[cfg(target_os = "linux")]
mod rclone_names;
mod shared_account;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the tests of the command line need more of it")]
#[path = "../cli/shell.rs"]
mod shell;
#[cfg(target_os = "linux")]
mod sync_kills;

use drivedal_test_support::child::in_child_process;
use futures::future::LocalBoxFuture;
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

fn main() {
    let mut arguments = Arguments::from_args();
    // Sequentially: each test uses the whole machine, and some have time limits.
    arguments.test_threads.get_or_insert(1);
    let mut trials = onedrive::trials();
    trials.push(test("shared_account::many_processes_cause_one_refresh_for_each_expiry", || {
        Box::pin(shared_account::many_processes_cause_one_refresh_for_each_expiry())
    }));
    #[cfg(unix)]
    trials.push(test(
        "kills::a_killed_server_keeps_what_it_acknowledged_and_leaves_no_orphans",
        || Box::pin(kills::a_killed_server_keeps_what_it_acknowledged_and_leaves_no_orphans()),
    ));
    #[cfg(target_os = "linux")]
    trials.extend([
        case_insensitive_disk::trial(),
        rclone_bench::trial_of_bench(),
        rclone_import::trial_of_import(),
        rclone_names::trial_of_names(),
        test("many_clients::every_one_of_many_clients_is_served", || {
            Box::pin(many_clients::every_one_of_many_clients_is_served())
        }),
        test("sync_kills::a_killed_sync_is_continued_and_loses_nothing", || {
            Box::pin(sync_kills::a_killed_sync_is_continued_and_loses_nothing())
        }),
        Trial::ignorable_test(
            "full_disk::a_full_disk_loses_no_acknowledged_file",
            full_disk::a_full_disk_loses_no_acknowledged_file,
        ),
        Trial::test(CLIENT_MEMORY, || {
            in_child_process(CLIENT_MEMORY, || run(Box::pin(client_memory::measure())));
            Ok(())
        }),
    ]);
    #[cfg(target_os = "linux")]
    trials.extend(other_services::trials());
    libtest_mimic::run(&arguments, trials).exit();
}

#[cfg(target_os = "linux")]
const CLIENT_MEMORY: &str =
    "client_memory::a_large_file_of_unknown_size_passes_through_without_staying_in_memory";

fn test(name: &str, future: fn() -> LocalBoxFuture<'static, ()>) -> Trial {
    Trial::test(name, move || {
        run(future());
        Ok(())
    })
}

fn run(future: LocalBoxFuture<'_, ()>) {
    Runtime::new().expect("a runtime").block_on(future);
}
