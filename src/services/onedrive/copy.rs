//! Copies within the cloud (onedrive-graph#copy).
//!
//! The cloud copies in the background; the client polls the progress. Personal drives cannot
//! replace a file by a copy. There the copy gets a temporary name first, and is then renamed to
//! replace the file. The old file exists until the new one takes its place. If the process ends in
//! between, the copy remains under its temporary name, `drivedal-….tmp`.
//!
//! A monitor may need a token for SharePoint, which the account does not have
//! (onedrive-graph#pre-auth-retirement). Then the client polls the item at the target's name. The copy
//! is complete when that item has the content of the source.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    AccountKind, SHAREPOINT_TOKEN_REQUIRED,
    address::{Address, Shortcut},
    client::CopyProgress,
    conflict, download,
    error::has_code,
    item,
    model::{ConflictBehavior, ItemPatch},
    rename,
    state::GraphDrive,
};
use crate::drive::{
    Conditions, Context, CopyJob, CopyRequest, CopyStatus, Error, ErrorKind, HashKind, IfExists,
    Item, ItemKind, ItemRef, Result, Secret,
};

/// Delay before the first poll; doubled for each further one (onedrive-graph#copy-poll-backoff).
const POLL_DELAY: Duration = Duration::from_millis(50);
/// Maximum delay between two polls.
const POLL_DELAY_MAX: Duration = Duration::from_secs(2);
/// How long the target of a copy without a monitor is polled. Its failure is not visible.
const BLIND_COPY_MAX: SignedDuration = SignedDuration::from_mins(30);

/// Number of polls of a missing target after which its folder is requested once.
const PARENT_POLLS: u32 = 4;

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
    /// quickXorHash of the source in base64, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// Number of polls so far.
    polls: u32,
    /// Present if the monitor cannot be polled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blind: Option<BlindCopy>,
}

/// A copy whose monitor cannot be polled.
#[derive(Clone, Deserialize, Serialize)]
struct BlindCopy {
    /// When the target was first polled.
    since: Timestamp,
    /// Size of the source in bytes.
    size: Option<u64>,
    /// quickXorHash of the source in base64.
    hash: Option<String>,
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
/// drives report these only in [`status`], except a name that is in use at the start. `NotFound` if the source or the folder does not exist;
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
        hash: request.known.and_then(quick_xor),
        polls: 0,
        blind: None,
    };
    if if_exists == IfExists::Fail {
        state.check_target_is_free(drive, cx).await?;
    }
    state.start(drive, cx).await
}

