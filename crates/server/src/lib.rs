//! The drive server: the protocols of three clouds, from local storage.
//!
//! It starts at once, empty or with files of yours, gives every test a drive of its own, counts and
//! remembers what it was asked, and fails on demand. Nothing leaves the machine.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use drivedal_server::{Fault, Server};
//!
//! let server = Server::builder().ephemeral().start().await?;
//! server.control().add_faults([Fault::on("live.item.get").times(1).status(503)])?;
//!
//! // Your client, pointed at the server. Access token `drivedal-dev`: the default drive;
//! // `drivedal-dev-NAME`: an empty drive NAME of its own.
//! let root = format!("{}v5.0/me/skydrive?access_token=drivedal-dev-mine", server.url());
//! assert_eq!(reqwest::get(&root).await?.status(), 503);
//! assert_eq!(reqwest::get(&root).await?.status(), 200);
//!
//! assert_eq!(server.control().counters().count("live.item.get"), 2);
//! assert_eq!(server.control().requests()[0].fault.as_deref(), Some("status 503 before the effect"));
//! server.stop().await;
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # What is served
//!
//! | paths | protocol |
//! |---|---|
//! | `/v5.0/…` | [Live Connect REST v5.0](protocols::live) |
//! | `/v1.0/…`, `/beta/…`, `/_api/v2.0/…` | [Microsoft Graph's drives](protocols::graph) |
//! | `/rup/…`, `/monitor/…`, `/s/…` | Graph's upload URLs, copy monitors and sharing links |
//! | `/drive/v1/…`, `/cdproxy/…`, `/auth/o2/token`, `/ap/oa` | [Amazon Cloud Drive REST v1](protocols::amazon) |
//! | `/s1p…` | tickets: URLs to bytes that need no token for an hour |
//! | `/oauth20_token.srf`, `/oauth20_authorize.srf`, `/oauth20_desktop.srf` | sign-in |
//! | `/TENANT/oauth2/v2.0/token`, `/TENANT/oauth2/v2.0/authorize` | sign-in for Graph |
//! | `/_control/…` | [`Control`] over HTTP; not counted, not delayed |
//!
//! Every URL in an answer begins with scheme and host of its request. HTTP/1.1, and HTTP/2 for
//! clients that know beforehand that it is spoken.
//!
//! # Who may use it
//!
//! The development tokens are public. A [private](Builder::private) server accepts the token of its data
//! folder only, also for `/_control` and sign-in. Web pages of other sites are 403, but for sign-in pages
//! and Live Connect's HTML form upload, unless [`Builder::allow_origin`] names their origin; so are hosts
//! other than loopback ones, unless [`Builder::allow_host`] names them.
//!
//! # Clients whose hosts are fixed
//!
//! With [`Builder::stand_in`] the same port speaks TLS in the names of the clouds' hosts, and is a
//! proxy (`CONNECT`) to nobody else. Such a client is told the proxy (`HTTPS_PROXY`) and the
//! [authority](Server::authority) (`SSL_CERT_FILE`, `--ca-cert`), and nothing more: its URLs are the
//! cloud's, and so are those in the answers; bytes come from the cloud's hosts for bytes. Only where
//! a copy is watched is plain, at the server's own address. Nobody should make a machine trust that
//! authority; its name constraints would keep it to these hosts.
//!
//! # Operations
//!
//! What counters, request log and fault rules call a request:
//!
//! | name | request |
//! |---|---|
//! | `live.user.get` | `GET /me` |
//! | `live.item.get` | `GET` of an item, the root folder too |
//! | `live.item.update` | `PUT` of name and description |
//! | `live.item.delete`, `live.item.move`, `live.item.copy` | `DELETE`, `MOVE`, `COPY` of an item |
//! | `live.folder.create` | `POST` of a folder |
//! | `live.files.list`, `live.files.put`, `live.files.post` | `GET {id}/files`, `PUT {id}/files/{name}`, multipart `POST` |
//! | `live.content.get`, `live.content.put` | `GET`, `PUT {id}/content` |
//! | `live.quota.get` | `GET /me/skydrive/quota` |
//! | `live.unknown` | anything else under `/v5.0` |
//! | `amazon.account.endpoint`, `.info`, `.quota`, `.usage` | `GET account/…` |
//! | `amazon.node.list`, `.get`, `.create`, `.patch`, `.purge` | `nodes` |
//! | `amazon.child.list`, `.add`, `.remove`, `.move` | `nodes/{id}/children` |
//! | `amazon.property.list`, `.get`, `.put`, `.delete` | `nodes/{id}/properties` |
//! | `amazon.trash.list`, `.add`, `.restore` | `trash` |
//! | `amazon.changes` | `POST changes` |
//! | `amazon.content.upload`, `.overwrite`, `.get` | bytes, under `/cdproxy` |
//! | `amazon.token`, `amazon.signin` | `/auth/o2/token`, `/ap/oa` |
//! | `amazon.unknown` | anything else of Amazon's |
//! | `ticket.get`, `ticket.unknown` | a ticket; another method on it |
//! | `oauth.token`, `oauth.authorize`, `oauth.desktop`, `oauth.unknown` | sign-in |
//! | `graph.…` | see [Graph](protocols::graph) |
//! | `entra.token`, `entra.authorize`, `entra.unknown` | sign-in for Graph |
//! | `elsewhere` | a path that no protocol has |
//!
//! # The data folder
//!
//! A response to a write is sent once the disk has it ([`Durability::Full`], the default), or once
//! the operating system has it ([`Durability::Relaxed`]). Concurrent writers share one commit. Bytes
//! that a crash left without a file are removed at the next start, if the database and the file
//! beside the blobs agree that they belong together. Folder and files are their owner's alone.
//!
//! Every block of 256 KiB has a checksum, which is verified before a byte of the block is sent, for
//! ranges too; a response breaks off before a damaged block. Files of data folders without
//! checksums are verified by the hash of the whole: a download breaks off before its last piece;
//! before a range is served, the file is read once and gets checksums. A server does not start on a
//! database that is damaged, or missing beside blobs. [`Builder::check`] reads everything,
//! [`Builder::repair`] takes damaged files out of the drives and keeps their bytes.
//!
//! Deleted items stay in the recycle bin for 30 days, or 93 in business drives and libraries; see
//! [`Builder::bin_age`] and [`Builder::bin_size`]. When the disk has no room
//! for the bytes of a write, the oldest deleted items are removed for good first. Where that is not
//! enough, the write is refused as the cloud refuses one for a drive that is full, the log names
//! the file that had no room, and reads go on. A megabyte is kept back, so that items can be
//! removed and uploads cancelled all the same. A folder that is removed or replaced under a running
//! server takes no more writes: they fail with 500.
//!
//! # Limits
//!
//! The server takes as many requests at a time as the process may open files for, at most 4,096,
//! HTTP/2 streams included; it raises the soft limit of open files itself. Further requests receive
//! 503 and `Retry-After` before their body is read. When clients wait for a connection, those that
//! are idle are closed. Slow clients do not hold their place:
//!
//! | the client | is refused |
//! |---|---|
//! | sends a request's head | after 30 s, by closing the connection |
//! | sends a request's body below 1 KiB/s | when it has stalled for 60 s in all, with 408 |
//! | reads a response below 1 KiB/s | when it has stalled for 120 s in all, by closing the connection |
//! | sends no request | after 120 s, by closing the connection |
//!
//! A picture that takes more than 160 MiB to decode has no thumbnails.
//!
//! # Faults
//!
//! What a [`Fault`] rule does to the requests that it strikes, in Rust and as JSON for
//! [`POST /_control/faults`](protocols::control) or `drivedal serve --faults FILE`. Which requests those are is
//! said by operation, path, drive, share, number and time; a seed makes it the same again.
//!
//! | rule | JSON | what the client sees |
//! |---|---|---|
//! | `.status(503)` | `"status": 503` | that answer, with `.header(…)` and `.body(…)`, or in the protocol's words; `.after_the_effect()`: although it has happened |
//! | `.header("A", "b")` | `"headers": {"A": "b"}` | one more header in the answer that there is |
//! | `.reset(When::Before)` | `"reset": true` | no answer, and nothing happened |
//! | `.reset(When::During)` | `"reset": true, "when": "during"` | the line breaks while bytes move, `.at(n)` or anywhere |
//! | `.reset(When::After)` | `"reset": true, "when": "after"` | no answer, and it happened |
//! | `.truncate(1000)` | `"truncate": 1000` | an answer that breaks off |
//! | `.corrupt(Side::Answer)` | `"corrupt": "answer"` | one wrong byte; `Request`: the server sees one |
//! | `.latency(…)` | `"latency": 20`, `{"lognormal": {…}}` | waits: fixed, uniform, normal, lognormal, exponential |
//! | `.bandwidth(…)` | `"bandwidth": 100000`, `{"up": …}` | a slow line |
//! | `.drip(1, …)` | `"drip": {"bytes": 1, "every": 50}` | an answer in drops |
//! | `.expire()` | `"expire": true` | a token or ticket that is too old |
//! | `.lose_session()` | `"lose_session": true` | an upload session that is not known any more |
//! | `.invisible(…)` | `"invisible": 2000` | what was written is not found for a while |
//! | `.wrong_hash()` | `"wrong_hash": true` | hashes that are not those of the bytes |

