//! Copies that the cloud performs.

use std::time::Duration;

use super::{Item, Secret};

/// A copy that the cloud has accepted and not finished. It is plain data: another process can store
/// it and poll it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CopyJob {
    /// URL of the copy's status; pre-authenticated in some clouds.
    pub url: Secret,
    /// State of the drive's own. Only the drive that started the copy can interpret it.
    pub state: String,
}

impl CopyJob {
    /// Returns a copy whose status is available at `url`. `state` is the drive's own, to interpret
    /// later responses.
    pub fn new(url: impl Into<Secret>, state: impl Into<String>) -> Self {
        Self { url: url.into(), state: state.into() }
    }
}

/// The status of a copy.
#[derive(Debug)]
#[non_exhaustive]
pub enum CopyStatus {
    /// The cloud has not finished the copy.
    Running {
        /// The job to pass to the next [`Drive::copy_status`](super::Drive::copy_status).
        job: CopyJob,
        /// Shortest delay before the next request for the status.
        poll_after: Duration,
    },
    /// The copy is complete. The item is `None` if the cloud's response does not describe it.
    Done(Option<Box<Item>>),
}
