//! Whose a drive is: its user, its group, its site. Each account has one of each; their ids are
//! made of the account's.

use serde_json::{Value, json};

use super::{
    address::Site,
    error::{Error, Result},
    reply::guid_of,
    request::GraphRequest,
    select::properties,
};
use crate::account::Account;
use crate::account_kind::AccountKind;

/// Salts, so that an account's ids differ from each other.
const USER: u64 = 1;
const GROUP: u64 = 2;
const SITE: u64 = 3;
const WEB: u64 = 4;

/// Who an account is to Graph.
#[derive(Debug)]
pub(super) struct Identity<'a> {
    kind: AccountKind,
    account: &'a Account,
    cid: u64,
}

impl<'a> Identity<'a> {
    pub(super) fn new(kind: AccountKind, account: &'a Account) -> Self {
        // The tree makes cids of 16 hexadecimal digits.
        let cid = u64::from_str_radix(&account.cid, 16).unwrap_or_default();
        Self { kind, account, cid }
    }

    /// The user's id: a consumer's is the cid, a GUID elsewhere.
    pub(super) fn user_id(&self) -> String {
        if self.kind.is_personal() { self.account.cid.clone() } else { guid_of(self.cid, USER) }
    }

    /// The user's name to sign in with.
    fn address(&self) -> String {
        let name = if self.account.name.is_empty() { "developer" } else { &self.account.name };
        format!("{name}@drivedal.example")
    }

    fn group_id(&self) -> String {
        guid_of(self.cid, GROUP)
    }

    /// What `parentReference.siteId` says.
    pub(super) fn site_guid(&self) -> String {
        guid_of(self.cid, SITE)
    }

    fn site_id(&self, request: &GraphRequest) -> String {
        format!(
            "{},{},{}",
            request.content_host(self.kind),
            self.site_guid(),
            guid_of(self.cid, WEB)
        )
    }

    /// The server-relative path of the account's site.
    pub(super) fn site_path(&self) -> String {
        let name = if self.account.name.is_empty() { "developer" } else { &self.account.name };
        match self.kind {
            AccountKind::Library => format!("/sites/{name}"),
            _ => format!("/personal/{name}"),
        }
    }

    pub(super) fn check_user(&self, id: &str) -> Result<()> {
        let known =
            id.eq_ignore_ascii_case(&self.user_id()) || id.eq_ignore_ascii_case(&self.address());
        if known { Ok(()) } else { Err(unknown("user", id)) }
    }

    pub(super) fn check_group(&self, id: &str) -> Result<()> {
        let known = self.kind == AccountKind::Library && id.eq_ignore_ascii_case(&self.group_id());
        if known { Ok(()) } else { Err(unknown("group", id)) }
    }

    /// That a site is the account's; consumers have none.
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

    /// `createdBy`, `lastModifiedBy`; `owner` where the item is somebody else's.
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

    /// A drive's owner.
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

    /// The answer to `/me`.
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

    /// The account's site.
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

/// Properties of a user that a response has by default.
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

/// Properties of a user that Graph has besides, and this server has not.
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

/// Refuses a selection of a user's properties that a response would not have.
///
/// # Errors
/// 501 for a property that Graph has and this server has not, 400 for one that no user has.
pub(super) fn check_user_properties(select: &str) -> Result<()> {
    for name in properties(select) {
        if MORE_USER_PROPERTIES.contains(&name.as_str()) {
            return Err(Error::not_supported(format!(
                "$select: the property '{name}' of a user is not served."
            )));
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

fn unknown(what: &str, id: &str) -> Error {
    Error::new(
        http::StatusCode::NOT_FOUND,
        "Request_ResourceNotFound",
        format!("The {what} '{id}' does not exist, or the token does not open it."),
    )
}
