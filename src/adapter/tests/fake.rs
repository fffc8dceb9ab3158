//! A drive in memory. It logs each verb, and tests can make a verb fail or wait. Its verbs are in
//! `fake_verbs`.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
};

use tokio::sync::Notify;

use crate::drive::*;

/// A fault of one call of a verb.
#[derive(Clone)]
pub(super) enum Fault {
    /// Fails, and changes nothing.
    Before(Error),
    /// Does its work, and then fails.
    After(Error),
    /// Waits for [`FakeDrive::release`].
    Hold,
    /// No fault: the next fault applies to a later call.
    Pass,
}

#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) parent: Option<ItemId>,
    is_folder: bool,
    pub(super) bytes: Vec<u8>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) nodes: BTreeMap<ItemId, Node>,
    pub(super) sessions: HashMap<String, Session>,
    /// The number of nodes and sessions created so far.
    pub(super) created: u64,
    log: Vec<String>,
    faults: Vec<(&'static str, Fault)>,
    /// The numbers of bytes after which the bodies of the next downloads break off.
    cuts: VecDeque<usize>,
}

pub(super) struct Session {
    pub(super) parent: ItemId,
    pub(super) name: String,
    pub(super) total: u64,
    pub(super) bytes: Vec<u8>,
}

pub(super) struct FakeDrive {
    pub(super) capabilities: Capabilities,
    state: Mutex<State>,
    released: Notify,
    list_released: Notify,
    /// False for a drive like SkyDrive, whose response to an upload has no size.
    pub(super) reports_size: bool,
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
    /// Creates a drive with an empty root, addressed by path or by id. With `sessions`, files of 10
    /// bytes and more are sent in fragments of 4.
    pub(super) fn new(paths: bool, sessions: bool) -> Self {
        let root = Node { is_folder: true, ..Node::default() };
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
            list_released: Notify::new(),
            reports_size: true,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Adds a fault for the next call of a verb that has no earlier fault.
    pub(super) fn fault(&self, verb: &'static str, fault: Fault) {
        self.lock().faults.push((verb, fault));
    }

    /// Continues the verbs that wait because of [`Fault::Hold`].
    pub(super) fn release(&self) {
        self.released.notify_waiters();
    }

    /// Continues the listings that wait because of a fault at `"list response"`: they have read
    /// the folder already.
    pub(super) fn release_list(&self) {
        self.list_released.notify_waiters();
    }

    /// Waits until a verb has been called.
    pub(super) async fn wait_for(&self, verb: &str) {
        while !self.lock().log.iter().any(|line| line.starts_with(verb)) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until a verb has been called `times` times.
    pub(super) async fn wait_for_calls(&self, verb: &str, times: usize) {
        let is_call = |line: &&String| line.starts_with(verb);
        while self.lock().log.iter().filter(is_call).count() < times {
            tokio::task::yield_now().await;
        }
    }

    /// Creates a second file with an existing name.
    pub(super) fn create_duplicate(&self, parent: &str, name: &str) {
        let mut state = self.lock();
        let parent = state.walk(parent).unwrap();
        let id = state.create(&parent, "twin", Some(b"twin"));
        state.nodes.get_mut(&id).unwrap().name = name.into();
    }

    /// Makes the bodies of the next downloads break off after these numbers of bytes.
    pub(super) fn cut(&self, after: impl IntoIterator<Item = usize>) {
        self.lock().cuts.extend(after);
    }

    /// Removes and returns the log: one line for each call.
    pub(super) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().log)
    }

    /// Returns the number of open upload sessions.
    pub(super) fn sessions(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Removes all upload sessions.
    pub(super) fn lose_sessions(&self) {
        self.lock().sessions.clear();
    }

    /// Removes the last `count` bytes of each upload session.
    pub(super) fn lose_bytes(&self, count: usize) {
        for session in self.lock().sessions.values_mut() {
            let left = session.bytes.len().saturating_sub(count);
            session.bytes.truncate(left);
        }
    }

    /// Returns the bytes at a path, or `None` if there is no item.
    pub(super) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        let id = state.walk(path)?;
        Some(state.nodes[&id].bytes.clone())
    }

