//! Failures to connect to a host. The request was not sent, so it can be repeated safely.

#[cfg(any(feature = "layers", test))]
use std::io;
use std::{error::Error, fmt};

/// The source of the error of a request that was not sent, because no connection to its host could
/// be established.
#[derive(Debug)]
pub(crate) struct Unreachable {
    /// The innermost cause, such as `Connection refused (os error 111)`.
    reason: String,
}

impl Unreachable {
    /// Returns the innermost source of an HTTP client's error.
    pub(crate) fn new(error: &dyn Error) -> Self {
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self { reason: innermost.to_string() }
    }

    /// Returns the reason of a failure to connect. `None` for any other error: the request may have
    /// been sent.
    #[cfg(any(feature = "layers", test))]
    pub(crate) fn reason(error: &opendal::Error) -> Option<String> {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
        let mut source = Error::source(error);
        while let Some(cause) = source {
            if let Some(unreachable) = cause.downcast_ref::<Self>() {
                return Some(unreachable.reason.clone());
            }
            // Other transports keep hyper's sources, or only the text of a failed DNS lookup.
            let refused = cause.downcast_ref::<io::Error>().is_some_and(|error| {
                matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
            });
            if refused || cause.to_string().starts_with("dns error") {
                return Some(Self::new(cause).reason);
            }
            source = cause.source();
        }
        None
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for Unreachable {}
