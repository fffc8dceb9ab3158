//! How a second process learns that a server runs on a data folder: a file in it says where.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use url::Url;

use super::seal::write_private;

/// The file's name in the data folder.
const FILE: &str = "server.json";

/// How long a server may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize, Deserialize)]
struct Notice {
    url: Url,
    pid: u32,
    /// As `/_control/health` says it: tells this server from a later one at the same address.
    instance: String,
}

/// The file while the server runs; removed with it.
#[derive(Debug)]
pub(super) struct Announced {
    file: PathBuf,
}

impl Announced {
    /// Says in the data folder where the server is.
    pub(super) fn new(data: &Path, url: &Url, instance: &str) -> io::Result<Self> {
        let notice =
            Notice { url: url.clone(), pid: std::process::id(), instance: instance.to_owned() };
        let file = data.join(FILE);
        write_private(&file, &serde_json::to_vec_pretty(&notice)?)?;
        Ok(Self { file })
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.file) {
            tracing::warn!(%error, file = %self.file.display(), "not removed");
        }
    }
}

/// Where a server runs on a data folder, if the one that said so answers.
pub(super) async fn running_at(data: &Path) -> Option<Url> {
    let text = tokio::fs::read(data.join(FILE)).await.ok()?;
    let notice: Notice = serde_json::from_slice(&text).ok()?;
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().ok()?;
    let health = client.get(notice.url.join("/_control/health").ok()?).send().await.ok()?;
    let health: serde_json::Value = serde_json::from_slice(&health.bytes().await.ok()?).ok()?;
    (health["instance"] == notice.instance.as_str()).then_some(notice.url)
}
