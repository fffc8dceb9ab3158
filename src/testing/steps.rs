//! The steps that the verbs of a [`MemoryDrive`] share: calls, references to items, metadata,
//! pages.

use super::{
    memory_drive::MemoryDrive,
    script::{ActiveCall, Verb},
    tree::{MemoryTree, NodeKey, ROOT, check_conditions, etag_of, id_of, not_found},
};
use crate::drive::{
    Conditions, Context, Cursor, Depth, DownloadUrl, Error, ErrorKind, Item, ItemId, ItemRef,
    ListRequest, Page, RecursiveList, Result, Target,
};

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
    /// `NotFound` if no item has the id or the path, also if a file is in the path; `InvalidInput`
    /// for a path if the drive is addressed by id.
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
    /// Those of [`key`](Self::key) for a drive that is addressed by id: the result may then be a
    /// file. Otherwise `NotAFolder` if a file has one of the names, `NotFound` if the base does not
    /// exist, and `InvalidInput` for a new name that the drive rejects.
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

    /// Returns the key in a URL of this drive and this kind. `None` if the URL is of another drive
    /// or of another kind. The item or session of the key need not exist any more.
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
    /// `ConditionNotMatch` if a condition does not hold; `NotFound` if the item does not exist.
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
    /// `Unsupported` for a recursive listing that `recursive_list` excludes.
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
    /// `NotFound` or `InvalidInput` for the folder's reference; `NotAFolder` for a file, unless
    /// files are listable; `Unsupported` for a recursive listing that `recursive_list` excludes;
    /// `InvalidInput` for a cursor of another drive.
    pub(super) fn page(&self, tree: &MemoryTree, request: &ListRequest<'_>) -> Result<Page> {
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
pub(super) fn child_label(folder: String, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
