//! The pages of a SQLite database, read without SQLite.
//!
//! SQLite reads a table from its root: one damaged page near the root hides the whole table. Here each
//! page is read on its own. A page with rows of a table is recognized by its format. Free pages are
//! skipped, because they have deleted rows. The format is described at
//! <https://www.sqlite.org/fileformat2.html>.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// The size of a page if the header is damaged: SQLite's default.
const PAGE_USUAL: usize = 4096;

/// The largest row that is read, in bytes. The tree writes no larger ones.
const ROW_MAX: usize = 16 << 20;

const LEAF_OF_TABLE: u8 = 0x0d;

const LEAF_OF_INDEX: u8 = 0x0a;

/// The other kinds of pages: interior pages, and leaves of indexes.
const OTHERS: [u8; 3] = [0x02, 0x05, LEAF_OF_INDEX];

/// A value of a row. The tree writes no other types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ColumnValue {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its number in its table (the rowid), which indexes have too.
    pub(super) number: i64,
    pub(super) values: Vec<ColumnValue>,
}

/// The rows of a page.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// Rows of the page that cannot be read.
    pub(super) unreadable: u64,
}

/// The pages of a database and of its write-ahead log.
pub(super) struct Pages {
    database: File,
    log: Option<File>,
    /// The position in the log of the last committed version of a page.
    logged: HashMap<u32, u64>,
    size: usize,
    count: u32,
    free: HashSet<u32>,
}

impl Pages {
    /// Opens the file of a database, and its log if it exists.
    ///
    /// # Errors
    /// The operating system's error if a file cannot be read.
    pub(super) fn open(database: &Path, log: &Path) -> io::Result<Self> {
        let mut file = File::open(database)?;
        let length = file.metadata()?.len();
        let mut header = Vec::new();
        file.by_ref().take(100).read_to_end(&mut header)?;
        let size = match be16(&header, 16) {
            Some(1) => 65_536,
            Some(size) if size >= 512 && size.is_power_of_two() => usize::from(size),
            _ => PAGE_USUAL,
        };
        let log = match File::open(log) {
            Ok(log) => Some(log),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let count = u32::try_from(length.div_ceil(size as u64)).unwrap_or(u32::MAX);
        let (logged, free) = Default::default();
        let mut pages = Self { database: file, log, logged, size, count, free };
        pages.read_log()?;
        pages.find_free()?;
        Ok(pages)
    }

    /// Returns the number of pages. They are numbered from 1.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Returns the rows of a page; none if it is not a leaf of a table.
    ///
    /// # Errors
    /// The operating system's error if the file cannot be read.
    pub(super) fn rows(&mut self, number: u32) -> io::Result<Rows> {
        // The first page has the schema.
        if number == 1 || self.free.contains(&number) {
            return Ok(Rows::default());
        }
        let page = self.page(number)?;
        match page[0] {
            LEAF_OF_TABLE => self.cells(&page),
            other if OTHERS.contains(&other) => Ok(Rows::default()),
            // An overflow page of a long row, or a page whose first byte is damaged.
            _ => {
                let found = self.cells(&page)?;
                Ok(if found.unreadable == 0 { found } else { Rows::default() })
            }
        }
    }

    /// Returns the entries of an index page with a single key column, each with the number of its row.
    /// Entries with overflow pages are skipped.
    ///
    /// # Errors
    /// The operating system's error if the file cannot be read.
    pub(super) fn keys(&mut self, number: u32) -> io::Result<Vec<(ColumnValue, i64)>> {
        if number == 1 || self.free.contains(&number) {
            return Ok(Vec::new());
        }
        let page = self.page(number)?;
        let count = usize::from(be16(&page, 3).unwrap_or_default());
        if page[0] != LEAF_OF_INDEX || count > (self.size - 8) / 6 {
            return Ok(Vec::new());
        }
        let entry = |pointer| {
            let (length, at) = varint(&page, usize::from(be16(&page, pointer)?))?;
            let length = usize::try_from(length).ok()?;
            let is_whole = length <= (self.size - 12) * 64 / 255 - 23;
            match &*record(page.get(at..at + length).filter(|_| is_whole)?)? {
                [key, ColumnValue::Int(row)] => Some((key.clone(), *row)),
                _ => None,
            }
        };
        Ok((0..count).filter_map(|n| entry(8 + 2 * n)).collect())
    }

    /// Reads all rows of a leaf page of a table, and counts those that are damaged.
    ///
    /// # Errors
    /// The operating system's error if an overflow page cannot be read from the file.
    fn cells(&mut self, page: &[u8]) -> io::Result<Rows> {
        let mut found = Rows::default();
        let count = usize::from(be16(page, 3).unwrap_or_default());
        // A cell has 4 bytes at least, and its pointer 2.
        if count > (self.size - 8) / 6 {
            return Ok(Rows { unreadable: 1, ..found });
        }
        for pointer in (0..count).map(|n| 8 + 2 * n) {
            let at = usize::from(be16(page, pointer).unwrap_or_default());
            match self.cell(page, at)? {
                Some(row) if at >= 8 + 2 * count => found.rows.push(row),
                _ => found.unreadable += 1,
            }
        }
        Ok(found)
    }

    /// Reads the row at a position of a page, with its overflow pages; `None` if it is damaged.
    ///
    /// # Errors
    /// The operating system's error if an overflow page cannot be read from the file.
    fn cell(&mut self, page: &[u8], at: usize) -> io::Result<Option<Row>> {
        let Some((length, at)) = varint(page, at) else { return Ok(None) };
        let Some((number, at)) = varint(page, at) else { return Ok(None) };
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= ROW_MAX) else {
            return Ok(None);
        };
        let local = self.local(length);
        let Some(here) = page.get(at..at + local) else { return Ok(None) };
        let mut payload = here.to_vec();
        let mut next = be32(page, at + local);
        while payload.len() < length {
            let Some(number) = next.filter(|number| (2..=self.count).contains(number)) else {
                return Ok(None);
            };
            let more = self.page(number)?;
            next = be32(&more, 0);
            let wanted = (self.size - 4).min(length - payload.len());
            payload.extend_from_slice(&more[4..4 + wanted]);
        }
        let number = number.cast_signed();
        Ok(record(&payload).map(|values| Row { number, values }))
    }

