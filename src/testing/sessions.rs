//! The upload sessions of a [`MemoryDrive`](super::MemoryDrive).

use opendal::Buffer;

use super::{
    stored_session::StoredSession,
    tree::{MemoryTree, NewFile, NodeKey, not_found},
};
use crate::drive::{Error, ErrorKind, ItemRef, Result};

impl MemoryTree {
    /// Returns the path of a session's file for the log, or `?` if the session does not exist.
    pub(super) fn session_label(&self, key: u64) -> String {
        self.sessions.get(&key).map_or_else(|| "?".to_owned(), |session| session.path.clone())
    }

    /// Returns an open session.
    ///
    /// # Errors
    /// `NotFound` if the drive has no such session, or if it is committed.
    pub(super) fn open_session(&mut self, key: u64) -> Result<&mut StoredSession> {
        let session = self.sessions.get_mut(&key).filter(|session| session.file.is_none());
        session.ok_or_else(|| not_found("the upload session"))
    }

    /// Creates the file of a session that has all bytes, unless it exists already. `last` is the
    /// fragment that completes them.
    ///
    /// # Errors
    /// Those of [`put`](Self::put); `NotFound` if the drive has no such session; `Conflict` if bytes
    /// are missing.
    pub(super) fn commit(
        &mut self,
        key: u64,
        last: Option<&Buffer>,
        folder: impl FnOnce(&mut Self, &ItemRef) -> Result<NodeKey>,
    ) -> Result<NodeKey> {
        let session = self.sessions.get(&key).ok_or_else(|| not_found("the upload session"))?;
        if let Some(file) = session.file {
            return Ok(file);
        }
        let pieces = session.received.iter().chain(last).cloned();
        let bytes: Buffer = pieces.flatten().collect();
        if bytes.len() as u64 != session.total {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "cannot commit the upload: it has {} of {} bytes",
                    bytes.len(),
                    session.total
                ),
            ));
        }
        let (target, name) = (session.folder.clone(), session.name.clone());
        let (if_exists, modified) = (session.if_exists, session.modified);
        let conditions = session.conditions.clone();
        let file = self.transaction(|tree| {
            let folder = folder(tree, &target)?;
            let conditions = &conditions;
            tree.put(NewFile { folder, name: &name, bytes, if_exists, conditions, modified })
        })?;
        if let Some(session) = self.sessions.get_mut(&key) {
            session.received.clear();
            session.file = Some(file);
        }
        Ok(file)
    }
}
