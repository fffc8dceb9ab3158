//! Accounts, their drives, and the tokens that open them.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use axum::http::request::Parts;
use jiff::SignedDuration;

use crate::{
    access::StaticTokens,
    account_kind::AccountKind,
    account_scope::AccountScopes,
    directory::{Directory, DirectoryError, DirectoryIndex, SiteLibrary, UserProfile},
    grant::Grant,
    headers::Authorization,
    secret_urls::SecretUrl,
    sign_in::{SignInOptions, TokenFamilies},
    signed_token::{Purpose, TokenError, TokenSigner},
    tree::{AccountObjectKind, DriveKey, ItemKey, NameFolding, Tree, TreeError},
};

/// Positions of credentials in the URLs of all protocols.
pub(super) const SECRET_URLS: &[SecretUrl] =
    &[SecretUrl::Parameter("access_token"), SecretUrl::Parameter("password")];

/// The beginning of issued tokens, as in the cloud. It shows what kind of token a text is.
const ACCESS_PREFIX: &str = "EwA";
const REFRESH_PREFIX: &str = "M.C";

/// Lifetime of an issued refresh token. Inferred: no source documents it; the cloud invalidated tokens
/// that had not been used for a year.
const REFRESH_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);

/// The domain of the users' e-mail addresses, which are their sign-in names.
pub(super) const ADDRESS_DOMAIN: &str = "drivedal.example";

/// The part before the domain in the address of the default account.
pub(super) const DEFAULT_ADDRESS: &str = "developer";

/// An account and its drive.
#[derive(Debug)]
pub(super) struct Account {
    /// The NAME of `drivedal-dev-NAME`; empty for the default account.
    pub name: String,
    /// The account's drive.
    pub drive: DriveKey,
    /// The account's id in Live Connect: 16 lower-case hexadecimal digits.
    pub cid: String,
    /// The user in the directory; `None` if the server has no directory, or not this user.
    pub profile: Option<Arc<UserProfile>>,
    /// The document library in the directory; `None` if the account is not one of a site there.
    pub library: Option<SiteLibrary>,
    /// The owner's name in the Live Connect profile; `None` if there is no profile with a name.
    pub owner_name: Option<String>,
}

impl Account {
    /// Returns the displayed name of the owner.
    pub(super) fn display_name(&self) -> &str {
        match (&self.owner_name, &self.profile, &self.library) {
            (Some(name), ..) => name,
            (None, Some(profile), _) => &profile.display_name,
            (None, None, Some(SiteLibrary { site, .. })) => &site.display_name,
            (None, None, None) if self.name.is_empty() => "Drivedal Developer",
            (None, None, None) => &self.name,
        }
    }

    /// Returns the user's e-mail address, which is the sign-in name.
    pub(super) fn address(&self) -> String {
        match &self.profile {
            Some(profile) => profile.address.clone(),
            None if self.name.is_empty() => format!("{DEFAULT_ADDRESS}@{ADDRESS_DOMAIN}"),
            None => format!("{}@{ADDRESS_DOMAIN}", self.name),
        }
    }
}

impl Account {
    /// Returns an item's id in Microsoft's consumer clouds: `{CID}!{number}`, with the CID in upper
    /// case and without leading zeros.
    pub(super) fn resource_id(&self, item: ItemKey) -> String {
        let cid = self.cid.trim_start_matches('0');
        let cid = if cid.is_empty() { "0" } else { cid };
        format!("{}!{item}", cid.to_ascii_uppercase())
    }
}

/// The reason why a request's access token grants nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthError {
    /// The request has no token.
    Missing,
    /// This server did not issue the token.
    Invalid,
    /// The token has expired.
    Expired,
    /// The token was issued for another resource.
    Audience,
}

impl From<TokenError> for AuthError {
    /// Converts the reason why a signed token is invalid.
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::Invalid,
            TokenError::Expired => Self::Expired,
        }
    }
}

/// Settings of accounts and their tokens.
#[derive(Clone, Debug)]
pub(super) struct AccountSettings {
    /// The quota of a drive in bytes; `None`: the tree's default.
    pub quota: Option<u64>,
    /// The kind of accounts whose name does not contain one.
    pub kind: AccountKind,
    /// Lifetime of an access token.
    pub token_life: Duration,
    /// The static tokens.
    pub tokens: StaticTokens,
}

