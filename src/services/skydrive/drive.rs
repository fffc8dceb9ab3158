//! The drive: the requests of the [`Client`](super::Client) as the verbs of [`Drive`].
//!
//! Live Connect addresses items only by id. A path is therefore resolved folder by folder; each
//! folder is listed once, completely. The root has the id `folder.{cid}` and the alias
//! `me/skydrive`. Within this service it is always named by its alias, so that each folder has one
//! id.

use std::any::Any;

use async_trait::async_trait;
use opendal::Buffer;

use super::{
    client::ROOT,
    copy, download,
    item::{from_object, from_object_in, id_of, is_folder_id, reject_conditions},
    list, names,
    options::ObjectProperties,
    picture, rename, session, sharing,
    state::LiveDrive,
    upload,
};
use crate::drive::{
    Account, Body, Capabilities, Conditions, Context, CopyRequest, CopyStatus, Cursor,
    DeleteTarget, Depth, Download, DownloadRequest, DownloadUrl, Drive, Error, ErrorKind, Item,
    ItemId, ItemKind, ItemRef, ItemUpdate, ListRequest, Page, Quota, Result, SearchRequest,
    SessionProgress, Sharing, SiblingSearch, Target, Thumbnail, UploadSession, WriteOptions,
};

impl LiveDrive {
    /// Deletes one item, with everything below it.
    ///
    /// # Errors
    /// `IsAFolder` if the caller expects a file and the id is that of a folder; `Conflict` for the
    /// root; `NotFound` if the item does not exist; `Unsupported` for a reference by path; [request
    /// errors](crate::drive::Error#request-errors).
    async fn delete_item(&self, cx: &Context, target: &DeleteTarget) -> Result<()> {
        let id = id_of(&target.item)?;
        if target.kind == Some(ItemKind::File) && is_folder_id(id) {
            return Err(Error::new(ErrorKind::IsAFolder, "the item is a folder, not a file"));
        }
        if id.as_str() == ROOT {
            return Err(Error::new(ErrorKind::Conflict, "the root cannot be deleted"));
        }
        self.client.delete(cx, id.as_str()).await
    }
}

