//! Cloud drives as object storage: OneDrive, SkyDrive and Amazon Cloud Drive as
//! [OpenDAL](opendal) services.

pub mod adapter;
pub mod auth;
pub mod drive;
pub mod http;
pub mod services;

#[cfg(feature = "server")]
pub mod server;
