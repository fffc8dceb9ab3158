//! The owners of drives: users, groups and sites. A library of the directory has the group and the
//! site that the directory declares. Any other account has its own user, group and site,
//! whose ids are derived from the account's cid.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    address::Site,
    error::{Error, Result},
    ids::derive_guid,
    request::GraphRequest,
    select::properties,
};
use crate::{
    account::Account,
    account_kind::AccountKind,
    content::encoded,
    directory::{GroupProfile, SiteProfile},
    tree::cid,
};

/// Salts that make the ids of an account different from each other.
const USER: u64 = 1;
const GROUP: u64 = 2;
const SITE: u64 = 3;
const WEB: u64 = 4;
const LIST: u64 = 5;

/// Returns the number of an account's cid; `account` is its name.
fn number_of(account: &str) -> u64 {
    u64::from_str_radix(&cid(account), 16).unwrap_or_default()
}

impl SiteProfile {
    /// Returns the GUID of the site.
    pub(super) fn guid(&self) -> String {
        let derived = || derive_guid(number_of(&self.default_library().account), SITE);
        self.id.as_ref().map_or_else(derived, |id| id.to_ascii_lowercase())
    }

    /// Returns whether the site is the one of a user's OneDrive.
    pub(super) fn is_personal(&self) -> bool {
        self.path.starts_with("/personal/")
    }

    /// Returns the host of the site.
    pub(super) fn host<'r>(&self, request: &'r GraphRequest) -> &'r str {
        request.content_host(self.kind())
    }

    /// Returns the kind of the accounts that have the libraries.
    fn kind(&self) -> AccountKind {
        if self.is_personal() { AccountKind::Business } else { AccountKind::Library }
    }

    /// Returns the id of the site: `host,guid,guid`.
    pub(super) fn full_id(&self, request: &GraphRequest) -> String {
        format!("{},{},{}", self.host(request), self.guid(), self.web_guid())
    }

    /// Returns the GUID of the site's web.
    pub(super) fn web_guid(&self) -> String {
        derive_guid(number_of(&self.default_library().account), WEB)
    }

    /// Returns the URL of the site.
    pub(super) fn web_url(&self, request: &GraphRequest) -> String {
        request.content_url(self.kind(), self.path.trim_end_matches('/'))
    }

    /// Returns whether an address names the site, by id or by host and path in any case.
    pub(super) fn is_named(&self, site: &Site, request: &GraphRequest) -> bool {
        let is_host = site.id == "root" || site.id.eq_ignore_ascii_case(self.host(request));
        let path = format!("/{}", site.path.join("/"));
        let is_self = || {
            site.id.eq_ignore_ascii_case(&self.full_id(request))
                || site.id.eq_ignore_ascii_case(&self.guid())
        };
        match site.path.is_empty() {
            true => (is_host && self.path == "/") || is_self(),
            false => is_host && path.eq_ignore_ascii_case(&self.path),
        }
    }
}

impl GroupProfile {
    /// Returns the GUID of the group.
    pub(super) fn guid(&self) -> String {
        let derived = || derive_guid(number_of(&format!("{}.library", self.name)), GROUP);
        self.id.as_ref().map_or_else(derived, |id| id.to_ascii_lowercase())
    }
}

/// An account as a user, group and site of Graph.
#[derive(Debug)]
pub(crate) struct AccountIdentity<'a> {
    kind: AccountKind,
    account: &'a Account,
    cid: u64,
}

impl<'a> AccountIdentity<'a> {
    /// Returns the identity of an account of a kind.
    pub(crate) fn new(kind: AccountKind, account: &'a Account) -> Self {
        // The tree assigns cids of 16 hexadecimal digits.
        let cid = u64::from_str_radix(&account.cid, 16).unwrap_or_default();
        Self { kind, account, cid }
    }

    /// Returns the user's id: the cid on personal drives, else a GUID.
    pub(crate) fn user_id(&self) -> String {
        let registered = self.account.profile.as_ref().and_then(|it| it.object_id.clone());
        match registered {
            Some(id) => id,
            None if self.kind.is_personal() => self.account.cid.clone(),
            None => derive_guid(self.cid, USER),
        }
    }

