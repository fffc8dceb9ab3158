//! Sources of access tokens.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{BoxFuture, Shared},
};
use jiff::Timestamp;

use super::{
    SaveOutcome, StoredAccessToken, StoredTokens, TokenClient, TokenFile, TokenStore, Tokens,
};
use crate::drive::{Context, Error, ErrorKind, Result, Secret};

/// The code of the error if no refresh token is known.
pub const SIGN_IN_REQUIRED: &str = "sign_in_required";

/// The scope that Microsoft requires for a new refresh token in the response to a refresh.
const OFFLINE_SCOPE: &str = "offline_access";

/// Returns access tokens and refreshes them, with one refresh at a time. Clones share their state.
///
/// ```
/// use drivedal::auth::{TokenClient, TokenFile, TokenSource};
///
/// # fn main() -> drivedal::drive::Result<()> {
/// let client = TokenClient::new("https://login.live.com/oauth20_token.srf", "my-client-id")?
///     .parameter("redirect_uri", "https://login.live.com/oauth20_desktop.srf");
/// let tokens = TokenSource::refreshing(client, Some("refresh token".into()), None)
///     .with_token_file(TokenFile::new("tokens.json"));
/// assert!(tokens.is_renewable());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenSource(Arc<AudienceTokens>);

/// The access tokens for one audience of an account.
struct AudienceTokens {
    /// The scope of the audience. `None` for the audience of the sign-in.
    scope: Option<String>,
    account: Arc<AccountTokens>,
    state: Mutex<AudienceState>,
}

/// The state that all audiences of an account share.
struct AccountTokens {
    grant: OAuthGrant,
    /// Keeps refreshed tokens. `None`: they are lost with the process.
    store: Option<Arc<dyn TokenStore>>,
    /// Locked during a refresh: two audiences must not use the refresh token at the same time.
    refreshing: tokio::sync::Mutex<()>,
    state: Mutex<AccountState>,
    /// The sources for further audiences that are in use, by scope.
    audiences: Mutex<BTreeMap<String, Weak<AudienceTokens>>>,
}

/// How a source obtains access tokens.
#[derive(Clone)]
enum OAuthGrant {
    /// One access token that cannot be refreshed.
    Fixed,
    /// Tokens of a user, from a refresh token.
    Refresh {
        client: TokenClient,
        /// The refresh token of the configuration. `None` if it has none.
        configured: Option<Secret>,
    },
    /// Tokens of the application itself.
    Application(TokenClient),
}

/// The tokens of an account in memory.
#[derive(Clone, Default)]
struct AccountState {
    /// The current refresh token.
    refresh: Option<Secret>,
    /// The refresh token that the current one has replaced, while the store still has the old one
    /// because it could not be written.
    unwritten: Option<Secret>,
    /// The access token of the sign-in's audience, as in the store. `None` if it is unknown.
    access: Option<StoredAccessToken>,
    /// The access tokens of further audiences, as in the store.
    audiences: BTreeMap<String, StoredAccessToken>,
}

/// The access token of one audience in memory.
#[derive(Default)]
struct AudienceState {
    /// The current access token. `None` before the first request, and during a refresh.
    access: Option<StoredAccessToken>,
    /// The running refresh, which all callers share.
    running: Option<SharedRefresh>,
}

/// A running refresh, which several callers await.
type SharedRefresh = Shared<BoxFuture<'static, Result<Secret>>>;

/// The access token that a caller needs.
#[derive(Clone, Debug)]
enum TokenDemand {
    /// Any that is not about to expire.
    Valid,
    /// One that is not about to expire, and not this one, which the cloud has rejected.
    NotStale(Secret),
    /// A new one.
    New,
}

impl TokenDemand {
    /// Returns the token if it meets the demand. `None` if it does not, or if it is not known.
    fn accept(&self, access: Option<&StoredAccessToken>) -> Option<Secret> {
        let access = access.filter(|access| access.is_fresh())?;
        match self {
            Self::Valid => Some(access.access_token.clone()),
            Self::NotStale(stale) if access.access_token != *stale => {
                Some(access.access_token.clone())
            }
            Self::NotStale(_) | Self::New => None,
        }
    }
}

