//! Compares the command line with other clients. All run as processes against one drive server. The
//! output is seconds and requests for the same work.
//!
//! `cargo bench --bench clients [-- --latency-ms 20 --folders 10 --files 20 --rounds 3 --json]`.
//!
//! rclone is `DRIVEDAL_RCLONE`, or `rclone` in the PATH; acd_cli is `DRIVEDAL_ACD_CLI`, or
//! `acd_cli` in the PATH. A missing client is skipped and reported. drivedal is `DRIVEDAL_PROGRAM`,
//! or the program built for the benchmark. That build includes the cache, one of whose dependencies
//! calibrates the processor's clock for about 20 ms at the start of each process.
//!
//! Rounds are interleaved: a client does all of its work before the next client starts, each with a
//! new account. The output is the median of all rounds.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clap::Parser;
use drivedal_bench::Spread;
use drivedal_server::Server;
use drivedal_test_support::files::create_small;
use serde_json::json;

#[path = "rclone_config.rs"]
mod rclone;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

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
    /// Print one JSON document per line instead of a table
    #[arg(long)]
    json: bool,
    /// Accepted because `cargo bench` passes it
    #[arg(long, hide = true)]
    bench: bool,
}

const WORK: [&str; 6] = ["put", "list drive", "list folder", "get", "delete files", "delete tree"];

/// A client with one drive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Contender {
    drive: &'static str,
    client: Client,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

#[derive(Clone, Copy)]
struct Cost {
    took: Duration,
    requests: u64,
}

fn main() -> Result {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let latency = Duration::from_millis(arguments.latency_ms);
    let server = runtime.block_on(Server::builder().latency(latency).start())?;
    let source = tempfile::tempdir()?;
    let files = create_small(source.path(), arguments.folders, arguments.files)?;

    let mut costs: BTreeMap<(Contender, usize), Vec<Cost>> = BTreeMap::new();
    for round in 0..arguments.rounds {
        for contender in CONTENDERS {
            if !contender.drive.starts_with(&arguments.drive) {
                continue;
            }
            let Some(program) = contender.client.program() else {
                if round == 0 {
                    eprintln!("{} is not here", contender.client.name());
                }
                continue;
            };
            let run = Run::new(&server, &runtime, contender, program, round)?;
            for (number, work) in WORK.into_iter().enumerate() {
                if let Some(cost) = run.cost(work, source.path(), &files)? {
                    costs.entry((contender, number)).or_default().push(cost);
                }
            }
        }
    }
    show(&arguments, costs);
    Ok(())
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
                let config = rclone::config(url, kind, &token, runtime)?;
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
    fn cost(&self, work: &str, source: &Path, files: &[String]) -> Result<Option<Cost>> {
        let back = self.folder.path().join("back");
        // The earlier work deleted files, so the tree is uploaded again, without being measured.
        if work == "delete tree" {
            let put = self.command_line("put", source, &back, files);
            self.run(put.unwrap_or_default())?;
        }
        let Some(command) = self.command_line(work, source, &back, files) else { return Ok(None) };
        let control = self.server.control();
        control.reset_counters();
        let began = Instant::now();
        self.run(command)?;
        let cost = Cost { took: began.elapsed(), requests: control.counters().total };
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
        Ok(Some(cost))
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
                "list drive" => vec!["ls".into(), "-R".into(), "cloud:".into()],
                "list folder" => vec!["ls".into(), "-R".into(), "cloud:t".into()],
                "get" => vec!["get".into(), "-r".into(), "cloud:t".into(), back_text],
                "delete files" => ["rm".to_owned()]
                    .into_iter()
                    .chain(files.iter().map(|path| format!("cloud:t/{path}")))
                    .collect(),
                _ => vec!["rm".into(), "-r".into(), "cloud:t".into()],
            },
            Client::Rclone => match work {
                "put" => vec!["copy".into(), source_text, "cloud:t".into()],
                "list drive" => vec!["lsf".into(), "-R".into(), "cloud:".into()],
                "list folder" => vec!["lsf".into(), "-R".into(), "cloud:t".into()],
                "get" => vec!["copy".into(), "cloud:t".into(), back_text],
                "delete files" => vec!["delete".into(), "cloud:t".into()],
                _ => vec!["purge".into(), "cloud:t".into()],
            },
            Client::AcdCli => match work {
                "put" => vec!["upload".into(), source_text, "/".into()],
                "list drive" => vec!["sync".into(), "--full".into()],
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

fn show(arguments: &Arguments, costs: BTreeMap<(Contender, usize), Vec<Cost>>) {
    if !arguments.json {
        println!(
            "{} files in {} folders, {} ms a request, median of {} rounds",
            arguments.files * arguments.folders,
            arguments.folders,
            arguments.latency_ms,
            arguments.rounds
        );
        println!("| drive | client | work | requests | seconds | spread |");
        println!("|---|---|---|---:|---:|---:|");
    }
    for ((Contender { drive, client }, work), costs) in costs {
        let seconds = costs.iter().map(|cost| cost.took.as_secs_f64());
        let Some(Spread { median, min: least, max: most, .. }) = Spread::from_values(seconds)
        else {
            continue;
        };
        let (client, work) = (client.name(), WORK[work]);
        let requests = costs.iter().map(|cost| cost.requests).max().unwrap_or_default();
        match arguments.json {
            true => println!(
                "{}",
                json!({"drive": drive, "client": client, "work": work, "requests": requests,
                    "median_seconds": median, "least_seconds": least, "most_seconds": most})
            ),
            false => println!(
                "| {drive} | {client} | {work} | {requests} | {median:.2} | {least:.2}–{most:.2} |"
            ),
        }
    }
}
