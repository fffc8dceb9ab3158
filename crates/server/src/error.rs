//! Why a server does not start, or could not do what it was told.

use std::{io, net::SocketAddr, path::PathBuf};

use super::{
    instance_file::RunningServer,
    tree::{OpenError, TreeError},
};

/// Why a server does not start, or could not do what it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address can be reached from other machines, and nobody said that this is meant.
    #[error(
        "{0} can be reached from other machines, and whoever reaches the server may read and write \
         everything: its tokens are well known. Listen on 127.0.0.1 or [::1], or say that it is meant"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}", explained(.source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The data folder cannot be made, read or written.
    #[error("the data folder {}: {source}", .path.display())]
    DataFolder {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What the system says.
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
    /// Another process has the data folder.
    #[error("the data folder {} is in use by {owner}{}", .path.display(), place(.running))]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Which process that is, as far as it says so.
        owner: String,
        /// Where that server runs, if it says so. Boxed, because it is the largest part of any
        /// variant.
        running: Option<Box<RunningServer>>,
    },
    /// The budget that every account was to have is none.
    #[error("{0}")]
    Budget(&'static str),
    /// A host to be allowed is malformed.
    #[error("cannot allow host `{0}`: it is no host name or address (write drive.example)")]
    Host(String),
    /// An origin to be allowed is malformed.
    #[error("cannot allow origin `{0}`: it is no origin (write http://localhost:3000)")]
    Origin(String),
    /// No certificates in the clouds' names could be made.
    #[error("certificates in the clouds' names: {0}")]
    Certificates(#[source] io::Error),
    /// The storage could not be opened.
    #[error("{0}")]
    Open(#[source] OpenError),
    /// A file of the seed folder could not be taken in.
    #[error("seeding, {}: {reason}", .path.display())]
    Seed {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The storage failed.
    #[error("storage: {0}")]
    Tree(#[source] TreeError),
}

fn explained(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there; port 0 takes a free one".into(),
        io::ErrorKind::PermissionDenied => "the system does not allow it for this user".into(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".into(),
        _ => error.to_string(),
    }
}

fn place(running: &Option<Box<RunningServer>>) -> String {
    running.as_ref().map_or_else(String::new, |server| format!(", a server that runs at {server}"))
}
