//! Compares transfers of the command line with those of rclone: whole commands against whole commands,
//! as processes, with one drive server.
//!
//! `cargo bench --bench transfers [-- --files 20000 --latency-ms 20 --large 1G --rounds 3]`
//!
//! Each program copies a tree of small files to an empty OneDrive, synchronizes it unchanged,
//! synchronizes it after 1 % of the files changed, and checks it. The server delays each request, and
//! counts requests and bytes. After each transfer all files on the server are read and compared, which
//! is not measured.
//!
//! A large file is then downloaded from the server, which sends at most 20 MB/s on each connection.
//! `curl` does the same with one connection.
//!
//! Rounds are interleaved: a program does all of its work before the next one starts, each with a new
//! account, and the order rotates. rclone is `DRIVEDAL_RCLONE`, or `rclone` in the PATH. A missing
//! program is skipped and reported. drivedal is `DRIVEDAL_PROGRAM`, or the program built for the
//! benchmark.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clap::Parser;
use drivedal_bench::{
    Content, Report, Result, Sample, Throughput,
    report::{self, ReportBuilder, WorkInfo},
};
use drivedal_server::{Bandwidth, Fault, Latency, Server};
use drivedal_test_support::files::create_small;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use opendal::{Operator, options::ListOptions};
use tokio::runtime::Runtime;

#[path = "rclone_config.rs"]
mod rclone;

/// Compare copy, sync, check and large downloads with rclone
#[derive(Parser)]
struct Arguments {
    /// Use this many files of 1 to 8 kB, 20 per folder
    #[arg(long, default_value_t = 2_000)]
    files: usize,
    /// Delay each request by this time
    #[arg(long, default_value_t = 20)]
    latency_ms: u64,
    /// Use a large file of this size: 256M, 1G; 0 leaves out its download
    #[arg(long, default_value = "256M", value_parser = size)]
    large: u64,
    /// Send at most this many bytes per second on each connection, for the large file
    #[arg(long, default_value_t = 20_000_000)]
    bandwidth: u64,
    /// Repeat the work this many times
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Run only programs whose names start with this text
    #[arg(long, default_value = "")]
    only: String,
    /// Write the report into this folder
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/transfers"))]
    report: PathBuf,
    /// Accepted because `cargo bench` passes it
    #[arg(long, hide = true)]
    bench: bool,
}

/// Parses a number of bytes, in units of 1,024.
fn size(text: &str) -> std::result::Result<u64, String> {
    let (number, unit) = match text.strip_suffix(['M', 'G']) {
        Some(number) if text.ends_with('M') => (number, 1 << 20),
        Some(number) => (number, 1 << 30),
        None => (text, 1),
    };
    let number: u64 = number.parse().map_err(|error| format!("{error}"))?;
    number.checked_mul(unit).ok_or_else(|| "the number is too large".into())
}

/// A program under measurement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    Drivedal,
    Rclone,
    Curl,
}

impl Client {
    fn name(self) -> &'static str {
        match self {
            Self::Drivedal => "drivedal",
            Self::Rclone => "rclone",
            Self::Curl => "curl",
        }
    }

    fn program(self) -> PathBuf {
        let (variable, name) = match self {
            Self::Drivedal => ("DRIVEDAL_PROGRAM", env!("CARGO_BIN_EXE_drivedal")),
            Self::Rclone => ("DRIVEDAL_RCLONE", "rclone"),
            Self::Curl => ("DRIVEDAL_CURL", "curl"),
        };
        std::env::var_os(variable).map_or_else(|| name.into(), PathBuf::from)
    }

    /// Returns the name and the version of the program. `None` if it is not installed.
    fn version(self) -> Option<String> {
        let argument = if self == Self::Rclone { "version" } else { "--version" };
        let output = Command::new(self.program()).arg(argument).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words: Vec<&str> = text.split_whitespace().take(2).collect();
        output.status.success().then(|| words.join(" "))
    }

    /// Returns the arguments of a transfer. `None` if the program does not have it.
    fn arguments(self, work: &str, source: &Path) -> Option<Vec<String>> {
        let command = match (self, work) {
            (Self::Curl, _) => return None,
            (_, FIRST) => "copy",
            (_, CHECK) => "check",
            _ => "sync",
        };
        Some(vec![command.into(), source.display().to_string(), "cloud:t".into()])
    }
}

const CLIENTS: [Client; 3] = [Client::Drivedal, Client::Rclone, Client::Curl];

const FIRST: &str = "first-copy";
const UNCHANGED: &str = "unchanged-sync";
const CHANGED: &str = "changed-sync";
const CHECK: &str = "check";
const DOWNLOAD: &str = "capped-download";

