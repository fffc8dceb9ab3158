//! The features of the old client, with drivedal: the examples of its README, and its API.

mod client;
mod document;

use drivedal_test_support::media;
