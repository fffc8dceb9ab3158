//! Runs `drivedal serve` in a child process, for several test targets.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

/// A running server. Dropping it kills the process.
pub struct Serving {
    /// The child process.
    pub child: Child,
    /// The server's output after its first line.
    pub out: BufReader<ChildStdout>,
    /// The server's URL without a trailing slash.
    pub url: String,
}

impl Serving {
    /// Starts the server with a command such as `drivedal serve`, and returns when it accepts
    /// requests.
    ///
    /// # Panics
    /// If the server does not start.
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        // From here on, dropping `serving` kills the process, also if the output is unexpected.
        let mut serving = Self { child, out, url: String::new() };
        let mut first = String::new();
        serving.out.read_line(&mut first).expect("a first line");
        let url = first.trim_end().strip_prefix("listening on ").unwrap_or_default();
        assert!(url.starts_with("http://"), "{first:?} {:?}", serving.child.try_wait());
        serving.url = url.trim_end_matches('/').to_owned();
        serving
    }

    /// Kills the process, which writes nothing more.
    ///
    /// # Panics
    /// If the process cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Terminates the process, and waits for its end.
    ///
    /// # Panics
    /// If the process does not end successfully.
    pub fn stop(&mut self) {
        let signalled = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(signalled.expect("a kill command").success());
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // The process may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
