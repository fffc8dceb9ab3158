//! Upload of a file in one request, and the parts that upload sessions share with it.

use super::{
    address::{Address, Shortcut},
    conflict, item,
    model::{ConflictBehavior, DriveItem, FileSystemInfo, ItemPatch},
    state::{GraphDrive, target_ref},
    verify::{self, SentContent},
};
use crate::drive::{
    Body, Conditions, Context, Error, ErrorKind, Item, ItemRef, Result, Target, WriteOptions,
};

/// Address and conditions of a write.
pub(super) struct UploadDestination {
    /// The file, by path.
    pub(super) file: ItemRef,
    /// Address for the request.
    pub(super) address: Address,
    /// Behaviour if the name is in use.
    pub(super) behavior: ConflictBehavior,
    /// Conditions for the request's headers.
    pub(super) conditions: Conditions,
    /// Whether `address` is an item's id instead of the path.
    by_id: bool,
}

impl UploadDestination {
    /// Returns the destination of a write.
    ///
    /// The address is the target's path, unless an etag must match. Then it is the id of the
    /// existing item, because Graph ignores the etag if the path is free
    /// (onedrive-graph#simple-upload-headers). The id is requested if the caller does not know it.
    ///
    /// # Errors
    /// `ConditionNotMatch` if no item exists whose etag could match, or if the etag differs;
    /// [request errors](crate::drive::Error#request-errors).
    pub(super) async fn new(
        drive: &GraphDrive,
        cx: &Context,
        target: &Target,
        options: &WriteOptions,
    ) -> Result<Self> {
        let file = target_ref(target);
        let mut destination = Self {
            address: drive.address(cx, &file, Shortcut::Follow).await?,
            file,
            behavior: options.if_exists.into(),
            conditions: options.conditions.clone(),
            by_id: false,
        };
        // Graph supports `If-None-Match: *` only as a conflict behaviour.
        if destination.conditions.if_none_match.as_deref() == Some("*") {
            destination.conditions.if_none_match = None;
            destination.behavior = ConflictBehavior::Fail;
        }
        if let Some(etag) = &destination.conditions.if_match {
            let existing = match &target.occupant {
                Some(id) => ItemRef::from_id(id),
                None => ItemRef::from_id(&destination.matching_item(drive, cx, etag).await?.id),
            };
            destination.address = drive.address(cx, &existing, Shortcut::Follow).await?;
            destination.by_id = true;
            let if_match = destination.conditions.if_match;
            destination.conditions.if_match = if_match.filter(|etag| etag != "*");
        }
        Ok(destination)
    }

    /// Requests the item at the path and compares its etag with `etag`, which may be `*`.
    ///
    /// # Errors
    /// `ConditionNotMatch` if the item does not exist or has another etag; [request
    /// errors](crate::drive::Error#request-errors).
    async fn matching_item(&self, drive: &GraphDrive, cx: &Context, etag: &str) -> Result<Item> {
        let failed = |text| Err(Error::new(ErrorKind::ConditionNotMatch, text));
        match drive.client.item(cx, &self.address, None).await {
            Ok(wire) => {
                let foreign_drive = drive.foreign_drive(&self.address);
                let item = item::from_response(wire, foreign_drive)?;
                match etag == "*" || item.etag.as_deref() == Some(etag) {
                    true => Ok(item),
                    false => failed("cannot write the file: its etag does not match"),
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                failed("cannot write the file: no file exists whose etag could match")
            }
            Err(error) => Err(error),
        }
    }

    /// Refines the error of a rejected write, by a further request if necessary.
    pub(super) async fn explain(&self, drive: &GraphDrive, cx: &Context, error: Error) -> Error {
        match error.kind() {
            // The item was deleted after its id was determined.
            ErrorKind::NotFound if self.by_id => error.with_kind(ErrorKind::ConditionNotMatch),
            ErrorKind::AlreadyExists => {
                conflict::name_in_use(drive, cx, &self.address, self.behavior, error).await
            }
            _ => match self.address.parent() {
                Some(folder) => conflict::file_in_path(drive, cx, folder, error).await,
                None => error,
            },
        }
    }
}

/// Converts the item `wire` of an upload's response, after a comparison with the sent content.
/// `address` is that of the upload.
///
/// # Errors
/// `Unexpected` if the cloud has other content or the item has no id.
pub(super) fn verified_item(
    drive: &GraphDrive,
    address: &Address,
    wire: DriveItem,
    sent: SentContent<'_>,
) -> Result<Item> {
    let kind = verify::account_kind(&wire);
    let item = item::from_response(wire, drive.foreign_drive(address))?;
    sent.verify(kind, drive.kind, &item)?;
    Ok(item)
}

/// Uploads a file with one PUT request.
///
/// A modification time needs a second request, which creates a second version of the file in
/// Business accounts (onedrive-graph#mtime-needs-patch). Upload sessions do not, but cannot upload
/// empty files.
///
/// # Errors
/// * `AlreadyExists` if the name is in use and must not be replaced; `IsAFolder` if a folder has
///   it; `Conflict` if a notebook has it, or a file that the cloud does not replace.
/// * `ConditionNotMatch` if an etag does not match, or if no file exists whose etag could match.
/// * `NotAFolder` if a file is in the path; `DriveNotFound` if the drive does not exist.
/// * `Unexpected` if the cloud has other content.
/// * [Request errors](crate::drive::Error#request-errors), among them `QuotaExceeded`. If only the
///   second request fails, the file exists with another modification time.
pub(super) async fn upload(
    drive: &GraphDrive,
    cx: &Context,
    target: &Target,
    body: Body,
    options: &WriteOptions,
) -> Result<Item> {
    let destination = UploadDestination::new(drive, cx, target, options).await?;
    let UploadDestination { address, behavior, conditions, .. } = &destination;
    let put = drive.client.put_content(cx, address, &body, *behavior, conditions);
    let uploaded = match put.await {
        Ok(uploaded) => uploaded,
        Err(error) => return Err(destination.explain(drive, cx, error).await),
    };
    let hash = Some(uploaded.hash.finish());
    let sent = SentContent { name: &target.name, size: body.len(), hash };
    let item = verified_item(drive, address, uploaded.item, sent)?;
    let Some(modified) = options.modified else { return Ok(item) };
    let address = drive.address(cx, &ItemRef::from_id(&item.id), Shortcut::Follow).await?;
    let times = FileSystemInfo { created_date_time: None, last_modified_date_time: Some(modified) };
    let patch = ItemPatch { file_system_info: Some(times), ..ItemPatch::default() };
    let wire = drive.client.update(cx, &address, &patch, ConflictBehavior::Fail).await?;
    item::from_response(wire, drive.foreign_drive(&address))
}
