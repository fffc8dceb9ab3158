//! Transport wrapper of the retry layer: retries requests and applies the rate limit.

use std::time::Duration;

use http::{Request, Response};
use opendal::{
    Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result,
    raw::ServiceOperation,
};
use tokio::time::{Instant, sleep};

use super::{
    RetryShared,
    decision::{RetryDecision, parse_retry_hint, peek, rate_limit_headers, repeatability},
    event::RetryEvent,
    failed_requests::host,
};
use crate::{
    failure::{status::pause, unreachable::Unreachable},
    rate_limit::{AccountLimiter, Attempt, Exhausted, Permit, RequestMeta},
};

/// Reason of a wait that is due to a paused account.
const ACCOUNT_PAUSED: &str = "the account is paused";

/// Transport that retries the requests of the inner transport.
pub(super) struct RetryTransport {
    inner: HttpTransporter,
    shared: RetryShared,
    /// Service and name. They identify the account of requests that carry no limiter.
    account: String,
}

impl RetryTransport {
    /// Wraps a transport. `account` names the service and the account, for requests without a
    /// limiter.
    pub(super) fn new(inner: HttpTransporter, shared: RetryShared, account: String) -> Self {
        Self { inner, shared, account }
    }
}

impl HttpTransport for RetryTransport {
    /// Sends a request, with retries, at the rate that the account's limiter permits.
    ///
    /// # Errors
    /// `RateLimited` if the wait for the account would exceed the policy's limits; those of the
    /// inner transport, persistent if the attempts are exhausted. A response with an error status
    /// is not an error.
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        // Other schemes are internal, such as the probe of our own transport: nothing is sent.
        if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
            return self.inner.fetch(request).await;
        }
        let meta = request.extensions().get::<RequestMeta>().cloned().unwrap_or_default();
        let host = host(&request);
        let limiter =
            meta.limiter.unwrap_or_else(|| self.shared.limiter(format!("{} {host}", self.account)));
        let retrying = RetryingRequest {
            transport: self,
            host,
            call: label(&request),
            limiter,
            bypass_limiter: meta.bypass_limiter,
            cost: meta.cost,
            started: Instant::now(),
            attempts: 0,
        };
        retrying.send(request).await
    }
}

/// Returns the label `METHOD host template` for events, without path and query.
fn label(request: &Request<Buffer>) -> String {
    let template = request.extensions().get::<ServiceOperation>().map_or("", |of| of.0);
    let host = request.uri().host().unwrap_or_default();
    format!("{} {host} {template}", request.method()).trim_end().to_owned()
}

/// A request with the state of its attempts.
struct RetryingRequest<'t> {
    transport: &'t RetryTransport,
    /// With the port if the URL has one.
    host: String,
    /// Label of the request for events and errors.
    call: String,
    limiter: AccountLimiter,
    bypass_limiter: bool,
    cost: u32,
    started: Instant,
    attempts: u32,
}

