//! The upload sessions of a [`MemoryDrive`](super::MemoryDrive).

use jiff::Timestamp;
use opendal::Buffer;

use super::tree::{MemoryTree, NewFile, NodeKey, not_found};
use crate::drive::{Conditions, Error, ErrorKind, IfExists, ItemRef, Result, SessionLimits};

/// An upload session and the bytes that the drive has.
#[derive(Debug)]
pub(super) struct StoredSession {
    pub(super) folder: ItemRef,
    pub(super) name: String,
    /// Path of the file when the session was opened, for the log.
    pub(super) path: String,
    /// Size of the whole file in bytes.
    pub(super) total: u64,
    pub(super) received: Vec<Buffer>,
    pub(super) if_exists: IfExists,
    pub(super) conditions: Conditions,
    pub(super) modified: Option<Timestamp>,
    /// The file that the session has created. `None` before the commit.
    pub(super) file: Option<NodeKey>,
}

impl StoredSession {
    /// Returns the number of bytes that the drive has.
    pub(super) fn received_len(&self) -> u64 {
        self.received.iter().map(|bytes| bytes.len() as u64).sum()
    }

    /// Checks offset and length of a fragment.
    ///
    /// # Errors
    /// `RangeNotSatisfied` if another offset is expected; `InvalidInput` if the fragment is empty,
    /// too large, not aligned, or exceeds the file.
    pub(super) fn check_fragment(
        &self,
        offset: u64,
        len: u64,
        limits: &SessionLimits,
    ) -> Result<()> {
        let expected = self.received_len();
        if offset != expected {
            return Err(Error::new(
                ErrorKind::RangeNotSatisfied,
                format!("cannot store the fragment at {offset}: the next offset is {expected}"),
            ));
        }
        let end = offset.saturating_add(len);
        let reason = if end > self.total {
            "it exceeds the size of the file"
        } else if len == 0 && self.total > 0 {
            "it is empty"
        } else if len > limits.max_fragment {
            "it is larger than the largest fragment"
        } else if end < self.total && !len.is_multiple_of(limits.alignment.max(1)) {
            "its length is not a multiple of the alignment"
        } else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::InvalidInput,
            format!("cannot store the fragment of {len} bytes at {offset}: {reason}"),
        ))
    }

    /// Removes the last `count` bytes that the drive has.
    pub(super) fn lose_bytes(&mut self, count: u64) {
        let left = self.received_len().saturating_sub(count);
        let all: Buffer = std::mem::take(&mut self.received).into_iter().flatten().collect();
        self.received = vec![all.slice(..usize::try_from(left).unwrap_or(usize::MAX))];
    }
}

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
