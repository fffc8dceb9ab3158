//! What became of an upload that was answered with a time-out.
//!
//! After 408, 504 and the like the file was often there all the same, at once or minutes later
//! (amazon-drive#late-uploads, amazon-drive#late-upload-wait). So it is looked for before it is
//! called failed: by name, size and MD5.

use std::{io, time::Duration};

use md5::{Digest, Md5};
use tokio::task::spawn_blocking;

use super::{
    drive::{Cloud, item_of},
    md5::{Md5Sum, to_hex},
    model::{Node, NodeKind},
};
use crate::{
    drive::{Body, Context, Error, ErrorKind, Item, ItemId, Result},
    transport::{read_exact_at, status::is_timeout},
};

/// How long a file is looked for at least, at most, and for each GiB: rclone's experience and
/// acd_cli's (amazon-drive#late-upload-wait, amazon-drive#acd-cli-upload-timeout).
const LEAST: Duration = Duration::from_secs(5);
const MOST: Duration = Duration::from_secs(600);
const A_GIB: Duration = Duration::from_secs(180);

/// The first pause between two looks, and the longest; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How much of a file is read at once to be hashed, in bytes.
const PIECE: usize = 1 << 20;

/// Where an upload was to arrive.
#[derive(Clone, Copy)]
pub(super) enum Destination<'a> {
    New { folder: &'a ItemId, name: &'a str },
    Over(&'a ItemId),
}

impl Cloud {
    /// The file of an upload that failed, if that was a time-out and the file is there, or comes.
    ///
    /// # Errors
    /// The upload's, if it does not come.
    pub(super) async fn after_timeout(
        &self,
        cx: &Context,
        to: Destination<'_>,
        body: &Body,
        error: Error,
    ) -> Result<Item> {
        if !error.status().is_some_and(is_timeout) {
            return Err(error);
        }
        let len = body.len();
        let wanted = to_hex(&sum_of(body.clone()).await?);
        let mut left = self.upload_wait.unwrap_or_else(|| longest(len));
        let mut pause = FIRST_PAUSE;
        loop {
            // What fails here says nothing of the upload; the next look may.
            if let Ok(Some(node)) = self.at(cx, to).await {
                let item = item_of(node);
                if item.size == Some(len) && item.etag.as_deref() == Some(&*wanted) {
                    return Ok(item);
                }
            }
            if left.is_zero() {
                return Err(error.with_note("it was looked for, and had not arrived"));
            }
            let now = pause.min(left);
            tokio::time::sleep(now).await;
            left -= now;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn at(&self, cx: &Context, to: Destination<'_>) -> Result<Option<Node>> {
        let node = match to {
            Destination::New { folder, name } => self.named(cx, folder, name).await?,
            Destination::Over(id) => Some(self.client.node(cx, id.as_str(), false).await?),
        };
        Ok(node.filter(|node| node.kind == NodeKind::File))
    }
}

/// How long a file of that size is looked for.
fn longest(bytes: u64) -> Duration {
    A_GIB.mul_f64(bytes as f64 / (1_u64 << 30) as f64).clamp(LEAST, MOST)
}

/// The MD5 of what was sent: what hashed it on its way may not have seen all of it.
async fn sum_of(body: Body) -> Result<Md5Sum> {
    let hashing = spawn_blocking(move || {
        let mut md5 = Md5::new();
        match body {
            Body::Memory(bytes) => bytes.into_iter().for_each(|piece| md5.update(piece)),
            Body::File { file, len } => {
                let (mut at, mut piece) = (0, vec![0; PIECE]);
                while at < len {
                    let want = usize::try_from(len - at).unwrap_or(PIECE).min(PIECE);
                    read_exact_at(&file, &mut piece[..want], at)?;
                    md5.update(&piece[..want]);
                    at += want as u64;
                }
            }
        }
        Ok(md5.finalize().into())
    });
    hashing.await.unwrap_or_else(|died| Err(io::Error::other(died))).map_err(|source| {
        Error::new(ErrorKind::Unexpected, "reading the file to be hashed").with_source(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_are_looked_for_longer() {
        assert_eq!(longest(1000), LEAST);
        assert_eq!(longest(1 << 30), A_GIB);
        assert_eq!(longest(50 << 30), MOST);
    }
}
