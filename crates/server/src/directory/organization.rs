//! Groups and sites of a tenant, and the document libraries of the sites.
//!
//! Each library is a drive with its own account, whose name is derived from the site:
//!
//! | site | library | account |
//! |---|---|---|
//! | of the group `marketing` | the first one | `marketing.library` |
//! | `/sites/marketing` | `Annual Reports` | `marketing.annual-reports.library` |
//! | `/sites/marketing/brand` | the first one | `marketing.brand.library` |
//! | `/` | the first one | `root.library` |

mod resolver;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, sync::Arc};

use serde::{Deserialize, Serialize};

use self::resolver::Resolver;
use super::{
    Directory, DirectoryError, UserProfile,
    parse::{fault, in_entry},
};

/// The library of a site that names none.
const DEFAULT_LIBRARY: &str = "Documents";

/// Maximum number of libraries of a site.
const MAX_LIBRARIES: usize = 100;

/// A Microsoft 365 group, which has its own site.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupRecord {
    /// The mail nickname, and the last part of the site's path.
    pub name: String,
    /// The group's e-mail address; by default the name at the first domain of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The displayed name; by default the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The group's id, a GUID; by default derived from the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tenant, by its id or a domain; by default the only tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Names of the members, who are users of the tenant.
    #[serde(default)]
    pub members: Vec<String>,
    /// Names of the owners. An owner has the rights of a member.
    #[serde(default)]
    pub owners: Vec<String>,
    /// Whether every user of the tenant can use the group's site, not only its members.
    #[serde(default)]
    pub public: bool,
    /// The document libraries of the group's site; by default one, `Documents`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<String>,
}

/// A SharePoint site without a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SiteRecord {
    /// The server-relative path: `/`, or below `/sites/` or `/teams/`.
    pub path: String,
    /// The displayed name; by default the last part of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The id of the site collection, a GUID; by default derived from the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tenant, by its id or a domain; by default the only tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Names of the users with read and write access; by default all users of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<String>>,
    /// Names of the users with read access.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visitors: Vec<String>,
    /// The document libraries; by default one, `Documents`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<String>,
}

/// A group with all defaults applied.
#[derive(Clone, Debug)]
pub(crate) struct GroupProfile {
    /// The mail nickname.
    pub name: String,
    pub address: String,
    pub display_name: String,
    pub description: Option<String>,
    /// A GUID; `None` if it is derived from the name.
    pub id: Option<String>,
    /// The id of the tenant.
    pub tenant: String,
    /// The accounts of the members.
    pub members: Vec<String>,
    /// The accounts of the owners.
    pub owners: Vec<String>,
    pub is_public: bool,
}

/// A site with all defaults applied.
#[derive(Clone, Debug)]
pub(crate) struct SiteProfile {
    /// The last part of the path; `root` for the path `/`.
    pub name: String,
    /// The server-relative path, which begins with a slash.
    pub path: String,
    pub display_name: String,
    pub description: Option<String>,
    /// A GUID; `None` if it is derived from the first library's account.
    pub id: Option<String>,
    /// The id of the tenant.
    pub tenant: String,
    /// The group that the site belongs to; `None` for a site without one.
    pub group: Option<Arc<GroupProfile>>,
    /// The accounts that can read and write; `None` for all of the tenant.
    members: Option<Vec<String>>,
    /// The accounts that can only read.
    visitors: Vec<String>,
    /// At least one; the first one is the site's default library.
    pub libraries: Vec<LibraryProfile>,
}

/// A document library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LibraryProfile {
    /// The displayed name, and the last part of its URL.
    pub name: String,
    /// The name of the account that has its drive.
    pub account: String,
}

/// The library of an account.
#[derive(Clone, Debug)]
pub(crate) struct SiteLibrary {
    pub site: Arc<SiteProfile>,
    pub library: LibraryProfile,
}

/// The rights of a user on a site, from the lowest to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SiteRole {
    /// Reads the files of the site.
    Visitor,
    /// Also changes and shares them.
    Member,
    /// Also manages the permissions of the site.
    Owner,
}