    /// Renames an item, as another client would.
    pub(super) fn rename_externally(&self, path: &str, name: &str) {
        let mut state = self.lock();
        let id = state.walk(path).unwrap();
        state.nodes.get_mut(&id).unwrap().name = name.into();
    }

    /// Deletes an item, as another client would.
    pub(super) fn delete_externally(&self, path: &str) {
        let mut state = self.lock();
        let id = state.walk(path).unwrap();
        state.remove(&id);
    }

    /// Creates a file, or a folder without `bytes`, as another client would.
    pub(super) fn create(&self, parent: &str, name: &str, bytes: Option<&[u8]>) {
        let mut state = self.lock();
        let parent = state.walk(parent).unwrap();
        state.create(&parent, name, bytes);
    }

    /// Logs a call and applies its fault. Returns the error that the verb has to return after its
    /// work.
    pub(super) async fn enter(&self, verb: &'static str, subject: &str) -> Result<Option<Error>> {
        let fault = {
            let mut state = self.lock();
            state.log.push(format!("{verb} {subject}"));
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

    pub(super) fn resolve(&self, item: &ItemRef) -> Result<ItemId> {
        let state = self.lock();
        let id = match item {
            ItemRef::Item { id, .. } => state.nodes.contains_key(id).then(|| id.clone()),
            ItemRef::Path { path, .. } => state.walk(path),
        };
        id.ok_or_else(|| not_found(&format!("{item:?}")))
    }

    /// Removes the fault at `"list response"`, and waits if there is one.
    pub(super) async fn hold_list_response(&self) {
        let is_held = {
            let faults = &mut self.lock().faults;
            let at = faults.iter().position(|(verb, _)| *verb == "list response");
            at.map(|at| faults.remove(at)).is_some()
        };
        if is_held {
            self.list_released.notified().await;
        }
    }

    /// Returns the number of bytes after which the body of this download breaks off.
    pub(super) fn next_cut(&self) -> Option<usize> {
        self.lock().cuts.pop_front()
    }

    pub(super) fn item_by_id(&self, id: &ItemId) -> Item {
        self.lock().item(id)
    }
}

pub(super) fn not_found(subject: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("fake: no {subject}"))
}

impl State {
    pub(super) fn walk(&self, path: &str) -> Option<ItemId> {
        let mut at = ItemId::from("root");
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = self.child(&at, name)?;
        }
        Some(at)
    }

    pub(super) fn child(&self, parent: &ItemId, name: &str) -> Option<ItemId> {
        let named =
            |node: &&Node| node.parent.as_ref() == Some(parent) && upper(&node.name) == upper(name);
        self.nodes.iter().find(|(_, node)| named(node)).map(|(id, _)| id.clone())
    }

    pub(super) fn create(&mut self, parent: &ItemId, name: &str, bytes: Option<&[u8]>) -> ItemId {
        if let (Some(existing), Some(bytes)) = (self.child(parent, name), bytes) {
            self.nodes.get_mut(&existing).unwrap().bytes = bytes.to_vec();
            return existing;
        }
        self.created += 1;
        let id = ItemId::from(format!("i{}", self.created));
        let node = Node {
            name: name.into(),
            parent: Some(parent.clone()),
            is_folder: bytes.is_none(),
            bytes: bytes.unwrap_or_default().to_vec(),
        };
        self.nodes.insert(id.clone(), node);
        id
    }

    pub(super) fn item(&self, id: &ItemId) -> Item {
        let node = &self.nodes[id];
        let kind = if node.is_folder { ItemKind::Folder } else { ItemKind::File };
        let mut item = Item::new(id.clone(), node.name.clone(), kind);
        item.parents = node.parent.iter().cloned().collect();
        item.size = (!node.is_folder).then_some(node.bytes.len() as u64);
        item
    }

    pub(super) fn children(&self, parent: &ItemId) -> Vec<Item> {
        let below = |node: &Node| node.parent.as_ref() == Some(parent);
        self.nodes.iter().filter(|(_, node)| below(node)).map(|(id, _)| self.item(id)).collect()
    }

    pub(super) fn remove(&mut self, id: &ItemId) {
        for child in self.children(id) {
            self.remove(&child.id);
        }
        self.nodes.remove(id);
    }
}
