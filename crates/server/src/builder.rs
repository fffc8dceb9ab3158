//! The options of a server.
//!
//! [`start`] starts the server; this file only collects its options.

mod start;

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use opendal::Operator;

use crate::{
    Secret,
    account_kind::AccountKind,
    budget::Budget,
    cloud_behavior::CloudBehavior,
    directory::Directory,
    disk::Durability,
    error::ServerError,
    limits::Limits,
    server::Server,
    sign_in::SignInOptions,
    tree::{CheckReport, Tree},
};

/// Default lifetime of an access token (live-connect#token-lifetime).
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// Default lifetime of a download URL. Inferred for SkyDrive, whose reference says "not persistent";
/// OneDrive documents an hour.
const DOWNLOAD_URL_LIFE: Duration = Duration::from_secs(3600);

/// Default lifetime of an upload session after its last fragment. Inferred: the reference gives no
/// number.
const SESSION_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Maximum of all lifetimes, so that every expiry is a valid timestamp: a hundred years.
const MAX_LIFE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Options of a server. Returned by [`Server::builder`].
#[derive(Clone, Debug)]
#[must_use = "a server does not run until it is started"]
pub struct Builder {
    storage: Storage,
    database: Option<Secret>,
    blobs: Option<Operator>,
    listen: Listen,
    /// Whether the address may be reachable from other machines.
    insecure: bool,
    quota: Option<u64>,
    latency: Duration,
    token_life: Duration,
    download_url_life: Duration,
    session_life: Duration,
    behavior: CloudBehavior,
    max_versions: Option<u32>,
    fault_seed: Option<u64>,
    kind: AccountKind,
    /// The folder whose files the default drive starts with.
    seed: Option<PathBuf>,
    seed_files: Vec<PathBuf>,
    budget: Option<Budget>,
    stand_in: bool,
    durability: Durability,
    keep_deleted: bool,
    bin_age: Option<Duration>,
    bin_size: Option<u64>,
    /// `None`: derived from the system's limit of open files.
    limits: Option<Limits>,
    allow_purge: bool,
    private: bool,
    directory: Option<Directory>,
    /// `None`: random if other machines can reach the server, else none is needed.
    control_token: Option<Secret>,
    /// The seed of all ids; `None`: they are random.
    id_seed: Option<u64>,
    sign_in: SignInOptions,
    /// Accepted hosts, without ports.
    hosts: Vec<String>,
    /// Accepted origins of web pages.
    origins: Vec<String>,
    fetches_from_any_host: bool,
}

/// Where the server keeps its data.
#[derive(Clone, Debug)]
enum Storage {
    Memory,
    Folder(PathBuf),
}

/// Where a server accepts connections.
#[derive(Clone, Debug)]
enum Listen {
    Address(SocketAddr),
    /// A Unix socket.
    Socket(PathBuf),
    /// Nowhere: requests are sent through [`Server::service`].
    InProcess,
}

impl Default for Builder {
    /// Creates the options of [`Server::builder`].
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
            download_url_life: DOWNLOAD_URL_LIFE,
            session_life: SESSION_LIFE,
            behavior: CloudBehavior::default(),
            max_versions: None,
            fault_seed: None,
            kind: AccountKind::default(),
            seed: None,
            seed_files: Vec::new(),
            budget: None,
            stand_in: false,
            durability: Durability::Full,
            keep_deleted: true,
            bin_age: None,
            bin_size: None,
            limits: None,
            allow_purge: false,
            private: false,
            directory: None,
            control_token: None,
            id_seed: None,
            sign_in: SignInOptions::default(),
            hosts: Vec::new(),
            origins: Vec::new(),
            fetches_from_any_host: false,
        }
    }
}

impl Server {
    /// Returns a builder with default options: a free port of 127.0.0.1, and storage in memory.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Stores everything in `folder`, which is created if it does not exist. Only one server at a
    /// time can use a folder.
    pub fn data(self, folder: impl Into<PathBuf>) -> Self {
        Self { storage: Storage::Folder(folder.into()), ..self }
    }

    /// Stores everything in memory. This is the default.
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

    /// Listens on a loopback address. The default is port 0 of 127.0.0.1, which takes a free port.
    pub fn listen(self, address: SocketAddr) -> Self {
        Self { listen: Listen::Address(address), insecure: false, ..self }
    }

