//! The permissions that requests require (onedrive-graph#scopes). The table of routes has the
//! requirement of each route.
//!
//! A user's token has delegated permissions, an application's own token has application permissions.
//! Microsoft lists them for every request of its reference; all requests of one kind accept the same.

use http::StatusCode;

use super::error::{Error, Result};
use crate::grant::{Audience, Grant};

/// The right that a route requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScopeRequirement {
    /// The URL authorizes the request, or the request contains others that are checked one by one.
    Nothing,
    /// Reading the profile of a user.
    User,
    /// Changing the profile of a user.
    WriteUser,
    /// Listing the users of the tenant.
    Users,
    /// Reading groups and their members.
    Groups,
    /// Reading the groups of a user.
    MemberOf,
    /// Reading the organization.
    Organization,
    /// Reading sites and their lists.
    Sites,
    /// Changing lists of sites.
    WriteSites,
    /// Reading files.
    Read,
    /// Changing files.
    Write,
    /// Managing the permissions of sites.
    FullControl,
}

/// Permissions for a user's profile. Applications have only those that end in `.all`.
const USERS: [&str; 8] = [
    "user.read",
    "user.readwrite",
    "user.readbasic.all",
    "user.read.all",
    "user.readwrite.all",
    "directory.read.all",
    "directory.readwrite.all",
    "directory.accessasuser.all",
];

/// Permissions to read the users of the tenant.
const ALL_USERS: [&str; 6] = [
    "user.readbasic.all",
    "user.read.all",
    "user.readwrite.all",
    "directory.read.all",
    "directory.readwrite.all",
    "directory.accessasuser.all",
];

/// Permissions to change a user's profile or photo.
const WRITE_USERS: [&str; 4] = [
    "user.readwrite",
    "user.readwrite.all",
    "profilephoto.readwrite.all",
    "directory.readwrite.all",
];

/// Permissions to read groups and their members.
const GROUPS: [&str; 7] = [
    "groupmember.read.all",
    "groupmember.readwrite.all",
    "group.read.all",
    "group.readwrite.all",
    "directory.read.all",
    "directory.readwrite.all",
    "directory.accessasuser.all",
];

/// Permissions to read the organization, besides [`USERS`].
const ORGANIZATIONS: [&str; 2] = ["organization.read.all", "organization.readwrite.all"];

/// Permissions to change sites and their lists.
const WRITE_SITES: [&str; 3] = ["sites.readwrite.all", "sites.manage.all", "sites.fullcontrol.all"];

/// Permissions for sites and their files.
const READ_SITES: [&str; 4] =
    ["sites.read.all", "sites.readwrite.all", "sites.manage.all", "sites.fullcontrol.all"];

/// Permissions to read files, besides [`READ_SITES`] and [`WRITE_FILES`]. `onedrive.readonly` and
/// `wl.skydrive` are of a Microsoft account's legacy sign-in (onedrive-graph#legacy-msa-sign-in),
/// the last two are SharePoint's own.
const READ_FILES: [&str; 6] = [
    "files.read",
    "files.read.all",
    "onedrive.readonly",
    "wl.skydrive",
    "allsites.read",
    "myfiles.read",
];

/// Permissions to change files.
const WRITE_FILES: [&str; 11] = [
    "files.readwrite",
    "files.readwrite.all",
    "sites.readwrite.all",
    "sites.manage.all",
    "sites.fullcontrol.all",
    "onedrive.readwrite",
    "wl.skydrive_update",
    "allsites.write",
    "allsites.manage",
    "allsites.fullcontrol",
    "myfiles.write",
];

/// Permissions for the user's own files. Those of other users need other permissions
/// (onedrive-graph#scopes-of-shared-files), unless a sharing token addresses them.
const OWN_FILES: [&str; 4] = ["files.read", "files.readwrite", "myfiles.read", "myfiles.write"];

/// Permissions to manage the permissions of sites.
const FULL_CONTROL: [&str; 2] = ["sites.fullcontrol.all", "allsites.fullcontrol"];

/// Permissions of an application for the sites and items that it was given access to
/// (onedrive-graph#site-permissions).
const SELECTED: [&str; 2] = ["sites.selected", "files.selectedoperations.selected"];

