//! The two dialects of the protocol.

/// The dialect of a request (onedrive-graph#direct-endpoints). Graph's hosts and the drives' own
/// hosts have almost the same protocol, with different annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Graph's hosts: `/v1.0`, `/beta`.
    Graph,
    /// The drives' own hosts: `/_api/v2.0`.
    Direct,
}