    /// Listens on a Unix socket instead of a port. Only this user can connect to it. A path of more
    /// than 103 bytes, the maximum of all Unix systems, is replaced by one in a private folder for
    /// temporary files; see [`Server::running_at`]. On other systems than Unix,
    /// [`start`](Self::start) fails.
    pub fn socket(self, path: impl Into<PathBuf>) -> Self {
        Self { listen: Listen::Socket(path.into()), insecure: false, ..self }
    }

    /// Accepts no connections: requests are sent through [`Server::service`].
    pub fn in_process(self) -> Self {
        Self { listen: Listen::InProcess, insecure: false, ..self }
    }

    /// Listens on an address that other machines can reach.
    ///
    /// This is insecure: anyone who can reach the address can read and write every drive, because the
    /// development tokens are public and nothing is encrypted. It is meant for containers and
    /// isolated networks. `/_control` then requires [`Server::control_token`]. Clients that use a host
    /// name need [`allow_host`](Self::allow_host).
    pub fn insecure_listen(self, address: SocketAddr) -> Self {
        Self { listen: Listen::Address(address), insecure: true, ..self }
    }

    /// Sets the quota of every drive, in bytes.
    pub fn quota(self, bytes: u64) -> Self {
        Self { quota: Some(bytes), ..self }
    }

    /// Delays every request, as if the server were far away.
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// Starts the default drive with the files of `folder`.
    ///
    /// The files' times become the client's times. Existing items of the same names are replaced.
    /// Entries that a drive cannot have are skipped; see [`Server::seeded`].
    pub fn seed(self, folder: impl Into<PathBuf>) -> Self {
        Self { seed: Some(folder.into()), ..self }
    }

    /// Starts accounts with the objects of Live Connect in a JSON file: a [`LiveObject`](crate::LiveObject)
    /// or a list of them. Several files are read in the order of the calls.
    pub fn seed_live_objects(mut self, file: impl Into<PathBuf>) -> Self {
        self.seed_files.push(file.into());
        self
    }

    /// Limits the resource units of every account per time window. Unlimited by default.
    pub fn budget(self, budget: Budget) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// Sets the lifetime of issued access tokens. The default is one hour, the maximum 100 years.
    pub fn token_life(self, life: Duration) -> Self {
        Self { token_life: life.min(MAX_LIFE), ..self }
    }

    /// Sets the lifetime of download URLs. The default is one hour, the maximum 100 years.
    pub fn download_url_life(self, life: Duration) -> Self {
        Self { download_url_life: life.min(MAX_LIFE), ..self }
    }

    /// Sets the lifetime of an upload session after its last fragment. The default is one day, the
    /// maximum 100 years.
    pub fn session_life(self, life: Duration) -> Self {
        Self { session_life: life.min(MAX_LIFE), ..self }
    }

    /// Sets the number of versions that a drive keeps of a file, with the current one. The default is
    /// that of the clouds: 25 for a personal account, 500 for a business account or a library. With
    /// 1 the bytes of a file are deleted when they are replaced. Only requests of Graph keep
    /// versions; the other clouds have no requests for them.
    pub fn max_versions(self, versions: NonZeroU32) -> Self {
        Self { max_versions: Some(versions.get()), ..self }
    }

    /// Sets behaviour of the clouds that is switched off by default.
    pub fn behavior(self, behavior: CloudBehavior) -> Self {
        Self { behavior, ..self }
    }

    /// Sets the seed of the random numbers that fault rules draw, so that a run can be repeated.
    /// Random by default. See [`Fault`](crate::Fault).
    pub fn fault_seed(self, seed: u64) -> Self {
        Self { fault_seed: Some(seed), ..self }
    }

    /// Sets the account kind that Graph reports for accounts whose name does not contain one.
    /// [`AccountKind::Personal`] by default.
    pub fn kind(self, kind: AccountKind) -> Self {
        Self { kind, ..self }
    }

    /// Serves the clouds' hosts too: by TLS on the same port, and as a proxy for clients with fixed
    /// hosts. See [the crate](crate#clients-with-fixed-hosts).
    pub fn stand_in(self) -> Self {
        Self { stand_in: true, ..self }
    }

    /// Sets when a write to the data folder is acknowledged. [`Durability::Full`] by default.
    pub fn durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    /// Sets whether deleted items are kept in the recycle bin. This is the default; otherwise they
    /// are removed for good at once, which frees their space. Items already in the bin are kept.
    pub fn keep_deleted(self, keep: bool) -> Self {
        Self { keep_deleted: keep, ..self }
    }

