//! A file in one request.

use super::{
    drive::{LiveDrive, SINGLE_MAX, id_of, unconditional},
    item::is_folder_id,
    model::Uploaded,
    options::{Overwrite, UploadOptions},
};
use crate::drive::{
    Body, Context, DownloadUrl, Error, ErrorKind, IfExists, Item, ItemId, ItemKind, Result, Target,
    WriteOptions,
};

/// Sends a file. Its size is not told by the answer.
pub(super) async fn at_once(
    drive: &LiveDrive,
    cx: &Context,
    to: &Target,
    body: Body,
    options: &WriteOptions,
) -> Result<Item> {
    unconditional(&options.conditions)?;
    let folder = id_of(&to.folder)?;
    if to.occupant.as_ref().is_some_and(is_folder_id) {
        return Err(Error::new(ErrorKind::IsAFolder, "a folder has that name"));
    }
    if body.len() > SINGLE_MAX {
        let text = format!("{} bytes: SkyDrive takes {SINGLE_MAX} in one request", body.len());
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
    let answer = drive.client.put_file(cx, folder.as_str(), &to.name, &body, &options).await?;
    Ok(uploaded(answer, to, folder))
}

fn uploaded(answer: Uploaded, to: &Target, folder: &ItemId) -> Item {
    Item {
        parents: vec![folder.clone()],
        download_url: answer.source.map(|url| DownloadUrl { url, expires: None }),
        ..Item::new(answer.id, answer.name.unwrap_or_else(|| to.name.clone()), ItemKind::File)
    }
}
