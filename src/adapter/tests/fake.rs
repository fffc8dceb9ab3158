//! A drive in memory whose every verb is logged, and can be made to fail or to wait.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Mutex,
};

use async_trait::async_trait;
use futures::stream;
use opendal::Buffer;
use tokio::sync::Notify;

use crate::drive::*;

/// What a verb is to do instead of, or after, its work.
#[derive(Clone)]
pub(super) enum Fault {
    Before(Error),
    After(Error),
    /// Waits until [`FakeDrive::release`].
    Hold,
    /// Nothing: for the next fault to strike later.
    Pass,
}

#[derive(Debug, Default)]
struct Node {
    name: String,
    parent: Option<ItemId>,
    folder: bool,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct State {
    nodes: BTreeMap<ItemId, Node>,
    sessions: HashMap<String, Session>,
    made: u64,
    log: Vec<String>,
    faults: Vec<(&'static str, Fault)>,
    /// After how many bytes the bodies of the next downloads break off.
    cuts: VecDeque<usize>,
}

struct Session {
    parent: ItemId,
    name: String,
    total: u64,
    bytes: Vec<u8>,
}

pub(super) struct FakeDrive {
    pub(super) capabilities: Capabilities,
    state: Mutex<State>,
    released: Notify,
    answered: Notify,
    /// Uploads answer without a size, as SkyDrive's do.
    pub(super) tells_size: bool,
}

impl std::fmt::Debug for FakeDrive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeDrive")
    }
}

fn upper(name: &str) -> Cow<'_, str> {
    name.to_uppercase().into()
}

impl FakeDrive {
    /// A drive asked by path, or walked by id; sessions from 10 bytes on, in fragments of 4.
    pub(super) fn new(paths: bool, sessions: bool) -> Self {
        let root = Node { folder: true, ..Node::default() };
        Self {
            capabilities: Capabilities {
                paths,
                max_single_upload: 1 << 20,
                max_file_size: 1 << 20,
                session: sessions.then_some(SessionLimits {
                    min_size: 10,
                    alignment: 4,
                    default_fragment: 4,
                    max_fragment: 4,
                }),
                set_modified: false,
                if_not_exists: true,
                if_match: false,
                if_none_match: false,
                download_if_match: false,
                changes: false,
                copy_files: false,
                download_urls: false,
                recursive_list: RecursiveList::No,
                delete_max_size: 1,
                multi_parent: false,
                fold: upper,
                collision_key: upper,
                validate_name: |name| name.contains('?').then_some("a question mark"),
                extensions: Extensions::default(),
            },
            state: Mutex::new(State {
                nodes: BTreeMap::from([("root".into(), root)]),
                ..State::default()
            }),
            released: Notify::new(),
            answered: Notify::new(),
            tells_size: true,
        }
    }

    pub(super) fn fault(&self, verb: &'static str, fault: Fault) {
        self.state.lock().unwrap().faults.push((verb, fault));
    }

    pub(super) fn release(&self) {
        self.released.notify_waiters();
    }

    /// Lets listings answer that [`Fault::Hold`] holds at `"list answered"`.
    pub(super) fn answer(&self) {
        self.answered.notify_waiters();
    }

    /// Waits until a verb is under way.
    pub(super) async fn is_at(&self, verb: &str) {
        while !self.state.lock().unwrap().log.iter().any(|line| line.starts_with(verb)) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until a verb was begun that often.
    pub(super) async fn are_at(&self, verb: &str, times: usize) {
        let begun = |line: &&String| line.starts_with(verb);
        while self.state.lock().unwrap().log.iter().filter(begun).count() < times {
            tokio::task::yield_now().await;
        }
    }

    /// A second file of a name that is taken.
    pub(super) fn twin(&self, parent: &str, name: &str) {
        let mut state = self.state.lock().unwrap();
        let parent = state.walk(parent).unwrap();
        let id = state.make(&parent, "twin", Some(b"twin"));
        state.nodes.get_mut(&id).unwrap().name = name.into();
    }

    /// The bodies of the next downloads break off after so many bytes each.
    pub(super) fn cut(&self, after: impl IntoIterator<Item = usize>) {
        self.state.lock().unwrap().cuts.extend(after);
    }

    /// The verbs since the last time it was asked.
    pub(super) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    pub(super) fn sessions(&self) -> usize {
        self.state.lock().unwrap().sessions.len()
    }

    /// The cloud forgets every upload session.
    pub(super) fn lose_sessions(&self) {
        self.state.lock().unwrap().sessions.clear();
    }

    /// The cloud forgets the last bytes of every upload session.
    pub(super) fn lose_bytes(&self, count: usize) {
        for session in self.state.lock().unwrap().sessions.values_mut() {
            let left = session.bytes.len().saturating_sub(count);
            session.bytes.truncate(left);
        }
    }

    pub(super) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state.lock().unwrap();
        let id = state.walk(path)?;
        Some(state.nodes[&id].bytes.clone())
    }

