//! The drive: its variants, and the access of a test to its items, sessions and calls.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use opendal::{Buffer, Operator};

use super::{
    script::{CallScript, HeldCall, Verb, VerbFault},
    tree::{MemoryTree, NodeKey, ROOT, fold, id_of, names, validate_name},
};
use crate::{
    adapter::{DriveService, ServiceSettings},
    drive::{Capabilities, ItemId, RecursiveList, SessionLimits},
};

/// The number of bytes in a fragment is a multiple of this by default.
const ALIGNMENT: u64 = 16 << 10;

/// A [`Drive`](crate::drive::Drive) in memory.
///
/// A clone is another client of the same drive: it shares the items, the log and the planned
/// faults. The methods `with_…` change only the client, so two clients of one drive may have
/// different features.
///
/// Names are compared without case. The rules for names are those of OneDrive.
///
/// # Faults and calls
///
/// [`plan`](Self::plan) lets the next call of a verb fail, [`hold`](Self::hold) lets it wait.
/// [`take_calls`](Self::take_calls) returns the calls, each as the verb and the path of its item,
/// for example `list a/b` or `send_fragment a/file 0+4`. [`wait_until`](Self::wait_until) waits for
/// a state of the drive without a delay.
///
/// # Changes by other clients
///
/// [`insert_file`](Self::insert_file), [`rename_item`](Self::rename_item) and the like change the
/// items directly. They are not calls: they are not logged, and no fault applies to them.
///
/// # Paths
///
/// The paths of these methods start at the root of the drive, which is the empty path. Slashes at
/// their ends do not count, and neither does letter case.
#[derive(Clone)]
pub struct MemoryDrive {
    pub(super) capabilities: Capabilities,
    pub(super) options: ClientOptions,
    pub(super) shared: Arc<SharedDrive>,
}

/// The features of a client that are not [`Capabilities`].
#[derive(Clone, Debug)]
pub(super) struct ClientOptions {
    pub(super) etags: bool,
    /// The response to an upload has all metadata of the file.
    pub(super) full_upload_response: bool,
    /// A session must be committed after its last fragment.
    pub(super) explicit_commit: bool,
    /// A file is listed as an empty folder.
    pub(super) files_are_listable: bool,
    /// The maximum number of items in a page.
    pub(super) page_size: usize,
}

/// The state that the clients of a drive share.
#[derive(Debug)]
pub(super) struct SharedDrive {
    /// Distinguishes the drive in its URLs from all others of the process.
    pub(super) number: u64,
    tree: Mutex<MemoryTree>,
    pub(super) script: CallScript,
}

