//! Files on their way between here and a remote, many at a time.
//!
//! `send` and `fetch` move one file, `large` one that goes to a drive from where it is; `upload` and
//! `download` move trees with them; `jobs` keeps a number of them going; `report` writes down what
//! became of each item. `journal` remembers large files between two runs of a command, `partial` is
//! one that is being fetched, and `checksum` compares it with what the cloud has.

mod checksum;
pub(crate) mod download;
pub(crate) mod fetch;
pub(crate) mod jobs;
pub(crate) mod journal;
pub(crate) mod local;
pub(crate) mod names;
mod partial;
pub(crate) mod plan;
pub(crate) mod report;
mod resumable_upload;
pub(crate) mod send;
pub(crate) mod survey;
pub(crate) mod sweep;
pub(crate) mod upload;

/// How many files are on their way at once, if the user does not say.
pub(crate) const JOBS: &str = "16";

/// How much of a file is handed on at once, in bytes.
const PIECE: usize = 512 << 10;
