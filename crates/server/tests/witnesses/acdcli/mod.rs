//! acdcli 0.3.2, unmodified, against the Amazon Cloud Drive protocol of the drive
//! server.
//!
//! `DRIVEDAL_ACD_CLI` names the program, by default `acd_cli` in the PATH (`pip install
//! acdcli==0.3.2 'setuptools<81'`). If it is missing, the tests are ignored; if
//! `DRIVEDAL_REQUIRE_CLIENTS` is set, they fail.
//!
//! `api.py` calls every public function of `acdcli.api`, the tests of `commands` every command that sends
//! requests to the cloud, except these: `mount` needs FUSE, `debug` is for developers of acd_cli, and
//! `tou` reads a help page of the shop.

mod client;
mod commands;
mod library;

use std::sync::Arc;

use drivedal_server::Server;
use drivedal_test_support::witness;
use libtest_mimic::Trial;
use tokio::runtime::Runtime;

use crate::acdcli::{
    client::{AcdCli, acd_cli},
    witness::{TrialResult, trial},
};

/// A test: its name, and a function that gets a client with a separate account.
type Test = (&'static str, fn(&AcdCli) -> TrialResult);

const TESTS: &[Test] = &[
    ("uploads_a_tree_and_downloads_it_equal", commands::there_and_back),
    ("makes_folders_and_does_not_mind_those_that_are_there", commands::folders),
    ("overwrites_a_file_which_stays_the_same_node", commands::overwritten),
    ("renames_and_moves_files_and_folders", commands::moved),
    ("trashes_and_restores", commands::trashed),
    ("streams_what_it_does_not_know_the_length_of", commands::streamed),
    ("goes_on_with_a_download_that_was_broken_off", commands::resumed),
    ("puts_a_file_into_two_folders_and_takes_it_out_again", commands::linked),
    ("is_refused_bytes_that_are_there_already", commands::deduplicated),
    ("learns_what_others_changed_and_begins_anew_after_a_reset", commands::synced),
    ("uses_the_rest_of_the_interface_as_a_library", library::library),
    ("tells_how_full_the_drive_is", commands::usage),
    ("lists_finds_and_shows_nodes", commands::listed),
    ("syncs_by_lists_and_by_files", commands::synced_otherwise),
    ("replaces_files_only_if_told_to", commands::replaced),
    ("survives_a_folder_that_contains_itself", commands::circular),
];

/// Returns the tests; they share a server.
pub fn trials(runtime: &Runtime) -> Vec<Trial> {
    let missing = acd_cli().err();
    let server = Arc::new(runtime.block_on(Server::builder().start()).expect("a server"));
    let stand_in = Server::builder().stand_in().allow_purge(true).start();
    let stand_in = runtime.block_on(stand_in).expect("a server");
    let name = "acd_cli_every_function_of_the_interface".to_owned();
    let every_function =
        trial(name, missing.as_deref(), move || library::every_function(&stand_in));
    let trials = TESTS.iter().map(|(name, test)| {
        let server = Arc::clone(&server);
        let run = move || test(&AcdCli::new(server, name)?);
        trial(format!("acd_cli_{name}"), missing.as_deref(), run)
    });
    trials.chain([every_function]).collect()
}
