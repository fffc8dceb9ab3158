//! Copies within the cloud (onedrive-graph#copy).
//!
//! The cloud copies in the background; the client polls the progress. Personal drives cannot
//! replace a file by a copy. There the copy gets a temporary name first, and is then renamed to
//! replace the file. The old file exists until the new one takes its place. If the process ends in
//! between, the copy remains under its temporary name, `drivedal-….tmp`.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    AccountKind,
    address::{Address, Shortcut},
    client::CopyProgress,
    conflict, item,
    model::{ConflictBehavior, ItemPatch},
    rename,
    state::GraphDrive,
};
use crate::drive::{
    Context, CopyJob, CopyRequest, CopyStatus, Error, ErrorKind, IfExists, ItemKind, ItemRef,
    Result, Secret,
};

/// Delay before the first poll; doubled for each further one (onedrive-graph#copy-poll-backoff).
const POLL_DELAY: Duration = Duration::from_millis(50);
/// Maximum delay between two polls.
const POLL_DELAY_MAX: Duration = Duration::from_secs(2);

/// Content of [`CopyJob::state`], as JSON.
#[derive(Clone, Deserialize, Serialize)]
struct CopyState {
    source: SavedItemRef,
    folder: SavedItemRef,
    name: String,
    if_exists: SavedIfExists,
    /// Temporary name of a copy that replaces a file.
    temporary_name: String,
    /// Whether the running copy has the temporary name.
    is_temporary: bool,
    /// Number of polls so far.
    polls: u32,
}

/// A serializable [`ItemRef`].
#[derive(Clone, Deserialize, Serialize)]
struct SavedItemRef {
    base: String,
    path: String,
}

/// A serializable [`IfExists`].
#[derive(Clone, Copy, Deserialize, PartialEq, Serialize)]
enum SavedIfExists {
    Replace,
    Fail,
    Rename,
}

/// Starts a copy of a file.
///
/// # Errors
/// `AlreadyExists` if the name is in use and is not to be replaced, `IsAFolder` if a folder has the
/// name, `NotAFolder` if the target folder is a file, `QuotaExceeded` if the drive is full. Some
/// drives report these only in [`status`]. `NotFound` if the source or the folder does not exist;
/// `DriveNotFound` if the drive does not; [request errors](crate::drive::Error#request-errors).
pub(super) async fn start(
    drive: &GraphDrive,
    cx: &Context,
    request: CopyRequest<'_>,
) -> Result<CopyStatus> {
    let CopyRequest { source, target, if_exists, .. } = request;
    let state = CopyState {
        source: SavedItemRef::new(source),
        folder: SavedItemRef::new(&target.folder),
        name: target.name.clone(),
        if_exists: match if_exists {
            IfExists::Replace => SavedIfExists::Replace,
            IfExists::Fail => SavedIfExists::Fail,
            IfExists::Rename => SavedIfExists::Rename,
        },
        temporary_name: format!("drivedal-{:016x}.tmp", RandomState::new().hash_one(&target.name)),
        // The target is known to exist, and a personal drive would reject its name.
        is_temporary: is_personal(drive)
            && target.occupant.is_some()
            && if_exists == IfExists::Replace,
        polls: 0,
    };
    state.start(drive, cx).await
}

