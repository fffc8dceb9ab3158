//! Metadata that travels with a request and its response, as extensions.

use std::{fmt, time::Duration};

use super::AccountLimiter;

/// Metadata of a request for the layers; an extension of the request.
///
/// Without it a layer goes by method, headers and host.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestMeta {
    /// The limiter of the account; `None`: one limiter by service and host.
    pub limiter: Option<AccountLimiter>,
    /// Whether the request is sent during a pause: clouds count token requests separately.
    pub bypass_limiter: bool,
    /// When the request may be sent again; `None`: by its method.
    pub repeat: Option<Repeat>,
    /// Cost in the cloud's units (Graph: resource units, onedrive-graph#resource-units;
    /// elsewhere requests). 0: not counted, and sent without a permit.
    pub cost: u32,
}

impl Default for RequestMeta {
    /// A request of a service without metadata, with cost 1.
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

    /// Sends the request also during a pause.
    #[must_use]
    pub fn with_bypass_limiter(mut self) -> Self {
        self.bypass_limiter = true;
        self
    }

    /// Sets when the request may be sent again.
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

/// When a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repeat {
    /// After any failure: the request is idempotent.
    Always,
    /// After failures without effect: the cloud refused the request, or was not reached.
    IfRefused,
    /// Never.
    Never,
}

/// On a response that a layer received after its last attempt: an extension of the response. An
/// error made of such a response is not retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exhausted {
    /// Number of times the request was sent.
    pub attempts: u32,
    /// Time since it was sent first.
    pub elapsed: Duration,
    /// The pause that the cloud wants, if it is too long to wait for.
    pub pause: Option<Duration>,
}

impl Exhausted {
    /// The end of `attempts` attempts that took `elapsed`.
    pub fn new(attempts: u32, elapsed: Duration, pause: Option<Duration>) -> Self {
        Self { attempts, elapsed, pause }
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = if self.attempts == 1 { "time" } else { "times" };
        write!(f, "tried {} {times} in {:.1} s", self.attempts, self.elapsed.as_secs_f64())?;
        match self.pause {
            Some(pause) => write!(f, ", the cloud wants a pause of {:.0} s", pause.as_secs_f64()),
            None => Ok(()),
        }
    }
}

/// The number of the attempt, from 1; an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt(pub u32);
