//! The participants of a benchmark.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Result, Target};

/// A backend under measurement, with its name in the report.
#[derive(Clone)]
pub struct Contender {
    pub(crate) name: String,
    pub(crate) notes: Vec<String>,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) meter: Arc<dyn Meter>,
    pub(crate) processes: Vec<u32>,
}

impl Contender {
    /// Creates a contender that runs in this process and counts no requests. The name must be unique
    /// among the contenders of a benchmark.
    pub fn new(name: impl Into<String>, target: impl Target + 'static) -> Self {
        Self {
            name: name.into(),
            notes: Vec::new(),
            target: Arc::new(target),
            meter: Arc::new(NoMeter),
            processes: vec![std::process::id()],
        }
    }

    /// Counts the requests with this meter.
    #[must_use]
    pub fn with_meter(self, meter: impl Meter + 'static) -> Self {
        Self { meter: Arc::new(meter), ..self }
    }

    /// Measures memory and CPU time of these processes in place of this one.
    #[must_use]
    pub fn with_processes(self, processes: Vec<u32>) -> Self {
        Self { processes, ..self }
    }

    /// Adds a sentence about this contender to the report.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Counts the requests of a contender.
#[async_trait]
pub trait Meter: Send + Sync {
    /// Returns the totals so far. Differences of two totals are reported.
    ///
    /// # Errors
    /// If the totals cannot be read, for example from a server.
    async fn totals(&self) -> Result<Totals>;
}

/// Totals of a contender's requests. `None`: not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Requests, repeated ones and redirects included.
    pub requests: Option<u64>,
    /// Bytes of the bodies of the requests.
    pub bytes_up: Option<u64>,
    /// Bytes of the bodies of the responses.
    pub bytes_down: Option<u64>,
    /// Cost in the units of the cloud, such as Microsoft Graph's resource units.
    pub resource_units: Option<u64>,
}

impl Totals {
    /// Sets the number of requests.
    #[must_use]
    pub fn with_requests(self, requests: u64) -> Self {
        Self { requests: Some(requests), ..self }
    }

    /// Sets the bytes of the bodies of requests and of responses.
    #[must_use]
    pub fn with_bytes(self, up: u64, down: u64) -> Self {
        Self { bytes_up: Some(up), bytes_down: Some(down), ..self }
    }

    /// Sets the cost in the units of the cloud.
    #[must_use]
    pub fn with_resource_units(self, units: u64) -> Self {
        Self { resource_units: Some(units), ..self }
    }

    /// Returns the increase since earlier totals.
    pub(crate) fn since(self, earlier: Self) -> Self {
        let difference =
            |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then.unwrap_or(0)));
        Self {
            requests: difference(self.requests, earlier.requests),
            bytes_up: difference(self.bytes_up, earlier.bytes_up),
            bytes_down: difference(self.bytes_down, earlier.bytes_down),
            resource_units: difference(self.resource_units, earlier.resource_units),
        }
    }
}

/// Counts nothing.
struct NoMeter;

#[async_trait]
impl Meter for NoMeter {
    /// Returns totals without figures.
    ///
    /// # Errors
    /// Never.
    async fn totals(&self) -> Result<Totals> {
        Ok(Totals::default())
    }
}
