//! `drivedal serve` as a process of its own, for the tests of more than one target.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

/// A server that runs, and ends with this at the latest.
pub struct Serving {
    /// The process.
    pub child: Child,
    /// What it says after its first line.
    pub out: BufReader<ChildStdout>,
    /// Where it is, without a slash at the end.
    pub url: String,
}

impl Serving {
    /// Starts it; when this returns, it answers.
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        // From here on it ends with this, also when it says something unexpected.
        let mut serving = Self { child, out, url: String::new() };
        let mut first = String::new();
        serving.out.read_line(&mut first).expect("a first line");
        let url = first.trim_end().strip_prefix("listening on ").unwrap_or_default();
        assert!(url.starts_with("http://"), "{first:?} {:?}", serving.child.try_wait());
        serving.url = url.trim_end_matches('/').to_owned();
        serving
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
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
