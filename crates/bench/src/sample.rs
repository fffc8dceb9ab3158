//! The measurement of one work, on one contender, in one round.

use serde::{Deserialize, Serialize};

/// How a work ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", content = "reason", rename_all = "kebab-case")]
pub enum Outcome {
    /// It was performed, and its result is correct.
    #[default]
    Done,
    /// The contender cannot do this work, for this reason.
    NotApplicable(String),
    /// It failed, or its result is wrong, for this reason.
    Failed(String),
}

/// The measurement of one work, on one contender, in one round. `None`: not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// How the work ended. Without [`Outcome::Done`] the figures have no meaning.
    pub outcome: Outcome,
    /// Duration of the whole work in seconds.
    pub seconds: f64,
    /// Number of operations.
    pub operations: u64,
    /// Bytes of the files that were written or read.
    pub bytes: u64,
    /// Duration of each operation in seconds. Empty if operations were not measured one by one.
    pub latencies: Vec<f64>,
    /// Requests, repeated ones and redirects included.
    pub requests: Option<u64>,
    /// Bytes of the bodies of the requests.
    pub bytes_up: Option<u64>,
    /// Bytes of the bodies of the responses.
    pub bytes_down: Option<u64>,
    /// Cost in the units of the cloud.
    pub resource_units: Option<u64>,
    /// Growth of the memory in bytes: the peak during the work, minus the level before it.
    pub memory: Option<u64>,
    /// CPU time in seconds, of user code and the system.
    pub cpu: Option<f64>,
}

impl Sample {
    /// Returns the sample of a work that was performed.
    pub fn done(seconds: f64, operations: u64, bytes: u64) -> Self {
        Self { seconds, operations, bytes, ..Self::default() }
    }

    /// Returns the sample of a work that failed.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed(reason.into()), ..Self::default() }
    }

    /// Returns the sample of a work that the contender cannot do.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::NotApplicable(reason.into()), ..Self::default() }
    }

    /// Returns whether the work was performed.
    pub fn is_done(&self) -> bool {
        self.outcome == Outcome::Done
    }
}
