//! What every command works with: remotes, output, the user's signals.

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
    location::{Address, Addressing, DrivePath, Location},
    output::Output,
    requests::RequestStats,
    transfer::{journal::Journal, local::blocking},
    waiting::WaitNotifier,
};

/// How long what a drive said of its tree is trusted by a command that works on much of it, and is
/// taken to be the only one that does.
const BULK_INDEX_TTL: &str = "10m";

/// What a remote is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// A few items.
    Interactive,
    /// Many items, in one go.
    Bulk,
}

/// What a command works with.
pub(crate) struct App {
    pub(crate) output: Arc<Output>,
    pub(crate) interrupt: Interrupt,
    /// RequestStats of all remotes.
    pub(crate) requests: RequestStats,
    /// Where the drive server keeps its data, if the user said so.
    pub(crate) data: Option<PathBuf>,
    /// How often a request is tried again, if the user said so.
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

    /// Ends what was started for this command.
    ///
    /// # Errors
    /// When the data folder of the embedded drives is gone.
    pub(super) async fn close(self) -> Result {
        let Some(embedded) = self.embedded.into_inner() else { return Ok(()) };
        // Connections that are kept for more requests would be waited for.
        self.opened.into_inner().unwrap_or_else(PoisonError::into_inner).clear();
        embedded.close(&self.output, &self.interrupt).await
    }

    /// The item that a location names; the remote is opened if it is not yet.
    ///
    /// # Errors
    /// When there is no such remote, or no item of that id.
    pub(crate) async fn resolve(
        &self,
        at: &Location,
        named: Addressing,
        workload: Workload,
    ) -> Result<RemotePath> {
        let remote = self.remote(at, workload).await?;
        let address =
            Address::parse(&at.text, named, &remote.scheme).map_err(|failure| failure.about(at))?;
        let of_id = match &address {
            Address::Path(_) => None,
            Address::Id(id, _) => {
                Some(remote.path_of(id).await.map_err(|failure| failure.about(at))?)
            }
        };
        Ok(RemotePath { path: address.into_path(of_id), remote })
    }

    /// The remote that a location names.
    ///
    /// # Errors
    /// When there is none, or its options are wrong.
    pub(crate) async fn remote(
        &self,
        at: &Location,
        workload: Workload,
    ) -> Result<Arc<OpenRemote>> {
        let opened = self.open(at, workload).await;
        opened.map_err(|failure| failure.doing("open").about(at))
    }

    /// What is remembered of large transfers.
    pub(crate) async fn journal(&self) -> Option<Journal> {
        let open = || async { blocking(|| Ok(Journal::open())).await.unwrap_or_default() };
        self.journal.get_or_init(open).await.clone()
    }

