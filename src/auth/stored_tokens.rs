//! The tokens of an account, as a store keeps them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Tokens;
use crate::drive::Secret;

/// The tokens of an account, as a [`TokenStore`](super::TokenStore) keeps them.
///
/// Serialization writes the secrets as they are. It is meant for the user's own storage.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct StoredTokens {
    /// The refresh token. `None` if the cloud issued none.
    #[serde(with = "secret", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// The access token.
    #[serde(with = "secret", skip_serializing_if = "Option::is_none")]
    pub access_token: Option<Secret>,
    /// When the access token should be refreshed. `None` if its expiry is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Timestamp>,
    /// When the access token expires. `None` if its expiry is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The refresh token of the configuration from which these tokens originate. A configuration
    /// with another refresh token is newer than the store. `None` if it has no refresh token.
    #[serde(with = "secret", skip_serializing_if = "Option::is_none")]
    pub configured: Option<Secret>,
    /// The access tokens for further audiences, by scope. See
    /// [`TokenSource::for_audience`](super::TokenSource::for_audience).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub audiences: BTreeMap<String, StoredAccessToken>,
}

/// An access token and its lifetime.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct StoredAccessToken {
    /// The access token.
    #[serde(with = "required_secret")]
    pub access_token: Secret,
    /// When the token should be refreshed. `None` if its expiry is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Timestamp>,
    /// When the token expires. `None` if its expiry is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl StoredTokens {
    /// Returns a refresh token without an access token.
    pub fn from_refresh_token(refresh: Secret) -> Self {
        Self { refresh_token: Some(refresh), ..Self::default() }
    }

    /// Returns the tokens of a sign-in.
    pub fn from_tokens(tokens: &Tokens) -> Self {
        let stored = Self { refresh_token: tokens.refresh.clone(), ..Self::default() };
        stored.with_access(Some(StoredAccessToken::from_tokens(tokens)))
    }

    /// Replaces the access token.
    pub(super) fn with_access(self, access: Option<StoredAccessToken>) -> Self {
        let (renew_at, expires_at) = match &access {
            Some(access) => (access.renew_at, access.expires_at),
            None => (None, None),
        };
        let access_token = access.map(|access| access.access_token);
        Self { access_token, renew_at, expires_at, ..self }
    }

    /// Returns the access token. `None` if the store has none.
    pub(super) fn access(&self) -> Option<StoredAccessToken> {
        self.access_token.clone().map(|access_token| StoredAccessToken {
            access_token,
            renew_at: self.renew_at,
            expires_at: self.expires_at,
        })
    }
}

impl StoredAccessToken {
    /// Returns a token that is used until the cloud rejects it.
    pub(super) fn with_unknown_expiry(access_token: Secret) -> Self {
        Self { access_token, renew_at: None, expires_at: None }
    }

    /// Returns the access token of a response that arrived now.
    pub(super) fn from_tokens(tokens: &Tokens) -> Self {
        let now = Timestamp::now();
        Self {
            access_token: tokens.access.clone(),
            renew_at: tokens.renew_at(now),
            expires_at: tokens.lifetime.and_then(|lifetime| now.checked_add(lifetime).ok()),
        }
    }

    /// Returns whether the token need not be refreshed yet: the time of its renewal is in the
    /// future, or unknown.
    pub(super) fn is_fresh(&self) -> bool {
        self.renew_at.is_none_or(|at| Timestamp::now() < at)
    }

    /// Returns whether the token has expired. `false` if its expiry is unknown.
    pub(super) fn is_expired(&self) -> bool {
        self.expires_at.is_some_and(|at| at <= Timestamp::now())
    }
}

/// Serializes secrets that may be missing.
mod secret {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::drive::Secret;

    /// Serializes the secret's text. `None` becomes `null`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub(super) fn serialize<S: Serializer>(
        secret: &Option<Secret>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => serializer.serialize_some(secret.expose()),
            None => serializer.serialize_none(),
        }
    }

    /// Deserializes a secret. `null` becomes `None`.
    ///
    /// # Errors
    /// If the value is neither a text nor `null`.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Secret::from))
    }
}

/// Serializes secrets.
mod required_secret {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::drive::Secret;

    /// Serializes the secret's text.
    ///
    /// # Errors
    /// Those of the serializer.
    pub(super) fn serialize<S: Serializer>(
        secret: &Secret,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    /// Deserializes a secret.
    ///
    /// # Errors
    /// If the value is not a text.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::from)
    }
}
