//! OneDrive over Microsoft Graph: personal, Business and SharePoint drives as an OpenDAL service.
//!
//! A drop-in for OpenDAL's own: it has the same scheme, and each of its options.
//!
//! ```no_run
//! use drivedal::services::onedrive::OneDrive;
//! use opendal::Operator;
//!
//! # async fn example() -> opendal::Result<()> {
//! drivedal::register();
//! let builder = OneDrive::default().client_id("app").refresh_token("M.C5…").token_file("tokens.json");
//! let operator = Operator::new(builder)?;
//! let same = Operator::from_uri("onedrive://?client_id=app&refresh_token=M.C5…&token_file=tokens.json")?;
//! operator.write("notes/today.txt", "hello").await?;
//! assert_eq!(same.read("notes/today.txt").await?.to_vec(), b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! What can be expected of it:
//!
//! * Everything is asked by path: one request for a look, for a file's bytes when a listing or a
//!   look has just told its download URL (two otherwise), for making a folder with all above it, for
//!   renaming, moving and replacing, for removing a tree.
//! * A file goes in one request; from 10 MiB on, or when its modification time is announced, in an
//!   upload session. Either way it is compared with the cloud's quickXorHash ([`QuickXor`]) where
//!   the answer tells it, and with its size. SharePoint rewrites Office and HTML files as they
//!   arrive; those cannot be compared, which the log says.
//! * From a drive's root a whole tree is listed in one paged answer; in personal drives from any
//!   folder, if [`account_kind`](OneDriveConfig::account_kind) says that it is one.
//! * A write that must meet an etag is addressed by the item's id, because Graph makes a new file of
//!   a path that is free whatever etag was asked for: one look more, unless the item is known.
//! * Modification times are kept, in Business to the second. Names are compared without case.
//! * OneNote notebooks, a locked Personal Vault and whatever else is neither file nor folder are
//!   listed and cannot be read. Shortcuts to other people's folders are listed as what they stand
//!   for, entered by id, and removed as shortcuts; a path that leads through one is Graph's to
//!   resolve.
//! * Copies onto an existing file of a personal drive are made beside it and renamed onto it.
//!
//! [`Client`] is the protocol itself, one method per request, for those who want no paths.

mod account_kind;
mod address;
mod changes;
mod client;
mod cloud;
mod config;
mod conflict;
mod copy;
mod download;
mod drive;
mod drive_lookup;
mod error;
mod item;
mod list;
pub mod model;
mod names;
mod quick_xor;
mod recursive_list;
mod rename;
mod resource_units;
mod session;
#[cfg(test)]
mod tests;
mod upload;
mod verify;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use opendal::{Builder, OperatorRegistry, Result, raw::Service};

use self::drive::GraphDrive;
pub use self::{
    account_kind::AccountKind,
    address::{Address, DriveRef, PathStyle},
    client::{Client, CopyProgress, Fragment, PAGE_MAX, Uploaded},
    cloud::Cloud,
    config::OneDriveConfig,
    quick_xor::QuickXor,
};
use crate::{
    adapter::{DriveHandle, DriveService},
    services::options::settings,
};

/// OpenDAL's name of this service, and of its own.
pub const ONEDRIVE_SCHEME: &str = "onedrive";

/// Makes `onedrive://…` known to `Operator::from_uri` and `Operator::via_iter`.
pub fn register_onedrive_service(registry: &OperatorRegistry) {
    registry.register::<OneDrive>(ONEDRIVE_SCHEME);
}

/// Builds the service; see [`OneDriveConfig`] for what each option means.
#[derive(Clone, Debug, Default)]
pub struct OneDrive {
    config: OneDriveConfig,
}

setters! {
    OneDrive: OneDriveConfig;
    root name endpoint allowed_hosts oauth_endpoint tenant client_id client_secret access_token
    refresh_token token_file drive_id user group site library special;
    cloud: Cloud, account_kind: AccountKind, index_ttl: Duration, upload_fragment: u64,
    defer_commit: bool,
}

impl OneDrive {
    /// The service, and the handle for what OpenDAL has no words for.
    ///
    /// # Errors
    /// `ConfigInvalid`, with what is wrong.
    pub fn build_with_handle(self) -> Result<(DriveService, DriveHandle)> {
        let config = self.config;
        let special = config.special.as_deref().filter(|name| !name.is_empty());
        let drive = GraphDrive::new(config.client()?, config.home()?, special, config.account_kind)
            .with_sessions(config.upload_fragment, config.defer_commit);
        let settings = settings(ONEDRIVE_SCHEME, config.name, config.root, config.index_ttl);
        let service = DriveService::new(Arc::new(drive), settings);
        let handle = service.handle();
        Ok((service, handle))
    }
}

impl Builder for OneDrive {
    type Config = OneDriveConfig;

    fn build(self) -> Result<impl Service> {
        self.build_with_handle().map(|(service, _)| service)
    }
}
