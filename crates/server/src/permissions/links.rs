//! Sharing links: their ids and their types.
//!
//! A link's id is a signed token that names the item, so a URL with the id leads to the item without a
//! table of links. A link is valid as long as the item has the permission: a deleted link no longer
//! works although its signature is valid.

use jiff::{SignedDuration, Timestamp};

use crate::{
    account::Account,
    account_scope,
    signed_token::{Purpose, random_name},
    state::ServerState,
    tree::{ItemKey, LinkAudience, Permission, PermissionKind, Role},
};

/// The beginning of a link's id.
const ID_PREFIX: &str = "s!";

/// Lifetime of a link's id. Links expire by their permission.
const ID_LIFETIME: SignedDuration = SignedDuration::from_hours(100 * 365 * 24);

/// The signed part of a link's id: account name, item, type and scope. A link stays valid across
/// versions of the server, so this shape must not change.
pub(crate) type ShareClaims = (String, ItemKey, String, String);

/// The type of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkType {
    View,
    Edit,
    Embed,
}

impl LinkType {
    /// Parses Graph's name of a type; `None` for another text.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::View, Self::Edit, Self::Embed].into_iter().find(|it| it.name() == name)
    }

    /// Returns Graph's name of the type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Edit => "edit",
            Self::Embed => "embed",
        }
    }

    /// Returns the type of a link.
    pub(crate) fn from_permission(link: &Permission) -> Self {
        match link.role {
            _ if link.details.embed => Self::Embed,
            Role::Read => Self::View,
            Role::Write | Role::Manage | Role::Owner => Self::Edit,
        }
    }

    /// Returns the role that a link of the type grants.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::View | Self::Embed => Role::Read,
            Self::Edit => Role::Write,
        }
    }
}

impl LinkAudience {
    /// Parses Graph's name of an audience, a scope; `None` for another text.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Users, Self::Organization, Self::Anonymous].into_iter().find(|it| it.name() == name)
    }

    /// Returns Graph's name of the audience.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Organization => "organization",
            Self::Anonymous => "anonymous",
        }
    }
}

/// The properties of a new link.
#[derive(Clone, Debug)]
pub(crate) struct NewLink {
    pub link_type: LinkType,
    pub audience: LinkAudience,
    /// The users that have access by the link, as the tree stores them.
    pub grantees: Vec<String>,
    pub expires: Option<Timestamp>,
    /// The hash of the password.
    pub password: Option<String>,
    /// The id of the application that creates the link; `None` if the token belongs to none.
    pub application: Option<String>,
}

impl NewLink {
    /// Returns a link for everyone, without a password and an expiry.
    pub(crate) fn anonymous(link_type: LinkType) -> Self {
        Self {
            link_type,
            audience: LinkAudience::Anonymous,
            grantees: Vec::new(),
            expires: None,
            password: None,
            application: None,
        }
    }

    /// Returns the permission of a link to an item. `account` owns the drive.
    pub(crate) fn into_permission(
        self,
        state: &ServerState,
        account: &Account,
        item: ItemKey,
    ) -> Permission {
        let claims = (&account.name, item, self.link_type.name(), self.audience.name());
        let token = state.signer.sign(Purpose::Share, account_scope::now() + ID_LIFETIME, &claims);
        let id = format!("{ID_PREFIX}{token}");
        let kind = PermissionKind::Link(self.audience);
        let mut link = Permission::new(item, id, kind, self.link_type.role());
        link.grantees = self.grantees;
        link.expires = self.expires;
        link.details.embed = self.link_type == LinkType::Embed;
        link.details.key = random_name();
        link.details.password = self.password;
        link.details.application = self.application;
        link
    }
}

/// Returns the claims of a link's id; `None` if this server did not sign it.
pub(crate) fn share_claims(state: &ServerState, id: &str) -> Option<ShareClaims> {
    state.signer.verify(Purpose::Share, id.strip_prefix(ID_PREFIX)?, account_scope::now()).ok()
}

/// Returns the link among the permissions of an item that is like `new`, and adds `new` if there is
/// none. A link without an expiry or a password is like `new` only if `new` has none either. The flag
/// is whether it was added. The users of `new` are added to the link.
pub(crate) fn find_or_add(
    all: &mut Vec<Permission>,
    new: Permission,
    now: Timestamp,
) -> (Permission, bool) {
    let is_like = |link: &&mut Permission| {
        (link.kind, link.role, link.details.embed) == (new.kind, new.role, new.details.embed)
            && link.details.application == new.details.application
            && link.expires == new.expires
            && link.is_valid(now)
            && link.details.password.is_none()
            && new.details.password.is_none()
    };
    match all.iter_mut().find(is_like) {
        Some(link) => {
            // Links that an earlier version created for one protocol have no key.
            if link.details.key.is_empty() && link.id.starts_with(ID_PREFIX) {
                link.details.key.clone_from(&new.details.key);
            }
            for grantee in new.grantees {
                if !link.grantees.contains(&grantee) {
                    link.grantees.push(grantee);
                }
            }
            (link.clone(), false)
        }
        None => {
            all.push(new.clone());
            (new, true)
        }
    }
}
