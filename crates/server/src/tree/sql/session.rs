//! Upload sessions. Each fragment becomes a segment of a content when it arrives. The commit gives the
//! content to a file, without moving its bytes.

use std::io;

use futures::StreamExt;
use jiff::Timestamp;
use moka::sync::Cache;
use sqlx::{AnyConnection, FromRow, Row, any::AnyRow};
use tokio::task;

use super::{
    super::{
        CommitTarget, Content, DriveKey, Hashes, NewItem, OnConflict, Precondition, Result,
        Session, TreeError, UploadFragment, Written, hash::ContentHasher,
    },
    Tree, contents,
    failure::storage,
    ingest::{Ingested, Place, ingest},
    items::{self, To, now},
    media, names, read,
    row::{self, bytes_from_hashes, signed, unsigned},
    writer::Tx,
};
use crate::account_scope;

/// Sessions whose running hashes are in memory (2 KiB each). The bytes of any other session are read
/// again by its commit.
const HASHING: u64 = 1024;

/// The number of hashed bytes of a session and their hashes, by the session's id.
pub(super) type Hashing = Cache<String, (u64, ContentHasher)>;

/// Creates an empty cache of running hashes.
pub(super) fn hashing() -> Hashing {
    Cache::new(HASHING)
}

/// A session and the content that its fragments are segments of.
struct OpenSession {
    session: Session,
    content: i64,
}

impl FromRow<'_, AnyRow> for OpenSession {
    /// Reads the columns of a session and of its content.
    ///
    /// # Errors
    /// `sqlx::Error` if a column is absent or its value is malformed.
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let state: String = row.try_get("state")?;
        let session = Session {
            id: row.try_get("id")?,
            drive: row.try_get("drive")?,
            parent: row.try_get("parent")?,
            folders: Vec::new(),
            name: row.try_get("name")?,
            total: row.try_get::<Option<i64>, _>("total")?.map(unsigned),
            received: unsigned(row.try_get("received")?),
            on_conflict: row::on_conflict(row.try_get("on_conflict")?)?,
            expires: row::time(row.try_get("expires")?)?,
            state: serde_json::from_str(&state).map_err(row::malformed)?,
        };
        Ok(Self { session, content: row.try_get("content")? })
    }
}

impl OpenSession {
    /// Returns the session with an id, outside of a transaction.
    ///
    /// # Errors
    /// `TreeError::NoSession` if it does not exist or has expired, and `TreeError::Storage` if the
    /// database cannot be read.
    async fn lookup(tree: &Tree, id: &str) -> Result<Self> {
        let mut sql = tree.db.reader().await?;
        Self::find(&mut sql, id).await.map_err(|error| tree.db.with_location(error))
    }

    /// Returns the session with an id.
    ///
    /// # Errors
    /// [`TreeError::NoSession`] if it does not exist or has expired, and [`TreeError::Storage`] if
    /// the database cannot be read.
    async fn find(sql: &mut AnyConnection, id: &str) -> Result<Self> {
        let open = sqlx::query_as(
            "SELECT id, drive, parent, name, total, received, on_conflict, expires, state, content \
             FROM session WHERE id = $1 AND expires > $2",
        );
        let open = open.bind(id).bind(now().as_microsecond()).fetch_optional(sql).await?;
        open.ok_or(TreeError::NoSession)
    }

    /// Verifies that a fragment may be added. `at` is its position in the file, and `total` the
    /// size of the file in bytes, if the fragment has it. Returns the total size; `None` if neither
    /// the session nor the fragment has it.
    ///
    /// # Errors
    /// `TreeError::OutOfOrder` if the fragment does not begin where the session continues, and
    /// `TreeError::PastTheEnd` if it has another total.
    fn admit(&self, at: u64, total: Option<u64>) -> Result<Option<u64>> {
        if at != self.session.received {
            return Err(TreeError::OutOfOrder(self.session.received));
        }
        match (self.session.total, total) {
            (Some(known), Some(sent)) if known != sent => Err(TreeError::PastTheEnd(known)),
            (known, sent) => Ok(known.or(sent)),
        }
    }

