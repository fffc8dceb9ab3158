//! Copies of files within the drive.
//!
//! `COPY` has a destination folder but no name, never replaces an object, and does not support
//! folders (live-connect#op-copy, live-connect#move-copy-no-overwrite,
//! live-connect#move-copy-restrictions). With *S* for the file, *C* for its copy and *O* for the
//! file that is replaced, the drive sends these requests:
//!
//! | case | requests |
//! |---|---|
//! | same name, free | COPY S |
//! | another name | POST a temporary folder, COPY S into it, PUT C, MOVE C, DELETE the folder |
//! | O is replaced | POST a temporary folder, COPY S into it, (PUT C,) PUT O aside, MOVE C, DELETE O, DELETE the folder |
//!
//! The temporary folder, `drivedal-…`, is in the destination folder. As for a
//! [`rename`](super::rename) with several requests, this is not atomic, and O is deleted only after
//! the copy has the name.

use super::{
    item::{from_object_in, id_of},
    list,
    model::Object,
    names,
    options::ObjectProperties,
    rename::{self, MoveStep},
    state::LiveDrive,
};
use crate::drive::{Context, Error, ErrorKind, IfExists, Item, ItemId, ItemKind, Result, Target};

/// A copy of a file.
struct CopyOperation {
    source: ItemId,
    /// The destination folder.
    folder: ItemId,
    /// The name of the copy.
    name: String,
    /// The file that is known to have the name.
    occupant: Option<ItemId>,
    if_exists: IfExists,
}

/// Copies a file and returns the copy.
///
/// # Errors
/// * `Unsupported` for a folder, a notebook, a name that the cloud chooses, and a reference by
///   path.
/// * `NotFound` if the source or the destination folder does not exist.
/// * `Conflict` for a copy onto the file itself.
/// * `AlreadyExists` if the name is in use and must not be replaced; `IsAFolder` if a folder has
///   it.
/// * `Unexpected` if the sequence failed and could not be reverted.
/// * [Request errors](crate::drive::Error#request-errors), among them `QuotaExceeded`.
pub(super) async fn copy(
    drive: &LiveDrive,
    cx: &Context,
    source: Item,
    to: &Target,
    if_exists: IfExists,
) -> Result<Item> {
    match source.kind {
        ItemKind::File => {}
        ItemKind::Folder => return Err(Error::unsupported("copying a folder")),
        ItemKind::Opaque => return Err(Error::unsupported("copying a notebook")),
    }
    if if_exists == IfExists::Rename {
        return Err(Error::unsupported("a new name for a copy whose name is in use"));
    }
    let keeps_name = source.name == to.name;
    let copy = CopyOperation {
        source: source.id,
        folder: id_of(&to.folder)?.clone(),
        name: to.name.clone(),
        occupant: to.occupant.clone(),
        if_exists,
    };
    if let Some(occupant) = &copy.occupant {
        copy.check_occupant(occupant)?;
    }
    let (drive, context) = (drive.clone(), cx.clone());
    cx.spawn_and_wait(async move {
        let folder = copy.folder.clone();
        let object = match keeps_name && copy.occupant.is_none() {
            true => copy.direct(&drive, &context).await?,
            false => copy.by_temporary_folder(&drive, &context).await?,
        };
        Ok(from_object_in(folder, object))
    })
    .await
}

impl CopyOperation {
    /// Checks that the copy may replace the file with the id `occupant`.
    ///
    /// # Errors
    /// `Conflict` if it is the source, `AlreadyExists` if the name must not be in use.
    fn check_occupant(&self, occupant: &ItemId) -> Result<()> {
        if *occupant == self.source {
            return Err(Error::new(ErrorKind::Conflict, "a file cannot be copied onto itself"));
        }
        match self.if_exists {
            IfExists::Replace => Ok(()),
            _ => Err(Error::new(ErrorKind::AlreadyExists, "the name is in use")
                .with_existing(occupant.clone())),
        }
    }

    /// Copies with one request, or with the whole sequence if the name is in use.
    ///
    /// # Errors
    /// Those of [`copy`].
    async fn direct(mut self, drive: &LiveDrive, cx: &Context) -> Result<Object> {
        let folder = drive.real_id(cx, &self.folder).await?;
        match drive.client.copy_into(cx, self.source.as_str(), &folder).await {
            Err(taken) if taken.kind() == ErrorKind::AlreadyExists => {
                self.occupant = Some(self.find_occupant(drive, cx, taken).await?);
                self.by_temporary_folder(drive, cx).await
            }
            other => other,
        }
    }

