//! The drive server as a process.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::Result;

/// A drive server with an empty data folder. Dropping it stops the server and removes the folder.
pub struct Serving {
    child: Child,
    pub url: String,
    _data: tempfile::TempDir,
}

impl Serving {
    /// Starts the server and waits until it accepts requests.
    pub fn start(latency_ms: u64) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_drivedal"))
            .args(["serve", "--http", "127.0.0.1:0", "--latency", &format!("{latency_ms}ms")])
            .env("DRIVEDAL_DATA", data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut first = String::new();
        let out = child.stdout.take().ok_or("the server has no output")?;
        BufReader::new(out).read_line(&mut first)?;
        let url = first.trim_end().strip_prefix("listening on ").map(|url| format!("{url}/"));
        let url = url.ok_or_else(|| format!("the server said {first:?}"))?;
        Ok(Self { child, url, _data: data })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
