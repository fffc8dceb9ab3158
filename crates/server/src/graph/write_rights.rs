//! The rights of a caller to create a file in a folder, and to replace the one that has its name.
//!
//! They are checked inside the transaction of the write: while a request sends its bytes, another one may
//! create, share or check out the file.

use serde::{Deserialize, Serialize};

use super::{
    check_out,
    drive_context::DriveContext,
    error::Result,
    labels,
    stored_facets::{LOCKED, stored_facet},
};
use crate::tree::{ItemKey, Node, Role, SharingSummary, TreeError, WriteGuard};

/// The rights of a caller at the place of a new file. Upload sessions store them, so the serialized names
/// must not change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct WriteRights {
    /// The caller, as of [`DriveContext::caller`]; `None` if the URL of the request authorizes it.
    by: Option<String>,
    /// Whether the caller may change every item of the drive.
    all: bool,
    /// Whether the caller may create items in the folder, and change those that inherit its permissions.
    folder: bool,
    /// A file in the folder that the caller may change.
    file: Option<ItemKey>,
}

impl DriveContext<'_> {
    /// Returns the caller's rights in a folder. `existing` is the item that has the name now.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn write_rights(
        &self,
        folder: ItemKey,
        existing: Option<&Node>,
    ) -> Result<WriteRights> {
        let all = self.base_role >= Some(Role::Write);
        let may_change = async |item: ItemKey| -> Result<bool> {
            Ok(all || self.role(item).await? >= Some(Role::Write))
        };
        let file = match existing {
            Some(node) if may_change(node.no).await? => Some(node.no),
            _ => None,
        };
        Ok(WriteRights { by: self.caller().ok(), all, folder: may_change(folder).await?, file })
    }

    /// Like [`write_rights`](Self::write_rights), for the item that has a name in an existing folder.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn write_rights_for(
        &self,
        folder: ItemKey,
        name: &str,
    ) -> Result<WriteRights> {
        let existing = match self.tree().child(self.drive(), folder, name).await {
            Ok(node) => Some(node),
            // The write reports a folder that does not exist.
            Err(TreeError::NotFound | TreeError::NotAFolder(_)) => None,
            Err(error) => return Err(error.into()),
        };
        self.write_rights(folder, existing.as_ref()).await
    }
}

impl WriteRights {
    /// Returns the check of a write by these rights. It fails with [`TreeError::Denied`] if no item may
    /// be created, with [`TreeError::NameTaken`] if the caller cannot change the existing file, and with
    /// [`TreeError::Locked`] if that is locked, also by a retention label, or checked out by another
    /// caller.
    pub(super) fn guard(self) -> WriteGuard {
        WriteGuard::new(move |replaced| {
            let Some(node) = replaced else {
                return if self.folder { Ok(()) } else { Err(TreeError::Denied) };
            };
            let ends_inheritance =
                SharingSummary::from_node(node).is_some_and(|summary| summary.is_boundary);
            let inherits = self.folder && !ends_inheritance;
            if !self.all && !inherits && self.file != Some(node.no) {
                return Err(TreeError::NameTaken(node.no));
            }
            let is_locked = stored_facet(node, LOCKED).is_some()
                || labels::is_locked(node)
                || check_out::is_by_another(node, self.by.as_deref());
            if is_locked { Err(TreeError::Locked(node.no)) } else { Ok(()) }
        })
    }
}
