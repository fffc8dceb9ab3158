//! The drive server: Microsoft Graph's drives, Live Connect and Amazon Cloud Drive, served from local
//! storage.
//!
//! A server starts empty or with the files of a folder, gives every test a drive of its own, counts
//! and logs its requests, and injects faults on demand. It sends nothing to the clouds.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use drivedal_server::{Fault, Server};
//!
//! let server = Server::builder().ephemeral().start().await?;
//! server.control().add_faults([Fault::on("live.item.get").times(1).status(503)])?;
//!
//! // Point your client at the server. The access token `drivedal-dev` opens the default drive;
//! // `drivedal-dev-NAME` opens the drive NAME, which is empty at first.
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
//! # Protocols
//!
//! | paths | protocol |
//! |---|---|
//! | `/v5.0/…` | [Live Connect REST v5.0](protocols::live) |
//! | `/v1.0/…`, `/beta/…`, `/_api/v2.0/…` | [Microsoft Graph's drives](protocols::graph) |
//! | `/rup/…`, `/monitor/…`, `/s/…` | Graph's upload URLs, copy monitors and sharing links |
//! | `/drive/v1/…`, `/cdproxy/…`, `/auth/o2/token`, `/ap/oa` | [Amazon Cloud Drive REST v1](protocols::amazon) |
//! | `/s1p…` | download URLs: they give a file's bytes without a token, for an hour |
//! | `/oauth20_token.srf`, `/oauth20_authorize.srf`, `/oauth20_desktop.srf` | sign-in for Live Connect |
//! | `/TENANT/oauth2/v2.0/…`, `/TENANT/v2.0/.well-known/openid-configuration` | sign-in for Graph |
//! | `/_control/…` | [`Control`] over HTTP; neither counted nor delayed |
//!
//! The URLs in a response begin with the scheme and host of its request. The server speaks HTTP/1.1,
//! and HTTP/2 with prior knowledge.
//!
//! # Access
//!
//! The development tokens are public. A [private](Builder::private) server accepts only the token of
//! its data folder, also for `/_control` and sign-in.
//!
//! Requests that web pages of other sites send receive 403, unless [`Builder::allow_origin`] names
//! the page's origin. Sign-in pages and Live Connect's HTML form upload are exempt. Requests for a
//! host that is not a loopback name or address receive 403, unless [`Builder::allow_host`] names the
//! host.
//!
//! # Clients with fixed hosts
//!
//! With [`Builder::stand_in`] the same port also speaks TLS in the names of the clouds' hosts, and is
//! an HTTP proxy (`CONNECT`) that reaches only this server. Such a client needs two settings: the
//! proxy (`HTTPS_PROXY`) and the [certificate authority](Server::authority) (`SSL_CERT_FILE`,
//! `--ca-cert`). Its requests and the responses then have the clouds' URLs, and bytes have URLs on
//! the clouds' hosts for bytes. Only the monitor URL of a copy is plain HTTP at the server's own
//! address. Do not make a whole machine trust the authority; its name constraints limit it to the
//! clouds' hosts.
//!
//! # Operations
//!
//! Counters, the request log and fault rules identify requests by the name of their operation:
//!
//! | name | request |
//! |---|---|
//! | `live.user.get` | `GET /me` |
//! | `live.item.get` | `GET` of an item or the root folder |
//! | `live.item.update` | `PUT` of name and description |
//! | `live.item.delete`, `live.item.move`, `live.item.copy` | `DELETE`, `MOVE`, `COPY` of an item |
//! | `live.folder.create` | `POST` of a folder |
//! | `live.files.list`, `live.files.put`, `live.files.post` | `GET {id}/files`, `PUT {id}/files/{name}`, multipart `POST` |
//! | `live.content.get`, `live.content.put` | `GET`, `PUT {id}/content` |
//! | `live.quota.get` | `GET /me/skydrive/quota` |
//! | `live.unknown` | any other request under `/v5.0` |
//! | `amazon.account.endpoint`, `.info`, `.quota`, `.usage` | `GET account/…` |
//! | `amazon.node.list`, `.get`, `.create`, `.patch`, `.purge` | `nodes` |
//! | `amazon.child.list`, `.add`, `.remove`, `.move` | `nodes/{id}/children` |
//! | `amazon.property.list`, `.get`, `.put`, `.delete` | `nodes/{id}/properties` |
//! | `amazon.trash.list`, `.add`, `.restore` | `trash` |
//! | `amazon.changes` | `POST changes` |
//! | `amazon.content.upload`, `.overwrite`, `.get` | bytes, under `/cdproxy` |
//! | `amazon.token`, `amazon.signin` | `/auth/o2/token`, `/ap/oa` |
//! | `amazon.tokeninfo`, `amazon.profile`, `amazon.tokenservice` | `/auth/o2/tokeninfo`, `/user/profile`, `/appspot` |
//! | `amazon.unknown` | any other Amazon request |
//! | `ticket.get`, `ticket.unknown` | a download URL; another method on one |
//! | `oauth.token`, `oauth.authorize`, `oauth.desktop`, `oauth.logout`, `oauth.unknown` | sign-in |
//! | `graph.…` | see [Graph](protocols::graph) |
//! | `entra.token`, `entra.authorize`, `entra.unknown` | sign-in for Graph |
//! | `elsewhere` | a path of no protocol |
//!
//! # The data folder
//!
//! A response to a write is sent once the bytes are on the disk ([`Durability::Full`], the default), or
//! once the operating system has them ([`Durability::Relaxed`]). Concurrent writers share one commit.
//! Bytes that a crash left without a file are removed at the next start, if the database and the
//! file beside the blobs agree that they belong together. Folder and files are readable by their
//! owner only.
//!
//! Every block of 256 KiB has a checksum, which is verified before a byte of the block is sent, for
//! ranges too; a response breaks off before a damaged block. Data folders of earlier versions have
//! files without checksums, which are verified by the hash of the whole file: a download breaks off
//! before its last piece, and before a range is served the file is read once and gets checksums. A
//! server does not start on a database that is damaged, or missing beside blobs. [`Builder::check`]
//! reads everything, [`Builder::repair`] removes damaged files from the drives and keeps their bytes.
//!
//! Deleted items stay in the recycle bin for 30 days, or 93 in business drives and libraries; see
//! [`Builder::bin_age`] and [`Builder::bin_size`]. When the disk has no room for the bytes of a
//! write, the oldest deleted items are removed for good first. If that is not enough, the write gets
//! the cloud's error for a full drive, the log names the file, and reads continue. One megabyte stays
//! reserved, so that items can still be removed and uploads cancelled. If the data folder is removed
//! or replaced while the server runs, writes fail with 500.
//!
//! # Limits
//!
//! The maximum number of requests in progress follows from the process's limit of open files, and is
//! at most 4,096, HTTP/2 streams included. The server raises the soft limit of open files at its
//! start. Further requests receive 503 and `Retry-After` before their body is read. When clients wait
//! for a connection, idle connections are closed. Slow clients are disconnected:
//!
//! | the client | limit and effect |
//! |---|---|
//! | sends a request's head | 30 s, then the connection is closed |
//! | sends a request's body below 1 KiB/s | 60 s of stalls in total, then 408 |
//! | reads a response below 1 KiB/s | 120 s of stalls in total, then the connection is closed |
//! | sends no request | 120 s, then the connection is closed |
//!
//! A picture whose decoding needs more than 160 MiB of memory has no thumbnails.
//!
//! # Faults
//!
//! A [`Fault`] rule selects requests by operation, path, drive, share, number and time, and applies
//! its effects to them. A seed makes a run repeatable. The effects in Rust, and as JSON for
//! [`POST /_control/faults`](protocols::control) or `drivedal serve --faults FILE`:
//!
//! | rule | JSON | effect on the client |
//! |---|---|---|
//! | `.status(503)` | `"status": 503` | this response, with `.header(…)` and `.body(…)`, or the protocol's error body; with `.after_the_effect()` although the request took effect |
//! | `.header("A", "b")` | `"headers": {"A": "b"}` | one more header in the normal response |
//! | `.reset(When::Before)` | `"reset": true` | no response, and no effect on the drive |
//! | `.reset(When::During)` | `"reset": true, "when": "during"` | the connection is reset while bytes are transferred, `.at(n)` or at a random byte |
//! | `.reset(When::After)` | `"reset": true, "when": "after"` | no response, although the request took effect |
//! | `.truncate(1000)` | `"truncate": 1000` | a response that breaks off |
//! | `.corrupt(Side::Answer)` | `"corrupt": "answer"` | one wrong byte in the response; `Request`: in the request |
//! | `.latency(…)` | `"latency": 20`, `{"lognormal": {…}}` | a delay: fixed, uniform, normal, lognormal, exponential |
//! | `.bandwidth(…)` | `"bandwidth": 100000`, `{"up": …}` | limited bandwidth |
//! | `.drip(1, …)` | `"drip": {"bytes": 1, "every": 50}` | a response in small pieces with pauses between them |
//! | `.expire()` | `"expire": true` | an expired token or download URL |
//! | `.lose_session()` | `"lose_session": true` | an unknown upload session |
//! | `.invisible(…)` | `"invisible": 2000` | new items are not found for a while |
//! | `.wrong_hash()` | `"wrong_hash": true` | wrong hashes in the response |

