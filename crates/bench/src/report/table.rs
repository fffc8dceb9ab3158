//! The columns that all tables share.

use super::{Report, WorkInfo, WorkResult};
use crate::{Outcome, Throughput, format};

/// A column of a table. Columns without any figure are left out.
pub(super) struct Column {
    pub(super) title: &'static str,
    /// The sentence that explains the figure.
    pub(super) meaning: &'static str,
    /// Formats the figure of a result. `None` if it was not measured.
    figure: fn(&WorkInfo, &WorkResult) -> Option<String>,
}

impl Column {
    /// Returns the figure of a result as text; empty if it was not measured.
    pub(super) fn text(&self, work: &WorkInfo, result: &WorkResult) -> String {
        (self.figure)(work, result).unwrap_or_default()
    }
}

/// All columns, in their order.
const COLUMNS: [Column; 12] = [
    Column {
        title: "median",
        meaning: "median of the rounds",
        figure: |_, result| Some(format::seconds(result.spread?.median)),
    },
    Column {
        title: "min – max",
        meaning: "fastest and slowest round",
        figure: |_, result| {
            let spread = result.spread?;
            Some(format!("{} – {}", format::seconds(spread.min), format::seconds(spread.max)))
        },
    },
    Column {
        title: "ratio",
        meaning: "median divided by that of the fastest contender",
        figure: |_, result| result.ratio.map(format::ratio),
    },
    Column { title: "rate", meaning: "operations or bytes per second", figure: rate },
    Column {
        title: "p50",
        meaning: "median duration of single operations",
        figure: |_, result| Some(format::seconds(result.latency.as_ref()?.percentile(50))),
    },
    Column {
        title: "p99",
        meaning: "duration that 99 % of the operations do not exceed",
        figure: |_, result| Some(format::seconds(result.latency.as_ref()?.percentile(99))),
    },
    Column {
        title: "requests",
        meaning: "requests of a round, median",
        figure: |_, result| result.requests.map(|requests| format!("{requests:.0}")),
    },
    Column {
        title: "up",
        meaning: "bytes of the requests' bodies",
        figure: |_, result| result.bytes_up.map(format::bytes),
    },
    Column {
        title: "down",
        meaning: "bytes of the responses' bodies",
        figure: |_, result| result.bytes_down.map(format::bytes),
    },
    Column {
        title: "units",
        meaning: "cost in the cloud's resource units",
        figure: |_, result| result.resource_units.map(|units| format!("{units:.0}")),
    },
    Column {
        title: "memory",
        meaning: "largest growth of the memory during the work",
        figure: |_, result| result.memory.map(|bytes| format::bytes(bytes as f64)),
    },
    Column {
        title: "CPU",
        meaning: "CPU time of a round, median",
        figure: |_, result| result.cpu.map(cpu),
    },
];

/// Formats a CPU time. Linux counts it in steps of 10 ms.
fn cpu(seconds: f64) -> String {
    if seconds < 0.01 { "< 10 ms".to_owned() } else { format::seconds(seconds) }
}

/// Formats the operations or bytes per second.
fn rate(work: &WorkInfo, result: &WorkResult) -> Option<String> {
    let rate = result.rate(work.throughput)?;
    Some(match work.throughput {
        Throughput::Operations => format!("{}/s", format::significant(rate)),
        Throughput::Bytes => format!("{}/s", format::bytes(rate)),
    })
}

/// Returns the columns that have a figure for at least one of the results.
pub(super) fn columns<'a>(
    report: &'a Report,
    results: impl Iterator<Item = &'a WorkResult> + Clone,
) -> Vec<&'static Column> {
    let has_figure = |column: &&Column| {
        results.clone().any(|result| {
            report.work(&result.work).is_some_and(|work| !column.text(work, result).is_empty())
        })
    };
    COLUMNS.iter().filter(has_figure).collect()
}

/// Returns why a result has no figures, in one line. `None` if the work was done.
pub(super) fn reason(result: &WorkResult) -> Option<String> {
    let one_line = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    match &result.outcome {
        Outcome::Done => None,
        Outcome::NotApplicable(reason) => Some(format!("not applicable: {}", one_line(reason))),
        Outcome::Failed(reason) => Some(format!("failed: {}", one_line(reason))),
    }
}
