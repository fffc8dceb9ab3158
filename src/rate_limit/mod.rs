//! Rate limiting per account.
//!
//! A cloud that asks for a pause means the whole account, not the request that it refused: rclone
//! and Microsoft's own guidance pause everything (onedrive-graph#retry-after). An HTTP
//! transport does not know the account, so each request carries it: a drive has one
//! [`AccountLimiter`] and puts it into the [`RequestMeta`] of its requests. Code that finds a
//! refusal inside another response (`$batch`) pauses the limiter directly.
//!
//! The retry layer (feature `layers`) enforces the limits; without it the metadata has no effect.
//! This module knows neither HTTP nor OpenDAL.

mod config;
mod limiter;
mod request_meta;
mod scheduler;

pub use self::{
    config::{RateLimitConfig, RateLimitHeaders},
    limiter::{AccountLimiter, Permit},
    request_meta::{Attempt, Exhausted, Repeat, RequestMeta},
};
