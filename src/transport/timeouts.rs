//! The timeouts of the HTTP transport.

use std::time::Duration;

/// The timeouts of a [`Transport`](super::Transport).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Timeouts {
    /// Maximum time to establish a connection.
    pub connect: Duration,
    /// Maximum time from the last byte of the request to the first byte of the response.
    pub first_byte: Duration,
    /// Maximum time between two chunks of a body, in either direction.
    pub idle: Duration,
}

impl Default for Timeouts {
    /// 10 s to connect; 120 s for the response, because clouds need that long to store a large file;
    /// 60 s between two chunks.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(60),
        }
    }
}

impl Timeouts {
    /// Sets [`connect`](Self::connect).
    #[must_use]
    pub fn with_connect(self, connect: Duration) -> Self {
        Self { connect, ..self }
    }

    /// Sets [`first_byte`](Self::first_byte).
    #[must_use]
    pub fn with_first_byte(self, first_byte: Duration) -> Self {
        Self { first_byte, ..self }
    }

    /// Sets [`idle`](Self::idle).
    #[must_use]
    pub fn with_idle(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }
}
