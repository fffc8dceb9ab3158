//! Copying files.
//!
//! `COPY` takes a folder and no name, never replaces, and does no folders (live-connect#op-copy,
//! live-connect#move-copy-no-overwrite, live-connect#move-copy-restrictions). With *S* the file,
//! *C* its copy and *O* the file that is to be replaced, the requests are, in this order:
//!
//! | | requests |
//! |---|---|
//! | same name, free | COPY S |
//! | another name | POST a temporary folder, COPY S into it, PUT C, MOVE C, DELETE the folder |
//! | replacing O | POST a temporary folder, COPY S into it, (PUT C,) PUT O aside, MOVE C, DELETE O, DELETE the folder |
//!
//! The temporary folder, `drivedal-…`, is in the folder that the copy goes to. What
//! [`rename`](super::rename) says of replacing holds here too: it is not atomic, and nothing is
//! removed before the copy is in its place.

use super::{
    drive::{LiveDrive, id_of},
    item::item,
    list,
    model::Object,
    names,
    options::Properties,
    rename::{self, Step},
};
use crate::drive::{Context, Error, ErrorKind, IfExists, Item, ItemId, ItemKind, Result, Target};

/// A copy to be made.
struct Copy {
    source: ItemId,
    folder: ItemId,
    name: String,
    occupant: Option<ItemId>,
    if_exists: IfExists,
}

pub(super) async fn perform(
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
        return Err(Error::unsupported("copying to a name that the cloud chooses"));
    }
    let fits = source.name == to.name;
    let copy = Copy {
        source: source.id,
        folder: id_of(&to.folder)?.clone(),
        name: to.name.clone(),
        occupant: to.occupant.clone(),
        if_exists,
    };
    if let Some(occupant) = &copy.occupant {
        copy.may_replace(occupant)?;
    }
    let (drive, lent) = (drive.clone(), cx.clone());
    cx.spawn_and_wait(async move {
        let folder = copy.folder.clone();
        let made = match fits && copy.occupant.is_none() {
            true => copy.direct(&drive, &lent).await?,
            false => copy.by_folder(&drive, &lent).await?,
        };
        Ok(Item { parents: vec![folder], ..item(made) })
    })
    .await
}

impl Copy {
    fn may_replace(&self, occupant: &ItemId) -> Result<()> {
        if *occupant == self.source {
            return Err(Error::new(ErrorKind::Conflict, "a file cannot be copied onto itself"));
        }
        match self.if_exists {
            IfExists::Replace => Ok(()),
            _ => Err(Error::new(ErrorKind::AlreadyExists, "the name is taken")
                .with_existing(occupant.clone())),
        }
    }

    async fn direct(mut self, drive: &LiveDrive, cx: &Context) -> Result<Object> {
        let folder = drive.real_id(cx, &self.folder).await?;
        match drive.client.copy_into(cx, self.source.as_str(), &folder).await {
            Err(taken) if taken.kind() == ErrorKind::AlreadyExists => {
                self.occupant = Some(self.find_occupant(drive, cx, taken).await?);
                self.by_folder(drive, cx).await
            }
            other => other,
        }
    }

    /// Who has the name, after the cloud has said that somebody has.
    async fn find_occupant(&self, drive: &LiveDrive, cx: &Context, taken: Error) -> Result<ItemId> {
        if self.if_exists == IfExists::Fail {
            return Err(taken);
        }
        let wanted = names::fold(&self.name);
        let siblings = list::whole(drive, cx, &self.folder).await?;
        let Some(occupant) = siblings.into_iter().find(|item| names::fold(&item.name) == wanted)
        else {
            return Err(taken);
        };
        self.may_replace(&occupant.id)?;
        Ok(occupant.id)
    }

    async fn by_folder(&self, drive: &LiveDrive, cx: &Context) -> Result<Object> {
        let folder = self.temporary_folder(drive, cx).await?;
        let made = self.through(drive, cx, &folder).await;
        // The copy, if it is still in there, goes too.
        discard(drive, cx, &folder).await;
        made
    }

    async fn temporary_folder(&self, drive: &LiveDrive, cx: &Context) -> Result<ItemId> {
        let name = names::temporary("");
        let properties = Properties { name: Some(&name), ..Properties::default() };
        match drive.client.create_folder(cx, self.folder.as_str(), &properties).await {
            Ok(folder) => Ok(ItemId::from(folder.id)),
            Err(error) => {
                if rename::is_unsure(&error)
                    && let Ok(siblings) = list::whole(drive, cx, &self.folder).await
                    && let Some(made) = siblings.into_iter().find(|item| item.name == name)
                {
                    discard(drive, cx, &made.id).await;
                }
                Err(error)
            }
        }
    }

    async fn through(&self, drive: &LiveDrive, cx: &Context, folder: &ItemId) -> Result<Object> {
        let made = drive.client.copy_into(cx, self.source.as_str(), folder.as_str()).await?;
        if made.name != self.name {
            let properties = Properties { name: Some(&self.name), ..Properties::default() };
            drive.client.update(cx, &made.id, &properties).await?;
        }
        match self.place(drive, cx, &made, folder, self.occupant.as_ref()).await {
            Err(taken) if taken.kind() == ErrorKind::AlreadyExists && self.occupant.is_none() => {
                let occupant = self.find_occupant(drive, cx, taken).await?;
                self.place(drive, cx, &made, folder, Some(&occupant)).await
            }
            other => other,
        }
    }

    async fn place(
        &self,
        drive: &LiveDrive,
        cx: &Context,
        made: &Object,
        folder: &ItemId,
        occupant: Option<&ItemId>,
    ) -> Result<Object> {
        let bring = Step::Folder {
            id: ItemId::from(&*made.id),
            old: folder.clone(),
            new: self.folder.clone(),
        };
        let aside = occupant.map(|occupant| rename::aside(occupant, &self.name));
        rename::replace(drive, cx, aside.into_iter().chain([bring]).collect(), occupant).await
    }
}

/// Removes a temporary folder. What was to be done is done or has failed whether this works or not.
async fn discard(drive: &LiveDrive, cx: &Context, folder: &ItemId) {
    match drive.client.delete(cx, folder.as_str()).await {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(%folder, %error, "a temporary folder could not be removed");
        }
        _ => {}
    }
}
