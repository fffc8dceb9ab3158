//! The paths under which items were returned to the caller.
//!
//! A drive's change feed names items by id, and the metadata cache works with paths. The registry
//! translates from the former to the latter. It records nothing until a cache
//! [subscribes](PathRegistry::enable).
// Only the cache reads it.
#![cfg_attr(not(feature = "layers-cache"), allow(dead_code))]

use std::{
    collections::HashMap,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::drive::ItemId;

/// The maximum number of paths in a registry.
const PATHS_MAX: usize = 200_000;

/// Maps item ids to the operator paths under which `stat` and listings returned the items.
#[derive(Debug, Default)]
pub(super) struct PathRegistry {
    enabled: AtomicBool,
    inner: Mutex<Inner>,
}

/// The paths behind the mutex.
#[derive(Debug, Default)]
struct Inner {
    paths: HashMap<ItemId, Vec<Box<str>>>,
    /// The number of paths in `paths`.
    count: usize,
    /// The registry was full and was cleared, so paths are missing.
    overflowed: bool,
}

impl PathRegistry {
    /// Locks the paths. Each change is complete before a panic could interrupt it, so a poisoned
    /// lock is used as it is.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts recording.
    pub(super) fn enable(&self) {
        self.enabled.store(true, Ordering::Relaxed);
    }

    /// Records that an item was returned under an operator path, spelled as it was returned. Does
    /// nothing before [`enable`](Self::enable). Clears the registry first if it has [`PATHS_MAX`]
    /// paths.
    pub(super) fn record(&self, path: &str, id: &ItemId) {
        if !self.enabled.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.lock();
        if inner.count >= PATHS_MAX {
            *inner = Inner { overflowed: true, ..Inner::default() };
        }
        let paths = match inner.paths.get_mut(id) {
            Some(paths) if paths.iter().any(|known| **known == *path) => return,
            Some(paths) => paths,
            None => inner.paths.entry(id.clone()).or_default(),
        };
        paths.push(path.into());
        inner.count += 1;
    }

    /// Removes and returns the paths of an item.
    pub(super) fn take(&self, id: &ItemId) -> Vec<Box<str>> {
        let mut inner = self.lock();
        let paths = inner.paths.remove(id).unwrap_or_default();
        inner.count -= paths.len();
        paths
    }

    /// Returns the paths of all items for which `includes` returns true.
    pub(super) fn paths_where(&self, includes: impl Fn(&ItemId) -> bool) -> Vec<String> {
        let inner = self.lock();
        let items = inner.paths.iter().filter(|(id, _)| includes(id));
        items.flat_map(|(_, paths)| paths.iter().map(|path| path.to_string())).collect()
    }

    /// Returns whether paths were lost since the last call, because the registry was full.
    pub(super) fn take_overflowed(&self) -> bool {
        mem::take(&mut self.lock().overflowed)
    }

    /// Removes all paths.
    pub(super) fn clear(&self) {
        *self.lock() = Inner::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_keeps_each_of_its_paths_once_the_registry_is_enabled() {
        let registry = PathRegistry::default();
        registry.record("a", &"1".into());
        assert!(registry.take(&"1".into()).is_empty());
        registry.enable();
        for path in ["a", "b", "a"] {
            registry.record(path, &"1".into());
        }
        assert_eq!(registry.take(&"1".into()), ["a", "b"].map(Box::<str>::from));
        assert_eq!(registry.lock().count, 0);
    }

    #[test]
    fn a_full_registry_is_cleared_and_reports_the_loss_once() {
        let registry = PathRegistry::default();
        registry.enable();
        for n in 0..=PATHS_MAX {
            registry.record("a", &ItemId::from(n.to_string()));
        }
        assert!(registry.take_overflowed() && !registry.take_overflowed());
        assert_eq!(registry.lock().count, 1);
    }
}
