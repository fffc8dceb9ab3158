//! The half on the transport: requests.

use std::time::Duration;

use http::{Request, Response};
use opendal::{
    Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result,
    raw::ServiceOperation,
};
use tokio::time::{Instant, sleep};

use super::{
    Core,
    event::Event,
    verdict::{Verdict, limit, parse_retry_hint, peek, repeat},
    watch::host,
};
use crate::{
    failure::{status::pause, unreachable::Unreachable},
    rate_limit::{AccountLimiter, Attempt, Exhausted, Permit, RequestMeta},
};

/// Why a request waits that finds the account paused.
const ACCOUNT_PAUSED: &str = "the cloud wants a pause";

/// A transport that sends again.
pub(super) struct Repeating {
    inner: HttpTransporter,
    core: Core,
    /// Service and name, for those whose requests do not carry a limiter.
    account: String,
}

impl Repeating {
    pub(super) fn new(inner: HttpTransporter, core: Core, account: String) -> Self {
        Self { inner, core, account }
    }
}

impl HttpTransport for Repeating {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        // What a transport answers by itself, as our own a probe, is no request.
        if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
            return self.inner.fetch(request).await;
        }
        let meta = request.extensions().get::<RequestMeta>().cloned().unwrap_or_default();
        let host = host(&request);
        let limiter =
            meta.limiter.unwrap_or_else(|| self.core.limiter(format!("{} {host}", self.account)));
        let sending = Sending {
            transport: self,
            host,
            what: label(&request),
            limiter,
            bypass_limiter: meta.bypass_limiter,
            cost: meta.cost,
            begun: Instant::now(),
            attempts: 0,
        };
        sending.send(request).await
    }
}

/// `METHOD host template`.
fn label(request: &Request<Buffer>) -> String {
    let template = request.extensions().get::<ServiceOperation>().map_or("", |of| of.0);
    let host = request.uri().host().unwrap_or_default();
    format!("{} {host} {template}", request.method()).trim_end().to_owned()
}

/// A request on its way.
struct Sending<'t> {
    transport: &'t Repeating,
    /// With its port where that is in the URL.
    host: String,
    what: String,
    limiter: AccountLimiter,
    bypass_limiter: bool,
    cost: u32,
    begun: Instant,
    attempts: u32,
}

