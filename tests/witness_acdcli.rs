//! acdcli 0.3.2, unmodified, against the drive server: what the client that Amazon Cloud Drive was
//! used with makes of our imitation.
//!
//! The program is `DRIVEDAL_ACD_CLI`, else `acd_cli` in the PATH (`pip install acdcli==0.3.2
//! 'setuptools<81'`). Where it is missing the tests say that they are ignored, and fail if
//! `DRIVEDAL_REQUIRE_CLIENTS` is set.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
};

use drivedal::server::Server;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::json;
use tempfile::TempDir;

/// The version that was published.
const VERSION: &str = "acd_cli 0.3.2";

/// What the client's upload ends with if the cloud has the bytes already: its 512 is more than an
/// exit code can be, so it makes a 1 of it.
const DUPLICATE: i32 = 1;

type Outcome<T = ()> = Result<T, Failed>;

/// A test: its name, and what it does with an account of its own.
type Test = (&'static str, fn(&Witness) -> Outcome);

const TESTS: &[Test] = &[
    ("uploads_a_tree_and_downloads_it_equal", there_and_back),
    ("makes_folders_and_does_not_mind_those_that_are_there", folders),
    ("overwrites_a_file_which_stays_the_same_node", overwritten),
    ("renames_and_moves_files_and_folders", moved),
    ("trashes_and_restores", trashed),
    ("streams_what_it_does_not_know_the_length_of", streamed),
    ("goes_on_with_a_download_that_was_broken_off", resumed),
    ("puts_a_file_into_two_folders_and_takes_it_out_again", linked),
    ("is_refused_bytes_that_are_there_already", deduplicated),
    ("learns_what_others_changed_and_begins_anew_after_a_reset", synced),
    ("uses_the_rest_of_the_interface_as_a_library", library),
    ("tells_how_full_the_drive_is", usage),
];

fn main() {
    let arguments = Arguments::from_args();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let missing = acd_cli().err();
    let server = Arc::new(runtime.block_on(Server::builder().start()).expect("a server"));
    let trials = TESTS.iter().map(|(name, test)| {
        let server = Arc::clone(&server);
        let run = move || test(&Witness::new(server, name)?);
        match &missing {
            None => Trial::test(format!("acd_cli_{name}"), run),
            Some(why) if std::env::var_os("DRIVEDAL_REQUIRE_CLIENTS").is_some() => {
                let why = why.clone();
                Trial::test(format!("acd_cli_{name}"), move || Err(why.into()))
            }
            Some(why) => {
                Trial::test(format!("acd_cli_{name} ({why})"), run).with_ignored_flag(true)
            }
        }
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(server);
    drop(runtime);
    conclusion.exit();
}

/// The program, if it is there and of that version; else why not.
fn acd_cli() -> Result<&'static Path, String> {
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

/// acd_cli with an account that nobody else uses, and a folder of its own.
struct Witness {
    server: Arc<Server>,
    account: String,
    folder: TempDir,
}

impl Witness {
    fn new(server: Arc<Server>, name: &str) -> Outcome<Self> {
        let account: String = name.chars().take(40).collect();
        let witness = Self { server, account, folder: tempfile::tempdir()? };
        fs::create_dir(witness.path("cache"))?;
        let url = witness.server.url();
        // As the client keeps them itself; both are good until 2100.
        let endpoints = json!({
            "contentUrl": url.join("cdproxy/")?, "metadataUrl": url.join("drive/v1/")?,
            "customerExists": true, "exp_time": 4_102_444_800_u64,
        });
        let tokens = json!({
            "access_token": format!("drivedal-dev-{}", witness.account),
            "refresh_token": format!("drivedal-dev-{}-refresh", witness.account),
            "expires_in": 3600, "token_type": "bearer", "exp_time": 4_102_444_800_u64,
        });
        fs::write(witness.path("cache/endpoint_data"), endpoints.to_string())?;
        fs::write(witness.path("cache/oauth_data"), tokens.to_string())?;
        witness.run(["sync"])?;
        Ok(witness)
    }

    /// Another client of the same account, with a cache of its own.
    fn other(&self) -> Outcome<Self> {
        let (server, account) = (Arc::clone(&self.server), self.account.clone());
        let other = Self { server, account, folder: tempfile::tempdir()? };
        fs::create_dir(other.path("cache"))?;
        for name in ["endpoint_data", "oauth_data"] {
            fs::copy(self.path("cache").join(name), other.path("cache").join(name))?;
        }
        other.run(["sync"])?;
        Ok(other)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Outcome<PathBuf> {
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

    /// Runs acd_cli, without the waiting between requests that it is used to; its exit code and
    /// what it printed.
    fn try_run<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
        input: Option<&[u8]>,
    ) -> Outcome<(i32, String)> {
        let mut command = self.command(acd_cli()?);
        // Into a file: `cat` looks for its place in what it writes, which pipes do not have.
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

    fn run<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Outcome<String> {
        match self.try_run(arguments, None)? {
            (0, said) => Ok(said),
            (code, said) => Err(format!("acd_cli ended with {code}: {said}").into()),
        }
    }

    /// Runs a command line whose words have no spaces.
    fn acd_cli(&self, line: &str) -> Outcome<String> {
        self.run(line.split_whitespace())
    }

    /// The lines of a tree of folders and files, without what is before the names.
    fn tree(&self) -> Outcome<Vec<String>> {
        let tree = self.acd_cli("tree")?;
        Ok(tree.lines().skip(1).map(|line| line.trim().to_owned()).collect())
    }

    fn id(&self, path: &str) -> Outcome<String> {
        let said = self.run(["resolve", path])?;
        let id = said.split('\'').nth(1).ok_or_else(|| format!("no id in {said}"))?;
        Ok(id.to_owned())
    }

    /// How often this account asked for an operation.
    fn count(&self, operation: &str) -> usize {
        let requests = self.server.control().requests();
        let ours = requests.iter().filter(|one| one.drive.as_ref() == Some(&self.account));
        ours.filter(|one| one.operation == operation).count()
    }
}

fn check<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Outcome {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}, not {expected:?}").into()),
    }
}

/// Files below a folder, by path.
fn files(folder: &Path) -> Outcome<BTreeMap<OsString, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder)?.as_os_str().to_owned();
                    found.insert(name, fs::read(&path)?);
                }
            }
        }
    }
    Ok(found)
}