mod accept;
mod access;
mod account;
mod account_kind;
mod activity;
mod amazon;
mod base_url;
mod blobs;
mod blocks;
mod bodies;
mod budget;
mod builder;
mod content;
mod content_range;
mod control;
mod cross_site;
mod disk;
mod download_urls;
mod error;
mod faults;
mod file_class;
mod form;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod graph;
mod in_process;
mod instance_file;
mod item_names;
mod json;
#[cfg(test)]
mod limit_tests;
mod limits;
mod listener;
mod live;
mod media;
mod parameters;
mod picture_urls;
mod pipeline;
mod protocol;
pub mod protocols;
mod proxy;
mod request_log;
mod responses;
mod router;
mod secret;
mod secret_urls;
mod seed;
mod sharing_links;
mod sign_in;
mod signed_token;
mod state;
mod time;
mod tls;
mod tree;
mod upload;

use std::{net::SocketAddr, path::Path, sync::Arc};

use tokio::{task::JoinHandle, time::timeout};
use url::Url;

pub use account_kind::{AccountKind, UnknownKind};
pub use budget::Budget;
pub use builder::Builder;
pub use control::{AddedFixture, Control, FixtureError, FixtureItem, FixtureKind, NameConflict};
pub use disk::Durability;
pub use error::ServerError;
pub use faults::{ActiveFault, Bandwidth, Drip, Fault, FaultError, Latency, Side, When};
pub use in_process::InProcess;
pub use instance_file::RunningServer;
pub use request_log::{Counters, MAX_LOGGED, MAX_LOGGED_BYTES, RequestRecord};
pub use secret::Secret;
pub use seed::Seeded;
pub use tree::{
    Audit, CheckReport, DamagedFile, LostItem, MovedItem, OpenError, Recovery, TreeError,
};

