//! Measures which clients succeed, and at what cost, when a fifth of the requests fails: drivedal's
//! retry layer, OpenDAL's retry layer on the same service, the command line and rclone.
//!
//! `cargo bench --bench faults [-- --files 500 --json]`. rclone is `DRIVEDAL_RCLONE`, or `rclone`
//! in the PATH. A missing client is skipped and reported.
//!
//! The server fails 5 % of the requests with 503, resets 4 % of the connections and cuts off 5 % of
//! the bodies. Every two seconds it rejects all requests with 429 for one second, alternating with
//! and without `Retry-After: 1`. The same work runs before without faults; requests beyond that
//! number are the overhead. A file counts as uploaded or downloaded when its bytes are compared.

use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use drivedal::layers::{Policy, RetryLayer};
use drivedal_server::{Fault, Server, When};
use futures::{StreamExt, stream};
use opendal::Operator;
use serde_json::json;
use tokio::runtime::Runtime;

#[path = "rclone_config.rs"]
mod rclone;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Upload and download files while the drive server fails
#[derive(Parser)]
struct Arguments {
    /// Use this many files of 1 to 8 kB, in 10 folders
    #[arg(long, default_value_t = 500)]
    files: usize,
    /// Transfer this many files at once, if the program has no default
    #[arg(long, default_value_t = 8)]
    together: usize,
    /// Stop a client after this many seconds
    #[arg(long, default_value_t = 300)]
    patience: u64,
    /// Run only clients whose names start with this text
    #[arg(long, default_value = "")]
    client: String,
    /// Print one JSON document per line instead of a table
    #[arg(long)]
    json: bool,
    /// Accepted because `cargo bench` passes it
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    Ours,
    OpenDal,
    CommandLine,
    Rclone,
}

const CLIENTS: [Client; 4] = [Client::Ours, Client::OpenDal, Client::CommandLine, Client::Rclone];

impl Client {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "library, our RetryLayer",
            Self::OpenDal => "library, OpenDAL's RetryLayer",
            Self::CommandLine => "drivedal",
            Self::Rclone => "rclone",
        }
    }

    fn program(self) -> Option<PathBuf> {
        match self {
            Self::Ours | Self::OpenDal => None,
            Self::CommandLine => Some(env!("CARGO_BIN_EXE_drivedal").into()),
            Self::Rclone => {
                let program = std::env::var_os("DRIVEDAL_RCLONE");
                Some(program.map_or_else(|| "rclone".into(), PathBuf::from))
            }
        }
    }

    fn is_here(self) -> bool {
        let Some(program) = self.program() else { return true };
        let version = if self == Self::Rclone { "version" } else { "--version" };
        let asked = Command::new(program).arg(version).stdout(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    }
}

/// The cost of one part of the work.
#[derive(Clone, Copy, Default)]
struct Cost {
    finished: usize,
    requests: u64,
    seconds: f64,
}

/// Files by path, each with different content.
type Files = Vec<(String, Vec<u8>)>;

fn main() -> Result {
    let arguments = Arguments::parse();
    let runtime = Runtime::new()?;
    let files: Files = (0..arguments.files)
        .map(|number| {
            let bytes = (0..1000 + number * 7919 % 7000).map(|at| (at * 31 + number) as u8);
            (format!("{}/{number}", number % 10), bytes.collect())
        })
        .collect();
    let source = tempfile::tempdir()?;
    for (path, bytes) in &files {
        let path = source.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(source.path()))?;
        fs::write(path, bytes)?;
    }
    if !arguments.json {
        println!("{} files of 1 to 8 kB, OneDrive (personal)", arguments.files);
        println!("| client | work | finished | requests | needed | in vain | seconds | needed |");
        println!("|---|---|---:|---:|---:|---:|---:|---:|");
    }
    let wanted = |client: &Client| client.name().starts_with(&arguments.client);
    for client in CLIENTS.into_iter().filter(wanted) {
        if !client.is_here() {
            eprintln!("{} is not here", client.name());
            continue;
        }
        let work =
            |faulty| Run::new(&arguments, &runtime, client, &files, source.path())?.work(faulty);
        let (clean, faulty) = (work(false)?, work(true)?);
        for (at, work) in ["put", "get"].into_iter().enumerate() {
            show(&arguments, client, work, clean[at], faulty[at]);
        }
    }
    Ok(())
}

