//! The transfer of one file.

use crate::{
    engine::RunState,
    error::FailureCause,
    local::{self, blocking},
    plan::Operation,
    progress::TransferProgress,
    read::ContentReader,
    source, store,
    version::FileVersion,
    work::FileJob,
    write::ContentWriter,
};

/// The result of a transfer.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The number of bytes that were sent. 0 if the storage copied the file itself.
    pub(crate) bytes: u64,
    /// The storage moved the file, so that the source has it no longer.
    pub(crate) moved: bool,
    /// The version of the source's file that was copied.
    pub(crate) version: FileVersion,
}

/// Copies or moves a file to the target. A file that it replaces is copied to the backup folder
/// first, if the plan has one.
///
/// # Errors
/// The reason. The target's old file is then unchanged, or in the backup folder.
pub(crate) async fn send(
    state: &RunState,
    job: &FileJob,
    progress: &TransferProgress<'_>,
) -> Result<Sent, FailureCause> {
    let plan = &state.plan;
    let (from, to) = ((&plan.source, &*job.source), (&plan.target, &*job.target));
    if plan.operation == Operation::Move {
        source::refuse_same_file(from, to).await?;
    }
    if let (Some(backup), Some(existing)) = (&plan.backup, &job.existing) {
        state.operations.pass(1).await;
        store::back_up_copy(&plan.target, backup, &job.target, existing).await?;
    }
    if plan.source.shares_operator(&plan.target) {
        if plan.operation == Operation::Move && can_rename(state, job).await? {
            state.operations.pass(1).await;
            let version = FileVersion::from_entry(&job.entry);
            match store::rename(from, to).await {
                Ok(()) => return Ok(Sent { bytes: 0, moved: true, version }),
                Err(cause) if store::is_other_device(&cause) => {}
                Err(cause) => return Err(cause),
            }
        }
        // A copy on the local disk is a transfer with progress and limits, and can be cancelled.
        if !plan.source.is_local() && store::can_copy(&plan.source) {
            state.operations.pass(1).await;
            store::copy(from, to, &job.entry).await?;
            let version = FileVersion::from_entry(&job.entry);
            return Ok(Sent { bytes: 0, moved: false, version });
        }
    }
    send_content(state, job, progress).await
}

/// Returns whether the storage can move a file of the source. A symbolic link is not moved: the
/// target receives the content that it points to.
///
/// # Errors
/// `Disk` if the path cannot be read; `Refused` for a path that the source cannot have.
async fn can_rename(state: &RunState, job: &FileJob) -> Result<bool, FailureCause> {
    let source = &state.plan.source;
    let Some(path) = source.local_path(&job.source)? else {
        return Ok(store::can_rename(source));
    };
    let is_link = blocking(move || Ok(local::is_link(&path)?)).await?;
    Ok(!is_link && source::link_above(state, &job.source).await?.is_none())
}

/// Reads a file of the source and writes it to the target. In a move, a local copy is written to the
/// disk.
///
/// # Errors
/// The reason. The target's old file is then unchanged.
async fn send_content(
    state: &RunState,
    job: &FileJob,
    progress: &TransferProgress<'_>,
) -> Result<Sent, FailureCause> {
    let plan = &state.plan;
    state.operations.pass(2).await;
    if let Some(sent) = upload_local_file(state, job, progress).await? {
        return Ok(sent);
    }
    let mut reader =
        ContentReader::open(&plan.source, &job.source, &job.entry, &plan.limits).await?;
    let (size, modified) = (reader.size, reader.modified);
    let version = FileVersion { size, modified, etag: job.entry.etag.clone() };
    let is_move = plan.operation == Operation::Move;
    let mut writer = ContentWriter::open(&plan.target, &job.target, size, modified).await?;
    let sending = async {
        let mut sent = 0;
        while let Some(chunk) = reader.next().await? {
            let len = chunk.len() as u64;
            state.bandwidth.pass(len).await;
            writer.write(chunk).await?;
            progress.sent(len);
            sent += len;
        }
        writer.finish(&plan.target, modified, is_move).await?;
        Ok(Sent { bytes: sent, moved: false, version })
    };
    let sent = sending.await;
    if sent.is_err() {
        writer.abort().await;
    }
    sent
}

/// Uploads a large local file so that a later run can continue. `None` if the file is not to be
/// uploaded in this way.
///
/// # Errors
/// The reason. The target's old file is then unchanged.
async fn upload_local_file(
    state: &RunState,
    job: &FileJob,
    progress: &TransferProgress<'_>,
) -> Result<Option<Sent>, FailureCause> {
    let plan = &state.plan;
    let (Some(uploads), Some(size)) = (plan.target.uploads(), job.entry.size) else {
        return Ok(None);
    };
    let Some(file) = plan.source.local_path(&job.source)? else { return Ok(None) };
    if !uploads.accepts(size) || plan.limits.bandwidth.is_some() {
        return Ok(None);
    }
    let path = plan.target.path(&job.target)?;
    let bytes = uploads.upload(&file, &path, Box::new(progress.counter())).await?;
    // If the file changed since its listing, a move keeps it.
    let version = FileVersion::from_entry(&job.entry);
    Ok(Some(Sent { bytes, moved: false, version }))
}
