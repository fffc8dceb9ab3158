//! State that every command shares: remotes, output and signals.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use drivedal::{
    adapter::DriveHandle,
    drive::ItemId,
    layers::{Policy, RetryLayer},
    remote::{Remote, RemoteSource, Remotes, is_drive},
};
use opendal::{ErrorKind, HttpTransporter, Metadata, OperationContext, Operator};
use tokio::sync::OnceCell;

use crate::{
    args::GlobalOptions,
    config,
    embedded::{self, Embedded},
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    location::{Addressing, DrivePath, Location, RemoteAddress},
    output::Output,
    requests::RequestStats,
    transfer::{journal::Journal, local::blocking},
    waiting::WaitNotifier,
};

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
    remotes: Remotes,
    embedded: OnceCell<Embedded>,
    journal: OnceCell<Option<Journal>>,
    opened: Mutex<BTreeMap<String, Arc<OpenRemote>>>,
}

impl App {
    pub(super) fn new(
        global: GlobalOptions,
        output: Arc<Output>,
        interrupt: Interrupt,
    ) -> Result<Self> {
        let remotes = config::remotes(global.config.as_deref(), &global.remotes)?;
        Ok(Self {
            output,
            interrupt,
            requests: RequestStats::new(global.har.as_deref())?,
            data: global.data,
            retries: global.retries,
            remotes,
            embedded: OnceCell::new(),
            journal: OnceCell::new(),
            opened: Mutex::default(),
        })
    }

    /// Stops the embedded server, if this command started one.
    ///
    /// # Errors
    /// Returns an error if the data folder cannot be locked.
    pub(super) async fn close(self) -> Result {
        let Some(embedded) = self.embedded.into_inner() else { return Ok(()) };
        // The server waits for open connections, and operators keep idle ones.
        self.opened.into_inner().unwrap_or_else(PoisonError::into_inner).clear();
        embedded.close(&self.output, &self.interrupt).await
    }