/// Opens accounts, and issues and verifies their tokens.
#[derive(Debug)]
pub(super) struct Accounts {
    tree: Arc<Tree>,
    signer: TokenSigner,
    /// The clocks of the accounts.
    scopes: Arc<AccountScopes>,
    settings: AccountSettings,
    /// The users and applications; `None`: the sign-in accepts all.
    directory: RwLock<Option<Arc<DirectoryIndex>>>,
    /// The sign-ins whose tokens are in use.
    pub families: TokenFamilies,
    open: Mutex<OpenAccounts>,
}

/// The accounts that are open.
#[derive(Debug, Default)]
struct OpenAccounts {
    by_name: HashMap<String, Arc<Account>>,
    /// The number of times that accounts were closed. An account that was looked up before is not added:
    /// its drive may be removed, its profile may be an earlier one.
    closed: u64,
}

impl Accounts {
    /// Creates the accounts of a tree.
    pub(super) fn new(
        tree: Arc<Tree>,
        signer: TokenSigner,
        scopes: Arc<AccountScopes>,
        settings: AccountSettings,
        sign_in: SignInOptions,
    ) -> Self {
        Self {
            tree,
            signer,
            scopes,
            settings,
            directory: RwLock::default(),
            families: TokenFamilies::new(sign_in),
            open: Mutex::default(),
        }
    }

    /// Returns the directory; `None` if the sign-in accepts all users and applications.
    pub(super) fn directory(&self) -> Option<Arc<DirectoryIndex>> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the directory. Tokens of users and applications that it does not have are no longer
    /// valid.
    ///
    /// # Errors
    /// [`DirectoryError`] with the key of the first user whose tenant cannot be determined for the
    /// server's default kind of accounts. The directory is then unchanged.
    pub(super) fn set_directory(&self, directory: Option<Directory>) -> Result<(), DirectoryError> {
        let index = directory.map(|it| DirectoryIndex::new(it, self.settings.kind)).transpose()?;
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = index.map(Arc::new);
        // They are opened again with their new profiles.
        self.clear();
        Ok(())
    }

    /// Returns the settings of accounts and their tokens.
    pub(super) fn settings(&self) -> &AccountSettings {
        &self.settings
    }

    /// Locks the accounts that are open.
    fn opened(&self) -> MutexGuard<'_, OpenAccounts> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the account whose id in Live Connect is `cid`, 16 lower-case hexadecimal digits;
    /// `None` unless it was opened before, although the account may exist.
    pub(super) fn with_cid(&self, cid: &str) -> Option<Arc<Account>> {
        self.opened().by_name.values().find(|account| account.cid == cid).cloned()
    }

    /// Returns the names of the accounts that were opened, in the order of their names.
    pub(super) fn opened_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.opened().by_name.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Closes an account, because its profile was changed or its drive was removed.
    pub(super) fn close(&self, name: &str) {
        let mut opened = self.opened();
        opened.by_name.remove(name);
        opened.closed += 1;
    }

    /// Closes all accounts, because their profiles were changed or their drives were removed.
    pub(super) fn clear(&self) {
        let mut opened = self.opened();
        opened.by_name.clear();
        opened.closed += 1;
    }

    /// Returns the account named `name`, empty for the default account. Its drive is created if it
    /// does not exist.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database fails, and [`TreeError::NoRoom`] if its disk is full.
    pub(super) async fn open(&self, name: &str) -> Result<Arc<Account>, TreeError> {
        loop {
            let closed = {
                let opened = self.opened();
                if let Some(account) = opened.by_name.get(name) {
                    return Ok(Arc::clone(account));
                }
                opened.closed
            };
            let account = match self.look_up(name).await {
                Ok(account) => Arc::new(account),
                // The drive was removed during the lookup.
                Err(TreeError::NotFound) if self.opened().closed != closed => continue,
                Err(error) => return Err(error),
            };
            let mut opened = self.opened();
            if opened.closed == closed {
                opened.by_name.insert(account.name.clone(), Arc::clone(&account));
                return Ok(account);
            }
        }
    }

