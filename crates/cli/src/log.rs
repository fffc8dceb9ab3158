//! Log output: warnings on standard error, `-v`, and `--log-file`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing_subscriber::{
    EnvFilter, Layer, fmt, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

use crate::{
    failure::{Failure, Result},
    options::{GlobalOptions, LogFormat},
    output::{MessageWriter, Output},
};

/// Default filter: the warnings of this program. Warnings of dependencies (a slow SQL statement,
/// damaged tags of a picture) do not help the user. Commands report missing entries of a listing
/// themselves.
const WARNINGS: &str = "off,drivedal=warn,drivedal::adapter::left_out=error,\
                        drivedal::adapter::failures=error";

/// Filter of `-v` and `--log-file`: all requests and all waits.
const REQUESTS: &str = "off,drivedal=info,drivedal::wire=debug";

/// Filter of `-vv`: all events of this program, and the warnings of dependencies.
const EVERYTHING: &str = "warn,sqlx=error,nom_exif=off,lofty=off,drivedal=trace";

/// Starts logging. Standard error gets warnings, or the events of `-v`; the environment variable
/// `DRIVEDAL_LOG` replaces that filter (`DRIVEDAL_LOG=drivedal=debug`). The log file gets at least
/// the events of `-v`. Returns the file; `None` without `--log-file`.
///
/// # Errors
/// [`Failure::local`] if the log file cannot be opened.
pub(super) fn init(global: &GlobalOptions, output: &Arc<Output>) -> Result<Option<LogFile>> {
    let wanted = match global.verbose {
        0 => WARNINGS,
        1 => REQUESTS,
        _ => EVERYTHING,
    };
    let filter = std::env::var("DRIVEDAL_LOG").unwrap_or_else(|_| wanted.to_owned());
    let output = Arc::clone(output);
    let messages =
        fmt::layer().with_ansi(false).with_writer(move || MessageWriter(Arc::clone(&output)));
    let messages = match global.log_format {
        LogFormat::Text => messages.without_time().boxed(),
        LogFormat::Json => messages.json().boxed(),
    };
    let messages = messages.with_filter(EnvFilter::new(filter));
    let wanted = if global.verbose > 1 { EVERYTHING } else { REQUESTS };
    let file = global.log_file.as_deref().map(LogFile::open).transpose()?;
    let kept = file.clone().map(|file| file.layer(wanted, global.log_format));
    tracing_subscriber::registry().with(messages).with(kept).init();
    Ok(file)
}

/// The file of `--log-file`. On Unix only the user can read it, because it contains file names.
/// Clones write to the same file.
#[derive(Clone)]
pub(super) struct LogFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// The first error. Nothing is written after it.
    failed: Option<io::Error>,
}

impl LogFile {
    /// Opens a log file to append to it. It becomes private to its owner.
    ///
    /// # Errors
    /// [`Failure::local`] if it cannot be opened or its permissions cannot be changed.
    fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let failed = |error| Failure::local("open", path, &error);
        let file = options.open(path).map_err(failed)?;
        // `mode` above applies to new files only. A device may belong to another user.
        #[cfg(unix)]
        if file.metadata().map_err(failed)?.is_file() {
            use std::os::unix::fs::PermissionsExt;
            file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        }
        let state = Mutex::new(State { file, failed: None });
        Ok(Self(Arc::new(Inner { path: path.to_owned(), state })))
    }

    /// Returns a layer that writes the events of the filter `wanted` to the file.
    fn layer<S>(self, wanted: &str, format: LogFormat) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        let layer = fmt::layer().with_ansi(false).with_writer(move || self.clone());
        let layer = match format {
            LogFormat::Text => layer.boxed(),
            LogFormat::Json => layer.json().boxed(),
        };
        layer.with_filter(EnvFilter::new(wanted))
    }

    /// Checks that the log file is complete.
    ///
    /// # Errors
    /// [`Failure::local`] with the first error of writing to the file.
    pub(super) fn check(&self) -> Result {
        match &self.state().failed {
            None => Ok(()),
            Some(error) => {
                let failure = Failure::local("write", &self.0.path, error);
                Err(failure.hint("the log is incomplete"))
            }
        }
    }

    /// Locks the state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for LogFile {
    /// Writes a line. An error is kept for [`check`](Self::check): reporting it here would
    /// interrupt other output.
    ///
    /// # Errors
    /// Never.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if state.failed.is_none() {
            state.failed = state.file.write_all(line).err();
        }
        Ok(line.len())
    }

    /// Does nothing: lines are not buffered.
    ///
    /// # Errors
    /// Never.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