use tree::Tree;

/// A running drive server. Dropped, it ends at once; [`stop`](Self::stop) lets requests under way
/// end first.
#[derive(Debug)]
pub struct Server {
    url: Url,
    address: Option<SocketAddr>,
    control: Control,
    tree: Arc<Tree>,
    service: InProcess,
    accepting: Option<JoinHandle<()>>,
    authority: Option<String>,
    /// Removed with the server, like the next.
    socket: Option<listener::SocketFile>,
    announced: Option<instance_file::InstanceFile>,
    seeded: Option<Seeded>,
}

impl Server {
    /// A server to be: on a free port of 127.0.0.1, keeping everything in memory.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it is, with a slash at the end: `http://127.0.0.1:8123/`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the address that the server listens on; `None` for one without a port.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns a service that takes requests of this process without a connection, for clients that
    /// can send through a [`tower::Service`]. It works for every server, until that is stopped.
    pub fn service(&self) -> InProcess {
        self.service.clone()
    }

    /// Counters, request log, faults, planted items, reset.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// The token that requests to `/_control` carry as `Authorization: Bearer`. `None`: they need
    /// none, because the server is for tests on this machine: it listens on loopback and accepts the
    /// development tokens.
    pub fn control_token(&self) -> Option<&Secret> {
        self.control.state.control_token.as_ref()
    }

    /// Returns which entries of the [seed folder](Builder::seed) the drive began with; `None` without
    /// one.
    pub fn seeded(&self) -> Option<&Seeded> {
        self.seeded.as_ref()
    }

    /// The server's own access token: kept in the file `token` of the data folder, which only its
    /// owner can read. `None` for a server in memory that is not [private](Builder::private).
    pub fn access_token(&self) -> Option<&Secret> {
        self.control.state.accounts.settings().tokens.own.as_ref()
    }

    /// Reads the access token of the server that runs on a data folder, in whatever process.
    ///
    /// # Errors
    /// If the folder has no readable token file, or one that others can read.
    pub fn access_token_at(data: impl AsRef<Path>) -> Result<Secret, ServerError> {
        let data = data.as_ref();
        access::read(data)
            .map_err(|source| ServerError::DataFolder { path: data.join(access::FILE), source })
    }

    /// The certificate of the authority that speaks in the clouds' names, in PEM; `None` unless the
    /// server [stands in](Builder::stand_in) for them.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Returns where a server runs on a data folder, in whatever process. The server proves that it is
    /// the one that announced itself in the folder: neither a file left by a crash nor another
    /// process that took over its port is mistaken for it.
    pub async fn running_at(data: impl AsRef<Path>) -> Option<RunningServer> {
        instance_file::running_at(data.as_ref()).await
    }

    /// Stops it: no new requests, those under way may end within 10 seconds, then the data folder
    /// is free.
    pub async fn stop(mut self) {
        self.service.stop.cancel();
        self.service.requests.close();
        let connections = async {
            match self.accepting.take() {
                Some(accepting) => accepting.await,
                None => Ok(()),
            }
        };
        let requests = timeout(accept::GRACE, self.service.requests.wait());
        if let (Err(error), _) = tokio::join!(connections, requests) {
            tracing::error!(%error, "the server's task did not end well");
        }
        // Requests in process that took longer, as `accept` ends its connections.
        self.service.end.cancel();
        // While the folder is still this server's, so that no other's is removed.
        drop(self.announced.take());
        drop(self.socket.take());
        self.tree.close().await;
    }

    /// Serves until `signal` comes, then stops it.
    pub async fn serve_until(self, signal: impl Future<Output = ()>) {
        signal.await;
        self.stop().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.service.end.cancel();
    }
}
