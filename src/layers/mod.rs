//! Layers for any OpenDAL service, drivedal's or not.
//!
//! `RetryLayer`, for those that speak HTTP, repeats requests and operations, and listens to what
//! the cloud says about when; `CacheLayer` keeps what they answer.

#[cfg(feature = "layers-cache")]
pub mod cache;
#[cfg(feature = "layers")]
pub mod retry;

#[cfg(feature = "layers-cache")]
pub use cache::CacheLayer;
#[cfg(feature = "layers")]
pub use retry::{Policy, RetryLayer};
