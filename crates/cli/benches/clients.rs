//! Compares the command line with other clients: whole commands, as processes against one drive server.
//! The output is a table; `results.json` and the page `index.html` are written into the folder of
//! `--report`.
//!
//! `cargo bench --bench clients [-- --latency-ms 20 --folders 10 --files 20 --rounds 3]`.
//!
//! rclone is `DRIVEDAL_RCLONE`, or `rclone` in the PATH; acd_cli is `DRIVEDAL_ACD_CLI`, or
//! `acd_cli` in the PATH. A missing client is skipped and reported. drivedal is `DRIVEDAL_PROGRAM`,
//! or the program built for the benchmark. That build includes the cache, one of whose dependencies
//! calibrates the processor's clock for about 20 ms at the start of each process.
//!
//! Rounds are interleaved: a client does all of its work before the next client starts, each with a
//! new account. The order rotates.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clap::Parser;
use drivedal_bench::{
    Result, Sample,
    report::{self, ReportBuilder, WorkInfo},
};
use drivedal_server::Server;
use drivedal_test_support::files::create_small;
use jiff::Timestamp;
use serde_json::json;

#[path = "rclone_config.rs"]
mod rclone;

/// Compare the command line with rclone and acd_cli on a drive server
#[derive(Parser)]
struct Arguments {
    /// Delay each response of the server by this time
    #[arg(long, default_value_t = 20)]
    latency_ms: u64,
    /// Use this many folders
    #[arg(long, default_value_t = 10)]
    folders: usize,
    /// Use this many files per folder, of 1 to 8 kB
    #[arg(long, default_value_t = 20)]
    files: usize,
    /// Repeat the work this many times
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Run only drives whose names start with this text
    #[arg(long, default_value = "")]
    drive: String,
    /// Write the report into this folder
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/clients-report"))]
    report: PathBuf,
    /// Accepted because `cargo bench` passes it
    #[arg(long, hide = true)]
    bench: bool,
}

/// Ids, titles and descriptions of the works.
const WORK: [[&str; 3]; 6] = [
    ["put", "Upload a tree", "Uploads all files."],
    ["list-drive", "List the drive", "Lists the whole drive."],
    ["list-folder", "List a folder", "Lists the uploaded folder with all below it."],
    ["get", "Download a tree", "Downloads all files, which are compared afterwards."],
    ["delete-files", "Delete files", "Deletes each file."],
    ["delete-tree", "Delete a tree", "Deletes the folder with all below it."],
];

/// A client with one drive.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Contender {
    drive: &'static str,
    client: Client,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    Drivedal,
    Rclone,
    AcdCli,
}

impl Client {
    fn name(self) -> &'static str {
        match self {
            Self::Drivedal => "drivedal",
            Self::Rclone => "rclone",
            Self::AcdCli => "acd_cli -nw",
        }
    }

    fn program(self) -> Option<PathBuf> {
        let (variable, name, version) = match self {
            Self::Drivedal => ("DRIVEDAL_PROGRAM", env!("CARGO_BIN_EXE_drivedal"), "--version"),
            Self::Rclone => ("DRIVEDAL_RCLONE", "rclone", "version"),
            Self::AcdCli => ("DRIVEDAL_ACD_CLI", "acd_cli", "--help"),
        };
        let program = std::env::var_os(variable).map_or_else(|| name.into(), PathBuf::from);
        let asked = Command::new(&program).arg(version).stdout(Stdio::null()).status();
        asked.is_ok_and(|status| status.success()).then_some(program)
    }
}

const CONTENDERS: [Contender; 7] = [
    Contender { drive: "onedrive (personal)", client: Client::Drivedal },
    Contender { drive: "onedrive (personal)", client: Client::Rclone },
    Contender { drive: "onedrive (business)", client: Client::Drivedal },
    Contender { drive: "onedrive (business)", client: Client::Rclone },
    Contender { drive: "amazon-drive", client: Client::Drivedal },
    Contender { drive: "amazon-drive", client: Client::AcdCli },
    Contender { drive: "skydrive", client: Client::Drivedal },
];

