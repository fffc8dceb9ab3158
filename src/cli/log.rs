//! What the library tells of its doings, for whoever wants to know.

use std::{
    fs::OpenOptions,
    path::Path,
    sync::{Arc, Mutex},
};

use tracing_subscriber::{
    EnvFilter, Layer, fmt, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

use crate::cli::{
    Global,
    failure::{Failure, Result},
    output::{Messages, Output},
};

/// Which statement of the drive server's database was slow is for its developers.
const WARNINGS: &str = "warn,sqlx=error";

/// Every request, every wait.
const REQUESTS: &str = "warn,sqlx=error,drivedal=info,drivedal::wire=debug";

const EVERYTHING: &str = "warn,sqlx=error,drivedal=trace";

/// Warnings go to standard error, and more if the user wants more: by `-v`, or exactly by
/// `DRIVEDAL_LOG`, as `DRIVEDAL_LOG=drivedal=debug`. A file has what `-v` tells, at least.
///
/// # Errors
/// When the file cannot be opened.
pub(super) fn begin(global: &Global, output: &Arc<Output>) -> Result {
    let wanted = match global.verbose {
        0 => WARNINGS,
        1 => REQUESTS,
        _ => EVERYTHING,
    };
    let told = std::env::var("DRIVEDAL_LOG").unwrap_or_else(|_| wanted.to_owned());
    let output = Arc::clone(output);
    let messages = fmt::layer()
        .with_ansi(false)
        .without_time()
        .with_writer(move || Messages(Arc::clone(&output)))
        .with_filter(EnvFilter::new(told));
    let wanted = if global.verbose > 1 { EVERYTHING } else { REQUESTS };
    let file = global.log_file.as_deref().map(|path| file(path, wanted)).transpose()?;
    tracing_subscriber::registry().with(messages).with(file).init();
    Ok(())
}

/// A file that only the user can read, where the system can: names of files are in it.
fn file<S>(path: &Path, wanted: &str) -> Result<impl Layer<S> + use<S>>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| Failure::from(&error).about(path.display()))?;
    let layer = fmt::layer().with_ansi(false).with_writer(Mutex::new(file));
    Ok(layer.with_filter(EnvFilter::new(wanted)))
}
