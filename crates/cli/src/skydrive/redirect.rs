//! A browser's end at this program: one request to a port of this machine.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::failure::{Failure, Result};

/// The longest request that is read, in bytes.
const MAX_REQUEST: usize = 16 << 10;

/// What the browser shows at its end.
const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Signed in</title>\
                    <p>Signed in. You may close this page.</p>\n";

/// Where a browser is to end.
pub(super) struct RedirectListener {
    listener: TcpListener,
    port: u16,
}

impl RedirectListener {
    /// # Errors
    /// When there is no port.
    pub(super) async fn new() -> Result<Self> {
        let failed =
            |error: std::io::Error| Failure::from(&error).doing("listen on").about("a local port");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port })
    }

    /// The address to be redirected to.
    pub(super) fn url(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }

    /// Waits for the redirect of the sign-in that has this state: the address it ends at. Anything
    /// else that comes is sent away.
    ///
    /// # Errors
    /// When nothing can be received.
    pub(super) async fn wait_for_redirect(&self, state: &str) -> Result<String> {
        loop {
            let accepted = self.listener.accept().await;
            let (mut stream, _) = accepted.map_err(|error| {
                Failure::from(&error).doing("accept").about("the browser's connection")
            })?;
            // A browser that goes away comes again.
            let Some(url) = self.read_request_url(&mut stream).await else { continue };
            let ours = url.query_pairs().any(|(name, value)| name == "state" && value == state);
            let (status, page) = if ours { ("200 OK", PAGE) } else { ("404 Not EntryInfo", "") };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
            if ours {
                return Ok(url.into());
            }
        }
    }

    /// What a request asks for.
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