/// Permissions to read and change files in the application's own folder.
const APP_FOLDER: [&str; 2] = ["files.readwrite.appfolder", "onedrive.appfolder"];

/// Returns whether the server knows a permission, given in lower case.
pub(crate) fn is_known_permission(permission: &str) -> bool {
    let lists: [&[&str]; 9] = [
        &USERS,
        &WRITE_USERS,
        &GROUPS,
        &ORGANIZATIONS,
        &READ_SITES,
        &READ_FILES,
        &WRITE_FILES,
        &APP_FOLDER,
        &SELECTED,
    ];
    lists.iter().any(|list| list.contains(&permission))
}

/// The files that a token can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileScope {
    Nothing,
    /// The files below the special folder `approot`.
    AppFolder,
    /// The files that the application has a permission for.
    Selected,
    All,
}

/// The permissions of a token.
#[derive(Clone, Debug)]
pub(super) struct Permissions {
    /// In lower case; `None` for all permissions.
    granted: Option<Vec<String>>,
    is_app: bool,
}

impl Permissions {
    /// Returns the permissions of a token's grant: scopes of a user, or roles of an application.
    pub(super) fn from_grant(grant: &Grant) -> Self {
        Self { granted: grant.permissions(), is_app: grant.is_app }
    }

    /// Returns whether the token has one of the permissions, which are in lower case. Of an
    /// application's permissions, only those that end in `.all` or `.selected` count.
    fn has_one(&self, accepted: &[&str]) -> bool {
        let Some(granted) = &self.granted else { return true };
        granted.iter().any(|permission| {
            accepted.contains(&permission.as_str())
                && (!self.is_app
                    || permission.ends_with(".all")
                    || permission.ends_with(".selected"))
        })
    }

    /// Returns whether the token grants nothing: it has neither scopes nor roles.
    pub(super) fn is_empty(&self) -> bool {
        self.granted.as_ref().is_some_and(Vec::is_empty)
    }

    /// Returns the files that the token can read.
    pub(super) fn readable(&self) -> FileScope {
        match self.has_one(&READ_SITES) || self.has_one(&READ_FILES) {
            true => FileScope::All,
            false => self.writable(),
        }
    }

    /// Returns the files that the token can change.
    pub(super) fn writable(&self) -> FileScope {
        if self.has_one(&WRITE_FILES) {
            FileScope::All
        } else if self.has_one(&APP_FOLDER) {
            FileScope::AppFolder
        } else if self.is_app && self.has_one(&SELECTED) {
            FileScope::Selected
        } else {
            FileScope::Nothing
        }
    }

    /// Returns whether the token covers the files of other users that the user has access to.
    pub(super) fn covers_others(&self, writes: bool) -> bool {
        let lists: &[&[&str]] = match writes {
            true => &[&WRITE_FILES],
            false => &[&WRITE_FILES, &READ_FILES, &READ_SITES],
        };
        let others = lists.iter().flat_map(|list| list.iter()).filter(|it| !OWN_FILES.contains(it));
        self.has_one(&others.copied().collect::<Vec<_>>())
    }

    /// Returns the files that a request may use, and checks the other rights that its route
    /// requires.
    ///
    /// # Errors
    /// 403 if the token does not have the permission.
    pub(super) fn check(&self, requirement: ScopeRequirement) -> Result<FileScope> {
        let directory: &[&[&str]] = match requirement {
            ScopeRequirement::User => &[&USERS],
            ScopeRequirement::WriteUser => &[&WRITE_USERS],
            ScopeRequirement::Users => &[&ALL_USERS],
            ScopeRequirement::Groups => &[&GROUPS],
            ScopeRequirement::MemberOf => &[&USERS, &GROUPS],
            ScopeRequirement::Organization => &[&USERS, &ORGANIZATIONS],
            _ => &[],
        };
        if !directory.is_empty() {
            let is_granted = directory.iter().any(|accepted| self.has_one(accepted));
            return if is_granted { Ok(FileScope::Nothing) } else { Err(no_privilege()) };
        }
        let files = match requirement {
            ScopeRequirement::Nothing => return Ok(FileScope::All),
            ScopeRequirement::Sites if self.has_one(&READ_SITES) => return Ok(FileScope::Nothing),
            ScopeRequirement::Sites if self.is_app && self.has_one(&SELECTED) => {
                FileScope::Selected
            }
            ScopeRequirement::FullControl if self.has_one(&FULL_CONTROL) => FileScope::All,
            ScopeRequirement::WriteSites if self.has_one(&WRITE_SITES) => {
                return Ok(FileScope::Nothing);
            }
            ScopeRequirement::Read => self.readable(),
            ScopeRequirement::Write => self.writable(),
            _ => FileScope::Nothing,
        };
        if files == FileScope::Nothing { Err(Error::access_denied()) } else { Ok(files) }
    }
}

