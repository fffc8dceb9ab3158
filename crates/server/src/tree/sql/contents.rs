//! Contents: the bytes of files, in a row or in blobs. Items share a content by a reference count.

mod old;

use std::{collections::HashMap, io, ops::Range, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, FromRow, Row, any::AnyRow};

use super::{
    super::{Bytestream, Content, DriveKey, Hashes, Result, Stored, TreeError},
    db::Db,
    failure::storage,
    ingest::Place,
    row::{bytes_from_hashes, malformed, signed, unsigned},
    writer::Tx,
};
use crate::{
    blobs::{Blob, Blobs, ReadLease},
    blocks::Checks,
};

/// A piece of a content: its range of the content's bytes, and the blob that has them.
struct Segment {
    range: Range<u64>,
    blob: i64,
    /// `None` for a segment of version 1, which has no checksums.
    checks: Option<Checks>,
}

impl FromRow<'_, AnyRow> for Segment {
    /// Reads the columns `start`, `length`, `blob` and `checks`.
    ///
    /// # Errors
    /// `sqlx::Error` if a column is absent or its value is malformed.
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let start = unsigned(row.try_get("start")?);
        let end = start + unsigned(row.try_get("length")?);
        let checks: Option<Vec<u8>> = row.try_get("checks")?;
        let checks = checks.map(Checks::parse).transpose().map_err(malformed)?;
        Ok(Self { range: start..end, blob: row.try_get("blob")?, checks })
    }
}

/// The new bytes of a file.
pub(super) enum NewContent {
    /// Received bytes, which no row names yet.
    Stored(Stored),
    /// A content whose reference count includes this file.
    Counted(Content),
}

impl NewContent {
    /// Returns the size in bytes.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Stored(stored) => stored.size,
            Self::Counted(content) => content.size,
        }
    }

    /// Inserts received bytes as a content with one reference. A content that exists is returned as
    /// it is: its reference is counted already.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
    pub(super) async fn insert(self, tx: &mut Tx) -> Result<Content> {
        let stored = match self {
            Self::Counted(content) => return Ok(content),
            Self::Stored(stored) => stored,
        };
        let no = tx.ids().allocate();
        let content = Content { no, size: stored.size, hashes: stored.hashes, media: stored.media };
        match stored.at {
            Place::Row(bytes) => {
                insert_row(tx, &content, Some(bytes.to_vec())).await?;
            }
            Place::Blob(blob) => {
                insert_row(tx, &content, None).await?;
                add_segment(tx, no, 0..content.size, blob).await?;
            }
        }
        insert_facts(tx, &content).await?;
        Ok(content)
    }
}

/// Inserts a row of `content` with one reference. `data` has the bytes; `None` if blobs have them.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn insert_row(tx: &mut Tx, content: &Content, data: Option<Vec<u8>>) -> Result<()> {
    sqlx::query("INSERT INTO content (no, refs, size, hashes, data) VALUES ($1, 1, $2, $3, $4)")
        .bind(content.no)
        .bind(signed(content.size))
        .bind(bytes_from_hashes(&content.hashes))
        .bind(data)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Inserts the media facts of a content, if it has any.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn insert_facts(tx: &mut Tx, content: &Content) -> Result<()> {
    let Some(media) = &content.media else { return Ok(()) };
    sqlx::query("INSERT INTO media (content, facts) VALUES ($1, $2)")
        .bind(content.no)
        .bind(serde_json::to_string(&**media).map_err(storage)?)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Inserts a content without bytes under the number `no`, for an upload session.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn insert_empty(tx: &mut Tx, no: i64) -> Result<()> {
    insert_row(tx, &Content { no, size: 0, hashes: Hashes::default(), media: None }, None).await
}

/// Adds a blob to a content. `range` is the position of the blob's bytes in the content.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn add_segment(
    tx: &mut Tx,
    content: i64,
    range: Range<u64>,
    blob: Blob,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO segment (content, start, length, blob, checks) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(content)
    .bind(signed(range.start))
    .bind(signed(range.end - range.start))
    .bind(blob.number())
    .bind(blob.checks().as_bytes().to_owned())
    .execute(tx.sql())
    .await?;
    tx.keep(blob);
    Ok(())
}

/// Adds a reference to a content, given its number.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn share(tx: &mut Tx, content: i64) -> Result<()> {
    sqlx::query("UPDATE content SET refs = refs + 1 WHERE no = $1")
        .bind(content)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Removes a reference from a content, given its number. The content and its blobs are deleted with