    /// Returns the user's e-mail address, which is the sign-in name.
    pub(crate) fn address(&self) -> String {
        self.account.address()
    }

    /// Returns the group that owns the account's library; `None` if no group does.
    pub(super) fn group(&self) -> Option<Arc<GroupProfile>> {
        match (&self.account.library, self.kind) {
            (Some(library), _) => library.site.group.clone(),
            (None, AccountKind::Library) => Some(Arc::new(GroupProfile {
                name: self.account.name.clone(),
                address: self.address(),
                display_name: self.account.display_name().to_owned(),
                description: None,
                id: Some(derive_guid(self.cid, GROUP)),
                tenant: String::new(),
                members: vec![self.account.name.clone()],
                owners: vec![self.account.name.clone()],
                is_public: false,
            })),
            (None, _) => None,
        }
    }

    /// Returns the site that has the account's library. It has no meaning for personal accounts.
    pub(super) fn site(&self) -> Arc<SiteProfile> {
        match &self.account.library {
            Some(library) => Arc::clone(&library.site),
            None => Arc::new(SiteProfile::for_account(
                &self.account.name,
                self.site_path(),
                self.account.display_name(),
                self.group(),
            )),
        }
    }

    /// Returns the GUID of the site, for `parentReference.siteId`.
    pub(super) fn site_guid(&self) -> String {
        match &self.account.library {
            Some(library) => library.site.guid(),
            None => derive_guid(self.cid, SITE),
        }
    }

    /// Returns the GUID of the list of the account's library.
    pub(super) fn list_id(&self) -> String {
        derive_guid(self.cid, LIST)
    }

    /// Returns the server-relative path of the account's site.
    fn site_path(&self) -> String {
        let name = if self.account.name.is_empty() { "developer" } else { &self.account.name };
        match (&self.account.library, self.kind) {
            (Some(library), _) => library.site.path.clone(),
            (None, AccountKind::Library) => format!("/sites/{name}"),
            (None, _) => format!("/personal/{name}"),
        }
    }

    /// Returns the displayed name of the account's drive.
    pub(super) fn drive_name(&self) -> &str {
        match &self.account.library {
            Some(library) => &library.library.name,
            None if self.kind.is_personal() => "OneDrive",
            None => "Documents",
        }
    }

    /// Returns the percent-encoded path of the account's drive on the host of its site.
    pub(super) fn drive_path(&self) -> String {
        let library = match &self.account.library {
            Some(library) => library.library.name.as_str(),
            None => "Documents",
        };
        format!("{}/{}", self.site_path().trim_end_matches('/'), encoded(library))
    }

    /// Checks that a user id or address, in any case, is the account's.
    ///
    /// # Errors
    /// 404 if it is not.
    pub(super) fn check_user(&self, id: &str) -> Result<()> {
        let known =
            id.eq_ignore_ascii_case(&self.user_id()) || id.eq_ignore_ascii_case(&self.address());
        if known { Ok(()) } else { Err(unknown("user", id)) }
    }

    /// Checks that a group id, in any case, is the account's. Only libraries have a group.
    ///
    /// # Errors
    /// 404 if it is not.
    pub(super) fn check_group(&self, id: &str) -> Result<()> {
        let known = self.group().is_some_and(|group| id.eq_ignore_ascii_case(&group.guid()));
        if known { Ok(()) } else { Err(unknown("group", id)) }
    }

    /// Checks that a site, by id or by host and path in any case, is the account's. `root` and the
    /// host alone name the site of every account that the directory does not have.
    ///
    /// # Errors
    /// 404 if it is not, 400 for personal accounts, which have no site.
    pub(super) fn check_site(&self, site: &Site, request: &GraphRequest) -> Result<()> {
        if self.kind.is_personal() {
            return Err(Error::invalid("This account has no SharePoint sites."));
        }
        let own = self.site();
        let is_host = site.id == "root" || site.id.eq_ignore_ascii_case(own.host(request));
        let is_only = self.account.library.is_none() && is_host && site.path.is_empty();
        match is_only || own.is_named(site, request) {
            true => Ok(()),
            false => Err(unknown("site", &site.id)),
        }
    }