    /// Sets how long deleted items are kept in the recycle bin. The default is that of the clouds: 30
    /// days for a personal account, 93 for a business account or a library. With zero, deleted items
    /// are removed for good at once.
    pub fn bin_age(self, age: Duration) -> Self {
        Self { bin_age: Some(age.min(MAX_LIFE)), ..self }
    }

    /// Sets the maximum size of a drive's recycle bin, in bytes. Beyond it the oldest items are
    /// removed for good. Unlimited by default; when the disk is full, the oldest items of all drives
    /// are removed to make room for a write in any case.
    pub fn bin_size(self, bytes: u64) -> Self {
        Self { bin_size: Some(bytes), ..self }
    }

    /// Sets whether applications may remove nodes of Amazon Cloud Drive for good (`DELETE
    /// nodes/{id}`). By default that is 403: the cloud allowed it to its own applications only.
    pub fn allow_purge(self, allow: bool) -> Self {
        Self { allow_purge: allow, ..self }
    }

    /// Reads everything in the data folder without starting a server, and reports the files that
    /// cannot be served, with reasons.
    ///
    /// # Errors
    /// [`ServerError::Locked`] if another process uses the folder; [`ServerError::Open`] if its
    /// database is missing or damaged; [`ServerError::Tree`] if reading fails.
    pub async fn check(self) -> Result<CheckReport, ServerError> {
        let tree = self.open_tree(self.tree_options().tidy(false)).await?;
        let report = tree.check().await;
        tree.close().await;
        report.map_err(ServerError::Tree)
    }

    /// Checks the data folder, and removes the files that cannot be served from their drives. Their
    /// bytes are moved to the folder `quarantine` in the data folder; nothing is deleted.
    ///
    /// If the database is damaged, all rows that can be read are copied into a new one first. The
    /// damaged one is kept beside it, as `tree.db.damaged-TIME`.
    ///
    /// # Errors
    /// [`ServerError::Locked`] if another process uses the folder; [`ServerError::Open`] if its
    /// database is missing, or damaged and unreadable; [`ServerError::Tree`] if the folder cannot be
    /// written.
    pub async fn repair(self) -> Result<CheckReport, ServerError> {
        let tree = Tree::open_for_repair(self.tree_options()).await;
        let tree = Self::opened(tree).await?;
        let report = tree.repair().await;
        tree.close().await;
        report.map_err(ServerError::Tree)
    }

    /// Replaces the limits of connections and requests, for tests.
    #[cfg(test)]
    pub(super) fn limits(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Accepts the server's [own access token](Server::access_token) in place of the development
    /// tokens, which are public. `/_control`, sign-in pages and the client credentials grant then
    /// require it too. Use it for data that other users of the machine must not reach.
    pub fn private(self) -> Self {
        Self { private: true, ..self }
    }

    /// Restricts the sign-in to the users and applications of a directory. Without one, every
    /// application, every secret and every account is accepted. The static tokens remain valid.
    pub fn directory(self, directory: Directory) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// Sets the options of the sign-in.
    pub fn sign_in(self, options: SignInOptions) -> Self {
        Self { sign_in: options, ..self }
    }

    /// Accepts requests for another host, given as a name or address without a port.
    ///
    /// By default the server accepts loopback names and addresses, the address given to
    /// [`insecure_listen`](Self::insecure_listen), and the clouds' hosts if it
    /// [stands in](Self::stand_in) for them. Any other name may have been pointed at this machine by
    /// the owner of a web page.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Requires this token for `/_control`, as `Authorization: Bearer`.
    pub fn control_token(self, token: impl Into<Secret>) -> Self {
        Self { control_token: Some(token.into()), ..self }
    }

    /// Makes ids reproducible: upload sessions, permissions, comments and the like get the ids of a
    /// sequence that depends on the seed and on the account. A server in memory also has the same
    /// signing key in every run, so that links and download URLs are reproducible while the account's
    /// [clock](crate::Control::set_clock) is frozen. Anyone with the seed can forge tokens: use it for
    /// tests only.
    pub fn id_seed(self, seed: u64) -> Self {
        Self { id_seed: Some(seed), ..self }
    }

    /// Lets web pages of an origin, such as `http://localhost:3000`, use the protocols (but not
    /// `/_control`) by CORS. By default, requests from pages of other origins receive 403, because
    /// the development tokens are public.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Lets the server fetch subscribed calendars (Live Connect) from any host. By default it fetches
    /// them from this machine only: a client could read other machines of the network by the server.
    pub fn fetch_from_any_host(self) -> Self {
        Self { fetches_from_any_host: true, ..self }
    }
}
