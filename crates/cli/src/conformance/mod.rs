//! `drivedal conformance`: runs the behaviour tests on any backends.
//!
//! [`drivedal_conformance`] has the cases. This module opens the backends, prints the progress and the
//! report, and removes the files of the cases, also after Ctrl-C.

mod backend;

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use drivedal_conformance::{
    Backend, DifferenceList, Report, Suite, SuiteEvent, groups, report, report_panics_as_failures,
};
use jiff::Timestamp;

use self::backend::RemoteBackend;
use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    location::Location,
    transfer::local::blocking,
    units,
};

/// Test whether backends behave as OpenDAL's operations promise
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A BACKEND is a remote or a URI: work:tmp, local-onedrive:, fs:///tmp/x, memory:///. Each one works in
the folder drivedal-conformance-RANDOM below its path. The folder is removed at the end, also after
Ctrl-C.

Each case proves a sentence of docs/conformance.md. It does not apply where a backend lacks the
capability that it requires. The file of --known lists the known differences of backends:

  [[difference]]
  backend = \"memory*\"                # a pattern for names of backends
  reason = \"stores no times\"
  cases = [\"stat::a_file_has_a_modification_time\"]   # patterns too; intermittent = true is allowed

The exit code is 6 if a promise is broken, or a known difference does not differ.

Examples:
  drivedal conformance local-onedrive: memory:/// --report report
  drivedal conformance --only rename,copy::a_copy work:tmp")]
pub(crate) struct ConformanceCommand {
    /// The backends to test
    #[arg(value_name = "BACKEND", required = true)]
    backends: Vec<String>,

    /// Run only cases whose name (`group::case`) contains one of these texts
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,

    /// Read known differences from this file
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,

    /// Run this many cases at the same time; requests are counted per case only with 1
    #[arg(long, value_name = "N", default_value = "8")]
    jobs: NonZeroUsize,

    /// Write results.json, junit.xml and the page index.html into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

impl ConformanceCommand {
    /// Runs the cases and prints the report. Handles signals: they stop the run, and the files of the
    /// cases are removed.
    ///
    /// # Errors
    /// `Usage` if a backend is named twice, cannot be opened as named, or cannot be written, if no case
    /// has a name of `--only`, or if the file of `--known` has a mistake; [`Failure::local`] if that
    /// file cannot be read or the report cannot be written; the failure of the embedded server if it
    /// does not start; `Failed` if a folder cannot be removed; `Interrupted` or `Terminated` after a
    /// signal; `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let suite = self.suite().await?;
        if let Some(folder) = self.report.clone() {
            // A report that cannot be written would lose the results.
            blocking(move || create_folder(&folder)).await?;
        }
        let mut opened = Vec::new();
        for name in &self.backends {
            let at = Location::parse(name).map_err(Failure::usage)?;
            let opening = RemoteBackend::open(app, &at);
            let backend = app.interrupt.cancellable(opening).await?;
            if opened.iter().any(|other: &RemoteBackend| other.name() == backend.name()) {
                return Err(Failure::usage("it is named twice").about(at));
            }
            opened.push(backend);
        }
        let backends: Vec<Box<dyn Backend>> =
            opened.iter().map(|backend| Box::new(backend.clone()) as Box<dyn Backend>).collect();
        report_panics_as_failures();
        let started = Timestamp::now();
        let is_stopped = AtomicBool::new(false);
        let stopped = || is_stopped.load(Ordering::Relaxed);
        let observer = |event: SuiteEvent<'_>| show(app, event);
        let mut run = Box::pin(suite.run(&backends, &observer, &stopped));
        // The running cases end, because a request that was already sent could create files later.
        let mut report = tokio::select! {
            biased;
            () = app.interrupt.wait() => {
                is_stopped.store(true, Ordering::Relaxed);
                run.await
            }
            report = &mut run => report,
        };
        let cleaned = clean_up(app, &opened).await;
        if stopped() {
            return Err(app.interrupt.failure());
        }
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
        match report.failures() {
            0 => Ok(Exit::Done),
            _ => Ok(Exit::Partial),
        }
    }

    /// Returns the cases to run, with the known differences.
    ///
    /// # Errors
    /// `Usage` if no case has a name of `--only`, or the file of `--known` has a mistake;
    /// [`Failure::local`] if that file cannot be read.
    async fn suite(&self) -> Result<Suite> {
        let differences = match self.known.clone() {
            Some(path) => blocking(move || read_differences(&path)).await?,
            None => DifferenceList::default(),
        };
        let suite =
            Suite::new(groups()).only(&self.only).differences(differences).jobs(self.jobs.get());
        match suite.count() {
            0 => Err(Failure::usage(format!("no case has a name with {}", self.only.join(" or ")))
                .hint("docs/conformance.md lists the cases")),
            _ => Ok(suite),
        }
    }
}

/// Reads the file of `--known`.
///
/// # Errors
/// [`Failure::local`] if it cannot be read, `Usage` if it has a mistake.
fn read_differences(path: &Path) -> Result<DifferenceList> {
    let text = fs::read_to_string(path).map_err(|error| Failure::local("read", path, &error))?;
    DifferenceList::parse(&text, &groups())
        .map_err(|error| Failure::usage(error.to_string()).doing("read").about(path.display()))
}

/// Prints the progress to standard error.
fn show(app: &App, event: SuiteEvent<'_>) {
    match event {
        _ if app.output.is_quiet() => {}
        SuiteEvent::Backend { name, cases } => {
            app.output.notice(format_args!("{cases} cases on {name}"));
        }
        SuiteEvent::Case { backend, id, outcome } if outcome.status == report::Status::Failed => {
            app.output.notice(format_args!("failed on {backend}: {id}"));
        }
        _ => {}
    }
}

/// Removes the folders of the cases. Reports each failure as a message.
///
/// # Errors
/// `Failed` if a folder could not be removed.
async fn clean_up(app: &App, backends: &[RemoteBackend]) -> Result {
    let mut left = 0;
    for backend in backends {
        if let Err(error) = backend.clean_up().await {
            left += 1;
            let (folder, name) = (backend.folder(), backend.name());
            app.output.notice(format_args!("cannot remove {folder} in {name}: {error}"));
        }
    }
    match left {
        0 => Ok(()),
        count => Err(Failure::new(Exit::Failed, format!("{count} folders were not removed"))
            .hint("remove them yourself")),
    }
}

/// Creates the folder of the report.
///
/// # Errors
/// [`Failure::local`] if it cannot be created.
fn create_folder(folder: &Path) -> Result {
    fs::create_dir_all(folder).map_err(|error| Failure::local("create", folder, &error))
}

/// Writes `results.json`, `junit.xml` and `index.html` into the folder.
///
/// # Errors
/// [`Failure::local`] if a file cannot be written.
async fn write(folder: PathBuf, report: Report) -> Result {
    blocking(move || {
        let mut json = serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::new(Exit::Failed, format!("cannot write JSON: {error}")))?;
        json.push('\n');
        for (name, text) in [
            ("results.json", json),
            ("junit.xml", report::junit(&report)),
            ("index.html", report::page(&report)),
        ] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|error| Failure::local("write", &path, &error))?;
        }
        Ok(())
    })
    .await
}
