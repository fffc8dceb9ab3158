//! Output of a download that is not a transfer: a thumbnail or an old version of a file.

use std::{io, path::Path};

use drivedal::{adapter::DriveHandle, drive::Download};
use futures::TryStreamExt;
use tokio::io::AsyncWriteExt;

use crate::{
    app::App,
    failure::{Failure, Result},
    transfer::partial_file,
};

/// Number of random characters in the name of a temporary file.
const RANDOM_CHARS: usize = 6;

/// Writes the bytes of a download to a file, or without one to standard output. A file is written
/// beside the target, and replaces it once it is complete. `item` names the download in failures.
///
/// # Errors
/// The failure of the download ([`Failure::from`]); [`Failure::local`] if the file cannot be written;
/// `ClosedPipe` or `Failed` if standard output cannot be written.
pub(crate) async fn save(
    app: &App,
    download: Download,
    target: Option<&Path>,
    item: &impl std::fmt::Display,
) -> Result {
    let mut bytes = download
        .bytes
        .map_err(|error| Failure::from(DriveHandle::to_opendal_error(error)).about(item));
    let Some(target) = target.filter(|target| *target != Path::new("-")) else {
        while let Some(piece) = bytes.try_next().await? {
            app.output.bytes(piece).await?;
        }
        return app.output.flush();
    };
    let failed = |error: io::Error| Failure::local("write", target, &error);
    let file = partial_file::temporary(target, RANDOM_CHARS).map_err(failed)?;
    let mut writer = tokio::fs::File::from_std(file.as_file().try_clone().map_err(failed)?);
    while let Some(piece) = bytes.try_next().await? {
        for chunk in piece {
            writer.write_all(&chunk).await.map_err(failed)?;
        }
    }
    writer.flush().await.map_err(failed)?;
    file.persist(target).map_err(|error| failed(error.error))?;
    Ok(())
}
