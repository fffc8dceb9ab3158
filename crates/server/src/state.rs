//! The state that all requests of a server share.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    account::Accounts,
    account_scope::AccountScopes,
    bin_policy::BinPolicy,
    budget::Budgets,
    cloud_behavior::CloudBehavior,
    cross_site::Allowed,
    faults::FaultEngine,
    instance_file::Instance,
    item_activity::ItemActivities,
    limits::Load,
    media::Thumbnails,
    request_log::RequestLog,
    secret::Secret,
    sign_in::{entra::DeviceCodes, signing_key::SigningKey},
    signed_token::{TokenSigner, UsedTokens},
    tree::{BinLimits, Tree},
};

/// Settings that affect responses.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The delay of every request.
    pub latency: Duration,
    /// The lifetime of a download URL.
    pub download_url_life: Duration,
    /// The lifetime of an upload session after its last fragment.
    pub session_life: Duration,
    /// Whether applications may remove nodes of Amazon Cloud Drive for good.
    pub allow_purge: bool,
    /// The number of versions that a drive keeps of a file; `None` for that of its cloud.
    pub max_versions: Option<u32>,
    /// Behaviour of the clouds that is switched off by default.
    pub behavior: CloudBehavior,
    /// Hosts and origins that the server accepts besides its own.
    pub allowed: Allowed,
    /// Whether the server fetches subscribed calendars from other machines.
    pub fetches_from_any_host: bool,
}

/// The state that all requests of a server share.
#[derive(Debug)]
pub(super) struct ServerState {
    pub settings: Settings,
    /// The items of all drives, and their bytes.
    pub tree: Arc<Tree>,
    /// The clocks and sources of ids of all accounts.
    pub scopes: Arc<AccountScopes>,
    /// The limits of the recycle bins.
    pub bin_policy: BinPolicy,
    /// Signs and verifies tokens and download URLs.
    pub signer: TokenSigner,
    pub accounts: Accounts,
    /// Signs id tokens.
    pub signing_key: SigningKey,
    /// Device codes that were issued.
    pub device_codes: DeviceCodes,
    /// Authorization codes that were exchanged: a code is valid once.
    pub used_codes: UsedTokens,
    /// Client assertions that were used, by client and `jti`.
    pub used_assertions: UsedTokens,
    pub log: Arc<RequestLog>,
    pub faults: FaultEngine,
    pub budgets: Budgets,
    /// The number of requests in progress, and its limit.
    pub load: Load,
    pub thumbnails: Thumbnails,
    /// The numbers of actions on items.
    pub item_activities: ItemActivities,
    /// The folder whose files the default drive starts with.
    pub seed_folder: Option<PathBuf>,
    /// JSON files with the objects of Live Connect that accounts start with.
    pub seed_files: Vec<PathBuf>,
    /// The token that control requests must carry; `None` if they need none.
    pub control_token: Option<Secret>,
    /// The certificate authority in PEM; `None` if the server does not stand in for the clouds' hosts.
    pub authority: Option<String>,
    /// Distinguishes this server from another one at the same address.
    pub instance: Instance,
}

impl ServerState {
    /// Returns the limits of an account's recycle bin at the account's current time.
    pub(super) fn bin_limits(&self, account: &str) -> BinLimits {
        self.bin_policy.limits(account, self.scopes.now(account))
    }
}
