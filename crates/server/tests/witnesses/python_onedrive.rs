//! python-onedrive 15.10.5, unmodified, against the drive server: a client from the time of
//! SkyDrive. The script `python_onedrive.py` sets the server's URL.
//!
//! `DRIVEDAL_PYTHON_ONEDRIVE` names a Python 2.7 that has the client, by default `python2.7` in the
//! PATH (`pip install python-onedrive==15.10.5 requests PyYAML`). If the client is missing, the
//! tests are ignored; if `DRIVEDAL_REQUIRE_CLIENTS` is set, they fail. They do not fail if the
//! first variable is empty, because Python 2.7 is not available everywhere.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    sync::Arc,
};

use drivedal_server::{Fault, Server};
use libtest_mimic::Trial;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use drivedal_test_support::witness::{TrialResult, check, trial};

/// The supported version.
const VERSION: &str = "15.10.5";

/// The environment variable that names the interpreter.
const PYTHON: &str = "DRIVEDAL_PYTHON_ONEDRIVE";

/// A test: its name, and a function that gets a client with a separate account.
type Test = (&'static str, fn(&Cli) -> TrialResult);

const TESTS: &[Test] = &[
    ("signs_in", signs_in),
    ("puts_and_gets", puts_and_gets),
    ("uploads_by_bits", uploads_by_bits),
    ("copies_moves_and_removes", copies_moves_and_removes),
    ("tells_and_sets_what_is_known_of_a_file", tells_and_sets),
    ("links_and_comments", links_and_comments),
    ("renews_an_expired_token", renews_an_expired_token),
    ("lists_with_every_option", lists_with_every_option),
    ("every_method_of_the_module", every_method),
];

/// Returns the tests; they share a server.
pub fn trials(runtime: &Runtime) -> Vec<Trial> {
    let left_out = std::env::var_os(PYTHON).is_some_and(|program| program.is_empty());
    let missing = look_for_it().err();
    let server = Arc::new(runtime.block_on(Server::builder().start()).expect("a server"));
    let trials = TESTS.iter().map(|(name, test)| {
        let server = Arc::clone(&server);
        let run = move || test(&Cli::new(server, name)?);
        let name = format!("python_onedrive_{name}");
        match left_out {
            true => Trial::test(format!("{name} (no Python 2.7)"), run).with_ignored_flag(true),
            false => trial(name, missing.as_deref(), run),
        }
    });
    trials.collect()
}

fn python() -> Command {
    let program: OsString = std::env::var_os(PYTHON).unwrap_or_else(|| "python2.7".into());
    let mut command = Command::new(program);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns the reason why the client is not available in the supported version; `None` if it is.
fn look_for_it() -> Result<(), String> {
    let version = "import pkg_resources as p; print(p.get_distribution('python-onedrive').version)";
    let output = python().args(["-W", "ignore", "-c", version]).output();
    let output = output.map_err(|error| format!("no Python 2.7: {error}"))?;
    match (output.status.success(), String::from_utf8_lossy(&output.stdout).trim()) {
        (true, VERSION) => Ok(()),
        (true, other) => Err(format!("python-onedrive is {other}, not {VERSION}")),
        (false, _) => Err("no python-onedrive for Python 2.7".into()),
    }
}

/// The command line client, with a separate account.
struct Cli {
    server: Arc<Server>,
    account: String,
    folder: TempDir,
}

impl Cli {
    fn new(server: Arc<Server>, name: &str) -> TrialResult<Self> {
        let cli = Self { server, account: name.to_owned(), folder: tempfile::tempdir()? };
        let config = format!(
            "client: {{id: some-app, secret: hush}}\n\
             auth: {{access_token: drivedal-dev-{name}, refresh_token: drivedal-dev-{name}-refresh}}\n"
        );
        fs::write(cli.path("lcrc"), config)?;
        Ok(cli)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self) -> &str {
        self.server.url().as_str().trim_end_matches('/')
    }

    /// Runs a command, and returns its output.
    fn run<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> TrialResult<String> {
        let arguments: Vec<_> = arguments.into_iter().map(|one| one.as_ref().to_owned()).collect();
        let output = python()
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/witnesses/python_onedrive.py"))
            .arg("--config")
            .arg(self.path("lcrc"))
            .args(&arguments)
            .env("DRIVE_SERVER", self.url())
            .env("NO_PROXY", "127.0.0.1")
            .current_dir(self.folder.path())
            .output()?;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?),
            false => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!("{arguments:?}: {said}").into())
            }
        }
    }

    /// Returns the sorted names in a folder.
    fn names(&self, folder: &str) -> TrialResult<Vec<String>> {
        let listed = self.run(["-k", "name", "ls", "-o", folder])?;
        let mut names: Vec<_> =
            listed.lines().map(|line| line.trim_start_matches("- ").to_owned()).collect();
        names.sort();
        Ok(names)
    }

    /// Returns a property of an object.
    fn known(&self, what: &str, object: &str) -> TrialResult<String> {
        Ok(self.run(["-k", what, "info", object])?.trim().to_owned())
    }

    /// Returns the number of requests of this account for an operation.
    fn count(&self, operation: &str) -> usize {
        let requests = self.server.control().requests();
        let ours = requests.iter().filter(|one| one.drive.as_ref() == Some(&self.account));
        ours.filter(|one| one.operation == operation).count()
    }
}