    /// Verifies that all bytes were received. Without a total, any number is complete.
    ///
    /// # Errors
    /// `TreeError::OutOfOrder` if bytes are missing.
    fn check_complete(&self) -> Result<()> {
        let Session { total, received, .. } = self.session;
        if total.is_some_and(|total| total != received) {
            return Err(TreeError::OutOfOrder(received));
        }
        Ok(())
    }
}

/// Returns the session with an id.
///
/// # Errors
/// `TreeError::NoSession` if it does not exist or has expired, and `TreeError::Storage` if the
/// database cannot be read.
pub(super) async fn find(sql: &mut AnyConnection, id: &str) -> Result<Session> {
    Ok(OpenSession::find(sql, id).await?.session)
}

/// Returns the number of a drive's open upload sessions.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn count(sql: &mut AnyConnection, drive: DriveKey) -> Result<u64> {
    let count = sqlx::query_scalar(
        "SELECT CAST(count(*) AS BIGINT) FROM session WHERE drive = $1 AND expires > $2",
    );
    let now = now().as_microsecond();
    Ok(unsigned(count.bind(drive).bind(now).fetch_one(sql).await?))
}

/// Opens an upload session and its content. Creates the missing folders of [`Session::folders`].
/// Expired sessions are removed first.
///
/// # Errors
/// `TreeError::NotFound` or `NotAFolder` for the parent, `BadName`, `NameTaken` if a file has the
/// name of a folder, `QuotaExceeded` if the total does not fit, and `Storage` and `NoRoom` if the
/// database fails.
pub(super) async fn open(tx: &mut Tx, mut session: Session) -> Result<Session> {
    forget_expired_of(tx, session.drive).await?;
    names::check(&session.name)?;
    let folders = std::mem::take(&mut session.folders);
    session.parent = items::innermost(tx, session.drive, session.parent, folders).await?;
    let slot = names::slot(tx, session.drive, session.parent, &session.name).await?;
    let mut replaced = 0;
    if let (Some((occupant, _)), OnConflict::Replace) = (slot.occupant, session.on_conflict) {
        replaced = signed(read::node(tx.sql(), session.drive, occupant).await?.size);
    }
    slot.admit(signed(session.total.unwrap_or(0)) - replaced)?;
    session.id = hex::encode(account_scope::random_bytes::<20>());
    session.received = 0;
    session.expires = items::truncate_time(session.expires);
    let content = tx.ids().allocate();
    contents::insert_empty(tx, content).await?;
    sqlx::query(
        "INSERT INTO session (id, drive, parent, name, total, received, on_conflict, expires, \
         state, content) VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9)",
    )
    .bind(session.id.clone())
    .bind(session.drive)
    .bind(session.parent)
    .bind(session.name.clone())
    .bind(session.total.map(signed))
    .bind(row::on_conflict_code(session.on_conflict))
    .bind(session.expires.as_microsecond())
    .bind(session.state.to_string())
    .bind(content)
    .execute(tx.sql())
    .await?;
    Ok(session)
}

/// Stores the fragment's body as a blob and adds it to a session. Returns the session. A fragment
/// that fails leaves nothing.
///
/// # Errors
/// `TreeError::NoSession` if none has the id, or it ended or expired; `OutOfOrder` if the fragment
/// does not begin where the session continues; `PastTheEnd` if it has another total, or more bytes
/// than the total; `Body` if its body ends early, or has more bytes than the fragment's maximum;
/// `Storage` and `NoRoom` if it cannot be stored.
pub(super) async fn append(tree: &Tree, id: &str, fragment: UploadFragment) -> Result<Session> {
    let UploadFragment { at, total, body, max, expires } = fragment;
    // Verified before the body is read, and again in the transaction.
    let open = OpenSession::lookup(tree, id).await?;
    let end = open.admit(at, total)?;
    let missing = end.map_or(u64::MAX, |end| end.saturating_sub(at));
    let so_far = match at {
        0 => Some(ContentHasher::default()),
        _ => tree.hashing.get(id).filter(|(hashed, _)| *hashed == at).map(|(_, hasher)| hasher),
    };
    let taken = ingest(&tree.blobs, &tree.disk_space, body, max.min(missing), so_far, 0).await;
    let Ingested { size, hasher, at: place, .. } = taken.map_err(|error| match (error, end) {
        (TreeError::Body(error), Some(end))
            if error.kind() == io::ErrorKind::FileTooLarge && missing <= max =>
        {
            TreeError::PastTheEnd(end)
        }
        (error, _) => error,
    })?;
    let wanted = id.to_owned();
    let session =
        tree.db.write(move |tx| Box::pin(add(tx, wanted, at, total, size, place, expires))).await?;
    if let Some(hasher) = hasher {
        tree.hashing.insert(id.to_owned(), (at + size, hasher));
    }
    Ok(session)
}

