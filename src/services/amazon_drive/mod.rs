//! Amazon Cloud Drive, REST v1, as an OpenDAL service.
//!
//! ```no_run
//! use drivedal::services::amazon_drive::AmazonDrive;
//! use opendal::Operator;
//!
//! # async fn example() -> opendal::Result<()> {
//! drivedal::register();
//! let builder = AmazonDrive::default().client_id("amzn1.app…").refresh_token("Atzr|…");
//! let operator = Operator::new(builder)?;
//! let same = Operator::from_uri("amazon-drive://?client_id=amzn1.app…&refresh_token=Atzr|…")?;
//! operator.write("notes/today.txt", "hello").await?;
//! assert_eq!(same.read("notes/today.txt").await?.to_vec(), b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! Differences from other services:
//!
//! * A file is uploaded in one request, whatever its size (at most 50 GiB); with our
//!   [transport](crate::transport) it is streamed from disk. An interrupted upload cannot be resumed.
//!   After a timeout (408, 504) the file often exists all the same: the service
//!   [searches for it](AmazonDriveConfig::upload_wait) by name, size and MD5 before it reports the
//!   error.
//! * Every write is checked by size and MD5. So is every read of a whole file in one stream, unless
//!   [disabled](AmazonDriveConfig::unchecked_reads). The MD5 is the etag of an item. A read with
//!   `if_match` or `if_none_match` requests the item first.
//! * The cloud sets modification times, and has no copy within the drive.
//! * Names are compared without regard to case. A file may be in several folders, under one name. To
//!   delete it removes it from the folder of the path; from its last folder it moves to the trash,
//!   where it remains for 30 days.
//! * Folders may be in several folders, too, and may contain themselves.
//! * [To replace a file by a rename](AmazonDrive#renaming) takes several requests.
//!
//! [`Client`] is the protocol itself, with one method per request, for users who do not need paths.
//! [`acdcli`] compares it with the former library in Python.

mod changes;
mod client;
mod config;
mod delete;
mod download;
mod drive;
mod error;
mod extensions;
mod filter;
mod item;
mod late_upload;
mod list;
mod md5;
mod model;
mod names;
mod rename;
mod state;
#[cfg(test)]
mod tests;
mod upload;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use opendal::{Builder, OperatorRegistry, Result, raw::Service};

use self::state::NodeDrive;
pub use self::{
    client::{
        ChangesQuery, Client, Deduplication, ListQuery, PAGE_MAX, ResumableDownload, UploadedNode,
    },
    config::AmazonDriveConfig,
    filter::{Filter, FilterDate, FilterField},
    md5::Md5Sum,
    model::{
        AccountInfo, AccountQuota, AccountUsage, ChangeSet, ContentProperties, Endpoints,
        ImageProperties, NewNode, Node, NodeKind, NodeList, NodePatch, NodeProperty, NodeStatus,
        TokenInfo, Usage, UsageTotal, VideoProperties,
    },
};
use crate::{
    adapter::{DriveHandle, DriveService, NameEncoding},
    services::options::{name_encoding, settings},
};

#[doc = include_str!("acdcli.md")]
pub mod acdcli {}

/// The scheme of this service in OpenDAL.
pub const AMAZON_DRIVE_SCHEME: &str = "amazon-drive";

/// Registers the scheme for `Operator::from_uri` and `Operator::via_iter`.
pub fn register_amazon_drive_service(registry: &OperatorRegistry) {
    registry.register::<AmazonDrive>(AMAZON_DRIVE_SCHEME);
}

/// Builder of the service; [`AmazonDriveConfig`] describes the options.
///
/// # Renaming
///
/// A new name, a new folder, or both take one request. The cloud never replaces an item, and two live
/// items of a folder cannot have the same name. To replace an existing file takes three requests:
///
/// 1. `GET nodes/{old}`: whether it is still a file in the folder, and whether other folders contain
///    it;
/// 2. `PUT trash/{old}`, or `DELETE` of its edge to this folder if other folders contain it;
/// 3. the rename; if it fails, `POST trash/{old}/restore`, or `PUT` of the edge.
///
/// That is **not atomic**: between 2 and 3 no item has the name. If the process dies then, the old
/// file remains in the trash, complete, under its own name. The requests run in their own task, so
/// that a dropped future does not interrupt them.
#[derive(Clone, Debug, Default)]
pub struct AmazonDrive {
    config: AmazonDriveConfig,
}

setters! {
    AmazonDrive: AmazonDriveConfig;
    root name endpoint allowed_hosts oauth_endpoint client_id client_secret redirect_uri access_token
    refresh_token refresh_token_env token_file endpoint_file allow_http ca_cert proxy
    encoding;
    upload_wait: Duration, index_ttl: Duration, deduplicate: bool, unchecked_reads: bool,
    connect_timeout: Duration, response_timeout: Duration, idle_timeout: Duration,
    pool_size: usize,
}

impl AmazonDrive {
    /// Builds the service and its handle, which has the features that OpenDAL lacks.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, a URL, a
    /// host, a header or the proxy cannot be parsed, or the file of certificates cannot be read.
    pub fn build_with_handle(self) -> Result<(DriveService, DriveHandle)> {
        let config = self.config;
        let default = NameEncoding::amazon_drive();
        let encoding = name_encoding(AMAZON_DRIVE_SCHEME, config.encoding.as_deref(), default)?;
        let drive = NodeDrive::new(config.client()?, config.deduplication())
            .with_upload_wait(config.upload_wait)
            .with_unchecked_reads(config.unchecked_reads);
        let mut settings =
            settings(AMAZON_DRIVE_SCHEME, config.name, config.root, config.index_ttl);
        settings.checked_reads = !config.unchecked_reads;
        settings.name_encoding = encoding;
        let service = DriveService::new(Arc::new(drive), settings);
        let handle = service.handle();
        Ok((service, handle))
    }
}

impl Builder for AmazonDrive {
    type Config = AmazonDriveConfig;

    /// Returns the service alone.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, a URL, a
    /// host, a header or the proxy cannot be parsed, or the file of certificates cannot be read.
    fn build(self) -> Result<impl Service> {
        self.build_with_handle().map(|(service, _)| service)
    }
}
