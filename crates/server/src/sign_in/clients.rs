//! The application of a sign-in: whether it is registered, and may do what it requests.
//!
//! A server without a directory accepts every client id, every secret and every redirect URL on this
//! machine.

use std::sync::Arc;

use url::Url;

use crate::{
    base_url::{BaseUrl, DESKTOP_PAGE, NATIVE_CLIENT_PAGE},
    directory::ApplicationRecord,
    state::ServerState,
};

/// The application that a request names.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub id: String,
    /// `None` if the server has no directory: every application is accepted.
    pub registered: Option<Arc<ApplicationRecord>>,
}

/// The reason why an application is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("The application '{0}' is not registered.")]
    Unknown(String),
    #[error("The client secret is not valid.")]
    Secret(String),
    #[error("The request has neither a client secret nor a client assertion.")]
    MissingCredential,
    #[error("The application is a public client and must not send a credential.")]
    PublicClient,
    #[error("The redirect URL '{redirect}' is not registered for the application '{id}'.")]
    Redirect { id: String, redirect: String },
    #[error("The scope '{0}' is not valid.")]
    Scope(String),
}

impl Client {
    /// Finds an application by its id, in any case. Without a directory every id is accepted.
    ///
    /// # Errors
    /// [`ClientError::Unknown`] if the directory does not have it.
    pub(crate) fn find(state: &ServerState, id: &str) -> Result<Self, ClientError> {
        let id = id.to_owned();
        let Some(directory) = state.accounts.directory() else {
            return Ok(Self { id, registered: None });
        };
        match directory.application(&id) {
            Some(application) => Ok(Self { registered: Some(Arc::clone(application)), id }),
            None => Err(ClientError::Unknown(id)),
        }
    }

    /// Returns the displayed name.
    pub(crate) fn name(&self) -> &str {
        self.registered.as_ref().map_or(&self.id, |application| application.display_name())
    }

    /// Returns the URL that a sign-in redirects to. A registered URL may be on any host. The
    /// clouds' pages for desktop programs become this server's pages. `redirect` is percent-decoded
    /// once, as a form field.
    ///
    /// # Errors
    /// [`ClientError::Redirect`] if the URL is not registered, or without a directory if it does not
    /// lead to this machine.
    pub(crate) fn redirect(&self, base_url: &BaseUrl, redirect: &str) -> Result<Url, ClientError> {
        let own = base_url.redirect_target(redirect);
        let target = match &self.registered {
            None => own,
            Some(application) if !application.allows_redirect(redirect) => None,
            // The clouds' pages for desktop programs are replaced by this server's.
            Some(_) => Url::parse(redirect).ok().and_then(|url| {
                match [DESKTOP_PAGE, NATIVE_CLIENT_PAGE].contains(&url.path()) {
                    true => own,
                    false => Some(url),
                }
            }),
        };
        let (id, redirect) = (self.id.clone(), redirect.to_owned());
        target.ok_or(ClientError::Redirect { id, redirect })
    }

    /// Checks a client secret. `None` if the request has none, which is valid for a public client.
    ///
    /// # Errors
    /// [`ClientError`]: `MissingCredential` without a secret for a confidential client, `Secret`
    /// for a wrong one, `PublicClient` for a secret of a client without credentials. None without a
    /// directory.
    pub(crate) fn check_secret(&self, secret: Option<&str>) -> Result<(), ClientError> {
        let Some(application) = &self.registered else { return Ok(()) };
        match secret {
            None if application.public_client => Ok(()),
            None => Err(ClientError::MissingCredential),
            Some(_) if application.public_client && !application.has_credentials() => {
                Err(ClientError::PublicClient)
            }
            Some(secret) if application.has_secret(secret) => Ok(()),
            Some(_) => Err(ClientError::Secret(self.id.clone())),
        }
    }

    /// Checks the requested scopes, which are separated by spaces. `known` has all scopes of the
    /// cloud, with their case.
    ///
    /// # Errors
    /// [`ClientError::Scope`] for the first scope that the cloud does not have, or that the
    /// application may not request. A server without a directory checks only the cloud's scopes.
    pub(crate) fn check_scopes(&self, scopes: &str, known: &[&str]) -> Result<(), ClientError> {
        let is_allowed = |scope: &str| {
            let is_registered = |it: &Arc<ApplicationRecord>| it.allows_scope(scope);
            known.contains(&scope) && self.registered.as_ref().is_none_or(is_registered)
        };
        match scopes.split_whitespace().find(|scope| !is_allowed(scope)) {
            None => Ok(()),
            Some(scope) => Err(ClientError::Scope(scope.to_owned())),
        }
    }
}
