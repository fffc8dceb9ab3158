//! Sources of access tokens.

use std::{
    fmt,
    fs::File,
    sync::{Arc, Mutex, MutexGuard},
};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{BoxFuture, Shared},
};
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::{StoredTokens, TokenClient, TokenFile, Tokens};
use crate::drive::{Context, Error, ErrorKind, Result, Secret};

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
pub struct TokenSource(Arc<Inner>);

/// What the clones of a source share.
struct Inner {
    grant: OAuthGrant,
    state: Mutex<State>,
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
        /// Stores refreshed tokens. `None`: they are lost with the process.
        file: Option<TokenFile>,
    },
    /// Tokens of the application itself.
    Application(TokenClient),
}

/// The tokens in memory.
#[derive(Clone, Default)]
struct State {
    /// The current access token. `None` before the first request, and during a refresh.
    access: Option<AccessToken>,
    /// The current refresh token.
    refresh: Option<Secret>,
    /// The refresh token that the current one has replaced, while the file still has the old one
    /// because it could not be written.
    unwritten: Option<Secret>,
    /// The running refresh, which all callers share.
    running: Option<SharedRefresh>,
}

/// An access token and its expiry.
#[derive(Clone)]
struct AccessToken {
    token: Secret,
    /// `None` if the expiry is unknown.
    renew_at: Option<Timestamp>,
}

/// A running refresh, which several callers await.
type SharedRefresh = Shared<BoxFuture<'static, Result<Secret>>>;

impl AccessToken {
    /// Returns whether the token has not expired. A token of unknown expiry counts as valid.
    fn is_fresh(&self) -> bool {
        self.renew_at.is_none_or(|at| Timestamp::now() < at)
    }
}

impl TokenSource {
    /// Returns a source of one access token, which cannot be refreshed.
    pub fn fixed(access: Secret) -> Self {
        Self::new(OAuthGrant::Fixed, Some(access), None)
    }

    /// Returns a source that refreshes its tokens. The first access token is `access`, if it is known.
    ///
    /// Without `refresh`, a [file](Self::with_token_file) must contain the refresh token when it is
    /// needed.
    pub fn refreshing(
        client: TokenClient,
        refresh: Option<Secret>,
        access: Option<Secret>,
    ) -> Self {
        let grant = OAuthGrant::Refresh { client, configured: refresh.clone(), file: None };
        Self::new(grant, access, refresh)
    }

    /// Returns a source of tokens for the application itself, which acts for no user.
    pub fn for_application(client: TokenClient) -> Self {
        Self::new(OAuthGrant::Application(client), None, None)
    }

    /// Returns a source with these first tokens.
    fn new(grant: OAuthGrant, access: Option<Secret>, refresh: Option<Secret>) -> Self {
        let access = access.map(|token| AccessToken { token, renew_at: None });
        let state = State { access, refresh, unwritten: None, running: None };
        Self(Arc::new(Inner { grant, state: Mutex::new(state) }))
    }

    /// Stores refreshed tokens in a file, for the next process. Has no effect on a source that does
    /// not refresh a user's tokens.
    ///
    /// The source reserves disk space before it requests new tokens, and requests none if that fails.
    /// If it cannot write the tokens all the same, one call returns the error, and the source
    /// continues with the new tokens.
    ///
    /// The tokens of the file are used if they originate from the refresh token of the configuration.
    /// Another refresh token in the configuration is newer and replaces them.
    #[must_use]
    pub fn with_token_file(self, token_file: TokenFile) -> Self {
        let mut grant = self.0.grant.clone();
        if let OAuthGrant::Refresh { file, .. } = &mut grant {
            *file = Some(token_file);
        }
        let state = State { running: None, ..self.0.state().clone() };
        Self(Arc::new(Inner { grant, state: Mutex::new(state) }))
    }

    /// Returns whether [`renew`](Self::renew) can return another token.
    pub fn is_renewable(&self) -> bool {
        !matches!(self.0.grant, OAuthGrant::Fixed)
    }

    /// Returns an access token. Refreshes it first if it is about to expire.
    ///
    /// # Errors
    /// Those of [`TokenClient::refresh`], and `Unexpected` if the token file cannot be used;
    /// `PermissionDenied` if a refresh token is needed and none is known.
    pub async fn token(&self, cx: &Context) -> Result<Secret> {
        self.get(cx, None).await
    }

    /// Returns another access token than `stale`, which the cloud has rejected. Sends no request if
    /// another caller has already refreshed the token.
    ///
    /// # Errors
    /// Those of [`token`](Self::token); `PermissionDenied` if the token is
    /// [fixed](Self::fixed).
    pub async fn renew(&self, cx: &Context, stale: &Secret) -> Result<Secret> {
        self.get(cx, Some(stale)).await
    }

