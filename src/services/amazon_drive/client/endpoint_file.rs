//! A file with the base URLs of an account, so that later processes need not request them
//! (amazon-drive#endpoint-cache-time). It contains no secret.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::{super::model::Endpoints, ENDPOINTS_TTL};
use crate::services::options::base_url;

/// The file, of which each write is atomic. It is a cache: a file that cannot be used is replaced.
#[derive(Clone, Debug)]
pub(super) struct EndpointFile {
    path: PathBuf,
    /// The URL that the base URLs are requested from. A file of another one is not used.
    endpoint: String,
}

/// The contents of the file. The names are those of acdcli's file `endpoint_data`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredEndpoints {
    endpoint: String,
    content_url: String,
    metadata_url: String,
    /// When the URLs expire, in seconds since 1970.
    #[serde(rename = "exp_time")]
    expires: i64,
}

impl EndpointFile {
    /// Returns the file at `path` for base URLs that `endpoint` names.
    pub(super) fn new(path: PathBuf, endpoint: &str) -> Self {
        Self { path, endpoint: endpoint.to_owned() }
    }

    /// Reads the base URLs, and how long they remain valid. `None` if the file does not exist, has
    /// expired, is of another endpoint, or cannot be used, which is logged.
    pub(super) async fn load(&self) -> Option<(Endpoints, Duration)> {
        let file = self.clone();
        let loaded = spawn_blocking(move || file.read()).await;
        loaded.unwrap_or_else(|panic| Err(io::Error::other(panic))).unwrap_or_else(|error| {
            let file = self.path.display();
            tracing::warn!(%file, %error, "cannot read the endpoints of the account");
            None
        })
    }

    /// Replaces the file. A failure is logged: the next process requests the URLs again.
    pub(super) async fn save(&self, endpoints: &Endpoints) {
        let stored = StoredEndpoints {
            endpoint: self.endpoint.clone(),
            content_url: endpoints.content_url.clone(),
            metadata_url: endpoints.metadata_url.clone(),
            expires: (Timestamp::now() + ENDPOINTS_TTL).as_second(),
        };
        let path = self.path.clone();
        let saved = spawn_blocking(move || write(&path, &stored)).await;
        if let Err(error) = saved.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            let file = self.path.display();
            tracing::warn!(%file, %error, "cannot store the endpoints of the account");
        }
    }

    /// Reads the file. `None` if it does not exist, has expired, or is of another endpoint.
    ///
    /// # Errors
    /// `InvalidData` if its contents have another format; the error of the read.
    fn read(&self) -> io::Result<Option<(Endpoints, Duration)>> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let stored: StoredEndpoints = serde_json::from_slice(&text)?;
        let left = stored.expires.saturating_sub(Timestamp::now().as_second());
        // A time beyond the maximum is that of a clock that was wrong.
        let left = u64::try_from(left).ok().map(Duration::from_secs);
        let left = left.filter(|left| !left.is_zero() && *left <= ENDPOINTS_TTL);
        let Some(left) = left.filter(|_| stored.endpoint == self.endpoint) else { return Ok(None) };
        let url = |name, url: &str| base_url(name, url).map_err(io::Error::other);
        let content_url = url("contentUrl", &stored.content_url)?;
        Ok(Some((Endpoints::new(content_url, url("metadataUrl", &stored.metadata_url)?), left)))
    }
}

/// Replaces the file at `path` atomically.
///
/// # Errors
/// If the folder does not exist or cannot be written, or the disk is full.
fn write(path: &Path, stored: &StoredEndpoints) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut temporary = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    serde_json::to_writer_pretty(&mut temporary, stored)?;
    temporary.write_all(b"\n")?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Endpoints {
        Endpoints::new("https://content/c/".to_owned(), "https://meta/m/".to_owned())
    }

    #[tokio::test]
    async fn endpoints_are_stored_for_their_endpoint_and_three_days() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("endpoints.json");
        let file = EndpointFile::new(path.clone(), "https://drive/");
        assert!(file.load().await.is_none());
        file.save(&endpoints()).await;
        let (loaded, left) = file.load().await.unwrap();
        assert_eq!(loaded, endpoints());
        assert!(left <= ENDPOINTS_TTL && left > ENDPOINTS_TTL - Duration::from_secs(60));
        assert!(EndpointFile::new(path.clone(), "https://other/").load().await.is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let text = fs::read_to_string(&path).unwrap();
        let stored: StoredEndpoints = serde_json::from_str(&text).unwrap();
        for expires in [0, Timestamp::now().as_second() - 1, i64::MAX] {
            write(&path, &StoredEndpoints { expires, ..clone(&stored) }).unwrap();
            assert!(file.load().await.is_none(), "{expires}");
        }
        for contents in ["", "{}", "[1]", "\u{fffd}"] {
            fs::write(&path, contents).unwrap();
            assert!(file.load().await.is_none(), "{contents}");
        }
        file.save(&endpoints()).await;
        assert!(file.load().await.is_some());
    }

    fn clone(stored: &StoredEndpoints) -> StoredEndpoints {
        serde_json::from_value(serde_json::to_value(stored).unwrap()).unwrap()
    }
}
