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
    /// [`TreeError::NotFound`] or [`TreeError::NotAFolder`] for the parent; [`TreeError::BadName`];
    /// [`TreeError::NameTaken`] if a file has the name of a folder that is to be created;
    /// [`TreeError::QuotaExceeded`] if the total does not fit now; [`TreeError::Storage`] if the
    /// database fails, and [`TreeError::NoRoom`] if its disk is full. A taken name of the file is
    /// reported by the commit.
    pub async fn open_session(&self, session: Session) -> Result<Session> {
        self.disk_space.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| session::open(tx, session))
    }

    /// Returns a session that has not expired.
    ///
    /// # Errors
    /// [`TreeError::NoSession`] if none has the id, or it was committed, cancelled or has expired;
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn session(&self, id: &str) -> Result<Session> {
        read_tx!(self, |sql| session::find(sql, id))
    }

    /// Appends a fragment to a session. A fragment that fails leaves nothing.
    ///
    /// The fragment has a body, not [`Stored`](crate::tree::Stored) bytes, so that a session's
    /// bytes are hashed while they arrive and need not be read again.
    ///
    /// # Errors
    /// [`TreeError::NoSession`] if none has the id, or it ended or expired;
    /// [`TreeError::OutOfOrder`] if the fragment does not begin at the session's end;
    /// [`TreeError::PastTheEnd`] if it has another total than an earlier fragment, or more bytes
    /// than the total; [`TreeError::Body`] if its body ends early, or has more bytes than the
    /// fragment's maximum; [`TreeError::Storage`] if the bytes cannot be stored, and
    /// [`TreeError::NoRoom`] if the disk is full.
    pub async fn append(&self, id: &str, fragment: UploadFragment) -> Result<Session> {
        session::append(self, id, fragment).await
    }

    /// Creates a file from a session's bytes, at the session's location or at `target`, and ends
    /// the session. On failure the session stays as it was.
    ///
    /// # Errors
    /// [`TreeError::NoSession`] if none has the id, or it ended or expired;
    /// [`TreeError::OutOfOrder`] if bytes are missing or arrive meanwhile; [`TreeError::NotFound`]
    /// or [`TreeError::NotAFolder`] for the folder; [`TreeError::BadName`] for the name of
    /// `target`; [`TreeError::NameTaken`]; [`TreeError::NotAFile`] if a folder is to be replaced;
    /// [`TreeError::Changed`] if the precondition fails, or the session ended meanwhile;
    /// [`TreeError::QuotaExceeded`]; [`TreeError::Storage`] if the database fails or the bytes
    /// cannot be read, and [`TreeError::NoRoom`] if the disk is full.
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
    /// [`TreeError::NoSession`] if none has the id, or it ended or expired; [`TreeError::Storage`]
    /// if the database fails, and [`TreeError::NoRoom`] if its disk is full even with its reserve.
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