/// Returns bytes of which no two fragments are equal.
fn bytes(length: u32) -> Vec<u8> {
    (0..length).map(|at| (at ^ at >> 9) as u8).collect()
}

fn signs_in(cli: &Cli) -> TrialResult {
    fs::write(cli.path("lcrc"), "client: {id: some-app, secret: hush}\n")?;
    // The program prints the sign-in URL, then ends because nobody enters a code.
    let asked = python()
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/witnesses/python_onedrive.py"))
        .arg("--config")
        .arg(cli.path("lcrc"))
        .arg("auth")
        .env("DRIVE_SERVER", cli.url())
        .stdin(std::process::Stdio::null())
        .output()?;
    let asked = String::from_utf8(asked.stdout)?;
    let page = asked
        .lines()
        .find_map(|line| line.strip_prefix("URL to visit: "))
        .and_then(|url| url.strip_prefix(cli.url()))
        .ok_or_else(|| format!("no URL in {asked:?}"))?;
    // This part stands in for the browser.
    let mut browser = TcpStream::connect(cli.url().trim_start_matches("http://"))?;
    let page = format!("GET {page} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    browser.write_all(page.as_bytes())?;
    let mut answer = String::new();
    browser.read_to_string(&mut answer)?;
    let back = answer
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .ok_or_else(|| format!("no way back in {answer:?}"))?;
    let said = cli.run(["auth", back])?;
    check("the end", said.contains("completed successfully"), true)?;
    let config = fs::read_to_string(cli.path("lcrc"))?;
    check("a refresh token was kept", config.contains("refresh_token: "), true)?;
    cli.run(["quota"])?;
    Ok(())
}

fn puts_and_gets(cli: &Cli) -> TrialResult {
    cli.run(["mkdir", "New"])?;
    let names = ["plain", "späce ünï 日本.txt", "it's + & = ; , !", "#hash 100%", "empty"];
    for name in names {
        let text = if name == "empty" { "" } else { name };
        fs::write(cli.path(name), text)?;
        cli.run(["put", name, "New"])?;
    }
    let mut expected = names.map(str::to_owned).to_vec();
    expected.sort();
    check("names", cli.names("New")?, expected)?;
    for name in names {
        let file = format!("New/{name}");
        cli.run(["get", &file, "back"])?;
        check(name, fs::read(cli.path("back"))?, fs::read(cli.path(name))?)?;
    }
    cli.run(["get", "New/plain", "back", "--byte-range", "1-3"])?;
    check("a part", fs::read(cli.path("back"))?, b"lai".to_vec())?;
    fs::write(cli.path("plain"), "replaced")?;
    cli.run(["put", "plain", "New"])?;
    cli.run(["get", "New/plain", "back"])?;
    check("the new bytes", fs::read(cli.path("back"))?, b"replaced".to_vec())?;
    check("it may not replace", cli.run(["put", "--no-overwrite", "plain", "New"]).is_err(), true)
}

fn uploads_by_bits(cli: &Cli) -> TrialResult {
    cli.run(["mkdir", "New"])?;
    let written = bytes(2_500_000);
    fs::write(cli.path("large"), &written)?;
    // By id and by path: only the root can be addressed by both.
    for (folder, file) in [("New", "New/large"), ("me/skydrive", "large")] {
        let before = cli.count("live.bits.fragment");
        cli.run(["put", "--bits", "--bits-frag-bytes", "1000000", "large", folder])?;
        check("fragments", cli.count("live.bits.fragment") - before, 3)?;
        cli.run(["get", file, "back"])?;
        check("the same bytes", fs::read(cli.path("back"))? == written, true)?;
    }
    let hack = "--bits-do-auth-refresh-before-commit-hack";
    cli.run(["put", "--bits", hack, "large", "New"])?;
    check("sessions", cli.count("live.bits.close"), 3)
}

fn copies_moves_and_removes(cli: &Cli) -> TrialResult {
    for folder in ["one", "two"] {
        cli.run(["mkdir", folder])?;
    }
    fs::write(cli.path("file"), "text")?;
    cli.run(["put", "file", "one"])?;
    cli.run(["cp", "one/file", "two"])?;
    cli.run(["mv", "one/file", "me/skydrive"])?;
    cli.run(["mv", "two", "one"])?;
    let tree = cli.run(["tree"])?;
    let tree: Vec<_> = tree.lines().map(str::trim_end).collect();
    let expected = ["SkyDrive:", "  file: file", "  one:", "    two:", "      file: file"];
    let sorted = |mut lines: Vec<&str>| {
        lines.sort_unstable();
        lines.join("\n")
    };
    check("the tree", sorted(tree), sorted(expected.to_vec()))?;
    cli.run(["get", "one/two/file", "back"])?;
    check("the copy", fs::read(cli.path("back"))?, b"text".to_vec())?;
    cli.run(["rm", "one", "file"])?;
    check("what is left", cli.names("me/skydrive")?, Vec::new())
}

fn tells_and_sets(cli: &Cli) -> TrialResult {
    fs::write(cli.path("file"), "text")?;
    cli.run(["put", "file"])?;
    check("its size", cli.known("size", "file")?, "4".into())?;
    cli.run(["info_set", "file", r#"{"name": "renamed", "description": "of tests"}"#])?;
    check("its description", cli.known("description", "renamed")?, "of tests".into())?;
    check("recent", cli.run(["recent"])?.contains("renamed"), true)?;
    check("a user", cli.run(["user"])?.contains("name: "), true)?;
    check("the quota", cli.run(["quota"])?.contains("free: "), true)
}

fn links_and_comments(cli: &Cli) -> TrialResult {
    fs::write(cli.path("file"), "text")?;
    cli.run(["put", "file"])?;
    for (kind, shown) in [
        ("shared_read_link", "link: http"),
        ("shared_edit_link", "link: http"),
        ("embed", "iframe"),
    ] {
        let link = cli.run(["link", "--type", kind, "file"])?;
        check(kind, link.contains(shown), true)?;
    }
    cli.run(["comment_add", "file", "well said"])?;
    let comments = cli.run(["comments", "file"])?;
    check("the comment", comments.contains("message: well said"), true)?;
    let id = comments.lines().find_map(|line| line.trim_start().strip_prefix("id: comment."));
    let id = format!("comment.{}", id.ok_or("the comment has no id")?);
    cli.run(["comment_delete", &id])?;
    check("comments left", cli.run(["comments", "file"])?.contains("message"), false)
}

fn lists_with_every_option(cli: &Cli) -> TrialResult {
    cli.run(["mkdir", "-m", r#"{"description": "of tests"}"#, "one"])?;
    cli.run(["mkdir", "one/two"])?;
    check("metadata", cli.known("description", "one")?, "of tests".into())?;
    for name in ["a", "b", "c"] {
        fs::write(cli.path(name), name)?;
        cli.run(["put", "-d", name, "one"])?;
    }
    let listed = cli.run(["-p", "ls", "-r", "1-2", "one"])?;
    check("a range", listed.lines().count(), 2)?;
    check("a limit", cli.run(["ls", "-r", "3", "one"])?.lines().count(), 3)?;
    check("objects", cli.run(["ls", "-o", "one"])?.contains("upload_location: http"), true)?;
    check("a tree", cli.run(["tree", "-o", "one"])?.contains("comments_count: 0"), true)?;
    let key = cli.run(["-k", "{0[one][a]}", "tree", "one"])?;
    check("an entry of a tree", key.trim(), "file")?;
    let id = cli.known("id", "one/a")?;
    check("by id", cli.run(["-i", "-k", "name", "info", &id])?.trim(), "a")?;
    cli.run(["auth_refresh"])?;
    check("it goes on", cli.names("one")?.len(), 4)
}

/// Calls every public method of the client's module.
fn every_method(cli: &Cli) -> TrialResult {
    fs::create_dir(cli.path("files"))?;
    let output = python()
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/witnesses/python_onedrive_api.py"))
        .args([cli.path("lcrc"), cli.path("files")])
        .env("DRIVE_SERVER", cli.url())
        .env("NO_PROXY", "127.0.0.1")
        .output()?;
    let (done, error) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    match output.status.success() {
        true => check("checks", String::from_utf8(done)?.lines().count(), 41),
        false => Err(format!("after {}: {error}", String::from_utf8_lossy(&done)).into()),
    }
}

fn renews_an_expired_token(cli: &Cli) -> TrialResult {
    let expired = Fault::on("live.files.list").drive(&*cli.account).expire().times(1);
    cli.server.control().add_faults([expired]).map_err(|error| error.to_string())?;
    check("an empty drive", cli.names("me/skydrive")?, Vec::new())?;
    check("listings", cli.count("live.files.list"), 2)?;
    let config = fs::read_to_string(cli.path("lcrc"))?;
    let kept = !config.contains(&format!("drivedal-dev-{}-refresh", cli.account));
    check("the new refresh token was kept", kept, true)
}
