//! Layers for any OpenDAL service, including services of other crates.
//!
//! * `RetryLayer` retries HTTP requests and operations, and honours the pauses and rate limits that
//!   the cloud announces.
//! * `LoggingLayer` logs every HTTP request. Apply it before the retry layer,
//!   `.layer(logging).layer(retry)`, so that it sees every attempt.
//! * `CacheLayer` caches metadata and contents.

#[cfg(feature = "layers-cache")]
pub mod cache;
#[cfg(feature = "layers")]
pub mod logging;
#[cfg(feature = "layers")]
pub mod retry;

#[cfg(feature = "layers-cache")]
pub use cache::CacheLayer;
#[cfg(feature = "layers")]
pub use logging::{HttpStats, LoggingLayer};
#[cfg(feature = "layers")]
pub use retry::{Policy, RetryLayer};
