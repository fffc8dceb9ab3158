//! The drives, one folder each with the same files in each.

#[cfg(any(
    feature = "services-amazon-drive",
    feature = "services-onedrive",
    feature = "services-skydrive"
))]
#[macro_use]
mod options;
#[cfg(any(feature = "services-onedrive", feature = "services-skydrive"))]
mod names;
#[cfg(any(feature = "services-onedrive", feature = "services-skydrive"))]
mod renewals;

#[cfg(feature = "services-amazon-drive")]
pub mod amazon_drive;
#[cfg(feature = "services-onedrive")]
pub mod onedrive;
#[cfg(feature = "services-skydrive")]
pub mod skydrive;