    /// Returns the account named `name` from the storage and the directory. Its drive is created if it
    /// does not exist.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the drive is removed meanwhile, [`TreeError::Storage`] if the database
    /// fails, and [`TreeError::NoRoom`] if its disk is full.
    async fn look_up(&self, name: &str) -> Result<Account, TreeError> {
        let directory = self.directory();
        let directory = directory.as_deref();
        let profile = directory.and_then(|directory| directory.user_of_account(name).cloned());
        let library = directory.and_then(|directory| directory.library_of_account(name));
        let drive = self.tree.drive(name).await?;
        let quota = profile.as_ref().and_then(|it| it.quota).or(self.settings.quota);
        if let Some(quota) = quota.filter(|&quota| quota != drive.quota) {
            self.tree.set_quota(drive.no, quota).await?;
        }
        let owner_name =
            match self.tree.account_object(drive.no, AccountObjectKind::Profile, "").await {
                Ok(profile) => {
                    profile.fields.get("name").and_then(|name| name.as_str()).map(str::to_owned)
                }
                Err(TreeError::NotFound) => None,
                Err(error) => return Err(error),
            };
        let (drive, cid) = (drive.no, drive.cid);
        let name = name.to_owned();
        Ok(Account { name, drive, cid, profile, library, owner_name })
    }

    /// Returns all accounts: the users of the directory, else the accounts with a drive, the default
    /// account first.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the storage fails, and [`TreeError::NoRoom`] if a drive cannot be
    /// created because the disk is full.
    pub(super) async fn all(&self) -> Result<Vec<Arc<Account>>, TreeError> {
        let names: Vec<String> = match self.directory() {
            Some(directory) => directory.users().iter().map(|user| user.account.clone()).collect(),
            None => {
                let stored = self.tree.account_names().await?;
                let named = stored.into_iter().filter(|name| !name.is_empty());
                std::iter::once(String::new()).chain(named).collect()
            }
        };
        let mut accounts = Vec::with_capacity(names.len());
        for name in names {
            accounts.push(self.open(&name).await?);
        }
        Ok(accounts)
    }

    /// Returns whether an account belongs to a tenant; `tenant` is an id, or `None` for a token that
    /// is valid for all tenants. The accounts of a server without a directory belong to all tenants.
    pub(super) fn is_in_tenant(&self, account: &Account, tenant: Option<&str>) -> bool {
        match (&account.profile, &account.library, tenant) {
            (_, _, None) => true,
            (Some(profile), _, Some(tenant)) => profile.tenant == tenant,
            (None, Some(library), Some(tenant)) => library.site.tenant == tenant,
            (None, None, Some(_)) => self.directory().is_none(),
        }
    }

    /// Returns whether the directory has the user and the application of an issued token. A token
    /// for all scopes is from a static refresh token, which remains valid.
    fn is_known(&self, grant: &Grant) -> bool {
        if grant.scope.is_none() {
            return true;
        }
        let Some(directory) = self.directory() else { return true };
        let has_user = || directory.user_of_account(&grant.account).is_some();
        let has_client = |client: &String| directory.application(client).is_some();
        (grant.is_app || has_user()) && grant.client.as_ref().is_none_or(has_client)
    }

