//! The HTTP client side: the only place where requests are built, sent and decoded.
//!
//! An [`ApiRequest`] is a request of a cloud's protocol. [`Client::send`] returns its whole response,
//! [`Client::fetch`] the response with its body as a stream. Requests are sent over the transport of
//! the operation's [`Context`](crate::drive::Context), so that the operator's layers apply to every
//! request of a drive: retry, logging, rate limit. A backend over HTTP from another crate uses this
//! module in the same way as the built-in services; `examples/custom_drive.rs` is one.
//!
//! Errors are rebuilt here: those of a transport may carry whole URLs with tokens. An error has the
//! kind and the status of the failure, and names the request by method, host and template; this
//! holds for requests and for body streams. One table maps a status to an error kind and says
//! whether a retry may help, for errors and for the retry layer.

#[cfg(feature = "drive")]
mod client;
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
mod local;
#[cfg(feature = "drive")]
mod progress;
#[cfg(feature = "drive")]
mod range;
#[cfg(feature = "drive")]
mod redirect;
#[cfg(feature = "drive")]
mod request;
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
pub use self::{
    client::{ApiResponse, Client, StreamResponse},
    error::redact_quoted,
    http_transport::{Timeouts, Transport, http_transport},
    limit::ResponseLimit,
    local::RequestBody,
    range::{rejects_long_suffix, set_range, slice_response},
    request::{ApiRequest, segment},
    url_policy::UrlPolicy,
};
#[cfg(feature = "drive")]
pub(crate) use self::{
    exclusive::exclusive,
    file::{Observer, read_exact_at},
};
