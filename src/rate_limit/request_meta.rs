//! Metadata of requests and responses for the layers, carried as HTTP extensions.

use std::{fmt, time::Duration};

use super::AccountLimiter;

/// Metadata of a request for the layers; an extension of the request.
///
/// Without this extension, layers use the request's method, headers and host.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestMeta {
    /// The rate limiter of the account. `None`: the layer has a limiter for each service and host.
    pub limiter: Option<AccountLimiter>,
    /// The request is sent even during a pause. Clouds count token requests separately.
    pub bypass_limiter: bool,
    /// When the request may be repeated. `None`: the method decides.
    pub repeat: Option<Repeat>,
    /// Cost in the cloud's units: resource units in Graph (onedrive-graph#resource-units), requests in
    /// other clouds. A request with cost 0 is not counted and needs no permit.
    pub cost: u32,
}

impl Default for RequestMeta {
    /// No limiter, and cost 1.
    fn default() -> Self {
        Self { limiter: None, bypass_limiter: false, repeat: None, cost: 1 }
    }
}

impl RequestMeta {
    /// Sets the limiter of the account.
    #[must_use]
    pub fn with_limiter(mut self, limiter: AccountLimiter) -> Self {
        self.limiter = Some(limiter);
        self
    }

    /// Sends the request even during a pause.
    #[must_use]
    pub fn with_bypass_limiter(mut self) -> Self {
        self.bypass_limiter = true;
        self
    }

    /// Sets when the request may be repeated.
    #[must_use]
    pub fn with_repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = Some(repeat);
        self
    }

    /// Sets the cost in the cloud's units.
    #[must_use]
    pub fn with_cost(mut self, cost: u32) -> Self {
        self.cost = cost;
        self
    }
}

/// When a request may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repeat {
    /// After any failure: the request is idempotent.
    Always,
    /// After failures without effect: the cloud rejected the request, or it could not be reached.
    IfRefused,
    /// Never.
    Never,
}

/// Marks a response that a layer received after its last attempt; an extension of the response. The
/// error of such a response is not retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exhausted {
    /// Number of attempts.
    pub attempts: u32,
    /// Time since the first attempt.
    pub elapsed: Duration,
    /// The pause that the cloud requested, if it was too long to wait for.
    pub pause: Option<Duration>,
}

impl Exhausted {
    /// Returns the result of `attempts` attempts that took `elapsed`.
    pub fn new(attempts: u32, elapsed: Duration, pause: Option<Duration>) -> Self {
        Self { attempts, elapsed, pause }
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = if self.attempts == 1 { "time" } else { "times" };
        write!(f, "tried {} {times} in {:.1} s", self.attempts, self.elapsed.as_secs_f64())?;
        match self.pause {
            Some(pause) => {
                write!(f, ", the cloud requests a pause of {:.0} s", pause.as_secs_f64())
            }
            None => Ok(()),
        }
    }
}

/// The number of an attempt, starting with 1; an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt(pub u32);
