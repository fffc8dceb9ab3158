//! HTTP archive (HAR 1.2), a file format that the network panel of a browser opens.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{StatusCode, Version};
use serde_json::{Value, json};

use super::record::HttpRecord;

/// End of the file.
const END: &str = "\n]}}\n";

/// HAR file. It is complete after each request: the end of the file is written every time, and the
/// next request overwrites it. A process that is killed therefore leaves a readable file. Clones
/// write to the same file.
///
/// The file contains no bodies. In addition to the fields of HAR, an entry has `_service`,
/// `_account`, `_operation`, `_attempt`, `_request_id` and `_ending`.
#[derive(Clone)]
pub struct HarFile(Arc<Inner>);

/// The path and the state of the file.
struct Inner {
    path: PathBuf,
    state: Mutex<State>,
}

/// The open file and the position in it.
struct State {
    file: File,
    /// Offset of the next entry.
    at: u64,
    entries: u64,
    /// First failure. Nothing is written after it.
    failed: Option<io::Error>,
}

impl HarFile {
    /// Creates or replaces a file. On Unix, only the user can access it, because it contains names
    /// of files.
    ///
    /// # Errors
    /// Returns the error of the file system.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        // An existing file keeps its mode. A device instead of a file may belong to another user.
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

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Checks that the file contains every request that has ended so far.
    ///
    /// # Errors
    /// Returns the first write error. The file then contains the requests before it.
    pub fn check(&self) -> io::Result<()> {
        match &self.state().failed {
            None => Ok(()),
            Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    /// Locks the state. A poisoned lock is used as it is.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a request. Writes on the caller's thread: it is about a kilobyte into the page
    /// cache. A failure is logged and kept for [`check`](Self::check).
    pub(super) fn add(&self, record: &HttpRecord) {
        let mut state = self.state();
        if state.failed.is_some() {
            return;
        }
        if let Err(error) = state.add(&entry(record)) {
            tracing::warn!(path = %self.0.path.display(), %error, "cannot write to the HAR file");
            state.failed = Some(error);
        }
    }
}

impl State {
    /// Appends an entry and the closing brackets.
    ///
    /// # Errors
    /// The error of the file system. The file then has its previous contents, if they could be
    /// restored.
    fn add(&mut self, entry: &Value) -> io::Result<()> {
        let separator = if self.entries == 0 { "\n" } else { ",\n" };
        let text = format!("{separator}{entry}");
        if let Err(error) = self.end_with(&format!("{text}{END}")) {
            // Restore the previous end of the file, which needs no more space.
            self.end_with(END)?;
            self.file.set_len(self.at + END.len() as u64)?;
            return Err(error);
        }
        self.at += text.len() as u64;
        self.entries += 1;
        Ok(())
    }

    /// Overwrites the end of the file, from the offset of the next entry, with `text`: an entry and
    /// the closing brackets, or only these. The offset does not change.
    ///
    /// # Errors
    /// Those of the file system.
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

/// Returns the HAR entry of a request.
fn entry(record: &HttpRecord) -> Value {
    let millis = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
    let wait = record.first_byte.unwrap_or(record.total);
    let status = record.status.and_then(|status| StatusCode::from_u16(status).ok());
    json!({
        "startedDateTime": record.started.to_string(),
        "time": millis(record.total),
        "request": {
            "method": record.method.as_str(),
            "url": record.url,
            "httpVersion": version(record.version),
            "cookies": [],
            "headers": pairs(&record.request_headers),
            "queryString": query(&record.url),
            "headersSize": -1,
            "bodySize": record.up,
        },
        "response": {
            // Browsers write 0 if there was no response.
            "status": record.status.unwrap_or(0),
            "statusText": status.and_then(|status| status.canonical_reason()).unwrap_or_default(),
            "httpVersion": version(record.version),
            "cookies": [],
            "headers": pairs(&record.response_headers),
            "content": {"size": record.down, "mimeType": record.content_type},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": record.down,
        },
        "cache": {},
        "timings": {
            "send": 0,
            "wait": millis(wait),
            "receive": millis(record.total.saturating_sub(wait)),
        },
        "_service": &*record.service,
        "_account": &*record.account,
        "_operation": record.operation,
        "_attempt": record.attempt,
        "_request_id": record.request_id,
        "_ending": record.ending.as_str(),
    })
}

/// Returns HAR's name of an HTTP version.
fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// Returns headers as HAR objects with `name` and `value`.
fn pairs(pairs: &[(String, String)]) -> Vec<Value> {
    pairs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// Returns the parameters of a redacted URL as HAR objects.
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
