//! The same work put to every remote: the drives, each on a drive server of its own, OpenDAL's own
//! OneDrive service on another, a folder, and memory.
//!
//! `cargo bench --bench backends [-- --rounds 3 --files 100 --large 64M --only onedrive]`
//!
//! Rounds are interleaved: each remote does all of its work before the next one's turn, in a process
//! of its own against a server process of its own with a new data folder, so that nobody's memory
//! is told for somebody else's. What is shown is the median of all rounds, and the spread. Requests
//! are the server's count; peaks are the processes' (Linux), during that work alone.
//!
//! The large file goes up and down by `curl` too, against the same server, right after: up in one
//! request in Amazon's form, the shortest way into the server that there is; down as that remote's
//! cloud gives it, for nobody and for `md5sum`, which is what a client does that checks what it reads.
//! It is source and target of files that are in the page cache.

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

/// Puts the same work to every remote.
#[derive(Clone, Parser)]
pub struct Arguments {
    /// How often everything is done.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many small files, of 1 to 8 kB.
    #[arg(long, default_value_t = 100)]
    files: usize,
    /// How large the large file is: 64M, 1G.
    #[arg(long, default_value = "64M", value_parser = size)]
    large: u64,
    /// How many ranges of 64 KiB are read of it.
    #[arg(long, default_value_t = 100)]
    ranges: u64,
    /// How long the server waits before it answers a request.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Only remotes whose names begin so.
    #[arg(long, default_value = "")]
    only: String,
    /// Where the JSON is written.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/backends.json"))]
    json: PathBuf,
    /// Does the work of one remote, and prints what it measured: what the benchmark starts itself
    /// as.
    #[arg(long, hide = true)]
    work: Option<String>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Bytes, in units of 1,024.
fn size(text: &str) -> std::result::Result<u64, String> {
    let (number, unit) = match text.strip_suffix(['M', 'G']) {
        Some(number) if text.ends_with('M') => (number, 1 << 20),
        Some(number) => (number, 1 << 30),
        None => (text, 1),
    };
    let number: u64 = number.parse().map_err(|error| format!("{error}"))?;
    number.checked_mul(unit).filter(|size| *size > 0).ok_or_else(|| "no such size".into())
}

/// What a remote's process is told.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    contender: String,
    /// The server's URL and process, where there is one.
    server: Option<(String, u32)>,
    /// An empty folder.
    scratch: PathBuf,
    /// Small files, and where they are.
    source: PathBuf,
    files: Vec<String>,
    /// The large one.
    large: PathBuf,
    ranges: u64,
    /// Whether what comes back is compared, besides.
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

/// One remote's turn: a server of its own if it needs one, and a process.
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
