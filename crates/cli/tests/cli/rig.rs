//! A drive of each cloud, on a server of the test.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use drivedal_server::{RequestRecord, Server};

use crate::shell::{Ran, Shell};

/// The cloud of the remote `it:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    SkyDrive,
    OneDrive,
    Amazon,
}

impl Cloud {
    pub fn uri(self, server: &Server) -> String {
        let (scheme, path, options) = match self {
            Self::SkyDrive => ("skydrive", "v5.0/", "&bits_from=1000000&bits_fragment=1000000"),
            Self::OneDrive => ("onedrive", "v1.0", "&upload_fragment=983040"),
            Self::Amazon => ("amazon-drive", "drive/v1/", ""),
        };
        let endpoint = format!("{}{path}", server.url());
        let endpoint = endpoint.replace(':', "%3A").replace('/', "%2F");
        format!("it={scheme}://?endpoint={endpoint}&access_token=drivedal-dev{options}")
    }

    /// The operation that uploads a fragment.
    pub fn fragment(self) -> &'static str {
        match self {
            Self::SkyDrive => "live.bits.fragment",
            Self::OneDrive => "graph.session.fragment",
            Self::Amazon => "amazon.content.upload",
        }
    }
}

/// A server, and a command line with a remote on it.
pub struct Rig {
    pub server: Server,
    pub shell: Shell,
    pub uri: String,
}

impl Rig {
    pub async fn new(cloud: Cloud) -> Self {
        let server = Server::builder().ephemeral().start().await.expect("a server");
        let uri = cloud.uri(&server);
        Self { server, shell: Shell::new(), uri }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.shell.command(&["--remote", &self.uri]);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        let ended = tokio::task::spawn_blocking(move || command.output()).await;
        Ran::new(ended.expect("no panic").expect("the binary runs"))
    }

    /// Waits until the server has recorded every request. It detects the end of a killed client
    /// with a delay.
    pub async fn settled(&self) {
        let control = self.server.control();
        let settled = async {
            while (control.requests().len() as u64) < control.counters().total {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), settled).await.expect("requests end");
    }

    /// Returns the sum of `bytes` over the requests that `of` selects.
    pub async fn bytes(
        &self,
        of: impl Fn(&RequestRecord) -> bool,
        bytes: impl Fn(&RequestRecord) -> u64,
    ) -> u64 {
        self.settled().await;
        self.server.control().requests().iter().filter(|record| of(record)).map(bytes).sum()
    }
}