    /// Does the same for each of several arguments, in order. One that fails is reported and the
    /// rest goes on.
    ///
    /// # Errors
    /// When there is one argument: its own failure. Else when results cannot be written.
    pub(crate) async fn each<T>(
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
        // Inside of the retry, so that every try is seen.
        let operator = operator.layer(self.requests.layer());
        let policy = self.policy(&scheme);
        let waiting = WaitNotifier::new(at.remote_name(), &self.output);
        let operator = match is_local(&scheme) {
            true => operator,
            false => operator.layer(RetryLayer::new(policy.clone()).observed_by(waiting.clone())),
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
        let policy = Policy::of_service(scheme);
        let attempts = self.retries.map_or(policy.attempts, |times| times.saturating_add(1));
        Policy { attempts, retry_first_contact: false, ..policy }
    }

    /// A remote's options.
    ///
    /// # Errors
    /// When there is no such remote.
    pub(crate) async fn options(&self, name: &str) -> Result<RemoteSource> {
        Ok(self.source(name).await?.source)
    }

    /// Where a remote is. One that the user configured comes before an embedded one of its name.
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

/// A remote that is to be opened; the rest as [`OpenRemote`] has it.
struct RemoteSpec {
    source: RemoteSource,
    identity: String,
    server: Option<String>,
    /// `None`: the process's own.
    transport: Option<HttpTransporter>,
}

/// Has a drive of ours trust what it knows for the whole command, unless the user says otherwise.
fn with_bulk_index_ttl(source: RemoteSource) -> Result<RemoteSource> {
    match is_drive(&source.scheme()?) {
        true => Ok(source.with_default_option("index_ttl", BULK_INDEX_TTL)?),
        false => Ok(source),
    }
}

/// Whether a service has no network between it and its bytes. OpenDAL calls every trouble with a
/// local disk temporary, and trying again would only be slow.
fn is_local(scheme: &str) -> bool {
    matches!(scheme, "fs" | "memory")
}

/// A remote in use.
#[derive(Debug)]
pub(crate) struct OpenRemote {
    name: String,
    scheme: String,
    pub(crate) operator: Operator,
    pub(crate) handle: Option<DriveHandle>,
    /// How often, and after which waits, something is tried again.
    pub(crate) policy: Policy,
    /// Says when the remote is waited for.
    pub(crate) waiting: WaitNotifier,
    /// What, beside scheme and account, tells its items from others: the endpoint that the user
    /// gave, or the data folder of an embedded drive.
    pub(crate) identity: String,
    /// How the URLs of an embedded drive's server begin: by another port each time it starts.
    pub(crate) server: Option<String>,
    root_id: OnceCell<String>,
}

impl OpenRemote {
    /// `REMOTE:PATH`, as messages show it.
    pub(crate) fn display_path(&self, path: &DrivePath) -> String {
        format!("{}:{path}", self.name)
    }

    /// Returns the scheme of its service, such as `skydrive`.
    pub(crate) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Its name, as messages show it.
    pub(crate) fn display_name(&self) -> &str {
        &self.name
    }

    /// Says that a failed operation is tried again after `wait`, if the user has waited for long.
    /// `elapsed`: time since it was first tried.
    pub(crate) fn announce_wait(&self, error: &opendal::Error, elapsed: Duration, wait: Duration) {
        let reason = format!("{} error", error.kind());
        self.waiting.announce(&self.scheme, &reason, elapsed, Instant::now() + wait);
    }

    /// Whether its writers understand [`drivedal::announce`]; others would store the words.
    pub(crate) fn supports_announce(&self) -> bool {
        self.handle.is_some()
    }

    /// The drive's extras.
    ///
    /// # Errors
    /// `Unsupported` for a service that is not a drive of ours.
    pub(crate) fn drive(&self, feature: &str) -> Result<&DriveHandle> {
        self.handle.as_ref().ok_or_else(|| {
            let hint = format!("only onedrive, skydrive and amazon-drive remotes have {feature}");
            Failure::wrong_service(&self.scheme).hint(hint)
        })
    }

    /// What the cloud calls the root of its drive: asked once.
    ///
    /// # Errors
    /// Those of the request.
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

/// An item's place: a remote and a path in it. Nobody has looked whether it is there.
#[derive(Clone, Debug)]
pub(crate) struct RemotePath {
    pub(crate) remote: Arc<OpenRemote>,
    pub(crate) path: DrivePath,
}

/// An item that was looked at.
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

    /// The item of that name in this folder.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self { remote: Arc::clone(&self.remote), path: self.path.join(name) }
    }

    /// As OpenDAL takes the path of a file.
    ///
    /// # Errors
    /// For the root, and for a name that OpenDAL would shorten.
    pub(crate) fn file_path(&self) -> Result<String> {
        self.path.to_file_arg().map_err(|failure| failure.about(self))
    }

    /// Looks at the item, file or folder.
    ///
    /// # Errors
    /// `NotFound`, or whatever the service says.
    pub(crate) async fn stat(&self) -> Result<EntryInfo> {
        let folder = self.path.to_folder_arg();
        let found = if self.path.is_folder_path() {
            self.operator().stat(&folder).await
        } else {
            match self.operator().stat(&self.file_path()?).await {
                // An object store has folders only by what is below them; a drive has told of both.
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

    /// Where something of that name goes if this is its target: below it if it was written with a
    /// slash (or is the root), else right here.
    pub(crate) fn target_for(&self, name: Option<&str>) -> Self {
        match name {
            Some(name) if self.path.is_folder_path() => self.join(name),
            // A root has no name: it goes in itself.
            _ => self.clone(),
        }
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.remote.display_path(&self.path))
    }
}