    /// Returns the value of `createdBy` and `lastModifiedBy`. `owner` is the name of another user
    /// who owns the item; `None` if the account does.
    pub(super) fn identity_set(&self, owner: Option<&str>) -> Value {
        let user = match owner {
            Some(name) => json!({"displayName": name}),
            None if self.account.library.is_some() => return system_account(),
            None => json!({
                "displayName": self.account.display_name(),
                "email": self.address(),
                "id": self.user_id(),
            }),
        };
        json!({"user": user})
    }

    /// Returns the owner of the account's drive.
    pub(super) fn owner(&self) -> Value {
        match (self.group(), &self.account.library) {
            (Some(group), _) => json!({"group": {
                "displayName": group.display_name,
                "email": group.address,
                "id": group.guid(),
            }}),
            (None, Some(_)) => system_account(),
            (None, None) => self.identity_set(None),
        }
    }

    /// Returns the user resource, the response to `/me`.
    pub(super) fn user(&self, request: &GraphRequest) -> Value {
        json!({
            "@odata.context": request.url("/$metadata#users/$entity"),
            "id": self.user_id(),
            "displayName": self.account.display_name(),
            "userPrincipalName": self.address(),
            "mail": self.address(),
            "businessPhones": [],
            "givenName": null,
            "jobTitle": null,
            "mobilePhone": null,
            "officeLocation": null,
            "preferredLanguage": null,
            "surname": null,
        })
    }
}

/// Returns the identity of SharePoint itself, which creates the libraries of sites without a group.
pub(super) fn system_account() -> Value {
    json!({"user": {"displayName": "System Account"}})
}

/// Properties of a user that this server has.
pub(super) const USER_PROPERTIES: [&str; 12] = [
    "*",
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];

/// Properties of a user that only Graph has.
pub(super) const MORE_USER_PROPERTIES: [&str; 42] = [
    "aboutMe",
    "accountEnabled",
    "ageGroup",
    "assignedLicenses",
    "assignedPlans",
    "birthday",
    "city",
    "companyName",
    "consentProvidedForMinor",
    "country",
    "createdDateTime",
    "creationType",
    "deletedDateTime",
    "department",
    "employeeId",
    "employeeType",
    "externalUserState",
    "faxNumber",
    "hireDate",
    "identities",
    "imAddresses",
    "interests",
    "lastPasswordChangeDateTime",
    "mailNickname",
    "mailboxSettings",
    "mySite",
    "onPremisesSamAccountName",
    "onPremisesSyncEnabled",
    "onPremisesUserPrincipalName",
    "otherMails",
    "passwordPolicies",
    "postalCode",
    "preferredName",
    "proxyAddresses",
    "securityIdentifier",
    "showInAddressList",
    "signInActivity",
    "skills",
    "state",
    "streetAddress",
    "usageLocation",
    "userType",
];

/// Checks that the server has the selected properties of a user. `select` is the decoded value of
/// `$select`; names are case-sensitive.
///
/// # Errors
/// 501 for a property that only Graph has, 400 for an unknown one.
pub(super) fn check_user_properties(select: &str) -> Result<()> {
    for name in properties(select) {
        if MORE_USER_PROPERTIES.contains(&name.as_str()) {
            return Err(Error::unsupported(format_args!("select the property '{name}' of a user")));
        }
        if !USER_PROPERTIES.contains(&name.as_str()) {
            return Err(Error::bad_query(format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{name}' \
                 on type 'microsoft.graph.user'."
            )));
        }
    }
    Ok(())
}

/// Returns 404 for an owner that is not the account's. `kind` is its type in the message, such as
/// `user`.
pub(super) fn unknown(kind: &str, id: &str) -> Error {
    Error::new(
        http::StatusCode::NOT_FOUND,
        "Request_ResourceNotFound",
        format!("cannot open {kind} '{id}': it does not exist or belongs to another account"),
    )
}
