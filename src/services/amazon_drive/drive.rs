//! The drive: the requests of the client as the verbs of [`Drive`].

use std::any::Any;

use async_trait::async_trait;

use super::{
    changes, delete,
    download::NodeDownload,
    item::{check_conditions, from_node, id_of, is_available},
    model::{NewNode, NodeKind},
    rename,
    state::NodeDrive,
};
use crate::drive::{
    Account, Body, Capabilities, ChangePage, Conditions, Context, Cursor, DeleteTarget, Download,
    DownloadRequest, DownloadUrl, Drive, Error, ErrorKind, Item, ItemId, ItemRef, ItemUpdate,
    ListRequest, Page, Properties, PropertyChanges, Quota, Result, SearchRequest, SiblingSearch,
    Target, WriteOptions,
};

#[async_trait]
impl Drive for NodeDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Returns the [`Client`](super::Client).
    fn native_client(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(self.client.as_ref())
    }

    /// Returns `createdBy` of the root folder as the account's id: it contains the application's
    /// security profile and the user. If it is missing, the id is that of the root folder. No
    /// response contains the user's name.
    ///
    /// # Errors
    /// Those of [`root_folder`](Self::root_folder): `DriveNotFound` if the account has no root
    /// folder, and [request errors](crate::drive::Error#request-errors).
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
        Ok(Quota::new(quota.quota, quota.available))
    }

    /// Returns the id of the root folder, requested once.
    ///
    /// # Errors
    /// Those of [`root_folder`](Self::root_folder): `DriveNotFound` if the account has no root
    /// folder, and [request errors](crate::drive::Error#request-errors).
    async fn root(&self, cx: &Context) -> Result<ItemId> {
        Ok(self.root_folder(cx).await?.id.clone())
    }

    /// Requests an item, and checks the conditions.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist or is in the trash, `ConditionNotMatch` if a condition
    /// is not met, `Unsupported` for a reference by path; [request
    /// errors](crate::drive::Error#request-errors).
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

    /// Requests the item with this name in a folder, by a filter. `seen` gets only this item, and
    /// never `Complete`.
    ///
    /// # Errors
    /// `NotFound` if the folder has no such item, does not exist, or is a file; `Unsupported` for a
    /// reference by path; [request errors](crate::drive::Error#request-errors).
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
    /// Those of [`page`](Self::page): `NotFound` if the folder does not exist, `Unsupported` for a
    /// reference by path, `Unexpected` if the cursor has expired, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        self.page(cx, request).await
    }

    /// Downloads a range of a file.
    ///
    /// # Errors
    /// Those of [`NodeDownload::start`]: `NotFound`, `ConditionNotMatch` if a condition does not
    /// hold, `IsAFolder`, `RangeNotSatisfied` if the range begins after the end, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        let is_checked = !self.unchecked_reads;
        let download = NodeDownload::new(&self.client, cx, id_of(request.file)?, is_checked);
        download.start(request.known, request.range, request.conditions).await
    }

    /// Requests the pre-authenticated URL of a file's content (amazon-drive#op-temp-link).
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `IsAFolder` for a folder; `Unsupported` for a file
    /// without such a URL and for a reference by path; [request
    /// errors](crate::drive::Error#request-errors).
    async fn download_url(&self, cx: &Context, file: &ItemRef) -> Result<DownloadUrl> {
        let node = self.client.node(cx, id_of(file)?.as_str(), true).await?;
        if !is_available(node.status) {
            let text = "the item is in the trash or permanently deleted";
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        match node.temp_link.clone() {
            _ if from_node(node).is_folder() => {
                Err(Error::new(ErrorKind::IsAFolder, "a folder has no content"))
            }
            Some(url) => Ok(DownloadUrl::new(url)),
            None => Err(Error::unsupported("a download URL of this file")),
        }
    }

    /// Writes a file in one request, whatever its size.
    ///
    /// # Errors
    /// Those of [`write`](Self::write): `Unsupported` for conditions and a name that the cloud
    /// chooses, `AlreadyExists` or `IsAFolder` if the name is in use, `NotFound` if the folder does
    /// not exist, `Conflict` if the file was moved meanwhile or for duplicate content, `Unexpected`
    /// if size or MD5 of the result differ, and [request
    /// errors](crate::drive::Error#request-errors).
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
    /// `AlreadyExists` if a file or a folder has the name; `NotFound` if the parent does not exist;
    /// `Unsupported` for a reference by path; [request errors](crate::drive::Error#request-errors).
    async fn create_folder(&self, cx: &Context, at: &Target) -> Result<Item> {
        let new = NewNode::new(NodeKind::Folder, &at.name, id_of(&at.folder)?);
        Ok(from_node(self.client.create(cx, &new).await?))
    }

    /// Changes the name of an item, its folder, or both.
    ///
    /// # Errors
    /// Those of [`rename::update`]: `NotFound` if the item or the new folder does not exist,
    /// `Unsupported` for a modification time, `Conflict` for a folder that would move into itself,
    /// `AlreadyExists` or `IsAFolder` if the name is in use, and [request
    /// errors](crate::drive::Error#request-errors).
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
    /// Those of [`changes::page`]: `Unexpected` if the response is incomplete or has no checkpoint,
    /// and [request errors](crate::drive::Error#request-errors).
    async fn changes(&self, cx: &Context, since: Option<&Cursor>) -> Result<ChangePage> {
        changes::page(&self.client, cx, since).await
    }

    /// Returns one page of the items whose name begins with a text.
    ///
    /// # Errors
    /// Those of [`search_page`](Self::search_page): `Unsupported` for a search in one folder, and
    /// [request errors](crate::drive::Error#request-errors).
    async fn search(
        &self,
        cx: &Context,
        request: &SearchRequest,
        cursor: Option<&Cursor>,
    ) -> Result<Page> {
        self.search_page(cx, request, cursor).await
    }

    /// Returns one page of the items in the trash.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors).
    async fn deleted_items(&self, cx: &Context, cursor: Option<&Cursor>) -> Result<Page> {
        self.trash_page(cx, cursor).await
    }

    /// Moves an item from the trash back to its folders.
    ///
    /// # Errors
    /// Those of [`restore`](Self::restore): `Unsupported` for another target, `NotFound`,
    /// `AlreadyExists`, and [request errors](crate::drive::Error#request-errors).
    async fn restore_deleted(
        &self,
        cx: &Context,
        id: &ItemId,
        target: Option<&Target>,
    ) -> Result<Item> {
        self.restore(cx, id, target).await
    }

    /// Deletes an item of the trash for good.
    ///
    /// # Errors
    /// Those of [`purge_trashed`](Self::purge_trashed): `NotFound`, `PermissionDenied`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn purge_deleted(&self, cx: &Context, id: &ItemId) -> Result<()> {
        self.purge_trashed(cx, id).await
    }

    /// Deletes an item for good. Amazon allows this to its own applications only
    /// (amazon-drive#op-purge).
    ///
    /// # Errors
    /// `PermissionDenied` if the cloud does not permit it; `NotFound` if the item does not exist;
    /// [request errors](crate::drive::Error#request-errors).
    async fn purge(&self, cx: &Context, item: &ItemRef) -> Result<()> {
        self.client.purge(cx, id_of(item)?.as_str()).await.map(drop)
    }

    /// Downloads a picture of a photo or a video.
    ///
    /// # Errors
    /// Those of [`picture`](Self::picture): `NotFound`, `InvalidInput`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn thumbnail(&self, cx: &Context, file: &ItemRef, side: u32) -> Result<Download> {
        self.picture(cx, file, side).await
    }

    /// Returns the properties that the application which created an item has stored with it.
    ///
    /// # Errors
    /// Those of [`read_properties`](Self::read_properties): `NotFound`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn properties(&self, cx: &Context, item: &ItemRef) -> Result<Properties> {
        self.read_properties(cx, item).await
    }

    /// Sets and removes properties of an item.
    ///
    /// # Errors
    /// Those of [`change_properties`](Self::change_properties): `NotFound`, `PermissionDenied`,
    /// `InvalidInput`, and [request errors](crate::drive::Error#request-errors).
    async fn set_properties(
        &self,
        cx: &Context,
        item: &ItemRef,
        changes: &PropertyChanges,
    ) -> Result<()> {
        self.change_properties(cx, item, changes).await
    }

    /// Deletes items concurrently. Returns one result per item, in their order.
    ///
    /// # Errors
    /// Each item: those of [`delete::delete`], such as `NotFound` if it does not exist, and
    /// [request errors](crate::drive::Error#request-errors).
    async fn delete(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let deletions = items.iter().map(|item| delete::delete(&self.client, cx, item));
        futures::future::join_all(deletions).await
    }
}
