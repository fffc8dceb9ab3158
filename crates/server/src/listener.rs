//! Listeners and connections: on a TCP port, or on a Unix socket in the file system.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};

use tempfile::TempDir;
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// Maximum length of a Unix socket's path in bytes, on every Unix: 104 on macOS and the BSDs, 108 on
/// Linux, each including the terminating zero.
const SOCKET_PATH_MAX: usize = 103;

/// The URL of a server without a port. Its host is never resolved.
pub(super) const SOCKET_URL: &str = "http://localhost/";

/// A listening server.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Socket(UnixListener),
}

impl Listener {
    /// Accepts a connection.
    ///
    /// # Errors
    /// The system's error, for example that no file descriptor is left.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Stream::new(Socket::Tcp(stream)))
            }
            #[cfg(unix)]
            Self::Socket(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Stream::new(Socket::Unix(stream)))
            }
        }
    }
}

/// The file of a Unix socket, removed when it is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// The folder that replaces a path longer than [`SOCKET_PATH_MAX`].
    _folder: Option<TempDir>,
}

impl SocketFile {
    /// Returns the path of the socket.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    /// Removes the file of the socket.
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, file = %self.path.display(), "cannot remove the socket");
        }
    }
}

/// Listens on a Unix socket that only this user can connect to. The socket is at `path`, or in a
/// new private temporary folder if `path` is longer than [`SOCKET_PATH_MAX`].
///
/// The caller must hold the lock of the data folder. An existing file at `path` is a leftover and
/// is replaced.
///
/// # Errors
/// The operating system's error if the folder does not exist or the socket cannot be created in it.
#[cfg(unix)]
pub(super) fn listen_on_socket(path: &Path) -> io::Result<(Listener, SocketFile)> {
    use std::os::unix::{ffi::OsStrExt, fs::PermissionsExt};

    let folder = match path.as_os_str().as_bytes().len() {
        0..=SOCKET_PATH_MAX => None,
        _ => Some(tempfile::Builder::new().prefix("drivedal-").tempdir()?),
    };
    let path = folder.as_ref().map_or(path.to_owned(), |folder| folder.path().join("socket"));
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    let file = SocketFile { path, _folder: folder };
    // The folder is private; this keeps the socket so if its mode is changed later.
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600))?;
    Ok((Listener::Socket(listener), file))
}

/// Fails: other systems have no Unix sockets.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`], always.
#[cfg(not(unix))]
pub(super) fn listen_on_socket(_: &Path) -> io::Result<(Listener, SocketFile)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The stream of a connection, which can be reset.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    /// Cancelled: the connection ends with RST in place of FIN.
    reset: CancellationToken,
}

/// A connection's socket.
#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Creates the stream of an accepted connection.
    fn new(socket: Socket) -> Self {
        Self { socket, reset: CancellationToken::new() }
    }

    /// Returns the token that resets the connection: once it is cancelled, dropping the stream sends
    /// RST in place of FIN. A Unix socket has no such difference.
    pub(super) fn reset_token(&self) -> CancellationToken {
        self.reset.clone()
    }

    /// Prepares a new connection, and returns the address that the client connected to; for a Unix
    /// socket, which has none, a loopback address.
    ///
    /// # Errors
    /// The operating system's error if the connection has ended.
    pub(super) fn prepare(&self) -> io::Result<SocketAddr> {
        match &self.socket {
            Socket::Tcp(stream) => {
                // Without it, a small response waits 40 ms until the client acknowledges its head.
                stream.set_nodelay(true)?;
                stream.local_addr()
            }
            #[cfg(unix)]
            Socket::Unix(_) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 80))),
        }
    }

    /// Waits for the client's first byte and returns it without consuming it; `None` if the
    /// connection ended before. TLS is for TCP only: the first byte on a Unix socket is always 0.
    pub(super) async fn first_byte(&self) -> Option<u8> {
        match &self.socket {
            Socket::Tcp(stream) => {
                let mut first = [0];
                let read = stream.peek(&mut first).await;
                read.is_ok_and(|bytes| bytes > 0).then_some(first[0])
            }
            #[cfg(unix)]
            Socket::Unix(stream) => stream.readable().await.is_ok().then_some(0),
        }
    }
}

impl Drop for Stream {
    /// Closes the socket, by RST if the connection was reset.
    fn drop(&mut self) {
        let prepared = match &self.socket {
            Socket::Tcp(stream) if self.reset.is_cancelled() => stream.set_zero_linger(),
            _ => Ok(()),
        };
        if let Err(error) = prepared {
            tracing::warn!(%error, "cannot reset a connection: it is closed");
        }
    }
}

/// Calls the same method of whichever socket it is.
macro_rules! delegate {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match &mut $self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(unix)]
            Socket::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    /// Delegates to the socket.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        delegate!(self.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    /// Delegates to the socket.
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        delegate!(self.poll_write(cx, bytes))
    }

    /// Delegates to the socket.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self.poll_flush(cx))
    }

    /// Delegates to the socket.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self.poll_shutdown(cx))
    }

    /// Delegates to the socket.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self.poll_write_vectored(cx, bytes))
    }

    /// Delegates to the socket.
    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Socket::Unix(stream) => stream.is_write_vectored(),
        }
    }
}
