//! The work of one remote, which runs in its own process.

use drivedal_bench::{
    Result,
    work::{self, ContenderServer, NoServer},
};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    Task,
    contender::{CONTENDERS, Contender},
};

/// Runs the work and prints the measurements.
pub fn run(task: &Task) -> Result {
    let runtime = tokio::runtime::Runtime::new()?;
    let contender = CONTENDERS.iter().find(|one| one.name == task.contender);
    let contender = contender.ok_or_else(|| format!("no {}", task.contender))?;
    let measured = runtime.block_on(measure(task, contender))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measure(task: &Task, contender: &Contender) -> Result<Vec<work::Measurement>> {
    let operator = contender.open(task)?;
    let workload = work::BenchTask {
        source: task.source.clone(),
        files: task.files.clone(),
        large: task.large.clone(),
        ranges: task.ranges,
        check: task.check,
        announce: contender.is_ours().then_some(announce as work::SizeAnnouncer),
    };
    match &task.server {
        Some((url, process)) => {
            let http = reqwest::Client::builder().no_proxy().build()?;
            let server = DriveServer { http, url: url.clone(), process: *process };
            work::run(&operator, &workload, &server).await
        }
        None => work::run(&operator, &workload, &NoServer).await,
    }
}

fn announce(size: u64) -> Vec<(String, String)> {
    drivedal::announce().size(size).into_iter().collect()
}

/// Counts the requests of a drive server.
struct DriveServer {
    http: reqwest::Client,
    url: String,
    process: u32,
}

impl ContenderServer for DriveServer {
    fn process(&self) -> Option<u32> {
        Some(self.process)
    }

    fn reset_requests(&self) -> BoxFuture<'_, Result> {
        async {
            let url = format!("{}_control/counters/reset", self.url);
            self.http.post(url).send().await?.error_for_status()?;
            Ok(())
        }
        .boxed()
    }

    fn requests(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        async {
            let response = self.http.get(format!("{}_control/counters", self.url)).send().await?;
            let counters: serde_json::Value = serde_json::from_slice(&response.bytes().await?)?;
            Ok(counters["total"].as_u64())
        }
        .boxed()
    }
}
