//! Rate limiting per account.
//!
//! A cloud that requests a pause means the whole account, not only the rejected request. Microsoft's
//! guidance and rclone pause all requests (onedrive-graph#retry-after). An HTTP transport does not
//! know the account, so each request carries it: a drive has one [`AccountLimiter`] and puts it into
//! the [`RequestMeta`] of its requests. Code that finds a rejection inside another response
//! (`$batch`) pauses the limiter directly.
//!
//! The retry layer (feature `layers`) enforces the limits. Without that layer the metadata has no
//! effect. This module knows neither HTTP nor OpenDAL.

mod config;
mod limiter;
mod request_meta;
mod scheduler;

pub use self::{
    config::{RateLimitConfig, RateLimitHeaders},
    limiter::{AccountLimiter, DelayTooLong, Permit},
    request_meta::{Attempt, Exhausted, Repeat, RequestMeta},
};
