//! The optional verbs of a drive for items at a path: recycle bin, thumbnails, preview, properties,
//! check-out.

use opendal::{Operator, Result};

use super::{DriveHandle, to_opendal};
use crate::{
    adapter::state::DESTRUCTIVE_MAX_AGE,
    drive::{Download, Item, ItemId, Properties, PropertyChanges, Secret, Thumbnail},
};

impl DriveHandle {
    /// Restores an item from the recycle bin: to the path `target`, or to its former folder and name
    /// if `target` is `None`. Returns the item.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken; `NotFound` if the item is not in the recycle bin;
    /// `Unsupported` if the drive does not restore items, or only to their former place; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn restore_deleted(
        &self,
        operator: &Operator,
        id: &ItemId,
        target: Option<&str>,
    ) -> Result<Item> {
        let (state, cx) = (&self.state, Self::context(operator));
        let target = match target {
            None => None,
            Some(path) => {
                let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
                Some(state.target(&cx, &path).await.map_err(to_opendal)?.0)
            }
        };
        let restored = state.drive.restore_deleted(&cx, id, target.as_ref()).await;
        // The index may have entries that say that names of the item and below it are free.
        state.index.clear();
        restored.map_err(to_opendal)
    }

    /// Deletes an item of the recycle bin for good.
    ///
    /// # Errors
    /// `NotFound` if the item is not in the recycle bin; `PermissionDenied` if the cloud does not
    /// permit it to this application; `Unsupported` if the drive cannot do it; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn purge_deleted(&self, operator: &Operator, id: &ItemId) -> Result<()> {
        self.state.drive.purge_deleted(&Self::context(operator), id).await.map_err(to_opendal)
    }

    /// Deletes the item at a path, with everything below it, for good: it is not in the recycle bin
    /// afterwards.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `PermissionDenied` if the cloud does not permit it to
    /// this application; `Unsupported` if the drive cannot do it, and for the root; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn purge(&self, operator: &Operator, path: &str) -> Result<()> {
        let (state, cx) = (&self.state, Self::context(operator));
        let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
        let resolved = state.resolve(&cx, &path, DESTRUCTIVE_MAX_AGE).await.map_err(to_opendal)?;
        let purged = state.drive.purge(&cx, &resolved.item_ref).await;
        match &purged {
            Ok(()) => state.record_removed(&resolved, &path),
            Err(_) => state.invalidate(&resolved),
        }
        purged.map_err(to_opendal)
    }

    /// Returns the sizes in which the cloud has a small image of the file at a path, with URLs. Empty
    /// if it has none.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `Unsupported` if the drive has no such URLs; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn thumbnail_urls(&self, operator: &Operator, path: &str) -> Result<Vec<Thumbnail>> {
        let (cx, file) = self.located(operator, path).await?;
        self.state.drive.thumbnail_urls(&cx, &file).await.map_err(to_opendal)
    }

    /// Opens a stream of the bytes of a small image of the file at a path. Its longer side has at
    /// most `side` pixels, or that of the cloud's smallest image if this is larger.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `NotFound` or `Unsupported` if the cloud has no image
    /// of it; `Unsupported` for a side that the cloud rejects, and if the drive has no thumbnails;
    /// [request errors](crate::drive::Error#request-errors).
    pub async fn thumbnail(&self, operator: &Operator, path: &str, side: u32) -> Result<Download> {
        let (cx, file) = self.located(operator, path).await?;
        self.state.drive.thumbnail(&cx, &file, side).await.map_err(to_opendal)
    }

    /// Returns a URL of a web page that shows the file at a path, for a short time and without
    /// sign-in.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `Unsupported` if the drive has no previews; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn preview_url(&self, operator: &Operator, path: &str) -> Result<Secret> {
        let (cx, file) = self.located(operator, path).await?;
        self.state.drive.preview_url(&cx, &file).await.map_err(to_opendal)
    }

    /// Returns the properties that programs have stored with the item at a path.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` if the drive has no properties; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn properties(&self, operator: &Operator, path: &str) -> Result<Properties> {
        let (cx, item) = self.located(operator, path).await?;
        self.state.drive.properties(&cx, &item).await.map_err(to_opendal)
    }

    /// Sets and removes properties of the item at a path. Other properties are kept.
    ///
    /// # Errors
    /// Those of [`properties`](Self::properties).
    pub async fn set_properties(
        &self,
        operator: &Operator,
        path: &str,
        changes: &PropertyChanges,
    ) -> Result<()> {
        let (cx, item) = self.located(operator, path).await?;
        self.state.drive.set_properties(&cx, &item, changes).await.map_err(to_opendal)
    }

    /// Checks the file at a path out: until it is checked in, only this user can change it.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `Conflict` if it is locked or checked out already;
    /// `Unsupported` if the drive has no check-outs; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn check_out(&self, operator: &Operator, path: &str) -> Result<()> {
        let (cx, file) = self.located(operator, path).await?;
        self.state.drive.check_out(&cx, &file).await.map_err(to_opendal)
    }

    /// Checks the file at a path in, with a comment on its new version.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `Conflict` if another user has checked it out;
    /// `Unsupported` if it is not checked out, or if the drive has no check-outs; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn check_in(&self, operator: &Operator, path: &str, comment: &str) -> Result<()> {
        let (cx, file) = self.located(operator, path).await?;
        self.state.drive.check_in(&cx, &file, comment).await.map_err(to_opendal)
    }

    /// Ends the check-out of the file at a path, and discards its changes since then.
    ///
    /// # Errors
    /// Those of [`check_in`](Self::check_in).
    pub async fn discard_check_out(&self, operator: &Operator, path: &str) -> Result<()> {
        let (state, cx) = (&self.state, Self::context(operator));
        let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
        let resolved = state.resolve(&cx, &path, DESTRUCTIVE_MAX_AGE).await.map_err(to_opendal)?;
        let discarded = state.drive.discard_check_out(&cx, &resolved.item_ref).await;
        state.invalidate(&resolved);
        discarded.map_err(to_opendal)
    }
}
