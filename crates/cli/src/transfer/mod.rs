//! Transfers between this computer and a remote.
//!
//! - `upload` and `download` transfer trees; `jobs` runs their concurrent tasks.
//! - `send` and `fetch` transfer one file; `resumable_upload` uploads a large file in fragments.
//! - `survey`, `plan` and `names` find items that would get the same name, before the transfer.
//! - `partial` is the local file of a download, `checksum` verifies it, and `sweep` removes
//!   abandoned ones.
//! - `journal` stores interrupted transfers for the next run.
//! - `report` records the result of each item.

pub(crate) mod checksum;
pub(crate) mod download;
pub(crate) mod fetch;
pub(crate) mod jobs;
pub(crate) mod journal;
pub(crate) mod local;
pub(crate) mod names;
mod partial;
pub(crate) mod partial_file;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod resumable_upload;
pub(crate) mod send;
pub(crate) mod survey;
pub(crate) mod sweep;
mod unfinished;
pub(crate) mod upload;

use std::num::NonZeroUsize;

use drivedal::services::onedrive::ONEDRIVE_SCHEME;

use self::jobs::PoolSize;

/// Default number of concurrent downloads.
pub(crate) const JOBS: &str = "16";

/// Default number of concurrent uploads.
const UPLOADS: usize = 16;

/// Default number of concurrent uploads to a drive that takes requests in batches. The library
/// sends the content of fewer files at a time; the others have their upload sessions.
const UPLOADS_WITH_BATCHES: usize = 60;

/// Maximum number of requests in a batch of OneDrive (onedrive-graph#batch-limits).
const BATCH: usize = 20;

/// Returns the number of concurrent uploads to a drive with this scheme. `chosen` is that of the
/// user.
pub(crate) fn upload_pool(scheme: &str, chosen: Option<NonZeroUsize>) -> PoolSize {
    match scheme {
        ONEDRIVE_SCHEME => {
            let limit = chosen.map_or(UPLOADS_WITH_BATCHES, NonZeroUsize::get);
            PoolSize::for_batches(limit, BATCH)
        }
        _ => PoolSize::new(chosen.map_or(UPLOADS, NonZeroUsize::get)),
    }
}

/// Size of a chunk, in bytes.
const CHUNK: usize = 512 << 10;
