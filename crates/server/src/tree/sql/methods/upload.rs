//! Upload sessions.

use super::super::{Tree, ingest::ROW_MAX, read_tx, remove, session, write_tx};
use crate::tree::{
    CommitTarget, DriveKey, NewItem, Precondition, Result, Session, TreeError, UploadFragment,
    Written,
};

impl Tree {
    /// Opens an upload session. The tree sets its id and that nothing is received. Bytes of open
    /// sessions do not count as used.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] or [`TreeError::NotAFolder`] for the parent, [`TreeError::BadName`],
    /// [`TreeError::QuotaExceeded`] if the total does not fit now, and [`TreeError::Storage`] or
    /// [`TreeError::NoRoom`] if the database fails.
    pub async fn open_session(&self, session: Session) -> Result<Session> {
        self.disk_space.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| session::open(tx, session))
    }

    /// Returns a session that has not expired.
    ///
    /// # Errors
    /// [`TreeError::NoSession`] if none has the id, and [`TreeError::Storage`] if the database
    /// cannot be read.
    pub async fn session(&self, id: &str) -> Result<Session> {
        read_tx!(self, |sql| session::find(sql, id))
    }

    /// Appends a fragment to a session. A fragment that fails leaves nothing.
    ///
    /// The fragment has a body, not [`Stored`](crate::tree::Stored) bytes, so that a session's
    /// bytes are hashed while they arrive and need not be read again.
    ///
    /// # Errors
    /// [`TreeError::NoSession`]; [`TreeError::OutOfOrder`] if the fragment does not begin at the
    /// session's end; [`TreeError::PastTheEnd`] if it has another total than an earlier fragment,
    /// or more bytes than the total; [`TreeError::Body`] if its body fails or is too large;
    /// [`TreeError::Storage`] or [`TreeError::NoRoom`] if the bytes cannot be stored.
    pub async fn append(&self, id: &str, fragment: UploadFragment) -> Result<Session> {
        session::append(self, id, fragment).await
    }

    /// Creates a file from a session's bytes, at the session's location or at `target`, and ends
    /// the session. On failure the session stays as it was.
    ///
    /// # Errors
    /// [`TreeError::NoSession`], and [`TreeError::OutOfOrder`] if bytes are missing;
    /// [`TreeError::NameTaken`]; [`TreeError::NotAFile`] if a folder is to be replaced;
    /// [`TreeError::Changed`] if the precondition fails; [`TreeError::QuotaExceeded`];
    /// [`TreeError::Storage`] or [`TreeError::NoRoom`] if the database fails.
    pub async fn commit(
        &self,
        id: &str,
        new: NewItem,
        precondition: Precondition,
        target: Option<CommitTarget>,
    ) -> Result<Written> {
        session::commit(self, id, new, precondition, target).await
    }

    /// Ends a session and removes its bytes.
    ///
    /// # Errors
    /// [`TreeError::NoSession`] if none has the id, and [`TreeError::Storage`] or
    /// [`TreeError::NoRoom`] if the database fails.
    pub async fn cancel(&self, id: &str) -> Result<()> {
        self.hashing.invalidate(id);
        remove!(self, {
            let id = id.to_owned();
            write_tx!(self, |tx| session::cancel(tx, id))
        })
    }

    /// Returns the number of open upload sessions of a drive.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn sessions(&self, drive: DriveKey) -> Result<u64> {
        read_tx!(self, |sql| session::count(sql, drive))
    }
}