/// One run of a client, on a new server.
struct Run<'a> {
    arguments: &'a Arguments,
    runtime: &'a Runtime,
    client: Client,
    files: &'a Files,
    source: &'a Path,
    server: Server,
    folder: tempfile::TempDir,
}

impl<'a> Run<'a> {
    fn new(
        arguments: &'a Arguments,
        runtime: &'a Runtime,
        client: Client,
        files: &'a Files,
        source: &'a Path,
    ) -> Result<Self> {
        let server = runtime.block_on(Server::builder().start())?;
        let folder = tempfile::tempdir()?;
        if client == Client::Rclone {
            let config = rclone::config(server.url(), "personal", "drivedal-dev", runtime)?;
            fs::write(folder.path().join("rclone.conf"), config)?;
        }
        Ok(Self { arguments, runtime, client, files, source, server, folder })
    }

    /// Runs the upload, then the download.
    fn work(self, faulty: bool) -> Result<[Cost; 2]> {
        let plain = self.operator()?;
        let put = self.part(faulty, "put")?;
        let there = self.runtime.block_on(downloaded(&plain, self.files, 16));
        let put = Cost { finished: there.len(), ..put };
        // The download is measured with all files, so missing ones are uploaded without faults.
        let missing: Files =
            self.files.iter().filter(|(path, _)| !there.contains(path)).cloned().collect();
        self.runtime.block_on(put_all(&plain, &missing, 16));
        let get = self.part(faulty, "get")?;
        self.runtime.block_on(self.server.stop());
        Ok([put, get])
    }

    fn part(&self, faulty: bool, work: &str) -> Result<Cost> {
        let weather = faulty.then(|| ActiveFaults::begin(self.runtime, &self.server));
        self.server.control().reset_counters();
        let begun = Instant::now();
        let mut finished = 0;
        match self.client.program() {
            None => {
                let operator = self.layered()?;
                let together = self.arguments.together;
                self.runtime.block_on(async {
                    match work {
                        "put" => put_all(&operator, self.files, together).await,
                        _ => finished = downloaded(&operator, self.files, together).await.len(),
                    }
                });
            }
            Some(program) => self.run(&program, work)?,
        }
        let seconds = begun.elapsed().as_secs_f64();
        let requests = self.server.control().counters().total;
        if let Some(weather) = weather {
            weather.end(self.runtime, &self.server);
        }
        if work == "get" && self.client.program().is_some() {
            let back = self.folder.path().join("back");
            let is_same = |(path, bytes): &&(String, Vec<u8>)| {
                fs::read(back.join(path)).is_ok_and(|downloaded| downloaded == *bytes)
            };
            finished = self.files.iter().filter(is_same).count();
        }
        Ok(Cost { finished, requests, seconds })
    }

    fn operator(&self) -> Result<Operator> {
        drivedal::register();
        let options = [
            ("endpoint", format!("{}v1.0", self.server.url())),
            ("access_token", "drivedal-dev".to_owned()),
            ("account_kind", "personal".to_owned()),
            ("root", "/t/".to_owned()),
        ];
        let options = options.map(|(key, value)| (key.to_owned(), value));
        Ok(Operator::via_iter("onedrive", options)?)
    }

    fn layered(&self) -> Result<Operator> {
        let operator = self.operator()?;
        Ok(match self.client {
            Client::OpenDal => operator.layer(opendal::layers::RetryLayer::new().with_jitter()),
            _ => operator.layer(RetryLayer::new(Policy::graph())),
        })
    }

