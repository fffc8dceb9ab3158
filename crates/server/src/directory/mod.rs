//! The directory: the tenants, users, groups, sites and applications of a server.
//!
//! A server without a directory accepts every application, every secret and every account. With one,
//! the sign-in refuses all others, as the clouds do. The static tokens remain valid.

mod application;
mod error;
mod organization;
mod parse;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{account_kind::AccountKind, secret::Secret};

pub(crate) use self::application::ApplicationRecord;
pub use self::error::DirectoryError;
pub(crate) use self::organization::{
    GroupProfile, LibraryProfile, SiteLibrary, SiteProfile, SiteRole,
};
use self::organization::{GroupRecord, Organization, SiteRecord};

/// The tenant of all Microsoft accounts (onedrive-graph#sign-in).
pub(crate) const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// The tenant of work accounts on a server without a directory. Invented.
pub(crate) const ORGANIZATION: &str = "d21be5f1-a0a2-4b6e-9a51-6ed1c0de0001";

/// The tenants, users, groups, sites and applications of a server. It is read from TOML with
/// [`from_toml`](Self::from_toml), or from JSON with the same members.
///
/// ```toml
/// [[tenants]]
/// id = "5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c"
/// domains = ["contoso.example"]
///
/// [[users]]
/// name = "anna"
/// kind = "business"
/// password = "secret"
///
/// [[groups]]
/// name = "marketing"
/// members = ["anna"]
/// libraries = ["Documents", "Reports"]
///
/// [[sites]]
/// path = "/sites/handbook"
///
/// [[applications]]
/// id = "photos"
/// secrets = ["s3cret"]
/// redirect_uris = ["http://localhost"]
/// scopes = ["Files.Read", "offline_access"]
/// ```
///
/// # Rules
///
/// [`from_toml`](Self::from_toml), [`from_json`](Self::from_json) and [`merge`](Self::merge) check
/// the following. Texts that differ only in the case of ASCII letters are equal.
///
/// - The ids of tenants and users are GUIDs with dashes. No tenant has the id of the Microsoft
///   accounts, `9188040d-6c67-4c5b-b112-36a304b66dad`.
/// - A domain contains a dot, and no slash, `@` or space.
/// - No two tenants have the same id or domain, no two users the same name or address, and no two
///   applications the same id.
/// - The name of a user, with a dot and the kind if it has one, consists of 1 to 64 ASCII letters,
///   digits, dots, dashes and underscores. An address contains one `@`.
/// - A user of a personal kind has neither an id nor a tenant. A user of another kind may omit the
///   tenant only if the directory has exactly one. Users without a kind are checked for the server's
///   kind when the server gets the directory.
/// - The tenant of a user, group, site or application is the id or a domain of a tenant of the
///   directory. A group or site may omit it only if the directory has exactly one.
/// - The name of a group is like that of a user, and no two groups have the same. Its members and
///   owners are names of users of its tenant, like the members and visitors of a site.
/// - The path of a site is `/`, or begins with `/sites/` or `/teams/`, and no two sites of a tenant
///   have the same. The site of a group has the path `/sites/NAME`.
/// - The libraries of a site have different names, and the names of their accounts are different
///   from those of all other accounts.
/// - The id of an application is not empty and has no white space, its secrets are not empty, its
///   certificates are X.509 certificates in PEM, and its redirect URLs are absolute, with `http` or
///   `https`.
/// - An application with redirect URLs has a secret or a certificate, or is a public client.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Directory {
    tenants: Vec<TenantRecord>,
    users: Vec<UserRecord>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupRecord>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sites: Vec<SiteRecord>,
    applications: Vec<ApplicationRecord>,
}

/// An organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantRecord {
    /// A GUID.
    pub id: String,
    /// Names of the tenant in URLs.
    #[serde(default)]
    pub domains: Vec<String>,
    /// The displayed name; by default the first domain, or the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// A user and the properties of the user's drive.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserRecord {
    /// The first part of the account's name.
    pub name: String,
    /// The sign-in name; by default the name at the first domain of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The displayed name; by default the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The user's id in the directory, a GUID; by default derived from the account's name. Personal
    /// accounts have the id of their drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The kind of the account; by default that of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<AccountKind>,
    /// The tenant, by its id or a domain; by default the only tenant. Personal accounts have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The size of the drive in bytes; by default that of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
    /// The password that the sign-in page requires; without one the user is only selected.
    #[serde(default, skip_serializing, deserialize_with = "secret")]
    pub password: Option<Secret>,
}

/// A user with all defaults applied.
#[derive(Clone, Debug)]
pub(crate) struct UserProfile {
    /// The name of the account: that of the user, and the kind if the user has one.
    pub account: String,
    pub address: String,
    pub display_name: String,
    /// A GUID; `None` if it is derived from the account's name.
    pub object_id: Option<String>,
    /// The id of the tenant.
    pub tenant: String,
    /// In bytes; `None` for that of the server.
    pub quota: Option<u64>,
    pub password: Option<Secret>,
}

/// A validated directory.
#[derive(Debug)]
pub(crate) struct DirectoryIndex {
    directory: Directory,
    users: Vec<Arc<UserProfile>>,
    organization: Organization,
    applications: Vec<Arc<ApplicationRecord>>,
}

impl Directory {
    /// Parses a directory in TOML.
    ///
    /// # Errors
    /// [`DirectoryError`] with the line and the key of the first fault: of the syntax, an unknown
    /// or missing key, or an entry that breaks one of the [rules](Self#rules).
    pub fn from_toml(text: &str) -> Result<Self, DirectoryError> {
        parse::from_toml(text)
    }

