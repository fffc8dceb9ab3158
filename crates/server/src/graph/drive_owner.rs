//! The account that a request addresses.
//!
//! A user's token opens the drive of that user, and the libraries of the sites that the directory
//! opens to the user. An application's own token opens all drives of its tenant, except by `/me`,
//! because it has no user (onedrive-graph#client-credentials).

use std::sync::Arc;

use http::StatusCode;

use super::{
    address::{DriveRef, Owner},
    error::{Error, Result},
    ids::IdCodec,
    links::LinkTarget,
    owner::AccountIdentity,
    request::GraphRequest,
};
use crate::{
    account::Account,
    account_kind::AccountKind,
    directory::{LibraryProfile, SiteLibrary, SiteProfile, SiteRole},
    tree::cid,
};

/// The user or application that sends a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The account of the user; `None` for an application's own token.
    pub(super) user: Option<Arc<Account>>,
    /// The id of the tenant; `None` for a user that the directory does not have, and for an
    /// application's token that is valid for all tenants.
    pub(super) tenant: Option<String>,
}

impl Caller {
    /// Returns whether the caller belongs to a tenant. An application without a tenant belongs to
    /// all.
    pub(super) fn is_of(&self, tenant: &str) -> bool {
        match &self.tenant {
            Some(own) => own == tenant,
            None => self.user.is_none(),
        }
    }

    /// Returns the caller's rights on a site of the directory; `None` if it has none.
    pub(super) fn role(&self, site: &SiteProfile) -> Option<SiteRole> {
        let Some(user) = &self.user else {
            return self.is_of(&site.tenant).then_some(SiteRole::Owner);
        };
        let is_own = site.libraries.iter().any(|library| library.account == user.name);
        match &user.profile {
            _ if is_own => Some(SiteRole::Owner),
            Some(profile) => site.role(profile),
            None => None,
        }
    }
}

impl GraphRequest {
    /// Returns the accounts whose drives the token opens: that of the user, or all of the tenant
    /// for an application's own token.
    ///
    /// # Errors
    /// 401 if the token is missing, unknown, expired or for another resource; 507 if the user's
    /// drive cannot be created because the disk of the storage is full; 500 if the storage fails.
    pub(super) async fn accounts(&self) -> Result<Vec<Arc<Account>>> {
        let grant = self.valid_grant()?;
        if !grant.is_app {
            return Ok(vec![self.state.accounts.open(&grant.account).await?]);
        }
        let accounts = &self.state.accounts;
        let tenant = grant.tenant.as_deref();
        let all = accounts.all().await?;
        Ok(all.into_iter().filter(|account| accounts.is_in_tenant(account, tenant)).collect())
    }

    /// Returns the account that owns a drive, if the token opens it.
    ///
    /// # Errors
    /// 400 for `/me` with an application's own token, a site of a personal account, and a sharing
    /// token that is no encoded URL; 401 if the token is missing, unknown, expired or for another
    /// resource; 403 if the drive belongs to another tenant than the application's token, and for a
    /// library whose site is not open to the user; 404 if the token's account does not own the
    /// drive, or no account does; 507 if the account's drive cannot be created because the disk of
    /// the storage is full; 500 if the storage fails.
    pub(super) async fn account_of_drive(&self, drive: &DriveRef) -> Result<Arc<Account>> {
        let grant = self.valid_grant()?;
        let caller = self.caller().await?;
        if let Some(library) = self.directory_library(&caller, drive) {
            if caller.role(&library.site).is_none() {
                return Err(Error::access_denied());
            }
            return Ok(self.state.accounts.open(&library.library.account).await?);
        }
        if let Some(account) = caller.user {
            self.check_owner(&account, drive)?;
            return Ok(account);
        }
        if *drive == DriveRef::OwnedBy(Owner::Me) {
            let message = "/me request is only valid with delegated authentication flow.";
            return Err(Error::bad_query(message));
        }
        let account = match drive {
            DriveRef::Share(token) => LinkTarget::from_token(self, token).await?.account,
            _ => self.search_owner(drive, grant.tenant.as_deref()).await?,
        };
        match self.state.accounts.is_in_tenant(&account, grant.tenant.as_deref()) {
            true => Ok(account),
            // Inferred (onedrive-graph#token-rejections).
            false => Err(Error::access_denied()),
        }
    }

