//! The data that all requests of a server share.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    account::Accounts,
    budget::Budgets,
    cross_site::Allowed,
    faults::FaultEngine,
    instance_file::Instance,
    limits::Load,
    media::Thumbnails,
    request_log::RequestLog,
    secret::Secret,
    signed_token::{TokenSigner, UsedTokens},
    tree::Tree,
};

/// Settings that responses depend on.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Delay of every request.
    pub latency: Duration,
    /// Lifetime of a download URL.
    pub download_url_life: Duration,
    /// Lifetime of an upload session.
    pub session_life: Duration,
    /// Hosts and origins that the server accepts besides its own.
    pub allowed: Allowed,
}

/// The data that all requests of a server share.
#[derive(Debug)]
pub(super) struct ServerState {
    pub settings: Settings,
    pub tree: Arc<Tree>,
    pub signer: TokenSigner,
    pub accounts: Accounts,
    /// Authorization codes that were exchanged.
    pub used_codes: UsedTokens,
    pub log: Arc<RequestLog>,
    pub faults: FaultEngine,
    pub budgets: Budgets,
    pub load: Load,
    pub thumbnails: Thumbnails,
    /// The folder whose files the default drive starts with.
    pub seed_folder: Option<PathBuf>,
    /// The token that control requests must carry, if any.
    pub control_token: Option<Secret>,
    /// Distinguishes this server from another one at the same address.
    pub instance: Instance,
}
