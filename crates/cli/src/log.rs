//! What the library tells of its doings, for whoever wants to know.

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
    args::GlobalOptions,
    failure::{Failure, Result},
    output::{MessageWriter, Output},
};

/// Our own warnings. Those of our dependencies are not addressed to the user: a slow statement of the
/// server's database, the damaged tags of a picture. Entries and folders missing from a listing are
/// reported by the commands themselves.
const WARNINGS: &str = "off,drivedal=warn,drivedal::adapter::left_out=error,\
                        drivedal::adapter::failures=error";

/// Every request, every wait.
const REQUESTS: &str = "off,drivedal=info,drivedal::wire=debug";

/// All of our own events, and the warnings of our dependencies.
const EVERYTHING: &str = "warn,sqlx=error,nom_exif=off,lofty=off,drivedal=trace";

/// Warnings go to standard error, and more if the user wants more: by `-v`, or exactly by
/// `DRIVEDAL_LOG`, as `DRIVEDAL_LOG=drivedal=debug`. A file has what `-v` tells, at least.
///
/// # Errors
/// When the file cannot be opened.
pub(super) fn init(global: &GlobalOptions, output: &Arc<Output>) -> Result<Option<LogFile>> {
    let wanted = match global.verbose {
        0 => WARNINGS,
        1 => REQUESTS,
        _ => EVERYTHING,
    };
    let filter = std::env::var("DRIVEDAL_LOG").unwrap_or_else(|_| wanted.to_owned());
    let output = Arc::clone(output);
    let messages = fmt::layer()
        .with_ansi(false)
        .without_time()
        .with_writer(move || MessageWriter(Arc::clone(&output)))
        .with_filter(EnvFilter::new(filter));
    let wanted = if global.verbose > 1 { EVERYTHING } else { REQUESTS };
    let file = global.log_file.as_deref().map(LogFile::open).transpose()?;
    let kept = file.clone().map(|file| file.layer(wanted));
    tracing_subscriber::registry().with(messages).with(kept).init();
    Ok(file)
}

/// A file that only the user can read, where the system can: names of files are in it. Clones write
/// the same file.
#[derive(Clone)]
pub(super) struct LogFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// Nothing is written after the first failure.
    failed: Option<io::Error>,
}

impl LogFile {
    fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let failed = |error| Failure::local("open", path, &error);
        let file = options.open(path).map_err(failed)?;
        // A file that exists keeps its mode. A device that the user names instead of a file may
        // belong to somebody else.
        #[cfg(unix)]
        if file.metadata().map_err(failed)?.is_file() {
            use std::os::unix::fs::PermissionsExt;
            file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        }
        let state = Mutex::new(State { file, failed: None });
        Ok(Self(Arc::new(Inner { path: path.to_owned(), state })))
    }

    fn layer<S>(self, wanted: &str) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        let layer = fmt::layer().with_ansi(false).with_writer(move || self.clone());
        layer.with_filter(EnvFilter::new(wanted))
    }

    /// Whether the user has all of the log that was wanted.
    ///
    /// # Errors
    /// When it could not be written.
    pub(super) fn check(&self) -> Result {
        match &self.state().failed {
            None => Ok(()),
            Some(error) => {
                let failure = Failure::local("write", &self.0.path, error);
                Err(failure.hint("the log is incomplete"))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for LogFile {
    /// A line. What fails is filter at the end, not in the middle of something else.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if state.failed.is_none() {
            state.failed = state.file.write_all(line).err();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
