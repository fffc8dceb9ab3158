//! The tenant of a request: its users, groups, sites and organization.
//!
//! With a directory, the tenant is the one that the user or application belongs to. Without one, every
//! account is a separate tenant, and an application's own token opens all of them.
//! Personal accounts have no tenant. The tenant is read-only: tests change the directory through the
//! control API.

mod collection;
mod followed_sites;
mod groups;
mod organization;
mod photo;
mod route;
mod sites;
mod users;

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;

pub(super) use self::{
    collection::{EntityType, page, sort},
    route::{FollowAction, OwnerRelation, PhotoAction, TenantAction, names},
    sites::site_of_account,
    users::user,
};
use super::{
    address::{Collection, Owner},
    analytics,
    contract::Payload,
    drive_owner::Caller,
    error::{Error, Result},
    lists,
    owner::{AccountIdentity, unknown},
    request::GraphRequest,
};
use crate::{
    account::Account,
    account_kind::AccountKind,
    directory::{GroupProfile, SiteProfile},
};

/// The tenant of a request.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) caller: Caller,
    /// The accounts of the users.
    users: Vec<Arc<Account>>,
    groups: Vec<Arc<GroupProfile>>,
    /// The sites that the caller can open, those of users included.
    sites: Vec<Arc<SiteProfile>>,
}

impl GraphRequest {
    /// Returns the tenant of the request's token.
    ///
    /// # Errors
    /// 401 if the token is missing, unknown, expired or for another resource; 403 for a user with a
    /// personal account; 507 if a user's drive cannot be created because the disk of the storage is
    /// full; 500 if the storage fails.
    pub(super) async fn tenant(&self) -> Result<Tenant> {
        let caller = self.caller().await?;
        if caller.user.as_ref().is_some_and(|user| self.kind(user).is_personal()) {
            return Err(personal_account());
        }
        let directory = self.state.accounts.directory();
        let mut tenant =
            Tenant { caller, users: Vec::new(), groups: Vec::new(), sites: Vec::new() };
        let accounts = match &directory {
            Some(directory) if tenant.caller.tenant.is_some() || tenant.caller.user.is_none() => {
                let caller = &tenant.caller;
                let groups = directory.groups().iter().filter(|it| caller.is_of(&it.tenant));
                tenant.groups.extend(groups.cloned());
                let open = directory.sites().iter().filter(|it| caller.role(it).is_some());
                tenant.sites.extend(open.cloned());
                let mut accounts = Vec::new();
                for user in directory.users().iter().filter(|it| caller.is_of(&it.tenant)) {
                    accounts.push(self.state.accounts.open(&user.account).await?);
                }
                accounts
            }
            // An account that the directory does not have is a separate tenant.
            _ => self.accounts().await?,
        };
        for account in accounts {
            tenant.add(self, &account);
        }
        Ok(tenant)
    }
}

impl Tenant {
    /// Adds an account that is no library of the directory: as a user with the site of its OneDrive,
    /// or as a group with its site.
    fn add(&mut self, request: &GraphRequest, account: &Arc<Account>) {
        let kind = request.kind(account);
        let identity = AccountIdentity::new(kind, account);
        let is_caller = self.caller.user.as_ref().is_none_or(|user| user.name == account.name);
        match kind {
            AccountKind::Business => self.users.push(Arc::clone(account)),
            AccountKind::Library if account.library.is_none() => {
                self.groups.extend(identity.group())
            }
            AccountKind::Library | AccountKind::Personal | AccountKind::PersonalLegacy => return,
        }
        if is_caller {
            self.sites.push(identity.site());
        }
    }

    /// Returns the account of the user with an id or address, in any case.
    ///
    /// # Errors
    /// 404 if the tenant has no such user.
    fn user(&self, request: &GraphRequest, id: &str) -> Result<&Arc<Account>> {
        let is_named = |account: &&Arc<Account>| {
            AccountIdentity::new(request.kind(account), account).check_user(id).is_ok()
        };
        self.users.iter().find(is_named).ok_or_else(|| unknown("user", id))
    }

    /// Returns the group with an id, in any case.
    ///
    /// # Errors
    /// 404 if the tenant has no such group.
    fn group(&self, id: &str) -> Result<&Arc<GroupProfile>> {
        let found = self.groups.iter().find(|group| group.guid().eq_ignore_ascii_case(id));
        found.ok_or_else(|| unknown("group", id))
    }
}

/// Serves an action on the tenant.
///
/// # Errors
/// 401 if the token is missing, unknown, expired or for another resource; 403 for a personal
/// account, and a site that is not open to the user; 404 for an unknown resource; those of the
/// handler.
pub(super) async fn serve(
    request: &GraphRequest,
    action: TenantAction,
    payload: Payload,
) -> Result<Response> {
    match action {
        TenantAction::List(Collection::Users) => users::list(request).await,
        TenantAction::List(Collection::Groups) => groups::list(request).await,
        TenantAction::List(Collection::Organizations) => organization::list(request).await,
        TenantAction::List(Collection::AllSites) => sites::all(request).await,
        TenantAction::Sites => sites::search(request).await,
        TenantAction::Organization(id) => organization::get(request, &id).await,
        TenantAction::Group(id) => groups::get(request, &id).await,
        TenantAction::Of(owner, relation) => match relation {
            OwnerRelation::Site => sites::site(request, &owner).await,
            OwnerRelation::MemberOf => groups::of_user(request, &owner).await,
            OwnerRelation::Members => groups::members(request, &owner, false).await,
            OwnerRelation::Owners => groups::members(request, &owner, true).await,
            OwnerRelation::Photo(action) => photo::serve(request, &owner, action, payload).await,
            OwnerRelation::FollowedSites(action) => {
                followed_sites::serve(request, &owner, action, payload).await
            }
            OwnerRelation::Subsites => sites::below(request, &owner).await,
            OwnerRelation::Lists => lists::of_site(request, &owner).await,
            OwnerRelation::Analytics(action) => analytics::of_site(request, &owner, &action).await,
            OwnerRelation::List(id, action) => {
                lists::serve_of_site(request, &owner, &id, action, payload).await
            }
        },
    }
}

/// Returns the account of a user: the caller's own, or another one of its tenant.
///
/// # Errors
/// 400 for `/me` with an application's own token; 401 if the token is missing, unknown, expired or
/// for another resource; 403 for another user than the own if the account is personal or the token
/// does not have the permission; 404 for an unknown user; 507 or 500 if the storage fails.
async fn account_of_user(request: &GraphRequest, owner: &Owner) -> Result<Arc<Account>> {
    let caller = request.caller().await?;
    let id = match (owner, caller.user) {
        (Owner::Me, Some(user)) => return Ok(user),
        (Owner::Me, None) => {
            let message = "/me request is only valid with delegated authentication flow.";
            return Err(Error::bad_query(message));
        }
        (Owner::User(id), user) => {
            if let Some(user) = user {
                let own = AccountIdentity::new(request.kind(&user), &user).check_user(id);
                if own.is_ok() || request.kind(&user).is_personal() {
                    return own.map(|()| user);
                }
            }
            id
        }
        (Owner::Group(id) | Owner::GroupSite(id), _) => return Err(unknown("user", id)),
        (Owner::Site(site), _) => return Err(unknown("user", &site.id)),
    };
    request.check_other_users()?;
    request.tenant().await?.user(request, id).cloned()
}

/// Returns 403 for a request of a personal account to a tenant.
fn personal_account() -> Error {
    Error::new(
        StatusCode::FORBIDDEN,
        "Authorization_RequestDenied",
        "Personal Microsoft accounts have no organization: sign in with a work or school account.",
    )
}
