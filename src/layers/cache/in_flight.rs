//! Blocks that are being fetched. Each block is fetched by one task at a time; other readers wait
//! for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;

use super::key::BlockKey;

/// Registry of the blocks that are being fetched.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<BlockKey, watch::Receiver<Option<Bytes>>>>>);

/// Result of [`InFlight::claim`].
pub(super) enum FetchClaim {
    /// The caller must fetch the block.
    Owner(FetchGuard),
    /// Another task fetches the block.
    Waiter(FetchWaiter),
}

/// Obligation to fetch a block. If it is dropped before [`complete`](Self::complete), a waiter
/// takes over.
pub(super) struct FetchGuard {
    in_flight: InFlight,
    key: BlockKey,
    sender: watch::Sender<Option<Bytes>>,
}

/// Waits for a block that another task fetches.
pub(super) struct FetchWaiter(watch::Receiver<Option<Bytes>>);

impl InFlight {
    /// Registers the caller as the fetcher of a block, unless the block is being fetched already.
    pub(super) fn claim(&self, key: &BlockKey) -> FetchClaim {
        let mut in_flight = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(receiver) = in_flight.get(key) {
            return FetchClaim::Waiter(FetchWaiter(receiver.clone()));
        }
        let (sender, receiver) = watch::channel(None);
        in_flight.insert(key.clone(), receiver);
        FetchClaim::Owner(FetchGuard { in_flight: self.clone(), key: key.clone(), sender })
    }
}

impl FetchGuard {
    /// Hands the block to all waiters.
    pub(super) fn complete(self, bytes: Bytes) {
        self.sender.send_replace(Some(bytes));
    }
}

impl Drop for FetchGuard {
    fn drop(&mut self) {
        let mut in_flight = self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.remove(&self.key);
    }
}

impl FetchWaiter {
    /// Waits for the block. Returns `None` if its [`FetchGuard`] was dropped without a block: the
    /// caller then [claims](InFlight::claim) it.
    pub(super) async fn wait(mut self) -> Option<Bytes> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}