impl Sending<'_> {
    fn core(&self) -> &Core {
        &self.transport.core
    }

    async fn send(mut self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let repeat = repeat(&request);
        loop {
            let permit = self.pass().await?;
            self.attempts += 1;
            let mut again = request.clone();
            again.extensions_mut().insert(Attempt(self.attempts));
            let sent = Instant::now();
            let (outcome, verdict, named) = self.sent(again, sent, permit).await;
            if verdict == Verdict::Answered {
                return outcome;
            }
            let why = why(&outcome);
            if self.is_first_contact(&outcome) {
                return self.give_up_unreached(outcome, &why);
            }
            let wait = match verdict.allows(repeat) {
                true => self.wait(verdict, named, &why),
                // It is the operation's to be made anew.
                false => return outcome,
            };
            match wait {
                Ok(wait) => sleep(wait).await,
                Err(pause) => return self.give_up(outcome, &why, pause),
            }
        }
    }

    /// Sends it once: what came, what that means, and the pause that it names.
    async fn sent(
        &self,
        request: Request<Buffer>,
        sent: Instant,
        permit: Option<Permit>,
    ) -> (Result<Response<HttpBody>>, Verdict, Option<Duration>) {
        let answer = match self.transport.inner.fetch(request).await {
            Err(error) => {
                let verdict = Verdict::of_error(&error);
                return (Err(error), verdict, None);
            }
            Ok(answer) => answer,
        };
        self.core().note_reached(&self.host);
        let verdict = Verdict::of_answer(answer.status(), answer.headers());
        if verdict == Verdict::Answered {
            self.limiter
                .record_success(self.core().policy.budget.map_or(0.0, |budget| budget.earned));
            if let Some(permit) = permit {
                permit.record_success(limit(answer.headers()));
            }
            return (Ok(answer), verdict, None);
        }
        let (parts, body) = answer.into_parts();
        let (words, body) = peek(body).await;
        let mut named = pause(&parts.headers, || (self.core().date)());
        if verdict == Verdict::Refused {
            named = named.or_else(|| parse_retry_hint(&words));
            let pause = self.close(named, sent, parts.status.as_u16());
            if let Some(permit) = permit {
                permit.record_refusal(sent, pause, limit(&parts.headers));
            }
        }
        (Ok(Response::from_parts(parts, body)), verdict, named)
    }

    /// The whole account pauses.
    fn close(&self, named: Option<Duration>, sent: Instant, status: u16) -> Duration {
        let core = self.core();
        let refusals = self.limiter.record_refusal(sent);
        let pause = named
            .or(core.policy.unnamed_pause)
            .unwrap_or_else(|| core.policy.wait(refusals, (core.dice)()));
        self.limiter.pause(pause);
        let (account, why) = (&*self.transport.account, &*status.to_string());
        core.tell(Event::Paused { account, why, pause });
        pause
    }

    /// Waits at the limiter, and for a permit.
    async fn pass(&self) -> Result<Option<Permit>> {
        if self.bypass_limiter {
            return Ok(None);
        }
        let policy = &self.core().policy;
        let last = self.begun + policy.longest_total;
        // A request that was refused has announced its wait already.
        if self.attempts == 0
            && let Some(left) = self.limiter.paused_for()
            && left <= policy.longest_wait
        {
            self.announce_wait(ACCOUNT_PAUSED, left);
        }
        let waited = match policy.rate_limit.filter(|_| self.cost > 0) {
            None => {
                let deadline = last.min(Instant::now() + policy.longest_wait);
                self.limiter.wait_open(deadline).await.map(|()| None)
            }
            Some(config) => {
                self.limiter.acquire(self.cost, &config, policy.longest_wait, last).await.map(Some)
            }
        };
        waited.map_err(|delay| {
            let exhausted = self.exhausted(Some(delay.0));
            self.tell_the_end("the account is paused");
            let text = format!("{}: too many requests; {exhausted}", self.what);
            Error::new(ErrorKind::RateLimited, text).set_persistent()
        })
    }

    /// How long to wait before it is sent again.
    ///
    /// # Errors
    /// It is not; with the pause that the cloud wants, or that is too long.
    fn wait(
        &self,
        verdict: Verdict,
        named: Option<Duration>,
        why: &str,
    ) -> std::result::Result<Duration, Option<Duration>> {
        let core = self.core();
        let policy = &core.policy;
        let free = verdict == Verdict::Refused && named.is_some();
        let in_budget = |reserve| free || self.limiter.spend_retry(reserve);
        if self.attempts >= policy.attempts
            || !policy.budget.is_none_or(|budget| in_budget(budget.reserve))
        {
            return Err(named);
        }
        let mut wait = match named {
            Some(named) => named,
            None => policy.wait(self.attempts, (core.dice)()),
        };
        if verdict == Verdict::Refused && !self.bypass_limiter {
            wait = self.limiter.paused_for().unwrap_or_default();
        }
        if wait > policy.longest_wait || self.begun.elapsed() + wait > policy.longest_total {
            return Err(Some(wait));
        }
        let (what, attempt) = (&*self.what, self.attempts);
        core.tell(Event::Repeated { what, why, attempt, after: wait });
        self.announce_wait(why, wait);
        // At the limiter a longer pause is waited for.
        let at_gate = verdict == Verdict::Refused && !self.bypass_limiter;
        Ok(if at_gate { Duration::ZERO } else { wait })
    }

    fn announce_wait(&self, reason: &str, wait: Duration) {
        let until = Instant::now() + wait;
        let (host, elapsed, until) = (&*self.host, self.begun.elapsed(), until.into_std());
        self.core().tell(Event::Waiting { host, reason, elapsed, until });
    }

    /// Whether the host was never reached before, and the policy does not wait for such a host.
    fn is_first_contact(&self, outcome: &Result<Response<HttpBody>>) -> bool {
        let core = self.core();
        !core.policy.retry_first_contact
            && outcome.as_ref().is_err_and(|error| Unreachable::reason(error).is_some())
            && !core.has_reached(&self.host)
    }

    fn exhausted(&self, pause: Option<Duration>) -> Exhausted {
        Exhausted { attempts: self.attempts, elapsed: self.begun.elapsed(), pause }
    }

    fn tell_the_end(&self, why: &str) {
        let (what, attempts, elapsed) = (&*self.what, self.attempts, self.begun.elapsed());
        self.core().tell(Event::GaveUp { what, why, attempts, elapsed });
    }

    /// The error of a host that cannot be connected to, which is not to be tried again.
    fn give_up_unreached(
        &self,
        outcome: Result<Response<HttpBody>>,
        why: &str,
    ) -> Result<Response<HttpBody>> {
        self.tell_the_end(why);
        outcome.map_err(Error::set_persistent)
    }

    fn give_up(
        &self,
        outcome: Result<Response<HttpBody>>,
        why: &str,
        pause: Option<Duration>,
    ) -> Result<Response<HttpBody>> {
        self.tell_the_end(why);
        let exhausted = self.exhausted(pause);
        match outcome {
            Ok(mut answer) => {
                answer.extensions_mut().insert(exhausted);
                Ok(answer)
            }
            Err(error) => {
                let text = format!("{}; {exhausted}", error.message());
                Err(Error::new(error.kind(), text).set_persistent().set_source(error))
            }
        }
    }
}

/// In a few words, without anything of the URL.
fn why(outcome: &Result<Response<HttpBody>>) -> String {
    match outcome {
        Ok(answer) => answer.status().as_u16().to_string(),
        Err(error) => match Unreachable::reason(error) {
            Some(reason) => format!("cannot connect: {reason}"),
            None => format!("no answer ({})", error.kind()),
        },
    }
}
