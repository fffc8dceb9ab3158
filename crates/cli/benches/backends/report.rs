//! What is shown, and written.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    Arguments, Result,
    contender::CONTENDERS,
    curl,
    shared::Spread,
    work::{Measured, WORK},
};

const MIB: f64 = 1048576.0;

/// What one work cost one remote in all rounds.
struct Cost<'a> {
    remote: &'static str,
    work: &'a str,
    refused: Option<&'a str>,
    seconds: Spread,
    requests: Option<u64>,
    client_peak: Option<f64>,
    server_peak: Option<f64>,
}

/// Prints tables, writes JSON.
pub fn show(arguments: &Arguments, measured: &BTreeMap<usize, Vec<Vec<Measured>>>) -> Result {
    let works = WORK.into_iter().chain([curl::UP, curl::DOWN, curl::DOWN_CHECKED]);
    let costs: Vec<Cost<'_>> = works
        .flat_map(|work| {
            measured.iter().filter_map(move |(&number, rounds)| cost(number, work, rounds))
        })
        .collect();
    println!(
        "{} small files, a large one of {:.0} MiB, {} ranges, {} ms a request, median of {} rounds\n",
        arguments.files,
        arguments.large as f64 / MIB,
        arguments.ranges,
        arguments.latency_ms,
        arguments.rounds
    );
    println!("| work | remote | seconds | spread | requests | client's peak | server's peak |");
    println!("|---|---|---:|---:|---:|---:|---:|");
    for cost in &costs {
        let Cost { remote, work, seconds: Spread { median, least, most }, .. } = cost;
        if let Some(why) = cost.refused {
            let why: String = why.lines().next().unwrap_or_default().chars().take(80).collect();
            println!("| {work} | {remote} | – | {why} | | | |");
            continue;
        }
        let requests = cost.requests.map_or(String::new(), |requests| requests.to_string());
        let memory =
            |peak: Option<f64>| peak.map_or(String::new(), |peak| format!("{peak:.0} MiB"));
        println!(
            "| {work} | {remote} | {median:.3} | {least:.3}–{most:.3} | {requests} | {} | {} |",
            memory(cost.client_peak),
            memory(cost.server_peak),
        );
    }
    let beside = beside_curl(arguments, &costs);
    println!(
        "\n| remote | up | of curl's | down | of curl's | of curl's through md5sum |\n\
         |---|---:|---:|---:|---:|---:|"
    );
    for row in &beside {
        let figure = |name: &str, digits: usize, unit: &str| {
            row[name].as_f64().map_or("–".to_owned(), |figure| format!("{figure:.digits$}{unit}"))
        };
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            row["remote"].as_str().unwrap_or_default(),
            figure("up_mib_s", 0, " MiB/s"),
            figure("up_ratio", 2, ""),
            figure("down_mib_s", 0, " MiB/s"),
            figure("down_ratio", 2, ""),
            figure("down_checked_ratio", 2, ""),
        );
    }
    let document = json!({
        "files": arguments.files, "large_bytes": arguments.large, "ranges": arguments.ranges,
        "latency_ms": arguments.latency_ms, "rounds": arguments.rounds,
        "costs": costs.iter().map(Cost::json).collect::<Vec<_>>(), "beside_curl": beside,
    });
    std::fs::write(&arguments.json, serde_json::to_string_pretty(&document)?)?;
    eprintln!("written: {}", arguments.json.display());
    Ok(())
}

fn cost<'a>(number: usize, work: &'a str, rounds: &'a [Vec<Measured>]) -> Option<Cost<'a>> {
    let all: Vec<&Measured> = rounds.iter().flatten().filter(|one| one.work == work).collect();
    if all.is_empty() {
        return None;
    }
    let most = |peak: fn(&Measured) -> Option<u64>| {
        all.iter().filter_map(|one| peak(one)).max().map(|bytes| bytes as f64 / MIB)
    };
    Some(Cost {
        remote: CONTENDERS[number].name,
        work,
        refused: all.iter().find_map(|one| one.refused.as_deref()),
        seconds: Spread::of(all.iter().map(|one| one.seconds)),
        requests: all.iter().filter_map(|one| one.requests).max(),
        client_peak: most(|one| one.client_peak),
        server_peak: most(|one| one.server_peak),
    })
}

/// The large file's throughput, and how it compares with `curl`'s in the same rounds.
fn beside_curl(arguments: &Arguments, costs: &[Cost<'_>]) -> Vec<Value> {
    let seconds = |remote: &str, work: &str| {
        let cost = costs.iter().find(|cost| cost.remote == remote && cost.work == work)?;
        cost.refused.is_none().then_some(cost.seconds.median)
    };
    let size = arguments.large as f64 / MIB;
    let row = |remote: &'static str| {
        let (up, down) = (seconds(remote, "put large file"), seconds(remote, "get large file"));
        let (curl_up, curl_down) = (seconds(remote, curl::UP)?, seconds(remote, curl::DOWN)?);
        let curl_checked = seconds(remote, curl::DOWN_CHECKED);
        Some(json!({
            "remote": remote,
            "up_mib_s": up.map(|up| size / up), "up_ratio": up.map(|up| curl_up / up),
            "down_mib_s": down.map(|down| size / down),
            "down_ratio": down.map(|down| curl_down / down),
            "down_checked_ratio": down.zip(curl_checked).map(|(down, curl)| curl / down),
        }))
    };
    CONTENDERS.iter().filter_map(|contender| row(contender.name)).collect()
}

impl Cost<'_> {
    fn json(&self) -> Value {
        json!({
            "remote": self.remote, "work": self.work, "refused": self.refused,
            "median_seconds": self.seconds.median, "least_seconds": self.seconds.least,
            "most_seconds": self.seconds.most, "requests": self.requests,
            "client_peak_mib": self.client_peak, "server_peak_mib": self.server_peak,
        })
    }
}
