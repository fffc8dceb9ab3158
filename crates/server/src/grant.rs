//! The rights of a token: whose drive it opens, for which resource and client, and with which scopes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{account::AuthError, signed_token::random_name};

/// The scope for all permissions of an application.
pub(crate) const ALL_PERMISSIONS: &str = ".default";

/// The resource that accepts a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Audience {
    /// All resources of the server. The audience of the static tokens.
    #[default]
    #[serde(rename = "*")]
    Any,
    /// Microsoft Graph.
    #[serde(rename = "g")]
    Graph,
    /// SharePoint and OneDrive for Business at their own hosts.
    #[serde(rename = "s")]
    SharePoint,
    /// Live Connect.
    #[serde(rename = "l")]
    Live,
    /// Amazon Cloud Drive.
    #[serde(rename = "a")]
    Amazon,
    /// The web API of another application, by that application's id.
    #[serde(rename = "api")]
    Api(String),
}

/// The rights that a token grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The account's name; empty for the default account, and for an application's own token.
    #[serde(rename = "a")]
    pub account: String,
    /// The granted scopes, separated by spaces. `None`: all scopes.
    #[serde(rename = "s")]
    pub scope: Option<String>,
    /// The id of the client that the tokens were issued to; `None` if they are valid for all.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Whether an application acts for itself and not for a user. Its scopes are then its roles.
    #[serde(rename = "p", default, skip_serializing_if = "is_default")]
    pub is_app: bool,
    /// The resource that accepts the access token.
    #[serde(rename = "r", default, skip_serializing_if = "is_default")]
    pub audience: Audience,
    /// The id of the tenant that issued the token; `None` for a token that is not of Entra.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The sign-in that the token descends from; `None` for a static token and for an application's
    /// own. Its tokens are revoked together.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The time when the token was issued, in seconds since the epoch; `None` for a static token.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<i64>,
    /// A random text that makes every issued token different.
    #[serde(rename = "n")]
    pub nonce: String,
}

impl Grant {
    /// Creates the grant of a user's token that every client and resource accepts. `account` is the
    /// account's name, empty for the default account; `scope` are the granted scopes, separated by
    /// spaces, or `None` for all.
    pub(crate) fn new(account: impl Into<String>, scope: Option<String>) -> Self {
        Self {
            account: account.into(),
            scope,
            client: None,
            is_app: false,
            audience: Audience::Any,
            tenant: None,
            family: None,
            issued: None,
            nonce: String::new(),
        }
    }

    /// Binds the grant to a client, by its id: no other client can use the refresh token.
    pub(crate) fn for_client(self, client: &str) -> Self {
        Self { client: Some(client.to_owned()), ..self }
    }

    /// Returns the grant with the mark of an application that acts for itself.
    pub(crate) fn for_app(self) -> Self {
        Self { is_app: true, ..self }
    }

    /// Restricts the access token to a resource.
    pub(crate) fn for_audience(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// Sets the tenant that issues the token, by its id.
    pub(crate) fn in_tenant(self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..self }
    }

    /// Assigns the grant to a sign-in. It has no effect on a grant that already belongs to one, and on
    /// an application's own.
    pub(crate) fn in_family(self, family: &str) -> Self {
        match self.is_app || self.family.is_some() {
            true => self,
            false => Self { family: Some(family.to_owned()), ..self },
        }
    }

    /// Returns a copy with a new nonce, issued now.
    pub(crate) fn fresh(&self) -> Self {
        let issued = Some(Timestamp::now().as_second());
        Self { nonce: random_name(), issued, ..self.clone() }
    }

    /// Checks that a resource accepts the token.
    ///
    /// # Errors
    /// [`AuthError::Audience`] if the token was issued for another resource. A token for all
    /// resources is accepted.
    pub(crate) fn check_audience(&self, resource: &Audience) -> Result<(), AuthError> {
        match self.audience == Audience::Any || self.audience == *resource {
            true => Ok(()),
            false => Err(AuthError::Audience),
        }
    }

    /// Returns the granted scopes in the form of [`permission`]; `None` for all scopes, which
    /// `.default` stands for too.
    pub(crate) fn permissions(&self) -> Option<Vec<String>> {
        let scopes = self.scope.as_deref()?.split_whitespace();
        let permissions: Vec<_> = scopes.map(permission).collect();
        (!permissions.iter().any(|it| it == ALL_PERMISSIONS)).then_some(permissions)
    }
}

/// Returns whether a field has its default value, and need not be serialized.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Returns the permission in a scope: the text after the last `/`, without the URL of the resource,
/// in lower case.
pub(crate) fn permission(scope: &str) -> String {
    scope.rsplit('/').next().unwrap_or(scope).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_scope_means_all_permissions() {
        let permissions = |scope: &str| Grant::new("", Some(scope.to_owned())).permissions();
        assert_eq!(permissions("https://graph.microsoft.com/.default"), None);
        assert_eq!(
            permissions("Files.Read openid"),
            Some(vec!["files.read".into(), "openid".into()])
        );
        assert_eq!(permissions(""), Some(Vec::new()));
        assert_eq!(Grant::new("", None).permissions(), None);
    }

    #[test]
    fn a_token_is_for_one_resource_unless_it_is_static() {
        let live = Grant::new("", None).for_audience(Audience::Live);
        assert_eq!(live.check_audience(&Audience::Live), Ok(()));
        assert_eq!(live.check_audience(&Audience::Graph), Err(AuthError::Audience));
        assert_eq!(Grant::new("", None).check_audience(&Audience::Amazon), Ok(()));
    }
}
