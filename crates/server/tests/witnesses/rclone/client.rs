//! Runs rclone with a separate account.

use std::{
    ffi::OsStr,
    fs,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime},
};

use drivedal_server::{AccountKind, Server};
use serde_json::Value;
use tempfile::TempDir;

use crate::rclone::witness::{TREE, TrialResult, check, make_tree};

/// The first version with an option for another server (`tenant_url`).
const OLDEST: (u32, u32) = (1, 75);

/// Modification time of the test files. It is in the past, to distinguish preserved times from new
/// ones.
const LONG_AGO: Duration = Duration::from_secs(1_000_000_000);

/// Returns the program, or the reason why it is not available in a supported version.
pub fn rclone() -> Result<PathBuf, String> {
    let program = std::env::var_os("DRIVEDAL_RCLONE").unwrap_or_else(|| "rclone".into());
    let output = Command::new(&program).arg("version").output();
    let output = output.map_err(|error| format!("no rclone: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next().and_then(|line| line.strip_prefix("rclone v"));
    let mut numbers = version.unwrap_or_default().split('.').map(|digits| digits.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => Ok(program.into()),
        _ => Err(format!("rclone is not 1.75 or later: {}", version.unwrap_or("no version"))),
    }
}

/// rclone with a separate account and folder.
pub struct Rclone {
    pub server: Arc<Server>,
    pub account: String,
    pub kind: AccountKind,
    folder: TempDir,
}

impl Rclone {
    pub fn new(server: Arc<Server>, name: &str, kind: AccountKind) -> TrialResult<Self> {
        let account = format!("{name}.{kind}");
        let rclone = Self { server, account, kind, folder: tempfile::tempdir()? };
        rclone.configure("2099-01-01T00:00:00Z", &format!("drivedal-dev-{}", rclone.account))?;
        Ok(rclone)
    }

    /// Writes rclone's configuration, as `rclone config` does.
    pub fn configure(&self, expiry: &str, access_token: &str) -> TrialResult {
        let url = self.server.url().as_str().trim_end_matches('/');
        let drive = self.drive_id()?;
        let token = serde_json::json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "refresh_token": format!("drivedal-dev-{}-refresh", self.account),
            "expiry": expiry,
        });
        let drive_type = if self.kind == AccountKind::Personal { "personal" } else { "business" };
        let config = format!(
            "[od]\ntype = onedrive\nclient_id = id\nclient_secret = secret\ntoken = {token}\n\
             drive_id = {drive}\ndrive_type = {drive_type}\ntenant_url = {url}/_api\n\
             auth_url = {url}/common/oauth2/v2.0/authorize\n\
             token_url = {url}/common/oauth2/v2.0/token\n"
        );
        Ok(fs::write(self.path("rclone.conf"), config)?)
    }

    pub fn drive_id(&self) -> TrialResult<String> {
        let url = self.server.url().join("v1.0/me/drive")?;
        let token = format!("drivedal-dev-{}", self.account);
        let drive = blocking(async move {
            let client = drivedal_test_support::http::client();
            client.get(url).bearer_auth(token).send().await?.bytes().await
        })?;
        let drive: Value = serde_json::from_slice(&drive)?;
        drive["id"].as_str().map(str::to_owned).ok_or_else(|| "the drive has no id".into())
    }

    /// Sends a `GET` of Graph with the token of an account, and returns the status and the body.
    fn get(&self, account: &str, path: &str) -> TrialResult<(u16, Value)> {
        let url = self.server.url().join("v1.0/")?.join(path)?;
        let token = format!("drivedal-dev-{account}");
        let (status, body) = blocking(async move {
            let client = drivedal_test_support::http::client();
            let response = client.get(url).bearer_auth(token).send().await?;
            Ok::<_, reqwest::Error>((response.status().as_u16(), response.bytes().await?))
        })?;
        Ok((status, serde_json::from_slice(&body)?))
    }

    /// Returns the response to a `GET` of Graph.
    pub fn graph(&self, path: &str) -> TrialResult<Value> {
        Ok(self.get(&self.account, path)?.1)
    }

    /// Returns the status of a `GET` of Graph by another account.
    pub fn status_for(&self, account: &str, path: &str) -> TrialResult<u16> {
        Ok(self.get(account, path)?.0)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs rclone without retries, which could hide a failure.
    pub fn try_run<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> TrialResult<(bool, String)> {
        let output = Command::new(rclone()?)
            .env_remove("HTTPS_PROXY")
            .env_remove("HTTP_PROXY")
            .env("NO_PROXY", "127.0.0.1")
            .args(["--config".as_ref(), self.path("rclone.conf").as_os_str()])
            .args(["--retries", "1", "--low-level-retries", "1"])
            .args(arguments)
            .output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Ok((false, errors.into_owned()));
        }
        if errors.contains("ERROR") {
            return Err(format!("rclone said: {errors}").into());
        }
        Ok((true, String::from_utf8(output.stdout)?))
    }

    pub fn run<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> TrialResult<String> {
        match self.try_run(arguments)? {
            (true, output) => Ok(output),
            (false, errors) => Err(format!("rclone failed: {errors}").into()),
        }
    }

    /// Runs a command line whose words contain no spaces.
    pub fn rclone(&self, line: &str) -> TrialResult<String> {
        let local = self.folder.path().to_string_lossy().into_owned();
        self.run(line.split_whitespace().map(|word| word.replace("LOCAL", &local)))
    }

    /// Returns the number of requests of this account for an operation.
    pub fn count(&self, operation: &str) -> usize {
        let requests = self.server.control().requests();
        let ours = requests.iter().filter(|one| one.drive.as_ref() == Some(&self.account));
        ours.filter(|one| one.operation == operation).count()
    }

    pub fn check_count(&self, operation: &str, expected: usize) -> TrialResult {
        check(&format!("requests {operation}"), self.count(operation), expected)
    }

    /// Uploads a folder with files of several sizes and names.
    pub fn seed(&self) -> TrialResult<PathBuf> {
        let from = self.path("from");
        make_tree(&from, 11 << 20)?;
        for name in TREE {
            let file = fs::File::options().write(true).open(from.join(name))?;
            file.set_modified(SystemTime::UNIX_EPOCH + LONG_AGO)?;
        }
        self.rclone("copy --create-empty-src-dirs LOCAL/from od:tree")?;
        Ok(from)
    }
}

pub fn blocking<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}
