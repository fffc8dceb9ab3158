//! Download URLs that were refused, asked for anew once for all who were refused at the same time.

use std::{fmt, sync::Arc, time::Duration};

use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::drive::{Error, ErrorKind, ItemId, Result, Retry};

/// How long an answer serves others who were refused with the same old download URL.
const SERVES_FOR: Duration = Duration::from_secs(10);

/// How many items are remembered.
const ITEMS_MAX: u64 = 1_000;

/// What was asked for in place of what had expired, by item.
#[derive(Clone)]
pub(crate) struct Renewals<T> {
    answers: Cache<ItemId, Arc<Mutex<Option<T>>>>,
}

impl<T> fmt::Debug for Renewals<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewals").finish_non_exhaustive()
    }
}

impl<T: Clone + Send + Sync + 'static> Default for Renewals<T> {
    fn default() -> Self {
        let answers = Cache::builder().max_capacity(ITEMS_MAX).time_to_live(SERVES_FOR).build();
        Self { answers }
    }
}

impl<T: Clone + Send + Sync + 'static> Renewals<T> {
    /// What somebody else was given just now, if it is `fresh`; else what `ask` gives. One asks at
    /// a time; who waits takes over if the first one is dropped.
    ///
    /// # Errors
    /// Those of `ask`.
    pub(crate) async fn renewed(
        &self,
        item: &ItemId,
        fresh: impl Fn(&T) -> bool,
        ask: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let answer = self.answers.get_with_by_ref(item, Arc::default);
        let mut answer = answer.lock().await;
        if let Some(there) = answer.as_ref().filter(|there| fresh(there)) {
            return Ok(there.clone());
        }
        let new = ask.await?;
        *answer = Some(new.clone());
        Ok(new)
    }
}

/// A download URL that leads nowhere although it was given just now: its file was replaced or removed
/// between the two requests, and the next look will tell which. One that is *refused* stays so:
/// trying again would not help.
pub(crate) fn overtaken(error: Error) -> Error {
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
    async fn of_many_who_were_refused_one_asks() {
        let (renewals, asked) = (Renewals::<u32>::default(), AtomicU32::new(0));
        let item = ItemId::from("i");
        let renew = |stale: u32| {
            let (renewals, asked, item) = (&renewals, &asked, &item);
            async move {
                let ask = async {
                    tokio::task::yield_now().await;
                    Ok(asked.fetch_add(1, SeqCst) + 1)
                };
                renewals.renewed(item, |there| *there != stale, ask).await.expect("a ticket")
            }
        };
        assert_eq!(join_all((0..20).map(|_| renew(0))).await, [1; 20]);
        // Refused with the new one too.
        assert_eq!(join_all((0..20).map(|_| renew(1))).await, [2; 20]);
    }

    #[tokio::test]
    async fn a_failure_is_nobody_elses() {
        let renewals = Renewals::<u32>::default();
        let item = ItemId::from("i");
        let failing = async { Err(Error::new(ErrorKind::NotFound, "gone")) };
        renewals.renewed(&item, |_| true, failing).await.expect_err("gone");
        let works = async { Ok(1) };
        assert_eq!(renewals.renewed(&item, |_| true, works).await.expect("a ticket"), 1);
    }
}