/// Polls a copy once, and sends the request that its result requires.
///
/// # Errors
/// `InvalidInput` if the job belongs to another service, the error with which the copy failed in
/// the cloud, and those of [`start`]. `PermissionDenied` if the monitor needs a token for SharePoint,
/// which the account does not have, and the target does not show the result.
pub(super) async fn status(drive: &GraphDrive, cx: &Context, job: &CopyJob) -> Result<CopyStatus> {
    let mut state: CopyState = serde_json::from_str(&job.state).map_err(|_| {
        let text = "cannot poll the copy: the job belongs to another service";
        Error::new(ErrorKind::InvalidInput, text)
    })?;
    if state.blind.is_some() {
        return state.poll_target(drive, cx, &job.url).await;
    }
    let progress = match drive.client.sharepoint_refusal() {
        Some(refusal) => Err(refusal),
        None => drive.client.copy_progress(cx, &job.url).await,
    };
    let progress = match progress {
        Err(refusal) if has_code(&refusal, SHAREPOINT_TOKEN_REQUIRED) => {
            state.blind = Some(state.begin_blind(drive, cx, refusal).await?);
            return state.poll_target(drive, cx, &job.url).await;
        }
        progress => progress?,
    };
    match progress {
        CopyProgress::Running => {
            state.polls += 1;
            Ok(state.running(job.url.clone()))
        }
        CopyProgress::Completed(id) if state.is_temporary => {
            state.replace_target(drive, cx, id).await
        }
        CopyProgress::Completed(id) => state.verify(drive, cx, id).await,
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

    /// Checks before the copy that no item has the target's name. The cloud checks it again, but some
    /// drives report a name in use only when the copy has failed.
    ///
    /// # Errors
    /// `AlreadyExists` if an item has the name; [request
    /// errors](crate::drive::Error#request-errors).
    async fn check_target_is_free(&self, drive: &GraphDrive, cx: &Context) -> Result<()> {
        let folder = drive.address(cx, &self.folder.item_ref(), Shortcut::Follow).await?;
        match drive.client.item(cx, &folder.below(&self.name), None).await {
            Ok(_) => {
                let text = format!("cannot copy to {:?}: an item has this name", self.name);
                Err(Error::new(ErrorKind::AlreadyExists, text))
            }
            // The request for the copy explains a file in the path.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Returns whether the target may have another content before the copy.
    fn may_replace(&self) -> bool {
        self.if_exists == SavedIfExists::Replace && !self.is_temporary
    }

    /// Returns the state of a copy whose monitor needs a token for SharePoint, which the account does
    /// not have. `refusal` is the error of the monitor. Requests the source, with which the target is
    /// compared.
    ///
    /// # Errors
    /// `refusal` if the name or the content of the copy cannot be recognized; [request
    /// errors](crate::drive::Error#request-errors).
    async fn begin_blind(
        &self,
        drive: &GraphDrive,
        cx: &Context,
        refusal: Error,
    ) -> Result<BlindCopy> {
        if self.if_exists == SavedIfExists::Rename && !self.is_temporary {
            return Err(refusal.with_note("the cloud chooses the name of the copy"));
        }
        let source = drive.address(cx, &self.source.item_ref(), Shortcut::Follow).await?;
        let source = download::get_item(drive, cx, &source, Conditions::NONE).await?;
        if source.kind != ItemKind::File {
            return Err(refusal.with_note("the copy of a folder cannot be recognized"));
        }
        let hash = quick_xor(&source);
        if hash.is_none() && self.may_replace() {
            return Err(refusal.with_note(
                "the cloud reports no hash of the source, so the copy cannot be recognized",
            ));
        }
        Ok(BlindCopy { since: Timestamp::now(), size: source.size, hash })
    }

    /// Requests the item at the name of a copy whose monitor cannot be polled.
    ///
    /// # Errors
    /// `PermissionDenied` if the copy is not there after [`BLIND_COPY_MAX`]; `AlreadyExists` if
    /// another item has taken a name that must be free; `NotAFolder` or `NotFound` if the target's
    /// folder is a file or does not exist; those of [`replace_target`](Self::replace_target); [request
    /// errors](crate::drive::Error#request-errors).
    async fn poll_target(
        mut self,
        drive: &GraphDrive,
        cx: &Context,
        monitor: &Secret,
    ) -> Result<CopyStatus> {
        let Some(blind) = &self.blind else { return Ok(self.running(monitor.clone())) };
        let name = if self.is_temporary { &self.temporary_name } else { &self.name };
        let folder = drive.address(cx, &self.folder.item_ref(), Shortcut::Follow).await?;
        let address = folder.below(name);
        match download::get_item(drive, cx, &address, Conditions::NONE).await {
            Ok(target) if blind.is_copy(&target, self.may_replace()) => {
                return match self.is_temporary {
                    true => self.replace_target(drive, cx, None).await,
                    false => Ok(CopyStatus::Done(Some(Box::new(target)))),
                };
            }
            // The copy has failed: no file replaces a folder or a notebook.
            Ok(target) if target.kind != ItemKind::File => {
                let text = format!("cannot copy to {name:?}: the name is in use");
                let error = Error::new(ErrorKind::AlreadyExists, text);
                return Err(conflict::name_in_use_by(target.kind, error));
            }
            Ok(target) if self.if_exists == SavedIfExists::Fail => {
                let text = format!("cannot copy to {name:?}: another item has taken the name");
                return Err(Error::new(ErrorKind::AlreadyExists, text).with_existing(target.id));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            // The copy has failed if the target's folder is a file or does not exist. Most copies are
            // complete before this costs a request.
            Err(_) if self.polls % PARENT_POLLS == PARENT_POLLS - 1 => {
                let parent = download::get_item(drive, cx, &folder, Conditions::NONE).await?;
                if parent.kind != ItemKind::Folder {
                    let text = format!("cannot copy to {name:?}: its folder is a file");
                    return Err(Error::new(ErrorKind::NotAFolder, text));
                }
            }
            Ok(_) | Err(_) => {}
        }
        if Timestamp::now().duration_since(blind.since) > BLIND_COPY_MAX {
            let text = format!(
                "cannot follow the copy: its monitor needs an access token for SharePoint, and \
                 {name:?} did not get the content of the source within {} minutes; the cloud may \
                 complete it later",
                BLIND_COPY_MAX.as_mins()
            );
            return Err(
                Error::new(ErrorKind::PermissionDenied, text).with_code(SHAREPOINT_TOKEN_REQUIRED)
            );
        }
        self.polls += 1;
        Ok(self.running(monitor.clone()))
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

    /// Requests a copy that its monitor reports as complete, and returns it. `id` is the id of the
    /// copy; without it, the copy is addressed by its name. The monitor alone is no proof: its
    /// completion may be a redirect, to any page.
    ///
    /// # Errors
    /// `Unexpected` if the item has another content than the source had; `NotFound` if it does not
    /// exist; [request errors](crate::drive::Error#request-errors).
    async fn verify(
        &self,
        drive: &GraphDrive,
        cx: &Context,
        id: Option<String>,
    ) -> Result<CopyStatus> {
        let folder = drive.address(cx, &self.folder.item_ref(), Shortcut::Follow).await?;
        let copy = match id {
            Some(id) => Address::id(folder.drive, &id),
            // The cloud has chosen the name.
            None if self.if_exists == SavedIfExists::Rename => return Ok(CopyStatus::Done(None)),
            None => folder.below(&self.name),
        };
        let item = download::get_item(drive, cx, &copy, Conditions::NONE).await?;
        match (&self.hash, quick_xor(&item)) {
            (Some(source), Some(copied)) if *source != copied => {
                let text = format!(
                    "cannot verify the copy: the cloud reports it as complete, but {:?} has another \
                     content than the source",
                    self.name
                );
                Err(Error::new(ErrorKind::Unexpected, text))
            }
            _ => Ok(CopyStatus::Done(Some(Box::new(item)))),
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
            Some(id) => Address::id(folder.drive.clone(), &id),
            None => folder.below(&self.temporary_name),
        };
        let patch = ItemPatch { name: Some(self.name.clone()), ..ItemPatch::default() };
        let renamed = drive.client.update(cx, &copy, &patch, ConflictBehavior::Replace).await;
        if renamed.as_ref().is_err_and(|error| !error.is_temporary()) {
            // The rename will not be repeated, so the copy is useless. It is addressed by the
            // temporary name, because its id is the target's if the rename took effect. An error of
            // this cleanup would hide the more important one.
            let temporary = folder.below(&self.temporary_name);
            let _ = drive.client.delete(cx, &temporary).await;
        }
        let item = item::from_response(renamed?, drive.foreign_drive(&copy))?;
        Ok(CopyStatus::Done(Some(Box::new(item))))
    }
}

impl BlindCopy {
    /// Returns whether an item has the content of the source. If `needs_hash` is false, the name was
    /// free before the copy: then the size decides if the cloud does not report a hash of both.
    fn is_copy(&self, item: &Item, needs_hash: bool) -> bool {
        let same_hash = match (&self.hash, quick_xor(item)) {
            (Some(source), Some(copy)) => *source == copy,
            _ => !needs_hash,
        };
        item.kind == ItemKind::File && item.size == self.size && same_hash
    }
}

/// Returns the quickXorHash of an item in base64. `None` if the cloud reports none.
fn quick_xor(item: &Item) -> Option<String> {
    let (_, hash) = item.hashes.iter().find(|(kind, _)| *kind == HashKind::QuickXor)?;
    Some(BASE64_STANDARD.encode(hash))
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
