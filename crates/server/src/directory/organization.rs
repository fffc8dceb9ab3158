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

use std::{collections::HashSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Directory, DirectoryError, TenantRecord, UserProfile,
    parse::{Fault, fault, find_tenant, is_guid},
};
use crate::{access::is_account_name, account::ADDRESS_DOMAIN};

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

/// The rights of a user on a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SiteRole {
    Visitor,
    Member,
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
        let is_member = match &self.group {
            Some(group) => group.is_public || has(&group.members) || has(&group.owners),
            None => self.members.as_deref().is_none_or(has),
        };
        match is_member {
            true => Some(SiteRole::Member),
            false => has(&self.visitors).then_some(SiteRole::Visitor),
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
            all.sites.push(site.map_err(super::parse::in_entry("sites", at))?.into());
        }
        for (at, record) in directory.groups.iter().enumerate() {
            let in_entry = super::parse::in_entry("groups", at);
            if !group_names.insert(record.name.to_ascii_lowercase()) {
                let reason = format!("another group has the name `{}`", record.name);
                fault("name", reason).map_err(&in_entry)?;
            }
            let group = resolver.group(record).map_err(&in_entry)?;
            let site = resolver.group_site(record, &group).map_err(&in_entry)?;
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

/// Checks groups and sites, and applies their defaults.
struct Resolver<'d> {
    directory: &'d Directory,
    users: &'d [Arc<UserProfile>],
    /// Names of accounts in lower case.
    taken: HashSet<String>,
    /// Tenants and paths of the sites so far, in lower case.
    paths: HashSet<(String, String)>,
}

