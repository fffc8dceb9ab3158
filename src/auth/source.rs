//! Where access tokens come from.

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

use super::{Endpoint, Kept, TokenFile, Tokens};
use crate::drive::{Context, Error, ErrorKind, Result, Secret};

/// Gives access tokens and renews them, one renewal at a time. Clones share everything.
///
/// ```
/// use drivedal::auth::{Endpoint, TokenFile, TokenSource};
///
/// # fn main() -> drivedal::drive::Result<()> {
/// let endpoint = Endpoint::new("https://login.live.com/oauth20_token.srf", "my-client-id")?
///     .parameter("redirect_uri", "https://login.live.com/oauth20_desktop.srf");
/// let tokens = TokenSource::refreshed(endpoint, Some("refresh token".into()), None)
///     .kept_in(TokenFile::new("tokens.json"));
/// assert!(tokens.is_renewable());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenSource(Arc<Inner>);

struct Inner {
    grant: Grant,
    state: Mutex<State>,
}

#[derive(Clone)]
enum Grant {
    /// One access token, as long as it lasts.
    Given,
    Refresh {
        endpoint: Endpoint,
        /// The refresh token that the caller began with.
        configured: Option<Secret>,
        file: Option<TokenFile>,
    },
    Application(Endpoint),
}

#[derive(Clone, Default)]
struct State {
    access: Option<Access>,
    refresh: Option<Secret>,
    /// The refresh token that the present one has replaced, while the file does not know that.
    unwritten: Option<Secret>,
    renewal: Option<Renewal>,
}

#[derive(Clone)]
struct Access {
    token: Secret,
    /// `None`: nobody said when it expires.
    renew_at: Option<Timestamp>,
}

type Renewal = Shared<BoxFuture<'static, Result<Secret>>>;

impl Access {
    fn is_fresh(&self) -> bool {
        self.renew_at.is_none_or(|at| Timestamp::now() < at)
    }
}

impl TokenSource {
    /// One access token, which nobody can renew.
    pub fn given(access: Secret) -> Self {
        Self::new(Grant::Given, Some(access), None)
    }

    /// Access tokens for a refresh token, beginning with `access` if there is one already. Without
    /// `refresh` there must be a [file](Self::kept_in) that has it by the time it is needed.
    pub fn refreshed(endpoint: Endpoint, refresh: Option<Secret>, access: Option<Secret>) -> Self {
        let grant = Grant::Refresh { endpoint, configured: refresh.clone(), file: None };
        Self::new(grant, access, refresh)
    }

    /// Access tokens for the application itself.
    pub fn application(endpoint: Endpoint) -> Self {
        Self::new(Grant::Application(endpoint), None, None)
    }

    fn new(grant: Grant, access: Option<Secret>, refresh: Option<Secret>) -> Self {
        let access = access.map(|token| Access { token, renew_at: None });
        let state = State { access, refresh, unwritten: None, renewal: None };
        Self(Arc::new(Inner { grant, state: Mutex::new(state) }))
    }

    /// Keeps refreshed tokens in a file, from which they are taken the next time. Where there is no
    /// room for them none are asked for. If they cannot be written all the same, that is told once,
    /// and this source goes on with them.
    ///
    /// The file is newer than the refresh token given in the code or the configuration if it comes
    /// from that one; a refresh token it does not come from replaces it.
    pub fn kept_in(self, kept_in: TokenFile) -> Self {
        let mut grant = self.0.grant.clone();
        if let Grant::Refresh { file, .. } = &mut grant {
            *file = Some(kept_in);
        }
        let state = State { renewal: None, ..self.0.state().clone() };
        Self(Arc::new(Inner { grant, state: Mutex::new(state) }))
    }

    /// Whether [`renew`](Self::renew) can give another token.
    pub fn is_renewable(&self) -> bool {
        !matches!(self.0.grant, Grant::Given)
    }

    /// An access token, renewed if it is about to expire.
    ///
    /// # Errors
    /// The token endpoint's, when a token had to be got: see [`Endpoint::refresh`].
    pub async fn token(&self, cx: &Context) -> Result<Secret> {
        self.unlike(cx, None).await
    }

    /// Another access token than `stale`, which the cloud has refused. Costs nothing if somebody
    /// else has already got one.
    ///
    /// # Errors
    /// As [`token`](Self::token); `Denied` if the token was simply given.
    pub async fn renew(&self, cx: &Context, stale: &Secret) -> Result<Secret> {
        self.unlike(cx, Some(stale)).await
    }

