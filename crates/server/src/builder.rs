//! How a server is started.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use opendal::Operator;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use super::{
    Server, ServerError,
    accept::{self, Serving},
    access::{self, StaticTokens},
    account::{AccountSettings, Accounts},
    account_kind::AccountKind,
    budget::{Budget, Budgets},
    control::{self, Control},
    cross_site::{self, Allowed},
    disk::Durability,
    faults::FaultEngine,
    in_process::InProcess,
    instance_file::{self, Instance, InstanceFile, RunningServer},
    limits::{Limits, Load},
    listener::{self, Listener, SOCKET_URL, SocketFile},
    media::Thumbnails,
    pipeline::Pipeline,
    request_log::RequestLog,
    router, seed,
    signed_token::{TokenSigner, UsedTokens, random_name},
    state::{ServerState, Settings},
    tls::Authority,
    tree::{BinLimits, CheckReport, OpenError, Tree, TreeOptions},
};
use crate::Secret;

/// How long an access token lives (live-connect#token-lifetime).
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// How long a ticket lives. Inferred for SkyDrive, whose reference says "not persistent"; OneDrive
/// names an hour.
const TICKET_LIFE: Duration = Duration::from_secs(3600);

/// The key that tokens and tickets are signed with, in the data folder.
const KEY: &str = "key";

/// How long an upload session lives after its last fragment. The reference says no number.
const SESSION_LIFE: Duration = Duration::from_secs(24 * 3600);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long deleted items stay in the recycle bin of a personal OneDrive:
/// <https://support.microsoft.com/office/949ada80-0026-4db3-a953-c99083e6a84f>.
const BIN_AGE_PERSONAL: Duration = DAY.saturating_mul(30);

/// The same for OneDrive for Business and SharePoint, both stages together:
/// <https://learn.microsoft.com/sharepoint/retention-and-deletion>.
const BIN_AGE_BUSINESS: Duration = DAY.saturating_mul(93);

/// How often items are looked for that have been in the recycle bin for too long.
const BIN_LOOK: Duration = Duration::from_secs(3600);

/// The longest that anything lives, so that every expiry is a time: a hundred years.
const LONGEST_LIFE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A server to be.
#[derive(Clone, Debug)]
#[must_use = "a server does not run until it is started"]
pub struct Builder {
    storage: Storage,
    database: Option<Secret>,
    blobs: Option<Operator>,
    listen: Listen,
    insecure: bool,
    quota: Option<u64>,
    latency: Duration,
    token_life: Duration,
    ticket_life: Duration,
    session_life: Duration,
    fault_seed: Option<u64>,
    kind: AccountKind,
    seed: Option<PathBuf>,
    budget: Option<Budget>,
    stand_in: bool,
    durability: Durability,
    keep_deleted: bool,
    bin_age: Option<Duration>,
    bin_size: Option<u64>,
    /// Other limits than the system's.
    limits: Option<Limits>,
    private: bool,
    hosts: Vec<String>,
    origins: Vec<String>,
}

#[derive(Clone, Debug)]
enum Storage {
    Memory,
    Folder(PathBuf),
}

/// Where a server accepts connections.
#[derive(Clone, Debug)]
enum Listen {
    Address(SocketAddr),
    Socket(PathBuf),
    /// Nowhere.
    InProcess,
}

/// A server's listener and how it is reached.
struct Listening {
    listener: Option<Listener>,
    address: Option<SocketAddr>,
    url: Url,
    socket: Option<SocketFile>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            storage: Storage::Memory,
            database: None,
            blobs: None,
            listen: Listen::Address(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            insecure: false,
            quota: None,
            latency: Duration::ZERO,
            token_life: TOKEN_LIFE,
            ticket_life: TICKET_LIFE,
            session_life: SESSION_LIFE,
            fault_seed: None,
            kind: AccountKind::default(),
            seed: None,
            budget: None,
            stand_in: false,
            durability: Durability::Full,
            keep_deleted: true,
            bin_age: None,
            bin_size: None,
            limits: None,
            private: false,
            hosts: Vec::new(),
            origins: Vec::new(),
        }
    }
}

impl Builder {
    /// Keeps everything in that folder, which is made if it is not there. One server at a time.
    pub fn data(self, folder: impl Into<PathBuf>) -> Self {
        Self { storage: Storage::Folder(folder.into()), ..self }
    }

    /// Keeps everything in memory: what it does unless told otherwise.
    pub fn ephemeral(self) -> Self {
        Self { storage: Storage::Memory, ..self }
    }

    /// Keeps the items of all drives in a PostgreSQL database, `postgres://USER@HOST/DATABASE`,
    /// instead of SQLite in the [data folder](Self::data). The feature `postgres` is needed. Without
    /// a password in the URL, `PGPASSWORD` and `~/.pgpass` are used. One server at a time may use the
    /// database: it has an advisory lock while it runs. The data folder still has the keys and the
    /// access token of the server.
    pub fn database(self, url: impl Into<Secret>) -> Self {
        Self { database: Some(url.into()), ..self }
    }