    /// Returns the account that owns a drive, whether or not the token opens it.
    ///
    /// # Errors
    /// 400 for `/me` with an application's own token, a site of a personal account, and a sharing token
    /// that is no encoded URL; 401 if the token is missing, unknown, expired or for another resource; 403
    /// if the drive belongs to another tenant than the application's token; 404 if no account owns it;
    /// 507 if the account's drive cannot be created because the disk of the storage is full; 500 if the
    /// storage fails.
    pub(super) async fn account_with_drive(&self, drive: &DriveRef) -> Result<Arc<Account>> {
        let grant = self.valid_grant()?;
        if grant.is_app {
            return self.account_of_drive(drive).await;
        }
        // The rights of the caller in a library are checked for each item.
        let caller = self.caller().await?;
        if let Some(library) = self.directory_library(&caller, drive) {
            return Ok(self.state.accounts.open(&library.library.account).await?);
        }
        let own = self.state.accounts.open(&grant.account).await?;
        match drive {
            DriveRef::Share(token) => Ok(LinkTarget::from_token(self, token).await?.account),
            _ => match self.check_owner(&own, drive) {
                Ok(()) => Ok(own),
                Err(refusal) if refusal.status != StatusCode::NOT_FOUND => Err(refusal),
                Err(refusal) => match self.search_owner(drive, None).await {
                    // The account that is searched last must not decide the error.
                    Err(error) if error.status.is_client_error() => Err(refusal),
                    found => found,
                },
            },
        }
    }

    /// Returns the account that owns the drive with an id; `None` if no account does.
    ///
    /// # Errors
    /// 507 if an account's drive cannot be created because the disk of the storage is full; 500 if the
    /// storage fails.
    pub(super) async fn account_with_drive_id(&self, id: &str) -> Result<Option<Arc<Account>>> {
        let is_owner =
            |account: &Arc<Account>| IdCodec::new(self.kind(account), &account.cid).is_drive(id);
        Ok(self.state.accounts.all().await?.into_iter().find(is_owner))
    }

