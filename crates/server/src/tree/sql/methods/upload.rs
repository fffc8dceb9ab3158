//! Upload sessions.

use jiff::Timestamp;

use super::super::{Tree, ingest::ROW_MAX, read_tx, remove, session, write_tx};
use crate::tree::{
    Bytestream, CommitTarget, DriveKey, NewItem, Precondition, Result, Session, TreeError, Written,
};

impl Tree {
    /// Opens an upload session: `session` as given, with an id made by the tree and nothing received.
    /// Bytes of open sessions are not counted as used; a total that does not fit now is refused.
    pub async fn open_session(&self, session: Session) -> Result<Session> {
        self.room.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| session::open(tx, session))
    }

    /// A session that has not expired.
    pub async fn session(&self, id: &str) -> Result<Session> {
        read_tx!(self, |sql| session::find(sql, id))
    }

    /// Takes a fragment of at most `max` bytes in and adds it to a session's end: `at` must be
    /// there, else [`TreeError::OutOfOrder`]. `total`, once said, stays, and the fragment ends
    /// there at the latest, else [`TreeError::PastTheEnd`]. A fragment that fails leaves nothing;
    /// with one that is taken the session's time becomes `expires`.
    ///
    /// It takes the body and not [`Stored`] bytes, so that the bytes of a session are hashed as
    /// one file's while they arrive, and are not read again.
    pub async fn append(
        &self,
        id: &str,
        at: u64,
        total: Option<u64>,
        fragment: Bytestream,
        max: u64,
        expires: Timestamp,
    ) -> Result<Session> {
        session::append(self, id, at, total, fragment, max, expires).await
    }

    /// Makes the file of a session, and ends it: where it was to be, or at `target`. With bytes
    /// missing, [`TreeError::OutOfOrder`]; when it fails the session stays as it was.
    pub async fn commit(
        &self,
        id: &str,
        new: NewItem,
        precondition: Precondition,
        target: Option<CommitTarget>,
    ) -> Result<Written> {
        session::commit(self, id, new, precondition, target).await
    }

    /// Ends a session and forgets its bytes.
    pub async fn cancel(&self, id: &str) -> Result<()> {
        self.hashing.invalidate(id);
        remove!(self, {
            let id = id.to_owned();
            write_tx!(self, |tx| session::cancel(tx, id))
        })
    }

    /// How many upload sessions of a drive are open.
    pub async fn sessions(&self, drive: DriveKey) -> Result<u64> {
        read_tx!(self, |sql| session::count(sql, drive))
    }
}
