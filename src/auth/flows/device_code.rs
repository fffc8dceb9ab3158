//! The device code flow: a user signs in with the browser of another device (RFC 8628).

use std::{fmt, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::with_refresh_token;
use crate::{
    auth::{SignInProvider, TokenClient, Tokens, token_client::DeviceAuthorization},
    drive::{Context, Error, ErrorKind, Result, Retry, Secret},
};

/// How much longer the client waits between two polls after `slow_down` (RFC 8628, section 3.5).
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// Maximum time between two polls after failures of the network.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// Signs a user in on a machine without a browser (onedrive-graph#device-code).
///
/// [`start`](Self::start) returns a code. The user enters it on the cloud's page, on any device.
/// [`PendingDeviceSignIn::finish`] waits for that.
///
/// ```no_run
/// use drivedal::auth::{SignInProvider, flows::DeviceCodeFlow};
///
/// # async fn example(cx: &drivedal::drive::Context) -> drivedal::drive::Result<()> {
/// let provider = SignInProvider::microsoft("common")?;
/// let pending = DeviceCodeFlow::new(provider, "11111111-…").start(cx).await?;
/// println!("Open {} and enter {}", pending.verification_uri(), pending.user_code());
/// let tokens = pending.finish(cx).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DeviceCodeFlow {
    provider: SignInProvider,
    client_id: String,
    client_secret: Option<Secret>,
}

impl DeviceCodeFlow {
    /// Returns a flow for the application with id `client_id`. Microsoft requires that the
    /// application allows public client flows.
    pub fn new(provider: SignInProvider, client_id: impl Into<String>) -> Self {
        Self { provider, client_id: client_id.into(), client_secret: None }
    }

    /// Sets the application's secret. Applications on users' machines have none.
    #[must_use]
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// Requests a code for the user.
    ///
    /// # Errors
    /// `Unsupported` if the cloud has no device code flow; `PermissionDenied` if it rejects the
    /// application, with its message and the next step; `Unexpected` if no response arrives or the
    /// response cannot be decoded.
    pub async fn start(&self, cx: &Context) -> Result<PendingDeviceSignIn> {
        let Some(url) = self.provider.device_url() else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "cannot sign in with a device code: this cloud has no device code flow",
            ));
        };
        let client = self.provider.token_client(&self.client_id)?;
        let client = match &self.client_secret {
            Some(secret) => client.client_secret(secret.clone()),
            None => client,
        };
        let authorization = client.device_authorization(cx, url, self.provider.scopes()).await?;
        let expires_at = Instant::now() + authorization.lifetime;
        Ok(PendingDeviceSignIn {
            authorization,
            client,
            provider: self.provider.clone(),
            expires_at,
        })
    }
}

/// A sign-in that waits until its user has entered the code.
pub struct PendingDeviceSignIn {
    authorization: DeviceAuthorization,
    client: TokenClient,
    provider: SignInProvider,
    expires_at: Instant,
}

impl fmt::Debug for PendingDeviceSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingDeviceSignIn")
            .field("verification_uri", &self.verification_uri())
            .finish_non_exhaustive()
    }
}

impl PendingDeviceSignIn {
    /// Returns the code that the user enters.
    pub fn user_code(&self) -> &str {
        &self.authorization.user_code
    }

    /// Returns the URL of the page for the code.
    pub fn verification_uri(&self) -> &str {
        &self.authorization.verification_uri
    }

    /// Returns the cloud's instructions for the user. `None` if the response has none.
    pub fn message(&self) -> Option<&str> {
        self.authorization.message.as_deref()
    }

    /// Returns how long the code is still valid. Microsoft's codes may expire earlier than
    /// announced.
    pub fn remaining(&self) -> Duration {
        self.expires_at.saturating_duration_since(Instant::now())
    }

    /// Polls the token endpoint until the user has decided. Failures of the network do not end the
    /// sign-in; the time between two polls grows.
    ///
    /// # Errors
    /// `PermissionDenied` if the user denies access or the code expires, with the next step; those
    /// of [`TokenClient::refresh`], except temporary ones.
    pub async fn finish(&self, cx: &Context) -> Result<Tokens> {
        let mut interval = self.authorization.interval;
        loop {
            if self.remaining() <= interval {
                sleep_until(self.expires_at).await;
                return Err(expired());
            }
            sleep(interval).await;
            let error = match self.client.poll_device(cx, &self.authorization.device_code).await {
                Ok(tokens) => return with_refresh_token(tokens, &self.provider),
                Err(error) => error,
            };
            interval = match (error.code(), error.retry()) {
                (Some("authorization_pending"), _) => interval,
                (Some("slow_down"), _) => interval + SLOW_DOWN,
                (_, Retry::Again { after }) => {
                    after.unwrap_or_default().max((interval * 2).min(MAX_BACKOFF))
                }
                _ => return Err(error),
            };
        }
    }
}

/// Returns the error for a code that the user did not enter in time.
fn expired() -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        "cannot sign in: the code expired before it was entered (start the sign-in again)",
    )
    .with_code("expired_token")
}

#[cfg(test)]
mod tests;
