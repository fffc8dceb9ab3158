//! The drive server: the protocols of three clouds, from local storage.

mod blobs;
pub mod graph;
pub mod tree;
