//! The control API: tests use it to inspect the server, and to change it in ways that no protocol
//! offers.

mod accounts;
mod accounts_http;
mod fixture_permissions;
mod fixtures;
mod http;

use std::sync::Arc;

use serde::Serialize;

pub use accounts::{AccountControlError, SnapshotRecord};
pub use fixture_permissions::FixturePermission;
pub use fixtures::{AddedFixture, FixtureError, FixtureItem, FixtureKind, InvalidFixture};
pub(super) use http::router;

pub use crate::live::account_objects::fixtures::{LiveObject, LiveObjectError, LiveObjectType};

use crate::{
    budget::{Budget, BudgetError},
    directory::{Directory, DirectoryError},
    error::ServerError,
    faults::{ActiveFault, Fault, FaultError},
    live::account_objects::fixtures as live_fixtures,
    request_log::{Counters, RequestRecord},
    seed,
    sign_in::SignInOptions,
    state::ServerState,
    tree::Audit,
};

/// Two items of one folder whose names are equal for the drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NameConflict {
    /// The account's name; the default account's is empty.
    pub account: String,
    /// The folder's path, starting with a slash.
    pub folder: String,
    /// The number of the item that cannot be found by its path.
    pub item: i64,
    /// Its name.
    pub name: String,
    /// The number of the older item, which the path leads to.
    pub older: i64,
    /// The older item's name.
    pub older_name: String,
}

/// The control API in Rust; `/_control` is the same over HTTP. A cheap handle that can be cloned.
/// Changes apply from the next request on.
#[derive(Clone, Debug)]
pub struct Control {
    pub(super) state: Arc<ServerState>,
}

impl Control {
    /// Returns the number of requests since the start or the last reset. A request is counted when it
    /// arrives.
    pub fn counters(&self) -> Counters {
        self.state.log.counters()
    }

    /// Resets the counters and clears the request log.
    pub fn reset_counters(&self) {
        self.state.log.reset();
    }