impl TokenSource {
    /// Returns a source of one access token, which cannot be refreshed.
    pub fn fixed(access: Secret) -> Self {
        Self::new(OAuthGrant::Fixed, Some(access), None)
    }

    /// Returns a source that refreshes its tokens. The first access token is `access`, if it is known.
    ///
    /// Without `refresh`, a [store](Self::with_store) must contain the refresh token when it is
    /// needed.
    pub fn refreshing(
        client: TokenClient,
        refresh: Option<Secret>,
        access: Option<Secret>,
    ) -> Self {
        let grant = OAuthGrant::Refresh { client, configured: refresh.clone() };
        Self::new(grant, access, refresh)
    }

    /// Returns a source of tokens for the application itself, which acts for no user.
    pub fn for_application(client: TokenClient) -> Self {
        Self::new(OAuthGrant::Application(client), None, None)
    }

    /// Returns a source with these first tokens.
    fn new(grant: OAuthGrant, access: Option<Secret>, refresh: Option<Secret>) -> Self {
        let access = access.map(StoredAccessToken::with_unknown_expiry);
        let state = AccountState { refresh, access, ..AccountState::default() };
        Self::from_account(grant, None, state)
    }

    /// Returns the source for the audience of the sign-in, of a new account with this state.
    fn from_account(
        grant: OAuthGrant,
        store: Option<Arc<dyn TokenStore>>,
        state: AccountState,
    ) -> Self {
        let access = state.access.clone();
        let account = AccountTokens {
            grant,
            store,
            refreshing: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
            audiences: Mutex::default(),
        };
        Self::from_audience(None, Arc::new(account), access)
    }

    /// Returns the source for one audience of an account. `access` is its access token, if it is
    /// known.
    fn from_audience(
        scope: Option<String>,
        account: Arc<AccountTokens>,
        access: Option<StoredAccessToken>,
    ) -> Self {
        let state = Mutex::new(AudienceState { access, running: None });
        Self(Arc::new(AudienceTokens { scope, account, state }))
    }

    /// Stores refreshed tokens in a file, for the next process: [`with_store`](Self::with_store) with
    /// a [`TokenFile`].
    #[must_use]
    pub fn with_token_file(self, token_file: TokenFile) -> Self {
        self.with_store(token_file)
    }

    /// Keeps refreshed tokens in a store. Has no effect on a source that does not refresh a user's
    /// tokens.
    ///
    /// The source prepares the store before it requests new tokens, and requests none if that fails.
    /// If the store cannot be written all the same, one call returns the error, and the source
    /// continues with the new tokens.
    ///
    /// The tokens of the store are used if they originate from the refresh token of the
    /// configuration. Another refresh token in the configuration is newer and replaces them.
    #[must_use]
    pub fn with_store(self, store: impl TokenStore) -> Self {
        let account = &self.0.account;
        let state = account.state().clone();
        Self::from_account(account.grant.clone(), Some(Arc::new(store)), state)
    }

    /// Returns a source of access tokens for another audience, from the same refresh token.
    ///
    /// `scope` is a scope of the audience, such as `https://contoso.sharepoint.com/.default`
    /// (onedrive-graph#pre-auth-client-rules). Both sources share the refresh token, its store and
    /// its lock. A source whose token is [fixed](Self::fixed) has no token for another audience.
    #[must_use]
    pub fn for_audience(&self, scope: impl Into<String>) -> Self {
        let scope = scope.into();
        let account = &self.0.account;
        let mut audiences = account.audiences.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(audience) = audiences.get(&scope).and_then(Weak::upgrade) {
            return Self(audience);
        }
        let known = account.state().audiences.get(&scope).cloned();
        let source = Self::from_audience(Some(scope.clone()), Arc::clone(account), known);
        audiences.retain(|_, audience| audience.strong_count() > 0);
        audiences.insert(scope, Arc::downgrade(&source.0));
        source
    }

    /// Returns whether [`renew`](Self::renew) can return another token.
    pub fn is_renewable(&self) -> bool {
        !matches!(self.0.account.grant, OAuthGrant::Fixed)
    }

