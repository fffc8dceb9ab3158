//! The verbs of a [`MemoryDrive`].

use std::time::Duration;

use async_trait::async_trait;
use opendal::Buffer;

use super::{
    memory_drive::MemoryDrive,
    script::{ActiveCall, Verb},
    tree::{
        MemoryTree, NewFile, NewPlace, NodeKey, ROOT, check_conditions, etag_of, fold, id_of,
        not_found,
    },
};
use crate::{
    adapter::slice,
    drive::{
        Account, Body, Capabilities, Conditions, Context, CopyJob, CopyRequest, CopyStatus, Cursor,
        DeleteTarget, Depth, Download, DownloadRequest, DownloadUrl, Drive, Error, ErrorKind, Item,
        ItemId, ItemKind, ItemRef, ItemUpdate, ListRequest, Page, Quota, RecursiveList, Result,
        SessionProgress, SiblingSearch, Target, UploadSession, WriteOptions,
    },
};

/// The capacity that the drive reports, in bytes.
const CAPACITY: u64 = 1 << 40;

/// The delay that a copy requests before its status is polled.
const POLL_AFTER: Duration = Duration::from_millis(1);

impl MemoryDrive {
    /// Logs a call, and applies the part of its plan that precedes its effect.
    ///
    /// # Errors
    /// The planned error.
    pub(super) async fn begin(
        &self,
        cx: &Context,
        verb: Verb,
        subject: impl FnOnce(&MemoryTree) -> String,
    ) -> Result<ActiveCall<'_>> {
        cx.count_request();
        let subject = subject(&self.shared.tree());
        self.shared.script.begin(verb, &subject).await
    }

    /// Performs a call whose effect is one function.
    ///
    /// # Errors
    /// The planned error, or that of the effect.
    pub(super) async fn call<T>(
        &self,
        cx: &Context,
        verb: Verb,
        subject: impl FnOnce(&MemoryTree) -> String,
        effect: impl FnOnce(&mut MemoryTree) -> Result<T>,
    ) -> Result<T> {
        let call = self.begin(cx, verb, subject).await?;
        call.check()?;
        let result = effect(&mut self.shared.tree());
        call.end(result).await
    }

    /// Returns the item that a reference means.
    ///
    /// # Errors
    /// `NotFound`; `InvalidInput` for a path if the drive is addressed by id.
    pub(super) fn key(&self, tree: &MemoryTree, item: &ItemRef) -> Result<NodeKey> {
        match item {
            ItemRef::Item { id, .. } => key_of(tree, id),
            ItemRef::Path { base, path } if self.capabilities.paths => {
                tree.walk(key_of(tree, base)?, path)
            }
            ItemRef::Path { path, .. } => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("cannot find {path:?} by path: this drive is addressed by id"),
            )),
        }
    }

    /// Returns the folder of a file that is written. A drive that is addressed by path creates it.
    ///
    /// # Errors
    /// Those of [`key`](Self::key); `NotAFolder`; `InvalidInput` for a name that the drive rejects.
    pub(super) fn write_folder(&self, tree: &mut MemoryTree, folder: &ItemRef) -> Result<NodeKey> {
        match folder {
            ItemRef::Path { base, path } if self.capabilities.paths => {
                let base = key_of(tree, base)?;
                tree.ensure_folder(base, path)
            }
            _ => self.key(tree, folder),
        }
    }

    /// Returns the path of an item for the log.
    pub(super) fn label(&self, tree: &MemoryTree, item: &ItemRef) -> String {
        let path = self.key(tree, item).ok().and_then(|key| tree.path_of(key));
        path.unwrap_or_else(|| match item {
            ItemRef::Item { id, .. } => id.to_string(),
            ItemRef::Path { path, .. } => path.to_string(),
        })
    }

    /// Returns the path of a target for the log.
    pub(super) fn target_label(&self, tree: &MemoryTree, target: &Target) -> String {
        child_label(self.label(tree, &target.folder), &target.name)
    }

    /// Returns a URL of this drive. It must not be printed.
    pub(super) fn url(&self, kind: &str, key: impl std::fmt::Display) -> String {
        format!("memory://{}/{}/{kind}/{key}", Self::SECRET, self.shared.number)
    }

    /// Returns the key in a URL of this drive. `None` if the drive has not created the URL.
    pub(super) fn key_in_url(&self, kind: &str, url: &str) -> Option<u64> {
        url.strip_prefix(&self.url(kind, ""))?.parse().ok()
    }

    /// Returns the metadata of an item, as responses contain it.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) fn metadata(&self, tree: &MemoryTree, key: NodeKey) -> Result<Item> {
        let node = tree.node(key)?;
        let mut item = Item::new(id_of(key), node.name.clone(), node.kind());
        item.parents = node.parent.map(id_of).into_iter().collect();
        item.created = Some(node.created);
        item.modified = Some(node.modified);
        match &node.bytes {
            Some(bytes) => {
                item.size = Some(bytes.len() as u64);
                item.etag = self.options.etags.then(|| etag_of(key, node));
                let has_url = !self.capabilities.download_urls;
                item.download_url = has_url.then(|| DownloadUrl::new(self.url("content", key)));
            }
            None => item.children = Some(tree.children(key).count() as u64),
        }
        Ok(item)
    }

    /// Returns the response to an upload.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) fn upload_response(&self, tree: &MemoryTree, key: NodeKey) -> Result<Item> {
        let item = self.metadata(tree, key)?;
        Ok(match self.options.full_upload_response {
            true => item,
            false => Item::new(item.id, item.name, item.kind),
        })
    }

    /// Compares the etag of an item with the conditions.
    ///
    /// # Errors
    /// `ConditionNotMatch`; `NotFound`.
    pub(super) fn check_item(
        &self,
        tree: &MemoryTree,
        key: NodeKey,
        conditions: &Conditions,
    ) -> Result<()> {
        let etag = etag_of(key, tree.node(key)?);
        check_conditions(self.options.etags.then_some(&*etag), conditions)
    }

    /// Checks whether the drive can list all descendants of a folder.
    ///
    /// # Errors
    /// `Unsupported`.
    fn check_depth(&self, folder: NodeKey, depth: Depth) -> Result<()> {
        let is_supported = match (depth, self.capabilities.recursive_list) {
            (Depth::Children, _) | (_, RecursiveList::Any) => true,
            (Depth::Recursive, RecursiveList::Root) => folder == ROOT,
            (Depth::Recursive, RecursiveList::No) => false,
        };
        is_supported.then_some(()).ok_or_else(|| Error::unsupported("this recursive listing"))
    }

    /// Returns a page of a folder's items.
    ///
    /// # Errors
    /// Those of [`Drive::list`].
    fn page(&self, tree: &MemoryTree, request: &ListRequest<'_>) -> Result<Page> {
        let folder = self.key(tree, request.folder)?;
        if !self.options.files_are_listable {
            tree.check_folder(folder)?;
        }
        self.check_depth(folder, request.depth)?;
        let after = request.cursor.map(|cursor| {
            self.key_in_url("page", cursor.0.expose()).ok_or_else(|| {
                let text = "cannot list the folder: the cursor is of another drive";
                Error::new(ErrorKind::InvalidInput, text)
            })
        });
        let after = after.transpose()?;
        // A page begins after the last item of the previous one, so that a deletion meanwhile
        // neither repeats nor skips an item.
        let mut keys: Vec<NodeKey> = match request.depth {
            Depth::Children => {
                let keys = tree.children(folder).map(|(key, _)| key);
                keys.filter(|key| after.is_none_or(|after| *key > after)).collect()
            }
            Depth::Recursive => {
                let keys = tree.subtree(folder).into_iter().skip(1);
                keys.filter(|key| after.is_none_or(|after| *key < after)).collect()
            }
        };
        if request.depth == Depth::Recursive {
            // Children before their folders: a change feed may use this order.
            keys.sort_unstable_by(|a, b| b.cmp(a));
        }
        let len = request.limit.unwrap_or(usize::MAX).clamp(1, self.options.page_size);
        let has_more = keys.len() > len;
        keys.truncate(len);
        let next = keys.last().filter(|_| has_more);
        let next = next.map(|key| Cursor(self.url("page", key).into()));
        let items = keys.into_iter().map(|key| self.metadata(tree, key)).collect::<Result<_>>()?;
        Ok(Page::new(items, next))
    }
}

