//! The users and applications that permissions name.

use std::sync::Arc;

use crate::{
    account::{Account, Accounts},
    account_kind::AccountKind,
    directory::CONSUMERS,
    graph::AccountIdentity,
    tree::TreeError,
};

/// A user or an application that a permission names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grantee {
    /// The name of a user's account.
    User(String),
    /// An address, alias or id that no account had when the permission was granted, in lower case.
    /// The account that has it later gets the permission.
    Name(String),
    /// The id of an application, in lower case.
    Application(String),
}

impl Grantee {
    /// Returns the text of an address, an alias or an id of a user without an account.
    pub(crate) fn for_name(name: &str) -> Self {
        Self::Name(name.to_lowercase())
    }

    /// Returns the grantee of an application's id.
    pub(crate) fn for_application(id: &str) -> Self {
        Self::Application(id.to_lowercase())
    }

    /// Parses the text that the tree stores; `None` for a text of another form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        let name = name.to_owned();
        match kind {
            "user" => Some(Self::User(name)),
            "name" => Some(Self::Name(name)),
            "app" => Some(Self::Application(name)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Grantee {
    /// Writes the text that the tree stores.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(account) => write!(f, "user:{account}"),
            Self::Name(name) => write!(f, "name:{name}"),
            Self::Application(id) => write!(f, "app:{id}"),
        }
    }
}

/// The organization that a user or an application belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Organization {
    /// None: a personal account, or no token.
    None,
    /// All accounts of the server that are not personal: it has no directory.
    All,
    /// The id of a tenant.
    Tenant(String),
}

/// The user or application that a request acts for.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// The name of the user's account; `None` for an application and for a request without a token.
    account: Option<String>,
    /// The grantees that stand for it, as the tree stores them.
    identities: Vec<String>,
    organization: Organization,
}

impl Principal {
    /// Returns the principal of a user.
    pub(crate) fn for_user(accounts: &Accounts, account: &Account) -> Self {
        let kind = accounts.kind(account);
        let identity = AccountIdentity::new(kind, account);
        let names = [identity.address(), identity.user_id(), account.cid.clone()];
        let user = Grantee::User(account.name.clone()).to_string();
        let mut identities = vec![user];
        identities.extend(names.iter().map(|name| Grantee::for_name(name).to_string()));
        identities.dedup();
        let organization = match &account.profile {
            _ if kind.is_personal() => Organization::None,
            Some(profile) if profile.tenant == CONSUMERS => Organization::None,
            Some(profile) => Organization::Tenant(profile.tenant.clone()),
            None => Organization::All,
        };
        Self { account: Some(account.name.clone()), identities, organization }
    }

    /// Returns the principal of an application that acts for itself. `client` is its id; `None` if
    /// the token belongs to none. `tenant` is the id of the tenant that issued the token.
    pub(crate) fn for_application(client: Option<&str>, tenant: Option<&str>) -> Self {
        let identities = client.map(|id| Grantee::for_application(id).to_string());
        let organization = match tenant {
            Some(tenant) => Organization::Tenant(tenant.to_owned()),
            None => Organization::All,
        };
        Self { account: None, identities: Vec::from_iter(identities), organization }
    }

    /// Returns the principal of a request without a token.
    pub(crate) fn anonymous() -> Self {
        Self { account: None, identities: Vec::new(), organization: Organization::None }
    }

    /// Returns the grantees that stand for the principal, as the tree stores them.
    pub(crate) fn identities(&self) -> &[String] {
        &self.identities
    }

    /// Returns the user's grantee; `None` if the principal is no user.
    pub(crate) fn user(&self) -> Option<Grantee> {
        self.account.clone().map(Grantee::User)
    }

    /// Returns whether the principal is the user of an account.
    pub(crate) fn is_user(&self, account: &Account) -> bool {
        self.account.as_ref() == Some(&account.name)
    }

    /// Returns whether the grantees of a permission include the principal.
    pub(crate) fn is_among(&self, grantees: &[String]) -> bool {
        self.identities.iter().any(|identity| grantees.contains(identity))
    }

    /// Returns whether two principals belong to the same organization.
    pub(crate) fn is_colleague_of(&self, other: &Self) -> bool {
        self.organization == other.organization && self.organization != Organization::None
    }
}

/// Returns the account of a user by an address, an id or the account's name, in any case; `None` if no
/// account has it.
///
/// # Errors
/// [`TreeError::Storage`] if the storage fails, and [`TreeError::NoRoom`] if a drive cannot be created
/// because the disk is full.
pub(crate) async fn find_user(
    accounts: &Accounts,
    name: &str,
) -> Result<Option<Arc<Account>>, TreeError> {
    let is_named = |account: &Arc<Account>| {
        let kind: AccountKind = accounts.kind(account);
        let identity = AccountIdentity::new(kind, account);
        let names = [&identity.address(), &identity.user_id(), &account.cid, &account.name];
        names.into_iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    Ok(accounts.all().await?.into_iter().find(is_named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grantee_is_read_back_as_it_was() {
        for grantee in [
            Grantee::User("anna.business".into()),
            Grantee::for_name("Bea@a.example"),
            Grantee::for_application("89EA5C94"),
        ] {
            assert_eq!(Grantee::parse(&grantee.to_string()), Some(grantee));
        }
        assert_eq!(Grantee::for_name("Bea").to_string(), "name:bea");
        assert_eq!(Grantee::parse("bea"), None);
    }

    #[test]
    fn only_members_of_an_organization_are_colleagues() {
        let application = |tenant| Principal::for_application(Some("a"), tenant);
        assert!(application(None).is_colleague_of(&application(None)));
        assert!(application(Some("t")).is_colleague_of(&application(Some("t"))));
        assert!(!application(Some("t")).is_colleague_of(&application(Some("u"))));
        let anonymous = Principal::anonymous();
        assert!(!anonymous.is_colleague_of(&anonymous));
    }
}