    /// Returns the expiry of the current access token. `None` if it is unknown, or if the source has
    /// no token yet.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.0.state().access.as_ref()?.expires_at
    }

    /// Returns an access token. Refreshes it first if it is about to expire.
    ///
    /// # Errors
    /// Those of [`TokenClient::refresh`], and those of the [store](TokenStore);
    /// `PermissionDenied` if a refresh token is needed and none is known.
    pub async fn token(&self, cx: &Context) -> Result<Secret> {
        self.get(cx, TokenDemand::Valid).await
    }

    /// Returns another access token than `stale`, which the cloud has rejected. Sends no request if
    /// another caller has already refreshed the token.
    ///
    /// # Errors
    /// Those of [`token`](Self::token); `PermissionDenied` if the token is
    /// [fixed](Self::fixed).
    pub async fn renew(&self, cx: &Context, stale: &Secret) -> Result<Secret> {
        self.get(cx, TokenDemand::NotStale(stale.clone())).await
    }

    /// Returns a new access token, even if the current one is still valid. Joins a refresh that is
    /// running.
    ///
    /// # Errors
    /// Those of [`renew`](Self::renew).
    pub async fn refresh_now(&self, cx: &Context) -> Result<Secret> {
        self.get(cx, TokenDemand::New).await
    }

    /// Returns an access token that meets the demand, and refreshes it if necessary.
    ///
    /// # Errors
    /// Those of [`token`](Self::token); `PermissionDenied` if another token is needed and the source
    /// is [fixed](Self::fixed).
    async fn get(&self, cx: &Context, demand: TokenDemand) -> Result<Secret> {
        let refresh = {
            let mut state = self.0.state();
            if let Some(token) = demand.accept(state.access.as_ref()) {
                return Ok(token);
            }
            if !self.is_renewable() {
                return Err(self.0.not_renewable());
            }
            match &state.running {
                Some(refresh) => refresh.clone(),
                None => {
                    let refresh = self.start_refresh(cx, demand);
                    state.running = Some(refresh.clone());
                    // Other callers must not use the rejected token meanwhile.
                    state.access = None;
                    refresh
                }
            }
        };
        refresh.await
    }

    /// Starts a refresh in its own task, which continues if its callers drop their futures.
    fn start_refresh(&self, cx: &Context, demand: TokenDemand) -> SharedRefresh {
        let (done, result) = oneshot::channel();
        let task_cx = cx.clone();
        let guard = RunningGuard(Arc::clone(&self.0));
        cx.spawn(async move {
            let result = guard.0.refresh(&task_cx, &demand).await;
            drop(guard);
            // All callers may have dropped their futures.
            let _ = done.send(result);
        });
        let dropped = || {
            let text = "cannot refresh the access token: the executor dropped the task";
            Error::new(ErrorKind::Unexpected, text)
        };
        result.map(move |result| result.unwrap_or_else(|_| Err(dropped()))).boxed().shared()
    }
}

/// Marks a refresh as running until it is dropped. The task owns it, so it is dropped even if the
/// task panics or the executor drops it.
struct RunningGuard(Arc<AudienceTokens>);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.state().running = None;
    }
}

impl AccountTokens {
    /// Locks the tokens in memory. A panic of another caller does not prevent it.
    fn state(&self) -> MutexGuard<'_, AccountState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the tokens of the store, which another process may have refreshed. `configured` is
    /// the refresh token of the configuration.
    fn load(&self, stored: Option<StoredTokens>, configured: Option<&Secret>) {
        let is_current = |stored: &StoredTokens| {
            configured.is_none()
                || stored.configured.as_ref() == configured
                || stored.refresh_token.as_ref() == configured
        };
        let Some(stored) = stored.filter(is_current) else { return };
        let mut state = self.state();
        if state.unwritten.is_some() && state.unwritten == stored.refresh_token {
            return;
        }
        state.unwritten = None;
        state.access = stored.access();
        state.audiences = stored.audiences;
        if stored.refresh_token.is_some() {
            state.refresh = stored.refresh_token;
        }
    }
}

