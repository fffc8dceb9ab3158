//! The options of a sign-in, from the command, the environment and the configuration file.

use drivedal::{
    auth::{ClientCertificate, SignInProvider},
    drive::Secret,
    remote::RemoteSource,
    services::onedrive::NationalCloud,
};

use super::{Login, display, not_for};
use crate::{
    app::App,
    config::{OptionList, Origin, RemoteDetails, SignedInAccount, TOKEN_OPTIONS},
    embedded,
    failure::{Exit, Failure, Result},
    prompt,
};

/// The service of a remote that is not configured yet.
const DEFAULT_SERVICE: &str = "onedrive";

/// The id of the application at a drive server, which accepts any.
const DRIVE_SERVER_CLIENT: &str = "drivedal";

/// Everything that is known before the sign-in.
pub(super) struct SignInSettings {
    pub(super) name: String,
    scheme: String,
    /// All options of the remote.
    source: RemoteSource,
    /// The options that belong into the configuration file.
    pub(super) written: OptionList,
    /// Where the remote is configured. `None` for a new remote.
    pub(super) existing: Option<Origin>,
    /// The account of the previous sign-in.
    account: Option<SignedInAccount>,
    /// Whether the application signs in for itself.
    pub(super) app_only: bool,
    scopes: Vec<String>,
    redirect_uri: Option<String>,
}

impl SignInSettings {
    /// Merges the options. Prompts for the secret of an application that signs in for itself, if no
    /// option has it.
    ///
    /// # Errors
    /// `Usage` if an option is missing, or for an embedded drive; `Exists` if one would change a
    /// configured remote; `Unsupported` if the cloud does not have it. [`Failure::local`] if the
    /// file of a secret cannot be read, `Usage` if it is empty, and `Failed` if standard input
    /// cannot be read.
    pub(super) async fn new(app: &App, login: &Login) -> Result<Self> {
        let name = login.name.clone();
        let configuration = &app.configuration;
        let details = configuration.details(&name);
        if details.is_none() && embedded::source(&name).is_some() {
            return Err(Failure::usage("it is built in and needs no sign-in"));
        }
        let configured = configuration.source(&name);
        let scheme = match &configured {
            Some(source) => source.scheme()?,
            None => login.service.clone().unwrap_or_else(|| DEFAULT_SERVICE.to_owned()),
        };
        if !drivedal::remote::is_drive(&scheme) {
            return Err(Failure::wrong_service(&scheme).hint("it needs no sign-in"));
        }
        let credentials = credentials(login).await?;
        let options = options(login, &scheme)?;
        let source = match configured {
            Some(source) => {
                check_unchanged(login, &scheme, &source, &options)?;
                check_tokens(&source, details)?;
                source
            }
            None => {
                let options = configuration.new_options().iter().chain(&options).cloned();
                options.fold(RemoteSource::from_scheme(&scheme), |source, (key, value)| {
                    source.option(key, value)
                })
            }
        };
        let source =
            credentials.iter().fold(source, |source, (key, value)| source.option(key, value));
        let is_new = details.is_none();
        let written = if is_new { [options, credentials].concat() } else { credentials };
        let mut settings = Self {
            app_only: login.flow.app_only,
            scopes: login.application.scopes.clone(),
            redirect_uri: login.application.redirect_uri.clone(),
            existing: details.map(|details| details.origin.clone()),
            account: details.and_then(|details| details.account.clone()),
            name,
            scheme,
            source,
            written,
        };
        if settings.app_only {
            if settings.is_new() && !login.drive.names_drive() && !settings.names_drive()? {
                let failure =
                    Failure::usage("an application without a user has no drive of its own");
                return Err(failure.hint("use --drive, --site, --find-site, --user or --group"));
            }
            settings.complete_application(app).await?;
        }
        Ok(settings)
    }

    /// Adds the secret of an application that signs in for itself, which the user enters, unless
    /// the options have a secret or a certificate.
    ///
    /// # Errors
    /// `Unsupported` or `Usage` if the service has no such sign-in; `Usage` if the secret is
    /// missing and there is no terminal; the failure of reading it.
    async fn complete_application(&mut self, app: &App) -> Result {
        if self.scheme != "onedrive" {
            return Err(not_for(&self.scheme, "sign-in of applications without a user"));
        }
        if self.get("client_secret")?.is_some() || self.get("client_certificate")?.is_some() {
            return Ok(());
        }
        if !prompt::is_interactive() {
            return Err(Failure::usage("the application has neither a secret nor a certificate")
                .hint("use --client-secret-file or --certificate"));
        }
        let secret = prompt::secret(&app.output, "Secret of the application: ").await?;
        self.source = self.source.clone().option("client_secret", secret.expose());
        self.written.push(("client_secret".into(), secret.expose().to_owned()));
        Ok(())
    }

