//! The contract of a backend under measurement.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Content, Result, Work};

/// Receives the chunks of a file, in order.
pub type ChunkSink<'a> = dyn FnMut(&[u8]) + Send + 'a;

/// A backend under measurement. Paths are relative to its root, without a slash at the start. Paths of
/// folders end with a slash.
///
/// Each method performs its operation completely: when it returns, the storage has its new state.
#[async_trait]
pub trait Target: Send + Sync {
    /// Returns the reason if the backend cannot do this work. `None` if it can.
    fn missing_capability(&self, work: Work) -> Option<String>;

    /// Returns the name of the service, such as `onedrive`.
    fn service(&self) -> String;

    /// Creates a folder and its missing parents. Does nothing if the backend has no folders.
    ///
    /// # Errors
    /// Those of the backend.
    async fn create_folder(&self, path: &str) -> Result;

    /// Writes a small file with one call.
    ///
    /// # Errors
    /// Those of the backend.
    async fn write(&self, path: &str, bytes: Bytes) -> Result;

    /// Writes a large file in chunks.
    ///
    /// # Errors
    /// Those of the backend.
    async fn write_chunks(&self, path: &str, content: Content) -> Result;

    /// Reads a small file with one call.
    ///
    /// # Errors
    /// Those of the backend.
    async fn read(&self, path: &str) -> Result<Bytes>;

    /// Reads a large file from its start to its end. Passes its chunks to `sink`.
    ///
    /// # Errors
    /// Those of the backend.
    async fn read_chunks(&self, path: &str, sink: &mut ChunkSink<'_>) -> Result;

    /// Opens a file for reads of ranges.
    ///
    /// # Errors
    /// Those of the backend.
    async fn open(&self, path: &str) -> Result<Box<dyn RangeReader>>;

    /// Returns the size of a file in bytes.
    ///
    /// # Errors
    /// Those of the backend; also if the path is not that of a file.
    async fn stat(&self, path: &str) -> Result<u64>;

    /// Returns the paths of the files in a folder, relative to the folder.
    ///
    /// # Errors
    /// Those of the backend.
    async fn list(&self, folder: &str, recursive: bool) -> Result<Vec<String>>;

    /// Copies a file. The folder of the target exists.
    ///
    /// # Errors
    /// Those of the backend.
    async fn copy(&self, from: &str, to: &str) -> Result;

    /// Renames a file, to another folder too. The folder of the target exists.
    ///
    /// # Errors
    /// Those of the backend.
    async fn rename(&self, from: &str, to: &str) -> Result;

    /// Deletes files.
    ///
    /// # Errors
    /// Those of the backend.
    async fn delete(&self, paths: Vec<String>) -> Result;

    /// Returns whether a folder exists: as a folder, or as the path of at least one file.
    ///
    /// # Errors
    /// Those of the backend. An error does not mean that the folder does not exist.
    async fn folder_exists(&self, path: &str) -> Result<bool>;

    /// Deletes a folder with all its contents. A folder that does not exist is not an error.
    ///
    /// # Errors
    /// Those of the backend.
    async fn delete_folder(&self, path: &str) -> Result;
}

/// A file that is open for reads of ranges.
#[async_trait]
pub trait RangeReader: Send + Sync {
    /// Returns the bytes of a range, which is within the file.
    ///
    /// # Errors
    /// Those of the backend.
    async fn read(&self, range: Range<u64>) -> Result<Bytes>;
}