    /// Keeps the bytes of files behind an operator, such as one for S3, instead of the folder
    /// `blobs` of the [data folder](Self::data). The operator belongs to one database; its root must
    /// not have other files.
    ///
    /// An object store needs [`data`](Self::data) or [`database`](Self::database): a database in
    /// memory would forget its blobs.
    pub fn blobs(self, operator: Operator) -> Self {
        Self { blobs: Some(operator), ..self }
    }

    /// Where to listen: an address of this machine only, 127.0.0.1 or ::1. Port 0, the default,
    /// takes a free one.
    pub fn listen(self, address: SocketAddr) -> Self {
        Self { listen: Listen::Address(address), insecure: false, ..self }
    }

    /// Listens on a Unix socket instead of a port. Only this user can connect to it. A path that is
    /// too long for a socket is replaced by one in a private folder for temporary files; see
    /// [`Server::running_at`]. On other systems than Unix, [`start`](Self::start) fails.
    pub fn socket(self, path: impl Into<PathBuf>) -> Self {
        Self { listen: Listen::Socket(path.into()), insecure: false, ..self }
    }

    /// Listens nowhere: requests reach the server by [`Server::service`] alone.
    pub fn in_process(self) -> Self {
        Self { listen: Listen::InProcess, insecure: false, ..self }
    }

    /// Where to listen, also for other machines. Insecure: whoever can reach the address can read
    /// and write every drive, because the development tokens are known to all and nothing is
    /// encrypted. For containers and networks of one's own. `/_control` then wants
    /// [`Server::control_token`]. Clients that address the server by a name need
    /// [`allow_host`](Self::allow_host).
    pub fn insecure_listen(self, address: SocketAddr) -> Self {
        Self { listen: Listen::Address(address), insecure: true, ..self }
    }

    /// What every drive may hold, in bytes.
    pub fn quota(self, bytes: u64) -> Self {
        Self { quota: Some(bytes), ..self }
    }

    /// How long every request waits before anything else happens to it, as if the server were far
    /// away.
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// The default drive begins with the files of that folder; their times are kept as the
    /// client's times. Items of the same names are replaced. Entries that a drive cannot have are
    /// skipped, see [`Server::seeded`].
    pub fn seed(self, folder: impl Into<PathBuf>) -> Self {
        Self { seed: Some(folder.into()), ..self }
    }

    /// What every account may ask for in a window of time; as much as it likes unless told
    /// otherwise.
    pub fn budget(self, budget: Budget) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// How long issued access tokens live; an hour unless told otherwise, a hundred years at most.
    pub fn token_life(self, life: Duration) -> Self {
        Self { token_life: life.min(LONGEST_LIFE), ..self }
    }

    /// How long tickets live; an hour unless told otherwise, a hundred years at most.
    pub fn ticket_life(self, life: Duration) -> Self {
        Self { ticket_life: life.min(LONGEST_LIFE), ..self }
    }

    /// How long an upload session lives after its last fragment; a day unless told otherwise, a hundred
    /// years at most.
    pub fn session_life(self, life: Duration) -> Self {
        Self { session_life: life.min(LONGEST_LIFE), ..self }
    }

    /// What the dice of fault rules are thrown from, so that a run can be had again; drawn if
    /// nothing is said. See [`Fault`](super::Fault).
    pub fn fault_seed(self, seed: u64) -> Self {
        Self { fault_seed: Some(seed), ..self }
    }

    /// What kind of account Graph shows, where an account's name does not say it: personal unless
    /// told otherwise.
    pub fn kind(self, kind: AccountKind) -> Self {
        Self { kind, ..self }
    }

    /// Answers in the names of the clouds' hosts too: TLS on the same port, and a proxy to itself for
    /// clients whose hosts are fixed. See [the server](super#clients-whose-hosts-are-fixed).
    pub fn stand_in(self) -> Self {
        Self { stand_in: true, ..self }
    }

    /// When a write to the data folder counts as done; [`Durability::Full`] by default.
    pub fn durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    /// Whether deleted items are kept in the recycle bin, as by default, or removed for good at
    /// once, which frees their space. Items that are in the bin already stay.
    pub fn keep_deleted(self, keep: bool) -> Self {
        Self { keep_deleted: keep, ..self }
    }

    /// How long deleted items stay in the recycle bin. The default is that of the clouds: 30 days
    /// for a personal account, 93 for a business account or a library. With zero, deleted items
    /// are removed for good at once.
    pub fn bin_age(self, age: Duration) -> Self {
        Self { bin_age: Some(age.min(LONGEST_LIFE)), ..self }
    }

