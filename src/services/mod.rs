//! The drives, one folder each with the same files in each.

#[cfg(feature = "services-amazon-drive")]
mod options;

#[cfg(feature = "services-amazon-drive")]
pub mod amazon_drive;
#[cfg(feature = "services-skydrive")]
pub mod skydrive;
