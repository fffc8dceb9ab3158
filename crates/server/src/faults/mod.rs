//! Injected faults: rules, the decision that they make about a request, and its execution.
//!
//! | file | contents |
//! |---|---|
//! | `rule.rs` | [`Fault`], a rule as tests write it in Rust |
//! | `effects.rs` | the effects of a rule |
//! | `wire.rs` | a rule as JSON |
//! | `check.rs` | which rules are refused |
//! | `engine.rs` | the rules in force, and which requests they strike |
//! | `decision.rs` | [`FaultDecision`]: what happens to one request |
//! | `apply.rs` | carries a decision out |
//! | `body.rs` | slow, truncated and corrupted bodies |
//! | `flush_notify.rs` | when a connection has written everything |

mod apply;
mod body;
mod check;
mod decision;
mod effects;
mod engine;
mod flush_notify;
mod rule;
mod wire;

use tokio_util::sync::CancellationToken;

pub(crate) use apply::CreationWatch;
pub(crate) use body::BandwidthCap;
pub(crate) use decision::FaultDecision;
pub use effects::{Bandwidth, Drip, Latency, Side, When};
pub(crate) use engine::FaultEngine;
pub use engine::{ActiveFault, FaultError};
pub(crate) use flush_notify::{FlushNotify, FlushReporting};
pub use rule::Fault;

/// The connection that a request arrived on, as far as faults act on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    /// Cancelled: the connection is to be reset, without another byte.
    pub reset: CancellationToken,
    /// The bandwidth of what the client sends.
    pub up: BandwidthCap,
    /// The bandwidth of what the server sends.
    pub down: BandwidthCap,
    /// Reports when everything was written. `None` if several responses are written at a time.
    pub flushes: Option<FlushNotify>,
}
