//! Interleaved rounds of all contenders.

use std::collections::BTreeSet;

use crate::{
    BenchOptions, Contender, Report, Result, Sample, Work, format,
    report::{ReportBuilder, WorkInfo},
    turn::Turn,
};

/// Maximum number of deletions of the folder of a contender.
const DELETIONS: usize = 3;

/// A benchmark of several contenders.
///
/// Each contender works in a folder with a random name below its root. [`clean_up`](Self::clean_up)
/// deletes it, also after [`run`](Self::run) was dropped.
pub struct Bench {
    options: BenchOptions,
    contenders: Vec<Contender>,
    /// Path of the folder that all contenders work in, with a slash at the end.
    folder: String,
}

/// Progress of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BenchEvent<'a> {
    /// A contender starts its warm-up.
    WarmUp {
        /// Name of the contender.
        contender: &'a str,
    },
    /// A contender cannot be measured: its first file could not be written and read.
    Unavailable {
        /// Name of the contender.
        contender: &'a str,
        /// The error.
        reason: &'a str,
    },
    /// A contender starts a measured round.
    Round {
        /// Name of the contender.
        contender: &'a str,
        /// Number of the round, from 1.
        number: usize,
        /// Number of rounds.
        rounds: usize,
    },
}

/// A folder that could not be deleted.
#[derive(Debug)]
#[non_exhaustive]
pub struct LeftFolder {
    /// Name of the contender.
    pub contender: String,
    /// Path of the folder, relative to the contender's root.
    pub folder: String,
    /// Why it was not deleted.
    pub error: Box<dyn std::error::Error + Send + Sync>,
}

impl Bench {
    /// Creates a benchmark. Nothing is written before it runs.
    pub fn new(options: BenchOptions, contenders: Vec<Contender>) -> Self {
        let folder = format!("drivedal-bench-{:016x}/", fastrand::u64(..));
        Self { options, contenders, folder }
    }

