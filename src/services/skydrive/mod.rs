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
//! What this cloud does and does not do, where it is not as one would expect:
//!
//! * A file is written in one request, from 16 MiB on in fragments (BITS, live-connect#bits), up
//!   to 10 GB. The answer does not tell its size; the service looks once more to be sure of it.
//! * A large file that is not to replace another one goes under a temporary name first, since BITS
//!   replaces whatever has the name.
//! * Modification times are the cloud's; there are no etags and no hashes.
//! * Names are compared without case, and some are refused: see live-connect#file-names.
//! * [Renaming](SkyDrive#renaming-and-copying) onto an existing file is several requests.
//!
//! [`Client`] is the protocol itself, one method per request, for those who want no paths;
//! [`Client::of`] gives the one behind a [handle](crate::adapter::DriveHandle). [`old_client`] sets it
//! beside the client that Python had.

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
mod rename;
#[doc = include_str!("old_client.md")]
pub mod old_client {}
mod options;
mod session;
mod sign_in;
#[cfg(test)]
mod tests;
mod upload;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use opendal::{Builder, OperatorRegistry, Result, raw::Service};

use self::drive::LiveDrive;
pub use self::{
    client::{
        BITS_FILE_MAX, BITS_FRAGMENT, BITS_FRAGMENT_MAX, BitsOpened, BitsOptions, BitsProgress,
        BitsReceived, BitsSource, BitsTarget, CAMERA_ROLL, Client, MY_DOCUMENTS, MY_PHOTOS,
        PUBLIC_DOCUMENTS, ROOT, STORAGE_ENDPOINT,
    },
    config::SkyDriveConfig,
    options::{
        Filter, LinkType, Listing, Overwrite, PictureSize, Properties, Shared, SortBy, SortOrder,
        UploadOptions,
    },
    sign_in::{SCOPES, SignIn},
};
use crate::{
    adapter::{DriveHandle, DriveService},
    services::options::settings,
};

/// OpenDAL's name of this service.
pub const SKYDRIVE_SCHEME: &str = "skydrive";

/// Makes `skydrive://…` known to `Operator::from_uri` and `Operator::via_iter`.
pub fn register_skydrive_service(registry: &OperatorRegistry) {
    registry.register::<SkyDrive>(SKYDRIVE_SCHEME);
}

/// Builds the service; see [`SkyDriveConfig`] for what each option means.
///
/// # Renaming and copying
///
/// The cloud's own requests change either the name or the folder, and never replace. What needs
/// more than one of them is **not atomic**: another client may see the steps, and a process that
/// dies in the middle leaves them. Nothing is removed before the new file is in its place, and a
/// step that fails has those before it taken back.
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
/// Between two steps files may be called `drivedal-….` and their extension, or be in a folder
/// called so. Folders are renamed and moved like files, but neither copied nor replaced.
#[derive(Clone, Debug, Default)]
pub struct SkyDrive {
    config: SkyDriveConfig,
}

setters! {
    SkyDrive: SkyDriveConfig;
    root name endpoint storage_endpoint oauth_endpoint client_id client_secret redirect_uri
    access_token refresh_token token_file lcrc;
    index_ttl: Duration, downsize_photo_uploads: bool, bits_from: u64, bits_fragment: u64,
}

impl SkyDrive {
    /// The service, and the handle for what OpenDAL has no words for.
    ///
    /// # Errors
    /// `ConfigInvalid`, with what is wrong.
    pub fn build_with_handle(self) -> Result<(DriveService, DriveHandle)> {
        let config = self.config;
        let client = config.client()?;
        let drive = LiveDrive::new(client, config.downsize_photo_uploads)
            .with_bits(config.bits_from, config.bits_fragment);
        let settings = settings(SKYDRIVE_SCHEME, config.name, config.root, config.index_ttl);
        let service = DriveService::new(Arc::new(drive), settings);
        let handle = service.handle();
        Ok((service, handle))
    }
}

impl Builder for SkyDrive {
    type Config = SkyDriveConfig;

    fn build(self) -> Result<impl Service> {
        self.build_with_handle().map(|(service, _)| service)
    }
}