impl Resolver<'_> {
    /// Returns a group with all defaults applied.
    ///
    /// # Errors
    /// The fault of the name, the id, the address, the tenant, or the first unknown user.
    fn group(&self, record: &GroupRecord) -> Result<Arc<GroupProfile>, Fault> {
        if !is_account_name(&record.name) {
            let reason = format!(
                "`{}` is no name of a group: it has 1 to 64 letters, digits, dots, dashes and \
                 underscores",
                record.name
            );
            return fault("name", reason);
        }
        check_id(record.id.as_deref())?;
        if let Some(address) = record.address.as_ref().filter(|it| it.split('@').count() != 2) {
            let reason = format!("`{address}` is no address (write team@contoso.example)");
            return fault("address", reason);
        }
        let tenant = self.tenant(record.tenant.as_deref())?;
        let domain = tenant.domains.first().map_or(ADDRESS_DOMAIN, String::as_str);
        let address = record.address.clone().unwrap_or_else(|| format!("{}@{domain}", record.name));
        let tenant = tenant.id.to_ascii_lowercase();
        Ok(Arc::new(GroupProfile {
            name: record.name.clone(),
            address,
            display_name: record.display_name.clone().unwrap_or_else(|| record.name.clone()),
            description: record.description.clone(),
            id: record.id.clone(),
            members: self.accounts("members", &record.members, &tenant)?,
            owners: self.accounts("owners", &record.owners, &tenant)?,
            is_public: record.public,
            tenant,
        }))
    }

    /// Returns the site of a group.
    ///
    /// # Errors
    /// The fault of the name if another site has its path, or of the libraries.
    fn group_site(
        &mut self,
        record: &GroupRecord,
        group: &Arc<GroupProfile>,
    ) -> Result<SiteProfile, Fault> {
        let path = format!("/sites/{}", record.name);
        self.reserve_path("name", &group.tenant, &path)?;
        let libraries = self.libraries("name", &record.name, &record.libraries)?;
        Ok(SiteProfile {
            name: record.name.clone(),
            path,
            display_name: group.display_name.clone(),
            description: group.description.clone(),
            id: None,
            tenant: group.tenant.clone(),
            group: Some(Arc::clone(group)),
            members: None,
            visitors: Vec::new(),
            libraries,
        })
    }

    /// Returns a site with all defaults applied.
    ///
    /// # Errors
    /// The fault of the path, the id, the tenant, the libraries, or the first unknown user.
    fn site(&mut self, record: &SiteRecord) -> Result<SiteProfile, Fault> {
        let slug = slug_of_path(&record.path)?;
        check_id(record.id.as_deref())?;
        let tenant = self.tenant(record.tenant.as_deref())?.id.to_ascii_lowercase();
        self.reserve_path("path", &tenant, &record.path)?;
        let name = slug.rsplit('.').next().unwrap_or(&slug).to_owned();
        let members = match &record.members {
            Some(names) => Some(self.accounts("members", names, &tenant)?),
            None => None,
        };
        Ok(SiteProfile {
            path: record.path.clone(),
            display_name: record.display_name.clone().unwrap_or_else(|| name.clone()),
            name,
            description: record.description.clone(),
            id: record.id.clone(),
            members,
            visitors: self.accounts("visitors", &record.visitors, &tenant)?,
            group: None,
            libraries: self.libraries("path", &slug, &record.libraries)?,
            tenant,
        })
    }

    /// Returns the tenant with a name, or the only one.
    ///
    /// # Errors
    /// The fault of the key `tenant` if there is no such tenant, or several and no name is given.
    fn tenant(&self, name: Option<&str>) -> Result<&TenantRecord, Fault> {
        match (name, self.directory.tenants.as_slice()) {
            (Some(name), _) => find_tenant(self.directory, name),
            (None, [only]) => Ok(only),
            (None, []) => fault("tenant", "it needs a tenant: add [[tenants]]"),
            (None, _) => fault("tenant", "there are several tenants: add the key `tenant`"),
        }
    }

    /// Returns the accounts of the users with these names. They must belong to the tenant `tenant`.
    ///
    /// # Errors
    /// The fault of the list `key` with the position of the first other name.
    fn accounts(&self, key: &str, names: &[String], tenant: &str) -> Result<Vec<String>, Fault> {
        let account = |(at, name): (usize, &String)| {
            let place = self.directory.users.iter().position(|user| user.name == *name);
            match place.map(|place| &self.users[place]) {
                Some(user) if user.tenant == tenant => Ok(user.account.clone()),
                Some(_) => fault(&format!("{key}[{at}]"), format!("`{name}` is of another tenant")),
                None => fault(&format!("{key}[{at}]"), format!("no user has the name `{name}`")),
            }
        };
        names.iter().enumerate().map(account).collect()
    }

    /// Reserves the path of a site.
    ///
    /// # Errors
    /// The fault of `key` if another site of the tenant has the path, in any case.
    fn reserve_path(&mut self, key: &str, tenant: &str, path: &str) -> Result<(), Fault> {
        match self.paths.insert((tenant.to_owned(), path.to_ascii_lowercase())) {
            true => Ok(()),
            false => fault(key, format!("another site has the path `{path}`")),
        }
    }

    /// Returns the libraries of a site, and reserves the names of their accounts. `slug` is the
    /// beginning of these names, and `key` the key that it is derived from.
    ///
    /// # Errors
    /// The fault of the first library whose name is not allowed or used twice, or of `key` if an
    /// account's name is longer than 64 characters or taken.
    fn libraries(
        &mut self,
        key: &str,
        slug: &str,
        names: &[String],
    ) -> Result<Vec<LibraryProfile>, Fault> {
        if names.len() > MAX_LIBRARIES {
            return fault("libraries", format!("a site has at most {MAX_LIBRARIES} libraries"));
        }
        let default = [DEFAULT_LIBRARY.to_owned()];
        let names = if names.is_empty() { &default } else { names };
        let mut libraries = Vec::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            let here = format!("libraries[{at}]");
            if name.trim() != name
                || name.is_empty()
                || name.contains(['/', '\\', ':', '"', '*', '?', '<', '>', '|'])
            {
                return fault(&here, format!("`{name}` is no name of a library"));
            }
            let account = match at {
                0 => format!("{slug}.library"),
                _ => format!("{slug}.{}.library", slug_of_name(name)),
            };
            if !is_account_name(&account) {
                let reason =
                    format!("the name of its account, `{account}`, has over 64 characters");
                return fault(if at == 0 { key } else { &here }, reason);
            }
            if !self.taken.insert(account.to_ascii_lowercase()) {
                let reason = format!("another account has the name `{account}`");
                return fault(if at == 0 { key } else { &here }, reason);
            }
            libraries.push(LibraryProfile { name: name.clone(), account });
        }
        Ok(libraries)
    }
}

/// Checks an optional id.
///
/// # Errors
/// The fault of the key `id` if it is no GUID.
fn check_id(id: Option<&str>) -> Result<(), Fault> {
    match id {
        Some(id) if !is_guid(id) => fault("id", format!("`{id}` is no GUID")),
        _ => Ok(()),
    }
}

