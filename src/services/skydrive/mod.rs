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
//! * A file is written in one request, from 16 MiB on in fragments (BITS, live-connect.md, A.7), up
//!   to 10 GB. The answer does not tell its size; the service looks once more to be sure of it.
//! * A large file that is not to replace another one goes under a temporary name first, since BITS
//!   replaces whatever has the name.
//! * Modification times are the cloud's; there are no etags and no hashes.
//! * Names are compared without case, and some are refused: see live-connect.md, A.6.
//! * [Renaming](SkyDrive#renaming-and-copying) onto an existing file is several requests.
//!
//! [`Client`] is the protocol itself, one method per request, for those who want no paths;
//! [`Client::of`] gives the one behind a [handle](crate::adapter::DriveHandle). [`old_client`] sets it
//! beside the client that Python had.

mod api;
mod bits;
mod collections;
mod config;
mod copy;
mod drive;
mod error;
mod listing;
pub mod model;
mod moving;
mod multipart;
mod names;
#[doc = include_str!("old_client.md")]
pub mod old_client {}
mod options;
mod put_bits;
mod resolve;
mod session;
mod sign_in;
mod social;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use opendal::{Builder, OperatorRegistry, Result, raw::Service};

use self::drive::LiveDrive;
pub use self::{
    api::{Client, ROOT, STORAGE_ENDPOINT},
    bits::{BITS_FILE_MAX, BITS_FRAGMENT, BITS_FRAGMENT_MAX, BitsOpened, BitsReceived, BitsTarget},
    collections::{CAMERA_ROLL, MY_DOCUMENTS, MY_PHOTOS, PUBLIC_DOCUMENTS},
    config::SkyDriveConfig,
    options::{
        Filter, LinkType, Listing, Overwrite, PictureSize, Properties, Shared, SortBy, SortOrder,
        UploadOptions,
    },
    put_bits::{BitsOptions, BitsProgress, BitsSource},
    sign_in::{SCOPES, SignIn},
};
use crate::adapter::{DriveHandle, DriveService, Settings};

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

impl SkyDrive {
    /// Sets [`SkyDriveConfig::root`].
    pub fn root(mut self, root: impl Into<String>) -> Self {
        self.config.root = Some(root.into());
        self
    }

    /// Sets [`SkyDriveConfig::name`].
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = Some(name.into());
        self
    }

    /// Sets [`SkyDriveConfig::endpoint`].
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.config.endpoint = Some(url.into());
        self
    }

    /// Sets [`SkyDriveConfig::storage_endpoint`].
    pub fn storage_endpoint(mut self, url: impl Into<String>) -> Self {
        self.config.storage_endpoint = Some(url.into());
        self
    }

    /// Sets [`SkyDriveConfig::oauth_endpoint`].
    pub fn oauth_endpoint(mut self, url: impl Into<String>) -> Self {
        self.config.oauth_endpoint = Some(url.into());
        self
    }

    /// Sets [`SkyDriveConfig::client_id`].
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.config.client_id = Some(id.into());
        self
    }

    /// Sets [`SkyDriveConfig::client_secret`].
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.config.client_secret = Some(secret.into());
        self
    }

    /// Sets [`SkyDriveConfig::redirect_uri`].
    pub fn redirect_uri(mut self, url: impl Into<String>) -> Self {
        self.config.redirect_uri = Some(url.into());
        self
    }

    /// Sets [`SkyDriveConfig::access_token`].
    pub fn access_token(mut self, token: impl Into<String>) -> Self {
        self.config.access_token = Some(token.into());
        self
    }

    /// Sets [`SkyDriveConfig::refresh_token`].
    pub fn refresh_token(mut self, token: impl Into<String>) -> Self {
        self.config.refresh_token = Some(token.into());
        self
    }

    /// Sets [`SkyDriveConfig::token_file`].
    pub fn token_file(mut self, path: impl Into<String>) -> Self {
        self.config.token_file = Some(path.into());
        self
    }

    /// Sets [`SkyDriveConfig::lcrc`].
    pub fn lcrc(mut self, path: impl Into<String>) -> Self {
        self.config.lcrc = Some(path.into());
        self
    }

    /// Adds one of [`SkyDriveConfig::headers`].
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.headers.insert(name.into(), value.into());
        self
    }

    /// Replaces [`SkyDriveConfig::headers`].
    pub fn headers(mut self, headers: BTreeMap<String, String>) -> Self {
        self.config.headers = headers;
        self
    }

    /// Sets [`SkyDriveConfig::index_ttl`].
    pub fn index_ttl(mut self, ttl: Duration) -> Self {
        self.config.index_ttl = Some(ttl);
        self
    }

    /// Sets [`SkyDriveConfig::downsize_photo_uploads`].
    pub fn downsize_photo_uploads(mut self, downsize: bool) -> Self {
        self.config.downsize_photo_uploads = downsize;
        self
    }

    /// Sets [`SkyDriveConfig::bits_from`].
    pub fn bits_from(mut self, bytes: u64) -> Self {
        self.config.bits_from = Some(bytes);
        self
    }

    /// Sets [`SkyDriveConfig::bits_fragment`].
    pub fn bits_fragment(mut self, bytes: u64) -> Self {
        self.config.bits_fragment = Some(bytes);
        self
    }

    /// The service, and the handle for what OpenDAL has no words for.
    ///
    /// # Errors
    /// `ConfigInvalid`, with what is wrong.
    pub fn build_with_handle(self) -> Result<(DriveService, DriveHandle)> {
        let config = self.config;
        let client = config.client()?;
        let mut settings = Settings::new(SKYDRIVE_SCHEME, config.name.unwrap_or_default());
        if let Some(root) = config.root {
            settings.root = root;
        }
        if let Some(ttl) = config.index_ttl {
            settings.index_ttl = ttl;
        }
        let drive = LiveDrive::new(client, config.downsize_photo_uploads)
            .with_bits(config.bits_from, config.bits_fragment);
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
