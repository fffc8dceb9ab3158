//! Checks the groups and sites of a directory, and applies their defaults.

use std::{collections::HashSet, sync::Arc};

use super::{
    DEFAULT_LIBRARY, GroupProfile, GroupRecord, LibraryProfile, MAX_LIBRARIES, SiteProfile,
    SiteRecord,
};
use crate::{
    access::is_account_name,
    account::ADDRESS_DOMAIN,
    directory::{
        Directory, TenantRecord, UserProfile,
        parse::{Fault, fault, find_tenant, is_guid},
    },
};

/// Checks groups and sites, and applies their defaults.
pub(super) struct Resolver<'d> {
    pub(super) directory: &'d Directory,
    pub(super) users: &'d [Arc<UserProfile>],
    /// Names of accounts in lower case.
    pub(super) taken: HashSet<String>,
    /// Tenants and paths of the sites so far, in lower case.
    pub(super) paths: HashSet<(String, String)>,
}

impl Resolver<'_> {
    /// Returns a group with all defaults applied.
    ///
    /// # Errors
    /// The fault of the name, the id, the address, the tenant, or the first unknown user.
    pub(super) fn group(&self, record: &GroupRecord) -> Result<Arc<GroupProfile>, Fault> {
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
    pub(super) fn group_site(
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
    pub(super) fn site(&mut self, record: &SiteRecord) -> Result<SiteProfile, Fault> {
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
