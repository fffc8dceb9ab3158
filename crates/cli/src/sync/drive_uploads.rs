//! Uploads of large files to a drive, with the journal of `put`: each command continues the uploads
//! that another one began.

use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use drivedal_transfer::{FailureCause, ResumableUploads};

use crate::{
    app::App,
    interrupt::Interrupt,
    location::DrivePath,
    output::Output,
    remote::RemotePath,
    transfer::{
        journal::Journal,
        resumable_upload::{self, UploadDisplay},
        send::WriteParams,
    },
};

/// Uploads of large files to the drive of a remote.
pub(super) struct DriveUploads {
    /// A path on the remote. Only the remote counts.
    at: RemotePath,
    output: Arc<Output>,
    interrupt: Interrupt,
    journal: Option<Journal>,
}

impl DriveUploads {
    /// Returns the uploads to the drive of a path. `None` if its service is not a drive.
    pub(super) async fn for_remote(app: &App, at: &RemotePath) -> Option<Self> {
        at.remote.handle.as_ref()?;
        Some(Self {
            at: at.clone(),
            output: Arc::clone(&app.output),
            interrupt: app.interrupt.clone(),
            journal: app.journal().await,
        })
    }
}

impl fmt::Debug for DriveUploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriveUploads").field("remote", &self.at.remote).finish_non_exhaustive()
    }
}

#[async_trait]
impl ResumableUploads for DriveUploads {
    fn accepts(&self, size: u64) -> bool {
        let handle = self.at.remote.handle.as_ref();
        handle.is_some_and(|handle| {
            handle.uses_upload_session(size) || handle.needs_temporary_file(size)
        })
    }

    async fn upload(
        &self,
        file: &Path,
        path: &str,
        on_sent: Box<dyn Fn(u64) + Send + Sync>,
    ) -> Result<u64, FailureCause> {
        let sending = async {
            let to =
                RemotePath { path: DrivePath::parse(path)?, remote: Arc::clone(&self.at.remote) };
            let handle = to.remote.drive("upload sessions")?;
            let display = UploadDisplay { output: &self.output, on_sent: on_sent.into() };
            let (from, params) = (file.to_owned(), WriteParams::default());
            let (interrupt, journal) = (&self.interrupt, self.journal.as_ref());
            resumable_upload::send(from, &to, handle, params, display, interrupt, journal).await
        };
        let sent = sending.await.map_err(|failure| FailureCause::Other(Box::new(failure)))?;
        match sent.unchecked {
            true => Err(FailureCause::Refused("the drive did not return the size".to_owned())),
            false => Ok(sent.size),
        }
    }
}
