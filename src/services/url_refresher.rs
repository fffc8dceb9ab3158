//! Refreshes rejected download URLs, with one request for all concurrent reads of an item.

use std::{fmt, sync::Arc, time::Duration};

use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::drive::{Error, ErrorKind, ItemId, Result, Retry};

/// A refreshed URL serves other reads with the same old URL for this time.
const SHARED_FOR: Duration = Duration::from_secs(10);

/// Maximum number of items whose URLs are shared.
const ITEMS_MAX: u64 = 1_000;

/// Shares refreshed values, such as download URLs, between concurrent callers. Clones share their
/// state.
#[derive(Clone)]
pub(crate) struct UrlRefresher<T> {
    /// The last refreshed value of each item. The lock is held during a request.
    values: Cache<ItemId, Arc<Mutex<Option<T>>>>,
}

impl<T> fmt::Debug for UrlRefresher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlRefresher").finish_non_exhaustive()
    }
}

impl<T: Clone + Send + Sync + 'static> Default for UrlRefresher<T> {
    /// Returns a refresher without values.
    fn default() -> Self {
        let values = Cache::builder().max_capacity(ITEMS_MAX).time_to_live(SHARED_FOR).build();
        Self { values }
    }
}

impl<T: Clone + Send + Sync + 'static> UrlRefresher<T> {
    /// Returns the value that another caller has just received if `is_fresh` accepts it, else the
    /// result of `request`. One request runs at a time for each item; if its future is dropped, the
    /// next caller sends its own.
    ///
    /// # Errors
    /// Those of `request`.
    pub(crate) async fn refresh(
        &self,
        item: &ItemId,
        is_fresh: impl Fn(&T) -> bool,
        request: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let value = self.values.get_with_by_ref(item, Arc::default);
        let mut value = value.lock().await;
        if let Some(current) = value.as_ref().filter(|current| is_fresh(current)) {
            return Ok(current.clone());
        }
        let new = request.await?;
        *value = Some(new.clone());
        Ok(new)
    }
}

/// Converts the error of a fresh download URL. If the URL does not exist (404 or 410), another client
/// replaced or deleted the file between the two requests: the result is a temporary `Conflict`. Any
/// other error is returned unchanged, because a repeated read would fail too.
pub(crate) fn as_conflict(error: Error) -> Error {
    match error.status() {
        Some(404 | 410) => {
            error.with_kind(ErrorKind::Conflict).with_retry(Retry::Again { after: None })
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn concurrent_callers_share_one_request() {
        let (refresher, requests) = (UrlRefresher::<u32>::default(), AtomicU32::new(0));
        let item = ItemId::from("i");
        let renew = |stale: u32| {
            let (refresher, requests, item) = (&refresher, &requests, &item);
            async move {
                let request = async {
                    tokio::task::yield_now().await;
                    Ok(requests.fetch_add(1, SeqCst) + 1)
                };
                refresher.refresh(item, |there| *there != stale, request).await.expect("a ticket")
            }
        };
        assert_eq!(join_all((0..20).map(|_| renew(0))).await, [1; 20]);
        // The new value is rejected too.
        assert_eq!(join_all((0..20).map(|_| renew(1))).await, [2; 20]);
    }

    #[tokio::test]
    async fn a_failure_is_not_shared() {
        let refresher = UrlRefresher::<u32>::default();
        let item = ItemId::from("i");
        let failing = async { Err(Error::new(ErrorKind::NotFound, "gone")) };
        refresher.refresh(&item, |_| true, failing).await.expect_err("gone");
        let works = async { Ok(1) };
        assert_eq!(refresher.refresh(&item, |_| true, works).await.expect("a ticket"), 1);
    }
}
