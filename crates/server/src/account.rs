//! From an access token to an account and its drive.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use axum::http::{header, request::Parts};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    app::App,
    graph::AccountKind,
    seal::{Broken, Purpose, random_name},
    secret_urls::SecretUrl,
    tree::{DriveNo, NameFolding, TreeError},
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
    pub drive: DriveNo,
    /// 16 lower-case hexadecimal digits: the account's id in Live Connect.
    pub cid: String,
}

impl Account {
    /// What people call its owner.
    pub(super) fn display_name(&self) -> &str {
        if self.name.is_empty() { "Drivedal Developer" } else { &self.name }
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
pub(super) enum Refusal {
    /// It carries no token.
    Missing,
    /// Its token was not made here.
    Invalid,
    /// Its token's hour is over.
    Expired,
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Invalid => Self::Invalid,
            Broken::Expired => Self::Expired,
        }
    }
}

/// Accounts that were seen, by name.
#[derive(Debug, Default)]
pub(super) struct Accounts(std::sync::Mutex<HashMap<String, Arc<Account>>>);

impl Accounts {
    fn get(&self, name: &str) -> Option<Arc<Account>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(name).cloned()
    }

    /// The account whose id in Live Connect that is.
    pub(super) fn of_cid(&self, cid: &str) -> Option<Arc<Account>> {
        let accounts = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        accounts.values().find(|account| account.cid == cid).cloned()
    }

    fn keep(&self, account: Arc<Account>) {
        let mut accounts = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        accounts.insert(account.name.clone(), account);
    }

    /// Forgets them all: their drives are gone.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
    }
}

impl App {
    /// What the access token of a request allows, wherever the request carries it.
    pub(super) fn grant(&self, request: &Parts) -> Result<Grant, Refusal> {
        let token = access_token(request)?.ok_or(Refusal::Missing)?;
        if let Some(name) = self.settings.tokens.account(&token) {
            return Ok(Grant::new(name, None));
        }
        let sealed = token.strip_prefix(ACCESS_PREFIX).ok_or(Refusal::Invalid)?;
        Ok(self.seal.open(Purpose::Access, sealed, Timestamp::now())?)
    }

    /// What a refresh token allows; `None`: it is none of ours, or too old.
    pub(super) fn refresh_grant(&self, token: &str) -> Option<Grant> {
        if let Some(name) = self.settings.tokens.refreshed_account(token) {
            return Some(Grant::new(name, None));
        }
        let sealed = token.strip_prefix(REFRESH_PREFIX)?;
        self.seal.open(Purpose::Refresh, sealed, Timestamp::now()).ok()
    }

    /// A new access token, unlike every other.
    pub(super) fn issue_access(&self, grant: &Grant) -> String {
        let expires = Timestamp::now() + self.settings.token_life;
        format!("{ACCESS_PREFIX}{}", self.seal.seal(Purpose::Access, expires, &grant.fresh()))
    }

    /// A new refresh token, unlike every other.
    pub(super) fn issue_refresh(&self, grant: &Grant) -> String {
        let expires = Timestamp::now() + REFRESH_LIFE;
        format!("{REFRESH_PREFIX}{}", self.seal.seal(Purpose::Refresh, expires, &grant.fresh()))
    }

    /// How the names of an account's drive are compared, whatever protocol shows it.
    pub(super) fn folding(&self, account: &Account) -> NameFolding {
        let kind = AccountKind::of_account(&account.name).unwrap_or(self.settings.kind);
        kind.folding()
    }

    /// The account of that name and its drive, made if there is none.
    pub(super) async fn account(&self, name: &str) -> Result<Arc<Account>, TreeError> {
        if let Some(account) = self.accounts.get(name) {
            return Ok(account);
        }
        let drive = self.tree.drive(name).await?;
        if let Some(quota) = self.settings.quota.filter(|&quota| quota != drive.quota) {
            self.tree.set_quota(drive.no, quota).await?;
        }
        let account = Arc::new(Account { name: name.to_owned(), drive: drive.no, cid: drive.cid });
        self.accounts.keep(Arc::clone(&account));
        Ok(account)
    }
}

/// The access token of a request: its `Authorization` header's, else its query's `access_token`.
fn access_token(request: &Parts) -> Result<Option<Cow<'_, str>>, Refusal> {
    if let Some(header) = request.headers.get(header::AUTHORIZATION) {
        let value = header.to_str().map_err(|_| Refusal::Invalid)?;
        return match value.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(Some(Cow::Borrowed(token.trim())))
            }
            _ => Err(Refusal::Invalid),
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
        assert_eq!(token("/x", Some("Basic YTpi")), Err(Refusal::Invalid));
    }
}