    /// Returns the account whose id in Live Connect is `cid`, 16 lower-case hexadecimal digits;
    /// `None` if no account has it.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the storage fails, and [`TreeError::NoRoom`] if the account's
    /// quota cannot be stored because the disk is full.
    pub(super) async fn find_cid(&self, cid: &str) -> Result<Option<Arc<Account>>, TreeError> {
        match self.tree.account_with_cid(cid).await? {
            Some(name) => self.open(&name).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns the kind of an account: that of its name, else the server's default.
    pub(super) fn kind(&self, account: &Account) -> AccountKind {
        AccountKind::from_account_name(&account.name).unwrap_or(self.settings.kind)
    }

    /// Returns how the names in an account's drive are compared. It applies to all protocols.
    pub(super) fn folding(&self, account: &Account) -> NameFolding {
        self.kind(account).folding()
    }

    /// Returns the rights that the access token of a request grants.
    ///
    /// # Errors
    /// [`AuthError::Missing`] without a token in the header and the query, `Expired`, and `Invalid`
    /// for a malformed header, a token that this server did not issue, one that was revoked, and
    /// one whose user or application is no longer in the directory. The audience is not checked.
    pub(super) fn grant(&self, request: &Parts) -> Result<Grant, AuthError> {
        let token = access_token(request)?.ok_or(AuthError::Missing)?;
        if let Some(name) = self.settings.tokens.account(&token) {
            return Ok(Grant::new(name, None));
        }
        let signed = token.strip_prefix(ACCESS_PREFIX).ok_or(AuthError::Invalid)?;
        let now = |grant: &Grant| self.scopes.now(&grant.account);
        let grant = self.signer.verify_at(Purpose::Access, signed, now)?;
        match self.is_known(&grant) && !self.families.is_revoked(&grant) {
            true => Ok(grant),
            false => Err(AuthError::Invalid),
        }
    }

    /// Returns the rights that a refresh token grants; `None` if it was not issued by this server,
    /// has expired or was revoked, if its user or application is no longer in the directory, or if
    /// it was replaced and may not be used again.
    pub(super) fn refresh_grant(&self, token: &str) -> Option<Grant> {
        if let Some(name) = self.settings.tokens.refreshed_account(token) {
            return Some(Grant::new(name, None));
        }
        let signed = token.strip_prefix(REFRESH_PREFIX)?;
        let now = |grant: &Grant| self.scopes.now(&grant.account);
        let grant = self.signer.verify_at(Purpose::Refresh, signed, now).ok()?;
        (self.is_known(&grant) && self.families.may_refresh(&grant)).then_some(grant)
    }

    /// Issues an access token. No two issued tokens are equal.
    pub(super) fn issue_access(&self, grant: &Grant) -> String {
        let expires = self.scopes.now(&grant.account) + self.settings.token_life;
        format!("{ACCESS_PREFIX}{}", self.signer.sign(Purpose::Access, expires, &grant.fresh()))
    }

    /// Issues a refresh token, which replaces that of `grant` if it has one. No two issued tokens are
    /// equal. Returns `None` if another request replaced the token meanwhile and the server does not
    /// allow that.
    pub(super) fn issue_refresh(&self, grant: &Grant) -> Option<String> {
        let expires = self.scopes.now(&grant.account) + REFRESH_LIFE;
        let next = grant.fresh();
        let is_issued = self.families.replace(grant, &next.nonce);
        let token = || self.signer.sign(Purpose::Refresh, expires, &next);
        is_issued.then(|| format!("{REFRESH_PREFIX}{}", token()))
    }
}

/// Returns the access token of a request: that of its `Authorization` header, else that of its
/// query. `None` if it has neither.
///
/// # Errors
/// `AuthError::Invalid` if the header is malformed or of another scheme.
fn access_token(request: &Parts) -> Result<Option<Cow<'_, str>>, AuthError> {
    match Authorization::parse(&request.headers) {
        Authorization::Missing => {}
        Authorization::Bearer(token) => return Ok(Some(Cow::Borrowed(token))),
        Authorization::Other { .. } | Authorization::Malformed => return Err(AuthError::Invalid),
    }
    let query = request.uri.query().unwrap_or_default();
    Ok(url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "access_token")
        .map(|(_, token)| token)
        .filter(|token| !token.is_empty()))
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    fn parts(uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = axum::http::Request::builder().uri(uri);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn the_token_is_taken_from_the_header_or_the_query() {
        let token = |uri, header| access_token(&parts(uri, header)).map(|t| t.map(Cow::into_owned));
        assert_eq!(token("/x", Some("bearer abc")), Ok(Some("abc".into())));
        assert_eq!(token("/x?access_token=a%2Bb", None), Ok(Some("a+b".into())));
        assert_eq!(
            token("/x?access_token=query", Some("Bearer header")),
            Ok(Some("header".into()))
        );
        assert_eq!(token("/x?access_token=", None), Ok(None));
        assert_eq!(token("/x", None), Ok(None));
        assert_eq!(token("/x", Some("Basic YTpi")), Err(AuthError::Invalid));
    }
}
