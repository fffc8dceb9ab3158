//! Cloud drives as object storage: [OpenDAL](opendal) services for OneDrive (Microsoft Graph),
//! SkyDrive (Live Connect REST v5.0) and Amazon Cloud Drive, and layers for any OpenDAL service.
//!
//! # How to use it
//!
//! * [`register`] adds the schemes of the drives to OpenDAL. `Operator::from_uri("onedrive://?…")`
//!   then opens a drive. [`services`] has a builder for each drive.
//! * [`remote::open`] returns an operator and, for a drive, its [`adapter::DriveHandle`], with the
//!   features that OpenDAL lacks: quota, item ids, changes, resumable uploads of files.
//! * `layers` (features `layers` and `layers-cache`): a retry layer that honours the cloud's rate
//!   limits, a log of HTTP requests, and a cache of metadata and contents.
//!
//! # How to add a drive
//!
//! A new backend implements [`drive::Drive`], a trait with the operations of a cloud drive.
//! [`adapter::DriveService`] makes an OpenDAL service of it. A backend that uses HTTP sends its
//! requests through [`transport`], gets its tokens from [`auth`], and shares one [`rate_limit`]
//! limiter for each account. `examples/custom_drive.rs` is a complete backend.
//!
//! # How to test a program that uses drives
//!
//! `testing::MemoryDrive` (feature `testing`) is a drive in memory whose calls a test can make fail.
//! The package `drivedal-server` serves the clouds' protocols.
//!
//! # Related packages
//!
//! `drivedal-server` serves all three protocols from local storage; `drivedal-cli` is the command
//! line.

#[cfg(feature = "drive")]
pub mod adapter;
#[cfg(feature = "drive")]
pub mod auth;
#[cfg(feature = "drive")]
pub mod drive;
#[cfg(any(feature = "drive", feature = "layers"))]
pub(crate) mod failure;
#[cfg(any(feature = "layers", feature = "layers-cache"))]
pub mod layers;
#[cfg(any(feature = "drive", feature = "layers"))]
pub mod rate_limit;
#[cfg(feature = "drive")]
pub mod remote;
#[cfg(feature = "drive")]
pub mod services;
#[cfg(any(feature = "testing", all(test, feature = "drive")))]
pub mod testing;
#[cfg(feature = "drive")]
pub mod transport;

#[cfg(feature = "drive")]
pub use self::{
    adapter::{Announce, announce},
    transport::http_transport,
};

/// Adds the drives' schemes to OpenDAL's registry, and installs this crate's HTTP transport as
/// OpenDAL's default.
///
/// Afterwards `Operator::from_uri("skydrive://?…")` and `Operator::via_iter("skydrive", …)` work. An
/// HTTP transport that was installed before stays the default. A single operator can use
/// [`http_transport`] instead; only speed and large uploads in one request depend on it.
#[cfg(feature = "drive")]
pub fn register() {
    opendal::HttpTransporter::install_default(http_transport());
    #[cfg(feature = "services-onedrive")]
    services::onedrive::register_onedrive_service(opendal::OperatorRegistry::get());
    #[cfg(feature = "services-skydrive")]
    services::skydrive::register_skydrive_service(opendal::OperatorRegistry::get());
    #[cfg(feature = "services-amazon-drive")]
    services::amazon_drive::register_amazon_drive_service(opendal::OperatorRegistry::get());
}

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The examples of the library's guide, compiled.
#[cfg(all(doctest, feature = "layers", feature = "layers-cache", feature = "testing"))]
#[doc = include_str!("../docs/library.md")]
struct Guide;
