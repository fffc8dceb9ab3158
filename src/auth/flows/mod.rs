//! Flows that sign a user or an application in. Each returns the first [`Tokens`].
//!
//! | flow | signs in | clouds |
//! |---|---|---|
//! | [`AuthorizationCodeFlow`] | a user, in a browser | all |
//! | [`DeviceCodeFlow`] | a user, in the browser of another device | Microsoft |
//! | [`ClientCredentialsFlow`] | the application itself | Microsoft |
//!
//! A flow is cancelled by dropping its future.

mod authorization_code;
mod client_credentials;
mod device_code;
mod loopback;
mod redirect;

pub use self::{
    authorization_code::{AuthorizationCodeFlow, PendingSignIn},
    client_credentials::ClientCredentialsFlow,
    device_code::{DeviceCodeFlow, PendingDeviceSignIn},
    loopback::RedirectListener,
};
use super::{SignInProvider, Tokens};
use crate::drive::{Error, ErrorKind, Result};

/// Scopes that request a refresh token.
const OFFLINE_SCOPES: [&str; 2] = ["offline_access", "wl.offline_access"];

/// Returns the tokens if they include a refresh token, or if none was requested.
///
/// # Errors
/// `PermissionDenied` if a refresh token was requested and the cloud issued none: the sign-in would
/// end after an hour.
fn with_refresh_token(tokens: Tokens, provider: &SignInProvider) -> Result<Tokens> {
    let offline = provider.scopes().iter().find(|scope| OFFLINE_SCOPES.contains(&scope.as_str()));
    match (offline, &tokens.refresh) {
        (Some(scope), None) => Err(Error::new(
            ErrorKind::PermissionDenied,
            format!(
                "cannot sign in: the cloud issued no refresh token (the application must be allowed \
                 the scope {scope})"
            ),
        )),
        _ => Ok(tokens),
    }
}