    /// Runs a program. Its exit code is ignored, because the files themselves are compared.
    fn run(&self, program: &Path, work: &str) -> Result {
        let mut command = Command::new(program);
        command.env_remove("HTTP_PROXY").env_remove("HTTPS_PROXY").env("NO_PROXY", "127.0.0.1");
        let (source, back) = (self.source, self.folder.path().join("back"));
        match self.client {
            Client::Rclone => {
                command.arg("--quiet").arg("--config").arg(self.folder.path().join("rclone.conf"));
                command.arg("copy");
            }
            _ => {
                let endpoint = format!("{}v1.0", self.server.url());
                let mut uri =
                    url::form_urlencoded::Serializer::new(String::from("cloud=onedrive://?"));
                uri.append_pair("endpoint", &endpoint)
                    .append_pair("access_token", "drivedal-dev")
                    .append_pair("account_kind", "personal");
                command.args(["--quiet", "--remote", &uri.finish(), work, "-r"]);
            }
        }
        match work {
            "put" => command.arg(source).arg("cloud:t"),
            _ => command.arg("cloud:t").arg(back),
        };
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let begun = Instant::now();
        while child.try_wait()?.is_none() {
            if begun.elapsed() > Duration::from_secs(self.arguments.patience) {
                child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

async fn put_all(operator: &Operator, files: &Files, together: usize) {
    stream::iter(files)
        .for_each_concurrent(together, async |(path, bytes)| {
            // The comparison afterwards shows whether the file exists.
            let _ = operator.write(path, bytes.clone()).await;
        })
        .await;
}

/// Returns the paths of the files whose downloaded bytes are correct.
async fn downloaded(operator: &Operator, files: &Files, together: usize) -> BTreeSet<String> {
    stream::iter(files)
        .map(async |(path, bytes)| {
            let downloaded =
                operator.read(path).await.is_ok_and(|downloaded| downloaded.to_vec() == *bytes);
            downloaded.then(|| path.clone())
        })
        .buffer_unordered(together)
        .filter_map(std::future::ready)
        .collect()
        .await
}

/// Active faults. They end when it is dropped.
struct ActiveFaults {
    over: Arc<AtomicBool>,
    turns: tokio::task::JoinHandle<()>,
}

impl ActiveFaults {
    fn begin(runtime: &Runtime, server: &Server) -> Self {
        let over = Arc::<AtomicBool>::default();
        let (control, ended) = (server.control(), Arc::clone(&over));
        let turns = runtime.spawn(async move {
            let always = || {
                [
                    Fault::on("*").share(0.05).status(503),
                    Fault::on("*").share(0.04).reset(When::Before),
                    Fault::on("*").share(0.05).truncate(100),
                ]
            };
            let refused = Fault::on("*").status(429);
            let rules =
                [vec![], vec![refused.clone().header("retry-after", "1")], vec![], vec![refused]];
            for (seed, more) in rules.into_iter().cycle().enumerate() {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                control.clear_faults();
                let rules = always().into_iter().chain(more);
                control.add_faults_with_seed(rules, seed as u64).expect("good rules");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        Self { over, turns }
    }

    fn end(self, runtime: &Runtime, server: &Server) {
        self.over.store(true, Ordering::Relaxed);
        self.turns.abort();
        // The task was aborted or had ended.
        let _ = runtime.block_on(self.turns);
        server.control().clear_faults();
    }
}

fn show(arguments: &Arguments, client: Client, work: &str, clean: Cost, faulty: Cost) {
    let client = client.name();
    let vain = faulty.requests.saturating_sub(clean.requests);
    match arguments.json {
        true => println!(
            "{}",
            json!({"client": client, "work": work, "files": arguments.files,
                "finished": faulty.finished, "requests": faulty.requests,
                "requests_needed": clean.requests, "seconds": faulty.seconds,
                "seconds_needed": clean.seconds})
        ),
        false => println!(
            "| {client} | {work} | {} | {} | {} | {vain} | {:.1} | {:.1} |",
            faulty.finished, faulty.requests, clean.requests, faulty.seconds, clean.seconds
        ),
    }
}