fn main() -> Result {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let latency = Duration::from_millis(arguments.latency_ms);
    let server = runtime.block_on(Server::builder().latency(latency).start())?;
    let source = tempfile::tempdir()?;
    let files = create_small(source.path(), arguments.folders, arguments.files)?;

    let is_chosen = |contender: &Contender| contender.drive.starts_with(&arguments.drive);
    let mut report = ReportBuilder::new("Clients beside drivedal")
        .started(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default())
        .setting("rounds", arguments.rounds)
        .setting("files of 1 to 8 kB", files.len())
        .setting("folders", arguments.folders)
        .setting("milliseconds per request", arguments.latency_ms);
    for [id, title, description] in WORK {
        report = report.work(WorkInfo::new(id, title, description));
    }
    let mut contenders = Vec::new();
    for contender in CONTENDERS.into_iter().filter(is_chosen) {
        match contender.client.program() {
            Some(program) => {
                report = report.contender(&contender.name(), contender.drive, Vec::new());
                contenders.push((contender, program));
            }
            None => eprintln!("{} is not installed", contender.client.name()),
        }
    }
    for round in 0..arguments.rounds {
        for position in 0..contenders.len() {
            let (contender, program) = &contenders[(position + round) % contenders.len()];
            let run = Run::new(&server, &runtime, *contender, program.clone(), round)?;
            for [work, ..] in WORK {
                if let Some(sample) = run.sample(work, source.path(), &files)? {
                    report.add(&contender.name(), work, sample);
                }
            }
        }
    }
    let measured = report.finish();
    print!("{}", report::text(&measured));
    fs::create_dir_all(&arguments.report)?;
    fs::write(arguments.report.join("results.json"), report::json(&measured)?)?;
    fs::write(arguments.report.join("index.html"), report::page(&measured))?;
    eprintln!("written: {}", arguments.report.display());
    Ok(())
}

impl Contender {
    /// Returns the name in the report.
    fn name(self) -> String {
        format!("{}, {}", self.client.name(), self.drive)
    }
}

/// One run of a client, with a new account and a new folder.
struct Run<'a> {
    server: &'a Server,
    client: Client,
    program: PathBuf,
    folder: tempfile::TempDir,
    remote: String,
}

impl<'a> Run<'a> {
    fn new(
        server: &'a Server,
        runtime: &tokio::runtime::Runtime,
        contender: Contender,
        program: PathBuf,
        round: usize,
    ) -> Result<Self> {
        let Contender { drive, client } = contender;
        let kind = if drive.contains("business") { "business" } else { "personal" };
        let number = CONTENDERS.iter().position(|one| *one == contender).unwrap_or_default();
        let token = format!("drivedal-dev-bench{round}x{number}.{kind}");
        let folder = tempfile::tempdir()?;
        let url = server.url();
        let remote = match client {
            Client::Drivedal => {
                let (scheme, path) = match drive {
                    "skydrive" => ("skydrive", "v5.0/"),
                    "amazon-drive" => ("amazon-drive", "drive/v1/"),
                    _ => ("onedrive", "v1.0"),
                };
                let endpoint = url.join(path)?;
                let mut uri = url::form_urlencoded::Serializer::new(format!("cloud={scheme}://?"));
                uri.append_pair("endpoint", endpoint.as_str()).append_pair("access_token", &token);
                if scheme == "onedrive" {
                    // The same setting as in rclone's configuration.
                    uri.append_pair("account_kind", kind);
                }
                uri.finish()
            }
            Client::Rclone => {
                let config = rclone::config(url, kind, &token, runtime);
                let config = config.map_err(|error| error.to_string())?;
                fs::write(folder.path().join("rclone.conf"), config)?;
                "cloud:".into()
            }
            Client::AcdCli => {
                let never = 4_102_444_800_u64;
                let endpoints = json!({
                    "contentUrl": url.join("cdproxy/")?, "metadataUrl": url.join("drive/v1/")?,
                    "customerExists": true, "exp_time": never,
                });
                let tokens = json!({
                    "access_token": token, "refresh_token": format!("{token}-refresh"),
                    "expires_in": 3600, "token_type": "bearer", "exp_time": never,
                });
                fs::write(folder.path().join("endpoint_data"), endpoints.to_string())?;
                fs::write(folder.path().join("oauth_data"), tokens.to_string())?;
                String::new()
            }
        };
        let run = Self { server, client, program, folder, remote };
        if client == Client::AcdCli {
            run.run(["sync"].map(String::from))?;
        }
        Ok(run)
    }

