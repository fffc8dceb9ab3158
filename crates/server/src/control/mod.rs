//! What a test may ask of the server and change in it, besides what the protocols allow.

mod fixtures;
mod http;

use std::sync::Arc;

use serde::Serialize;

pub use fixtures::{AddedFixture, FixtureError, FixtureItem, FixtureKind};
pub(super) use http::router;

use super::{
    ServerError,
    budget::Budget,
    faults::{ActiveFault, Fault, FaultError},
    request_log::{Counters, RequestRecord},
    seed,
    state::ServerState,
    tree::Audit,
};

/// Two items of one folder whose names are one name to the drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NameConflict {
    /// The account's name; the default account's is empty.
    pub account: String,
    /// The folder's path, from the root on.
    pub folder: String,
    /// The number of the item that its path does not lead to.
    pub item: i64,
    /// Its name.
    pub name: String,
    /// The number of the older item, to which the path leads.
    pub older: i64,
    /// The older item's name.
    pub older_name: String,
}

/// The typed form of `/_control`: counters, request log, faults, planted items, reset. A handle
/// that can be cloned; what it does shows in the next request.
#[derive(Clone, Debug)]
pub struct Control {
    pub(super) state: Arc<ServerState>,
}

impl Control {
    /// How many requests came since the start or the last reset. A request is counted when it
    /// arrives.
    pub fn counters(&self) -> Counters {
        self.state.log.counters()
    }

    /// Begins to count, and to log, anew.
    pub fn reset_counters(&self) {
        self.state.log.reset();
    }

    /// Returns the last requests that are done, in the order in which they were done: at most
    /// [`MAX_LOGGED`](crate::MAX_LOGGED), and at most [`MAX_LOGGED_BYTES`](crate::MAX_LOGGED_BYTES) of memory.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state.log.requests().iter().map(|record| (**record).clone()).collect()
    }

    /// Compares the bytes that are kept with those that files and upload sessions are made of: what
    /// a crash left is an orphan until it is removed, which begins when the server starts.
    pub async fn audit(&self) -> Result<Audit, ServerError> {
        self.state.tree.audit().await.map_err(ServerError::Tree)
    }

    /// Returns the items whose name in their folder is that of an older item, in all drives. They
    /// come from data whose names were kept apart: by an earlier version, or while the account was
    /// of another kind. Such an item is listed and found by its id; its path leads to the older one.
    /// Renaming either ends the conflict.
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

    /// Puts fault rules in force, behind those that are; all of them, or none if one is bad. The
    /// dice of rules with a share are thrown from the seed that is returned.
    pub fn add_faults(&self, rules: impl IntoIterator<Item = Fault>) -> Result<u64, FaultError> {
        self.state.faults.add(rules.into_iter().collect(), None)
    }

    /// The same with a seed, to see again what another run saw: see [`Fault`].
    pub fn add_faults_with_seed(
        &self,
        rules: impl IntoIterator<Item = Fault>,
        seed: u64,
    ) -> Result<(), FaultError> {
        self.state.faults.add(rules.into_iter().collect(), Some(seed)).map(drop)
    }

    /// What the seeds of rules are made of that are added without one: that of the first, and one
    /// more each time. For a test to print when it fails.
    pub fn fault_seed(&self) -> u64 {
        self.state.faults.seed()
    }

    /// The rules in force, and what they have done.
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.state.faults.active()
    }

    /// Puts all fault rules out of force.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// What every account may ask for in a window of time, if that is limited.
    pub fn budget(&self) -> Option<Budget> {
        self.state.budgets.budget()
    }

    /// Limits what every account may ask for, or no more; of a new budget nothing is used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn set_budget(&self, budget: Option<Budget>) -> Result<(), &'static str> {
        budget.as_ref().map_or(Ok(()), Budget::check)?;
        self.state.budgets.set(budget);
        Ok(())
    }

    /// Plants items that no request can make; see [`FixtureItem`]. One after another; what was planted
    /// before one that fails stays.
    pub async fn add_fixtures(
        &self,
        items: impl IntoIterator<Item = FixtureItem>,
    ) -> Result<Vec<AddedFixture>, FixtureError> {
        fixtures::add(&self.state, items.into_iter().collect()).await
    }

    /// How many upload sessions are open on an account's drive: bytes that were sent and belong to
    /// no file yet. The default account's name is empty.
    pub async fn upload_sessions(&self, account: &str) -> Result<u64, ServerError> {
        let account = self.state.accounts.open(account).await.map_err(ServerError::Tree)?;
        self.state.tree.sessions(account.drive).await.map_err(ServerError::Tree)
    }

    /// Makes the server what it was when it started: every drive is gone, the default drive has
    /// the files of the seed folder, there are no faults, and counters and log are empty. A
    /// budget stays in force, and nothing of it is used. Tokens stay good; uploads under way are
    /// lost.
    pub async fn reset_state(&self) -> Result<(), ServerError> {
        self.state.faults.restart();
        self.state.tree.reset().await.map_err(ServerError::Tree)?;
        self.state.accounts.clear();
        self.state.budgets.clear();
        if let Some(folder) = &self.state.seed_folder {
            seed::seed(&self.state, folder).await?;
        }
        self.state.log.reset();
        Ok(())
    }
}