mod accept;
mod access;
mod account;
mod account_kind;
mod account_scope;
mod activity;
mod amazon;
mod base_url;
mod bin_policy;
mod blobs;
mod blocks;
mod body_tracking;
mod budget;
mod builder;
mod cloud_behavior;
mod content;
mod content_range;
mod control;
mod cross_site;
mod directory;
mod disk;
mod download_urls;
mod error;
mod faults;
mod file_class;
mod form;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod grant;
mod graph;
mod headers;
mod in_process;
mod instance_file;
mod item_activity;
mod item_names;
mod item_pictures;
mod json;
#[cfg(test)]
mod limit_tests;
mod limits;
mod listener;
mod live;
mod media;
mod parameters;
mod permissions;
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
mod server;
mod sharing_links;
mod sign_in;
mod signed_token;
mod state;
mod test_account;
mod time;
mod tls;
mod tree;
mod upload;

pub use account_kind::{AccountKind, UnknownAccountKind};
pub use account_scope::ClockState;
pub use budget::{Budget, BudgetError};
pub use builder::Builder;
pub use cloud_behavior::CloudBehavior;
pub use control::{
    AccountControlError, AddedFixture, Control, FixtureError, FixtureItem, FixtureKind,
    FixturePermission, InvalidFixture, LiveObject, LiveObjectError, LiveObjectType, NameConflict,
    SnapshotRecord,
};
pub use directory::{Directory, DirectoryError};
pub use disk::{Durability, UnknownDurability};
pub use error::ServerError;
pub use faults::{
    ActiveFault, Bandwidth, Drip, Fault, FaultError, InvalidFault, Latency, Side, When,
};
pub use in_process::InProcess;
pub use instance_file::RunningServer;
pub use json::JsonError;
pub use request_log::{Counters, MAX_LOGGED, MAX_LOGGED_BYTES, RequestRecord};
pub use secret::Secret;
pub use seed::SeedReport;
pub use server::Server;
pub use sign_in::{AssertionReuse, RefreshReuse, SignInOptions};
pub use test_account::TestAccount;
pub use tree::{
    Audit, CheckReport, DamagedFile, LostItem, MovedItem, OpenError, Recovery, TreeError,
};
