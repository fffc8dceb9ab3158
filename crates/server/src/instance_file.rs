//! The file in a data folder that names the running server.
//!
//! The file may outlive its server after a crash, and any user of the machine can then take over the
//! port. A client that trusted the file would send its token to that user. Therefore the file, which
//! only the owner of the folder can read, contains a secret of the running server, and the server
//! proves that it knows the secret.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use url::Url;

use crate::signed_token::{random_name, write_private};

/// The file's name in the data folder.
const FILE: &str = "server.json";

/// Maximum time for a server's proof.
const PROOF_TIMEOUT: Duration = Duration::from_secs(2);

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
struct InstanceRecord {
    url: Url,
    /// The Unix socket of a server without a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    socket: Option<PathBuf>,
    pid: u32,
    /// The secret of the server's [`Instance`].
    instance: String,
}

/// The URL of a running server, and its Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningServer {
    /// The server's URL, with a slash at the end.
    pub url: Url,
    /// The Unix socket to which requests to the URL are sent. `None`: the URL's own host and port.
    pub socket: Option<PathBuf>,
}

impl std::fmt::Display for RunningServer {
    /// Writes the path of the socket, or the URL without one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.socket {
            Some(socket) => socket.display().fmt(f),
            None => self.url.fmt(f),
        }
    }
}

/// One run of a server, identified by a secret.
pub(super) struct Instance(String);

impl Default for Instance {
    /// Creates a run with a random secret.
    fn default() -> Self {
        Self(random_name())
    }
}

impl std::fmt::Debug for Instance {
    /// Shows the public name only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Instance").field(&self.public()).finish()
    }
}

impl Instance {
    /// Returns a name of this run that everyone may see: it does not reveal the secret.
    pub(super) fn public(&self) -> String {
        let mut name = self.proof("");
        name.truncate(16);
        name
    }

    /// Returns an HMAC of a challenge as hexadecimal digits, which proves knowledge of the secret.
    pub(super) fn proof(&self, challenge: &str) -> String {
        let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.as_bytes())
            .expect("HMAC accepts keys of every length");
        hex::encode(keyed.chain_update(challenge).finalize().into_bytes())
    }
}

/// The file while the server runs. It is removed when this is dropped.
#[derive(Debug)]
pub(super) struct InstanceFile {
    file: PathBuf,
}

impl InstanceFile {
    /// Writes the file of a running server to the data folder `data`.
    ///
    /// # Errors
    /// The operating system's error if the file cannot be written.
    pub(super) fn new(data: &Path, server: RunningServer, instance: &Instance) -> io::Result<Self> {
        let RunningServer { url, socket } = server;
        let pid = std::process::id();
        let record = InstanceRecord { url, socket, pid, instance: instance.0.clone() };
        let file = data.join(FILE);
        write_private(&file, &serde_json::to_vec_pretty(&record)?)?;
        Ok(Self { file })
    }
}

impl Drop for InstanceFile {
    /// Removes the file.
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.file) {
            tracing::warn!(%error, file = %self.file.display(), "cannot remove the file of this server");
        }
    }
}

/// Returns the server that runs on the data folder `data`, if it proves its identity within
/// [`PROOF_TIMEOUT`]. `None` if the folder has no file or a malformed one, and if the server does
/// not respond in time or its proof is wrong: a server that is only slow is not found either.
pub(super) async fn running_at(data: &Path) -> Option<RunningServer> {
    let text = tokio::fs::read(data.join(FILE)).await.ok()?;
    let record: InstanceRecord = serde_json::from_slice(&text).ok()?;
    let client = reqwest::Client::builder().no_proxy().timeout(PROOF_TIMEOUT);
    let client = match &record.socket {
        #[cfg(unix)]
        Some(socket) => client.unix_socket(socket.as_path()),
        _ => client,
    };
    let client = client.build().ok()?;
    let challenge = random_name();
    let mut health = record.url.join("/_control/health").ok()?;
    health.query_pairs_mut().append_pair("challenge", &challenge);
    let health = client.get(health).send().await.ok()?;
    let health: serde_json::Value = serde_json::from_slice(&health.bytes().await.ok()?).ok()?;
    let expected = Instance(record.instance).proof(&challenge);
    let server = RunningServer { url: record.url, socket: record.socket };
    (health["proof"] == expected.as_str()).then_some(server)
}