    /// Parses a directory in JSON.
    ///
    /// # Errors
    /// [`DirectoryError`] with the position of a syntax error or of an unknown or missing member,
    /// or with the key of the first entry that breaks one of the [rules](Self#rules).
    pub fn from_json(bytes: &[u8]) -> Result<Self, DirectoryError> {
        parse::from_json(bytes)
    }

    /// Parses entries that may refer to tenants of another directory, in JSON. [`merge`](Self::merge)
    /// checks them.
    ///
    /// # Errors
    /// [`DirectoryError`] with the position of a syntax error, or of an unknown or missing member.
    pub fn entries_from_json(bytes: &[u8]) -> Result<Self, DirectoryError> {
        parse::entries_from_json(bytes)
    }

    /// Returns the number of users.
    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    /// Returns the number of applications.
    pub fn application_count(&self) -> usize {
        self.applications.len()
    }

    /// Adds the entries of another directory. An entry replaces the one with the same id, of
    /// tenants in any case, the same name of a user or group, or the same path of a site.
    ///
    /// # Errors
    /// [`DirectoryError`] with the key of the first entry of the result that breaks one of the
    /// [rules](Self#rules).
    pub fn merge(mut self, other: Self) -> Result<Self, DirectoryError> {
        let Self { tenants, users, groups, sites, applications } = other;
        self.tenants.retain(|it| !tenants.iter().any(|new| new.id.eq_ignore_ascii_case(&it.id)));
        self.users.retain(|it| !users.iter().any(|new| new.name == it.name));
        self.groups.retain(|it| !groups.iter().any(|new| new.name == it.name));
        self.sites
            .retain(|it| !sites.iter().any(|new| new.path == it.path && new.tenant == it.tenant));
        self.applications.retain(|it| !applications.iter().any(|new| new.id == it.id));
        self.tenants.extend(tenants);
        self.users.extend(users);
        self.groups.extend(groups);
        self.sites.extend(sites);
        self.applications.extend(applications);
        parse::check(&self)?;
        Ok(self)
    }
}

impl DirectoryIndex {
    /// Applies the defaults of a directory. `kind` is the server's default kind of accounts.
    ///
    /// # Errors
    /// [`DirectoryError`] with the key of the first user whose tenant cannot be determined: the
    /// kind needs one and there is none, or several; of the first group or site that has a user of
    /// another tenant, or whose library has the name of another account.
    pub(crate) fn new(directory: Directory, kind: AccountKind) -> Result<Self, DirectoryError> {
        let profile = |(at, user): (usize, &UserRecord)| {
            parse::profile(&directory, user, kind)
                .map(Arc::new)
                .map_err(|(key, reason)| DirectoryError::at(format!("users[{at}].{key}"), reason))
        };
        let users =
            directory.users.iter().enumerate().map(profile).collect::<Result<Vec<_>, _>>()?;
        let organization = Organization::new(&directory, &users)?;
        let applications = directory.applications.iter().cloned().map(Arc::new).collect();
        Ok(Self { directory, users, organization, applications })
    }

    /// Returns the directory as it was given.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Returns all users.
    pub(crate) fn users(&self) -> &[Arc<UserProfile>] {
        &self.users
    }

    /// Returns all tenants, without that of the Microsoft accounts.
    pub(crate) fn tenants(&self) -> &[TenantRecord] {
        &self.directory.tenants
    }

    /// Returns all groups.
    pub(crate) fn groups(&self) -> &[Arc<GroupProfile>] {
        &self.organization.groups
    }

    /// Returns all sites: those of the directory, of its groups, and the root site of each tenant
    /// that has another site.
    pub(crate) fn sites(&self) -> &[Arc<SiteProfile>] {
        &self.organization.sites
    }

    /// Returns the library whose drive an account has; `None` if it is no account of a library.
    pub(crate) fn library_of_account(&self, account: &str) -> Option<SiteLibrary> {
        self.sites().iter().find_map(|site| {
            let library = site.libraries.iter().find(|library| library.account == account)?;
            Some(SiteLibrary { site: Arc::clone(site), library: library.clone() })
        })
    }

    /// Returns the user whose account has exactly the name `account`; `None` if the directory has
    /// none.
    pub(crate) fn user_of_account(&self, account: &str) -> Option<&Arc<UserProfile>> {
        self.users.iter().find(|user| user.account == account)
    }

    /// Returns the user with a mail address, in any case, or with the exact name of an account;
    /// `None` if there is none.
    pub(crate) fn user(&self, address: &str) -> Option<&Arc<UserProfile>> {
        let is_wanted = |user: &&Arc<UserProfile>| {
            user.address.eq_ignore_ascii_case(address) || user.account == address
        };
        self.users.iter().find(is_wanted)
    }

    /// Returns the application with an id, in any case; `None` if there is none.
    pub(crate) fn application(&self, id: &str) -> Option<&Arc<ApplicationRecord>> {
        self.applications.iter().find(|it| it.id.eq_ignore_ascii_case(id))
    }

    /// Returns the id of a tenant; `None` if it is unknown. `name` is an id, in any case, or the id
    /// that `from_domain` derives from one of the tenant's domains in lower case.
    pub(crate) fn tenant(&self, name: &str, from_domain: fn(&str) -> String) -> Option<&str> {
        if name == CONSUMERS {
            return Some(CONSUMERS);
        }
        let is_named = |tenant: &&TenantRecord| {
            let is_domain = |domain: &String| from_domain(&domain.to_ascii_lowercase()) == name;
            tenant.id.eq_ignore_ascii_case(name) || tenant.domains.iter().any(is_domain)
        };
        self.directory.tenants.iter().find(is_named).map(|tenant| tenant.id.as_str())
    }
}

/// Deserializes an optional secret; `None` for null.
///
/// # Errors
/// The deserializer's error if the value is neither a text nor null.
fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(Secret::from))
}
