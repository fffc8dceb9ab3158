//! Uploads that a later run can continue.

use std::{fmt, path::Path};

use async_trait::async_trait;

use crate::error::FailureCause;

/// Uploads large local files to an endpoint, and continues an upload that an earlier run began.
///
/// OpenDAL's writers cannot do that: a run that was killed sends the file from its beginning again.
/// The engine uses the writers for small files, for sources that are not local, and if the
/// bandwidth of the run is limited.
#[async_trait]
pub trait ResumableUploads: fmt::Debug + Send + Sync {
    /// Returns whether [`upload`](Self::upload) is to upload a file of `size` bytes.
    fn accepts(&self, size: u64) -> bool;

    /// Uploads the local file `file` to `path` within the operator, replaces the file there, and
    /// returns the size in bytes. `on_sent` receives the number of bytes that were sent since its
    /// last call, and those that an earlier run had sent.
    ///
    /// # Errors
    /// `Service`, `Disk`, `Refused` or `Other`. The file at `path` is then unchanged.
    async fn upload(
        &self,
        file: &Path,
        path: &str,
        on_sent: Box<dyn Fn(u64) + Send + Sync>,
    ) -> Result<u64, FailureCause>;
}