    /// Returns the number of bytes of a row that are in its own page, for a row of `length` bytes.
    fn local(&self, length: usize) -> usize {
        let (most, least) = (self.size - 35, (self.size - 12) * 32 / 255 - 23);
        if length <= most {
            return length;
        }
        let fitting = least + (length - least) % (self.size - 4);
        if fitting <= most { fitting } else { least }
    }

    /// Reads the last committed version of a page. A page that the file ends in is filled with
    /// zeros.
    ///
    /// # Errors
    /// The operating system's error if the file cannot be read.
    fn page(&mut self, number: u32) -> io::Result<Vec<u8>> {
        let (file, at) = match (&mut self.log, self.logged.get(&number)) {
            (Some(log), Some(at)) => (log, *at),
            _ => (&mut self.database, u64::from(number - 1) * self.size as u64),
        };
        file.seek(SeekFrom::Start(at))?;
        let mut page = Vec::with_capacity(self.size);
        file.take(self.size as u64).read_to_end(&mut page)?;
        page.resize(self.size, 0);
        Ok(page)
    }

    /// Finds the committed pages of the log, up to the first frame whose checksum is wrong. A log
    /// that is not of this database is ignored.
    ///
    /// # Errors
    /// The operating system's error if the header of the log cannot be read.
    fn read_log(&mut self) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let mut header = Vec::new();
        log.by_ref().take(32).read_to_end(&mut header)?;
        let (Some(magic), true) = (be32(&header, 0), header.len() == 32) else { return Ok(()) };
        let big_endian = match magic {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return Ok(()),
        };
        let sum = |sum, bytes: &[u8]| checksum(sum, bytes, big_endian);
        let mut sums = sum([0, 0], &header[..24]);
        if be32(&header, 8) != u32::try_from(self.size).ok() || !has(&header, 24, sums) {
            return Ok(());
        }
        let mut uncommitted = HashMap::new();
        let mut frame = vec![0; 24 + self.size];
        let mut at = 32;
        while log.read_exact(&mut frame).is_ok() {
            sums = sum(sum(sums, &frame[..8]), &frame[24..]);
            if frame[8..16] != header[16..24] || !has(&frame, 16, sums) {
                break;
            }
            uncommitted.insert(be32(&frame, 0).unwrap_or_default(), at + 24);
            if let Some(count @ 1..) = be32(&frame, 4) {
                self.logged.extend(uncommitted.drain());
                self.count = count;
            }
            at += frame.len() as u64;
        }
        Ok(())
    }

    /// Finds the free pages, as far as the header and the list of free pages are readable.
    ///
    /// # Errors
    /// The operating system's error if the file cannot be read.
    fn find_free(&mut self) -> io::Result<()> {
        let header = self.page(1)?;
        if !header.starts_with(b"SQLite format 3\0") {
            return Ok(());
        }
        let mut next = be32(&header, 32);
        while let Some(trunk) = next.filter(|trunk| (2..=self.count).contains(trunk)) {
            if !self.free.insert(trunk) {
                break;
            }
            let page = self.page(trunk)?;
            next = be32(&page, 0);
            let leaves = be32(&page, 4).map_or(0, |leaves| leaves as usize);
            let leaves = (0..leaves.min(self.size / 4 - 2)).filter_map(|n| be32(&page, 8 + 4 * n));
            self.free.extend(leaves);
        }
        Ok(())
    }
}

