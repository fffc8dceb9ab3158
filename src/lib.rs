//! Cloud drives as object storage: OneDrive, SkyDrive and Amazon Cloud Drive as
//! [OpenDAL](opendal) services.

pub mod adapter;
pub mod auth;
pub mod drive;
pub mod http;
pub mod remote;
pub mod services;

#[cfg(feature = "server")]
pub mod server;

pub use self::{
    adapter::{Announce, announce},
    http::transport,
};

/// Registers the drives' schemes with OpenDAL, and our HTTP transport as its default.
///
/// After it `Operator::from_uri("skydrive://?…")` and `Operator::via_iter("skydrive", …)` work. The
/// transport becomes the default unless another one was installed before, as OpenDAL's facade does
/// with its default features; nothing but speed and uploads of large files in one request depends
/// on it, and [`transport`] gives it for a single operator.
pub fn register() {
    opendal::HttpTransporter::install_default(transport());
    #[cfg(feature = "services-onedrive")]
    services::onedrive::register_onedrive_service(opendal::OperatorRegistry::get());
    #[cfg(feature = "services-skydrive")]
    services::skydrive::register_skydrive_service(opendal::OperatorRegistry::get());
    #[cfg(feature = "services-amazon-drive")]
    services::amazon_drive::register_amazon_drive_service(opendal::OperatorRegistry::get());
}
