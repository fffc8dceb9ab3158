//! State that every command shares: remotes, output and signals.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use drivedal::{
    http_transport,
    layers::{Policy, RetryLayer},
    remote::{Remote, RemoteSource, is_drive},
    services::onedrive::ONEDRIVE_SCHEME,
};
use opendal::{HttpTransporter, OperationContext, Operator, OperatorRegistry};
use tokio::sync::OnceCell;

use crate::{
    config::{Configuration, Origin},
    connection::ConnectionOptions,
    embedded::{self, Embedded},
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    location::{Addressing, Location, RemoteAddress, split_sharing_url},
    options::GlobalOptions,
    output::Output,
    remote::{OpenRemote, RemotePath},
    requests::RequestStats,
    transfer::{journal::Journal, local::blocking},
    waiting::WaitNotifier,
};

/// Options that name the drive or the root of a remote. A sharing URL takes their place.
const OTHER_DRIVES: [&str; 7] = ["drive_id", "group", "library", "root", "site", "special", "user"];

/// Lifetime of path index entries for commands that work on many items. Such a command assumes that
/// it is the only one that changes the tree.
const BULK_INDEX_TTL: &str = "10m";

/// How many items a command works on. It decides how long the path index of a drive is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// A few items: index entries expire after the default of the service.
    Interactive,
    /// Many items: index entries stay valid for [`BULK_INDEX_TTL`].
    Bulk,
}

/// State of one run of the program.
pub(crate) struct App {
    pub(crate) output: Arc<Output>,
    pub(crate) interrupt: Interrupt,
    /// Requests of all remotes.
    pub(crate) requests: RequestStats,
    /// `--data`: the data folder. `None`: the default folder.
    pub(crate) data: Option<PathBuf>,
    /// `--retries`. `None`: the default of each service.
    retries: Option<u32>,
    pub(crate) configuration: Configuration,
    connection: ConnectionOptions,
    /// The rules of `--encoding`.
    encoding: Option<String>,
    embedded: OnceCell<Embedded>,
    journal: OnceCell<Option<Journal>>,
    opened: Mutex<BTreeMap<String, Arc<OpenRemote>>>,
}

impl App {
    /// Creates the state from the global options. Loads the configuration. `new_name` is the remote
    /// that the command will create.
    ///
    /// # Errors
    /// Those of [`Configuration::load`]: `Usage` if the file, an environment variable or an
    /// argument of `--remote` cannot be parsed. [`Failure::local`] if the file cannot be read or
    /// the HAR file cannot be created.
    pub(super) fn new(
        global: GlobalOptions,
        output: Arc<Output>,
        interrupt: Interrupt,
        new_name: Option<&str>,
    ) -> Result<Self> {
        let configuration =
            Configuration::load(global.config.as_deref(), &global.remotes, new_name)?;
        output.set_remotes(configuration.names().map(str::to_owned).collect());
        Ok(Self {
            output,
            interrupt,
            requests: RequestStats::new(global.har.as_deref())?,
            data: global.data,
            retries: global.retries,
            configuration,
            connection: global.connection,
            encoding: global.encoding,
            embedded: OnceCell::new(),
            journal: OnceCell::new(),
            opened: Mutex::default(),
        })
    }

    /// Stops the embedded server, if this command started one.
    ///
    /// # Errors
    /// `Failed` if a lock file of the data folder cannot be opened.
    pub(super) async fn close(self) -> Result {
        let Some(embedded) = self.embedded.into_inner() else { return Ok(()) };
        // The server waits for open connections, and operators keep idle ones.
        self.opened.into_inner().unwrap_or_else(PoisonError::into_inner).clear();
        embedded.close(&self.output, &self.interrupt).await
    }

    /// Returns the path of the item that an argument names. Opens the remote if it is not open yet.
    /// `named` says whether the argument contains a path or an id. The item need not exist, except
    /// by id.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or the path has a segment
    /// `.` or `..`; `Unsupported` if no service has its scheme; `NotFound` if no item has the id;
    /// `Unsupported` for an id if the service is not a cloud drive.
    pub(crate) async fn resolve(
        &self,
        at: &Location,
        named: Addressing,
        workload: Workload,
    ) -> Result<RemotePath> {
        let remote = self.remote(at, workload).await?;
        let address = RemoteAddress::parse(&at.text, named, &remote.scheme)
            .map_err(|failure| failure.about(at))?;
        let of_id = match &address {
            RemoteAddress::Path(_) => None,
            RemoteAddress::Id(id, _) => {
                Some(remote.path_of(id).await.map_err(|failure| failure.about(at))?)
            }
        };
        let path = address.into_path(of_id);
        let path = if remote.maps_names() { path.with_mapped_white_space() } else { path };
        Ok(RemotePath { path, remote })
    }

