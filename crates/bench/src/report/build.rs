//! Collects the samples of all rounds.

use std::{collections::BTreeMap, fmt, thread::available_parallelism};

use super::{
    ContenderInfo, Latency, Machine, REPORT_VERSION, Report, Setting, WorkInfo, WorkResult,
};
use crate::{Outcome, Sample, Spread};

/// Collects samples for a [`Report`].
#[derive(Clone, Debug)]
pub struct ReportBuilder {
    report: Report,
    /// By the id of the work and the name of the contender, in the order of rounds.
    samples: BTreeMap<(String, String), Vec<Sample>>,
}

impl ReportBuilder {
    /// Creates an empty report with this title.
    pub fn new(title: &str) -> Self {
        let machine = Machine {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cpus: available_parallelism().map_or(1, usize::from),
            debug_build: cfg!(debug_assertions),
        };
        let report = Report {
            version: REPORT_VERSION,
            title: title.to_owned(),
            program: concat!("drivedal-bench ", env!("CARGO_PKG_VERSION")).to_owned(),
            started: String::new(),
            machine,
            settings: Vec::new(),
            contenders: Vec::new(),
            works: Vec::new(),
            results: Vec::new(),
        };
        Self { report, samples: BTreeMap::new() }
    }

    /// Sets when the benchmark started, as RFC 3339.
    #[must_use]
    pub fn started(mut self, time: impl fmt::Display) -> Self {
        self.report.started = time.to_string();
        self
    }

    /// Adds an option of the benchmark.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.report.settings.push(Setting { name: name.to_owned(), value: value.to_string() });
        self
    }

    /// Adds a contender.
    #[must_use]
    pub fn contender(mut self, name: &str, service: &str, notes: Vec<String>) -> Self {
        let (name, service) = (name.to_owned(), service.to_owned());
        self.report.contenders.push(ContenderInfo { name, service, notes });
        self
    }

    /// Adds a work.
    #[must_use]
    pub fn work(mut self, work: WorkInfo) -> Self {
        self.report.works.push(work);
        self
    }

    /// Adds the sample of one round.
    pub fn add(&mut self, contender: &str, work: &str, sample: Sample) {
        self.samples.entry((work.to_owned(), contender.to_owned())).or_default().push(sample);
    }

    /// Computes the figures. Contenders and works without a sample have no result.
    pub fn finish(self) -> Report {
        let Self { mut report, mut samples } = self;
        for work in &report.works {
            let mut results = Vec::new();
            for contender in &report.contenders {
                if let Some(rounds) = samples.remove(&(work.id.clone(), contender.name.clone())) {
                    results.push(summarize(&work.id, &contender.name, &rounds));
                }
            }
            let medians = results.iter().filter_map(|result| Some(result.spread?.median));
            if let Some(best) = medians.min_by(f64::total_cmp).filter(|best| *best > 0.0) {
                for result in &mut results {
                    result.ratio = result.spread.map(|spread| spread.median / best);
                }
            }
            report.results.extend(results);
        }
        report
    }
}

/// Summarizes the rounds of a work and a contender. The ratio is not set yet.
fn summarize(work: &str, contender: &str, rounds: &[Sample]) -> WorkResult {
    let outcome = rounds.iter().find(|sample| !sample.is_done());
    let outcome = outcome.map_or(Outcome::Done, |sample| sample.outcome.clone());
    // Figures of a work that failed later could be those of another result.
    let done: &[Sample] = if outcome == Outcome::Done { rounds } else { &[] };
    let seconds: Vec<f64> = done.iter().map(|sample| sample.seconds).collect();
    let median = |figure: fn(&Sample) -> Option<f64>| {
        let values: Option<Vec<f64>> = done.iter().map(figure).collect();
        Some(Spread::from_values(values?)?.median)
    };
    WorkResult {
        work: work.to_owned(),
        contender: contender.to_owned(),
        outcome,
        spread: Spread::from_values(seconds.iter().copied()),
        seconds,
        ratio: None,
        operations: done.first().map_or(0, |sample| sample.operations),
        bytes: done.first().map_or(0, |sample| sample.bytes),
        latency: Latency::from_seconds(
            done.iter().flat_map(|sample| sample.latencies.iter().copied()).collect(),
        ),
        requests: median(|sample| sample.requests.map(|figure| figure as f64)),
        bytes_up: median(|sample| sample.bytes_up.map(|figure| figure as f64)),
        bytes_down: median(|sample| sample.bytes_down.map(|figure| figure as f64)),
        resource_units: median(|sample| sample.resource_units.map(|figure| figure as f64)),
        memory: done.iter().filter_map(|sample| sample.memory).max(),
        cpu: median(|sample| sample.cpu),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A report of two works: the first was done by `a` and `b`, the second failed on `b` and is not
    /// for `a`.
    pub(in super::super) fn example() -> Report {
        let mut report = ReportBuilder::new("Example")
            .setting("files", 3)
            .contender("a", "memory", vec![])
            .contender("b & c", "fs", vec!["It has <notes>.".into()])
            .work(WorkInfo::new("put", "Upload", "Writes files."))
            .work(WorkInfo::new("copy", "Copy", "Copies files."));
        for (seconds, requests) in [(1.0, 3), (3.0, 5), (2.0, 3)] {
            let requests = Some(requests);
            let latencies = vec![0.1, 0.2, 0.3];
            let sample = Sample { requests, latencies, ..Sample::done(seconds, 3, 3_000) };
            report.add("a", "put", sample);
            report.add("b & c", "put", Sample::done(seconds * 2.0, 3, 3_000));
        }
        report.add("a", "copy", Sample::not_applicable("the service does not copy"));
        report.add("b & c", "copy", Sample::done(1.0, 3, 0));
        report.add("b & c", "copy", Sample::failed("no space left\non the device"));
        report.finish()
    }

    #[test]
    fn rounds_are_summarized_with_ratios_to_the_best() {
        let report = example();
        let a = &report.results[0];
        assert_eq!((a.work.as_str(), a.contender.as_str(), a.ratio), ("put", "a", Some(1.0)));
        assert_eq!(a.seconds, [1.0, 3.0, 2.0]);
        assert_eq!(
            a.spread.map(|spread| (spread.min, spread.median, spread.max)),
            Some((1.0, 2.0, 3.0))
        );
        assert_eq!(a.requests, Some(3.0));
        let latency = a.latency.as_ref().expect("nine operations");
        assert_eq!((latency.count, latency.percentile(0), latency.percentile(100)), (9, 0.1, 0.3));
        let b = &report.results[1];
        assert_eq!((b.ratio, b.requests, b.latency.clone()), (Some(2.0), None, None));
    }

    #[test]
    fn a_work_that_failed_in_one_round_has_no_figures() {
        let report = example();
        let failed = &report.results[3];
        assert_eq!(failed.outcome, Outcome::Failed("no space left\non the device".into()));
        assert_eq!((failed.spread, failed.ratio, failed.seconds.len()), (None, None, 0));
    }

    #[test]
    fn json_is_read_back() {
        let report = example();
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["version"], REPORT_VERSION);
        assert_eq!(json["results"][2]["status"], "not-applicable");
        assert_eq!(json["results"][2]["reason"], "the service does not copy");
        assert_eq!(serde_json::from_value::<Report>(json).expect("a report"), report);
    }
}
