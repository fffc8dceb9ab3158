//! `drivedal bench`: measures the same work on any backends.
//!
//! [`drivedal_bench`] does the work. This module opens the backends, prints the progress and the
//! report, and removes the files of the benchmark, also after Ctrl-C.

mod backend;
mod onedrive;
mod rclone;

use std::{
    fs,
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use drivedal_bench::{Bench, BenchEvent, BenchOptions, Outcome, Report, Work, report};
use jiff::Timestamp;

use self::backend::Backend;
use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    transfer::local::blocking,
    units,
};

/// Measure the same work on several backends, and compare them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A BACKEND is one of:
  REMOTE:PATH, URI        as in other commands: work:, local-onedrive:, fs:///tmp/x, memory:///
  opendal+REMOTE:         a OneDrive remote, opened with OpenDAL's own service
  rclone:REMOTE:PATH      a remote of rclone's configuration, through `rclone rcd`

Each backend works in the folder drivedal-bench-RANDOM below its path. The folder is removed at the
end, also after Ctrl-C. Downloads are compared with the written bytes.

With --json the report is one line of JSON. The exit code is 6 if a work failed.

Examples:
  drivedal bench local-onedrive: local-skydrive: local-amazon: memory:///
  drivedal bench work:tmp opendal+work: rclone:work: --report report
  drivedal bench --only put-large,get-large --large 1G --rounds 3 work:tmp")]
pub(crate) struct BenchCommand {
    /// The backends to compare
    #[arg(value_name = "BACKEND", required = true)]
    backends: Vec<String>,

    /// Repeat the work this many times
    #[arg(long, value_name = "N", default_value = "5")]
    rounds: NonZeroUsize,

    /// Perform only these works, such as put-small,stat
    #[arg(long, value_name = "WORK", value_delimiter = ',', value_parser = work_parser())]
    only: Vec<Work>,

    /// Use this many small files
    #[arg(long, value_name = "N", default_value = "100")]
    files: NonZeroUsize,

    /// Use small files of this size
    #[arg(long, value_name = "SIZE", default_value = "4KiB", value_parser = size)]
    file_size: NonZeroU64,

    /// Use a large file of this size
    #[arg(long, value_name = "SIZE", default_value = "32MiB", value_parser = size)]
    large: NonZeroU64,

    /// Read this many ranges of the large file
    #[arg(long, value_name = "N", default_value = "50")]
    ranges: NonZeroUsize,

    /// Read ranges of this size
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = size)]
    range_size: NonZeroU64,

    /// Perform this many operations on small files and ranges at the same time
    #[arg(long, value_name = "N", default_value = "8")]
    concurrency: NonZeroUsize,

    /// Write results.json and the page index.html into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,

    /// Run this program for rclone: backends
    #[arg(long, value_name = "PROGRAM", default_value = "rclone", env = "DRIVEDAL_RCLONE")]
    rclone: PathBuf,
}

/// Returns the parser of `--only`. Completions and help list the works.
fn work_parser() -> impl TypedValueParser<Value = Work> {
    PossibleValuesParser::new(Work::ALL.map(Work::id)).try_map(|id| id.parse::<Work>())
}

/// Parses a size of at least one byte.
///
/// # Errors
/// A message for the user if the text is not a size, or is zero.
fn size(text: &str) -> std::result::Result<NonZeroU64, String> {
    let size = units::size(text)?;
    NonZeroU64::new(size).ok_or_else(|| format!("`{text}` is no bytes: use at least 1"))
}

