//! A drive server, and the three drives on it.

use std::{io::Write, time::Duration};

use drivedal::{
    adapter::{DriveHandle, FileUpload, SavedUpload, UploadedFile},
    drive::{Conditions, DownloadRequest, ItemRef},
    remote::RemoteSource,
    transport::Transport,
};
use drivedal_server::{Fault, Server};
use futures::TryStreamExt;
use opendal::{Buffer, HttpTransporter, OperationContext, Operator};
use tempfile::NamedTempFile;

/// Cloud under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    SkyDrive,
    OneDrive,
    Amazon,
}

pub const WITH_SESSIONS: [Cloud; 2] = [Cloud::SkyDrive, Cloud::OneDrive];
pub const ALL: [Cloud; 3] = [Cloud::SkyDrive, Cloud::OneDrive, Cloud::Amazon];

impl Cloud {
    /// Returns the server's operation name for fragments.
    pub fn fragments(self) -> &'static str {
        match self {
            Self::SkyDrive => "live.bits.fragment",
            Self::OneDrive => "graph.session.fragment",
            Self::Amazon => "amazon.content.*",
        }
    }

    /// Sets the response of a host that does not know an upload session.
    pub fn loses(self, fault: Fault) -> Fault {
        match self {
            Self::SkyDrive => fault.status(500).header("BITS-Error", "0x8020001F"),
            Self::OneDrive | Self::Amazon => fault.status(404),
        }
    }

    fn source(self, server: &Server, account: &str) -> RemoteSource {
        let server = server.url().as_str().trim_end_matches('/');
        let (scheme, path) = match self {
            Self::SkyDrive => ("skydrive", "/v5.0/"),
            Self::OneDrive => ("onedrive", "/v1.0"),
            Self::Amazon => ("amazon-drive", "/drive/v1/"),
        };
        RemoteSource::from_scheme(scheme)
            .option("endpoint", format!("{server}{path}"))
            .option("access_token", format!("drivedal-dev-{account}"))
    }
}

/// One account of a cloud, opened by one process.
pub struct Drive {
    pub operator: Operator,
    pub handle: DriveHandle,
}

impl Drive {
    pub fn new(cloud: Cloud, server: &Server, account: &str, options: &[(&str, &str)]) -> Self {
        let mut source = cloud.source(server, account);
        for (key, value) in options {
            source = source.option(*key, *value);
        }
        let remote = source.open().expect("a remote");
        // A separate transport, because connections belong to the runtime of their test.
        let transport = HttpTransporter::new(Transport::default());
        let context = OperationContext::new().with_http_transport(transport);
        Self {
            operator: remote.operator.with_context(context),
            handle: remote.handle.expect("a drive of ours"),
        }
    }

    /// Returns the whole file. `None` if it does not exist.
    pub async fn read(&self, path: &str) -> Option<Vec<u8>> {
        let cx = DriveHandle::context(&self.operator);
        let item = match self.handle.item(&self.operator, path).await {
            Ok(item) => item,
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => return None,
            Err(error) => panic!("{error}"),
        };
        let (place, conditions) = (ItemRef::from_id(&item.id), Conditions::default());
        let drive = self.handle.drive();
        let read = drive
            .download(
                &cx,
                DownloadRequest::new(&place).with_known(&item).with_conditions(&conditions),
            )
            .await;
        let pieces: Vec<Buffer> =
            read.expect("it is there").bytes.try_collect().await.expect("all of it");
        Some(pieces.iter().flat_map(|piece| piece.to_vec()).collect())
    }

    /// Sends a local file. `saved` is the session that a journal stores.
    pub async fn send(
        &self,
        local: &NamedTempFile,
        path: &str,
        saved: &mut Option<String>,
    ) -> opendal::Result<UploadedFile> {
        let resume = saved.as_deref().map(|kept| SavedUpload::from_json(kept).expect("its own"));
        let file = local.reopen().expect("the file");
        let options = FileUpload::default();
        let mut keep = |upload: &SavedUpload| *saved = Some(upload.to_json());
        let sent = self.handle.upload_file(&self.operator, path, file, &options, resume, &mut keep);
        sent.await
    }

    /// Sends a local file, and repeats this until it succeeds. Also returns the number of attempts.
    pub async fn send_patiently(
        &self,
        local: &NamedTempFile,
        path: &str,
    ) -> opendal::Result<(UploadedFile, u64)> {
        let (mut saved, mut tries, mut sent) = (None, 0, 0);
        loop {
            tries += 1;
            match self.send(local, path, &mut saved).await {
                Err(error) if error.is_temporary() && tries < 50 => sent += 1,
                ended => return ended.map(|file| (file, sent)),
            }
        }
    }
}

/// Returns bytes in which no two pieces are equal.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Creates a local file.
pub fn local(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("room");
    file
}

/// Waits until an account has no open upload session.
pub async fn no_sessions(server: &Server, account: &str) -> Result<(), String> {
    sessions_at_most(0, server, account).await
}

/// Waits until an account has at most this many open upload sessions.
pub async fn sessions_at_most(most: u64, server: &Server, account: &str) -> Result<(), String> {
    let gone = async {
        while server.control().upload_sessions(account).await.expect("a count") > most {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(10), gone).await;
    gone.map_err(|_| format!("more than {most} upload sessions are still open"))
}
