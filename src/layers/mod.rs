//! Layers for any OpenDAL service, drivedal's or not.
//!
//! For those that speak HTTP: `RetryLayer` repeats requests and operations, and listens to what
//! the cloud says about when; `LoggingLayer` tells of every request that is sent. Logging goes
//! inside, `.layer(logging).layer(retry)`, so that it sees every try. For all: `CacheLayer` keeps
//! what they answer.

#[cfg(feature = "layers-cache")]
pub mod cache;
#[cfg(feature = "layers")]
pub mod logging;
#[cfg(feature = "layers")]
pub mod retry;

#[cfg(feature = "layers-cache")]
pub use cache::CacheLayer;
#[cfg(feature = "layers")]
pub use logging::{LoggingLayer, WireStats};
#[cfg(feature = "layers")]
pub use retry::{Policy, RetryLayer};