/// Adds `size` received bytes to a session, at the position `at`. `total` is the size of the file,
/// if the fragment has it. Returns the session.
///
/// # Errors
/// `TreeError::NoSession`, `OutOfOrder` if the fragment does not begin where the session continues,
/// `PastTheEnd` if it has another total; `Storage` and `NoRoom` if the database fails.
async fn add(
    tx: &mut Tx,
    id: String,
    at: u64,
    total: Option<u64>,
    size: u64,
    place: Place,
    expires: Timestamp,
) -> Result<Session> {
    let OpenSession { session, content } = {
        let mut open = OpenSession::find(tx.sql(), &id).await?;
        open.session.total = open.admit(at, total)?;
        open.session.received += size;
        open.session.expires = items::truncate_time(expires);
        open
    };
    sqlx::query("UPDATE session SET received = $2, total = $3, expires = $4 WHERE id = $1")
        .bind(id)
        .bind(signed(session.received))
        .bind(session.total.map(signed))
        .bind(session.expires.as_microsecond())
        .execute(tx.sql())
        .await?;
    // An empty fragment has no blob.
    if let Place::Blob(blob) = place {
        contents::add_segment(tx, content, at..at + size, blob).await?;
    }
    Ok(session)
}

/// Creates a file from a session's bytes, at the session's location or at `target`, and ends the
/// session. On failure the session stays as it was.
///
/// # Errors
/// `TreeError::NoSession` if none has the id, or it ended or expired; `OutOfOrder` if bytes are
/// missing or were added meanwhile; `NotFound` or `NotAFolder` for the folder; `BadName`;
/// `NameTaken`; `NotAFile` if a folder is to be replaced; `Changed` if the precondition fails or
/// the session ended meanwhile; `QuotaExceeded`; `Storage` and `NoRoom` if the database fails or
/// the bytes cannot be read.
pub(super) async fn commit(
    tree: &Tree,
    id: &str,
    new: NewItem,
    precondition: Precondition,
    target: Option<CommitTarget>,
) -> Result<Written> {
    let open = OpenSession::lookup(tree, id).await?;
    open.check_complete()?;
    let hashed = open.session.received;
    let hashes = hashes(tree, &open).await?;
    let whole = Content { no: open.content, size: hashed, hashes, media: None };
    let media = media::from_content(&tree.db, &tree.blobs, &whole).await;
    let whole = Content { media, ..whole };
    let wanted = id.to_owned();
    let ending =
        tree.db.write(move |tx| Box::pin(end(tx, wanted, whole, new, precondition, target)));
    let written = ending.await?;
    tree.hashing.invalidate(id);
    Ok(written)
}