fn noise(len: u32) -> Vec<u8> {
    (0..len).map(|i| (i ^ i >> 7 ^ i >> 13) as u8).collect()
}

fn there_and_back(witness: &Witness) -> Outcome {
    witness.write("from/small.txt", b"hello world")?;
    witness.write("from/empty.bin", b"")?;
    witness.write("from/dir/inner/deep.jpg", b"not a picture")?;
    witness.write("from/dir/#%&+' (1) \u{fc}n\u{ef}code \u{65e5}\u{672c}.txt", b"names")?;
    witness.write("from/dir/large.bin", &noise(3_000_000))?;
    witness.acd_cli("upload -x 4 from /")?;
    check("uploads", witness.count("amazon.content.upload"), 5)?;
    witness.acd_cli("sync")?;
    fs::create_dir(witness.path("to"))?;
    witness.acd_cli("download -x 4 /from to")?;
    check("files", files(&witness.path("to/from"))?, files(&witness.path("from"))?)?;
    // Again: everything is there, nothing is sent.
    witness.acd_cli("upload from /")?;
    check("uploads", witness.count("amazon.content.upload"), 5)
}

fn folders(witness: &Witness) -> Outcome {
    witness.acd_cli("create -p /a/b/c")?;
    witness.acd_cli("create /a/b")?;
    witness.acd_cli("sync -f")?;
    check("tree", witness.tree()?, vec!["a/".into(), "b/".into(), "c/".into()])?;
    check("folders made", witness.count("amazon.node.create"), 3)
}

fn overwritten(witness: &Witness) -> Outcome {
    witness.write("f.txt", b"old")?;
    witness.acd_cli("upload f.txt /")?;
    let id = witness.id("/f.txt")?;
    witness.write("f.txt", b"newer")?;
    witness.acd_cli("overwrite /f.txt f.txt")?;
    witness.acd_cli("sync -f")?;
    check("id", witness.id("/f.txt")?, id)?;
    check("bytes", witness.acd_cli("cat /f.txt")?, "newer".to_owned())?;
    let found = witness.run(["find-md5", "0c10f4a0c12ba89211235026b861263d"])?;
    check("by its MD5", found.contains("/f.txt"), true)
}

fn moved(witness: &Witness) -> Outcome {
    witness.acd_cli("create -p /a/b")?;
    witness.acd_cli("create /c")?;
    witness.write("f.txt", b"x")?;
    witness.acd_cli("upload f.txt /a/b")?;
    witness.run(["rename", "/a/b/f.txt", "g \u{e9}.txt"])?;
    witness.run(["move", "/a/b/g \u{e9}.txt", "/c"])?;
    witness.acd_cli("move /c /a/b")?;
    witness.acd_cli("rename /a/b d")?;
    witness.acd_cli("sync -f")?;
    let expected = ["a/", "d/", "c/", "g \u{e9}.txt"].map(str::to_owned);
    check("tree", witness.tree()?, expected.to_vec())?;
    check("bytes", witness.run(["cat", "/a/d/c/g \u{e9}.txt"])?, "x".to_owned())
}

