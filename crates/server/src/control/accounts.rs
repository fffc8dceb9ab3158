//! Control of one account, so that tests which run side by side do not affect each other: reset,
//! counters, log, faults, clock and snapshots.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Control;
use crate::{
    access::is_account_name,
    account_scope::ClockState,
    error::ServerError,
    faults::ActiveFault,
    request_log::{Counters, RequestRecord},
    seed,
    tree::{Snapshot, TreeError},
};

/// Maximum length of the name of a snapshot.
const MAX_SNAPSHOT_NAME: usize = 64;

/// A snapshot of an account's drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SnapshotRecord {
    /// The account's name; the default account's is empty.
    pub account: String,
    /// The name of the snapshot.
    pub name: String,
    /// When it was taken, by the account's clock.
    pub taken: Timestamp,
    /// Number of files and folders, also those in the recycle bin.
    pub items: u64,
}

impl From<Snapshot> for SnapshotRecord {
    /// Converts a snapshot of the tree.
    fn from(snapshot: Snapshot) -> Self {
        let Snapshot { account, name, taken, items } = snapshot;
        Self { account, name, taken, items }
    }
}

/// The reason why one account cannot be controlled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountControlError {
    /// The text is no name of an account.
    #[error("`{0}` is no name of an account")]
    AccountName(String),
    /// The text is no name of a snapshot.
    #[error(
        "`{0}` is no name of a snapshot: it has 1 to 64 letters, digits, dots, dashes and underscores"
    )]
    SnapshotName(String),
    /// The account has no snapshot with the name.
    #[error("the account has no snapshot `{0}`")]
    UnknownSnapshot(String),
    /// The clock cannot show the time.
    #[error("the time is out of range")]
    TimeOutOfRange,
    /// The storage failed, or the drive cannot be seeded.
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl Control {
    /// Checks the name of an account. The default account's is empty.
    ///
    /// # Errors
    /// [`AccountControlError::AccountName`] for another text.
    fn check_account(name: &str) -> Result<(), AccountControlError> {
        match name.is_empty() || is_account_name(name) {
            true => Ok(()),
            false => Err(AccountControlError::AccountName(name.to_owned())),
        }
    }

    /// Returns the number of requests of an account since the start or its last reset.
    pub fn account_counters(&self, account: &str) -> Counters {
        self.state.log.counters_of(account)
    }

    /// Resets the counters of an account, and removes its requests from the log.
    pub fn reset_account_counters(&self, account: &str) {
        self.state.log.reset_account(account);
    }

    /// Returns the last requests of an account, in the order of their completion.
    pub fn account_requests(&self, account: &str) -> Vec<RequestRecord> {
        let all = self.requests();
        all.into_iter().filter(|record| record.drive.as_deref() == Some(account)).collect()
    }

    /// Returns the active rules that are limited to an account, with their counters.
    pub fn account_faults(&self, account: &str) -> Vec<ActiveFault> {
        self.state.faults.active_on(account)
    }

    /// Removes the fault rules that are limited to an account.
    pub fn clear_account_faults(&self, account: &str) {
        self.state.faults.clear_account(account);
    }

    /// Restores the state that an account has at the server's start: its drive is removed, and seeded
    /// again if it is the default account's; fault rules that are limited to it are removed; counters,
    /// log and used budget are empty; the clock is the system's. Tokens remain valid; uploads in
    /// progress fail. Snapshots of the account remain, and other accounts are not affected.
    ///
    /// # Errors
    /// [`AccountControlError::AccountName`] for another text; [`AccountControlError::Server`] if the
    /// storage fails, or the drive cannot be seeded.
    pub async fn reset_account(&self, account: &str) -> Result<(), AccountControlError> {
        Self::check_account(account)?;
        let state = &self.state;
        state.faults.clear_account(account);
        state.scopes.reset(account);
        // The drive of an account that never was used is created for a moment.
        let opened = state.accounts.open(account).await.map_err(ServerError::Tree)?;
        state.tree.remove_drive(opened.drive).await.map_err(ServerError::Tree)?;
        state.accounts.close(account);
        state.budgets.clear_account(account);
        state.item_activities.clear(opened.drive);
        if account.is_empty() {
            seed::seed(state).await?;
        }
        state.log.reset_account(account);
        Ok(())
    }

    /// Returns the state of an account's clock.
    pub fn clock(&self, account: &str) -> ClockState {
        self.state.scopes.state(account)
    }

    /// Sets the clock of an account: every time that the server stores or compares for its requests.
    /// `time` is `None` for the clock's current time; a frozen clock keeps its time. The
    /// change applies from the next request on. Items whose time in the recycle bin is over are
    /// removed.
    ///
    /// # Errors
    /// [`AccountControlError::AccountName`] for another text; [`AccountControlError::Server`] if the
    /// storage fails.
    pub async fn set_clock(
        &self,
        account: &str,
        time: Option<Timestamp>,
        frozen: bool,
    ) -> Result<ClockState, AccountControlError> {
        Self::check_account(account)?;
        self.state.scopes.set(account, |now, _| Some((time.unwrap_or(now), frozen)));
        self.limit_bin(account).await?;
        Ok(self.clock(account))
    }

    /// Advances the clock of an account; a frozen one remains frozen. See
    /// [`set_clock`](Self::set_clock).
    ///
    /// # Errors
    /// [`AccountControlError::AccountName`] for another text; [`AccountControlError::TimeOutOfRange`]
    /// beyond the year 9999; [`AccountControlError::Server`] if the storage fails.
    pub async fn advance_clock(
        &self,
        account: &str,
        by: std::time::Duration,
    ) -> Result<ClockState, AccountControlError> {
        Self::check_account(account)?;
        let by = SignedDuration::try_from(by).map_err(|_| AccountControlError::TimeOutOfRange)?;
        let is_set = self
            .state
            .scopes
            .set(account, |now, frozen| now.checked_add(by).ok().map(|later| (later, frozen)));
        if !is_set {
            return Err(AccountControlError::TimeOutOfRange);
        }
        self.limit_bin(account).await?;
        Ok(self.clock(account))
    }

    /// Sets the clock of an account to the system's.
    pub fn reset_clock(&self, account: &str) {
        self.state.scopes.reset_clock(account);
    }

    /// Removes items from the recycle bin of an account whose time is over.
    ///
    /// # Errors
    /// [`ServerError::Tree`] if the storage fails.
    async fn limit_bin(&self, account: &str) -> Result<(), ServerError> {
        let state = &self.state;
        let drive = state.accounts.open(account).await.map_err(ServerError::Tree)?.drive;
        let limits = state.bin_limits(account);
        state.tree.limit_bin(drive, limits).await.map_err(ServerError::Tree)
    }

    /// Takes a snapshot of an account's drive: items, versions, permissions and contents, but no upload
    /// sessions. A snapshot with the same name is replaced. It costs no storage for contents.
    ///
    /// # Errors
    /// [`AccountControlError::AccountName`] and [`AccountControlError::SnapshotName`] for another
    /// text; [`AccountControlError::Server`] if the storage fails.
    pub async fn take_snapshot(
        &self,
        account: &str,
        name: &str,
    ) -> Result<SnapshotRecord, AccountControlError> {
        Self::check_account(account)?;
        if name.len() > MAX_SNAPSHOT_NAME || !is_account_name(name) {
            return Err(AccountControlError::SnapshotName(name.to_owned()));
        }
        let state = &self.state;
        let drive = state.accounts.open(account).await.map_err(ServerError::Tree)?.drive;
        let taken = state.scopes.of(account).run(state.tree.take_snapshot(drive, account, name));
        Ok(taken.await.map_err(ServerError::Tree)?.into())
    }

    /// Returns the snapshots of an account, oldest first.
    ///
    /// # Errors
    /// [`ServerError::Tree`] if the storage fails.
    pub async fn snapshots(&self, account: &str) -> Result<Vec<SnapshotRecord>, ServerError> {
        let all = self.state.tree.snapshots(account).await.map_err(ServerError::Tree)?;
        Ok(all.into_iter().map(SnapshotRecord::from).collect())
    }

    /// Restores an account's drive to a snapshot. Ids of items are those of the snapshot, and new items
    /// get the same ids as after the snapshot. Uploads in progress fail, and tokens of change feeds
    /// become invalid, as after a change that a cloud cannot track. The clock, faults, counters and
    /// tokens are not changed.
    ///
    /// # Errors
    /// [`AccountControlError::AccountName`] for another text;
    /// [`AccountControlError::UnknownSnapshot`]; [`AccountControlError::Server`] if the storage
    /// fails.
    pub async fn restore_snapshot(
        &self,
        account: &str,
        name: &str,
    ) -> Result<(), AccountControlError> {
        Self::check_account(account)?;
        let state = &self.state;
        let drive = state.accounts.open(account).await.map_err(ServerError::Tree)?.drive;
        let restored = state.tree.restore_snapshot(drive, account, name).await;
        restored.map_err(|error| Self::snapshot_error(error, name))?;
        // Its profile may be another one now.
        state.accounts.close(account);
        Ok(())
    }

    /// Removes a snapshot of an account.
    ///
    /// # Errors
    /// [`AccountControlError::UnknownSnapshot`]; [`AccountControlError::Server`] if the storage
    /// fails.
    pub async fn remove_snapshot(
        &self,
        account: &str,
        name: &str,
    ) -> Result<(), AccountControlError> {
        let removed = self.state.tree.remove_snapshot(account, name).await;
        removed.map_err(|error| Self::snapshot_error(error, name))
    }

    /// Converts the tree's error of an operation on the snapshot `name`.
    fn snapshot_error(error: TreeError, name: &str) -> AccountControlError {
        match error {
            TreeError::NotFound => AccountControlError::UnknownSnapshot(name.to_owned()),
            error => ServerError::Tree(error).into(),
        }
    }
}
