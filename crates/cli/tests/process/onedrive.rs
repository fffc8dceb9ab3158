//! The sync client `onedrive` 2.4 (abraunegg's, as packaged by Debian), unmodified, against the
//! drive server: two machines that synchronise one drive.
//!
//! The client's hosts are fixed, so it uses the server as a proxy. It trusts the system's
//! certificate authorities only, so it runs in a mount namespace in which another file replaces
//! them. That needs `unshare` and the right to use it. The program is `DRIVEDAL_ONEDRIVE`, or
//! `onedrive` in the PATH. If it is missing, the tests are ignored, or fail if
//! `DRIVEDAL_REQUIRE_CLIENTS` is set. Without the right to use `unshare` they are ignored.

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
    witness::{TrialResult, check, trial},
};
use libtest_mimic::Trial;
use tempfile::TempDir;

/// The file of certificate authorities that Debian's libcurl reads.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// More than one fragment of the client, which is 10 MiB.
const LARGE: usize = 12_000_000;

/// Returns a test for each kind of account.
pub fn trials() -> Vec<Trial> {
    let missing = program().err();
    let confined = missing.is_none().then(check_authorities_replaceable).and_then(Result::err);
    let trials = AccountKind::ALL.map(|kind| {
        let name = format!("onedrive_follows_changes_of_two_machines_{kind}");
        match &confined {
            None => trial(name, missing.as_deref(), move || synchronise(kind)),
            Some(why) => Trial::test(format!("{name} ({why})"), || Ok(())).with_ignored_flag(true),
        }
    });
    trials.into()
}

/// Returns the path of the program, or the reason why it is missing.
fn program() -> Result<PathBuf, String> {
    let program = env::var_os("DRIVEDAL_ONEDRIVE").unwrap_or_else(|| "onedrive".into());
    let output = Command::new(&program).arg("--version").output();
    let output = output.map_err(|error| format!("no onedrive: {error}"))?;
    match String::from_utf8_lossy(&output.stdout).trim() {
        version if version.starts_with("onedrive v2.4.") => Ok(program.into()),
        version => Err(format!("onedrive is not 2.4: {version}")),
    }
}

/// Returns a command that runs a program with `authorities` as the system's certificate
/// authorities.
fn with_authorities(authorities: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg(r#"mount --bind "$1" "$2" && shift 2 && exec "$@""#);
    command.arg("sh").arg(authorities).arg(AUTHORITIES);
    command
}

/// Returns an error if the certificate authorities cannot be replaced on this system.
fn check_authorities_replaceable() -> Result<(), String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let output = with_authorities(file.path()).arg("true").output();
    let output = output.map_err(|error| format!("no unshare: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "cannot replace the certificate authorities: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// A signed-in machine: its configuration and its synchronised folder.
struct Machine {
    home: TempDir,
    authorities: PathBuf,
    proxy: String,
}

impl Machine {
    fn new(authorities: &Path, proxy: &str) -> TrialResult<Self> {
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

    /// Writes a file, one second after the last write: the client does not notice a second change
    /// within one second.
    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> TrialResult {
        static SECOND: AtomicU64 = AtomicU64::new(1_000_000_000);
        let path = self.path(path);
        fs::create_dir_all(path.parent().ok_or("a folder")?)?;
        fs::write(&path, bytes)?;
        let changed = Duration::from_secs(SECOND.fetch_add(1, Ordering::Relaxed));
        let file = fs::File::options().write(true).open(path)?;
        Ok(file.set_modified(SystemTime::UNIX_EPOCH + changed)?)
    }

    fn sync(&self) -> TrialResult {
        let Output { status, stdout, stderr } = with_authorities(&self.authorities)
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
        // The client prints some failures and exits with 0.
        match done && !out.contains("ERROR") && !error.contains("ERROR") {
            true => Ok(()),
            false => Err(format!("onedrive: {status}\n{out}\n{error}").into()),
        }
    }

    /// Returns the files by path, and the folders with a slash at the end.
    fn files(&self) -> TrialResult<BTreeMap<String, Vec<u8>>> {
        fn below(
            folder: &Path,
            prefix: &str,
            found: &mut BTreeMap<String, Vec<u8>>,
        ) -> TrialResult {
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

/// Uploads changes on one machine and downloads them on the other, in both directions.
fn synchronise(kind: AccountKind) -> TrialResult {
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
