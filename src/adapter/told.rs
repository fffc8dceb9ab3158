//! Under which paths items were shown, for those who want to hear that they have changed: a drive
//! tells changes by ids.
// Without the cache nobody listens.
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

/// Most paths that are remembered.
const PATHS_MAX: usize = 200_000;

#[derive(Debug, Default)]
pub(super) struct Told {
    /// Somebody wants to know.
    listening: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    paths: HashMap<ItemId, Vec<Box<str>>>,
    held: usize,
    /// There were too many: what was shown is not known any more.
    lost: bool,
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it is recorded what is shown.
    pub(super) fn listen(&self) {
        self.listening.store(true, Ordering::Relaxed);
    }

    /// An item was shown at a path.
    pub(super) fn record(&self, path: &str, id: &ItemId) {
        if !self.listening.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.lock();
        if inner.held >= PATHS_MAX {
            *inner = Inner { lost: true, ..Inner::default() };
        }
        let paths = match inner.paths.get_mut(id) {
            Some(paths) if paths.iter().any(|known| **known == *path) => return,
            Some(paths) => paths,
            None => inner.paths.entry(id.clone()).or_default(),
        };
        paths.push(path.into());
        inner.held += 1;
    }

    /// Where an item was shown, which is forgotten.
    pub(super) fn take(&self, id: &ItemId) -> Vec<Box<str>> {
        let mut inner = self.lock();
        let paths = inner.paths.remove(id).unwrap_or_default();
        inner.held -= paths.len();
        paths
    }

    /// Where items were shown that are not of a kind; they are not forgotten.
    pub(super) fn paths_except(&self, is: impl Fn(&ItemId) -> bool) -> Vec<String> {
        let inner = self.lock();
        let others = inner.paths.iter().filter(|(id, _)| !is(id));
        others.flat_map(|(_, paths)| paths.iter().map(|path| path.to_string())).collect()
    }

    /// Whether something that was shown is not known any more; told once.
    pub(super) fn take_lost(&self) -> bool {
        mem::take(&mut self.lock().lost)
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.lock() = Inner::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_remembered_under_each_of_its_paths_if_somebody_listens() {
        let told = Told::default();
        told.record("a", &"1".into());
        assert!(told.take(&"1".into()).is_empty());
        told.listen();
        for path in ["a", "b", "a"] {
            told.record(path, &"1".into());
        }
        assert_eq!(told.take(&"1".into()), ["a", "b"].map(Box::<str>::from));
        assert_eq!(told.lock().held, 0);
    }

    #[test]
    fn when_there_are_too_many_it_is_said_that_some_were_lost() {
        let told = Told::default();
        told.listen();
        for n in 0..=PATHS_MAX {
            told.record("a", &ItemId::from(n.to_string()));
        }
        assert!(told.take_lost() && !told.take_lost());
        assert_eq!(told.lock().held, 1);
    }
}