    /// Searches for the file with the name, after the cloud has rejected the name with `taken`.
    /// Returns its id.
    ///
    /// # Errors
    /// `taken` if the file must not be replaced or does not exist any more, `Conflict` if it is the
    /// source, and [request errors](crate::drive::Error#request-errors).
    async fn find_occupant(&self, drive: &LiveDrive, cx: &Context, taken: Error) -> Result<ItemId> {
        if self.if_exists == IfExists::Fail {
            return Err(taken);
        }
        let Some(occupant) = list::find(drive, cx, &self.folder, &self.name).await? else {
            return Err(taken);
        };
        self.check_occupant(&occupant.id)?;
        Ok(occupant.id)
    }

    /// Copies by way of a temporary folder, which is deleted in any case.
    ///
    /// # Errors
    /// Those of [`copy`].
    async fn by_temporary_folder(&self, drive: &LiveDrive, cx: &Context) -> Result<Object> {
        let folder = self.create_temporary_folder(drive, cx).await?;
        let copied = self.copy_and_move(drive, cx, &folder).await;
        // If the sequence failed, this also deletes the copy.
        delete_temporary_folder(drive, cx, &folder).await;
        copied
    }

    /// Creates the temporary folder in the destination folder, and returns its id. If the response
    /// is lost, searches for the folder and deletes it.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors).
    async fn create_temporary_folder(&self, drive: &LiveDrive, cx: &Context) -> Result<ItemId> {
        let name = names::temporary("");
        let properties = ObjectProperties::with_name(&name);
        match drive.client.create_folder(cx, self.folder.as_str(), &properties).await {
            Ok(folder) => Ok(ItemId::from(folder.id)),
            Err(error) => {
                if rename::may_have_succeeded(&error)
                    && let Ok(siblings) = list::all(drive, cx, &self.folder).await
                    && let Some(created) = siblings.into_iter().find(|item| item.name == name)
                {
                    delete_temporary_folder(drive, cx, &created.id).await;
                }
                Err(error)
            }
        }
    }

    /// Copies the source into the temporary folder with the id `folder`, renames the copy if
    /// necessary, and moves it from there to the destination.
    ///
    /// # Errors
    /// Those of [`copy`].
    async fn copy_and_move(
        &self,
        drive: &LiveDrive,
        cx: &Context,
        folder: &ItemId,
    ) -> Result<Object> {
        let copy = drive.client.copy_into(cx, self.source.as_str(), folder.as_str()).await?;
        if copy.name != self.name {
            let properties = ObjectProperties::with_name(&self.name);
            drive.client.update(cx, &copy.id, &properties).await?;
        }
        match self.move_copy(drive, cx, &copy, folder, self.occupant.as_ref()).await {
            Err(taken) if taken.kind() == ErrorKind::AlreadyExists && self.occupant.is_none() => {
                let occupant = self.find_occupant(drive, cx, taken).await?;
                self.move_copy(drive, cx, &copy, folder, Some(&occupant)).await
            }
            other => other,
        }
    }

    /// Moves the copy from the temporary folder to the destination, in place of `occupant` if a
    /// file has the name.
    ///
    /// # Errors
    /// Those of [`rename::replace`], such as `AlreadyExists` if another item has the name.
    async fn move_copy(
        &self,
        drive: &LiveDrive,
        cx: &Context,
        copy: &Object,
        folder: &ItemId,
        occupant: Option<&ItemId>,
    ) -> Result<Object> {
        let step = MoveStep::Folder {
            id: ItemId::from(&*copy.id),
            old: folder.clone(),
            new: self.folder.clone(),
        };
        let aside = occupant.map(|occupant| MoveStep::aside(occupant, &self.name));
        rename::replace(drive, cx, aside.into_iter().chain([step]).collect(), occupant).await
    }
}

/// Deletes a temporary folder. An error is only logged, because it does not change the result of
/// the copy.
async fn delete_temporary_folder(drive: &LiveDrive, cx: &Context, folder: &ItemId) {
    match drive.client.delete(cx, folder.as_str()).await {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(%folder, %error, "cannot delete a temporary folder");
        }
        _ => {}
    }
}
