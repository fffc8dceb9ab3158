//! rclone 1.75 or later, unmodified, against the drive server: what a client that others wrote
//! makes of our Graph.
//!
//! The program is `DRIVEDAL_RCLONE`, else `rclone` in the PATH. Where it is missing or older the
//! tests say that they are ignored, and fail if `DRIVEDAL_REQUIRE_CLIENTS` is set.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime},
};

use drivedal::server::{AccountKind, Server};
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;

/// The first version that can be pointed at another server (`tenant_url`).
const OLDEST: (u32, u32) = (1, 75);

/// When the files of the tests were changed last, so that kept times can be told from new ones.
const LONG_AGO: Duration = Duration::from_secs(1_000_000_000);

type Outcome<T = ()> = Result<T, Failed>;

/// A test: its name, and what it does with an account of its own.
type Test = (&'static str, fn(&Witness) -> Outcome);

const TESTS: &[Test] = &[
    ("copies_there_and_back_and_has_nothing_left_to_send", there_and_back),
    ("lists_a_tree_by_its_change_feed", listed_by_delta),
    ("finds_the_hashes_that_it_computes_itself", hashes),
    ("moves_a_file_and_a_folder_without_their_bytes", moved),
    ("copies_a_file_within_the_drive_without_its_bytes", copied),
    ("reads_a_range_of_a_file", ranges),
    ("tells_how_full_the_drive_is", about),
    ("deletes_files_folders_and_trees", deleted),
    ("keeps_times_and_sets_them_afterwards", times),
    ("replaces_a_file_of_the_same_name_and_another_size", replaced),
    ("makes_a_link_and_cleans_old_versions_up", linked),
    ("renews_an_old_token", renewed),
    ("notices_what_another_client_changed", noticed),
    ("addresses_items_as_in_china", in_china),
    ("is_configured_by_its_own_dialogue", configured),
];

const KINDS: [AccountKind; 2] = [AccountKind::Personal, AccountKind::Business];

fn main() {
    let arguments = Arguments::from_args();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let missing = rclone().err();
    let server = Arc::new(runtime.block_on(Server::builder().start()).expect("a server"));
    let trials = KINDS.iter().flat_map(|kind| TESTS.iter().map(move |test| (*kind, *test)));
    let trials = trials.map(|(kind, (name, test))| {
        let server = Arc::clone(&server);
        let run = move || test(&Witness::new(server, name, kind)?);
        match &missing {
            None => Trial::test(format!("rclone_{kind}_{name}"), run),
            Some(why) if std::env::var_os("DRIVEDAL_REQUIRE_CLIENTS").is_some() => {
                let why = why.clone();
                Trial::test(format!("rclone_{kind}_{name}"), move || Err(why.into()))
            }
            Some(why) => {
                Trial::test(format!("rclone_{kind}_{name} ({why})"), run).with_ignored_flag(true)
            }
        }
    });
    let conclusion: Conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(server);
    drop(runtime);
    conclusion.exit();
}

/// The program, if it is there and young enough; else why not.
fn rclone() -> Result<PathBuf, String> {
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

/// rclone with an account that nobody else uses, and a folder of its own.
struct Witness {
    server: Arc<Server>,
    account: String,
    kind: AccountKind,
    folder: TempDir,
}

impl Witness {
    fn new(server: Arc<Server>, name: &str, kind: AccountKind) -> Outcome<Self> {
        let account = format!("{name}.{kind}");
        let witness = Self { server, account, kind, folder: tempfile::tempdir()? };
        witness.configure("2099-01-01T00:00:00Z", &format!("drivedal-dev-{}", witness.account))?;
        Ok(witness)
    }

    /// Writes rclone's configuration, as its own dialogue would.
    fn configure(&self, expiry: &str, access_token: &str) -> Outcome {
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

    fn drive_id(&self) -> Outcome<String> {
        let url = self.server.url().join("v1.0/me/drive")?;
        let token = format!("drivedal-dev-{}", self.account);
        let drive = blocking(async move {
            let client = reqwest::Client::builder().no_proxy().build()?;
            client.get(url).bearer_auth(token).send().await?.bytes().await
        })?;
        let drive: Value = serde_json::from_slice(&drive)?;
        drive["id"].as_str().map(str::to_owned).ok_or_else(|| "the drive has no id".into())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs rclone to its end, once: it may not hide a failure by trying again.
    fn try_run<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> Outcome<(bool, String)> {
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

    fn run<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Outcome<String> {
        match self.try_run(arguments)? {
            (true, output) => Ok(output),
            (false, errors) => Err(format!("rclone failed: {errors}").into()),
        }
    }

    /// Runs a command line whose words have no spaces.
    fn rclone(&self, line: &str) -> Outcome<String> {
        let local = self.folder.path().to_string_lossy().into_owned();
        self.run(line.split_whitespace().map(|word| word.replace("LOCAL", &local)))
    }

    /// How often this account asked for an operation.
    fn count(&self, operation: &str) -> usize {
        let requests = self.server.control().requests();
        let ours = requests.iter().filter(|one| one.drive.as_ref() == Some(&self.account));
        ours.filter(|one| one.operation == operation).count()
    }

    fn check_count(&self, operation: &str, expected: usize) -> Outcome {
        check(&format!("requests {operation}"), self.count(operation), expected)
    }

    /// A folder with a bit of everything, put to the drive.
    fn seed(&self) -> Outcome<PathBuf> {
        let from = self.path("from");
        let large: Vec<u8> = (0..11 * 1024 * 1024_u32).map(|i| (i ^ i >> 9) as u8).collect();
        for (name, bytes) in [
            ("small.txt", &b"hello world"[..]),
            ("empty.bin", b""),
            ("dir/inner/deep.txt", b"deep"),
            ("dir/#%&+' ünïcode 日本.txt", b"names"),
            ("dir/large.bin", &large),
        ] {
            let path = from.join(name);
            fs::create_dir_all(path.parent().ok_or("no parent")?)?;
            fs::write(&path, bytes)?;
            let file = fs::File::options().write(true).open(&path)?;
            file.set_modified(SystemTime::UNIX_EPOCH + LONG_AGO)?;
        }
        fs::create_dir_all(from.join("empty folder"))?;
        self.rclone("copy --create-empty-src-dirs LOCAL/from od:tree")?;
        Ok(from)
    }
}

fn blocking<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn check<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: found {found:?}, expected {expected:?}").into())
}

/// Every file below a folder: its bytes and when they were changed; folders have none.
type Contents = BTreeMap<PathBuf, Option<(Vec<u8>, SystemTime)>>;

fn contents(folder: &Path) -> Outcome<Contents> {
    let mut all = Contents::new();
    let mut open = vec![folder.to_owned()];
    while let Some(current) = open.pop() {
        for entry in fs::read_dir(current)? {
            let entry = entry?;
            let path = entry.path();
            let name = path.strip_prefix(folder)?.to_owned();
            if entry.file_type()?.is_dir() {
                all.insert(name, None);
                open.push(path);
            } else {
                all.insert(name, Some((fs::read(&path)?, entry.metadata()?.modified()?)));
            }
        }
    }
    Ok(all)
}

fn there_and_back(rclone: &Witness) -> Outcome {
    let from = rclone.seed()?;
    rclone.rclone("check LOCAL/from od:tree")?;
    rclone.rclone("check --download LOCAL/from od:tree")?;
    rclone.rclone("copy --create-empty-src-dirs od:tree LOCAL/back")?;
    check("what came back", contents(&rclone.path("back"))?, contents(&from)?)?;
    let sent = ["graph.session.create", "graph.content.put", "graph.item.update"];
    let before = sent.map(|operation| rclone.count(operation));
    // rclone sets the times of folders again on every sync unless it is told not to.
    rclone.rclone("sync --no-update-dir-modtime --create-empty-src-dirs LOCAL/from od:tree")?;
    check("requests that send", sent.map(|operation| rclone.count(operation)), before)?;
    // 11 MiB go in fragments of 10 MiB: 3 small files in one each, the large one in two.
    rclone.check_count("graph.session.create", 4)?;
    rclone.check_count("graph.session.fragment", 5)?;
    rclone.check_count("graph.content.put", 1)
}

fn listed_by_delta(rclone: &Witness) -> Outcome {
    rclone.seed()?;
    let by_folder = rclone.rclone("lsf -R --format pst od:")?;
    let folders = rclone.count("graph.children.list");
    let by_delta = rclone.rclone("lsf -R --format pst --fast-list --onedrive-delta od:")?;
    rclone.check_count("graph.children.list", folders)?;
    if rclone.count("graph.delta.list") == 0 {
        return Err("the change feed was not asked".into());
    }
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    check("lines", by_folder.lines().count(), 9)?;
    check("the listing", sorted(&by_delta), sorted(&by_folder))
}

fn hashes(rclone: &Witness) -> Outcome {
    rclone.seed()?;
    let mut kinds = vec!["quickxor"];
    if rclone.kind == AccountKind::Personal {
        kinds.extend(["sha1", "sha256"]);
    }
    for kind in kinds {
        let sorted = |text: String| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let ours = rclone.rclone(&format!("hashsum {kind} --onedrive-hash-type {kind} od:tree"))?;
        let theirs = rclone.rclone(&format!("hashsum {kind} LOCAL/from"))?;
        check("files", ours.lines().count(), 5)?;
        check(kind, sorted(ours), sorted(theirs))?;
    }
    Ok(())
}

fn moved(rclone: &Witness) -> Outcome {
    rclone.seed()?;
    let sent = rclone.count("graph.session.create");
    rclone.rclone("moveto od:tree/small.txt od:tree/dir/renamed.txt")?;
    rclone.rclone("moveto od:tree/dir od:elsewhere/moved")?;
    check("the text", rclone.rclone("cat od:elsewhere/moved/renamed.txt")?, "hello world".into())?;
    check("the text", rclone.rclone("cat od:elsewhere/moved/inner/deep.txt")?, "deep".into())?;
    let left = rclone.rclone("lsf -R od:tree")?;
    check("what is left", left.lines().collect(), vec!["empty folder/", "empty.bin"])?;
    rclone.check_count("graph.session.create", sent)?;
    rclone.check_count("graph.copy.start", 0)
}

fn copied(rclone: &Witness) -> Outcome {
    rclone.seed()?;
    let sent = rclone.count("graph.session.create");
    rclone.rclone("copyto od:tree/small.txt od:tree/copy.txt")?;
    rclone.rclone("copyto od:tree/dir/large.bin od:tree/large.bin")?;
    check("the text", rclone.rclone("cat od:tree/copy.txt")?, "hello world".into())?;
    let time = rclone.rclone("lsf --format t --csv od:tree/copy.txt")?;
    check(
        "the time",
        time.trim(),
        rclone.rclone("lsf --format t --csv LOCAL/from/small.txt")?.trim(),
    )?;
    // Onto one that is there.
    rclone.rclone("copyto --ignore-times od:tree/dir/inner/deep.txt od:tree/copy.txt")?;
    check("the text", rclone.rclone("cat od:tree/copy.txt")?, "deep".into())?;
    rclone.check_count("graph.copy.start", 3)?;
    rclone.check_count("graph.session.create", sent)
}

fn ranges(rclone: &Witness) -> Outcome {
    let from = rclone.seed()?;
    check("a part", rclone.rclone("cat --offset 6 --count 3 od:tree/small.txt")?, "wor".into())?;
    check("the end", rclone.rclone("cat --tail 5 od:tree/small.txt")?, "world".into())?;
    check("the rest", rclone.rclone("cat --offset 9 od:tree/small.txt")?, "ld".into())?;
    // Four streams, each with a range of its own.
    rclone.rclone(
        "copy --multi-thread-streams 4 --multi-thread-cutoff 1M --multi-thread-chunk-size 3M \
         od:tree/dir/large.bin LOCAL/part",
    )?;
    let same = fs::read(rclone.path("part/large.bin"))? == fs::read(from.join("dir/large.bin"))?;
    check("the same bytes", same, true)
}

fn about(rclone: &Witness) -> Outcome {
    rclone.seed()?;
    let about: Value = serde_json::from_str(&rclone.rclone("about --json od:")?)?;
    check("used", about["used"].as_u64(), Some(11 + 4 + 5 + 11 * 1024 * 1024))?;
    let rest = |name: &str| about[name].as_u64().unwrap_or_default();
    check("free", rest("total") - rest("used"), rest("free"))
}

fn deleted(rclone: &Witness) -> Outcome {
    rclone.seed()?;
    rclone.rclone("deletefile od:tree/small.txt")?;
    rclone.run(["rmdir", "od:tree/empty folder"])?;
    let (done, _) = rclone.try_run(["rmdir", "od:tree/dir"])?;
    check("a full folder was removed", done, false)?;
    rclone.rclone("delete od:tree/dir/inner")?;
    check("what is left", rclone.rclone("lsf od:tree/dir/inner")?, String::new())?;
    rclone.rclone("purge od:tree/dir")?;
    check("what is left", rclone.rclone("lsf -R od:")?, "tree/\ntree/empty.bin\n".into())?;
    rclone.rclone("purge od:tree")?;
    check("what is left", rclone.rclone("lsf od:")?, String::new())
}

fn times(rclone: &Witness) -> Outcome {
    rclone.seed()?;
    let time = |path: &str| rclone.rclone(&format!("lsf --format t --time-format RFC3339 {path}"));
    rclone.rclone("touch --timestamp 2001-02-03T04:05:06 od:tree/small.txt")?;
    let touched = time("od:tree/small.txt")?;
    rclone.rclone("touch --timestamp 2001-02-03T04:05:06 LOCAL/from/small.txt")?;
    check("the time", touched, time("LOCAL/from/small.txt")?)?;
    rclone.rclone("check LOCAL/from od:tree")?;
    rclone.rclone("touch od:tree/new.txt")?;
    check("the size", rclone.rclone("lsf --format s od:tree/new.txt")?, "0\n".into())
}

fn replaced(rclone: &Witness) -> Outcome {
    let from = rclone.seed()?;
    fs::write(from.join("small.txt"), "another text")?;
    fs::write(from.join("empty.bin"), "no longer empty")?;
    fs::write(from.join("dir/large.bin"), "")?;
    rclone.rclone("sync LOCAL/from od:tree")?;
    rclone.rclone("check --download LOCAL/from od:tree")?;
    let names = rclone.rclone("lsf od:tree")?;
    check("names", names.lines().collect(), vec!["dir/", "empty folder/", "empty.bin", "small.txt"])
}

fn linked(rclone: &Witness) -> Outcome {
    rclone.seed()?;
    let link = rclone.rclone("link od:tree/small.txt")?;
    if !link.starts_with("http") {
        return Err(format!("no link: {link}").into());
    }
    if rclone.kind == AccountKind::Business {
        rclone.rclone("cleanup od:")?;
    }
    check("the text", rclone.rclone("cat od:tree/small.txt")?, "hello world".into())
}

fn renewed(rclone: &Witness) -> Outcome {
    rclone.seed()?;
    // Past its time: renewed before the first request.
    rclone.configure("2001-01-01T00:00:00Z", "old")?;
    check("the text", rclone.rclone("cat od:tree/small.txt")?, "hello world".into())?;
    let config = fs::read_to_string(rclone.path("rclone.conf"))?;
    let kept = !config.contains(&format!("drivedal-dev-{}-refresh", rclone.account));
    check("the new refresh token was kept", kept, true)
}

fn noticed(rclone: &Witness) -> Outcome {
    rclone.seed()?;
    let url = rclone.server.url().join("v1.0/me/drive/root:/tree/small.txt:/content")?;
    let token = format!("drivedal-dev-{}", rclone.account);
    blocking(async move {
        let client = reqwest::Client::builder().no_proxy().build()?;
        client.put(url).bearer_auth(token).body("of another client").send().await?;
        Ok::<_, reqwest::Error>(())
    })?;
    let (same, errors) =
        rclone.try_run(["check".into(), rclone.path("from").into_os_string(), "od:tree".into()])?;
    check("the check passed", same, false)?;
    check("it names the file", errors.contains("small.txt"), true)?;
    rclone.rclone("copyto od:tree/small.txt LOCAL/from/small.txt")?;
    rclone.rclone("check LOCAL/from od:tree")?;
    Ok(())
}

fn in_china(rclone: &Witness) -> Outcome {
    // There paths are given as an alias in the query: `children('@a1')?@a1='…'`.
    rclone.seed()?;
    rclone.rclone("copy --onedrive-region cn LOCAL/from od:china")?;
    rclone.rclone("check --download --onedrive-region cn LOCAL/from od:china")?;
    rclone.rclone("check --download LOCAL/from od:china")?;
    Ok(())
}

fn configured(rclone: &Witness) -> Outcome {
    let drive = rclone.drive_id()?;
    let config = rclone.path("rclone.conf");
    let text = fs::read_to_string(&config)?;
    let without = text.lines().filter(|line| !line.starts_with("drive_"));
    fs::write(&config, without.collect::<Vec<_>>().join("\n"))?;
    let mut question: Value =
        serde_json::from_str(&rclone.rclone("config update od --non-interactive")?)?;
    let mut asked = Vec::new();
    while let Some(state) = question["State"].as_str().filter(|state| !state.is_empty()) {
        let name = question["Option"]["Name"].as_str().ok_or(format!("no question: {question}"))?;
        let answer = match name {
            "config_refresh_token" => "false",
            "config_type" => "onedrive",
            _ => question["Option"]["DefaultStr"].as_str().unwrap_or_default(),
        };
        asked.push(name.to_owned());
        let next = ["config", "update", "od", "--non-interactive", "--continue", "--state", state];
        let next = rclone.run(next.into_iter().chain(["--result", answer]))?;
        question = if next.trim().is_empty() { Value::Null } else { serde_json::from_str(&next)? };
    }
    check("it asked for the drive", asked.contains(&"config_driveid".into()), true)?;
    let text = fs::read_to_string(&config)?;
    check("it found the drive", text.contains(&format!("drive_id = {drive}")), true)?;
    let kind = if rclone.kind == AccountKind::Personal { "personal" } else { "business" };
    check("and its type", text.contains(&format!("drive_type = {kind}")), true)
}
