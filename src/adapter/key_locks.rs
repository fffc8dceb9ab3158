//! Locks by key: at most one task at a time works on a key.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::OwnedMutexGuard;

/// A set of asynchronous mutexes, one for each key in use.
///
/// A key takes memory only while a task holds its lock or waits for it.
pub(crate) struct KeyedMutex<K>(Mutex<HashMap<K, Weak<tokio::sync::Mutex<()>>>>);

impl<K> Default for KeyedMutex<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> KeyedMutex<K> {
    /// Locks a key, and waits while another task holds it. If the returned future or the guard is
    /// dropped, the next waiting task gets the lock.
    pub(crate) async fn lock(&self, key: K) -> OwnedMutexGuard<()> {
        self.mutex(key).lock_owned().await
    }

    /// Returns the mutex of a key, and creates it if no task uses the key. Removes unused mutexes.
    fn mutex(&self, key: K) -> Arc<tokio::sync::Mutex<()>> {
        let mut mutexes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mutexes.retain(|_, mutex| mutex.strong_count() > 0);
        let slot = mutexes.entry(key).or_default();
        slot.upgrade().unwrap_or_else(|| {
            let mutex = Arc::default();
            *slot = Arc::downgrade(&mutex);
            mutex
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_locked_once_and_forgotten_when_it_is_unlocked() {
        let locks = KeyedMutex::default();
        let first = locks.lock("a").await;
        assert!(locks.mutex("a").try_lock().is_err());
        assert!(locks.mutex("b").try_lock().is_ok());
        drop(first);
        drop(locks.lock("c").await);
        assert_eq!(locks.0.lock().unwrap().len(), 1);
    }
}
