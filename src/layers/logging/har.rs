//! A file of requests that a browser's network panel shows: HAR 1.2.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{StatusCode, Version};
use serde_json::{Value, json};

use super::exchange::Exchange;

/// What the file ends with.
const END: &str = "\n]}}\n";

/// A HAR file. It is whole after each request: what ends it is written every time, and the next
/// request goes over it, so a process that is killed leaves a file that can be read. Clones write
/// the same file.
///
/// Bodies are not in it. Beside what HAR knows an entry has `_service`, `_operation`, `_attempt`,
/// `_request_id` and `_ending`.
#[derive(Clone)]
pub struct HarFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// Where the next entry goes.
    at: u64,
    entries: u64,
    /// Nothing is written after the first failure.
    failed: Option<io::Error>,
}

impl HarFile {
    /// A new file, or one that replaces what is there. Where the system can, only the user can read
    /// it: names of files are in it.
    ///
    /// # Errors
    /// The file system's.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        // A file that exists keeps its mode. A device that the user names instead of a file may
        // belong to somebody else.
        #[cfg(unix)]
        if file.metadata()?.is_file() {
            use std::os::unix::fs::PermissionsExt;
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
        let creator = json!({"name": "drivedal", "version": env!("CARGO_PKG_VERSION")});
        let head = format!(r#"{{"log":{{"version":"1.2","creator":{creator},"entries":["#);
        file.write_all(format!("{head}{END}").as_bytes())?;
        let state = State { file, at: head.len() as u64, entries: 0, failed: None };
        Ok(Self(Arc::new(Inner { path, state: Mutex::new(state) })))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether every request that ended so far is in it.
    ///
    /// # Errors
    /// The first failure to write it, told once; the file is as it was before.
    pub fn check(&self) -> io::Result<()> {
        match &self.state().failed {
            None => Ok(()),
            Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a request. On the caller's thread: it is a kilobyte into the system's cache.
    pub(super) fn add(&self, exchange: &Exchange) {
        let mut state = self.state();
        if state.failed.is_some() {
            return;
        }
        if let Err(error) = state.add(&entry(exchange)) {
            tracing::warn!(path = %self.0.path.display(), %error, "the HAR file cannot be written");
            state.failed = Some(error);
        }
    }
}

impl State {
    fn add(&mut self, entry: &Value) -> io::Result<()> {
        let separator = if self.entries == 0 { "\n" } else { ",\n" };
        let text = format!("{separator}{entry}");
        if let Err(error) = self.end_with(&format!("{text}{END}")) {
            // There is room for what was there before.
            self.end_with(END)?;
            self.file.set_len(self.at + END.len() as u64)?;
            return Err(error);
        }
        self.at += text.len() as u64;
        self.entries += 1;
        Ok(())
    }

    fn end_with(&mut self, text: &str) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.at))?;
        self.file.write_all(text.as_bytes())
    }
}

impl fmt::Debug for HarFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HarFile").field(&self.0.path).finish()
    }
}

fn entry(exchange: &Exchange) -> Value {
    let millis = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
    let wait = exchange.first_byte.unwrap_or(exchange.total);
    let status = exchange.status.and_then(|status| StatusCode::from_u16(status).ok());
    json!({
        "startedDateTime": exchange.begun.to_string(),
        "time": millis(exchange.total),
        "request": {
            "method": exchange.method.as_str(),
            "url": exchange.url,
            "httpVersion": version(exchange.version),
            "cookies": [],
            "headers": pairs(&exchange.request_headers),
            "queryString": query(&exchange.url),
            "headersSize": -1,
            "bodySize": exchange.up,
        },
        "response": {
            // 0 is how browsers write that there was none.
            "status": exchange.status.unwrap_or(0),
            "statusText": status.and_then(|status| status.canonical_reason()).unwrap_or_default(),
            "httpVersion": version(exchange.version),
            "cookies": [],
            "headers": pairs(&exchange.response_headers),
            "content": {"size": exchange.down, "mimeType": exchange.content_type},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": exchange.down,
        },
        "cache": {},
        "timings": {
            "send": 0,
            "wait": millis(wait),
            "receive": millis(exchange.total.saturating_sub(wait)),
        },
        "_service": &*exchange.service,
        "_account": &*exchange.account,
        "_operation": exchange.operation,
        "_attempt": exchange.attempt,
        "_request_id": exchange.request_id,
        "_ending": exchange.ending.as_str(),
    })
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

fn pairs(pairs: &[(String, String)]) -> Vec<Value> {
    pairs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// Of the redacted address.
fn query(url: &str) -> Vec<Value> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    parameters
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            json!({"name": name, "value": value})
        })
        .collect()
}