fn trashed(witness: &Witness) -> Outcome {
    witness.write("f.txt", b"x")?;
    witness.acd_cli("create /d")?;
    witness.acd_cli("upload f.txt /d")?;
    witness.acd_cli("upload f.txt /")?;
    for path in ["/d", "/f.txt"] {
        witness.run(["trash", path])?;
    }
    witness.acd_cli("sync -f")?;
    check("tree", witness.tree()?, Vec::new())?;
    let trash = witness.acd_cli("list-trash")?;
    check("in the trash", trash.lines().count(), 2)?;
    let folder = trash.lines().find(|line| line.ends_with("d/")).ok_or("no folder in the trash")?;
    let id = folder.trim_start_matches('[').split(']').next().unwrap_or_default();
    witness.run(["restore", "--", id])?;
    witness.acd_cli("sync -f")?;
    check("tree", witness.tree()?, vec!["d/".into(), "f.txt".into()])
}

fn streamed(witness: &Witness) -> Outcome {
    let bytes = noise(700_000);
    let (code, said) = witness.try_run(["stream", "s.bin", "/"], Some(&bytes))?;
    check(&said, code, 0)?;
    witness.acd_cli("sync -f")?;
    witness.acd_cli("download /s.bin .")?;
    check("bytes", fs::read(witness.path("s.bin"))? == bytes, true)?;
    let (code, said) = witness.try_run(["stream", "empty", "/"], Some(b""))?;
    check(&said, code, 0)?;
    witness.acd_cli("sync -f")?;
    check("nothing", witness.acd_cli("cat /empty")?, String::new())
}

fn resumed(witness: &Witness) -> Outcome {
    let bytes = noise(1_000_000);
    witness.write("from/f.bin", &bytes)?;
    witness.acd_cli("upload from/f.bin /")?;
    // What a download leaves that was interrupted.
    witness.write("f.bin.__incomplete", &bytes[..600_000])?;
    witness.acd_cli("download /f.bin .")?;
    check("bytes", fs::read(witness.path("f.bin"))? == bytes, true)?;
    let requests = witness.server.control().requests();
    let sent = requests
        .iter()
        .filter(|one| one.drive.as_ref() == Some(&witness.account))
        .filter(|one| one.operation == "amazon.content.get")
        .map(|one| one.bytes_out)
        .sum::<u64>();
    check("bytes sent again", sent < 600_000, true)
}

fn linked(witness: &Witness) -> Outcome {
    witness.acd_cli("create /a")?;
    witness.acd_cli("create /b")?;
    witness.write("f.txt", b"x")?;
    witness.acd_cli("upload f.txt /a")?;
    witness.acd_cli("add-child /b /a/f.txt")?;
    witness.acd_cli("sync -f")?;
    check("one node", witness.id("/a/f.txt")?, witness.id("/b/f.txt")?)?;
    witness.acd_cli("remove-child /a /a/f.txt")?;
    witness.acd_cli("sync -f")?;
    let expected = ["a/", "b/", "f.txt"].map(str::to_owned);
    check("tree", witness.tree()?, expected.to_vec())?;
    check("bytes", witness.acd_cli("cat /b/f.txt")?, "x".to_owned())
}

fn deduplicated(witness: &Witness) -> Outcome {
    // Uploaded by another client: what this one knows itself it does not send at all.
    let other = witness.other()?;
    other.write("one.txt", b"the same")?;
    other.acd_cli("upload one.txt /")?;
    witness.write("two.txt", b"the same")?;
    let (code, said) = witness.try_run(["upload", "-d", "two.txt", "/"], None)?;
    check(&said, code, DUPLICATE)?;
    let requests = witness.server.control().requests();
    let refused = |one: &&drivedal::server::RequestRecord| {
        one.drive.as_ref() == Some(&witness.account)
            && (one.operation.as_str(), one.status) == ("amazon.content.upload", Some(409))
    };
    check("refusals", requests.iter().filter(refused).count(), 1)?;
    witness.acd_cli("upload two.txt /")?;
    witness.acd_cli("sync -f")?;
    check("tree", witness.tree()?, vec!["one.txt".into(), "two.txt".into()])
}

