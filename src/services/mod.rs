//! The drives, one folder each with the same files in each.

#[cfg(feature = "services-onedrive")]
pub mod onedrive;
