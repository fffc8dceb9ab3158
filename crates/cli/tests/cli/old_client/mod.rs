//! What the old client could do, done with ours: its README line by line, and its whole API.

mod client;
mod document;

use drivedal_test_support::media;