/// Returns the key of the item with this id.
///
/// # Errors
/// `NotFound`.
pub(super) fn key_of(tree: &MemoryTree, id: &ItemId) -> Result<NodeKey> {
    let key = id.as_str().strip_prefix("item-").and_then(|key| key.parse().ok());
    let key = key.ok_or_else(|| not_found(id))?;
    tree.node(key).map(|_| key)
}

/// Returns the path of a name in a folder for the log.
fn child_label(folder: String, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[async_trait]
impl Drive for MemoryDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn account(&self, cx: &Context) -> Result<Account> {
        let label = |_: &MemoryTree| String::new();
        self.call(cx, Verb::Account, label, |_| Ok(Account::new("memory"))).await
    }

    async fn quota(&self, cx: &Context) -> Result<Quota> {
        let label = |_: &MemoryTree| String::new();
        self.call(cx, Verb::Quota, label, |tree| {
            let used = tree.used_bytes();
            Ok(Quota::new(CAPACITY, CAPACITY.saturating_sub(used)))
        })
        .await
    }

    async fn root(&self, _: &Context) -> Result<ItemId> {
        Ok(id_of(ROOT))
    }

    async fn item(&self, cx: &Context, item: &ItemRef, conditions: &Conditions) -> Result<Item> {
        let label = |tree: &MemoryTree| self.label(tree, item);
        self.call(cx, Verb::Item, label, |tree| {
            let key = self.key(tree, item)?;
            self.check_item(tree, key, conditions)?;
            self.metadata(tree, key)
        })
        .await
    }

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

    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        let label = |tree: &MemoryTree| self.label(tree, request.folder);
        self.call(cx, Verb::List, label, |tree| self.page(tree, &request)).await
    }

    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        self.open_download(cx, request).await
    }

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

    async fn acknowledge(&self, session: &mut UploadSession, _: u64, _: Buffer) -> Result<()> {
        self.session_key(session).map(drop)
    }

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

    async fn commit_session(&self, cx: &Context, session: &UploadSession) -> Result<Item> {
        let key = self.session_key(session)?;
        let label = |tree: &MemoryTree| tree.session_label(key);
        self.call(cx, Verb::CommitSession, label, |tree| {
            let file = tree.commit(key, None, |tree, folder| self.write_folder(tree, folder))?;
            self.upload_response(tree, file)
        })
        .await
    }

    async fn cancel_session(&self, cx: &Context, session: &UploadSession) -> Result<()> {
        let key = self.session_key(session)?;
        let label = |tree: &MemoryTree| tree.session_label(key);
        self.call(cx, Verb::CancelSession, label, |tree| {
            tree.sessions.remove(&key);
            Ok(())
        })
        .await
    }

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
