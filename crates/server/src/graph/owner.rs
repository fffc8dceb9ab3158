//! The owners of drives: users, groups and sites. Each account has one of each, and their ids are
//! derived from the account's cid.

use serde_json::{Value, json};

use super::{
    address::Site,
    error::{Error, Result},
    ids::derive_guid,
    request::GraphRequest,
    select::properties,
};
use crate::account::Account;
use crate::account_kind::AccountKind;

/// Salts that make the ids of an account different from each other.
const USER: u64 = 1;
const GROUP: u64 = 2;
const SITE: u64 = 3;
const WEB: u64 = 4;

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

    /// Returns the GUID of the account's group.
    fn group_id(&self) -> String {
        derive_guid(self.cid, GROUP)
    }

    /// Returns the GUID of the site, for `parentReference.siteId`.
    pub(super) fn site_guid(&self) -> String {
        derive_guid(self.cid, SITE)
    }

    /// Returns the site's id: `host,guid,guid`.
    fn site_id(&self, request: &GraphRequest) -> String {
        format!(
            "{},{},{}",
            request.content_host(self.kind),
            self.site_guid(),
            derive_guid(self.cid, WEB)
        )
    }

    /// Returns the server-relative path of the account's site.
    pub(super) fn site_path(&self) -> String {
        let name = if self.account.name.is_empty() { "developer" } else { &self.account.name };
        match self.kind {
            AccountKind::Library => format!("/sites/{name}"),
            _ => format!("/personal/{name}"),
        }
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
        let known = self.kind == AccountKind::Library && id.eq_ignore_ascii_case(&self.group_id());
        if known { Ok(()) } else { Err(unknown("group", id)) }
    }

    /// Checks that a site, by id or by host and path in any case, is the account's.
    ///
    /// # Errors
    /// 404 if it is not, 400 for personal accounts, which have no site.
    pub(super) fn check_site(&self, site: &Site, request: &GraphRequest) -> Result<()> {
        if self.kind.is_personal() {
            return Err(Error::invalid("This account has no SharePoint sites."));
        }
        let is_host =
            site.id == "root" || site.id.eq_ignore_ascii_case(request.content_host(self.kind));
        let path = format!("/{}", site.path.join("/"));
        let known = match site.path.is_empty() {
            true => is_host || site.id.eq_ignore_ascii_case(&self.site_id(request)),
            false => is_host && path.eq_ignore_ascii_case(&self.site_path()),
        };
        if known { Ok(()) } else { Err(unknown("site", &site.id)) }
    }

    /// Returns the value of `createdBy` and `lastModifiedBy`. `owner` is the name of another user
    /// who owns the item; `None` if the account does.
    pub(super) fn identity_set(&self, owner: Option<&str>) -> Value {
        let user = match owner {
            Some(name) => json!({"displayName": name}),
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
        match self.kind {
            AccountKind::Library => json!({"group": {
                "displayName": self.account.display_name(),
                "email": self.address(),
                "id": self.group_id(),
            }}),
            _ => self.identity_set(None),
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

    /// Returns the site resource.
    pub(super) fn site(&self, request: &GraphRequest) -> Value {
        json!({
            "id": self.site_id(request),
            "name": self.account.name,
            "displayName": self.account.display_name(),
            "webUrl": request.content_url(self.kind, &self.site_path()),
            "siteCollection": {"hostname": request.content_host(self.kind)},
        })
    }
}

/// Properties of a user that this server has.
const USER_PROPERTIES: [&str; 12] = [
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
const MORE_USER_PROPERTIES: [&str; 42] = [
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
fn unknown(kind: &str, id: &str) -> Error {
    Error::new(
        http::StatusCode::NOT_FOUND,
        "Request_ResourceNotFound",
        format!("cannot open {kind} '{id}': it does not exist or belongs to another account"),
    )
}
