//! The process `rclone rcd`, and its remote control.

use std::{
    io::{BufRead, BufReader},
    ops::Range,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::Engine;
use bytes::{Bytes, BytesMut};
use drivedal::http_transport;
use drivedal_bench::Result;
use http::{Method, Request, StatusCode, header};
use opendal::{Buffer, HttpBody, raw::oio::ReadStream};
use serde_json::Value;
use tokio::sync::oneshot;
use url::Url;

use crate::failure::{self, Exit, Failure};

/// Maximum time until rclone listens.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The text before the URL in rclone's message.
const LISTENING: &str = "Serving remote control on ";

/// Maximum length of a response that is read as a whole, in bytes.
const MAX_RESPONSE: usize = 256 << 20;

/// Maximum length of the part of an error message of rclone that is kept, in characters.
const MAX_MESSAGE: usize = 500;

/// A running `rclone rcd`. It is stopped when this value is dropped.
pub(super) struct Daemon {
    child: Child,
    url: Url,
    /// Value of the header `Authorization`.
    authorization: String,
    version: String,
}

impl Daemon {
    /// Starts the program and waits until it listens on a loopback port. Only this process knows its
    /// password.
    ///
    /// # Errors
    /// `Failed` if the program cannot be started, ends, or does not listen in time.
    pub(super) async fn start(program: &Path) -> failure::Result<Self> {
        let password = hex::encode(rand::random::<[u8; 16]>());
        let mut command = Command::new(program);
        command
            .args(["rcd", "--rc-addr", "127.0.0.1:0", "--rc-serve", "--stats", "0"])
            // The arguments of a process are visible to other users.
            .env("RCLONE_RC_USER", "drivedal")
            .env("RCLONE_RC_PASS", &password)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // Ctrl-C must not stop rclone before its files are removed.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|error| {
            let failure = Failure::from(&error).doing("run").about(program.display());
            failure.hint("install rclone, or use --rclone PROGRAM")
        })?;
        let pair = base64::prelude::BASE64_STANDARD.encode(format!("drivedal:{password}"));
        let url = Url::parse("http://127.0.0.1/").map_err(|error| failed(error.to_string()))?;
        // From here on, dropping `daemon` stops the process.
        let mut daemon =
            Self { child, url, authorization: format!("Basic {pair}"), version: String::new() };
        daemon.url = daemon.listening().await?;
        let version = daemon.call("core/version", Value::Object(serde_json::Map::new())).await;
        let version = version.map_err(|error| failed(error.to_string()))?;
        daemon.version = version["version"].as_str().unwrap_or_default().to_owned();
        Ok(daemon)
    }

    /// Returns the id of the process.
    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Returns rclone's version, such as `v1.75.2`.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Waits until rclone listens. Returns the URL of its remote control.
    ///
    /// # Errors
    /// `Failed` with the last message of rclone if it ends or does not listen in time.
    async fn listening(&mut self) -> failure::Result<Url> {
        let messages = self.child.stderr.take().ok_or_else(|| failed("it has no output"))?;
        let (sender, receiver) = oneshot::channel();
        // The thread ends with rclone. It keeps reading, because a full pipe would stop rclone.
        std::thread::spawn(move || {
            let mut sender = Some(sender);
            let mut last = String::new();
            for line in BufReader::new(messages).lines().map_while(std::io::Result::ok) {
                if let Some((_, url)) = line.split_once(LISTENING)
                    && let Some(sender) = sender.take()
                {
                    // The receiver is dropped after the timeout.
                    let _ = sender.send(Ok(url.trim().to_owned()));
                }
                last = line;
            }
            if let Some(sender) = sender {
                let _ = sender.send(Err(last));
            }
        });
        let message = tokio::time::timeout(START_TIMEOUT, receiver).await;
        let message = message.map_err(|_| failed("it does not listen after 30 seconds"))?;
        let url = message
            .map_err(|_| failed("its output ended"))?
            .map_err(|last| failed(format!("rclone ended: {last}")))?;
        Url::parse(&url).map_err(|error| failed(format!("it listens on `{url}`: {error}")))
    }

    /// Calls a function of the remote control.
    ///
    /// # Errors
    /// The message of rclone if the call failed; those of the transport.
    pub(super) async fn call(&self, function: &str, arguments: Value) -> Result<Value> {
        let url = self.url.join(function)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(url.as_str())
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Buffer::from(arguments.to_string()))?;
        let (parts, body) = http_transport().fetch(request).await?.into_parts();
        let text = whole(body).await?;
        if parts.status != StatusCode::OK {
            return Err(message(function, parts.status, &text).into());
        }
        Ok(serde_json::from_slice(&text)?)
    }

    /// Reads a file, or a range of it.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and of the transport.
    pub(super) async fn read(
        &self,
        remote: &str,
        path: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes> {
        whole(self.open(remote, path, range).await?).await
    }

    /// Opens a file, or a range of it. `path` is relative to the remote.
    ///
    /// # Errors
    /// The message of rclone if the file cannot be read, or if it ignores the range; those of the
    /// transport.
    pub(super) async fn open(
        &self,
        remote: &str,
        path: &str,
        range: Option<Range<u64>>,
    ) -> Result<HttpBody> {
        let mut url = self.url.clone();
        // A remote has colons and slashes, which `push` encodes.
        url.path_segments_mut()
            .map_err(|()| "the URL has no path")?
            .clear()
            .push(&format!("[{remote}]"))
            .extend(path.split('/'));
        let mut request =
            Request::builder().uri(url.as_str()).header(header::AUTHORIZATION, &self.authorization);
        let expected = match &range {
            Some(range) => {
                let value = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
                request = request.header(header::RANGE, value);
                StatusCode::PARTIAL_CONTENT
            }
            None => StatusCode::OK,
        };
        let (parts, body) =
            http_transport().fetch(request.body(Buffer::new())?).await?.into_parts();
        match parts.status {
            status if status == expected => Ok(body),
            status => Err(message("read", status, &whole(body).await?).into()),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the failure to start rclone.
fn failed(reason: impl Into<String>) -> Failure {
    Failure::new(Exit::Failed, reason).hint("see `rclone rcd --help`")
}

/// Reads a response body as a whole.
///
/// # Errors
/// Those of the transport, and a message for a response above [`MAX_RESPONSE`].
async fn whole(mut body: HttpBody) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    loop {
        let chunk = body.read().await?;
        if chunk.is_empty() {
            return Ok(bytes.freeze());
        }
        if bytes.len() + chunk.len() > MAX_RESPONSE {
            return Err(format!("a response of rclone is longer than {MAX_RESPONSE} bytes").into());
        }
        chunk.for_each(|piece| bytes.extend_from_slice(&piece));
    }
}

/// Returns the message of a call that failed: that of rclone if the response has one.
fn message(function: &str, status: StatusCode, body: &[u8]) -> String {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let text = parsed.as_ref().and_then(|json| json["error"].as_str()).map(str::to_owned);
    let text = text.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let text: String = text.trim().chars().take(MAX_MESSAGE).collect();
    format!("rclone: {function}: {status}: {text}")
}
