//! A list of records that moves to a temporary file when it grows.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Seek, Write},
    marker::PhantomData,
};

use serde::{Serialize, de::DeserializeOwned};

/// The number of records that are held in memory.
pub(crate) const MEMORY_MAX: usize = 100_000;

/// A list that keeps the order of its records. Above [`MEMORY_MAX`] records they are written to an
/// unnamed temporary file, which the operating system removes.
#[derive(Debug)]
pub(crate) struct SpooledList<T> {
    memory: Vec<T>,
    file: Option<BufWriter<File>>,
    len: u64,
    memory_max: usize,
}

impl<T: Serialize + DeserializeOwned> SpooledList<T> {
    /// Returns an empty list.
    pub(crate) fn new() -> Self {
        Self::with_memory_max(MEMORY_MAX)
    }

    /// Returns an empty list that holds at most `memory_max` records in memory.
    fn with_memory_max(memory_max: usize) -> Self {
        Self { memory: Vec::new(), file: None, len: 0, memory_max }
    }

    /// Returns the number of records.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Adds a record.
    ///
    /// # Errors
    /// The operating system's error if the temporary file cannot be written.
    pub(crate) fn push(&mut self, record: T) -> io::Result<()> {
        self.memory.push(record);
        self.len += 1;
        if self.memory.len() > self.memory_max {
            let file = match &mut self.file {
                Some(file) => file,
                None => self.file.insert(BufWriter::new(tempfile::tempfile()?)),
            };
            for record in self.memory.drain(..) {
                write_record(file, &record)?;
            }
        }
        Ok(())
    }

    /// Returns the records in the order in which they were added.
    ///
    /// # Errors
    /// The operating system's error if the temporary file cannot be written or read.
    pub(crate) fn into_records(self) -> io::Result<SpooledRecords<T>> {
        let file = match self.file {
            Some(file) => Some(RecordReader::new(file.into_inner().map_err(io::Error::from)?)?),
            None => None,
        };
        Ok(SpooledRecords { file, memory: self.memory.into_iter() })
    }
}

/// The records of a [`SpooledList`].
pub(crate) struct SpooledRecords<T> {
    file: Option<RecordReader<T>>,
    memory: std::vec::IntoIter<T>,
}

impl<T: DeserializeOwned> Iterator for SpooledRecords<T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let from_file = self.file.as_mut().and_then(Iterator::next);
        from_file.or_else(|| self.memory.next().map(Ok))
    }
}

/// Writes a record as a line of JSON.
///
/// # Errors
/// The operating system's error if the file cannot be written.
pub(crate) fn write_record<T: Serialize>(file: &mut impl Write, record: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *file, record)?;
    file.write_all(b"\n")
}

/// Reads the records of a file that [`write_record`] wrote.
pub(crate) struct RecordReader<T> {
    file: BufReader<File>,
    line: Vec<u8>,
    records: PhantomData<T>,
}

impl<T> RecordReader<T> {
    /// Reads a file from its start.
    ///
    /// # Errors
    /// The operating system's error if the file is not seekable.
    pub(crate) fn new(mut file: File) -> io::Result<Self> {
        file.rewind()?;
        Ok(Self { file: BufReader::new(file), line: Vec::new(), records: PhantomData })
    }
}

impl<T: DeserializeOwned> Iterator for RecordReader<T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line.clear();
        match self.file.read_until(b'\n', &mut self.line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_slice(&self.line).map_err(io::Error::from)),
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_order_across_the_temporary_file() {
        for count in [0_u32, 3, 4, 25] {
            let mut list = SpooledList::with_memory_max(3);
            for number in 0..count {
                list.push(number).expect("added");
            }
            assert_eq!(list.len(), u64::from(count));
            assert_eq!(list.file.is_some(), count > 3);
            let records: io::Result<Vec<u32>> = list.into_records().expect("written").collect();
            assert_eq!(records.expect("read"), (0..count).collect::<Vec<_>>());
        }
    }
}
