//! The server as a process.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// A server that runs, and ends with this.
pub struct Serving {
    child: Child,
    pub url: String,
}

impl Serving {
    /// Starts it on a data folder; when this returns, it answers.
    pub fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_drivedal"))
            .args(["serve", "--http", "127.0.0.1:0"])
            .env_clear()
            .env("HOME", data)
            .env("DRIVEDAL_DATA", data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut first = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut first).expect("a first line");
        let url = first.trim_end().strip_prefix("listening on ").unwrap_or_default().to_owned();
        assert!(url.starts_with("http://"), "{first:?} {:?}", child.try_wait());
        Self { child, url }
    }

    /// Kills it: no good-bye, nothing is written any more.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(asked.expect("a kill command").success());
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