    /// Another client renames or moves an item, behind our back.
    pub(super) fn elsewhere(&self, path: &str, name: &str) {
        let mut state = self.state.lock().unwrap();
        let id = state.walk(path).unwrap();
        state.nodes.get_mut(&id).unwrap().name = name.into();
    }

    /// Another client removes an item.
    pub(super) fn forget(&self, path: &str) {
        let mut state = self.state.lock().unwrap();
        let id = state.walk(path).unwrap();
        state.remove(&id);
    }

    pub(super) fn plant(&self, parent: &str, name: &str, bytes: Option<&[u8]>) {
        let mut state = self.state.lock().unwrap();
        let parent = state.walk(parent).unwrap();
        state.make(&parent, name, bytes);
    }

    async fn enter(&self, verb: &'static str, what: &str) -> Result<Option<Error>> {
        let fault = {
            let mut state = self.state.lock().unwrap();
            state.log.push(format!("{verb} {what}"));
            let at = state.faults.iter().position(|(name, _)| *name == verb);
            at.map(|at| state.faults.remove(at).1)
        };
        match fault {
            None | Some(Fault::Pass) => Ok(None),
            Some(Fault::Before(error)) => Err(error),
            Some(Fault::After(error)) => Ok(Some(error)),
            Some(Fault::Hold) => {
                self.released.notified().await;
                Ok(None)
            }
        }
    }

    fn resolve(&self, place: &ItemRef) -> Result<ItemId> {
        let state = self.state.lock().unwrap();
        let id = match place {
            ItemRef::Item { id, .. } => state.nodes.contains_key(id).then(|| id.clone()),
            ItemRef::Path { path, .. } => state.walk(path),
        };
        id.ok_or_else(|| not_found(&format!("{place:?}")))
    }

    fn item_of(&self, id: &ItemId) -> Item {
        self.state.lock().unwrap().item(id)
    }
}

fn not_found(what: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("fake: no {what}"))
}

impl State {
    fn walk(&self, path: &str) -> Option<ItemId> {
        let mut at = ItemId::from("root");
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = self.child(&at, name)?;
        }
        Some(at)
    }

    fn child(&self, parent: &ItemId, name: &str) -> Option<ItemId> {
        let named =
            |node: &&Node| node.parent.as_ref() == Some(parent) && upper(&node.name) == upper(name);
        self.nodes.iter().find(|(_, node)| named(node)).map(|(id, _)| id.clone())
    }

    fn make(&mut self, parent: &ItemId, name: &str, bytes: Option<&[u8]>) -> ItemId {
        if let (Some(there), Some(bytes)) = (self.child(parent, name), bytes) {
            self.nodes.get_mut(&there).unwrap().bytes = bytes.to_vec();
            return there;
        }
        self.made += 1;
        let id = ItemId::from(format!("i{}", self.made));
        let node = Node {
            name: name.into(),
            parent: Some(parent.clone()),
            folder: bytes.is_none(),
            bytes: bytes.unwrap_or_default().to_vec(),
        };
        self.nodes.insert(id.clone(), node);
        id
    }

    fn item(&self, id: &ItemId) -> Item {
        let node = &self.nodes[id];
        let kind = if node.folder { ItemKind::Folder } else { ItemKind::File };
        let mut item = Item::new(id.clone(), node.name.clone(), kind);
        item.parents = node.parent.iter().cloned().collect();
        item.size = (!node.folder).then_some(node.bytes.len() as u64);
        item
    }

    fn children(&self, parent: &ItemId) -> Vec<Item> {
        let below = |node: &Node| node.parent.as_ref() == Some(parent);
        self.nodes.iter().filter(|(_, node)| below(node)).map(|(id, _)| self.item(id)).collect()
    }

    fn remove(&mut self, id: &ItemId) {
        for child in self.children(id) {
            self.remove(&child.id);
        }
        self.nodes.remove(id);
    }
}

