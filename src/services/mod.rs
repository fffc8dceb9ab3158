//! The drives, one folder each with the same files in each.

#[cfg(feature = "services-skydrive")]
pub mod skydrive;

#[cfg(feature = "services-onedrive")]
pub mod onedrive;

#[cfg(feature = "services-amazon-drive")]
pub mod amazon_drive;

#[cfg(feature = "services-onedrive")]
mod options;