impl SharedDrive {
    /// Locks the items and upload sessions.
    pub(super) fn tree(&self) -> MutexGuard<'_, MemoryTree> {
        // A panic of a test while it is locked does not make the items inconsistent.
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryDrive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDrive")
            .field("paths", &self.capabilities.paths)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl MemoryDrive {
    /// Part of each URL and cursor that the drive returns. They are secrets: a test can check that
    /// no output contains this text.
    pub const SECRET: &str = "memory-drive-secret-0b5e";

    /// Creates an empty drive with these capabilities, for a client without optional features.
    fn new(capabilities: Capabilities) -> Self {
        static DRIVES: AtomicU64 = AtomicU64::new(1);
        let shared = SharedDrive {
            number: DRIVES.fetch_add(1, Ordering::Relaxed),
            tree: Mutex::new(MemoryTree::new()),
            script: CallScript::default(),
        };
        let options = ClientOptions {
            etags: false,
            full_upload_response: true,
            explicit_commit: false,
            files_are_listable: false,
            page_size: 200,
        };
        Self { capabilities, options, shared: Arc::new(shared) }
    }

    /// Creates an empty drive that is addressed by path, with all features: upload sessions, etags
    /// and conditions, modification times, recursive listings of the root, batches of 20 deletions,
    /// and copies.
    ///
    /// Files of at least 256 KiB are sent in sessions, in fragments of 64 KiB to 1 MiB.
    pub fn by_path() -> Self {
        let mut limits = SessionLimits::new(256 << 10, 4 * ALIGNMENT);
        limits.alignment = ALIGNMENT;
        limits.max_fragment = 1 << 20;
        let mut capabilities = Self::basic_capabilities();
        capabilities.paths = true;
        capabilities.set_modified = true;
        capabilities.copy_files = true;
        capabilities.recursive_list = RecursiveList::Root;
        capabilities.delete_max_size = 20;
        Self::new(capabilities).with_sessions(limits).with_etags()
    }

    /// Creates an empty drive that is addressed by id, without optional features.
    pub fn by_id() -> Self {
        Self::new(Self::basic_capabilities())
    }

    /// Returns the capabilities that all variants have.
    fn basic_capabilities() -> Capabilities {
        let mut capabilities = Capabilities::new(64 << 20);
        capabilities.max_file_size = 1 << 30;
        capabilities.if_not_exists = true;
        capabilities.fold = fold;
        capabilities.collision_key = fold;
        capabilities.validate_name = validate_name;
        capabilities
    }

    /// Sends large files in upload sessions with these limits.
    #[must_use]
    pub fn with_sessions(mut self, limits: SessionLimits) -> Self {
        self.capabilities.session = Some(limits);
        self
    }

    /// Removes the upload sessions. Each file is sent in one request.
    #[must_use]
    pub fn without_sessions(mut self) -> Self {
        self.capabilities.session = None;
        self
    }

    /// Requires a commit after the last fragment of a session.
    #[must_use]
    pub fn with_explicit_commit(mut self) -> Self {
        self.options.explicit_commit = true;
        self
    }

    /// Adds etags, and the conditions on them.
    #[must_use]
    pub fn with_etags(mut self) -> Self {
        self.options.etags = true;
        self.capabilities.if_match = true;
        self.capabilities.if_none_match = true;
        self.capabilities.download_if_match = true;
        self
    }

    /// Requires a download URL for each download. Items do not contain one: the drive requests it
    /// with [`Verb::DownloadUrl`].
    #[must_use]
    pub fn with_download_urls(mut self) -> Self {
        self.capabilities.download_urls = true;
        self
    }

    /// Reduces the response to an upload to the id and the name of the file, as some clouds do.
    #[must_use]
    pub fn with_minimal_upload_response(mut self) -> Self {
        self.options.full_upload_response = false;
        self
    }

    /// Lists a file as an empty folder, as some clouds do.
    #[must_use]
    pub fn with_listable_files(mut self) -> Self {
        self.options.files_are_listable = true;
        self
    }

    /// Sets the maximum number of items in a page of a listing. At least one.
    #[must_use]
    pub fn with_page_size(mut self, items: usize) -> Self {
        self.options.page_size = items.max(1);
        self
    }

    /// Returns an operator of the drive, with default settings.
    ///
    /// # Errors
    /// Those of [`DriveService::into_operator`].
    pub fn operator(&self) -> opendal::Result<Operator> {
        let settings = ServiceSettings::new("memory-drive", "");
        DriveService::new(Arc::new(self.clone()), settings).into_operator()
    }

    /// Plans a fault for the next call of a verb for which nothing is planned yet.
    pub fn plan(&self, verb: Verb, fault: VerbFault) {
        self.shared.script.plan(verb, fault);
    }

    /// Plans that the next call of a verb for which nothing is planned yet waits before its effect.
    pub fn hold(&self, verb: Verb) -> HeldCall {
        self.shared.script.hold(verb, false)
    }

    /// Like [`hold`](Self::hold), but the call waits after its effect, before it returns.
    pub fn hold_response(&self, verb: Verb) -> HeldCall {
        self.shared.script.hold(verb, true)
    }

    /// Returns the number of planned faults and holds that no call has met.
    pub fn planned(&self) -> usize {
        self.shared.script.planned()
    }

    /// Removes all planned faults and holds that no call has met.
    pub fn clear_plan(&self) {
        self.shared.script.clear();
    }

    /// Returns the number of calls of a verb since the last [`take_calls`](Self::take_calls).
    pub fn call_count(&self, verb: Verb) -> usize {
        self.shared.script.count(verb)
    }

    /// Removes and returns the log of calls, oldest first.
    pub fn take_calls(&self) -> Vec<String> {
        self.shared.script.take_calls()
    }

    /// Waits until a condition holds. It is checked at once, and whenever a call begins or ends.
    pub async fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        self.shared.script.wait_until(|| condition(self)).await;
    }

