//! Server-side copies of files.

use std::{
    sync::Arc,
    time::{self, Duration},
};

use opendal::{Metadata, raw::oio};
use tokio::time::{Instant, sleep_until};

use super::{
    error::{as_condition, is_root, to_opendal},
    index::FolderKey,
    metadata,
    path::Path,
    state::AdapterState,
};
use crate::drive::{
    Conditions, Context, CopyJob, CopyRequest, CopyStatus, Error, ErrorKind, IfExists, Item,
    ItemId, ItemKind, Result,
};

/// The maximum time to wait for a copy. Clouds queue large ones.
pub(super) const COPY_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// The minimum time between two requests for the status of a copy.
pub(super) const POLL_MIN: Duration = Duration::from_millis(50);

/// A copy in progress. Each call sends at most one status request, so no call takes long and each
/// can be repeated.
#[derive(Debug)]
pub struct DriveCopier {
    state: Arc<AdapterState>,
    cx: Context,
    from: Result<Path>,
    to: Result<Path>,
    if_exists: IfExists,
    progress: CopyPhase,
}

/// The progress of a copy.
#[derive(Debug)]
enum CopyPhase {
    NotStarted,
    Running(RunningCopy),
    /// Complete. The number of bytes has not been returned yet.
    Complete(Metadata),
    /// Complete. The number of bytes has been returned.
    Reported(Metadata),
}

/// A copy that the cloud is working on.
#[derive(Debug)]
struct RunningCopy {
    job: CopyJob,
    /// The size of the source in bytes.
    size: u64,
    started: Instant,
    /// The time of the next status request.
    next_poll: Instant,
    /// The folder of the target.
    folder: FolderKey,
}

impl DriveCopier {
    /// Creates a copy that has not started. Sends no request; a path with the name `.` or `..` is
    /// an error of the first call. A slash at the end of a path does not count.
    pub(super) fn new(
        state: Arc<AdapterState>,
        cx: Context,
        from: &str,
        to: &str,
        if_exists: IfExists,
    ) -> Self {
        let (from, to) = (state.path(from), state.path(to));
        Self { state, cx, from, to, if_exists, progress: CopyPhase::NotStarted }
    }

