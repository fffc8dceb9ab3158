//! Stores of tokens: where a [`TokenSource`](super::TokenSource) keeps them for the next process.

use std::{
    env, fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::sync::OwnedMutexGuard;

use super::StoredTokens;
use crate::drive::{Error, ErrorKind, Result, Secret};

/// A store of the tokens of one account.
///
/// | store | keeps tokens in |
/// |---|---|
/// | [`TokenFile`](super::TokenFile) | a file of the user, for several processes |
/// | [`CallbackTokenStore`] | the application's own storage |
/// | [`EnvironmentTokenStore`] | an environment variable, which is never written |
///
/// A [`TokenSource`](super::TokenSource) uses a store only for a refresh. It locks the store, loads
/// the tokens, because another process may have refreshed them, and saves new tokens before it uses
/// them: a cloud may invalidate the old refresh token as soon as it has issued a new one.
#[async_trait]
pub trait TokenStore: fmt::Debug + Send + Sync + 'static {
    /// Waits for exclusive use of the store, which lasts until the result is dropped.
    ///
    /// # Errors
    /// `Unexpected` if the store cannot be used.
    async fn lock(&self) -> Result<Box<dyn LockedTokenStore>>;
}

/// A locked [`TokenStore`].
#[async_trait]
pub trait LockedTokenStore: Send {
    /// Returns the tokens. `None` if the store is empty.
    ///
    /// # Errors
    /// `InvalidInput` if the contents are not tokens; `Unexpected` if they cannot be read.
    async fn load(&mut self) -> Result<Option<StoredTokens>>;

    /// Prepares a later [`save`](Self::save), for example by reserving disk space. It is called
    /// before new tokens are requested; if it fails, none are requested. The default does nothing.
    ///
    /// # Errors
    /// `Unexpected` if a save would fail.
    async fn reserve(&mut self) -> Result<()> {
        Ok(())
    }

    /// Replaces the tokens. When it returns [`SaveOutcome::Saved`], they survive a crash.
    ///
    /// # Errors
    /// `Unexpected` if they cannot be written. The store then still has the old tokens.
    async fn save(&mut self, tokens: &StoredTokens) -> Result<SaveOutcome>;
}

/// The result of saving tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaveOutcome {
    /// The store has the new tokens.
    Saved,
    /// The store cannot be written, and still has the old tokens. The source continues with the new
    /// ones in memory.
    ReadOnly,
}

/// A refresh token in an environment variable, such as a secret of a CI job.
///
/// A process cannot change the environment of the next one. If the cloud replaces the refresh
/// token, the new one is lost with the process, and the store logs a warning once. Microsoft
/// accepts the old refresh token until it expires (onedrive-graph#refresh-token).
#[derive(Clone, Debug)]
pub struct EnvironmentTokenStore {
    variable: String,
    /// The warning about a replaced token was logged. Clones share it.
    warned: Arc<AtomicBool>,
}

impl EnvironmentTokenStore {
    /// Returns the store of the environment variable with this name, which is read for each
    /// refresh.
    pub fn new(variable: impl Into<String>) -> Self {
        Self { variable: variable.into(), warned: Arc::default() }
    }

    /// Reads the variable.
    ///
    /// # Errors
    /// `InvalidInput` if it is not set, has only white space, or is not Unicode.
    fn read(&self) -> Result<Secret> {
        let problem = match env::var(&self.variable) {
            Ok(token) if !token.trim().is_empty() => return Ok(Secret::from(token.trim())),
            Ok(_) => "is empty",
            Err(env::VarError::NotPresent) => "is not set",
            Err(env::VarError::NotUnicode(_)) => "is not text",
        };
        Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "cannot read the refresh token: the environment variable {} {problem}",
                self.variable
            ),
        ))
    }
}

