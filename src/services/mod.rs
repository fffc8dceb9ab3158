//! The drives, one folder each with the same files in each.

#[cfg(feature = "services-skydrive")]
pub mod skydrive;
