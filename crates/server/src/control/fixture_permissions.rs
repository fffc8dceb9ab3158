//! The permissions of fixtures.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fixtures::InvalidFixture;
use crate::{
    access::is_account_name,
    account::Account,
    permissions::{Grantee, LinkType, NewLink},
    signed_token::random_name,
    state::ServerState,
    tree::{ItemKey, LinkAudience, Permission, PermissionKind, Role},
};

/// A permission of a [`FixtureItem`](super::FixtureItem). Exactly one of `account`, `application`,
/// `everyone` and `link` is set.
///
/// As JSON: `{"account": "anna", "role": "write"}`, `{"application": "ID", "role": "read"}`,
/// `{"everyone": true}` or `{"link": "view", "scope": "organization", "expires":
/// "2030-01-01T00:00:00Z"}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FixturePermission {
    /// The name of an account that has access.
    pub account: Option<String>,
    /// The id of an application that has access when it acts for itself.
    pub application: Option<String>,
    /// Whether everyone can read the item.
    pub everyone: bool,
    /// The type of a sharing link: `view`, `edit` or `embed`.
    pub link: Option<String>,
    /// The audience of a sharing link: `anonymous`, `organization` or `users`. `None`: `anonymous`.
    pub scope: Option<String>,
    /// The role of an account or an application: `read`, `write` or `owner`. `None`: `read`.
    pub role: Option<String>,
    /// The time when the permission ends. `None`: it does not end.
    pub expires: Option<Timestamp>,
}

impl FixturePermission {
    /// Returns a permission of an account. `role` is `read` or `write`.
    pub fn for_account(account: impl Into<String>, role: impl Into<String>) -> Self {
        Self { account: Some(account.into()), role: Some(role.into()), ..Self::default() }
    }

    /// Returns the permission for everyone to read the item.
    pub fn for_everyone() -> Self {
        Self { everyone: true, ..Self::default() }
    }

    /// Returns a sharing link for everyone who has it. `link_type` is `view`, `edit` or `embed`.
    pub fn for_link(link_type: impl Into<String>) -> Self {
        Self { link: Some(link_type.into()), ..Self::default() }
    }

    /// Returns the permission of an item. `owner` owns the drive.
    ///
    /// # Errors
    /// [`InvalidFixture::Permission`] if not exactly one of the members that name its kind is set, or a
    /// member has an unknown value; [`InvalidFixture::AccountName`] if the account's name is not allowed.
    pub(super) fn build(
        &self,
        state: &ServerState,
        owner: &Account,
        item: ItemKey,
    ) -> Result<Permission, InvalidFixture> {
        let invalid = |why: String| Err(InvalidFixture::Permission(why));
        let role = match self.role.as_deref() {
            None | Some("read") => Role::Read,
            Some("write") => Role::Write,
            Some("owner") => Role::Owner,
            Some(other) => return invalid(format!("`{other}` is not read, write or owner")),
        };
        let of_kind = |kind, grantee: Option<Grantee>| {
            let mut permission = Permission::new(item, random_name(), kind, role);
            permission.grantees = grantee.iter().map(Grantee::to_string).collect();
            permission.expires = self.expires;
            Ok(permission)
        };
        match (&self.account, &self.application, self.everyone, &self.link) {
            (Some(name), None, false, None) if name.is_empty() || is_account_name(name) => {
                of_kind(PermissionKind::Users, Some(Grantee::User(name.clone())))
            }
            (Some(name), None, false, None) => Err(InvalidFixture::AccountName(name.clone())),
            (None, Some(id), false, None) => {
                of_kind(PermissionKind::Application, Some(Grantee::for_application(id)))
            }
            (None, None, true, None) => of_kind(PermissionKind::Everyone, None),
            (None, None, false, Some(link)) => {
                let Some(link_type) = LinkType::parse(link) else {
                    return invalid(format!("`{link}` is not view, edit or embed"));
                };
                let mut new = NewLink::anonymous(link_type);
                if let Some(scope) = &self.scope {
                    let Some(audience) = LinkAudience::parse(scope) else {
                        return invalid(format!(
                            "`{scope}` is not anonymous, organization or users"
                        ));
                    };
                    new.audience = audience;
                }
                new.expires = self.expires;
                Ok(new.into_permission(state, owner, item))
            }
            _ => invalid("it must have one of account, application, everyone and link".into()),
        }
    }
}

/// Removes the permissions from the facets of a fixture, in the form of earlier versions: `public` and
/// `links` of the facet `live`. Returns them.
pub(super) fn take_from_facets(facets: &mut Map<String, Value>) -> Vec<FixturePermission> {
    let mut permissions = Vec::new();
    let Some(Value::Object(live)) = facets.get_mut("live") else { return permissions };
    if live.remove("public") == Some(Value::Bool(true)) {
        permissions.push(FixturePermission::for_everyone());
    }
    if let Some(Value::Array(links)) = live.remove("links") {
        permissions.extend(
            links.iter().filter_map(Value::as_str).map(|link| {
                FixturePermission::for_link(if link == "read" { "view" } else { link })
            }),
        );
    }
    permissions
}
