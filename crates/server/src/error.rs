//! Errors of starting, checking and repairing a server.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{
    budget::BudgetError,
    directory::DirectoryError,
    instance_file::RunningServer,
    tree::{OpenError, TreeError},
};

/// An error of starting, checking, repairing or controlling a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address can be reached from other machines, and
    /// [`Builder::insecure_listen`](crate::Builder::insecure_listen) was not used.
    #[error(
        "cannot listen on {0}: other machines can reach it, and the server's tokens are public \
         (listen on 127.0.0.1 or [::1], or use --insecure-listen)"
    )]
    NotLoopback(SocketAddr),
    /// The system does not allow listening on the address.
    #[error("cannot listen on {address}: {}", listen_error(.source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The data folder cannot be created, read or written.
    #[error("cannot use the data folder: {}: {source}", .path.display())]
    DataFolder {
        /// The folder, or a file in it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The server cannot listen on a Unix socket.
    #[error("cannot listen on the socket {}: {source}", .path.display())]
    Socket {
        /// The socket's path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another process uses the data folder.
    #[error("cannot use the data folder {}: it is in use by {owner}{}", .path.display(), running_suffix(.running))]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The other process, as far as it is known.
        owner: String,
        /// The other server, if it could be reached. Boxed, because it is the largest part of any
        /// variant.
        running: Option<Box<RunningServer>>,
    },
    /// A budget that cannot be enforced.
    #[error("cannot use the budget: {0}")]
    Budget(#[source] BudgetError),
    /// A directory that does not fit to the server's kind of accounts.
    #[error("cannot use the directory: {0}")]
    Directory(#[source] DirectoryError),
    /// A malformed host to accept.
    #[error("cannot allow host `{0}`: it is no host name or address (write drive.example)")]
    Host(String),
    /// A malformed origin to accept.
    #[error("cannot allow origin `{0}`: it is no origin (write http://localhost:3000)")]
    Origin(String),
    /// The certificates for the clouds' hosts cannot be created or read.
    #[error("cannot create the certificates for the clouds' hosts: {0}")]
    Certificates(#[source] io::Error),
    /// The storage cannot be opened.
    #[error("{0}")]
    Open(#[source] OpenError),
    /// A file of the seed folder cannot be stored.
    #[error("cannot seed the default drive: {}: {reason}", .path.display())]
    Seed {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The objects in a seed file cannot be created.
    #[error("cannot seed the accounts: {}: {reason}", .path.display())]
    SeedFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The server that the tests of a process share cannot start.
    #[error("cannot start the server of the tests: {0}")]
    TestServer(String),
    /// The storage failed.
    #[error("the storage failed: {0}")]
    Tree(#[source] TreeError),
}

/// Returns the reason of a failed listen: a hint for an address that is in use, not allowed or not
/// of this machine, otherwise the system's message.
fn listen_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens on it (port 0 takes a free port)".into()
        }
        io::ErrorKind::PermissionDenied => "the system does not allow it for this user".into(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have this address".into(),
        _ => error.to_string(),
    }
}

/// Returns the end of a message that names the running server; empty if it is unknown.
fn running_suffix(running: &Option<Box<RunningServer>>) -> String {
    running.as_ref().map_or_else(String::new, |server| format!(", a server that runs at {server}"))
}
