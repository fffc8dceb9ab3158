//! The client side of HTTP: builds, sends and decodes the requests of drives.
//!
//! An [`ApiRequest`] is one request of a cloud's protocol. [`Client::send`] returns its whole
//! response, [`Client::fetch`] returns the response with its body as a stream. The client sends
//! requests through the transport of the operation's [`Context`](crate::drive::Context), so that the
//! operator's layers apply to every request of a drive: retry, logging, rate limit. A backend in
//! another crate uses this module like the built-in services; `examples/custom_drive.rs` is one.
//!
//! The errors of a transport may contain whole URLs with tokens, so this module builds its own. An
//! error has the kind and the status of the failure, and names the request by method, host and
//! template. This applies to requests and to body streams. One private table maps a status to an
//! error kind and to whether a retry may help; the retry layer uses the same table.

mod client;
mod connection;
mod error;
mod extension_probe;
mod file;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "services-onedrive")]
mod gather;
mod http_transport;
mod local;
mod range;
mod redirect;
mod request;
mod response_limit;
#[cfg(test)]
pub(crate) mod scripted;
mod stall_timer;
#[cfg(feature = "services-amazon-drive")]
mod sync_stream;
mod timeouts;
mod tls;
mod url_policy;

#[cfg(any(feature = "services-amazon-drive", feature = "services-onedrive"))]
pub(crate) use self::file::Observer;
pub(crate) use self::file::read_exact_at;
#[cfg(feature = "services-amazon-drive")]
pub(crate) use self::sync_stream::sync_stream;
pub use self::{
    client::{ApiResponse, Client, StreamResponse},
    connection::{Connection, ConnectionOptions},
    error::redact_quoted,
    http_transport::{Transport, http_transport},
    local::RequestBody,
    range::{rejects_long_suffix, set_range, slice_response},
    request::{ApiRequest, segment},
    response_limit::ResponseLimit,
    timeouts::Timeouts,
    url_policy::{PlainHttpHosts, UrlPolicy},
};
#[cfg(feature = "services-onedrive")]
pub(crate) use self::{
    extension_probe::supports_extensions,
    gather::{Gather, RequestGatherer},
};
#[cfg(feature = "layers")]
pub(crate) use self::{file::len_in_file, http_transport::redirect_origin};
