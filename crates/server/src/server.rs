//! A running server.

use std::{net::SocketAddr, path::Path, sync::Arc};

use tokio::{task::JoinHandle, time::timeout};
use url::Url;

use crate::{
    accept, access,
    control::Control,
    error::ServerError,
    in_process::InProcess,
    instance_file::{self, InstanceFile, RunningServer},
    listener::SocketFile,
    secret::Secret,
    seed::SeedReport,
    tree::Tree,
};

/// A running drive server. [`Builder`](crate::Builder) starts it.
///
/// Dropping it ends all connections at once; [`stop`](Self::stop) lets requests in progress finish.
#[derive(Debug)]
pub struct Server {
    pub(crate) url: Url,
    /// `None` for a server without a port.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) control: Control,
    pub(crate) tree: Arc<Tree>,
    pub(crate) service: InProcess,
    /// The task that accepts connections; `None` for a server that accepts none.
    pub(crate) accepting: Option<JoinHandle<()>>,
    /// The certificate of the authority, in PEM.
    pub(crate) authority: Option<String>,
    /// The file of the Unix socket; `None` for a server with a port.
    pub(crate) socket: Option<SocketFile>,
    /// The file in the data folder that names the running server; `None` without a data folder.
    pub(crate) instance_file: Option<InstanceFile>,
    pub(crate) seeded: Option<SeedReport>,
}

impl Server {
    /// Returns the server's URL, with a slash at the end: `http://127.0.0.1:8123/`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the address that the server listens on; `None` for a server without a port.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns a service that takes requests of this process without a connection, for clients that
    /// can send through a [`tower::Service`]. Every server has one; it works until the server is
    /// stopped.
    pub fn service(&self) -> InProcess {
        self.service.clone()
    }

    /// Returns a handle to counters, request log, faults, fixtures and reset.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Returns the token that requests to `/_control` must carry as `Authorization: Bearer`.
    ///
    /// `None` if they need none: the server listens on loopback and accepts the development tokens.
    pub fn control_token(&self) -> Option<&Secret> {
        self.control.state.control_token.as_ref()
    }

    /// Returns the result of seeding the default drive; `None` without a
    /// [seed folder](crate::Builder::seed).
    pub fn seeded(&self) -> Option<&SeedReport> {
        self.seeded.as_ref()
    }

    /// Returns the server's own access token, which the file `token` of the data folder contains.
    ///
    /// `None` for a server in memory that is not [private](crate::Builder::private).
    pub fn access_token(&self) -> Option<&Secret> {
        self.control.state.accounts.settings().tokens.own.as_ref()
    }

    /// Reads the access token of the server that runs on the data folder `data`, in this or another
    /// process.
    ///
    /// # Errors
    /// [`ServerError::DataFolder`] if the folder has no token file, or one that cannot be read,
    /// contains no token, or can be read by other users.
    pub fn access_token_at(data: impl AsRef<Path>) -> Result<Secret, ServerError> {
        let data = data.as_ref();
        access::read(data)
            .map_err(|source| ServerError::DataFolder { path: data.join(access::FILE), source })
    }

    /// Returns the certificate of the authority that signs for the clouds' hosts, in PEM; `None`
    /// unless the server [stands in](crate::Builder::stand_in) for them.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Returns the server that runs on the data folder `data`, in this or another process; `None` if
    /// none does.
    ///
    /// The server proves its identity, so that neither a file left by a crash nor another process on
    /// the same port is mistaken for it.
    pub async fn running_at(data: impl AsRef<Path>) -> Option<RunningServer> {
        instance_file::running_at(data.as_ref()).await
    }

    /// Stops the server and releases the data folder. It accepts no new requests; those in progress
    /// have 10 seconds to finish.
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
            tracing::error!(%error, "the task that accepts connections failed");
        }
        // Ends requests of this process that take longer, as `accept` ends its connections.
        self.service.end.cancel();
        // Removed before the folder is released: afterwards the files may be those of another server.
        drop(self.instance_file.take());
        drop(self.socket.take());
        self.tree.close().await;
    }

    /// Serves until `signal` completes, then [stops](Self::stop).
    pub async fn serve_until(self, signal: impl Future<Output = ()>) {
        signal.await;
        self.stop().await;
    }
}

impl Drop for Server {
    /// Ends all connections at once.
    fn drop(&mut self) {
        self.service.end.cancel();
    }
}