#[async_trait]
impl Drive for LiveDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Requests the pre-authenticated URL of a file's content. It should be used at once
    /// (live-connect#source-url-lifetime).
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `IsAFolder` for a folder; `Unsupported` for a reference
    /// by path; [request errors](crate::drive::Error#request-errors).
    async fn download_url(&self, cx: &Context, file: &ItemRef) -> Result<DownloadUrl> {
        let id = id_of(file)?;
        if is_folder_id(id) {
            return Err(Error::new(ErrorKind::IsAFolder, "a folder has no content"));
        }
        Ok(DownloadUrl::new(self.client.content_location(cx, id.as_str()).await?))
    }

    /// Returns the [`Client`](super::Client).
    fn native_client(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&self.client)
    }

    /// Returns the owner of the account.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors).
    async fn account(&self, cx: &Context) -> Result<Account> {
        let user = self.client.me(cx).await?;
        Ok(Account { id: user.id, name: user.name })
    }

    /// Requests the quota of the drive.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors).
    async fn quota(&self, cx: &Context) -> Result<Quota> {
        let quota = self.client.quota(cx).await?;
        Ok(Quota::new(quota.quota, quota.available))
    }

    /// Returns the alias of the root folder. Sends no request and never fails.
    async fn root(&self, _: &Context) -> Result<ItemId> {
        Ok(ROOT.into())
    }

    /// Requests an item.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` for a condition or a reference by path;
    /// [request errors](crate::drive::Error#request-errors).
    async fn item(&self, cx: &Context, at: &ItemRef, conditions: &Conditions) -> Result<Item> {
        reject_conditions(conditions)?;
        let id = id_of(at)?;
        let object = self.client.object(cx, id.as_str()).await?;
        if id.as_str() == ROOT {
            self.remember_root(&object.id);
        }
        Ok(from_object(object))
    }

    /// Lists the whole folder, and returns the newest item with this name. Names are compared
    /// without regard to case. `seen` gets all items, and then always `Complete`.
    ///
    /// # Errors
    /// `NotFound` if the folder has no such item or does not exist, `NotAFolder` if it is a file;
    /// [request errors](crate::drive::Error#request-errors).
    async fn child(
        &self,
        cx: &Context,
        folder: &ItemRef,
        name: &str,
        seen: &mut (dyn for<'s> FnMut(SiblingSearch<'s>) + Send),
    ) -> Result<Item> {
        let items = list::all(self, cx, id_of(folder)?).await?;
        let wanted = names::fold(name);
        let mut found = None;
        for item in items {
            seen(SiblingSearch::Item(&item));
            if names::fold(&item.name) == wanted {
                found = Some(item);
            }
        }
        seen(SiblingSearch::Complete);
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the folder has no item named {name:?}"))
        })
    }

    /// Returns one page of a folder. Ignores `limit`: without a limit the cloud returns the whole
    /// folder in one response.
    ///
    /// # Errors
    /// `Unsupported` for a recursive listing and for a reference by path; those of [`list::page`]:
    /// `NotFound` if the folder does not exist, `NotAFolder` for a file, `InvalidInput` for a
    /// cursor of another service, and [request errors](crate::drive::Error#request-errors).
    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        match request.depth {
            Depth::Children => list::page(self, cx, id_of(request.folder)?, request.cursor).await,
            Depth::Recursive => Err(Error::unsupported("a recursive list")),
        }
    }

    /// Downloads a range of a file.
    ///
    /// # Errors
    /// Those of [`download::download`]: `NotFound`, `IsAFolder`, `Unsupported` for a notebook and
    /// for conditions, `RangeNotSatisfied` if the range begins after the end, `Conflict` if the
    /// file was replaced meanwhile, and [request errors](crate::drive::Error#request-errors).
    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        download::download(self, cx, request).await
    }

    /// Writes a file in one request. The returned item has no size.
    ///
    /// # Errors
    /// Those of [`upload::upload`]: `IsAFolder` if a folder has the name, `AlreadyExists` if the
    /// name is in use and must not be replaced, `NotFound` if the folder does not exist,
    /// `InvalidInput` for a body above 100 MB, `Unsupported` for conditions, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn upload(
        &self,
        cx: &Context,
        to: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        upload::upload(self, cx, to, body, options).await
    }

    /// Opens a session for a file of `total` bytes.
    ///
    /// # Errors
    /// Those of [`session::open`]: `AlreadyExists` if the name is in use and must not be replaced,
    /// `IsAFolder` if a folder has it, `NotFound` if the folder does not exist, `Unsupported` for
    /// conditions and for a name that the cloud chooses, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn open_session(
        &self,
        cx: &Context,
        to: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadSession> {
        session::open(self, cx, to, total, options).await
    }

    /// Sends the bytes that start at `offset`.
    ///
    /// # Errors
    /// Those of [`session::send`]: `NotFound` if the session does not exist any more,
    /// `InvalidInput` if it belongs to another service, and [request
    /// errors](crate::drive::Error#request-errors), among them `QuotaExceeded`.
    async fn send_fragment(
        &self,
        cx: &Context,
        session: &mut UploadSession,
        offset: u64,
        bytes: Buffer,
    ) -> Result<SessionProgress> {
        session::send(self, cx, session, offset, bytes).await
    }

    /// Records bytes in the session that the cloud has received, from `offset` on.
    ///
    /// # Errors
    /// Those of [`session::acknowledge`]: `InvalidInput` if the session belongs to another service.
    async fn acknowledge(
        &self,
        session: &mut UploadSession,
        offset: u64,
        bytes: Buffer,
    ) -> Result<()> {
        session::acknowledge(session, offset, &bytes)
    }

    /// Requests the offset that the cloud expects next.
    ///
    /// # Errors
    /// Those of [`session::status`]: `NotFound` if neither the session nor its file exists,
    /// `InvalidInput` if it belongs to another service, `AlreadyExists` if it is closed and the
    /// name is in use now, and [request errors](crate::drive::Error#request-errors).
    async fn session_status(
        &self,
        cx: &Context,
        session: &UploadSession,
    ) -> Result<SessionProgress> {
        session::status(self, cx, session).await
    }

    /// Creates the file of a session that has all bytes. The returned item has no size.
    ///
    /// # Errors
    /// Those of [`session::commit`]: `NotFound` if neither the session nor its file exists,
    /// `InvalidInput` if it belongs to another service, `AlreadyExists` if the name is in use now
    /// and must not be replaced, and [request errors](crate::drive::Error#request-errors).
    async fn commit_session(&self, cx: &Context, session: &UploadSession) -> Result<Item> {
        session::commit(self, cx, session).await
    }

    /// Cancels a session. A missing session is no error.
    ///
    /// # Errors
    /// Those of [`session::cancel`]: `InvalidInput` if the session belongs to another service, and
    /// [request errors](crate::drive::Error#request-errors).
    async fn cancel_session(&self, cx: &Context, session: &UploadSession) -> Result<()> {
        session::cancel(self, cx, session).await
    }

    /// Creates a folder.
    ///
    /// # Errors
    /// `AlreadyExists` if a file or a folder has the name, `NotFound` if the parent does not exist,
    /// `Unsupported` for a reference by path; [request errors](crate::drive::Error#request-errors),
    /// among them `InvalidInput` for the name.
    async fn create_folder(&self, cx: &Context, at: &Target) -> Result<Item> {
        let folder = id_of(&at.folder)?;
        let properties = ObjectProperties::with_name(&at.name);
        let created = self.client.create_folder(cx, folder.as_str(), &properties).await?;
        Ok(from_object_in(folder.clone(), created))
    }

    /// Changes the name of an item, its folder, or both.
    ///
    /// # Errors
    /// Those of [`rename::update`]: `NotFound` if the item or the new folder does not exist,
    /// `Conflict` for the root and for a folder that would move into itself, `AlreadyExists` or
    /// `IsAFolder` if the name is in use, `Unsupported` for a modification time, `Unexpected` if a
    /// failed sequence could not be reverted, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn update(
        &self,
        cx: &Context,
        at: &ItemRef,
        known: Option<&Item>,
        change: &ItemUpdate,
    ) -> Result<Item> {
        rename::update(self, cx, at, known, change).await
    }

    /// Copies a file. The result is always complete.
    ///
    /// # Errors
    /// Those of [`copy::copy`]: `NotFound` if the source or the folder does not exist,
    /// `Unsupported` for a folder or a notebook, `Conflict` for a copy onto the file itself,
    /// `AlreadyExists` or `IsAFolder` if the name is in use, `Unexpected` if a failed sequence
    /// could not be reverted, and [request errors](crate::drive::Error#request-errors).
    async fn copy(&self, cx: &Context, request: CopyRequest<'_>) -> Result<CopyStatus> {
        let source = match request.known {
            Some(item) => item.clone(),
            None => self.item(cx, request.source, Conditions::NONE).await?,
        };
        let copied = copy::copy(self, cx, source, request.target, request.if_exists).await?;
        Ok(CopyStatus::Done(Some(Box::new(copied))))
    }

    /// Returns the drive itself, which implements [`Sharing`].
    fn sharing(&self) -> Option<&dyn Sharing> {
        Some(self)
    }

    /// Returns one page of the items that contain the words of a query.
    ///
    /// # Errors
    /// Those of [`sharing::search`]: `NotFound` if the folder does not exist, `InvalidInput` for a
    /// cursor of another drive, and [request errors](crate::drive::Error#request-errors).
    async fn search(
        &self,
        cx: &Context,
        request: &SearchRequest,
        cursor: Option<&Cursor>,
    ) -> Result<Page> {
        sharing::search(self, cx, request, cursor).await
    }

    /// Returns the pictures of a photo in all sizes.
    ///
    /// # Errors
    /// Those of [`picture::thumbnail_urls`]: `NotFound`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn thumbnail_urls(&self, cx: &Context, file: &ItemRef) -> Result<Vec<Thumbnail>> {
        picture::thumbnail_urls(self, cx, file).await
    }

    /// Downloads a picture of a file.
    ///
    /// # Errors
    /// Those of [`picture::thumbnail`]: `NotFound`, `InvalidInput` for the side, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn thumbnail(&self, cx: &Context, file: &ItemRef, side: u32) -> Result<Download> {
        picture::thumbnail(self, cx, file, side).await
    }

    /// Deletes items one after the other. Returns one result per item, in their order.
    ///
    /// # Errors
    /// Each item: `NotFound` if it does not exist, `IsAFolder` for a folder if the caller expects a
    /// file, `Conflict` for the root, and [request errors](crate::drive::Error#request-errors).
    async fn delete(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let mut results = Vec::with_capacity(items.len());
        for target in items {
            results.push(self.delete_item(cx, target).await);
        }
        results
    }
}
