//! The drive: the requests of the client as the verbs of [`Drive`].

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{
    changes,
    client::{Client, Deduplication},
    delete,
    download::NodeDownload,
    item::{check_conditions, from_node, id_of, is_available},
    list::RootFolder,
    model::{NewNode, NodeKind},
    names, rename,
};
use crate::drive::{
    Account, Body, Capabilities, ChangePage, Conditions, Context, Cursor, DeleteTarget, Download,
    DownloadRequest, Drive, Error, ErrorKind, Extensions, Item, ItemId, ItemRef, ItemUpdate,
    ListRequest, Page, Quota, RecursiveList, Result, SiblingSearch, Target, WriteOptions,
};

/// Maximum size of a file in bytes: about 50 GiB (amazon-drive#max-file-size).
const FILE_MAX: u64 = 50 << 30;

/// Maximum number of items of one deletion. Each takes its own request; they run concurrently.
const DELETE_MAX: usize = 8;

/// The Amazon Drive of an account.
#[derive(Debug)]
pub(super) struct NodeDrive {
    pub(super) client: Arc<Client>,
    pub(super) deduplication: Deduplication,
    /// How long to search for the file of an upload that timed out. `None` for a duration that
    /// depends on the size.
    pub(super) upload_wait: Option<Duration>,
    /// Whether downloads are not checked by their MD5.
    unchecked_reads: bool,
    capabilities: Capabilities,
    /// The root folder, once it was requested.
    pub(super) root: OnceCell<RootFolder>,
}

impl NodeDrive {
    /// Creates the drive of the client's account.
    pub(super) fn new(client: Client, deduplication: Deduplication) -> Self {
        let capabilities = Capabilities {
            paths: false,
            max_single_upload: FILE_MAX,
            max_file_size: FILE_MAX,
            session: None,
            set_modified: false,
            if_not_exists: true,
            if_match: false,
            if_none_match: false,
            download_if_match: true,
            changes: true,
            copy_files: false,
            download_urls: false,
            recursive_list: RecursiveList::Root,
            delete_max_size: DELETE_MAX,
            multi_parent: true,
            fold: names::fold,
            collision_key: names::collision_key,
            validate_name: names::validate,
            extensions: Extensions::NONE,
        };
        Self {
            client: Arc::new(client),
            deduplication,
            upload_wait: None,
            unchecked_reads: false,
            capabilities,
            root: OnceCell::new(),
        }
    }

    /// Sets how long to search for the file of an upload that timed out.
    pub(super) fn with_upload_wait(self, upload_wait: Option<Duration>) -> Self {
        Self { upload_wait, ..self }
    }

    /// Sets whether downloads are not checked by their MD5.
    pub(super) fn with_unchecked_reads(self, unchecked_reads: bool) -> Self {
        Self { unchecked_reads, ..self }
    }
}

#[async_trait]
impl Drive for NodeDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Returns `createdBy` of the root folder as the account's id: it contains the application's
    /// security profile and the user. If it is missing, the id is that of the root folder. No
    /// response contains the user's name.
    ///
    /// # Errors
    /// Those of [`root_folder`](Self::root_folder).
    async fn account(&self, cx: &Context) -> Result<Account> {
        let root = self.root_folder(cx).await?;
        let id = root.created_by.clone().unwrap_or_else(|| root.id.to_string());
        Ok(Account { id, name: None })
    }

    /// Requests the quota of the drive.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors).
    async fn quota(&self, cx: &Context) -> Result<Quota> {
        let quota = self.client.account_quota(cx).await?;
        Ok(Quota { total: quota.quota, available: quota.available })
    }

    /// Returns the id of the root folder, requested once.
    ///
    /// # Errors
    /// Those of [`root_folder`](Self::root_folder).
    async fn root(&self, cx: &Context) -> Result<ItemId> {
        Ok(self.root_folder(cx).await?.id.clone())
    }

    /// Requests an item, and checks the conditions.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist or is in the trash, `ConditionNotMatch` if a condition
    /// is not met; [request errors](crate::drive::Error#request-errors).
    async fn item(&self, cx: &Context, at: &ItemRef, conditions: &Conditions) -> Result<Item> {
        let node = self.client.node(cx, id_of(at)?.as_str(), false).await?;
        if !is_available(node.status) {
            let text = "the item is in the trash or permanently deleted";
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        let item = from_node(node);
        check_conditions(conditions, &item)?;
        Ok(item)
    }

    /// Requests the item with this name in a folder, by a filter. `seen` gets only this item.
    ///
    /// # Errors
    /// `NotFound` if the folder has no such item; [request
    /// errors](crate::drive::Error#request-errors).
    async fn child(
        &self,
        cx: &Context,
        folder: &ItemRef,
        name: &str,
        seen: &mut (dyn for<'a> FnMut(SiblingSearch<'a>) + Send),
    ) -> Result<Item> {
        let Some(node) = self.find_child(cx, id_of(folder)?, name).await? else {
            let text = format!("the folder has no item named {name:?}");
            return Err(Error::new(ErrorKind::NotFound, text));
        };
        let item = from_node(node);
        seen(SiblingSearch::Item(&item));
        Ok(item)
    }

    /// Returns a page of a folder's children, or of the whole drive.
    ///
    /// # Errors
    /// Those of [`page`](Self::page).
    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        self.page(cx, request).await
    }

    /// Downloads a range of a file.
    ///
    /// # Errors
    /// Those of [`NodeDownload::start`].
    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        let is_checked = !self.unchecked_reads;
        let download = NodeDownload::new(&self.client, cx, id_of(request.file)?, is_checked);
        download.start(request.known, request.range, request.conditions).await
    }

    /// Writes a file in one request, whatever its size.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    async fn upload(
        &self,
        cx: &Context,
        to: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        self.write(cx, to, body, options).await
    }

    /// Creates a folder.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use; [request errors](crate::drive::Error#request-errors).
    async fn create_folder(&self, cx: &Context, at: &Target) -> Result<Item> {
        let new = NewNode::new(NodeKind::Folder, &at.name, id_of(&at.folder)?);
        Ok(from_node(self.client.create(cx, &new).await?))
    }

    /// Changes the name of an item, its folder, or both.
    ///
    /// # Errors
    /// Those of [`rename::update`].
    async fn update(
        &self,
        cx: &Context,
        at: &ItemRef,
        item: Option<&Item>,
        change: &ItemUpdate,
    ) -> Result<Item> {
        rename::update(&self.client, cx, at, item, change).await
    }

    /// Returns all changes after `since`, in one page.
    ///
    /// # Errors
    /// Those of [`changes::page`].
    async fn changes(&self, cx: &Context, since: Option<&Cursor>) -> Result<ChangePage> {
        changes::page(&self.client, cx, since).await
    }

    /// Deletes items concurrently. Returns one result per item, in their order; see
    /// [`delete::delete`] for its errors.
    async fn delete(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let deletions = items.iter().map(|item| delete::delete(&self.client, cx, item));
        futures::future::join_all(deletions).await
    }
}
