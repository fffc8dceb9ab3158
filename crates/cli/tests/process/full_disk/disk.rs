//! A small disk for one test.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// A file system in memory, in a mount namespace of its own: nobody else sees it, and it is gone
/// with the last process in there, whatever becomes of the test.
pub struct SmallDisk {
    /// Waits in the namespace, and so keeps it.
    holder: Child,
    /// Where it is mounted in there.
    folder: TempDir,
    /// How a process gets in.
    namespaces: &'static [&'static str],
}

/// Without privileges a user namespace comes with it, where the system allows one.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--mount", "--user"]];

const HOLD: &str = r#"mount -t tmpfs -o size="$1" tmpfs "$0" && echo mounted && exec cat"#;

impl SmallDisk {
    /// Mounts one of that size, as `mount` takes it; or says why that is not possible here.
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
            // It has ended, or the pipe would not have.
            err.expect("piped").read_to_string(&mut said).map_err(|error| error.to_string())?;
            return Err(said.trim().to_owned());
        }
        Ok(disk)
    }

    /// Where it is for a command that runs in there.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// A file on it, as it is reached from outside.
    pub fn reach(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().strip_prefix("/").expect("absolute");
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(folder).join(name)
    }

    /// A command that runs in there.
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
