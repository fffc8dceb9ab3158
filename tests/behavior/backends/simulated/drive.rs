//! Implementation of `Drive` for the simulated cloud.

use std::{
    borrow::Cow,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use drivedal::drive::{
    Account, Body, ByteRange, Capabilities, Conditions, Context, CopyJob, CopyRequest, CopyStatus,
    Cursor, DeleteTarget, Depth, Download, DownloadRequest, DownloadUrl, Drive, Error, ErrorKind,
    IfExists, Item, ItemId, ItemKind, ItemRef, ItemUpdate, ListRequest, Page, Quota, RecursiveList,
    Result, SessionLimits, SessionProgress, SiblingSearch, Target, UploadSession, WriteOptions,
};
use futures::stream;
use opendal::Buffer;

use super::{
    cloud::{Cloud, Node, PendingUpload, ROOT, etag, fold, not_found, refuses},
    script::{PlannedFailure, Script, temporary},
};

/// Part of every download URL. It must never be printed.
pub const DOWNLOAD_SECRET: &str = "simulated-ticket-0b5e";

/// Length of fragments in bytes: all but the last are a multiple of it.
const UNIT: usize = 16 << 10;

/// Number of items in a page. It is small, so that listings have several pages.
const PAGE: usize = 7;

/// How requests address the items of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    Ids,
    Paths,
}

#[derive(Clone, Debug)]
pub struct SimulatedDrive {
    addressing: Addressing,
    capabilities: Arc<Capabilities>,
    cloud: Arc<Mutex<Cloud>>,
    script: Arc<Script>,
}

impl SimulatedDrive {
    pub fn new(addressing: Addressing, cloud: Arc<Mutex<Cloud>>, script: Arc<Script>) -> Self {
        let paths = addressing == Addressing::Paths;
        let mut session = SessionLimits::new(256 << 10, 4 * UNIT as u64);
        session.alignment = UNIT as u64;
        session.max_fragment = 1 << 20;
        let mut capabilities = Capabilities::new(64 << 20);
        capabilities.paths = paths;
        capabilities.max_file_size = 1 << 30;
        capabilities.session = paths.then_some(session);
        capabilities.set_modified = paths;
        capabilities.if_not_exists = true;
        capabilities.if_match = paths;
        capabilities.if_none_match = paths;
        capabilities.copy_files = paths;
        capabilities.recursive_list = if paths { RecursiveList::Root } else { RecursiveList::No };
        capabilities.delete_max_size = if paths { 20 } else { 1 };
        capabilities.fold = |name| Cow::Owned(fold(name));
        capabilities.collision_key = |name| Cow::Owned(fold(name));
        capabilities.validate_name = refuses;
        Self { addressing, capabilities: Arc::new(capabilities), cloud, script }
    }

    fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().expect("no panic while it is held")
    }

    /// Performs an action between the failures that are planned before and after it.
    async fn act<T>(
        &self,
        verb: &'static str,
        what: impl FnOnce(&mut Cloud) -> Result<T>,
    ) -> Result<T> {
        let failures = self.script.next_failure(verb).await?;
        let done = what(&mut self.cloud()).map_err(|error| error.with_operation(verb));
        match failures {
            Some(PlannedFailure::After) => Err(temporary(verb)),
            _ => done,
        }
    }

    fn no(&self, cloud: &Cloud, place: &ItemRef) -> Result<u64> {
        match place {
            ItemRef::Item { id, .. } => {
                let no = id.as_str().trim_start_matches("id!").parse();
                let no = no.map_err(|_| not_found(id))?;
                cloud.node(no).map(|_| no)
            }
            ItemRef::Path { path, .. } => cloud.walk(&names(path)),
        }
    }

    /// Returns the parent folder of a target. A drive with addressing by path creates it.
    fn folder(&self, cloud: &mut Cloud, place: &ItemRef) -> Result<u64> {
        match place {
            ItemRef::Path { path, .. } => cloud.ensure(&names(path)),
            ItemRef::Item { .. } => self.no(cloud, place),
        }
    }

    fn item(&self, no: u64, node: &Node) -> Item {
        let mut item = Item::new(id(no), node.name.clone(), node.kind());
        item.parents = (no != ROOT).then(|| id(node.parent)).into_iter().collect();
        item.modified = Some(node.modified);
        if let Some(bytes) = &node.bytes {
            item.size = Some(bytes.len() as u64);
            item.etag = (self.addressing == Addressing::Paths).then(|| etag(no, node));
            item.download_url =
                Some(DownloadUrl::new(format!("simulated://{DOWNLOAD_SECRET}/{no}")));
        }
        item
    }

    fn known(&self, cloud: &Cloud, no: u64) -> Result<Item> {
        Ok(self.item(no, cloud.node(no)?))
    }

    fn check(&self, no: u64, node: &Node, conditions: &Conditions) -> Result<()> {
        let etag = etag(no, node);
        let holds = conditions.if_match.as_ref().is_none_or(|wanted| *wanted == etag)
            && conditions.if_none_match.as_ref().is_none_or(|unwanted| *unwanted != etag);
        if holds {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::ConditionNotMatch, "the condition fails"))
        }
    }
}

