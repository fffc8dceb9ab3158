//! Progress of a transfer: a bar on a terminal, plain lines elsewhere, and a summary at the end.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::{
    output::Output,
    units::{HumanDuration, HumanSize},
};

/// Interval between two draws of the bar.
const FRAME: Duration = Duration::from_millis(150);
/// Interval between two plain lines.
const LINE: Duration = Duration::from_secs(5);
/// The rate is an average over this time.
const WINDOW: Duration = Duration::from_secs(15);
/// Cost of a file in addition to its bytes, in bytes: one request takes about as long as this many
/// bytes.
const PER_FILE: u64 = 64 << 10;

/// Counters of a transfer, shared by its tasks.
#[derive(Debug, Default)]
pub(crate) struct TransferTotals {
    /// Completed files, and their bytes.
    files: AtomicU64,
    bytes: AtomicU64,
    /// Folders that were created or that existed.
    folders: AtomicU64,
    /// Files that were not replaced because of `--no-overwrite`.
    kept: AtomicU64,
    /// Items that were left out because of an option.
    skipped: AtomicU64,
    failed: AtomicU64,
    /// Files that were sent and are not verified yet.
    unchecked: AtomicU64,
    /// Files whose transfer ended, verified or not, and transferred bytes, including those of
    /// unfinished files.
    arrived: AtomicU64,
    moved: AtomicU64,
    /// Files found so far, their bytes, and whether the search has ended.
    known_files: AtomicU64,
    known_bytes: AtomicU64,
    all_known: AtomicBool,
}

impl TransferTotals {
    /// Counts a file that is to be transferred, with its size in bytes.
    pub(crate) fn found_file(&self, bytes: u64) {
        self.known_files.fetch_add(1, Relaxed);
        self.known_bytes.fetch_add(bytes, Relaxed);
    }

    /// Marks the counts of files and bytes to transfer as complete.
    pub(crate) fn found_all(&self) {
        self.all_known.store(true, Relaxed);
    }

    /// Counts transferred bytes, also of files that are not complete.
    pub(crate) fn moved(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Relaxed);
    }

    /// Counts a file whose transfer is complete and verified, with its size in bytes.
    pub(crate) fn file_done(&self, bytes: u64) {
        self.files.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Counts a file whose transfer ended. It may still need to be verified.
    pub(crate) fn arrived(&self) {
        self.arrived.fetch_add(1, Relaxed);
    }

    /// Counts files that wait for verification.
    pub(crate) fn to_be_checked(&self, files: u64) {
        self.unchecked.fetch_add(files, Relaxed);
    }

    /// Removes files from those that wait for verification, whatever its result.
    pub(crate) fn checked(&self, files: u64) {
        self.unchecked.fetch_sub(files, Relaxed);
    }

    /// Counts a folder that was created, or that existed.
    pub(crate) fn folder_done(&self) {
        self.folders.fetch_add(1, Relaxed);
    }

    /// Counts an item that existed and was not replaced.
    pub(crate) fn kept(&self) {
        self.kept.fetch_add(1, Relaxed);
    }

    /// Counts an item that is not transferred, such as a link.
    pub(crate) fn skipped(&self) {
        self.skipped.fetch_add(1, Relaxed);
    }

    /// Counts an item that failed.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// Returns the files and bytes that are done so far.
    fn sample(&self) -> Sample {
        let files = self.arrived.load(Relaxed) + self.kept.load(Relaxed);
        Sample { files, moved: self.moved.load(Relaxed) }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    files: u64,
    moved: u64,
}

impl Sample {
    /// Returns the cost of the sample in bytes: see [`PER_FILE`].
    fn work(self) -> u64 {
        self.moved + self.files * PER_FILE
    }
}

/// Transfer rate over the last [`WINDOW`], and the remaining time at that rate.
#[derive(Debug)]
struct RateMeter(VecDeque<(Instant, Sample)>);

impl RateMeter {
    /// Creates a meter that starts at zero.
    fn new(now: Instant) -> Self {
        Self(VecDeque::from([(now, Sample::default())]))
    }

    /// Adds a sample. Samples older than [`WINDOW`] are dropped.
    fn add_sample(&mut self, now: Instant, sample: Sample) {
        while self.0.len() > 1 && now.duration_since(self.0[1].0) >= WINDOW {
            self.0.pop_front();
        }
        self.0.push_back((now, sample));
    }

    /// Returns the rate of a quantity over the window, per second; 0 if it is unknown. `of` selects
    /// the quantity of a sample.
    fn per_second(&self, of: impl Fn(Sample) -> u64) -> f64 {
        let (Some((start, first)), Some((end, last))) = (self.0.front(), self.0.back()) else {
            return 0.0;
        };
        let seconds = end.duration_since(*start).as_secs_f64();
        if seconds == 0.0 { 0.0 } else { (of(*last).saturating_sub(of(*first))) as f64 / seconds }
    }

    /// Returns the remaining time for work of `total` bytes; `None` if the rate is zero.
    fn remaining(&self, total: u64) -> Option<Duration> {
        let done = self.0.back()?.1.work();
        let rate = self.per_second(Sample::work);
        (rate > 0.0)
            .then(|| Duration::try_from_secs_f64(total.saturating_sub(done) as f64 / rate).ok())
            .flatten()
    }
}

/// Shows [`TransferTotals`] until it is dropped.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    shown: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts to show `totals`. `verb` is the name of the command.
    pub(crate) fn start(
        output: &Arc<Output>,
        verb: &'static str,
        totals: &Arc<TransferTotals>,
    ) -> Self {
        if output.is_quiet() {
            return Self { bar: None, shown: None };
        }
        let bar = output.has_terminal().then(|| output.add_bar(ProgressBar::no_length()));
        let show = ProgressTask {
            verb,
            totals: Arc::clone(totals),
            output: Arc::clone(output),
            bar: bar.clone(),
            meter: RateMeter::new(Instant::now()),
        };
        Self { bar, shown: Some(tokio::spawn(show.run())) }
    }
}

