//! The client credentials flow: an application signs in for itself.

use crate::{
    auth::{ClientCertificate, SignInProvider, TokenClient, TokenSource, Tokens},
    drive::{Context, Error, ErrorKind, Result, Secret},
};

/// Signs an application in for itself, with its secret or its certificate
/// (onedrive-graph#client-credentials).
///
/// The application acts for no user, so the drive must be named by its id, user, group or site. The
/// provider's tenant must be an id or a domain. Its scope is the resource with `/.default`.
///
/// ```no_run
/// use drivedal::auth::{ClientCertificate, SignInProvider, flows::ClientCredentialsFlow};
///
/// # fn main() -> drivedal::drive::Result<()> {
/// let provider = SignInProvider::microsoft("contoso.com")?
///     .with_scopes(["https://graph.microsoft.com/.default"]);
/// let tokens = ClientCredentialsFlow::new(provider, "11111111-…")
///     .client_certificate(ClientCertificate::read("app.pem")?)
///     .token_source()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClientCredentialsFlow {
    provider: SignInProvider,
    client_id: String,
    client_secret: Option<Secret>,
    client_certificate: Option<ClientCertificate>,
}

impl ClientCredentialsFlow {
    /// Returns a flow for the application with id `client_id`.
    pub fn new(provider: SignInProvider, client_id: impl Into<String>) -> Self {
        let client_id = client_id.into();
        Self { provider, client_id, client_secret: None, client_certificate: None }
    }

    /// Sets the application's secret.
    #[must_use]
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// Sets the application's certificate, which is used instead of a secret.
    #[must_use]
    pub fn client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.client_certificate = Some(certificate);
        self
    }

    /// Returns a source of the application's tokens. It sends no request until a token is needed.
    ///
    /// # Errors
    /// `InvalidInput` if neither secret nor certificate is set.
    pub fn token_source(&self) -> Result<TokenSource> {
        self.client().map(TokenSource::for_application)
    }

    /// Requests tokens.
    ///
    /// # Errors
    /// Those of [`token_source`](Self::token_source); `PermissionDenied` if the cloud rejects the
    /// application, with its message and the next step.
    pub async fn finish(&self, cx: &Context) -> Result<Tokens> {
        self.client()?.client_credentials(cx).await
    }

    /// Returns the client of the token endpoint, with the application's credentials.
    ///
    /// # Errors
    /// `InvalidInput` if neither secret nor certificate is set.
    fn client(&self) -> Result<TokenClient> {
        let client = self.provider.token_client(&self.client_id)?;
        let client = match (&self.client_certificate, &self.client_secret) {
            (Some(certificate), _) => client.client_certificate(certificate.clone()),
            (None, Some(secret)) => client.client_secret(secret.clone()),
            (None, None) => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "cannot sign in the application: it has neither a secret nor a certificate",
                ));
            }
        };
        Ok(self.provider.scopes().iter().fold(client, |client, scope| client.scope(scope)))
    }
}
