//! Files on their way between here and a remote, many at a time.
//!
//! `send` and `fetch` move one file; `upload` and `download` move trees with them; `jobs` keeps a
//! number of them going; `ledger` writes down what became of each item.

pub(crate) mod download;
pub(crate) mod fetch;
pub(crate) mod jobs;
pub(crate) mod ledger;
pub(crate) mod local;
pub(crate) mod send;
pub(crate) mod upload;

/// How many files are on their way at once, if the user does not say.
pub(crate) const JOBS: &str = "16";

/// How much of a file is handed on at once, in bytes.
const PIECE: usize = 512 << 10;
