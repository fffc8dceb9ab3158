//! Uploads in one request: new files, overwritten files, and the check of the result.

use super::{
    client::{Deduplication, UploadedNode},
    error::is_duplicate_content,
    item::{from_node, id_of},
    late_upload::LateUpload,
    md5::{md5_of, to_hex},
    model::{NewNode, Node, NodeKind},
    names::fold,
    state::NodeDrive,
};
use crate::{
    drive::{
        Body, Conditions, Context, Error, ErrorKind, IfExists, Item, ItemId, Result, Retry, Target,
        WriteOptions,
    },
    failure::status::is_timeout,
};

/// Size in bytes above which the drive searches for an existing file of that name first: the cloud
/// reports a name in use only after it has received all bytes, which would be sent twice.
const SEARCH_FIRST_MIN: u64 = 1 << 20;

impl NodeDrive {
    /// Writes a file in one request.
    ///
    /// An existing file is overwritten, so that it keeps its id. The caller may name it as
    /// `to.occupant`; else the drive searches for it if the body is large, or learns it from the
    /// response to the upload of a new file.
    ///
    /// # Errors
    /// * `Unsupported` for conditions, [`IfExists::Rename`] and a reference by path.
    /// * `AlreadyExists` if the name is in use and must not be replaced; `IsAFolder` if a folder
    ///   has the name.
    /// * `NotFound` if the folder does not exist.
    /// * `Conflict` if the file was moved meanwhile, or if another file has the same content and
    ///   deduplication is enabled.
    /// * A temporary `Unexpected` error if size or MD5 of the result differ from those of the body.
    /// * [Request errors](crate::drive::Error#request-errors), among them `QuotaExceeded`.
    pub(super) async fn write(
        &self,
        cx: &Context,
        to: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        if options.if_exists == IfExists::Rename {
            return Err(Error::unsupported("a new name for a file whose name is in use"));
        }
        if options.conditions != Conditions::default() {
            return Err(Error::unsupported("a conditional write"));
        }
        let folder = id_of(&to.folder)?;
        let replaces = options.if_exists == IfExists::Replace;
        let occupant = match &to.occupant {
            None if body.len() > SEARCH_FIRST_MIN => {
                self.find_occupant(cx, folder, &to.name).await?
            }
            known => known.clone().filter(|_| replaces),
        };
        if let Some(id) = occupant {
            if !replaces {
                return Err(
                    Error::new(ErrorKind::AlreadyExists, "the name is in use").with_existing(id)
                );
            }
            match self.overwrite(cx, &id, to, folder, body.clone()).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                written => return written,
            }
        }
        let new = NewNode::new(NodeKind::File, &to.name, folder);
        let deduplication = self.deduplication_of(&body);
        match self.client.upload(cx, &new, body.clone(), deduplication).await {
            Ok(uploaded) => verify(uploaded, body.len()),
            Err(error) if error.status().is_some_and(is_timeout) => {
                let upload = LateUpload::New { folder, name: &to.name };
                self.find_late_upload(cx, upload, &body, error).await
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && replaces => {
                match error.existing().cloned() {
                    Some(id) => self.overwrite(cx, &id, to, folder, body).await,
                    None => Err(error),
                }
            }
            Err(error) => Err(self.describe_duplicate(cx, error).await),
        }
    }

    /// Searches for the file with that name in a folder, without regard to case. Returns its id, or
    /// `None` if no item has the name or the folder does not exist.
    ///
    /// # Errors
    /// `IsAFolder` if a folder has the name, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn find_occupant(
        &self,
        cx: &Context,
        folder: &ItemId,
        name: &str,
    ) -> Result<Option<ItemId>> {
        match self.find_child(cx, folder, name).await? {
            Some(node) if node.kind == NodeKind::Folder => {
                Err(Error::new(ErrorKind::IsAFolder, "a folder has the name"))
            }
            found => Ok(found.map(|node| node.id.into())),
        }
    }

    /// Replaces the content of the file `id`, which had the name `to` in `folder`.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist any more, `IsAFolder` if it is a folder, `Conflict` if
    /// it was moved meanwhile or for duplicate content; a temporary `Unexpected` error if size or
    /// MD5 of the result are wrong; [request errors](crate::drive::Error#request-errors).
    async fn overwrite(
        &self,
        cx: &Context,
        id: &ItemId,
        to: &Target,
        folder: &ItemId,
        body: Body,
    ) -> Result<Item> {
        let name = &to.name;
        let deduplication = self.deduplication_of(&body);
        let sent = body.clone();
        match self.client.overwrite(cx, id.as_str(), name, body, deduplication).await {
            Ok(uploaded) => {
                let item = verify(uploaded, sent.len())?;
                let is_in_folder = item.parents.is_empty() || item.parents.contains(folder);
                if is_in_folder && fold(&item.name) == fold(name) {
                    return Ok(item);
                }
                let text = format!(
                    "the file was moved during the upload: the new content is in {:?}",
                    item.name
                );
                Err(Error::new(ErrorKind::Conflict, text))
            }
            Err(error) if error.status().is_some_and(is_timeout) => {
                self.find_late_upload(cx, LateUpload::Overwritten(id), &sent, error).await
            }
            Err(error) if matches!(error.status(), Some(400 | 403 | 405 | 409)) => {
                // The response does not show whether the node is a folder.
                match self.client.node(cx, id.as_str(), false).await {
                    Ok(node) if node.kind == NodeKind::Folder => Err(error
                        .with_kind(ErrorKind::IsAFolder)
                        .with_note("a folder has the name")),
                    _ => Err(self.describe_duplicate(cx, error).await),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Returns whether the cloud may reject the body as a duplicate. It accepts any number of empty
    /// files (amazon-drive#deduplication).
    fn deduplication_of(&self, body: &Body) -> Deduplication {
        if body.is_empty() { Deduplication::Suppressed } else { self.deduplication }
    }

    /// Adds to an error for duplicate content the file that has the content; returns any other
    /// error unchanged.
    async fn describe_duplicate(&self, cx: &Context, error: Error) -> Error {
        if self.deduplication != Deduplication::Enabled || !is_duplicate_content(&error) {
            return error;
        }
        let Some(id) = error.existing().cloned() else {
            return error.with_note("another file has the same content");
        };
        let name = match self.client.node(cx, id.as_str(), false).await {
            Ok(Node { name: Some(name), .. }) => format!("{name:?} "),
            _ => String::new(),
        };
        error.with_note(&format!("the file {name}(node {id}) has the same content"))
    }
}

/// Checks that the cloud has the bytes that were sent, `len` in number, and returns the file.
///
/// # Errors
/// A temporary `Unexpected` error if size or MD5 differ.
fn verify(uploaded: UploadedNode, len: u64) -> Result<Item> {
    let item = from_node(uploaded.node);
    let damaged = |reason: String| {
        let text = format!("the file {:?} (node {}) is damaged: {reason}", item.name, item.id);
        Err(Error::new(ErrorKind::Unexpected, text).with_retry(Retry::Again { after: None }))
    };
    if let Some(size) = item.size.filter(|size| *size != len) {
        return damaged(format!("{len} bytes were sent, the cloud has {size}"));
    }
    match md5_of(&item) {
        Some(sum) if sum != uploaded.sent_md5 => damaged(format!(
            "the MD5 of the sent bytes is {}, the cloud has {}",
            to_hex(&uploaded.sent_md5),
            to_hex(&sum)
        )),
        _ => Ok(item),
    }
}
