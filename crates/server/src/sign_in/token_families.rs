//! The tokens that descend from one sign-in, which are revoked together.
//!
//! The state is in memory: tokens that were revoked before a restart are valid again.

use std::sync::atomic::{AtomicBool, Ordering};

use moka::{
    ops::compute::{CompResult, Op},
    policy::EvictionPolicy,
    sync::Cache,
};
use serde::{Deserialize, Serialize};

use crate::grant::Grant;

/// Maximum number of sign-ins that are remembered. Beyond it the oldest are forgotten, which bounds
/// the memory.
const MAX_FAMILIES: u64 = 100_000;

/// The effect of using a refresh token after another one replaced it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RefreshReuse {
    /// It remains valid, as in Microsoft's cloud (onedrive-graph#refresh-token).
    #[default]
    Allow,
    /// It is refused, and all tokens of its sign-in are revoked (RFC 9700, 4.14.2).
    Revoke,
}

/// Whether a client may send the same assertion again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AssertionReuse {
    /// Yes. MSAL sends an assertion until it expires.
    #[default]
    Allow,
    /// No: its `jti` is accepted once (RFC 7523, 3).
    Refuse,
}

/// Options of the sign-in that can be changed while the server runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SignInOptions {
    /// The effect of using a replaced refresh token.
    pub refresh_reuse: RefreshReuse,
    /// Whether a client may send the same assertion again.
    pub assertion_reuse: AssertionReuse,
}

impl SignInOptions {
    /// Sets the effect of using a replaced refresh token.
    #[must_use]
    pub fn with_refresh_reuse(self, refresh_reuse: RefreshReuse) -> Self {
        Self { refresh_reuse, ..self }
    }

    /// Sets whether a client may send the same assertion again.
    #[must_use]
    pub fn with_assertion_reuse(self, assertion_reuse: AssertionReuse) -> Self {
        Self { assertion_reuse, ..self }
    }
}

/// The sign-ins whose tokens are in use.
#[derive(Debug)]
pub(crate) struct TokenFamilies {
    /// The nonce of the newest refresh token, by sign-in.
    newest: Cache<String, String>,
    revoked: Cache<String, ()>,
    /// Whether a replaced refresh token revokes its family.
    revokes_reuse: AtomicBool,
    refuses_assertions: AtomicBool,
}

impl TokenFamilies {
    /// Creates a store without sign-ins.
    pub(crate) fn new(options: SignInOptions) -> Self {
        let families = Self {
            newest: cache(),
            revoked: cache(),
            revokes_reuse: AtomicBool::default(),
            refuses_assertions: AtomicBool::default(),
        };
        families.set_options(options);
        families
    }

    /// Returns the options of the sign-in.
    pub(crate) fn options(&self) -> SignInOptions {
        SignInOptions {
            refresh_reuse: match self.revokes_reuse.load(Ordering::Relaxed) {
                true => RefreshReuse::Revoke,
                false => RefreshReuse::Allow,
            },
            assertion_reuse: match self.refuses_assertions.load(Ordering::Relaxed) {
                true => AssertionReuse::Refuse,
                false => AssertionReuse::Allow,
            },
        }
    }

    /// Sets the options of the sign-in.
    pub(crate) fn set_options(&self, options: SignInOptions) {
        let SignInOptions { refresh_reuse, assertion_reuse } = options;
        self.revokes_reuse.store(refresh_reuse == RefreshReuse::Revoke, Ordering::Relaxed);
        let refuses = assertion_reuse == AssertionReuse::Refuse;
        self.refuses_assertions.store(refuses, Ordering::Relaxed);
    }

    /// Returns whether an assertion is accepted only once.
    pub(crate) fn refuses_assertions(&self) -> bool {
        self.refuses_assertions.load(Ordering::Relaxed)
    }

