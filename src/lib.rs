//! Cloud drives as object storage: OneDrive, SkyDrive and Amazon Cloud Drive as
//! [OpenDAL](opendal) services.
//!
//! [`register`] puts the drives' schemes into OpenDAL's registry; [`services`] has a builder for
//! each; [`remote::open`] gives an operator and the drive's extras in one. Beneath them lie the
//! contract of a drive ([`drive`]), what makes an OpenDAL service of any drive ([`adapter`]), HTTP
//! and errors without secrets ([`transport`]), and tokens ([`auth`]). With feature `layers` there are
//! layers for any OpenDAL service that speaks HTTP: a retry that listens to the cloud
//! (`layers::RetryLayer`) and a log of the wire (`layers::LoggingLayer`); with `layers-cache` a cache for any service (`layers::CacheLayer`).
//!
//! The package `drivedal-server` serves all three protocols from local storage; the package
//! `drivedal-cli` is the command line.
// Without every service some of what they share has no user.
#![cfg_attr(
    not(all(
        feature = "services-amazon-drive",
        feature = "services-onedrive",
        feature = "services-skydrive"
    )),
    allow(dead_code, unused_imports)
)]

#[cfg(feature = "drive")]
pub mod adapter;
#[cfg(feature = "drive")]
pub mod auth;
#[cfg(feature = "drive")]
pub mod drive;
#[cfg(any(feature = "layers", feature = "layers-cache"))]
pub mod layers;
#[cfg(any(feature = "drive", feature = "layers"))]
pub mod rate_limit;
#[cfg(feature = "drive")]
pub mod remote;
#[cfg(feature = "drive")]
pub mod services;
#[cfg(any(feature = "drive", feature = "layers"))]
pub mod transport;

#[cfg(feature = "drive")]
pub use self::{
    adapter::{Announce, announce},
    transport::http_transport,
};

/// Registers the drives' schemes with OpenDAL, and our HTTP transport as its default.
///
/// After it `Operator::from_uri("skydrive://?…")` and `Operator::via_iter("skydrive", …)` work. The
/// transport becomes the default unless another one was installed before, as OpenDAL's facade does
/// with its default features; nothing but speed and uploads of large files in one request depends
/// on it, and [`http_transport`] gives it for a single operator.
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
#[cfg(all(doctest, feature = "layers", feature = "layers-cache"))]
#[doc = include_str!("../docs/library.md")]
struct Guide;
