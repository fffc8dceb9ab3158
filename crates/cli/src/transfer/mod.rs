//! Transfers between this computer and a remote.
//!
//! - `upload` and `download` transfer trees; `jobs` runs their concurrent tasks.
//! - `send` and `fetch` transfer one file; `resumable_upload` uploads a large file in fragments.
//! - `survey`, `plan` and `names` find items that would get the same name, before the transfer.
//! - `partial` is the local file of a download, `checksum` verifies it, and `sweep` removes
//!   abandoned ones.
//! - `journal` stores interrupted transfers for the next run.
//! - `report` records the result of each item.

mod checksum;
pub(crate) mod download;
pub(crate) mod fetch;
pub(crate) mod jobs;
pub(crate) mod journal;
pub(crate) mod local;
pub(crate) mod names;
mod partial;
mod partial_file;
pub(crate) mod plan;
pub(crate) mod report;
mod resumable_upload;
pub(crate) mod send;
pub(crate) mod survey;
pub(crate) mod sweep;
mod unfinished;
pub(crate) mod upload;

/// Default number of concurrent files.
pub(crate) const JOBS: &str = "16";

/// Size of a chunk, in bytes.
const CHUNK: usize = 512 << 10;
