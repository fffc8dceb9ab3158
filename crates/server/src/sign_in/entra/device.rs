//! Device codes: a sign-in for programs without a browser (onedrive-graph#device-code).
//!
//! Requests are kept in memory: after a restart of the server, the program has to start again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use rand::Rng;

use crate::{sign_in::consent::Realm, signed_token::random_name};

/// Lifetime of a device code.
pub(super) const LIFE: SignedDuration = SignedDuration::from_secs(900);

/// Lifetime of a user code, which is shorter than the response announces.
const USER_CODE_LIFE: SignedDuration = SignedDuration::from_secs(300);

/// The interval between two polls, in seconds.
pub(super) const INTERVAL: i64 = 5;

/// How much earlier than [`INTERVAL`] a poll may arrive: clients measure it from the response.
const TOLERANCE: SignedDuration = SignedDuration::from_millis(500);

/// Maximum number of device codes at a time, which bounds the memory.
const MAX_REQUESTS: usize = 1000;

/// The characters of user codes: no vowels, and none that look like another.
const ALPHABET: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ2346789";

/// The device codes that were issued and have not expired, by code.
#[derive(Debug, Default)]
pub(crate) struct DeviceCodes(Mutex<HashMap<String, DeviceRequest>>);

/// A program that waits for its user.
#[derive(Clone, Debug)]
struct DeviceRequest {
    user_code: String,
    client: String,
    scope: String,
    /// The users who can sign in.
    realm: Realm,
    issued: Timestamp,
    /// The time of the last poll.
    polled: Option<Timestamp>,
    decision: Decision,
}

impl DeviceRequest {
    /// Returns whether the request has a user code, and waits for the user's decision.
    fn is_waiting(&self, user_code: &str, now: Timestamp) -> bool {
        self.user_code == user_code
            && self.decision == Decision::Pending
            && now < self.issued + USER_CODE_LIFE
    }
}

/// The properties of a request that waits for its user.
#[derive(Clone, Debug)]
pub(super) struct WaitingDevice {
    pub client: String,
    pub scope: String,
    /// The users who can sign in.
    pub realm: Realm,
}

/// A user's decision about a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Pending,
    /// The user allowed access to this account.
    Allowed(String),
    Denied,
}

/// The codes of a new request.
#[derive(Debug)]
pub(super) struct IssuedCodes {
    pub device_code: String,
    pub user_code: String,
}

/// The result of a poll.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Poll {
    Pending,
    /// The poll arrived before the interval was over.
    TooSoon,
    Denied,
    Expired,
    /// No such code was issued to this client, or it was exchanged already.
    Unknown,
    Allowed {
        account: String,
        scope: String,
    },
}

