//! An OpenDAL operator as a target.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use opendal::{Operator, Reader, options::ListOptions};

use crate::{ChunkSink, Content, RangeReader, Result, Target, Work};

/// Returns the user metadata that announces a file's size, in bytes, to a writer.
pub type SizeAnnouncer = fn(u64) -> Vec<(String, String)>;

/// A folder of an OpenDAL operator.
#[derive(Clone, Debug)]
pub struct OperatorTarget {
    operator: Operator,
    /// Path of the folder, with a slash at the end. Empty for the operator's root.
    folder: String,
    announcer: Option<SizeAnnouncer>,
}

impl OperatorTarget {
    /// Creates a target at the operator's root.
    pub fn new(operator: Operator) -> Self {
        Self { operator, folder: String::new(), announcer: None }
    }

    /// Uses this folder as the root. It need not exist.
    #[must_use]
    pub fn in_folder(mut self, folder: &str) -> Self {
        let folder = folder.trim_matches('/');
        self.folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self
    }

    /// Announces the size of a large file to its writer, as user metadata. Only for services that
    /// understand the announcement: others would store it.
    #[must_use]
    pub fn with_announcer(self, announcer: SizeAnnouncer) -> Self {
        Self { announcer: Some(announcer), ..self }
    }

    /// Returns the operator's path of a target's path.
    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.folder)
    }
}

#[async_trait]
impl Target for OperatorTarget {
    fn missing_capability(&self, work: Work) -> Option<String> {
        let has = self.operator.info().capability();
        let (is_supported, operation) = match work {
            Work::PutSmall | Work::PutLarge => (has.write, "write"),
            Work::GetSmall | Work::GetLarge | Work::ReadRanges => (has.read, "read"),
            Work::List | Work::ListRecursive => (has.list, "list"),
            Work::Stat => (has.stat, "stat"),
            Work::Copy => (has.copy, "copy"),
            Work::Rename => (has.rename, "rename"),
            Work::Mixed => (has.read && has.write && has.list && has.stat, "read, write and list"),
            Work::Delete => (has.delete, "delete"),
        };
        (!is_supported).then(|| format!("the service does not {operation}"))
    }

    fn service(&self) -> String {
        self.operator.info().scheme().to_owned()
    }

    async fn create_folder(&self, path: &str) -> Result {
        if self.operator.info().capability().create_dir {
            self.operator.create_dir(&self.at(path)).await?;
        }
        Ok(())
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result {
        self.operator.write(&self.at(path), bytes).await?;
        Ok(())
    }

    /// Writes the file in chunks of 1 MiB, or at once if the service accepts only whole files.
    async fn write_chunks(&self, path: &str, content: Content) -> Result {
        let path = self.at(path);
        if !self.operator.info().capability().write_can_multi {
            self.operator.write(&path, content.to_bytes()).await?;
            return Ok(());
        }
        let mut writer = match self.announcer {
            Some(announcer) => {
                self.operator.writer_with(&path).user_metadata(announcer(content.len())).await?
            }
            None => self.operator.writer(&path).await?,
        };
        for chunk in content.chunks() {
            writer.write(chunk).await?;
        }
        writer.close().await?;
        Ok(())
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        Ok(self.operator.read(&self.at(path)).await?.to_bytes())
    }

    async fn read_chunks(&self, path: &str, sink: &mut ChunkSink<'_>) -> Result {
        let reader = self.operator.reader(&self.at(path)).await?;
        let mut chunks = reader.into_stream(..).await?;
        while let Some(chunk) = chunks.try_next().await? {
            chunk.for_each(|bytes| sink(&bytes));
        }
        Ok(())
    }

    async fn open(&self, path: &str) -> Result<Box<dyn RangeReader>> {
        Ok(Box::new(OperatorReader(self.operator.reader(&self.at(path)).await?)))
    }

    async fn stat(&self, path: &str) -> Result<u64> {
        let metadata = self.operator.stat(&self.at(path)).await?;
        match metadata.is_file() {
            true => Ok(metadata.content_length()),
            false => Err(format!("{path} is a folder").into()),
        }
    }

    async fn list(&self, folder: &str, recursive: bool) -> Result<Vec<String>> {
        let folder = self.at(folder);
        let options = ListOptions { recursive, ..ListOptions::default() };
        let entries = self.operator.list_options(&folder, options).await?;
        let files = entries.iter().filter(|entry| entry.metadata().is_file());
        let relative = |path: &str| path.strip_prefix(&folder).unwrap_or(path).to_owned();
        Ok(files.map(|entry| relative(entry.path())).collect())
    }

    async fn copy(&self, from: &str, to: &str) -> Result {
        self.operator.copy(&self.at(from), &self.at(to)).await?;
        Ok(())
    }

    async fn rename(&self, from: &str, to: &str) -> Result {
        Ok(self.operator.rename(&self.at(from), &self.at(to)).await?)
    }

    async fn delete(&self, paths: Vec<String>) -> Result {
        let paths: Vec<String> = paths.iter().map(|path| self.at(path)).collect();
        Ok(self.operator.delete_iter(paths).await?)
    }

    async fn folder_exists(&self, path: &str) -> Result<bool> {
        Ok(self.operator.exists(&self.at(path)).await?)
    }

    async fn delete_folder(&self, path: &str) -> Result {
        Ok(self.operator.delete_with(&self.at(path)).recursive(true).await?)
    }
}

/// An open file of an operator.
struct OperatorReader(Reader);

#[async_trait]
impl RangeReader for OperatorReader {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        Ok(self.0.read(range).await?.to_bytes())
    }
}
