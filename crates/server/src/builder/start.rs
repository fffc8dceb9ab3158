//! Starts a server: opens the storage, seeds the default drive, and listens.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use super::{Builder, Listen, Storage};
use crate::{
    accept::{self, ConnectionSettings},
    access::{self, StaticTokens},
    account::{AccountSettings, Accounts},
    account_kind::AccountKind,
    account_scope::AccountScopes,
    bin_policy::BinPolicy,
    budget::Budgets,
    control::{self, Control},
    cross_site::{self, Allowed},
    error::ServerError,
    faults::FaultEngine,
    in_process::InProcess,
    instance_file::{self, Instance, InstanceFile, RunningServer},
    item_activity::ItemActivities,
    limits::{Limits, Load},
    listener::{self, Listener, SOCKET_URL, SocketFile},
    media::Thumbnails,
    pipeline::Pipeline,
    request_log::RequestLog,
    router,
    secret::Secret,
    seed,
    server::Server,
    sign_in::{entra::DeviceCodes, signing_key::SigningKey},
    signed_token::{TokenSigner, UsedTokens, random_name},
    state::{ServerState, Settings},
    tls::Authority,
    tree::{OpenError, Tree, TreeOptions},
};

/// The file in the data folder with the key that signs tokens and download URLs.
const KEY: &str = "key";

/// Interval between two searches for items whose time in the recycle bin is over.
const BIN_CHECK_INTERVAL: Duration = Duration::from_secs(3600);

/// The listener of a server, and its address.
struct Listening {
    /// `None` for a server that accepts no connections.
    listener: Option<Listener>,
    /// `None` for a server without a port.
    address: Option<SocketAddr>,
    url: Url,
    /// The Unix socket of a server without a port.
    socket: Option<SocketFile>,
}

impl Builder {
    /// Starts the server. It accepts connections when this returns.
    ///
    /// # Errors
    /// * [`ServerError::NotLoopback`], [`ServerError::Budget`], [`ServerError::Directory`],
    ///   [`ServerError::Host`] and [`ServerError::Origin`] for an option that cannot be used.
    /// * [`ServerError::Listen`] and [`ServerError::Socket`] if the server cannot listen.
    /// * [`ServerError::Locked`] if another process uses the data folder; [`ServerError::Open`],
    ///   [`ServerError::DataFolder`] and [`ServerError::Tree`] if it cannot be used.
    /// * [`ServerError::Seed`] if the seed folder cannot be read or its files cannot be stored;
    ///   [`ServerError::SeedFile`] if the objects of a seed file cannot be created.
    /// * [`ServerError::Certificates`] if the certificates for the clouds' hosts cannot be created.
    pub async fn start(self) -> Result<Server, ServerError> {
        if let Some(budget) = &self.budget {
            budget.check().map_err(ServerError::Budget)?;
        }
        let allowed = self.allowed()?;
        // Before seeding, which can take long: an address in use is reported at once.
        let bound = self.bind().await?;
        let scopes = Arc::new(AccountScopes::new(self.id_seed));
        let (tree, signer) = self.open_storage(Arc::clone(&scopes)).await?;
        // The path of a socket belongs to this server once it holds the lock of the data folder.
        let Listening { listener, address, url, socket } = match bound {
            Some(listening) => listening,
            None => self.listen_without_port()?,
        };
        let own_token = self.own_token()?;
        let limits = self.limits.clone().unwrap_or_else(Limits::from_system);
        let authority = self.authority().map_err(ServerError::Certificates)?;
        let pem = authority.as_ref().map(|authority| authority.pem().to_owned());
        let mut state = self.state(tree.clone(), signer, scopes, &limits, own_token);
        state.settings.allowed = allowed;
        state.authority.clone_from(&pem);
        let state = Arc::new(state);
        if let Some(directory) = self.directory.clone() {
            state.accounts.set_directory(Some(directory)).map_err(ServerError::Directory)?;
        }
        let seeded = seed::seed(&state).await?;
        let tls = authority.map(Authority::acceptor).transpose();
        let tls = tls.map_err(ServerError::Certificates)?;
        let instance_file = match &self.storage {
            Storage::Memory => None,
            Storage::Folder(folder) => {
                let socket = socket.as_ref().map(|socket| socket.path().to_owned());
                let running = RunningServer { url: url.clone(), socket };
                let file = InstanceFile::new(folder, running, &state.instance);
                Some(file.map_err(in_folder(folder))?)
            }
        };
        let control = Control { state: Arc::clone(&state) };
        let serving = ConnectionSettings {
            pipeline: Pipeline { state, control: control::router(control.clone()) },
            limits: Arc::new(limits),
            tls,
            stop: CancellationToken::new(),
            end: CancellationToken::new(),
        };
        let service = InProcess {
            pipeline: serving.pipeline.clone(),
            stop: serving.stop.clone(),
            end: serving.end.clone(),
            requests: TaskTracker::new(),
        };
        let accepting = listener.map(|listener| tokio::spawn(accept::accept(listener, serving)));
        Ok(Server {
            url,
            address,
            control,
            tree,
            service,
            accepting,
            socket,
            authority: pem,
            instance_file,
            seeded,
        })
    }

