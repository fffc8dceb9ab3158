//! The packet types of BITS.

use axum::http::{HeaderName, request::Parts};

use super::response::PACKET_TYPE;

/// The packet type of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Create,
    Fragment,
    Close,
    Cancel,
    Ping,
}

/// Operation name of requests without a known packet type.
pub(super) const UNKNOWN: &str = "live.bits.unknown";

impl Packet {
    /// Parses the packet type, ignoring case; `None` if it is missing or unknown.
    pub(super) fn from_request(request: &Parts) -> Option<Self> {
        let name = header_text(request, &PACKET_TYPE)?.trim().to_ascii_lowercase();
        Some(match name.as_str() {
            "create-session" => Self::Create,
            "fragment" => Self::Fragment,
            "close-session" => Self::Close,
            "cancel-session" => Self::Cancel,
            "ping" => Self::Ping,
            _ => return None,
        })
    }

    /// Returns the operation name for counters, the request log and fault rules.
    pub(super) fn operation(self) -> &'static str {
        match self {
            Self::Create => "live.bits.create",
            Self::Fragment => "live.bits.fragment",
            Self::Close => "live.bits.close",
            Self::Cancel => "live.bits.cancel",
            Self::Ping => "live.bits.ping",
        }
    }
}

/// Returns the value of a header; `None` if it is missing or has other characters than visible
/// ASCII, spaces and tabs.
pub(super) fn header_text<'a>(request: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    request.headers.get(name)?.to_str().ok()
}