    /// Returns whether a grant's tokens were revoked. `false` may be wrong for a sign-in that was
    /// forgotten: after a restart, or after more than [`MAX_FAMILIES`] others.
    pub(crate) fn is_revoked(&self, grant: &Grant) -> bool {
        grant.family.as_ref().is_some_and(|family| self.revoked.contains_key(family))
    }

    /// Revokes all tokens of the sign-in with the name `family`.
    pub(crate) fn revoke(&self, family: &str) {
        self.revoked.insert(family.to_owned(), ());
    }

    /// Returns whether the refresh token of `grant` may be used: `false` if its family is revoked.
    /// If it was replaced and its reuse is not allowed, its family is revoked now. A replacement
    /// that was forgotten, as after a restart, counts as none.
    pub(crate) fn may_refresh(&self, grant: &Grant) -> bool {
        let Some(family) = &grant.family else { return true };
        let newest = self.newest.get(family);
        let is_replaced = newest.is_some_and(|newest| newest != grant.nonce);
        if is_replaced && self.revokes_reuse.load(Ordering::Relaxed) {
            self.revoke(family);
        }
        !self.is_revoked(grant)
    }

    /// Records that a refresh token with the nonce `next` replaces the one of `grant`. Returns
    /// whether it may be issued: it may not if another request replaced the token meanwhile, which is
    /// a reuse.
    pub(crate) fn replace(&self, grant: &Grant, next: &str) -> bool {
        let Some(family) = &grant.family else { return true };
        let is_strict = self.revokes_reuse.load(Ordering::Relaxed);
        let result = self.newest.entry_by_ref(family).and_compute_with(|newest| {
            let is_replaced = newest.is_some_and(|newest| *newest.value() != grant.nonce);
            match is_replaced && is_strict {
                true => Op::Nop,
                false => Op::Put(next.to_owned()),
            }
        });
        let is_issued = !matches!(result, CompResult::Unchanged(_) | CompResult::StillNone(_));
        if !is_issued {
            self.revoke(family);
        }
        is_issued
    }
}

/// Returns a cache of at most [`MAX_FAMILIES`] entries. Beyond them, it forgets those that were not
/// used for the longest time.
fn cache<V: Clone + Send + Sync + 'static>() -> Cache<String, V> {
    let builder = Cache::builder().max_capacity(MAX_FAMILIES);
    builder.eviction_policy(EvictionPolicy::lru()).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a grant of the sign-in `f` with a nonce.
    fn grant(nonce: &str) -> Grant {
        let mut grant = Grant::new("", None);
        grant.family = Some("f".into());
        grant.nonce = nonce.into();
        grant
    }

    #[test]
    fn a_replaced_token_revokes_its_family_if_reuse_is_not_allowed() {
        let strict = SignInOptions::default().with_refresh_reuse(RefreshReuse::Revoke);
        let families = TokenFamilies::new(strict);
        assert!(families.replace(&grant(""), "1"));
        assert!(families.may_refresh(&grant("1")) && families.replace(&grant("1"), "2"));
        assert!(!families.is_revoked(&grant("2")));
        assert!(!families.may_refresh(&grant("1")));
        assert!(families.is_revoked(&grant("2")), "the newest too");
    }

    #[test]
    fn two_requests_at_once_cannot_replace_the_same_token() {
        let strict = SignInOptions::default().with_refresh_reuse(RefreshReuse::Revoke);
        let families = TokenFamilies::new(strict);
        assert!(families.replace(&grant(""), "1"));
        assert!(families.may_refresh(&grant("1")) && families.may_refresh(&grant("1")));
        assert!(families.replace(&grant("1"), "2"));
        assert!(!families.replace(&grant("1"), "3"));
        assert!(families.is_revoked(&grant("2")));
    }

    #[test]
    fn by_default_a_replaced_token_remains_valid() {
        let families = TokenFamilies::new(SignInOptions::default());
        assert!(families.replace(&grant(""), "1") && families.replace(&grant("1"), "2"));
        assert!(families.may_refresh(&grant("1")) && families.replace(&grant("1"), "3"));
    }
}
