//! The verbs of a [`MemoryDrive`].

use std::time::Duration;

use async_trait::async_trait;
use opendal::Buffer;

use super::{
    memory_drive::MemoryDrive,
    script::Verb,
    steps::{child_label, key_of},
    tree::{MemoryTree, NewFile, NewPlace, ROOT, fold, id_of, not_found},
};
use crate::{
    adapter::slice,
    drive::{
        Account, Body, Capabilities, Conditions, Context, CopyJob, CopyRequest, CopyStatus,
        DeleteTarget, Download, DownloadRequest, Drive, Error, ErrorKind, Item, ItemId, ItemKind,
        ItemRef, ItemUpdate, ListRequest, Page, Quota, Result, SessionProgress, SiblingSearch,
        Target, UploadSession, WriteOptions,
    },
};

/// The capacity that the drive reports, in bytes.
const CAPACITY: u64 = 1 << 40;

/// The delay that a copy requests before its status is polled.
const POLL_AFTER: Duration = Duration::from_millis(1);

/// Each verb except `root` and `acknowledge` can also fail with the error of a planned
/// [`VerbFault`](super::VerbFault). "`NotFound` for a reference" includes ids and paths; a
/// reference by path is `InvalidInput` if the drive is addressed by id.
#[async_trait]
impl Drive for MemoryDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Returns an account with the id `memory`. Fails only as planned.
    async fn account(&self, cx: &Context) -> Result<Account> {
        let label = |_: &MemoryTree| String::new();
        self.call(cx, Verb::Account, label, |_| Ok(Account::new("memory"))).await
    }

    /// Returns a capacity of 1 TiB, less the bytes of all files. Fails only as planned.
    async fn quota(&self, cx: &Context) -> Result<Quota> {
        let label = |_: &MemoryTree| String::new();
        self.call(cx, Verb::Quota, label, |tree| {
            let used = tree.used_bytes();
            Ok(Quota::new(CAPACITY, CAPACITY.saturating_sub(used)))
        })
        .await
    }

    /// Returns the id of the root. Never fails, and is not logged as a call.
    async fn root(&self, _: &Context) -> Result<ItemId> {
        Ok(id_of(ROOT))
    }

    /// Returns an item.
    ///
    /// # Errors
    /// `NotFound` or `InvalidInput` for the reference; `ConditionNotMatch` if a condition does not
    /// hold, which no `if_match` does without etags.
    async fn item(&self, cx: &Context, item: &ItemRef, conditions: &Conditions) -> Result<Item> {
        let label = |tree: &MemoryTree| self.label(tree, item);
        self.call(cx, Verb::Item, label, |tree| {
            let key = self.key(tree, item)?;
            self.check_item(tree, key, conditions)?;
            self.metadata(tree, key)
        })
        .await
    }

    /// Returns the child with this name. `on_sibling` receives all items of the folder, and always
    /// `Complete`.
    ///
    /// # Errors
    /// `NotFound` if the folder or the child does not exist; `NotAFolder` if it is a file.
    async fn child(
        &self,
        cx: &Context,
        folder: &ItemRef,
        name: &str,
        on_sibling: &mut (dyn for<'s> FnMut(SiblingSearch<'s>) + Send),
    ) -> Result<Item> {
        let label = |tree: &MemoryTree| child_label(self.label(tree, folder), name);
        let items = self.call(cx, Verb::Child, label, |tree| {
            let folder = self.key(tree, folder)?;
            tree.check_folder(folder)?;
            let children = tree.children(folder);
            children.map(|(key, _)| self.metadata(tree, key)).collect::<Result<Vec<_>>>()
        });
        let items = items.await?;
        items.iter().for_each(|item| on_sibling(SiblingSearch::Item(item)));
        on_sibling(SiblingSearch::Complete);
        let folded = fold(name);
        let child = items.into_iter().find(|item| fold(&item.name) == folded);
        child.ok_or_else(|| not_found(format_args!("{name:?}")))
    }

    /// Returns a page of at most [`with_page_size`](MemoryDrive::with_page_size) items.
    ///
    /// # Errors
    /// `NotFound` or `InvalidInput` for the folder's reference; `NotAFolder` for a file, unless
    /// files are listable; `Unsupported` for a recursive listing that `recursive_list` excludes;
    /// `InvalidInput` for a cursor of another drive.
    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        let label = |tree: &MemoryTree| self.label(tree, request.folder);
        self.call(cx, Verb::List, label, |tree| self.page(tree, &request)).await
    }

    /// Opens the bytes of a file. A client that needs a download URL makes a second call for it.
    ///
    /// # Errors
    /// `NotFound` or `InvalidInput` for the reference; `IsAFolder` for a folder;
    /// `ConditionNotMatch` if a condition does not hold; `RangeNotSatisfied` if the range starts
    /// after the end of the file.
    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        self.open_download(cx, request).await
    }

    /// Writes a whole file. A drive that is addressed by path creates missing parent folders.
    ///
    /// # Errors
    /// `InvalidInput` if the body exceeds `max_single_upload`; `Unexpected` if it cannot be read;
    /// `AlreadyExists` or `IsAFolder` if the name is taken, as the options say; `ConditionNotMatch`
    /// if a condition does not hold; `NotFound` or `NotAFolder` for the parent; `InvalidInput` for
    /// a name that the drive rejects.
    async fn upload(
        &self,
        cx: &Context,
        target: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        let label = |tree: &MemoryTree| self.target_label(tree, target);
        let call = self.begin(cx, Verb::Upload, label).await?;
        call.check()?;
        if body.len() > self.capabilities.max_single_upload {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("cannot upload {} bytes in one request: they are too many", body.len()),
            ));
        }
        let bytes = slice(&body, 0, body.len()).await?;
        if let Some(progress) = cx.upload_progress() {
            progress.report(body.len());
        }
        let result = self.write_file(target, bytes, options);
        call.end(result).await
    }

    /// Opens an upload session.
    ///
    /// # Errors
    /// `Unsupported` without upload sessions; `InvalidInput` if `total` exceeds `max_file_size`;
    /// `AlreadyExists` or `IsAFolder` if the name is taken, as the options say; `ConditionNotMatch`
    /// if a condition does not hold; `NotFound` or `NotAFolder` for the parent; `InvalidInput` for
    /// a name that the drive rejects. A drive that is addressed by path accepts a missing parent.
    async fn open_session(
        &self,
        cx: &Context,
        target: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadSession> {
        self.session_limits()?;
        let label = |tree: &MemoryTree| self.target_label(tree, target);
        self.call(cx, Verb::OpenSession, label, |tree| {
            self.create_session(tree, target, total, options)
        })
        .await
    }

    /// Stores a fragment. A session accepts only the next offset.
    ///
    /// # Errors
    /// `NotFound` if the session is discarded, cancelled or has ended with its file;
    /// `RangeNotSatisfied` for another offset than the next; `InvalidInput` if the fragment is
    /// empty, exceeds `max_fragment` or the size of the file, or is not a multiple of the alignment
    /// and not the last one; `InvalidInput` if another drive opened the session; `Unsupported`
    /// without upload sessions. The last fragment, without explicit commit, also with the kinds of
    /// `upload`.
    async fn send_fragment(
        &self,
        cx: &Context,
        session: &mut UploadSession,
        offset: u64,
        bytes: Buffer,
    ) -> Result<SessionProgress> {
        let key = self.session_key(session)?;
        let label =
            |tree: &MemoryTree| format!("{} {offset}+{}", tree.session_label(key), bytes.len());
        let call = self.begin(cx, Verb::SendFragment, label).await?;
        let result = self.store_fragment(key, offset, &bytes, &call);
        call.end(result).await
    }

    /// Does nothing: the session keeps no state of the client. Is not logged as a call.
    ///
    /// # Errors
    /// `InvalidInput` if another drive opened the session; `Unsupported` without upload sessions. A
    /// discarded session is no error.
    async fn acknowledge(&self, session: &mut UploadSession, _: u64, _: Buffer) -> Result<()> {
        self.session_key(session).map(drop)
    }

    /// Returns the number of bytes that the session has as the next offset.
    ///
    /// # Errors
    /// `NotFound` if the session is discarded, cancelled or has ended with its file; `InvalidInput`
    /// if another drive opened it; `Unsupported` without upload sessions.
    async fn session_status(
        &self,
        cx: &Context,
        session: &UploadSession,
    ) -> Result<SessionProgress> {
        let key = self.session_key(session)?;
        let label = |tree: &MemoryTree| tree.session_label(key);
        self.call(cx, Verb::SessionStatus, label, |tree| {
            let session = tree.open_session(key)?;
            let received = session.received_len();
            Ok(match received == session.total && self.options.explicit_commit {
                true => SessionProgress::Complete,
                false => SessionProgress::Next(received),
            })
        })
        .await
    }

    /// Creates the file of a session that has all bytes. A repeated call returns the same file.
    ///
    /// # Errors
    /// `NotFound` if the session is discarded or cancelled; `Conflict` if bytes are missing;
    /// `InvalidInput` if another drive opened it; `Unsupported` without upload sessions; the kinds
    /// of `upload` for the target.
    async fn commit_session(&self, cx: &Context, session: &UploadSession) -> Result<Item> {
        let key = self.session_key(session)?;
        let label = |tree: &MemoryTree| tree.session_label(key);
        self.call(cx, Verb::CommitSession, label, |tree| {
            let file = tree.commit(key, None, |tree, folder| self.write_folder(tree, folder))?;
            self.upload_response(tree, file)
        })
        .await
    }

    /// Removes a session. Succeeds if it does not exist, or if its file exists, which stays.
    ///
    /// # Errors
    /// `InvalidInput` if another drive opened it; `Unsupported` without upload sessions.
    async fn cancel_session(&self, cx: &Context, session: &UploadSession) -> Result<()> {
        let key = self.session_key(session)?;
        let label = |tree: &MemoryTree| tree.session_label(key);
        self.call(cx, Verb::CancelSession, label, |tree| {
            tree.sessions.remove(&key);
            Ok(())
        })
        .await
    }

    /// Creates a folder. A drive that is addressed by path creates missing parents.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken, with the occupant's id; `NotFound` or `NotAFolder` for
    /// the parent; `InvalidInput` for a name that the drive rejects.
    async fn create_folder(&self, cx: &Context, target: &Target) -> Result<Item> {
        let label = |tree: &MemoryTree| self.target_label(tree, target);
        self.call(cx, Verb::CreateFolder, label, |tree| {
            let key = tree.transaction(|tree| {
                let folder = self.write_folder(tree, &target.folder)?;
                tree.create_folder(folder, &target.name)
            })?;
            self.metadata(tree, key)
        })
        .await
    }

    /// Changes an item. `known` is ignored. In a drive that is addressed by id, only the file
    /// [`ItemUpdate::occupant`] is replaced.
    ///
    /// # Errors
    /// `NotFound` or `InvalidInput` for a reference; `AlreadyExists` if another item has the name
    /// and is not replaced; `IsAFolder` if a folder has it, with `IfExists::Replace`; `Conflict`
    /// for a folder that is moved below itself; `NotAFolder` if the new parent is a file;
    /// `InvalidInput` for the root and for a name that the drive rejects.
    async fn update(
        &self,
        cx: &Context,
        item: &ItemRef,
        _: Option<&Item>,
        update: &ItemUpdate,
    ) -> Result<Item> {
        let label = |tree: &MemoryTree| self.label(tree, item);
        self.call(cx, Verb::Update, label, |tree| {
            let key = self.key(tree, item)?;
            let node = tree.node(key)?.clone();
            let folder = match &update.folder {
                Some(folder) => self.key(tree, folder)?,
                None => node.parent.unwrap_or(ROOT),
            };
            if update.folder.is_some() || update.name.is_some() {
                let occupant = update.occupant.as_ref().and_then(|id| key_of(tree, id).ok());
                let place = NewPlace {
                    folder,
                    name: update.name.as_deref().unwrap_or(&node.name),
                    if_exists: update.if_exists,
                    replaces_only: (!self.capabilities.paths).then_some(occupant),
                };
                tree.relocate(key, place)?;
            }
            if let Some(modified) = update.modified {
                tree.node_mut(key)?.modified = modified;
            }
            self.metadata(tree, key)
        })
        .await
    }

    /// Creates the copy at once, and returns it as a running job.
    ///
    /// # Errors
    /// `Unsupported` for a folder and without `copy_files`; `NotFound` or `InvalidInput` for a
    /// reference; `AlreadyExists` or `IsAFolder` if the name is taken, as the request says;
    /// `NotAFolder` if the target's folder is a file; `InvalidInput` for a name that the drive
    /// rejects.
    async fn copy(&self, cx: &Context, request: CopyRequest<'_>) -> Result<CopyStatus> {
        let CopyRequest { source, target, if_exists, .. } = request;
        if !self.capabilities.copy_files {
            return Err(Error::unsupported("server-side copies"));
        }
        let label = |tree: &MemoryTree| {
            format!("{} {}", self.label(tree, source), self.target_label(tree, target))
        };
        self.call(cx, Verb::Copy, label, |tree| {
            let source = self.key(tree, source)?;
            let bytes = tree.node(source)?.bytes.clone();
            let bytes = bytes.ok_or_else(|| Error::unsupported("copies of folders"))?;
            let copy = tree.transaction(|tree| {
                let folder = self.write_folder(tree, &target.folder)?;
                let (name, conditions) = (&*target.name, Conditions::NONE);
                tree.put(NewFile { folder, name, bytes, if_exists, conditions, modified: None })
            })?;
            let job = CopyJob::new(self.url("copy", copy), copy.to_string());
            Ok(CopyStatus::Running { job, poll_after: POLL_AFTER })
        })
        .await
    }

    /// Returns the copy. It is always complete.
    ///
    /// # Errors
    /// `Unsupported` without `copy_files`; `InvalidInput` if another drive started the copy;
    /// `NotFound` if the copy was deleted meanwhile.
    async fn copy_status(&self, cx: &Context, job: &CopyJob) -> Result<CopyStatus> {
        if !self.capabilities.copy_files {
            return Err(Error::unsupported("server-side copies"));
        }
        let key = self.key_in_url("copy", job.url.expose()).ok_or_else(|| {
            let text = "cannot request the status of the copy: another drive started it";
            Error::new(ErrorKind::InvalidInput, text)
        })?;
        let label = |tree: &MemoryTree| tree.path_of(key).unwrap_or_default();
        self.call(cx, Verb::CopyStatus, label, |tree| {
            Ok(CopyStatus::Done(Some(Box::new(self.metadata(tree, key)?))))
        })
        .await
    }

    /// Deletes items one after the other. Each is a call of its own.
    ///
    /// # Errors
    /// Each item: `NotFound` if it does not exist; `IsAFolder` for a folder if the caller expects a
    /// file; `InvalidInput` for the root.
    async fn delete(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let mut results = Vec::with_capacity(items.len());
        for target in items {
            let label = |tree: &MemoryTree| self.label(tree, &target.item);
            let deleted = self.call(cx, Verb::Delete, label, |tree| {
                let key = self.key(tree, &target.item)?;
                let node = tree.node(key)?;
                if target.kind == Some(ItemKind::File) && node.kind() == ItemKind::Folder {
                    return Err(Error::new(
                        ErrorKind::IsAFolder,
                        format!("cannot delete the file {:?}: it is a folder", node.name),
                    ));
                }
                tree.remove(key)
            });
            results.push(deleted.await);
        }
        results
    }
}