#[async_trait]
impl Drive for FakeDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn account(&self, _: &Context) -> Result<Account> {
        Ok(Account { id: "fake".into(), name: None })
    }

    async fn quota(&self, _: &Context) -> Result<Quota> {
        Ok(Quota { total: 0, available: 0 })
    }

    async fn root(&self, _: &Context) -> Result<ItemId> {
        Ok("root".into())
    }

    async fn item(&self, _: &Context, at: &ItemRef, _: &Conditions) -> Result<Item> {
        self.enter("item", "").await?;
        Ok(self.item_of(&self.resolve(at)?))
    }

    async fn child(
        &self,
        _: &Context,
        folder: &ItemRef,
        name: &str,
        seen: &mut (dyn for<'s> FnMut(SiblingSearch<'s>) + Send),
    ) -> Result<Item> {
        self.enter("child", name).await?;
        let folder = self.resolve(folder)?;
        let state = self.state.lock().unwrap();
        for item in state.children(&folder) {
            seen(SiblingSearch::Item(&item));
        }
        seen(SiblingSearch::Complete);
        let id = state.child(&folder, name).ok_or_else(|| not_found(name))?;
        Ok(state.item(&id))
    }

    async fn list(&self, _: &Context, request: ListRequest<'_>) -> Result<Page> {
        let ListRequest { folder, .. } = request;
        self.enter("list", "").await?;
        let folder = self.resolve(folder)?;
        let (items, held) = {
            let mut state = self.state.lock().unwrap();
            let at = state.faults.iter().position(|(name, _)| *name == "list answered");
            (state.children(&folder), at.map(|at| state.faults.remove(at)))
        };
        if held.is_some() {
            self.answered.notified().await;
        }
        Ok(Page { items, next: None })
    }

    async fn download(&self, _: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        let DownloadRequest { file, known, range, .. } = request;
        self.enter("download", "").await?;
        let id = self.resolve(file)?;
        let mut item = self.item_of(&id);
        let asks = self.capabilities.download_urls
            && known.is_none_or(|known| known.download_url.is_none());
        if asks {
            self.enter("ticket", "").await?;
            // As long as an answer takes.
            tokio::task::yield_now().await;
            item.download_url = Some(DownloadUrl { url: "ticket".into(), expires: None });
        }
        let item = asks.then(|| Box::new(item));
        let bytes = self.state.lock().unwrap().nodes[&id].bytes.clone();
        let total = bytes.len() as u64;
        let range = match range {
            ByteRange::Full => 0..total,
            ByteRange::From(at) => at..total,
            ByteRange::Span(span) => span.start..span.end.min(total),
            ByteRange::Last(n) => total.saturating_sub(n)..total,
        };
        let mut piece = bytes[range.start as usize..range.end as usize].to_vec();
        let broken = self.state.lock().unwrap().cuts.pop_front().map(|after| {
            piece.truncate(after);
            Err(super::temporary())
        });
        let pieces = [Ok(Buffer::from(piece))].into_iter().chain(broken);
        let bytes: ByteStream = Box::pin(stream::iter(pieces));
        Ok(Download { total, range, etag: None, download_url: None, item, bytes, check: None })
    }

    async fn upload(
        &self,
        _: &Context,
        to: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        let after = self.enter("upload", &to.name).await?;
        let folder = self.resolve(&to.folder)?;
        let bytes = crate::adapter::spool::slice(&body, 0, body.len()).await?;
        let item = {
            let mut state = self.state.lock().unwrap();
            if options.if_exists == IfExists::Fail && state.child(&folder, &to.name).is_some() {
                return Err(Error::new(ErrorKind::AlreadyExists, "fake: taken"));
            }
            let id = state.make(&folder, &to.name, Some(&bytes.to_vec()));
            state.item(&id)
        };
        match after {
            Some(error) => Err(error),
            None => Ok(Item { size: item.size.filter(|_| self.tells_size), ..item }),
        }
    }

    async fn open_session(
        &self,
        _: &Context,
        to: &Target,
        total: u64,
        _: &WriteOptions,
    ) -> Result<UploadSession> {
        self.enter("open", &to.name).await?;
        let parent = self.resolve(&to.folder)?;
        let mut state = self.state.lock().unwrap();
        state.made += 1;
        let url = format!("s{}", state.made);
        let session = Session { parent, name: to.name.clone(), total, bytes: Vec::new() };
        state.sessions.insert(url.clone(), session);
        Ok(UploadSession { url: url.into(), total, expires: None, state: String::new() })
    }

    async fn send_fragment(
        &self,
        _: &Context,
        session: &mut UploadSession,
        offset: u64,
        bytes: Buffer,
    ) -> Result<SessionProgress> {
        let after = self.enter("send", &format!("{offset}+{}", bytes.len())).await?;
        let progress = {
            let mut state = self.state.lock().unwrap();
            let open =
                state.sessions.get_mut(session.url.expose()).ok_or_else(|| not_found("session"))?;
            if open.bytes.len() as u64 != offset {
                return Err(Error::new(ErrorKind::RangeNotSatisfied, "fake: out of order"));
            }
            open.bytes.extend(bytes.to_vec());
            if open.bytes.len() as u64 == open.total {
                let done = state.sessions.remove(session.url.expose()).unwrap();
                let id = state.make(&done.parent, &done.name, Some(&done.bytes));
                SessionProgress::Done(Box::new(state.item(&id)))
            } else {
                SessionProgress::Next(open.bytes.len() as u64)
            }
        };
        after.map_or(Ok(progress), Err)
    }

    async fn session_status(
        &self,
        _: &Context,
        session: &UploadSession,
    ) -> Result<SessionProgress> {
        self.enter("status", "").await?;
        let state = self.state.lock().unwrap();
        match state.sessions.get(session.url.expose()) {
            Some(open) => Ok(SessionProgress::Next(open.bytes.len() as u64)),
            None => Err(not_found("session")),
        }
    }

    async fn cancel_session(&self, _: &Context, session: &UploadSession) -> Result<()> {
        self.enter("cancel", "").await?;
        self.state.lock().unwrap().sessions.remove(session.url.expose());
        Ok(())
    }

    async fn create_folder(&self, _: &Context, at: &Target) -> Result<Item> {
        self.enter("make", &at.name).await?;
        let folder = self.resolve(&at.folder)?;
        let mut state = self.state.lock().unwrap();
        if state.child(&folder, &at.name).is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "fake: taken"));
        }
        let id = state.make(&folder, &at.name, None);
        Ok(state.item(&id))
    }

    async fn update(
        &self,
        _: &Context,
        at: &ItemRef,
        _: Option<&Item>,
        change: &ItemUpdate,
    ) -> Result<Item> {
        self.enter("update", change.name.as_deref().unwrap_or("")).await?;
        let id = self.resolve(at)?;
        let folder = change.folder.as_ref().map(|folder| self.resolve(folder)).transpose()?;
        let mut state = self.state.lock().unwrap();
        if let Some(occupant) = &change.occupant {
            state.remove(occupant);
        }
        let node = state.nodes.get_mut(&id).unwrap();
        node.name = change.name.clone().unwrap_or_else(|| node.name.clone());
        node.parent = folder.or_else(|| node.parent.clone());
        Ok(state.item(&id))
    }

    async fn delete(&self, _: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let mut results = Vec::new();
        for removal in items {
            results.push(match self.enter("remove", "").await {
                Err(error) => Err(error),
                Ok(_) => {
                    self.resolve(&removal.item).map(|id| self.state.lock().unwrap().remove(&id))
                }
            });
        }
        results
    }
}
