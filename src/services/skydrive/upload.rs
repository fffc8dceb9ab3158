//! Uploads in one request.

use super::{
    item::{id_of, is_folder_id, reject_conditions},
    list,
    model::UploadResponse,
    names,
    options::{Overwrite, UploadOptions},
    state::{LiveDrive, SINGLE_MAX},
};
use crate::drive::{
    Body, Context, DownloadUrl, Error, ErrorKind, IfExists, Item, ItemId, ItemKind, Result, Target,
    WriteOptions,
};

/// Writes a file in one request. The returned item has no size, because the response has none.
///
/// # Errors
/// `IsAFolder` if a folder has the name, `AlreadyExists` if the name is in use and must not be
/// replaced, `NotFound` if the folder does not exist, `InvalidInput` for a body above
/// [`SINGLE_MAX`], `Unsupported` for conditions and for a reference by path, and [request
/// errors](crate::drive::Error#request-errors), among them `QuotaExceeded`.
pub(super) async fn upload(
    drive: &LiveDrive,
    cx: &Context,
    to: &Target,
    body: Body,
    options: &WriteOptions,
) -> Result<Item> {
    reject_conditions(&options.conditions)?;
    let folder = id_of(&to.folder)?;
    if to.occupant.as_ref().is_some_and(is_folder_id) {
        return Err(Error::new(ErrorKind::IsAFolder, "a folder has the name"));
    }
    if body.len() > SINGLE_MAX {
        let text = format!(
            "cannot upload {} bytes in one request: the maximum is {SINGLE_MAX}",
            body.len()
        );
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    let options = UploadOptions {
        overwrite: match options.if_exists {
            IfExists::Replace => Overwrite::Yes,
            IfExists::Fail => Overwrite::No,
            IfExists::Rename => Overwrite::ChooseNewName,
        },
        downsize_photos: drive.downsize_photos,
    };
    let response = drive.client.put_file(cx, folder.as_str(), &to.name, &body, &options).await;
    let response = match response {
        // The cloud reports a folder and a notebook with the name by the same error.
        Err(error)
            if options.overwrite == Overwrite::Yes
                && error.kind() == ErrorKind::AlreadyExists
                && is_name_of_folder(drive, cx, folder, &to.name).await =>
        {
            Err(error.with_kind(ErrorKind::IsAFolder))
        }
        response => response,
    }?;
    Ok(uploaded_item(response, to, folder))
}

/// Returns whether a folder has this name in the folder with the id `folder`; false if the folder
/// cannot be listed, so that the error of the upload remains.
async fn is_name_of_folder(drive: &LiveDrive, cx: &Context, folder: &ItemId, name: &str) -> bool {
    let Ok(items) = list::all(drive, cx, folder).await else { return false };
    let name = names::fold(name);
    items.iter().any(|item| item.is_folder() && names::fold(&item.name) == name)
}

/// Returns the item of an upload to `to`, in the folder with the id `folder`. It has no size.
fn uploaded_item(response: UploadResponse, to: &Target, folder: &ItemId) -> Item {
    Item {
        parents: vec![folder.clone()],
        download_url: response.source.map(|url| DownloadUrl { url, expires: None }),
        ..Item::new(response.id, response.name.unwrap_or_else(|| to.name.clone()), ItemKind::File)
    }
}