/// the last reference.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn release(tx: &mut Tx, content: i64) -> Result<()> {
    let refs: Option<i64> =
        sqlx::query_scalar("UPDATE content SET refs = refs - 1 WHERE no = $1 RETURNING refs")
            .bind(content)
            .fetch_optional(tx.sql())
            .await?;
    if refs == Some(0) { delete(tx, content).await } else { Ok(()) }
}

/// Deletes contents that have no references. Their blobs are removed after the commit.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn delete_all(tx: &mut Tx, contents: Vec<i64>) -> Result<()> {
    for content in contents {
        delete(tx, content).await?;
    }
    Ok(())
}

/// Deletes a content that has no references. Its blobs are removed after the commit.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn delete(tx: &mut Tx, content: i64) -> Result<()> {
    let blobs: Vec<i64> =
        sqlx::query_scalar("DELETE FROM segment WHERE content = $1 RETURNING blob")
            .bind(content)
            .fetch_all(tx.sql())
            .await?;
    sqlx::query("DELETE FROM media WHERE content = $1").bind(content).execute(tx.sql()).await?;
    sqlx::query("DELETE FROM content WHERE no = $1").bind(content).execute(tx.sql()).await?;
    tx.remove(content, blobs);
    Ok(())
}

/// Removes the references of all items in `subtree` that are not kept. Contents without references
/// are deleted.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn release_gathered(tx: &mut Tx, drive: DriveKey) -> Result<()> {
    let released: Vec<(i64, i64)> = sqlx::query_as(
        "UPDATE content SET refs = refs - x.n FROM ( \
         SELECT i.content AS no, count(*) AS n FROM subtree s CROSS JOIN item i \
         WHERE i.drive = $1 AND i.no = s.item AND i.content IS NOT NULL AND s.kept = 0 \
         GROUP BY i.content) x \
         WHERE content.no = x.no RETURNING content.no, content.refs",
    )
    .bind(drive)
    .fetch_all(tx.sql())
    .await?;
    for (content, _) in released.into_iter().filter(|(_, refs)| *refs == 0) {
        delete(tx, content).await?;
    }
    Ok(())
}

/// Returns a range of a content's bytes as a stream. A range beyond the end is cut.
///
/// Every byte is verified before it is passed on: blocks of blobs by their checksums, contents in
/// rows by their SHA-256. Segments of version 1 have no checksums: a read of the whole content is
/// verified by its SHA-256 and fails before the last piece, so that the response stays incomplete;
/// before any other range the whole content is verified once, and gets checksums.
///
/// # Errors
/// `TreeError::Changed` if the content no longer exists, and `TreeError::Storage` if its first
/// bytes are missing, damaged or unreadable. Later bytes fail the stream.
pub(super) async fn open(
    db: &Db,
    blobs: &Arc<Blobs>,
    content: &Content,
    range: Range<u64>,
) -> Result<Bytestream> {
    let range = range.start.min(content.size)..range.end.min(content.size);
    // Before the lookup: the blobs that it finds must exist until the stream is dropped.
    let lease = blobs.lease(content.no);
    let located = |error| db.with_location(error);
    let mut segments = match locate(db, content.no, &range).await.map_err(located)? {
        BytesLocation::Row(bytes) => {
            verify_row(content, &bytes).map_err(located)?;
            let (start, end) = (range.start as usize, range.end as usize);
            let wanted = (start < end).then(|| Ok(bytes.slice(start..end)));
            return Ok(Box::pin(stream::iter(wanted)));
        }
        BytesLocation::Blobs(segments) => segments,
    };
    check_cover(content.no, &segments, &range).map_err(located)?;
    let unchecked = segments.iter().any(|segment| segment.checks.is_none());
    // An open upload session has no hashes yet.
    if !unchecked || content.hashes == Hashes::default() {
        return started(content.no, read(blobs, lease, segments, range)).await;
    }
    if range == (0..content.size) {
        let bytes = read(blobs, lease, segments, range);
        return started(content.no, old::verified(bytes, content.hashes.sha256)).await;
    }
    old::add_checks(db, blobs, content).await?;
    if let BytesLocation::Blobs(checked) = locate(db, content.no, &range).await.map_err(located)? {
        segments = checked;
    }
    started(content.no, read(blobs, lease, segments, range)).await
}

/// The location of a content's bytes.
enum BytesLocation {
    Row(bytes::Bytes),
    /// The segments that overlap a range.
    Blobs(Vec<Segment>),
}

