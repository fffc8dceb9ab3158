//! The clock and the source of ids of the account that a request belongs to.
//!
//! Tests freeze and advance the clock of one account, while others go on. All code that stores or
//! compares times calls [`now`], and all code that creates ids calls [`random_bytes`]. Both read the
//! scope of the running task, which the pipeline sets for each request; outside of a scope they are
//! the system's clock and random numbers. Writes of the storage run in a task of their own, in the
//! scope of the request that waits for them.
//!
//! Not affected: the times in the request log, delays and bandwidths, and time limits of connections.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};

tokio::task_local! {
    static SCOPE: AccountScope;
}

/// The clock and the source of ids of an account.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountScope {
    /// `None` for the system's clock.
    clock: Option<Arc<Clock>>,
    /// `None` for random ids.
    ids: Option<Arc<IdSequence>>,
}

impl AccountScope {
    /// Returns the scope of the running task; the default one outside of a scope.
    pub(crate) fn current() -> Self {
        SCOPE.try_with(Clone::clone).unwrap_or_default()
    }

    /// Returns whether the scope has neither a clock nor a source of ids.
    pub(crate) fn is_default(&self) -> bool {
        self.clock.is_none() && self.ids.is_none()
    }

    /// Runs a future in the scope.
    pub(crate) async fn run<F: Future>(self, work: F) -> F::Output {
        // Also replaces the scope of an outer request.
        match self.is_default() && Self::current().is_default() {
            true => work.await,
            false => SCOPE.scope(self, work).await,
        }
    }
}

/// Returns the time for the account of the running request.
pub(crate) fn now() -> Timestamp {
    let now = SCOPE.try_with(|scope| scope.clock.as_ref().map(|clock| clock.now()));
    now.ok().flatten().unwrap_or_else(Timestamp::now)
}

/// Returns random bytes for a new id; with `--id-seed` the next ones of the account's sequence.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let next = SCOPE.try_with(|scope| scope.ids.as_ref().map(|ids| ids.next()));
    match next.ok().flatten() {
        Some(bytes) => std::array::from_fn(|at| bytes[at % bytes.len()]),
        None => rand::random(),
    }
}

/// A clock that differs from the system's. It is immutable: a change replaces it.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// The time at `since`.
    at: Timestamp,
    since: Instant,
    is_frozen: bool,
    /// The position at `since` on the scale of [`Instant`], for periods such as a budget's window.
    instant: Instant,
}

/// The state of an account's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClockState {
    /// The account's current time.
    pub now: Timestamp,
    /// Whether the time does not advance.
    pub frozen: bool,
    /// Whether it is the system's clock.
    pub system: bool,
}

impl Clock {
    /// Creates a clock that shows the system's time.
    fn system() -> Self {
        let now = Instant::now();
        Self { at: Timestamp::now(), since: now, is_frozen: false, instant: now }
    }

    /// Returns the time since the clock was set; zero if it is frozen.
    fn elapsed(&self) -> Duration {
        if self.is_frozen { Duration::ZERO } else { self.since.elapsed() }
    }

    /// Returns the time.
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.elapsed()).unwrap_or(SignedDuration::MAX);
        self.at.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// Returns the position on the scale of [`Instant`].
    fn instant(&self) -> Instant {
        self.instant + self.elapsed()
    }

    /// Returns the clock at another time. Periods end earlier if it is later.
    fn set(&self, at: Timestamp, is_frozen: bool) -> Self {
        let forward = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        let instant = self.instant();
        let instant = instant.checked_add(forward).unwrap_or(instant);
        Self { at, since: Instant::now(), is_frozen, instant }
    }
}

/// A reproducible sequence of ids.
#[derive(Debug)]
struct IdSequence {
    /// The hash of the seed and the account's name.
    key: [u8; 32],
    next: AtomicU64,
}

impl IdSequence {
    /// Creates the sequence of an account.
    fn new(seed: u64, account: &str) -> Self {
        let key = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(account);
        Self { key: key.finalize().into(), next: AtomicU64::new(0) }
    }

    /// Returns the next bytes.
    fn next(&self) -> [u8; 32] {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Sha256::new().chain_update(self.key).chain_update(number.to_be_bytes()).finalize().into()
    }
}

/// The scopes of all accounts, by their names.
#[derive(Debug, Default)]
pub(crate) struct AccountScopes {
    /// The seed of all ids; `None`: they are random.
    seed: Option<u64>,
    clocks: RwLock<HashMap<String, Arc<Clock>>>,
    sequences: Mutex<HashMap<String, Arc<IdSequence>>>,
}