fn synced(witness: &Witness) -> Outcome {
    witness.write("f.txt", b"x")?;
    witness.acd_cli("upload f.txt /")?;
    witness.acd_cli("sync")?;
    let other = witness.other()?;
    other.acd_cli("rename /f.txt g.txt")?;
    other.acd_cli("create /d")?;
    witness.acd_cli("sync")?;
    check("tree", witness.tree()?, vec!["d/".into(), "g.txt".into()])?;
    other.acd_cli("trash /d")?;
    witness.acd_cli("sync")?;
    check("tree", witness.tree()?, vec!["g.txt".into()])?;
    // A checkpoint that is no longer understood: the client forgets what it knew.
    let damaged = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); \
                   c.execute(\"update metadata set value = 'CPXold' where key = 'checkpoint'\"); \
                   c.commit()";
    python(witness, damaged, [witness.path("cache/nodes.db")])?;
    witness.acd_cli("sync")?;
    check("tree", witness.tree()?, vec!["g.txt".into()])
}

/// The interpreter that acd_cli runs in.
fn python<I: AsRef<OsStr>>(
    witness: &Witness,
    script: &str,
    arguments: impl IntoIterator<Item = I>,
) -> Outcome<String> {
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
    let output = witness
        .command(interpreter.split_whitespace().next().unwrap_or("python3"))
        .args(["-c", script])
        .args(arguments)
        .output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

/// What no command uses: properties, lists page by page, metadata by id.
fn library(witness: &Witness) -> Outcome {
    const SCRIPT: &str = r#"
import io, os
from acdcli.api import client
from acdcli.api.backoff_req import BackOffRequest
from acdcli.api.common import RequestError
BackOffRequest._wait = lambda self: None
cache = os.environ['ACD_CLI_CACHE_PATH']
acd = client.ACDClient(cache, cache)
root = acd.get_root_id()
folder = acd.create_folder('many', root)['id']
for n in range(205):
    acd.create_folder('f%03d' % n, folder)
assert sorted(c['name'] for c in acd.list_children(folder)) == ['f%03d' % n for n in range(205)]
assert len(acd.get_folder_list()) == 207
node = acd.upload_stream(io.BufferedReader(io.BytesIO(b'hello')), 'a b.txt', root)
assert acd.get_metadata(node['id'])['tempLink'].startswith('http')
assert bytes(acd.download_chunk(node['id'], 1, 3)) == b'ell'
owner = acd.get_owner_id()
assert acd.add_property(node['id'], owner, 'k', 'v')['value'] == 'v'
assert acd.list_properties(node['id'], owner) == {'k': 'v'}
assert acd.list_properties(node['id'], 'somebody') == {}
acd.delete_properties(node['id'], owner)
assert acd.list_properties(node['id'], owner) == {}
try:
    acd.add_property(node['id'], '', 'k', 'v')
    assert False
except RequestError as e:
    assert e.status_code == 404 and e.msg == '<UnknownOperationException/>', e
try:
    acd.create_folder('MANY', root)
    assert False
except RequestError as e:
    assert e.status_code == 409 and folder in e.msg, e
try:
    acd.purge(node['id'])
    assert False
except RequestError as e:
    assert e.status_code == 403, e
moved = acd.move_node_from(node['id'], root, folder)
assert moved['parents'] == [folder], moved
assert acd.clear_file(node['id'])['contentProperties']['size'] == 0
assert [n['name'] for n in acd.get_trashed_files()] == ['acd_cli_get_owner_id']
assert acd.list_trash()[0]['status'] == 'TRASH'
assert acd.get_account_info()['status'] == 'ACTIVE'
print(acd.fs_sizes())
"#;
    let said = python(witness, SCRIPT, [] as [&str; 0])?;
    check("quota and what is left", said.trim(), "(1099511627776, 1099511627776)")
}

fn usage(witness: &Witness) -> Outcome {
    witness.write("f.txt", b"hello")?;
    witness.write("f.jpg", b"1234567")?;
    witness.acd_cli("upload f.txt f.jpg /")?;
    let usage = witness.acd_cli("usage")?;
    let line = |sort: &str| {
        let line = usage.lines().find(|line| line.starts_with(sort)).unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    check("documents", line("Documents"), "Documents: 1, 5.0 B".to_owned())?;
    check("photos", line("Photos"), "Photos: 1, 7.0 B".to_owned())?;
    let quota = witness.acd_cli("quota")?;
    check("quota", quota.contains("\"available\": 1099511627764"), true)
}