/// Finds the bytes of a content: all of them in its row, or the segments that overlap the range.
///
/// # Errors
/// `TreeError::Changed` if the content does not exist, and `TreeError::Storage` if the database
/// cannot be read.
async fn locate(db: &Db, content: i64, range: &Range<u64>) -> Result<BytesLocation> {
    let mut sql = db.reader().await?;
    let data: Option<Option<Vec<u8>>> =
        sqlx::query_scalar("SELECT data FROM content WHERE no = $1")
            .bind(content)
            .fetch_optional(&mut *sql)
            .await?;
    match data.ok_or(TreeError::Changed)? {
        Some(bytes) => Ok(BytesLocation::Row(bytes.into())),
        None => Ok(BytesLocation::Blobs(segments(&mut sql, content, range).await?)),
    }
}

/// Verifies bytes from a row by the content's size and SHA-256.
///
/// # Errors
/// `TreeError::Storage` if they are damaged.
fn verify_row(content: &Content, bytes: &[u8]) -> Result<()> {
    let size = bytes.len() as u64 == content.size;
    if size && Sha256::digest(bytes)[..] == content.hashes.sha256 {
        return Ok(());
    }
    let no = content.no;
    tracing::error!(content = no, "the bytes of a file are damaged");
    Err(storage(format!("content {no} is damaged: its bytes do not match its hash")))
}

/// Verifies that segments, in the order of their start, have every byte of a range. `content` is
/// the number in the message.
///
/// # Errors
/// `TreeError::Storage` if a part is missing.
fn check_cover(content: i64, segments: &[Segment], range: &Range<u64>) -> Result<()> {
    let start = segments.first().map_or(range.start, |first| first.range.start.max(range.start));
    let end = segments.iter().fold(start, |end, segment| match segment.range.start <= end {
        true => end.max(segment.range.end),
        false => end,
    });
    match start == range.start && end >= range.end {
        true => Ok(()),
        false => Err(storage(format!("content {content} is damaged: a part of it is missing"))),
    }
}

/// Reads the first piece of a stream, so that bytes that cannot be read fail the call and not the
/// response. The returned stream has that piece too. `content` is the number in the log.
///
/// # Errors
/// `TreeError::Storage` if the first piece cannot be read.
async fn started(content: i64, mut bytes: Bytestream) -> Result<Bytestream> {
    let log = move |error: &io::Error| {
        tracing::error!(%error, content, "cannot read the bytes of a file");
    };
    let first = bytes.try_next().await.inspect_err(log).map_err(storage)?;
    Ok(Box::pin(stream::iter(first.map(Ok)).chain(bytes.inspect_err(log))))
}

/// Returns the segments of a content that overlap a range, in order of their start.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
async fn segments(
    sql: &mut AnyConnection,
    content: i64,
    range: &Range<u64>,
) -> Result<Vec<Segment>> {
    let found = sqlx::query_as(
        "SELECT start, length, blob, checks FROM segment \
         WHERE content = $1 AND start < $3 AND start + length > $2 ORDER BY start",
    )
    .bind(content)
    .bind(signed(range.start))
    .bind(signed(range.end))
    .fetch_all(sql)
    .await?;
    Ok(found)
}

/// Streams a range of segments. The lease keeps their blobs until the stream is dropped.
fn read(
    blobs: &Arc<Blobs>,
    lease: ReadLease,
    segments: Vec<Segment>,
    wanted: Range<u64>,
) -> Bytestream {
    let blobs = blobs.clone();
    let parts = segments.into_iter().filter_map(move |segment| {
        let range = &segment.range;
        let (start, end) = (wanted.start.max(range.start), wanted.end.min(range.end));
        let part = start.saturating_sub(range.start)..end.saturating_sub(range.start);
        (start < end).then_some((segment, part))
    });
    let bytes = stream::iter(parts)
        .then(move |(segment, part)| {
            let blobs = blobs.clone();
            async move { segment.read(&blobs, part).await }
        })
        .try_flatten();
    Box::pin(bytes.inspect(move |_| {
        let _ = &lease;
    }))
}

impl Segment {
    /// Streams the bytes of the segment in `part`, a range from the segment's start. They are
    /// verified if the segment has checksums.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if the blob does not exist, otherwise the operator's error. The
    /// stream fails in the same way, and at the first damaged block.
    async fn read(self, blobs: &Blobs, part: Range<u64>) -> io::Result<Bytestream> {
        let length = self.range.end - self.range.start;
        match self.checks {
            Some(checks) => blobs.read_verified(self.blob, length, part, checks).await,
            None => Ok(blobs.read(self.blob, part).await?.boxed()),
        }
    }
}

/// Returns the blobs of all contents and upload sessions: sizes in bytes by blob number.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn blobs(sql: &mut AnyConnection) -> Result<HashMap<i64, u64>> {
    let named = sqlx::query_as::<_, (i64, i64)>("SELECT blob, length FROM segment").fetch(sql);
    Ok(named.map_ok(|(blob, length)| (blob, unsigned(length))).try_collect().await?)
}