/// Polls a copy once, and sends the request that its result requires.
///
/// # Errors
/// `InvalidInput` if the job belongs to another service, the error with which the copy failed in
/// the cloud, and those of [`start`].
pub(super) async fn status(drive: &GraphDrive, cx: &Context, job: &CopyJob) -> Result<CopyStatus> {
    let mut state: CopyState = serde_json::from_str(&job.state).map_err(|_| {
        let text = "cannot poll the copy: the job belongs to another service";
        Error::new(ErrorKind::InvalidInput, text)
    })?;
    match drive.client.copy_progress(cx, &job.url).await? {
        CopyProgress::Running => {
            state.polls += 1;
            Ok(state.running(job.url.clone()))
        }
        CopyProgress::Completed(id) if state.is_temporary => {
            state.replace_target(drive, cx, id).await
        }
        CopyProgress::Completed(_) => Ok(CopyStatus::Done(None)),
        CopyProgress::Failed(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        // The temporary name is in use by the first of two requests, whose response was lost.
        CopyProgress::Failed(_) if state.is_temporary => {
            state.replace_target(drive, cx, None).await
        }
        CopyProgress::Failed(error) if state.if_exists == SavedIfExists::Replace => {
            state.start_temporary(drive, cx, error).await
        }
        CopyProgress::Failed(error) => Err(error),
    }
}

/// Returns whether the drive is known to be a personal one.
fn is_personal(drive: &GraphDrive) -> bool {
    drive.kind.is_some_and(AccountKind::is_personal)
}

impl CopyState {
    /// Sends the request for the copy, under its final or its temporary name.
    ///
    /// # Errors
    /// Those of the function [`start`].
    async fn start(&self, drive: &GraphDrive, cx: &Context) -> Result<CopyStatus> {
        let source = drive.address(cx, &self.source.item_ref(), Shortcut::Follow).await?;
        let folder =
            rename::folder_reference(drive, cx, &self.folder.item_ref(), &source.drive).await?;
        let name = if self.is_temporary { &self.temporary_name } else { &self.name };
        let target = ItemPatch {
            name: Some(name.clone()),
            parent_reference: Some(folder),
            file_system_info: None,
        };
        let behavior = match (self.is_temporary, self.if_exists) {
            (false, SavedIfExists::Replace) => ConflictBehavior::Replace,
            (false, SavedIfExists::Rename) => ConflictBehavior::Rename,
            (true, _) | (_, SavedIfExists::Fail) => ConflictBehavior::Fail,
        };
        // Personal drives reject the parameter and always fail.
        let behavior = (!is_personal(drive)).then_some(behavior);
        match drive.client.copy(cx, &source, &target, behavior).await {
            Ok(monitor) => Ok(self.running(monitor)),
            // Some drives report a name in use in this response, others in the progress.
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists
                    && self.if_exists == SavedIfExists::Replace
                    && !self.is_temporary =>
            {
                Box::pin(self.start_temporary(drive, cx, error)).await
            }
            Err(error) => {
                let folder = drive.address(cx, &self.folder.item_ref(), Shortcut::Follow).await?;
                Err(conflict::file_in_path(drive, cx, folder, error).await)
            }
        }
    }

    /// Starts the copy again, under the temporary name. `error` says that the target's name is in
    /// use; it is returned, with a refined kind, if the target is not a file.
    ///
    /// # Errors
    /// `IsAFolder` or `Conflict` if the target is not a file; [request
    /// errors](crate::drive::Error#request-errors).
    async fn start_temporary(
        &self,
        drive: &GraphDrive,
        cx: &Context,
        error: Error,
    ) -> Result<CopyStatus> {
        let folder = drive.address(cx, &self.folder.item_ref(), Shortcut::Follow).await?;
        match conflict::kind_at(drive, cx, &folder.below(&self.name)).await {
            Ok(kind @ (ItemKind::Folder | ItemKind::Opaque)) => {
                Err(conflict::name_in_use_by(kind, error))
            }
            Ok(ItemKind::File) | Err(_) => {
                let temporary = Self { is_temporary: true, polls: 0, ..self.clone() };
                temporary.start(drive, cx).await
            }
        }
    }

    /// Returns the status of a running copy. `monitor` is the URL to poll. The delay doubles with
    /// each poll.
    fn running(&self, monitor: Secret) -> CopyStatus {
        let delay = POLL_DELAY.saturating_mul(1 << self.polls.min(10));
        let state = serde_json::to_string(self).expect("strings and numbers serialize to JSON");
        CopyStatus::Running {
            job: CopyJob { url: monitor, state },
            poll_after: delay.min(POLL_DELAY_MAX),
        }
    }

    /// Renames the copy from its temporary name, and thereby replaces the target. `id` is the id of
    /// the copy; without it, the copy is addressed by its name. If the rename fails for good, the
    /// copy is deleted.
    ///
    /// # Errors
    /// The errors of the rename, such as `Conflict` for a locked target.
    async fn replace_target(
        &self,
        drive: &GraphDrive,
        cx: &Context,
        id: Option<String>,
    ) -> Result<CopyStatus> {
        let folder = drive.address(cx, &self.folder.item_ref(), Shortcut::Follow).await?;
        let copy = match id {
            Some(id) => Address::id(folder.drive, &id),
            None => folder.below(&self.temporary_name),
        };
        let patch = ItemPatch { name: Some(self.name.clone()), ..ItemPatch::default() };
        let renamed = drive.client.update(cx, &copy, &patch, ConflictBehavior::Replace).await;
        if renamed.as_ref().is_err_and(|error| !error.is_temporary()) {
            // The rename will not be repeated, so the copy is useless. An error of this cleanup
            // would hide the more important one.
            let _ = drive.client.delete(cx, &copy).await;
        }
        let item = item::from_response(renamed?, drive.foreign_drive(&copy))?;
        Ok(CopyStatus::Done(Some(Box::new(item))))
    }
}

impl SavedItemRef {
    /// Returns the serializable form of a reference.
    fn new(item: &ItemRef) -> Self {
        let (base, path) = match item {
            ItemRef::Item { id, .. } => (id, ""),
            ItemRef::Path { base, path } => (base, &**path),
        };
        Self { base: base.to_string(), path: path.to_owned() }
    }

    /// Returns the saved reference.
    fn item_ref(&self) -> ItemRef {
        ItemRef::Path { base: self.base.as_str().into(), path: self.path.as_str().into() }
    }
}