    /// Returns the account that owns a drive, among all accounts of the server. Those of `tenant` are
    /// preferred: each tenant has a root site.
    ///
    /// # Errors
    /// 404 if none does; 400 for a site if the first account is personal; 500 if the storage fails.
    async fn search_owner(&self, drive: &DriveRef, tenant: Option<&str>) -> Result<Arc<Account>> {
        let mut refusal = None;
        let accounts = &self.state.accounts;
        let mut candidates = accounts.all().await?;
        candidates.sort_by_key(|account| !accounts.is_in_tenant(account, tenant));
        for account in candidates {
            match self.check_owner(&account, drive) {
                Ok(()) => return Ok(account),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.unwrap_or_else(Error::not_found))
    }

    /// Checks that an account owns a drive. A sharing token and `/me` are always accepted: their
    /// account was found by the token.
    ///
    /// # Errors
    /// 404 if it does not, 400 for a site of a personal account.
    fn check_owner(&self, account: &Account, drive: &DriveRef) -> Result<()> {
        let kind = self.kind(account);
        let identity = AccountIdentity::new(kind, account);
        match drive {
            DriveRef::OwnedBy(Owner::Me) | DriveRef::Share(_) => Ok(()),
            DriveRef::OwnedBy(Owner::User(id)) => identity.check_user(id),
            DriveRef::OwnedBy(Owner::Group(id) | Owner::GroupSite(id)) => identity.check_group(id),
            DriveRef::OwnedBy(Owner::Site(site)) => identity.check_site(site, self),
            DriveRef::Id { id, site } => {
                if let Some(site) = site {
                    identity.check_site(site, self)?;
                }
                match IdCodec::new(kind, &account.cid).is_drive(id) {
                    true => Ok(()),
                    false => Err(Error::not_found()),
                }
            }
        }
    }

    /// Returns the user or application that the request's token belongs to.
    ///
    /// # Errors
    /// 401 if the token is missing, unknown, expired or for another resource; 507 if the user's
    /// drive cannot be created because the disk of the storage is full; 500 if the storage fails.
    pub(super) async fn caller(&self) -> Result<Caller> {
        let grant = self.valid_grant()?;
        if grant.is_app {
            return Ok(Caller { user: None, tenant: grant.tenant.clone() });
        }
        let user = self.state.accounts.open(&grant.account).await?;
        let tenant = match (&user.profile, &user.library) {
            (Some(profile), _) => Some(profile.tenant.clone()),
            (None, Some(library)) => Some(library.site.tenant.clone()),
            (None, None) => None,
        };
        Ok(Caller { user: Some(user), tenant })
    }

    /// Returns the library of the directory that a drive reference names; `None` if the reference
    /// is of another sort, or no library of the caller's tenant has it.
    fn directory_library(&self, caller: &Caller, drive: &DriveRef) -> Option<SiteLibrary> {
        let directory = self.state.accounts.directory()?;
        let mut sites = directory.sites().iter().filter(|site| caller.is_of(&site.tenant));
        let of_group = |site: &SiteProfile, id: &str| {
            site.group.as_ref().is_some_and(|group| id.eq_ignore_ascii_case(&group.guid()))
        };
        let (site, library) = match drive {
            DriveRef::OwnedBy(Owner::Site(named)) => {
                let site = sites.find(|site| site.is_named(named, self))?;
                (site, site.default_library())
            }
            DriveRef::OwnedBy(Owner::Group(id) | Owner::GroupSite(id)) => {
                let site = sites.find(|site| of_group(site, id))?;
                (site, site.default_library())
            }
            DriveRef::Id { id, site: named } => sites
                .filter(|site| named.as_ref().is_none_or(|named| site.is_named(named, self)))
                .find_map(|site| {
                    let has_id = |library: &&LibraryProfile| {
                        IdCodec::new(AccountKind::Library, &cid(&library.account)).is_drive(id)
                    };
                    Some((site, site.libraries.iter().find(has_id)?))
                })?,
            DriveRef::OwnedBy(Owner::Me | Owner::User(_)) | DriveRef::Share(_) => return None,
        };
        Some(SiteLibrary { site: Arc::clone(site), library: library.clone() })
    }

    /// Returns the caller's rights on the site that has an account's drive as a library; `None` if
    /// the drive is no library, and if the caller has no rights.
    ///
    /// # Errors
    /// Those of [`caller`](Self::caller).
    pub(super) async fn site_role(&self, account: &Account) -> Result<Option<SiteRole>> {
        let Some(library) = &account.library else { return Ok(None) };
        Ok(self.caller().await?.role(&library.site))
    }

    /// Returns the site of an owner.
    ///
    /// # Errors
    /// 400 for a site of a personal account; 401 if the token is missing, unknown, expired or for
    /// another resource; 403 for a site that is not open to the user; 404 if there is none; 507 if
    /// the account's drive cannot be created because the disk of the storage is full; 500 if the
    /// storage fails.
    pub(super) async fn site_of_owner(&self, owner: &Owner) -> Result<Arc<SiteProfile>> {
        let account = self.account_of_drive(&DriveRef::OwnedBy(owner.clone())).await?;
        Ok(AccountIdentity::new(self.kind(&account), &account).site())
    }

    /// Returns 401: the token is valid, but has neither scopes nor roles.
    pub(super) fn no_permissions() -> Error {
        Error::new(
            StatusCode::UNAUTHORIZED,
            "InvalidAuthenticationToken",
            "Either scp or roles claim need to be present in the token.",
        )
    }
}