    /// Listens on the server's port. Returns `None` for a server without a port.
    ///
    /// # Errors
    /// `ServerError::NotLoopback` if other machines can reach the address and this is not allowed,
    /// and `ServerError::Listen` if the system refuses, for example because the port is in use.
    async fn bind(&self) -> Result<Option<Listening>, ServerError> {
        let Listen::Address(address) = self.listen else { return Ok(None) };
        if !self.insecure && !address.ip().is_loopback() {
            return Err(ServerError::NotLoopback(address));
        }
        let cannot_listen = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        Ok(Some(Listening {
            listener: Some(Listener::Tcp(listener)),
            address: Some(address),
            url: url_of(address),
            socket: None,
        }))
    }

    /// Listens on the server's Unix socket, if it has one.
    ///
    /// # Errors
    /// `ServerError::Socket` if the socket cannot be created.
    fn listen_without_port(&self) -> Result<Listening, ServerError> {
        let (listener, socket) = match &self.listen {
            Listen::Socket(path) => {
                let cannot_listen = |source| ServerError::Socket { path: path.clone(), source };
                let (listener, file) = listener::listen_on_socket(path).map_err(cannot_listen)?;
                (Some(listener), Some(file))
            }
            Listen::Address(_) | Listen::InProcess => (None, None),
        };
        let url = Url::parse(SOCKET_URL).expect("a constant URL");
        Ok(Listening { listener, address: None, url, socket })
    }

    /// Creates the data that all requests share. `own` is the server's own access token, if it has
    /// one.
    fn state(
        &self,
        tree: Arc<Tree>,
        signer: TokenSigner,
        scopes: Arc<AccountScopes>,
        limits: &Limits,
        own: Option<Secret>,
    ) -> ServerState {
        let control_token = match (&self.control_token, self.private, self.insecure) {
            (Some(token), ..) => Some(token.clone()),
            (None, true, _) => own.clone(),
            (None, false, true) => Some(random_name().into()),
            (None, false, false) => None,
        };
        let accounts = AccountSettings {
            quota: self.quota,
            kind: self.kind,
            token_life: self.token_life,
            tokens: StaticTokens { public: !self.private, own },
        };
        ServerState {
            settings: Settings {
                latency: self.latency,
                download_url_life: self.download_url_life,
                session_life: self.session_life,
                allow_purge: self.allow_purge,
                max_versions: self.max_versions,
                behavior: self.behavior.clone(),
                allowed: Allowed::default(),
                fetches_from_any_host: self.fetches_from_any_host,
            },
            accounts: Accounts::new(
                Arc::clone(&tree),
                signer.clone(),
                Arc::clone(&scopes),
                accounts,
                self.sign_in,
            ),
            scopes,
            bin_policy: self.bin_policy(),
            tree,
            signer,
            signing_key: match &self.storage {
                Storage::Folder(folder) => SigningKey::in_folder(folder),
                Storage::Memory => SigningKey::in_memory(),
            },
            device_codes: DeviceCodes::default(),
            used_codes: UsedTokens::default(),
            used_assertions: UsedTokens::default(),
            log: Arc::<RequestLog>::default(),
            faults: FaultEngine::new(self.fault_seed, router::operations()),
            budgets: Budgets::new(self.budget),
            load: Load::new(limits),
            thumbnails: Thumbnails::default(),
            item_activities: ItemActivities::new(),
            seed_folder: self.seed.clone(),
            seed_files: self.seed_files.clone(),
            control_token,
            authority: None,
            instance: Instance::default(),
        }
    }

    /// Returns the server's own access token; `None` for a server in memory that is not private.
    ///
    /// # Errors
    /// `ServerError::DataFolder` if the token's file cannot be read or written, contains no token,
    /// or can be read by other users.
    fn own_token(&self) -> Result<Option<Secret>, ServerError> {
        match &self.storage {
            Storage::Folder(folder) => {
                let file = folder.join(access::FILE);
                access::load_or_create(folder).map(Some).map_err(in_folder(&file))
            }
            Storage::Memory => Ok(self.private.then(|| random_name().into())),
        }
    }

