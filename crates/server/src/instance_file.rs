//! How a second process learns that a server runs on a data folder: a file in it says where.
//!
//! The file outlives a crash, and any user of the machine can take over the port of a server that
//! crashed. The second process would send that user its token. So the file, which only its owner can
//! read, holds a secret of the running server, and the server proves that it knows it.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use url::Url;

use super::signed_token::{random_name, write_private};

/// The file's name in the data folder.
const FILE: &str = "server.json";

/// How long a server may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize, Deserialize)]
struct Notice {
    url: Url,
    /// The Unix socket of a server without a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    socket: Option<PathBuf>,
    pid: u32,
    /// The server's [`Instance`].
    instance: String,
}

/// How a running server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningServer {
    /// Its URL, with a slash at the end.
    pub url: Url,
    /// The Unix socket to which requests to the URL are sent. `None`: to the URL's own host and port.
    pub socket: Option<PathBuf>,
}

impl std::fmt::Display for RunningServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.socket {
            Some(socket) => socket.display().fmt(f),
            None => self.url.fmt(f),
        }
    }
}

/// One run of a server.
pub(super) struct Instance(String);

impl Default for Instance {
    fn default() -> Self {
        Self(random_name())
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Instance").field(&self.public()).finish()
    }
}

impl Instance {
    /// Returns a name of this run that anybody may see.
    pub(super) fn public(&self) -> String {
        let mut name = self.proof("");
        name.truncate(16);
        name
    }

    /// Returns an HMAC of a challenge that only who knows the secret can compute.
    pub(super) fn proof(&self, challenge: &str) -> String {
        let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.as_bytes())
            .expect("HMAC takes keys of every length");
        hex::encode(keyed.chain_update(challenge).finalize().into_bytes())
    }
}

/// The file while the server runs; removed with it.
#[derive(Debug)]
pub(super) struct InstanceFile {
    file: PathBuf,
}

impl InstanceFile {
    /// Says in the data folder where the server is.
    pub(super) fn new(data: &Path, server: RunningServer, instance: &Instance) -> io::Result<Self> {
        let RunningServer { url, socket } = server;
        let pid = std::process::id();
        let notice = Notice { url, socket, pid, instance: instance.0.clone() };
        let file = data.join(FILE);
        write_private(&file, &serde_json::to_vec_pretty(&notice)?)?;
        Ok(Self { file })
    }
}

impl Drop for InstanceFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.file) {
            tracing::warn!(%error, file = %self.file.display(), "not removed");
        }
    }
}

/// Returns where a server runs on a data folder, if the server there proves that it announced itself
/// in the folder.
pub(super) async fn running_at(data: &Path) -> Option<RunningServer> {
    let text = tokio::fs::read(data.join(FILE)).await.ok()?;
    let notice: Notice = serde_json::from_slice(&text).ok()?;
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    let client = match &notice.socket {
        #[cfg(unix)]
        Some(socket) => client.unix_socket(socket.as_path()),
        _ => client,
    };
    let client = client.build().ok()?;
    let challenge = random_name();
    let mut health = notice.url.join("/_control/health").ok()?;
    health.query_pairs_mut().append_pair("challenge", &challenge);
    let health = client.get(health).send().await.ok()?;
    let health: serde_json::Value = serde_json::from_slice(&health.bytes().await.ok()?).ok()?;
    let expected = Instance(notice.instance).proof(&challenge);
    let server = RunningServer { url: notice.url, socket: notice.socket };
    (health["proof"] == expected.as_str()).then_some(server)
}