impl AccountScopes {
    /// Creates the scopes of a server. With a seed, ids are reproducible.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Returns the scope of an account.
    pub(crate) fn of(&self, account: &str) -> AccountScope {
        let ids = self.seed.map(|seed| {
            let mut all = self.sequences.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(IdSequence::new(seed, account));
            Arc::clone(all.entry(account.to_owned()).or_insert_with(new))
        });
        AccountScope { clock: self.clock(account), ids }
    }

    /// Returns the clock of an account; `None` for the system's.
    fn clock(&self, account: &str) -> Option<Arc<Clock>> {
        let clocks = self.clocks.read().unwrap_or_else(PoisonError::into_inner);
        clocks.get(account).cloned()
    }

    /// Returns the time of an account.
    pub(crate) fn now(&self, account: &str) -> Timestamp {
        self.clock(account).map_or_else(Timestamp::now, |clock| clock.now())
    }

    /// Returns the position of an account's clock on the scale of [`Instant`].
    pub(crate) fn instant(&self, account: &str) -> Instant {
        self.clock(account).map_or_else(Instant::now, |clock| clock.instant())
    }

    /// Returns the state of an account's clock.
    pub(crate) fn state(&self, account: &str) -> ClockState {
        match self.clock(account) {
            Some(clock) => ClockState { now: clock.now(), frozen: clock.is_frozen, system: false },
            None => ClockState { now: Timestamp::now(), frozen: false, system: true },
        }
    }

    /// Changes the clock of an account. `change` gets the current time, and returns the new one and
    /// whether the clock is frozen; `None` leaves the clock as it is. Returns whether it was changed.
    pub(crate) fn set(
        &self,
        account: &str,
        change: impl FnOnce(Timestamp, bool) -> Option<(Timestamp, bool)>,
    ) -> bool {
        let mut clocks = self.clocks.write().unwrap_or_else(PoisonError::into_inner);
        let clock = clocks.get(account).map_or_else(Clock::system, |clock| (**clock).clone());
        let Some((at, is_frozen)) = change(clock.now(), clock.is_frozen) else { return false };
        clocks.insert(account.to_owned(), Arc::new(clock.set(at, is_frozen)));
        true
    }

    /// Restores the start of an account: the system's clock, and the first id.
    pub(crate) fn reset(&self, account: &str) {
        self.clocks.write().unwrap_or_else(PoisonError::into_inner).remove(account);
        self.sequences.lock().unwrap_or_else(PoisonError::into_inner).remove(account);
    }

    /// Sets the clock of an account to the system's.
    pub(crate) fn reset_clock(&self, account: &str) {
        self.clocks.write().unwrap_or_else(PoisonError::into_inner).remove(account);
    }

    /// Restores the start of all accounts.
    pub(crate) fn reset_all(&self) {
        self.clocks.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.sequences.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frozen_clock_shows_its_time_within_its_scope_only() {
        let scopes = AccountScopes::new(None);
        let at: Timestamp = "2024-05-06T07:08:09Z".parse().expect("a time");
        assert!(scopes.set("anna", |_, _| Some((at, true))));
        assert_eq!(scopes.of("anna").run(async { now() }).await, at);
        assert!(scopes.of("bob").run(async { now() }).await > at);
        let later = at + SignedDuration::from_hours(1);
        let before = scopes.instant("anna");
        assert!(
            scopes.set("anna", |now, frozen| Some((now + SignedDuration::from_hours(1), frozen)))
        );
        assert_eq!(scopes.now("anna"), later);
        assert_eq!(scopes.instant("anna") - before, Duration::from_secs(3600));
        scopes.reset("anna");
        assert!(scopes.state("anna").system);
    }

    #[tokio::test]
    async fn a_seed_makes_the_ids_of_an_account_reproducible() {
        let ids = |scopes: &AccountScopes, account: &str| {
            let scope = scopes.of(account);
            async move { scope.run(async { [random_bytes::<16>(), random_bytes()] }).await }
        };
        let (first, second) = (AccountScopes::new(Some(7)), AccountScopes::new(Some(7)));
        // Another account between does not matter.
        let of_bob = ids(&second, "bob").await;
        let of_anna = ids(&first, "anna").await;
        assert_eq!(of_anna, ids(&second, "anna").await);
        assert_ne!(of_anna, of_bob);
        assert_ne!(of_anna[0], of_anna[1]);
        first.reset("anna");
        assert_eq!(of_anna, ids(&first, "anna").await);
        assert_ne!(of_anna, ids(&AccountScopes::new(Some(8)), "anna").await);
    }
}