    /// Returns the hosts and origins that are accepted besides the server's own.
    ///
    /// # Errors
    /// `ServerError::Host` for the first text that is no host name or address, and
    /// `ServerError::Origin` for the first that is no origin.
    fn allowed(&self) -> Result<Allowed, ServerError> {
        let mut hosts = self.hosts.clone();
        let malformed = |host: &&String| host.is_empty() || host.contains(['/', '@', '*']);
        if let Some(host) = hosts.iter().find(malformed) {
            return Err(ServerError::Host(host.clone()));
        }
        for host in &mut hosts {
            *host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        }
        if let Listen::Address(address) = self.listen
            && self.insecure
            && !address.ip().is_unspecified()
        {
            hosts.push(address.ip().to_string());
        }
        let parse = |text: &String| {
            cross_site::parse_origin(text).ok_or_else(|| ServerError::Origin(text.clone()))
        };
        let origins = self.origins.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Allowed { stand_in: self.stand_in, hosts, origins })
    }

    /// Returns the certificate authority for the clouds' hosts; `None` unless the server stands in
    /// for them.
    ///
    /// # Errors
    /// `Other` if no key can be generated or a file contains none; the operating system's error if
    /// a file cannot be read or written.
    fn authority(&self) -> io::Result<Option<Authority>> {
        match (self.stand_in, &self.storage) {
            (false, _) => Ok(None),
            (true, Storage::Memory) => Authority::new().map(Some),
            (true, Storage::Folder(folder)) => Authority::load_or_create(folder).map(Some),
        }
    }

    /// Returns the options of the tree.
    pub(super) fn tree_options(&self) -> TreeOptions {
        let options = match &self.storage {
            Storage::Memory => TreeOptions::ephemeral(),
            Storage::Folder(folder) => TreeOptions::folder(folder),
        };
        let options = options.durability(self.durability);
        let options = options.database(self.database.clone()).blobs(self.blobs.clone());
        let options = options.folding(self.kind.folding(), AccountKind::folding_of_account);
        options.keep_deleted(self.keep_deleted && self.bin_age != Some(Duration::ZERO))
    }

    /// Opens the tree.
    ///
    /// # Errors
    /// `ServerError::Locked` if another process uses the data folder, else `ServerError::Open`.
    pub(super) async fn open_tree(&self, options: TreeOptions) -> Result<Tree, ServerError> {
        Self::opened(Tree::open(options).await).await
    }

    /// Converts the result of opening the tree. For a folder in use, finds the URL of its server.
    ///
    /// # Errors
    /// `ServerError::Locked` if another process uses the folder, else `ServerError::Open`.
    pub(super) async fn opened(result: Result<Tree, OpenError>) -> Result<Tree, ServerError> {
        match result {
            Ok(tree) => Ok(tree),
            Err(OpenError::InUse { folder, owner }) => {
                let running = instance_file::running_at(&folder).await;
                Err(ServerError::Locked { path: folder, owner, running: running.map(Box::new) })
            }
            Err(error) => Err(ServerError::Open(error)),
        }
    }

    /// Returns the limits of the recycle bins.
    fn bin_policy(&self) -> BinPolicy {
        BinPolicy { age: self.bin_age, max_size: self.bin_size, kind: self.kind }
    }

    /// Opens the tree and loads the key that signs tokens and download URLs.
    ///
    /// # Errors
    /// `ServerError::Locked` and `ServerError::Open` for the tree, and `ServerError::DataFolder` if
    /// the key's file cannot be read or written or has no key.
    async fn open_storage(
        &self,
        scopes: Arc<AccountScopes>,
    ) -> Result<(Arc<Tree>, TokenSigner), ServerError> {
        let tree = self.open_tree(self.tree_options()).await?;
        let policy = self.bin_policy();
        let limits = move |account: &str| policy.limits(account, scopes.now(account));
        tree.limit_bins(BIN_CHECK_INTERVAL, limits);
        let signer = match &self.storage {
            Storage::Memory => match self.id_seed {
                Some(seed) => TokenSigner::seeded(seed),
                None => TokenSigner::random(),
            },
            Storage::Folder(folder) => {
                let key = folder.join(KEY);
                TokenSigner::load_or_create(&key).map_err(in_folder(&key))?
            }
        };
        Ok((Arc::new(tree), signer))
    }
}

/// Returns the URL of a listening address. An unspecified address, such as 0.0.0.0, is replaced by
/// the loopback address of its family.
fn url_of(address: SocketAddr) -> Url {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(ip, address.port());
    Url::parse(&format!("http://{address}/")).expect("an address and a port form a URL")
}

/// Returns a function that adds a path to an I/O error.
fn in_folder(path: &Path) -> impl FnOnce(io::Error) -> ServerError {
    let path = path.to_owned();
    move |source| ServerError::DataFolder { path, source }
}
