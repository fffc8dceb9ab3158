//! The embedded drives: remotes that need no configuration, with their data in the user's data
//! folder.
//!
//! They are views of a drive server without a port. If a server runs on the folder, the command uses
//! it. Otherwise the command starts one in its own process: requests enter the server's pipeline
//! without a connection. The user's other commands reach that server through a Unix socket in the
//! data folder, which only this user can connect to (on other systems than Unix: through a port of
//! 127.0.0.1). The server stops with the command. Two files in the folder, which are only ever
//! locked, keep order:
//!
//! * `start.lock`: held exclusively while a command looks for a server, starts one or stops one;
//! * `users.lock`: shared by the commands that use another command's server. That command stops its
//!   server only when it can lock the file exclusively.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use drivedal::{
    drive::Secret,
    http_transport,
    remote::RemoteSource,
    transport::{Timeouts, Transport},
};
use drivedal_server::{RunningServer, Server, ServerError};
use opendal::HttpTransporter;
use url::Url;

use crate::{
    config,
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    output::Output,
    transfer::local::blocking,
};

/// Builds the options of a drive from its server's URL and access token.
type SourceBuilder = fn(&Url, &Secret) -> RemoteSource;

/// The embedded drives by name. They are three views of one tree: each shows the items that were
/// written through another.
const DRIVES: [(&str, SourceBuilder); 3] =
    [("local-onedrive", onedrive), ("local-skydrive", skydrive), ("local-amazon", amazon)];

/// Returns the options of the embedded drive as SkyDrive, given its server's URL and access token.
fn skydrive(server: &Url, token: &Secret) -> RemoteSource {
    let server = server.as_str().trim_end_matches('/');
    RemoteSource::from_scheme("skydrive")
        .option("name", "local")
        .option("endpoint", format!("{server}/v5.0/"))
        .option("storage_endpoint", server)
        .option("oauth_endpoint", server)
        .option("access_token", token.expose())
}

/// Returns the options of the embedded drive as OneDrive, given its server's URL and access token.
fn onedrive(server: &Url, token: &Secret) -> RemoteSource {
    let server = server.as_str().trim_end_matches('/');
    RemoteSource::from_scheme("onedrive")
        .option("name", "local")
        .option("endpoint", format!("{server}/v1.0"))
        .option("oauth_endpoint", server)
        .option("account_kind", "personal")
        .option("access_token", token.expose())
}

/// Returns the options of the embedded drive as Amazon Cloud Drive, given its server's URL and
/// access token.
fn amazon(server: &Url, token: &Secret) -> RemoteSource {
    let server = server.as_str().trim_end_matches('/');
    RemoteSource::from_scheme("amazon-drive")
        .option("name", "local")
        .option("endpoint", format!("{server}/drive/v1/"))
        .option("oauth_endpoint", server)
        .option("access_token", token.expose())
}

/// Returns the access token of a data folder, as the library takes it.
///
/// # Errors
/// `Failed` if the folder has no valid token file.
fn access_token(folder: &Path) -> Result<Secret> {
    let token = Server::access_token_at(folder).map_err(failed)?;
    Ok(Secret::from(token.expose()))
}

/// Returns the scheme of an embedded drive. `None` if no embedded drive has that name.
pub(crate) fn scheme(name: &str) -> Option<String> {
    let nowhere = Url::parse("http://localhost/").ok()?;
    source(name)?(&nowhere, &Secret::from("")).scheme().ok()
}

/// Returns the names of the embedded drives.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    DRIVES.iter().map(|(name, _)| *name)
}

/// Returns the builder of the options of an embedded drive; `None` if no embedded drive has that
/// name.
pub(crate) fn source(name: &str) -> Option<impl Fn(&Url, &Secret) -> RemoteSource> {
    DRIVES.iter().find(|(drive, _)| *drive == name).map(|(_, source)| *source)
}

/// The server behind the embedded drives.
pub(crate) enum Embedded {
    /// It runs in this process.
    Own { server: Box<Server>, token: Secret, folder: PathBuf },
    /// It runs in another process, which does not stop it before this value is dropped.
    Shared { server: RunningServer, token: Secret, folder: PathBuf, _user: File },
}

