//! From an access token to an account and its drive.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{header, request::Parts};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    access::StaticTokens,
    account_kind::AccountKind,
    secret_urls::SecretUrl,
    signed_token::{Purpose, TokenError, TokenSigner, random_name},
    tree::{DriveKey, ItemKey, NameFolding, Tree, TreeError},
};

/// Where requests of every protocol have credentials in their URLs.
pub(super) const SECRET_URLS: &[SecretUrl] =
    &[SecretUrl::Parameter("access_token"), SecretUrl::Parameter("password")];

/// How issued tokens begin, so that they are told apart from others at a glance, as the cloud's.
const ACCESS_PREFIX: &str = "EwA";
const REFRESH_PREFIX: &str = "M.C";

/// How long a refresh token serves that the server issued. Inferred: no source says it; the cloud
/// forgot tokens that had not been used for a year.
const REFRESH_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);

/// An account and its drive.
#[derive(Debug)]
pub(super) struct Account {
    /// As in `drivedal-dev-NAME`; the default account's is empty.
    pub name: String,
    /// Its drive's number.
    pub drive: DriveKey,
    /// 16 lower-case hexadecimal digits: the account's id in Live Connect.
    pub cid: String,
}

impl Account {
    /// What people call its owner.
    pub(super) fn display_name(&self) -> &str {
        if self.name.is_empty() { "Drivedal Developer" } else { &self.name }
    }
}

impl Account {
    /// Returns the id that consumer clouds have for an item: `{CID}!{number}`, where the upper-case
    /// CID has no leading zeros.
    pub(super) fn resource_id(&self, item: ItemKey) -> String {
        let cid = self.cid.trim_start_matches('0');
        let cid = if cid.is_empty() { "0" } else { cid };
        format!("{}!{item}", cid.to_ascii_uppercase())
    }
}

/// What an access token allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    /// The account's name.
    #[serde(rename = "a")]
    pub account: String,
    /// The scopes that were granted, separated by spaces; `None`: all there are.
    #[serde(rename = "s")]
    pub scope: Option<String>,
    /// Makes every issued token another one.
    #[serde(rename = "n")]
    nonce: String,
}

impl Grant {
    /// A grant of an account's drive.
    pub(super) fn new(account: impl Into<String>, scope: Option<String>) -> Self {
        Self { account: account.into(), scope, nonce: String::new() }
    }

    fn fresh(&self) -> Self {
        Self { nonce: random_name(), ..self.clone() }
    }
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthError {
    /// It carries no token.
    Missing,
    /// Its token was not made here.
    Invalid,
    /// Its token's hour is over.
    Expired,
}

impl From<TokenError> for AuthError {
    fn from(broken: TokenError) -> Self {
        match broken {
            TokenError::Invalid => Self::Invalid,
            TokenError::Expired => Self::Expired,
        }
    }
}

/// Settings of accounts and their tokens.
#[derive(Clone, Debug)]
pub(super) struct AccountSettings {
    /// Bytes that a drive may hold; `None`: the tree's default.
    pub quota: Option<u64>,
    /// The kind of accounts whose name does not say it.
    pub kind: AccountKind,
    /// Lifetime of an access token.
    pub token_life: Duration,
    /// Tokens that are valid without a sign-in.
    pub tokens: StaticTokens,
}

/// Opens accounts, and issues and verifies their tokens.
#[derive(Debug)]
pub(super) struct Accounts {
    tree: Arc<Tree>,
    signer: TokenSigner,
    settings: AccountSettings,
    /// Opened accounts, by name.
    open: Mutex<HashMap<String, Arc<Account>>>,
}

impl Accounts {
    pub(super) fn new(tree: Arc<Tree>, signer: TokenSigner, settings: AccountSettings) -> Self {
        Self { tree, signer, settings, open: Mutex::default() }
    }

