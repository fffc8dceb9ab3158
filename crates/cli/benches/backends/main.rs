//! Runs the same work on every remote: the services of drivedal, each on its own drive server,
//! OpenDAL's OneDrive service on another server, a folder, and memory.
//!
//! `cargo bench --bench backends [-- --rounds 3 --files 100 --large 64M --only onedrive]`
//!
//! Rounds are interleaved: a remote does all of its work before the next remote starts. Each remote
//! runs in a new process against a new server process with an empty data folder, so that memory is
//! measured per remote. The output is the median of all rounds and the spread. Requests are counted
//! by the server. Peak memory is that of the process (Linux) during the work.
//!
//! `curl` uploads and downloads the large file against the same server, immediately afterwards. The
//! upload is one request in Amazon's form, the fastest way into the server. The download uses the
//! protocol of the remote's cloud, once discarded and once piped to `md5sum`, which corresponds to
//! a client that verifies hashes. Source and target files are in the page cache.

mod contender;
mod curl;
mod process;
mod report;
mod work;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use clap::Parser;
use drivedal_bench::{Result, files, rounds, work::Measurement};
use drivedal_test_support::rewriting;
use serde::{Deserialize, Serialize};

use contender::CONTENDERS;

/// Run the same work on every remote
#[derive(Clone, Parser)]
pub struct Arguments {
    /// Repeat the work this many times
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Use this many small files of 1 to 8 kB
    #[arg(long, default_value_t = 100)]
    files: usize,
    /// Use a large file of this size: 64M, 1G
    #[arg(long, default_value = "64M", value_parser = size)]
    large: u64,
    /// Read this many ranges of 64 KiB
    #[arg(long, default_value_t = 100)]
    ranges: u64,
    /// Delay each response of the server by this time
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Run only remotes whose names start with this text
    #[arg(long, default_value = "")]
    only: String,
    /// Write the results as JSON to this file
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/backends.json"))]
    json: PathBuf,
    /// Do the work of one remote and print the measurements (the benchmark starts itself with this
    /// option)
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

/// The work of one remote, as passed to its process.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    contender: String,
    /// URL and process id of the server. `None` if the remote needs none.
    server: Option<(String, u32)>,
    /// An empty folder.
    scratch: PathBuf,
    /// The small files, and their folder.
    source: PathBuf,
    files: Vec<String>,
    /// The large file.
    large: PathBuf,
    ranges: u64,
    /// Whether downloaded bytes are compared, outside of the measurement.
    check: bool,
}

fn main() -> Result {
    let arguments = Arguments::parse();
    if let Some(task) = &arguments.work {
        return work::run(&serde_json::from_str(task)?);
    }
    let source = tempfile::tempdir()?;
    let files = files::create_small(source.path(), 5, arguments.files.div_ceil(5))?;
    let large = source.path().join("large.bin");
    files::create_large(&large, arguments.large)?;

    let chosen = (0..CONTENDERS.len()).filter(|&n| CONTENDERS[n].name.starts_with(&arguments.only));
    let measured = rounds::interleaved(arguments.rounds, chosen, |number, round| {
        let contender = &CONTENDERS[number];
        eprintln!("round {} of {}: {}", round + 1, arguments.rounds, contender.name);
        one_turn(&arguments, contender, source.path(), &files, &large, round)
    })?;
    report::show(&arguments, &measured)
}

/// Runs the work of one remote: starts its server if it needs one, and its process.
fn one_turn(
    arguments: &Arguments,
    contender: &contender::Contender,
    source: &Path,
    files: &[String],
    large: &Path,
    round: usize,
) -> Result<Vec<Measurement>> {
    let scratch = tempfile::tempdir()?;
    let server = match contender.is_served() {
        true => Some(process::Serving::start(arguments.latency_ms)?),
        false => None,
    };
    let task = Task {
        contender: contender.name.into(),
        server: server.as_ref().map(|server| (server.url.clone(), server.id())),
        scratch: scratch.path().into(),
        source: source.into(),
        files: files.to_vec(),
        large: large.into(),
        ranges: arguments.ranges,
        check: round == 0,
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
    let mut measured: Vec<Measurement> = serde_json::from_slice(&output.stdout)?;
    if let Some(server) = &server {
        measured.extend(curl::measure(contender, server, large, scratch.path())?);
    }
    Ok(measured)
}
