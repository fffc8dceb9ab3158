//! The sign-in that the options of the service describe.

use std::path::Path;

use opendal::Result;

use super::{
    NationalCloud, ONEDRIVE_SCHEME, OneDriveConfig,
    address::DriveRef,
    config::{config_error, invalid},
    drive_lookup::ConfiguredDrive,
};
use crate::{
    auth::{ClientCertificate, SignInProvider, TokenClient, TokenFile, TokenSource},
    drive::Secret,
    services::options,
};

/// Names that stand for the accounts of many tenants. Applications without a user cannot sign in to
/// them (onedrive-graph#client-credentials).
const SHARED_TENANTS: [&str; 3] = ["common", "organizations", "consumers"];

impl OneDriveConfig {
    /// Returns the endpoints of the sign-in, for the flows of [`auth::flows`](crate::auth::flows).
    ///
    /// The scopes are those for a user's own files, see [`SignInProvider::microsoft`].
    ///
    /// # Errors
    /// `ConfigInvalid` if `oauth_endpoint` is not an HTTP URL, `tenant` is empty, `allow_http` is
    /// not a list of hosts, the file of certificates cannot be read or has none, or the proxy is
    /// neither an HTTP URL nor `none`.
    pub fn sign_in_provider(&self) -> Result<SignInProvider> {
        let authority = self.oauth_endpoint.as_deref().unwrap_or(self.national_cloud().login_url());
        let provider = SignInProvider::microsoft_at(authority, self.tenant_or_common());
        let plain_http = options::plain_http(ONEDRIVE_SCHEME, self.allow_http.as_deref())?;
        let provider = provider.map_err(invalid)?.with_plain_http(plain_http);
        Ok(provider.with_connection(self.connection()?))
    }

    /// Returns the source of tokens that the options describe: refreshed, fixed, or those of an
    /// application without a user.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, or an
    /// endpoint or a host of `allow_http` cannot be parsed.
    pub fn token_source(&self) -> Result<TokenSource> {
        let secret = |text: &Option<String>| text.as_deref().map(Secret::from);
        let (access, refresh) = (secret(&self.access_token), secret(&self.refresh_token));
        let variable = self.refresh_token_env.as_deref();
        if refresh.is_some() || self.token_file.is_some() || variable.is_some() {
            let tokens = TokenSource::refreshing(self.token_client()?, refresh, access);
            let file = self.token_file.as_ref().map(TokenFile::new);
            let configured = self.refresh_token.as_deref();
            return options::token_source_with_store(
                ONEDRIVE_SCHEME,
                tokens,
                configured,
                file,
                variable,
            );
        }
        if let Some(access) = access {
            return Ok(TokenSource::fixed(access));
        }
        if self.client_secret.is_none() && self.client_certificate.is_none() {
            return Err(config_error(
                "cannot sign in: one of access_token, refresh_token and token_file is needed, or \
                 client_id and client_secret of an application without a user",
            ));
        }
        let tenant = self.tenant_or_common();
        if SHARED_TENANTS.contains(&tenant) {
            return Err(config_error(format!(
                "cannot sign in to tenant {tenant:?}: an application without a user needs the id \
                 or domain of a tenant"
            )));
        }
        if self.configured_drive()? == ConfiguredDrive::Drive(DriveRef::Mine) {
            return Err(config_error(
                "cannot choose the drive: an application without a user needs one of drive_id, \
                 user, group and site",
            ));
        }
        let scope = format!("{}/.default", self.national_cloud().graph_url());
        Ok(TokenSource::for_application(self.token_client()?.scope(scope)))
    }

    /// Returns the client of the sign-in service in the configured tenant.
    ///
    /// # Errors
    /// `ConfigInvalid` if `client_id` is missing, an endpoint is not a URL, or the certificate
    /// cannot be used.
    fn token_client(&self) -> Result<TokenClient> {
        let Some(client_id) = &self.client_id else {
            return Err(config_error("cannot sign in: client_id is missing"));
        };
        let client = self.sign_in_provider()?.token_client(client_id).map_err(invalid)?;
        if let Some(path) = &self.client_certificate {
            let path = options::expand_home(path);
            return Ok(client.client_certificate(read_certificate(&path)?));
        }
        // Users of OpenDAL's own service may have set an empty secret for an application without one.
        Ok(match self.client_secret.as_deref().filter(|secret| !secret.is_empty()) {
            Some(secret) => client.client_secret(secret),
            None => client,
        })
    }

    /// Returns the configured cloud, or the global one.
    pub(super) fn national_cloud(&self) -> NationalCloud {
        self.cloud.unwrap_or_default()
    }

    /// Returns the configured tenant, or `common`.
    fn tenant_or_common(&self) -> &str {
        self.tenant.as_deref().unwrap_or("common")
    }
}

/// Reads the application's certificate.
///
/// # Errors
/// `ConfigInvalid` if the file cannot be read or used.
fn read_certificate(path: &Path) -> Result<ClientCertificate> {
    ClientCertificate::read(path)
        .map_err(|error| config_error(format!("client_certificate: {error}")))
}
