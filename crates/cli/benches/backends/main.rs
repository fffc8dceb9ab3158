//! Runs the same work on every remote: the services of drivedal, each on its own drive server,
//! OpenDAL's OneDrive service on another server, a folder, and memory.
//!
//! `cargo bench --bench backends [-- --rounds 3 --files 100 --large 64M --only onedrive]`
//!
//! [`drivedal_bench`] does the work. Rounds are interleaved: a remote does all of its work before the
//! next remote starts. In each round a remote runs in a new process against a new server process with
//! an empty data folder, so that memory is measured per remote. The output is a table; `results.json`
//! and the page `index.html` are written into the folder of `--report`.
//!
//! `curl` uploads and downloads a file of the same size against the same server, immediately
//! afterwards. The upload is one request in Amazon's form, the fastest way into the server. The
//! download uses the protocol of the remote's cloud, once discarded and once piped to `md5sum`, which
//! corresponds to a client that verifies hashes. Its files are in the page cache.

mod contender;
mod curl;
mod process;
mod report;
mod work;

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Parser;
use drivedal_bench::{BenchOptions, Content, Result, Sample};
use serde::{Deserialize, Serialize};

use contender::{CONTENDERS, Contender};

/// Run the same work on every remote
#[derive(Clone, Parser)]
pub struct Arguments {
    /// Repeat the work this many times
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Use this many small files of 4 KiB
    #[arg(long, default_value_t = 100)]
    files: usize,
    /// Use a large file of this size: 64M, 1G
    #[arg(long, default_value = "64M", value_parser = size)]
    large: u64,
    /// Read this many ranges of 64 KiB
    #[arg(long, default_value_t = 100)]
    ranges: usize,
    /// Delay each response of the server by this time
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Run only remotes whose names start with this text
    #[arg(long, default_value = "")]
    only: String,
    /// Write the report into this folder
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/backends"))]
    report: PathBuf,
    /// Do the work of one remote and print the samples (the benchmark starts itself with this option)
    #[arg(long, hide = true)]
    work: Option<String>,
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
    number.checked_mul(unit).filter(|size| *size > 0).ok_or_else(|| "no such size".into())
}

impl Arguments {
    fn options(&self) -> BenchOptions {
        BenchOptions::default()
            .rounds(self.rounds)
            .files(self.files)
            .large_size(self.large)
            .ranges(self.ranges)
    }
}

/// One round of one remote, as passed to its process.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    contender: String,
    /// URL of the server. Empty if the remote needs none.
    server: String,
    /// An empty folder.
    scratch: PathBuf,
    files: usize,
    large: u64,
    ranges: usize,
    /// Number of the round, from 0.
    round: usize,
}

/// The samples of a round, by the id of the work.
type Samples = Vec<(String, Sample)>;

fn main() -> Result {
    let arguments = Arguments::parse();
    if let Some(task) = &arguments.work {
        return work::run(&serde_json::from_str(task)?);
    }
    let source = tempfile::tempdir()?;
    let large = source.path().join("large.bin");
    let mut file = File::create(&large)?;
    Content::new(1, arguments.large).chunks().try_for_each(|chunk| file.write_all(&chunk))?;

    let chosen: Vec<&Contender> =
        CONTENDERS.iter().filter(|one| one.name.starts_with(&arguments.only)).collect();
    let mut report = report::new(&arguments, &chosen);
    for round in 0..arguments.rounds {
        for position in 0..chosen.len() {
            let contender = chosen[(position + round) % chosen.len()];
            eprintln!("round {} of {}: {}", round + 1, arguments.rounds, contender.name);
            for (work, sample) in one_turn(&arguments, contender, &large, round)? {
                report.add(contender.name, &work, sample);
            }
        }
    }
    report::show(&arguments, &report.finish())
}

/// Runs one round of a remote: starts its server if it needs one, and its process.
fn one_turn(
    arguments: &Arguments,
    contender: &Contender,
    large: &Path,
    round: usize,
) -> Result<Samples> {
    let scratch = tempfile::tempdir()?;
    let server = match contender.is_served() {
        true => Some(process::Serving::start(arguments.latency_ms)?),
        false => None,
    };
    let task = Task {
        contender: contender.name.into(),
        server: server.as_ref().map_or_else(String::new, |server| server.url.clone()),
        scratch: scratch.path().into(),
        files: arguments.files,
        large: arguments.large,
        ranges: arguments.ranges,
        round,
    };
    let output = Command::new(std::env::current_exe()?)
        .arg("--work")
        .arg(serde_json::to_string(&task)?)
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", contender.name, output.status).into());
    }
    let mut samples: Samples = serde_json::from_slice(&output.stdout)?;
    if let Some(server) = &server {
        samples.extend(curl::measure(contender, server, large, scratch.path())?);
    }
    Ok(samples)
}