    /// Returns the last requests in the order of their completion: at most
    /// [`MAX_LOGGED`](crate::MAX_LOGGED), and at most [`MAX_LOGGED_BYTES`](crate::MAX_LOGGED_BYTES) of
    /// memory.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state.log.requests().iter().map(|record| (**record).clone()).collect()
    }

    /// Compares the stored blobs with those that files and upload sessions refer to. After a crash,
    /// unreferenced blobs are orphans until they are removed, which begins when the server starts.
    ///
    /// # Errors
    /// [`ServerError::Tree`] if the storage fails.
    pub async fn audit(&self) -> Result<Audit, ServerError> {
        self.state.tree.audit().await.map_err(ServerError::Tree)
    }

    /// Returns the items of all drives whose name equals that of an older item in their folder.
    ///
    /// Such items exist in data of an earlier version, or of an account whose kind was changed: the
    /// names were different under the rules of that time. The item is listed and found by its id; its
    /// path leads to the older one. Renaming either of them ends the conflict.
    ///
    /// # Errors
    /// [`ServerError::Tree`] if the storage fails.
    pub async fn name_conflicts(&self) -> Result<Vec<NameConflict>, ServerError> {
        let tree = &self.state.tree;
        let path = async |drive, item| {
            tree.path(drive, item).await.map(|names| format!("/{}", names.join("/")))
        };
        let mut listed = Vec::new();
        for conflict in tree.name_conflicts().await.map_err(ServerError::Tree)? {
            let folder = path(conflict.drive, conflict.folder).await.map_err(ServerError::Tree)?;
            listed.push(NameConflict {
                account: conflict.account,
                folder,
                item: conflict.item.0,
                name: conflict.name,
                older: conflict.older.0,
                older_name: conflict.older_name,
            });
        }
        Ok(listed)
    }

    /// Adds fault rules behind the active ones. Returns the seed of their random numbers.
    ///
    /// # Errors
    /// [`FaultError`] with the number, from 1, of the first invalid rule. None of the rules is
    /// added then.
    pub fn add_faults(&self, rules: impl IntoIterator<Item = Fault>) -> Result<u64, FaultError> {
        self.state.faults.add(rules.into_iter().collect(), None)
    }

    /// Adds fault rules with the seed of another run, to repeat its decisions; see [`Fault`].
    ///
    /// # Errors
    /// [`FaultError`] with the number, from 1, of the first invalid rule. None of the rules is
    /// added then.
    pub fn add_faults_with_seed(
        &self,
        rules: impl IntoIterator<Item = Fault>,
        seed: u64,
    ) -> Result<(), FaultError> {
        self.state.faults.add(rules.into_iter().collect(), Some(seed)).map(drop)
    }

    /// Returns the base of the seeds of rules that are added without one. The first addition uses it,
    /// each further one the next number. A test can print it when it fails.
    pub fn fault_seed(&self) -> u64 {
        self.state.faults.seed()
    }

    /// Returns the active rules with their counters.
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.state.faults.active()
    }

    /// Removes all fault rules.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// Returns the budget of every account; `None`: unlimited.
    pub fn budget(&self) -> Option<Budget> {
        self.state.budgets.budget()
    }

    /// Replaces the budget of every account; `None`: unlimited. No units of the new budget are
    /// used.
    ///
    /// # Errors
    /// [`BudgetError`] for a budget without units or with a window of zero or more than a thousand
    /// years. The old budget remains.
    pub fn set_budget(&self, budget: Option<Budget>) -> Result<(), BudgetError> {
        budget.as_ref().map_or(Ok(()), Budget::check)?;
        self.state.budgets.set(budget);
        Ok(())
    }

    /// Creates items that no request of a client can create, in order; see [`FixtureItem`].
    ///
    /// # Errors
    /// [`FixtureError`] with the number, from 1, of the first item that cannot be created: it is
    /// invalid, its name is taken, the drive is full, or the storage fails. The items before it
    /// remain.
    pub async fn add_fixtures(
        &self,
        items: impl IntoIterator<Item = FixtureItem>,
    ) -> Result<Vec<AddedFixture>, FixtureError> {
        fixtures::add(&self.state, items.into_iter().collect()).await
    }

    /// Returns the users and applications of the sign-in; `None` if the sign-in accepts all. Serialized,
    /// it has no secrets.
    pub fn directory(&self) -> Option<Directory> {
        self.state.accounts.directory().map(|index| index.directory().clone())
    }

    /// Replaces the users and applications of the sign-in; `None`: it accepts all. Tokens of users and
    /// applications that are no longer there become invalid.
    ///
    /// # Errors
    /// [`DirectoryError`] with the key of the first user whose tenant cannot be determined for the
    /// server's kind of accounts. The old directory remains.
    pub fn set_directory(&self, directory: Option<Directory>) -> Result<(), DirectoryError> {
        self.state.accounts.set_directory(directory)
    }

    /// Adds users and applications to the sign-in. An entry replaces the one with the same name or id.
    ///
    /// # Errors
    /// [`DirectoryError`] with the key of the first entry of the result that breaks one of the
    /// [rules](Directory#rules), or of the first user whose tenant cannot be determined for the
    /// server's kind of accounts. Nothing is added then.
    pub fn add_to_directory(&self, added: Directory) -> Result<(), DirectoryError> {
        let directory = self.directory().unwrap_or_default().merge(added)?;
        self.set_directory(Some(directory))
    }

    /// Returns the options of the sign-in.
    pub fn sign_in_options(&self) -> SignInOptions {
        self.state.accounts.families.options()
    }

    /// Replaces the options of the sign-in.
    pub fn set_sign_in_options(&self, options: SignInOptions) {
        self.state.accounts.families.set_options(options);
    }

    /// Creates objects of Live Connect outside the drive, in order: users, contacts, calendars, events,
    /// activities and applications; see [`LiveObject`]. Returns them with their ids.
    ///
    /// # Errors
    /// [`LiveObjectError`] with the number, from 1, of the first object that cannot be created: it
    /// is invalid, its calendar does not exist, or the storage fails. The objects before it remain.
    pub async fn add_live_objects(
        &self,
        objects: impl IntoIterator<Item = LiveObject>,
    ) -> Result<Vec<LiveObject>, LiveObjectError> {
        live_fixtures::add(&self.state, objects.into_iter().collect()).await
    }

    /// Returns the stored objects of Live Connect of an account, of one type or of all types. The default
    /// account's name is empty. Activities, which the protocol cannot read, are among them.
    ///
    /// # Errors
    /// [`ServerError::Tree`] if the storage fails, or its disk is full when the account's drive is
    /// created.
    pub async fn live_objects(
        &self,
        account: &str,
        object_type: Option<LiveObjectType>,
    ) -> Result<Vec<LiveObject>, ServerError> {
        let listed = live_fixtures::list(&self.state, account, object_type).await;
        listed.map_err(ServerError::Tree)
    }

    /// Returns the number of open upload sessions on an account's drive. The default account's name is
    /// empty.
    ///
    /// # Errors
    /// [`ServerError::Tree`] if the storage fails, or its disk is full when the account's drive is
    /// created.
    pub async fn upload_sessions(&self, account: &str) -> Result<u64, ServerError> {
        let account = self.state.accounts.open(account).await.map_err(ServerError::Tree)?;
        self.state.tree.sessions(account.drive).await.map_err(ServerError::Tree)
    }

    /// Restores the state of the server's start: all drives and snapshots are removed, the seed folder
    /// and the seed files are read again, the fault rules are removed, counters and log are empty, all
    /// clocks are the system's. The budget remains, and none of it is used. Tokens remain valid; uploads in progress fail.
    ///
    /// # Errors
    /// [`ServerError::Tree`] if the storage fails; [`ServerError::Seed`] and
    /// [`ServerError::SeedFile`] if the seed folder or a seed file cannot be read or stored. The
    /// drives are empty then, or in part seeded.
    pub async fn reset_state(&self) -> Result<(), ServerError> {
        self.state.faults.reset();
        self.state.tree.reset().await.map_err(ServerError::Tree)?;
        self.state.accounts.clear();
        self.state.budgets.clear();
        self.state.item_activities.clear_all();
        self.state.scopes.reset_all();
        seed::seed(&self.state).await?;
        self.state.log.reset();
        Ok(())
    }
}
