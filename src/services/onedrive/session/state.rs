//! State of an upload session between its fragments.

use jiff::Timestamp;
use opendal::Buffer;
use serde::{Deserialize, Serialize};

use crate::{
    drive::{Context, Error, ErrorKind, ItemId, ItemRef, Result, UploadSession},
    services::onedrive::{
        QuickXor,
        address::{Address, Shortcut},
        model::ConflictBehavior,
        state::GraphDrive,
        verify,
    },
};

/// Content of [`UploadSession::state`], as JSON.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct SessionState {
    /// Id of the item that `path` is relative to.
    pub(super) base: String,
    /// Path of the file.
    pub(super) path: String,
    /// Whether an existing file is replaced.
    pub(super) replaces: bool,
    /// Whether the file is created by a commit instead of the last fragment.
    #[serde(default)]
    pub(super) deferred: bool,
    /// Modification time of the file.
    pub(super) modified: Option<Timestamp>,
    /// State of the hash over the bytes that the cloud has; `None` if it is unknown.
    pub(super) hash: Option<String>,
    /// Hash of the whole file in base64, once the last fragment has been sent.
    pub(super) file_hash: Option<String>,
}

impl SessionState {
    /// Reads the state of a session.
    ///
    /// # Errors
    /// `InvalidInput` if the session belongs to another service.
    pub(super) fn parse(session: &UploadSession) -> Result<Self> {
        serde_json::from_str(&session.state).map_err(|_| {
            let text = "cannot resume the upload: the session belongs to another service";
            Error::new(ErrorKind::InvalidInput, text)
        })
    }

    /// Writes the state into a session.
    pub(super) fn save(&self, session: &mut UploadSession) {
        session.state = serde_json::to_string(self).expect("strings and numbers serialize to JSON");
    }

    /// Returns the hash over the bytes that the cloud has, or `None` if it is unknown.
    pub(super) fn hash(&self) -> Option<QuickXor> {
        QuickXor::resume(self.hash.as_deref()?)
    }

    /// Returns the name of the file.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the behaviour if the file's name is in use.
    pub(super) fn behavior(&self) -> ConflictBehavior {
        match self.replaces {
            true => ConflictBehavior::Replace,
            false => ConflictBehavior::Fail,
        }
    }

    /// Adds the bytes from `offset` on, which the cloud has received, to the hash. If they are the
    /// last of `total` bytes, the hash of the file is complete.
    ///
    /// # Errors
    /// `Unexpected` if the runtime is shutting down.
    pub(super) async fn acknowledge(
        &mut self,
        total: u64,
        offset: u64,
        bytes: &Buffer,
    ) -> Result<()> {
        let hash = extend_hash(self.hash(), offset, bytes).await?;
        if offset.saturating_add(bytes.len() as u64) == total {
            self.file_hash = hash.as_ref().map(QuickXor::to_base64);
        }
        self.hash = hash.map(|hash| hash.state());
        Ok(())
    }

    /// Returns the address of the file. A shortcut in its path is followed.
    ///
    /// # Errors
    /// Those of [`GraphDrive::address`].
    pub(super) async fn address(&self, drive: &GraphDrive, cx: &Context) -> Result<Address> {
        let file = ItemRef::Path {
            base: ItemId::from(self.base.as_str()),
            path: self.path.as_str().into(),
        };
        drive.address(cx, &file, Shortcut::Follow).await
    }
}

/// Adds to a hash those of the bytes from `offset` on that it does not cover yet. Returns `None` if
/// bytes before `offset` are missing, or if `hash` is `None`.
///
/// # Errors
/// `Unexpected` if the runtime is shutting down.
pub(super) async fn extend_hash(
    hash: Option<QuickXor>,
    offset: u64,
    bytes: &Buffer,
) -> Result<Option<QuickXor>> {
    let Some(hash) = hash else { return Ok(None) };
    let Some(covered) = hash.len().checked_sub(offset) else { return Ok(None) };
    match usize::try_from(covered) {
        Ok(covered) if covered < bytes.len() => {
            verify::update_hash(hash, bytes.slice(covered..)).await.map(Some)
        }
        _ => Ok(Some(hash)),
    }
}