/// Parses the column values of a row from its payload in SQLite's record format; `None` if it is
/// damaged.
fn record(payload: &[u8]) -> Option<Vec<ColumnValue>> {
    let (header, mut at) = varint(payload, 0)?;
    let header = usize::try_from(header).ok().filter(|header| *header <= payload.len())?;
    let mut body = header;
    let mut values = Vec::new();
    while at < header {
        let (kind, next) = varint(payload, at)?;
        at = next;
        let value = match kind {
            0 => ColumnValue::Null,
            1..=6 => {
                let length = [1, 2, 3, 4, 6, 8][usize::try_from(kind).ok()? - 1];
                let bytes = payload.get(body..body + length)?;
                body += length;
                let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
                ColumnValue::Int(bytes.iter().fold(sign, |all, byte| all << 8 | i64::from(*byte)))
            }
            8 | 9 => ColumnValue::Int(i64::from(kind == 9)),
            text if text >= 13 && text % 2 == 1 => {
                let length = usize::try_from((text - 13) / 2).ok()?;
                let bytes = payload.get(body..body.checked_add(length)?)?;
                body += length;
                ColumnValue::Text(String::from_utf8(bytes.to_vec()).ok()?)
            }
            blob if blob >= 12 => {
                let length = usize::try_from((blob - 12) / 2).ok()?;
                let bytes = payload.get(body..body.checked_add(length)?)?;
                body += length;
                ColumnValue::Bytes(bytes.to_vec())
            }
            _ => return None,
        };
        values.push(value);
    }
    (at == header && body == payload.len()).then_some(values)
}

/// Parses a number of 1 to 9 bytes at a position. Returns it and the position behind it; `None` if
/// the bytes end before.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number = 0;
    for n in 0..8 {
        let byte = *bytes.get(at + n)?;
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, at + n + 1));
        }
    }
    Some((number << 8 | u64::from(*bytes.get(at + 8)?), at + 9))
}

/// Continues the running checksum of the log, two words. The number of bytes must be a multiple of
/// 8. `big_endian` is the order of the bytes in the log.
fn checksum([mut one, mut two]: [u32; 2], bytes: &[u8], big_endian: bool) -> [u32; 2] {
    for words in bytes.chunks_exact(8) {
        let word = |at: usize| {
            let word = [words[at], words[at + 1], words[at + 2], words[at + 3]];
            if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        };
        one = one.wrapping_add(word(0)).wrapping_add(two);
        two = two.wrapping_add(word(4)).wrapping_add(one);
    }
    [one, two]
}

/// Returns whether the 8 bytes at a position are these checksums.
fn has(bytes: &[u8], at: usize, sums: [u32; 2]) -> bool {
    [be32(bytes, at), be32(bytes, at + 4)] == sums.map(Some)
}

/// Returns the big-endian number of 2 bytes at a position; `None` if the bytes end before.
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Returns the big-endian number of 4 bytes at a position; `None` if the bytes end before.
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_file_is_read_to_its_end(
            mut bytes in prop::collection::vec(any::<u8>(), 512..4096), pages in 0..6_usize,
        ) {
            let dir = tempfile::tempdir().expect("a folder");
            bytes[..16].copy_from_slice(b"SQLite format 3\0");
            bytes[16..18].copy_from_slice(&[2, 0]);
            for page in 1..=pages.min(bytes.len() / 512 - 1) {
                bytes[page * 512] = [LEAF_OF_TABLE, LEAF_OF_INDEX][page % 2];
                bytes[page * 512 + 3] = 0;
            }
            let (file, log) = (dir.path().join("db"), dir.path().join("log"));
            std::fs::write(&file, &bytes).expect("writes");
            std::fs::write(&log, &bytes).expect("writes");
            let mut pages = Pages::open(&file, &log).expect("opens");
            for number in 1..=pages.count() {
                pages.rows(number).expect("reads");
                pages.keys(number).expect("reads");
            }
        }
    }
}