#[async_trait]
impl TokenStore for EnvironmentTokenStore {
    /// Returns at once: the variable is never written. Never fails.
    async fn lock(&self) -> Result<Box<dyn LockedTokenStore>> {
        // A variable that is never written needs no lock.
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl LockedTokenStore for EnvironmentTokenStore {
    /// Returns the refresh token of the variable, without white space at its ends. Never `None`.
    ///
    /// # Errors
    /// `InvalidInput` if the variable is not set, empty or not Unicode.
    async fn load(&mut self) -> Result<Option<StoredTokens>> {
        Ok(Some(StoredTokens::from_refresh_token(self.read()?)))
    }

    /// Stores nothing, and always returns [`SaveOutcome::ReadOnly`]. Logs a warning the first time
    /// that the refresh token differs from the variable.
    ///
    /// # Errors
    /// `InvalidInput` if the variable is not set, empty or not Unicode.
    async fn save(&mut self, tokens: &StoredTokens) -> Result<SaveOutcome> {
        let is_replaced = tokens.refresh_token.as_ref() != Some(&self.read()?);
        if is_replaced && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                variable = self.variable,
                "cannot store the new refresh token: an environment variable is read-only (use a \
                 token file if the cloud rejects the old token)"
            );
        }
        Ok(SaveOutcome::ReadOnly)
    }
}

type LoadCallback = dyn Fn() -> BoxFuture<'static, Result<Option<StoredTokens>>> + Send + Sync;
type SaveCallback = dyn Fn(StoredTokens) -> BoxFuture<'static, Result<()>> + Send + Sync;

/// Tokens in the storage of an application, such as its database or the desktop's keyring.
///
/// Clones share a lock, so at most one refresh uses the callbacks at a time. The lock does not
/// reach other processes.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use drivedal::auth::{CallbackTokenStore, StoredTokens};
///
/// let database = Arc::new(Mutex::new(None::<StoredTokens>));
/// let (load, save) = (Arc::clone(&database), database);
/// let store = CallbackTokenStore::new(
///     move || {
///         let tokens = load.lock().expect("not poisoned").clone();
///         async move { Ok(tokens) }
///     },
///     move |tokens| {
///         *save.lock().expect("not poisoned") = Some(tokens);
///         async { Ok(()) }
///     },
/// );
/// # let _ = store;
/// ```
#[derive(Clone)]
pub struct CallbackTokenStore {
    load: Arc<LoadCallback>,
    save: Arc<SaveCallback>,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl CallbackTokenStore {
    /// Returns a store that calls `load` before each refresh and `save` with each new tokens.
    /// [`TokenStore`] describes their contract.
    pub fn new<L, S, LoadFuture, SaveFuture>(load: L, save: S) -> Self
    where
        L: Fn() -> LoadFuture + Send + Sync + 'static,
        S: Fn(StoredTokens) -> SaveFuture + Send + Sync + 'static,
        LoadFuture: Future<Output = Result<Option<StoredTokens>>> + Send + 'static,
        SaveFuture: Future<Output = Result<()>> + Send + 'static,
    {
        Self {
            load: Arc::new(move || Box::pin(load())),
            save: Arc::new(move |tokens| Box::pin(save(tokens))),
            lock: Arc::default(),
        }
    }
}

impl fmt::Debug for CallbackTokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackTokenStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenStore for CallbackTokenStore {
    /// Waits until no clone of this store is locked. Never fails.
    async fn lock(&self) -> Result<Box<dyn LockedTokenStore>> {
        let guard = Arc::clone(&self.lock).lock_owned().await;
        Ok(Box::new(LockedCallbacks { store: self.clone(), _guard: guard }))
    }
}

/// A locked [`CallbackTokenStore`].
struct LockedCallbacks {
    store: CallbackTokenStore,
    _guard: OwnedMutexGuard<()>,
}

#[async_trait]
impl LockedTokenStore for LockedCallbacks {
    /// Calls the callback `load`.
    ///
    /// # Errors
    /// Those of the callback, of any kind.
    async fn load(&mut self) -> Result<Option<StoredTokens>> {
        (self.store.load)().await
    }

    /// Calls the callback `save`. Its success is [`SaveOutcome::Saved`].
    ///
    /// # Errors
    /// Those of the callback, of any kind.
    async fn save(&mut self, tokens: &StoredTokens) -> Result<SaveOutcome> {
        (self.store.save)(tokens.clone()).await.map(|()| SaveOutcome::Saved)
    }
}
