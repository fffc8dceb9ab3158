//! Layers for any OpenDAL service.

#[cfg(feature = "layers-cache")]
pub mod cache;
