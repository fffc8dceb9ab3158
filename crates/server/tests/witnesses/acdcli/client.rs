//! Runs acd_cli with a separate account.

use std::{
    ffi::OsStr,
    fs,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
};

use drivedal_server::Server;
use serde_json::json;
use tempfile::TempDir;

use crate::acdcli::witness::TrialResult;

/// The published version.
const VERSION: &str = "acd_cli 0.3.2";

/// Returns the program, or the reason why it is not available in that version.
pub fn acd_cli() -> Result<&'static Path, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(look_for_it).as_deref().map_err(Clone::clone)
}

fn look_for_it() -> Result<PathBuf, String> {
    let program = std::env::var_os("DRIVEDAL_ACD_CLI").unwrap_or_else(|| "acd_cli".into());
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let output = Command::new(&program)
        .arg("version")
        .env("ACD_CLI_CACHE_PATH", folder.path())
        .env("ACD_CLI_SETTINGS_PATH", folder.path())
        .output()
        .map_err(|error| format!("no acd_cli: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.starts_with(VERSION) {
        true => Ok(program.into()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().last().unwrap_or_default();
            Err(format!("acd_cli is not 0.3.2: {} {said}", text.trim()))
        }
    }
}

/// acd_cli with a separate account and folder.
pub struct AcdCli {
    pub server: Arc<Server>,
    pub account: String,
    folder: TempDir,
}

impl AcdCli {
    pub fn new(server: Arc<Server>, name: &str) -> TrialResult<Self> {
        let account: String = name.chars().take(40).collect();
        let client = Self { server, account, folder: tempfile::tempdir()? };
        fs::create_dir(client.path("cache"))?;
        let url = client.server.url();
        // In the format of the client; both are valid until 2100.
        let endpoints = json!({
            "contentUrl": url.join("cdproxy/")?, "metadataUrl": url.join("drive/v1/")?,
            "customerExists": true, "exp_time": 4_102_444_800_u64,
        });
        let tokens = json!({
            "access_token": format!("drivedal-dev-{}", client.account),
            "refresh_token": format!("drivedal-dev-{}-refresh", client.account),
            "expires_in": 3600, "token_type": "bearer", "exp_time": 4_102_444_800_u64,
        });
        fs::write(client.path("cache/endpoint_data"), endpoints.to_string())?;
        fs::write(client.path("cache/oauth_data"), tokens.to_string())?;
        client.run(["sync"])?;
        Ok(client)
    }

    /// Returns another client of the same account, with a separate cache.
    pub fn other(&self) -> TrialResult<Self> {
        let (server, account) = (Arc::clone(&self.server), self.account.clone());
        let other = Self { server, account, folder: tempfile::tempdir()? };
        fs::create_dir(other.path("cache"))?;
        for name in ["endpoint_data", "oauth_data"] {
            fs::copy(self.path("cache").join(name), other.path("cache").join(name))?;
        }
        other.run(["sync"])?;
        Ok(other)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> TrialResult<PathBuf> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(&path, bytes)?;
        Ok(path)
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_remove("HTTP_PROXY")
            .env_remove("HTTPS_PROXY")
            .env("NO_PROXY", "127.0.0.1")
            .env("PYTHONIOENCODING", "utf-8")
            .env("ACD_CLI_CACHE_PATH", self.path("cache"))
            .env("ACD_CLI_SETTINGS_PATH", self.path("cache"))
            .current_dir(self.folder.path());
        command
    }

    /// Runs acd_cli without its pauses between requests. Returns its exit code and
    /// output.
    pub fn try_run<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
        input: Option<&[u8]>,
    ) -> TrialResult<(i32, String)> {
        let mut command = self.command(acd_cli()?);
        // The output is a file: `cat` seeks in it, which pipes do not support.
        let mut printed = tempfile::tempfile()?;
        command.arg("-nw").args(arguments).stdout(printed.try_clone()?).stderr(Stdio::piped());
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = command.stdin(stdin).spawn()?;
        if let (Some(bytes), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(bytes)?;
        }
        let output = child.wait_with_output()?;
        let code = output.status.code().ok_or("acd_cli was killed")?;
        let mut said = Vec::new();
        printed.rewind()?;
        printed.read_to_end(&mut said)?;
        if code == 0 {
            return Ok((code, String::from_utf8(said)?));
        }
        said.extend(output.stderr);
        Ok((code, String::from_utf8_lossy(&said).into_owned()))
    }

    pub fn run<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> TrialResult<String> {
        match self.try_run(arguments, None)? {
            (0, said) => Ok(said),
            (code, said) => Err(format!("acd_cli ended with {code}: {said}").into()),
        }
    }

    /// Runs a command line whose words contain no spaces.
    pub fn acd_cli(&self, line: &str) -> TrialResult<String> {
        self.run(line.split_whitespace())
    }

    /// Returns the lines of a printed tree without the prefixes of the names.
    pub fn tree(&self) -> TrialResult<Vec<String>> {
        let tree = self.acd_cli("tree")?;
        Ok(tree.lines().skip(1).map(|line| line.trim().to_owned()).collect())
    }

    pub fn id(&self, path: &str) -> TrialResult<String> {
        let said = self.run(["resolve", path])?;
        let id = said.split('\'').nth(1).ok_or_else(|| format!("no id in {said}"))?;
        Ok(id.to_owned())
    }

    /// Returns the number of requests of this account for an operation.
    pub fn count(&self, operation: &str) -> usize {
        let requests = self.server.control().requests();
        let ours = requests.iter().filter(|one| one.drive.as_ref() == Some(&self.account));
        ours.filter(|one| one.operation == operation).count()
    }
}

/// Returns the interpreter of acd_cli.
pub fn interpreter() -> TrialResult<String> {
    let program = acd_cli()?;
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let program = match program.components().count() {
        1 => std::env::split_paths(&folders)
            .map(|folder| folder.join(program))
            .find(|path| path.is_file())
            .ok_or("acd_cli is not in the PATH")?,
        _ => program.to_owned(),
    };
    let script_of_acd_cli = fs::read_to_string(program)?;
    let first = script_of_acd_cli.lines().next().unwrap_or_default();
    let interpreter = first.strip_prefix("#!").ok_or("acd_cli is no script")?;
    Ok(interpreter.split_whitespace().next().unwrap_or("python3").to_owned())
}

/// Runs a script with acd_cli's interpreter. Returns its output.
pub fn python<I: AsRef<OsStr>>(
    client: &AcdCli,
    script: &str,
    arguments: impl IntoIterator<Item = I>,
) -> TrialResult<String> {
    let output = client.command(interpreter()?).args(["-c", script]).args(arguments).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}