impl AudienceTokens {
    /// Locks the access token in memory. A panic of another caller does not prevent it.
    fn state(&self) -> MutexGuard<'_, AudienceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the error for a token that cannot be refreshed.
    fn not_renewable(&self) -> Error {
        let text = match &self.scope {
            None => "cannot refresh the access token: neither a refresh token nor a token file is \
                 configured"
                .to_owned(),
            Some(scope) => format!(
                "cannot get an access token for {scope}: a fixed access token is for one audience \
                 (configure a refresh token or a token file)"
            ),
        };
        Error::new(ErrorKind::PermissionDenied, text)
    }

    /// Gets a new access token: from the store if another process has refreshed it, else from the
    /// endpoint.
    ///
    /// # Errors
    /// Those of [`TokenSource::token`]; `PermissionDenied` for a fixed token.
    async fn refresh(&self, cx: &Context, demand: &TokenDemand) -> Result<Secret> {
        let _turn = self.account.refreshing.lock().await;
        match &self.account.grant {
            OAuthGrant::Fixed => Err(self.not_renewable()),
            OAuthGrant::Application(client) => {
                let tokens = match &self.scope {
                    None => client.client_credentials(cx).await?,
                    Some(scope) => {
                        client.clone().with_scopes([scope]).client_credentials(cx).await?
                    }
                };
                self.state().access = Some(StoredAccessToken::from_tokens(&tokens));
                Ok(tokens.access)
            }
            OAuthGrant::Refresh { client, configured } => {
                self.refresh_user(cx, demand, client, configured.as_ref()).await
            }
        }
    }

    /// Refreshes the tokens of a user. The store stays locked until it has the new tokens.
    ///
    /// # Errors
    /// Those of [`TokenSource::token`].
    async fn refresh_user(
        &self,
        cx: &Context,
        demand: &TokenDemand,
        client: &TokenClient,
        configured: Option<&Secret>,
    ) -> Result<Secret> {
        let account = &self.account;
        let mut store = match &account.store {
            Some(store) => Some(store.lock().await?),
            None => None,
        };
        if let Some(store) = &mut store {
            account.load(store.load().await?, configured);
            let loaded = self.known_access();
            if let Some(token) = demand.accept(loaded.as_ref()) {
                self.state().access = loaded;
                return Ok(token);
            }
        }
        let Some(refresh) = account.state().refresh.clone() else {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                "cannot refresh the access token: no refresh token is known (sign in first)",
            )
            .with_code(SIGN_IN_REQUIRED));
        };
        if let Some(store) = &mut store {
            store.reserve().await?;
        }
        let tokens = match &self.scope {
            None => client.refresh(cx, &refresh).await?,
            Some(scope) => {
                client.clone().with_scopes([scope, OFFLINE_SCOPE]).refresh(cx, &refresh).await?
            }
        };
        let stored = StoredTokens { configured: configured.cloned(), ..self.take_over(&tokens) };
        if let Some(store) = &mut store {
            account.state().unwritten.get_or_insert(refresh);
            // The callers that wait get the error; the new tokens are in memory all the same.
            if store.save(&stored).await? == SaveOutcome::Saved {
                account.state().unwritten = None;
            }
        }
        Ok(tokens.access)
    }

    /// Returns the access token of this audience in the account's state. `None` if it has none.
    fn known_access(&self) -> Option<StoredAccessToken> {
        let state = self.account.state();
        match &self.scope {
            None => state.access.clone(),
            Some(scope) => state.audiences.get(scope).cloned(),
        }
    }

    /// Replaces the tokens in memory. A refresh token that the response does not replace stays.
    /// Returns the tokens for the store.
    fn take_over(&self, tokens: &Tokens) -> StoredTokens {
        let access = StoredAccessToken::from_tokens(tokens);
        self.state().access = Some(access.clone());
        let mut state = self.account.state();
        match &self.scope {
            None => state.access = Some(access),
            Some(scope) => {
                state.audiences.insert(scope.clone(), access);
            }
        }
        // Tokens of audiences that are not used any more must not fill the store.
        state.audiences.retain(|_, access| !access.is_expired());
        if tokens.refresh.is_some() {
            state.refresh = tokens.refresh.clone();
        }
        let stored = StoredTokens {
            refresh_token: state.refresh.clone(),
            audiences: state.audiences.clone(),
            ..StoredTokens::default()
        };
        stored.with_access(state.access.clone())
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