    /// Opens the remote of an argument, or returns the one that is open already.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if no
    /// service has its scheme; the failure of the embedded server if it does not start.
    pub(crate) async fn remote(
        &self,
        at: &Location,
        workload: Workload,
    ) -> Result<Arc<OpenRemote>> {
        let opened = self.open(at, workload).await;
        opened.map_err(|failure| failure.doing("open").about(at))
    }

    /// Returns the journal of large transfers. `None` if it cannot be written.
    pub(crate) async fn journal(&self) -> Option<Journal> {
        let open = || async { blocking(|| Ok(Journal::open())).await.unwrap_or_default() };
        self.journal.get_or_init(open).await.clone()
    }

    /// Runs `work` for each argument, in order. With several arguments a failure is reported and
    /// the next argument follows; the exit code is then `Partial`.
    ///
    /// # Errors
    /// The failure of a single argument. With several arguments, only `ClosedPipe` or `Failed` if
    /// results cannot be written.
    pub(crate) async fn for_each_argument<T>(
        &self,
        arguments: &[T],
        mut work: impl AsyncFnMut(&T) -> Result,
    ) -> Result<Exit> {
        if let [only] = arguments {
            return work(only).await.map(|()| Exit::Done);
        }
        let mut exit = Exit::Done;
        for argument in arguments {
            if let Err(failure) = work(argument).await {
                if failure.is_silent() {
                    return Err(failure);
                }
                self.output.failed(&failure)?;
                exit = Exit::Partial;
            }
        }
        Ok(exit)
    }

    /// Opens a remote with its layers (statistics, retries), or returns the one that is open
    /// already.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if no
    /// service has its scheme; the failure of the embedded server if it does not start. They do not
    /// name the remote.
    async fn open(&self, at: &Location, workload: Workload) -> Result<Arc<OpenRemote>> {
        if let Some(opened) = self.open_remotes().get(&at.remote) {
            return Ok(Arc::clone(opened));
        }
        let spec = self.source(&at.remote).await?;
        let source = match workload {
            Workload::Interactive => spec.source,
            Workload::Bulk => with_bulk_index_ttl(spec.source)?,
        };
        let opened = self.layered(RemoteSpec { source, ..spec }, at.remote_name())?;
        let opened = Arc::new(opened);
        self.open_remotes().insert(at.remote.clone(), Arc::clone(&opened));
        Ok(opened)
    }

    /// Opens a remote with other options than the configured ones. `name` is for messages.
    ///
    /// # Errors
    /// `Usage` if the service rejects an option.
    pub(crate) fn open_source(&self, source: RemoteSource, name: &str) -> Result<OpenRemote> {
        self.layered(RemoteSpec::new(source)?, name)
    }

    /// Opens a remote with the layers of this program: statistics and, for services on a network,
    /// retries. `name` is the remote's, for messages. Sends no request.
    ///
    /// # Errors
    /// `Usage` if the service rejects an option, `Unsupported` if no service has the scheme.
    fn layered(&self, spec: RemoteSpec, name: &str) -> Result<OpenRemote> {
        let RemoteSpec { source, identity, server, transport } = spec;
        let source = with_encoding(source, self.encoding.as_deref())?;
        let Remote { operator, handle, .. } = open_source(&source)?;
        let operator = match transport {
            Some(transport) => {
                let context = OperationContext::new().with_http_transport(transport);
                operator.with_context(context)
            }
            None => operator,
        };
        let scheme = operator.info().scheme().to_owned();
        let policy = self.policy(&scheme);
        let waiting = WaitNotifier::new(name, &self.output);
        let operator = self.with_layers(operator, &policy, &waiting);
        let (name, root_id) = (name.to_owned(), OnceCell::new());
        Ok(OpenRemote {
            name,
            scheme,
            source,
            operator,
            handle,
            policy,
            waiting,
            identity,
            server,
            root_id,
        })
    }

    /// Adds the layers of this program: statistics and, for services on a network, retries.
    fn with_layers(&self, operator: Operator, policy: &Policy, waiting: &WaitNotifier) -> Operator {
        let is_local = is_local(operator.info().scheme());
        // The statistics layer is inside of the retry layer, so that it counts every attempt.
        let operator = operator.layer(self.requests.layer());
        match is_local {
            true => operator,
            false => operator.layer(RetryLayer::new(policy.clone()).with_observer(waiting.clone())),
        }
    }

    /// Adds the layers of this program to an operator that is not a remote. `name` is for messages.
    pub(crate) fn layered_operator(&self, operator: Operator, name: &str) -> Operator {
        let policy = self.policy(operator.info().scheme());
        self.with_layers(operator, &policy, &WaitNotifier::new(name, &self.output))
    }

