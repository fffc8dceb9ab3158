//! The two dialects of the protocol.

/// Which of the two almost equal protocols is spoken (onedrive-graph#direct-endpoints): Graph, or
/// that of the drives' own hosts, with other annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `/v1.0`, `/beta`.
    Graph,
    /// `/_api/v2.0`.
    Direct,
}
