//! The local end of a browser sign-in: a server that receives one redirect.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::failure::{Failure, Result};

/// Maximum length of a request, in bytes.
const MAX_REQUEST: usize = 16 << 10;

/// The page that the browser shows after the sign-in.
const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Signed in</title>\
                    <p>Signed in. You may close this page.</p>\n";

/// Receives the redirect at the end of a sign-in.
pub(super) struct RedirectListener {
    listener: TcpListener,
    port: u16,
}

impl RedirectListener {
    /// Listens on a free port of the loopback address.
    ///
    /// # Errors
    /// `Failed` if no port is available.
    pub(super) async fn new() -> Result<Self> {
        let failed =
            |error: std::io::Error| Failure::from(&error).doing("listen on").about("a local port");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port })
    }

    /// Returns the redirect URL: `http://localhost` with the port of the listener.
    pub(super) fn url(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }

    /// Waits for the redirect that carries this `state` and returns its URL, with the query. Other
    /// requests get a 404.
    ///
    /// # Errors
    /// `Failed` if the port does not accept connections.
    pub(super) async fn wait_for_redirect(&self, state: &str) -> Result<String> {
        loop {
            let accepted = self.listener.accept().await;
            let (mut stream, _) = accepted.map_err(|error| {
                Failure::from(&error).doing("accept").about("the browser's connection")
            })?;
            // A browser that closed the connection connects again.
            let Some(url) = self.read_request_url(&mut stream).await else { continue };
            let ours = url.query_pairs().any(|(name, value)| name == "state" && value == state);
            let (status, page) = if ours { ("200 OK", PAGE) } else { ("404 Not Found", "") };
            let response = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = stream.shutdown().await;
            if ours {
                return Ok(url.into());
            }
        }
    }

    /// Reads the head of a GET request and returns its URL, with the query. `None` if the request
    /// has another method, is not UTF-8, ends before its empty line, or has `MAX_REQUEST` bytes
    /// without one.
    async fn read_request_url(&self, stream: &mut TcpStream) -> Option<Url> {
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            if request.len() >= MAX_REQUEST || stream.read_buf(&mut request).await.ok()? == 0 {
                return None;
            }
        }
        let text = String::from_utf8(request).ok()?;
        let path = text.strip_prefix("GET ")?.split(' ').next()?;
        Url::parse(&self.url()).ok()?.join(path).ok()
    }
}
