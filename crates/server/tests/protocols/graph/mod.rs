//! The Graph protocol of the drive server, over HTTP.

mod addresses;
mod batches;
mod children;
mod content;
mod copies;
mod delta;
mod directory;
mod drives;
mod entra;
mod folders;
mod harness;
mod items;
mod names;
mod options;
mod permissions;
mod pictures;
mod sessions;
mod shared_folders;
mod sharing;
mod sign_in;

use drivedal_test_support::media;
