//! One round of one remote, which runs in its own process.

use async_trait::async_trait;
use drivedal::layers::HttpStats;
use drivedal_bench::{Bench, BenchOptions, Contender, Meter, OperatorTarget, Result, Totals, Work};

use crate::{Samples, Task, contender::CONTENDERS};

/// Runs the work and prints the samples.
pub fn run(task: &Task) -> Result {
    let runtime = tokio::runtime::Runtime::new()?;
    let samples = runtime.block_on(measure(task))?;
    println!("{}", serde_json::to_string(&samples)?);
    Ok(())
}

async fn measure(task: &Task) -> Result<Samples> {
    let contender = CONTENDERS.iter().find(|one| one.name == task.contender);
    let contender = contender.ok_or_else(|| format!("no {}", task.contender))?;
    let stats = HttpStats::default();
    let target = OperatorTarget::new(contender.open(task, &stats)?);
    let target = match contender.is_ours() {
        true => target.with_announcer(announce),
        false => target,
    };
    let measured = Contender::new(contender.name, target);
    let measured = match contender.is_served() {
        true => measured.with_meter(StatsMeter { stats, has_units: contender.has_units() }),
        false => measured,
    };
    let options = BenchOptions::default().files(task.files).large_size(task.large);
    let bench = Bench::new(options.ranges(task.ranges), vec![measured]);
    bench.warm_up(0).await?;
    let samples = bench.round(0, task.round, &Work::ALL.into()).await;
    Ok(samples.into_iter().map(|(work, sample)| (work.id().to_owned(), sample)).collect())
}

fn announce(size: u64) -> Vec<(String, String)> {
    drivedal::announce().size(size).into_iter().collect()
}

/// Counts the requests of the operator.
struct StatsMeter {
    stats: HttpStats,
    has_units: bool,
}

#[async_trait]
impl Meter for StatsMeter {
    async fn totals(&self) -> Result<Totals> {
        let ended = self.stats.total();
        let totals = Totals::default()
            .with_requests(ended.requests + ended.redirects)
            .with_bytes(ended.bytes_up, ended.bytes_down);
        Ok(match self.has_units {
            true => totals.with_resource_units(ended.cost),
            false => totals,
        })
    }
}