    /// Returns the transport that reaches the server of a remote.
    ///
    /// # Errors
    /// `Usage` if the remote is unknown; the failure of the embedded server if it does not start.
    pub(crate) async fn transport(&self, name: &str) -> Result<HttpTransporter> {
        Ok(self.source(name).await?.transport.unwrap_or_else(http_transport))
    }

    /// Returns a way to open a remote several times, with other options.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or its URI cannot be parsed; the failure of the embedded
    /// server if it does not start.
    pub(crate) async fn opener(&self, at: &Location) -> Result<RemoteOpener> {
        let RemoteSpec { source, transport, .. } = self.source(&at.remote).await?;
        let scheme = source.scheme()?;
        let policy = self.policy(&scheme);
        Ok(RemoteOpener { source, scheme, transport, policy, requests: self.requests.clone() })
    }

    /// Returns whether the server of the embedded drives runs in this process.
    pub(crate) fn runs_embedded_server(&self) -> bool {
        matches!(self.embedded.get(), Some(Embedded::Own { .. }))
    }

    /// Returns the retry policy of a service, with the attempts of `--retries`.
    fn policy(&self, scheme: &str) -> Policy {
        let policy = Policy::for_service(scheme);
        let max_attempts =
            self.retries.map_or(policy.max_attempts, |times| times.saturating_add(1));
        Policy { max_attempts, retry_first_contact: false, ..policy }
    }

    /// Returns the options of a remote.
    ///
    /// # Errors
    /// `Usage` if the remote is unknown; the failure of the embedded server if it does not start.
    pub(crate) async fn options(&self, name: &str) -> Result<RemoteSource> {
        Ok(self.source(name).await?.source)
    }

    /// Returns the options of a remote, and its server if it is embedded. `name` may be followed by a
    /// colon and a sharing URL: the options are then those of the URL's folder, with the sign-in of the
    /// remote.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, its URI cannot be parsed, or it cannot open a sharing URL; the
    /// failure of the embedded server if it does not start.
    async fn source(&self, name: &str) -> Result<RemoteSpec> {
        let Some((name, url)) = split_sharing_url(name) else {
            return self.named_source(name).await;
        };
        let spec = self.named_source(name).await?;
        let scheme = spec.source.scheme()?;
        if scheme != ONEDRIVE_SCHEME {
            let hint = "only onedrive remotes open sharing URLs";
            return Err(Failure::wrong_service(&scheme).with_exit(Exit::Usage).hint(hint));
        }
        let source =
            OTHER_DRIVES.iter().fold(spec.source, |source, key| source.without_option(key));
        Ok(RemoteSpec { source: source.option("sharing_url", url), ..spec })
    }

    /// Returns the options of a remote, and its server if it is embedded. A configured remote
    /// overrides an embedded one of the same name.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or its URI cannot be parsed; the failure of the embedded
    /// server if it does not start.
    async fn named_source(&self, name: &str) -> Result<RemoteSpec> {
        let is_configured = self.configuration.contains(name);
        match embedded::source(name).filter(|_| !is_configured) {
            None => RemoteSpec::new(self.configured(name)?),
            Some(source) => {
                let opening = || Embedded::open(self.data.as_deref());
                let embedded = self.embedded.get_or_try_init(opening).await?;
                let folder = std::path::absolute(embedded.folder());
                let folder = folder.unwrap_or_else(|_| embedded.folder().to_owned());
                Ok(RemoteSpec {
                    source: source(embedded.url(), embedded.token()),
                    identity: folder.to_string_lossy().into_owned(),
                    server: Some(embedded.url().as_str().to_owned()),
                    transport: Some(embedded.transport()),
                })
            }
        }
    }

    /// Returns the options of a configured remote, or of a URI.
    ///
    /// # Errors
    /// `Usage` if no remote has the name.
    pub(crate) fn configured(&self, name: &str) -> Result<RemoteSource> {
        let source = match name.contains("://") {
            true => RemoteSource::from_uri(name),
            false => self.configuration.source(name).ok_or_else(|| self.unknown(name))?,
        };
        self.with_connection(source)
    }

    /// Adds the global options of connections to those of a remote.
    ///
    /// # Errors
    /// `Usage` if the URI of the remote cannot be parsed.
    pub(crate) fn with_connection(&self, source: RemoteSource) -> Result<RemoteSource> {
        self.connection.apply(source)
    }

    /// Returns the failure for a name that no remote has.
    pub(crate) fn unknown(&self, name: &str) -> Failure {
        let names: Vec<_> = self.configuration.names().collect();
        Failure::usage("unknown remote").hint(match names.as_slice() {
            [] => format!("none is configured; run `drivedal login {name}`"),
            names => format!("configured remotes: {}", names.join(", ")),
        })
    }

