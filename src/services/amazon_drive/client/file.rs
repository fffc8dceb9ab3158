//! Downloads of a file to a local file, in several requests, which can be resumed
//! (amazon-drive#acdcli-resume, amazon-drive#acdcli-chunked-download).

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use ::md5::{Digest, Md5};
use futures::StreamExt;
use opendal::Buffer;
use tokio::task::spawn_blocking;

use super::Client;
use crate::{
    drive::{ByteRange, Context, Error, ErrorKind, Result, Retry},
    services::amazon_drive::{
        md5::{Md5Sum, parse_hex, to_hex},
        model::{Node, NodeKind},
    },
};

/// End of the name of an incomplete file (amazon-drive#acdcli-partial-suffix).
const PARTIAL_SUFFIX: &str = ".__incomplete";

/// Number of bytes at the end of an incomplete file that are downloaded again: after a crash of the
/// machine they may never have reached the disk. acdcli's value.
const OVERLAP: u64 = 128 << 10;

/// Number of bytes that are read from an incomplete file at once.
const READ_SIZE: usize = 1 << 20;

/// Options of [`Client::download_file`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResumableDownload {
    /// Whether an incomplete file of an earlier download is continued. The default is true.
    pub resume: bool,
    /// Maximum number of bytes of one request, at least 1. The default is 500 MiB: the cloud did not
    /// serve more than about 10 GiB at once (amazon-drive#max-download-size).
    pub chunk_size: u64,
}

impl Default for ResumableDownload {
    /// Returns the options of acdcli.
    fn default() -> Self {
        Self { resume: true, chunk_size: 500 << 20 }
    }
}

impl Client {
    /// Downloads the file with this id to `path`, and returns its node.
    ///
    /// The bytes are written to `PATH.__incomplete`, which replaces a file at `path` at the end,
    /// after size and MD5 were compared. If the download is interrupted, that file remains, and the
    /// next call continues it. One request returns the node, and one each chunk.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `IsAFolder` for a folder; a temporary `Unexpected`
    /// error if the file changes during the download, or the MD5 differs: the incomplete file is
    /// then deleted, so that the next call starts again. `Unexpected` if the local file cannot be
    /// written. Otherwise `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    pub async fn download_file(
        &self,
        cx: &Context,
        id: &str,
        path: &Path,
        options: ResumableDownload,
    ) -> Result<Node> {
        let node = self.node(cx, id, false).await?;
        if node.kind == NodeKind::Folder {
            return Err(Error::new(ErrorKind::IsAFolder, "a folder has no content"));
        }
        let content = node.content_properties.as_ref();
        let Some(size) = content.and_then(|content| content.size) else {
            let text = "cannot download the file: the response has no size";
            return Err(Error::new(ErrorKind::Unexpected, text));
        };
        let sum = content.and_then(|content| parse_hex(content.md5.as_deref()?));
        let target = path.to_owned();
        let mut part =
            blocking(path, move || PartialFile::open(&target, options.resume, size)).await?;
        while part.len < size {
            let end = size.min(part.len.saturating_add(options.chunk_size.max(1)));
            let download =
                self.download(cx, id, &ByteRange::Span(part.len..end), Some(size)).await?;
            if download.total != size || download.range != (part.len..end) {
                let text = format!(
                    "the file changed during the download: it had {size} bytes, now it has {}",
                    download.total
                );
                return part.reject(text).await;
            }
            let mut bytes = download.bytes;
            while let Some(chunk) = bytes.next().await {
                part = part.append(chunk?).await?;
            }
        }
        let received: Md5Sum = part.md5.clone().finalize().into();
        match sum {
            Some(sum) if sum != received => {
                let text = format!(
                    "the content is damaged, or was changed during the download: its MD5 is {}, \
                     the cloud has {}",
                    to_hex(&received),
                    to_hex(&sum)
                );
                part.reject(text).await
            }
            _ => {
                part.complete().await?;
                Ok(node)
            }
        }
    }
}

/// The local file of a download in progress.
struct PartialFile {
    /// The path of the complete file.
    target: PathBuf,
    file: File,
    /// MD5 of the bytes so far.
    md5: Md5,
    /// Number of bytes so far.
    len: u64,
}

impl PartialFile {
    /// Opens the incomplete file of `target`. With `resume` it keeps its bytes except the last
    /// [`OVERLAP`], unless it is longer than `size`; otherwise it is empty.
    ///
    /// # Errors
    /// If the file cannot be opened, read or truncated.
    fn open(target: &Path, resume: bool, size: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(partial_path(target))?;
        let len = file.metadata()?.len();
        let kept = match resume && len <= size {
            true => len.saturating_sub(OVERLAP),
            false => 0,
        };
        file.set_len(kept)?;
        let (mut md5, mut buffer) = (Md5::new(), vec![0; READ_SIZE]);
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => md5.update(&buffer[..read]),
            }
        }
        let len = file.seek(SeekFrom::End(0))?;
        Ok(Self { target: target.to_owned(), file, md5, len })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// `Unexpected` if the file cannot be written.
    async fn append(mut self, bytes: Buffer) -> Result<Self> {
        let target = self.target.clone();
        blocking(&target, move || {
            for chunk in bytes {
                self.file.write_all(&chunk)?;
                self.md5.update(&chunk);
                self.len += chunk.len() as u64;
            }
            Ok(self)
        })
        .await
    }

    /// Replaces the file at the target.
    ///
    /// # Errors
    /// `Unexpected` if the file cannot be written or renamed.
    async fn complete(self) -> Result<()> {
        let target = self.target.clone();
        blocking(&target, move || {
            self.file.sync_all()?;
            fs::rename(partial_path(&self.target), &self.target)
        })
        .await
    }

    /// Deletes the file, because its bytes are not those of the file in the cloud.
    ///
    /// # Errors
    /// A temporary `Unexpected` error with the reason `text`, always.
    async fn reject<T>(self, text: String) -> Result<T> {
        let target = self.target.clone();
        blocking(&target, move || fs::remove_file(partial_path(&self.target))).await?;
        Err(Error::new(ErrorKind::Unexpected, text).with_retry(Retry::Again { after: None }))
    }
}

/// Returns the path of the incomplete file of `target`.
fn partial_path(target: &Path) -> PathBuf {
    let mut path = OsString::from(target);
    path.push(PARTIAL_SUFFIX);
    path.into()
}

/// Runs file operations on a thread that may block.
///
/// # Errors
/// `Unexpected` if they fail or panic. `path` is the file in the message.
async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = spawn_blocking(work).await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    done.map_err(|error| {
        let text = format!("cannot download to {}: {error}", path.display());
        Error::new(ErrorKind::Unexpected, text).with_source(error)
    })
}
