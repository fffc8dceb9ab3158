//! The sign-in and the tokens that the options of the service describe.

use std::{collections::BTreeMap, time::Duration};

use opendal::Result;

use super::{
    SKYDRIVE_SCHEME, SignIn, SkyDriveConfig,
    config::{OAUTH_ENDPOINT, config_error, invalid},
};
#[cfg(feature = "lcrc")]
use crate::auth::Lcrc;
use crate::{
    auth::{SignInProvider, TokenFile, TokenSource},
    drive::Secret,
    services::options,
};

/// The contents of the `lcrc` file that are defaults for options.
#[derive(Default)]
pub(super) struct LcrcDefaults {
    client_id: Option<String>,
    client_secret: Option<Secret>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) pool_size: Option<usize>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) read_timeout: Option<Duration>,
}

impl SkyDriveConfig {
    /// Creates a sign-in to the application with these options.
    ///
    /// # Errors
    /// `ConfigInvalid` if `client_id` is missing, if the `lcrc` file cannot be read or parsed, and
    /// as for [`sign_in_provider`](Self::sign_in_provider).
    pub fn sign_in(&self) -> Result<SignIn> {
        let (client_id, client_secret) = self.application()?;
        let provider = self.sign_in_provider()?;
        let sign_in = SignIn::new(self.oauth(), &client_id).map_err(invalid)?;
        let client = provider.token_client(client_id).map_err(invalid)?;
        let sign_in = sign_in.with_token_client(client);
        let sign_in = match &self.redirect_uri {
            Some(redirect) => sign_in.redirect_uri(redirect),
            None => sign_in,
        };
        Ok(match client_secret {
            Some(secret) => sign_in.client_secret(secret),
            None => sign_in,
        })
    }

    /// Returns the endpoints of the sign-in, for the flows of [`auth::flows`](crate::auth::flows).
    ///
    /// # Errors
    /// `ConfigInvalid` if `oauth_endpoint` is not an HTTP URL, `allow_http` is not a list of hosts,
    /// the file of certificates cannot be read or has none, or the proxy is neither an HTTP URL nor
    /// `none`.
    pub fn sign_in_provider(&self) -> Result<SignInProvider> {
        let provider = SignInProvider::live_at(self.oauth()).map_err(invalid)?;
        let plain_http = options::plain_http(SKYDRIVE_SCHEME, self.allow_http.as_deref())?;
        let provider = provider.with_plain_http(plain_http).with_connection(self.connection()?);
        Ok(match &self.redirect_uri {
            Some(redirect) => provider.with_redirect_uri(redirect),
            None => provider,
        })
    }

    /// Returns the file that stores tokens: that of `lcrc`, or of `token_file`. `None` if neither
    /// is set.
    pub fn token_storage(&self) -> Option<TokenFile> {
        #[cfg(feature = "lcrc")]
        if let Some(path) = &self.lcrc {
            return Some(TokenFile::lcrc(options::expand_home(path)));
        }
        self.token_file.as_ref().map(TokenFile::new)
    }

    /// Returns the source of tokens that the options describe.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, or an
    /// endpoint or a host of `allow_http` cannot be parsed, or the `lcrc` file cannot be read.
    pub fn token_source(&self) -> Result<TokenSource> {
        let secret = |text: &Option<String>| text.as_deref().map(Secret::from);
        let (access, refresh) = (secret(&self.access_token), secret(&self.refresh_token));
        let (storage, variable) = (self.token_storage(), self.refresh_token_env.as_deref());
        if refresh.is_none() && storage.is_none() && variable.is_none() {
            // Reports an `lcrc` option that this build cannot use.
            self.lcrc_defaults()?;
            return access.map(TokenSource::fixed).ok_or_else(|| {
                config_error(
                    "cannot sign in: one of access_token, refresh_token, token_file and lcrc is \
                     needed",
                )
            });
        }
        let (client_id, client_secret) = self.application()?;
        let provider = self.sign_in_provider()?;
        let client = provider.token_client(client_id).map_err(invalid)?;
        let client = client.parameter("redirect_uri", provider.redirect_uri());
        // Mobile and desktop applications must refresh tokens without their secret
        // (live-connect#refresh-without-secret).
        let is_mobile = self.redirect_uri.is_none();
        let client = match client_secret {
            Some(secret) if self.client_secret.is_some() || !is_mobile => {
                client.client_secret(secret)
            }
            _ => client,
        };
        let tokens = TokenSource::refreshing(client, refresh, access);
        let configured = self.refresh_token.as_deref();
        options::token_source_with_store(SKYDRIVE_SCHEME, tokens, configured, storage, variable)
    }

    /// Reads the `lcrc` file; returns no defaults if the option is not set.
    ///
    /// # Errors
    /// `ConfigInvalid` if the file cannot be read or parsed.
    #[cfg(feature = "lcrc")]
    pub(super) fn lcrc_defaults(&self) -> Result<LcrcDefaults> {
        let Some(path) = &self.lcrc else { return Ok(LcrcDefaults::default()) };
        let file = Lcrc::read(options::expand_home(path)).map_err(invalid)?;
        let Lcrc { client_id, client_secret, headers, pool_size, connect_timeout, read_timeout } =
            file;
        Ok(LcrcDefaults {
            client_id,
            client_secret,
            headers,
            pool_size,
            connect_timeout,
            read_timeout,
        })
    }

    /// Returns no defaults.
    ///
    /// # Errors
    /// `ConfigInvalid` if the option `lcrc` is set: this build lacks the feature.
    #[cfg(not(feature = "lcrc"))]
    pub(super) fn lcrc_defaults(&self) -> Result<LcrcDefaults> {
        match &self.lcrc {
            None => Ok(LcrcDefaults::default()),
            Some(_) => Err(config_error(
                "cannot use option lcrc: drivedal was built without its feature lcrc",
            )),
        }
    }

    /// Returns the application's id, and its secret or `None` if it has none: from the options,
    /// otherwise from the `lcrc` file.
    ///
    /// # Errors
    /// `ConfigInvalid` if `client_id` is missing or the `lcrc` file cannot be read.
    fn application(&self) -> Result<(String, Option<Secret>)> {
        let file = self.lcrc_defaults()?;
        let client_id = self
            .client_id
            .clone()
            .or(file.client_id)
            .ok_or_else(|| config_error("cannot sign in: client_id is missing"))?;
        let secret = self.client_secret.as_deref().map(Secret::from);
        Ok((client_id, secret.or(file.client_secret)))
    }

    /// Returns the base URL of the OAuth server.
    fn oauth(&self) -> &str {
        self.oauth_endpoint.as_deref().unwrap_or(OAUTH_ENDPOINT)
    }
}