fn main() -> Result {
    let arguments = Arguments::parse();
    let runtime = Runtime::new()?;
    let server = runtime.block_on(Server::builder().start())?;
    let source = tempfile::tempdir()?;
    let files = create_small(source.path(), arguments.files.div_ceil(20), 20)?;
    let is_chosen = |client: &Client| client.name().starts_with(&arguments.only);
    let mut report = new_report(&arguments, files.len());
    let mut clients = Vec::new();
    for client in CLIENTS.into_iter().filter(is_chosen) {
        match client.version() {
            Some(version) => {
                report = report.contender(client.name(), &version, Vec::new());
                clients.push(client);
            }
            None => eprintln!("{} is not installed", client.name()),
        }
    }
    for round in 0..arguments.rounds {
        for position in 0..clients.len() {
            let client = clients[(position + round) % clients.len()];
            eprintln!("round {} of {}: {}", round + 1, arguments.rounds, client.name());
            let mut run = Run::new(&arguments, &runtime, &server, client, round)?;
            for (work, sample) in run.transfers(source.path(), &files)? {
                report.add(client.name(), work, sample);
            }
            if arguments.large > 0 {
                report.add(client.name(), DOWNLOAD, run.capped_download()?);
            }
        }
    }
    show(&arguments, &report.finish())
}

/// Returns an empty report with the works.
fn new_report(arguments: &Arguments, files: usize) -> ReportBuilder {
    let report = ReportBuilder::new("Transfers beside rclone")
        .started(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default())
        .setting("rounds", arguments.rounds)
        .setting("files of 1 to 8 kB", files)
        .setting("milliseconds per request", arguments.latency_ms)
        .work(WorkInfo::new(FIRST, "First copy", "Copies all files to an empty OneDrive."))
        .work(WorkInfo::new(UNCHANGED, "Unchanged sync", "Synchronizes the same files again."))
        .work(WorkInfo::new(
            CHANGED,
            "Sync of 1 %",
            "Synchronizes after the content and time of every hundredth file changed.",
        ))
        .work(WorkInfo::new(CHECK, "Check", "Compares all files with those of the drive."));
    if arguments.large == 0 {
        return report;
    }
    report
        .setting("MiB of the large file", arguments.large >> 20)
        .setting("bytes per second on each connection for it", arguments.bandwidth)
        .work(
            WorkInfo::new(
                DOWNLOAD,
                "Large download, capped connections",
                "Downloads a large file from a server that limits the bandwidth of each connection. \
                 curl uses one connection.",
            )
            .with_throughput(Throughput::Bytes),
        )
}

/// The work of one program in one round, with a new account and a new home folder.
struct Run<'a> {
    arguments: &'a Arguments,
    runtime: &'a Runtime,
    server: &'a Server,
    client: Client,
    round: usize,
    token: String,
    home: tempfile::TempDir,
    operator: Operator,
}

impl<'a> Run<'a> {
    fn new(
        arguments: &'a Arguments,
        runtime: &'a Runtime,
        server: &'a Server,
        client: Client,
        round: usize,
    ) -> Result<Self> {
        let token = format!("drivedal-dev-transfers{round}{}.personal", client.name());
        let home = tempfile::tempdir()?;
        if client == Client::Rclone {
            let config = rclone::config(server.url(), "personal", &token, runtime);
            fs::write(home.path().join("rclone.conf"), config.map_err(|error| error.to_string())?)?;
        }
        drivedal::register();
        let options =
            [("endpoint", format!("{}v1.0", server.url())), ("access_token", token.clone())];
        let options = options.map(|(key, value)| (key.to_owned(), value));
        let operator = Operator::via_iter("onedrive", options)?;
        Ok(Self { arguments, runtime, server, client, round, token, home, operator })
    }

    /// Runs the transfers of the small files in their order, and verifies each.
    fn transfers(
        &mut self,
        source: &Path,
        files: &[String],
    ) -> Result<Vec<(&'static str, Sample)>> {
        let mut samples = Vec::new();
        for work in [FIRST, UNCHANGED, CHANGED, CHECK] {
            let Some(words) = self.client.arguments(work, source) else { continue };
            if work == CHANGED {
                self.change(source, files)?;
            }
            let delay = Fault::on("*").latency(Latency::Fixed(self.arguments.latency_ms));
            self.server.control().add_faults([delay])?;
            let mut sample = self.measure(self.command(words));
            self.server.control().clear_faults();
            if sample.is_done()
                && let Err(error) = self.runtime.block_on(self.verify(source, files))
            {
                sample = Sample::failed(error.to_string());
            }
            sample.operations = files.len() as u64;
            samples.push((work, sample));
        }
        Ok(samples)
    }

    /// Gives every hundredth file another content of the same length, and a new time.
    fn change(&self, source: &Path, files: &[String]) -> Result {
        for path in files.iter().step_by(100) {
            let path = source.join(path);
            let mut bytes = fs::read(&path)?;
            // Each program in each round finds another content than the earlier ones.
            bytes[..8].copy_from_slice(&fastrand::u64(..).to_le_bytes());
            fs::write(path, bytes)?;
        }
        Ok(())
    }

