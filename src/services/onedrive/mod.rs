//! OneDrive over Microsoft Graph: personal, Business and SharePoint drives as an OpenDAL service.
//!
//! The service is a drop-in replacement for OpenDAL's own: it has the same scheme and supports the
//! same options.
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
//! Behaviour:
//!
//! * **Requests.** Items are addressed by path. One request is enough for `stat`, for creating a
//!   folder with its parents, for a rename or move that may replace a file, and for deleting a tree.
//!   A read is one request after a `stat` or a listing, which contain the download URL, and two
//!   otherwise.
//! * **Uploads.** Files below 10 MiB are uploaded in one request. Larger files, and files with an
//!   announced modification time, are uploaded in a session.
//! * **Batches.** Concurrent requests for metadata, folders, upload sessions and deletions are gathered
//!   into `$batch`, at most 20 in one. This needs the transport of this crate. A gateway that refuses
//!   batches gets them one by one.
//! * **URLs that need a token.** In tenants without pre-authenticated URLs, downloads get the token of
//!   Graph. Upload sessions and the status of copies need a token for SharePoint, from the same refresh
//!   token: the application needs the permission `AllSites.Write` of SharePoint. Without it, files of
//!   at most 250 MB are uploaded in one request, and their times are set by a second one. Larger files
//!   cannot be uploaded. The service notices this by a rejected request.
//! * **Verification.** After an upload, size and quickXorHash ([`QuickXor`]) are compared with those
//!   in the response, if it has them. SharePoint rewrites Office and HTML files, so these cannot be
//!   compared; the service logs a warning if they differ.
//! * **Listings.** A recursive listing of a drive's root is one paged request. In personal drives
//!   this applies to every folder, if [`account_kind`](OneDriveConfig::account_kind) is set.
//! * **Conditions.** A write with `if_match` addresses the item by id, because Graph ignores the etag
//!   if the path is free. This takes one more request, unless the id is known.
//! * **Metadata.** Modification times are preserved, in Business accounts with a resolution of one
//!   second. Names are compared without case.
//! * **Special items.** OneNote notebooks, a locked Personal Vault and other items that are neither
//!   file nor folder are listed but cannot be read. Shortcuts to folders of other users are listed
//!   with the kind of their target. Reads and listings use the target; a delete deletes the shortcut.
//!   Graph resolves paths that lead through a shortcut.
//! * **Sharing URLs.** With the option [`sharing_url`](OneDriveConfig::sharing_url), the root is a folder
//!   that another user shares. Such a remote has no change feed.
//! * **Versions.** A listing with versions sends one request for each file. Only such a listing contains
//!   the ids of versions.
//! * **Copies.** In personal drives, a copy that replaces a file gets a temporary name first and is
//!   then renamed.
//!
//! [`Client`] is the protocol without this logic: one method per request.

mod account_kind;
mod actions;
mod address;
mod batch;
mod capabilities;
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
mod presign;
mod quick_xor;
mod recursive_list;
mod rename;
mod resource_units;
mod search;
mod session;
mod sharing;
mod sign_in;
mod state;
#[cfg(test)]
mod tests;
mod upload;
mod verify;
mod versions;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use opendal::{Builder, OperatorRegistry, Result, raw::Service};

use self::state::GraphDrive;
pub use self::{
    account_kind::AccountKind,
    address::{Address, DriveRef, PathStyle},
    client::{
        Client, CopyProgress, FragmentOutcome, PAGE_MAX, SHAREPOINT_TOKEN_REQUIRED, Uploaded,
    },
    cloud::NationalCloud,
    config::OneDriveConfig,
    drive::{configured_drive, item_document},
    quick_xor::QuickXor,
};
use crate::{
    adapter::{DriveHandle, DriveService, NameEncoding},
    services::options::{name_encoding, settings},
};

/// Scheme of this service, and of OpenDAL's own.
pub const ONEDRIVE_SCHEME: &str = "onedrive";

/// Registers the scheme `onedrive` for `Operator::from_uri` and `Operator::via_iter`.
pub fn register_onedrive_service(registry: &OperatorRegistry) {
    registry.register::<OneDrive>(ONEDRIVE_SCHEME);
}

/// Builder of the service. [`OneDriveConfig`] documents the options.
#[derive(Clone, Debug, Default)]
pub struct OneDrive {
    config: OneDriveConfig,
}

setters! {
    OneDrive: OneDriveConfig;
    root name endpoint allowed_hosts oauth_endpoint tenant client_id client_secret
    client_certificate access_token refresh_token refresh_token_env token_file drive_id user group
    site library sharing_url special sharepoint_audience allow_http ca_cert proxy encoding;
    cloud: NationalCloud, account_kind: AccountKind, index_ttl: Duration, upload_fragment: u64,
    defer_commit: bool, connect_timeout: Duration, response_timeout: Duration,
    idle_timeout: Duration, pool_size: usize,
}

impl OneDrive {
    /// Returns the service, and a handle for features that OpenDAL does not have.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, a URL, a
    /// host, a header or the proxy cannot be parsed, or the file of certificates cannot be read.
    pub fn build_with_handle(self) -> Result<(DriveService, DriveHandle)> {
        let config = self.config;
        let default = NameEncoding::onedrive();
        let encoding = name_encoding(ONEDRIVE_SCHEME, config.encoding.as_deref(), default)?;
        let special = config.special.as_deref().filter(|name| !name.is_empty());
        let (client, lookup) = (config.client()?, config.drive_lookup()?);
        let drive = GraphDrive::new(client, lookup, special, config.account_kind)
            .with_sessions(config.upload_fragment, config.defer_commit);
        let mut settings = settings(ONEDRIVE_SCHEME, config.name, config.root, config.index_ttl);
        settings.name_encoding = encoding;
        let service = DriveService::new(Arc::new(drive), settings);
        let handle = service.handle();
        Ok((service, handle))
    }
}

impl Builder for OneDrive {
    type Config = OneDriveConfig;

    /// Returns the service alone.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, a URL, a
    /// host, a header or the proxy cannot be parsed, or the file of certificates cannot be read.
    fn build(self) -> Result<impl Service> {
        self.build_with_handle().map(|(service, _)| service)
    }
}
