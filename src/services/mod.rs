//! The drives, one folder each with the same files in each.
//!
//! * `mod.rs`: the builder; `config.rs`: its options.
//! * `api.rs` and what is below it: the unbiased client, public, one method per request of the
//!   cloud's protocol; `model.rs`: what is on the wire; `error.rs`: what the cloud's errors mean.
//! * `drive.rs`: the biased half, a [`Drive`](crate::drive::Drive) on top of the client. What takes
//!   more than a line is beside it, by subject: listing, bytes out and in, upload sessions, moving,
//!   copying, the feed of changes. A file is missing where there is nothing to say, and what only
//!   one cloud has is in a file of its own.

#[cfg(any(
    feature = "services-amazon-drive",
    feature = "services-onedrive",
    feature = "services-skydrive"
))]
#[macro_use]
mod options;
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
#[cfg(any(feature = "services-onedrive", feature = "services-skydrive"))]
mod renewals;
#[cfg(all(test, any(feature = "services-onedrive", feature = "services-skydrive")))]
mod secret_words;

#[cfg(feature = "services-amazon-drive")]
pub mod amazon_drive;
#[cfg(feature = "services-onedrive")]
pub mod onedrive;
#[cfg(feature = "services-skydrive")]
pub mod skydrive;
