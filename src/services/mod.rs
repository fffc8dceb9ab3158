//! The services: one folder for each cloud, with the same files in each.
//!
//! * `mod.rs`: the builder. `config.rs`: its options.
//! * `client/`: the public client, with one method for each request of the cloud's protocol.
//!   `model.rs`: the JSON types. `error.rs`: the meaning of the cloud's errors.
//! * `drive.rs`: the implementation of [`Drive`](crate::drive::Drive) with the client. The larger
//!   operations are in files beside it: `list.rs`, `download.rs`, `upload.rs`, `session.rs`,
//!   `rename.rs`, `copy.rs`, `changes.rs`. Features of one cloud have files of their own.
//!
//! The files of this folder are shared by several services.

#[cfg(any(feature = "services-amazon-drive", feature = "services-onedrive"))]
mod body_hash;
#[cfg(any(
    feature = "services-amazon-drive",
    feature = "services-onedrive",
    feature = "services-skydrive"
))]
mod lenient;
#[cfg(any(feature = "services-amazon-drive", feature = "services-skydrive"))]
mod multipart;
#[cfg(any(feature = "services-onedrive", feature = "services-skydrive"))]
mod names;
#[cfg(any(
    feature = "services-amazon-drive",
    feature = "services-onedrive",
    feature = "services-skydrive"
))]
#[macro_use]
mod options;
#[cfg(all(test, any(feature = "services-onedrive", feature = "services-skydrive")))]
mod secret_words;
#[cfg(any(feature = "services-onedrive", feature = "services-skydrive"))]
mod url_refresher;

#[cfg(feature = "services-amazon-drive")]
pub mod amazon_drive;
#[cfg(feature = "services-onedrive")]
pub mod onedrive;
#[cfg(feature = "services-skydrive")]
pub mod skydrive;