impl DeviceCodes {
    /// Locks the requests, after removing those that ended long before `now`.
    fn requests(&self, now: Timestamp) -> MutexGuard<'_, HashMap<String, DeviceRequest>> {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Kept for a while after they expire, so that the client receives the reason.
        requests.retain(|_, request| now < request.issued + LIFE + LIFE);
        requests
    }

    /// Returns the client, the scopes and the users of the undecided request with a user code;
    /// `None` if no such code was issued, its five minutes are over, or the user decided. Spaces
    /// around the code and its case do not matter.
    pub(super) fn waiting(&self, user_code: &str, now: Timestamp) -> Option<WaitingDevice> {
        let user_code = user_code.trim().to_ascii_uppercase();
        let requests = self.requests(now);
        let request = requests.values().find(|request| request.is_waiting(&user_code, now))?;
        Some(WaitingDevice {
            client: request.client.clone(),
            scope: request.scope.clone(),
            realm: request.realm.clone(),
        })
    }

    /// Issues the codes for a client's request. `scope` has the requested scopes, separated by
    /// spaces. `None` if [`MAX_REQUESTS`] requests are stored, including those that ended a short
    /// time ago.
    pub(super) fn issue(
        &self,
        client: &str,
        scope: &str,
        realm: Realm,
        now: Timestamp,
    ) -> Option<IssuedCodes> {
        let mut requests = self.requests(now);
        if requests.len() >= MAX_REQUESTS {
            return None;
        }
        let (device_code, user_code) = (random_name(), new_user_code());
        let request = DeviceRequest {
            user_code: user_code.clone(),
            client: client.to_owned(),
            scope: scope.to_owned(),
            realm,
            issued: now,
            polled: None,
            decision: Decision::Pending,
        };
        requests.insert(device_code.clone(), request);
        Some(IssuedCodes { device_code, user_code })
    }

    /// Records the user's decision. Returns whether the user code was issued, not older than five
    /// minutes, and undecided; otherwise nothing is recorded. Spaces around the code and its case
    /// do not matter.
    pub(super) fn decide(&self, user_code: &str, decision: Decision, now: Timestamp) -> bool {
        let user_code = user_code.trim().to_ascii_uppercase();
        let mut requests = self.requests(now);
        let waiting = requests.values_mut().find(|request| request.is_waiting(&user_code, now));
        waiting.map(|request| request.decision = decision).is_some()
    }

    /// Serves a client's poll for a device code. A code is removed once the client has received the
    /// decision.
    pub(super) fn poll(&self, device_code: &str, client: &str, now: Timestamp) -> Poll {
        let mut requests = self.requests(now);
        let Some(request) = requests.get_mut(device_code).filter(|it| it.client == client) else {
            return Poll::Unknown;
        };
        if now >= request.issued + LIFE {
            return Poll::Expired;
        }
        let interval = SignedDuration::from_secs(INTERVAL) - TOLERANCE;
        let is_too_soon = request.polled.is_some_and(|polled| now < polled + interval);
        request.polled = Some(now);
        if is_too_soon {
            return Poll::TooSoon;
        }
        let poll = match &request.decision {
            Decision::Pending if now >= request.issued + USER_CODE_LIFE => return Poll::Expired,
            Decision::Pending => return Poll::Pending,
            Decision::Denied => Poll::Denied,
            Decision::Allowed(account) => {
                Poll::Allowed { account: account.clone(), scope: request.scope.clone() }
            }
        };
        requests.remove(device_code);
        poll
    }
}

/// Returns a random user code: nine characters, as in the cloud.
fn new_user_code() -> String {
    let mut random = rand::rng();
    (0..9).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn a_code_is_exchanged_once_after_the_user_allowed_it() {
        let codes = DeviceCodes::default();
        let issued = codes.issue("app", "Files.Read", Realm::Any, time(0)).expect("codes");
        assert_eq!(codes.poll(&issued.device_code, "app", time(0)), Poll::Pending);
        assert_eq!(codes.poll(&issued.device_code, "app", time(1)), Poll::TooSoon);
        assert_eq!(codes.poll(&issued.device_code, "other", time(9)), Poll::Unknown);
        let typed = format!(" {} ", issued.user_code.to_lowercase());
        assert!(codes.decide(&typed, Decision::Allowed("anna".into()), time(9)));
        assert!(!codes.decide(&typed, Decision::Denied, time(9)), "decided already");
        let allowed = Poll::Allowed { account: "anna".into(), scope: "Files.Read".into() };
        assert_eq!(codes.poll(&issued.device_code, "app", time(10)), allowed);
        assert_eq!(codes.poll(&issued.device_code, "app", time(20)), Poll::Unknown);
    }

    #[test]
    fn codes_expire_and_can_be_denied() {
        let codes = DeviceCodes::default();
        let issued = codes.issue("app", "", Realm::Any, time(0)).expect("codes");
        assert!(!codes.decide(&issued.user_code, Decision::Denied, time(300)));
        assert_eq!(codes.poll(&issued.device_code, "app", time(300)), Poll::Expired);
        let denied = codes.issue("app", "", Realm::Any, time(0)).expect("codes");
        assert!(codes.decide(&denied.user_code, Decision::Denied, time(1)));
        assert_eq!(codes.poll(&denied.device_code, "app", time(2)), Poll::Denied);
    }

    #[test]
    fn the_number_of_waiting_requests_is_bounded() {
        let codes = DeviceCodes::default();
        for _ in 0..MAX_REQUESTS {
            assert!(codes.issue("app", "", Realm::Any, time(0)).is_some());
        }
        assert!(codes.issue("app", "", Realm::Any, time(1)).is_none());
        assert!(codes.issue("app", "", Realm::Any, time(1800)).is_some());
    }
}