    /// Returns a valid access token that is not `stale`, and refreshes it if necessary.
    ///
    /// # Errors
    /// Those of [`token`](Self::token); `PermissionDenied` if another token is needed and the
    /// source is [fixed](Self::fixed).
    async fn get(&self, cx: &Context, stale: Option<&Secret>) -> Result<Secret> {
        let refresh = {
            let mut state = self.0.state();
            if let Some(token) = state.usable(stale) {
                return Ok(token);
            }
            if !self.is_renewable() {
                return Err(Error::new(
                    ErrorKind::PermissionDenied,
                    "cannot refresh the access token: neither a refresh token nor a token file is \
                     configured",
                ));
            }
            match &state.running {
                Some(refresh) => refresh.clone(),
                None => {
                    let refresh = self.start_refresh(cx, stale);
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
    fn start_refresh(&self, cx: &Context, stale: Option<&Secret>) -> SharedRefresh {
        let (done, result) = oneshot::channel();
        let (task_cx, stale) = (cx.clone(), stale.cloned());
        let guard = RunningGuard(Arc::clone(&self.0));
        cx.spawn(async move {
            let result = guard.0.refresh(&task_cx, stale.as_ref()).await;
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
struct RunningGuard(Arc<Inner>);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.state().running = None;
    }
}

impl State {
    /// Returns the access token, or `None` if it has expired, is `stale` or is not known.
    fn usable(&self, stale: Option<&Secret>) -> Option<Secret> {
        let access = self.access.as_ref()?;
        (access.is_fresh() && Some(&access.token) != stale).then(|| access.token.clone())
    }
}

impl Inner {
    /// Locks the tokens in memory. A panic of another caller does not prevent it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Gets a new access token: from the file if another process has refreshed it, else from the
    /// endpoint. `stale` is a token that the cloud has rejected.
    ///
    /// # Errors
    /// Those of [`TokenSource::token`]; `Unsupported` for a fixed token.
    async fn refresh(&self, cx: &Context, stale: Option<&Secret>) -> Result<Secret> {
        match &self.grant {
            OAuthGrant::Fixed => Err(Error::unsupported("refreshing a fixed token")),
            OAuthGrant::Application(client) => {
                let tokens = client.client_credentials(cx).await?;
                self.store(&tokens);
                Ok(tokens.access)
            }
            OAuthGrant::Refresh { client, configured, file } => {
                // Held until the file has the new tokens.
                let lock = match file {
                    Some(file) => self.load(file, configured.as_ref()).await?,
                    None => None,
                };
                if let Some(token) = self.state().usable(stale) {
                    return Ok(token);
                }
                let Some(refresh) = self.state().refresh.clone() else {
                    return Err(Error::new(
                        ErrorKind::PermissionDenied,
                        "cannot refresh the access token: no refresh token is known (sign in first)",
                    ));
                };
                let reserved = match file.clone() {
                    Some(file) => Some(blocking(move || file.reserve()).await?),
                    None => None,
                };
                let tokens = client.refresh(cx, &refresh).await?;
                let stored = self.store(&tokens);
                if let Some(reserved) = reserved {
                    let stored = StoredTokens { configured: configured.clone(), ..stored };
                    self.state().unwritten.get_or_insert(refresh);
                    // The callers that wait get the error; the new tokens are in memory all the same.
                    blocking(move || reserved.write(&stored)).await?;
                    self.state().unwritten = None;
                }
                drop(lock);
                Ok(tokens.access)
            }
        }
    }

    /// Locks the file, and loads the tokens that another process may have written to it.
    /// `configured` is the refresh token of the configuration. Returns the lock, or `None` if the
    /// file system has no locks.
    ///
    /// # Errors
    /// `Unexpected` if the file cannot be read or locked; `InvalidInput` if it has another format.
    async fn load(&self, file: &TokenFile, configured: Option<&Secret>) -> Result<Option<File>> {
        let file = file.clone();
        let (lock, stored) = blocking(move || {
            let lock = file.lock()?;
            Ok((lock, file.read()?))
        })
        .await?;
        let is_current = |stored: &StoredTokens| {
            configured.is_none() || stored.configured.as_ref() == configured
        };
        if let Some(stored) = stored.filter(is_current) {
            let mut state = self.state();
            if state.unwritten.is_some() && state.unwritten == stored.refresh_token {
                return Ok(lock);
            }
            state.unwritten = None;
            if stored.refresh_token.is_some() {
                state.refresh = stored.refresh_token;
            }
            let renew_at = stored.renew_at;
            state.access = stored.access_token.map(|token| AccessToken { token, renew_at });
        }
        Ok(lock)
    }

    /// Replaces the tokens in memory. A refresh token that the response does not replace stays.
    /// Returns the tokens for the file.
    fn store(&self, tokens: &Tokens) -> StoredTokens {
        let renew_at = tokens.renew_at(Timestamp::now());
        let mut state = self.state();
        state.access = Some(AccessToken { token: tokens.access.clone(), renew_at });
        if tokens.refresh.is_some() {
            state.refresh = tokens.refresh.clone();
        }
        StoredTokens {
            refresh_token: state.refresh.clone(),
            access_token: Some(tokens.access.clone()),
            renew_at,
            configured: None,
        }
    }
}

/// Runs file operations on a thread that may block.
///
/// # Errors
/// Those of `work`; `Unexpected` if it panics.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        let text = format!("cannot use the token file: {error}");
        Err(Error::new(ErrorKind::Unexpected, text).with_source(error))
    })
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
