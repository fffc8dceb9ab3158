//! Shortcuts in paths.
//!
//! Graph does not resolve a path through a shortcut: the target must be addressed by its own drive and
//! id (onedrive-graph#remote-item). The drive therefore remembers the shortcuts that responses contain,
//! for a short time, and addresses the items below them from their targets. A failed request for a path
//! whose folders are not known yet is repeated once if one of them turns out to be a shortcut.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;

use super::{
    address::{Address, DriveRef, ParsedId, same_drive},
    names,
    state::GraphDrive,
};
use crate::drive::{Context, Error, ErrorKind, Item, ItemId, ItemRef};

/// How long an entry is valid: as long as an entry of the adapter's index.
const LIFETIME: Duration = Duration::from_secs(10);

/// Maximum number of entries. With more, all are discarded.
const ENTRIES_MAX: usize = 10_000;

/// Maximum number of folders of a path that are requested.
const DEPTH_MAX: usize = 64;

/// The knowledge about an item in a path.
#[derive(Clone, Debug)]
enum PathEntry {
    /// A shortcut, with the address of its target.
    Shortcut(Address),
    /// Another item, or none.
    Plain,
}

/// The shortcuts in paths that responses contained. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Shortcuts {
    entries: Arc<Mutex<HashMap<Address, (PathEntry, Instant)>>>,
    /// Number of shortcuts that were recorded so far.
    found: Arc<AtomicU64>,
}

impl fmt::Debug for Shortcuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shortcuts").finish_non_exhaustive()
    }
}

impl Shortcuts {
    /// Returns the address of the same item, from the target of the last shortcut above it. With
    /// `follow`, the item itself may be the shortcut.
    pub(super) fn redirect(&self, address: Address, follow: bool) -> Address {
        if address.path.is_empty() {
            return address;
        }
        let entries = self.entries();
        if entries.is_empty() {
            return address;
        }
        let mut prefix = if follow { Some(address.clone()) } else { address.parent() };
        while let Some(folder) = prefix {
            if let Some((PathEntry::Shortcut(target), noted)) = entries.get(&key(&folder))
                && noted.elapsed() < LIFETIME
                && !folder.path.is_empty()
            {
                return target.below(&address.path[folder.path.len()..]);
            }
            prefix = folder.parent();
        }
        address
    }

    /// Returns the number of shortcuts that were recorded so far, without those that were known.
    pub(super) fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// Records the item at an address.
    fn note(&self, address: &Address, entry: PathEntry) {
        if matches!(entry, PathEntry::Shortcut(_)) && !self.is_known(address) {
            self.found.fetch_add(1, Ordering::Relaxed);
        }
        let mut entries = self.entries();
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(key(address), (entry, Instant::now()));
    }

    /// Forgets the item at an address, because it is deleted or renamed.
    pub(super) fn forget(&self, address: &Address) {
        self.entries().remove(&key(address));
    }

    /// Returns whether the item at an address is known.
    fn is_known(&self, address: &Address) -> bool {
        let entries = self.entries();
        entries.get(&key(address)).is_some_and(|(_, noted)| noted.elapsed() < LIFETIME)
    }

    /// Locks the entries. Each change is a single call, so a panic leaves them consistent.
    fn entries(&self) -> MutexGuard<'_, HashMap<Address, (PathEntry, Instant)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the key of an address. Names are compared without case, as the cloud compares them.
fn key(address: &Address) -> Address {
    let path: Vec<_> = address.path.split('/').map(names::fold).collect();
    Address { path: path.join("/").into(), ..address.clone() }
}

impl GraphDrive {
    /// Records an item of a response, if it is a shortcut that has a path. `address` is that of the
    /// request for the item, or of its folder followed by its name.
    pub(super) fn note_shortcut(&self, address: &Address, id: &ItemId) {
        if address.path.is_empty() {
            return;
        }
        if let Some(target) = self.target_address(id) {
            self.shortcuts.note(address, PathEntry::Shortcut(target));
        }
    }

    /// Returns the address of the target in the id of a shortcut; `None` for another id.
    fn target_address(&self, id: &ItemId) -> Option<Address> {
        let target = ParsedId::parse(id).target?;
        let drive = target.drive?;
        let own = match self.lookup.known() {
            Some(own @ DriveRef::Id(id)) if same_drive(id, drive) => Some(own.clone()),
            _ => None,
        };
        Some(Address::id(own.unwrap_or_else(|| DriveRef::Id(drive.into())), target.id))
    }

    /// Returns whether a request for an item must be repeated: it failed, perhaps because its path leads
    /// through a shortcut, and the shortcut is known now. `found` is [`Shortcuts::found`] before the
    /// request. Requests the folders in the path that are not known, at the same time, so that they are
    /// one batch. With `follow`, the item itself may be the shortcut.
    pub(super) async fn finds_shortcut(
        &self,
        cx: &Context,
        item: &ItemRef,
        follow: bool,
        found: u64,
        error: &Error,
    ) -> bool {
        let may_be_shortcut = matches!(
            error.kind(),
            ErrorKind::NotFound
                | ErrorKind::Conflict
                | ErrorKind::AlreadyExists
                | ErrorKind::InvalidInput
                | ErrorKind::PermissionDenied
                | ErrorKind::Unsupported
        );
        let ItemRef::Path { path, .. } = item else { return false };
        // Errors of Graph have a code, those of the hosts of download URLs have none.
        if !may_be_shortcut || error.code().is_none() || path.is_empty() {
            return false;
        }
        if self.shortcuts.found() != found {
            return true;
        }
        let keep = super::address::Shortcut::Keep;
        let Ok(address) = self.address(cx, item, keep).await else { return false };
        let mut folders = Vec::new();
        let mut next = if follow { Some(address) } else { address.parent() };
        while let Some(folder) = next
            && !folder.path.is_empty()
            && folders.len() < DEPTH_MAX
        {
            next = folder.parent();
            if !self.shortcuts.is_known(&folder) {
                folders.push(folder);
            }
        }
        let requests = folders.iter().map(|folder| self.client.item(cx, folder, None));
        let mut is_found = false;
        for (folder, response) in folders.iter().zip(join_all(requests).await) {
            let id = response.ok().and_then(|wire| {
                super::item::from_response(wire, self.foreign_drive(folder))
                    .ok()
                    .map(|item| item.id)
            });
            let target = id.as_ref().and_then(|id| self.target_address(id));
            is_found |= target.is_some();
            let entry = target.map_or(PathEntry::Plain, PathEntry::Shortcut);
            self.shortcuts.note(folder, entry);
        }
        is_found
    }

    /// Records the shortcuts in a page of a folder's children.
    pub(super) fn note_shortcuts(&self, folder: &Address, items: &[Item]) {
        for item in items.iter().filter(|item| ParsedId::parse(&item.id).is_shortcut()) {
            self.note_shortcut(&folder.below(&item.name), &item.id);
        }
    }
}

/// Calls a verb, and once more if it failed because of a shortcut in the path of an item that is known
/// now. `$follow` is whether the item itself may be the shortcut.
macro_rules! through_shortcuts {
    ($drive:expr, $cx:expr, $item:expr, $follow:expr, $call:expr) => {{
        let found = $drive.shortcuts.found();
        match $call.await {
            Err(error) if $drive.finds_shortcut($cx, $item, $follow, found, &error).await => {
                $call.await
            }
            result => result,
        }
    }};
}
pub(super) use through_shortcuts;