/// Returns 403 as Graph's directory does, which serves the users.
fn no_privilege() -> Error {
    Error::new(
        StatusCode::FORBIDDEN,
        "Authorization_RequestDenied",
        "Insufficient privileges to complete the operation.",
    )
}

/// Returns whether this protocol accepts the token of a grant. `is_direct` is true for the protocol
/// without Graph in front, which needs a token for SharePoint. A token of a Microsoft account's
/// legacy sign-in is accepted if it has a scope of OneDrive.
pub(super) fn accepts(grant: &Grant, is_direct: bool) -> bool {
    let resource = if is_direct { Audience::SharePoint } else { Audience::Graph };
    let is_onedrive = |scope: &String| scope.starts_with("onedrive.");
    let is_legacy = || {
        grant.audience == Audience::Live
            && grant.permissions().is_some_and(|scopes| scopes.iter().any(is_onedrive))
    };
    grant.check_audience(&resource).is_ok() || is_legacy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::table::{self, GraphRoute};

    fn permissions(scope: &str) -> Permissions {
        Permissions::from_grant(&Grant::new("", Some(scope.to_owned())))
    }

    fn roles(scope: &str) -> Permissions {
        Permissions::from_grant(&Grant::new("", Some(scope.to_owned())).for_app())
    }

    #[test]
    fn a_permission_allows_its_own_operations_only() {
        let allows =
            |scope: &str, route: &GraphRoute| permissions(scope).check(route.requirement).is_ok();
        assert!(allows("Files.Read", &table::ITEM_GET));
        assert!(!allows("Files.Read", &table::ITEM_DELETE));
        assert!(!allows("Files.Read", &table::USER));
        assert!(!allows("Files.ReadWrite.All", &table::SITE));
        assert!(allows("https://graph.microsoft.com/Sites.Read.All", &table::SITE));
        assert!(allows("User.Read", &table::USER));
        assert!(!allows("User.Read openid profile", &table::DRIVE));
        assert!(allows("https://graph.microsoft.com/.default", &table::ITEM_DELETE));
        assert!(allows("Files.Read", &table::VERSION_GET));
        assert!(!allows("Files.Read", &table::VERSION_DELETE));
        assert!(allows("Files.Read", &table::PERMISSION_GET));
        assert!(!allows("Files.Read", &table::INVITE));
    }

    #[test]
    fn files_of_other_users_need_permissions_for_them() {
        assert!(!permissions("Files.Read").covers_others(false));
        assert!(permissions("Files.Read.All").covers_others(false));
        assert!(!permissions("Files.Read.All Files.ReadWrite").covers_others(true));
        assert!(permissions("Files.ReadWrite.All").covers_others(true));
        assert!(permissions("Sites.Read.All").covers_others(false));
        assert_eq!(roles("Sites.Selected").readable(), FileScope::Selected);
        assert_eq!(permissions("Sites.Selected").readable(), FileScope::Nothing);
        assert!(permissions("Sites.Read.All").check(ScopeRequirement::FullControl).is_err());
    }

    #[test]
    fn an_application_has_only_permissions_for_all_users() {
        assert_eq!(roles("Files.ReadWrite").readable(), FileScope::Nothing);
        assert_eq!(roles("Files.Read.All").readable(), FileScope::All);
        assert_eq!(roles("Files.Read.All").writable(), FileScope::Nothing);
        assert_eq!(permissions("Files.ReadWrite.AppFolder").writable(), FileScope::AppFolder);
        assert!(permissions("").is_empty());
    }
}
