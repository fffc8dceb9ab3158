//! The sync client `onedrive` 2.4 (abraunegg's, as Debian has it), unmodified, against the drive
//! server: two machines that follow one drive.
//!
//! Its hosts are fixed, so it is told a proxy; and it believes no authorities but the system's, so
//! it runs where another file stands in their place: in a mount namespace of its own, which takes
//! `unshare` and the right to use it. The program is `DRIVEDAL_ONEDRIVE`, else `onedrive` in the
//! PATH. Where it is missing the tests say that they are ignored, and fail if
//! `DRIVEDAL_REQUIRE_CLIENTS` is set; where it cannot be told another authority they are ignored.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use drivedal_server::AccountKind;
use drivedal_test_support::{
    serving::Serving,
    witness::{Outcome, check, trial},
};
use libtest_mimic::Trial;
use tempfile::TempDir;

/// Where Debian's libcurl reads which authorities to believe.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Larger than one fragment of the client's, 10 MiB.
const LARGE: usize = 12_000_000;

/// A test for each kind of account.
pub fn trials() -> Vec<Trial> {
    let missing = program().err();
    let confined = missing.is_none().then(can_be_told).and_then(Result::err);
    let trials = AccountKind::ALL.map(|kind| {
        let name = format!("onedrive_follows_changes_of_two_machines_{kind}");
        match &confined {
            None => trial(name, missing.as_deref(), move || followed(kind)),
            Some(why) => Trial::test(format!("{name} ({why})"), || Ok(())).with_ignored_flag(true),
        }
    });
    trials.into()
}

/// The program, if it is there; else why not.
fn program() -> Result<PathBuf, String> {
    let program = env::var_os("DRIVEDAL_ONEDRIVE").unwrap_or_else(|| "onedrive".into());
    let output = Command::new(&program).arg("--version").output();
    let output = output.map_err(|error| format!("no onedrive: {error}"))?;
    match String::from_utf8_lossy(&output.stdout).trim() {
        version if version.starts_with("onedrive v2.4.") => Ok(program.into()),
        version => Err(format!("onedrive is not 2.4: {version}")),
    }
}

/// What runs a program where `authorities` are the system's.
fn where_believed(authorities: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg(r#"mount --bind "$1" "$2" && shift 2 && exec "$@""#);
    command.arg("sh").arg(authorities).arg(AUTHORITIES);
    command
}

/// Whether that can be done here.
fn can_be_told() -> Result<(), String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let output = where_believed(file.path()).arg("true").output();
    let output = output.map_err(|error| format!("no unshare: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "it cannot be told another authority: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// A machine that has signed in: its configuration, and the folder that it keeps equal.
struct Machine {
    home: TempDir,
    authorities: PathBuf,
    proxy: String,
}

impl Machine {
    fn new(authorities: &Path, proxy: &str) -> Outcome<Self> {
        let home = tempfile::tempdir()?;
        let folder = home.path().join("drive");
        fs::create_dir(&folder)?;
        fs::write(home.path().join("refresh_token"), "drivedal-dev-refresh")?;
        fs::write(home.path().join("config"), format!("sync_dir = \"{}\"\n", folder.display()))?;
        Ok(Self { home, authorities: authorities.into(), proxy: proxy.into() })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.home.path().join("drive").join(path)
    }

    /// Each time a second later: the client takes a file that was changed within a second for what
    /// it was.
    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> Outcome {
        static SECOND: AtomicU64 = AtomicU64::new(1_000_000_000);
        let path = self.path(path);
        fs::create_dir_all(path.parent().ok_or("a folder")?)?;
        fs::write(&path, bytes)?;
        let changed = Duration::from_secs(SECOND.fetch_add(1, Ordering::Relaxed));
        let file = fs::File::options().write(true).open(path)?;
        Ok(file.set_modified(SystemTime::UNIX_EPOCH + changed)?)
    }

    fn sync(&self) -> Outcome {
        let Output { status, stdout, stderr } = where_believed(&self.authorities)
            .arg(program()?)
            .args(["--synchronize", "--confdir"])
            .arg(self.home.path())
            .env("https_proxy", &self.proxy)
            .env("HOME", self.home.path())
            .stdin(Stdio::null())
            .output()?;
        let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        let [out, error] = said;
        let done = status.success() && out.contains("Sync with OneDrive is complete");
        // What it could not do it tells, and ends as if it had.
        match done && !out.contains("ERROR") && !error.contains("ERROR") {
            true => Ok(()),
            false => Err(format!("onedrive: {status}\n{out}\n{error}").into()),
        }
    }

    /// The files, by their paths, and the folders with a slash.
    fn files(&self) -> Outcome<BTreeMap<String, Vec<u8>>> {
        fn below(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) -> Outcome {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                match entry.file_type()?.is_dir() {
                    true => {
                        found.insert(format!("{name}/"), Vec::new());
                        below(&entry.path(), &format!("{name}/"), found)?;
                    }
                    false => drop(found.insert(name, fs::read(entry.path())?)),
                }
            }
            Ok(())
        }
        let mut found = BTreeMap::new();
        below(&self.path(""), "", &mut found)?;
        Ok(found)
    }
}

/// What one machine puts and changes the other one gets, and the other way round.
fn followed(kind: AccountKind) -> Outcome {
    let scratch = tempfile::tempdir()?;
    let authority = scratch.path().join("ca.pem");
    let mut serve = Command::new(env!("CARGO_BIN_EXE_drivedal"));
    serve.args(["serve", "--ephemeral", "--kind", kind.name(), "--stand-in"]).arg(&authority);
    let server = Serving::start(serve.stderr(Stdio::null()));
    let (one, two) =
        (Machine::new(&authority, &server.url)?, Machine::new(&authority, &server.url)?);

    one.write("a.txt", "hello")?;
    one.write("folder/below #é/f%41 +.txt", "x")?;
    one.write("folder/large", (0..LARGE).map(|at| (at % 251) as u8).collect::<Vec<_>>())?;
    one.write("empty", "")?;
    one.sync()?;
    let first = one.files()?;
    two.sync()?;
    check("what the second machine has", two.files()? == first, true)?;

    fs::remove_file(two.path("a.txt"))?;
    fs::rename(two.path("folder/large"), two.path("folder/moved"))?;
    two.write("folder/below #é/f%41 +.txt", "changed")?;
    two.write("new", "new")?;
    let second = two.files()?;
    two.sync()?;
    one.sync()?;
    check(
        "what the first machine has",
        one.files()?.keys().collect::<Vec<_>>(),
        second.keys().collect(),
    )?;
    check("the bytes of it", one.files()? == second, true)?;

    one.sync()?;
    two.sync()?;
    check("nothing changes by itself", one.files()? == second && two.files()? == second, true)
}
