//! Runs the program in a temporary home folder.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use serde_json::Value;
use tempfile::TempDir;

/// A temporary working folder, which is also the home folder, and a remote `disk:` in it.
pub struct Shell {
    home: TempDir,
}

impl Shell {
    pub fn new() -> Self {
        Self { home: TempDir::new().expect("a temporary folder") }
    }

    /// Returns a path in the working folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    /// Writes a file and creates its parent folders.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it is in the home")).expect("made");
        fs::write(&path, bytes).expect("written");
        path
    }

    /// Writes a file that was modified an hour ago: a service that lists the times of uploads lists a
    /// later time, also if it lists whole seconds.
    pub fn write_old(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let file = fs::File::options().write(true).open(self.write(path, bytes)).expect("opened");
        file.set_modified(SystemTime::now() - Duration::from_secs(3_600)).expect("set");
    }

    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Returns the local path of a file of the remote `disk:`.
    pub fn on_disk(&self, path: &str) -> PathBuf {
        self.path("disk").join(path)
    }

    /// Returns the command without running it.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drivedal"));
        command
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("DRIVEDAL_DATA", self.path("data"))
            .arg("--remote")
            .arg(format!("disk=fs://{}", self.path("disk").display()))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        Ran::new(self.command(arguments).output().expect("the binary runs"))
    }

    /// Runs a command that must succeed and returns its output.
    pub fn out<S: AsRef<OsStr>>(&self, arguments: &[S]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out
    }
}

/// Exit code and output of a command.
#[derive(Debug)]
pub struct Ran {
    /// The exit code. 128 plus the signal's number if a signal ended the process.
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn new(output: Output) -> Self {
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        #[cfg(not(unix))]
        let signal = None::<i32>;
        Self {
            code: output.status.code().or(signal.map(|signal| 128 + signal)).unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("standard output is text"),
            err: String::from_utf8(output.stderr).expect("standard error is text"),
        }
    }

    /// Parses the lines of standard output as JSON.
    pub fn json(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        self.out.lines().map(parse).collect()
    }

    /// Asserts the exit code, and that standard error contains a text.
    pub fn fails(&self, code: i32, said: &str) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains(said), "{said:?} is not in {self:?}");
        self
    }
}

/// Returns every file and folder below a folder, with the content of files.
pub fn tree(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap_or_else(|error| panic!("{}: {error}", at.display())) {
            let path = entry.expect("listed").path();
            let name = path.strip_prefix(folder).expect("below").to_string_lossy().into_owned();
            let bytes = path.is_file().then(|| fs::read(&path).expect("read"));
            if path.is_dir() {
                folders.push(path);
            }
            found.push((name, bytes));
        }
    }
    found.sort();
    found
}