impl Embedded {
    /// Finds the server of the data folder, or starts it. `folder` is the folder of `--data`;
    /// `None` means the default data folder of the user.
    ///
    /// # Errors
    /// `Usage` if the user has no home folder and gave none; [`Failure::local`] if a lock file
    /// cannot be opened; `Failed` if the server does not start.
    pub(crate) async fn open(folder: Option<&Path>) -> Result<Self> {
        let folder = match (folder, config::dirs()) {
            (Some(folder), _) => folder.to_owned(),
            (None, Some(dirs)) => dirs.data_dir().to_owned(),
            (None, None) => {
                let failure = Failure::usage("no home folder for the local drives");
                return Err(failure.hint("use --data DIR"));
            }
        };
        let starting = lock(&folder, "start.lock", Lock::Alone).await?;
        let opened = match Server::running_at(&folder).await {
            Some(server) => {
                let user = lock(&folder, "users.lock", Lock::Shared).await?;
                let token = access_token(&folder)?;
                Ok(Self::Shared { server, token, folder, _user: user })
            }
            None => {
                // No command empties the recycle bin, so deleted items free their space at once.
                let server = Server::builder().data(&folder).private().keep_deleted(false);
                #[cfg(unix)]
                let server = server.socket(folder.join("socket"));
                let server = server.start().await;
                let server = server.map_err(failed)?;
                let token = access_token(&folder)?;
                Ok(Self::Own { server: Box::new(server), token, folder })
            }
        };
        drop(starting);
        opened
    }

    /// Returns the server's URL, with a slash at the end. Requests to it need
    /// [`transport`](Self::transport).
    pub(crate) fn url(&self) -> &Url {
        match self {
            Self::Own { server, .. } => server.url(),
            Self::Shared { server, .. } => &server.url,
        }
    }

    /// Returns the transport that reaches the server: the process's own, unless the server has no
    /// port.
    pub(crate) fn transport(&self) -> HttpTransporter {
        let timeouts = Timeouts::default();
        match self {
            Self::Own { server, .. } => {
                HttpTransporter::new(Transport::in_process(server.service(), timeouts))
            }
            #[cfg(unix)]
            Self::Shared { server: RunningServer { socket: Some(socket), .. }, .. } => {
                HttpTransporter::new(Transport::over_unix_socket(socket, timeouts))
            }
            Self::Shared { .. } => http_transport(),
        }
    }

    /// Returns the server's access token.
    pub(crate) fn token(&self) -> &Secret {
        match self {
            Self::Own { token, .. } | Self::Shared { token, .. } => token,
        }
    }

    /// Returns the server's data folder.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Own { folder, .. } | Self::Shared { folder, .. } => folder,
        }
    }

    /// Stops the server of this process as soon as no other command uses it, or at once after an
    /// interrupt. Does nothing for a server of another process.
    ///
    /// # Errors
    /// [`Failure::local`] if a lock file in the data folder cannot be opened, for example because
    /// the folder was removed.
    pub(crate) async fn close(self, output: &Output, interrupt: &Interrupt) -> Result {
        let Self::Own { server, folder, .. } = self else { return Ok(()) };
        let mut is_announced = false;
        loop {
            let starting = lock(&folder, "start.lock", Lock::Alone).await?;
            let free = lock(&folder, "users.lock", Lock::AloneIfFree).await.is_ok();
            if free || interrupt.is_set() {
                server.stop().await;
                drop(starting);
                return Ok(());
            }
            drop(starting);
            if !std::mem::replace(&mut is_announced, true) {
                output.notice("waiting for other commands that use this drive");
            }
            // A signal ends the waiting, not the clean stop.
            let _ = interrupt.cancellable(lock(&folder, "users.lock", Lock::Alone)).await;
        }
    }
}

/// Converts an error of the server. Its message is a complete sentence.
fn failed(error: ServerError) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
}

/// How a lock file is locked.
#[derive(Clone, Copy)]
enum Lock {
    /// Exclusively, after waiting for other holders.
    Alone,
    /// Exclusively, without waiting.
    AloneIfFree,
    /// Together with other shared holders.
    Shared,
}

/// Locks the file `name` of the data folder, which is created if it does not exist. The lock is
/// released when the returned file is dropped. Waits for other holders, except with
/// [`Lock::AloneIfFree`].
///
/// # Errors
/// [`Failure::local`] if the file cannot be created or opened, or if [`Lock::AloneIfFree`] finds
/// another holder.
async fn lock(folder: &Path, name: &str, how: Lock) -> Result<File> {
    let (folder, name) = (folder.to_owned(), name.to_owned());
    blocking(move || {
        let path = folder.join(name);
        let lock = || {
            make_private(&folder)?;
            let mut options = File::options();
            options.create(true).truncate(false).write(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(&path)?;
            match how {
                Lock::Alone => file.lock()?,
                Lock::AloneIfFree => file.try_lock()?,
                Lock::Shared => file.lock_shared()?,
            }
            Ok(file)
        };
        lock().map_err(|error: std::io::Error| Failure::local("lock", &path, &error))
    })
    .await
}

/// Creates a folder, and its missing parents, that only its owner can read. An existing folder stays
/// as it is.
///
/// # Errors
/// The operating system's error if a folder cannot be created.
pub(crate) fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
