//! The only place where requests are built, sent and decoded.
//!
//! A `Call` is a request of a cloud's protocol; `Context::send` gives the whole answer,
//! `Context::fetch` its body as a stream. Requests travel on the transport of the operator's
//! layers, so retry, logging and the like hold for everything a drive does.
//!
//! Errors are made here and nowhere else: a transport's own may carry whole URLs, tokens and
//! tickets included, so each one is rebuilt from its kind, its status and a redacted address
//! (method, host, and the request's template), for requests and for body streams alike.

#[cfg(feature = "drive")]
mod call;
#[cfg(feature = "drive")]
mod context;
#[cfg(feature = "drive")]
mod error;
#[cfg(feature = "drive")]
mod exclusive;
#[cfg(feature = "drive")]
mod file;
#[cfg(all(fuzzing, feature = "drive"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "drive")]
mod http_transport;
#[cfg(feature = "drive")]
mod limit;
#[cfg(feature = "drive")]
mod progress;
#[cfg(feature = "drive")]
mod range;
#[cfg(feature = "drive")]
mod redirect;
#[cfg(all(test, feature = "drive"))]
pub(crate) mod scripted;
pub(crate) mod status;
#[cfg(feature = "drive")]
mod tls;
pub(crate) mod unreachable;
#[cfg(feature = "drive")]
mod url_policy;

#[cfg(all(feature = "drive", feature = "layers"))]
pub(crate) use self::file::len_in_file;
#[cfg(feature = "drive")]
pub(crate) use self::{
    call::{Call, segment},
    context::{Incoming, Reply},
    error::without_values,
    exclusive::exclusive,
    file::{Guard, Observer, read_exact_at},
    limit::ResponseLimit,
    range::{asking_for, exactly, refuses_long_suffix},
    url_policy::UrlPolicy,
};
#[cfg(feature = "drive")]
pub use self::{
    context::Context,
    file::Leaving,
    http_transport::{Timeouts, Transport, http_transport},
};
