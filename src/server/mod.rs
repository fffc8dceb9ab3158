//! The drive server: the protocols of three clouds, from local storage.

pub mod tree;
