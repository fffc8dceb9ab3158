//! Uploads: of new files, over files that are there, and what became of them.

use super::{
    client::{Deduplication, Uploaded},
    drive::{Cloud, fold, id_of, item_of},
    error::NAME_TAKEN,
    late_upload::Destination,
    md5::to_hex,
    model::{NewNode, Node, NodeKind},
};
use crate::{
    drive::{
        Body, Conditions, Context, Error, ErrorKind, IfExists, Item, ItemId, Result, Retry, Target,
        WriteOptions,
    },
    transport::status::is_timeout,
};

/// Above this size, in bytes, a look for a file of that name comes first: the cloud refuses a taken
/// name only after it has received all bytes, which would then have to be sent twice.
const LOOK_FIRST: u64 = 1 << 20;

impl Cloud {
    /// Writes a file in one request. A file that is there is named by the caller, by a look if there
    /// are many bytes to send, or by the cloud's refusal of a new file.
    pub(super) async fn write(
        &self,
        cx: &Context,
        to: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        if options.if_exists == IfExists::Rename {
            return Err(Error::unsupported("another name for a file whose name is taken"));
        }
        if options.conditions != Conditions::default() {
            return Err(Error::unsupported("a write that depends on what is there"));
        }
        let folder = id_of(&to.folder)?;
        let replaces = options.if_exists == IfExists::Replace;
        let occupant = match &to.occupant {
            None if body.len() > LOOK_FIRST => self.looked_for(cx, folder, &to.name).await?,
            known => known.clone().filter(|_| replaces),
        };
        if let Some(id) = occupant {
            if !replaces {
                return Err(
                    Error::new(ErrorKind::AlreadyExists, "a file has the name").with_existing(id)
                );
            }
            match self.overwrite(cx, &id, to, folder, body.clone()).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                written => return written,
            }
        }
        let new = NewNode::new(NodeKind::File, &to.name, folder);
        let len = body.len();
        let deduplication = self.deduplication_of(&body);
        match self.client.upload(cx, &new, body.clone(), deduplication).await {
            Ok(uploaded) => verified(uploaded, len),
            Err(error) if error.status().is_some_and(is_timeout) => {
                let to = Destination::New { folder, name: &to.name };
                self.after_timeout(cx, to, &body, error).await
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && replaces => {
                match error.existing().cloned() {
                    Some(id) => self.overwrite(cx, &id, to, folder, body).await,
                    None => Err(error),
                }
            }
            Err(error) => Err(self.twin_named(cx, error).await),
        }
    }

    /// The file that has the name.
    async fn looked_for(
        &self,
        cx: &Context,
        folder: &ItemId,
        name: &str,
    ) -> Result<Option<ItemId>> {
        match self.named(cx, folder, name).await? {
            Some(node) if node.kind == NodeKind::Folder => {
                Err(Error::new(ErrorKind::IsAFolder, "a folder has the name"))
            }
            found => Ok(found.map(|node| node.id.into())),
        }
    }

    async fn overwrite(
        &self,
        cx: &Context,
        id: &ItemId,
        to: &Target,
        folder: &ItemId,
        body: Body,
    ) -> Result<Item> {
        let len = body.len();
        let name = &to.name;
        let deduplication = self.deduplication_of(&body);
        let sent = body.clone();
        match self.client.overwrite(cx, id.as_str(), name, body, deduplication).await {
            Ok(uploaded) => {
                let item = verified(uploaded, len)?;
                let here = item.parents.is_empty() || item.parents.contains(folder);
                if here && fold(&item.name) == fold(name) {
                    return Ok(item);
                }
                Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "the file was moved while it was written: it is {:?} now, with the new bytes",
                        item.name
                    ),
                ))
            }
            Err(error) if error.status().is_some_and(is_timeout) => {
                self.after_timeout(cx, Destination::Over(id), &sent, error).await
            }
            Err(error) if matches!(error.status(), Some(400 | 403 | 405 | 409)) => {
                // Whether it was a folder is told by nothing but a look.
                match self.client.node(cx, id.as_str(), false).await {
                    Ok(node) if node.kind == NodeKind::Folder => Err(error
                        .with_kind(ErrorKind::IsAFolder)
                        .with_note("a folder has the name")),
                    _ => Err(self.twin_named(cx, error).await),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Nothing is refused for being equal to another empty file (amazon-drive#deduplication).
    fn deduplication_of(&self, body: &Body) -> Deduplication {
        if body.is_empty() { Deduplication::Suppressed } else { self.deduplication }
    }

    /// Says which file it is that has the same bytes already.
    async fn twin_named(&self, cx: &Context, error: Error) -> Error {
        let is_twin = self.deduplication == Deduplication::Wanted
            && error.status() == Some(409)
            && error.code() != Some(NAME_TAKEN);
        if !is_twin {
            return error;
        }
        let Some(id) = error.existing().cloned() else {
            return error.with_note("the drive has a file with these bytes already");
        };
        let name = match self.client.node(cx, id.as_str(), false).await {
            Ok(Node { name: Some(name), .. }) => format!("{name:?}, "),
            _ => String::new(),
        };
        error.with_note(&format!("the drive has these bytes already, in {name}node {id}"))
    }
}

/// The file, if the cloud says that it has the bytes that were sent.
fn verified(uploaded: Uploaded, len: u64) -> Result<Item> {
    let item = item_of(uploaded.node);
    let damaged = |what: String| {
        Err(Error::new(
            ErrorKind::Unexpected,
            format!("{what}; the file {:?} (node {}) is damaged", item.name, item.id),
        )
        .with_retry(Retry::Again { after: None }))
    };
    if let Some(size) = item.size.filter(|size| *size != len) {
        return damaged(format!("{len} bytes were sent, the cloud has {size}"));
    }
    match item.hashes.first() {
        Some((_, sum)) if **sum != uploaded.md5 => damaged(format!(
            "bytes with the MD5 {} were sent, the cloud has {}",
            to_hex(&uploaded.md5),
            to_hex(sum)
        )),
        _ => Ok(item),
    }
}
