//! Fault injection: rules, the decision that they make about a request, and its execution.
//!
//! | file | contents |
//! |---|---|
//! | `rule.rs` | [`Fault`], a rule as tests write it in Rust |
//! | `effects.rs` | the effects of a rule |
//! | `json.rs` | a rule as JSON |
//! | `check.rs` | rejects invalid rules |
//! | `engine.rs` | the active rules, and the requests that they apply to |
//! | `decision.rs` | [`FaultDecision`]: the effects on one request |
//! | `apply.rs` | carries a decision out |
//! | `faulty_body.rs` | slow, truncated and corrupted bodies |
//! | `flush_notify.rs` | reports when a connection has written everything |

mod apply;
mod check;
mod decision;
mod effects;
mod engine;
mod faulty_body;
mod flush_notify;
mod json;
mod rule;

use tokio_util::sync::CancellationToken;

pub(crate) use apply::CreationWatch;
pub use check::InvalidFault;
pub(crate) use decision::FaultDecision;
pub use effects::{Bandwidth, Drip, Latency, Side, When};
pub(crate) use engine::FaultEngine;
pub use engine::{ActiveFault, FaultError};
pub(crate) use faulty_body::BandwidthCap;
pub(crate) use flush_notify::{FlushNotify, FlushReporting};
pub use rule::Fault;

/// The parts of a request's connection that faults act on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    /// Cancelled: the connection must be reset without sending another byte.
    pub reset: CancellationToken,
    /// The bandwidth limit of the bytes that the client sends.
    pub up: BandwidthCap,
    /// The bandwidth limit of the bytes that the server sends.
    pub down: BandwidthCap,
    /// Reports when everything is written. `None` if several responses are written concurrently.
    pub flushes: Option<FlushNotify>,
}