/// Returns the beginning of the names of a site's accounts: the parts of its path with dots between
/// them, without `sites` or `teams`; `root` for `/`.
///
/// # Errors
/// The fault of the key `path` if it is neither `/` nor below `/sites/` or `/teams/`, or has a part
/// that cannot be in the name of an account.
fn slug_of_path(path: &str) -> Result<String, Fault> {
    if path == "/" {
        return Ok("root".to_owned());
    }
    let below = path.strip_prefix("/sites/").or_else(|| path.strip_prefix("/teams/"));
    let is_part = |part: &str| is_account_name(part);
    match below.filter(|below| below.split('/').all(is_part)) {
        Some(below) => Ok(below.replace('/', ".")),
        None => fault(
            "path",
            format!(
                "`{path}` is no path of a site: write / or /sites/NAME, with letters, digits, dots, \
                 dashes and underscores"
            ),
        ),
    }
}

/// Returns the name of a library in lower case, with a dash for each character that the name of an
/// account cannot have.
fn slug_of_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Directory, DirectoryIndex};
    use crate::account_kind::AccountKind;

    const BASE: &str = "[[tenants]]\nid = \"5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c\"\n\
                        domains = [\"contoso.example\"]\n\
                        [[users]]\nname = \"anna\"\nkind = \"business\"\n\
                        [[users]]\nname = \"bea\"\nkind = \"personal\"\n";

    fn error(rest: &str) -> String {
        let directory = Directory::from_toml(&format!("{BASE}{rest}"));
        directory.expect_err(rest).reason()
    }

    #[test]
    fn sites_of_the_directory_and_of_groups_have_libraries() {
        let text = format!(
            "{BASE}[[groups]]\nname = \"marketing\"\nmembers = [\"anna\"]\n\
             libraries = [\"Documents\", \"Annual Reports\"]\n\
             [[sites]]\npath = \"/sites/a/b\"\n"
        );
        let directory = Directory::from_toml(&text).expect("valid");
        let index = DirectoryIndex::new(directory, AccountKind::Personal).expect("valid");
        let accounts = index.sites().iter().flat_map(|site| &site.libraries);
        let accounts: Vec<_> = accounts.map(|library| library.account.as_str()).collect();
        assert_eq!(
            accounts,
            [
                "a.b.library",
                "marketing.library",
                "marketing.annual-reports.library",
                "root.5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c.library",
            ]
        );
        assert_eq!(index.sites()[0].parent_path(), Some("/sites/a"));
        assert_eq!(index.sites()[1].parent_path(), None);
        assert_eq!(index.groups()[0].address, "marketing@contoso.example");
    }

    #[test]
    fn a_fault_of_a_group_or_site_has_its_key() {
        for (rest, expected) in [
            ("[[groups]]\nname = \"a b\"", "groups[0].name: `a b` is no name"),
            ("[[groups]]\nname = \"a\"\nmembers = [\"x\"]", "groups[0].members[0]: no user"),
            ("[[groups]]\nname = \"a\"\nowners = [\"bea\"]", "groups[0].owners[0]: `bea` is of"),
            ("[[groups]]\nname = \"a\"\n[[groups]]\nname = \"A\"", "groups[1].name: another group"),
            ("[[groups]]\nname = \"a\"\nid = \"7\"", "groups[0].id: `7` is no GUID"),
            ("[[sites]]\npath = \"marketing\"", "sites[0].path: `marketing` is no path"),
            ("[[sites]]\npath = \"/sites/a b\"", "sites[0].path: `/sites/a b` is no path"),
            (
                "[[sites]]\npath = \"/sites/a\"\nlibraries = [\"A\", \"B*\"]",
                "sites[0].libraries[1]: `B*` is no name",
            ),
            (
                "[[sites]]\npath = \"/sites/a\"\n[[groups]]\nname = \"a\"",
                "groups[0].name: another site has the path",
            ),
            (
                "[[sites]]\npath = \"/sites/a\"\n[[sites]]\npath = \"/teams/a\"",
                "sites[1].path: another account has the name `a.library`",
            ),
        ] {
            let error = error(rest);
            assert!(error.starts_with(expected), "{rest}\n{error}");
        }
    }
}
