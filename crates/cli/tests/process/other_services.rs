//! Transfers with services that are not drives: S3 (`moto_server`) and WebDAV (`rclone serve`).
//!
//! `DRIVEDAL_TEST_S3` is the endpoint of a store without access control; `DRIVEDAL_RCLONE` names
//! rclone, by default `rclone` in the PATH. A test whose service is missing is ignored, or fails if
//! `DRIVEDAL_REQUIRE_CLIENTS` is set.

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use drivedal_server::Server;
use drivedal_test_support::witness::{TrialResult, check, trial};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{
    rclone_import::program,
    shell::{Ran, Shell, tree},
};

/// Returns the tests.
pub fn trials() -> Vec<Trial> {
    let no_s3 =
        env::var("DRIVEDAL_TEST_S3").err().map(|_| "DRIVEDAL_TEST_S3 is not set".to_owned());
    let no_rclone = program().err();
    let run = |test: fn(&Server) -> TrialResult| {
        move || -> TrialResult {
            let runtime = tokio::runtime::Runtime::new()?;
            let server = runtime.block_on(Server::builder().ephemeral().start())?;
            test(&server)
        }
    };
    vec![
        trial("other_services::s3_is_a_source_and_a_target".into(), no_s3.as_deref(), run(s3)),
        trial(
            "other_services::webdav_is_a_source_and_a_target".into(),
            no_rclone.as_deref(),
            run(webdav),
        ),
    ]
}

/// A command line with remotes: `other:`, `od:` and `sky:`.
struct Client {
    shell: Shell,
    remotes: [String; 3],
}

impl Client {
    fn new(server: &Server, other: &str) -> Self {
        let uri = |name: &str, scheme: &str, path: &str| {
            let endpoint =
                format!("{}{path}", server.url()).replace(':', "%3A").replace('/', "%2F");
            format!("{name}={scheme}://?endpoint={endpoint}&access_token=drivedal-dev")
        };
        let remotes = [
            format!("other={other}"),
            uri("od", "onedrive", "v1.0"),
            uri("sky", "skydrive", "v5.0/"),
        ];
        let shell = Shell::new();
        for (path, content) in
            [("a.txt", "1"), ("d/b.txt", "22"), ("d/e/c", ""), ("name with space", "4")]
        {
            shell.write_old(&format!("src/{path}"), content);
        }
        shell.write_old("src/large", "x".repeat(9 << 20));
        Self { shell, remotes }
    }

    /// Runs a command that must succeed. Returns its summary.
    fn run(&self, arguments: &[&str]) -> TrialResult<Value> {
        let mut command = self.shell.command(&["--json"]);
        for remote in &self.remotes {
            command.args(["--remote", remote]);
        }
        let ran = Ran::new(command.args(arguments).output()?);
        check(&format!("the exit code of {arguments:?}: {}", ran.err), ran.code, 0)?;
        let mut last = ran.json().pop().ok_or("no summary")?;
        Ok(last["summary"].take())
    }

    /// Copies up, again, to `second` and from there, and down.
    fn round_trip(&self, second: &str) -> TrialResult {
        let first = self.run(&["sync", "src", "other:tree"])?;
        check("the files that were sent", &first["created"], &json!(5))?;
        let again = self.run(&["sync", "src", "other:tree"])?;
        let counts = (&again["equal"], &again["bytes"]);
        check("the unchanged files", counts, (&json!(5), &json!(0)))?;
        self.run(&["sync", "other:tree", second])?;
        self.run(&["check", "--download", "src", second])?;
        self.run(&["sync", second, "other:again"])?;
        self.run(&["check", "--download", "src", "other:again"])?;
        self.run(&["sync", second, "back"])?;
        check("the tree", tree(&self.shell.path("back")), tree(&self.shell.path("src")))?;
        fs::remove_file(self.shell.path("src/d/b.txt"))?;
        let deleted = self.run(&["sync", "src", "other:tree"])?;
        check("the deleted files", &deleted["deleted"], &json!(1))?;
        self.run(&["check", "src", "other:tree"])?;
        Ok(())
    }
}

/// Copies to S3, from there to OneDrive, and back.
fn s3(server: &Server) -> TrialResult {
    let endpoint = env::var("DRIVEDAL_TEST_S3")?;
    let bucket = format!("drivedal-transfer-{}", std::process::id());
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build()?;
        client.put(format!("{endpoint}/{bucket}")).send().await?.error_for_status()
    })?;
    let endpoint = endpoint.replace(':', "%3A").replace('/', "%2F");
    let uri = format!(
        "s3://{bucket}?endpoint={endpoint}&region=us-east-1&access_key_id=test\
         &secret_access_key=test&disable_config_load=true"
    );
    Client::new(server, &uri).round_trip("od:copy")
}

/// Copies to WebDAV, from there to SkyDrive, and back.
fn webdav(server: &Server) -> TrialResult {
    let folder = tempfile::tempdir()?;
    let served = WebDav::start(folder.path().to_str().ok_or("UTF-8")?)?;
    let endpoint = served.url.replace(':', "%3A").replace('/', "%2F");
    Client::new(server, &format!("webdav://?endpoint={endpoint}")).round_trip("sky:copy")
}

/// A WebDAV server of rclone. It is stopped when the value is dropped.
struct WebDav {
    child: Child,
    url: String,
}

impl WebDav {
    fn start(folder: &str) -> TrialResult<Self> {
        // Free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = Command::new(program()?);
        command.args(["serve", "webdav", folder, "--addr", &address, "--config", ""]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let served = Self { child, url: format!("http://{address}") };
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&address).is_err() {
            if Instant::now() > end {
                return Err("rclone does not listen".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(served)
    }
}

impl Drop for WebDav {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
