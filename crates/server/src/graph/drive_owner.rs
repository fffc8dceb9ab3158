//! The account that a request addresses.
//!
//! A user's token opens the drive of that user. An application's own token opens all drives of its
//! tenant, except by `/me`, because it has no user (onedrive-graph#client-credentials).

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
use crate::account::Account;

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
    /// resource; 403 if the drive belongs to another tenant than the application's token; 404 if
    /// the token's account does not own the drive, or no account does; 507 if the account's drive
    /// cannot be created because the disk of the storage is full; 500 if the storage fails.
    pub(super) async fn account_of_drive(&self, drive: &DriveRef) -> Result<Arc<Account>> {
        let grant = self.valid_grant()?;
        if !grant.is_app {
            let account = self.state.accounts.open(&grant.account).await?;
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
            DriveRef::OwnedBy(Owner::Group(id)) => identity.check_group(id),
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

    /// Returns 401: the token is valid, but has neither scopes nor roles.
    pub(super) fn no_permissions() -> Error {
        Error::new(
            StatusCode::UNAUTHORIZED,
            "InvalidAuthenticationToken",
            "Either scp or roles claim need to be present in the token.",
        )
    }
}