/// Gives a session's content to a file and ends the session. `whole` is the content with its size,
/// hashes and media facts.
///
/// # Errors
/// `TreeError::NoSession`; `OutOfOrder` if bytes are missing or were added meanwhile; `NotFound` or
/// `NotAFolder` for the folder; `BadName`; `NameTaken`; `NotAFile` if a folder is to be replaced;
/// `Changed` if the precondition fails; `QuotaExceeded`; `Storage` and `NoRoom` if the database
/// fails.
async fn end(
    tx: &mut Tx,
    id: String,
    whole: Content,
    new: NewItem,
    precondition: Precondition,
    target: Option<CommitTarget>,
) -> Result<Written> {
    let open = OpenSession::find(tx.sql(), &id).await?;
    open.check_complete()?;
    if open.session.received != whole.size {
        return Err(TreeError::OutOfOrder(open.session.received));
    }
    sqlx::query("UPDATE content SET size = $2, hashes = $3 WHERE no = $1")
        .bind(whole.no)
        .bind(signed(whole.size))
        .bind(bytes_from_hashes(&whole.hashes))
        .execute(tx.sql())
        .await?;
    contents::insert_facts(tx, &whole).await?;
    let Session { drive, parent, name, on_conflict, .. } = open.session;
    let CommitTarget { parent: folder, name, on_conflict } =
        target.unwrap_or(CommitTarget { parent, name, on_conflict });
    // The file takes over the session's reference to the content.
    let content = contents::NewContent::Counted(whole);
    let to = To { drive, folder, name };
    let written = items::put(tx, to, content, new, on_conflict, precondition).await?;
    sqlx::query("DELETE FROM session WHERE id = $1").bind(id).execute(tx.sql()).await?;
    Ok(written)
}

/// Returns the hashes of a session's bytes: the running ones, or else by reading the bytes.
///
/// # Errors
/// `TreeError::Changed` if the session ended meanwhile, and `TreeError::Storage` if its bytes
/// cannot be read.
async fn hashes(tree: &Tree, open: &OpenSession) -> Result<Hashes> {
    let received = open.session.received;
    if received == 0 {
        return Ok(ContentHasher::default().finish());
    }
    if let Some((hashed, hasher)) = tree.hashing.get(&open.session.id)
        && hashed == received
    {
        return Ok(hasher.finish());
    }
    let no = open.content;
    let content = Content { no, size: received, hashes: Hashes::default(), media: None };
    let mut bytes = contents::open(&tree.db, &tree.blobs, &content, 0..received).await?;
    let mut hasher = ContentHasher::default();
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(storage)?;
        let hashing = move || {
            hasher.update(&piece);
            hasher
        };
        hasher = task::spawn_blocking(hashing).await.map_err(storage)?;
    }
    Ok(hasher.finish())
}

/// Ends a session and removes its bytes.
///
/// # Errors
/// `TreeError::NoSession` if it does not exist or has expired, and `Storage` and `NoRoom` if the
/// database fails.
pub(super) async fn cancel(tx: &mut Tx, id: String) -> Result<()> {
    let content: Option<i64> =
        sqlx::query_scalar("DELETE FROM session WHERE id = $1 AND expires > $2 RETURNING content")
            .bind(id)
            .bind(account_scope::now().as_microsecond())
            .fetch_optional(tx.sql())
            .await?;
    contents::release(tx, content.ok_or(TreeError::NoSession)?).await
}

/// Removes expired sessions of all drives and their bytes, by the system's clock.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn forget_expired(tx: &mut Tx) -> Result<()> {
    let contents: Vec<i64> =
        sqlx::query_scalar("DELETE FROM session WHERE expires <= $1 RETURNING content")
            .bind(now().as_microsecond())
            .fetch_all(tx.sql())
            .await?;
    release_all(tx, contents).await
}

/// Removes expired sessions of a drive and their bytes. Other drives may have other clocks.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn forget_expired_of(tx: &mut Tx, drive: DriveKey) -> Result<()> {
    let contents: Vec<i64> = sqlx::query_scalar(
        "DELETE FROM session WHERE expires <= $1 AND drive = $2 RETURNING content",
    )
    .bind(now().as_microsecond())
    .bind(drive)
    .fetch_all(tx.sql())
    .await?;
    release_all(tx, contents).await
}

/// Releases the contents of sessions that were removed.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn release_all(tx: &mut Tx, contents: Vec<i64>) -> Result<()> {
    for content in contents {
        contents::release(tx, content).await?;
    }
    Ok(())
}