impl BenchCommand {
    /// Measures the backends and prints the report. Handles signals: they stop the measurement, and
    /// the files of the benchmark are removed.
    ///
    /// # Errors
    /// `Usage` if a backend is named twice or cannot be opened as named; the failure of the embedded
    /// server or of rclone if it does not start; [`Failure::local`] if the report cannot be written;
    /// `Failed` if a folder of the benchmark cannot be removed; `Interrupted` or `Terminated` after a
    /// signal; `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let backends = Backend::parse_all(&self.backends, |name| app.configuration.contains(name))?;
        if let Some(folder) = &self.report {
            // A report that cannot be written would lose the measurement.
            create_folder(folder).await?;
        }
        let mut contenders = Vec::new();
        for backend in &backends {
            let opening = backend.open(app, &self.rclone);
            contenders.push(app.interrupt.cancellable(opening).await?);
        }
        let bench = Bench::new(self.options(), contenders);
        if !app.output.is_quiet() {
            let folder = bench.folder();
            app.output.notice(format_args!(
                "each backend works in the folder {folder}, which is removed at the end"
            ));
        }
        let started = Timestamp::now();
        let measured = app.interrupt.cancellable(async { Ok(measure(app, &bench).await) }).await;
        let cleaned = clean_up(app, &bench).await;
        let mut report = measured?;
        report.started = units::seconds(started);
        report.program = concat!("drivedal ", env!("CARGO_PKG_VERSION")).to_owned();
        if let Some(folder) = self.report.clone() {
            write(folder, report.clone()).await?;
        }
        match app.output.is_json() {
            true => app.output.json(&report)?,
            false => app.output.line(report::text(&report).trim_end())?,
        }
        cleaned?;
        let is_failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
        match report.results.iter().any(|result| is_failed(&result.outcome)) {
            true => Ok(Exit::Partial),
            false => Ok(Exit::Done),
        }
    }

    /// Returns the sizes of the work.
    fn options(&self) -> BenchOptions {
        let options = BenchOptions::default()
            .rounds(self.rounds.get())
            .files(self.files.get())
            .file_size(self.file_size.get())
            .large_size(self.large.get())
            .ranges(self.ranges.get())
            .range_size(self.range_size.get())
            .concurrency(self.concurrency.get());
        match self.only.as_slice() {
            [] => options,
            works => options.works(works),
        }
    }
}

/// Performs the benchmark, and prints its progress to standard error.
async fn measure(app: &App, bench: &Bench) -> Report {
    let observer = |event: BenchEvent<'_>| match event {
        BenchEvent::Unavailable { contender, reason } => {
            let reason = reason.lines().next().unwrap_or_default();
            app.output.notice(format_args!("cannot measure {contender}: {reason}"));
        }
        _ if app.output.is_quiet() => {}
        BenchEvent::WarmUp { contender } => {
            app.output.notice(format_args!("warm-up: {contender}"));
        }
        BenchEvent::Round { contender, number, rounds } => {
            app.output.notice(format_args!("round {number} of {rounds}: {contender}"));
        }
        _ => {}
    };
    bench.run(&observer).await
}

/// Removes the folders of the benchmark. Reports each failure as a message.
///
/// # Errors
/// `Failed` if a folder could not be removed.
async fn clean_up(app: &App, bench: &Bench) -> Result {
    let left = bench.clean_up().await;
    for folder in &left {
        let reason = folder.error.to_string();
        let reason = reason.lines().next().unwrap_or_default();
        let (contender, folder) = (&folder.contender, &folder.folder);
        app.output.notice(format_args!("cannot remove {folder} in {contender}: {reason}"));
    }
    match left.len() {
        0 => Ok(()),
        count => Err(Failure::new(Exit::Failed, format!("{count} folders were not removed"))
            .doing("remove")
            .about(bench.folder())
            .hint("remove them yourself")),
    }
}

/// Creates the folder of the report.
///
/// # Errors
/// [`Failure::local`] if it cannot be created.
async fn create_folder(folder: &Path) -> Result {
    let folder = folder.to_owned();
    blocking(move || {
        fs::create_dir_all(&folder).map_err(|error| Failure::local("create", &folder, &error))
    })
    .await
}

/// Writes `results.json` and `index.html` into the folder.
///
/// # Errors
/// [`Failure::local`] if a file cannot be written.
async fn write(folder: PathBuf, report: Report) -> Result {
    blocking(move || {
        let json = report::json(&report)
            .map_err(|error| Failure::new(Exit::Failed, format!("cannot write JSON: {error}")))?;
        for (name, text) in [("results.json", json), ("index.html", report::page(&report))] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|error| Failure::local("write", &path, &error))?;
        }
        Ok(())
    })
    .await
}
