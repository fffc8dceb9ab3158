//! Support for the tests and benchmarks of more than one package of this workspace.

pub mod child;
pub mod files;
pub mod http;
pub mod media;
pub mod rewriting;
pub mod serving;
pub mod witness;
