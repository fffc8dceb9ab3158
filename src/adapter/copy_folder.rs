//! Copies of folders by the cloud, for which OpenDAL has no operation.

use std::time::Duration;

use opendal::Operator;
use tokio::time::{Instant, sleep};

use super::{
    DriveHandle,
    copy::{COPY_MAX, POLL_MIN},
    error::{is_root, not_a_folder, to_opendal},
};
use crate::drive::{
    Conditions, Context, CopyRequest, CopyStatus, Error, ErrorKind, IfExists, Item, Result,
};

impl DriveHandle {
    /// Copies a folder with all its contents within the drive, and returns the new folder. The cloud
    /// copies; the call waits for it. Creates missing parent folders of the target.
    ///
    /// The contents may become visible some time after the folder. If the call fails or its future is
    /// dropped, the cloud may continue the copy.
    ///
    /// # Errors
    /// `Unsupported` if the cloud does not copy folders and for a path with the name `.` or `..`;
    /// `NotFound` if the source does not exist; `NotADirectory` if it is a file, or if a file is in the
    /// target's path; `AlreadyExists` if the target exists; `Conflict` if the target is below the
    /// source; `IsADirectory` if one of the paths is the operator's root; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn copy_folder(
        &self,
        operator: &Operator,
        from: &str,
        to: &str,
    ) -> opendal::Result<Item> {
        self.copy_tree(&Self::context(operator), from, to).await.map_err(to_opendal)
    }

    /// Implements [`copy_folder`](Self::copy_folder) with the drive's error type.
    ///
    /// # Errors
    /// Those of [`copy_folder`](Self::copy_folder).
    async fn copy_tree(&self, cx: &Context, from: &str, to: &str) -> Result<Item> {
        let state = &self.state;
        if !state.capabilities().copy_folders {
            return Err(Error::unsupported("copies of folders"));
        }
        let (from, to) = (state.find_path(cx, from).await?, state.find_path(cx, to).await?);
        if from.is_root() || to.is_root() {
            return Err(is_root("copy or replace"));
        }
        if to.is_within(&from, state.capabilities()) {
            let text = format!(
                "cannot copy {:?}: the target is the same folder or below it",
                from.to_operator_path()
            );
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        let (source, item) = state.request_item(cx, &from, Conditions::NONE).await?;
        if !item.is_folder() {
            return Err(not_a_folder("copy", &from.to_operator_path()));
        }
        let (target, _) = state.target(cx, &to).await?;
        let request = CopyRequest::new(&source.item_ref, &target)
            .with_known(&item)
            .with_if_exists(IfExists::Fail);
        let mut status = match state.drive.copy(cx, request).await {
            // The source existed just now, so the target folder does not exist.
            Err(error) if error.kind() == ErrorKind::NotFound && state.capabilities().paths => {
                state.create_parents(cx, &to).await?;
                state.drive.copy(cx, request).await?
            }
            result => result?,
        };
        let started = Instant::now();
        while let CopyStatus::Running { job, poll_after } = status {
            if started.elapsed() > COPY_MAX {
                let text = "cannot wait for the copy: it takes too long; the cloud continues it";
                return Err(Error::new(ErrorKind::Unexpected, text));
            }
            sleep(Duration::max(poll_after, POLL_MIN)).await;
            status = state.drive.copy_status(cx, &job).await?;
        }
        state.invalidate_tree(&to);
        state.invalidate_path(to.names());
        let (_, copy) = state.request_item(cx, &to, Conditions::NONE).await?;
        match copy.is_folder() {
            true => Ok(copy),
            false => Err(not_a_folder("find the copy", &to.to_operator_path())),
        }
    }
}