fn id(no: u64) -> ItemId {
    ItemId::from(format!("id!{no}"))
}

fn names(path: &str) -> Vec<String> {
    path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

async fn bytes_of(body: Body) -> Result<Vec<u8>> {
    match body {
        Body::Memory(buffer) => Ok(buffer.to_vec()),
        Body::File { file, len } => {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
            std::os::unix::fs::FileExt::read_exact_at(&*file, &mut bytes, 0).map_err(|error| {
                Error::new(ErrorKind::Unexpected, "reading the body").with_source(error)
            })?;
            Ok(bytes)
        }
    }
}

fn span(range: ByteRange, len: u64) -> Result<Range<u64>> {
    match range {
        ByteRange::Full => Ok(0..len),
        ByteRange::Last(n) => Ok(len.saturating_sub(n)..len),
        ByteRange::From(start) if start == len => Ok(len..len),
        ByteRange::From(start) if start < len => Ok(start..len),
        ByteRange::Span(span) if span.start < len => Ok(span.start..span.end.min(len)),
        _ => Err(Error::new(ErrorKind::RangeNotSatisfied, format!("the file has {len} bytes"))),
    }
}

#[async_trait]
impl Drive for SimulatedDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn account(&self, _: &Context) -> Result<Account> {
        Ok(Account::new("nobody"))
    }

    async fn quota(&self, _: &Context) -> Result<Quota> {
        Ok(Quota::new(1 << 40, 1 << 40))
    }

    async fn root(&self, _: &Context) -> Result<ItemId> {
        Ok(id(ROOT))
    }

    async fn item(&self, _: &Context, at: &ItemRef, conditions: &Conditions) -> Result<Item> {
        self.act("item", |cloud| {
            let no = self.no(cloud, at)?;
            self.check(no, cloud.node(no)?, conditions)?;
            self.known(cloud, no)
        })
        .await
    }

    async fn child(
        &self,
        _: &Context,
        folder: &ItemRef,
        name: &str,
        seen: &mut (dyn for<'s> FnMut(SiblingSearch<'s>) + Send),
    ) -> Result<Item> {
        let items = self
            .act("child", |cloud| {
                let no = self.no(cloud, folder)?;
                cloud.folder(no)?;
                Ok(cloud.children(no).map(|(no, node)| self.item(no, node)).collect::<Vec<_>>())
            })
            .await?;
        items.iter().for_each(|item| seen(SiblingSearch::Item(item)));
        seen(SiblingSearch::Complete);
        let folded = fold(name);
        items.into_iter().find(|item| fold(&item.name) == folded).ok_or_else(|| not_found(name))
    }

    async fn list(&self, _: &Context, request: ListRequest<'_>) -> Result<Page> {
        let ListRequest { folder, depth, limit, cursor: from, .. } = request;
        let start = from.map_or(Ok(0), |cursor| cursor.0.expose().parse());
        let start: usize = start
            .map_err(|_| Error::new(ErrorKind::InvalidInput, "a cursor of somebody else's"))?;
        self.act("list", |cloud| {
            let no = self.no(cloud, folder)?;
            cloud.folder(no)?;
            let nos: Vec<u64> = match depth {
                Depth::Children => cloud.children(no).map(|(no, _)| no).collect(),
                // Children before their folders: a change feed may use this order.
                Depth::Recursive => cloud.below(no).into_iter().skip(1).rev().collect(),
            };
            let end = nos.len().min(start + limit.unwrap_or(PAGE).clamp(1, PAGE));
            let page = nos.get(start..end).unwrap_or_default();
            let items = page.iter().map(|no| self.known(cloud, *no)).collect::<Result<_>>()?;
            let next = (end < nos.len()).then(|| Cursor(end.to_string().into()));
            Ok(Page::new(items, next))
        })
        .await
    }

    async fn download(&self, _: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        let DownloadRequest { file, range, conditions, .. } = request;
        let failures = self.script.next_failure("download").await?;
        let cloud = self.cloud();
        let no = self.no(&cloud, file)?;
        let node = cloud.node(no)?;
        self.check(no, node, conditions)?;
        let item = self.item(no, node);
        let Some(bytes) = &node.bytes else {
            return Err(Error::new(ErrorKind::IsAFolder, "a folder has no bytes"));
        };
        let size = bytes.len() as u64;
        let range = span(range, size)?;
        let wanted = &bytes[range.start as usize..range.end as usize];
        let mut pieces: Vec<_> =
            wanted.chunks(16 << 10).map(|piece| Ok(Buffer::from(piece.to_vec()))).collect();
        if matches!(failures, Some(PlannedFailure::Halfway)) {
            pieces.truncate(pieces.len() / 2);
            pieces.push(Err(temporary("download")));
        }
        let bytes = Box::pin(stream::iter(pieces));
        let mut download = Download::new(size, range, bytes);
        (download.etag, download.download_url) = (item.etag, item.download_url);
        Ok(download)
    }

    async fn upload(
        &self,
        _: &Context,
        to: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        let bytes = bytes_of(body).await?;
        self.act("upload", |cloud| {
            let parent = self.folder(cloud, &to.folder)?;
            let if_match = options.conditions.if_match.as_deref();
            let (if_exists, modified) = (options.if_exists, options.modified);
            let no = cloud.put(parent, &to.name, bytes, if_exists, if_match, modified)?;
            Ok(match self.addressing {
                Addressing::Paths => self.known(cloud, no)?,
                // Some clouds return hardly any metadata.
                Addressing::Ids => Item::new(id(no), to.name.clone(), ItemKind::File),
            })
        })
        .await
    }

    async fn open_session(
        &self,
        _: &Context,
        to: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadSession> {
        self.act("open_session", |cloud| {
            let ItemRef::Path { path, .. } = &to.folder else {
                return Err(Error::unsupported("upload sessions"));
            };
            let (no, parent) = (cloud.number(), names(path));
            if options.if_exists == IfExists::Fail
                && let Ok(parent) = cloud.walk(&parent)
                && cloud.child(parent, &to.name).is_some()
            {
                return Err(Error::new(ErrorKind::AlreadyExists, "the name is taken"));
            }
            let upload = PendingUpload {
                parent,
                name: to.name.clone(),
                total,
                received: Vec::new(),
                modified: options.modified,
                if_exists: options.if_exists,
                if_match: options.conditions.if_match.clone(),
            };
            cloud.uploads.insert(no, upload);
            let url = format!("simulated://{DOWNLOAD_SECRET}/session/{no}");
            Ok(UploadSession::new(url, total, no.to_string()))
        })
        .await
    }

    async fn send_fragment(
        &self,
        _: &Context,
        session: &mut UploadSession,
        offset: u64,
        bytes: Buffer,
    ) -> Result<SessionProgress> {
        let failures = self.script.next_failure("send_fragment").await?;
        let mut cloud = self.cloud();
        let no = upload_no(session)?;
        let upload = cloud.uploads.get_mut(&no).ok_or_else(|| not_found("session"))?;
        if offset != upload.received.len() as u64 {
            return Err(Error::new(ErrorKind::RangeNotSatisfied, "the fragment is out of order"));
        }
        if let Some(PlannedFailure::Halfway) = failures {
            // The cloud keeps whole units only.
            let kept = bytes.len() / 2 / UNIT * UNIT;
            upload.received.extend(bytes.slice(..kept).to_vec());
            return Err(temporary("send_fragment"));
        }
        let last = offset + bytes.len() as u64 == upload.total;
        if !last && !bytes.len().is_multiple_of(UNIT) {
            return Err(Error::new(ErrorKind::InvalidInput, "not a whole number of units"));
        }
        upload.received.extend(bytes.to_vec());
        let received = upload.received.len() as u64;
        let progress = match received >= upload.total {
            false => SessionProgress::Next(received),
            true => {
                let PendingUpload { parent, name, received, modified, if_exists, if_match, .. } =
                    upload.clone();
                let parent = cloud.ensure(&parent)?;
                let if_match = if_match.as_deref();
                let file = cloud.put(parent, &name, received, if_exists, if_match, modified)?;
                cloud.uploads.remove(&no);
                SessionProgress::Done(Box::new(self.known(&cloud, file)?))
            }
        };
        match failures {
            Some(PlannedFailure::After) => Err(temporary("send_fragment")),
            _ => Ok(progress),
        }
    }

    async fn session_status(
        &self,
        _: &Context,
        session: &UploadSession,
    ) -> Result<SessionProgress> {
        self.act("session_status", |cloud| {
            let upload = cloud.uploads.get(&upload_no(session)?);
            let upload = upload.ok_or_else(|| not_found("session"))?;
            Ok(SessionProgress::Next(upload.received.len() as u64))
        })
        .await
    }

    async fn cancel_session(&self, _: &Context, session: &UploadSession) -> Result<()> {
        self.act("cancel_session", |cloud| {
            cloud.uploads.remove(&upload_no(session)?);
            Ok(())
        })
        .await
    }

    async fn create_folder(&self, _: &Context, at: &Target) -> Result<Item> {
        self.act("create_folder", |cloud| {
            let parent = self.folder(cloud, &at.folder)?;
            cloud.folder(parent)?;
            if let Some(there) = cloud.child(parent, &at.name) {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!("{:?} is taken", at.name),
                )
                .with_existing(id(there)));
            }
            let no = cloud.insert(parent, &at.name, None);
            self.known(cloud, no)
        })
        .await
    }

    async fn update(
        &self,
        _: &Context,
        at: &ItemRef,
        _: Option<&Item>,
        change: &ItemUpdate,
    ) -> Result<Item> {
        self.act("update", |cloud| {
            let no = self.no(cloud, at)?;
            let node = cloud.node(no)?.clone();
            let parent = match &change.folder {
                Some(folder) => self.no(cloud, folder)?,
                None => node.parent,
            };
            let name = change.name.as_deref().unwrap_or(&node.name);
            let occupant = match &change.occupant {
                Some(id) if change.if_exists == IfExists::Replace => {
                    self.no(cloud, &ItemRef::from_id(id)).ok()
                }
                _ => None,
            };
            let replaces = self.capabilities.paths && change.if_exists == IfExists::Replace;
            cloud.relocate(no, parent, name, occupant, replaces)?;
            self.known(cloud, no)
        })
        .await
    }

    async fn copy(&self, _: &Context, request: CopyRequest<'_>) -> Result<CopyStatus> {
        let CopyRequest { source: from, target: to, if_exists, .. } = request;
        self.act("copy", |cloud| {
            let no = self.no(cloud, from)?;
            let bytes = cloud.node(no)?.bytes.clone().unwrap_or_default();
            let parent = self.folder(cloud, &to.folder)?;
            let no = cloud.put(parent, &to.name, bytes, if_exists, None, None)?;
            let job = CopyJob::new(format!("simulated://{DOWNLOAD_SECRET}/copy"), no.to_string());
            Ok(CopyStatus::Running { job, poll_after: Duration::from_millis(1) })
        })
        .await
    }

    async fn copy_status(&self, _: &Context, job: &CopyJob) -> Result<CopyStatus> {
        self.act("copy_status", |cloud| {
            let no = job.state.parse().map_err(|_| not_found("copy"))?;
            Ok(CopyStatus::Done(Some(Box::new(self.known(cloud, no)?))))
        })
        .await
    }

    async fn delete(&self, _: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let mut results = Vec::new();
        for removal in items {
            let removed = self.act("remove", |cloud| {
                let no = self.no(cloud, &removal.item)?;
                if removal.kind == Some(ItemKind::File)
                    && cloud.node(no)?.kind() == ItemKind::Folder
                {
                    return Err(Error::new(ErrorKind::IsAFolder, "not the file it was"));
                }
                cloud.remove(no)
            });
            results.push(removed.await);
        }
        results
    }
}

fn upload_no(session: &UploadSession) -> Result<u64> {
    session.state.parse().map_err(|_| not_found("session"))
}
