//! Failures to connect, as the retry layer recognizes them.

#[cfg(any(feature = "layers", test))]
use std::io;
use std::{error::Error, fmt};

/// The source of an error of a request that was not sent: its host cannot be connected to.
#[derive(Debug)]
pub(crate) struct Unreachable {
    reason: String,
}

impl Unreachable {
    /// Wraps the reason that a client gave: the innermost of its sources, such as
    /// `Connection refused (os error 111)`.
    pub(crate) fn new(error: &dyn Error) -> Self {
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self { reason: innermost.to_string() }
    }

    /// Returns the reason of a failure to connect; `None` if the error is another one, and the
    /// request may have been sent.
    #[cfg(any(feature = "layers", test))]
    pub(crate) fn reason(error: &opendal::Error) -> Option<String> {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
        let mut source = Error::source(error);
        while let Some(cause) = source {
            if let Some(unreachable) = cause.downcast_ref::<Self>() {
                return Some(unreachable.reason.clone());
            }
            // Other transports than ours keep hyper's sources, or only the words for a failed
            // look-up of a name.
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
