//! A small disk for one test.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// A tmpfs in a new mount namespace. Other processes do not see it, and it disappears with the last
/// process in the namespace, even if the test is killed.
pub struct SmallDisk {
    /// A process that waits in the namespace and so keeps it alive.
    holder: Child,
    /// The mount point inside of the namespace.
    folder: TempDir,
    /// Options of `nsenter` to enter the namespace.
    namespaces: &'static [&'static str],
}

/// Without privileges a mount namespace needs a user namespace, which some systems forbid.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--mount", "--user"]];

const HOLD: &str = r#"mount -t tmpfs -o size="$1" tmpfs "$0" && echo mounted && exec cat"#;

impl SmallDisk {
    /// Mounts a disk of that size, in the notation of `mount`. Returns the reason if that is not
    /// possible.
    pub fn mount(size: &str) -> Result<Self, String> {
        let tried = WAYS.map(|namespaces| Self::mount_in(namespaces, size));
        let mut why = Vec::new();
        for tried in tried {
            match tried {
                Ok(disk) => return Ok(disk),
                Err(error) => why.push(error),
            }
        }
        Err(format!("no file system can be mounted: {}", why.join("; ")))
    }

    fn mount_in(namespaces: &'static [&str], size: &str) -> Result<Self, String> {
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        let mut unshare = Command::new("unshare");
        unshare.args(namespaces);
        if namespaces.contains(&"--user") {
            unshare.arg("--map-root-user");
        }
        unshare.args(["sh", "-c", HOLD]).arg(folder.path()).arg(size);
        let pipes = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = pipes.spawn().map_err(|error| format!("unshare: {error}"))?;
        let (out, err) = (holder.stdout.take().expect("piped"), holder.stderr.take());
        let disk = Self { holder, folder, namespaces };
        let mut said = String::new();
        BufReader::new(out).read_line(&mut said).map_err(|error| error.to_string())?;
        if said != "mounted\n" {
            // Standard output was closed, so the process has ended.
            err.expect("piped").read_to_string(&mut said).map_err(|error| error.to_string())?;
            return Err(said.trim().to_owned());
        }
        Ok(disk)
    }

    /// Returns the mount point, for commands that run in the namespace.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Returns the path of a file on the disk from outside of the namespace.
    pub fn reach(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().strip_prefix("/").expect("absolute");
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(folder).join(name)
    }

    /// Returns a command that runs in the namespace.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string()]).args(self.namespaces);
        if self.namespaces.contains(&"--user") {
            command.arg("--preserve-credentials");
        }
        command.arg("--").arg(program);
        command
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