    /// Returns the names of all remotes with the sources of their configuration, in alphabetical
    /// order. A configured remote hides an embedded one of the same name.
    pub(crate) fn origins(&self) -> BTreeMap<&str, Origin> {
        let mut origins: BTreeMap<_, _> =
            embedded::names().map(|name| (name, Origin::BuiltIn)).collect();
        origins.extend(
            self.configuration
                .names()
                .filter_map(|name| Some((name, self.configuration.details(name)?.origin.clone()))),
        );
        origins
    }

    /// Locks the remotes that are open, by name or URI.
    fn open_remotes(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<OpenRemote>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a remote several times, with the layers of this program.
#[derive(Clone, Debug)]
pub(crate) struct RemoteOpener {
    source: RemoteSource,
    scheme: String,
    /// `None`: the process's own.
    transport: Option<HttpTransporter>,
    policy: Policy,
    requests: RequestStats,
}

impl RemoteOpener {
    /// Returns the scheme of the service.
    pub(crate) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Opens the remote with these options in addition to its own, or instead of them. Sends no
    /// request.
    ///
    /// # Errors
    /// `ConfigInvalid` if the service rejects an option.
    pub(crate) fn open(&self, options: &[(&str, &str)]) -> opendal::Result<Operator> {
        let with_option =
            |source: RemoteSource, (key, value): &(&str, &str)| source.option(*key, *value);
        let operator = options.iter().fold(self.source.clone(), with_option).open()?.operator;
        let operator = match &self.transport {
            Some(transport) => {
                let context = OperationContext::new().with_http_transport(transport.clone());
                operator.with_context(context)
            }
            None => operator,
        };
        let operator = operator.layer(self.requests.layer());
        Ok(match is_local(&self.scheme) {
            true => operator,
            false => operator.layer(RetryLayer::new(self.policy.clone())),
        })
    }
}

/// Everything that is needed to open a remote. The fields are those of [`OpenRemote`].
struct RemoteSpec {
    source: RemoteSource,
    identity: String,
    server: Option<String>,
    /// `None`: the process's own.
    transport: Option<HttpTransporter>,
}

impl RemoteSpec {
    /// Returns the values of a remote that is not embedded.
    ///
    /// # Errors
    /// `Usage` if the URI cannot be parsed.
    fn new(source: RemoteSource) -> Result<Self> {
        let identity = source.get_option("endpoint")?.unwrap_or_default();
        Ok(Self { source, identity, server: None, transport: None })
    }
}

/// Sets [`BULK_INDEX_TTL`] for a cloud drive, unless the user configured `index_ttl`.
///
/// # Errors
/// `Usage` if the URI cannot be parsed.
fn with_bulk_index_ttl(source: RemoteSource) -> Result<RemoteSource> {
    match is_drive(&source.scheme()?) {
        true => Ok(source.with_default_option("index_ttl", BULK_INDEX_TTL)?),
        false => Ok(source),
    }
}

/// Sets the mapping of names for a cloud drive: the rules of `--encoding`, otherwise those that the
/// user configured, otherwise the encoding that fits the cloud.
///
/// # Errors
/// `Usage` if the URI cannot be parsed.
fn with_encoding(source: RemoteSource, rules: Option<&str>) -> Result<RemoteSource> {
    if !is_drive(&source.scheme()?) {
        return Ok(source);
    }
    Ok(match rules {
        Some(rules) => source.option("encoding", rules),
        None => source.with_default_option("encoding", "default")?,
    })
}

/// Returns whether a service works without a network. Its errors are not retried: OpenDAL marks
/// every error of a local disk as temporary.
fn is_local(scheme: &str) -> bool {
    matches!(scheme, "fs" | "memory")
}

/// Opens a remote. Sends no request.
///
/// # Errors
/// `Unsupported` if this program has no service of the scheme; `Usage` if the URI cannot be parsed
/// or the service rejects an option.
fn open_source(source: &RemoteSource) -> Result<Remote> {
    let scheme = source.scheme()?;
    source.open().map_err(|error| {
        let known = OperatorRegistry::get().schemes();
        if known.contains(scheme.as_str()) {
            let failure = Failure::from(error);
            return match is_drive(&scheme) && !has_credentials(source) {
                true => failure.for_missing_sign_in(),
                false => failure,
            };
        }
        let mut known: Vec<_> = known.into_iter().collect();
        known.sort();
        Failure::new(Exit::Unsupported, format!("unknown service `{scheme}`"))
            .hint(format!("available: {}", known.join(", ")))
    })
}

/// The options that have, or lead to, the tokens or the credentials of a drive.
const CREDENTIAL_OPTIONS: [&str; 6] =
    ["access_token", "client_certificate", "client_secret", "lcrc", "refresh_token", "token_file"];

/// Returns whether an option of a drive has its tokens or credentials.
fn has_credentials(source: &RemoteSource) -> bool {
    let is_set = |key: &&str| source.get_option(key).is_ok_and(|value| value.is_some());
    CREDENTIAL_OPTIONS.iter().any(is_set)
}
