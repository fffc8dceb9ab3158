//! Statistics of a command's requests: the HTTP log, the counters of `--stats` and the HAR file.

use std::{path::Path, time::Duration};

use drivedal::layers::{
    HttpStats, LoggingLayer,
    logging::{HarFile, HttpOperation, HttpTotals},
};
use serde::Serialize;

use crate::{
    failure::{Failure, Result},
    output::Output,
    units::HumanSize,
};

/// Statistics of the requests to all remotes. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct RequestStats {
    layer: LoggingLayer,
    har: Option<HarFile>,
}

impl RequestStats {
    /// Creates empty statistics. Writes all requests to the HAR file `har`, if given.
    ///
    /// # Errors
    /// [`Failure::local`] if the HAR file cannot be created.
    pub(crate) fn new(har: Option<&Path>) -> Result<Self> {
        let made = har.map(|path| {
            HarFile::create(path).map_err(|error| Failure::local("create", path, &error))
        });
        let har = made.transpose()?;
        let layer = LoggingLayer::new();
        let layer = match &har {
            Some(har) => layer.with_har(har),
            None => layer,
        };
        Ok(Self { layer, har })
    }

    /// Returns the layer that counts requests. It belongs inside of the retry layer.
    pub(crate) fn layer(&self) -> LoggingLayer {
        self.layer.clone()
    }

    /// Returns the number of requests so far. Redirects that the HTTP client follows are not
    /// counted.
    pub(crate) fn count(&self) -> u64 {
        self.stats().requests()
    }

    /// Returns the totals of all requests that have ended.
    pub(crate) fn totals(&self) -> HttpTotals {
        self.stats().total()
    }

    /// Returns the counters of the layer.
    fn stats(&self) -> &HttpStats {
        self.layer.stats()
    }

    /// Checks that the HAR file is complete.
    ///
    /// # Errors
    /// [`Failure::local`] with the first error of writing to the file.
    pub(crate) fn check(&self) -> Result {
        let Some(har) = &self.har else { return Ok(()) };
        har.check().map_err(|error| {
            let failure = Failure::local("write", har.path(), &error);
            failure.hint("some requests are missing in it")
        })
    }

    /// Prints the counters: as a table on standard error, or with `--json` as one more record.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) fn print(&self, output: &Output) -> Result {
        let (snapshot, total) = (self.stats().snapshot(), self.stats().total());
        if output.is_json() {
            #[derive(Serialize)]
            struct Record<'a> {
                wire: Vec<StatsRow<'a>>,
            }
            let wire = snapshot.iter().map(|(of, figures)| StatsRow::new(of, figures)).collect();
            return output.json(&Record { wire });
        }
        output.message(format_args!(
            "{:>8} {:>6} {:>7} {:>6} {:>6} {:>10} {:>10} {:>9} {:>9} {:>9}",
            "requests",
            "retries",
            "refused",
            "failed",
            "broken",
            "up",
            "down",
            "50 %",
            "95 %",
            "longest"
        ));
        for (of, figures) in &snapshot {
            let name = format!("{} {} {}", of.service, of.operation, of.template);
            output.message(format_args!("{}  {name}", TableRow(figures)));
        }
        if snapshot.len() != 1 {
            output.message(format_args!("{}  all", TableRow(&total)));
        }
        Ok(())
    }
}

/// Counters of one operation, for JSON.
#[derive(Serialize)]
struct StatsRow<'a> {
    service: &'a str,
    operation: &'a str,
    request: &'a str,
    requests: u64,
    again: u64,
    refused: u64,
    failed: u64,
    broken: u64,
    bytes_up: u64,
    bytes_down: u64,
    /// Duration in seconds: median, 95th percentile and maximum.
    half: f64,
    most: f64,
    longest: f64,
}

impl<'a> StatsRow<'a> {
    /// Creates the row of an operation.
    fn new(of: &'a HttpOperation, figures: &HttpTotals) -> Self {
        Self {
            service: &of.service,
            operation: of.operation,
            request: of.template,
            requests: figures.requests,
            again: figures.repeats,
            refused: figures.throttled,
            failed: figures.failed,
            broken: figures.interrupted,
            bytes_up: figures.bytes_up,
            bytes_down: figures.bytes_down,
            half: share(figures, 0.5).as_secs_f64(),
            most: share(figures, 0.95).as_secs_f64(),
            longest: figures.total.max().as_secs_f64(),
        }
    }
}

/// Counters of one operation, as a row of the table.
struct TableRow<'a>(&'a HttpTotals);

impl std::fmt::Display for TableRow<'_> {
    /// Writes the columns of the table. Times are in milliseconds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(figures) = self;
        let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
        write!(
            f,
            "{:>8} {:>6} {:>7} {:>6} {:>6} {:>10} {:>10} {:>9} {:>9} {:>9}",
            figures.requests,
            figures.repeats,
            figures.throttled,
            figures.failed,
            figures.interrupted,
            HumanSize(figures.bytes_up),
            HumanSize(figures.bytes_down),
            millis(share(figures, 0.5)),
            millis(share(figures, 0.95)),
            millis(figures.total.max()),
        )
    }
}

/// Returns the time within which a share of the requests, 0 to 1, ended; zero if there were none.
fn share(figures: &HttpTotals, share: f64) -> Duration {
    figures.total.percentile(share).unwrap_or_default()
}
