//! The biased half: a SkyDrive as a [`Drive`], on top of the [`Client`].
//!
//! Live Connect knows items by id alone, so a path is walked folder by folder, each listed once
//! and as a whole. The root goes by its alias, `me/skydrive`; everywhere in here a root folder's
//! real id, `folder.{cid}`, is written as the alias, so that one folder has one id.
//!
//! Two siblings may have one name (live-connect#duplicate-names). The newest counts; the others are
//! not shown, and a warning in the log names them.

use std::{
    any::Any,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use opendal::Buffer;

use super::{
    client::{BITS_FILE_MAX, BITS_FRAGMENT, BITS_FRAGMENT_MAX, Client, ROOT},
    copy, download,
    item::{is_folder_id, item},
    list, names,
    options::Properties,
    rename, session, upload,
};
use crate::{
    drive::{
        Account, Body, Capabilities, Conditions, Context, CopyRequest, CopyStatus, DeleteTarget,
        Depth, Download, DownloadRequest, Drive, Error, ErrorKind, Extensions, Item, ItemId,
        ItemKind, ItemRef, ItemUpdate, ListRequest, Page, Quota, RecursiveList, Result, Secret,
        SessionLimits, SessionProgress, SiblingSearch, Target, UploadSession, WriteOptions,
    },
    services::renewals::Renewals,
};

/// Most bytes of one PUT (live-connect#upload-max-size: "100 MB").
pub(super) const SINGLE_MAX: u64 = 100_000_000;

/// From how many bytes on a file goes in fragments, if nobody says otherwise: one that breaks off
/// need not begin anew.
const BITS_FROM: u64 = 16 << 20;

/// A SkyDrive.
#[derive(Clone, Debug)]
pub(super) struct LiveDrive {
    pub(super) client: Client,
    pub(super) downsize_photos: bool,
    capabilities: Capabilities,
    /// The root folder's real id, once it was needed or seen.
    root: Arc<OnceLock<String>>,
    /// Download URLs in place of those that have expired.
    pub(super) renewals: Renewals<Secret>,
}

const CAPABILITIES: Capabilities = Capabilities {
    paths: false,
    max_single_upload: SINGLE_MAX,
    max_file_size: BITS_FILE_MAX,
    session: Some(SessionLimits {
        min_size: BITS_FROM,
        alignment: 1,
        default_fragment: BITS_FRAGMENT,
        max_fragment: BITS_FRAGMENT_MAX,
    }),
    set_modified: false,
    if_not_exists: true,
    if_match: false,
    if_none_match: false,
    download_if_match: false,
    changes: false,
    copy_files: true,
    download_urls: true,
    recursive_list: RecursiveList::No,
    delete_max_size: 1,
    multi_parent: false,
    fold: names::fold,
    collision_key: names::fold,
    validate_name: names::refusal,
    extensions: Extensions::NONE,
};

impl LiveDrive {
    pub(super) fn new(client: Client, downsize_photos: bool) -> Self {
        let (capabilities, root) = (CAPABILITIES, Arc::default());
        Self { client, downsize_photos, capabilities, root, renewals: Renewals::default() }
    }

    /// The same with files in fragments from so many bytes on, the first fragment of so many.
    pub(super) fn with_bits(mut self, from: Option<u64>, fragment: Option<u64>) -> Self {
        if let Some(limits) = &mut self.capabilities.session {
            limits.min_size = from.unwrap_or(limits.min_size).clamp(1, SINGLE_MAX);
            limits.default_fragment =
                fragment.unwrap_or(limits.default_fragment).clamp(1, limits.max_fragment);
        }
        self
    }

    /// A folder's real id: as a destination an alias is not understood
    /// (live-connect#move-destination-id-only).
    pub(super) async fn real_id(&self, cx: &Context, folder: &ItemId) -> Result<String> {
        if folder.as_str() != ROOT {
            return Ok(folder.as_str().to_owned());
        }
        if let Some(id) = self.root.get() {
            return Ok(id.clone());
        }
        let root = self.client.object(cx, ROOT).await?;
        Ok(self.root.get_or_init(|| root.id).clone())
    }

    /// The real id of the root, seen by the way.
    pub(super) fn root_seen(&self, id: &str) {
        self.root.get_or_init(|| id.to_owned());
    }
}

/// The item at a place that this drive is given.
pub(super) fn id_of(place: &ItemRef) -> Result<&ItemId> {
    match place {
        ItemRef::Item { id, .. } => Ok(id),
        ItemRef::Path { base, path } if path.is_empty() => Ok(base),
        ItemRef::Path { .. } => Err(Error::unsupported("looking up a path")),
    }
}

/// Live has no etags.
pub(super) fn unconditional(conditions: &Conditions) -> Result<()> {
    match conditions {
        Conditions { if_match: None, if_none_match: None } => Ok(()),
        _ => Err(Error::unsupported("conditions")),
    }
}

#[async_trait]
impl Drive for LiveDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn native_client(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&self.client)
    }

    async fn account(&self, cx: &Context) -> Result<Account> {
        let user = self.client.me(cx).await?;
        Ok(Account { id: user.id, name: user.name })
    }

    async fn quota(&self, cx: &Context) -> Result<Quota> {
        let quota = self.client.quota(cx).await?;
        Ok(Quota { total: quota.quota, available: quota.available })
    }

    async fn root(&self, _: &Context) -> Result<ItemId> {
        Ok(ROOT.into())
    }

    async fn item(&self, cx: &Context, at: &ItemRef, conditions: &Conditions) -> Result<Item> {
        unconditional(conditions)?;
        let id = id_of(at)?;
        let object = self.client.object(cx, id.as_str()).await?;
        if id.as_str() == ROOT {
            self.root_seen(&object.id);
        }
        Ok(item(object))
    }

    async fn child(
        &self,
        cx: &Context,
        folder: &ItemRef,
        name: &str,
        seen: &mut (dyn for<'s> FnMut(SiblingSearch<'s>) + Send),
    ) -> Result<Item> {
        let items = list::whole(self, cx, id_of(folder)?).await?;
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
            Error::new(ErrorKind::NotFound, format!("the folder has nothing called {name:?}"))
        })
    }

    /// `limit` is passed over: without one the cloud tells the whole folder in one answer.
    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        let ListRequest { folder, depth, cursor: from, .. } = request;
        match depth {
            Depth::Children => list::page(self, cx, id_of(folder)?, from).await,
            Depth::Recursive => Err(Error::unsupported("listing a tree in one answer")),
        }
    }

    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        let DownloadRequest { file, known, range, conditions } = request;
        download::bytes(self, cx, file, known, range, conditions).await
    }

    async fn upload(
        &self,
        cx: &Context,
        to: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        upload::at_once(self, cx, to, body, options).await
    }

    async fn open_session(
        &self,
        cx: &Context,
        to: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadSession> {
        session::open(self, cx, to, total, options).await
    }

    async fn send_fragment(
        &self,
        cx: &Context,
        session: &mut UploadSession,
        offset: u64,
        bytes: Buffer,
    ) -> Result<SessionProgress> {
        session::send(self, cx, session, offset, bytes).await
    }

    async fn acknowledge(
        &self,
        session: &mut UploadSession,
        offset: u64,
        bytes: Buffer,
    ) -> Result<()> {
        session::acknowledge(session, offset, &bytes)
    }

    async fn session_status(
        &self,
        cx: &Context,
        session: &UploadSession,
    ) -> Result<SessionProgress> {
        session::status(self, cx, session).await
    }

    async fn commit_session(&self, cx: &Context, session: &UploadSession) -> Result<Item> {
        session::commit(self, cx, session).await
    }

    async fn cancel_session(&self, cx: &Context, session: &UploadSession) -> Result<()> {
        session::cancel(self, cx, session).await
    }

    async fn create_folder(&self, cx: &Context, at: &Target) -> Result<Item> {
        let folder = id_of(&at.folder)?;
        let properties = Properties { name: Some(&at.name), ..Properties::default() };
        let made = self.client.create_folder(cx, folder.as_str(), &properties).await?;
        Ok(Item { parents: vec![folder.clone()], ..item(made) })
    }

    async fn update(
        &self,
        cx: &Context,
        at: &ItemRef,
        known: Option<&Item>,
        change: &ItemUpdate,
    ) -> Result<Item> {
        rename::change(self, cx, at, known, change).await
    }

    async fn copy(&self, cx: &Context, request: CopyRequest<'_>) -> Result<CopyStatus> {
        let CopyRequest { source: from, known, target: to, if_exists } = request;
        let source = match known {
            Some(item) => item.clone(),
            None => self.item(cx, from, &Conditions::default()).await?,
        };
        let copied = copy::perform(self, cx, source, to, if_exists).await?;
        Ok(CopyStatus::Done(Some(Box::new(copied))))
    }

    async fn delete(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let mut results = Vec::with_capacity(items.len());
        for removal in items {
            results.push(self.remove_one(cx, removal).await);
        }
        results
    }
}

impl LiveDrive {
    async fn remove_one(&self, cx: &Context, removal: &DeleteTarget) -> Result<()> {
        let id = id_of(&removal.item)?;
        if removal.kind == Some(ItemKind::File) && is_folder_id(id) {
            return Err(Error::new(
                ErrorKind::IsAFolder,
                "a folder, where a file was to be removed",
            ));
        }
        if id.as_str() == ROOT {
            return Err(Error::new(ErrorKind::Conflict, "the root cannot be removed"));
        }
        self.client.delete(cx, id.as_str()).await
    }
}
