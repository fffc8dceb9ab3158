//! The task that owns a writer's upload: it receives the bytes, chooses how to send them, and
//! reports the result.

use std::sync::Arc;

use super::{
    body::UploadBody,
    channel::UploadChannel,
    error::too_large,
    metadata,
    session::FragmentUploader,
    spool::Spool,
    upload::{Upload, UploadError},
};
use crate::drive::{Body, Item};

/// Runs an upload to its end, and reports the result to the writer through `channel`. Cancels the
/// upload if it fails or is aborted.
pub(super) async fn run(mut upload: Upload, channel: Arc<UploadChannel>) {
    match send(&mut upload, &channel).await {
        Ok((item, bytes)) => {
            let sets_modified = upload.state.capabilities().set_modified;
            channel.complete(metadata::from_written(&item, bytes, sets_modified));
        }
        Err(error) => {
            upload.cancel().await;
            if let UploadError::Failed(error) = error {
                channel.fail(error);
            }
        }
    }
    channel.end();
}

/// Sends the file. Returns its item and the number of bytes.
///
/// A large file of announced size is sent while the writer writes. Any other file is collected
/// first.
///
/// # Errors
/// `Failed` with `ConditionNotMatch` if the target exists and must not, `InvalidInput` if the file
/// exceeds `max_file_size` or has another size than announced, `Unexpected` if the temporary file
/// cannot be created or written, or a permanent error of [`Upload::send_at_once`] or
/// [`FragmentUploader::send`]. `Aborted` if the writer ends the upload.
async fn send(upload: &mut Upload, channel: &UploadChannel) -> Result<(Item, u64), UploadError> {
    let limits = upload.state.capabilities().session;
    if let (Some(limits), Some(total)) = (limits, upload.announced.size)
        && upload.needs_session(limits, total)
    {
        let fragments = FragmentUploader::new(limits, total, UploadBody::stream());
        return Ok((fragments.send(upload).await?, total));
    }
    let body = collect(upload, channel).await?;
    let total = body.len();
    let item = match limits.filter(|limits| upload.needs_session(*limits, total)) {
        Some(limits) => {
            let body = UploadBody::from_collected(body);
            FragmentUploader::new(limits, total, body).send(upload).await?
        }
        None => upload.send_at_once(body).await?,
    };
    Ok((item, total))
}

/// Receives all bytes of a file that is sent in one request, or whose length is not known.
///
/// # Errors
/// `InvalidInput` if the file exceeds `max_file_size` or has another size than announced;
/// `Unexpected` if the temporary file cannot be created or written, for example because the disk is
/// full; `Aborted` if the writer ends the upload.
async fn collect(upload: &Upload, channel: &UploadChannel) -> Result<Body, UploadError> {
    let mut spool = Spool::new(upload.announced.size)?;
    let max = upload.state.capabilities().max_file_size;
    while let Some(bytes) = channel.receive().await? {
        spool.push(bytes).await?;
        if spool.len() > max {
            return Err(too_large(spool.len(), max).into());
        }
    }
    upload.check_announced(spool.len())?;
    Ok(spool.into_body().await?)
}