    async fn unlike(&self, cx: &Context, stale: Option<&Secret>) -> Result<Secret> {
        let renewal = {
            let mut state = self.0.state();
            if let Some(token) = state.usable(stale) {
                return Ok(token);
            }
            if !self.is_renewable() {
                return Err(Error::new(
                    ErrorKind::PermissionDenied,
                    "the access token is no longer accepted, and there is nothing to renew it from",
                ));
            }
            match &state.renewal {
                Some(renewal) => renewal.clone(),
                None => {
                    let renewal = self.start(cx, stale);
                    state.renewal = Some(renewal.clone());
                    // Nobody else needs to be refused first.
                    state.access = None;
                    renewal
                }
            }
        };
        renewal.await
    }

    /// Begins a renewal that ends whatever becomes of those who wait for it.
    fn start(&self, cx: &Context, stale: Option<&Secret>) -> Renewal {
        let (done, result) = oneshot::channel();
        let (lent, stale) = (cx.clone(), stale.cloned());
        let running = Running(Arc::clone(&self.0));
        cx.spawn(async move {
            let result = running.0.renewed(&lent, stale.as_ref()).await;
            drop(running);
            // Nobody may be waiting any more; the tokens are kept all the same.
            let _ = done.send(result);
        });
        let dropped =
            || Error::new(ErrorKind::Unexpected, "the executor dropped the renewal of a token");
        result.map(move |result| result.unwrap_or_else(|_| Err(dropped()))).boxed().shared()
    }
}

/// A renewal under way. Dropped with its task, however that ends: the next caller may begin another.
struct Running(Arc<Inner>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state().renewal = None;
    }
}

impl State {
    fn usable(&self, stale: Option<&Secret>) -> Option<Secret> {
        let access = self.access.as_ref()?;
        (access.is_fresh() && Some(&access.token) != stale).then(|| access.token.clone())
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn renewed(&self, cx: &Context, stale: Option<&Secret>) -> Result<Secret> {
        match &self.grant {
            Grant::Given => Err(Error::unsupported("renewing a given token")),
            Grant::Application(endpoint) => {
                let tokens = endpoint.client_credentials(cx).await?;
                self.keep(&tokens);
                Ok(tokens.access)
            }
            Grant::Refresh { endpoint, configured, file } => {
                // Held until the new tokens are in the file.
                let lock = match file {
                    Some(file) => self.look_into(file, configured.as_ref()).await?,
                    None => None,
                };
                if let Some(token) = self.state().usable(stale) {
                    return Ok(token);
                }
                let Some(refresh) = self.state().refresh.clone() else {
                    return Err(Error::new(
                        ErrorKind::PermissionDenied,
                        "there is no refresh token: sign in first",
                    ));
                };
                let room = match file.clone() {
                    Some(file) => Some(blocking(move || file.make_room()).await?),
                    None => None,
                };
                let tokens = endpoint.refresh(cx, &refresh).await?;
                let kept = self.keep(&tokens);
                if let Some(room) = room {
                    let kept = Kept { configured: configured.clone(), ..kept };
                    self.state().unwritten.get_or_insert(refresh);
                    // An error is told once, to those who wait; the tokens are known all the same.
                    blocking(move || room.fill(&kept)).await?;
                    self.state().unwritten = None;
                }
                drop(lock);
                Ok(tokens.access)
            }
        }
    }

    /// Takes over what another process may have left in the file.
    async fn look_into(
        &self,
        file: &TokenFile,
        configured: Option<&Secret>,
    ) -> Result<Option<File>> {
        let file = file.clone();
        let (lock, kept) = blocking(move || {
            let lock = file.lock()?;
            Ok((lock, file.read()?))
        })
        .await?;
        let ours = |kept: &Kept| configured.is_none() || kept.configured.as_ref() == configured;
        if let Some(kept) = kept.filter(ours) {
            let mut state = self.state();
            if state.unwritten.is_some() && state.unwritten == kept.refresh_token {
                return Ok(lock);
            }
            state.unwritten = None;
            if kept.refresh_token.is_some() {
                state.refresh = kept.refresh_token;
            }
            state.access = kept.access_token.map(|token| Access { token, renew_at: kept.renew_at });
        }
        Ok(lock)
    }

    /// Takes new tokens over. What does not rotate stays.
    fn keep(&self, tokens: &Tokens) -> Kept {
        let renew_at = tokens.renew_at(Timestamp::now());
        let mut state = self.state();
        state.access = Some(Access { token: tokens.access.clone(), renew_at });
        if tokens.refresh.is_some() {
            state.refresh = tokens.refresh.clone();
        }
        Kept {
            refresh_token: state.refresh.clone(),
            access_token: Some(tokens.access.clone()),
            renew_at,
            configured: None,
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|died| {
        Err(Error::new(ErrorKind::Unexpected, "the file of tokens could not be used")
            .with_source(died))
    })
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
