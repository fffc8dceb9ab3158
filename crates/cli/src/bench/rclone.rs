//! A remote of rclone as a backend, through the remote control of `rclone rcd`.
//!
//! Each operation is one call of the remote control, in a process that runs during the whole benchmark.
//! So the comparison has no process starts. Uploads are copies of a temporary file; downloads are read
//! from rclone's HTTP server (`--rc-serve`).

mod daemon;

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use drivedal_bench::{ChunkSink, Content, RangeReader, Result, Target, Work};
use futures::{StreamExt, TryStreamExt, stream};
use opendal::raw::oio::ReadStream;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::daemon::Daemon;
use crate::{
    failure::{self, Failure},
    transfer::local::blocking,
};

/// Concurrent calls to delete files: rclone's remote control deletes one file per call.
const DELETES_AT_ONCE: usize = 8;

/// A remote and path of rclone.
pub(super) struct RcloneTarget {
    daemon: Arc<Daemon>,
    /// The remote and path, as rclone's commands accept them.
    remote: String,
    /// Folder for the files that are uploaded.
    uploads: TempDir,
}

impl RcloneTarget {
    /// Starts `rclone rcd` for a remote. It is stopped when the target is dropped.
    ///
    /// # Errors
    /// `Failed` if the program cannot be started, or does not listen.
    pub(super) async fn start(program: &Path, remote: &str) -> failure::Result<Self> {
        let daemon = Arc::new(Daemon::start(program).await?);
        let uploads = tempfile::tempdir().map_err(|error| Failure::from(&error))?;
        Ok(Self { daemon, remote: remote.to_owned(), uploads })
    }

    /// Returns the id of rclone's process.
    pub(super) fn process(&self) -> u32 {
        self.daemon.process()
    }

    /// Calls a function on one path of the remote.
    ///
    /// # Errors
    /// Those of [`Daemon::call`].
    async fn call(&self, function: &str, path: &str) -> Result<Value> {
        let path = path.trim_end_matches('/');
        self.daemon.call(function, json!({ "fs": self.remote, "remote": path })).await
    }

    /// Calls a function on two paths of the remote.
    ///
    /// # Errors
    /// Those of [`Daemon::call`].
    async fn call_on_two(&self, function: &str, from: &str, to: &str) -> Result {
        let arguments = json!({
            "srcFs": self.remote, "srcRemote": from, "dstFs": self.remote, "dstRemote": to,
        });
        self.daemon.call(function, arguments).await.map(drop)
    }

    /// Writes a temporary file with `write`, and copies it to the remote.
    ///
    /// # Errors
    /// Those of the file and of [`Daemon::call`].
    async fn upload(
        &self,
        path: &str,
        write: impl FnOnce(&Path) -> std::io::Result<()> + Send + 'static,
    ) -> Result {
        let name = path.replace('/', "_");
        let file = TemporaryFile(self.uploads.path().join(&name));
        let at = file.0.clone();
        blocking(move || write(&at).map_err(|error| Failure::local("write", &at, &error)))
            .await
            .map_err(|failure| failure.to_string())?;
        let arguments = json!({
            "srcFs": self.uploads.path(), "srcRemote": name,
            "dstFs": self.remote, "dstRemote": path,
        });
        self.daemon.call("operations/copyfile", arguments).await.map(drop)
    }
}

/// A file that is removed when this value is dropped.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // The folder is removed at the end, with all files that are still in it.
        let _ = fs::remove_file(&self.0);
    }
}

#[async_trait]
impl Target for RcloneTarget {
    /// Returns `None`: rclone emulates the operations that a service lacks.
    fn missing_capability(&self, _: Work) -> Option<String> {
        None
    }

    fn service(&self) -> String {
        format!("rclone {}", self.daemon.version())
    }

    async fn create_folder(&self, path: &str) -> Result {
        self.call("operations/mkdir", path).await.map(drop)
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result {
        self.upload(path, move |file| fs::write(file, &bytes)).await
    }

    async fn write_chunks(&self, path: &str, content: Content) -> Result {
        let write = move |file: &Path| {
            let mut file = fs::File::create(file)?;
            content.chunks().try_for_each(|chunk| std::io::Write::write_all(&mut file, &chunk))
        };
        self.upload(path, write).await
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        self.daemon.read(&self.remote, path, None).await
    }

    async fn read_chunks(&self, path: &str, sink: &mut ChunkSink<'_>) -> Result {
        let mut body = self.daemon.open(&self.remote, path, None).await?;
        loop {
            let chunk = body.read().await?;
            if chunk.is_empty() {
                return Ok(());
            }
            Iterator::for_each(chunk, |bytes| sink(&bytes));
        }
    }

    async fn open(&self, path: &str) -> Result<Box<dyn RangeReader>> {
        Ok(Box::new(RcloneReader {
            daemon: Arc::clone(&self.daemon),
            remote: self.remote.clone(),
            path: path.to_owned(),
        }))
    }

    async fn stat(&self, path: &str) -> Result<u64> {
        let found = self.call("operations/stat", path).await?;
        let item = &found["item"];
        match item["Size"].as_u64() {
            Some(size) if item["IsDir"] == false => Ok(size),
            _ => Err(format!("{path} is not a file: {item}").into()),
        }
    }

    async fn list(&self, folder: &str, recursive: bool) -> Result<Vec<String>> {
        let arguments = json!({
            "fs": self.remote, "remote": folder.trim_end_matches('/'),
            "opt": { "recurse": recursive, "filesOnly": true, "noMimeType": true },
        });
        let listed = self.daemon.call("operations/list", arguments).await?;
        let entries = listed["list"].as_array().ok_or("the response has no list")?;
        let paths = entries.iter().map(|entry| {
            let path = entry["Path"].as_str().ok_or("an entry has no path")?;
            Ok(path.strip_prefix(folder).unwrap_or(path).to_owned())
        });
        paths.collect()
    }

    async fn copy(&self, from: &str, to: &str) -> Result {
        self.call_on_two("operations/copyfile", from, to).await
    }

    async fn rename(&self, from: &str, to: &str) -> Result {
        self.call_on_two("operations/movefile", from, to).await
    }

    async fn delete(&self, paths: Vec<String>) -> Result {
        let delete =
            |path: String| async move { self.call("operations/deletefile", &path).await.map(drop) };
        let mut deleted = stream::iter(paths).map(delete).buffer_unordered(DELETES_AT_ONCE);
        while deleted.try_next().await?.is_some() {}
        Ok(())
    }

    async fn folder_exists(&self, path: &str) -> Result<bool> {
        let found = self.call("operations/stat", path).await?;
        Ok(!found["item"].is_null())
    }

    async fn delete_folder(&self, path: &str) -> Result {
        match self.call("operations/purge", path).await {
            Err(error) if error.to_string().contains("directory not found") => Ok(()),
            purged => purged.map(drop),
        }
    }
}

/// A file of a remote of rclone, for reads of ranges.
struct RcloneReader {
    daemon: Arc<Daemon>,
    remote: String,
    path: String,
}

#[async_trait]
impl RangeReader for RcloneReader {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.daemon.read(&self.remote, &self.path, Some(range)).await
    }
}
