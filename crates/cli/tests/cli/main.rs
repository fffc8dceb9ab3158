//! The command line as a process: output and exit codes.

mod account_objects;
mod acd_cli;
mod bench;
mod change_feed;
mod clashes;
mod conformance;
mod data_folder;
mod drives;
mod encoding;
mod extensions;
mod figures;
mod full;
mod inexact;
mod killed;
mod listings;
mod lists;
mod names;
mod no_preauth;
mod office;
mod old_client;
mod remotes;
mod rewritten;
mod rig;
mod same_drive;
mod serve;
mod shell;
mod sign_in;
mod small;
mod stand_in;
mod stops;
mod syncs;
mod transfers;
mod waits;
#[cfg(unix)]
mod watching;
mod wire;

use drivedal_test_support::serving;