    pub(super) fn settings(&self) -> &AccountSettings {
        &self.settings
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<String, Arc<Account>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the account whose id in Live Connect that is, if it was opened before.
    pub(super) fn with_cid(&self, cid: &str) -> Option<Arc<Account>> {
        self.opened().values().find(|account| account.cid == cid).cloned()
    }

    /// Forgets all accounts: their drives are gone.
    pub(super) fn clear(&self) {
        self.opened().clear();
    }

    /// Returns the account of that name and its drive, which is created if there is none.
    ///
    /// # Errors
    /// When the storage fails.
    pub(super) async fn open(&self, name: &str) -> Result<Arc<Account>, TreeError> {
        let account = self.opened().get(name).cloned();
        if let Some(account) = account {
            return Ok(account);
        }
        let drive = self.tree.drive(name).await?;
        if let Some(quota) = self.settings.quota.filter(|&quota| quota != drive.quota) {
            self.tree.set_quota(drive.no, quota).await?;
        }
        let account = Arc::new(Account { name: name.to_owned(), drive: drive.no, cid: drive.cid });
        self.opened().insert(account.name.clone(), Arc::clone(&account));
        Ok(account)
    }

    /// Returns the kind of an account: its name's, else the server's.
    pub(super) fn kind(&self, account: &Account) -> AccountKind {
        AccountKind::from_account_name(&account.name).unwrap_or(self.settings.kind)
    }

    /// Returns how the names of an account's drive are compared, whatever protocol shows it.
    pub(super) fn folding(&self, account: &Account) -> NameFolding {
        self.kind(account).folding()
    }

    /// Returns the rights that the access token of a request grants.
    ///
    /// # Errors
    /// When there is no valid token.
    pub(super) fn grant(&self, request: &Parts) -> Result<Grant, AuthError> {
        let token = access_token(request)?.ok_or(AuthError::Missing)?;
        if let Some(name) = self.settings.tokens.account(&token) {
            return Ok(Grant::new(name, None));
        }
        let signed = token.strip_prefix(ACCESS_PREFIX).ok_or(AuthError::Invalid)?;
        Ok(self.signer.verify(Purpose::Access, signed, Timestamp::now())?)
    }

    /// Returns the rights that a refresh token grants; `None` if it is invalid or expired.
    pub(super) fn refresh_grant(&self, token: &str) -> Option<Grant> {
        if let Some(name) = self.settings.tokens.refreshed_account(token) {
            return Some(Grant::new(name, None));
        }
        let signed = token.strip_prefix(REFRESH_PREFIX)?;
        self.signer.verify(Purpose::Refresh, signed, Timestamp::now()).ok()
    }

    /// Issues an access token, unlike every other.
    pub(super) fn issue_access(&self, grant: &Grant) -> String {
        let expires = Timestamp::now() + self.settings.token_life;
        format!("{ACCESS_PREFIX}{}", self.signer.sign(Purpose::Access, expires, &grant.fresh()))
    }

    /// Issues a refresh token, unlike every other.
    pub(super) fn issue_refresh(&self, grant: &Grant) -> String {
        let expires = Timestamp::now() + REFRESH_LIFE;
        format!("{REFRESH_PREFIX}{}", self.signer.sign(Purpose::Refresh, expires, &grant.fresh()))
    }
}

/// The access token of a request: its `Authorization` header's, else its query's `access_token`.
fn access_token(request: &Parts) -> Result<Option<Cow<'_, str>>, AuthError> {
    if let Some(header) = request.headers.get(header::AUTHORIZATION) {
        let value = header.to_str().map_err(|_| AuthError::Invalid)?;
        return match value.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(Some(Cow::Borrowed(token.trim())))
            }
            _ => Err(AuthError::Invalid),
        };
    }
    let query = request.uri.query().unwrap_or_default();
    Ok(url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "access_token")
        .map(|(_, token)| token)
        .filter(|token| !token.is_empty()))
}

#[cfg(test)]
mod tests {
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