    /// Returns the scheme of the service.
    pub(super) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns whether the remote is not configured yet.
    pub(super) fn is_new(&self) -> bool {
        self.existing.is_none()
    }

    /// Returns whether the options of the remote name a drive.
    ///
    /// # Errors
    /// `Usage` if the URI of the remote cannot be parsed.
    pub(super) fn names_drive(&self) -> Result<bool> {
        for key in ["drive_id", "site", "user", "group", "library"] {
            if self.get(key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the options of the remote.
    pub(super) fn source(&self) -> &RemoteSource {
        &self.source
    }

    /// Returns the value of an option. `None` if it is not set.
    ///
    /// # Errors
    /// `Usage` if the URI of the remote cannot be parsed.
    pub(super) fn get(&self, key: &str) -> Result<Option<String>> {
        Ok(self.source.get_option(key)?)
    }

    /// Returns the options of the remote with an access token in place of the stored tokens.
    pub(super) fn with_access_token(&self, token: &Secret) -> RemoteSource {
        let keys = ["refresh_token", "token_file", "lcrc"];
        let source =
            keys.iter().fold(self.source.clone(), |source, key| source.without_option(key));
        source.option("access_token", token.expose())
    }

    /// Returns the sign-in endpoints of the cloud.
    ///
    /// # Errors
    /// `Usage` if the service rejects an option.
    pub(super) fn provider(&self) -> Result<SignInProvider> {
        let provider = self.source.sign_in_provider()?;
        let provider = provider.ok_or_else(|| Failure::wrong_service(&self.scheme))?;
        self.with_scopes(provider)
    }

    /// Returns the national cloud that the option `cloud` names, the global one by default.
    ///
    /// # Errors
    /// `Usage` if no cloud has the name.
    fn cloud(&self) -> Result<NationalCloud> {
        let name = self.get("cloud")?;
        name.map_or(Ok(NationalCloud::default()), |name| name.parse().map_err(Failure::usage))
    }

    /// Returns the sign-in with the scopes of the options, and with the scope that a refresh token
    /// needs. Without such options it has the scopes of the service.
    ///
    /// # Errors
    /// `Usage` if no national cloud has the name in the option `cloud`.
    fn with_scopes(&self, provider: SignInProvider) -> Result<SignInProvider> {
        if self.app_only {
            return Ok(provider.with_scopes([format!("{}/.default", self.cloud()?.graph_url())]));
        }
        if self.scopes.is_empty() {
            return Ok(provider);
        }
        // Without it the cloud issues no refresh token.
        let offline = match self.scheme.as_str() {
            "skydrive" => Some("wl.offline_access"),
            "onedrive" => Some("offline_access"),
            _ => None,
        };
        let scopes = self.scopes.iter().map(String::as_str);
        let missing = offline.filter(|offline| !self.scopes.iter().any(|scope| scope == offline));
        Ok(provider.with_scopes(scopes.chain(missing)))
    }

    /// Returns the id of the application.
    ///
    /// # Errors
    /// `Usage` if no option has it.
    pub(super) fn client_id(&self) -> Result<String> {
        self.get("client_id")?.ok_or_else(|| {
            Failure::usage("the id of an application is missing").hint(format!(
                "use --client-id; docs/signing-in.md has the steps to register one for {}",
                self.scheme
            ))
        })
    }

    /// Returns the secret of the application. `None` if it has none.
    ///
    /// # Errors
    /// `Usage` if the URI of the remote cannot be parsed.
    pub(super) fn client_secret(&self) -> Result<Option<Secret>> {
        Ok(self.get("client_secret")?.filter(|secret| !secret.is_empty()).map(Secret::from))
    }

    /// Returns the certificate of the application. `None` if it has none.
    ///
    /// # Errors
    /// `Usage` if the URI of the remote cannot be parsed, or the file cannot be read or has no RSA
    /// key with its certificate.
    pub(super) fn certificate(&self) -> Result<Option<ClientCertificate>> {
        let path = self.get("client_certificate")?;
        path.map(|path| ClientCertificate::read(path).map_err(invalid)).transpose()
    }

    /// Returns the redirect URI. `None` for the cloud's default.
    ///
    /// # Errors
    /// `Usage` if the URI of the remote cannot be parsed.
    pub(super) fn redirect_uri(&self) -> Result<Option<String>> {
        match &self.redirect_uri {
            Some(uri) => Ok(Some(uri.clone())),
            // Graph's service has no such option.
            None if self.scheme == "onedrive" => Ok(None),
            None => self.get("redirect_uri"),
        }
    }

    /// Checks that the sign-in is of the same account as the previous one.
    ///
    /// # Errors
    /// `Exists` if it is another account.
    pub(super) fn check_account(&self, account: &SignedInAccount) -> Result {
        match &self.account {
            Some(previous) if previous.id != account.id => Err(Failure::new(
                Exit::Exists,
                format!(
                    "the account is {}, but the remote belongs to {}",
                    display(account),
                    display(previous)
                ),
            )
            .hint(format!(
                "sign in with that account, use another name, or run `drivedal remotes remove {}`",
                self.name
            ))),
            _ => Ok(()),
        }
    }
}

/// Returns the options of the command that name the application, the servers and the cloud.
///
/// # Errors
/// `Unsupported` for an option that the cloud does not have.
fn options(login: &Login, scheme: &str) -> Result<OptionList> {
    let (application, endpoints) = (&login.application, &login.endpoints);
    let mut options = Vec::new();
    let mut add = |key: &str, value: Option<String>| {
        options.extend(value.map(|value| (key.to_owned(), value)));
    };
    let server = endpoints.server.as_deref().map(|url| url.trim_end_matches('/'));
    let default_id = server.map(|_| DRIVE_SERVER_CLIENT.to_owned());
    add("client_id", application.client_id.clone().or(default_id));
    add("oauth_endpoint", server.map(str::to_owned).or_else(|| endpoints.authority.clone()));
    let api = server.map(|server| match scheme {
        "skydrive" => format!("{server}/v5.0/"),
        "amazon-drive" => format!("{server}/drive/v1/"),
        _ => format!("{server}/v1.0"),
    });
    add("endpoint", api.or_else(|| endpoints.endpoint.clone()));
    add("allow_http", endpoints.allow_http.clone());
    let only_graph = [("tenant", &application.tenant), ("cloud", &endpoints.cloud)];
    for (key, value) in only_graph {
        if value.is_some() && scheme != "onedrive" {
            return Err(not_for(scheme, &format!("option --{key}")));
        }
        add(key, value.clone());
    }
    if scheme != "onedrive" {
        add("redirect_uri", application.redirect_uri.clone());
    }
    Ok(options)
}

/// Reads the secret or the certificate of the application.
///
/// # Errors
/// The errors of reading the files.
async fn credentials(login: &Login) -> Result<OptionList> {
    if let Some(path) = &login.application.client_secret_file {
        let secret = prompt::secret_from(path).await?;
        return Ok(vec![("client_secret".into(), secret.expose().to_owned())]);
    }
    let Some(path) = &login.application.certificate else { return Ok(Vec::new()) };
    let path = std::path::absolute(path).map_err(|error| Failure::local("find", path, &error))?;
    let text = path.to_str().ok_or_else(Failure::is_not_utf8)?;
    Ok(vec![("client_certificate".into(), text.to_owned())])
}

/// Checks that the command would change no option of a configured remote.
///
/// # Errors
/// `Exists` and the option that differs.
fn check_unchanged(
    login: &Login,
    scheme: &str,
    source: &RemoteSource,
    options: &[(String, String)],
) -> Result {
    let differs = |what: &str| {
        let failure = Failure::new(Exit::Exists, format!("the remote has another {what}"));
        failure.hint(format!(
            "a second login keeps the options: change them in the configuration file, or run \
             `drivedal remotes remove {}` first",
            login.name
        ))
    };
    if login.service.as_deref().is_some_and(|service| service != scheme) {
        return Err(differs("service"));
    }
    let drive = &login.drive;
    let drives = [
        ("drive_id", &drive.drive),
        ("site", &drive.site),
        ("library", &drive.library),
        ("user", &drive.user),
        ("group", &drive.group),
    ];
    let drives = drives.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let options = options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in options.chain(drives) {
        if source.get_option(key)?.as_deref() != Some(value) {
            return Err(differs(key));
        }
    }
    match drive.find_site {
        Some(_) => Err(differs("drive")),
        None => Ok(()),
    }
}

/// Checks that no option of a configured remote would override the new tokens.
///
/// # Errors
/// `Usage` if the URI or the environment has a token, and if a remote outside of the
/// configuration file has no file for tokens.
fn check_tokens(source: &RemoteSource, details: Option<&RemoteDetails>) -> Result {
    let Some(details) = details else { return Ok(()) };
    for key in TOKEN_OPTIONS {
        let is_in_file = details.file_options.iter().any(|option| option == key);
        if source.get_option(key)?.is_some() && !is_in_file {
            let text = format!("its option {key} would override the new tokens");
            return Err(Failure::usage(text).hint("remove it from the URI or the environment"));
        }
    }
    let is_stored = source.get_option("token_file")?.or(source.get_option("lcrc")?).is_some();
    match details.origin {
        Origin::File(_) => Ok(()),
        _ if is_stored => Ok(()),
        _ => Err(Failure::usage("it has no file for tokens").hint("add the option token_file")),
    }
}

/// Converts an error about an option.
fn invalid(error: drivedal::drive::Error) -> Failure {
    Failure::usage(error.to_string())
}
