//! SkyDrive: the Live Connect REST API v5.0 as an OpenDAL service.
//!
//! ```no_run
//! use drivedal::services::skydrive::SkyDrive;
//! use opendal::Operator;
//!
//! # async fn example() -> opendal::Result<()> {
//! drivedal::register();
//! let builder = SkyDrive::default().client_id("app").refresh_token("C…").token_file("tokens.json");
//! let operator = Operator::new(builder)?;
//! let same = Operator::from_uri("skydrive://?client_id=app&refresh_token=C…&token_file=tokens.json")?;
//! operator.write("notes/today.txt", "hello").await?;
//! assert_eq!(same.read("notes/today.txt").await?.to_vec(), b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! Differences from other services:
//!
//! * A file below 16 MiB is uploaded in one request, a larger one in fragments (BITS,
//!   live-connect#bits), up to 10 GB. The response does not contain the size; the service requests
//!   the item to check it.
//! * A large file that must not replace another one is uploaded under a temporary name, because BITS
//!   overwrites any file of the name.
//! * The cloud sets modification times. It has neither etags nor hashes.
//! * Names are compared without regard to case, and some are rejected: see live-connect#file-names.
//! * [To rename onto an existing file](SkyDrive#renaming-and-copying) takes several requests.
//! * Two siblings may have the same name (live-connect#duplicate-names). Only the newest is visible;
//!   a warning in the log names the others.
//!
//! [`Client`] is the protocol itself, with one method per request, for users who do not need paths;
//! [`Client::from_handle`] returns the client of a [handle](crate::adapter::DriveHandle).
//! [`old_client`] compares it with the former client in Python.

mod client;
mod config;
mod copy;
mod download;
mod drive;
mod error;
mod item;
mod list;
pub mod model;
mod names;
#[doc = include_str!("old_client.md")]
pub mod old_client {}
mod options;
mod picture;
mod rename;
mod session;
mod sharing;
mod sign_in;
mod state;
#[cfg(test)]
mod tests;
mod tokens;
mod upload;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use opendal::{Builder, OperatorRegistry, Result, raw::Service};

use self::state::LiveDrive;
pub use self::{
    client::{
        BITS_FILE_MAX, BITS_FRAGMENT, BITS_FRAGMENT_MAX, BitsAck, BitsOptions, BitsProgress,
        BitsSession, BitsSource, BitsTarget, CAMERA_ROLL, Client, MY_DOCUMENTS, MY_PHOTOS,
        PUBLIC_DOCUMENTS, ROOT, STORAGE_ENDPOINT,
    },
    config::SkyDriveConfig,
    options::{
        LinkType, ListFilter, ListQuery, ObjectProperties, Overwrite, PictureSize, SharedItems,
        SortBy, SortOrder, UploadOptions,
    },
    sign_in::{SCOPES, SignIn},
};
use crate::{
    adapter::{DriveHandle, DriveService, NameEncoding},
    services::options::{name_encoding, settings},
};

/// The scheme of this service in OpenDAL.
pub const SKYDRIVE_SCHEME: &str = "skydrive";

/// Registers the scheme for `Operator::from_uri` and `Operator::via_iter`.
pub fn register_skydrive_service(registry: &OperatorRegistry) {
    registry.register::<SkyDrive>(SKYDRIVE_SCHEME);
}

/// Builder of the service; [`SkyDriveConfig`] describes the options.
///
/// # Renaming and copying
///
/// A request of the cloud changes either the name or the folder, and never replaces an item. A
/// sequence of several requests is **not atomic**: other clients may see the states in between, and
/// a process that dies leaves one of them. No file is deleted before the new one has its name. If a
/// request fails, the service reverts the preceding ones.
///
/// | from `a/x` | requests |
/// |---|---|
/// | to `a/y` | 1 |
/// | to `b/x` | 1 |
/// | to `b/y` | 2; 4 if `b/x` is taken |
/// | to `a/y` or `b/x`, which is replaced | 3 |
/// | to `b/y`, which is replaced | 4; 6 if `b/x` is taken |
/// | copied to `b/x` | 1 |
/// | copied to `a/y` or `b/y` | 5 |
/// | copied to `b/x`, which is replaced | 6 |
/// | copied to `a/y` or `b/y`, which is replaced | 7 |
///
/// Between two requests, files may have names such as `drivedal-….txt`, or be in a folder
/// `drivedal-…`. Folders can be renamed and moved like files, but neither copied nor replaced.
#[derive(Clone, Debug, Default)]
pub struct SkyDrive {
    config: SkyDriveConfig,
}

setters! {
    SkyDrive: SkyDriveConfig;
    root name endpoint storage_endpoint oauth_endpoint client_id client_secret redirect_uri
    access_token refresh_token refresh_token_env token_file lcrc allow_http ca_cert proxy
    encoding;
    index_ttl: Duration, downsize_photo_uploads: bool, bits_from: u64, bits_fragment: u64,
    connect_timeout: Duration, response_timeout: Duration, idle_timeout: Duration,
    pool_size: usize,
}

impl SkyDrive {
    /// Builds the service and its handle, which has the features that OpenDAL lacks.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, a URL, a
    /// host, a header or the proxy cannot be parsed, or the file of certificates cannot be read.
    pub fn build_with_handle(self) -> Result<(DriveService, DriveHandle)> {
        let config = self.config;
        let default = NameEncoding::onedrive();
        let encoding = name_encoding(SKYDRIVE_SCHEME, config.encoding.as_deref(), default)?;
        let client = config.client()?;
        let drive = LiveDrive::new(client, config.downsize_photo_uploads)
            .with_bits(config.bits_from, config.bits_fragment);
        let mut settings = settings(SKYDRIVE_SCHEME, config.name, config.root, config.index_ttl);
        settings.name_encoding = encoding;
        let service = DriveService::new(Arc::new(drive), settings);
        let handle = service.handle();
        Ok((service, handle))
    }
}

impl Builder for SkyDrive {
    type Config = SkyDriveConfig;

    /// Returns the service alone.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, a URL, a
    /// host, a header or the proxy cannot be parsed, or the file of certificates cannot be read.
    fn build(self) -> Result<impl Service> {
        self.build_with_handle().map(|(service, _)| service)
    }
}