impl Drop for Progress {
    /// Ends the display and removes the bar.
    fn drop(&mut self) {
        if let Some(shown) = &self.shown {
            shown.abort();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

struct ProgressTask {
    verb: &'static str,
    totals: Arc<TransferTotals>,
    output: Arc<Output>,
    bar: Option<ProgressBar>,
    meter: RateMeter,
}

impl ProgressTask {
    /// Draws the progress at intervals, until the task is aborted.
    async fn run(mut self) {
        let every = if self.bar.is_some() { FRAME } else { LINE };
        let mut ticks = tokio::time::interval(every);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            self.meter.add_sample(Instant::now(), self.totals.sample());
            match &self.bar {
                Some(bar) => self.draw(bar),
                None => self.output.message(format_args!("{}: {}", self.verb, self.text())),
            }
        }
    }

    /// Returns the cost of the whole transfer in bytes; `None` while more files are being found.
    fn total(&self) -> Option<u64> {
        let known = Sample {
            files: self.totals.known_files.load(Relaxed),
            moved: self.totals.known_bytes.load(Relaxed),
        };
        self.totals.all_known.load(Relaxed).then(|| known.work())
    }

    /// Draws the bar. It has a length once the total is known.
    fn draw(&self, bar: &ProgressBar) {
        let total = self.total();
        if total != bar.length() {
            let template = if total.is_some() { "{bar:24} {wide_msg}" } else { "{wide_msg}" };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            if let Some(total) = total {
                bar.set_length(total);
            }
        }
        bar.set_position(self.totals.sample().work());
        bar.set_message(self.text());
    }

    /// Returns the progress as text: files, bytes, rate, failures and remaining time.
    fn text(&self) -> String {
        use fmt::Write as _;
        let (totals, sample) = (&self.totals, self.totals.sample());
        let more = if totals.all_known.load(Relaxed) { "" } else { "+" };
        let mut text = format!(
            "{} of {}{more} files, {} of {}{more}, {}/s",
            sample.files,
            totals.known_files.load(Relaxed),
            HumanSize(sample.moved),
            HumanSize(totals.known_bytes.load(Relaxed)),
            HumanSize(self.meter.per_second(|sample| sample.moved) as u64),
        );
        let failed = totals.failed.load(Relaxed);
        let left = self.total().and_then(|total| self.meter.remaining(total));
        if failed > 0 {
            let _ = write!(text, ", {failed} failed");
        }
        if let Some(left) = left {
            let _ = write!(text, ", {} left", HumanDuration(left));
        }
        text
    }
}

/// Summary of a transfer. As JSON it is the last line of the output: `{"summary": {…}}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// Files that were transferred.
    pub(crate) files: u64,
    /// Folders that were created or that existed.
    pub(crate) folders: u64,
    /// Bytes of the transferred files.
    pub(crate) bytes: u64,
    /// Files that were not replaced because of `--no-overwrite`.
    pub(crate) kept: u64,
    /// Items that were left out because of `--links skip`.
    pub(crate) skipped: u64,
    /// Files that were sent but not verified, because the command was stopped.
    pub(crate) unchecked: u64,
    /// Items that failed.
    pub(crate) failed: u64,
    /// Duration in seconds.
    pub(crate) seconds: f64,
    /// HTTP requests to the cloud.
    pub(crate) requests: u64,
}

impl Summary {
    /// Creates the summary of a transfer that took `took` and `requests` requests.
    pub(crate) fn new(totals: &TransferTotals, took: Duration, requests: u64) -> Self {
        Self {
            files: totals.files.load(Relaxed),
            folders: totals.folders.load(Relaxed),
            bytes: totals.bytes.load(Relaxed),
            kept: totals.kept.load(Relaxed),
            skipped: totals.skipped.load(Relaxed),
            unchecked: totals.unchecked.load(Relaxed),
            failed: totals.failed.load(Relaxed),
            seconds: (took.as_secs_f64() * 1000.0).round() / 1000.0,
            requests,
        }
    }
}

impl fmt::Display for Summary {
    /// Writes one line. Counts of zero are left out, except those of files, folders and bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: u64, one: &str| match count {
            1 => format!("1 {one}"),
            _ => format!("{count} {one}s"),
        };
        let (files, folders) = (count(self.files, "file"), count(self.folders, "folder"));
        write!(f, "{files}, {folders}, {}", count(self.bytes, "byte"))?;
        if self.bytes >= 1024 {
            write!(f, " ({})", HumanSize(self.bytes))?;
        }
        for (count, what) in [
            (self.kept, "kept"),
            (self.skipped, "skipped"),
            (self.unchecked, "sent but not checked"),
            (self.failed, "failed"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        write!(f, " in {:.1} s, {}", self.seconds, count(self.requests, "request"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_an_average_over_the_last_seconds() {
        let start = Instant::now();
        let mut meter = RateMeter::new(start);
        for second in 1..=60 {
            // 1,000 bytes a second, and ten times as fast from the 40th second on.
            let moved = if second <= 40 { second * 1000 } else { 40_000 + (second - 40) * 10_000 };
            meter.add_sample(start + Duration::from_secs(second), Sample { files: 0, moved });
        }
        assert_eq!(meter.per_second(|sample| sample.moved) as u64, 10_000);
        assert_eq!(meter.remaining(340_000), Some(Duration::from_secs(10)));
    }

    #[test]
    fn without_progress_no_remaining_time_is_shown() {
        let start = Instant::now();
        let mut meter = RateMeter::new(start);
        meter.add_sample(start + Duration::from_secs(1), Sample::default());
        assert_eq!(meter.remaining(1000), None);
    }

    #[test]
    fn a_summary_omits_zero_counts() {
        let totals = TransferTotals::default();
        totals.file_done(5_000_000);
        totals.folder_done();
        let plain = Summary::new(&totals, Duration::from_millis(2_040), 4);
        assert_eq!(
            plain.to_string(),
            "1 file, 1 folder, 5000000 bytes (4.8 MiB) in 2.0 s, 4 requests"
        );
        totals.failed();
        let failed = Summary::new(&totals, Duration::ZERO, 4);
        assert!(failed.to_string().contains(", 1 failed in"), "{failed}");
    }
}