    /// Checks the paths, requests the source, and starts the copy. Creates missing parent folders
    /// of the target.
    ///
    /// # Errors
    /// * `IsAFolder` if the source is not a file, the target is a folder, or one of the paths is
    ///   the operator's root; `NotAFolder` if a file is in the target's path.
    /// * `Conflict` if both paths mean the same file.
    /// * `ConditionNotMatch` if the target exists and must not.
    /// * `NotFound` if the source does not exist.
    /// * `InvalidInput` for a path with the name `.` or `..` and for a name that the cloud rejects.
    /// * `Unexpected` if the size of the source is unknown, or differs from that of the copy.
    /// * [Request errors](crate::drive::Error#request-errors), among them `QuotaExceeded`.
    async fn start(&self) -> Result<CopyPhase> {
        let (state, cx) = (&self.state, &self.cx);
        let from = self.from.as_ref().map_err(Clone::clone)?;
        let to = self.to.as_ref().map_err(Clone::clone)?;
        let from = &*state.existing_path(cx, from).await?;
        let to = &*state.existing_path(cx, to).await?;
        if from.is_root() || to.is_root() {
            return Err(is_root("copy or replace"));
        }
        if from.names().len() == to.names().len() && to.is_within(from, state.capabilities()) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("cannot copy {:?}: the target is the same file", from.to_operator_path()),
            ));
        }
        // The size is needed to verify the copy. Requesting the copy instead would not save a request.
        let (source, item) = state.request_item(cx, from, Conditions::NONE).await?;
        let item = state.with_size(cx, &source, item).await;
        let path = from.to_operator_path();
        if item.kind != ItemKind::File {
            let text = format!("cannot copy {path:?}: it is not a file");
            return Err(Error::new(ErrorKind::IsAFolder, text));
        }
        let Some(size) = item.size else {
            let text = format!(
                "cannot copy {path:?}: its size is unknown, so the copy \
                                cannot be verified"
            );
            return Err(Error::new(ErrorKind::Unexpected, text));
        };
        let (target, folder) = state.target(cx, to).await?;
        let started = Instant::now();
        let request = CopyRequest::new(&source.item_ref, &target)
            .with_known(&item)
            .with_if_exists(self.if_exists);
        let status = match state.drive.copy(cx, request).await {
            // The source existed just now, so the target folder does not exist.
            Err(error) if error.kind() == ErrorKind::NotFound && state.capabilities().paths => {
                state.create_parents(cx, to).await?;
                state.drive.copy(cx, request).await
            }
            result => result,
        };
        match status {
            Ok(CopyStatus::Running { job, poll_after }) => {
                let next_poll = started + poll_after;
                Ok(CopyPhase::Running(RunningCopy { job, size, started, next_poll, folder }))
            }
            Ok(CopyStatus::Done(item)) => self.finish(item, size, &folder),
            Err(error) => {
                state.index.invalidate(&folder, &state.fold(&target.name));
                Err(as_condition(error, self.if_exists))
            }
        }
    }

    /// Verifies a complete copy and inserts it into the index. `copy` is `None` if the cloud did
    /// not return its item, and its size is then not compared. `size` is that of the source in
    /// bytes, and `folder` the index key of the target's folder.
    ///
    /// # Errors
    /// `Unexpected` if the copy has another size than the source.
    fn finish(&self, copy: Option<Box<Item>>, size: u64, folder: &FolderKey) -> Result<CopyPhase> {
        let to = self.to.as_ref().map_err(Clone::clone)?;
        let name = to.split().map_or("", |(_, name)| name);
        let folded = self.state.fold(name);
        let item = match copy {
            Some(item) => *item,
            None => {
                self.state.index.invalidate(folder, &folded);
                Item::new(ItemId::from(""), name, ItemKind::File)
            }
        };
        if let Some(copied) = item.size.filter(|copied| *copied != size) {
            return Err(Error::new(
                ErrorKind::Unexpected,
                format!("cannot verify the copy: the file has {size} bytes, the copy {copied}"),
            ));
        }
        let sets_modified = self.state.capabilities().set_modified;
        let metadata = metadata::from_written(&item, size, sets_modified);
        if !item.id.as_str().is_empty() {
            self.state.index.insert(folder, folded, Arc::new(item), time::Instant::now());
        }
        Ok(CopyPhase::Complete(metadata))
    }

    /// Waits until the next status request is due, sends it, and returns the state after it.
    ///
    /// # Errors
    /// `Unexpected` if the copy is not complete after [`COPY_MAX`] or has another size than its
    /// source; `ConditionNotMatch` if the target exists and must not; the error with which the copy
    /// failed in the cloud; [request errors](crate::drive::Error#request-errors).
    async fn poll(&self, copy: &RunningCopy) -> Result<CopyPhase> {
        sleep_until(copy.next_poll).await;
        let status = self.state.drive.copy_status(&self.cx, &copy.job).await;
        match status.map_err(|error| as_condition(error, self.if_exists))? {
            CopyStatus::Running { .. } if copy.started.elapsed() > COPY_MAX => {
                let hours = COPY_MAX.as_secs() / 3600;
                Err(Error::new(
                    ErrorKind::Unexpected,
                    format!("cannot wait for the copy: it is not complete after {hours} hours"),
                ))
            }
            CopyStatus::Running { job, poll_after } => Ok(CopyPhase::Running(RunningCopy {
                job,
                size: copy.size,
                started: copy.started,
                next_poll: Instant::now() + poll_after.max(POLL_MIN),
                folder: copy.folder.clone(),
            })),
            CopyStatus::Done(item) => self.finish(item, copy.size, &copy.folder),
        }
    }

    /// Continues the copy by one step. Returns the number of bytes copied by this step, or `None`
    /// after the end. Clouds report no partial progress, so the step after completion returns all
    /// bytes and the others return 0.
    ///
    /// # Errors
    /// Those of [`start`](Self::start) and [`poll`](Self::poll). A later call repeats the failed
    /// step.
    async fn advance(&mut self) -> Result<Option<usize>> {
        match &self.progress {
            CopyPhase::NotStarted => self.progress = self.start().await?,
            CopyPhase::Running(copy) => self.progress = self.poll(copy).await?,
            CopyPhase::Complete(metadata) => {
                let bytes = usize::try_from(metadata.content_length()).unwrap_or(usize::MAX);
                self.progress = CopyPhase::Reported(metadata.clone());
                return Ok(Some(bytes));
            }
            CopyPhase::Reported(_) => return Ok(None),
        }
        // Clouds do not report how many bytes of a running copy are complete.
        Ok(Some(0))
    }
}

impl oio::Copy for DriveCopier {
    /// Continues the copy by one step.
    ///
    /// # Errors
    /// Those of `start` and `poll`, with OpenDAL's kinds.
    async fn next(&mut self) -> opendal::Result<Option<usize>> {
        self.advance().await.map_err(to_opendal)
    }

    /// Waits until the copy is complete, and returns the metadata of the copied file. May be
    /// repeated.
    ///
    /// # Errors
    /// Those of [`next`](oio::Copy::next).
    async fn close(&mut self) -> opendal::Result<Metadata> {
        loop {
            if let CopyPhase::Reported(metadata) = &self.progress {
                return Ok(metadata.clone());
            }
            self.next().await?;
        }
    }

    /// Does nothing: the clouds have no request that cancels a running copy.
    async fn abort(&mut self) -> opendal::Result<()> {
        Ok(())
    }
}
