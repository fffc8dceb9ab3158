//! Reports: the figures of all rounds, as JSON, text, Markdown and HTML.
//!
//! The JSON is that of [`Report`]. Its `version` increases with each change that is not an addition.

mod build;
mod chart;
mod html;
mod json;
mod markdown;
mod table;
mod text;

use serde::{Deserialize, Serialize};

pub use self::{
    build::ReportBuilder,
    html::page,
    json::json,
    markdown::{markdown, replace_section},
    text::text,
};
use crate::{Outcome, Spread, Throughput, Work, spread::quantile};

/// Version of the JSON.
pub const REPORT_VERSION: u32 = 1;

/// The result of a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// Version of the JSON: [`REPORT_VERSION`].
    pub version: u32,
    /// Title of the page.
    pub title: String,
    /// Name and version of the program that measured.
    pub program: String,
    /// When the benchmark started, as RFC 3339. Empty if unknown.
    pub started: String,
    /// The computer.
    pub machine: Machine,
    /// Options that decide the work, in the order of the report.
    pub settings: Vec<Setting>,
    /// The contenders, in the order of the arguments.
    pub contenders: Vec<ContenderInfo>,
    /// The works, in their order.
    pub works: Vec<WorkInfo>,
    /// One result for each work and contender, in the order of works.
    pub results: Vec<WorkResult>,
}

/// The computer that ran the benchmark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Machine {
    /// Operating system, such as `linux`.
    pub os: String,
    /// Architecture, such as `x86_64`.
    pub arch: String,
    /// Number of processors that the program may use.
    pub cpus: usize,
    /// Whether the program was compiled with debug assertions: such times are not comparable.
    pub debug_build: bool,
}

/// An option of the benchmark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Setting {
    /// Name for people, such as `small files`.
    pub name: String,
    /// Value as text.
    pub value: String,
}

/// A contender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContenderInfo {
    /// Unique name.
    pub name: String,
    /// Name of the service, such as `onedrive`.
    pub service: String,
    /// Sentences about the conditions of its measurement.
    pub notes: Vec<String>,
}

/// A work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkInfo {
    /// Unique id, such as `put-small`.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// The sentence that describes the work.
    pub description: String,
    /// The figure that shows how fast the work is.
    pub throughput: Throughput,
}

impl WorkInfo {
    /// Creates a work that is measured in operations per second.
    pub fn new(id: &str, title: &str, description: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            throughput: Throughput::Operations,
        }
    }

    /// Measures the work in this figure.
    #[must_use]
    pub fn with_throughput(self, throughput: Throughput) -> Self {
        Self { throughput, ..self }
    }
}

impl From<Work> for WorkInfo {
    /// Returns the id and the texts of a work.
    fn from(work: Work) -> Self {
        Self::new(work.id(), work.title(), work.description()).with_throughput(work.throughput())
    }
}

/// The figures of one work and one contender, over all rounds. `None`: not measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkResult {
    /// Id of the work.
    pub work: String,
    /// Name of the contender.
    pub contender: String,
    /// How the work ended: in the first round in which it was not done, or in all rounds.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Duration of each round in seconds, in order.
    pub seconds: Vec<f64>,
    /// Median and spread of the durations. `None` if the work was not done in all rounds.
    pub spread: Option<Spread>,
    /// The median divided by that of the fastest contender.
    pub ratio: Option<f64>,
    /// Operations of a round.
    pub operations: u64,
    /// Bytes of the files that a round wrote or read.
    pub bytes: u64,
    /// Durations of single operations, of all rounds.
    pub latency: Option<Latency>,
    /// Median over the rounds of the requests.
    pub requests: Option<f64>,
    /// Median over the rounds of the bytes of the requests' bodies.
    pub bytes_up: Option<f64>,
    /// Median over the rounds of the bytes of the responses' bodies.
    pub bytes_down: Option<f64>,
    /// Median over the rounds of the cost in the cloud's units.
    pub resource_units: Option<f64>,
    /// Largest growth of the memory in bytes, of all rounds.
    pub memory: Option<u64>,
    /// Median over the rounds of the CPU time in seconds.
    pub cpu: Option<f64>,
}

impl WorkResult {
    /// Returns whether the work was done in all rounds.
    pub fn is_done(&self) -> bool {
        self.outcome == Outcome::Done
    }

    /// Returns the figure of the median round, per second. `None` if the work was not done.
    fn rate(&self, throughput: Throughput) -> Option<f64> {
        let seconds = self.spread?.median;
        let amount = match throughput {
            Throughput::Operations => self.operations,
            Throughput::Bytes => self.bytes,
        };
        (seconds > 0.0).then(|| amount as f64 / seconds)
    }
}

/// The distribution of the durations of single operations, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Latency {
    /// Number of operations.
    pub count: usize,
    /// The mean.
    pub mean: f64,
    /// The quantiles from 0 % (the minimum) to 100 % (the maximum), in steps of 1 %.
    pub quantiles: Vec<f64>,
}

impl Latency {
    /// Summarizes durations in seconds, in any order. `None` for fewer than two.
    fn from_seconds(mut seconds: Vec<f64>) -> Option<Self> {
        if seconds.len() < 2 {
            return None;
        }
        seconds.sort_by(f64::total_cmp);
        Some(Self {
            count: seconds.len(),
            mean: rounded(seconds.iter().sum::<f64>() / seconds.len() as f64),
            quantiles: (0..=100)
                .filter_map(|percent| quantile(&seconds, f64::from(percent) / 100.0))
                .map(rounded)
                .collect(),
        })
    }

    /// Returns the duration that this percentage of the operations does not exceed.
    fn percentile(&self, percent: usize) -> f64 {
        let last = self.quantiles.len().saturating_sub(1);
        self.quantiles.get(percent.min(last)).copied().unwrap_or_default()
    }
}

/// Rounds a duration in seconds to 100 ns, which keeps the JSON small.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e7).round() / 1e7
}

impl Report {
    /// Returns the result of a contender and a work. `None` if the report does not have it.
    pub fn result(&self, contender: &str, work: &str) -> Option<&WorkResult> {
        self.results.iter().find(|result| result.work == work && result.contender == contender)
    }

    /// Returns the work with this id. `None` if the report does not have it.
    fn work(&self, id: &str) -> Option<&WorkInfo> {
        self.works.iter().find(|work| work.id == id)
    }

    /// Returns the results of a work, in the order of contenders.
    fn results_of<'a>(&'a self, work: &'a str) -> impl Iterator<Item = &'a WorkResult> + Clone {
        self.results.iter().filter(move |result| result.work == work)
    }
}