    /// Compares all files on the server with their sources.
    async fn verify(&self, source: &Path, files: &[String]) -> Result {
        let options = ListOptions { recursive: true, ..ListOptions::default() };
        let listed = self.operator.list_options("t/", options).await?;
        let listed = listed.iter().filter(|entry| entry.metadata().is_file()).count();
        if listed != files.len() {
            return Err(format!("{listed} files on the drive, expected {}", files.len()).into());
        }
        stream::iter(files)
            .map(async |path| -> Result {
                let bytes = self.operator.read(&format!("t/{path}")).await?;
                match bytes.to_vec() == fs::read(source.join(path))? {
                    true => Ok(()),
                    false => Err(format!("{path} has other bytes than its source").into()),
                }
            })
            .buffer_unordered(32)
            .try_collect()
            .await
    }

    /// Downloads a large file while the server limits the bandwidth of each connection.
    fn capped_download(&self) -> Result<Sample> {
        let content = Content::new(self.round as u64, self.arguments.large);
        self.runtime.block_on(async {
            let mut writer = self.operator.writer("large.bin").await?;
            for chunk in content.chunks() {
                writer.write(chunk).await?;
            }
            writer.close().await
        })?;
        let target = self.home.path().join("large.bin");
        let command = match self.client {
            Client::Drivedal => self.command(vec![
                "get".into(),
                "cloud:large.bin".into(),
                target.display().to_string(),
            ]),
            Client::Rclone => self.command(vec![
                "copyto".into(),
                "cloud:large.bin".into(),
                target.display().to_string(),
            ]),
            Client::Curl => {
                let mut curl = Command::new(self.client.program());
                let token = format!("Authorization: Bearer {}", self.token);
                curl.args(["-s", "-S", "--fail", "--noproxy", "*", "-L", "-H", &token, "-o"])
                    .arg(&target)
                    .arg(format!("{}v1.0/me/drive/root:/large.bin:/content", self.server.url()));
                curl
            }
        };
        let bandwidth = Fault::on("*").bandwidth(Bandwidth::both(self.arguments.bandwidth));
        self.server.control().add_faults([bandwidth])?;
        let mut sample = self.measure(command);
        self.server.control().clear_faults();
        (sample.operations, sample.bytes) = (1, content.len());
        match sample.is_done() && !is_equal(&target, content)? {
            true => Ok(Sample::failed("the file has other bytes than on the drive")),
            false => Ok(sample),
        }
    }

    /// Returns a command of drivedal or rclone with the account's configuration.
    fn command(&self, words: Vec<String>) -> Command {
        let mut command = Command::new(self.client.program());
        command
            .env("HOME", self.home.path())
            .env("NO_PROXY", "127.0.0.1")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_STATE_HOME");
        match self.client {
            Client::Drivedal => {
                let mut uri =
                    url::form_urlencoded::Serializer::new(String::from("cloud=onedrive://?"));
                uri.append_pair("endpoint", &format!("{}v1.0", self.server.url()))
                    .append_pair("access_token", &self.token)
                    // The same setting as in rclone's configuration.
                    .append_pair("account_kind", "personal");
                command.args(["--quiet", "--remote", &uri.finish()]);
            }
            _ => {
                command.arg("--quiet").arg("--config").arg(self.home.path().join("rclone.conf"));
            }
        }
        command.args(words);
        command
    }

    /// Runs a command, and counts its requests and bytes.
    fn measure(&self, mut command: Command) -> Sample {
        let control = self.server.control();
        control.reset_counters();
        let began = Instant::now();
        let output = command.stdin(Stdio::null()).output();
        let seconds = began.elapsed().as_secs_f64();
        match output {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let message = String::from_utf8_lossy(&output.stderr);
                return Sample::failed(format!("{}: {}", output.status, message.trim()));
            }
            Err(error) => return Sample::failed(error.to_string()),
        }
        // The last responses are logged a moment after the client received them.
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut counters = control.counters();
        while counters.completed < counters.total && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
            counters = control.counters();
        }
        let mut sample = Sample::done(seconds, 1, 0);
        sample.requests = Some(counters.total);
        sample.bytes_up = Some(counters.bytes_in);
        sample.bytes_down = Some(counters.bytes_out);
        sample
    }
}

/// Compares a local file with a content.
fn is_equal(path: &Path, content: Content) -> Result<bool> {
    let (mut file, mut buffer, mut offset) = (fs::File::open(path)?, vec![0; 1 << 20], 0);
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(offset == content.len());
        }
        if !content.matches(offset, &buffer[..length]) {
            return Ok(false);
        }
        offset += length as u64;
    }
}

/// Prints the table, and writes the JSON and the page.
fn show(arguments: &Arguments, measured: &Report) -> Result {
    print!("{}", report::text(measured));
    fs::create_dir_all(&arguments.report)?;
    fs::write(arguments.report.join("results.json"), report::json(measured)?)?;
    fs::write(arguments.report.join("index.html"), report::page(measured))?;
    eprintln!("written: {}", arguments.report.display());
    Ok(())
}