    /// How many bytes a drive's recycle bin holds: beyond, the oldest items are removed for good.
    /// Unlimited by default; when the disk is full, the oldest items of all drives make room for a
    /// new write in any case.
    pub fn bin_size(self, bytes: u64) -> Self {
        Self { bin_size: Some(bytes), ..self }
    }

    /// Reads everything in the data folder, without a server: which files cannot be served, and
    /// why.
    ///
    /// # Errors
    /// When the folder is in use, or its database is missing or damaged.
    pub async fn check(self) -> Result<CheckReport, ServerError> {
        let tree = self.open_tree(self.tree_options().tidy(false)).await?;
        let report = tree.check().await;
        tree.close().await;
        report.map_err(ServerError::Tree)
    }

    /// Checks the data folder, and takes the files out of their drives that cannot be served. Their
    /// bytes are moved to the folder `quarantine` in the data folder; nothing is deleted.
    ///
    /// Where the database is damaged, everything that can be read of it goes to a new one first. The
    /// damaged one stays beside it, as `tree.db.damaged-TIME`.
    ///
    /// # Errors
    /// When the folder is in use or cannot be written, when its database is missing, and when nothing
    /// can be read of a damaged one.
    pub async fn repair(self) -> Result<CheckReport, ServerError> {
        let tree = Tree::open_for_repair(self.tree_options()).await;
        let tree = Self::opened(tree).await?;
        let report = tree.repair().await;
        tree.close().await;
        report.map_err(ServerError::Tree)
    }

    #[cfg(test)]
    pub(super) fn limits(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Accepts the server's [own access token](Server::access_token) in place of the development
    /// tokens, which are public. `/_control`, sign-in pages and the client credentials grant then want
    /// it too. For data that other users of the machine must not reach.
    pub fn private(self) -> Self {
        Self { private: true, ..self }
    }

    /// Accepts requests to another host name or address, without a port. By default the server accepts
    /// loopback names and addresses, the address given to [`insecure_listen`](Self::insecure_listen),
    /// and the clouds' hosts if it [stands in](Self::stand_in) for them: any other name may be one
    /// that a web page's owner made to resolve to this machine.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Lets web pages of an origin, such as `http://localhost:3000`, use the protocols (not
    /// `/_control`) by CORS. By default requests that pages of other origins send are 403, as the
    /// development tokens are public.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Starts it. When this returns, it answers.
    pub async fn start(self) -> Result<Server, ServerError> {
        if let Some(reason) = self.budget.and_then(|budget| budget.check().err()) {
            return Err(ServerError::Budget(reason));
        }
        let allowed = self.allowed()?;
        // Before a long seeding, so that an address that is taken is reported at once.
        let bound = self.bind().await?;
        let (tree, signer) = self.open().await?;
        // A socket's path is this server's once it holds the lock of the data folder.
        let Listening { listener, address, url, socket } = match bound {
            Some(listening) => listening,
            None => self.listen_without_port()?,
        };
        let own = self.own_token()?;
        let limits = self.limits.clone().unwrap_or_else(Limits::from_system);
        let state = Arc::new(self.state(tree.clone(), signer, &limits, allowed, own));
        let seeded = match &state.seed_folder {
            Some(folder) => Some(seed::seed(&state, folder).await?),
            None => None,
        };
        let authority = self.authority().map_err(ServerError::Certificates)?;
        let pem = authority.as_ref().map(|authority| authority.pem().to_owned());
        let tls = authority.map(Authority::acceptor).transpose();
        let tls = tls.map_err(ServerError::Certificates)?;
        let announced = match &self.storage {
            Storage::Memory => None,
            Storage::Folder(folder) => {
                let socket = socket.as_ref().map(|socket| socket.path().to_owned());
                let running = RunningServer { url: url.clone(), socket };
                Some(
                    InstanceFile::new(folder, running, &state.instance)
                        .map_err(in_folder(folder))?,
                )
            }
        };
        let control = Control { state: Arc::clone(&state) };
        let serving = Serving {
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
            announced,
            seeded,
        })
    }

