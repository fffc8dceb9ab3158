//! Writing of a target's file.

use std::path::Path;

use bytes::Bytes;
use jiff::Timestamp;
use opendal::{Buffer, Writer};

use crate::{
    endpoint::Endpoint,
    error::FailureCause,
    local::{LocalWriter, blocking},
};

/// The usual size of the parts of an upload, for services that have parts.
const PART: u64 = 8 << 20;
/// The maximum number of parts. S3 has 10,000.
const PARTS_MAX: u64 = 9_000;

/// Writes a file. The target is unchanged until [`finish`](Self::finish).
pub(crate) enum ContentWriter {
    Local(Option<LocalWriter>),
    Remote {
        /// Boxed because it is large.
        writer: Box<Writer>,
        /// The service accepts one write only: all bytes are collected.
        collected: Option<Vec<Bytes>>,
        written: u64,
    },
}

impl ContentWriter {
    /// Opens the file `relative` for `size` bytes and a modification time, both `None` if unknown.
    ///
    /// # Errors
    /// `Service`, or `Refused` for a path that the endpoint cannot have.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        relative: &str,
        size: Option<u64>,
        modified: Option<Timestamp>,
    ) -> Result<Self, FailureCause> {
        if let Some(path) = endpoint.local_path(relative)? {
            return Ok(Self::Local(Some(LocalWriter::new(path))));
        }
        let path = endpoint.path(relative)?;
        let capability = endpoint.operator().info().capability();
        let mut options = endpoint.features().write_options(size, modified);
        if let (None, Some(min)) = (options.chunk, capability.write_multi_min_size) {
            let part = PART.max(size.unwrap_or_default().div_ceil(PARTS_MAX)).max(min as u64);
            options.chunk = usize::try_from(part).ok();
        }
        let writer = endpoint.operator().writer_options(&path, options).await?;
        let collected = (!capability.write_can_multi).then(Vec::new);
        Ok(Self::Remote { writer: Box::new(writer), collected, written: 0 })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// `Service` or `Disk`.
    pub(crate) async fn write(&mut self, chunk: Buffer) -> Result<(), FailureCause> {
        match self {
            Self::Local(slot) => {
                let mut is_due = false;
                if let Some(writer) = slot.as_mut() {
                    for bytes in chunk {
                        is_due |= writer.push(bytes);
                    }
                }
                if is_due && let Some(mut writer) = slot.take() {
                    let flushing = move || {
                        writer.flush()?;
                        Ok(writer)
                    };
                    *slot = Some(blocking(flushing).await?);
                }
            }
            Self::Remote { writer, collected, written } => {
                *written += chunk.len() as u64;
                match collected {
                    Some(collected) => collected.extend(chunk),
                    None => writer.write(chunk).await?,
                }
            }
        }
        Ok(())
    }

    /// Completes the file, which then replaces the target. `modified` is set on a local disk. If
    /// `sync`, the file survives a power failure afterwards; services give such a promise for every
    /// file.
    ///
    /// # Errors
    /// `Service` or `Disk`; `Refused` if the service stored another number of bytes.
    pub(crate) async fn finish(
        &mut self,
        endpoint: &Endpoint,
        modified: Option<Timestamp>,
        sync: bool,
    ) -> Result<(), FailureCause> {
        match self {
            Self::Local(slot) => match slot.take() {
                Some(writer) => {
                    let root = endpoint.local_root().filter(|_| sync).map(Path::to_owned);
                    blocking(move || Ok(writer.finish(modified, root.as_deref())?)).await
                }
                None => Err(FailureCause::refused("an earlier write failed")),
            },
            Self::Remote { writer, collected, written } => {
                if let Some(collected) = collected.take() {
                    writer.write(Buffer::from(collected)).await?;
                }
                let metadata = writer.close().await?;
                match endpoint.features().size(&metadata) {
                    Some(stored) if stored != *written => Err(FailureCause::refused(format!(
                        "the target stored {stored} bytes of {written}"
                    ))),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Discards the file after a failure.
    pub(crate) async fn abort(&mut self) {
        match self {
            Self::Local(slot) => *slot = None,
            // The first failure is the one to report. A service that misses the abort discards the
            // upload later.
            Self::Remote { writer, .. } => drop(writer.abort().await),
        }
    }
}
