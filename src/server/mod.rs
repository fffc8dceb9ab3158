//! The drive server: the protocols of three clouds, from local storage.

pub mod graph;
pub mod tree;
