//! rclone 1.65, unmodified, against the drive server. It is among the last versions that support
//! Amazon Cloud Drive, whose hosts cannot be configured, so the server stands in for them.
//!
//! `DRIVEDAL_RCLONE_AMAZON` names the program, by default `rclone` in the PATH. If it is missing or
//! does not support Amazon Cloud Drive, the tests are ignored; if `DRIVEDAL_REQUIRE_CLIENTS` is
//! set, they fail.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use drivedal_server::{Fault, Server};
use libtest_mimic::Trial;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use drivedal_test_support::witness::{TrialResult, check, make_tree, trial};

/// A test: its name, and a function that gets a client with a separate account.
type Test = (&'static str, fn(&Rclone) -> TrialResult);

const TESTS: &[Test] = &[
    ("copies_there_and_back_and_has_nothing_left_to_send", there_and_back),
    ("finds_the_hashes_that_it_computes_itself", hashes),
    ("moves_files_and_folders_without_their_bytes", moved),
    ("reads_a_range_of_a_file", ranges),
    ("reads_by_ticket_what_is_large", by_ticket),
    ("replaces_and_deletes", replaced_and_deleted),
    ("renews_an_old_token", renewed),
    ("finds_what_it_uploaded_when_the_answer_was_a_time_out", timed_out),
];

/// Returns the tests; they share a server.
pub fn trials(runtime: &Runtime) -> Vec<Trial> {
    let missing = look_for_it().err();
    let server = Server::builder().stand_in().start();
    let server = Arc::new(runtime.block_on(server).expect("a server"));
    let trials = TESTS.iter().map(|(name, test)| {
        let server = Arc::clone(&server);
        let run = move || test(&Rclone::new(server, name)?);
        trial(format!("rclone_amazon_{name}"), missing.as_deref(), run)
    });
    trials.collect()
}

fn program() -> OsString {
    std::env::var_os("DRIVEDAL_RCLONE_AMAZON").unwrap_or_else(|| "rclone".into())
}

/// Returns the reason why no rclone with Amazon Cloud Drive is available; `None` if one is.
fn look_for_it() -> Result<(), String> {
    let output = Command::new(program()).args(["help", "backends"]).output();
    let output = output.map_err(|error| format!("no rclone: {error}"))?;
    let backends = String::from_utf8_lossy(&output.stdout);
    match backends.lines().any(|line| line.trim_start().starts_with("acd ")) {
        true => Ok(()),
        false => Err("rclone knows no Amazon Drive".into()),
    }
}

/// rclone with a separate account and folder.
struct Rclone {
    server: Arc<Server>,
    account: String,
    folder: TempDir,
}

impl Rclone {
    fn new(server: Arc<Server>, name: &str) -> TrialResult<Self> {
        let rclone = Self { server, account: name.to_owned(), folder: tempfile::tempdir()? };
        let authority = rclone.server.authority().ok_or("no authority")?;
        fs::write(rclone.path("ca.pem"), authority)?;
        rclone.configure("2099-01-01T00:00:00Z", &format!("drivedal-dev-{name}"))?;
        Ok(rclone)
    }

    /// Writes rclone's configuration, as `rclone config` does.
    fn configure(&self, expiry: &str, access_token: &str) -> TrialResult {
        let token = serde_json::json!({
            "access_token": access_token,
            "token_type": "bearer",
            "refresh_token": format!("drivedal-dev-{}-refresh", self.account),
            "expiry": expiry,
        });
        let config =
            format!("[acd]\ntype = acd\nclient_id = id\nclient_secret = secret\ntoken = {token}\n");
        Ok(fs::write(self.path("rclone.conf"), config)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command line whose words contain no spaces. rclone does not retry, because retries
    /// could hide a failure.
    fn rclone(&self, line: &str) -> TrialResult<String> {
        let local = self.folder.path().to_string_lossy();
        let output = Command::new(program())
            .env("HTTPS_PROXY", self.server.url().as_str())
            .env("SSL_CERT_FILE", self.path("ca.pem"))
            .env_remove("NO_PROXY")
            .arg("--config")
            .arg(self.path("rclone.conf"))
            .args(["--retries", "1", "--low-level-retries", "1"])
            .args(line.split_whitespace().map(|word| word.replace("LOCAL", &local)))
            .output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || errors.contains("ERROR") {
            return Err(format!("rclone {line}: {errors}").into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Returns the number of requests of this account for an operation.
    fn count(&self, operation: &str) -> usize {
        let requests = self.server.control().requests();
        let ours = requests.iter().filter(|one| one.drive.as_ref() == Some(&self.account));
        ours.filter(|one| one.operation == operation).count()
    }

    /// Uploads a folder with files of several sizes and names.
    fn seed(&self) -> TrialResult<PathBuf> {
        let from = self.path("from");
        make_tree(&from, 3 << 20)?;
        self.rclone("copy --create-empty-src-dirs LOCAL/from acd:tree")?;
        Ok(from)
    }
}

/// Returns the content of every file below a folder; folders have none.
fn contents(folder: &Path) -> TrialResult<BTreeMap<PathBuf, Option<Vec<u8>>>> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(current) = open.pop() {
        for entry in fs::read_dir(current)? {
            let path = entry?.path();
            let name = path.strip_prefix(folder)?.to_owned();
            match path.is_dir() {
                true => {
                    all.insert(name, None);
                    open.push(path);
                }
                false => {
                    all.insert(name, Some(fs::read(&path)?));
                }
            }
        }
    }
    Ok(all)
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn there_and_back(rclone: &Rclone) -> TrialResult {
    let from = rclone.seed()?;
    rclone.rclone("check LOCAL/from acd:tree")?;
    rclone.rclone("copy --create-empty-src-dirs acd:tree LOCAL/back")?;
    check("what came back", contents(&rclone.path("back"))?, contents(&from)?)?;
    let uploads = rclone.count("amazon.content.upload");
    check("uploads", uploads, 5)?;
    rclone.rclone("sync --create-empty-src-dirs LOCAL/from acd:tree")?;
    check("uploads of what is there", rclone.count("amazon.content.upload"), uploads)
}

fn hashes(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    let ours = rclone.rclone("hashsum md5 acd:tree")?;
    let theirs = rclone.rclone("hashsum md5 LOCAL/from")?;
    check("files", ours.lines().count(), 5)?;
    check("MD5", sorted(&ours), sorted(&theirs))
}

fn moved(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    let uploads = rclone.count("amazon.content.upload");
    rclone.rclone("moveto acd:tree/small.txt acd:tree/dir/renamed.txt")?;
    rclone.rclone("moveto acd:tree/dir/inner acd:elsewhere/deep")?;
    rclone.rclone("moveto acd:tree acd:forest")?;
    let listed = rclone.rclone("lsf -R acd:")?;
    let expected = [
        "elsewhere/",
        "elsewhere/deep/",
        "elsewhere/deep/deep.txt",
        "forest/",
        "forest/dir/",
        "forest/dir/#%&+' ünïcode 日本.txt",
        "forest/dir/large.bin",
        "forest/dir/renamed.txt",
        "forest/empty folder/",
        "forest/empty.bin",
    ];
    check("the tree", sorted(&listed), expected.to_vec())?;
    check("uploads", rclone.count("amazon.content.upload"), uploads)
}

fn ranges(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    check("a part", rclone.rclone("cat --offset 6 --count 3 acd:tree/small.txt")?, "wor".into())?;
    check("the end", rclone.rclone("cat --tail 5 acd:tree/small.txt")?, "world".into())
}

fn by_ticket(rclone: &Rclone) -> TrialResult {
    let from = rclone.seed()?;
    rclone.rclone("copy --acd-templink-threshold 1M acd:tree/dir/large.bin LOCAL/back")?;
    let same = fs::read(rclone.path("back/large.bin"))? == fs::read(from.join("dir/large.bin"))?;
    check("the same bytes", same, true)?;
    check("tickets", rclone.count("ticket.get"), 1)
}

fn replaced_and_deleted(rclone: &Rclone) -> TrialResult {
    let from = rclone.seed()?;
    fs::write(from.join("small.txt"), "hello, other world")?;
    rclone.rclone("copy LOCAL/from acd:tree")?;
    let read = rclone.rclone("cat acd:tree/small.txt")?;
    check("the new bytes", read, "hello, other world".into())?;
    check("replaced", rclone.count("amazon.content.overwrite"), 1)?;
    rclone.rclone("deletefile acd:tree/small.txt")?;
    rclone.rclone("purge acd:tree/dir")?;
    let listed = rclone.rclone("lsf -R acd:tree")?;
    check("what is left", sorted(&listed), vec!["empty folder/", "empty.bin"])
}

fn renewed(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    rclone.configure("2001-01-01T00:00:00Z", "old")?;
    check("the text", rclone.rclone("cat acd:tree/small.txt")?, "hello world".into())
}

fn timed_out(rclone: &Rclone) -> TrialResult {
    // A problem of Amazon's servers: the file is stored, but the client gets a timeout error.
    let late = Fault::on("amazon.content.upload")
        .drive(&*rclone.account)
        .status(504)
        .after_the_effect()
        .times(1);
    rclone.server.control().add_faults([late]).map_err(|error| error.to_string())?;
    fs::write(rclone.path("late.txt"), "late")?;
    rclone.rclone("copyto --acd-upload-wait-per-gb 1000h LOCAL/late.txt acd:late.txt")?;
    check("the text", rclone.rclone("cat acd:late.txt")?, "late".into())?;
    check("uploads", rclone.count("amazon.content.upload"), 1)
}
