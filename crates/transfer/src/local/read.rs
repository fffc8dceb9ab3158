//! Reading of a local file, with a check that it did not change.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use bytes::Bytes;
use jiff::Timestamp;

use super::modified;
use crate::error::FailureCause;

/// The number of bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// A local file that is read sequentially.
#[derive(Debug)]
pub(crate) struct LocalReader {
    file: File,
    /// The length in bytes when the file was opened.
    pub(crate) size: u64,
    /// The modification time when the file was opened.
    pub(crate) modified: Option<Timestamp>,
    read: u64,
    ended: bool,
}

impl LocalReader {
    /// Opens a file. Blocks on the disk.
    ///
    /// # Errors
    /// The operating system's error.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let (size, modified) = (metadata.len(), modified(&metadata));
        Ok(Self { file, size, modified, read: 0, ended: false })
    }

    /// Reads the next bytes. Returns none at the end of the file. Blocks on the disk.
    ///
    /// # Errors
    /// `Disk` if the file cannot be read; `Refused` if it changed since it was opened. The change is
    /// noticed before the last bytes are returned.
    pub(crate) fn next_chunk(&mut self) -> Result<Bytes, FailureCause> {
        if self.ended {
            return Ok(Bytes::new());
        }
        // One more byte than expected, to detect a file that has grown.
        let left = usize::try_from(self.size - self.read + 1).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = Vec::with_capacity(left);
        self.file.by_ref().take(left as u64).read_to_end(&mut chunk)?;
        self.read += chunk.len() as u64;
        self.ended = chunk.len() < left;
        let has_other_size = self.read > self.size || (self.ended && self.read < self.size);
        if has_other_size || (self.ended && modified(&self.file.metadata()?) != self.modified) {
            return Err(FailureCause::refused("the file changed while it was read"));
        }
        Ok(chunk.into())
    }

    /// Returns whether all bytes were returned.
    pub(crate) fn is_at_end(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a");
        fs::write(&path, vec![7; CHUNK * 2 + 1]).expect("written");
        let mut reader = LocalReader::open(&path).expect("opened");
        let lengths: Vec<_> = std::iter::from_fn(|| {
            let chunk = reader.next_chunk().expect("read");
            (!chunk.is_empty()).then_some(chunk.len())
        })
        .collect();
        assert_eq!(lengths, [CHUNK, CHUNK, 1]);
        for len in [CHUNK * 2, CHUNK * 2 + 2] {
            let mut reader = LocalReader::open(&path).expect("opened");
            reader.next_chunk().expect("read");
            fs::write(&path, vec![7; len]).expect("written");
            let changed = std::iter::repeat_with(|| reader.next_chunk()).find_map(Result::err);
            assert!(changed.is_some_and(|cause| cause.to_string().contains("changed")), "{len}");
            fs::write(&path, vec![7; CHUNK * 2 + 1]).expect("written");
        }
    }
}