    /// Runs one part of the work. `None` if the client has no command for it.
    fn sample(&self, work: &str, source: &Path, files: &[String]) -> Result<Option<Sample>> {
        let back = self.folder.path().join("back");
        // The earlier work deleted files, so the tree is uploaded again, without being measured.
        if work == "delete-tree" {
            let put = self.command_line("put", source, &back, files);
            self.run(put.unwrap_or_default())?;
        }
        let Some(command) = self.command_line(work, source, &back, files) else { return Ok(None) };
        let control = self.server.control();
        control.reset_counters();
        let began = Instant::now();
        self.run(command)?;
        let mut sample = Sample::done(began.elapsed().as_secs_f64(), files.len() as u64, 0);
        sample.requests = Some(control.counters().total);
        if work == "get" {
            for path in files {
                let fetched = match self.client {
                    Client::AcdCli => back.join(source.file_name().unwrap_or_default()).join(path),
                    _ => back.join(path),
                };
                if fs::read(&fetched)? != fs::read(source.join(path))? {
                    return Err(
                        format!("{}: {path} is not as it was put", self.client.name()).into()
                    );
                }
            }
        }
        Ok(Some(sample))
    }

    fn command_line(
        &self,
        work: &str,
        source: &Path,
        back: &Path,
        files: &[String],
    ) -> Option<Vec<String>> {
        let (source_text, back_text) = (source.display().to_string(), back.display().to_string());
        let words: Vec<String> = match self.client {
            Client::Drivedal => match work {
                "put" => vec!["put".into(), "-r".into(), source_text, "cloud:t".into()],
                "list-drive" => vec!["ls".into(), "-R".into(), "cloud:".into()],
                "list-folder" => vec!["ls".into(), "-R".into(), "cloud:t".into()],
                "get" => vec!["get".into(), "-r".into(), "cloud:t".into(), back_text],
                "delete-files" => ["rm".to_owned()]
                    .into_iter()
                    .chain(files.iter().map(|path| format!("cloud:t/{path}")))
                    .collect(),
                _ => vec!["rm".into(), "-r".into(), "cloud:t".into()],
            },
            Client::Rclone => match work {
                "put" => vec!["copy".into(), source_text, "cloud:t".into()],
                "list-drive" => vec!["lsf".into(), "-R".into(), "cloud:".into()],
                "list-folder" => vec!["lsf".into(), "-R".into(), "cloud:t".into()],
                "get" => vec!["copy".into(), "cloud:t".into(), back_text],
                "delete-files" => vec!["delete".into(), "cloud:t".into()],
                _ => vec!["purge".into(), "cloud:t".into()],
            },
            Client::AcdCli => match work {
                "put" => vec!["upload".into(), source_text, "/".into()],
                "list-drive" => vec!["sync".into(), "--full".into()],
                "get" => {
                    fs::create_dir(back).ok()?;
                    let name = source.file_name()?.to_string_lossy();
                    vec!["download".into(), format!("/{name}"), back_text]
                }
                // acd_cli removes one item per process, and uses its cache instead of requests.
                _ => return None,
            },
        };
        Some(words)
    }

    fn run(&self, words: impl IntoIterator<Item = String>) -> Result {
        let mut command = Command::new(&self.program);
        command.env_remove("HTTP_PROXY").env_remove("HTTPS_PROXY").env("NO_PROXY", "127.0.0.1");
        match self.client {
            Client::Drivedal => command.args(["--quiet", "--remote", &self.remote]),
            Client::Rclone => {
                command.arg("--quiet").arg("--config").arg(self.folder.path().join("rclone.conf"))
            }
            Client::AcdCli => command
                .env("ACD_CLI_CACHE_PATH", self.folder.path())
                .env("ACD_CLI_SETTINGS_PATH", self.folder.path())
                .arg("-nw"),
        };
        let output = command.args(words).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {} {said}", self.client.name(), output.status).into());
        }
        Ok(())
    }
}