    /// Waits until the log has this number of calls of a verb.
    pub async fn wait_for_calls(&self, verb: Verb, count: usize) {
        self.wait_until(|drive| drive.call_count(verb) >= count).await;
    }

    /// Returns the content of the file at a path. `None` if no file has the path.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let tree = self.shared.tree();
        let bytes = tree.node(tree.walk(ROOT, path).ok()?).ok()?.bytes.as_ref();
        bytes.map(Buffer::to_vec)
    }

    /// Returns the paths of all items, sorted. Those of folders end with a slash.
    pub fn paths(&self) -> Vec<String> {
        let tree = self.shared.tree();
        let path = |key: NodeKey| {
            let (path, node) = (tree.path_of(key)?, tree.node(key).ok()?);
            Some(if node.bytes.is_some() { path } else { path + "/" })
        };
        let mut paths: Vec<_> = tree.subtree(ROOT).into_iter().skip(1).filter_map(path).collect();
        paths.sort();
        paths
    }

    /// Returns the id of the item at a path; the empty path is the root. `None` if it does not
    /// exist.
    pub fn id_of(&self, path: &str) -> Option<ItemId> {
        self.shared.tree().walk(ROOT, path).ok().map(id_of)
    }

    /// Creates a file in a folder, or replaces the content of an existing one. The name may be one
    /// that the drive rejects. Returns the file's id.
    ///
    /// # Panics
    /// Panics if no item has the path `folder`.
    pub fn insert_file(&self, folder: &str, name: &str, content: impl Into<Buffer>) -> ItemId {
        let mut tree = self.shared.tree();
        let folder = existing(&tree, folder);
        let key = tree.child(folder, name).unwrap_or_else(|| tree.insert(folder, name, None));
        if let Ok(node) = tree.node_mut(key) {
            node.bytes = Some(content.into());
            node.version += 1;
        }
        id_of(key)
    }

    /// Creates a second file with the name of an existing one, as some clouds permit. Listings then
    /// have both. Returns the new file's id.
    ///
    /// # Panics
    /// Panics if no item has the path `folder`.
    pub fn insert_duplicate(&self, folder: &str, name: &str, content: impl Into<Buffer>) -> ItemId {
        let mut tree = self.shared.tree();
        let folder = existing(&tree, folder);
        id_of(tree.insert(folder, name, Some(content.into())))
    }

    /// Creates a folder, with its parents. Returns its id; that of an existing item if it has the
    /// path.
    pub fn insert_folder(&self, path: &str) -> ItemId {
        let mut tree = self.shared.tree();
        let key = names(path).fold(ROOT, |at, name| {
            tree.child(at, name).unwrap_or_else(|| tree.insert(at, name, None))
        });
        id_of(key)
    }

    /// Changes the name of an item. Its id stays the same.
    ///
    /// # Panics
    /// Panics if no item has the path.
    pub fn rename_item(&self, path: &str, name: &str) {
        let mut tree = self.shared.tree();
        let key = existing(&tree, path);
        if let Ok(node) = tree.node_mut(key) {
            node.name = name.to_owned();
        }
    }

    /// Deletes an item and its descendants.
    ///
    /// # Panics
    /// Panics if no item has the path, and for the root.
    pub fn remove_item(&self, path: &str) {
        let mut tree = self.shared.tree();
        let key = existing(&tree, path);
        tree.remove(key).unwrap_or_else(|error| panic!("cannot remove {path:?}: {error}"));
    }

    /// Returns the number of open upload sessions.
    pub fn open_sessions(&self) -> usize {
        let tree = self.shared.tree();
        tree.sessions.values().filter(|session| session.file.is_none()).count()
    }

    /// Discards all upload sessions, as a cloud does when they expire.
    pub fn discard_sessions(&self) {
        self.shared.tree().sessions.clear();
    }

    /// Discards the last `count` bytes of each open upload session.
    pub fn discard_session_bytes(&self, count: u64) {
        for session in self.shared.tree().sessions.values_mut() {
            session.lose_bytes(count);
        }
    }
}

/// Returns the item at a path, for a test that has created it.
fn existing(tree: &MemoryTree, path: &str) -> NodeKey {
    tree.walk(ROOT, path).unwrap_or_else(|error| panic!("cannot change {path:?}: {error}"))
}
