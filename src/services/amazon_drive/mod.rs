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
//! What this cloud does and does not do, where it is not as one would expect:
//!
//! * A file is one request, whatever its size (50 GiB at most); it streams from its file with our
//!   [transport](crate::transport). Of a failed upload nothing can be resumed. After a time-out
//!   (408, 504) the file often arrives all the same: it is
//!   [looked for](AmazonDriveConfig::upload_wait) by name, size and MD5 before it is called failed.
//! * Every write is checked by size and MD5, and so is every read of a whole file whose bytes come
//!   without breaking off, unless [told not to](AmazonDriveConfig::unchecked_reads). An item's etag
//!   is that MD5. A read with `if_match` or `if_none_match` looks at the file first.
//! * Modification times are the cloud's, and nothing can be copied.
//! * Names are compared without case. A file's name may be in several folders at once: it is one
//!   item, with one name. Removing it takes it out of the folder it was found through, and out of
//!   its last one into the trash, where it stays for 30 days.
//! * Folders may be in several folders too, and contain themselves.
//! * [Replacing by a rename](AmazonDrive#renaming) is several requests.
//!
//! [`Client`] is the protocol itself, one method per request, for those who want no paths.

mod changes;
mod client;
mod config;
mod download;
mod drive;
mod error;
mod late_upload;
mod md5;
mod model;
mod rename;
#[cfg(test)]
mod tests;
mod upload;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use opendal::{Builder, OperatorRegistry, Result, raw::Service};

use self::drive::Cloud;
pub use self::{
    client::{ChangesQuery, Client, Deduplication, ListQuery, PAGE_MAX, Uploaded},
    config::AmazonDriveConfig,
    md5::Md5Sum,
    model::{
        AccountInfo, AccountQuota, AccountUsage, Amount, ChangeSet, ContentProperties, Endpoints,
        Filter, NewNode, Node, NodeKind, NodeList, NodePatch, Status, Usage,
    },
};
use crate::{
    adapter::{DriveHandle, DriveService},
    services::options::settings,
};

/// OpenDAL's name of this service.
pub const AMAZON_DRIVE_SCHEME: &str = "amazon-drive";

/// Makes `amazon-drive://…` known to `Operator::from_uri` and `Operator::via_iter`.
pub fn register_amazon_drive_service(registry: &OperatorRegistry) {
    registry.register::<AmazonDrive>(AMAZON_DRIVE_SCHEME);
}

/// Builds the service; see [`AmazonDriveConfig`] for what each option means.
///
/// # Renaming
///
/// Another name, another folder, or both: one request. The cloud never replaces by itself, and
/// two live items of a folder cannot have one name; onto a file that is there it takes three:
///
/// 1. `GET nodes/{there}`: is it still a file of that folder, and has it other folders?
/// 2. `PUT trash/{there}`, or if it has other folders `DELETE` of its edge to this one,
/// 3. the rename itself; if that fails, 4. `POST trash/{there}/restore`, or `PUT` of the edge.
///
/// That is **not atomic**: between 2 and 3 nobody has the name, and a process that dies there
/// leaves the old file in the trash, whole, under its own name. The steps run in a task of their
/// own, so a caller who goes away does not stop them half-way.
#[derive(Clone, Debug, Default)]
pub struct AmazonDrive {
    config: AmazonDriveConfig,
}

setters! {
    AmazonDrive: AmazonDriveConfig;
    root name endpoint allowed_hosts oauth_endpoint client_id client_secret redirect_uri access_token
    refresh_token token_file;
    upload_wait: Duration, index_ttl: Duration, deduplicate: bool, unchecked_reads: bool,
}

impl AmazonDrive {
    /// The service, and the handle for what OpenDAL has no words for.
    ///
    /// # Errors
    /// `ConfigInvalid`, with what is wrong.
    pub fn build_with_handle(self) -> Result<(DriveService, DriveHandle)> {
        let config = self.config;
        let drive = Cloud::new(config.client()?, config.deduplication())
            .with_upload_wait(config.upload_wait)
            .with_unchecked_reads(config.unchecked_reads);
        let mut settings =
            settings(AMAZON_DRIVE_SCHEME, config.name, config.root, config.index_ttl);
        settings.checked_reads = !config.unchecked_reads;
        let service = DriveService::new(Arc::new(drive), settings);
        let handle = service.handle();
        Ok((service, handle))
    }
}

impl Builder for AmazonDrive {
    type Config = AmazonDriveConfig;

    fn build(self) -> Result<impl Service> {
        self.build_with_handle().map(|(service, _)| service)
    }
}
