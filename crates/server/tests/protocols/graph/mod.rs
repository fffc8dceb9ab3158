//! The Graph protocol of the drive server, over HTTP.

mod addresses;
mod analytics;
mod batches;
mod boundaries;
mod bundles;
mod check_out;
mod children;
mod content;
mod copies;
mod delta;
mod directory;
mod drives;
mod entra;
mod folders;
mod following;
mod harness;
mod items;
mod labels;
mod names;
mod office;
mod options;
mod parts;
mod permissions;
mod pictures;
mod pre_authentication;
mod reference;
mod remote_uploads;
mod search;
mod sessions;
mod shared_folders;
mod sharing;
mod sign_in;
mod tenant;
mod versions;

use drivedal_test_support::media;
