//! Uploads that the cloud responded to with a timeout.
//!
//! After 408, 504 and similar responses the file often exists all the same, at once or minutes later
//! (amazon-drive#late-uploads, amazon-drive#late-upload-wait). The drive therefore searches for it,
//! by name, size and MD5, before it reports the timeout.

use std::{io, time::Duration};

use md5::{Digest, Md5};
use tokio::task::spawn_blocking;

use super::{
    item::from_node,
    md5::{Md5Sum, md5_of},
    model::{Node, NodeKind},
    state::NodeDrive,
};
use crate::{
    drive::{Body, Context, Error, ErrorKind, Item, ItemId, Result},
    transport::read_exact_at,
};

/// Minimum and maximum duration of a search, and the duration for each GiB of the file: the
/// experience of rclone and acd_cli (amazon-drive#late-upload-wait,
/// amazon-drive#acd-cli-upload-timeout).
const WAIT_MIN: Duration = Duration::from_secs(5);
const WAIT_MAX: Duration = Duration::from_secs(600);
const WAIT_PER_GIB: Duration = Duration::from_secs(180);

/// Pauses between two requests: the first one, doubled each time up to the maximum.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Number of bytes that are read from a file at once to hash it.
const CHUNK: usize = 1 << 20;

/// Where the file of an upload appears.
#[derive(Clone, Copy)]
pub(super) enum LateUpload<'a> {
    /// A new file in a folder.
    New { folder: &'a ItemId, name: &'a str },
    /// An existing file with new content.
    Overwritten(&'a ItemId),
}

impl NodeDrive {
    /// Searches for the file of an upload that failed with a timeout, and returns it when it has the
    /// size and the MD5 of `body`.
    ///
    /// # Errors
    /// `timeout`, the error of the upload, if the file does not appear in time. `Unexpected` if the
    /// file of `body` cannot be read.
    pub(super) async fn find_late_upload(
        &self,
        cx: &Context,
        upload: LateUpload<'_>,
        body: &Body,
        timeout: Error,
    ) -> Result<Item> {
        let size = body.len();
        let sum = md5_of_body(body.clone()).await?;
        let mut remaining = self.upload_wait.unwrap_or_else(|| default_wait(size));
        let mut pause = FIRST_PAUSE;
        loop {
            // An error of this request says nothing about the upload; the next request may succeed.
            if let Ok(Some(node)) = self.find_file(cx, upload).await {
                let item = from_node(node);
                if item.size == Some(size) && md5_of(&item) == Some(sum) {
                    return Ok(item);
                }
            }
            if remaining.is_zero() {
                return Err(timeout.with_note("a search for the file did not find it"));
            }
            let now = pause.min(remaining);
            tokio::time::sleep(now).await;
            remaining -= now;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Requests the file of an upload; `None` if it does not exist or is not a file.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors); `NotFound` if an overwritten file does
    /// not exist.
    async fn find_file(&self, cx: &Context, upload: LateUpload<'_>) -> Result<Option<Node>> {
        let node = match upload {
            LateUpload::New { folder, name } => self.find_child(cx, folder, name).await?,
            LateUpload::Overwritten(id) => Some(self.client.node(cx, id.as_str(), false).await?),
        };
        Ok(node.filter(|node| node.kind == NodeKind::File))
    }
}

/// Returns the duration of a search for a file of `size` bytes if the configuration has none.
fn default_wait(size: u64) -> Duration {
    WAIT_PER_GIB.mul_f64(size as f64 / (1_u64 << 30) as f64).clamp(WAIT_MIN, WAIT_MAX)
}

/// Returns the MD5 of the whole body. The hash of the request is not enough: the cloud may have
/// responded before the last byte was sent.
///
/// # Errors
/// `Unexpected` if the file of the body cannot be read.
async fn md5_of_body(body: Body) -> Result<Md5Sum> {
    let hashing = spawn_blocking(move || {
        let mut md5 = Md5::new();
        match body {
            Body::Memory(bytes) => bytes.into_iter().for_each(|chunk| md5.update(chunk)),
            Body::File { file, len } => {
                let (mut offset, mut chunk) = (0, vec![0; CHUNK]);
                while offset < len {
                    let want = usize::try_from(len - offset).unwrap_or(CHUNK).min(CHUNK);
                    read_exact_at(&file, &mut chunk[..want], offset)?;
                    md5.update(&chunk[..want]);
                    offset += want as u64;
                }
            }
        }
        Ok(md5.finalize().into())
    });
    hashing.await.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(|source| {
        let text = format!("cannot read the file to hash it: {source}");
        Error::new(ErrorKind::Unexpected, text).with_source(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_for_a_large_file_takes_longer() {
        assert_eq!(default_wait(1000), WAIT_MIN);
        assert_eq!(default_wait(1 << 30), WAIT_PER_GIB);
        assert_eq!(default_wait(50 << 30), WAIT_MAX);
    }
}