impl RetryingRequest<'_> {
    /// Returns the state of the layer.
    fn shared(&self) -> &RetryShared {
        &self.transport.shared
    }

    /// Sends the request until it succeeds or must not be retried. The last failure is returned: a
    /// response as such, marked as [`Exhausted`].
    ///
    /// # Errors
    /// Those of [`admit`](Self::admit), and the error of the last attempt.
    async fn send(mut self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let repeat = repeatability(&request);
        loop {
            let permit = self.admit().await?;
            self.attempts += 1;
            let mut attempt = request.clone();
            attempt.extensions_mut().insert(Attempt(self.attempts));
            let sent = Instant::now();
            let (outcome, decision, requested) = self.send_once(attempt, sent, permit).await;
            if decision == RetryDecision::Final {
                return outcome;
            }
            let reason = failure_reason(&outcome);
            if self.is_first_contact(&outcome) {
                return self.give_up_first_contact(outcome, &reason);
            }
            let wait = match decision.allows(repeat) {
                true => self.next_delay(decision, requested, &reason),
                // The service wrapper repeats the whole operation.
                false => return outcome,
            };
            match wait {
                Ok(wait) => sleep(wait).await,
                Err(pause) => return self.give_up(outcome, &reason, pause),
            }
        }
    }

    /// Sends the request once. `sent` is the current time, and `permit` that of the limiter.
    /// Returns the result of the inner transport, the decision, and the pause that the response
    /// requests (`None` if it requests none).
    async fn send_once(
        &self,
        request: Request<Buffer>,
        sent: Instant,
        permit: Option<Permit>,
    ) -> (Result<Response<HttpBody>>, RetryDecision, Option<Duration>) {
        let response = match self.transport.inner.fetch(request).await {
            Err(error) => {
                let decision = RetryDecision::from_error(&error);
                return (Err(error), decision, None);
            }
            Ok(response) => response,
        };
        self.shared().record_responsive(&self.host);
        let decision = RetryDecision::from_response(response.status(), response.headers());
        if decision == RetryDecision::Final {
            self.limiter.record_success(
                self.shared().policy.budget.map_or(0.0, |budget| budget.earned_per_success),
            );
            if let Some(permit) = permit {
                permit.record_success(rate_limit_headers(response.headers()));
            }
            return (Ok(response), decision, None);
        }
        let (parts, body) = response.into_parts();
        let (text, body) = peek(body).await;
        let mut requested = pause(&parts.headers, || (self.shared().clock)());
        if decision == RetryDecision::Throttled {
            requested = requested.or_else(|| parse_retry_hint(&text));
            let pause = self.pause_account(requested, sent, parts.status.as_u16());
            if let Some(permit) = permit {
                permit.record_refusal(sent, pause, rate_limit_headers(&parts.headers));
            }
        }
        (Ok(Response::from_parts(parts, body)), decision, requested)
    }

    /// Pauses all requests of the account and returns the length of the pause. `requested` is the
    /// pause that the response requests, `sent` the time at which the request was sent, and
    /// `status` that of the response.
    fn pause_account(&self, requested: Option<Duration>, sent: Instant, status: u16) -> Duration {
        let shared = self.shared();
        let refusals = self.limiter.record_refusal(sent);
        let pause = requested
            .or(shared.policy.default_pause)
            .unwrap_or_else(|| shared.policy.delay(refusals, (shared.rng)()));
        self.limiter.pause(pause);
        let (account, reason) = (&*self.transport.account, &*status.to_string());
        shared.emit(RetryEvent::Paused { account, reason, pause });
        pause
    }

    /// Waits until the account is not paused, and for a permit of the rate limiter. Returns `None`
    /// if no permit is needed.
    ///
    /// # Errors
    /// `RateLimited` if the wait would exceed the limits of the policy.
    async fn admit(&self) -> Result<Option<Permit>> {
        if self.bypass_limiter {
            return Ok(None);
        }
        let policy = &self.shared().policy;
        let last = self.started + policy.max_elapsed;
        // A refused request has already announced its wait.
        if self.attempts == 0
            && let Some(left) = self.limiter.paused_for()
            && left <= policy.max_delay
        {
            self.announce_wait(ACCOUNT_PAUSED, left);
        }
        let waited = match policy.rate_limit.filter(|_| self.cost > 0) {
            None => {
                let deadline = last.min(Instant::now() + policy.max_delay);
                self.limiter.wait_open(deadline).await.map(|()| None)
            }
            Some(config) => {
                self.limiter.acquire(self.cost, &config, policy.max_delay, last).await.map(Some)
            }
        };
        waited.map_err(|delay| {
            let exhausted = self.exhausted(Some(delay.0));
            self.emit_gave_up("the account is paused");
            let text = format!("{}: too many requests; {exhausted}", self.call);
            Error::new(ErrorKind::RateLimited, text).set_persistent()
        })
    }

    /// Returns the delay before the next attempt. `requested` is the pause that the response
    /// requests, and `reason` a short text for events.
    ///
    /// # Errors
    /// The request must not be retried. The error is the pause that the cloud requests, if known.
    fn next_delay(
        &self,
        decision: RetryDecision,
        requested: Option<Duration>,
        reason: &str,
    ) -> std::result::Result<Duration, Option<Duration>> {
        let shared = self.shared();
        let policy = &shared.policy;
        let is_free = decision == RetryDecision::Throttled && requested.is_some();
        let in_budget = |reserve| is_free || self.limiter.spend_retry(reserve);
        if self.attempts >= policy.max_attempts
            || !policy.budget.is_none_or(|budget| in_budget(budget.reserve))
        {
            return Err(requested);
        }
        let mut wait = match requested {
            Some(requested) => requested,
            None => policy.delay(self.attempts, (shared.rng)()),
        };
        if decision == RetryDecision::Throttled && !self.bypass_limiter {
            wait = self.limiter.paused_for().unwrap_or_default();
        }
        if wait > policy.max_delay || self.started.elapsed() + wait > policy.max_elapsed {
            return Err(Some(wait));
        }
        let (call, attempt) = (&*self.call, self.attempts);
        shared.emit(RetryEvent::Retrying { call, reason, attempt, delay: wait });
        self.announce_wait(reason, wait);
        // The limiter waits for the pause, which may be extended meanwhile.
        let waits_at_limiter = decision == RetryDecision::Throttled && !self.bypass_limiter;
        Ok(if waits_at_limiter { Duration::ZERO } else { wait })
    }

    /// Emits the event for a wait of known length.
    fn announce_wait(&self, reason: &str, wait: Duration) {
        let until = Instant::now() + wait;
        let (host, elapsed, until) = (&*self.host, self.started.elapsed(), until.into_std());
        self.shared().emit(RetryEvent::Waiting { host, reason, elapsed, until });
    }

    /// Returns whether the host has never responded and the policy does not retry such hosts.
    fn is_first_contact(&self, outcome: &Result<Response<HttpBody>>) -> bool {
        let shared = self.shared();
        !shared.policy.retry_first_contact
            && outcome.as_ref().is_err_and(|error| Unreachable::reason(error).is_some())
            && !shared.is_responsive(&self.host)
    }

    /// Returns the mark for a result whose attempts are exhausted. `pause` is the pause that the
    /// cloud requests, if known.
    fn exhausted(&self, pause: Option<Duration>) -> Exhausted {
        Exhausted { attempts: self.attempts, elapsed: self.started.elapsed(), pause }
    }

    /// Emits the event for a request that is not retried.
    fn emit_gave_up(&self, reason: &str) {
        let (call, attempts, elapsed) = (&*self.call, self.attempts, self.started.elapsed());
        self.shared().emit(RetryEvent::GaveUp { call, reason, attempts, elapsed });
    }

    /// Emits the event, and makes the error of a host that cannot be connected to persistent.
    ///
    /// # Errors
    /// Always that of `outcome`.
    fn give_up_first_contact(
        &self,
        outcome: Result<Response<HttpBody>>,
        reason: &str,
    ) -> Result<Response<HttpBody>> {
        self.emit_gave_up(reason);
        outcome.map_err(Error::set_persistent)
    }

    /// Emits the event, and marks the result as exhausted: a response by an extension, an error by
    /// its message. `pause` is the pause that the cloud requests, if known.
    ///
    /// # Errors
    /// That of `outcome`, persistent.
    fn give_up(
        &self,
        outcome: Result<Response<HttpBody>>,
        reason: &str,
        pause: Option<Duration>,
    ) -> Result<Response<HttpBody>> {
        self.emit_gave_up(reason);
        let exhausted = self.exhausted(pause);
        match outcome {
            Ok(mut response) => {
                response.extensions_mut().insert(exhausted);
                Ok(response)
            }
            Err(error) => {
                let text = format!("{}; {exhausted}", error.message());
                Err(Error::new(error.kind(), text).set_persistent().set_source(error))
            }
        }
    }
}

/// Describes a failure in a few words, without any part of the URL.
fn failure_reason(outcome: &Result<Response<HttpBody>>) -> String {
    match outcome {
        Ok(response) => response.status().as_u16().to_string(),
        Err(error) => match Unreachable::reason(error) {
            Some(reason) => format!("cannot connect: {reason}"),
            None => format!("no response ({})", error.kind()),
        },
    }
}