    /// Returns the path of the item that an argument names. Opens the remote if it is not open yet.
    /// `named` says whether the argument contains a path or an id.
    ///
    /// # Errors
    /// Returns an error if the remote cannot be opened, if the path is invalid, and `NotFound` if
    /// no item has the id.
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
        Ok(RemotePath { path: address.into_path(of_id), remote })
    }

    /// Opens the remote of an argument, or returns the one that is open already.
    ///
    /// # Errors
    /// Returns `Usage` if the remote is unknown or its options are invalid.
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
    /// the next argument follows.
    ///
    /// # Errors
    /// Returns the failure of a single argument. With several arguments, returns an error only if
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

    async fn open(&self, at: &Location, workload: Workload) -> Result<Arc<OpenRemote>> {
        if let Some(opened) = self.open_remotes().get(&at.remote) {
            return Ok(Arc::clone(opened));
        }
        let RemoteSpec { source, identity, server, transport } = self.source(&at.remote).await?;
        let source = match workload {
            Workload::Interactive => source,
            Workload::Bulk => with_bulk_index_ttl(source)?,
        };
        let Remote { operator, handle, .. } = source.open()?;
        let operator = match transport {
            Some(transport) => {
                let context = OperationContext::new().with_http_transport(transport);
                operator.with_context(context)
            }
            None => operator,
        };
        let scheme = operator.info().scheme().to_owned();
        // The statistics layer is inside of the retry layer, so that it counts every attempt.
        let operator = operator.layer(self.requests.layer());
        let policy = self.policy(&scheme);
        let waiting = WaitNotifier::new(at.remote_name(), &self.output);
        let operator = match is_local(&scheme) {
            true => operator,
            false => operator.layer(RetryLayer::new(policy.clone()).with_observer(waiting.clone())),
        };
        let name = at.remote_name().to_owned();
        let root_id = OnceCell::new();
        let opened = Arc::new(OpenRemote {
            name,
            scheme,
            operator,
            handle,
            policy,
            waiting,
            identity,
            server,
            root_id,
        });
        self.open_remotes().insert(at.remote.clone(), Arc::clone(&opened));
        Ok(opened)
    }

    fn policy(&self, scheme: &str) -> Policy {
        let policy = Policy::for_service(scheme);
        let max_attempts =
            self.retries.map_or(policy.max_attempts, |times| times.saturating_add(1));
        Policy { max_attempts, retry_first_contact: false, ..policy }
    }

    /// Returns the options of a remote.
    ///
    /// # Errors
    /// Returns `Usage` if the remote is unknown.
    pub(crate) async fn options(&self, name: &str) -> Result<RemoteSource> {
        Ok(self.source(name).await?.source)
    }

    /// Returns the options of a remote. A configured remote overrides an embedded one of the same
    /// name.
    async fn source(&self, name: &str) -> Result<RemoteSpec> {
        let configured = self.remotes.names().any(|known| known == name);
        match embedded::source(name).filter(|_| !configured) {
            None => {
                let source = self.configured(name)?;
                let identity = source.get_option("endpoint")?.unwrap_or_default();
                Ok(RemoteSpec { source, identity, server: None, transport: None })
            }
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
    fn configured(&self, name: &str) -> Result<RemoteSource> {
        let is_known = name.contains("://") || self.remotes.names().any(|known| known == name);
        if is_known {
            return Ok(self.remotes.config(name)?);
        }
        let names: Vec<_> = self.remotes.names().collect();
        let hint = match names.as_slice() {
            [] => "none is configured; use --remote NAME=URI or the configuration file".to_owned(),
            names => format!("configured remotes: {}", names.join(", ")),
        };
        Err(Failure::usage("unknown remote").hint(hint))
    }

    fn open_remotes(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<OpenRemote>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Sets [`BULK_INDEX_TTL`] for a cloud drive, unless the user configured `index_ttl`.
fn with_bulk_index_ttl(source: RemoteSource) -> Result<RemoteSource> {
    match is_drive(&source.scheme()?) {
        true => Ok(source.with_default_option("index_ttl", BULK_INDEX_TTL)?),
        false => Ok(source),
    }
}

/// Returns whether a service works without a network. Its errors are not retried: OpenDAL marks
/// every error of a local disk as temporary.
fn is_local(scheme: &str) -> bool {
    matches!(scheme, "fs" | "memory")
}

/// An open remote.
#[derive(Debug)]
pub(crate) struct OpenRemote {
    name: String,
    scheme: String,
    pub(crate) operator: Operator,
    pub(crate) handle: Option<DriveHandle>,
    /// The retry policy of its service, with `--retries`.
    pub(crate) policy: Policy,
    /// Prints a message when a request waits for long.
    pub(crate) waiting: WaitNotifier,
    /// Together with scheme and account, identifies the remote's items across runs: the configured
    /// endpoint, or the data folder of an embedded drive.
    pub(crate) identity: String,
    /// The base URL of an embedded drive's server, which differs from run to run. `None` for other
    /// remotes.
    pub(crate) server: Option<String>,
    root_id: OnceCell<String>,
}

impl OpenRemote {
    /// Returns `REMOTE:PATH`, for messages.
    pub(crate) fn display_path(&self, path: &DrivePath) -> String {
        format!("{}:{path}", self.name)
    }

    /// Returns the scheme of the service, such as `skydrive`.
    pub(crate) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns the name for messages: the configured name, or the scheme of a URI.
    pub(crate) fn display_name(&self) -> &str {
        &self.name
    }

    /// Announces that a failed operation is retried after `wait`, if the user has waited for long.
    /// `elapsed` is the time since the first attempt.
    pub(crate) fn announce_wait(&self, error: &opendal::Error, elapsed: Duration, wait: Duration) {
        let reason = format!("{} error", error.kind());
        self.waiting.announce(&self.scheme, &reason, elapsed, Instant::now() + wait);
    }

    /// Returns whether its writers understand [`drivedal::announce`]. Other services would store
    /// the announcement as user metadata.
    pub(crate) fn supports_announce(&self) -> bool {
        self.handle.is_some()
    }

    /// Returns the handle of a cloud drive. `feature` is the object of "only cloud drives have",
    /// for the message.
    ///
    /// # Errors
    /// Returns `Unsupported` if the service is not a cloud drive.
    pub(crate) fn drive(&self, feature: &str) -> Result<&DriveHandle> {
        self.handle.as_ref().ok_or_else(|| {
            let hint = format!("only onedrive, skydrive and amazon-drive remotes have {feature}");
            Failure::wrong_service(&self.scheme).hint(hint)
        })
    }

    /// Returns the id of the drive's root. The first call sends a request.
    ///
    /// # Errors
    /// Returns the errors of the request, and `Unsupported` if the service is not a cloud drive.
    pub(crate) async fn root_id(&self) -> Result<&str> {
        let ask = || async {
            let id = self.drive("ids")?.root_id(&self.operator).await?;
            Ok(id.as_str().to_owned())
        };
        self.root_id.get_or_try_init(ask).await.map(String::as_str)
    }

    async fn path_of(&self, id: &str) -> Result<DrivePath> {
        let path = self.drive("ids")?.path_of(&self.operator, &ItemId::from(id)).await?;
        DrivePath::parse(&path)
    }
}

/// A remote and a path in it. The item need not exist.
#[derive(Clone, Debug)]
pub(crate) struct RemotePath {
    pub(crate) remote: Arc<OpenRemote>,
    pub(crate) path: DrivePath,
}

/// Metadata of an existing item.
#[derive(Clone, Debug)]
pub(crate) enum EntryInfo {
    File(Metadata),
    Folder(Metadata),
}

impl EntryInfo {
    pub(crate) fn metadata(&self) -> &Metadata {
        match self {
            Self::File(metadata) | Self::Folder(metadata) => metadata,
        }
    }
}

impl RemotePath {
    pub(crate) fn operator(&self) -> &Operator {
        &self.remote.operator
    }

    /// Returns the path of a child of this folder.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self { remote: Arc::clone(&self.remote), path: self.path.join(name) }
    }

    /// Returns the path in the form that OpenDAL expects for files.
    ///
    /// # Errors
    /// Returns `Usage` for the root, and for a name that OpenDAL would trim.
    pub(crate) fn file_path(&self) -> Result<String> {
        self.path.to_file_arg().map_err(|failure| failure.about(self))
    }

    /// Returns the metadata of the item.
    ///
    /// # Errors
    /// Returns `NotFound` if the item does not exist, and the errors of the service.
    pub(crate) async fn stat(&self) -> Result<EntryInfo> {
        let folder = self.path.to_folder_arg();
        let found = if self.path.is_folder_path() {
            self.operator().stat(&folder).await
        } else {
            match self.operator().stat(&self.file_path()?).await {
                // In an object store a folder exists only through its contents. The response of a
                // drive covers files and folders.
                Err(error)
                    if error.kind() == ErrorKind::NotFound && self.remote.handle.is_none() =>
                {
                    self.operator().stat(&folder).await
                }
                found => found,
            }
        };
        match found {
            Ok(metadata) if metadata.is_dir() => Ok(EntryInfo::Folder(metadata)),
            Ok(metadata) => Ok(EntryInfo::File(metadata)),
            Err(error) => Err(Failure::from(error).about(self)),
        }
    }

    /// Returns where an item of that name belongs if this path is the target of a command: below
    /// this path if it ends with a slash or is the root, otherwise at this path.
    pub(crate) fn target_for(&self, name: Option<&str>) -> Self {
        match name {
            Some(name) if self.path.is_folder_path() => self.join(name),
            // The root of a remote has no name, so its contents belong directly into the target.
            _ => self.clone(),
        }
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.remote.display_path(&self.path))
    }
}
