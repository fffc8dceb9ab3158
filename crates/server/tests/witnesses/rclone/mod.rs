//! rclone 1.75 or later, unmodified, against the Graph protocol of the drive
//! server.
//!
//! `DRIVEDAL_RCLONE` names the program, by default `rclone` in the PATH. If it is missing or too
//! old, the tests are ignored; if `DRIVEDAL_REQUIRE_CLIENTS` is set, they fail.

mod account;
mod changes;
mod client;
mod sharing;
mod storage;
mod transfers;

use std::sync::Arc;

use drivedal_server::{AccountKind, Server};
use drivedal_test_support::witness;
use libtest_mimic::Trial;
use tokio::runtime::Runtime;

use crate::rclone::{
    client::{Rclone, rclone},
    witness::{TrialResult, trial},
};

pub use crate::rclone::client::rclone as program;

/// A test: its name, and a function that gets a client with a separate account.
type Test = (&'static str, fn(&Rclone) -> TrialResult);

const TESTS: &[Test] = &[
    ("copies_there_and_back_and_has_nothing_left_to_send", transfers::there_and_back),
    ("lists_a_tree_by_its_change_feed", transfers::listed_by_delta),
    ("finds_the_hashes_that_it_computes_itself", transfers::hashes),
    ("moves_a_file_and_a_folder_without_their_bytes", changes::moved),
    ("copies_a_file_within_the_drive_without_its_bytes", changes::copied),
    ("reads_a_range_of_a_file", transfers::ranges),
    ("tells_how_full_the_drive_is", transfers::about),
    ("deletes_files_folders_and_trees", changes::deleted),
    ("keeps_times_and_sets_them_afterwards", changes::times),
    ("replaces_a_file_of_the_same_name_and_another_size", changes::replaced),
    ("makes_a_link_and_cleans_old_versions_up", changes::linked),
    ("deletes_for_good", changes::hard_deleted),
    ("deletes_old_versions", changes::cleaned),
    ("makes_a_link_that_expires", sharing::link_expires),
    ("reads_and_writes_permissions_as_metadata", sharing::permissions_are_metadata),
    ("renews_an_old_token", account::renewed),
    ("notices_what_another_client_changed", account::noticed),
    ("addresses_items_as_in_china", account::in_china),
    ("is_configured_by_its_own_dialogue", account::configured),
];

const KINDS: [AccountKind; 2] = [AccountKind::Personal, AccountKind::Business];

/// Returns the tests; they share a server.
pub fn trials(runtime: &Runtime) -> Vec<Trial> {
    let missing = rclone().err();
    let server = Arc::new(runtime.block_on(Server::builder().start()).expect("a server"));
    let trials = KINDS.iter().flat_map(|kind| TESTS.iter().map(move |test| (*kind, *test)));
    let trials = trials.map(|(kind, (name, test))| {
        let server = Arc::clone(&server);
        let run = move || test(&Rclone::new(server, name, kind)?);
        trial(format!("rclone_{kind}_{name}"), missing.as_deref(), run)
    });
    let stored = {
        let runtime = runtime.handle().clone();
        let name = "rclone_finds_its_files_in_postgresql_and_s3_after_a_restart";
        trial(name.into(), storage::missing().as_deref(), move || storage::kept(&runtime))
    };
    trials.chain([stored]).collect()
}