impl SiteProfile {
    /// Creates the site of an account that the directory does not have. Only the account itself
    /// can use it.
    pub(crate) fn for_account(
        account: &str,
        path: String,
        display_name: &str,
        group: Option<Arc<GroupProfile>>,
    ) -> Self {
        let library =
            LibraryProfile { name: DEFAULT_LIBRARY.to_owned(), account: account.to_owned() };
        Self {
            name: account.to_owned(),
            path,
            display_name: display_name.to_owned(),
            description: None,
            id: None,
            tenant: String::new(),
            group,
            members: Some(vec![account.to_owned()]),
            visitors: Vec::new(),
            libraries: vec![library],
        }
    }

    /// Returns the rights of a user on the site; `None` for a user of another tenant, and for one
    /// that the site does not list.
    pub(crate) fn role(&self, user: &UserProfile) -> Option<SiteRole> {
        if user.tenant != self.tenant {
            return None;
        }
        let has = |accounts: &[String]| accounts.contains(&user.account);
        let is_owner = self.group.as_ref().is_some_and(|group| has(&group.owners));
        let is_member = match &self.group {
            Some(group) => group.is_public || has(&group.members),
            None => self.members.as_deref().is_none_or(has),
        };
        match (is_owner, is_member) {
            (true, _) => Some(SiteRole::Owner),
            (false, true) => Some(SiteRole::Member),
            (false, false) => has(&self.visitors).then_some(SiteRole::Visitor),
        }
    }

    /// Returns the first library.
    pub(crate) fn default_library(&self) -> &LibraryProfile {
        // Every site gets at least one library when it is resolved.
        &self.libraries[0]
    }

    /// Returns the path of the site that contains this one; `None` for a site below `/sites` or
    /// `/teams`, and for the root.
    pub(crate) fn parent_path(&self) -> Option<&str> {
        let (parent, _) = self.path.rsplit_once('/')?;
        (parent.matches('/').count() >= 2).then_some(parent)
    }
}

/// The groups and sites of a directory, with all defaults applied.
#[derive(Debug, Default)]
pub(crate) struct Organization {
    pub groups: Vec<Arc<GroupProfile>>,
    /// The sites of the directory and those of the groups, in this order. Each tenant with a site has
    /// a root site too.
    pub sites: Vec<Arc<SiteProfile>>,
}

impl Organization {
    /// Applies the defaults of the groups and sites of a directory. `users` are the profiles of its
    /// users, in the order of the directory.
    ///
    /// # Errors
    /// [`DirectoryError`] with the key of the first group or site that breaks one of the
    /// [rules](Directory#rules).
    pub(super) fn new(
        directory: &Directory,
        users: &[Arc<UserProfile>],
    ) -> Result<Self, DirectoryError> {
        let mut resolver = Resolver {
            directory,
            users,
            taken: users.iter().map(|user| user.account.to_ascii_lowercase()).collect(),
            paths: HashSet::new(),
        };
        let mut all = Self::default();
        let mut group_names = HashSet::new();
        for (at, record) in directory.sites.iter().enumerate() {
            let site = resolver.site(record);
            all.sites.push(site.map_err(in_entry("sites", at))?.into());
        }
        for (at, record) in directory.groups.iter().enumerate() {
            let in_group = in_entry("groups", at);
            if !group_names.insert(record.name.to_ascii_lowercase()) {
                let reason = format!("another group has the name `{}`", record.name);
                fault("name", reason).map_err(&in_group)?;
            }
            let group = resolver.group(record).map_err(&in_group)?;
            let site = resolver.group_site(record, &group).map_err(&in_group)?;
            all.groups.push(group);
            all.sites.push(site.into());
        }
        for tenant in &directory.tenants {
            let tenant = tenant.id.to_ascii_lowercase();
            let mut sites = all.sites.iter().filter(|site| site.tenant == tenant).peekable();
            if sites.peek().is_some() && !sites.any(|site| site.path == "/") {
                all.sites.push(root_site(&tenant).into());
            }
        }
        Ok(all)
    }
}

/// Returns the root site of a tenant whose directory does not have one.
fn root_site(tenant: &str) -> SiteProfile {
    SiteProfile {
        name: "root".to_owned(),
        path: "/".to_owned(),
        display_name: "Communication site".to_owned(),
        description: None,
        id: None,
        tenant: tenant.to_owned(),
        group: None,
        members: None,
        visitors: Vec::new(),
        libraries: vec![LibraryProfile {
            name: DEFAULT_LIBRARY.to_owned(),
            account: format!("root.{tenant}.library"),
        }],
    }
}