    /// Binds the server's port; `None` if it has none.
    async fn bind(&self) -> Result<Option<Listening>, ServerError> {
        let Listen::Address(address) = self.listen else { return Ok(None) };
        if !self.insecure && !address.ip().is_loopback() {
            return Err(ServerError::NotLoopback(address));
        }
        let refused = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Some(Listening {
            listener: Some(Listener::Tcp(listener)),
            address: Some(address),
            url: url_of(address),
            socket: None,
        }))
    }

    /// Opens the socket of a server without a port, if it is to have one.
    fn listen_without_port(&self) -> Result<Listening, ServerError> {
        let (listener, socket) = match &self.listen {
            Listen::Socket(path) => {
                let refused = |source| ServerError::Socket { path: path.clone(), source };
                let (listener, file) = listener::listen_on_socket(path).map_err(refused)?;
                (Some(listener), Some(file))
            }
            Listen::Address(_) | Listen::InProcess => (None, None),
        };
        let url = Url::parse(SOCKET_URL).expect("a constant URL");
        Ok(Listening { listener, address: None, url, socket })
    }

    /// Creates the data that requests share.
    fn state(
        &self,
        tree: Arc<Tree>,
        signer: TokenSigner,
        limits: &Limits,
        allowed: Allowed,
        own: Option<Secret>,
    ) -> ServerState {
        let control_token = match (self.private, self.insecure) {
            (true, _) => own.clone(),
            (false, true) => Some(random_name().into()),
            (false, false) => None,
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
                download_url_life: self.ticket_life,
                session_life: self.session_life,
                allowed,
            },
            accounts: Accounts::new(Arc::clone(&tree), signer.clone(), accounts),
            tree,
            signer,
            used_codes: UsedTokens::default(),
            log: Arc::<RequestLog>::default(),
            faults: FaultEngine::new(self.fault_seed, router::operations()),
            budgets: Budgets::new(self.budget),
            load: Load::new(limits),
            thumbnails: Thumbnails::default(),
            seed_folder: self.seed.clone(),
            control_token,
            instance: Instance::default(),
        }
    }

    /// The server's own access token.
    fn own_token(&self) -> Result<Option<Secret>, ServerError> {
        match &self.storage {
            Storage::Folder(folder) => {
                let file = folder.join(access::FILE);
                access::open(folder).map(Some).map_err(in_folder(&file))
            }
            Storage::Memory => Ok(self.private.then(|| random_name().into())),
        }
    }

    /// Hosts and origins that are accepted.
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

    /// Who signs for the clouds' hosts.
    fn authority(&self) -> io::Result<Option<Authority>> {
        match (self.stand_in, &self.storage) {
            (false, _) => Ok(None),
            (true, Storage::Memory) => Authority::new().map(Some),
            (true, Storage::Folder(folder)) => Authority::kept_in(folder).map(Some),
        }
    }

    fn tree_options(&self) -> TreeOptions {
        let options = match &self.storage {
            Storage::Memory => TreeOptions::ephemeral(),
            Storage::Folder(folder) => TreeOptions::folder(folder),
        };
        let options = options.durability(self.durability);
        let options = options.database(self.database.clone()).blobs(self.blobs.clone());
        let options = options.folding(self.kind.folding(), AccountKind::folding_of_account);
        options.keep_deleted(self.keep_deleted && self.bin_age != Some(Duration::ZERO))
    }

    async fn open_tree(&self, options: TreeOptions) -> Result<Tree, ServerError> {
        Self::opened(Tree::open(options).await).await
    }

    async fn opened(opened: Result<Tree, OpenError>) -> Result<Tree, ServerError> {
        match opened {
            Ok(tree) => Ok(tree),
            Err(OpenError::InUse { folder, owner }) => {
                let running = instance_file::running_at(&folder).await;
                Err(ServerError::Locked { path: folder, owner, running: running.map(Box::new) })
            }
            Err(error) => Err(ServerError::Open(error)),
        }
    }

    /// The limits of the recycle bin of an account, by its name.
    fn bin_limits(&self) -> impl Fn(&str) -> BinLimits + Send + Sync + 'static {
        let (age, max_size, kind) = (self.bin_age, self.bin_size, self.kind);
        move |account| {
            let kind = AccountKind::from_account_name(account).unwrap_or(kind);
            let usual = match kind {
                AccountKind::Personal | AccountKind::PersonalLegacy => BIN_AGE_PERSONAL,
                AccountKind::Business | AccountKind::Library => BIN_AGE_BUSINESS,
            };
            BinLimits { max_age: age.unwrap_or(usual), max_size }
        }
    }

    /// What it keeps things in, and the key it signs with.
    async fn open(&self) -> Result<(Arc<Tree>, TokenSigner), ServerError> {
        let tree = self.open_tree(self.tree_options()).await?;
        tree.limit_bins(BIN_LOOK, self.bin_limits());
        let signer = match &self.storage {
            Storage::Memory => TokenSigner::random(),
            Storage::Folder(folder) => {
                let key = folder.join(KEY);
                TokenSigner::kept_in(&key).map_err(in_folder(&key))?
            }
        };
        Ok((Arc::new(tree), signer))
    }
}

/// The URL of an address; one that stands for all of a machine's addresses is told as loopback.
fn url_of(address: SocketAddr) -> Url {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        std::net::IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(ip, address.port());
    Url::parse(&format!("http://{address}/")).expect("an address and a port make a URL")
}

fn in_folder(path: &Path) -> impl FnOnce(io::Error) -> ServerError {
    let path = path.to_owned();
    move |source| ServerError::DataFolder { path, source }
}
