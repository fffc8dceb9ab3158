//! The transfer of one file.

use crate::{
    engine::RunState, error::FailureCause, plan::Operation, progress::TransferProgress,
    read::ContentReader, store, work::FileJob, write::ContentWriter,
};

/// The result of a transfer.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The number of bytes that were sent. 0 if the storage copied the file itself.
    pub(crate) bytes: u64,
    /// The storage moved the file, so that the source has it no longer.
    pub(crate) moved: bool,
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
    if let (Some(backup), Some(existing)) = (&plan.backup, &job.existing) {
        state.operations.pass(1).await;
        store::back_up_copy(&plan.target, backup, &job.target, existing).await?;
    }
    let (from, to) = ((&plan.source, &*job.source), (&plan.target, &*job.target));
    if plan.source.shares_store(&plan.target) {
        if plan.operation == Operation::Move && store::can_rename(&plan.source) {
            state.operations.pass(1).await;
            store::rename(from, to).await?;
            return Ok(Sent { bytes: 0, moved: true });
        }
        // A copy on the local disk is a transfer with progress and limits, and can be cancelled.
        if !plan.source.is_local() && store::can_copy(&plan.source) {
            state.operations.pass(1).await;
            store::copy(from, to, &job.entry).await?;
            return Ok(Sent { bytes: 0, moved: false });
        }
    }
    let bytes = send_content(state, job, progress).await?;
    Ok(Sent { bytes, moved: false })
}

/// Reads a file of the source and writes it to the target. Returns the number of bytes.
///
/// # Errors
/// The reason. The target's old file is then unchanged.
async fn send_content(
    state: &RunState,
    job: &FileJob,
    progress: &TransferProgress<'_>,
) -> Result<u64, FailureCause> {
    let plan = &state.plan;
    state.operations.pass(2).await;
    let mut reader =
        ContentReader::open(&plan.source, &job.source, &job.entry, &plan.limits).await?;
    let (size, modified) = (reader.size, reader.modified);
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
        writer.finish(&plan.target, modified).await?;
        Ok(sent)
    };
    let sent = sending.await;
    if sent.is_err() {
        writer.abort().await;
    }
    sent
}
