//! The only place where requests are built, sent and decoded.
//!
//! A `Call` is a request of a cloud's protocol; `Context::send` gives the whole answer,
//! `Context::fetch` its body as a stream. Requests travel on the transport of the operator's
//! layers, so retry, logging and the like hold for everything a drive does.
//!
//! Errors are made here and nowhere else: a transport's own may carry whole URLs, tokens and
//! tickets included, so each one is rebuilt from its kind, its status and a redacted address
//! (method, host, and the request's template), for requests and for body streams alike.

mod call;
mod context;
mod error;
mod exclusive;
mod file;
mod progress;
mod range;
#[cfg(test)]
pub(crate) mod scripted;
mod tls;
mod transport;

#[cfg(feature = "layers")]
pub(crate) use self::file::len_in_file;
pub(crate) use self::{
    call::{Call, segment},
    context::{Incoming, Reply},
    error::without_values,
    exclusive::exclusive,
    file::{Observer, read_exact_at},
    range::{asking_for, exactly},
};
pub use self::{
    context::Context,
    file::Leaving,
    transport::{Timeouts, Transport, transport},
};
