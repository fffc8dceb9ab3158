//! Layers for any OpenDAL service that speaks HTTP, drivedal's or not.
//!
//! [`RetryLayer`] repeats requests and operations, and listens to what the cloud says about when.

pub mod retry;

pub use retry::{Policy, RetryLayer};