    /// Returns the path of the folder that each contender works in, relative to its root.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Performs a warm-up and all rounds. In each round every contender performs all works before the
    /// next contender starts; the order of contenders rotates. A work that failed is not repeated in
    /// later rounds.
    pub async fn run(&self, observer: &(dyn Fn(BenchEvent<'_>) + Sync)) -> Report {
        let mut report = self.report();
        let mut pending: Vec<BTreeSet<Work>> = Vec::new();
        for index in 0..self.contenders.len() {
            let contender = self.contenders[index].name.as_str();
            observer(BenchEvent::WarmUp { contender });
            let mut works = self.options.works.iter().copied().collect::<BTreeSet<_>>();
            if let Err(error) = self.warm_up(index).await {
                let reason = error.to_string();
                observer(BenchEvent::Unavailable { contender, reason: &reason });
                for work in std::mem::take(&mut works) {
                    report.add(contender, work.id(), Sample::failed(&reason));
                }
            }
            pending.push(works);
        }
        for round in 0..self.options.rounds {
            for position in 0..self.contenders.len() {
                let index = (position + round) % self.contenders.len();
                let works = &mut pending[index];
                if works.is_empty() {
                    continue;
                }
                let contender = self.contenders[index].name.as_str();
                let rounds = self.options.rounds;
                observer(BenchEvent::Round { contender, number: round + 1, rounds });
                for (work, sample) in self.round(index, round, works).await {
                    if !sample.is_done() {
                        works.remove(&work);
                    }
                    report.add(contender, work.id(), sample);
                }
            }
        }
        report.finish()
    }

    /// Returns an empty report with the contenders, works and options of this benchmark.
    pub fn report(&self) -> ReportBuilder {
        let options = &self.options;
        let mut report = ReportBuilder::new("Comparison of storage backends")
            .setting("rounds", options.rounds)
            .setting("small files", options.files)
            .setting("size of a small file", format::bytes(options.file_size as f64))
            .setting("size of the large file", format::bytes(options.large_size as f64))
            .setting("ranges", options.ranges)
            .setting("size of a range", format::bytes(options.range_size as f64))
            .setting("operations at a time", options.concurrency);
        for contender in &self.contenders {
            report = report.contender(
                &contender.name,
                &contender.target.service(),
                contender.notes.clone(),
            );
        }
        options.works.iter().fold(report, |report, work| report.work(WorkInfo::from(*work)))
    }

    /// Writes a first file and reads it, then performs all works once with small sizes. This opens
    /// connections and refreshes tokens. Failures of single works are not reported: the measured
    /// rounds show them.
    ///
    /// # Errors
    /// If the first file cannot be written, read and compared.
    ///
    /// # Panics
    /// If no contender has the index.
    pub async fn warm_up(&self, contender: usize) -> Result {
        let options = self.options.for_warm_up();
        let mut turn = self.turn(contender, &options, "warm-up", usize::MAX);
        turn.probe().await?;
        for work in options.works.clone() {
            turn.measure(work).await;
        }
        turn.end().await;
        Ok(())
    }

    /// Performs these works once on the contender with this index. `round` starts at 0. In round 0 all
    /// written files are read back, outside of the measurement.
    ///
    /// # Panics
    /// If no contender has the index.
    pub async fn round(
        &self,
        contender: usize,
        round: usize,
        works: &BTreeSet<Work>,
    ) -> Vec<(Work, Sample)> {
        let mut turn = self.turn(contender, &self.options, &format!("round-{}", round + 1), round);
        let mut samples = Vec::new();
        for work in self.options.works.iter().copied().filter(|work| works.contains(work)) {
            samples.push((work, turn.measure(work).await));
        }
        turn.end().await;
        samples
    }

    /// Deletes the folder of each contender. Returns the folders that could not be deleted.
    pub async fn clean_up(&self) -> Vec<LeftFolder> {
        let mut left = Vec::new();
        for contender in &self.contenders {
            if let Err(error) = self.delete_folder(contender).await {
                let (contender, folder) = (contender.name.clone(), self.folder.clone());
                left.push(LeftFolder { contender, folder, error });
            }
        }
        left
    }

    /// Deletes the folder of a contender until it does not exist. If the benchmark was interrupted, a
    /// request that was already sent may create it again.
    ///
    /// # Errors
    /// Those of the backend, and a message if the folder exists after [`DELETIONS`] deletions.
    async fn delete_folder(&self, contender: &Contender) -> Result {
        for _ in 0..DELETIONS {
            contender.target.delete_folder(&self.folder).await?;
            if !contender.target.folder_exists(&self.folder).await? {
                return Ok(());
            }
        }
        Err("it still exists".into())
    }

    /// Starts a round of a contender in a folder with this name.
    fn turn<'a>(
        &'a self,
        contender: usize,
        options: &'a BenchOptions,
        name: &str,
        round: usize,
    ) -> Turn<'a> {
        let folder = format!("{}{name}/", self.folder);
        Turn::new(&self.contenders[contender], options, folder, round)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use opendal::{Operator, services::Memory};

    use super::*;
    use crate::OperatorTarget;

    fn memory(name: &str) -> (Operator, Contender) {
        let operator = Operator::new(Memory::default()).expect("memory opens");
        (operator.clone(), Contender::new(name, OperatorTarget::new(operator)))
    }

    fn small() -> BenchOptions {
        BenchOptions::default().files(12).large_size(3 << 20).ranges(4)
    }

    #[tokio::test]
    async fn the_order_of_contenders_rotates_with_the_rounds() {
        let options = small().rounds(3).works(&[Work::PutSmall]);
        let bench = Bench::new(options, vec![memory("a").1, memory("b").1]);
        let turns = Mutex::new(Vec::new());
        let observer = |event: BenchEvent<'_>| {
            if let BenchEvent::Round { contender, number, .. } = event {
                turns.lock().expect("no panic").push(format!("{number}{contender}"));
            }
        };
        let report = bench.run(&observer).await;
        assert_eq!(turns.into_inner().expect("no panic"), ["1a", "1b", "2b", "2a", "3a", "3b"]);
        assert!(report.results.iter().all(|result| result.seconds.len() == 3));
    }

    #[tokio::test]
    async fn nothing_is_left_after_the_cleanup() {
        let (operator, contender) = memory("memory");
        operator.write("other", "kept").await.expect("written");
        let bench = Bench::new(small().rounds(1), vec![contender]);
        let report = bench.run(&|_| ()).await;
        assert!(report.results.iter().any(|result| result.is_done()));
        assert!(bench.clean_up().await.is_empty());
        let left = operator.list("/").await.expect("listed");
        let left: Vec<_> =
            left.iter().map(|entry| entry.path()).filter(|path| *path != "/").collect();
        assert_eq!(left, ["other"]);
    }
}
