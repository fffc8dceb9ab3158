//! A file in one request, and what is common to both ways in.

use super::{
    address::{Address, Side},
    conflict,
    drive::{GraphDrive, behavior, place_of},
    item,
    model::{ConflictBehavior, DriveItem, FileSystemInfo, ItemPatch},
    verify::{self, SentContent},
};
use crate::drive::{
    Body, Conditions, Context, Error, ErrorKind, IfExists, Item, ItemRef, Result, Target,
    WriteOptions,
};

/// How a write is to be addressed, and under which conditions.
pub(super) struct UploadDestination {
    pub(super) place: ItemRef,
    pub(super) at: Address,
    pub(super) behavior: ConflictBehavior,
    pub(super) conditions: Conditions,
    by_id: bool,
}

impl UploadDestination {
    /// By path; by the item's id where an etag must match, because a path that is free is written
    /// to whatever etag was asked for (onedrive-graph#simple-upload-headers).
    pub(super) async fn at(
        drive: &GraphDrive,
        cx: &Context,
        to: &Target,
        options: &WriteOptions,
    ) -> Result<Self> {
        let place = place_of(to);
        let mut aim = Self {
            at: drive.at(cx, &place, Side::Contents).await?,
            place,
            behavior: behavior(options.if_exists),
            conditions: options.conditions.clone(),
            by_id: false,
        };
        // `*` is what the conflict behavior says better.
        if aim.conditions.if_none_match.as_deref() == Some("*") {
            aim.conditions.if_none_match = None;
            aim.behavior = ConflictBehavior::Fail;
        }
        if let Some(etag) = &aim.conditions.if_match {
            let there = match &to.occupant {
                Some(id) => ItemRef::from_id(id),
                None => ItemRef::from_id(&aim.occupant(drive, cx, etag).await?.id),
            };
            aim.at = drive.at(cx, &there, Side::Contents).await?;
            aim.by_id = true;
            aim.conditions.if_match = aim.conditions.if_match.filter(|etag| etag != "*");
        }
        Ok(aim)
    }

    /// The item whose etag is to match.
    async fn occupant(&self, drive: &GraphDrive, cx: &Context, etag: &str) -> Result<Item> {
        let changed = |text| Err(Error::new(ErrorKind::ConditionNotMatch, text));
        match drive.client.item(cx, &self.at, None).await {
            Ok(wire) => {
                let item = item::item(wire, drive.drive_of(cx, &self.at).await?)?;
                match etag == "*" || item.etag.as_deref() == Some(etag) {
                    true => Ok(item),
                    false => changed("the file has another etag by now"),
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                changed("there is no file whose etag could match")
            }
            Err(error) => Err(error),
        }
    }

    /// Says more exactly why a write was refused.
    pub(super) async fn refused(&self, drive: &GraphDrive, cx: &Context, error: Error) -> Error {
        match error.kind() {
            // Gone since it was looked for.
            ErrorKind::NotFound if self.by_id => error.with_kind(ErrorKind::ConditionNotMatch),
            ErrorKind::AlreadyExists => {
                conflict::taken(drive, cx, &self.at, self.behavior, error).await
            }
            _ => match self.at.parent() {
                Some(folder) => conflict::in_the_way(drive, cx, folder, error).await,
                None => error,
            },
        }
    }
}

/// Compares what was sent with what the cloud says it has.
pub(super) async fn arrived(
    drive: &GraphDrive,
    cx: &Context,
    at: &Address,
    wire: DriveItem,
    sent: SentContent<'_>,
) -> Result<Item> {
    let kind = verify::kind_of(&wire);
    let item = item::item(wire, drive.drive_of(cx, at).await?)?;
    sent.check(kind, drive.kind, &item)?;
    Ok(item)
}

/// A file in one PUT. A modification time needs a second request, which in Business makes a second
/// version of the file (onedrive-graph#mtime-needs-patch): an upload session does without, but
/// takes no empty files.
///
/// # Errors
/// Those of [`Drive::upload`](crate::drive::Drive::upload). If it is the time that could not be
/// set, the bytes are there.
pub(super) async fn at_once(
    drive: &GraphDrive,
    cx: &Context,
    to: &Target,
    body: Body,
    options: &WriteOptions,
) -> Result<Item> {
    let aim = UploadDestination::at(drive, cx, to, options).await?;
    let put = drive.client.put_content(cx, &aim.at, &body, aim.behavior, &aim.conditions);
    let uploaded = match put.await {
        Ok(uploaded) => uploaded,
        Err(error) => return Err(aim.refused(drive, cx, error).await),
    };
    let sent =
        SentContent { name: &to.name, bytes: body.len(), hash: Some(uploaded.hash.finish()) };
    let item = arrived(drive, cx, &aim.at, uploaded.item, sent).await?;
    let Some(modified) = options.modified else { return Ok(item) };
    let at = drive.at(cx, &ItemRef::from_id(&item.id), Side::Contents).await?;
    let times = FileSystemInfo { created_date_time: None, last_modified_date_time: Some(modified) };
    let patch = ItemPatch { file_system_info: Some(times), ..ItemPatch::default() };
    let wire = drive.client.update(cx, &at, &patch, behavior(IfExists::Fail)).await?;
    item::item(wire, drive.drive_of(cx, &at).await?)
}
